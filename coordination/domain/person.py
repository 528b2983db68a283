"""Who acts: identified by the surface that saw them, within one tenant."""

from dataclasses import dataclass

POLICY_ACTOR = "massgen-bot:policy"
"""The account of the actor in whose name rules approve: nobody's."""

UNKNOWN_TEAM = "?"
"""The home of an account about which its product tells nothing: nobody may take it for a member."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person as their surface vouches for them.

    Attributes:
        tenant: the server (Discord), workspace (Slack) or `console` they act in.
        id: stable within the tenant; never a display name.
        name: for people to read.
        roles: the ids or names of their roles at the moment they act.
        is_admin: whether the surface says that they administer this tenant.
        home_team: where the account belongs, if that is not this tenant; `UNKNOWN_TEAM` where the product does not say.
        is_guest: whether they see only what they were invited to, or have not passed the tenant's screening.
        is_bot: whether a program acts.
        is_deleted: whether the account was closed, or has left the tenant.
    """

    tenant: str
    id: str
    name: str
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    home_team: str = ""
    is_guest: bool = False
    is_bot: bool = False
    is_deleted: bool = False

    @property
    def is_external(self) -> bool:
        """Whether they are anything but a full member: such people ask and decide only where that was allowed."""
        return bool(self.home_team) or self.is_guest or self.is_bot or self.is_deleted

    def is_same_as(self, other: "Person") -> bool:
        """Whether both are one account, whatever their names and roles are now."""
        return (self.tenant, self.id) == (other.tenant, other.id)


def policy_actor(tenant: str) -> Person:
    """The actor in whose name a plan of only `auto` calls is approved: the operator's own rule."""
    return Person(tenant=tenant, id=POLICY_ACTOR, name="the operator's rules")
