"""Tables for a terminal: how the agents coordinated, which runs there are, which tools may do what."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from bot.cards.table import Entry, Part
from bot.i18n import Words
from bot.terminal.output import MARKS


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


def coordination(part: Part, agents: Sequence[str], words: Words) -> Table:
    """Rounds down, agents across."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(Text(words.say("table.round"), "bright_black"), justify="right", style="bright_black")
    for agent in agents:
        table.add_column(Text(agent), overflow="fold", ratio=1)
    for row in part.rows:
        table.add_row(str(row.round), *(_cell(cell) for cell in row.cells))
        table.add_row("", *("" for _ in row.cells))
    return table


def _cell(entries: tuple[Entry, ...]) -> Text:
    lines: list[Text] = []
    for entry, times in _counted(entries):
        sign, colour = MARKS[entry.mark]
        repeated = f" x{times}" if times > 1 else ""
        lines.append(Text.assemble((sign, colour), f" {entry.text}{repeated}"))
    return Text("\n").join(lines)


def _counted(entries: tuple[Entry, ...]) -> list[tuple[Entry, int]]:
    """Equal neighbours as one with a count."""
    counted: list[tuple[Entry, int]] = []
    for entry in entries:
        if counted and counted[-1][0] == entry:
            counted[-1] = (entry, counted[-1][1] + 1)
        else:
            counted.append((entry, 1))
    return counted
