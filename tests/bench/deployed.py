"""Worker processes on one database, and a front that only asks and decides: what they get done, and how fast.

All runs are of 2 agents that speak to the mock model (6 requests), a plan of one call, its approval, the call, a report.
"""

import asyncio
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bot.application import Application
from coordination.domain import states as s
from coordination.run_request import RunRequest
from coordination.storage.database import open_engine, parse_url
from coordination.storage.overview import DatabaseWatch
from coordination.storage.sql_run_log import encode
from tests.bench.ours import ask
from tests.chaos.deployment import Deployment, approve, is_in_flight, state_when, until
from tests.databases import own_server, postgres_programs

KINDS = ("sqlite", "postgresql")
LIMIT = 60.0
PATIENCE = 240.0
AGENTS, ANSWERS, CALLS = (2, 5, 10, 20), (1, 2, 4, 8), (1, 10, 50)


@dataclass
class Times:
    """Seconds, one number a run: from the command to the first sign of work, and from the decision to the first call.

    Both end when whoever follows the run's log in another process has it, as a card has.
    """

    first_frame: list[float] = field(default_factory=list[float])
    first_call: list[float] = field(default_factory=list[float])


@contextmanager
def deployment_on(kind: str) -> Generator[Deployment]:
    """A fresh database of a kind without workers; they end with the context."""
    folder = Path(tempfile.mkdtemp(prefix="massgen-bot-bench-"))
    try:
        if kind == "sqlite":
            yield from _closed(Deployment.on(folder, limit=LIMIT))
        else:
            programs = postgres_programs()
            assert programs is not None, "PostgreSQL is not installed here"
            with own_server(programs) as server:
                yield from _closed(Deployment.on(folder, server, limit=LIMIT))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _closed(deployment: Deployment) -> Generator[Deployment]:
    try:
        yield deployment
    finally:
        deployment.close()


async def whole(front: Application, request: RunRequest, times: Times) -> str:
    """One run from its command to its report."""
    begun = time.perf_counter()
    run = await front.coordinator.start(request)
    async for recorded in front.log.follow(run):
        match recorded.event.kind:
            case "deliberation_started":
                times.first_frame.append(time.perf_counter() - begun)
            case "plan_proposed":
                state = await front.coordinator.state(run)
                assert isinstance(state, s.AwaitingDecision), state
                begun = time.perf_counter()
                await front.coordinator.approve(run, state.plan.digest, request.requester)
            case "call_started":
                times.first_call.append(time.perf_counter() - begun)
            case "run_finished":
                return run
            case "run_failed":
                break
            case _:
                pass
    raise SystemExit(f"a run of the benchmark ended badly: {await front.coordinator.state(run)}")


async def takeover(deployment: Deployment, front: Application, name: str) -> float:
    """Kill the worker that has a call under way; seconds until others say that its outcome is unknown.

    Another worker is started at once. Where the killed one was the only one, its start counts too.
    """
    run = await deployment.begin(front, name, 0, is_gated=True)
    await approve(front, run)
    await state_when(front, run, is_in_flight)
    watch = DatabaseWatch(deployment.url)
    (holder,) = [each for each in await asyncio.to_thread(watch.workers) if any(run in job for job in each.jobs)]
    watch.close()
    process = int(holder.host.rsplit(":", 1)[1])
    (worker,) = [each for each in deployment.workers if each.pid == process]
    begun = time.perf_counter()
    deployment.end(worker, signal.SIGKILL)
    deployment.start_worker()
    await state_when(front, run, lambda state: isinstance(state, s.NeedsHuman))
    return time.perf_counter() - begun


