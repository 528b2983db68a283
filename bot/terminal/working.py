"""The command that only works: it carries out what runs are waiting for, until it is told to end."""

import asyncio

from bot.application import Application
from bot.composition import open_application
from bot.terminal.cli_context import Here
from bot.terminal.exits import Exit
from bot.terminal.serving import serve_with_database, told_to_end

_BUSY = frozenset({"queued", "deliberating", "changes_wanted", "executing", "reporting"})
_LOOK_SECONDS = 0.25
_ALL = 1_000_000


def work(here: Here, *, until_idle: bool) -> Exit:
    """Work until SIGTERM or Ctrl-C; or, `until_idle`, until no run can go on without a person."""
    asyncio.run(_work(here, until_idle=until_idle))
    return Exit.DONE


async def _work(here: Here, *, until_idle: bool) -> None:
    ending = told_to_end()
    await serve_with_database(here, ending, lambda: _serve(here, ending, until_idle=until_idle))


async def _serve(here: Here, ending: asyncio.Event, *, until_idle: bool) -> None:
    async with open_application(here.environ, here.parts()) as application, application.working():
        here.complain(here.words.say("worker.ready"))
        while not ending.is_set() and not (until_idle and await _is_idle(application)):
            try:
                async with asyncio.timeout(_LOOK_SECONDS if until_idle else None):
                    await ending.wait()
            except TimeoutError:
                continue


async def _is_idle(application: Application) -> bool:
    """Whether every run has ended, or waits for people."""
    return all(each.state not in _BUSY for each in await application.log.runs(limit=_ALL))
