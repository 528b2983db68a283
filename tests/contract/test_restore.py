"""A backup that was made while the program wrote is whole, and runs go on from it."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import sqlalchemy as sa

from coordination.domain.transitions import evolve
from coordination.ports import Job
from coordination.storage import schema
from coordination.storage.anchor import anchor, compare
from coordination.storage.audit import Finding, verify
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.databases import sqlite_url
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
