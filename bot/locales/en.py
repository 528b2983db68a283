"""Every sentence that people read, in English."""

from collections.abc import Mapping

CARDS = {
    "status.queued": "Waiting to start",
    "status.planning": "Planning",
    "status.decide": "Decide",
    "status.executing": "Running",
    "status.reporting": "Writing the report",
    "status.needs_human": "Needs a person",
    "status.done": "Done",
    "status.incomplete": "Not all done",
    "status.stopped": "Stopped",
    "status.answered": "Answered",
    "status.rejected": "Rejected",
    "status.expired": "Expired",
    "status.cancelled": "Cancelled",
    "status.failed": "Failed",
    "card.title": "“{prompt}”",
    "card.run": "run {run}",
    "card.plan": "plan {plan}",
    "card.config": "config {config}",
    "card.asked_by": "asked by {who}",
    "calls.one": "{count} call",
    "calls.other": "{count} calls",
    "call.writes": "writes",
    "call.destroys": "may destroy",
    "call.automatic": "allowed by a rule",
    "agent.idle": "waiting",
    "agent.thinking": "thinking",
    "agent.thinking_told": "thinking again, another answer came",
    "agent.thinking_corrected": "corrected, trying again",
    "agent.reading": "reading {tool}",
    "agent.recording": "planning {tool}",
    "agent.retrying": "{reason}, trying again in {wait}",
    "agent.answered": "answered {label}",
    "agent.voted": "voted {choice}",
    "agent.vote_void": "vote for {choice} is void, a newer answer came",
    "agent.out": "out: {reason}",
    "planning.feedback": "{who} wants changes: “{text}”",
    "progress.round": "round {number}",
    "progress.votes": "{votes} of {voters} votes",
    "progress.calls.one": "{done} of {count} call",
    "progress.calls.other": "{done} of {count} calls",
    "progress.took": "took {duration}",
    "number.thousands": ",",
    "number.decimal": ".",
    "amount.seconds": "{value} s",
    "amount.minutes": "{minutes} min {seconds} s",
    "amount.hours": "{value} h",
    "amount.days": "{value} days",
    "amount.tokens": "{value} tokens",
    "amount.money": "${value}",
    "amount.below_a_cent": "less than $0.01",
    "won.plan": "plan",
    "won.answer": "answer",
    "won.consensus": "{winner}'s {what} won {votes} of {voters} votes.",
    "won.majority": "{winner}'s {what} won {votes} of {voters} votes; the others could not have changed that.",
    "won.alone": "{winner} was alone in the end, so its {what} was not put to a vote.",
    "won.deadline": "Time ran out before the agents agreed: {winner}'s {what} had {votes} of {voters} votes.",
    "won.caps": "The agents used up their answers without agreeing: {winner}'s {what} had {votes} of {voters} votes.",
    "now.approvers_asked": (
        "Nothing runs yet: the process that runs this can't ask the chat whether {who} may still approve, and waits for one "
        "that can. After a minute the plan is asked again."
    ),
    "now.frozen": "{who} froze everything here: no approved call starts until that is taken back. Decisions count.",
    "now.changed": "The configuration, or what is set for this place, has changed since this run was asked for. The plan stays as it is shown, and nothing about it got stricter.",
    "now.denied": "The rules that hold here now forbid a call of this plan, so it can't be approved.",
    "now.unreadable": "The rules that hold here now can't be read, so this plan can't be approved until the operator repairs the configuration.",
    "again.rules": "The rules got stricter, so this plan is asked again. Earlier approvals don't count.",
    "again.approvers": "Somebody who had approved may not approve any more, so this plan is asked again. Earlier approvals don't count.",
    "again.unreadable": "It could not be told whether those who had approved still may, so this plan is asked again.",
    "won.chosen": "{who} chose {author}'s plan.",
    "warn.after_vote": "{author} wrote this plan after the vote; the other agents have not seen it.",
    "warn.no_consensus": "The agents did not agree on this plan.",
    "warn.echo": "Call {number}: {names} repeats text that was read with {tools}.",
    "warn.large_number": "Call {number}: {names} has a whole number above 9,007,199,254,740,992. It is sent as it stands here; a server written in JavaScript rounds it.",
    "warn.doubtful_read": (
        "{tool} ran while the agents planned, and nobody was asked: its server says that it changes something. What let it run "
        "is the rule {rule}; the operator must see to that."
    ),
    "warn.server_unavailable": "Planned without the tool server {server}. {reason}",
    "warn.tool_unavailable": "{agent} wanted {tool}, which can't be used: {reason}.",
    "warn.destroys": "The server says that a call of this plan may destroy something.",
    "needs.named": "Needs {number} of {names}",
    "needs.anyone.one": "Needs {count} approval by anyone here",
    "needs.anyone.other": "Needs {count} approvals by anyone here",
    "needs.not_requester": "not by the one who asked",
    "needs.not_authors": "Not by {who}: this plan follows what they said",
    "needs.until": "until {until}",
    "needs.given": "{given} of {required} given: {who}",
    "plan.target": "{server} runs on {target}",
    "decide.digest": "digest {digest}",
    "button.approve.one": "Approve {count} call",
    "button.approve.other": "Approve {count} calls",
    "button.reject": "Reject",
    "button.change": "Request changes",
    "button.details": "Details",
    "button.cancel": "Cancel",
    "button.happened": "It happened",
    "button.run_it": "It did not, run it",
    "button.abandon": "Stop here",
    "button.ask_again": "Ask again",
    "choose.label": "Another agent's plan",
    "choose.option": "{agent}: {calls}",
    "confirm.destroys.one": "{count} call may destroy something",
    "confirm.destroys.other": "{count} calls may destroy something",
    "confirm.many.one": "{count} call will run",
    "confirm.many.other": "{count} calls will run",
    "confirm.call": "{number}  {server} · {tool}",
    "decided.approved": "Approved by {who} at {at}.",
    "receipt.running": "running",
    "receipt.succeeded": "{result}",
    "receipt.vouched": "{who} says that it happened",
    "receipt.failed": "{reason}",
    "receipt.unknown": "unknown: {reason}",
    "receipt.skipped": "not started: {reason}",
    "unknown.doubt": "Call {number} of {total} may or may not have happened: {reason}.",
    "unknown.still": "Its first attempt may still be under way until {until}; only after that can it be run again.",
    "unknown.away": "After it had started, the database was away from {since} to {until} (UTC).",
    "unknown.late": "The server said afterwards: {result}",
    "unknown.stopped": "{who} cancelled the run: whatever became of this call, nothing more of the plan will run.",
    "unknown.needs_run_it": "To run it, {required} different people must say so, as for the plan.",
    "unknown.needs_happened": "If it happened, one person's word lets the rest run until {until}; after that, {required} are needed.",
    "unknown.said_run_it": "{given} of {required} said to run it: {who}",
    "unknown.said_happened": "{given} of {required} said that it happened: {who}",
    "unknown.nothing_runs": "Nothing else runs until someone looks, and decides.",
    "report.by": "{author} reports:",
    "ended.rejected": "{who} rejected the plan at {at}{because}.",
    "ended.cancelled": "{who} cancelled the run at {at}{because}.",
    "ended.expired": "Nobody decided before {at}.",
    "ended.failed": "{reason}",
    "ended.nothing_ran": "Nothing was done.",
    "because": ": “{reason}”",
    "file.markdown.one": "The whole plan {plan}: {count} call with all its arguments",
    "file.markdown.other": "The whole plan {plan}: {count} calls with all their arguments",
    "file.json": "The plan {plan} to the letter, as JSON",
    "file.heading": "# Plan {plan} of run {run}",
    "file.targets": "Where the calls go:",
    "file.author": "Written by {author}. Open until {until}.",
    "file.digest": "Digest: `{digest}`",
}

