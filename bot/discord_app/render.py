"""Cards as Discord messages: one message of embeds and buttons, and files for what the embeds can't hold."""

from dataclasses import dataclass, field
from typing import assert_never

import discord

from bot.cards.text import head_of, one_line, tail_of
from bot.chat.platform import ButtonIds, CardTooLarge
from bot.discord_app import markup
from bot.discord_app.components import view_of
from bot.discord_app.markup import (
    code_block,
    escaped,
    fitted,
    inline_code,
    line_text,
    plain_text,
    units,
)
from bot.i18n import catalog
from bot.message import (
    Alert,
    Argument,
    Attachment,
    CallItem,
    CallList,
    Card,
    Paragraph,
    RichText,
    Section,
    Severity,
    Status,
    StatusList,
    StatusRow,
)

STATUS_ICONS = {
    Status.WAITING: "▫️",
    Status.WORKING: "▶️",
    Status.DONE: "✅",
    Status.FAILED: "❌",
    Status.UNKNOWN: "❓",
    Status.SKIPPED: "⏭️",
}
_LEVELS = (None, 1200, 600, 300, 120, 40, 0)
_ONE_LINE = 120
_NAME = 80
_OUTCOME = 300
_MORE_ROOM = 120


@dataclass
class CallsText:
    """Markdown that grows, and how much of what it should say is missing from it."""

    file: str
    parts: list[str] = field(default_factory=list[str])
    missing: int = 0

    def add(self, part: str, missing: int = 0) -> None:
        """One more line or block."""
        self.parts.append(part)
        self.missing += missing

    def whole(self) -> str:
        """Everything so far."""
        return "\n".join(self.parts)


def calls_text(calls: CallList, room: int, *, file: str) -> CallsText:
    """Calls with as much of their arguments as there is room for; long values lose their middle first."""
    if calls.is_compact:
        return _cut(calls.calls, room, file=file, limit=None, is_compact=True)
    size = sum(len(argument.text) for call in calls.calls for argument in call.arguments)
    for limit in _LEVELS:
        if limit is None and size > room:
            continue
        text = CallsText(file)
        for call in calls.calls:
            if text.parts:
                text.add("")
            _add_call(text, call, limit)
        if units(text.whole()) <= room:
            return text
    return _cut(calls.calls, room, file=file, limit=0, is_compact=False)


def _cut(calls: tuple[CallItem, ...], room: int, *, file: str, limit: int | None, is_compact: bool) -> CallsText:
    """As many whole calls as there is room for, and the number of the others."""
    text = CallsText(file)
    for position, call in enumerate(calls):
        one = CallsText(file)
        if is_compact:
            one.add(*_receipt(call))
        else:
            _add_call(one, call, limit)
        is_last = position == len(calls) - 1
        if units(text.whole()) + units(one.whole()) + 1 + (0 if is_last else _MORE_ROOM) > room:
            rest = calls[position:]
            size = sum(len(each.name) + len(each.text) for left in rest for each in left.arguments)
            text.add(catalog.text("discord.more_calls", count=len(rest), file=file), max(size, len(rest)))
            break
        text.add(one.whole(), one.missing)
    return text


def _add_call(text: CallsText, call: CallItem, limit: int | None) -> None:
    server, cut_server = fitted(call.server, _NAME)
    tool, cut_tool = fitted(call.tool, _NAME)
    notes = escaped(", ".join(call.notes))
    sign = "⚠️ " if call.is_destructive else ""
    text.add(f"**{call.number}  {server} · {tool}**  {sign}{notes}", cut_server + cut_tool)
    if call.outcome:
        outcome, cut = line_text(call.outcome, _OUTCOME)
        text.add(f"{STATUS_ICONS[call.status]} {outcome}{_link(call)}", cut)
    for argument in call.arguments:
        _add_argument(text, argument, limit)


