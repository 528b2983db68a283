"""Who acts: identified by the surface that saw them, within one tenant."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person as their surface vouches for them.

    Attributes:
        tenant: the server (Discord), workspace (Slack) or `console` they act in.
        id: stable within the tenant; never a display name.
        name: for people to read.
        roles: the ids or names of their roles at the moment they act.
        is_admin: whether the surface says that they administer this tenant.
    """

    tenant: str
    id: str
    name: str
    roles: tuple[str, ...] = ()
    is_admin: bool = False

    def is_same_as(self, other: "Person") -> bool:
        """Whether both are one account, whatever their names and roles are now."""
        return (self.tenant, self.id) == (other.tenant, other.id)


def policy_actor(tenant: str) -> Person:
    """The actor in whose name a plan of only `auto` calls is approved: the operator's own rule."""
    return Person(tenant=tenant, id="massgen-bot:policy", name="the operator's rules")
