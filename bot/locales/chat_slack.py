"""The words that only Slack needs."""

SLACK = {
    "slack.cut.prose": "… {number} more characters",
    "slack.cut.argument": "… {number} characters of this are only in plan.md …",
    "slack.cut.calls.one": "… and {count} more call, only in plan.md",
    "slack.cut.calls.other": "… and {count} more calls, only in plan.md",
    "slack.cut.receipts.one": "… and {count} more call",
    "slack.cut.receipts.other": "… and {count} more calls",
    "slack.cut.lines.one": "… and {count} more",
    "slack.cut.lines.other": "… and {count} more",
    "slack.files.attached": "Too long for a message: {number} characters stand only in the files in the thread, ",
    "slack.files.pending": (
        "This plan is too long for a message. It can be approved as soon as its files are in the thread."
    ),
    "slack.files.elsewhere": (
        "Too long for a message: {number} characters of this stand only in plan.md, in the thread of the run's card."
    ),
    "slack.files.failed": (
        "This plan can't be approved here: it is too long for a message, and its files could not be attached. {reason}"
    ),
    "slack.agents": "Agents",
    "slack.confirm.no": "Not yet",
    "slack.modal.reason.title": "Reject the plan",
    "slack.modal.reason.label": "Reason",
    "slack.modal.reason.submit": "Reject",
    "slack.modal.change.title": "Request changes",
    "slack.modal.change.label": "What should be different?",
    "slack.modal.change.submit": "Send",
    "slack.modal.close": "Close",
    "slack.modal.details.title": "Details",
    "slack.modal.details.loading": "One moment …",
    "slack.modal.details.page": "Page {number} of {pages}",
    "slack.page.next": "Next page",
    "slack.page.back": "Previous page",
    "slack.ask.started": "Got it. The card comes here, or I say why not.",
    "slack.ask.not_here": (
        "I'm not in this channel, so I can't post here. Somebody who is: type /invite and my name, then ask again."
    ),
    "slack.ask.no_text": "There is no text in this message to plan from.",
    "slack.storage.down": "I can't reach my database now, so nothing was changed. Try again in a minute. (ref {reference})",
    "slack.unexpected": "Something went wrong on my side; nothing more is known here. (ref {reference})",
    "slack.admin.usage": (
        "Say one of: config list · config show · config use NAME [channel|server] · config reset [channel|server] · "
        "config allow NAMES [channel|server] · config check NAME · approvers [VALUE] · limits [VALUE] · freeze · thaw · audit"
    ),
    "slack.cancel.which": "Which run? Say: {command} cancel RUN",
    "slack.refused.channel": (
        "I may not post in this channel: somebody who is in it must type /invite and my name there."
    ),
    "slack.refused.scope": (
        "Slack says that I lack the permission {scope}: a workspace admin must install the app again, with the "
        "manifest that `massgen-bot slack manifest` prints."
    ),
    "slack.refused.update": "Slack no longer lets me change this message ({code}); a new one is needed.",
    "slack.refused.token": (
        "Slack no longer accepts my token for this workspace ({code}): a workspace admin must install the app again."
    ),
    "slack.refused.workspace": (
        "I'm not installed in your workspace, or no longer: one of its admins must install the app there."
    ),
    "slack.refused.archived": "This channel is archived, so I can't post here: unarchive it, or ask in another one.",
    "slack.refused.unknown": "Slack refused this ({code}); the operator finds more in the log.",
    "slack.manifest.name": "MassGen",
    "slack.manifest.bot": "massgen",
    "slack.manifest.description": "Several agents agree on a plan of actions; people approve it; exactly that runs.",
    "slack.manifest.long_description": (
        "Ask for something in a channel. Several AI agents look, argue and vote, without being able to change anything. "
        "The plan that wins is shown here with every call and every argument. Once the people who may have approved it, "
        "exactly those calls run, each at most once, and the card says what became of them."
    ),
    "slack.manifest.shortcut": "Plan from this message",
    "slack.manifest.shortcut_description": "Let the agents plan what this message asks for",
    "slack.manifest.command": "Ask the agents for a plan",
    "slack.manifest.command_hint": "what to do · status · history · cancel RUN · help",
    "slack.manifest.admin": "Configure the agents here",
    "slack.manifest.admin_hint": "config list|show|use|reset|check · approvers · limits · freeze · thaw · audit",
    "slack.doctor.workspace": "The bot token is good: workspace {name} ({team}).",
    "slack.doctor.no_workspace": "Slack does not say to which workspace the token belongs: copy it again.",
    "slack.doctor.scopes": "The app has the permissions that it needs, and no others.",
    "slack.doctor.scopes_more": "The app has the permissions that it needs, and others: {scopes}.",
    "slack.doctor.scopes_missing": (
        "The app lacks {scopes}: paste what `massgen-bot slack manifest` prints as its manifest, then install it again."
    ),
    "slack.doctor.oauth": (
        "Client id, client secret and signing secret are there: each workspace installs the app at /slack/install."
    ),
    "slack.doctor.http": "Slack must reach this machine on port {port}; the manifest's address says how.",
    "slack.doctor.socket": "The app token is good: Socket Mode works.",
    "slack.doctor.app_token": (
        "Slack does not take the token in SLACK_APP_TOKEN ({code}): make one with connections:write on your app's page."
    ),
    "slack.doctor.unreachable": "Slack did not answer; try again, or look at the network.",
    "slack.doctor.channels": "The bot is in {names}.",
    "slack.doctor.no_channels": "The bot is in no channel yet: type /invite @massgen in one.",
    "slack.doctor.channels_unseen": "Which channels the bot is in can't be seen without channels:read ({code}); that is no fault.",
    "slack.no_bot_token": "Put the bot token of your Slack app (xoxb-…) into SLACK_BOT_TOKEN.",
    "slack.unreachable": "Slack can't be reached at {address}; look at the network, or at SLACK_API_URL.",
    "slack.bad_token": (
        "Slack does not take the token in {variable} ({code}): copy it again from your app's page on api.slack.com."
    ),
    "slack.no_start": "Slack did not accept the start ({code}); try again in a minute.",
    "slack.port_taken": "Port {port} is taken; name another one with PORT.",
    "slack.needs_token": (
        "Put the bot token of your Slack app (xoxb-…) into SLACK_BOT_TOKEN; `massgen-bot docs slack` says where it is."
    ),
    "slack.needs_secret": "Put the signing secret of your Slack app into SLACK_SIGNING_SECRET.",
    "slack.needs_mode": (
        "Put the app token (xapp-…) into SLACK_APP_TOKEN for Socket Mode, or the signing secret into "
        "SLACK_SIGNING_SECRET for HTTP; `massgen-bot docs slack` says where they are."
    ),
    "slack.unreadable_file": "The file that {variable} names can't be read.",
    "slack.other_token": "{variable} must begin with {start}: another token stands there.",
    "slack.bad_port": "PORT must be a number below 65536.",
    "slack.only_https": "Slack calls https addresses only: name one with --url https://…",
    "slack.ready": "Slack: listening.",
    "slack.ready_at": "Slack: listening on {address}.",
    "slack.help.slack": "Serve Slack.",
    "slack.help.manifest": "Print the app's manifest. For Socket Mode, or for HTTP at an address.",
    "slack.help.url": "Where Slack reaches this program.",
    "slack.help.with_chat_tools": "With what `chat-tools slack` needs besides.",
    "slack.help.agent": "As one of Slack's agents, with its own Stop button.",
    "slack.help.doctor": "Say what is missing for Slack.",
    "slack.help.chat_tools": "Slack's channels and messages as tools, for one workspace.",
}
