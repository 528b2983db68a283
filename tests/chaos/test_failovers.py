"""The database's primary dies and its standby takes over behind the same address: nothing is doubled, and people are told."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.application import Application
from bot.chat.sql_store import freeze_after_loss
from bot.database_admin import migrate_all
from coordination.domain import states as s
from coordination.errors import DatabaseAwayError, DatabaseBlockedError, LogLostError
from coordination.storage.sql_run_log import SqlLog
from tests.chaos.deployment import Deployment, approve, history, is_settled, state_when, until
from tests.chaos.replicas import Address, Standby, copier, replicated
from tests.contract.test_known_commits import begun, submit_nothing
from tests.databases import OwnPostgres, Postgres, postgres_programs

PROGRAMS = postgres_programs()
LOST = "lost its newest commits"

pytestmark = pytest.mark.skipif(
    PROGRAMS is None or copier(PROGRAMS) is None, reason="PostgreSQL or its pg_basebackup is not installed here"
)


@dataclass
class Replicated:
    """A deployment whose worker and people reach the database by an address that can be switched."""

    deployment: Deployment
    front: Application
    primary: OwnPostgres
    standby: Standby
    address: Address

    async def fail_over(self) -> None:
        """The primary dies, and its standby serves."""
        await asyncio.to_thread(self.primary.stop, immediately=True)
        await asyncio.to_thread(self.standby.promote)
        self.address.switch(self.standby)

    def standby_has(self, kind: str) -> bool:
        """Whether the standby knows of an event of this kind."""
        with self.standby.connect(sa.make_url(self.deployment.url).database or "") as connection:
            return connection.execute("SELECT 1 FROM events WHERE kind = %s", (kind,)).fetchone() is not None

    def told(self, worker: str = "worker-") -> str:
        """What the workers logged."""
        return "".join(file.read_text() for file in sorted(self.deployment.folder.glob(f"{worker}*.log")))

    def is_frozen(self, by: str) -> bool:
        """Whether everything is, in the database that was the standby's."""
        with self.standby.connect(sa.make_url(self.deployment.url).database or "") as connection:
            found = connection.execute("SELECT by_name FROM scopes WHERE tenant = '*' AND key = 'freeze'").fetchall()
        return found == [(by,)]


@asynccontextmanager
async def deployed(folder: Path, *, synchronous: bool) -> AsyncGenerator[Replicated]:
    assert PROGRAMS is not None
    async with replicated(PROGRAMS, synchronous=synchronous) as (primary, standby, address):
        deployment = Deployment(folder=folder, url=address.url(primary.new_database()), limit=60)
        await asyncio.to_thread(migrate_all, deployment.url)
        try:
            deployment.start_worker()
            async with deployment.front() as front:
                yield Replicated(deployment, front, primary, standby, address)
        finally:
            await asyncio.to_thread(deployment.close)


async def carried_out_unknown_to_the_standby(at: Replicated) -> str:
    """A run whose call is made by a worker that is alive, of which the standby knows no more than the approval."""
    run = await at.deployment.begin(at.front, "one", 0)
    await state_when(at.front, run, lambda state: isinstance(state, s.AwaitingDecision))
    at.deployment.end(at.deployment.workers[0])
    await approve(at.front, run)
    await until(partial(at.standby_has, "approval_given"), what="the standby knows of the approval")
    await asyncio.to_thread(at.standby.fall_behind)
    at.deployment.start_worker()
    assert isinstance(await state_when(at.front, run, is_settled), s.Finished)
    return run


async def test_a_call_whose_record_a_failover_lost_is_not_made_again_and_all_is_frozen(tmp_path: Path) -> None:
    async with deployed(tmp_path, synchronous=False) as at:
        run = await carried_out_unknown_to_the_standby(at)
        await at.fail_over()
        await until(lambda: LOST in at.told(), what="the operator is told")
        assert run in at.told().partition(LOST)[2]
        await until(partial(at.is_frozen, "massgen-bot"), what="it is frozen for every process")
        other = await at.deployment.begin(at.front, "two", 0)
        await approve(at.front, other)
        state = await state_when(
            at.front, other, lambda state: isinstance(state, s.Executing) and state.frozen_by is not None
        )
        assert isinstance(state, s.Executing)
        assert at.deployment.effects() == {"one-0": 1}
        assert await asyncio.to_thread(at.deployment.broken) == []


