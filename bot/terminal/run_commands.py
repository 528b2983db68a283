"""The commands that start runs, follow them, decide on them, and process them."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from pathlib import Path

from bot.application import Application
from bot.cards.error_messages import refusal_text
from bot.cards.run_card import open_questions
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.composition import open_application
from bot.i18n import catalog
from bot.log_access import open_reading
from bot.machine import CONFIGS, config_file, console_person, made
from bot.run_lookup import named_run, seen_run, waiting_plan
from bot.terminal import screen
from bot.terminal.cli_context import CliContext, PresetDecision
from bot.terminal.error_handler import Exit, exit_of, how_to_go_on, words_of_servers
from bot.terminal.output import event_line
from bot.terminal.protection import refuse_tool_servers, require_person
from bot.terminal.query_commands import print_card
from bot.terminal.serve_commands import health_of, serve_once_reachable, told_to_end
from bot.terminal.session import InteractiveSession
from bot.terminal.spend_command import tell_budgets
from coordination.config import read_operator_policy, read_text, with_operator_policy
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.domain.policy import Refusal
from coordination.domain.transitions import Recorded
from coordination.errors import RefusedError
from coordination.run_request import RunRequest

Begin = Callable[[Application], Awaitable[str]]
"""Does what the command is for, and names the run to stay with."""


class EndNow(Exception):
    """There is nothing to stay for; the person has been told why."""

    def __init__(self, status: Exit) -> None:
        super().__init__(status.name)
        self.status = status


def run_interactively(context: CliContext, begin: Begin, *, emits: bool = False) -> Exit:
    """Open the application, begin, and stay until the run has ended or must be left."""
    try:
        return leave(context, asyncio.run(run_session(context, begin, emits=emits)))
    except EndNow as end:
        return end.status


def leave(context: CliContext, view: RunView) -> Exit:
    """Say how to go on with a run that is left, and with which status to end."""
    if (advice := how_to_go_on(view)) is not None:
        context.print_error(advice)
    return exit_of(view.state)


async def run_session(
    context: CliContext,
    begin: Begin,
    *,
    preset: PresetDecision | None = None,
    emits: bool = False,
    is_new: bool = False,
) -> RunView:
    """The same, inside an event loop. Returns the run as it was left.

    Raises:
        EndNow: `begin` found nothing to stay for.
    """
    shown_on = context.stderr if emits else context.stdout
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(open_application(context.environment, context.parts()))
        run = await begin(application)
        window = stack.enter_context(
            screen.opened(context.stdin, shown_on, now=application.clock.now, is_for_people=not emits)
        )
        session = InteractiveSession(
            application.coordinator,
            application.log,
            clock=application.clock,
            person=console_person(),
            screen=window.screen,
            inbox=window.inbox,
            keyboard=window.keyboard,
            preset=preset,
            emit=_emitter(context) if emits else _ignore,
            add_error=window.screen.say if window.keyboard is not None else context.print_error,
        )
        view, _ = await seen_run(application.log, application.coordinator, run)
        session.glimpse(view)
        await stack.enter_async_context(application.working(run))
        view = _told_last_lines(context, application, await session.run(run, tells_past=is_new))
    await tell_budgets(context, application.clock.now())
    return view


def _told_last_lines(context: CliContext, application: Application, view: RunView) -> RunView:
    """A run that is left; if it broke, what servers that did not start wrote last has been told."""
    if isinstance(view.state, s.RunBroken):
        for line in words_of_servers(application.last_lines()):
            context.print_error(line)
    return view


def _emitter(context: CliContext) -> Callable[[Recorded], None]:
    def emit(recorded: Recorded) -> None:
        context.print_line(event_line(recorded))

    return emit


def _ignore(recorded: Recorded) -> None:
    del recorded


Decide = Callable[[Application, str, RunView], Awaitable[object]]
VERDICTS: dict[str, Verdict] = {"happened": "happened", "run-it": "run_it", "stop": "abandon"}


def resume(context: CliContext, name: str, *, emits: bool) -> Exit:
    """Stay with a run, decide where asked, and carry out what a process that is gone has left."""
    require_person(context.environment)

    async def begin(application: Application) -> str:
        return await named_run(application.log, name)

    return run_interactively(context, begin, emits=emits)


def approve(context: CliContext, name: str, *, digest: str, emits: bool, break_glass: str | None = None) -> Exit:
    """A yes to the plan that is shown, or to the one of the given digest; then stay until the calls have run.

    `break_glass` is the reason of somebody who approves alone in an emergency; None: they do not.
    """
    require_person(context.environment)
    by = console_person()

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name)
        view = await _shown(context, application, run, is_for_people=not emits)
        people, shown = application.coordinator, digest_of(digest, view)
        try:
            if break_glass is None:
                await people.approve(run, shown, by)
            else:
                await people.break_glass(run, shown, by, break_glass)
        except RefusedError as error:
            state = await _told_why(context, application, run, error)
            if error.refusal != Refusal.ALREADY_DECIDED or isinstance(state, s.Rejected):
                raise EndNow(_exit_of_refusal(state)) from None
        return run

    return run_interactively(context, begin, emits=emits)


def changes(context: CliContext, name: str, text: str, *, digest: str, emits: bool) -> Exit:
    """Send the agents back with a person's words, and stay for their next plan."""
    require_person(context.environment)
    if not text.strip():
        raise RefusedError("empty_change", catalog.text("refusal.empty_change"))

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name)
        view, _ = await seen_run(application.log, application.coordinator, run)
        return await unless_refused(
            context,
            application,
            run,
            application.coordinator.request_changes(run, digest_of(digest, view), console_person(), text),
        )

    return run_interactively(context, begin, emits=emits)


