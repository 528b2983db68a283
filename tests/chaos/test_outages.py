"""The database goes away under approved calls: their receipts are held, nothing is asked, nothing is doubled."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot.application import Application
from bot.machine import console_person
from coordination.domain import states as s
from coordination.execution import INTERRUPTED
from tests.chaos.deployment import Deployment, approve, is_in_flight, is_settled, state_when, until
from tests.chaos.outage import outage
from tests.databases import own_server, postgres_programs
from tests.e2e.program import Process, end_of

pytestmark = pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL is not installed here")


@pytest.mark.parametrize(("seconds", "workers"), [(1.0, 1), (3.0, 3)])
async def test_an_outage_under_calls_asks_nobody_and_doubles_nothing(
    seconds: float, workers: int, tmp_path: Path
) -> None:
    await outage(tmp_path, seconds=seconds, workers=workers)


def complaints(written: str) -> list[str]:
    """What a worker logged as an error."""
    lines = [json.loads(line) for line in written.splitlines()]
    return [line["message"] for line in lines if line["level"] == "error"]


@dataclass
class Told:
    """One worker, told to end during an outage after the only call of its run was answered."""

    deployment: Deployment
    front: Application
    run: str
    worker: Process


@asynccontextmanager
async def told_to_end_in_an_outage(folder: Path) -> AsyncGenerator[Told]:
    programs = postgres_programs()
    assert programs is not None
    with own_server(programs) as server:
        deployment = Deployment.on(folder, server, limit=20)
        try:
            worker = deployment.start_worker()
            async with deployment.front() as front:
                run = await deployment.begin(front, "one", 0, is_gated=True)
                await approve(front, run)
                await state_when(front, run, is_in_flight)
                await asyncio.to_thread(server.stop, immediately=True)
                deployment.open_gate("one-0")
                await until(lambda: deployment.effects()["one-0"] == 1)
                deployment.end(worker, signal.SIGTERM)
                yield Told(deployment, front, run, worker)
        finally:
            deployment.close()


async def test_who_is_told_to_end_in_an_outage_still_writes_the_receipt_if_it_passes_soon(tmp_path: Path) -> None:
    async with told_to_end_in_an_outage(tmp_path) as told:
        assert told.deployment.server is not None
        await asyncio.sleep(0.5)
        await asyncio.to_thread(told.deployment.server.start)
        ended = await asyncio.to_thread(end_of, told.worker)
        assert (ended.status, complaints(ended.err)) == (0, [])
        told.deployment.start_worker()
        assert isinstance(await state_when(told.front, told.run, is_settled), s.Finished)
        assert told.deployment.effects() == {"one-0": 1}


async def test_who_is_told_to_end_in_a_longer_outage_ends_and_the_call_is_asked_about_not_made_again(
    tmp_path: Path,
) -> None:
    async with told_to_end_in_an_outage(tmp_path) as told:
        assert told.deployment.server is not None
        ended = await asyncio.to_thread(end_of, told.worker)
        assert (ended.status, complaints(ended.err)) == (0, [])
        await asyncio.to_thread(told.deployment.server.start)
        told.deployment.start_worker()
        state = await state_when(told.front, told.run, is_settled)
        assert isinstance(state, s.NeedsHuman)
        outage = state.unknown.outage
        assert outage is not None, "it is said that the database was away"
        assert state.unknown.reason == INTERRUPTED
        assert timedelta(0) < outage.until - outage.since < timedelta(seconds=60)
        await told.front.coordinator.resolve(told.run, 0, console_person(), "happened")
        assert isinstance(await state_when(told.front, told.run, is_settled), s.Finished)
        assert told.deployment.effects() == {"one-0": 1}
        assert told.deployment.broken() == []
