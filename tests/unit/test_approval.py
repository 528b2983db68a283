"""Who may decide."""

from datetime import timedelta

import pytest

from coordination.domain.policy import Authors, Person, Policy, Refusal, RunAction, judge, judge_stop
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, START, STRANGER

OPS = Policy(roles=("ops",), required=2)
OPEN = Policy()
EXPIRY = START + timedelta(hours=1)


def verdict(
    policy: Policy, action: RunAction, by: Person, *, approvals: tuple[Person, ...] = (), minutes: int = 0
) -> Refusal | None:
    """What the rules say of one act, some minutes after the proposal."""
    return judge(
        policy,
        action,
        by=by,
        authors=Authors(requester=REQUESTER),
        approvals=approvals,
        at=START + timedelta(minutes=minutes),
        expires_at=EXPIRY,
    )


def stop(by: Person, *, approvals: tuple[Person, ...] = ()) -> Refusal | None:
    """What the rules say of a stop."""
    return judge_stop(OPS, by=by, requester=REQUESTER, approvals=approvals)


@pytest.mark.parametrize("action", [RunAction.APPROVE, RunAction.REJECT, RunAction.CHANGE, RunAction.RESOLVE])
def test_only_approvers_decide(action: RunAction) -> None:
    """A role makes an approver; a name alone does not."""
    assert verdict(OPS, action, ALICE) is None
    assert verdict(OPS, action, MALLORY) is Refusal.NOT_AN_APPROVER


def test_a_name_is_no_role() -> None:
    """Whoever calls themselves `ops` is not of ops."""
    impostor = Person(tenant="here", id="u-impostor", name="ops")
    assert verdict(OPS, RunAction.APPROVE, impostor) is Refusal.NOT_AN_APPROVER


def test_an_approver_is_named_by_the_id_of_their_account() -> None:
    """Their name makes nobody an approver."""
    assert verdict(Policy(users=("u-mallory",)), RunAction.APPROVE, MALLORY) is None
    assert verdict(Policy(users=("mallory",)), RunAction.APPROVE, MALLORY) is Refusal.NOT_AN_APPROVER
    assert verdict(Policy(users=("u-mallory",)), RunAction.APPROVE, ALICE) is Refusal.NOT_AN_APPROVER


def test_where_nobody_is_named_anyone_of_the_tenant_decides_but_the_requester() -> None:
    """Open, yet not to oneself."""
    assert verdict(OPEN, RunAction.APPROVE, MALLORY) is None
    assert verdict(OPEN, RunAction.APPROVE, REQUESTER) is Refusal.OWN_REQUEST
    assert verdict(Policy(allow_requester=True), RunAction.APPROVE, REQUESTER) is None


def test_a_requester_who_is_an_approver_still_needs_somebody_else() -> None:
    """The role does not lift the rule."""
    rita = Person(tenant="here", id=REQUESTER.id, name="another name now", roles=("ops",))
    assert verdict(OPS, RunAction.APPROVE, rita) is Refusal.OWN_REQUEST
    assert verdict(OPS, RunAction.RESOLVE, rita) is Refusal.OWN_REQUEST


def test_the_requester_may_always_turn_their_own_plan_down() -> None:
    """Nobody has to let run what they asked for."""
    assert verdict(OPS, RunAction.REJECT, REQUESTER) is None
    assert verdict(OPS, RunAction.CHANGE, REQUESTER) is None


def test_another_tenants_twin_is_a_stranger() -> None:
    """The same user id and role in another server or workspace count for nothing."""
    for action in RunAction:
        assert verdict(OPS, action, STRANGER) is Refusal.OTHER_TENANT
    assert stop(STRANGER) is Refusal.OTHER_TENANT


def test_one_person_counts_once() -> None:
    """Two approvals need two people."""
    assert verdict(OPS, RunAction.APPROVE, ALICE, approvals=(ALICE,)) is Refusal.ALREADY_APPROVED
    assert verdict(OPS, RunAction.APPROVE, BOB, approvals=(ALICE,)) is None


@pytest.mark.parametrize("action", [RunAction.APPROVE, RunAction.REJECT, RunAction.CHANGE])
def test_at_the_moment_of_expiry_it_is_too_late(action: RunAction) -> None:
    """A minute before, it is not."""
    assert verdict(OPS, action, ALICE, minutes=59) is None
    assert verdict(OPS, action, ALICE, minutes=60) is Refusal.EXPIRED


def test_cancelling_is_for_the_requester_approvers_and_administrators() -> None:
    """Others can't."""
    admin = Person(tenant="here", id="u-admin", name="ada", is_admin=True)
    assert stop(REQUESTER) is None
    assert stop(ALICE) is None
    assert stop(admin) is None
    assert stop(MALLORY) is Refusal.NOT_YOURS
    assert stop(MALLORY, approvals=(MALLORY,)) is None


def test_before_there_is_a_plan_nobody_is_an_approver_yet() -> None:
    """Whoever asked stops what they asked for, and who administers the place; not whoever comes by."""
    admin = Person(tenant="here", id="u-admin", name="ada", is_admin=True)
    for by, refusal in ((REQUESTER, None), (admin, None), (ALICE, Refusal.NOT_YOURS), (MALLORY, Refusal.NOT_YOURS)):
        assert judge_stop(None, by=by, requester=REQUESTER, approvals=()) is refusal
