"""Whose approval a call needs beside what the whole plan needs, and whether the people who approved are enough.

Nobody counts for two: people are matched to the places that are to be filled, and whoever has approved may move from
one place to another, but never loses one. So an approval that fills no further place now fills none later either.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from coordination.domain.canonical_json import Json
from coordination.domain.day_caps import Caps, lowest


class Member(Protocol):
    """A person, as far as it matters for what they count."""

    @property
    def id(self) -> str:
        """Their account."""
        ...

    @property
    def roles(self) -> tuple[str, ...]:
        """What they are at the moment."""
        ...


M = TypeVar("M", bound=Member)


@dataclass(frozen=True, kw_only=True)
class Quorum:
    """So many different people of these; with neither roles nor users, of anybody who may decide at all.

    Attributes:
        roles: ids of roles, any of which is enough.
        users: ids of accounts that count by themselves.
        channels: ids of the channels in a chat where a plan that waits for these people is shown besides. Whom it takes
            does not depend on where they read it, so quorums that differ in nothing else are the same.
    """

    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    required: int = 1
    channels: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_open(self) -> bool:
        """Whether it names nobody."""
        return not self.roles and not self.users

    def names(self, person: Member) -> bool:
        """Whether the person is one of those that it takes."""
        return self.is_open or person.id in self.users or not set(self.roles).isdisjoint(person.roles)

    def as_json(self) -> Json:
        """As it enters a plan's digest; what plans did not have once is there only where it is set."""
        shown: dict[str, Json] = {"channels": list(self.channels)} if self.channels else {}
        return {"roles": list(self.roles), "users": list(self.users), "required": self.required, **shown}


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What rules ask for a call, beyond that people are asked at all. Each of it only ever tightens.

    Attributes:
        quorums: all of whom must approve, different people for each; in an order of their own, each set of people once.
        expires_after: seconds from the proposal to the expiry of a plan with such a call; None: what holds for any
            plan.
        bars_requester: whether who asked may not count, whatever the plan's rule says.
        bars_author: whether others who shaped the plan may not.
        per_plan: so many calls of one rule a plan may have, by the rule's text.
        per_day: so many calls of one rule a tenant may have started in a day (UTC), by the rule's text.
        bars_grants: whether no standing grant may count for a plan with such a call.
        bars_break_glass: whether nobody may approve a plan with such a call alone in an emergency.
        read_first: the JSON paths of arguments whose values the agent must have read before, from the same server.
    """

    quorums: tuple[Quorum, ...] = ()
    expires_after: int | None = None
    bars_requester: bool = False
    bars_author: bool = False
    per_plan: Caps = ()
    per_day: Caps = ()
    read_first: tuple[str, ...] = ()
    bars_grants: bool = False
    bars_break_glass: bool = False

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != NOTHING

    def and_also(self, other: "Needs") -> "Needs":
        """Both."""
        if not other:
            return self
        limits = [each.expires_after for each in (self, other) if each.expires_after is not None]
        return Needs(
            quorums=union(self.quorums, other.quorums),
            expires_after=min(limits, default=None),
            bars_requester=self.bars_requester or other.bars_requester,
            bars_author=self.bars_author or other.bars_author,
            per_plan=lowest(self.per_plan, other.per_plan),
            per_day=lowest(self.per_day, other.per_day),
            read_first=tuple(sorted({*self.read_first, *other.read_first})),
            bars_grants=self.bars_grants or other.bars_grants,
            bars_break_glass=self.bars_break_glass or other.bars_break_glass,
        )

    def as_json(self) -> Json:
        """As they enter a plan's digest; what plans did not have once is there only where it is set."""
        by_day: dict[str, Json] = {"per_day": [[name, most] for name, most in self.per_day]} if self.per_day else {}
        return {
            "quorums": [each.as_json() for each in self.quorums],
            "expires_after": self.expires_after,
            "bars_requester": self.bars_requester,
            "bars_author": self.bars_author,
            "per_plan": [[name, most] for name, most in self.per_plan],
            "read_first": list(self.read_first),
            **by_day,
            **({"bars_grants": True} if self.bars_grants else {}),
            **({"bars_break_glass": True} if self.bars_break_glass else {}),
        }


NOTHING = Needs()
"""The needs of a call of which no rule asks for more than the plan's own approval."""


def all_of(needs: Iterable[Needs]) -> Needs:
    """What several calls need together."""
    together = NOTHING
    for each in needs:
        together = together.and_also(each)
    return together


def union(one: Sequence[Quorum], other: Sequence[Quorum]) -> tuple[Quorum, ...]:
    """Everybody whom either takes: of the same people, as many as the one that takes more."""
    return _merged((*one, *other), max)


def side_by_side(quorums: Iterable[Quorum]) -> tuple[Quorum, ...]:
    """What one rule lists, where all is needed: the same people twice are twice as many."""
    return _merged(quorums, int.__add__)


def _merged(quorums: Iterable[Quorum], together: Callable[[int, int], int]) -> tuple[Quorum, ...]:
    """Each set of people once, shown in every channel that is named for it."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], Quorum] = {}
    for each in quorums:
        people = tuple(sorted(set(each.roles))), tuple(sorted(set(each.users)))
        before = found.get(people)
        number = each.required if before is None else together(before.required, each.required)
        channels = (*each.channels, *(before.channels if before is not None else ()))
        found[people] = Quorum(roles=people[0], users=people[1], required=number, channels=tuple(sorted(set(channels))))
    return tuple(quorum for _, quorum in sorted(found.items(), key=lambda item: item[0]))


@dataclass
class Seats(Generic[M]):
    """Places that different people fill, each person one at most."""

    quorums: Sequence[Quorum]
    _taken: list[list[M]] = field(init=False)

    def __post_init__(self) -> None:
        """Nobody has a place yet."""
        self._taken = [[] for _ in self.quorums]

    def seat(self, person: M) -> bool:
        """Give a person a place, if need be by moving others; False: there is none for them, and nobody has moved.

        Who has one gets no second.
        """
        has_one = any(person.id == other.id for taken in self._taken for other in taken)
        return not has_one and self._seat(person, set())

    def of(self, index: int) -> tuple[M, ...]:
        """Who fills the places of one quorum."""
        return tuple(self._taken[index])

    @property
    def waiting(self) -> tuple[Quorum, ...]:
        """The quorums that have places left."""
        pairs = zip(self._taken, self.quorums, strict=True)
        return tuple(each for taken, each in pairs if len(taken) < each.required)

    @property
    def are_full(self) -> bool:
        """Whether every place is taken."""
        return not self.waiting

    def _seat(self, person: M, tried: set[int]) -> bool:
        for index, quorum in enumerate(self.quorums):
            if index in tried or not quorum.names(person):
                continue
            tried.add(index)
            taken = self._taken[index]
            if len(taken) < quorum.required:
                taken.append(person)
                return True
            for place, other in enumerate(taken):
                if self._seat(other, tried):
                    taken[place] = person
                    return True
        return False


def seated(quorums: Sequence[Quorum], people: Iterable[M]) -> Seats[M]:
    """The places as these people fill them, in their order; who finds none has none."""
    seats = Seats[M](quorums)
    for person in people:
        seats.seat(person)
    return seats
