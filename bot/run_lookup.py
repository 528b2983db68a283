"""Reading runs, the same in every front end: find a run, show it, read its log."""

from collections.abc import Sequence
from datetime import datetime

from bot.cards.run_view import RunView, view_of
from bot.cards.text import one_line
from bot.i18n import catalog
from coordination.authorization import judge_plan
from coordination.domain.plan import Plan
from coordination.domain.policy import Person, RunAction
from coordination.domain.states import AwaitingDecision, RunState
from coordination.domain.transitions import Recorded
from coordination.errors import RefusedError, RunNotFoundError
from coordination.ports import RunLog
from coordination.service import Coordinator


async def named_run(log: RunLog, prefix: str, tenant: str | None = None) -> str:
    """The one run whose name begins so; a whole name wins over longer ones.

    Raises:
        RunNotFoundError: none does.
        RefusedError: several do.
    """
    typed = prefix.strip()
    found: Sequence[str] = await log.find(typed, tenant) if typed else ()
    whole = [run for run in found if run.lower() == typed.lower()]
    if not found:
        raise RunNotFoundError(one_line(typed, 40))
    if len(found) > 1 and not whole:
        names = ", ".join(found)
        raise RefusedError("ambiguous_run", catalog.text("error.ambiguous", prefix=one_line(typed, 40), names=names))
    return (whole or list(found))[0]


async def seen_run(log: RunLog, coordinator: Coordinator, run: str) -> tuple[RunView, Sequence[Recorded]]:
    """A run and its log as they are now; a plan that is past its time counts as expired."""
    await coordinator.state(run)
    records = await log.read(run)
    view = view_of(records)
    if view is None:
        raise RunNotFoundError(run)
    return view, records


def may_break_glass(state: RunState, by: Person, now: datetime) -> bool:
    """Whether a plan waits that this person may approve alone in an emergency."""
    if not isinstance(state, AwaitingDecision):
        return False
    return judge_plan(state, state.plan.digest, by, RunAction.BREAK_GLASS, now) is None


def waiting_plan(view: RunView) -> Plan | None:
    """The plan that waits for people, if one does."""
    return view.state.plan if isinstance(view.state, AwaitingDecision) else None
