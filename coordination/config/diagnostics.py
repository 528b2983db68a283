"""Diagnostics of a configuration: where, what was found, what was expected, and what was probably meant."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from coordination.errors import ConfigError
from coordination.text import Text

KeyPath: TypeAlias = tuple[str | int, ...]


class Place(NamedTuple):
    """Where something stands in a file."""

    line: int
    path: KeyPath = ()


NOWHERE = Place(0)

_PLAIN_KEY = re.compile(r"[\w$<-]{1,60}")
LONGEST_SHOWN = 32
"""Keys and tokens of every provider are longer: what is longer than this is never repeated in a message."""

_MOST_SHOWN = 200
_MOST_SUGGESTIONS = 100


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One problem at one place. `text` holds no value that might be a secret."""

    line: int
    where: str
    text: Text

    def render(self, origin: str) -> Text:
        """The line that people read: `file:line: key.path: found ...; expected ...`."""
        place = f"{printable(origin)}:{self.line}"
        return Text.joined(": ", [place, self.where, self.text] if self.where else [place, self.text])


@dataclass
class _Repeated:
    first: Diagnostic
    lines: list[int] = field(default_factory=list[int])


class Diagnostics:
    """Collects every complaint and warning of one configuration."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._diagnostics: list[Diagnostic] = []
        self._warnings: dict[str, _Repeated] = {}

    def add_error(self, place: Place, text: Text) -> None:
        """Note something that the operator must change."""
        self._diagnostics.append(Diagnostic(place.line, key_name(place.path), text))

    def expect(self, place: Place, found: Text, expected: Text, suggestion: str | None = None) -> None:
        """Note what was found in the place of what."""
        self.add_error(place, expected_but_found(found, expected, suggestion))

    def add_warning(self, place: Place, text: Text, *, once_for: str = "") -> None:
        """Note something that is accepted, but has no effect or another one than the operator may think.

        Warnings of the same `once_for` are told once, with the other lines beside.
        """
        first = Diagnostic(place.line, key_name(place.path), text)
        known = self._warnings.setdefault(once_for or f"{place.path}:{text}", _Repeated(first))
        if place.line != known.first.line and place.line not in known.lines:
            known.lines.append(place.line)

    def nearest(self, word: str, known: Iterable[str]) -> str | None:
        """The known word that was perhaps meant; none any more once there are many complaints, as it takes time."""
        return nearest(word, known) if len(self._diagnostics) < _MOST_SUGGESTIONS else None

    def warnings(self) -> tuple[Text, ...]:
        """Every warning, in the order of the file."""
        ordered = sorted(self._warnings.values(), key=lambda each: each.first)
        return tuple(_with_others(each.first.render(self._origin), each.lines) for each in ordered)

    def render(self) -> list[Text]:
        """Every complaint, in the order of the file."""
        diagnostics = sorted(set(self._diagnostics))
        lines = [complaint.render(self._origin) for complaint in diagnostics[:_MOST_SHOWN]]
        rest = len(diagnostics) - len(lines)
        if not rest:
            return lines
        file = printable(self._origin)
        more = Text("{file}: and {count:,} more problem", "{file}: and {count:,} more problems", file=file, count=rest)
        return [*lines, more]

    def raise_if_any(self) -> None:
        """Raise what was collected.

        Raises:
            ConfigError: there was at least one complaint.
        """
        if self._diagnostics:
            raise ConfigError(self.render())


def key_name(path: KeyPath) -> str:
    """A key path as people write it: `agents[0].backend.model`."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += ("." if name else "") + (part if _PLAIN_KEY.fullmatch(part) else _in_path(part))
    return name


def _in_path(key: str) -> str:
    """What does not look like a key, as a part of a path; what is too long to be told leaves a gap."""
    return quoted(key) if len(key) <= LONGEST_SHOWN else "'…'"


def shown_key(key: str) -> Text:
    """A key for a message; one that does not look like a key is only described."""
    return Text.verbatim(key) if _PLAIN_KEY.fullmatch(key) else quoted(key)


def quoted(text: str, longest: int = LONGEST_SHOWN) -> Text:
    """A short text in quotes; of a long one, only its length."""
    if len(text) > longest:
        return Text("a text of {length:,} characters", length=len(text))
    return Text.verbatim(f"'{printable(text)}'")


def printable(text: str) -> str:
    """The text on one line, with invisible characters as YAML has them in double quotes: `\\u202e`.

    Whatever shows it names such characters in its own way, and would take a name that stands there for a part of the
    text.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def expected_but_found(found: Text, expected: Text, suggestion: str | None = None) -> Text:
    """The sentence of every complaint."""
    if not suggestion:
        return Text("found {found}; expected {expected}", found=found, expected=expected)
    return Text(
        "found {found}; expected {expected}; did you mean {suggestion}?",
        found=found,
        expected=expected,
        suggestion=suggestion,
    )


def kind_of_plain(value: object) -> Text:
    """What kind of value this is, in words, without the value."""
    match value:
        case dict():
            return Text("a mapping")
        case list():
            return Text("a list")
        case str():
            return Text("a text")
        case None:
            return Text("nothing")
        case bool():
            return Text("true or false")
        case int() | float():
            return Text("a number")
        case _:
            return Text("a value of type {type}", type=type(value).__name__)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was perhaps meant."""
    by_folded = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(word.casefold()[:100], by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def _with_others(text: Text, lines: list[int]) -> Text:
    if not lines:
        return text
    others = ", ".join(str(line) for line in sorted(lines))
    return Text(
        "{text} (also in line {lines})", "{text} (also in lines {lines})", text=text, lines=others, count=len(lines)
    )
