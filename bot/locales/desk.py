"""The words of the desk behind every chat, and of the keeper of its cards."""

DESK = {
    "desk.noted": "Noted",
    "desk.not_done": "Not done",
    "desk.list": "Here it is",
    "desk.busy": "Too many people did something with this run at once. Nothing was done; try again.",
    "desk.config_broken": "The configuration can't be used as it is: ask whoever runs this bot to look at it.",
    "desk.no_run": "There is no run {run} here.",
    "desk.nobody_left": (
        "The agents are on it, but nobody can approve what they plan: only {approvers} may, and nobody approves what they "
        "asked for or changed themselves. An administrator can name more approvers, or the operator can set "
        "approval.allow_author and approval.allow_requester."
    ),
    "desk.stopped": "Run {run} is stopped.",
    "desk.help": (
        "Ask for something, and several AI agents plan it together: they may look, but not touch. People see the plan "
        "with every call and every argument, and exactly what they approve is done."
    ),
    "desk.help_example": "For example: /massgen Post a summary of issue 276 to #general",
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

KEEPER = {
    "keeper.too_large": "This card can't hold the whole plan, and neither can a file: nobody can approve it here.",
    "keeper.superseded": "Out of date",
    "keeper.superseded_line": "There is a newer card for run {run}. This one does nothing any more.",
    "keeper.thread": "{prompt}",
    "keeper.story": "What happened",
    "keeper.follow_up": "To go on from here, mention me in this thread.",
    "keeper.reminder": "Still waiting",
    "keeper.reminder_new": "Run {run} has a plan that waits for your decision until {until}.",
    "keeper.reminder_half": "The plan of run {run} waits for a decision until {until}.",
    "keeper.reminder_last": "The plan of run {run} expires {until}, and nobody has decided yet.",
    "keeper.doubt_line": "Look whether it happened, and say so on the card of run {run}.",
    "keeper.outcome": "About your run {run}",
    "keeper.forbidden": "I can't show the card of run {run} there. {reason}",
}