async def measured(kind: str, workers: int, base_url: str, *, runs: int, deaths: int) -> None:
    """One row of the table, and what a run leaves in the database."""
    with deployment_on(kind) as deployment:
        for _ in range(workers):
            deployment.start_worker()
        await until(lambda: deployment.slots() == workers, seconds=60, what="every worker works")
        request = ask(base_url, deployment.folder, writes="ask")
        async with asyncio.timeout(PATIENCE), deployment.front() as front:
            await asyncio.gather(*(whole(front, request, Times()) for _ in range(2 * workers)))  # warm
            alone, crowd = Times(), Times()
            for _ in range(max(2, runs // 5)):
                await whole(front, request, alone)
            before, begun = kept(deployment.url), time.perf_counter()
            await asyncio.gather(*(whole(front, request, crowd) for _ in range(runs)))
            seconds, after = time.perf_counter() - begun, kept(deployment.url)
            dead = [await takeover(deployment, front, f"death{number}") for number in range(deaths)]
    print(
        f"{workers:7}{runs / seconds:9.1f}{_both(alone.first_frame)}{_both(alone.first_call)}"
        f"{_both(crowd.first_frame)}{_both(crowd.first_call)}{statistics.median(dead):12.1f}"
        f"{(after.bytes - before.bytes) / runs / 1e3:10.1f}{(after.rows - before.rows) / runs:7.1f}"
    )


def _both(seconds: Sequence[float]) -> str:
    """Median and 95th percentile, in milliseconds."""
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return f"{statistics.median(seconds) * 1e3:8.0f} /{p95 * 1e3:6.0f}"


@dataclass(frozen=True)
class Kept:
    """What a database takes up, with its indexes, and the rows of all its tables."""

    bytes: int
    rows: int


_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_TABLES = {
    "sqlite": "SELECT '\"' || name || '\"' FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
    " WHERE schemaname IN ('public', 'dbos')",
}


def kept(url: str) -> Kept:
    """The engine's tables count too."""
    engine = open_engine(parse_url(url), "read", connections=1)
    with engine.connect() as connection:
        kind = connection.dialect.name
        size = connection.execute(sa.text(_SIZE[kind])).scalar_one()
        tables = [str(row[0]) for row in connection.execute(sa.text(_TABLES[kind]))]
        rows = sum(connection.execute(sa.text(f"SELECT count(*) FROM {each}")).scalar_one() for each in tables)
    engine.dispose()
    return Kept(size, rows)


async def growth(base_url: str) -> None:
    """What one run writes to its log, as it has more agents, each more answers, or its plan more calls. No database makes a difference."""
    print("\nThe log of one run: events and kB, and of each agent, answer per agent or call")
    with deployment_on("sqlite") as deployment:
        deployment.start_worker()
        async with asyncio.timeout(PATIENCE), deployment.front() as front:
            for agents in AGENTS:
                run = await whole(front, ask(base_url, deployment.folder, agents=agents, writes="ask"), Times())
                await _tell_log(front, run, f"{agents:3} agents", agents)
            for answers in ANSWERS:
                run = await whole(front, ask(base_url, deployment.folder, answers=answers, writes="ask"), Times())
                await _tell_log(front, run, f"{answers:3} answers", answers)
            for calls in CALLS:
                run = await deployment.begin(front, f"calls{calls}", *([0.0] * calls))
                await approve(front, run)
                await state_when(front, run, lambda state: isinstance(state, s.Finished))
                await _tell_log(front, run, f"{calls:3} calls", calls)


async def _tell_log(front: Application, run: str, what: str, of: int) -> None:
    recorded = await front.log.read(run)
    size = sum(len(encode(each.event).body.encode()) for each in recorded) / 1e3
    print(f"  {what:10} {len(recorded):5} events {size:8.1f} kB {len(recorded) / of:7.1f} {size / of:7.1f}")


def deployed(base_url: str, kind: str, workers: Sequence[int], *, runs: int, deaths: int) -> None:
    """Everything about processes on one database."""
    print(f"Worker processes on {kind}, {runs} runs at once; milliseconds are median / 95th percentile\n")
    print(f"{'':16}{'one run after another':>34}{'all at once':>32}")
    print(
        f"{'workers':>7}{'runs/s':>9}{'first frame':>16}{'first call':>16}{'first frame':>16}{'first call':>16}"
        f"{'takeover s':>12}{'kB/run':>10}{'rows':>7}"
    )
    for count in workers:
        asyncio.run(measured(kind, count, base_url, runs=runs, deaths=deaths))
    asyncio.run(growth(base_url))
