"""Workers die in every way that processes die, and no job is lost, nor in two hands at once."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordination.engine.dbos_engine import migrate
from coordination.ports import Job
from coordination.storage import schema
from coordination.storage.database import open_engine, parse_url
from tests.contract.engines import a_job, open_quick
from tests.databases import Postgres, own_server, postgres_or_skip, postgres_programs, sqlite_url
from tests.forked import Forked, start

ROUNDS = 0.2
"""Seconds between the workers' looks for dead ones."""


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@dataclass
class Plant:
    """Worker processes on one database, and the diary that they share."""

    url: str
    diary: Path
    processes: list[Forked] = field(default_factory=list[Forked])

    async def worker(self, manner: str, *, lease: float = 15.0) -> Forked:
        """Start one and wait until it takes part."""
        arguments = (self.url, str(self.diary), manner, str(lease))
        process = start("tests.crash.engine_process", *arguments, environ=os.environ, is_strict=True)
        self.processes.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(30):
            said = await asyncio.to_thread(process.stdout.readline)
            assert said == "ready\n", said or (process.stderr and process.stderr.read())
        return process

    async def submit(self, *jobs: Job) -> None:
        """Submit jobs as a process does that only decides."""
        database = open_engine(parse_url(self.url), "write", connections=1)
        async with open_quick(self.url) as engine:
            for job in jobs:
                with database.begin() as connection:
                    engine.submit(connection, job)
        database.dispose()

    def lines(self, word: str, pid: int | None = None) -> Sequence[str]:
        """The jobs that have this word in the diary, in order."""
        entries = self.diary.read_text(encoding="utf-8").splitlines() if self.diary.exists() else []
        fields = [entry.split() for entry in entries]
        return [job for what, job, who in fields if what == word and pid in (None, int(who))]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to stand in the diary."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - another process writes the diary
                await asyncio.sleep(0.02)

    def close(self) -> None:
        """End what is left, by its own number."""
        for process in self.processes:
            with process:
                process.kill()


@pytest.fixture
async def plant(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Plant]:
    """On SQLite, unless a test names the database."""
    if getattr(request, "param", "sqlite") == "sqlite":
        url = sqlite_url(tmp_path)
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database()
        schema.migrate(url)
        migrate(url)
    plant = Plant(url, tmp_path / "diary")
    try:
        yield plant
    finally:
        plant.close()


on_both = pytest.mark.parametrize("plant", ["sqlite", "postgres"], indirect=True)


@on_both
async def test_a_killed_workers_jobs_go_on_in_another_that_was_there_already(plant: Plant) -> None:
    dying = await plant.worker("hang")
    jobs = [a_job(f"R{number}") for number in range(5)]
    await plant.submit(*jobs)
    await plant.until(lambda: len(plant.lines("begin")) == 5)
    other = await plant.worker("work")
    dying.kill()
    await plant.until(lambda: len(plant.lines("done")) == 5)
    names = sorted(job.name for job in jobs)
    assert sorted(plant.lines("begin", dying.pid)) == names
    assert sorted(plant.lines("begin", other.pid)) == names
    assert sorted(plant.lines("done", other.pid)) == names


def of_tenant(tenant: str, count: int) -> list[Job]:
    """Runs to plan, and as many plans to carry out."""
    jobs = [Job(task="deliberate", run=f"{tenant}{number}", tenant=tenant, revision=1) for number in range(count)]
    return [*jobs, *(replace(job, task="execute") for job in jobs)]


@on_both
async def test_nobody_waits_for_a_tenant_whose_tool_server_is_dead_nor_for_what_a_killed_worker_left_of_theirs(
    plant: Plant,
) -> None:
    dying, other = await plant.worker("hang-A"), await plant.worker("hang-A")
    share, tasks = 6, 2
    await plant.submit(*of_tenant("A", 30))
    await plant.until(lambda: len(plant.lines("begin")) == 2 * tasks * share)
    dying.kill()
    await plant.submit(*of_tenant("B", 1))
    await plant.until(lambda: len(plant.lines("done", other.pid)) == tasks)
    assert len(plant.lines("begin", other.pid)) == tasks * (share + 1)
    heir = await plant.worker("hang-A")
    await plant.until(lambda: len(plant.lines("begin", heir.pid)) == tasks * share)
    await plant.submit(*of_tenant("C", 3))
    await plant.until(lambda: len(plant.lines("done")) == tasks * 4)


async def test_a_killed_workers_jobs_go_on_in_the_next_that_starts(plant: Plant) -> None:
    dying = await plant.worker("hang")
    await plant.submit(a_job())
    await plant.until(lambda: len(plant.lines("begin")) == 1)
    dying.kill()
    dying.wait(30)
    heir = await plant.worker("work")
    await plant.until(lambda: list(plant.lines("done", heir.pid)) == [a_job().name])
    assert len(plant.lines("begin")) == 2


async def test_jobs_that_nobody_had_begun_are_begun_by_the_next_worker(plant: Plant) -> None:
    await plant.submit(a_job("A"), a_job("B"))
    worker = await plant.worker("work")
    await plant.until(lambda: sorted(plant.lines("done", worker.pid)) == [a_job("A").name, a_job("B").name])


async def test_a_living_workers_job_stays_with_it(plant: Plant) -> None:
    busy = await plant.worker("hang")
    await plant.submit(a_job("LONG"))
    await plant.until(lambda: len(plant.lines("begin")) == 1)
    await plant.worker("work")
    await asyncio.sleep(5 * ROUNDS)  # Nothing may happen, for so long.
    assert list(plant.lines("begin")) == [a_job("LONG").name]
    assert list(plant.lines("begin", busy.pid)) == [a_job("LONG").name]


