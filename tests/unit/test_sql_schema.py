"""A database has the tables of this program, or a person hears what to do about it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine.interfaces import ReflectedIndex

from bot.chat.sql_tables import chat_metadata
from coordination.domain.transitions import evolve
from coordination.errors import StorageError
from coordination.ports import Job
from coordination.storage.database import describe_error, open_engine, parse_url
from coordination.storage.schema import VERSION_TABLE, VERSIONS, migrate, prepare
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.databases import sqlite_url


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


def make_at_once(url: str, *others: sa.MetaData) -> None:
    engine = open_engine(parse_url(url), "write", connections=1)
    prepare(engine, *others)
    engine.dispose()


def statements(url: str, statement: str, *parameters: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute(statement, parameters)


def _texts(index: ReflectedIndex) -> dict[str, str]:
    """The conditions of an index over some rows, to be compared."""
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


def shape(url: str) -> dict[str, object]:
    """All that a database says of its tables."""
    engine = open_engine(parse_url(url), "read", connections=1)
    inspector = sa.inspect(engine)
    shapes: dict[str, object] = {
        table: (
            [{**column, "type": repr(column["type"])} for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table),
            [{**each, "dialect_options": _texts(each)} for each in inspector.get_indexes(table)],
            inspector.get_unique_constraints(table),
            inspector.get_foreign_keys(table),
        )
        for table in inspector.get_table_names()
    }
    with engine.connect() as connection:
        shapes["version"] = connection.execute(sa.text(f"SELECT * FROM {VERSION_TABLE}")).scalars().all()
    engine.dispose()
    return shapes


async def use(url: str) -> int:
    """Begin a run; returns how many there are."""
    async with SqlLog.open(url, submit=submit_nothing) as log:
        count = len(await log.runs())
        await log.append(f"R{count}", 0, [a_request()], START, evolve(None, a_request(), START))
        return len(await log.runs())


def test_tables_made_at_once_are_those_that_the_migrations_make(tmp_path: Path) -> None:
    at_once, step_by_step = sqlite_url(tmp_path, "at_once"), sqlite_url(tmp_path, "step_by_step")
    make_at_once(at_once, chat_metadata)
    migrate(step_by_step)
    assert shape(at_once) == shape(step_by_step)


def test_a_file_that_lacks_the_tables_of_the_chats_gets_them_when_they_are_needed(tmp_path: Path) -> None:
    grown, at_once = sqlite_url(tmp_path, "grown"), sqlite_url(tmp_path, "at_once")
    make_at_once(grown)
    make_at_once(grown, chat_metadata)
    make_at_once(at_once, chat_metadata)
    assert shape(grown) == shape(at_once)


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    migrate(url)
    before = shape(url)
    migrate(url)
    assert shape(url) == before


def test_a_migrated_database_is_used_as_it_is(tmp_path: Path) -> None:
    migrate(sqlite_url(tmp_path))
    assert asyncio.run(use(sqlite_url(tmp_path))) == 1
    migrate(sqlite_url(tmp_path))
    assert asyncio.run(use(sqlite_url(tmp_path))) == 2


def test_every_revision_has_its_migration_in_order() -> None:
    folder = Path(__file__).parents[2] / "coordination/storage/migrations/versions"
    assert [path.name[1:5] for path in sorted(folder.glob("v*.py"))] == list(VERSIONS)


def test_an_older_database_asks_to_be_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = sqlite_url(tmp_path)
    migrate(url)
    monkeypatch.setattr("coordination.storage.schema.VERSIONS", (*VERSIONS, "9999"))
    with pytest.raises(StorageError, match="run `massgen-bot migrate`"):
        asyncio.run(use(url))


def test_a_newer_database_asks_for_a_newer_program(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    migrate(url)
    statements(url, "UPDATE massgen_bot_version SET version_num = ?", "9999")
    statements(url, "UPDATE installation SET value = ? WHERE name = 'fits_from'", "9999")
    with pytest.raises(StorageError, match="upgrade this program"):
        asyncio.run(use(url))
    with pytest.raises(StorageError, match="upgrade this program"):
        migrate(url)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    statements(url, "CREATE TABLE events (id INTEGER)")
    with pytest.raises(StorageError, match="set DATABASE_URL to another database"):
        asyncio.run(use(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me:secret@host/db", "type mysql"),
        ("not an address with secret", "is not valid"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_can_not_serve_says_what_to_write(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        parse_url(url)
    assert "postgresql+psycopg://" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_every_spelling_of_postgresql_gets_the_driver_that_is_installed(scheme: str) -> None:
    assert parse_url(f"{scheme}://me@host/db").drivername == "postgresql+psycopg"


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(StorageError, match="The database massgen at localhost does not answer") as caught:
        asyncio.run(use("postgresql://me:secret@localhost:1/massgen"))
    assert "secret" not in str(caught.value)


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="make sure that its folder exists"):
        asyncio.run(use(sqlite_url(tmp_path / "nowhere")))


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").write_bytes(b"GIF89a" * 1000)
    with pytest.raises(StorageError, match="is not a database file"):
        asyncio.run(use(sqlite_url(tmp_path)))


def test_a_file_that_another_program_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordination.storage.database._BUSY_TIMEOUT", "PRAGMA busy_timeout = 50")
    url = sqlite_url(tmp_path)
    migrate(url)
    with closing(sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="is locked by another program"):
            asyncio.run(use(url))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "is full; free some space"),
        (sqlite3.SQLITE_READONLY, "is read-only"),
        (sqlite3.SQLITE_CORRUPT, "is damaged"),
        (sqlite3.SQLITE_IOERR_FSYNC, "reports an error"),
        (sqlite3.SQLITE_PERM, "can't be opened by this user"),
        (sqlite3.SQLITE_TOOBIG, "the program's log says why"),
    ],
)
def test_what_sqlite_refuses_is_told_by_what_to_do(code: int, words: str) -> None:
    cause = sqlite3.OperationalError("the driver's own words")
    cause.sqlite_errorcode = code
    text = str(describe_error(exc.OperationalError("INSERT", {}, cause), parse_url("sqlite:////srv/log.sqlite")))
    assert words in text
    assert "/srv/log.sqlite" in text
    assert "own words" not in text
