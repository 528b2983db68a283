"""A run log of each kind, with an engine's place in its transactions that a test can look into and break."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordination.ports import Job, RunLog
from coordination.storage.database import open_engine, parse_url
from coordination.storage.schema import migrate
from coordination.storage.sql_run_log import SqlLog
from tests.databases import Postgres, sqlite_url
from tests.fake_log import MemoryLog

_JOBS = sa.Table("submitted_jobs", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True))


class EngineIsBrokenError(Exception):
    """The engine can't take the job."""


@dataclass
class Bench:
    """A log under test. `is_broken` makes the engine refuse every job, after it has written it down."""

    log: RunLog
    jobs: Callable[[], Sequence[str]]
    url: str | None = None
    is_broken: list[bool] = field(default_factory=lambda: [False])


@asynccontextmanager
async def memory_bench() -> AsyncGenerator[Bench]:
    """The log that tests of other parts use."""
    submitted: list[str] = []
    is_broken = [False]

    def submit(job: Job) -> None:
        if is_broken[0]:
            raise EngineIsBrokenError
        submitted.append(job.name)

    yield Bench(log=MemoryLog(submit), jobs=lambda: submitted, is_broken=is_broken)


@asynccontextmanager
async def sql_bench(url: str) -> AsyncGenerator[Bench]:
    """The log in a database, where the engine is one more table."""
    if not url.startswith("sqlite"):
        migrate(url)
    engine = open_engine(parse_url(url), "read", connections=1)
    _JOBS.create(engine)
    is_broken = [False]

    def submit(connection: sa.Connection, job: Job) -> None:
        connection.execute(sa.insert(_JOBS), {"name": job.name})
        if is_broken[0]:
            raise EngineIsBrokenError

    def jobs() -> Sequence[str]:
        with engine.connect() as connection:
            return connection.execute(sa.select(_JOBS.c.name).order_by(_JOBS.c.name)).scalars().all()

    try:
        async with SqlLog.open(url, submit=submit, watch_interval=0.05) as log:
            yield Bench(log=log, jobs=jobs, url=url, is_broken=is_broken)
    finally:
        engine.dispose()


@asynccontextmanager
async def bench_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncGenerator[Bench]:
    """The log of a kind; `postgres` takes the server of the fixture with that name."""
    match kind:
        case "memory":
            setting = memory_bench()
        case "sqlite":
            setting = sql_bench(sqlite_url(folder))
        case _:
            server: Postgres = request.getfixturevalue("postgres")
            setting = sql_bench(server.new_database())
    async with setting as bench:
        yield bench
