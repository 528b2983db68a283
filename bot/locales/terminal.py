"""The words of the terminal, and of commands."""

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
    "check.no_servers": "none",
    "check.tool": "tool",
    "check.effect": "effect",
    "check.reason": "why",
    "check.cost": "cost",
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
    "models.needs_no_key": "ready: no key needed",
    "models.needs_key": "needs {variables}",
    "models.model_at": "{model} at {address}",
    "models.works": "works",
    "models.nothing_to_try": "There is no key in the environment whose provider has a model to try; name a --config.",
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
    "help.no_connect": "Do not start the tool servers.",
    "help.models": "Say which providers are ready here. What is installed, and for which there is a key.",
    "help.try": "Ask each for one word; this may cost a fraction of a cent.",
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
    "error.reference": "(ref {reference})",
    "error.unknown_language": "{variable} names a language that is not there; set it to one of these: {known}.",
    "error.no_run": "There is no run {run} here. `massgen-bot history` lists the runs.",
    "error.conflict": "Somebody else did something with this run at that moment. Look at it again, and decide on that.",
    "error.ambiguous": "Several runs begin with {prefix}: {names}. Type more of the name.",
}
