"""What commands that serve, and those that look whether one could, have in common."""

import asyncio
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.cli.here import Here
from bot.console_app.exits import Exit
from bot.presenter.visible import visible

if TYPE_CHECKING:
    from bot.surface import Checkup


def told_to_end() -> asyncio.Event:
    """Set when the process is told to end, by SIGTERM or Ctrl-C. Needs a running loop."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    return ending


def report(here: Here, found: "Sequence[Checkup]") -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    for each in found:
        here.tell(f"{'ok' if each.is_well else '!!'}  {visible(each.text)}")
    return Exit.DONE if all(each.is_well for each in found) else Exit.USAGE
