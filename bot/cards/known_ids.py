"""What the ids in a call's arguments are, as was read when the plan was made: shown beside the exact values.

It is part of the plan, like every reading, and read again before the call.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.cards.text import KNOWN, one_line, shown_name, visible
from bot.i18n import catalog
from bot.message import Argument
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.conditions import steps_of
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.preview import Preview, Reading
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
    """What was read about a call's arguments, by the arguments' names."""
    told: dict[str, list[Known]] = {}
    for preview, asked in call.questions():
        reading = plan.reading_of(asked) if preview.describes else None
        if reading is not None and reading.is_whole:
            found = [_beside(preview, reading)] if preview.beside else _of_answer(preview, reading)
            for argument, known in found:
                told.setdefault(argument, []).append(known)
    return {
        argument: Known(
            words=", ".join(each.words for each in known), is_notified=any(each.is_notified for each in known)
        )
        for argument, known in told.items()
    }


def _of_answer(preview: Preview, reading: Reading) -> Iterator[tuple[str, Known]]:
    """What the answer of a look-up says of each id, by the look-up's own names."""
    answer = _parsed(reading.text)
    for name, argument in preview.described():
        if words := _words(answer.get(name)):
            yield argument, Known(words=words, is_notified=name in _NOTIFIED)


def _beside(preview: Preview, reading: Reading) -> tuple[str, Known]:
    """What another server said of one id; the path to an id that is not the whole argument stands before that."""
    words = one_line(reading.text, _NAME) if reading.text.strip() else visible(canonical(reading.text))
    if reading.is_missing:
        words = catalog.text("known.missing")
    argument, *rest = steps_of(preview.beside) or (preview.beside,)
    if rest:
        words = f"{shown_name(preview.beside.removeprefix('$.'))}: {words}"
    return str(argument), Known(words=words, is_notified=False)


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
