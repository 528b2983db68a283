"""One outage of the database under approved calls, and what must hold afterwards: it is as if it had not been."""

import asyncio
import time
from collections import Counter
from pathlib import Path

from coordination.domain import states as s
from tests.chaos.deployment import Deployment, approve, history, is_in_flight, is_settled, state_when, until
from tests.databases import own_server, postgres_programs

PATIENCE = 60.0
"""Seconds that everything may take once the database is back."""


async def outage(folder: Path, *, seconds: float, workers: int, runs: int = 4) -> None:
    """Stop PostgreSQL under calls that end before, during and after that; nobody is killed.

    Raises:
        AssertionError: somebody was asked, something was lost or doubled, or a worker ended or has no slot.
    """
    programs = postgres_programs()
    assert programs is not None, "PostgreSQL is not installed here"
    with own_server(programs) as server:
        deployment = Deployment.on(folder, server, limit=seconds + PATIENCE)
        try:
            await _through(deployment, seconds=seconds, workers=workers, runs=runs)
        finally:
            deployment.close()


async def _through(deployment: Deployment, *, seconds: float, workers: int, runs: int) -> None:
    assert deployment.server is not None
    for _ in range(workers):
        deployment.start_worker()
    async with deployment.front() as front:
        # In half of the runs the first call is answered during the outage, in the others after it.
        names = [await deployment.begin(front, f"run{number}", 0, 0, is_gated=True) for number in range(runs)]
        waiting = await deployment.begin(front, "undecided", 0)
        for run in names:
            await approve(front, run)
        await state_when(front, waiting, lambda state: isinstance(state, s.AwaitingDecision))
        for run in names:
            await state_when(front, run, is_in_flight)
        await asyncio.to_thread(deployment.server.stop, immediately=True)
        firsts = [deployment.planned[run][0] for run in names]
        for call in firsts[: runs // 2]:
            deployment.open_gate(call)
        await asyncio.sleep(seconds)
        assert set(deployment.effects()) == set(firsts[: runs // 2])
        await asyncio.to_thread(deployment.server.start)
        back = time.time()
        for run in names:
            for call in deployment.planned[run]:
                deployment.open_gate(call)
        for run in names:
            state = await state_when(front, run, is_settled, seconds=seconds + PATIENCE)
            assert isinstance(state, s.Finished), f"{run}: {state}"
            assert [receipt.kind for receipt in state.receipts] == ["succeeded", "succeeded"]
            kinds = Counter(each.event.kind for each in await history(front, run))
            assert (kinds["call_started"], kinds["call_succeeded"], kinds["call_outcome_unknown"]) == (2, 2, 0)
        assert isinstance(await front.coordinator.state(waiting), s.AwaitingDecision)
    await until(lambda: deployment.slots() == workers, what="slots held = workers alive")
    assert [worker.poll() for worker in deployment.workers] == [None] * workers, "a worker ended"
    calls = [call for run in names for call in deployment.planned[run]]
    assert deployment.effects() == Counter(calls)
    assert time.time() - back < seconds + PATIENCE
    assert deployment.broken() == []
