"""References between calls: an argument that nobody knows before an earlier call of the plan has run.

A plan says of such an argument which call returns it, and where in the call's structured result: people approve that in
place of a value. It stands beside the arguments and never among them, so that no argument can be taken for one. Only a
short value without spaces may take the place of a reference: an id, an address, a number; never words that nobody has
seen.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coordination.domain.canonical_json import Json, JsonObject, canonical, parse
from coordination.domain.comparisons import is_list
from coordination.errors import InvalidJsonError

MARK = "$from_call"
"""The name in an object by which agents, and people who edit a call, write a reference."""

PATH = "path"
"""The other name in it."""

MAX_VALUE = 256
"""Characters of a text, or bits of a whole number, that may take the place of a reference."""

MAX_PATH = 200

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])+)+")
_PLAIN = re.compile(r"[!-~]+")
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What one argument of a call will be.

    Attributes:
        argument: the argument's name; the call's arguments have none of this name.
        call: the position of the call that returns the value, from 0; it comes before the one that takes it.
        path: where it stands in that call's structured result, as a JSON pointer (RFC 6901).
    """

    argument: str
    call: int
    path: str

    def as_json(self) -> Json:
        """As it enters a plan's digest."""
        return {"argument": self.argument, "call": self.call, "path": self.path}

    def written(self) -> Json:
        """As agents and editors write it: calls count from 1 there."""
        return {MARK: self.call + 1, PATH: self.path}


class WrongReferenceError(ValueError):
    """Something is written like a reference and is none; `argument` is where."""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self.argument = argument


def split(arguments: JsonObject) -> tuple[JsonObject, tuple[Reference, ...]]:
    """What stands in a call's arguments for itself, and what is written in the place of others.

    Raises:
        WrongReferenceError: a reference is not of its form, or is part of an argument: it can only be all of one.
    """
    literal: dict[str, Json] = {}
    found: list[Reference] = []
    for name, value in arguments.items():
        if not _has_mark(value):
            literal[name] = value
            continue
        match value:
            case {"$from_call": int(number), "path": str(path), **rest} if (
                not rest and not isinstance(number, bool) and number > 0 and steps_of(path) is not None
            ):
                found.append(Reference(argument=name, call=number - 1, path=path))
            case _:
                raise WrongReferenceError(name)
    return literal, tuple(sorted(found, key=lambda each: each.argument))


def _has_mark(value: Json) -> bool:
    if isinstance(value, Mapping):
        return MARK in value or any(map(_has_mark, value.values()))
    return is_list(value) and any(map(_has_mark, value))


def steps_of(path: str) -> tuple[str, ...] | None:
    """The steps of a JSON pointer to something inside a value; None: it is none."""
    if len(path) > MAX_PATH or not _POINTER.fullmatch(path):
        return None
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))


def index_in(step: str) -> int | None:
    """The place in a list that a step means; None: it means none."""
    return int(step) if _INDEX.fullmatch(step) else None


def value_at(result: Json, path: str) -> Json:
    """What a result has at a path, if it may take the place of a reference; None: it has no such value."""
    value = result
    for step in steps_of(path) or ():
        index = index_in(step)
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif is_list(value) and index is not None and index < len(value):
            value = value[index]
        else:
            return None
    return value if may_stand(value) else None


def may_stand(value: Json) -> bool:
    """Whether a value may replace a reference: yes or no, a number, or a short text of ASCII without spaces."""
    match value:
        case bool():
            return True
        case int():
            return value.bit_length() <= MAX_VALUE
        case float():
            return math.isfinite(value)
        case str():
            return len(value) <= MAX_VALUE and _PLAIN.fullmatch(value) is not None
        case _:
            return False


def returned(result: Json, paths: Iterable[str]) -> str:
    """What a result has for those who refer to it: canonical JSON of the values by their paths; empty: it has none."""
    found = {path: value for path in paths if (value := value_at(result, path)) is not None}
    return canonical(found) if found else ""


def values_of(text: str) -> JsonObject | None:
    """The values that `returned` wrote; None: it did not write this."""
    try:
        values: Json = parse(text or "{}")
    except InvalidJsonError:
        return None
    if not isinstance(values, Mapping) or (text and (not values or canonical(values) != text)):
        return None
    return values if all(map(may_stand, values.values())) else None


def filled(arguments: str, references: Sequence[Reference], results: Sequence[str]) -> str | None:
    """A call's arguments as they are sent, once the calls before it have `returned` this; None: a value is missing."""
    if not references:
        return arguments
    literal = parse(arguments)
    values: dict[str, Json] = {}
    for each in references:
        found = values_of(results[each.call]) if 0 <= each.call < len(results) else None
        if not found or each.path not in found:
            return None
        values[each.argument] = found[each.path]
    return canonical({**literal, **values}) if isinstance(literal, Mapping) else None


def written(arguments: str, references: Sequence[Reference]) -> JsonObject:
    """A call's arguments with its references among them, as agents and editors write them; `split` is the way back."""
    literal = parse(arguments)
    return {
        **(literal if isinstance(literal, Mapping) else {}),
        **{each.argument: each.written() for each in references},
    }


def are_sound(position: int, arguments: str, references: Sequence[Reference]) -> bool:
    """Whether the references of the call at this position are of earlier calls, and each of an argument of its own."""
    if not references:
        return True
    literal, names = parse(arguments), [each.argument for each in references]
    return (
        isinstance(literal, Mapping)
        and len(set(names)) == len(names)
        and not any(name in literal for name in names)
        and all(0 <= each.call < position and steps_of(each.path) is not None for each in references)
    )


def kept(references: Sequence[Sequence[Reference]], wanted: Iterable[int]) -> tuple[int, ...]:
    """The positions of the wanted calls, without those that refer to a call which is not kept."""
    found: list[int] = []
    for position in sorted({*wanted} & {*range(len(references))}):
        if all(each.call in found for each in references[position]):
            found.append(position)
    return tuple(found)


def moved(references: Sequence[Reference], positions: Sequence[int]) -> tuple[Reference, ...]:
    """References of a call among those that are kept, by their positions there.

    Raises:
        ValueError: one is of a call that is not kept.
    """
    return tuple(replace(each, call=positions.index(each.call)) for each in references)
