"""People who ask, approve, reject, and answer every question by what they are shown, while all else fails."""

import asyncio
import random
from contextlib import suppress

from bot.application import Application
from bot.machine import console_person
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.errors import CoordinationError
from tests.chaos.deployment import LOOK, Deployment

LONGEST = 90.0
"""Seconds from the request of a run to its end, whatever happens meanwhile."""


async def accompany(deployment: Deployment, front: Application, name: str, dice: random.Random) -> None:
    """Ask for a run, decide on its plan, and answer what is asked until it has ended.

    One in eight is rejected. A person either looks at the world before they answer, or says "run it" as soon as they may.

    Raises:
        AssertionError: it does not end.
    """
    takes = [dice.choice([0.0, 0.0, 0.5, 2.0]) for _ in range(dice.randint(1, 3))]
    wants, looks = dice.random() > 1 / 8, dice.random() < 0.5
    run = ""
    try:
        async with asyncio.timeout(LONGEST):
            while not run:
                with suppress(CoordinationError):
                    run = await deployment.begin(front, name, *takes)
                await asyncio.sleep(LOOK)
            (deployment.wanted if wants else deployment.rejected).add(run)
            if looks:
                deployment.lookers.add(run)
            is_over = False
            while not is_over:
                await asyncio.sleep(LOOK)
                is_over = await _is_over(deployment, front, run)
    except TimeoutError:
        state = await front.coordinator.state(run)
        raise AssertionError(f"{name} ({run}) has not ended in {LONGEST} s: {state}") from None


async def _is_over(deployment: Deployment, front: Application, run: str) -> bool:
    """One look at a run, and a word where one is wanted. What is refused, or not heard, is said again."""
    with suppress(CoordinationError):
        state = await front.coordinator.state(run)
        me = console_person()
        if isinstance(state, s.AwaitingDecision) and run in deployment.wanted:
            await front.coordinator.approve(run, state.plan.digest, me)
        elif isinstance(state, s.AwaitingDecision):
            await front.coordinator.reject(run, state.plan.digest, me)
        elif isinstance(state, s.NeedsHuman) and not state.may_still_happen(front.clock.now()):
            deployment.questions += 1
            index, attempt = state.unknown.index, state.attempt
            await front.coordinator.resolve(run, index, me, _answer(deployment, run, state), attempt=attempt)
        return isinstance(state, s.Ended)
    return False


def _answer(deployment: Deployment, run: str, state: s.NeedsHuman) -> Verdict:
    """What the server said afterwards is on the card; who looks sees the world itself."""
    if run in deployment.lookers:
        return "happened" if deployment.effects()[deployment.planned[run][state.unknown.index]] else "run_it"
    return "run_it" if state.late_result is None else "happened"
