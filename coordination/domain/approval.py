"""Who may decide on a plan: default deny, and every refusal has a name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from coordination.domain.canonical import Json
from coordination.domain.person import Person


class Refusal(StrEnum):
    """Why a person's action changes nothing."""

    EXPIRED = "expired"
    STALE_PLAN = "stale_plan"
    ALREADY_DECIDED = "already_decided"
    ALREADY_APPROVED = "already_approved"
    NOT_AN_APPROVER = "not_an_approver"
    OWN_REQUEST = "own_request"
    OTHER_TENANT = "other_tenant"
    NOTHING_TO_DECIDE = "nothing_to_decide"
    NOTHING_TO_CANCEL = "nothing_to_cancel"
    NOTHING_TO_RESOLVE = "nothing_to_resolve"
    NOT_YOURS = "not_yours"


class Act(StrEnum):
    """What a person asks of a plan."""

    APPROVE = "approve"
    REJECT = "reject"
    CHANGE = "change"
    CANCEL = "cancel"
    RESOLVE = "resolve"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The approval rule of one plan, fixed when the plan is proposed.

    With neither `roles` nor `users`, anyone of the tenant may decide.

    Attributes:
        roles: role ids or names, any of which makes an approver.
        users: account ids or names that are approvers by themselves.
        required: how many different people must approve.
        allow_requester: whether the one who asked may be among them.
        expires_after: seconds from proposal to expiry.
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    required: int = 1
    allow_requester: bool = False
    expires_after: int = 86_400

    def names(self, person: Person) -> bool:
        """Whether the person is an approver, self-approval aside."""
        if not self.roles and not self.users:
            return True
        return person.id in self.users or person.name in self.users or _share(self.roles, person.roles)

    def as_json(self) -> Json:
        """The policy as it enters a plan's digest."""
        return {
            "roles": list(self.roles),
            "users": list(self.users),
            "required": self.required,
            "allow_requester": self.allow_requester,
            "expires_after": self.expires_after,
        }


def judge(
    policy: Policy,
    act: Act,
    *,
    by: Person,
    requester: Person,
    approvals: Sequence[Person],
    at: datetime,
    expires_at: datetime,
) -> Refusal | None:
    """Whether a person may act on a plan that waits; None means that they may."""
    if by.tenant != requester.tenant:
        return Refusal.OTHER_TENANT
    if at >= expires_at and act is not Act.RESOLVE:
        return Refusal.EXPIRED
    if act in (Act.REJECT, Act.CHANGE) and by.is_same_as(requester):
        return None
    if act is Act.CANCEL:
        is_allowed = by.is_same_as(requester) or by.is_admin or policy.names(by)
        return None if is_allowed else Refusal.NOT_YOURS
    return _judge_approver(policy, act, by=by, requester=requester, approvals=approvals)


def _judge_approver(
    policy: Policy, act: Act, *, by: Person, requester: Person, approvals: Sequence[Person]
) -> Refusal | None:
    if not policy.names(by):
        return Refusal.NOT_AN_APPROVER
    if act in (Act.APPROVE, Act.RESOLVE) and by.is_same_as(requester) and not policy.allow_requester:
        return Refusal.OWN_REQUEST
    if act is Act.APPROVE and any(by.is_same_as(person) for person in approvals):
        return Refusal.ALREADY_APPROVED
    return None


def _share(left: Iterable[str], right: Iterable[str]) -> bool:
    return not set(left).isdisjoint(right)