TIMELINE = {
    "timeline.asked": "{who} asked: “{prompt}” · run {run}",
    "timeline.begins": "the agents begin",
    "timeline.begins_again": "the agents begin again, with the wanted changes",
    "timeline.picked_up": "picked up again after an interruption",
    "timeline.read": "read {tool}",
    "timeline.read_doubtful": "used {tool} while planning, though its server says that it changes something (allowed by {rule})",
    "timeline.server_unavailable": "the agents plan without the tool server {server}: {reason}",
    "timeline.tool_unavailable": "wanted {tool}, which can't be used: {reason}",
    "timeline.read_failed": "could not read {tool}",
    "timeline.recorded": "planned {tool}",
    "timeline.corrected": "was corrected: {reason}",
    "timeline.retried": "waits {wait} for its model: {reason}",
    "timeline.answered": "answered {label}: “{text}”",
    "timeline.answered_with_plan": "answered {label}, {calls}: “{text}”",
    "timeline.voted": "voted {choice}: “{reason}”",
    "timeline.vote_void": "vote for {choice} is void: {newer} came after it",
    "timeline.out": "is out: {reason}",
    "timeline.proposed": "{author} with {calls} waits for a decision · plan {plan}",
    "timeline.concluded": "{author} is the answer",
    "timeline.approved": "{who} approved plan {plan}",
    "timeline.rejected": "{who} rejected plan {plan}{because}",
    "timeline.changes": "{who} wants plan {plan} changed: “{text}”",
    "timeline.expired": "plan {plan} expired, nobody decided",
    "timeline.answer": "answer {number}",
    "timeline.refused": "{who} wanted to {act}: {refusal}",
    "act.approve": "approve",
    "act.reject": "reject",
    "act.change": "have something changed",
    "act.cancel": "cancel",
    "act.resolve": "settle a doubt",
    "why_not.expired": "the plan had expired",
    "why_not.stale_plan": "it was another plan than the one that waited",
    "why_not.already_decided": "somebody had decided already",
    "why_not.already_approved": "they had approved already",
    "why_not.not_an_approver": "they are not among those who decide",
    "why_not.own_request": "it was their own request",
    "why_not.denied_now": "the rules of now forbid a call",
    "why_not.stricter_now": "the rules are stricter now than when the plan was approved",
    "why_not.still_under_way": "the first attempt may still be under way",
    "why_not.stored_config_changed": "the stored configuration was changed after the run began",
    "why_not.rules_unreadable": "the rules of now can't be read",
    "why_not.approvers_unreadable": "earlier approvers could not be checked",
    "why_not.own_words": "their own words are in the plan",
    "why_not.nobody_left": "nobody could have approved the next plan",
    "why_not.other_tenant": "the run belongs somewhere else",
    "why_not.nothing_to_decide": "there was nothing to decide",
    "why_not.nothing_to_cancel": "there was nothing to cancel",
    "why_not.nothing_to_resolve": "no call was in doubt",
    "why_not.already_said": "they had said so already",
    "why_not.not_yours": "the run is not theirs",
    "why_not.external": "they are not a full member",
    "timeline.rules_changed": "the configuration or the settings of this place changed; the plan stays as it is",
    "timeline.rules_denied": "the rules of now forbid a call of this plan",
    "timeline.rules_unreadable": "the rules of now can't be read",
    "timeline.rules_as_before": "the rules are again those that the run began with",
    "timeline.approvers_asked": "before anything runs, the chat is asked whether those who approved still may",
    "timeline.approvers_read": "those who approved still may",
    "timeline.approvers_lost": "{who} may not approve any more",
    "timeline.frozen": "{who} froze everything here: no approved call starts",
    "timeline.thawed": "what was frozen may go on",
    "timeline.cancelled": "{who} cancelled the run{because}",
    "timeline.call": "call {number}/{total}",
    "timeline.call_started": "{tool} started",
    "timeline.call_succeeded": "done: {result}",
    "timeline.call_failed": "failed: {reason}",
    "timeline.call_unknown": "outcome unknown: {reason}",
    "timeline.late_success": "the server said afterwards that it was done: {result}",
    "timeline.late_failure": "the server said afterwards that it failed: {result}",
    "timeline.word_happened": "{who} says that it happened; more people must say so",
    "timeline.word_run_it": "{who} says that it did not happen, run it; more people must say so",
    "timeline.word_abandon": "{who} wants to stop here; more people must say so",
    "timeline.words_voided": "what {who} said does not count any more: they may not approve now",
    "timeline.resolved_happened": "{who} says that it happened",
    "timeline.resolved_run_it": "{who} says that it did not happen: it runs",
    "timeline.resolved_abandon": "{who} stopped here",
    "timeline.skipped.one": "call {numbers} was not started: {reason}",
    "timeline.skipped.other": "calls {numbers} were not started: {reason}",
    "timeline.finished": "every call has its receipt, and the report is written",
    "timeline.finished_without_report": "every call has its receipt",
    "timeline.failed": "failed: {reason}",
    "table.round": "round",
    "table.restarted": "picked up again after an interruption",
    "table.revision": "revision {number}, with the wanted changes",
    "table.read": "read {tool}",
    "table.planned": "planned {tool}",
    "table.told": "told of a new answer",
    "table.corrected": "corrected: {reason}",
    "table.answered": "{label}",
    "table.answered_with_plan": "{label}, {calls}",
    "table.voted": "voted {choice}",
    "table.vote_void": "vote void by {newer}",
    "table.out": "out: {reason}",
}


