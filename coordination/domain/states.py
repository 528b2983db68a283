"""The states of a run: each is a type that holds exactly what is true in it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from coordination.domain.ballot import Ballot, Election
from coordination.domain.day_caps import Caps
from coordination.domain.events import RulesNow, RunLinked, RunRequested, Verdict
from coordination.domain.plan import OutcomeUnknown, Plan, PlannedCall, Receipt
from coordination.domain.policy import Authors, Person, Policy, policy_actor


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What a person wanted changed, and the plan that they said it of."""

    by: Person
    text: str
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an agent asked the requester.

    `answer` is None as long as there is none; `is_over`: the agent waits no longer.
    """

    agent: int
    number: int
    text: str
    until: datetime
    answer: str | None = None
    is_over: bool = False

    def is_open(self, at: datetime) -> bool:
        """Whether it may be answered at this moment."""
        return self.answer is None and not self.is_over and at < self.until


@dataclass(frozen=True, kw_only=True)
class Queued:
    """Asked, and not yet taken up."""

    request: RunRequested
    kind: Literal["queued"] = "queued"


@dataclass(frozen=True, kw_only=True)
class Deliberating:
    """The agents are at work on a revision of the plan; after a crash they go on from this ballot.

    `recorded` has every call that an agent recorded for this revision, with the agent's number; `read` what each agent
    has read for it: its number, the server, and the arguments.
    """

    request: RunRequested
    revision: int
    ballot: Ballot
    feedback: tuple[Feedback, ...] = ()
    shapers: tuple[Person, ...] = ()
    recorded: frozenset[tuple[int, PlannedCall]] = frozenset()
    read: frozenset[tuple[int, str, str]] = frozenset()
    questions: tuple[Question, ...] = ()
    kind: Literal["deliberating"] = "deliberating"


@dataclass(frozen=True, kw_only=True)
class Granted:
    """That somebody's standing grants approve a plan: the id of one for each call, or nothing if it needs none."""

    by: Person
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AwaitingDecision:
    """The plan waits for people.

    Attributes:
        shapers: those of this run whose words made it what it is.
        rules_now: how the rules that hold now differ from those of the run's beginning, as far as anybody has looked.
        frozen_by: who had everything stop; people may decide, and nothing starts.
        started_today: how many calls of rules with a cap of the day had been started when the plan was made.
        granted: those of the approvals that stand on grants.
    """

    request: RunRequested
    plan: Plan
    election: Election
    ballot: Ballot
    written_after_vote: bool = False
    approvals: tuple[Person, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    shapers: tuple[Person, ...] = ()
    rules_now: RulesNow = ""
    frozen_by: Person | None = None
    questions: tuple[Question, ...] = ()
    started_today: Caps = ()
    granted: tuple[Granted, ...] = ()
    kind: Literal["awaiting_decision"] = "awaiting_decision"


@dataclass(frozen=True, kw_only=True)
class ChangesWanted:
    """A person asked for another plan, and no worker has taken it up yet."""

    request: RunRequested
    revision: int
    ballot: Ballot
    feedback: tuple[Feedback, ...]
    shapers: tuple[Person, ...] = ()
    questions: tuple[Question, ...] = ()
    kind: Literal["changes_wanted"] = "changes_wanted"


@dataclass(frozen=True, kw_only=True)
class ApproverCheck:
    """That a worker has others ask the chat about approvers, and what came of it: who of them is `lost`."""

    is_read: bool = False
    lost: tuple[Person, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Executing:
    """Approved: the calls run one after the other.

    Attributes:
        receipts: what became of the calls so far, in order; calls without one are still to run.
        in_flight: the hand that started the next call and has not reported its end.
        valid_until: no call starts at or after this moment.
        started_at: when the newest call was started.
        answer_until: when the worker that started the next call gives up waiting for it.
        stopped_by: who cancelled; no further call starts.
        frozen_by: who had everything stop; no call starts until that is taken back.
        decided: what the plan was before its last approval, and is again if it is asked again before its first call.
        approved_at: when the last approval was given, or the last word that had the run go on.
        resumed_by: who had the next call run beyond what was approved: again, or after the approval's end.
        attempt: counts the executions of this plan: 1, and one more for each outcome that a person settled.
        check: whether those who had the next call run were read anew, where a worker can't read them itself.
        is_again: whether the next call was made before, with an end that nobody knows, and people had it made again.
        granted: those of the approvals that stand on grants.
        break_glass_by: who approved alone in an emergency; None: as many as the rule takes approved.
    """

    request: RunRequested
    plan: Plan
    approvals: tuple[Person, ...]
    valid_until: datetime
    receipts: tuple[Receipt, ...] = ()
    in_flight: str | None = None
    started_at: datetime | None = None
    answer_until: datetime | None = None
    stopped_by: Person | None = None
    attempt: int = 1
    shapers: tuple[Person, ...] = ()
    decided: AwaitingDecision | None = None
    approved_at: datetime | None = None
    resumed_by: tuple[Person, ...] = ()
    frozen_by: Person | None = None
    check: ApproverCheck | None = None
    is_again: bool = False
    granted: tuple[Granted, ...] = ()
    break_glass_by: Person | None = None
    kind: Literal["executing"] = "executing"

    @property
    def is_untouched(self) -> bool:
        """Whether no call of the plan has begun, and nobody has stopped it."""
        is_first = not self.receipts and self.in_flight is None and self.attempt == 1
        return is_first and self.stopped_by is None

    @property
    def vouching(self) -> tuple[Person, ...]:
        """The people whose word lets the next call start; what has begun goes on under the word that it began with."""
        if self.is_untouched and self.break_glass_by is not None:
            return (self.break_glass_by,)
        given = self.approvals if self.is_untouched else self.resumed_by
        return tuple(person for person in given if not person.is_same_as(policy_actor(self.plan.tenant)))

    @property
    def vouching_rule(self) -> Policy:
        """The rule that those people must still fit."""
        is_alone = self.is_untouched and self.break_glass_by is not None
        return self.plan.policy.alone if is_alone else self.plan.policy

    @property
    def waits_for_approvers(self) -> bool:
        """Whether no call starts before somebody has asked the chat about those who approved."""
        return self.check is not None and not self.check.is_read and bool(self.vouching)

    @property
    def next_index(self) -> int:
        """The index of the first call without a receipt."""
        return len(self.receipts)

    @property
    def next_grants(self) -> tuple[str, ...]:
        """The ids of the grants that the next call runs on."""
        return tuple(each.ids[self.next_index] for each in self.granted if each.ids[self.next_index])


@dataclass(frozen=True, kw_only=True)
class NeedsHuman:
    """A call may or may not have happened. Nothing else runs until people say which.

    Attributes:
        valid_until: when what people approved ends; going on after it takes as many of them as the plan took.
        answer_until: until then the attempt itself may still be under way, so nobody may have the call made again.
        late_result: what the server said after all, if it did.
        stopped_by: after a stop nothing else runs, whatever is said of this call.
        said: who has said what of the call so far, where that was not enough yet; one word for each person.
        frozen_by: who had everything stop; people may say what happened, and nothing starts.
        granted: those of the approvals that stand on grants.
        break_glass_by: who approved alone in an emergency; words about the call take as many people all the same.
    """

    request: RunRequested
    plan: Plan
    approvals: tuple[Person, ...]
    receipts: tuple[Receipt, ...]
    unknown: OutcomeUnknown
    attempt: int
    valid_until: datetime
    answer_until: datetime | None = None
    late_result: str | None = None
    stopped_by: Person | None = None
    shapers: tuple[Person, ...] = ()
    said: tuple[tuple[Person, Verdict], ...] = ()
    frozen_by: Person | None = None
    granted: tuple[Granted, ...] = ()
    break_glass_by: Person | None = None
    kind: Literal["needs_human"] = "needs_human"

    def may_still_happen(self, at: datetime) -> bool:
        """Whether the attempt that nobody knows the end of may be under way at this moment."""
        return self.answer_until is not None and at < self.answer_until

    @property
    def approvers_needed(self) -> int:
        """How many different people the plan took: none but the operator's rules, where every call was automatic."""
        is_by_policy = any(person.is_same_as(policy_actor(self.plan.tenant)) for person in self.approvals)
        return 1 if is_by_policy else self.plan.policy.needed

    def resolvers(self, verdict: Verdict) -> tuple[Person, ...]:
        """Who has said this of the call so far."""
        return tuple(person for person, word in self.said if word == verdict)

    def resolutions_needed(self, verdict: Verdict, at: datetime) -> int:
        """How many different people must say this of the call before the run moves.

        Whatever lets a call start that the approval no longer covers takes as many people as the plan did: to run this
        one again, and to go on with the rest after the approval has expired. To say what happened in time, or to stop,
        takes one; so does every word after a stop, since nothing starts then.
        """
        has_more = self.unknown.index + 1 < len(self.plan.calls)
        goes_on = verdict == "run_it" or (verdict == "happened" and has_more and at >= self.valid_until)
        return self.approvers_needed if goes_on and self.stopped_by is None else 1

    def adds(self, verdict: Verdict, by: Person, at: datetime) -> bool:
        """Whether this resolution brings the run further; one that extends the approval must be an approver's, too."""
        policy = self.plan.policy
        if not policy.quorums or self.resolutions_needed(verdict, at) < policy.needed:
            return True
        others = [person for person in self.resolvers(verdict) if not person.is_same_as(by)]
        return policy.counts(by, others)


@dataclass(frozen=True, kw_only=True)
class Reporting:
    """Every call has its receipt; the winner writes the report."""

    request: RunRequested
    plan: Plan
    approvals: tuple[Person, ...]
    receipts: tuple[Receipt, ...]
    stopped_by: Person | None = None
    attempt: int = 1
    shapers: tuple[Person, ...] = ()
    kind: Literal["reporting"] = "reporting"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The end of an approved plan.

    `linked`, here and below: the runs that began with a plan which follows from this one.
    """

    request: RunRequested
    plan: Plan
    approvals: tuple[Person, ...]
    receipts: tuple[Receipt, ...]
    report: str | None
    stopped_by: Person | None = None
    linked: tuple[RunLinked, ...] = ()
    shapers: tuple[Person, ...] = ()
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The end of a run that needed no action."""

    request: RunRequested
    text: str
    author: str
    election: Election
    kind: Literal["answered"] = "answered"


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A person said no."""

    request: RunRequested
    plan: Plan
    by: Person
    reason: str
    linked: tuple[RunLinked, ...] = ()
    kind: Literal["rejected"] = "rejected"


@dataclass(frozen=True, kw_only=True)
class Expired:
    """Nobody decided in time."""

    request: RunRequested
    plan: Plan
    linked: tuple[RunLinked, ...] = ()
    kind: Literal["expired"] = "expired"


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """A person stopped the run before anything was approved."""

    request: RunRequested
    by: Person
    reason: str
    linked: tuple[RunLinked, ...] = ()
    kind: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, kw_only=True)
class RunBroken:
    """The run ended without a plan."""

    request: RunRequested
    reason: str
    linked: tuple[RunLinked, ...] = ()
    kind: Literal["failed"] = "failed"


Ended: TypeAlias = Finished | Answered | Rejected | Expired | Cancelled | RunBroken
RunState: TypeAlias = (
    Queued | Deliberating | AwaitingDecision | ChangesWanted | Executing | NeedsHuman | Reporting | Ended
)


def authors_of(state: AwaitingDecision | Executing | NeedsHuman | Finished) -> Authors:
    """Whose words the plan of this state was made of."""
    request = state.request
    return Authors(
        requester=request.requester,
        earlier=request.earlier_requesters,
        shapers=(*request.earlier_shapers, *state.shapers),
    )


def with_person(people: tuple[Person, ...], person: Person) -> tuple[Person, ...]:
    """The people, and this one, each account once."""
    return people if any(person.is_same_as(each) for each in people) else (*people, person)


def newest_policy(state: RunState) -> Policy | None:
    """The rule of the newest plan of a run that has not ended; None where there was none yet."""
    match state:
        case AwaitingDecision() | Executing() | NeedsHuman() | Reporting():
            return state.plan.policy
        case Deliberating() | ChangesWanted():
            return state.feedback[-1].plan.policy if state.feedback else None
        case _:
            return None
