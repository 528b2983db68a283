"""Conditions of a rule: what must hold of a call's arguments, of who asked, and of where, for the rule to speak of it.

A condition that can't be judged, since an argument is missing or of another kind, neither holds nor fails: the caller
then takes the stricter of what would follow either way.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coordination.domain.canonical_json import Json
from coordination.domain.comparisons import COMPARISONS, Operator, all_of, any_of, is_equal, is_list, name_reads_as
from coordination.domain.policy import Person

SUBJECTS = ("requester.user", "requester.role", "place", "time")
"""What a condition may be about beside arguments: the account that asked, each of its roles, the channel, the hour."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

MAX_PATH = 200
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]|\[(\*)\]|\['([^'\]]+)'\]")

_PARENT = "__proto__"
"""A name under which programs in JavaScript may find values for every other."""

_Step: TypeAlias = "str | int | None"
"""A key, a place in a list, or None for each element of a list."""


@dataclass(frozen=True, kw_only=True)
class CallContext:
    """A call as conditions see it.

    Attributes:
        arguments: the JSON object that is sent; None while nobody knows it.
        requester: who asked for the run; None where nobody has asked yet.
        place: the id of the channel, or private thread, that it was asked in; empty at a terminal.
        at: the moment at which it is judged; None where nobody has said.
        unknown: names of arguments that it will have, and nobody knows yet which: no condition on them can be judged.
    """

    arguments: Json = None
    requester: Person | None = None
    place: str = ""
    at: datetime | None = None
    unknown: frozenset[str] = frozenset()

    @cached_property
    def has_twins(self) -> bool:
        """Whether two keys beside each other differ only in how they are written."""
        return _has_twins(self.arguments)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison.

    Attributes:
        about: a JSON path of the arguments (`$.amount`, `$.files[*].path`, `$['a key']`), or one of `SUBJECTS`.
        value: what is compared with, as the operator wrote it. For `time` a mapping with `from` and `to` (`09:00`, of
            which `to` is not within), `days` (a list of `DAYS`) and `zone`, a name of the IANA's.
    """

    about: str
    operator: Operator
    value: Json

    def holds(self, context: CallContext) -> bool | None:
        """Whether it holds of a call; None: that can't be judged."""
        if self.about.startswith("$") and (context.arguments is None or _is_open(self.about, context.unknown)):
            return None
        if self.about == "time":
            return None if context.at is None else _within(self.value, context.at)
        found = list(_values(self.about, context))
        is_doubtful = self.about.startswith("$") and (context.has_twins or None in found)
        if is_doubtful and is_misread(context.arguments, self.about):
            return None
        if self.operator == "present":
            return _of_elements([(each is not None) is self.value for each in found or [None] if each != _NULL])
        if not found or None in found:
            return None
        values = [each.value for each in found if each is not None]
        if self.about == "requester.role":
            return _of_roles(self, values)
        return _of_elements([COMPARISONS[self.operator](each, self.value) for each in values])


def _is_open(path: str, unknown: frozenset[str]) -> bool:
    """Whether a path leads to, or through, an argument that nobody knows yet."""
    steps = steps_of(path)
    return bool(unknown) and (not steps or not isinstance(steps[0], str) or steps[0] in unknown)


def all_hold(conditions: Sequence[Condition], context: CallContext) -> bool | None:
    """Whether every condition holds of a call; None: it can't be judged."""
    return all_of(each.holds(context) for each in conditions)


@lru_cache(maxsize=10_000)
def steps_of(path: str) -> tuple[_Step, ...] | None:
    """The steps of a JSON path after its `$`; None: it is no path."""
    if not path.startswith("$") or len(path) > MAX_PATH:
        return None
    steps: list[_Step] = []
    at = 1
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        name, index, each, quoted = step.groups()
        steps.append(None if each else int(index) if index else name or quoted)
        at = step.end()
    return tuple(steps)


@dataclass(frozen=True)
class Found:
    """A value that is there; null may be one."""

    value: Json


