"""A call's arguments as a person reads them: all of them, in full, and no two the same."""

import re

from bot.cards.text import visible, visible_lines
from bot.message import Argument
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.errors import InvalidJsonError

_INDENT = "  "
_SHORT = 40
_LARGEST_EXACT = 2**53


def arguments_of(text: str) -> tuple[Argument, ...]:
    """Every argument of a call, by name, from the canonical JSON that will be sent."""
    try:
        value = parse(text)
    except InvalidJsonError:
        return (Argument(name="", text=visible_lines(text)),)
    if not isinstance(value, dict):
        return (Argument(name="", text=shown(value)),)
    return tuple(Argument(name=shown_name(name), text=shown(item)) for name, item in value.items())


def rounded_by_others(text: str) -> tuple[str, ...]:
    """The names of the arguments in which a whole number is larger than JavaScript, and what is written in it, can hold."""
    try:
        value = parse(text)
    except InvalidJsonError:
        return ()
    if not isinstance(value, dict):
        return ()
    return tuple(shown_name(name) for name, item in value.items() if _has_large_number(item))


def _has_large_number(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large_number, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_number, value))
    return isinstance(value, int) and abs(value) > _LARGEST_EXACT


def shown_name(name: str) -> str:
    """An argument's name; quoted as JSON where the bare word would mislead."""
    return visible(name) if name and re.fullmatch(r"[^\s\"]+", name) else visible(canonical(name))


def shown(value: Json) -> str:
    """A value: text as it is, over several lines if it has them; everything else as indented JSON."""
    if isinstance(value, str):
        return visible_lines(value) if _is_plain(value) else visible(canonical(value))
    return "\n".join(_lines(value, ""))


def _is_plain(text: str) -> bool:
    """Whether a text can stand without quotes and not be taken for another value."""
    if not text or text[0].isspace() or text[-1].isspace():
        return False
    try:
        parse(text)
    except InvalidJsonError:
        return True
    return False


def _lines(value: Json, indent: str) -> list[str]:
    if isinstance(value, dict | list) and len(compact := canonical(value)) <= _SHORT:
        return [visible(compact)]
    match value:
        case dict() if value:
            rows = [(f"{visible(canonical(name))}: ", item) for name, item in value.items()]
            return _block("{}", rows, indent)
        case list() if value:
            return _block("[]", [("", item) for item in value], indent)
        case _:
            return [visible(canonical(value))]


def _block(brackets: str, rows: list[tuple[str, Json]], indent: str) -> list[str]:
    """A bracketed list of named or nameless values, one item a line, indented below its opening."""
    deeper = indent + _INDENT
    lines = [brackets[0]]
    for position, (name, item) in enumerate(rows):
        first, *rest = _lines(item, deeper)
        lines += [f"{deeper}{name}{first}", *rest]
        if position < len(rows) - 1:
            lines[-1] += ","
    return [*lines, f"{indent}{brackets[1]}"]