def answer(context: CliContext, name: str, text: str) -> Exit:
    """Answer the question of an agent that has waited for longest."""
    require_person(context.environment)

    async def act(application: Application, run: str, view: RunView) -> object:
        asked = open_questions(view, application.clock.now())
        number = asked[0].number if asked else 0
        return await application.coordinator.answer(run, number, console_person(), text)

    try:
        asyncio.run(_decide(context, name, act))
    except EndNow:
        return Exit.FAILED
    return Exit.DONE


def resolve(context: CliContext, name: str, verdict: str, *, number: int, emits: bool) -> Exit:
    """Say what became of a call of unknown outcome, and stay until the rest has run."""
    require_person(context.environment)
    if verdict and verdict not in VERDICTS:
        raise RefusedError("unknown_verdict", catalog.text("usage.verdict", verdicts=", ".join(VERDICTS)))

    async def begin(application: Application) -> str:
        run = await named_run(application.log, name)
        state = await application.coordinator.state(run)
        if not verdict:
            return run
        index = number - 1 if number else state.unknown.index if isinstance(state, s.NeedsHuman) else -1
        return await unless_refused(
            context, application, run, application.coordinator.resolve(run, index, console_person(), VERDICTS[verdict])
        )

    return run_interactively(context, begin, emits=emits)


def reject(context: CliContext, name: str, *, digest: str, reason: str) -> Exit:
    """A no: nothing of the plan will ever run."""

    async def act(application: Application, run: str, view: RunView) -> object:
        return await application.coordinator.reject(run, digest_of(digest, view), console_person(), reason)

    return decided(context, name, act)


def cancel(context: CliContext, name: str, *, reason: str) -> Exit:
    """Stop a run; where calls are running, stay until the one under way has ended."""

    async def act(application: Application, run: str, _: RunView) -> object:
        return await application.coordinator.cancel(run, console_person(), reason)

    return decided(context, name, act)


def decided(context: CliContext, name: str, decide: Decide) -> Exit:
    """Decide without starting an engine; and stay where a call is still under way."""
    try:
        status = asyncio.run(_decide(context, name, decide))
    except EndNow as end:
        return end.status
    return resume(context, name, emits=False) if status is Exit.WAITING else status


async def _decide(context: CliContext, name: str, decide: Decide) -> Exit:
    async with open_reading(context.environment.database_url(), context.parts()) as application:
        run = await named_run(application.log, name)
        view, _ = await seen_run(application.log, application.coordinator, run)
        try:
            await decide(application, run, view)
        except RefusedError as error:
            raise EndNow(_exit_of_refusal(await _told_why(context, application, run, error))) from None
        view, _ = await seen_run(application.log, application.coordinator, run)
        print_card(context, view, application.clock.now())
        return exit_of(view.state)


async def unless_refused(context: CliContext, application: Application, run: str, decision: Awaitable[object]) -> str:
    """Wait for a decision on a run, and give its name back.

    Raises:
        EndNow: it was refused, and the person has been told why.
    """
    try:
        await decision
    except RefusedError as error:
        raise EndNow(_exit_of_refusal(await _told_why(context, application, run, error))) from None
    return run


async def _told_why(context: CliContext, application: Application, run: str, error: RefusedError) -> s.RunState:
    """The run's state, after the person was told why nothing changed."""
    state = await application.coordinator.state(run)
    context.print_error(refusal_text(error, state))
    return state


async def _shown(context: CliContext, application: Application, run: str, *, is_for_people: bool) -> RunView:
    """The run, after its waiting plan was shown: a yes is said of what could be read."""
    view, _ = await seen_run(application.log, application.coordinator, run)
    if is_for_people and waiting_plan(view) is not None:
        print_card(context, view, application.clock.now())
    return view


