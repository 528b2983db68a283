"""Nobody waits for the backlog of another tenant by more than one round, on either database and across a crash."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from coordination.engine import dbos_engine
from coordination.engine.dbos_engine import LIMITS, DbosEngine
from coordination.engine.fair_share import TaskLimits
from coordination.ports import Job
from coordination.storage import schema
from coordination.storage.database import open_engine, parse_url
from coordination.storage.overview import DatabaseWatch
from tests.contract.engines import Hands
from tests.databases import Postgres, postgres_or_skip, sqlite_url


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    url = server.new_database()
    schema.migrate(url)
    dbos_engine.migrate(url)
    return url


def a_job(tenant: str, number: int = 1, task: str = "deliberate") -> Job:
    return Job(
        task="execute" if task == "execute" else "deliberate", run=f"{tenant}{number}", tenant=tenant, revision=1
    )


@asynccontextmanager
async def opened(url: str, limits: Mapping[str, TaskLimits] = LIMITS) -> AsyncGenerator[DbosEngine]:
    async with DbosEngine.open(url, limits=limits, poll_interval=0.1, rounds_interval=0.2) as engine:
        yield engine


async def submit(engine: DbosEngine, url: str, *jobs: Job) -> None:
    def commit() -> None:
        database = open_engine(parse_url(url), "write", connections=1)
        with database.begin() as connection:
            for job in jobs:
                engine.submit(connection, job)
        database.dispose()

    await asyncio.to_thread(commit)
    engine.wake()


def one_worker(most: int) -> Mapping[str, TaskLimits]:
    return {"deliberate": TaskLimits(worker=most), "execute": TaskLimits(worker=most)}


async def test_a_run_begins_at_once_behind_four_hundred_of_another_tenant(url: str) -> None:
    hands = Hands()
    hands.gate.clear()
    async with opened(url) as engine, engine.running(hands.perform):
        await submit(engine, url, *(a_job("A", number) for number in range(400)))
        await hands.until(lambda: len(hands.begun) == LIMITS["deliberate"].share)
        await submit(engine, url, a_job("B"))
        await hands.until(lambda: a_job("B") in hands.begun)
        assert len(hands.begun) == LIMITS["deliberate"].share + 1
        hands.gate.set()


async def test_a_call_goes_out_at_once_beside_sixty_slow_executions_of_another_tenant(url: str) -> None:
    hands = Hands()
    hands.gate.clear()
    async with opened(url) as engine, engine.running(hands.perform):
        await submit(engine, url, *(a_job("A", number, "execute") for number in range(60)))
        await hands.until(lambda: len(hands.begun) == LIMITS["execute"].share)
        await submit(engine, url, a_job("B", 1, "execute"))
        await hands.until(lambda: a_job("B", 1, "execute") in hands.begun)
        hands.gate.set()


async def test_where_there_is_room_for_one_job_tenants_take_turns(url: str) -> None:
    hands = Hands()
    async with opened(url, one_worker(1)) as engine:
        await submit(engine, url, *(a_job("A", number) for number in range(6)))
        await submit(engine, url, a_job("B", 1), a_job("B", 2), a_job("C"))
        async with engine.running(hands.perform):
            await hands.until(lambda: len(hands.done) == 9)
    assert {job.tenant for job in hands.begun[:3]} == {"A", "B", "C"}
    assert {job.tenant for job in hands.begun[3:5]} == {"A", "B"}
    assert [job for job in hands.begun if job.tenant == "A"] == [a_job("A", number) for number in range(6)]


@pytest.mark.parametrize("is_one_transaction", [True, False])
async def test_jobs_of_one_tenant_begin_in_the_order_in_which_they_were_submitted(
    url: str, *, is_one_transaction: bool
) -> None:
    """Names that sort the other way round: with nothing else to go by, a database takes its index's order."""
    hands, jobs = Hands(), [a_job("A", number) for number in range(30, 10, -1)]
    async with opened(url, one_worker(1)) as engine:
        for each in [jobs] if is_one_transaction else [[job] for job in jobs]:
            await submit(engine, url, *each)
        async with engine.running(hands.perform):
            await hands.until(lambda: len(hands.done) == len(jobs))
    assert hands.begun == jobs


