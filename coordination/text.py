"""English sentences that know what they were made of, so that whoever shows one can say it in another language.

A `Text` is its English, and carries the template and the values it came from: the template is the name by which a
catalogue of another language finds its own. Values are names, numbers, somebody else's words, and other texts. The core
writes its sentences here and never looks one up; `bot/i18n.py` does, where it is known who reads.
"""

import copyreg
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, LiteralString, Protocol, Self, TypeAlias, runtime_checkable

Part: TypeAlias = "str | int | float | TextParts"


@dataclass(frozen=True)
class TextParts:
    """What a text was made of, as it is kept in the log. `plural` is the template for a `count` other than 1."""

    template: str
    values: tuple[tuple[str, Part], ...] = ()
    plural: str = ""


@runtime_checkable
class Named(Protocol):
    """A file or folder, which is written as its name."""

    def __fspath__(self) -> str:
        """The name."""
        ...


class Numbers(Protocol):
    """How a language writes a number that `form`, a format of Python's, made English."""

    def __call__(self, value: float, form: str) -> str:
        """The number's text."""
        ...


_VERBATIM = "{text}"
_BLANK = re.compile(r"\{\{|\}\}|\{(\w+)(?::(,|g|A|\.))?\}")


class Text(str):
    """An English text and its parts.

    Blanks of a template are `{name}`, `{name:,}` and `{name:g}` for numbers, `{name:A}` for a value that begins a
    sentence, and `{name:.}` for a sentence without its full stop. Two braces stand for one.
    """

    __slots__ = ("parts",)
    parts: TextParts

    def __new__(cls, template: LiteralString, plural: LiteralString = "", /, **values: str | float | Named) -> Self:
        """`plural` is the template where the value `count` is not 1."""
        named = tuple((name, _part(value)) for name, value in values.items())
        return cls.of(TextParts(template, named, plural))

    @classmethod
    def of(cls, parts: TextParts) -> Self:
        """The text that these parts come to."""
        text = str.__new__(cls, in_english(parts))
        text.parts = parts
        return text

    @classmethod
    def verbatim(cls, text: str) -> Self:
        """A text that is nobody's to translate, or in its reader's language already."""
        if isinstance(text, cls):
            return text
        same = str.__new__(cls, text)
        same.parts = TextParts(_VERBATIM, (("text", text),))
        return same

    @property
    def is_verbatim(self) -> bool:
        """Whether there is nothing to translate."""
        return self.parts.template == _VERBATIM

    def mapped(self, change: Callable[[str], str]) -> "Text":
        """The text with every text among its values changed."""
        return Text.of(_mapped(self.parts, change))

    @classmethod
    def joined(cls, separator: LiteralString, texts: Iterable[str]) -> Self:
        """Texts in one, a separator without words between each two."""
        values = [_part(text) for text in texts]
        template = separator.join(f"{{part{number}}}" for number in range(len(values)))
        return cls.of(TextParts(template, tuple((f"part{number}", value) for number, value in enumerate(values))))


def _part(value: str | float | Named) -> Part:
    if isinstance(value, Text):
        return value.parts
    return value.__fspath__() if isinstance(value, Named) else value


def _mapped(parts: TextParts, change: Callable[[str], str]) -> TextParts:
    values: list[tuple[str, Part]] = []
    for name, value in parts.values:
        if isinstance(value, TextParts):
            values.append((name, _mapped(value, change)))
        else:
            values.append((name, change(value) if isinstance(value, str) else value))
    return TextParts(parts.template, tuple(values), parts.plural)


def _reduced(text: Text) -> tuple[Callable[[TextParts], Text], tuple[TextParts]]:
    return Text.of, (text.parts,)


NO_TEXT = Text.verbatim("")

copyreg.pickle(Text, _reduced)


def template(text: LiteralString) -> LiteralString:
    """Marks a template that is filled elsewhere, so that the check of the catalogues finds it."""
    return text


def either(texts: Iterable[str]) -> Text:
    """A choice: `a, b or c`."""
    *most, last = texts
    return Text("{most} or {last}", most=Text.joined(", ", most), last=last) if most else Text.verbatim(last)


def together(texts: Iterable[str]) -> Text:
    """All of them: `a, b and c`."""
    *most, last = texts
    return Text("{most} and {last}", most=Text.joined(", ", most), last=last) if most else Text.verbatim(last)


def in_english(parts: TextParts) -> str:
    """The English of what a text was made of."""
    return filled(parts, _own_template, _own_number)


def filled(parts: TextParts, find: Callable[[TextParts], str], number: Numbers) -> str:
    """A template with its values in it. `find` gives the template of a language, `number` writes as that language does.

    A blank without a value stays as it is: what a log holds is shown whatever happened to it.
    """
    values = dict(parts.values)

    def put_in(blank: re.Match[str]) -> str:
        name, form = blank.group(1, 2)
        if name is None or name not in values:
            return blank.group()[:1] if name is None else blank.group()
        value = values[name]
        if isinstance(value, TextParts):
            value = filled(value, find, number)
        if isinstance(value, str):
            return _shaped(value, form)
        return number(value, form if form in (",", "g") else "")

    return _BLANK.sub(put_in, find(parts))


def _shaped(text: str, form: str | None) -> str:
    if form == "A":
        return text[:1].upper() + text[1:]
    return text.removesuffix(".") if form == "." else text


def is_one(parts: TextParts) -> bool:
    """Whether a text counts one of something, and so has the singular of English."""
    return dict(parts.values).get("count") == 1


def _own_template(parts: TextParts) -> str:
    return parts.plural if parts.plural and not is_one(parts) else parts.template


def _own_number(value: float, form: str) -> str:
    return format(value, form)


class Reasoned:
    """An event with a `reason`, whose `parts` say what it was made of where it is this program's own sentence.

    Events of earlier versions have none. Given both, the reason is a `Text` again, so that it can be shown in any
    language; parts that do not come to the reason are another one's, and are left out. `_told` names the field.
    """

    _told: ClassVar[str] = "reason"
    parts: TextParts | None

    def __post_init__(self) -> None:
        reason: str | None = getattr(self, self._told)
        parts = self.parts
        if isinstance(reason, Text):
            parts = None if reason.is_verbatim else reason.parts
        elif parts is not None and in_english(parts) == reason:
            reason = Text.of(parts)
        else:
            parts = None
        object.__setattr__(self, self._told, reason)
        object.__setattr__(self, "parts", parts)
