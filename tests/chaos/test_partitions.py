"""A worker is cut off from the database while a call is under way, and workers never see each other: nothing is doubled."""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from bot.machine import console_person
from coordination.domain import states as s
from coordination.storage.database import parse_url
from tests.chaos.deployment import Deployment, approve, history, is_in_flight, is_settled, state_when, until
from tests.chaos.networks import Machine, Network, PostgresApart, network, why_not
from tests.databases import own_server, postgres_programs
from tests.e2e.program import ROOT

IMPOSSIBLE = why_not() or ("PostgreSQL is not installed here" if postgres_programs() is None else "")
LONG = 120.0

pytestmark = pytest.mark.skipif(bool(IMPOSSIBLE), reason=IMPOSSIBLE or "-")


@contextmanager
def worker_on(machine: Machine, deployment: Deployment, address: str) -> Generator["subprocess.Popen[bytes]"]:
    """A worker on a machine, which finds the database at an address."""
    name = parse_url(deployment.url).database
    environ = deployment.program.surroundings(DATABASE_URL=f"postgresql://postgres@{address}/{name}")
    command = machine.inside(sys.executable, "-m", "bot", "worker")
    with (deployment.folder / f"worker-{address}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    with process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_call_of_a_worker_that_is_cut_off_happens_once_and_its_result_is_welcome_later(tmp_path: Path) -> None:
    programs = postgres_programs()
    assert programs is not None
    with network(2) as apart, own_server(programs, partial(PostgresApart, apart=apart)) as server:
        deployment = Deployment.on(tmp_path, server, limit=LONG)
        with worker_on(apart.around[0], deployment, apart.address(0)) as first:
            await until(lambda: deployment.slots() == 1, seconds=LONG, what="the first worker works")
            await cut_off(deployment, apart, first)


async def cut_off(deployment: Deployment, apart: Network, first: "subprocess.Popen[bytes]") -> None:
    """The first worker, alone so far, has a call under way when its cable is cut; the second one takes over."""
    async with deployment.front() as front:
        run = await deployment.begin(front, "one", 0, is_gated=True)
        await approve(front, run)
        await state_when(front, run, is_in_flight, seconds=LONG)
        with worker_on(apart.around[1], deployment, apart.address(1)) as second:
            await until(lambda: deployment.slots() == 2, seconds=LONG, what="the second worker works")
            apart.cut(0)
            state = await state_when(front, run, is_settled, seconds=LONG)
            assert isinstance(state, s.NeedsHuman), "it was not made again without a word"
            deployment.open_gate("one-0")
            await until(lambda: deployment.effects()["one-0"] == 1, what="it happens where nobody hears of it")
            other = await deployment.begin(front, "two", 0)
            await approve(front, other)
            assert isinstance(await state_when(front, other, is_settled, seconds=LONG), s.Finished)
            apart.mend(0)
            await state_when(
                front, run, lambda now: isinstance(now, s.NeedsHuman) and bool(now.late_result), seconds=LONG
            )
            await front.coordinator.resolve(run, 0, console_person(), "happened")
            assert isinstance(await state_when(front, run, is_settled, seconds=LONG), s.Finished)
            await until(lambda: deployment.slots() == 2, seconds=LONG, what="slots held = workers alive")
            assert (first.poll(), second.poll()) == (None, None)
        kinds = [each.event.kind for each in await history(front, run)]
    assert kinds.count("call_started") == 1
    assert deployment.effects() == {"one-0": 1, "two-0": 1}
    assert await asyncio.to_thread(deployment.broken) == []
