"""What the ids in a call's arguments are, as a look-up said when the plan was made: shown beside the exact values.

It is part of the plan, like every reading, and read again before the call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.cards.text import KNOWN, one_line, shown_name
from bot.i18n import catalog
from bot.message import Argument
from coordination.domain.canonical_json import Json, parse
from coordination.domain.plan import Plan, PlannedCall
from coordination.errors import InvalidJsonError

_NAME = 80
_TEXT = 80
_NOTIFIED = frozenset({"users", "roles"})


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one argument; `is_notified`: the people and roles in it get a notification."""

    words: str
    is_notified: bool


def known_of(plan: Plan, call: PlannedCall) -> Mapping[str, Known]:
    """What look-ups said of a call's arguments, by the arguments' names."""
    found: dict[str, Known] = {}
    for preview, asked in call.questions():
        reading = plan.reading_of(asked) if preview.describes else None
        if reading is None or not reading.is_whole:
            continue
        answer = _parsed(reading.text)
        for name, argument in preview.described():
            if words := _words(answer.get(name)):
                found[argument] = Known(words=words, is_notified=name in _NOTIFIED)
    return found


def with_known(arguments: Iterable[Argument], known: Mapping[str, Known]) -> tuple[Argument, ...]:
    """The arguments with what is known of them, behind a mark that no value can have in it."""
    by_name = {shown_name(name): each.words for name, each in known.items()}
    return tuple(_with(each, by_name[each.name]) if each.name in by_name else each for each in arguments)


def _with(argument: Argument, words: str) -> Argument:
    between = "\n" if "\n" in argument.text else " "
    return replace(argument, text=f"{argument.text}{between}{KNOWN} {words}")


def _parsed(text: str) -> Mapping[str, Json]:
    try:
        value = parse(text)
    except InvalidJsonError:
        return {}
    return value if isinstance(value, Mapping) else {}


def _words(value: Json) -> str:
    """A name, several, or a message with its author and how it begins."""
    match value:
        case str():
            return one_line(value, _NAME)
        case Mapping():
            author, text = (value.get(name) for name in ("author", "text"))
            who = one_line(author, _NAME) if isinstance(author, str) else ""
            if isinstance(text, str) and text.strip():
                return catalog.text("known.message", author=who, text=one_line(text, _TEXT))
            return catalog.text("known.message_alone", author=who)
        case Sequence():
            return ", ".join(one_line(each, _NAME) for each in value if isinstance(each, str))
        case _:
            return ""
