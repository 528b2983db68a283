"""How an approved run moves: calls in order, each started at most once, and nothing after a doubt."""

from dataclasses import replace
from datetime import datetime, timedelta

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.judgement import (
    check_decision,
    check_last_word,
    check_stop,
    check_validity,
    check_word,
)
from coordination.domain.policy import Act
from coordination.domain.receipt import Failed, OutcomeUnknown, Receipt, Skipped, Succeeded
from coordination.errors import IllegalTransition


def evolve_executing(state: s.Executing, event: e.RunEvent, at: datetime) -> s.RunState:
    """The state after an event of a run whose calls are running."""
    index = state.next_index
    match event:
        case e.CallStarted():
            return _start(state, event, at)
        case e.CallSucceeded(index=i) if i == index and state.in_flight is not None:
            return _receive(state, Succeeded(index=i, result=event.result))
        case e.CallFailed(index=i) if i == index:
            return _receive(state, Failed(index=i, reason=event.reason))
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
            )
        case e.CallsSkipped() if state.in_flight is None:
            return _skip(state, event)
        case e.RunCancelled(by=by) if state.stopped_by is None:
            check_stop(state, by)
            return replace(state, stopped_by=by)
        case _:
            raise impossible(state, event)


def evolve_needs_human(state: s.NeedsHuman, event: e.RunEvent, at: datetime) -> s.RunState:
    """The state after an event of a run with a call of unknown outcome."""
    unknown = state.unknown
    match event:
        case e.LateResult(index=unknown.index):
            return replace(
                state, late_result=event.result, answer_until=None, said=()
            )  # They said it without knowing this.
        case e.ResolutionApproved(index=unknown.index):
            check_decision(state, Act.RESOLVE, event.by, at)
            check_word(state, event, at)
            others = tuple(each for each in state.said if not each[0].is_same_as(event.by))
            return replace(state, said=(*others, (event.by, event.verdict)))
        case e.WordsVoided(index=unknown.index):
            return _without_words(state, event)
        case e.CallResolved(index=unknown.index):
            check_decision(state, Act.RESOLVE, event.by, at)
            check_validity(state, event.valid_until, at)
            check_last_word(state, event, at)
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
    if state.next_index >= len(state.plan.calls) or event.index != state.next_index:
        raise IllegalTransition(f"call {event.index} is not the next one")
    call = state.plan.calls[event.index]
    if (event.server, event.tool, event.arguments, event.digest) != (
        call.server,
        call.tool,
        call.arguments,
        state.plan.digest,
    ):
        raise IllegalTransition("a call that nobody approved")
    if any(not isinstance(receipt, Succeeded) for receipt in state.receipts):
        raise IllegalTransition("a call after one that did not succeed")
    answer_until = at + timedelta(seconds=event.limit) if event.limit else None
    return replace(state, in_flight=event.hand, started_at=at, answer_until=answer_until, resumed_by=())


def _receive(state: s.Executing, receipt: Receipt) -> s.Executing | s.Reporting:
    return _settle(replace(state, receipts=(*state.receipts, receipt), in_flight=None))


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
        resumed_by=s.with_person(state.who_said(event.verdict), event.by) if goes_beyond else (),
    )
    if event.verdict == "run_it":
        return base
    if event.verdict == "happened":
        result = state.late_result or "confirmed by a person"
        done = Succeeded(index=event.index, result=result, vouched_by=event.by)
        return _settle(replace(base, receipts=(*base.receipts, done)))
    rest = range(event.index + 1, len(state.plan.calls))
    left = tuple(Skipped(index=index, reason="stopped by a person") for index in rest)
    return _settle(replace(base, receipts=(*base.receipts, state.unknown, *left), stopped_by=event.by))


def impossible(state: s.RunState, event: e.RunEvent) -> IllegalTransition:
    """The error for an event that a state does not allow."""
    return IllegalTransition(f"{event.kind} is impossible while {state.kind}")
