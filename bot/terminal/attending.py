"""A command that stays with a run: shows it, asks, and ends with the run's outcome as its exit status."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bot.application import Application
from bot.cards.run_view import RunView
from bot.composition import open_application
from bot.people import console_person
from bot.run_lookup import seen_run
from bot.terminal import terminal
from bot.terminal.cli_context import Here
from bot.terminal.cli_context_orders import Order
from bot.terminal.event_lines import event_line
from bot.terminal.exits import Exit, exit_of
from bot.terminal.leaving import how_to_go_on
from bot.terminal.session import Attendance
from coordination.domain.transitions import Recorded

Begin = Callable[[Application], Awaitable[str]]
"""Does what the command is for, and names the run to stay with."""


class EndNow(Exception):
    """There is nothing to stay for; the person has been told why."""

    def __init__(self, status: Exit) -> None:
        super().__init__(status.name)
        self.status = status


def attend(here: Here, begin: Begin, *, emits: bool = False) -> Exit:
    """Open the application, begin, and stay until the run has ended or must be left."""
    try:
        return leave(here, asyncio.run(attended(here, begin, emits=emits)))
    except EndNow as end:
        return end.status


def leave(here: Here, view: RunView) -> Exit:
    """Say how to go on with a run that is left, and with which status to end."""
    if (advice := how_to_go_on(view, here.words)) is not None:
        here.complain(advice)
    return exit_of(view.state)


async def attended(
    here: Here, begin: Begin, *, order: Order | None = None, emits: bool = False, is_new: bool = False
) -> RunView:
    """The same, inside an event loop. Returns the run as it was left.

    Raises:
        EndNow: `begin` found nothing to stay for.
    """
    shown_on = here.stderr if emits else here.stdout
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(open_application(here.environ, here.parts()))
        run = await begin(application)
        window = stack.enter_context(
            terminal.opened(here.stdin, shown_on, now=application.clock.now, is_for_people=not emits, words=here.words)
        )
        attendance = Attendance(
            application.coordinator,
            application.log,
            clock=application.clock,
            person=console_person(),
            screen=window.screen,
            inbox=window.inbox,
            keyboard=window.keyboard,
            order=order,
            emit=_emitter(here) if emits else _ignore,
            complain=window.screen.say if window.keyboard is not None else here.complain,
            words=here.words,
        )
        view, _ = await seen_run(application.log, application.coordinator, run)
        attendance.glimpse(view)
        await stack.enter_async_context(application.working(run))
        return await attendance.attend(run, tells_past=is_new)


def _emitter(here: Here) -> Callable[[Recorded], None]:
    def emit(recorded: Recorded) -> None:
        here.tell(event_line(recorded))

    return emit


def _ignore(recorded: Recorded) -> None:
    del recorded