def digest_of(given: str, view: RunView) -> str:
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


def run(context: CliContext, prompt: str, *, config: str, preset: PresetDecision | None, emits: bool) -> Exit:
    """Ask for a run under a configuration, and stay with it."""
    _check_decider(context, preset, emits=emits)
    request = _ask(context, context.stdin.read() if prompt == "-" else prompt, config_file(config))
    return leave(context, _asked(context, request, preset=preset, emits=emits))


def demo(context: CliContext, prompt: str, *, config: str, preset: PresetDecision | None, emits: bool) -> Exit:
    """The same in a toy world, which begins anew, and where a plan needs no person if none is there.

    No other world does.
    """
    path = config_file(config) if config else CONFIGS / "demo.yaml"
    if config:
        _check_decider(context, preset, emits=emits)
    if preset is None and not config and not screen.can_ask(context.stdin, context.stderr if emits else context.stdout):
        context.print_error(catalog.text("demo.approves_itself"))
        preset = PresetDecision(approves=True)
    request = _ask(context, prompt or catalog.text("demo.prompt"), path)
    (made(context.environment.state_folder()) / DEMO_WORLD).unlink(missing_ok=True)
    view = _asked(context, request, preset=preset, emits=emits)
    status = leave(context, view)
    if not emits and view.ended_at is not None:
        context.print_line(catalog.text("demo.next", run=visible(view.run)))
    if not emits and (folder := _out_of_reach(context)) is not None:
        context.print_line(catalog.text("demo.activate", folder=visible(str(folder))))
    return status


def _check_decider(context: CliContext, preset: PresetDecision | None, *, emits: bool) -> None:
    """Where a yes is given with the request, or can be given with a key: no tool server may be the one to give it."""
    asks = screen.can_ask(context.stdin, context.stderr if emits else context.stdout)
    decides = asks if preset is None else preset.approves
    if decides:
        refuse_tool_servers(context.environment)


def _out_of_reach(context: CliContext) -> Path | None:
    """The folder of the program, as seen from here, if a shell would not find it by its name."""
    folder = Path(sys.executable).parent
    if shutil.which("massgen-bot", path=context.environment.search_path or None) or not (folder / "activate").exists():
        return None
    return min(folder, Path(os.path.relpath(folder)), key=lambda path: len(str(path)))


def _asked(context: CliContext, request: RunRequest, *, preset: PresetDecision | None, emits: bool) -> RunView:
    async def begin(application: Application) -> str:
        return await application.coordinator.start(request)

    return asyncio.run(run_session(context, begin, preset=preset, emits=emits, is_new=True))


def _ask(context: CliContext, prompt: str, path: Path) -> RunRequest:
    return RunRequest(
        prompt=prompt,
        requester=console_person(),
        config_name=path.stem,
        config_text=with_operator_policy(read_text(path), read_operator_policy(context.environment.operator_policy)),
        origin=str(path.absolute()),
    )


_BUSY = frozenset({"queued", "deliberating", "changes_wanted", "executing", "reporting"})
_LOOK_SECONDS = 0.25
_ALL = 1_000_000


def work(context: CliContext, *, until_idle: bool, only: str = "") -> Exit:
    """Work, on `only` one task if it is named, until SIGTERM or Ctrl-C.

    Or, `until_idle`, until no run can go on without a person.
    """
    asyncio.run(_work(context, until_idle=until_idle, only=only))
    return Exit.DONE


async def _work(context: CliContext, *, until_idle: bool, only: str) -> None:
    ending = told_to_end()
    if until_idle:
        await serve_once_reachable(context, ending, lambda: _serve(context, ending, until_idle=True, only=only))
        return
    async with health_of(context, ending) as health:
        await serve_once_reachable(
            context, ending, lambda: _serve(context, ending, until_idle=False, only=only, serving=health.serving)
        )


async def _serve(
    context: CliContext,
    ending: asyncio.Event,
    *,
    until_idle: bool,
    only: str,
    serving: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    opened = open_application(context.environment, context.parts(), only=only)
    async with opened as application, application.working():
        with serving():
            context.print_error(catalog.text("worker.ready"))
            await _until_told(application, ending, until_idle=until_idle)


async def _until_told(application: Application, ending: asyncio.Event, *, until_idle: bool) -> None:
    while not ending.is_set() and not (until_idle and await _is_idle(application)):
        try:
            async with asyncio.timeout(_LOOK_SECONDS if until_idle else None):
                await ending.wait()
        except TimeoutError:
            continue


async def _is_idle(application: Application) -> bool:
    """Whether every run has ended, or waits for people."""
    return all(each.state not in _BUSY for each in await application.log.runs(limit=_ALL))
