"""Lines of a card in Discord's markdown."""

from typing import assert_never

from bot.discord_app.limits import units
from bot.discord_app.markup import as_line, escaped, fitted, inline_code
from bot.message import Line, Moment, Piece, Span, Who


def line_text(line: Line, room: int) -> tuple[str, int]:
    """A line within its room, and how many characters are missing."""
    text, missing = "", 0
    for piece in line:
        shown, hidden = _piece(piece, room - units(text) if not missing else 0)
        text += shown
        missing += hidden
    return as_line(text), missing


def plain_text(line: Line) -> str:
    """A line for places without markdown: a title for a screen, a footer, a file."""
    return "".join(_plain(piece) for piece in line)


def _piece(piece: Piece, room: int) -> tuple[str, int]:
    match piece:
        case Span(style="bold"):
            return fitted(piece.text, room, _bold)
        case Span(style="code"):
            return fitted(piece.text, room, inline_code)
        case Span():
            return fitted(piece.text, room)
        case Who():
            link = _link(piece)
            return _whole(link, room) if link else fitted(piece.name, room)
        case Moment():
            return _whole(_moment(piece), room)
        case _:
            assert_never(piece)


def _bold(text: str) -> str:
    """Spaces stay outside of the stars, within which they would make them stars."""
    core = text.strip()
    if not core:
        return escaped(text)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{before}**{escaped(core)}**{after}"


def _whole(text: str, room: int) -> tuple[str, int]:
    return (text, 0) if len(text) <= room else ("", len(text))


def _link(who: Who) -> str:
    """Whom we know by number only: each reader's Discord knows the name, and in an embed nobody is notified."""
    if who.name != who.id or not (who.id.isascii() and who.id.isdecimal()):
        return ""
    return f"<@&{who.id}>" if who.sort == "role" else f"<@{who.id}>"


def _moment(moment: Moment) -> str:
    """Each reader sees it in their own clock and language; a countdown goes on without an edit."""
    second = int(moment.at.timestamp())
    return f"<t:{second}:f> (<t:{second}:R>)" if moment.is_countdown else f"<t:{second}:f>"


def _plain(piece: Piece) -> str:
    match piece:
        case Span(text=text):
            return text
        case Who(name=name):
            return name
        case Moment(at=at):
            return f"{at:%Y-%m-%d %H:%M %Z}"
        case _:
            assert_never(piece)
