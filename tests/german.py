"""What is left of English in a sentence that is told in German."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages import pofile

from bot.i18n import GERMAN
from coordination.text import Text, TextParts

CATALOGUE = Path(__file__).parents[1] / "bot/locales/errors/de.po"
_BLANK = re.compile(r"\{\w+(?::[^}]*)?\}")
_ENGLISH = re.compile(
    r"\b(?:and|are|as|at|be|but|by|can|can't|doesn't|expected|found|for|from|has|have|is|it|its|must|no|not|nothing|of|"
    r"or|than|that|the|their|there|this|to|which|with|without)\b"
)
_TYPED = re.compile(r"`[^`]*`|\$?\{[^}]*\}|'[^']*'|\"[^\"]*\"|\S*[/_.:$=@]\S*")
"""Commands, paths, keys and quotations, which are the same in every language."""


@cache
def templates_in_german() -> frozenset[str]:
    """The English by which the catalogue of errors has its German."""
    with CATALOGUE.open("rb") as file:
        messages = [message for message in pofile.read_po(file, locale="de") if message.id]
    return frozenset(each.id if isinstance(each.id, str) else each.id[0] for each in messages)


def english_in(text: str, source: str = "") -> list[str]:
    """The templates without German, and the English words that do not come from `source`, what somebody wrote."""
    lacking = list(_lacking(text.parts)) if isinstance(text, Text) else []
    words = _ENGLISH.findall(_TYPED.sub(" ", GERMAN.told(text)))
    return lacking + [word for word in words if word not in source]


def _lacking(parts: TextParts) -> Iterator[str]:
    has_words = any(character.isalpha() for character in _BLANK.sub("", parts.template))
    if has_words and parts.template not in templates_in_german():
        yield parts.template
    for _, value in parts.values:
        if isinstance(value, TextParts):
            yield from _lacking(value)