@on_both
async def test_a_frozen_workers_job_stays_with_it(plant: Plant) -> None:
    frozen = await plant.worker("hang")
    await plant.submit(a_job("LONG"))
    await plant.until(lambda: len(plant.lines("begin")) == 1)
    os.kill(frozen.pid, signal.SIGSTOP)
    await plant.worker("work")
    await asyncio.sleep(5 * ROUNDS)  # Nothing may happen, for so long.
    os.kill(frozen.pid, signal.SIGCONT)
    assert list(plant.lines("begin")) == [a_job("LONG").name]


async def test_a_worker_that_leaves_hands_its_jobs_over_and_says_nothing(plant: Plant) -> None:
    leaving = await plant.worker("hang")
    await plant.submit(a_job())
    await plant.until(lambda: len(plant.lines("begin")) == 1)
    other = await plant.worker("work")
    leaving.terminate()
    said, complained = await asyncio.to_thread(leaving.communicate, 3)
    assert (leaving.wait(), said, complained) == (0, "", "")
    await plant.until(lambda: list(plant.lines("done", other.pid)) == [a_job().name])


@on_both
async def test_many_workers_share_many_jobs_and_none_is_done_twice(plant: Plant) -> None:
    await asyncio.gather(*(plant.worker("work") for _ in range(3)))
    jobs = [a_job(f"R{number}") for number in range(60)]
    await asyncio.gather(*(plant.submit(*jobs[start::4], *jobs[:10]) for start in range(4)))
    await plant.until(lambda: len(plant.lines("done")) >= 60)
    assert sorted(plant.lines("begin")) == sorted(plant.lines("done")) == sorted(job.name for job in jobs)


@on_both
async def test_a_worker_that_is_frozen_beyond_the_lease_loses_its_jobs_and_begins_anew_with_others(
    plant: Plant,
) -> None:
    """What it was at is given to others, and it does not take it up again when it thaws."""
    frozen = await plant.worker("hang", lease=2)
    await plant.submit(a_job("LONG"))
    await plant.until(lambda: len(plant.lines("begin")) == 1)
    os.kill(frozen.pid, signal.SIGSTOP)
    heir = await plant.worker("work", lease=2)
    await plant.until(lambda: list(plant.lines("done", heir.pid)) == [a_job("LONG").name])
    os.kill(frozen.pid, signal.SIGCONT)
    await asyncio.sleep(5 * ROUNDS)  # Nothing more may happen to that job.
    assert len(plant.lines("begin")) == 2
    heir.kill()
    heir.wait(30)
    await plant.submit(a_job("NEXT"))
    await plant.until(lambda: list(plant.lines("begin", frozen.pid)) == [a_job("LONG").name, a_job("NEXT").name])


@pytest.mark.parametrize("plant", ["postgres"], indirect=True)
async def test_a_worker_whose_lock_lost_its_connection_locks_again_and_keeps_its_jobs(
    plant: Plant, postgres: Postgres
) -> None:
    """A connection that broke is no death: nobody may take its owner's jobs for that."""
    worker = await plant.worker("hang")
    await plant.submit(a_job())
    await plant.until(lambda: len(plant.lines("begin")) == 1)
    await plant.worker("work")
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    held = f"SELECT pid FROM pg_locks WHERE classid = 7701 AND locktype = 'advisory' AND {here}"
    with postgres.connect(sa.make_url(plant.url).database or "") as connection:
        for _ in range(3):
            assert all(connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({held}) AS held").fetchall())
            await asyncio.sleep(3 * ROUNDS)
        async with asyncio.timeout(60):
            while len(connection.execute(held).fetchall()) != 2:  # noqa: ASYNC110 - other processes lock
                await asyncio.sleep(ROUNDS)
    await asyncio.sleep(5 * ROUNDS)  # Nothing may happen, for so long.
    assert list(plant.lines("begin")) == [a_job().name]
    assert list(plant.lines("begin", worker.pid)) == [a_job().name]


@pytest.mark.parametrize("workers", [1, 3])
async def test_an_outage_takes_no_worker_its_slot_and_no_job_its_worker(workers: int, tmp_path: Path) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with own_server(programs) as server:
        url = server.new_database()
        schema.migrate(url)
        migrate(url)
        plant = Plant(url, tmp_path / "diary")
        try:
            await asyncio.gather(*(plant.worker("hang") for _ in range(workers)))
            jobs = [a_job(f"R{number}") for number in range(2 * workers)]
            await plant.submit(*jobs)
            await plant.until(lambda: len(plant.lines("begin")) == len(jobs))
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(3)
            await asyncio.to_thread(server.start)
            with server.connect(sa.make_url(url).database or "") as connection:
                held = "SELECT * FROM pg_locks, worker_slots WHERE classid = 7701 AND holder <> '' AND name = 'slot-' || objid"
                async with asyncio.timeout(60):
                    while len(connection.execute(held).fetchall()) != workers:  # noqa: ASYNC110 - other processes lock
                        await asyncio.sleep(ROUNDS)
            await asyncio.sleep(10 * ROUNDS)  # Nothing may happen, for so long.
            assert sorted(plant.lines("begin")) == sorted(job.name for job in jobs)
            assert all(process.poll() is None for process in plant.processes)
        finally:
            plant.close()
