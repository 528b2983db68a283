"""Where commits wait for a standby, only what the standby has counts as written; and nobody waits without a word."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from bot.database_admin import migrate_all
from coordination.clock import SystemClock
from coordination.domain.transitions import Recorded, evolve
from coordination.errors import DatabaseAwayError, DatabaseBlockedError
from coordination.ports import Job
from coordination.run_writer import PendingAppend, append_surely
from coordination.storage import database, group_commit
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.chaos.deployment import until
from tests.chaos.replicas import Standby, be_asynchronous, copier, replicated
from tests.databases import OwnPostgres, postgres_programs

PROGRAMS = postgres_programs()
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

pytestmark = pytest.mark.skipif(
    PROGRAMS is None or copier(PROGRAMS) is None, reason="PostgreSQL or its pg_basebackup is not installed here"
)


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@dataclass
class Replicated:
    """A log on a primary whose standby has just gone."""

    log: SqlLog
    primary: OwnPostgres
    standby: Standby

    async def append(self, run: str, patience: float | None = None) -> list[Recorded]:
        pending = PendingAppend(
            run=run, expected=0, events=[a_request()], at=START, state=evolve(None, a_request(), START)
        )
        return list(await append_surely(self.log, SystemClock(), pending, patience=patience))

    async def end_wait(self, by: str) -> None:
        """What an operator does who sees a statement hang: `pg_cancel_backend` or `pg_terminate_backend`."""

        def is_ended() -> bool:
            with self.primary.connect() as connection:
                return bool(connection.execute(f"SELECT {by}(pid) FROM ({WAITING}) AS waiting".encode()).fetchall())

        await until(is_ended, what="a commit that waits for the standby")


@asynccontextmanager
async def without_standby() -> AsyncGenerator[Replicated]:
    assert PROGRAMS is not None
    async with replicated(PROGRAMS, synchronous=True) as (primary, standby, _):
        url = primary.new_database()
        await asyncio.to_thread(migrate_all, url)
        async with SqlLog.open(url, submit=submit_nothing) as log:
            at = Replicated(log, primary, standby)
            await at.append("before")
            await asyncio.to_thread(standby.stop, immediately=True)
            try:
                yield at
            finally:
                await asyncio.to_thread(be_asynchronous, primary)  # Nothing may hang at the end.


@pytest.mark.parametrize("by", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_whose_wait_for_the_standby_was_ended_does_not_count_until_the_standby_has_it(by: str) -> None:
    async with without_standby() as at:
        writing = asyncio.ensure_future(at.append("A"))
        for _ in range(2):
            await at.end_wait(by)
        _, pending = await asyncio.wait({writing}, timeout=1.0)
        assert pending, "the primary alone has it"
        assert [each.seq for each in await at.log.read("A")] == [1], "and shows it to everybody"
        await asyncio.to_thread(at.standby.start)
        assert [each.seq for each in await asyncio.wait_for(writing, 60)] == [1]


async def test_a_commit_without_an_end_is_told_to_the_operator_and_to_whoever_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(group_commit, "LONGEST", 0.5)
    monkeypatch.setattr(database, "_told_at", {})
    async with without_standby() as at:
        with pytest.raises(DatabaseAwayError, match="does not answer"):
            await at.append("A", patience=0.2)
        with pytest.raises(DatabaseBlockedError, match="make sure that its standby is connected"):
            await at.append("B", patience=1.0)
        warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
        assert len([each for each in warnings if "does not confirm a commit" in each]) == 1
        writing = asyncio.ensure_future(at.append("B"))
        await asyncio.to_thread(at.standby.start)
        assert [each.seq for each in await asyncio.wait_for(writing, 60)] == [1]
