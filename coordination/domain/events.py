"""Everything that can happen to a run. The log of these is the truth; all else is a function of it.

Agents are numbers from 1; `agents` in RunRequested has their names for operators.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from coordination.domain.ballot import Election
from coordination.domain.call_events import CallFailed as CallFailed
from coordination.domain.call_events import CallOutcomeUnknown as CallOutcomeUnknown
from coordination.domain.call_events import CallResolved as CallResolved
from coordination.domain.call_events import CallsSkipped as CallsSkipped
from coordination.domain.call_events import CallStarted as CallStarted
from coordination.domain.call_events import CallSucceeded as CallSucceeded
from coordination.domain.call_events import LateResult as LateResult
from coordination.domain.call_events import ResolutionApproved as ResolutionApproved
from coordination.domain.call_events import Verdict as Verdict
from coordination.domain.call_events import WordsVoided as WordsVoided
from coordination.domain.day_caps import Caps
from coordination.domain.grants import Grant, GrantUse
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Person
from coordination.domain.preset_plan import PresetPlan, Purpose
from coordination.text import Reasoned, TextParts


@dataclass(frozen=True, kw_only=True)
class TurnStarted:
    """An agent began a turn, having seen everything up to `epoch`."""

    agent: int
    turn: int
    epoch: int
    kind: Literal["turn_started"] = "turn_started"


@dataclass(frozen=True, kw_only=True)
class ToolRead:
    """An agent used a tool that runs at once; `excerpt` is the beginning of what came back.

    `doubtful_rule` is the rule that says it reads, where its server said at that moment that it changes something.
    """

    agent: int
    server: str
    tool: str
    arguments: str
    excerpt: str
    is_error: bool = False
    doubtful_rule: str = ""
    kind: Literal["tool_read"] = "tool_read"


@dataclass(frozen=True, kw_only=True)
class ActionRecorded:
    """An agent called a deferred tool: nothing ran, the call is on record.

    `input_schema` is that of the tool, as canonical JSON, the first time that this definition is recorded in a turn;
    else empty, as it is where it is very long.
    """

    agent: int
    call: PlannedCall
    input_schema: str = ""
    kind: Literal["action_recorded"] = "action_recorded"


@dataclass(frozen=True, kw_only=True)
class ActionWithdrawn:
    """An agent withdraws a call that it recorded in this turn: its answer is without it.

    `number` is what it was told of the call, from 1; the calls behind it have moved up by one since.
    """

    agent: int
    number: int
    call: PlannedCall
    kind: Literal["action_withdrawn"] = "action_withdrawn"


@dataclass(frozen=True, kw_only=True)
class AgentTold:
    """A running turn was told of the answers up to `epoch`."""

    agent: int
    epoch: int
    kind: Literal["agent_told"] = "agent_told"


@dataclass(frozen=True, kw_only=True)
class AgentCorrected(Reasoned):
    """An agent broke the protocol and was told so."""

    agent: int
    reason: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["agent_corrected"] = "agent_corrected"


@dataclass(frozen=True, kw_only=True)
class ModelUsed:
    """One model call's tokens; `input_tokens` includes `cached_tokens`, `cost` is in US dollars where known.

    `is_estimated`: the provider did not say how many, or the call broke off before it could.
    """

    agent: int
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: float | None = None
    is_estimated: bool = False
    kind: Literal["model_used"] = "model_used"


@dataclass(frozen=True, kw_only=True)
class ModelRetried(Reasoned):
    """A model call failed in passing and is made again after `wait` seconds."""

    agent: int
    reason: str
    wait: float
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["model_retried"] = "model_retried"


@dataclass(frozen=True, kw_only=True)
class AnswerAccepted:
    """An answer opened the epoch `epoch` and voided every vote before it.

    `left_out`: so many calls its agent wanted besides, which are more than a plan may hold.
    """

    agent: int
    number: int
    epoch: int
    text: str
    calls: tuple[PlannedCall, ...] = ()
    left_out: int = 0
    kind: Literal["answer_accepted"] = "answer_accepted"


@dataclass(frozen=True, kw_only=True)
class VoteCast:
    """A vote, with the epoch that its voter had seen. It counts only if that is the newest."""

    agent: int
    choice: int
    epoch: int
    reason: str
    kind: Literal["vote_cast"] = "vote_cast"


@dataclass(frozen=True, kw_only=True)
class VoteVoided:
    """A vote stopped counting, or never did, because the answer of epoch `by_epoch` came."""

    agent: int
    choice: int
    epoch: int
    by_epoch: int
    kind: Literal["vote_voided"] = "vote_voided"


@dataclass(frozen=True, kw_only=True)
class AgentFailed(Reasoned):
    """An agent is out for the run."""

    agent: int
    reason: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["agent_failed"] = "agent_failed"


@dataclass(frozen=True, kw_only=True)
class ServerUnavailable(Reasoned):
    """An optional tool server can't be used while the agents plan this revision; `reason` is a whole sentence."""

    revision: int
    server: str
    reason: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["server_unavailable"] = "server_unavailable"


