"""Text for Discord's markdown: escaped once, so that nothing in it formats, links, mentions or ends a block of code.

https://support.discord.com/hc/en-us/articles/210298617 describes the markdown; a backslash takes the meaning from any
character of ASCII that is neither a letter nor a digit.
"""

import re
import unicodedata
from collections.abc import Callable

from bot.discord_app.limits import units

_ACTIVE = re.compile(r"[\\`*_~|\[\]<@]|:(?=//)")
_STARTS_BLOCK = re.compile(r"^(\s*(?:\d+(?=\.)|))([#>+.-])")
_FENCE = re.compile(r"`{3,}")
_TOKEN_LENGTH = 10
ELLIPSIS = "…"


def escaped(text: str) -> str:
    """Words that stay words. An address stays readable, and is no link."""
    return _ACTIVE.sub(r"\\\g<0>", text)


def as_line(text: str) -> str:
    """A finished line that begins no heading, quote or list."""
    return _STARTS_BLOCK.sub(r"\1\\\2", text)


def inline_code(text: str) -> str:
    """A short text as code. Its backticks, which would end the code, are named like other characters that fool people."""
    return f"`{text.replace('`', _named('`'))}`" if text else ""


def code_block(text: str) -> str:
    """Lines as a block of code, which Discord ends at the first three backticks, however long the opening fence is."""
    return f"```\n{_FENCE.sub(lambda found: _named('`') * len(found[0]), text)}\n```"


def _named(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def head_of(text: str, length: int) -> str:
    """The beginning of a text in which hidden characters are named, without half a name or half a character."""
    end = min(length, len(text))
    while 0 < end < len(text) and unicodedata.combining(text[end]):
        end -= 1
    head = text[:end]
    opened = head.rfind("⟨", max(0, end - _TOKEN_LENGTH))
    return head if end == len(text) or opened < 0 or "⟩" in head[opened:] else head[:opened]


def tail_of(text: str, length: int) -> str:
    """The end of a text, likewise."""
    start = max(0, len(text) - length)
    while 0 < start < len(text) and unicodedata.combining(text[start]):
        start += 1
    tail = text[start:]
    closed = tail.find("⟩", 0, _TOKEN_LENGTH)
    return tail if start == 0 or closed < 0 or "⟨" in tail[:closed] else tail[closed + 1 :]


def fitted(text: str, room: int, dressed: Callable[[str], str] = escaped) -> tuple[str, int]:
    """The dressed text, as much of it as there is room for, and how many characters are missing."""
    if len(text) <= room and units(whole := dressed(text)) <= room:
        return whole, 0
    shortest, longest = 0, min(len(text), max(room, 0))
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if units(dressed(head_of(text, middle))) + 1 <= room:
            shortest = middle
        else:
            longest = middle - 1
    head = head_of(text, shortest)
    return (dressed(head) if head else "") + (ELLIPSIS if room > 0 else ""), len(text) - len(head)
