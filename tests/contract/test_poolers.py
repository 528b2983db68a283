"""PostgreSQL behind a pooler that shares connections by transactions, and other databases that are not what they seem."""

import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from coordination.domain.transitions import evolve
from coordination.engine import dbos_engine
from coordination.engine.dbos_engine import DbosEngine
from coordination.errors import DatabaseAwayError, DatabaseBlockedError, StorageError
from coordination.storage import schema
from coordination.storage.database import describe_error, parse_url
from coordination.storage.overview import DatabaseWatch
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.contract.engines import Hands, a_job, open_quick
from tests.databases import Postgres, postgres_or_skip, sqlite_url
from tests.servers.transaction_pooler import pgbouncer, pgbouncer_before, transaction_pooler


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture
def direct(server: Postgres) -> str:
    url = server.new_database()
    schema.migrate(url)
    dbos_engine.migrate(url)
    return url


@pytest.fixture(params=["stand-in", "pgbouncer"])
def pooled(request: pytest.FixtureRequest, direct: str, tmp_path: Path) -> Generator[str]:
    url = sa.make_url(direct)
    folder, database = url.query["host"], url.database or ""
    assert isinstance(folder, str)
    if request.param == "stand-in":
        with transaction_pooler(Path(folder), database) as pooler:
            yield f"postgresql://postgres@127.0.0.1:{pooler.port}/{database}"
    elif (program := pgbouncer()) is None:
        pytest.skip("PgBouncer is not installed here; its stand-in was tried")
    else:
        with (
            tempfile.TemporaryDirectory() as readable,
            pgbouncer_before(program, Path(folder), database, Path(readable) / "pgbouncer.ini") as port,
        ):
            Path(readable).chmod(0o755)
            yield f"postgresql://postgres@127.0.0.1:{port}/{database}"


async def test_a_worker_does_not_begin_where_locks_would_be_lost(pooled: str) -> None:
    async with open_quick(pooled) as engine:
        with pytest.raises(StorageError, match="DATABASE_DIRECT_URL"):
            async with engine.running(Hands().perform):
                pass


async def test_a_worker_works_through_a_pooler_with_its_locks_past_it(pooled: str, direct: str) -> None:
    hands = Hands()
    async with (
        DbosEngine.open(pooled, direct=direct, poll_interval=0.1, rounds_interval=0.2) as engine,
        SqlLog.open(pooled, submit=engine.submit, submitted=engine.wake, direct=direct) as log,
        engine.running(hands.perform),
    ):
        for number in range(8):  # The driver would prepare what it has seen five times.
            run, state = f"A{number}", evolve(None, a_request(), START)
            await log.append(run, 0, [a_request()], START, state, a_job(run))
        await hands.until(lambda: len(hands.done) == 8)


def test_who_watches_health_prepares_no_statement_that_a_pooler_would_lose(pooled: str) -> None:
    watch = DatabaseWatch(pooled)
    try:
        with watch._connected() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            assert driver.prepare_threshold is None
    finally:
        watch.close()


@pytest.mark.parametrize(
    ("error", "words", "kind"),
    [
        (psycopg.errors.DiskFull(), "The disk with the database log at db is full;", DatabaseBlockedError),
        (psycopg.errors.TooManyConnections(), "accepts no more connections", DatabaseBlockedError),
        (
            psycopg.errors.ReadOnlySqlTransaction(),
            "is read-only: set DATABASE_URL to the primary",
            DatabaseBlockedError,
        ),
        (psycopg.errors.AdminShutdown(), "does not answer", DatabaseAwayError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_server_says_gets_the_sentence_that_helps(
    error: Exception, words: str, kind: type[StorageError]
) -> None:
    told = describe_error(exc.OperationalError("INSERT", {}, error), parse_url("postgresql://u@db/log"))
    assert words in str(told)
    assert type(told) is kind


async def test_tables_that_a_newer_dbos_made_are_not_written_to(direct: str, tmp_path: Path) -> None:
    database = sa.create_engine(parse_url(direct))
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE dbos.dbos_migrations SET version = version + 1"))
    database.dispose()
    async with open_quick(sqlite_url(tmp_path)):
        pass
    with closing(sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)) as file:
        file.execute("UPDATE dbos_migrations SET version = version + 1")
    for url in (direct, sqlite_url(tmp_path)):
        async with open_quick(url) as engine:
            with pytest.raises(StorageError, match="A newer massgen-bot has written"):
                async with engine.running(Hands().perform):
                    pass


async def test_a_file_that_is_deleted_under_a_running_worker_is_noticed(tmp_path: Path) -> None:
    async with open_quick(sqlite_url(tmp_path)) as engine, engine.running(Hands().perform):
        (tmp_path / "log.sqlite").unlink()
        with pytest.raises(StorageError, match=r"The database file .* no longer exists"):
            await engine.stuck(0.5)
