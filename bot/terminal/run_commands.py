"""The commands that start runs, stay with them, decide on them, and work for them."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bot.application import Application
from bot.cards.error_messages import refusal_text
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.composition import open_application
from bot.environment import CONFIGS, config_file, console_person, made, state_folder
from bot.log_access import open_reading
from bot.run_lookup import named_run, seen_run, waiting_plan
from bot.terminal import screen
from bot.terminal.cli_context import Here, Order
from bot.terminal.error_handler import Exit, exit_of, how_to_go_on
from bot.terminal.output import event_line
from bot.terminal.protection import require_person
from bot.terminal.query_commands import print_card
from bot.terminal.serve_commands import serve_with_database, told_to_end
from bot.terminal.session import Attendance
from coordination.config import read_text
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.domain.policy import Refusal
from coordination.domain.transitions import Recorded
from coordination.errors import RefusedError
from coordination.service import Ask

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
            screen.opened(here.stdin, shown_on, now=application.clock.now, is_for_people=not emits, words=here.words)
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


Act = Callable[[Application, str, RunView], Awaitable[object]]
VERDICTS: dict[str, Verdict] = {"happened": "happened", "run-it": "run_it", "stop": "abandon"}


def resume(here: Here, name: str, *, emits: bool) -> Exit:
    """Stay with a run, decide where asked, and carry out what a process that is gone has left."""
    require_person(here.environ, here.words)

    async def begin(application: Application) -> str:
        return await named_run(application.log, name, words=here.words)

    return attend(here, begin, emits=emits)


def approve(here: Here, name: str, *, digest: str, emits: bool) -> Exit:
    """A yes to the plan that is shown, or to the one of the given digest; then stay until the calls have run."""
    require_person(here.environ, here.words)

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name, words=here.words)
        view = await _shown(here, application, run, is_for_people=not emits)
        try:
            await application.coordinator.approve(run, _digest(digest, view), console_person())
        except RefusedError as error:
            state = await _told_why(here, application, run, error)
            if error.refusal != Refusal.ALREADY_DECIDED or isinstance(state, s.Rejected):
                raise EndNow(_exit_of_refusal(state)) from None
        return run

    return attend(here, begin, emits=emits)


def changes(here: Here, name: str, text: str, *, digest: str, emits: bool) -> Exit:
    """Send the agents back with a person's words, and stay for their next plan."""
    require_person(here.environ, here.words)
    if not text.strip():
        raise RefusedError("empty_change", here.words.say("refusal.empty_change"))

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name, words=here.words)
        view, _ = await seen_run(application.log, application.coordinator, run)
        return await _unless_refused(
            here,
            application,
            run,
            application.coordinator.request_changes(run, _digest(digest, view), console_person(), text),
        )

    return attend(here, begin, emits=emits)


def resolve(here: Here, name: str, verdict: str, *, number: int, emits: bool) -> Exit:
    """Say what became of a call of unknown outcome, and stay until the rest has run."""
    require_person(here.environ, here.words)
    if verdict and verdict not in VERDICTS:
        raise RefusedError("unknown_verdict", here.words.say("usage.verdict", verdicts=", ".join(VERDICTS)))

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name, words=here.words)
        state = await application.coordinator.state(run)
        if not verdict:
            return run
        index = number - 1 if number else state.unknown.index if isinstance(state, s.NeedsHuman) else -1
        return await _unless_refused(
            here, application, run, application.coordinator.resolve(run, index, console_person(), VERDICTS[verdict])
        )

    return attend(here, begin, emits=emits)


def reject(here: Here, name: str, *, digest: str, reason: str) -> Exit:
    """A no: nothing of the plan will ever run."""

    async def act(application: Application, run: str, view: RunView) -> object:
        return await application.coordinator.reject(run, _digest(digest, view), console_person(), reason)

    return _decided(here, name, act)


def cancel(here: Here, name: str, *, reason: str) -> Exit:
    """Stop a run; where calls are running, stay until the one under way has ended."""

    async def act(application: Application, run: str, _: RunView) -> object:
        return await application.coordinator.cancel(run, console_person(), reason)

    return _decided(here, name, act)


def _decided(here: Here, name: str, act: Act) -> Exit:
    """Decide without starting an engine; and stay where a call is still under way."""
    try:
        status = asyncio.run(_decide(here, name, act))
    except EndNow as end:
        return end.status
    return resume(here, name, emits=False) if status is Exit.WAITING else status