_NULL = Found(None)


def at_path(value: Json, steps: Sequence[_Step]) -> Iterator[Found | None]:
    """What is at a path: None where it leads nowhere, and one for each element where it goes through all of a list."""
    if not steps:
        yield Found(value)
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and isinstance(value, Mapping) and step in value:
        yield from at_path(value[step], rest)
    elif step is None and is_list(value):
        for each in value:
            yield from at_path(each, rest)
    elif isinstance(step, int) and is_list(value) and step < len(value):
        yield from at_path(value[step], rest)
    else:
        yield None


def is_misread(arguments: Json, path: str) -> bool:
    """Whether a program that is less strict about keys may find another value at a path than one that is strict."""
    return _is_misread(arguments, steps_of(path) or ())


def _is_misread(value: Json, steps: Sequence[_Step]) -> bool:
    if not steps:
        return False
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and isinstance(value, Mapping):
        alike = name_reads_as(step)
        meant = [each for each in value if each in (step, _PARENT) or name_reads_as(each) == alike]
        return any(each != step for each in meant) or (step in value and _is_misread(value[step], rest))
    if step is None and is_list(value):
        return any(_is_misread(each, rest) for each in value)
    return isinstance(step, int) and is_list(value) and step < len(value) and _is_misread(value[step], rest)


def _has_twins(value: Json) -> bool:
    if isinstance(value, Mapping):
        return (
            len({*map(name_reads_as, value)}) < len(value) or _PARENT in value or any(map(_has_twins, value.values()))
        )
    return is_list(value) and any(map(_has_twins, value))


def unread(paths: Sequence[str], arguments: Json, read: Sequence[Json]) -> str | None:
    """The first of these paths at which a call has something that none of the reads had among its arguments.

    None: none.

    Nothing at a path counts as unread: nobody can tell what such a call changes.
    """
    known = [leaf for each in read for leaf in _leaves(each)]
    for path in paths:
        found = list(at_path(arguments, steps_of(path) or ()))
        leaves = [leaf for each in found if each is not None for leaf in _leaves(each.value)]
        if not leaves or None in found or not all(any(is_equal(leaf, each) for each in known) for leaf in leaves):
            return path
        if is_misread(arguments, path):
            return path
    return None


def _leaves(value: Json) -> Iterator[Json]:
    """What a value has in it that is neither a list nor a mapping."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif is_list(value):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _values(about: str, context: CallContext) -> Iterator[Found | None]:
    if about == "place":
        yield Found(context.place)
    elif about.startswith("$"):
        yield from at_path(context.arguments, steps_of(about) or ())
    elif context.requester is not None:
        person = context.requester
        yield from map(Found, [person.id] if about == "requester.user" else person.roles or [""])


def _of_elements(told: Sequence[bool | None]) -> bool | None:
    """What holds of some elements of a list only neither holds of the call nor fails."""
    return told[0] if told and all(each is told[0] for each in told) else None


def _of_roles(condition: Condition, roles: Sequence[Json]) -> bool | None:
    """A person has many roles: one that is meant is enough, and one that is not meant is too much."""
    told = [COMPARISONS[condition.operator](each, condition.value) for each in roles]
    return all_of(told) if condition.operator in ("not", "not_in") else any_of(told)


def _within(hours: Json, at: datetime) -> bool | None:
    """Whether a moment is in these hours of these days, by the clocks of their zone."""
    if not isinstance(hours, Mapping):
        return None
    begins, ends, days = hours.get("from"), hours.get("to"), hours.get("days")
    zone = zone_of(hours.get("zone"))
    if zone is None or not isinstance(begins, str) or not isinstance(ends, str) or not is_list(days):
        return None
    there = at.astimezone(zone)
    return DAYS[there.weekday()] in days and begins <= f"{there:%H:%M}" < ends


def zone_of(name: Json) -> ZoneInfo | None:
    """The zone of this name; None: the machine knows none."""
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
