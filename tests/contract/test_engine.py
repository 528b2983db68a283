"""What every engine must do, the one of memory and the one of DBOS alike."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from coordination.ports import Job
from tests.contract.engines import Bench, Hands, a_job, dbos_bench, fake_bench
from tests.databases import Postgres, postgres_or_skip, sqlite_url

LIMIT = 3


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    match request.param:
        case "memory":
            setting = fake_bench(LIMIT)
        case "sqlite":
            setting = dbos_bench(sqlite_url(tmp_path), LIMIT)
        case _:
            server: Postgres = request.getfixturevalue("postgres")
            setting = dbos_bench(server.new_database(), LIMIT)
    async with setting as bench:
        yield bench


async def test_a_job_is_performed_as_it_was_submitted(bench: Bench) -> None:
    hands = Hands()
    jobs = [a_job(), Job(task="execute", run="A", tenant="here", revision=2, attempt=3)]
    async with bench.engine.running(hands.perform):
        for job in jobs:
            await bench.submit(job)
        await hands.until(lambda: len(hands.done) == 2)
    assert sorted(hands.done, key=lambda job: job.task) == jobs


async def test_a_job_that_was_submitted_while_nobody_worked_is_performed_later(bench: Bench) -> None:
    hands = Hands()
    await bench.submit(a_job())
    async with bench.engine.running(hands.perform):
        await hands.until(lambda: hands.done == [a_job()])


async def test_one_job_submitted_many_times_at_once_is_performed_once(bench: Bench) -> None:
    hands = Hands()
    async with bench.engine.running(hands.perform):
        await asyncio.gather(*(bench.submit(a_job()) for _ in range(20)))
        await hands.until(lambda: hands.done == [a_job()])
        await bench.submit(a_job())
        await bench.submit(a_job("LAST"))
        await hands.until(lambda: a_job("LAST") in hands.done)
    assert hands.begun == [a_job(), a_job("LAST")]


async def test_a_job_that_is_done_is_not_performed_again_at_the_next_start(bench: Bench) -> None:
    hands = Hands()
    for run in ("A", "B"):
        async with bench.engine.running(hands.perform):
            await bench.submit(a_job(run))
            await hands.until(lambda run=run: a_job(run) in hands.done)
    assert hands.begun == [a_job("A"), a_job("B")]


async def test_a_job_that_raises_is_performed_again(bench: Bench) -> None:
    hands = Hands()
    hands.failures = 2
    async with bench.engine.running(hands.perform):
        await bench.submit(a_job())
        await hands.until(lambda: hands.done == [a_job()])
    assert hands.begun == [a_job()] * 3


async def test_a_job_that_raises_for_ever_is_left_for_the_next_start(bench: Bench) -> None:
    hands = Hands()
    hands.failures = 1000
    async with bench.engine.running(hands.perform):
        await bench.submit(a_job())
        await hands.until(lambda: len(hands.begun) == 4)
        hands.failures = 0
        await bench.submit(a_job("LAST"))
        await hands.until(lambda: a_job("LAST") in hands.done)
    assert a_job() not in hands.done
    async with bench.engine.running(hands.perform):
        await hands.until(lambda: a_job() in hands.done)


async def test_a_job_in_hand_when_the_work_ends_is_cancelled_and_goes_on_at_the_next_start(bench: Bench) -> None:
    hands = Hands()
    hands.gate.clear()
    async with asyncio.timeout(60):
        async with bench.engine.running(hands.perform):
            await bench.submit(a_job())
            await hands.until(lambda: hands.begun == [a_job()])
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 3
    assert (hands.cancelled, hands.done) == ([a_job()], [])
    hands.gate.set()
    async with bench.engine.running(hands.perform):
        await hands.until(lambda: hands.done == [a_job()])
    assert hands.begun == [a_job()] * 2


async def test_no_more_jobs_run_at_once_than_are_allowed_and_none_waits_longer_than_it_must(bench: Bench) -> None:
    hands = Hands()
    hands.gate.clear()
    async with bench.engine.running(hands.perform):
        for number in range(3 * LIMIT):
            await bench.submit(a_job(f"R{number}"))
        await hands.until(lambda: len(hands.begun) == LIMIT)
        other = Job(task="execute", run="X", tenant="here", revision=1)
        await bench.submit(other)
        if bench.url is not None:
            await hands.until(lambda: other in hands.begun)
            assert len(hands.begun) == LIMIT + 1
        hands.gate.set()
        await hands.until(lambda: len(hands.done) == 3 * LIMIT + 1)
    assert len(hands.begun) == 3 * LIMIT + 1


async def test_nothing_is_left_behind_when_the_work_ends(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    hands = Hands()
    hands.gate.clear()
    async with bench.engine.running(hands.perform):
        await bench.submit(a_job())
        await hands.until(lambda: hands.begun == [a_job()])
    assert asyncio.all_tasks() == tasks
    left = [thread.name for thread in set(threading.enumerate()) - threads if not thread.name.startswith("asyncio_")]
    assert left == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert await asyncio.to_thread(lambda: "the loop's own threads still serve") != ""


async def test_a_wake_up_while_nobody_works_does_no_harm(bench: Bench) -> None:
    bench.engine.wake()
