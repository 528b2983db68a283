"""How many calls of a rule there may be in a day of one tenant, whichever configuration they come from.

A call counts from the moment that its start is on record, under the text of each rule with a cap: `server.tool` as the
operator wrote it, and after it what stands for the rule's conditions. So the same rule in two configurations is one,
and a rule that only moved within its file is still the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

Caps: TypeAlias = tuple[tuple[str, int], ...]
"""How many calls of a rule there may be, by the rule's text."""


@dataclass(frozen=True, kw_only=True)
class DayCap:
    """A cap that some calls would exceed together.

    Attributes:
        name: the rule's text.
        most: how many of its calls a day may have.
        left: how many of them were left for these calls.
    """

    name: str
    most: int
    left: int

    @property
    def match(self) -> str:
        """The tools that the rule is about, as the operator wrote them."""
        return match_of(self.name)


def match_of(name: str) -> str:
    """The tools that a rule of this text is about, as the operator wrote them."""
    return name.partition(" ")[0]


def lowest(one: Caps, other: Caps) -> Caps:
    """Every cap of either, and of two for the same rule the lower one."""
    caps = dict(one)
    for name, most in other:
        caps[name] = min(most, caps.get(name, most))
    return tuple(sorted(caps.items()))


def over_day_cap(calls: Iterable[Caps], started: Mapping[str, int]) -> DayCap | None:
    """The first cap of the day that these calls would exceed after those that were `started`; None: there is none."""
    counts = Counter(started)
    for caps in calls:
        for name, most in caps:
            counts[name] += 1
            if counts[name] > most:
                return DayCap(name=name, most=most, left=max(0, most - started.get(name, 0)))
    return None


def midnight_before(at: datetime) -> datetime:
    """When the day of a moment began, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
