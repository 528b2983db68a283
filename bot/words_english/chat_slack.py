"""The words that only Slack needs."""

SLACK = {
    "cut.prose": "… {number} more characters",
    "cut.argument": "… {number} characters of this are only in plan.md …",
    "cut.calls.one": "… and {count} more call, only in plan.md",
    "cut.calls.other": "… and {count} more calls, only in plan.md",
    "cut.receipts.one": "… and {count} more call",
    "cut.receipts.other": "… and {count} more calls",
    "cut.lines.one": "… and {count} more",
    "cut.lines.other": "… and {count} more",
    "files.attached": "Too long for a message: {number} characters stand only in the files in the thread, ",
    "files.pending": (
        "This plan is too long for a message. It can be approved as soon as its files are in the thread."
    ),
    "files.failed": (
        "This plan can't be approved here: it is too long for a message, and its files could not be attached. {reason}"
    ),
    "agents": "Agents",
    "confirm.no": "Not yet",
    "modal.reason.title": "Reject the plan",
    "modal.reason.label": "Reason",
    "modal.reason.submit": "Reject",
    "modal.change.title": "Request changes",
    "modal.change.label": "What should be different?",
    "modal.change.submit": "Send",
    "modal.close": "Close",
    "modal.details.title": "Details",
    "modal.details.loading": "One moment …",
    "modal.details.page": "Page {number} of {pages}",
    "page.next": "Next page",
    "page.back": "Previous page",
    "ask.started": "Got it. The card comes here.",
    "ask.not_here": (
        "I'm not in this channel, so I can't post here. Somebody who is: type /invite and my name, then ask again."
    ),
    "ask.no_text": "There is no text in this message to plan from.",
    "storage.down": "I can't reach my database now, so nothing was changed. Try again in a minute. (ref {reference})",
    "unexpected": "Something went wrong on my side; nothing more is known here. (ref {reference})",
    "admin.usage": (
        "Say one of: config list · config show · config use NAME [channel|server] · config reset [channel|server] · "
        "config check NAME · approvers [VALUE] · limits [VALUE] · audit"
    ),
    "cancel.which": "Which run? Say: {command} cancel RUN",
    "refused.channel": ("I may not post in this channel: somebody who is in it must type /invite and my name there."),
    "refused.scope": (
        "Slack says that I lack the permission {scope}: a workspace admin must install the app again, with the "
        "manifest that `massgen-bot slack manifest` prints."
    ),
    "refused.update": "Slack no longer lets me change this message ({code}); a new one is needed.",
    "refused.token": (
        "Slack no longer accepts my token for this workspace ({code}): a workspace admin must install the app again."
    ),
    "refused.workspace": (
        "I'm not installed in your workspace, or no longer: one of its admins must install the app there."
    ),
    "refused.archived": "This channel is archived, so I can't post here: unarchive it, or ask in another one.",
    "refused.unknown": "Slack refused this ({code}); the operator finds more in the log.",
    "manifest.name": "MassGen",
    "manifest.bot": "massgen",
    "manifest.description": "Several agents agree on a plan of actions; people approve it; exactly that runs.",
    "manifest.long_description": (
        "Ask for something in a channel. Several AI agents look, argue and vote, without being able to change anything. "
        "The plan that wins is shown here with every call and every argument. Once the people who may have approved it, "
        "exactly those calls run, each at most once, and the card says what became of them."
    ),
    "manifest.shortcut": "Plan from this message",
    "manifest.shortcut_description": "Let the agents plan what this message asks for",
    "manifest.command": "Ask the agents for a plan",
    "manifest.command_hint": "what to do · status · history · cancel RUN · help",
    "manifest.admin": "Configure the agents here",
    "manifest.admin_hint": "config list|show|use|reset|check · approvers · limits · audit",
    "doctor.workspace": "The bot token is good: workspace {name} ({team}).",
    "doctor.no_workspace": "Slack does not say to which workspace the token belongs: copy it again.",
    "doctor.scopes": "The app has the permissions that it needs, and no others.",
    "doctor.scopes_more": "The app has the permissions that it needs, and others: {scopes}.",
    "doctor.scopes_missing": (
        "The app lacks {scopes}: paste what `massgen-bot slack manifest` prints as its manifest, then install it again."
    ),
    "doctor.oauth": (
        "Client id, client secret and signing secret are there: each workspace installs the app at /slack/install."
    ),
    "doctor.http": "Slack must reach this machine on port {port}; the manifest's address says how.",
    "doctor.socket": "The app token is good: Socket Mode works.",
    "doctor.app_token": (
        "Slack does not take the token in SLACK_APP_TOKEN ({code}): make one with connections:write on your app's page."
    ),
    "doctor.unreachable": "Slack did not answer; try again, or look at the network.",
    "doctor.channels": "The bot is in {names}.",
    "doctor.no_channels": "The bot is in no channel yet: type /invite @massgen in one.",
    "doctor.channels_unseen": "Which channels the bot is in can't be seen without channels:read ({code}); that is no fault.",
    "slack.ready": "Slack: listening.",
    "slack.ready_at": "Slack: listening on {address}.",
    "help.slack": "Serve Slack.",
    "help.manifest": "Print the app's manifest for Socket Mode, or for HTTP at an address.",
    "help.url": "Where Slack reaches this program.",
    "help.with_chat_tools": "With what `chat-tools slack` needs besides.",
    "help.agent": "As one of Slack's agents, with its own Stop button.",
    "help.doctor": "Say what is missing for Slack.",
    "help.chat_tools": "Be an MCP server on stdio whose tools read and write one Slack workspace.",
}
