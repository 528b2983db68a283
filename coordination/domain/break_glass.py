"""Break-glass: who may approve a plan alone, in an emergency, with a reason that everybody can read for good.

It stands in the place of how many people must approve and of whom they are, and of nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from coordination.domain.canonical_json import Json
from coordination.domain.quorums import Member, Needs, Quorum

LONGEST_REASON = 1_000
"""Characters of the reason."""


@dataclass(frozen=True, kw_only=True)
class BreakGlass:
    """Who may use it. Whoever is named by nobody may not.

    Attributes:
        roles: ids of roles, any of which is enough.
        users: ids of accounts.
        allow_requester: whether who asked for the plan, or shaped it, may be the one.
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    allow_requester: bool = False

    @property
    def people(self) -> Quorum:
        """One of those whom it names."""
        return Quorum(roles=self.roles, users=self.users)

    def names(self, person: Member) -> bool:
        """Whether the person is one of those."""
        return not self.people.is_open and self.people.names(person)

    def stricter(self, now: "BreakGlass | None") -> "BreakGlass | None":
        """What is left where another rule holds as well: whom both name; None: nobody."""
        if now is None:
            return None
        return BreakGlass(
            roles=tuple(each for each in self.roles if each in now.roles),
            users=tuple(each for each in self.users if each in now.users),
            allow_requester=self.allow_requester and now.allow_requester,
        ).or_nothing

    def with_needs(self, needs: Needs) -> "BreakGlass | None":
        """What is left for a plan with calls that need this; None: it is barred."""
        if needs.bars_break_glass:
            return None
        bars_own_words = needs.bars_requester or needs.bars_author
        return replace(self, allow_requester=self.allow_requester and not bars_own_words)

    def renamed(self, name: Callable[[str, str], str]) -> "BreakGlass":
        """The same with what `name` makes of roles and users, by (kind, name)."""
        roles, users = (name("role", each) for each in self.roles), (name("user", each) for each in self.users)
        return replace(self, roles=tuple(roles), users=tuple(users))

    @property
    def or_nothing(self) -> "BreakGlass | None":
        """The same; None where nobody is named."""
        return None if self.people.is_open else self

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        return {"roles": list(self.roles), "users": list(self.users), "allow_requester": self.allow_requester}


def is_reason(text: str) -> bool:
    """Whether a text says why: it has words, no spaces around them, and an end."""
    return bool(text) and text == text.strip() and len(text) <= LONGEST_REASON
