"""Conditions of a rule: what must hold of a call's arguments, of who asked, and of where, for the rule to speak of it.

A condition that can't be judged, since an argument is missing or of another kind, neither holds nor fails: the caller then
takes the stricter of what would follow either way.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, TypeAlias, TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coordination.domain.canonical_json import Json
from coordination.domain.policy import Person

Operator: TypeAlias = Literal[
    "equals", "not", "in", "not_in", "matches", "at_least", "at_most", "longest", "host", "folder", "present", "within"
]

SUBJECTS = ("requester.user", "requester.role", "place", "time")
"""What a condition may be about beside arguments: the account that asked, each role that it has, the channel, the hour."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

MAX_PATH = 200
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d{1,6})\]|\[(\*)\]|\['([^'\]]+)'\]")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9.-]+)(?::\d{1,5})?(?:[/?#][!-~]*)?")
_NO_PLAIN_PATH = re.compile(r"\\|%|^~|//|(?:^|/)\.\.?(?:/|\Z)")

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


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison.

    Attributes:
        about: a JSON path of the arguments (`$.amount`, `$.files[*].path`, `$['a key']`), or one of `SUBJECTS`.
        value: what is compared with, as the operator wrote it. For `time` a mapping with `from` and `to` (`09:00`, of which
            `to` is not within), `days` (a list of `DAYS`) and `zone`, a name of the IANA's.
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
        if self.operator == "present":
            there = {each is not None for each in found} or {False}
            return None if len(there) == 2 else (True in there) is self.value  # of some elements only
        if not found or None in found:
            return None
        values = [each.value for each in found if each is not None]
        if self.about == "requester.role":
            return _of_roles(self, values)
        return _all(_TESTS[self.operator](each, self.value) for each in values)


def _is_open(path: str, unknown: frozenset[str]) -> bool:
    """Whether a path leads to, or through, an argument that nobody knows yet."""
    steps = steps_of(path)
    return bool(unknown) and (not steps or not isinstance(steps[0], str) or steps[0] in unknown)


def all_hold(conditions: Sequence[Condition], context: CallContext) -> bool | None:
    """Whether every condition holds of a call; None: it can't be judged."""
    return _all(each.holds(context) for each in conditions)


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


def unread(paths: Sequence[str], arguments: Json, read: Sequence[Json]) -> str | None:
    """The first of these paths at which a call has something that none of the reads had among its arguments; None: none.

    Nothing at a path counts as unread: nobody can tell what such a call changes.
    """
    known = [leaf for each in read for leaf in _leaves(each)]
    for path in paths:
        found = list(at_path(arguments, steps_of(path) or ()))
        leaves = [leaf for each in found if each is not None for leaf in _leaves(each.value)]
        if not leaves or None in found or not all(any(is_equal(leaf, each) for each in known) for leaf in leaves):
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


def _of_roles(condition: Condition, roles: Sequence[Json]) -> bool | None:
    """A person has many roles: one that is meant is enough, and one that is not meant is too much."""
    told = [_TESTS[condition.operator](each, condition.value) for each in roles]
    return _all(told) if condition.operator in ("not", "not_in") else None if None in told else True in told


def _all(told: Iterable[bool | None]) -> bool | None:
    verdict: bool | None = True
    for each in told:
        if each is False:
            return False
        if each is None:
            verdict = None
    return verdict


def is_equal(left: Json, right: Json) -> bool:
    """Whether two values are the same in JSON: 1 is 1.0, and true is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_equal(left[key], right[key]) for key in left)
    if is_list(left) and is_list(right):
        return len(left) == len(right) and all(map(is_equal, left, right))
    return left == right


def is_list(value: Json) -> TypeGuard[Sequence[Json]]:
    """Whether a value is a list in JSON."""
    return isinstance(value, Sequence) and not isinstance(value, str)


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


def _any_of(value: Json, wanted: Json) -> bool:
    return any(is_equal(value, each) for each in (wanted if is_list(wanted) else [wanted]))


def _matches(value: Json, patterns: Json) -> bool | None:
    """By `*` and `?` as in `match`; letter case counts."""
    if not isinstance(value, str):
        return None
    return _is_like(value, patterns)


def _is_like(text: str, patterns: Json) -> bool:
    """A bracket means itself: only `*` and `?` are wild."""
    return any(fnmatchcase(text, each.replace("[", "[[]")) for each in _texts(patterns))


def _texts(value: Json) -> list[str]:
    return [each for each in (value if is_list(value) else [value]) if isinstance(each, str)]


def _compared(test: Callable[[float, float], bool]) -> Callable[[Json, Json], bool | None]:
    def compare(value: Json, limit: Json) -> bool | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(limit, int | float):
            return None
        return test(value, limit)

    return compare


def _longest(value: Json, limit: Json) -> bool | None:
    if not isinstance(limit, int) or not isinstance(value, str | Sequence):
        return None
    return len(value) <= limit


def _host(value: Json, patterns: Json) -> bool | None:
    """Of an address without anything that two programs might read in two ways, such as a name before an `@`."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    host = found[1].lower().removesuffix(".")  # With the dot it is the same host.
    return _is_like(host, [each.lower() for each in _texts(patterns)])


def _folder(value: Json, folders: Json) -> bool | None:
    """Of a path as it is written: where links lead, only its server knows."""
    if not isinstance(value, str) or not value or not value.isprintable() or _NO_PLAIN_PATH.search(value):
        return None
    return any(f"{value.rstrip('/')}/".startswith(f"{each.rstrip('/')}/") for each in _texts(folders))


_TESTS: Mapping[Operator, Callable[[Json, Json], bool | None]] = {
    "equals": is_equal,
    "not": lambda value, other: not is_equal(value, other),
    "in": _any_of,
    "not_in": lambda value, others: not _any_of(value, others),
    "matches": _matches,
    "at_least": _compared(lambda value, limit: value >= limit),
    "at_most": _compared(lambda value, limit: value <= limit),
    "longest": _longest,
    "host": _host,
    "folder": _folder,
}
