"""The life of a run: one pure function moves its state, and refuses what makes no sense.

    Queued -> Deliberating -> AwaitingDecision -> Executing -> Reporting -> Finished
                 |  |             |   |   |         |    ^
                 |  |             |   |   |         v    | a person settles it
                 |  |             |   |   |       NeedsHuman
                 |  |             |   |   '-> ChangesWanted -> Deliberating (next revision)
                 |  |             |   '-> Rejected | Expired
                 |  '-> Answered (no actions)
                 '-> RunBroken | Cancelled

The guards here repeat what the service has already checked, on purpose: whatever reaches the log was checked twice,
by code that shares nothing but the rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Ballot, Vote
from coordination.domain.day_caps import Caps, lowest
from coordination.domain.grant_checks import check_grant, granted
from coordination.domain.judgement import (
    check_again,
    check_break_glass,
    check_choice,
    check_decision,
    check_final_resolution,
    check_proposal,
    check_record,
    check_recorded,
    check_resolution,
    check_returned,
    check_revised,
    check_stop,
    check_validity,
)
from coordination.domain.linked_runs import linked
from coordination.domain.plan import (
    Failed,
    OutcomeUnknown,
    Receipt,
    Skipped,
    Succeeded,
    arguments_to_send,
    refers_wrongly,
)
from coordination.domain.policy import Authors, Person, RunAction, policy_actor
from coordination.errors import IllegalTransition
from coordination.text import Text


def evolve_executing(state: s.Executing, event: e.RunEvent, at: datetime) -> s.RunState:
    """The state after an event of a run whose calls are running."""
    index = state.next_index
    match event:
        case e.CallStarted():
            return _start(state, event, at)
        case e.CallSucceeded(index=i) if i == index and state.in_flight is not None:
            check_returned(state.plan, event)
            return _receive(state, Succeeded(index=i, result=event.result, returned=event.returned))
        case e.CallFailed(index=i) if i == index:
            nothing = event.nothing_happened and not state.is_again
            return _receive(state, Failed(index=i, reason=event.reason, nothing_happened=nothing))
        case e.CallOutcomeUnknown(index=i) if i == index and state.in_flight is not None:
            return s.NeedsHuman(
                request=state.request,
                plan=state.plan,
                approvals=state.approvals,
                receipts=state.receipts,
                unknown=OutcomeUnknown(index=i, reason=event.reason, outage=event.outage),
                answer_until=event.answer_until,
                attempt=state.attempt,
                valid_until=state.valid_until,
                stopped_by=state.stopped_by,
                shapers=state.shapers,
                frozen_by=state.frozen_by,
                granted=state.granted,
                break_glass_by=state.break_glass_by,
            )
        case e.CallsSkipped() if state.in_flight is None:
            return _skip(state, event)
        case e.RunCancelled(by=by) if state.stopped_by is None:
            check_stop(state, by)
            return replace(state, stopped_by=by)
        case e.ApproversAsked() | e.ApproversRead():
            return _check_approvers(state, event)
        case _:
            raise impossible(state, event)


def _check_approvers(state: s.Executing, event: e.ApproversAsked | e.ApproversRead) -> s.Executing:
    if state.in_flight is not None or not state.vouching:
        raise impossible(state, event)
    if isinstance(event, e.ApproversAsked):
        return replace(state, check=s.ApproverCheck())
    if not state.waits_for_approvers:
        raise IllegalTransition("nobody had asked about the approvers")
    return replace(state, check=s.ApproverCheck(is_read=True, lost=event.lost))


def evolve_needs_human(state: s.NeedsHuman, event: e.RunEvent, at: datetime) -> s.RunState:
    """The state after an event of a run with a call of unknown outcome."""
    unknown = state.unknown
    match event:
        case e.LateResult(index=unknown.index):
            return replace(
                state, late_result=event.result, answer_until=None, said=()
            )  # They said it without knowing this.
        case e.ResolutionApproved(index=unknown.index):
            check_decision(state, RunAction.RESOLVE, event.by, at)
            check_resolution(state, event, at)
            others = tuple(each for each in state.said if not each[0].is_same_as(event.by))
            return replace(state, said=(*others, (event.by, event.verdict)))
        case e.WordsVoided(index=unknown.index):
            return _without_words(state, event)
        case e.CallResolved(index=unknown.index):
            check_decision(state, RunAction.RESOLVE, event.by, at)
            check_validity(state, event.valid_until, at)
            check_final_resolution(state, event, at)
            return _resolve(state, event, at)
        case e.RunCancelled(by=by) if state.stopped_by is None:
            check_stop(state, by)
            return replace(state, stopped_by=by)
        case _:
            raise impossible(state, event)


def evolve_reporting(state: s.Reporting, event: e.RunEvent) -> s.RunState:
    """The state after an event of a run that only lacks its report."""
    match event:
        case e.RunFinished(report=report):
            return s.Finished(
                request=state.request,
                plan=state.plan,
                approvals=state.approvals,
                receipts=state.receipts,
                report=report,
                stopped_by=state.stopped_by,
                shapers=state.shapers,
            )
        case e.ModelUsed() | e.ModelRetried():
            return state
        case _:
            raise impossible(state, event)


def _start(state: s.Executing, event: e.CallStarted, at: datetime) -> s.Executing:
    if state.in_flight is not None or state.stopped_by is not None or at >= state.valid_until:
        raise impossible(state, event)
    if state.frozen_by is not None:
        raise IllegalTransition("a call starts while everything is frozen")
    if state.check is not None and (state.check.lost or not state.check.is_read):
        raise IllegalTransition("a call starts though those who approved may not any more, or nobody knows")
    if state.next_index >= len(state.plan.calls) or event.index != state.next_index:
        raise IllegalTransition(f"call {event.index} is not the next one")
    call = state.plan.calls[event.index]
    if (event.server, event.tool, event.arguments, event.digest) != (
        call.server,
        call.tool,
        arguments_to_send(call, state.receipts),
        state.plan.digest,
    ):
        raise IllegalTransition("a call that nobody approved")
    if event.grants != state.next_grants:
        raise IllegalTransition("a call starts on other grants than those that it was approved by")
    if lowest(call.needs.per_day, event.per_day) != event.per_day:
        raise IllegalTransition("a call starts that is not counted among those of its day")
    if any(not isinstance(receipt, Succeeded) for receipt in state.receipts):
        raise IllegalTransition("a call after one that did not succeed")
    answer_until = at + timedelta(seconds=event.limit) if event.limit else None
    return replace(state, in_flight=event.hand, started_at=at, answer_until=answer_until, resumed_by=(), check=None)


def _receive(state: s.Executing, receipt: Receipt) -> s.Executing | s.Reporting:
    return _settle(replace(state, receipts=(*state.receipts, receipt), in_flight=None, is_again=False))


def _skip(state: s.Executing, event: e.CallsSkipped) -> s.Executing | s.Reporting:
    if event.indexes != tuple(range(state.next_index, len(state.plan.calls))):
        raise IllegalTransition("only all the remaining calls can be skipped")
    skipped = (Skipped(index=index, reason=event.reason) for index in event.indexes)
    return _settle(replace(state, receipts=(*state.receipts, *skipped)))


def _settle(state: s.Executing) -> s.Executing | s.Reporting:
    if state.next_index < len(state.plan.calls):
        return state
    return s.Reporting(
        request=state.request,
        plan=state.plan,
        approvals=state.approvals,
        receipts=state.receipts,
        stopped_by=state.stopped_by,
        attempt=state.attempt,
        shapers=state.shapers,
    )


def _without_words(state: s.NeedsHuman, event: e.WordsVoided) -> s.NeedsHuman:
    left = tuple(each for each in state.said if not any(each[0].is_same_as(person) for person in event.people))
    if len(state.said) - len(left) != len(event.people):
        raise IllegalTransition("words are taken back that nobody said")
    return replace(state, said=left)


def _resolve(state: s.NeedsHuman, event: e.CallResolved, at: datetime) -> s.Executing | s.Reporting:
    goes_beyond = event.verdict == "run_it" or event.valid_until > state.valid_until
    base = s.Executing(
        request=state.request,
        plan=state.plan,
        approvals=state.approvals,
        valid_until=event.valid_until,
        receipts=state.receipts,
        stopped_by=state.stopped_by,
        attempt=state.attempt + 1,
        shapers=state.shapers,
        approved_at=at,
        frozen_by=state.frozen_by,
        resumed_by=s.with_person(state.resolvers(event.verdict), event.by) if goes_beyond else (),
        granted=state.granted,
        break_glass_by=state.break_glass_by,
    )
    if event.verdict == "run_it":
        return replace(base, is_again=True)
    if event.verdict == "happened":
        result = state.late_result or Text("confirmed by a person")
        done = Succeeded(index=event.index, result=result, vouched_by=event.by)
        return _settle(replace(base, receipts=(*base.receipts, done)))
    rest = range(event.index + 1, len(state.plan.calls))
    left = tuple(Skipped(index=index, reason=Text("stopped by a person")) for index in rest)
    return _settle(replace(base, receipts=(*base.receipts, state.unknown, *left), stopped_by=event.by))


def impossible(state: s.RunState, event: e.RunEvent) -> IllegalTransition:
    """The error for an event that a state does not allow."""
    return IllegalTransition(f"{event.kind} is impossible while {state.kind}")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """An event as it stands in the log: `seq` counts from 1 within the run."""

    run: str
    seq: int
    at: datetime
    event: e.RunEvent


def replay(log: Iterable[Recorded]) -> s.RunState:
    """The state after a whole log.

    Raises:
        IllegalTransition: the log does not begin with a request, or an event was impossible when it came.
    """
    state: s.RunState | None = None
    for recorded in log:
        check_place(recorded.run, recorded.event)
        state = evolve(state, recorded.event, recorded.at)
    if state is None:
        raise IllegalTransition("a run has at least the event that requested it")
    return state


def check_place(run: str, event: e.RunEvent) -> None:
    """Make sure that an event belongs to the run whose log it is in.

    Raises:
        IllegalTransition: it holds another run's plan.
    """
    if isinstance(event, e.PlanProposed) and event.plan.run != run:
        raise IllegalTransition("the proposed plan is another run's")


def authors_in(log: Iterable[Recorded]) -> Authors:
    """Whose words a run was made of, from its whole log: for another run that goes on from it.

    Raises:
        IllegalTransition: the log does not begin with a request.
    """
    request: e.RunRequested | None = None
    shapers: tuple[Person, ...] = ()
    for recorded in log:
        match recorded.event:
            case e.RunRequested() as request:
                shapers = request.earlier_shapers
            case e.ChangesRequested(by=by) | e.PlanProposed(chosen_by=Person() as by):
                shapers = s.with_person(shapers, by)
            case _:
                pass
    if request is None:
        raise IllegalTransition("a run has at least the event that requested it")
    return Authors(requester=request.requester, earlier=request.earlier_requesters, shapers=shapers)


def evolve(state: s.RunState | None, event: e.RunEvent, at: datetime) -> s.RunState:
    """The state after one more event.

    Raises:
        IllegalTransition: the event is impossible in this state.
    """
    match state, event:
        case None, e.RunRequested():
            return s.Queued(request=event)
        case None, _:
            raise IllegalTransition(f"a run begins with run_requested, not {event.kind}")
        case _, e.ActionRefused() | e.GrantRevoked() | e.GrantGiven():
            if isinstance(event, e.GrantGiven):
                check_grant(state, event, at)
            return state
        case s.Executing() | s.Reporting() | s.Finished(), e.LateResult():
            return state
        case s.Finished() | s.Rejected() | s.Expired() | s.Cancelled() | s.RunBroken(), e.RunLinked():
            return linked(state, event)
        case s.Deliberating(), e.QuestionAsked() | e.QuestionAnswered() | e.QuestionExpired():
            return _ask_people(state, event, at)
        case s.AwaitingDecision() | s.Executing() | s.NeedsHuman(), e.ExecutionFrozen(by=by):
            return replace(state, frozen_by=by)
        case s.AwaitingDecision() | s.Executing() | s.NeedsHuman(), e.ExecutionThawed():
            return replace(state, frozen_by=None)
        case _:
            return _evolve_known(state, event, at)


def _evolve_known(state: s.RunState, event: e.RunEvent, at: datetime) -> s.RunState:
    match state:
        case s.Queued() | s.ChangesWanted():
            return _evolve_queued(state, event)
        case s.Deliberating():
            return _evolve_deliberating(state, event, at)
        case s.AwaitingDecision():
            return _evolve_awaiting(state, event, at)
        case s.Executing():
            return _ask_again(state, event, at) or evolve_executing(state, event, at)
        case s.NeedsHuman():
            return evolve_needs_human(state, event, at)
        case s.Reporting():
            return evolve_reporting(state, event)
        case s.Finished() | s.Answered() | s.Rejected() | s.Expired() | s.Cancelled() | s.RunBroken():
            raise impossible(state, event)
        case _:
            assert_never(state)


def _ask_again(state: s.Executing, event: e.RunEvent, at: datetime) -> s.AwaitingDecision | None:
    """An approved plan waits for people again, where that was found out before its first call; None: another event."""
    if not isinstance(event, e.PlanProposed):
        return None
    if not event.because or state.decided is None or not state.is_untouched:
        raise impossible(state, event)
    check_again(state, event, at)
    return _propose(replace(state.decided, frozen_by=state.frozen_by), event, state.shapers)


def _evolve_queued(state: s.Queued | s.ChangesWanted, event: e.RunEvent) -> s.RunState:
    request = state.request
    match event:
        case e.DeliberationStarted(revision=1) if isinstance(state, s.Queued):
            return s.Deliberating(request=request, revision=1, ballot=Ballot(size=len(request.agents)))
        case e.DeliberationStarted(revision=revision) if (
            isinstance(state, s.ChangesWanted) and revision == state.revision
        ):
            return s.Deliberating(
                request=request,
                revision=revision,
                ballot=state.ballot,
                feedback=state.feedback,
                shapers=state.shapers,
                questions=state.questions,
            )
        case e.RunCancelled(by=by, reason=reason):
            check_stop(state, by)
            return s.Cancelled(request=request, by=by, reason=reason)
        case e.RunFailed(reason=reason):
            return s.RunBroken(request=request, reason=reason)
        case _:
            raise impossible(state, event)


def _evolve_deliberating(state: s.Deliberating, event: e.RunEvent, at: datetime) -> s.RunState:
    match event:
        case e.DeliberationStarted(revision=revision) if revision == state.revision:
            return state
        case (
            e.TurnStarted()
            | e.AgentTold()
            | e.AgentCorrected()
            | e.ModelUsed()
            | e.ModelRetried()
            | e.VoteVoided()
            | e.ToolUnavailable()
        ):
            return state
        case e.ServerUnavailable(revision=revision) if revision == state.revision:
            return state
        case e.ToolRead() | e.ActionRecorded() | e.ActionWithdrawn():
            return _remember(state, event)
        case e.AnswerAccepted(agent=agent, calls=calls):
            check_recorded(state, agent, calls)
            return replace(state, ballot=count(state.ballot, event))
        case e.VoteCast() | e.AgentFailed():
            return replace(state, ballot=count(state.ballot, event))
        case e.PlanProposed():
            check_proposal(state, event, at)
            return _propose(state, event, state.shapers)
        case _:
            return _end_deliberation(state, event)


def _remember(state: s.Deliberating, event: e.ToolRead | e.ActionRecorded | e.ActionWithdrawn) -> s.Deliberating:
    """What an agent has read, or wants done.

    What it withdraws it may have recorded twice: its answer says what is left.
    """
    if isinstance(event, e.ActionWithdrawn):
        check_recorded(state, event.agent, (event.call,))
        return state
    if isinstance(event, e.ActionRecorded):
        check_record(state, event.agent, event.call)
        return replace(state, recorded=state.recorded | {(event.agent, event.call)})
    return state if event.is_error else replace(state, read=state.read | {(event.agent, event.server, event.arguments)})


def _ask_people(
    state: s.Deliberating, event: e.QuestionAsked | e.QuestionAnswered | e.QuestionExpired, at: datetime
) -> s.Deliberating:
    """The state after a question of an agent, its answer, or the end of the time for one."""
    if isinstance(event, e.QuestionAsked):
        if event.number != len(state.questions) + 1:
            raise IllegalTransition(f"question {event.number} is out of order")
        asked = s.Question(agent=event.agent, number=event.number, text=event.text, until=event.until)
        return replace(state, questions=(*state.questions, asked))
    if not 1 <= event.number <= len(state.questions):
        raise IllegalTransition("nobody asked this question")
    question = state.questions[event.number - 1]
    if isinstance(event, e.QuestionAnswered):
        if not question.is_open(at) or not event.by.is_same_as(state.request.requester):
            raise IllegalTransition("an answer that came too late, twice, or from somebody else")
        question = replace(question, answer=event.text)
    else:
        question = replace(question, is_over=True)
    return replace(state, questions=(*state.questions[: event.number - 1], question, *state.questions[event.number :]))


def _end_deliberation(state: s.Deliberating, event: e.RunEvent) -> s.RunState:
    match event:
        case e.RunAnswered(text=text, author=author, election=election):
            return s.Answered(request=state.request, text=text, author=author, election=election)
        case e.RunCancelled(by=by, reason=reason):
            check_stop(state, by)
            return s.Cancelled(request=state.request, by=by, reason=reason)
        case e.RunFailed(reason=reason):
            return s.RunBroken(request=state.request, reason=reason)
        case _:
            raise impossible(state, event)


def count(ballot: Ballot, event: e.AnswerAccepted | e.VoteCast | e.AgentFailed) -> Ballot:
    """The ballot after one event of the agents."""
    match event:
        case e.AnswerAccepted():
            answer = ballot.next_answer(event.agent, event.text, event.calls, event.left_out)
            if (answer.number, answer.epoch) != (event.number, event.epoch):
                raise IllegalTransition(f"answer {event.number} of agent {event.agent} is out of order")
            return ballot.accept(answer)
        case e.VoteCast():
            if event.epoch > ballot.epoch:
                raise IllegalTransition("a vote for an epoch that has not begun")
            return ballot.cast(Vote(voter=event.agent, choice=event.choice, epoch=event.epoch, reason=event.reason))
        case e.AgentFailed():
            return ballot.fail(event.agent, event.reason)
        case _:
            assert_never(event)


def _propose(
    state: s.Deliberating | s.AwaitingDecision, event: e.PlanProposed, shapers: tuple[Person, ...]
) -> s.AwaitingDecision:
    plan = event.plan
    expected = state.revision if isinstance(state, s.Deliberating) else state.plan.revision + 1
    if plan.digest != event.digest or plan.revision != expected or not plan.calls:
        raise IllegalTransition("the proposed plan is not the one that its event names")
    if refers_wrongly(plan.calls):
        raise IllegalTransition("a call of the proposed plan refers to one that does not run before it")
    return s.AwaitingDecision(
        request=state.request,
        plan=plan,
        election=event.election,
        ballot=state.ballot,
        written_after_vote=event.written_after_vote,
        feedback=state.feedback,
        rules_now="changed" if event.because == "rules" else _rules_of(state),
        frozen_by=state.frozen_by if isinstance(state, s.AwaitingDecision) else None,
        shapers=shapers,
        questions=state.questions,
        started_today=event.started_today or _started_today(state),
    )


def _started_today(state: s.Deliberating | s.AwaitingDecision) -> Caps:
    """What was known of the day when the plan in whose place this one comes was made."""
    return state.started_today if isinstance(state, s.AwaitingDecision) else ()


def _rules_of(state: s.Deliberating | s.AwaitingDecision) -> e.RulesNow:
    """What was last found out about the rules; nobody has looked at those of a plan that has just been made."""
    return state.rules_now if isinstance(state, s.AwaitingDecision) else ""


def _evolve_awaiting(state: s.AwaitingDecision, event: e.RunEvent, at: datetime) -> s.RunState:
    request, plan = state.request, state.plan
    match event:
        case e.ApprovalGiven(digest=plan.digest):
            return _approve(state, event, at)
        case e.ApprovalWithdrawn(digest=plan.digest):
            return _withdraw(state, event)
        case e.PlanRejected(by=by, digest=plan.digest, reason=reason):
            check_decision(state, RunAction.REJECT, by, at)
            return s.Rejected(request=request, plan=plan, by=by, reason=reason)
        case e.ChangesRequested(digest=plan.digest):
            check_decision(state, RunAction.CHANGE, event.by, at)
            feedback = s.Feedback(by=event.by, text=event.text, plan=plan)
            return s.ChangesWanted(
                request=request,
                revision=plan.revision + 1,
                ballot=state.ballot.next_revision(),
                feedback=(*state.feedback, feedback),
                shapers=s.with_person(state.shapers, event.by),
                questions=state.questions,
            )
        case e.PlanProposed():
            return _propose_anew(state, event, at)
        case e.RulesChanged(now=now):
            return replace(state, rules_now=now)
        case e.PlanExpired(digest=plan.digest) if at >= plan.expires_at:
            return s.Expired(request=request, plan=plan)
        case e.RunCancelled(by=by, reason=reason):
            check_stop(state, by)
            return s.Cancelled(request=request, by=by, reason=reason)
        case _:
            raise impossible(state, event)


def _propose_anew(state: s.AwaitingDecision, event: e.PlanProposed, at: datetime) -> s.AwaitingDecision:
    """Another plan in the place of the one that waits: a person's, or the same that is asked again."""
    match event:
        case e.PlanProposed(chosen_by=Person() as chooser):
            check = check_revised if event.revised else check_choice
            check(state, event, chooser, at)
            return _propose(state, event, s.with_person(state.shapers, chooser))
        case e.PlanProposed(because="rules" | "approvers" | "unreadable"):
            check_again(state, event, at)
            return _propose(state, event, state.shapers)
        case _:
            raise impossible(state, event)


