"""What commands that serve, and those that look whether one could, have in common."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

from bot.cards.text import visible
from bot.terminal.cli_context import Here
from bot.terminal.exits import Exit
from coordination.errors import DatabaseAwayError

if TYPE_CHECKING:
    from bot.chat.platform import Checkup


LONGEST_WAIT = 300.0
"""Seconds that a command which serves waits for its database when it starts, as whatever restarts it would."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


def told_to_end() -> asyncio.Event:
    """Set when the process is told to end, by SIGTERM or Ctrl-C. Needs a running loop."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    return ending


async def database_answers(here: Here, ending: asyncio.Event) -> bool:
    """Wait for a database that is away at the start, and say so once. False: told to end meanwhile.

    Raises:
        StorageError: the database can't be used, or has not answered for LONGEST_WAIT.
    """
    from bot.application import database_url  # noqa: PLC0415 - the database's library is slow to load
    from coordination.storage.database import ping  # noqa: PLC0415 - likewise

    url, loop = database_url(here.environ), asyncio.get_running_loop()
    deadline, pause = loop.time() + LONGEST_WAIT, _FIRST_PAUSE
    while True:
        try:
            await asyncio.to_thread(ping, url)
        except DatabaseAwayError as error:
            if loop.time() >= deadline:
                raise
            if pause == _FIRST_PAUSE:
                here.complain(
                    here.words.say("serve.database_away", problem=str(error), minutes=int(LONGEST_WAIT // 60))
                )
        else:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await ending.wait()
        if ending.is_set():
            return False
        pause = min(2 * pause, _LONGEST_PAUSE)


async def serve_with_database(here: Here, ending: asyncio.Event, serve: Callable[[], Awaitable[None]]) -> None:
    """Serve once the database answers. If it goes away again while that begins, wait again, and begin anew.

    Raises:
        StorageError: the database can't be used, or is away later than LONGEST_WAIT after the start.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while await database_answers(here, ending):
        try:
            await serve()
        except Exception as error:
            if not _says_no_more_than_away(error) or loop.time() - begun >= LONGEST_WAIT:
                raise
        else:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_PAUSE):
                await ending.wait()


def _says_no_more_than_away(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        errors = cast("ExceptionGroup[Exception]", error).exceptions
        return all(_says_no_more_than_away(each) for each in errors)
    return isinstance(error, DatabaseAwayError)


def report(here: Here, found: "Sequence[Checkup]") -> Exit:
    """A line for each thing that was looked at; fails if a person must do something."""
    for each in found:
        here.tell(f"{'ok' if each.is_well else '!!'}  {visible(each.text)}")
    return Exit.DONE if all(each.is_well for each in found) else Exit.USAGE