async def _decide(here: Here, name: str, act: Act) -> Exit:
    async with open_reading(here.environ, here.parts()) as application:
        run = await named_run(application.log, name, words=here.words)
        view, _ = await seen_run(application.log, application.coordinator, run)
        try:
            await act(application, run, view)
        except RefusedError as error:
            raise EndNow(_exit_of_refusal(await _told_why(here, application, run, error))) from None
        view, _ = await seen_run(application.log, application.coordinator, run)
        print_card(here, view, application.clock.now())
        return exit_of(view.state)


async def _unless_refused(here: Here, application: Application, run: str, deed: Awaitable[object]) -> str:
    try:
        await deed
    except RefusedError as error:
        raise EndNow(_exit_of_refusal(await _told_why(here, application, run, error))) from None
    return run


async def _told_why(here: Here, application: Application, run: str, error: RefusedError) -> s.RunState:
    """The run's state, after the person was told why nothing changed."""
    state = await application.coordinator.state(run)
    here.complain(refusal_text(error, here.words, state))
    return state


async def _shown(here: Here, application: Application, run: str, *, is_for_people: bool) -> RunView:
    """The run, after its waiting plan was shown: a yes is said of what could be read."""
    view, _ = await seen_run(application.log, application.coordinator, run)
    if is_for_people and waiting_plan(view) is not None:
        print_card(here, view, application.clock.now())
    return view


def _digest(given: str, view: RunView) -> str:
    """The digest that a person typed, in any of its forms; or that of the plan that waits."""
    if given:
        return given.replace("-", "").lower()
    plan = waiting_plan(view)
    return plan.digest if plan is not None else ""


def _exit_of_refusal(state: s.RunState) -> Exit:
    """The run's own status where that says it; a plain failure where the run went on without this decision."""
    is_telling = isinstance(state, s.AwaitingDecision | s.Rejected | s.Expired | s.Cancelled | s.NeedsHuman)
    return exit_of(state) if is_telling else Exit.FAILED


DEMO_WORLD = "notices.json"
"""The file in the state folder that is the demo's board."""


def run(here: Here, prompt: str, *, config: str, order: Order | None, emits: bool) -> Exit:
    """Ask for a run under a configuration, and stay with it."""
    ask = _ask(here.stdin.read() if prompt == "-" else prompt, config_file(config))
    return leave(here, _asked(here, ask, order=order, emits=emits))


def demo(here: Here, prompt: str, *, config: str, order: Order | None, emits: bool) -> Exit:
    """The same in a toy world, which begins anew, and where a plan needs no person if none is there. No other world does."""
    path = config_file(config) if config else CONFIGS / "demo.yaml"
    if order is None and not config and not screen.can_ask(here.stdin, here.stderr if emits else here.stdout):
        here.complain(here.words.say("demo.approves_itself"))
        order = Order(approves=True)
    ask = _ask(prompt or here.words.say("demo.prompt"), path)
    (made(state_folder(here.environ)) / DEMO_WORLD).unlink(missing_ok=True)
    view = _asked(here, ask, order=order, emits=emits)
    status = leave(here, view)
    if not emits and view.ended_at is not None:
        here.tell(here.words.say("demo.next", run=visible(view.run)))
    if not emits and (folder := _out_of_reach(here)) is not None:
        here.tell(here.words.say("demo.activate", folder=visible(str(folder))))
    return status


def _out_of_reach(here: Here) -> Path | None:
    """The folder of the program, as seen from here, if a shell would not find it by its name."""
    folder = Path(sys.executable).parent
    if shutil.which("massgen-bot", path=here.environ.get("PATH")) or not (folder / "activate").exists():
        return None
    return min(folder, Path(os.path.relpath(folder)), key=lambda path: len(str(path)))


def _asked(here: Here, ask: Ask, *, order: Order | None, emits: bool) -> RunView:
    async def begin(application: Application) -> str:
        return await application.coordinator.start(ask)

    return asyncio.run(attended(here, begin, order=order, emits=emits, is_new=True))


def _ask(prompt: str, path: Path) -> Ask:
    return Ask(
        prompt=prompt,
        requester=console_person(),
        config_name=path.stem,
        config_text=read_text(path),
        origin=str(path.absolute()),
    )


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
