"""What a database refuses for a while, or until its operator acts: it is waited for, and said what to do."""

import errno
import fcntl
import logging
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordination.errors import DatabaseAwayError, DatabaseBlockedError, StorageError
from coordination.ports import Job
from coordination.storage.database import Purpose, open_engine, parse_url, plainly
from coordination.storage.schema import migrate
from coordination.storage.sql_run_log import SqlLog
from coordination.storage.worker_leases import AdvisoryLocks, FileLocks
from tests.contract.chat_stores import begun
from tests.databases import OwnPostgres, Postgres, own_server, postgres_or_skip, postgres_programs, sqlite_url


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


def run(url: str, *statements: str, pause: float = 0.0) -> None:
    """Statements in one transaction, with a pause before the last one."""
    engine = open_engine(parse_url(url), "write", connections=1)
    try:
        with plainly(engine.url), engine.begin() as connection:
            for statement in statements[:-1]:
                connection.exec_driver_sql(statement)
            time.sleep(pause)  # noqa: TID251 - no event loop runs here
            connection.exec_driver_sql(statements[-1])
    finally:
        engine.dispose()


LIMITS = [
    ("canceled a statement that took too long", 0.0, "SET statement_timeout = 20", "SELECT pg_sleep(2)"),
    ("ended a transaction that took too long", 0.3, "SET idle_in_transaction_session_timeout = 20", "SELECT 1"),
    ("is read-only", 0.0, "SET TRANSACTION READ ONLY", "CREATE TABLE a (b int)"),
    ("A table of", 0.0, "SET lock_timeout = 20", "SELECT * FROM held"),
    ("is full", 0.0, "SELECT 1", "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$"),
    ("is out of memory", 0.0, "SELECT 1", "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53200'; END $$"),
]


@pytest.mark.parametrize(("words", "pause", "setting", "statement"), LIMITS, ids=lambda value: str(value)[:12])
def test_what_an_administrator_limits_is_waited_for_and_said(
    words: str, pause: float, setting: str, statement: str, server: Postgres
) -> None:
    url = server.new_database()
    run(url, "CREATE TABLE held (a int)")
    with server.connect(sa.make_url(url).database or "") as holder, holder.transaction(force_rollback=True):
        holder.execute("LOCK TABLE held")
        with pytest.raises(DatabaseAwayError, match=words):
            run(url, setting, statement, pause=pause)


