"""A database that lacks what was committed there: nothing starts from what is left, and every process is told by a freeze."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.application import Overrides
from bot.chat.sql_store import freeze_after_loss
from bot.chat.sql_tables import chat_metadata
from bot.database_admin import migrate_all
from bot.log_access import thaw
from bot.machine import console_person
from coordination.domain.events import CallStarted, DeliberationStarted
from coordination.domain.transitions import evolve
from coordination.errors import LogLostError
from coordination.ports import Job
from coordination.storage.database import open_engine, parse_url
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.databases import Postgres, postgres_or_skip, sqlite_url

FREEZES = "SELECT tenant, by_name FROM scopes WHERE key = 'freeze'"


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    server: Postgres = request.getfixturevalue("server")
    made = server.new_database()
    migrate_all(made)
    return made


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[SqlLog]:
    async with SqlLog.open(url, submit=submit_nothing, others=[chat_metadata], stop=freeze_after_loss) as log:
        yield log


def behind_its_back(url: str, *statements: str) -> Sequence[sa.Row[tuple[object, ...]]]:
    engine = open_engine(parse_url(url), "write", connections=1)
    try:
        with engine.begin() as connection:
            for statement in statements[:-1]:
                connection.exec_driver_sql(statement)
            found = connection.exec_driver_sql(statements[-1])
            return found.all() if found.returns_rows else ()
    finally:
        engine.dispose()


async def begun(log: SqlLog, run: str) -> None:
    await log.append(run, 0, [a_request()], START, evolve(None, a_request(), START))


async def go_on(log: SqlLog, run: str) -> None:
    state = evolve(evolve(None, a_request(), START), DeliberationStarted(revision=1), START)
    await log.append(run, 1, [DeliberationStarted(revision=1)], START, state)


LOSE = ("DELETE FROM events WHERE run = 'B'", "DELETE FROM runs WHERE run = 'B'")
"""As on a standby that had not got the newest commit."""


async def test_the_first_write_after_a_loss_freezes_everything_and_says_which_runs_lost_something(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with opened(url) as log:
        await begun(log, "A")
        await begun(log, "B")
        behind_its_back(url, *LOSE)
        with pytest.raises(LogLostError, match=r"are gone: B\. All calls are frozen now"):
            await go_on(log, "A")
        assert behind_its_back(url, FREEZES) == [("*", "massgen-bot")]
        assert caplog.text.count("are gone: B.") == 1
        await go_on(log, "A")
        assert [each.seq for each in await log.read("A")] == [1, 2]


async def test_a_process_that_knows_of_a_loss_begins_no_call_until_it_is_restarted(url: str) -> None:
    async with opened(url) as log:
        await begun(log, "A")
        await begun(log, "B")
        behind_its_back(url, *LOSE)
        with pytest.raises(LogLostError):
            await go_on(log, "A")
        behind_its_back(url, "DELETE FROM scopes")
        start = CallStarted(index=0, server="s", tool="t", arguments="{}", digest="d", hand="h")
        with pytest.raises(LogLostError, match="restart every process"):
            await log.append("A", 1, [start], START, evolve(None, a_request(), START))
    async with opened(url) as log:
        await go_on(log, "A")


LEGITIMATE: Sequence[Callable[[str], object]] = (
    lambda url: None,
    lambda url: behind_its_back(
        url, "INSERT INTO pruned_runs SELECT run, seq, head, updated_at FROM runs WHERE run = 'B'", *LOSE
    ),
)


@pytest.mark.parametrize("happens", LEGITIMATE, ids=["nothing", "the operator removes the run"])
async def test_what_is_there_or_was_removed_on_purpose_is_no_loss(happens: Callable[[str], object], url: str) -> None:
    async with opened(url) as log:
        await begun(log, "A")
        await begun(log, "B")
        happens(url)
        await go_on(log, "A")
        assert behind_its_back(url, FREEZES) == []


async def test_a_freeze_that_a_person_set_stays_theirs(url: str) -> None:
    async with opened(url) as log:
        await begun(log, "A")
        await begun(log, "B")
        behind_its_back(
            url,
            "INSERT INTO scopes (tenant, channel, key, value, by, by_name, at)"
            " VALUES ('*', '', 'freeze', 'on', 'uid:1', 'Mara', '2026-11-29T12:00:00.000000+00:00')",
            *LOSE,
        )
        with pytest.raises(LogLostError):
            await go_on(log, "A")
    assert behind_its_back(url, FREEZES) == [("*", "Mara")]


async def test_who_finds_out_by_a_run_that_ends_too_soon_has_everything_frozen_too(url: str) -> None:
    async with opened(url) as log:
        await begun(log, "A")
        await log.stop_calls()
    assert behind_its_back(url, FREEZES) == [("*", "massgen-bot")]


async def test_the_operators_thaw_undoes_it_and_the_audit_has_both(url: str) -> None:
    async with opened(url) as log:
        await begun(log, "A")
        await log.stop_calls()
        await log.stop_calls()
    assert await thaw(url, Overrides(), "", console_person()) == 0
    assert behind_its_back(url, FREEZES) == []
    assert [row[0] for row in behind_its_back(url, "SELECT what FROM deeds ORDER BY number")] == [
        "set freeze",
        "reset freeze",
    ]
