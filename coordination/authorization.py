"""Whether a person may do what they ask of a run as it stands: the state first, then the plan's own rule."""

from dataclasses import replace
from datetime import datetime, timedelta

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.person import Person
from coordination.domain.policy import Act, Refusal, judge, judge_stop, leaves_nobody
from coordination.domain.states import RunState

_SHORTEST_DIGEST = 8


def judge_plan(state: RunState, digest: str, by: Person, act: Act, now: datetime) -> Refusal | None:
    """Why a person may not decide on the plan of this digest, or on the one that it begins; None: they may."""
    if isinstance(state, s.Expired):
        return Refusal.EXPIRED
    if not isinstance(state, s.AwaitingDecision):
        is_decided = isinstance(state, s.Executing | s.NeedsHuman | s.Reporting | s.Finished | s.Rejected)
        return Refusal.ALREADY_DECIDED if is_decided else Refusal.NOTHING_TO_DECIDE
    if len(digest) < _SHORTEST_DIGEST or not state.plan.digest.startswith(digest.lower()):
        return Refusal.STALE_PLAN
    return _judge(state, by=by, act=act, now=now)


def judge_cancel(state: RunState, by: Person) -> Refusal | None:
    """Why a person may not cancel; None: they may. The time is no reason: as long as something can start, it can stop."""
    if isinstance(state, s.Ended | s.Reporting):
        return Refusal.NOTHING_TO_CANCEL
    if isinstance(state, s.Executing | s.NeedsHuman) and state.stopped_by is not None:
        return Refusal.NOTHING_TO_CANCEL
    approvals = state.approvals if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman) else ()
    return judge_stop(s.newest_policy(state), by=by, requester=state.request.requester, approvals=approvals)


def judge_shaping(state: s.AwaitingDecision, by: Person) -> Refusal | None:
    """Why a person's words must not shape this run's next plan, though they may say them: nobody could approve it."""
    authors = s.authors_of(state)
    after = replace(authors, shapers=s.with_person(authors.shapers, by))
    return Refusal.NOBODY_LEFT if leaves_nobody(state.plan.policy, after) else None


def judge_word(state: RunState, index: int, attempt: int | None, by: Person, now: datetime) -> Refusal | None:
    """Why a person may not say what became of a call; None: they may. A word about an earlier attempt settles nothing."""
    if not isinstance(state, s.NeedsHuman) or state.unknown.index != index or attempt not in (None, state.attempt):
        return Refusal.NOTHING_TO_RESOLVE
    return _judge(state, by=by, act=Act.RESOLVE, now=now)


def word_on(state: s.NeedsHuman, by: Person, verdict: e.Verdict, now: datetime) -> e.RunEvent | Refusal:
    """What a person's word does to a call in doubt: it counts, settles the call, or says what they said before.

    As many people as the plan took may let the rest run for as long as the plan's rule gives, from now on; fewer leave
    the approval's end where it was.
    """
    if verdict == "run_it" and state.may_still_happen(now):
        return Refusal.STILL_UNDER_WAY
    index, before = state.unknown.index, state.who_said(verdict)
    people = s.with_person(before, by)
    if len(people) < state.words_needed(verdict, now):
        again = people == before
        return Refusal.ALREADY_SAID if again else e.ResolutionApproved(index=index, by=by, verdict=verdict)
    anew = now + timedelta(seconds=state.plan.policy.expires_after)
    valid_until = anew if len(people) >= state.approvers_needed else state.valid_until
    return e.CallResolved(index=index, by=by, verdict=verdict, valid_until=valid_until)


def _judge(state: s.AwaitingDecision | s.NeedsHuman, *, by: Person, act: Act, now: datetime) -> Refusal | None:
    """By the rules of today, whatever the run began under: they only ask for more."""
    return judge(
        state.plan.policy,
        act,
        by=by,
        authors=s.authors_of(state),
        approvals=state.approvals,
        at=now,
        expires_at=state.plan.expires_at,
    )
