"""A backup that was made while the program wrote is whole, and runs go on from it."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.database_admin import migrate_all
from coordination.domain.transitions import evolve
from coordination.engine.dbos_engine import DbosEngine
from coordination.ports import Job
from coordination.storage import schema
from coordination.storage.anchor import anchor, compare
from coordination.storage.audit import Finding, verify
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.databases import Postgres, postgres_or_skip, postgres_programs, sqlite_url
from tests.e2e.program import Program

MANY = 30


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@asynccontextmanager
async def written_meanwhile(url: str) -> AsyncGenerator[None]:
    """Runs begin, one after the other, while the context is open and a little longer."""

    async def write(log: SqlLog) -> None:
        for number in range(MANY):
            await log.append(f"R{number}", 0, [a_request()], START, evolve(None, a_request(), START))

    async with SqlLog.open(url, submit=submit_nothing) as log, asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(write(log))
        await asyncio.sleep(0.02)
        yield


def findings(url: str) -> list[Finding]:
    """What is wrong; the configurations of these runs were never kept."""
    return [each for each in verify(url) if not each.problem.startswith("the configuration ")]


def copied(source: Path, target: Path) -> None:
    """A backup as the page has it: this is what `.backup` of sqlite3's own shell calls."""
    with closing(sqlite3.connect(source)) as of, closing(sqlite3.connect(target)) as to:
        of.backup(to)


async def test_a_backup_made_while_runs_are_written_verifies_and_fits_its_anchor(tmp_path: Path) -> None:
    url, copy = sqlite_url(tmp_path), sqlite_url(tmp_path, "copy.sqlite")
    await asyncio.to_thread(schema.migrate, url)
    async with written_meanwhile(url):
        anchored = "\n".join(await asyncio.to_thread(anchor, url, START))
        await asyncio.to_thread(copied, tmp_path / "log.sqlite", tmp_path / "copy.sqlite")
    assert findings(copy) == []
    assert compare(copy, anchored) == []
    schema.migrate(copy)
    async with SqlLog.open(copy, submit=submit_nothing) as log:
        count = len(await log.runs(limit=2 * MANY))
        assert 0 < count <= MANY
        await log.append("X", 0, [a_request()], START, evolve(None, a_request(), START))


@pytest.fixture
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


def client(name: str) -> str:
    """A program of PostgreSQL's; the test is skipped where it is not installed."""
    beside = postgres_programs()
    found = shutil.which(name, path=os.pathsep.join((str(beside or ""), os.environ.get("PATH", ""))))
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def dumped(source: str, target: str, file: Path) -> None:
    """A backup as the page has it, by PostgreSQL's own programs, put into an empty database."""
    for command in (
        [client("pg_dump"), "--format=custom", f"--file={file}", source],
        [client("pg_restore"), "--exit-on-error", f"--dbname={target}", str(file)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")


async def test_a_dump_of_postgresql_made_while_runs_are_written_verifies_and_goes_on(
    tmp_path: Path, server: Postgres
) -> None:
    assert client("pg_dump")
    assert client("pg_restore")
    url, copy = server.new_database(), server.new_database()
    await asyncio.to_thread(migrate_all, url)
    async with written_meanwhile(url):
        anchored = "\n".join(await asyncio.to_thread(anchor, url, START))
        await asyncio.to_thread(dumped, url, copy, tmp_path / "backup")
    assert findings(copy) == []
    assert compare(copy, anchored) == []
    migrate_all(copy)
    async with DbosEngine.open(copy) as engine, SqlLog.open(copy, submit=engine.submit) as log:
        assert 0 < len(await log.runs(limit=2 * MANY)) <= MANY
        job = Job(task="deliberate", run="X", tenant="here", revision=1)
        await log.append("X", 0, [a_request()], START, evolve(None, a_request(), START), job)
    assert findings(copy) == []


def test_a_plan_that_waited_in_the_backup_is_decided_and_carried_out_after_it(tmp_path: Path) -> None:
    program = Program(tmp_path)
    waiting = program.run("run", "A plan that waits", "-c", "demo", "--events")
    assert waiting.status == 3
    database = program.state / "massgen-bot.sqlite"
    copied(database, tmp_path / "copy.sqlite")
    for path in program.state.glob("massgen-bot.sqlite*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(tmp_path / "copy.sqlite", database)
    assert verify(sqlite_url(program.state, "massgen-bot.sqlite")) == []
    assert program.run("approve", waiting.run).status == 0
    assert len(program.writes()) == 2
