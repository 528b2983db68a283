"""Cards as text for a terminal: wrapped to its width, with signs beside the colours."""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from rich.console import Console
from rich.text import Text

from bot.i18n import ENGLISH, Words
from bot.message import (
    Alert,
    Argument,
    CallItem,
    CallList,
    Card,
    Line,
    Mark,
    Moment,
    Paragraph,
    Section,
    Span,
    StatusList,
    Tone,
    Who,
)
from bot.terminal.times import moment_text

SIGNS = {
    Tone.WORKING: ("◌", "yellow"),
    Tone.DECIDE: ("◆", "blue"),
    Tone.DONE: ("✔", "green"),
    Tone.ATTENTION: ("▲", "bright_yellow"),
    Tone.STOPPED: ("■", "bright_black"),
    Tone.FAILED: ("✘", "red"),
}
MARKS = {
    Mark.WAITING: ("·", "bright_black"),
    Mark.WORKING: ("▸", "yellow"),
    Mark.DONE: ("✓", "green"),
    Mark.FAILED: ("✗", "red"),
    Mark.UNKNOWN: ("?", "bright_yellow"),
    Mark.SKIPPED: ("-", "bright_black"),
}
_STYLES = {"text": "", "code": "cyan", "bold": "bold", "quiet": "bright_black"}
_WIDEST_PROSE = 96
_WIDEST_NAME = 16


class Renderer:
    """Turns cards into lines for one terminal at one moment."""

    def __init__(self, console: Console, now: datetime, words: Words = ENGLISH) -> None:
        """The console gives the width; `now` is what moments are compared with."""
        self._console = console
        self._now = now
        self._words = words
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
        lines = body.wrap(self._console, room, overflow="fold", tab_size=4) if body.plain else [Text()]
        shown = Text()
        for number, each in enumerate(lines):
            shown.append_text(start if number == 0 else Text(f"\n{' ' * start.cell_len}"))
            each.rstrip()
            shown.append_text(each)
        return shown

    def line(self, line: Line, style: str = "") -> Text:
        """A line of a card. Everything in it is text, never markup."""
        shown = Text(style=style)
        for piece in line:
            match piece:
                case Span(text=text, style=of):
                    shown.append(text, _STYLES[of] or None)
                case Moment():
                    shown.append(moment_text(piece, self._now, self._words))
                case Who(name=name):
                    shown.append(name, "bold")
                case _:
                    assert_never(piece)
        return shown

    def _head(self, card: Card) -> Text:
        sign, colour = SIGNS[card.tone]
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
                return _stacked(self.hang(self._labelled(row.mark, row.label, 9), self.line(row.line)) for row in rows)
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

    def _labelled(self, mark: Mark, label: str, width: int) -> Text:
        sign, colour = MARKS[mark]
        return Text.assemble("  ", (sign, colour), " ", (label.ljust(width), "bold"))

    def _call(self, call: CallItem) -> Text:
        notes = Text(", ".join(call.notes), "red" if call.is_destructive else "bright_black")
        name = Text.assemble((f"{call.number:>3}  ", "bold"), (call.server, "bold"), (" · ", "bright_black"))
        name.append(call.tool, "bold cyan")
        gap = self._width - name.cell_len - notes.cell_len
        head = Text.assemble(name, " " * gap, notes) if gap >= 2 else _stacked([name, Text.assemble("     ", notes)])
        return _stacked([head, *(self._argument(each, _column(call.arguments)) for each in call.arguments)])

    def _argument(self, argument: Argument, column: int) -> Text:
        if len(argument.name) > column:
            start = Text.assemble("       ", (argument.name, "bright_black"))
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
        start = Text.assemble((f"{call.number:>3} ", "bold"), MARKS[call.mark], " ")
        body = Text.assemble((f"{call.server} · ", ""), (call.tool, "cyan"))
        if call.outcome:
            body.append("  ")
            body.append_text(self.line(call.outcome))
        return self.hang(start, body)


def _column(arguments: tuple[Argument, ...]) -> int:
    """The width of the names' column: the longest name that is not absurd."""
    return max((len(each.name) for each in arguments if len(each.name) <= _WIDEST_NAME), default=0)


def _stacked(parts: Iterable[Text]) -> Text:
    return Text("\n").join(parts)
