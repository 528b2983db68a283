"""Discord's markdown and its limits: text is escaped once, so that nothing in it formats, links or mentions.

https://support.discord.com/hc/en-us/articles/210298617 describes the markdown; a backslash takes the meaning from any
character of ASCII that is neither a letter nor a digit.
"""

import re
from collections.abc import Callable
from typing import Final, assert_never

from bot.cards.text import head_of
from bot.message import Inline, Link, Mention, RichText, StyledText, Timestamp

# https://discord.com/developers/docs/resources/message#embed-object-embed-limits
EMBED_TITLE: Final = 256
EMBED_DESCRIPTION: Final = 4096
EMBED_FOOTER: Final = 2048
EMBEDS_TOGETHER: Final = 6000
EMBEDS: Final = 10

# https://discord.com/developers/docs/resources/message#create-message
CONTENT: Final = 2000
FILES: Final = 10
FILE_DESCRIPTION: Final = 1024
NONCE: Final = 25

# https://discord.com/developers/docs/reference#uploading-files: what every server allows; boosts only raise it
FILE_BYTES: Final = 10 * 1024 * 1024

# https://discord.com/developers/docs/components/reference
ROWS: Final = 5
BUTTONS_IN_ROW: Final = 5
BUTTON_LABEL: Final = 80
CUSTOM_ID: Final = 100
PLACEHOLDER: Final = 150
OPTIONS: Final = 25
BOXES: Final = 10
OPTION_TEXT: Final = 100
MODAL_TITLE: Final = 45
MODAL_LABEL: Final = 45
MODAL_TEXT: Final = 4000

# https://discord.com/developers/docs/interactions/application-commands
CHOICES: Final = 25
CHOICE_TEXT: Final = 100
COMMAND_TEXT: Final = 6000

# https://discord.com/developers/docs/resources/channel#start-thread-from-message
THREAD_NAME: Final = 100


def units(text: str) -> int:
    """How long Discord may think that a text is."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


_ACTIVE = re.compile(r"[\\`*_~|\[\]<@]|:(?=//)")
_STARTS_BLOCK = re.compile(r"^(\s*(?:\d+(?=\.)|))([#>+.-])")
_FENCE = re.compile(r"`{3,}")
ELLIPSIS = "…"


def escaped(text: str) -> str:
    """Words that stay words. An address stays readable, and is no link."""
    return _ACTIVE.sub(r"\\\g<0>", text)


def as_line(text: str) -> str:
    """A finished line that begins no heading, quote or list."""
    return _STARTS_BLOCK.sub(r"\1\\\2", text)


def inline_code(text: str) -> str:
    """A short text as code.

    Its backticks, which would end the code, are named like other characters that fool people.
    """
    return f"`{text.replace('`', _named('`'))}`" if text else ""


def code_block(text: str) -> str:
    """Lines as a block of code, which Discord ends at the first three backticks, however long the opening fence is."""
    return f"```\n{_FENCE.sub(lambda found: _named('`') * len(found[0]), text)}\n```"


def _named(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


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


def line_text(line: RichText, room: int) -> tuple[str, int]:
    """A line within its room, and how many characters are missing."""
    text, missing = "", 0
    for inline in line:
        shown, hidden = _inline(inline, room - units(text) if not missing else 0)
        text += shown
        missing += hidden
    return as_line(text), missing


def plain_text(line: RichText) -> str:
    """A line for places without markdown: a title for a screen, a footer, a file."""
    return "".join(_plain(inline) for inline in line)


def _inline(inline: Inline, room: int) -> tuple[str, int]:
    match inline:
        case StyledText(style="bold"):
            return fitted(inline.text, room, _bold)
        case StyledText(style="code"):
            return fitted(inline.text, room, inline_code)
        case StyledText(style="removed"):
            return fitted(inline.text, room, lambda text: _struck(text, "~~"))
        case StyledText(style="added"):
            return fitted(inline.text, room, lambda text: _struck(text, "**"))
        case StyledText():
            return fitted(inline.text, room)
        case Mention():
            link = _link(inline)
            return _whole(link, room) if link else fitted(inline.name, room)
        case Timestamp():
            return _whole(_timestamp(inline), room)
        case Link(text=text, url=url):
            return _whole(f"[{escaped(text)}](<{url}>)", room)
        case _:
            assert_never(inline)


def _bold(text: str) -> str:
    """Spaces stay outside of the stars, within which they would make them stars."""
    core = text.strip()
    if not core:
        return escaped(text)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}**{escaped(core)}**{after}"


def _struck(text: str, signs: str) -> str:
    """A short text as code between these signs.

    Discord looks for the second pair in the code as well, so there it is named.
    """
    code = inline_code(text).replace(signs[0], _named(signs[0]))
    return f"{signs}{code}{signs}" if code else ""


def _whole(text: str, room: int) -> tuple[str, int]:
    return (text, 0) if len(text) <= room else ("", len(text))


_SIGNS = {"person": "@", "role": "@&", "channel": "#"}


def _link(mention: Mention) -> str:
    """Whom we know by number only, or who is to be linked: each reader's Discord knows the name.

    An embed notifies nobody.
    """
    if not (mention.is_linked or mention.name == mention.id) or not (mention.id.isascii() and mention.id.isdecimal()):
        return ""
    return f"<{_SIGNS[mention.sort]}{mention.id}>"


def _timestamp(timestamp: Timestamp) -> str:
    """Each reader sees it in their own clock and language; a countdown goes on without an edit."""
    second = int(timestamp.at.timestamp())
    return f"<t:{second}:f> (<t:{second}:R>)" if timestamp.is_countdown else f"<t:{second}:f>"


def _plain(inline: Inline) -> str:
    match inline:
        case StyledText(text=text):
            return text
        case Mention(name=name):
            return name
        case Link(text=text):
            return text
        case Timestamp(at=at):
            return f"{at:%Y-%m-%d %H:%M %Z}"
        case _:
            assert_never(inline)