async def test_tenants_still_take_turns_after_a_worker_ended_with_its_hands_full(url: str) -> None:
    hands = Hands()
    hands.gate.clear()
    async with opened(url, one_worker(4)) as engine:
        await submit(engine, url, *(a_job("A", number) for number in range(8)))
        async with engine.running(hands.perform):
            await hands.until(lambda: len(hands.begun) == 3)
        await submit(engine, url, a_job("B", 1), a_job("B", 2))
        hands.begun.clear()
        async with engine.running(hands.perform):
            await hands.until(lambda: len(hands.begun) == 4)
            assert sorted(job.tenant for job in hands.begun) == ["A", "A", "B", "B"]
            hands.gate.set()
            await hands.until(lambda: len(hands.done) == 10)


async def test_what_tenants_may_have_in_all_workers_together_is_kept(url: str) -> None:
    hands = Hands()
    hands.gate.clear()
    limits = {"deliberate": TaskLimits(worker=8, tenant=2, everywhere=3), "execute": TaskLimits(worker=8)}
    async with opened(url, limits) as engine, engine.running(hands.perform):
        await submit(engine, url, *(a_job("A", number) for number in range(5)))
        await hands.until(lambda: len(hands.begun) == 2)
        await submit(engine, url, *(a_job("B", number) for number in range(5)))
        await hands.until(lambda: len(hands.begun) == 3)
        await asyncio.sleep(0.3)
        assert sorted(job.tenant for job in hands.begun) == ["A", "A", "B"]
        hands.gate.set()
        await hands.until(lambda: len(hands.done) == 10)


async def test_jobs_that_an_earlier_release_submitted_take_their_tenants_turn(tmp_path: Path) -> None:
    hands = Hands()
    url = sqlite_url(tmp_path)
    async with opened(url, one_worker(1)) as engine:
        await submit(engine, url, a_job("A", 1), a_job("A", 2), a_job("B"))
        with closing(sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)) as connection:
            connection.execute("UPDATE workflow_status SET queue_partition_key = NULL")
        async with engine.running(hands.perform):
            await hands.until(lambda: len(hands.done) == 3)
    assert [job.tenant for job in hands.begun] == ["A", "B", "A"]


async def test_a_worker_of_one_task_leaves_the_other_to_others(url: str) -> None:
    hands = Hands()
    async with opened(url, {"execute": TaskLimits(worker=4)}) as engine:
        await submit(engine, url, a_job("A"), a_job("A", 1, "execute"))
        async with engine.running(hands.perform):
            await hands.until(lambda: hands.done == [a_job("A", 1, "execute")])
            await asyncio.sleep(0.3)
    assert hands.begun == [a_job("A", 1, "execute")]
    async with opened(url, {"deliberate": TaskLimits(worker=4)}) as engine, engine.running(hands.perform):
        await hands.until(lambda: a_job("A") in hands.done)


async def test_whoever_looks_sees_each_worker_and_what_it_has_in_hand(url: str) -> None:
    hands, watch = Hands(), DatabaseWatch(url)
    hands.gate.clear()
    async with opened(url) as engine:
        await submit(engine, url, a_job("A"), a_job("B", 1, "execute"))
        async with engine.running(hands.perform):
            await hands.until(lambda: len(hands.begun) == 2)
            (worker,) = await asyncio.to_thread(watch.workers)
            assert worker.is_alive
            assert (worker.slot, list(worker.jobs)) == ("slot-0", ["exec-B1-1-1", "run-A1-1"])
            hands.gate.set()
            await hands.until(lambda: len(hands.done) == 2)
        assert await asyncio.to_thread(watch.workers) == []
    watch.close()