CONDITIONS = [
    ("accepts no more connections", "ALTER DATABASE {name} CONNECTION LIMIT 0"),
    ("refuses the login", "ALTER ROLE {name} NOLOGIN"),
    ("does not exist, or is closed", "ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
    ("does not exist, or is closed", "DROP DATABASE {name}"),
    ("refuses the login", "ALTER DATABASE {name} OWNER TO postgres; DROP OWNED BY {name}; DROP ROLE {name}"),
]


@pytest.mark.parametrize(("words", "condition"), CONDITIONS)
def test_a_server_that_lets_nobody_in_is_waited_for_and_said(words: str, condition: str, server: Postgres) -> None:
    url = sa.make_url(server.new_database())
    name = url.database or ""
    with server.connect() as operator:
        for order in ("CREATE ROLE {name} LOGIN", "ALTER DATABASE {name} OWNER TO {name}", *condition.split("; ")):
            operator.execute(order.format(name=name).encode())
    with pytest.raises(DatabaseBlockedError, match=words):
        run(url.set(username=name).render_as_string(), "SELECT 1")


async def test_a_password_that_was_changed_is_said_and_what_waits_is_written_once_it_is_right_again() -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with own_server(programs) as server:
        database = sa.make_url(server.new_database())
        with server.connect() as operator:
            operator.execute("CREATE ROLE app LOGIN PASSWORD 'old'")
            operator.execute(f"ALTER DATABASE {database.database} OWNER TO app".encode())
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all app scram-sha-256\n{rules.read_text()}")
        server.stop()
        server.start()
        url = database.set(username="app", password="old").render_as_string(hide_password=False)
        migrate(url)
        async with SqlLog.open(url, submit=submit_nothing) as log:
            await begun(log, "R1")
            change_password(server, "new")
            with pytest.raises(DatabaseBlockedError, match="refuses the login; check the user and password"):
                await begun(log, "R2")
            change_password(server, "old")
            await begun(log, "R2")


def change_password(server: OwnPostgres, word: str) -> None:
    """And restart, so that nobody is logged in any more."""
    with server.connect() as operator:
        operator.execute(f"ALTER ROLE app PASSWORD '{word}'".encode())
    server.stop()
    server.start()


def test_a_server_that_ends_idle_connections_is_told_so(server: Postgres) -> None:
    locks = AdvisoryLocks(parse_url(server.new_database()))
    try:
        locks.run(sa.select(sa.func.set_config("idle_session_timeout", "20ms", False)))
        time.sleep(0.3)  # noqa: TID251 - no event loop runs here
        with pytest.raises(DatabaseAwayError, match="raise idle_session_timeout"):
            locks.run(sa.select(1))
        assert locks.run(sa.select(1)) == [(1,)]
    finally:
        locks.close()


async def test_a_database_restored_under_a_running_program_is_not_written_to(server: Postgres) -> None:
    url = server.new_database()
    name = sa.make_url(url).database or ""
    migrate(url)
    backup = sa.make_url(server.new_database(like=name)).database
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await begun(log, "R1")
        with server.connect() as operator:
            operator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            operator.execute(f"CREATE DATABASE {name} TEMPLATE {backup}".encode())
        with pytest.raises(DatabaseBlockedError, match="was replaced while this program was running"):
            await begun(log, "R3")
    async with SqlLog.open(url, submit=submit_nothing) as restored:
        assert await restored.runs() == []
        await begun(restored, "R4")


def moved(file: Path) -> None:
    shutil.copy(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def without_wal(file: Path) -> None:
    file.with_name(f"{file.name}-wal").unlink()


@pytest.mark.parametrize("happens", [moved, without_wal, Path.unlink])
async def test_nothing_is_committed_to_a_file_that_nobody_finds_again(
    happens: Callable[[Path], None], tmp_path: Path
) -> None:
    async with SqlLog.open(sqlite_url(tmp_path), submit=submit_nothing) as log:
        await begun(log, "R1")
        await begun(log, "R2")
        happens(tmp_path / "log.sqlite")
        with pytest.raises(DatabaseBlockedError, match="was replaced while this program was running"):
            await begun(log, "R3")


@pytest.mark.parametrize("purpose", ["write", "read", "engine"])
def test_no_connection_makes_an_empty_file_in_the_place_of_one_that_was_deleted(
    purpose: Purpose, tmp_path: Path
) -> None:
    """Whoever starts then would take it for a new installation."""
    migrate(sqlite_url(tmp_path))
    engine = open_engine(parse_url(sqlite_url(tmp_path)), purpose, connections=2)
    with engine.connect():
        (tmp_path / "log.sqlite").unlink()
        with pytest.raises(DatabaseBlockedError, match="was replaced while this program was running"):
            engine.connect()
    engine.dispose()
    assert not (tmp_path / "log.sqlite").exists()


async def test_a_full_disk_is_waited_for_and_the_operator_reads_it_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with SqlLog.open(sqlite_url(tmp_path), submit=submit_nothing) as log:
        await begun(log, "R1")

        def limit(connection: sa.Connection) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        await log._writer.run(limit)
        caplog.set_level(logging.WARNING)
        for number in range(100):
            with suppress(DatabaseBlockedError):
                await begun(log, f"F{number}", prompt="x" * 3000)
        with pytest.raises(DatabaseBlockedError, match="is full; free some space"):
            await begun(log, "F", prompt="x" * 9000)
        assert caplog.text.count("is full; free some space") == 1


def test_a_folder_whose_files_can_not_be_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(handle: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    locks = FileLocks(open_engine(parse_url(sqlite_url(tmp_path)), "read", connections=1))
    with pytest.raises(StorageError, match="can't be locked; put the database on a local disk"):
        locks.lock(0)


def test_no_room_for_a_lock_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(*_: Any) -> int:  # noqa: ANN401 - whatever it is opened with
        raise OSError(errno.ENOSPC, "No space left on device")

    locks = FileLocks(open_engine(parse_url(sqlite_url(tmp_path)), "read", connections=1))
    monkeypatch.setattr("os.open", is_full)
    with pytest.raises(DatabaseBlockedError, match="is full"):
        locks.lock(0)
