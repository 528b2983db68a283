"""Looks up every sentence that people see: one catalogue a language, and the one that is spoken here and now.

The language belongs to the context (`contextvars`), not to the signatures: whoever draws or says something asks
`catalog`, and `speaking` sets it at the edges, where it is known whom the words are for.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from string import Formatter

from bot.message import Inline, RichText, StyledText
from coordination.errors import ConfigError
from coordination.text import Text, TextParts, filled

LANGUAGE_VARIABLE = "MASSGEN_BOT_LANGUAGE"


@dataclass(frozen=True)
class Catalog:
    """The texts of one language, by their keys."""

    language: str
    translations: NullTranslations
    of_errors: NullTranslations = field(default_factory=NullTranslations)
    """The sentences of errors, by their English."""

    def has(self, key: str) -> bool:
        """Whether there is a text of this key, which is not counted."""
        return self.translations.gettext(key) != key

    def text(self, key: str, /, **values: str | int) -> Text:
        """A text with its values filled in, sentences of the core in this language. `count` chooses the form."""
        told = {name: self.told(value) if isinstance(value, str) else value for name, value in values.items()}
        return Text.verbatim(self._template(key, values.get("count")).format_map(told))

    def told(self, text: str) -> str:
        """A sentence of the core in this language; every other text as it is."""
        if not isinstance(text, Text) or text.is_verbatim:
            return text
        return filled(text.parts, self._template_of_errors, self._formatted)

    def rich(self, key: str, /, **values: Inline | str | int | RichText) -> RichText:
        """A text whose values keep their style: moments, people, code."""
        count = values.get("count")
        pieces: list[Inline] = []
        for literal, name, _, _ in Formatter().parse(self._template(key, count)):
            if literal:
                pieces.append(StyledText(literal))
            if name is not None:
                value = values[name]
                pieces += _as_rich(self.told(value) if isinstance(value, str) else value)
        return tuple(pieces)

    def number(self, value: float, decimals: int = 0) -> str:
        """A number as this language writes it: `1,234.5`, `1.234,5`."""
        signs = {",": self.text("number.thousands"), ".": self.text("number.decimal")}
        return "".join(signs.get(character, character) for character in f"{value:,.{decimals}f}")

    def _template_of_errors(self, parts: TextParts) -> str:
        count = dict(parts.values).get("count")
        if parts.plural and isinstance(count, int):
            return self.of_errors.ngettext(parts.template, parts.plural, count)
        return self.of_errors.gettext(parts.template)

    def _formatted(self, value: float, form: str) -> str:
        if form == ",":
            return self.number(value, 0 if isinstance(value, int) else 2)
        return format(value, form).replace(".", self.text("number.decimal"))

    def _template(self, key: str, count: object) -> str:
        find = self.translations
        found = find.ngettext(key, key, count) if isinstance(count, int) else find.gettext(key)
        if found == key:
            raise KeyError(key)
        return found


def _as_rich(value: Inline | str | int | RichText) -> RichText:
    if isinstance(value, tuple):
        return value
    if isinstance(value, str | int):
        return (StyledText(str(value)),)
    return (value,)


def joined(lines: Sequence[RichText], separator: str) -> RichText:
    """Lines in one, a separator between each two; empty ones leave no trace."""
    pieces: list[Inline] = []
    for line in lines:
        if line:
            pieces += [StyledText(separator, "quiet"), *line] if pieces else line
    return tuple(pieces)


def _compiled(name: str) -> GNUTranslations:
    """What `make texts` made of a catalogue."""
    with Path(__file__).with_name("locales").joinpath(f"{name}.mo").open("rb") as file:
        return GNUTranslations(file)


ENGLISH = Catalog("en", _compiled("en"))
GERMAN = Catalog("de", _compiled("de"), _compiled("errors/de"))

LANGUAGES: Mapping[str, Catalog] = {each.language: each for each in (ENGLISH, GERMAN)}

_spoken: ContextVar[Catalog] = ContextVar("spoken", default=ENGLISH)


class _CurrentCatalog:
    """The catalogue of the context, looked up anew at each call, so that it may be imported once."""

    @property
    def language(self) -> str:
        return _spoken.get().language

    def has(self, key: str) -> bool:
        return _spoken.get().has(key)

    def text(self, key: str, /, **values: str | int) -> Text:
        return _spoken.get().text(key, **values)

    def told(self, text: str) -> str:
        return _spoken.get().told(text)

    def rich(self, key: str, /, **values: Inline | str | int | RichText) -> RichText:
        return _spoken.get().rich(key, **values)

    def number(self, value: float, decimals: int = 0) -> str:
        return _spoken.get().number(value, decimals)


catalog = _CurrentCatalog()
"""What is spoken here and now; English where nobody has said."""


@contextmanager
def speaking(spoken: Catalog) -> Generator[None]:
    """Speak a language inside. Tasks and threads (`asyncio.to_thread`) that begin inside keep it.

    Around the `yield` of an asynchronous generator only where one task runs it from its beginning to its end.
    """
    token = _spoken.set(spoken)
    try:
        yield
    finally:
        _spoken.reset(token)


def catalog_in(locale: str) -> Catalog:
    """What to speak to somebody of a locale (`de`, `de-AT`, `de_DE.UTF-8`).

    What is spoken now, where we lack theirs.
    """
    language = re.split(r"[-_.@]", locale.strip(), maxsplit=1)[0].lower()
    return LANGUAGES.get(language) or _spoken.get()


def catalog_for(language: str) -> Catalog:
    """The words of the language that the operator chose; English where none was.

    Raises:
        ConfigError: there is no such language.
    """
    wanted = language.strip().lower() or ENGLISH.language
    if wanted not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise ConfigError([ENGLISH.text("error.unknown_language", variable=LANGUAGE_VARIABLE, known=known)])
    return LANGUAGES[wanted]
