"""Which arguments of a call repeat what a tool read: whoever approves should know whose words they are."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.cards.arguments import shown_name
from bot.cards.text import visible
from coordination.domain.canonical_json import Json, parse
from coordination.domain.events import ToolRead
from coordination.domain.plan import PlannedCall
from coordination.errors import InvalidJsonError

_RUN = 32
"""Characters in a row that nobody writes twice by chance."""

_SHORTEST = 8
_SPECIAL = re.compile(r"[@/0-9]")
_GAPS = re.compile(r'(?:\\[nrt"]|[\s"“”])+')


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a tool gave an agent to read: the beginning of it, as the log has it."""

    tool: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Arguments of one call, and the tools that were their source."""

    names: tuple[str, ...]
    tools: tuple[str, ...]


def with_source(sources: tuple[Source, ...], read: ToolRead) -> tuple[Source, ...]:
    """The sources, and one more unless it is known."""
    source = Source(tool=f"{read.server}.{read.tool}", text=read.excerpt)
    return sources if source in sources else (*sources, source)


def echo_of(call: PlannedCall, sources: Sequence[Source], prompt: str) -> Echo | None:
    """What of a call repeats a source. What the request says itself is nobody else's word.

    Only the beginning of what was read is known, so that nothing found means little.
    """
    try:
        arguments = parse(call.arguments)
    except InvalidJsonError:
        return None
    if not isinstance(arguments, dict) or not sources:
        return None
    asked, texts = _plain(prompt), [_plain(source.text) for source in sources]
    names: dict[str, None] = {}
    tools: dict[str, None] = {}
    for name, value in arguments.items():
        for leaf in map(_plain, _leaves(value)):
            for number in _echoed(leaf, texts, asked):
                names[shown_name(name)] = tools[visible(sources[number].tool)] = None
    return Echo(names=tuple(names), tools=tuple(tools)) if names else None


def _echoed(leaf: str, texts: Sequence[str], asked: str) -> list[int]:
    """The texts that have a long passage in common with a value; or the whole of a short one that looks like an address.

    A short value of digits alone is a name that the product gave: nearly every plan has one.
    """
    if len(leaf) >= _RUN:
        runs = _runs(leaf)
        return [number for number, text in enumerate(texts) if any(run not in asked for run in runs & _runs(text))]
    is_telling = len(leaf) >= _SHORTEST and _SPECIAL.search(leaf) is not None and not leaf.isdecimal()
    if not is_telling or leaf in asked:
        return []
    return [number for number, text in enumerate(texts) if leaf in text]


def _runs(text: str) -> set[str]:
    return {text[start : start + _RUN] for start in range(len(text) - _RUN + 1)}


def _leaves(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from _all(value.values())
        case list():
            yield from _all(value)
        case _:
            return


def _all(values: Iterable[Json]) -> Iterator[str]:
    for value in values:
        yield from _leaves(value)


def _plain(text: str) -> str:
    """Spaces, line breaks and quotes look different in JSON and in prose."""
    return _GAPS.sub(" ", text).strip().casefold()
