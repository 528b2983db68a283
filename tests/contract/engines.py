"""An engine of each kind, and workers that write down what they do."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from coordination.engine.dbos_engine import DbosEngine, migrate
from coordination.engine.fair_share import TaskLimits
from coordination.ports import Engine, Job
from coordination.storage import schema
from coordination.storage.database import open_engine, parse_url
from tests.fake_log import FakeEngine


@dataclass(frozen=True)
class Bench:
    """An engine under test. `submit` commits a job and wakes it."""

    engine: Engine
    submit: Callable[[Job], Awaitable[None]]
    url: str | None = None


@dataclass(frozen=True)
class DbosBench(Bench):
    """The same for DBOS's, which also says when it is stuck."""

    engine: DbosEngine


@asynccontextmanager
async def fake_bench(limit: int) -> AsyncGenerator[Bench]:
    """The engine that tests of other parts use."""
    engine = FakeEngine(limit=limit)

    async def submit(job: Job) -> None:
        engine.submit(job)
        engine.wake()

    yield Bench(engine=engine, submit=submit)


@asynccontextmanager
async def dbos_bench(url: str, limit: int) -> AsyncGenerator[DbosBench]:
    """DBOS on a database, with its waits cut short."""
    if not url.startswith("sqlite"):
        schema.migrate(url)
        migrate(url)
    database = open_engine(parse_url(url), "write", connections=4)
    try:
        async with open_quick(url, limit=limit) as engine:

            def commit(job: Job) -> None:
                with database.begin() as connection:
                    engine.submit(connection, job)

            async def submit(job: Job) -> None:
                await asyncio.to_thread(commit, job)
                engine.wake()

            yield DbosBench(engine=engine, submit=submit, url=url)
    finally:
        database.dispose()


def open_quick(
    url: str, *, limit: int = 128, lease: float = 15.0, is_shared: bool = False
) -> contextlib.AbstractAsyncContextManager[DbosEngine]:
    """An engine that looks often and repeats at once; one tenant may have all of it, unless it `is_shared`."""
    limits = TaskLimits(worker=limit, tenant=None if is_shared else limit)
    return DbosEngine.open(
        url,
        limits=dict.fromkeys(("deliberate", "execute"), limits),
        poll_interval=0.1,
        rounds_interval=0.2,
        lease=lease,
        retry_waits=(0.01, 0.01, 0.01),
    )


def a_job(run: str = "A", *, revision: int = 1) -> Job:
    """The work of planning one run."""
    return Job(task="deliberate", run=run, tenant="here", revision=revision)


class Hands:
    """Performs jobs by writing them down; `gate` holds each until it is opened."""

    def __init__(self) -> None:
        self.begun: list[Job] = []
        self.done: list[Job] = []
        self.cancelled: list[Job] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0
        self._changed = asyncio.Condition()

    async def perform(self, job: Job) -> None:
        """Begin, wait at the gate, end; the next `failures` times it fails instead."""
        await self._note(self.begun, job)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job)
            raise
        if self.failures:
            self.failures -= 1
            raise RuntimeError("this time it fails")
        await self._note(self.done, job)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that `perform` does."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(condition)

    async def _note(self, where: list[Job], job: Job) -> None:
        where.append(job)
        async with self._changed:
            self._changed.notify_all()
