"""Whether a person may do what they ask of a run as it stands: the state first, then the plan's own rule."""

from collections.abc import Sequence
from datetime import datetime

from coordination.domain import states as s
from coordination.domain.approval import Act, Refusal, judge
from coordination.domain.person import Person
from coordination.domain.plan import Plan
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
    return _judge(state.plan, state.request.requester, state.approvals, by=by, act=act, now=now)


def judge_cancel(state: RunState, by: Person, now: datetime) -> Refusal | None:
    """Why a person may not cancel; None: they may."""
    if isinstance(state, s.Ended | s.NeedsHuman | s.Reporting):
        return Refusal.NOTHING_TO_CANCEL
    requester = state.request.requester
    if isinstance(state, s.AwaitingDecision | s.Executing):
        if isinstance(state, s.Executing) and state.stopped_by is not None:
            return Refusal.NOTHING_TO_CANCEL
        return _judge(state.plan, requester, (), by=by, act=Act.CANCEL, now=now)
    return None if by.is_same_as(requester) or by.is_admin else Refusal.NOT_YOURS


def judge_word(state: RunState, index: int, attempt: int | None, by: Person, now: datetime) -> Refusal | None:
    """Why a person may not say what became of a call; None: they may. A word about an earlier attempt settles nothing."""
    if not isinstance(state, s.NeedsHuman) or state.unknown.index != index or attempt not in (None, state.attempt):
        return Refusal.NOTHING_TO_RESOLVE
    return _judge(state.plan, state.request.requester, (), by=by, act=Act.RESOLVE, now=now)


def _judge(
    plan: Plan, requester: Person, approvals: Sequence[Person], *, by: Person, act: Act, now: datetime
) -> Refusal | None:
    return judge(plan.policy, act, by=by, requester=requester, approvals=approvals, at=now, expires_at=plan.expires_at)
