"""Cards, tables, events and times as text for a terminal, or as JSON for programs."""

import dataclasses
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_never, cast

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.cards.plan_card import plan_json
from bot.cards.table import Part, TableEntry
from bot.cards.text import FOLD, duration
from bot.i18n import catalog
from bot.message import (
    Alert,
    Argument,
    CallItem,
    CallList,
    Card,
    Link,
    Mention,
    Paragraph,
    RichText,
    Section,
    Severity,
    Status,
    StatusList,
    StyledText,
    Timestamp,
)
from coordination.domain.canonical_json import Json, parse
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.transitions import Recorded
from coordination.errors import InvalidJsonError


def event_line(recorded: Recorded) -> str:
    """One line of ASCII: whatever a model wrote, a terminal that shows this stays as it is."""
    event: dict[str, Json] = {
        "run": recorded.run,
        "seq": recorded.seq,
        "at": recorded.at.astimezone(UTC).isoformat(),
        "kind": recorded.event.kind,
    }
    for field in dataclasses.fields(recorded.event):
        event.setdefault(field.name, _json(getattr(recorded.event, field.name)))
    if isinstance(text := event.get("arguments"), str):
        event |= _arguments(text)
    return json.dumps(event)


def _arguments(text: str) -> dict[str, Json]:
    """The arguments as an object, and exactly as they are sent."""
    try:
        return {"arguments": parse(text), "arguments_text": text}
    except InvalidJsonError:
        return {"arguments": None, "arguments_text": text}


def _json(value: object) -> Json:
    match value:
        case Plan():
            return plan_json(value)
        case PlannedCall():
            return {**_fields(value), **_arguments(value.arguments)}
        case datetime():
            return value.astimezone(UTC).isoformat()
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [_json(item) for item in cast("tuple[object, ...]", value)]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _fields(value)
        case _:
            raise TypeError(f"an event holds a {type(value).__name__}, which has no JSON form")


def _fields(value: object) -> dict[str, Json]:
    names: Mapping[str, object] = {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)  # type: ignore[arg-type]  # the callers checked that it is a dataclass
    }
    return {name: _json(item) for name, item in names.items()}


def timestamp_text(timestamp: Timestamp, now: datetime) -> str:
    """`14:05`, `tomorrow 14:05`, `2026-12-01 14:05`; with the way to go if the moment is a countdown."""
    at, today = timestamp.at.astimezone(), now.astimezone()
    time = f"{at:%H:%M}"
    if at.date() == today.date():
        shown = time
    elif at.date() == today.date() + timedelta(days=1):
        shown = catalog.text("time.tomorrow", time=time)
    else:
        shown = f"{at:%Y-%m-%d} {time}"
    if timestamp.is_countdown and timestamp.at > now:
        span = duration((timestamp.at - now).total_seconds())
        return catalog.text("time.countdown", at=shown, span=span)
    return shown


SEVERITY_ICONS = {
    Severity.WORKING: ("◌", "yellow"),
    Severity.DECIDE: ("◆", "blue"),
    Severity.DONE: ("✔", "green"),
    Severity.ATTENTION: ("▲", "bright_yellow"),
    Severity.STOPPED: ("■", "bright_black"),
    Severity.FAILED: ("✘", "red"),
}
STATUS_ICONS = {
    Status.WAITING: ("·", "bright_black"),
    Status.WORKING: ("▸", "yellow"),
    Status.DONE: ("✓", "green"),
    Status.FAILED: ("✗", "red"),
    Status.UNKNOWN: ("?", "bright_yellow"),
    Status.SKIPPED: ("-", "bright_black"),
}
_STYLES = {
    "text": "",
    "code": "cyan",
    "bold": "bold",
    "quiet": "bright_black",
    "removed": "bold strike red",
    "added": "bold underline green",
}
_WIDEST_PROSE = 96
_WIDEST_NAME = 16