def _add_argument(text: CallsText, argument: Argument, limit: int | None) -> None:
    """The name stands outside of the code that holds the value, so that no value can pass for another argument."""
    name, cut_name = fitted(argument.name, _NAME)
    title = f"**{name or escaped(catalog.text('discord.empty'))}**"
    value = argument.text
    if limit is None or len(value) <= limit:
        is_short = len(value) <= _ONE_LINE and "\n" not in value and "`" not in value
        text.add(f"{title} {inline_code(value)}" if is_short else f"{title}\n{code_block(value)}", cut_name)
        return
    head, tail = head_of(value, limit * 2 // 3), tail_of(value, limit // 3)
    hidden = len(value) - len(head) - len(tail)
    told = escaped(catalog.text("discord.only_in", number=catalog.number(hidden), file=text.file))
    blocks = [code_block(head)] if head else []
    blocks += [told, code_block(tail)] if tail else [told]
    text.add("\n".join([title, *blocks]), hidden + cut_name)


def _receipt(call: CallItem) -> tuple[str, int]:
    server, cut_server = fitted(call.server, _NAME)
    tool, cut_tool = fitted(call.tool, _NAME)
    outcome, cut = line_text(call.outcome, _OUTCOME)
    shown = f"{call.number} {STATUS_ICONS[call.status]} {server} · {tool}" + (f"  {outcome}" if outcome else "")
    shown += _link(call)
    return shown, cut + cut_server + cut_tool


def _link(call: CallItem) -> str:
    return f" · {line_text((call.link,), _OUTCOME)[0]}" if call.link else ""


NAME = "message.txt"


def whole_card(card: Card) -> Attachment:
    """Everything that the card says, in plain text."""
    parts = [f"{card.status}  {plain_text(card.title)}", plain_text(card.reference)]
    parts += [_document_section(section) for section in card.sections]
    parts.append(plain_text(card.footer))
    text = "\n\n".join(part for part in parts if part)
    return Attachment(name=NAME, media_type="text/plain", text=f"{text}\n", description=catalog.text("discord.file"))


def _document_section(section: Section) -> str:
    match section:
        case Paragraph(lines=lines):
            return "\n".join(plain_text(line) for line in lines)
        case Alert(line=line):
            return f"! {plain_text(line)}"
        case StatusList(rows=rows):
            return "\n".join(f"{row.label}  {row.status}  {plain_text(row.line)}" for row in rows)
        case CallList(calls=calls):
            return "\n\n".join(_call(call) for call in calls)
        case _:
            assert_never(section)


def _call(call: CallItem) -> str:
    """Values are indented, so that none of their lines can pass for a name."""
    lines = [f"{call.number}  {call.server} · {call.tool}  ({', '.join(call.notes)})"]
    if call.outcome:
        lines.append(f"   {call.status}  {plain_text(call.outcome)}")
    if call.link:
        lines.append(f"   {call.link.url}")
    for argument in call.arguments:
        lines.append(f"   {argument.name}:")
        lines += [f"      {line}" for line in argument.text.split("\n")]
    return "\n".join(lines)


SEVERITY_ICONS = {
    Severity.WORKING: ("🟡", 0xF0B232),
    Severity.DECIDE: ("🔵", 0x3E70DD),
    Severity.DONE: ("🟢", 0x23A55A),
    Severity.ATTENTION: ("🟠", 0xE8832A),
    Severity.STOPPED: ("⚪", 0x80848E),
    Severity.FAILED: ("🔴", 0xDA373C),
}
_REFERENCE = 420
_FOOTER = 400
_OURS = 900
_LONGEST = 3900
_FIRST_WORDS = 280
_FIRST_CALLS = 1500
_TELLING = 160
_SPOKEN = 200


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One message. `missing` counts the characters that only its files have."""

    embeds: list[discord.Embed]
    view: discord.ui.View | None
    files: tuple[Attachment, ...]
    missing: int


def render(card: Card, ids: ButtonIds | None = None) -> Rendered:
    """A card within every limit.

    Raises:
        CardTooLarge: it has a button that needs the whole plan, and neither the embeds nor files can hold that.
    """
    file = card.attachments[0].name if card.attachments else NAME
    embeds, missing = _embeds(card, file)
    files = _files(card) if missing or card.has_files else ()
    if missing and not files and any(button.needs_whole_plan for button in card.buttons):
        raise CardTooLarge
    return Rendered(embeds=embeds, view=view_of(card, ids) if ids else None, files=files, missing=missing)


def first_line(card: Card) -> str:
    """What a notification of a message with this card says: how it stands, and the first words of it.

    Nothing in it pings.
    """
    sign, _ = SEVERITY_ICONS[card.severity]
    lines = [line for section in card.sections for line in _spoken(section)]
    words = [
        f"{sign} {card.status}",
        *(one_line(plain_text(line), _SPOKEN) for line in (card.title, card.reference, *lines)),
    ]
    return fitted(" · ".join([word for word in words if word][:3]), _SPOKEN)[0]


def _spoken(section: Section) -> tuple[RichText, ...]:
    match section:
        case Paragraph(lines=lines):
            return lines
        case Alert(line=line):
            return (line,)
        case _:
            return ()


def _files(card: Card) -> tuple[Attachment, ...]:
    """The card's files, all or none of them: half of a plan is no plan."""
    files = card.attachments or (whole_card(card),)
    size = sum(len(file.text.encode("utf-8", "backslashreplace")) for file in files)
    return files if size <= markup.FILE_BYTES and len(files) <= markup.FILES else ()


def _embeds(card: Card, file: str) -> tuple[list[discord.Embed], int]:
    sign, colour = SEVERITY_ICONS[card.severity]
    start = f"{sign} {escaped(card.status)}" + (" · " if card.title else "")
    # The title is the request, shortened by the presenter already: nobody decides by it alone.
    title, _ = fitted(plain_text(card.title), markup.EMBED_TITLE - units(start))
    footer, cut_footer = fitted(plain_text(card.footer), _FOOTER, str)
    reference, cut_reference = line_text(card.reference, _REFERENCE)
    room = markup.EMBEDS_TOGETHER - units(start + title) - units(footer) - units(reference) - 2
    texts, missing = _sections(card.sections, room, file=file)
    missing += cut_footer + cut_reference
    pages = _pages(reference, card.sections, texts)
    embeds = [discord.Embed(description=page or None, colour=colour) for page in pages]
    embeds[0].title = start + title
    if footer:
        embeds[-1].set_footer(text=footer)
    return embeds, missing


def _sections(sections: tuple[Section, ...], room: int, *, file: str) -> tuple[list[str], int]:
    """The text of each section: ours first, then the calls, then what the agents said, as far as there is room."""
    texts = [""] * len(sections)
    missing = 0
    left = room
    # What we say ourselves leaves room for calls and agents' words. A list has neither, and may be as long as an embed.
    longest = _OURS if any(_rank(section) for section in sections) else _LONGEST
    quotes, settled = (sum(_rank(section) == rank for section in sections) for rank in (2, 3))
    for number, section in sorted(enumerate(sections), key=lambda each: _rank(each[1])):
        rank = _rank(section)
        reserve = quotes * _FIRST_WORDS if rank < 2 else _FIRST_CALLS * settled if rank == 2 else 0
        most = min(
            longest if isinstance(section, Paragraph | Alert) and rank == 0 else _LONGEST, max(0, left - reserve)
        )
        texts[number], cut = _section(section, most - 1, file=file)
        missing += cut
        left -= units(texts[number]) + 1
    return texts, missing


def _rank(section: Section) -> int:
    """Which section gets its room first."""
    match section:
        case Paragraph(is_quoted=True):
            return 2
        case CallList(is_settled=is_settled):
            return 3 if is_settled else 1
        case Paragraph() | Alert() | StatusList():
            return 0
        case _:
            assert_never(section)


def _section(section: Section, room: int, *, file: str) -> tuple[str, int]:
    match section:
        case Paragraph():
            return _paragraph(section, room, file=file)
        case Alert(line=line):
            text, cut = line_text(line, room - 4)
            return (f"⚠️ {text}", cut) if room > 4 else ("", cut)
        case StatusList(rows=rows):
            return _rows(rows, room)
        case CallList():
            return _calls(section, room, file=file)
        case _:
            assert_never(section)


def _calls(section: CallList, room: int, *, file: str) -> tuple[str, int]:
    text = calls_text(section, room - _TELLING, file=file)
    if text.missing and not section.is_settled:
        told = catalog.text("discord.whole_in", number=catalog.number(text.missing), file=file)
        text.parts.insert(0, f"⚠️ {escaped(told)}")
    return text.whole(), text.missing


def _paragraph(section: Paragraph, room: int, *, file: str) -> tuple[str, int]:
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
        lines.append(f"-# {escaped(catalog.text('discord.rest', number=catalog.number(missing), file=file))}")
    return "\n".join(lines), missing


def _rows(rows: tuple[StatusRow, ...], room: int) -> tuple[str, int]:
    lines: list[str] = []
    missing = 0
    for row in rows:
        each = max(0, room // len(rows) - 60)
        label, cut_label = fitted(row.label, 40)
        text, cut = line_text(row.line, each)
        lines.append(f"{STATUS_ICONS[row.status]} **{label}**  {text}")
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
        if (is_calls or was_calls or units(joined) > markup.EMBED_DESCRIPTION) and len(pages) < markup.EMBEDS:
            pages.append(text)
        else:
            pages[-1] = joined
        was_calls = is_calls
    return pages