@dataclass(frozen=True, kw_only=True)
class ToolUnavailable(Reasoned):
    """An agent wanted a tool that its server offers in a form that nobody can use; `reason` says of it why."""

    agent: int
    server: str
    tool: str
    reason: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["tool_unavailable"] = "tool_unavailable"


@dataclass(frozen=True, kw_only=True)
class QuestionAsked:
    """An agent asks the requester something while it plans.

    `number` counts from 1 within the run; `until` is how long it waits.
    """

    agent: int
    number: int
    text: str
    until: datetime
    kind: Literal["question_asked"] = "question_asked"


@dataclass(frozen=True, kw_only=True)
class QuestionAnswered:
    """The requester answered an agent's question. Their words shape the plan, as their request did."""

    number: int
    by: Person
    text: str
    kind: Literal["question_answered"] = "question_answered"


@dataclass(frozen=True, kw_only=True)
class QuestionExpired:
    """Nobody answered in time, and the agent was told so. It means nothing if an answer came at the same moment."""

    number: int
    kind: Literal["question_expired"] = "question_expired"


Narration: TypeAlias = (
    TurnStarted
    | ToolRead
    | ActionRecorded
    | ActionWithdrawn
    | AgentTold
    | AgentCorrected
    | ModelUsed
    | ModelRetried
    | VoteVoided
    | ServerUnavailable
    | ToolUnavailable
)
"""Events that tell the story and move no state."""


Because: TypeAlias = Literal["", "rules", "approvers", "unreadable", "grants"]
"""Why a plan is asked again: its rules got stricter; an approver lost the right to approve, or it can't be told; or a
grant is void."""

Revised: TypeAlias = Literal["", "selected", "edited"]
"""What a person made of a plan without agents: only some of its calls, or one call with other arguments."""

RulesNow: TypeAlias = Literal["", "changed", "denied", "hours", "unreadable"]
"""How the rules that hold now differ from those that a run began with: changed, and a call of its plan denied, or
denied at this hour, or not to be read at all. Rules of approval that got stricter are told by a new proposal."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One earlier request of the same thread, and what came of it."""

    prompt: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class RunRequested:
    """Somebody asked.

    Attributes:
        config: names the configuration for people.
        config_digest: finds its stored text.
        earlier_requesters: who asked for the runs that this one repeats or goes on from, oldest first.
        earlier_shapers: who asked for changes in those runs, or chose another agent's plan.
        config_is_named: whether the requester asked for this configuration, and another held where they asked.
        rules_version: what human events of this run are judged by, whenever its log is replayed.
        asked_in: the channel, or the private thread, that it was asked in; empty at a terminal.
    """

    tenant: str
    prompt: str
    requester: Person
    config: str
    config_digest: str
    agents: tuple[str, ...]
    history: tuple[Exchange, ...] = ()
    earlier_requesters: tuple[Person, ...] = ()
    earlier_shapers: tuple[Person, ...] = ()
    rules_version: int = 1
    asked_in: str = ""
    config_is_named: bool = False
    preset: PresetPlan | None = None
    kind: Literal["run_requested"] = "run_requested"


@dataclass(frozen=True, kw_only=True)
class DeliberationStarted:
    """A worker took the run up, for the first time or again after a crash."""

    revision: int
    kind: Literal["deliberation_started"] = "deliberation_started"


@dataclass(frozen=True, kw_only=True)
class PlanProposed:
    """The agents' plan waits for people. `digest` is what they decide on.

    `written_after_vote` marks a winner's final presentation; `chosen_by` a person who preferred another agent's plan,
    or who `revised` this one; `because` the same plan that is asked again, and why. Nothing that was approved of the
    earlier revision counts. `started_today` is how many calls of rules with a cap of the day had been started when it
    was made. `kept`: the positions of the calls that are left of it, where some of its calls referred to others.
    """

    plan: Plan
    digest: str
    election: Election
    written_after_vote: bool = False
    chosen_by: Person | None = None
    because: Because = ""
    revised: Revised = ""
    started_today: Caps = ()
    kept: tuple[int, ...] = ()
    kind: Literal["plan_proposed"] = "plan_proposed"


@dataclass(frozen=True, kw_only=True)
class RunAnswered:
    """The agents agreed on an answer that needs no action."""

    text: str
    author: str
    election: Election
    kind: Literal["run_answered"] = "run_answered"


@dataclass(frozen=True, kw_only=True)
class ApprovalGiven:
    """One person's yes to one digest. The last one that the policy requires starts the execution.

    `grants` are the standing grants that it stands on, where they said yes before there was this plan. `break_glass` is
    the reason of somebody who approved alone in an emergency; None: they did not.
    """

    by: Person
    digest: str
    grants: tuple[GrantUse, ...] = ()
    break_glass: str | None = None
    kind: Literal["approval_given"] = "approval_given"


