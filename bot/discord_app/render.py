"""Cards as Discord messages: one card, one message of embeds, buttons, and files for what the embeds can't hold."""

from dataclasses import dataclass
from typing import assert_never

import discord

from bot.chat.platform import ButtonIds, CardTooLarge
from bot.discord_app import limits
from bot.discord_app.calls import MARKS, calls_text
from bot.discord_app.components import view_of
from bot.discord_app.limits import units
from bot.discord_app.lines import line_text, plain_text
from bot.discord_app.markup import escaped, fitted
from bot.discord_app.whole import NAME, whole_card
from bot.i18n import ENGLISH, Words
from bot.message import Alert, Attachment, CallList, Card, Paragraph, Section, StatusList, StatusRow, Tone

SIGNS = {
    Tone.WORKING: ("🟡", 0xF0B232),
    Tone.DECIDE: ("🔵", 0x3E70DD),
    Tone.DONE: ("🟢", 0x23A55A),
    Tone.ATTENTION: ("🟠", 0xE8832A),
    Tone.STOPPED: ("⚪", 0x80848E),
    Tone.FAILED: ("🔴", 0xDA373C),
}
_REFERENCE = 420
_FOOTER = 400
_OURS = 900
_LONGEST = 3900
_FIRST_WORDS = 280
_TELLING = 160


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One message. `missing` counts the characters that only its files have."""

    embeds: list[discord.Embed]
    view: discord.ui.View | None
    files: tuple[Attachment, ...]
    missing: int


def render(card: Card, ids: ButtonIds | None = None, words: Words = ENGLISH) -> Rendered:
    """A card within every limit.

    Raises:
        CardTooLarge: it has a button that needs the whole plan, and neither the embeds nor files can hold that.
    """
    file = card.attachments[0].name if card.attachments else NAME
    embeds, missing = _embeds(card, file, words)
    files = _files(card, words) if missing else ()
    if missing and not files and any(button.needs_whole_plan for button in card.buttons):
        raise CardTooLarge
    return Rendered(embeds=embeds, view=view_of(card, ids) if ids else None, files=files, missing=missing)


def _files(card: Card, words: Words) -> tuple[Attachment, ...]:
    """The card's files, all or none of them: half of a plan is no plan."""
    files = card.attachments or (whole_card(card, words),)
    size = sum(len(file.text.encode("utf-8", "backslashreplace")) for file in files)
    return files if size <= limits.FILE_BYTES and len(files) <= limits.FILES else ()


def _embeds(card: Card, file: str, words: Words) -> tuple[list[discord.Embed], int]:
    sign, colour = SIGNS[card.tone]
    start = f"{sign} {escaped(card.status)}" + (" · " if card.title else "")
    # The title is the request, shortened by the presenter already: nobody decides by it alone.
    title, _ = fitted(plain_text(card.title), limits.EMBED_TITLE - units(start))
    footer, cut_footer = fitted(plain_text(card.footer), _FOOTER, str)
    reference, cut_reference = line_text(card.reference, _REFERENCE)
    room = limits.EMBEDS_TOGETHER - units(start + title) - units(footer) - units(reference) - 2
    texts, missing = _sections(card.sections, room, file=file, words=words)
    missing += cut_footer + cut_reference
    pages = _pages(reference, card.sections, texts)
    embeds = [discord.Embed(description=page or None, colour=colour) for page in pages]
    embeds[0].title = start + title
    if footer:
        embeds[-1].set_footer(text=footer)
    return embeds, missing


def _sections(sections: tuple[Section, ...], room: int, *, file: str, words: Words) -> tuple[list[str], int]:
    """The text of each section: ours first, then the calls, then what the agents said, as far as there is room."""
    texts = [""] * len(sections)
    missing = 0
    left = room
    quotes = sum(_rank(section) == 2 for section in sections)
    for number, section in sorted(enumerate(sections), key=lambda each: _rank(each[1])):
        rank = _rank(section)
        reserve = quotes * _FIRST_WORDS if rank < 2 else 0
        most = min(_OURS if isinstance(section, Paragraph | Alert) and rank == 0 else _LONGEST, max(0, left - reserve))
        texts[number], cut = _section(section, most - 1, file=file, words=words)
        missing += cut
        left -= units(texts[number]) + 1
    return texts, missing


def _rank(section: Section) -> int:
    """Which section gets its room first."""
    match section:
        case Paragraph(is_quoted=True):
            return 2
        case CallList():
            return 1
        case Paragraph() | Alert() | StatusList():
            return 0
        case _:
            assert_never(section)


def _section(section: Section, room: int, *, file: str, words: Words) -> tuple[str, int]:
    match section:
        case Paragraph():
            return _paragraph(section, room, file=file, words=words)
        case Alert(line=line):
            text, cut = line_text(line, room - 4)
            return f"⚠️ {text}", cut
        case StatusList(rows=rows):
            return _rows(rows, room)
        case CallList():
            return _calls(section, room, file=file, words=words)
        case _:
            assert_never(section)


def _calls(section: CallList, room: int, *, file: str, words: Words) -> tuple[str, int]:
    text = calls_text(section, room - _TELLING, file=file, words=words)
    if text.missing and not section.is_compact:
        told = words.say("discord.whole_in", number=words.number(text.missing), file=file)
        text.parts.insert(0, f"⚠️ {escaped(told)}")
    return text.whole(), text.missing


def _paragraph(section: Paragraph, room: int, *, file: str, words: Words) -> tuple[str, int]:
    start = "> " if section.is_quoted else ""
    lines: list[str] = []
    used = missing = 0
    for line in section.lines:
        if missing or room - used < _TELLING:
            missing += len(plain_text(line)) + 1
            continue
        text, missing = line_text(line, room - used - _TELLING)
        lines.append(start + text)
        used += units(lines[-1]) + 1
    if missing:
        lines.append(f"-# {escaped(words.say('discord.rest', number=words.number(missing), file=file))}")
    return "\n".join(lines), missing


def _rows(rows: tuple[StatusRow, ...], room: int) -> tuple[str, int]:
    lines: list[str] = []
    missing = 0
    for row in rows:
        each = max(0, room // len(rows) - 60)
        label, cut_label = fitted(row.label, 40)
        text, cut = line_text(row.line, each)
        lines.append(f"{MARKS[row.mark]} **{label}**  {text}")
        missing += cut + cut_label
    return "\n".join(lines), missing


def _pages(reference: str, sections: tuple[Section, ...], texts: list[str]) -> list[str]:
    """The texts on as few embeds as can hold them; the calls of a plan begin a new one."""
    pages = [reference]
    was_calls = False
    for section, text in zip(sections, texts, strict=True):
        is_calls = isinstance(section, CallList) and not section.is_compact
        if not text:
            continue
        joined = f"{pages[-1]}\n{text}" if pages[-1] else text
        if (is_calls or was_calls or units(joined) > limits.EMBED_DESCRIPTION) and len(pages) < limits.EMBEDS:
            pages.append(text)
        else:
            pages[-1] = joined
        was_calls = is_calls
    return pages