async def test_another_worker_leaves_the_one_that_lost_something_time_to_say_so(tmp_path: Path) -> None:
    async with deployed(tmp_path, synchronous=False) as at:
        await carried_out_unknown_to_the_standby(at)
        (first,) = at.deployment.workers
        at.deployment.start_worker()
        await until(lambda: "Worker ready" in at.told("worker-2"), what="the other worker works")
        first.send_signal(signal.SIGSTOP)
        await at.fail_over()
        await asyncio.sleep(4)
        first.send_signal(signal.SIGCONT)
        await until(partial(at.is_frozen, "massgen-bot"), what="it is frozen for every process")
        assert at.deployment.effects() == {"one-0": 1}


async def test_a_failover_that_lost_nothing_stops_nothing(tmp_path: Path) -> None:
    async with deployed(tmp_path, synchronous=True) as at:
        run = await at.deployment.begin(at.front, "one", 0, 0, is_gated=True)
        await approve(at.front, run)
        await state_when(at.front, run, lambda state: isinstance(state, s.Executing) and state.in_flight is not None)
        await at.fail_over()
        for call in at.deployment.planned[run]:
            at.deployment.open_gate(call)
        assert isinstance(await state_when(at.front, run, is_settled), s.Finished)
        kinds = [each.event.kind for each in await history(at.front, run)]
        assert kinds.count("call_started") == kinds.count("call_succeeded") == 2
        assert at.deployment.effects() == {"one-0": 1, "one-1": 1}
        assert await asyncio.to_thread(at.deployment.broken) == []


async def test_an_old_primary_that_comes_back_behind_the_address_is_known_by_what_it_lacks() -> None:
    async with log_on_both() as (primary, standby, address, log, url):
        await asyncio.to_thread(primary.stop, immediately=True)
        await asyncio.to_thread(standby.promote)
        address.switch(standby)
        await once_it_answers(log, "after")
        await asyncio.to_thread(primary.start)
        address.switch(primary)
        with pytest.raises(LogLostError, match=r"are gone: after\."):
            await once_it_answers(log, "later")
        assert not knows(primary, url, "later")


async def test_a_standby_that_is_not_promoted_yet_says_that_it_is_read_only_until_it_is() -> None:
    async with log_on_both() as (_, standby, address, log, _):
        address.switch(standby)
        with pytest.raises(DatabaseAwayError):
            await begun(log, "its connection is cut")
        for _ in range(2):
            with pytest.raises(DatabaseBlockedError, match="set DATABASE_URL to the primary if it is a standby"):
                await begun(log, "after")
        await asyncio.to_thread(standby.promote)
        await once_it_answers(log, "after")


@asynccontextmanager
async def log_on_both() -> AsyncGenerator[tuple[OwnPostgres, Standby, Address, SqlLog, str]]:
    """A primary, its standby, the address that leads to either, and a log there whose run `before` both know; its url."""
    assert PROGRAMS is not None
    async with replicated(PROGRAMS, synchronous=False) as (primary, standby, address):
        url = address.url(primary.new_database())
        await asyncio.to_thread(migrate_all, url)
        async with SqlLog.open(url, submit=submit_nothing, stop=freeze_after_loss) as log:
            await begun(log, "before")
            await until(partial(knows, standby, url, "before"), what="the standby has it")
            yield primary, standby, address, log, url


def knows(server: Postgres, url: str, run: str) -> bool:
    """Whether a server has a run."""
    with server.connect(sa.make_url(url).database or "") as connection:
        return connection.execute("SELECT 1 FROM runs WHERE run = %s", (run,)).fetchone() is not None


async def once_it_answers(log: SqlLog, run: str) -> None:
    """Begin a run as soon as that is possible."""
    while True:
        try:
            return await begun(log, run)
        except DatabaseAwayError:
            await asyncio.sleep(0.2)
