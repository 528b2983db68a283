"""Everything that can happen to a run. The log of these is the truth; all else is a function of it.

Agents are numbers from 1; `agents` in RunRequested has their names for operators.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from coordination.domain.agent_events import (
    ActionRecorded,
    AgentCorrected,
    AgentFailed,
    AgentTold,
    AnswerAccepted,
    ModelRetried,
    ModelUsed,
    Narration,
    ToolRead,
    TurnStarted,
    VoteCast,
    VoteVoided,
)
from coordination.domain.ballot import Election
from coordination.domain.call_events import (
    CallFailed,
    CallOutcomeUnknown,
    CallResolved,
    CallsSkipped,
    CallStarted,
    CallSucceeded,
    LateResult,
    ResolutionApproved,
    Verdict,
    WordsVoided,
)
from coordination.domain.person import Person
from coordination.domain.plan import Plan

Because: TypeAlias = Literal["", "rules", "approvers", "unreadable"]
"""Why a plan is asked again: its rules got stricter; an approver lost the right to approve, or it can't be told."""

RulesNow: TypeAlias = Literal["", "changed", "denied", "unreadable"]
"""How the rules that hold now differ from those that a run began with: changed, and a call of its plan denied, or not to be
read at all. Rules of approval that got stricter are told by a new proposal."""


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
    kind: Literal["run_requested"] = "run_requested"


@dataclass(frozen=True, kw_only=True)
class DeliberationStarted:
    """A worker took the run up, for the first time or again after a crash."""

    revision: int
    kind: Literal["deliberation_started"] = "deliberation_started"


@dataclass(frozen=True, kw_only=True)
class PlanProposed:
    """The agents' plan waits for people. `digest` is what they decide on.

    `written_after_vote` marks a winner's final presentation; `chosen_by` a person who preferred another agent's plan;
    `because` the same plan that is asked again, and why: nothing that was approved of the earlier revision counts.
    """

    plan: Plan
    digest: str
    election: Election
    written_after_vote: bool = False
    chosen_by: Person | None = None
    because: Because = ""
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
    """One person's yes to one digest. The last one that the policy requires starts the execution."""

    by: Person
    digest: str
    kind: Literal["approval_given"] = "approval_given"


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

    Nothing that people approved got stricter by it, else the plan is proposed again. `now` is empty where all is as it was.
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
class RunCancelled:
    """A person stopped the run. During execution the call under way ends, and the rest is skipped."""

    by: Person
    reason: str = ""
    kind: Literal["run_cancelled"] = "run_cancelled"


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """Every call has its receipt, and the report is written; `report` is None where writing it failed."""

    report: str | None
    kind: Literal["run_finished"] = "run_finished"


@dataclass(frozen=True, kw_only=True)
class RunFailed:
    """The run ended without a plan, and why."""

    reason: str
    kind: Literal["run_failed"] = "run_failed"


RunEvent: TypeAlias = (
    RunRequested
    | DeliberationStarted
    | Narration
    | AnswerAccepted
    | VoteCast
    | AgentFailed
    | PlanProposed
    | RunAnswered
    | ApprovalGiven
    | PlanRejected
    | ChangesRequested
    | PlanExpired
    | ActionRefused
    | RulesChanged
    | ExecutionFrozen
    | ExecutionThawed
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
)

__all__ = [
    "ActionRecorded",
    "ActionRefused",
    "AgentCorrected",
    "AgentFailed",
    "AgentTold",
    "AnswerAccepted",
    "ApprovalGiven",
    "Because",
    "CallFailed",
    "CallOutcomeUnknown",
    "CallResolved",
    "CallStarted",
    "CallSucceeded",
    "CallsSkipped",
    "ChangesRequested",
    "DeliberationStarted",
    "Exchange",
    "ExecutionFrozen",
    "ExecutionThawed",
    "LateResult",
    "ModelRetried",
    "ModelUsed",
    "Narration",
    "PlanExpired",
    "PlanProposed",
    "PlanRejected",
    "ResolutionApproved",
    "RulesChanged",
    "RulesNow",
    "RunAnswered",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunFinished",
    "RunRequested",
    "ToolRead",
    "TurnStarted",
    "Verdict",
    "VoteCast",
    "VoteVoided",
    "WordsVoided",
]