def _withdraw(state: s.AwaitingDecision, event: e.ApprovalWithdrawn) -> s.AwaitingDecision:
    left = tuple(person for person in state.approvals if not person.is_same_as(event.by))
    if len(left) == len(state.approvals):
        raise IllegalTransition(f"{event.by.name} takes back an approval that they did not give")
    return replace(state, approvals=left)


def _approve(state: s.AwaitingDecision, event: e.ApprovalGiven, at: datetime) -> s.RunState:
    plan = state.plan
    is_by_policy = event.by.is_same_as(policy_actor(plan.tenant)) and plan.is_automatic
    is_alone = event.break_glass is not None
    if is_alone:
        check_break_glass(state, event, at)
    elif not is_by_policy:
        check_decision(state, RunAction.APPROVE, event.by, at)
    on_grants = granted(state, event, at)
    approvals = s.with_person(state.approvals, event.by)
    if len(approvals) < plan.policy.needed and not is_by_policy and not is_alone:
        return replace(state, approvals=approvals, granted=on_grants)
    return s.Executing(
        request=state.request,
        plan=plan,
        approvals=approvals,
        valid_until=plan.expires_at,
        shapers=state.shapers,
        decided=state,
        approved_at=at,
        frozen_by=state.frozen_by,
        granted=on_grants,
        break_glass_by=event.by if is_alone else None,
    )
