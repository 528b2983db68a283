"""Text from models, tools and people, with everything made visible that an eye could miss or be fooled by."""

import re
import unicodedata

LINE_END = "↵"
"""Stands before each line break of a text that is shown on several lines; a literal one is escaped."""

_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LOOKS_EMPTY = frozenset(
    {
        0x034F,  # combining grapheme joiner
        0x115F,  # Hangul fillers
        0x1160,
        0x3164,
        0xFFA0,
        0x17B4,  # Khmer inherent vowels
        0x17B5,
        0x2800,  # Braille blank
        0x1D159,  # musical null note head
    }
)
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_MOST_MARKS = 3
_ESCAPE = re.compile(r"⟨U\+([0-9A-F]{4,6})⟩")


def visible(text: str) -> str:
    """One line: every control, format, unassigned, look-alike space or empty-looking character as `⟨U+202E⟩`.

    No two texts look the same: `original` finds the way back.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for position, character in enumerate(text):
        marks = marks + 1 if unicodedata.combining(character) else 0
        is_hidden = (
            _is_deceptive(character)
            or marks > _MOST_MARKS
            or (marks and marks == position + 1)
            or (character == "⟨" and text.startswith("⟨U+", position))
        )
        shown.append(f"⟨U+{ord(character):04X}⟩" if is_hidden else character)
    return "".join(shown)


def original(shown: str) -> str:
    """The text that `visible` was given."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), shown)


def visible_lines(text: str) -> str:
    """The same on several lines: a line feed keeps its break, and a mark before it tells it from a wrapped line."""
    return f"{LINE_END}\n".join(visible(line) for line in text.split("\n"))


def original_of_lines(shown: str) -> str:
    """The text that `visible_lines` was given."""
    return original(shown.replace(f"{LINE_END}\n", "\n"))


def one_line(text: str, limit: int) -> str:
    """The beginning of a text for a status line: white space runs become one space, and a cut is marked."""
    words = " ".join(text.split())
    return visible(words if len(words) <= limit else f"{words[: limit - 1].rstrip()}…")


def _is_deceptive(character: str) -> bool:
    code = ord(character)
    if code < 0x7F:
        return code < 0x20
    category = unicodedata.category(character)
    return (
        category in _CATEGORIES
        or category == "Zs"
        or character == LINE_END
        or code in _LOOKS_EMPTY
        or any(code in selectors for selectors in _VARIATION_SELECTORS)
    )
