"""Between processes on PostgreSQL nobody waits for a poll, and polling goes on where the database tells of nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa

from coordination.domain.events import DeliberationStarted
from coordination.domain.transitions import evolve
from coordination.ports import Job
from coordination.storage import schema
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.databases import Postgres, postgres_or_skip


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture
def url(server: Postgres) -> str:
    url = server.new_database()
    schema.migrate(url)
    return url


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@asynccontextmanager
async def opened(
    url: str, *, interval: float = 60.0, submitted: Callable[[], None] = lambda: None
) -> AsyncGenerator[SqlLog]:
    async with SqlLog.open(url, submit=submit_nothing, watch_interval=interval, submitted=submitted) as log:
        yield log


async def until_listening(server: Postgres, url: str, count: int) -> None:
    database = sa.make_url(url).database
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query = 'LISTEN massgen_bot'"
    async with asyncio.timeout(60):
        while True:
            with server.connect() as connection:
                row = connection.execute(query, (database,)).fetchone()
            if row is not None and row[0] == count:
                return
            await asyncio.sleep(0.02)


async def begin(log: SqlLog) -> None:
    await log.append("A", 0, [a_request()], START, evolve(None, a_request(), START))


async def go_on(log: SqlLog, job: Job | None = None) -> None:
    state = evolve(evolve(None, a_request(), START), DeliberationStarted(revision=1), START)
    await log.append("A", 1, [DeliberationStarted(revision=1)], START, state, job)


async def test_who_follows_hears_at_once_what_another_process_wrote(server: Postgres, url: str) -> None:
    async with opened(url) as writer, opened(url) as reader:
        await until_listening(server, url, 2)
        await begin(writer)
        async with asyncio.timeout(60):
            told = reader.follow("A")
            assert (await anext(told)).seq == 1
            begun = time.monotonic()
            waiting = asyncio.ensure_future(anext(told))
            await asyncio.sleep(0.1)
            await go_on(writer)
            assert (await waiting).seq == 2
    assert time.monotonic() - begun < 10


async def test_a_worker_hears_at_once_of_a_job_that_another_process_submitted(server: Postgres, url: str) -> None:
    loop, heard = asyncio.get_running_loop(), asyncio.Event()

    def hear() -> None:
        loop.call_soon_threadsafe(heard.set)

    async with opened(url) as front, opened(url, submitted=hear):
        await until_listening(server, url, 2)
        await begin(front)
        await asyncio.sleep(0.1)
        assert not heard.is_set()
        await go_on(front, Job(task="deliberate", run="A", tenant="here", revision=1))
        async with asyncio.timeout(60):
            await heard.wait()


async def test_what_was_written_while_nobody_was_told_is_found_as_soon_as_the_connection_is_back(
    server: Postgres, url: str
) -> None:
    async with opened(url) as writer, opened(url) as reader:
        await until_listening(server, url, 2)
        await begin(writer)
        async with asyncio.timeout(30):
            told = reader.follow("A")
            assert (await anext(told)).seq == 1
            waiting = asyncio.ensure_future(anext(told))
            await asyncio.sleep(0)
            with server.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN massgen_bot'"
                )
            await go_on(writer)
            assert (await waiting).seq == 2