DISCORD = {
    "discord.rest": "… {number} more characters are in {file}",
    "discord.only_in": "… {number} characters are only in {file} …",
    "discord.whole_in": (
        "Not all of this plan fits here: {number} characters are only in {file}. Read it before you decide."
    ),
    "discord.more_calls.one": "… {count} more call is only in {file}",
    "discord.more_calls.other": "… {count} more calls are only in {file}",
    "discord.file": "Everything that this message says, whole",
    "discord.empty": "empty",
    "discord.forbidden": (
        "I may not write in this channel; ask a server admin to give my role these permissions here: {permissions}."
    ),
    "discord.permission.view_channel": "View Channel",
    "discord.permission.send_messages": "Send Messages",
    "discord.permission.embed_links": "Embed Links",
    "discord.permission.attach_files": "Attach Files",
    "discord.permission.read_message_history": "Read Message History",
    "discord.permission.create_public_threads": "Create Public Threads",
    "discord.permission.send_messages_in_threads": "Send Messages in Threads",
    "discord.token_refused": "Discord refuses the token in DISCORD_BOT_TOKEN; the operator must set a new one.",
    "discord.asked": "Run {run} has begun. Its card appears here in a moment.",
    "discord.asked_nameless": "Done.",
    "discord.begun": "Begun",
    "discord.no_server": "This works in a server only.",
    "discord.trouble": "Not now",
    "discord.confirm_status": "Sure?",
    "discord.confirm_title": "You are about to approve this",
    "discord.confirm_note": "  ({notes})",
    "discord.confirm_yes": "Yes, approve",
    "discord.window_reason_title": "Reject the plan",
    "discord.window_reason_label": "Why? (you may leave this empty)",
    "discord.window_change_title": "Request changes",
    "discord.window_change_label": "What should be different?",
    "discord.ask_title": "Plan from this message",
    "discord.ask_label": "What should the agents do?",
    "discord.no_text": "There is no text in that message.",
    "discord.cmd.massgen": "Ask the agents for a plan; people approve it before anything happens.",
    "discord.cmd.prompt": "What the agents should do; leave it empty for help.",
    "discord.cmd.config": "Which configuration; without it, the one that holds in this channel.",
    "discord.cmd.runs": "Look at runs, stop them, or start them again.",
    "discord.cmd.list": "The newest runs here.",
    "discord.cmd.mine": "Only mine.",
    "discord.cmd.waiting": "Only those that wait for a decision.",
    "discord.cmd.show": "One run with its coordination table.",
    "discord.cmd.run": "The run's name, or the beginning of it.",
    "discord.cmd.cancel": "Stop a run.",
    "discord.cmd.retry": "Ask the same again.",
    "discord.cmd.admin": "Configurations, approvers, limits and the audit log.",
    "discord.cmd.config_group": "Which configuration holds where.",
    "discord.cmd.config_list": "The configurations that there are.",
    "discord.cmd.config_show": "The configuration that holds here, and where that is set.",
    "discord.cmd.config_use": "Set the configuration of this channel or of the whole server.",
    "discord.cmd.config_reset": "Forget what was set for this channel or for the whole server.",
    "discord.cmd.config_allow": "Say which configurations members may ask for by name.",
    "discord.cmd.names": "Names, or *, none or reset. Without any, shows what is allowed.",
    "discord.cmd.config_check": "Check a configuration and its tools.",
    "discord.cmd.name": "The configuration's name.",
    "discord.cmd.scope": "This channel, or the whole server.",
    "discord.cmd.channel": "this channel",
    "discord.cmd.server": "the whole server",
    "discord.cmd.approvers": "Who may approve here.",
    "discord.cmd.limits": "How much may be asked for here, and how much was.",
    "discord.cmd.freeze": "Let no approved call start in this server; plans wait.",
    "discord.cmd.thaw": "Let approved calls start again.",
    "discord.cmd.audit": "What was asked and decided, by whom.",
    "discord.cmd.value": "What to set; without it, what holds now is shown.",
    "discord.cmd.from_message": "Plan from this message",
    "help.discord": "Run the Discord bot, or set it up.",
    "help.discord_run": "Run the Discord bot until SIGTERM.",
    "help.discord_sync": "Tell Discord which commands there are, if that changed.",
    "help.discord_guild": "Only for this server, where it takes effect at once.",
    "help.discord_invite": "Print the link that adds the bot to a server.",
    "help.doctor": "Say what is missing, in order.",
    "help.doctor_discord": "Say what is missing for Discord. Token, application, commands, and the permissions per channel.",
    "help.chat_tools": "Tool servers (MCP, stdio) that let agents use a chat.",
    "help.chat_tools_discord": "Discord's channels and messages as tools, for one server.",
    "help.chat_tools_scope": "What runs may read: the channel that they were asked for in, or all that everybody there can read.",
    "help.chat_tools_guild": "The server's id; without it, the one that the run comes from.",
    "discord.out_of_step": (
        "Discord shows this command as it was in another version; ask the operator to run `massgen-bot discord sync`."
    ),
    "discord.not_open": "The bot is being started or stopped. Nothing was done; please try again in a moment.",
    "discord.gateway_refused": "Discord ended the connection for good (code {code}); the operator must look at its settings.",
    "discord.no_token": "Set DISCORD_BOT_TOKEN to the token from your application's Bot page.",
    "discord.bad_token": (
        "Discord refuses the token in DISCORD_BOT_TOKEN; copy it again from your application's Bot page."
    ),
    "discord.unreachable": "Discord can't be reached; check the network and try again.",
    "discord.not_there": (
        "Discord knows no such server, or the bot is not on it: check the id, or add the bot by the link that "
        "`massgen-bot discord invite` prints."
    ),
    "discord.refused": "Discord refused the request: {answer}",
    "discord.bad_address": "{variable} is not an address that begins with one of these: {schemes}.",
    "discord.bad_port": "MASSGEN_BOT_HEALTH_PORT must be a number from 0 to 65535.",
    "discord.port_taken": "Port {port} is taken; name another one with MASSGEN_BOT_HEALTH_PORT.",
    "discord.ready": "Logged in as {name}. Ctrl-C or SIGTERM ends it.",
    "discord.health": "Health on port {port}: /live and /ready.",
    "discord.synced.one": "Discord knows {count} command now.",
    "discord.synced.other": "Discord knows {count} commands now.",
    "discord.in_step": "Discord knows these commands already.",
    "doctor.token": "The token is good: {name}.",
    "doctor.commands_missing": "Discord does not know the commands as they are now. Run `massgen-bot discord sync`.",
    "doctor.commands": "Discord knows the commands.",
    "doctor.no_guilds": "The bot is in no server yet. Open the link that `massgen-bot discord invite` prints.",
    "doctor.guild": "{name}: {text}",
    "doctor.guild_whole": "every text channel can be used",
    "doctor.channel": "#{name} needs {permissions}",
    "names.config": "configuration {name}",
    "names.set_server": "approvers that were set for all channels",
    "names.set_channel": "approvers that were set for the channel {channel}",
    "names.role": "the role or group {name}",
    "names.user": "the user {name}",
    "names.found": "{where}: {what} is {found}.",
    "names.nobody": "{where}: {what} is nobody here. {remedy}",
    "names.several": "{where}: {what} is {number} different ones ({found}), so it is refused. {remedy}",
    "names.pinned": "{where}: {what} counts as {found}, as it was when it was first looked up, and is {now} now. {remedy}",
    "names.unknown": "{where}: the chat does not tell who {what} is just now. Try again, or write its id.",
    "names.remedy_config": (
        "The operator must write an id there, or correct the name; then an administrator has it looked up anew with "
        "`config check`."
    ),
    "names.remedy_set": "An administrator must say anew who approves, with `approvers`.",
    "names.no_settings": "What administrators set can't be read, so approvers that they named were not looked up: {reason}",
}


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
    "slack.modal.details.page": "Page {number} of {pages}",
    "slack.page.next": "Next page",
    "slack.page.back": "Previous page",
    "slack.ask.started": "Got it. The card comes here, or I say why not.",
    "slack.ask.not_here": (
        "I'm not in this channel, so I can't post here. Somebody who is: type /invite and my name, then ask again."
    ),
    "slack.ask.no_text": "There is no text in this message to plan from.",
    "slack.storage": "I can't reach my database now, so nothing was changed. Try again in a minute.",
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
    "slack.doctor.token_refused": (
        "Slack no longer takes the token of {name} ({code}): its administrators must install the app again."
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


CHAT = {
    "chat.noted": "Noted",
    "chat.not_done": "Not done",
    "chat.list": "Here it is",
    "chat.conflict": "Too many people did something with this run at once. Nothing was done; try again.",
    "chat.too_slow": "That took too long. Nothing was done; please click again.",
    "chat.config_broken": "The configuration can't be used as it is: ask whoever runs this bot to look at it.",
    "chat.no_run": "There is no run {run} here.",
    "chat.nobody_left": (
        "The agents are on it, but nobody can approve what they plan: only {approvers} may, and nobody approves what they "
        "asked for or changed themselves. An administrator can name more approvers, or the operator can set "
        "approval.allow_author and approval.allow_requester."
    ),
    "chat.stopped": "Run {run} is stopped.",
    "chat.help": (
        "Ask for something, and several AI agents plan it together: they may look, but not touch. People see the plan "
        "with every call and every argument, and exactly what they approve is done."
    ),
    "chat.help_example": "For example: /massgen Post a summary of issue 276 to #general",
    "runs.here": "The newest runs here",
    "runs.mine": "Your newest runs",
    "runs.none": "There are none.",
    "runs.round": "round {number}",
    "pages.author.one": "Written by {author}: {count} call.",
    "pages.author.other": "Written by {author}: {count} calls.",
    "home.title": "Your runs",
    "home.waiting": "Waiting for you",
    "home.nothing_waits": "Nothing waits for you.",
    "home.own": "Asked by you",
    "home.config": "Configuration",
    "home.no_config": "No configuration is set here yet.",
    "home.usage": "Used here this month",
    "home.runs.one": "{count} run",
    "home.runs.other": "{count} runs",
}

ADMIN = {
    "config.list": "The configurations that may be used here",
    "config.skipped": (
        "Not offered for their names: {files}. A configuration's name has small letters, digits, - and _, and ends in .yaml."
    ),
    "config.open": "Members may ask for these here",
    "config.none": "There are none: whoever runs this bot puts files into its folder of configurations.",
    "config.from_asked": "{name} was asked for.",
    "config.from_channel": "{name} holds here: it was set for this channel.",
    "config.from_server": "{name} holds here: it was set for all channels.",
    "config.from_default": "{name} holds here: nothing else was set.",
    "config.set_by": "set by {who}, {at}",
    "config.used_channel": "{name} holds in this channel from now on.",
    "config.used_server": "{name} holds in all channels from now on, except where a channel has its own.",
    "config.was_reset": "That is forgotten.",
    "config.usable": "{name} is a good configuration",
    "config.not_usable": "{name} can't be used as it is",
    "config.unreadable": "Its file can't be read as it is; config check says why.",
    "approvers.set_channel": "From now on plans in this channel need:",
    "approvers.set_server": "From now on plans in all channels need, except where a channel has its own rule:",
    "approvers.was_reset": "From now on plans need what their configuration says.",
    "approvers.named": "approval by {names}",
    "approvers.required.one": "{count} approval at least",
    "approvers.required.other": "{count} approvals at least",
    "approvers.requester_yes": "also by the one who asked, where the configuration allows that",
    "approvers.requester_no": "not by the one who asked",
    "freeze.set": "Frozen: no approved call starts here until an administrator says thaw. Plans wait, and decisions count.",
    "freeze.reset": "Approved calls start here again.",
    "refuse.nothing_frozen": "Nothing is frozen here.",
    "refuse.frozen_everywhere": "The operator froze everything, so nothing starts here either: only massgen-bot thaw takes that back.",
    "limits.title": "What may be asked for here",
    "limits.at_once.one": "{count} run at once (at_once)",
    "limits.at_once.other": "{count} runs at once (at_once)",
    "limits.waiting.one": "{count} plan that waits for a decision (waiting)",
    "limits.waiting.other": "{count} plans that wait for a decision (waiting)",
    "limits.each.one": "{count} run at once by one person (each)",
    "limits.each.other": "{count} runs at once by one person (each)",
    "limits.hourly.one": "{count} run an hour by one person (hourly)",
    "limits.hourly.other": "{count} runs an hour by one person (hourly)",
    "audit.title": "What was set here, and what was refused",
    "audit.none": "Nothing was set, and nobody was refused.",
    "audit.of_run": "Who decided what about run {run}",
}

REFUSALS = {
    "refuse.elsewhere": "You can ask for something only in the server or workspace that you belong to.",
    "refuse.no_config": "There is no configuration {name} that may be used here.",
    "refuse.not_open": (
        "You can't choose {name} here, only: {names}. An administrator can open it with /massgen-admin config allow NAMES."
    ),
    "refuse.no_default": (
        "No configuration is set here. An administrator chooses one with /massgen-admin config use NAME."
    ),
    "refuse.names_nobody": (
        "The rule of approval names {names}, and nobody here is called so. An administrator can set `approver"
        "s` with mentions."
    ),
    "refuse.name_not_unique": (
        "{number} roles or people here are called {name}. An administrator must say which one, with `approvers"
        "` and a mention, or the operator by its id."
    ),
    "refuse.name_unknown": ("The chat does not tell who {name} is just now. Try again, or name them by id."),
    "refuse.bad_approvers": (
        "“{text}” can't be understood here. Name roles and people as you mention them, and, if you want, required=2 "
        "(1 to 20) and requester=no; or say reset."
    ),
    "refuse.many_approvers": "At most {most} roles and people can be named.",
    "refuse.few_approvers.one": "{required} approvals are wanted, and only {count} person is named who may give one.",
    "refuse.few_approvers.other": "{required} approvals are wanted, and only {count} people are named who may give one.",
    "refuse.bad_limits": "“{text}” can't be understood here. Say at_once=3 each=2 waiting=20 hourly=10, or some of it, or reset.",
    "refuse.too_many_at_once.one": "{count} run is under way here, which is the limit. Ask again when it has ended.",
    "refuse.too_many_at_once.other": "{count} runs are under way here, which is the limit. Ask again when one has ended.",
    "refuse.too_many_each.one": "You have {count} run under way, which is the limit for one person. Ask again when it has ended.",
    "refuse.too_many_each.other": "You have {count} runs under way, which is the limit for one person. Ask again when one has ended.",
    "refuse.too_many_waiting.one": "{count} plan waits for a decision here, which is the limit. Decide on it first.",
    "refuse.too_many_waiting.other": "{count} plans wait for a decision here, which is the limit. Decide on some first.",
    "refuse.too_many_hourly.one": "You have asked for {count} run within an hour, which is the limit. Ask again later.",
    "refuse.too_many_hourly.other": "You have asked for {count} runs within an hour, which is the limit. Ask again later.",
    "refuse.ambiguous_run": "Several runs begin with {prefix}: {names}. Type more of the name.",
    "refuse.no_button": "There is no such button here. Nothing was done.",
    "refuse.superseded_card": "This card is out of date; run {run} has a newer one. Nothing was done.",
    "refuse.older_doubt": "This was about an earlier doubt; look at the card as it is now. Nothing was done.",
    "refuse.not_admin": "Only administrators of this place, and people whom the operator named, can do that.",
    "refuse.no_such_verb": "There is no command {verb}.",
    "refuse.nothing_set": "Nothing was set there, so there is nothing to forget.",
    "refusal.anyone": "anyone here",
    "refusal.expired": "This plan has expired, so nothing of it will run. Ask again for a new one.",
    "refusal.denied_now": (
        "The rules that hold here now forbid a call of this plan, so it can't run. Request changes, or reject it."
    ),
    "refusal.stricter_now": (
        "The rules that hold here now are stricter than when this plan was approved, or forbid a call of it, so nothing more "
        "of it runs. Say that it happened, or stop here."
    ),
    "refusal.rules_unreadable": (
        "The rules that hold here now can't be read, so nothing can be approved. The operator must repair the configuration."
    ),
    "refusal.still_under_way": (
        "The first attempt of this call may still be under way, so it can't be run again yet. Wait for its time limit, or say "
        "that it happened."
    ),
    "refusal.stored_config_changed": (
        "The stored configuration of this run was changed after the run began, so nothing of it runs. The operator must find "
        "out who wrote to the database: massgen-bot audit verify."
    ),
    "refusal.approvers_unreadable": (
        "It can't be told at the moment whether those who approved before still may. Try again in a minute."
    ),
    "refusal.stale_plan": "This is not the plan that waits now. Look at the newest one, and decide on that.",
    "refusal.already_decided": "Somebody has decided already: {state}.",
    "refusal.already_said": "You have said so already; {required} different people must.",
    "refusal.already_approved": "You have approved already; {required} different people must.",
    "refusal.not_an_approver": "Only {approvers} can decide on this plan.",
    "refusal.own_request": "You asked for this run, so somebody else must decide: {approvers}.",
    "refusal.own_words": (
        "This plan follows what you said, so somebody else must decide: {approvers}. "
        "The operator can allow it with approval.allow_author."
    ),
    "refusal.nobody_left": (
        "Nobody could approve a plan that follows your words: only {approvers} may, and nobody approves what they asked "
        "for themselves. Let somebody else say it, or ask the operator to set approval.allow_author."
    ),
    "refusal.other_tenant": "There is no such run here.",
    "refusal.nothing_to_decide": "There is nothing to decide: {state}.",
    "refusal.nothing_to_cancel": "There is nothing to cancel: {state}.",
    "refusal.doubt_first": (
        "A call of this run may or may not have happened. Say what became of it, or stop there, instead."
    ),
    "refusal.nothing_to_resolve": "No call of this run waits for such a word.",
    "refusal.not_yours": "Only {requester}, an approver or an administrator can cancel this run.",
    "refusal.external": (
        "Only full members can decide here. For guests, bots and people from other organizations, an operator must set "
        "approval.external in the configuration."
    ),
    "refusal.external_ask": (
        "Only full members can ask for a run here. For guests, bots and people from other organizations, an operator "
        "must set ask.external in the configuration."
    ),
    "refusal.by_tool_server": (
        "A tool server started this command, and tool servers decide on nothing. A person must decide in a terminal or in the "
        "chat; a script needs {variable} (`massgen-bot docs security`)."
    ),
    "refusal.by_nobody": (
        "This command has no terminal, so it can't be told whether a person decides. Run it in a terminal; a script needs "
        "{variable} (`massgen-bot docs security`)."
    ),
    "refusal.empty_change": "Say what should be different: the wanted change is empty.",
    "refusal.empty_prompt": "Say what the agents should do: the request is empty.",
    "refusal.long_prompt": "The request is longer than {most} characters, which is the limit. Shorten it.",
}

CARD_SYNC = {
    "card_sync.too_large": "This card can't hold the whole plan, and neither can a file: nobody can approve it here.",
    "card_sync.superseded": "Out of date",
    "card_sync.superseded_line": "There is a newer card for run {run}. This one does nothing any more.",
    "card_sync.thread": "{prompt}",
    "card_sync.story": "What happened",
    "card_sync.follow_up": "To go on from here, mention me in this thread.",
    "card_sync.reminder": "Still waiting",
    "card_sync.reminder_new": "Run {run} has a plan that waits for your decision until {until}.",
    "card_sync.reminder_half": "The plan of run {run} waits for a decision until {until}.",
    "card_sync.reminder_last": "The plan of run {run} expires {until}, and nobody has decided yet.",
    "card_sync.doubt_line": "Look whether it happened, and say so on the card of run {run}.",
    "card_sync.outcome": "About your run {run}",
    "card_sync.forbidden": "I can't show the card of run {run} there. {reason}",
}


CONSOLE = {
    "explain.request": "Request",
    "explain.coordination": "Coordination",
    "explain.votes": "Votes",
    "explain.plans": "plans {tools}",
    "ask.decide": "{approve}?",
    "ask.resolve": "What became of it?",
    "ask.reason": "Reason (Enter for none):",
    "ask.change": "What should be different?",
    "ask.confirm": "{title}. {yes}?",
    "ask.other_plan": "Whose plan?",
    "ask.stop": "Cancel the run?",
    "key.approve": "approve",
    "key.reject": "reject",
    "key.change": "change",
    "key.details": "details",
    "key.other_plan": "other",
    "key.happened": "happened",
    "key.run_it": "run it",
    "key.abandon": "stop",
    "key.yes": "yes",
    "key.no": "no",
    "key.none": "none",
    "key.stop_yes": "yes cancel it",
    "key.stop_leave": "leave it waiting",
    "key.stop_no": "no",
    "time.tomorrow": "tomorrow {time}",
    "time.countdown": "{at} (in {span})",
}

NEXT = {
    "next.decide": (
        "Run {run} waits for a decision until {until}:\n"
        "  massgen-bot approve {run} --digest {plan}\n"
        "  massgen-bot reject {run} --digest {plan}"
    ),
    "next.resolve": (
        "Run {run} needs a person: call {number} may or may not have happened. Look, then say which:\n"
        "  massgen-bot resolve {run} happened\n"
        "  massgen-bot resolve {run} run-it\n"
        "  massgen-bot resolve {run} stop"
    ),
    "next.resume": "Run {run} is left where it is. Go on with:\n  massgen-bot resume {run}",
    "demo.prompt": "Power off on Friday from 14:00 to 16:00",
    "demo.approves_itself": (
        "There is no terminal to ask at, and this world is a toy: the plan will be approved without a person."
    ),
    "demo.next": (
        "What comes next:\n"
        "  massgen-bot show {run}\n"
        "      everything about this run: who answered what, who voted how\n"
        "  massgen-bot check openai-compatible\n"
        "      your own model and tools: what each agent may do with them\n"
        '  massgen-bot run "…" --config openai-compatible\n'
        "      ask them\n"
        "  massgen-bot docs discord · massgen-bot docs slack\n"
        "      the same in your chat"
    ),
    "demo.activate": "massgen-bot is in {folder}: type this first, and its name is enough:\n  . {folder}/activate",
}

COMMANDS = {
    "history.run": "run",
    "history.state": "state",
    "history.asked": "asked",
    "history.by": "by",
    "history.prompt": "request",
    "history.empty": "There are no runs yet. `massgen-bot demo` makes one.",
    "state.queued": "waiting to start",
    "state.deliberating": "planning",
    "state.awaiting_decision": "waits for a decision",
    "state.changes_wanted": "waiting to start again",
    "state.executing": "running",
    "state.needs_human": "needs a person",
    "state.reporting": "writing the report",
    "state.finished": "finished",
    "state.answered": "answered",
    "state.rejected": "rejected",
    "state.expired": "expired",
    "state.cancelled": "cancelled",
    "state.failed": "failed",
    "check.warning": "Warning: {text}",
    "check.usable": "{file} is a good configuration.",
    "check.not_usable": "{file} can't be used as it is.",
    "check.lacks_library": "{file} is a good configuration, but this machine lacks a library that it needs.",
    "error.install": "Install it with:\n  {command}",
    "check.added": "New under read rules since the last check, and accepted now: {tools}",
    "check.removed": "Under read rules at the last check, and gone now: {tools}",
    "check.agents": "agents",
    "check.servers": "servers",
    "check.approval": "approval",
    "check.answers": "{server} (answers)",
    "check.not_asked": "{server} (not asked)",
    "check.absent": "{server} (optional, can't be used)",
    "check.no_servers": "none",
    "check.tool": "tool",
    "check.effect": "effect",
    "check.reason": "why",
    "check.cost": "cost",
    "check.usual_cost": "a usual run: about ${dollars}, for some {calls} model calls",
    "check.usual_calls": "a usual run: some {calls} model calls, cost unknown",
    "check.limit": "to end a run that gets out of hand, write {limit}",
    "check.cost_of_agent": "{agent}: {calls} model calls at most, {dollars}",
    "check.cost_of_run": "a run: {dollars}",
    "check.dollars": "${dollars} at most",
    "check.unknown_cost": "cost unknown",
    "models.type": "type",
    "models.here": "here",
    "models.model": "model",
    "models.address": "address",
    "models.result": "result",
    "models.not_installed": "needs: {command}",
    "models.has_key": "ready: {variable} is set",
    "models.needs_no_key": "ready: it runs, and needs no key",
    "models.needs_key": "needs {variables}",
    "models.model_at": "{model} at {address}",
    "models.works": "works, and calls tools",
    "models.works_but": "works, but {remark}",
    "models.not_running": "nothing listens at {address}: start {title}",
    "models.nothing_to_try": "There is no key in the environment whose provider has a model to try, and no server runs here; name a --config.",
    "effect.read": "read",
    "effect.ask": "ask",
    "effect.auto": "auto",
    "effect.deny": "deny",
    "serve.database_away": "{problem} Waiting for it, for {minutes} minutes at most.",
    "worker.ready": "Working. Ctrl-C or SIGTERM ends it.",
    "migrate.done": "The tables are up to date in {database}.",
    "audit.finding": "{where}: {problem}",
    "audit.run_whole": "Run {run} is as it was written.",
    "audit.anchored": "{file} stands for all logs now: digest {digest}. Keep it where the database's users can't write.",
    "audit.anchor_not_written": "The anchor can't be written to {file}: {reason}. Name a new file.",
    "audit.anchor_of_all": "An anchor is of all runs: leave out RUN.",
    "audit.all_whole": "Every run is as it was written.",
    "usage.both": "--approve and --reject exclude each other.",
    "usage.reason": "--reason needs --reject.",
    "usage.verdict": "Say one of: {verdicts}.",
}

HELP = {
    "help.massgen_bot": (
        "Several AI agents agree on a plan of tool calls; people approve it; exactly those calls run, each at most once."
    ),
    "help.epilog": (
        "DATABASE_URL names the database; without it, a file in the state folder is used. MASSGEN_BOT_STATE names that "
        "folder; without it, it is massgen-bot in XDG_STATE_HOME or ~/.local/state. Exit status: 0 finished, 1 failed, "
        "2 usage or configuration, 3 waiting for a decision, 4 rejected, expired or cancelled, 5 a person is needed."
    ),
    "help.audit": "Prove the log, or hand it out.",
    "help.run_name": "The run's name, or the beginning of it.",
    "help.config": "The configuration: agents, tools, who approves.",
    "help.option_approve": "Approve the plan that is proposed.",
    "help.option_reject": "Reject the plan that is proposed.",
    "help.reason": "Why.",
    "help.events": "Write one JSON object per event on standard output, and nothing else there.",
    "help.digest": "Decide on this plan only (8 digits or more, such as 9f3a-61c2); without it, on the one that waits.",
    "help.verbose": "Write debug messages on standard error.",
    "help.version": "Show the version.",
    "help.demo": "A run in a toy world. Scripted agents, a real tool server, no keys, no network.",
    "help.demo_prompt": "What the agents should do.",
    "help.demo_config": "Another configuration than `demo`.",
    "help.run": "Ask the agents for a plan, decide on it, see it done.",
    "help.prompt": "What the agents should do; `-` reads it from standard input.",
    "help.resume": "Stay with a run: see it live, and decide. What a killed process has left is carried out.",
    "help.approve": "Approve the plan that waits, and see its calls run.",
    "help.reject": "Reject the plan that waits: nothing of it will run.",
    "help.changes": "Send the agents back with your words, and see their next plan.",
    "help.changes_text": "What should be different.",
    "help.cancel": "Stop a run; a call that is under way ends first.",
    "help.freeze": "Let no approved call start, in one tenant or anywhere. Calls under way end, and plans wait.",
    "help.thaw": "Let approved calls start again.",
    "help.tenant": "For example discord:123 or console; without it, all.",
    "freeze.done.one": "Frozen: {where}. No approved call starts; {count} run is held.",
    "freeze.done.other": "Frozen: {where}. No approved call starts; {count} runs are held.",
    "freeze.undone.one": "Not frozen any more: {where}. {count} run goes on.",
    "freeze.undone.other": "Not frozen any more: {where}. {count} runs go on.",
    "freeze.nothing": "Nothing is frozen there: {where}.",
    "freeze.everywhere": "everything",
    "help.resolve": "Say what became of a call whose outcome is unknown.",
    "help.verdict": "It happened; it did not, so run it; or stop here.",
    "help.call": "The number of the call; without it, the one in question.",
    "help.status": "How a run stands.",
    "help.show": "Everything about a run. Request, coordination table, answers, votes, plan, outcome.",
    "help.story": "Every event that is worth a line, as well.",
    "help.history": "The newest runs.",
    "help.docs": "Print a page of the documentation. Without a name: list them.",
    "help.docs_page": "The page, such as chat or configuration.",
    "docs.no_page": "There is no page {page}; the pages are: {pages}.",
    "help.limit": "How many.",
    "help.check": "Check a configuration, and say what becomes of each tool.",
    "help.check_config": "The configuration file.",
    "help.schema": "Print the JSON Schema of a configuration, for editors.",
    "help.no_connect": "Do not start the tool servers.",
    "help.models": "Say which providers are ready here. What is installed, and for which there is a key.",
    "help.try": "Have each model call a tool; this may cost a cent.",
    "help.models_config": "Ask the models of this configuration instead of one for each key.",
    "help.up": "Serve every chat whose variables are set. Discord and Slack, in one process, until SIGTERM.",
    "up.no_chat": "No chat is set: put the token of a bot into DISCORD_BOT_TOKEN or SLACK_BOT_TOKEN; `massgen-bot docs chat` leads to both.",
    "help.worker": "Carry out what runs are waiting for, until SIGTERM.",
    "help.until_idle": "End when no run can go on without a person.",
    "help.migrate": "Make the database's tables, or bring older ones up to date.",
    "help.audit_verify": "Check that the log is as it was written.",
    "help.audit_run": "One run; without it, all.",
    "help.audit_verify_anchor": "Compare with what `audit anchor` wrote to this file, too.",
    "help.audit_anchor": "Write what stands for all logs now. Kept elsewhere, it finds what was cut off or written anew.",
    "help.audit_anchor_file": "A new file; without it, standard output.",
    "help.audit_export": "Write a run's events with their hashes. One JSON object a line.",
}

ERRORS = {
    "error.unexpected": "Something went wrong that should not have.",
    "error.unexpected_in_log": "Something went wrong that should not have; {file} in the state folder has the details.",
    "error.server_wrote": "{server} wrote last to its standard error:",
    "error.reference": "(ref {reference})",
    "environment.misspelt": "{name} is no variable of this program and has no effect. Did you mean {meant}?",
    "environment.unknown": (
        "{name} is no variable of this program and has no effect. `massgen-bot docs environment` lists them."
    ),
    "error.unknown_language": "{variable} names a language that is not there; set it to one of these: {known}.",
    "error.no_run": "There is no run {run} here. `massgen-bot history` lists the runs.",
    "error.conflict": "Somebody else did something with this run at that moment. Look at it again, and decide on that.",
    "error.ambiguous": "Several runs begin with {prefix}: {names}. Type more of the name.",
}


_CHATS = {**CHAT, **ADMIN, **REFUSALS, **CARD_SYNC}

ENGLISH_TEXTS: Mapping[str, str] = {
    **CARDS,
    **TIMELINE,
    **CONSOLE,
    **NEXT,
    **COMMANDS,
    **HELP,
    **ERRORS,
    **DISCORD,
    **SLACK,
    **_CHATS,
}
