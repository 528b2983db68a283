"""Standing grants in the log of a run: who may give one, and whether one covers what is said to be approved by it."""

from collections.abc import Sequence
from datetime import datetime

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.grants import DRIFT, LONGEST, MOST_CALLS, Grant, GrantUse, Standing, assigned
from coordination.domain.policy import Authors, Person, Refusal, RunAction, judge
from coordination.errors import IllegalTransition


def judge_grantor(state: s.AwaitingDecision | s.Finished, by: Person, authors: Authors, at: datetime) -> Refusal | None:
    """Why a person may not grant calls like one of this plan.

    None: they may, for they could approve the plan themselves.
    """
    if not state.plan.policy.allow_grants:
        return Refusal.NO_GRANTS
    return judge(
        state.plan.policy,
        RunAction.APPROVE,
        by=by,
        authors=authors,
        approvals=(),
        at=at,
        expires_at=at + DRIFT,  # The plan may be over: calls like its own are allowed, not the plan.
    )


def judge_revoker(grant: Grant, by: Person) -> Refusal | None:
    """Why a person may not take a grant back.

    None: they gave it, whoever may approve by now, or they administer its tenant.
    """
    if by.tenant != grant.tenant:
        return Refusal.OTHER_TENANT
    return None if by.is_admin or by.is_same_as(grant.by) else Refusal.NOT_YOURS


def check_grant(state: s.RunState, event: e.GrantGiven, at: datetime) -> None:
    """Make sure that a person may give a grant, and that it is for calls like the one that they saw.

    Raises:
        IllegalTransition: they may not, or it is not.
    """
    if not isinstance(state, s.AwaitingDecision | s.Finished):
        raise IllegalTransition(f"{event.kind} is impossible while {state.kind}")
    grant, plan = event.grant, state.plan
    if judge_grantor(state, grant.by, s.authors_of(state), at) is not None:
        raise IllegalTransition(f"{grant.by.name} may not grant calls like those of this plan")
    if not 0 <= event.index < len(plan.calls) or not grant.covers(plan, plan.calls[event.index], state.request.config):
        raise IllegalTransition("the grant is not for calls like the one that it was given for")
    if not at < grant.until <= at + LONGEST + DRIFT or not 1 <= grant.most <= MOST_CALLS:
        raise IllegalTransition("the grant is for longer or for more calls than any may be")


def granted(state: s.AwaitingDecision, event: e.ApprovalGiven, at: datetime) -> tuple[s.Granted, ...]:
    """The approvals on grants, this one among them. They approve a plan all together, or not at all.

    Raises:
        IllegalTransition: the grants are somebody else's, are over, or do not cover the plan.
    """
    if not event.grants:
        if state.granted:
            raise IllegalTransition("a person approves a plan that is approved by standing grants")
        return ()
    plan = state.plan
    if not plan.policy.allow_grants or len(state.approvals) != len(state.granted):
        raise IllegalTransition("no standing grant counts for this plan")
    if any(not each.grant.by.is_same_as(event.by) or at >= each.grant.until for each in event.grants):
        raise IllegalTransition("an approval stands on a grant that is somebody else's, or over")
    ids = assigned(plan, event.grants, state.request.config)
    if ids is None or {each.grant.id for each in event.grants} != {each for each in ids if each}:
        raise IllegalTransition("the grants do not cover the calls of this plan")
    return (*state.granted, s.Granted(by=event.by, ids=ids))


def approvals_on(
    state: s.AwaitingDecision, standing: Sequence[Standing], grantors: Sequence[Person], at: datetime
) -> tuple[e.ApprovalGiven, ...]:
    """The approvals that grants give a plan which nobody has decided on; none where they do not fill all of its places.

    `grantors` are the people who gave them, as they are now.
    """
    plan = state.plan
    if not plan.policy.allow_grants or plan.is_automatic or state.approvals:
        return ()
    live = [each for each in standing if each.is_live(at)]
    given: tuple[Person, ...] = ()
    events: list[e.ApprovalGiven] = []
    for person in grantors:
        own = [GrantUse(grant=x.grant, used=x.used) for x in live if x.grant.by.is_same_as(person)]
        ids = assigned(plan, own, state.request.config)
        if ids is None or not _may(state, person, given, at):
            continue
        uses = tuple(each for each in own if each.grant.id in ids)
        given = (*given, person)
        events.append(e.ApprovalGiven(by=person, digest=plan.digest, grants=uses))
        if len(events) == plan.policy.needed:
            return tuple(events)
    return ()


def _may(state: s.AwaitingDecision, person: Person, given: Sequence[Person], at: datetime) -> bool:
    refusal = judge(
        state.plan.policy,
        RunAction.APPROVE,
        by=person,
        authors=s.authors_of(state),
        approvals=given,
        at=at,
        expires_at=state.plan.expires_at,
    )
    return refusal is None


def are_void(state: s.Executing, standing: Sequence[Standing], at: datetime) -> bool:
    """Whether the rest of a plan may not run on the grants that it was approved by."""
    needed = [each for one in state.granted for each in one.ids[state.next_index :] if each]
    known = {each.grant.id: each for each in standing}
    return any(
        each not in known
        or not known[each].is_live(at)
        or known[each].grant.most - known[each].used < needed.count(each)
        for each in needed
    )
