"""Several processes on one database: the database decides every race, and everybody sees everything."""

import asyncio
import multiprocessing
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa

from coordination.domain.canonical_json import digest
from coordination.domain.events import DeliberationStarted, RunRequested, TurnStarted
from coordination.domain.transitions import evolve, replay
from coordination.errors import ConflictError
from coordination.ports import Job
from coordination.storage.audit import verify
from coordination.storage.database import open_engine, parse_url
from coordination.storage.schema import VERSION_TABLE, VERSIONS, prepare
from coordination.storage.sql_run_log import SqlLog
from tests.builders import REQUESTER, START
from tests.databases import sqlite_url

CONFIG = digest("config", "team.yaml\nagents: []")
REQUEST = RunRequested(
    tenant="here", prompt="Go.", requester=REQUESTER, config="team", config_digest=CONFIG, agents=("a", "b")
)
EACH = 40


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


def in_process(target: Callable[..., None], *arguments: object) -> BaseProcess:
    return multiprocessing.get_context("spawn").Process(target=target, args=arguments)


@contextmanager
def started(*processes: BaseProcess) -> Generator[None]:
    for process in processes:
        process.start()
    try:
        yield
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            process.kill()


def make_tables(url: str) -> None:
    """What every command does first."""
    engine = open_engine(parse_url(url), "write", connections=1)
    prepare(engine)
    engine.dispose()


def test_many_processes_may_make_the_same_new_database_at_once(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    with started(*(in_process(make_tables, url) for _ in range(3))):
        pass
    engine = open_engine(parse_url(url), "read", connections=1)
    assert "events" in sa.inspect(engine).get_table_names()
    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT * FROM {VERSION_TABLE}")).scalars().all() == [VERSIONS[-1]]
    engine.dispose()


async def add(log: SqlLog, agent: int, count: int) -> None:
    """Append to the run as often as it takes to win `count` races."""
    while count:
        records = await log.read("A")
        event = TurnStarted(agent=agent, turn=count, epoch=0)
        state = replay(records)
        try:
            await log.append("A", records[-1].seq, [event], START, state)
        except ConflictError:
            continue
        count -= 1


def race(url: str, agent: int) -> None:
    async def run() -> None:
        async with SqlLog.open(url, submit=submit_nothing) as log:
            await add(log, agent, EACH)

    asyncio.run(run())


async def begin(log: SqlLog) -> None:
    await log.save_config(CONFIG, "agents: []", "team.yaml")
    queued = evolve(None, REQUEST, START)
    started_ = DeliberationStarted(revision=1)
    await log.append("A", 0, [REQUEST, started_], START, evolve(queued, started_, START))


async def test_processes_that_write_to_one_run_lose_nothing_and_break_no_chain(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await begin(log)
        with started(*(in_process(race, url, agent) for agent in (1, 2, 3))):
            pass
        records = await log.read("A", after=2)
    assert [each.seq for each in records] == list(range(3, 3 + 3 * EACH))
    for agent in (1, 2, 3):
        turns = [
            each.event.turn for each in records if isinstance(each.event, TurnStarted) and each.event.agent == agent
        ]
        assert turns == list(range(EACH, 0, -1))
    assert verify(url) == []


async def test_whoever_follows_a_run_sees_what_another_process_writes(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    seen: list[int] = []
    async with asyncio.timeout(60), SqlLog.open(url, submit=submit_nothing) as log:
        await begin(log)
        with started(in_process(race, url, 1)):
            async for recorded in log.follow("A"):
                seen.append(recorded.seq)
                if recorded.seq == 10:
                    await add(log, 2, 5)
                if recorded.seq == 2 + EACH + 5:
                    break
    assert seen == list(range(1, 2 + EACH + 5 + 1))