class Renderer:
    """Turns cards into lines for one terminal at one moment."""

    def __init__(self, console: Console, now: datetime) -> None:
        """The console gives the width; `now` is what moments are compared with."""
        self._console = console
        self._now = now
        self._width = min(console.width, 110)

    def card(self, card: Card) -> Text:
        """The whole card. Its buttons are not shown: the terminal asks in its own way."""
        parts = [self._head(card)]
        parts += [self.section(section) for section in card.sections]
        if card.footer:
            parts.append(self.hang("  ", self.line(card.footer, "bright_black")))
        return Text("\n\n").join(part for part in parts if part.plain)

    def hang(self, prefix: str | Text, body: Text, *, width: int | None = None) -> Text:
        """A text wrapped behind a prefix; the lines after the first are indented as deep."""
        start = Text(prefix) if isinstance(prefix, str) else prefix
        room = max(20, (width or self._width) - start.cell_len)
        lines = [line for part in body.split("\n", allow_blank=True) for line in folded(part, room)]
        shown = Text()
        for number, each in enumerate(lines):
            shown.append_text(start if number == 0 else Text(f"\n{' ' * start.cell_len}"))
            shown.append_text(each)
        return shown

    def line(self, line: RichText, style: str = "") -> Text:
        """A line of a card. Everything in it is text, never markup."""
        shown = Text(style=style)
        for inline in line:
            match inline:
                case StyledText(text=text, style=of):
                    shown.append(text, _STYLES[of] or None)
                case Timestamp():
                    shown.append(timestamp_text(inline, self._now))
                case Mention(name=name):
                    shown.append(name, "bold")
                case Link(text=text):
                    shown.append(text)
                case _:
                    assert_never(inline)
        return shown

    def _head(self, card: Card) -> Text:
        sign, colour = SEVERITY_ICONS[card.severity]
        start = Text.assemble((f"{sign} ", colour), (card.status, f"bold {colour}"), ("  ", ""))
        title = self.hang(Text("  "), Text.assemble(start, self.line(card.title, "bold")), width=self._width + 2)
        title = title[2:]
        return Text("\n").join([title, self.hang("  ", self.line(card.reference, "bright_black"))])

    def section(self, section: Section) -> Text:
        """One part of a card."""
        match section:
            case Paragraph(is_quoted=True):
                return self._quote(section)
            case Paragraph():
                return _stacked(self.hang("  ", self.line(line)) for line in section.lines)
            case Alert(line=line):
                return self.hang(Text("  ! ", "bold bright_yellow"), self.line(line))
            case StatusList(rows=rows):
                return _stacked(
                    self.hang(self._labelled(row.status, row.label, 9), self.line(row.line)) for row in rows
                )
            case CallList(is_compact=True):
                return _stacked(self._receipt(call) for call in section.calls)
            case CallList():
                return Text("\n\n").join(self._call(call) for call in section.calls)
            case _:
                assert_never(section)

    def _quote(self, section: Paragraph) -> Text:
        width = min(self._width, _WIDEST_PROSE)
        quoted: list[Text] = []
        for line in section.lines:
            wrapped = self.hang("  │ ", self.line(line), width=width).plain.split("\n")
            quoted += [Text.assemble(("  │ ", "bright_black"), each[4:]) for each in wrapped]
        return _stacked(quoted)

    def _labelled(self, status: Status, label: str, width: int) -> Text:
        sign, colour = STATUS_ICONS[status]
        return Text.assemble("  ", (sign, colour), " ", (label.ljust(width), "bold"))

    def _call(self, call: CallItem) -> Text:
        notes = Text(", ".join(call.notes), "red" if call.is_destructive else "bright_black")
        name = Text.assemble((f"{call.number:>3}  ", "bold"), (call.server, "bold"), (" · ", "bright_black"))
        name.append(call.tool, "bold cyan")
        gap = self._width - name.cell_len - notes.cell_len
        head = Text.assemble(name, " " * gap, notes) if gap >= 2 else _stacked([name, self.hang("     ", notes)])
        done = (
            [self.hang(Text.assemble("     ", STATUS_ICONS[call.status], " "), self._outcome(call))]
            if call.outcome
            else []
        )
        return _stacked([head, *done, *(self._argument(each, _column(call.arguments)) for each in call.arguments)])

    def _argument(self, argument: Argument, column: int) -> Text:
        if len(argument.name) > column:
            start = self.hang("       ", Text(argument.name, "bright_black"))
            return _stacked([start, self._value(Text(" " * (9 + column)), argument.text)])
        return self._value(Text.assemble("       ", (argument.name.ljust(column + 2), "bright_black")), argument.text)

    def _value(self, start: Text, text: str) -> Text:
        """Every line of a value, in full. The mark of a line's end is quieter than the text."""
        lines: list[Text] = []
        for each in text.split("\n"):
            body = Text(each)
            if each.endswith("↵"):
                body.stylize("bright_black", len(each) - 1)
            indent = len(each) - len(each.lstrip(" "))
            prefix = start if not lines else Text(" " * start.cell_len)
            lines.append(self.hang(Text.assemble(prefix, each[:indent]), body[indent:]) if body.plain else prefix)
        return _stacked(lines)

    def _receipt(self, call: CallItem) -> Text:
        start = Text.assemble((f"{call.number:>3} ", "bold"), STATUS_ICONS[call.status], " ")
        body = Text.assemble((f"{call.server} · ", ""), (call.tool, "cyan"))
        if call.outcome:
            body.append("  ")
            body.append_text(self._outcome(call))
        return self.hang(start, body)

    def _outcome(self, call: CallItem) -> Text:
        """What became of a call, and the address of that in full: a terminal has no words to hide it behind."""
        shown = self.line(call.outcome)
        return shown.append(f" · {call.link.url}", "underline") if call.link else shown


