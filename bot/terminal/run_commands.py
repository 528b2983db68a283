"""The commands that decide on a run that somebody asked for, in this terminal or in another."""

import asyncio
from collections.abc import Awaitable, Callable

from bot.application import Application
from bot.cards.error_messages import refusal_text
from bot.cards.run_view import RunView
from bot.log_access import open_reading
from bot.people import console_person
from bot.run_lookup import named_run, seen_run, waiting_plan
from bot.terminal.attending import EndNow, attend
from bot.terminal.cli_context import Here
from bot.terminal.exits import Exit, exit_of
from bot.terminal.protection import require_person
from bot.terminal.query_commands import print_card
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.domain.policy import Refusal
from coordination.errors import RefusedError

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
