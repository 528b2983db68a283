"""One outage of the database under approved calls, and what must hold afterwards: it is as if it had not been."""

import asyncio
import time
from collections import Counter
from pathlib import Path

from coordination.domain import states as s
from tests.chaos.house import House, approve, history, is_in_flight, is_settled, state_when, until
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
        house = House.on(folder, server, limit=seconds + PATIENCE)
        try:
            await _through(house, seconds=seconds, workers=workers, runs=runs)
        finally:
            house.close()


async def _through(house: House, *, seconds: float, workers: int, runs: int) -> None:
    assert house.server is not None
    for _ in range(workers):
        house.start_worker()
    async with house.front() as front:
        # In half of the runs the first call is answered during the outage, in the others after it.
        names = [await house.begin(front, f"run{number}", 0, 0, is_gated=True) for number in range(runs)]
        waiting = await house.begin(front, "undecided", 0)
        for run in names:
            await approve(front, run)
        await state_when(front, waiting, lambda state: isinstance(state, s.AwaitingDecision))
        for run in names:
            await state_when(front, run, is_in_flight)
        await asyncio.to_thread(house.server.stop, immediately=True)
        firsts = [house.planned[run][0] for run in names]
        for call in firsts[: runs // 2]:
            house.open_gate(call)
        await asyncio.sleep(seconds)
        assert set(house.effects()) == set(firsts[: runs // 2])
        await asyncio.to_thread(house.server.start)
        back = time.time()
        for run in names:
            for call in house.planned[run]:
                house.open_gate(call)
        for run in names:
            state = await state_when(front, run, is_settled, seconds=seconds + PATIENCE)
            assert isinstance(state, s.Finished), f"{run}: {state}"
            assert [receipt.kind for receipt in state.receipts] == ["succeeded", "succeeded"]
            kinds = Counter(each.event.kind for each in await history(front, run))
            assert (kinds["call_started"], kinds["call_succeeded"], kinds["call_outcome_unknown"]) == (2, 2, 0)
        assert isinstance(await front.coordinator.state(waiting), s.AwaitingDecision)
    await until(lambda: house.slots() == workers, what="slots held = workers alive")
    assert [worker.poll() for worker in house.workers] == [None] * workers, "a worker ended"
    calls = [call for run in names for call in house.planned[run]]
    assert house.effects() == Counter(calls)
    assert time.time() - back < seconds + PATIENCE
    assert house.broken() == []