def folded(text: Text, room: int) -> list[Text]:
    """One line as lines of at most `room` cells, from which it can be told.

    A break without a mark stands for one space. More spaces are counted in words, and a break without any has a mark:
    otherwise `/srv/data/tmp` and `/srv/data /tmp` would look the same.
    """
    lines: list[Text] = []
    rest = text
    while rest.cell_len > room:
        end = _end(rest.plain, room - 1)
        start, spaces = _last_spaces(rest.plain, end + 1)
        if spaces == 1:
            lines.append(rest[:start])
            rest = rest[start + 1 :]
        elif spaces and start + cell_len(run := _spaces(spaces)) <= room:
            lines.append(rest[:start].append(run, "bright_black"))
            rest = rest[start + spaces :]
        else:
            lines.append(rest[: start or end].append(FOLD, "bright_black"))
            rest = rest[start or end :]
        indent = len(rest.plain) - len(rest.plain.lstrip(" "))
        if indent:
            rest = Text(_spaces(indent), "bright_black").append_text(rest[indent:])
    return [*lines, rest]


def _end(plain: str, room: int) -> int:
    """How many characters fit, without a mark that belongs to the one before it; at least one."""
    end = used = 0
    while end < len(plain) and (used := used + cell_len(plain[end])) <= room:
        end += 1
    while 1 < end < len(plain) and unicodedata.combining(plain[end]):
        end -= 1
    return max(1, end)


def _last_spaces(plain: str, end: int) -> tuple[int, int]:
    """Where the last spaces that a line could break at begin, and how many they are; nothing where there are none."""
    last = plain.rfind(" ", 1, end)
    if last < 0 or last == len(plain.rstrip(" ")) or not plain[:last].strip(" "):
        return 0, 0
    start = len(plain[: last + 1].rstrip(" "))
    after = len(plain) - len(plain[start:].lstrip(" "))
    return (start, after - start) if after < len(plain) else (0, 0)


def _spaces(count: int) -> str:
    """Spaces where a line breaks, named: nobody sees how many stand at its end."""
    return f"⟨U+0020x{count}⟩"


def _column(arguments: tuple[Argument, ...]) -> int:
    """The width of the names' column: the longest name that is not absurd."""
    return max((len(each.name) for each in arguments if len(each.name) <= _WIDEST_NAME), default=0)


def _stacked(parts: Iterable[Text]) -> Text:
    return Text("\n").join(parts)


def plain_table(*headings: str) -> Table:
    """A table without lines; its headings are quiet."""
    table = Table(box=None, pad_edge=False, header_style="bright_black", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def indented(table: Table) -> Table:
    """The same table, two columns to the right."""
    frame = Table.grid(padding=0)
    frame.add_column(width=2)
    frame.add_column()
    frame.add_row("", table)
    return frame


def coordination(part: Part, agents: Sequence[str]) -> Table:
    """Rounds down, agents across."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(Text(catalog.text("table.round"), "bright_black"), justify="right", style="bright_black")
    for agent in agents:
        table.add_column(Text(agent), overflow="fold", ratio=1)
    for row in part.rows:
        table.add_row(str(row.round), *(_cell(cell) for cell in row.cells))
        table.add_row("", *("" for _ in row.cells))
    return table


def _cell(entries: tuple[TableEntry, ...]) -> Text:
    lines: list[Text] = []
    for entry, times in _counted(entries):
        sign, colour = STATUS_ICONS[entry.status]
        repeated = f" x{times}" if times > 1 else ""
        lines.append(Text.assemble((sign, colour), f" {entry.text}{repeated}"))
    return Text("\n").join(lines)


def _counted(entries: tuple[TableEntry, ...]) -> list[tuple[TableEntry, int]]:
    """Equal neighbours as one with a count."""
    counted: list[tuple[TableEntry, int]] = []
    for entry in entries:
        if counted and counted[-1][0] == entry:
            counted[-1] = (entry, counted[-1][1] + 1)
        else:
            counted.append((entry, 1))
    return counted