@dataclass(frozen=True, kw_only=True)
class ApprovalWithdrawn:
    """Somebody takes their yes back, before there are enough of them."""

    by: Person
    digest: str
    kind: Literal["approval_withdrawn"] = "approval_withdrawn"


@dataclass(frozen=True, kw_only=True)
class PlanRejected:
    """A person's no; nothing of this plan will ever run."""

    by: Person
    digest: str
    reason: str = ""
    kind: Literal["plan_rejected"] = "plan_rejected"


@dataclass(frozen=True, kw_only=True)
class ChangesRequested:
    """A person wants another plan; the agents go again with these words."""

    by: Person
    digest: str
    text: str
    kind: Literal["changes_requested"] = "changes_requested"


@dataclass(frozen=True, kw_only=True)
class PlanExpired:
    """Nobody decided in time."""

    digest: str
    kind: Literal["plan_expired"] = "plan_expired"


@dataclass(frozen=True, kw_only=True)
class ActionRefused:
    """Somebody tried what they may not do; nothing changed. Kept for the audit."""

    by: Person
    act: str
    refusal: str
    kind: Literal["action_refused"] = "action_refused"


@dataclass(frozen=True, kw_only=True)
class RulesChanged:
    """The configuration or the settings of the place are not what they were when the run was asked for.

    Nothing that people approved got stricter by it, else the plan is proposed again. `now` is empty where all is as it
    was.
    """

    now: RulesNow
    kind: Literal["rules_changed"] = "rules_changed"


@dataclass(frozen=True, kw_only=True)
class ExecutionFrozen:
    """An administrator or the operator had everything stop: no call starts until `execution_thawed`."""

    by: Person
    kind: Literal["execution_frozen"] = "execution_frozen"


@dataclass(frozen=True, kw_only=True)
class ExecutionThawed:
    """What was frozen may go on."""

    kind: Literal["execution_thawed"] = "execution_thawed"


@dataclass(frozen=True, kw_only=True)
class ApproversAsked:
    """A worker can't ask the chat whether those who had the run go on still may: no call starts before somebody has."""

    kind: Literal["approvers_asked"] = "approvers_asked"


@dataclass(frozen=True, kw_only=True)
class ApproversRead:
    """Whoever serves the chat has asked it about them, after `approvers_asked`.

    Those who are `lost` may not any more.
    """

    lost: tuple[Person, ...] = ()
    kind: Literal["approvers_read"] = "approvers_read"


@dataclass(frozen=True, kw_only=True)
class GrantGiven:
    """Somebody allows calls like this one of the plan, counted from 0, for a time and a number."""

    index: int
    grant: Grant
    kind: Literal["grant_given"] = "grant_given"


@dataclass(frozen=True, kw_only=True)
class GrantRevoked:
    """Somebody takes a grant back that was given on this run's card: no call starts on it any more."""

    grant: str
    by: Person
    kind: Literal["grant_revoked"] = "grant_revoked"


@dataclass(frozen=True, kw_only=True)
class RunCancelled:
    """A person stopped the run. During execution the call under way ends, and the rest is skipped."""

    by: Person
    reason: str = ""
    kind: Literal["run_cancelled"] = "run_cancelled"


@dataclass(frozen=True, kw_only=True)
class RunFinished(Reasoned):
    """Every call has its receipt, and the report is written; `report` is None where writing it failed."""

    report: str | None
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["run_finished"] = "run_finished"
    _told = "report"


@dataclass(frozen=True, kw_only=True)
class RunFailed(Reasoned):
    """The run ended without a plan, and why."""

    reason: str
    parts: TextParts | None = field(default=None, compare=False)
    kind: Literal["run_failed"] = "run_failed"


@dataclass(frozen=True, kw_only=True)
class RunLinked:
    """A person had the run of this name begin with a plan that follows from this one, which has ended.

    It comes once a purpose.
    """

    run: str
    purpose: Purpose
    by: Person
    kind: Literal["run_linked"] = "run_linked"


RunEvent: TypeAlias = (
    RunRequested
    | DeliberationStarted
    | Narration
    | AnswerAccepted
    | VoteCast
    | AgentFailed
    | QuestionAsked
    | QuestionAnswered
    | QuestionExpired
    | PlanProposed
    | RunAnswered
    | ApprovalGiven
    | ApprovalWithdrawn
    | PlanRejected
    | ChangesRequested
    | PlanExpired
    | ActionRefused
    | RulesChanged
    | ExecutionFrozen
    | ExecutionThawed
    | ApproversAsked
    | ApproversRead
    | GrantGiven
    | GrantRevoked
    | RunCancelled
    | CallStarted
    | CallSucceeded
    | CallFailed
    | CallOutcomeUnknown
    | LateResult
    | ResolutionApproved
    | WordsVoided
    | CallResolved
    | CallsSkipped
    | RunFinished
    | RunFailed
    | RunLinked
)
