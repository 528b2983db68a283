"""How this program opens a database, and what it says when the database won't play along."""

import logging
import os
import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, LiteralString

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from coordination.errors import DatabaseAwayError, StorageError
from coordination.text import Text, template

_log = logging.getLogger(__name__)

UNPREPARED: dict[str, Any] = {"prepare_threshold": None}
"""A pooler in transaction mode gives each transaction another connection, which knows no statement of the last one."""

Purpose = Literal["write", "read", "engine"]
"""`write` and `read` begin transactions themselves; `engine` leaves that to the driver, as DBOS expects it."""

OLDEST_SQLITE = (3, 35, 0)
"""It answers writes with what it wrote (RETURNING)."""

_WITH_SUBSECONDS = (3, 42, 0)
_BUSY_TIMEOUT = "PRAGMA busy_timeout = 30000"
_FORMS = Text("sqlite:////absolute/path or postgresql+psycopg://user@host/database")


def parse_url(text: str) -> sa.URL:
    """The address of a database, with the driver that this program uses.

    Raises:
        StorageError: it is no address of SQLite or PostgreSQL. It is not repeated, for it may hold a password.
    """
    try:
        url = sa.make_url(text)
    except exc.ArgumentError:
        raise StorageError(Text("DATABASE_URL is not valid; use {forms}.", forms=_FORMS)) from None
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return url.set(drivername="sqlite", database=str(Path(url.database).absolute()))
        case "sqlite":
            raise StorageError(
                Text("DATABASE_URL names no file, but runs must outlive the program; use {forms}.", forms=_FORMS)
            )
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise StorageError(
                Text(
                    "DATABASE_URL names a database of the unsupported type {other}; use {forms}.",
                    other=other,
                    forms=_FORMS,
                )
            )


def place(url: sa.URL) -> Text:
    """A database as people know it: its file, or its name and host; never a password."""
    if url.get_backend_name() == "sqlite":
        return Text("the database file {file}", file=url.database or "")
    host = url.host or Text("the local socket")
    return Text("the database {database} at {host}", database=url.database or "", host=host)


def open_engine(url: sa.URL, purpose: Purpose, *, connections: int) -> sa.Engine:
    """A pool of connections; each is opened when it is first needed.

    The log's writer waits for the disk at each commit (synchronous FULL). DBOS need not: what it loses in a power
    failure is found again, because a job that was submitted stands in a commit of the writer.
    """
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=UNPREPARED)
    refuse_old_sqlite(sqlite3.sqlite_version_info)
    engine = sa.create_engine(url, pool_size=connections, max_overflow=0, pool_timeout=60)
    begin = {"write": "BEGIN IMMEDIATE", "read": "BEGIN", "engine": ""}[purpose]

    def prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None if begin else "IMMEDIATE"
        connection.execute(_BUSY_TIMEOUT)
        teach(connection, entry)
        connection.execute("PRAGMA foreign_keys = ON")
        if purpose != "read":
            connection.execute(f"PRAGMA synchronous = {'FULL' if purpose == 'write' else 'NORMAL'}")
            use_wal(connection)

    def start(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    def guard(*_: object) -> None:
        keep_private(Path(url.database or ""), makes=purpose != "read")

    event.listen(engine, "do_connect", guard)
    event.listen(engine, "connect", prepare)
    if begin:
        event.listen(engine, "begin", start)
    return engine


def refuse_old_sqlite(version: tuple[int, ...]) -> None:
    """Go on only with an SQLite that has what this program uses.

    Raises:
        StorageError: the one that Python was built with is older; the text says what to do instead.
    """
    if version < OLDEST_SQLITE:
        mine, oldest = (".".join(map(str, each[:2])) for each in (version, OLDEST_SQLITE))
        raise StorageError(
            Text(
                "This Python has SQLite {mine}, but massgen-bot needs {oldest} or newer: use "
                "another Python, or set DATABASE_URL to a PostgreSQL database.",
                mine=mine,
                oldest=oldest,
            )
        )


def teach(
    connection: sqlite3.Connection,
    _: ConnectionPoolEntry | None,
    version: tuple[int, ...] = sqlite3.sqlite_version_info,
) -> None:
    """Give an SQLite before 3.42 `unixepoch('subsec')`, which DBOS takes every time from on Python 3.12 and newer.

    Such an SQLite answers NULL, or has no `unixepoch` at all: no job could be written down, or claimed.
    """
    if version >= _WITH_SUBSECONDS:
        return

    def unixepoch(moment: str | float | None) -> float | int | None:
        if moment in {"subsec", "subsecond"}:
            return time.time()
        with closing(sqlite3.connect(":memory:")) as other:
            seconds: int | None = other.execute("SELECT CAST(strftime('%s', ?) AS INTEGER)", (moment,)).fetchone()[0]
            return seconds

    connection.create_function("unixepoch", 1, unixepoch)


def keep_private(file: Path, *, makes: bool) -> None:
    """Let nobody but its owner read a database file, or what SQLite keeps beside it, whatever its folder and the umask.

    A file that exists is not opened: closing it would take away the locks that SQLite has on it in this process.
    """
    with suppress(OSError):
        if makes:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for name in (file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))):
        with suppress(OSError):  # another's file, which its owner must see to; or there is none
            if name.stat().st_mode & 0o077:
                name.chmod(0o600)


def use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side. The file remembers it, so all but the first time it is a read.

    SQLite does not wait for others while it changes this, so a race between two first starts is repeated here.
    """
    for attempt in range(100):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == 99:
                raise
            connection.execute("SELECT count(*) FROM sqlite_master")
        else:
            return


@contextmanager
def plainly(url: sa.URL) -> Generator[None]:
    """Turn what the driver raises into a sentence for the operator; the driver's own words go to the program's log."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise describe_error(error, url) from error


def describe_error(error: exc.SQLAlchemyError, url: sa.URL) -> StorageError:
    """What an operator must do about a database error."""
    name, cause = place(url), getattr(error, "orig", None)
    words: LiteralString = _ANYTHING
    kind = StorageError
    sqlstate = getattr(cause, "sqlstate", None) or ""
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        words = _SQLITE.get(code, _ANYTHING)
        kind = DatabaseAwayError if code in _SQLITE_BUSY else StorageError
    elif sqlstate in _POSTGRES:
        words = _POSTGRES[sqlstate]
        kind = DatabaseAwayError if sqlstate in _POSTGRES_BUSY else StorageError
    elif isinstance(error, exc.OperationalError | exc.InterfaceError):
        words = _UNREACHABLE
        kind = StorageError if sqlstate.startswith(_REFUSES) else DatabaseAwayError
    # A sentence that sends people to the log must find something there.
    _log.log(logging.ERROR if words is _ANYTHING else logging.INFO, "the database refused", exc_info=error)
    return kind(Text(words, name=name))


def ping(url: str) -> None:
    """Ask a database that other programs may take away whether it answers; a file needs no asking.

    Raises:
        DatabaseAwayError: it does not answer now.
        StorageError: it can't be used; waiting would not help.
    """
    address = parse_url(url)
    if address.get_backend_name() == "sqlite":
        return
    engine = open_engine(address, "read", connections=1)
    try:
        with plainly(address), engine.connect() as connection:
            connection.execute(sa.select(1))
    finally:
        engine.dispose()


def require_file(url: sa.URL) -> None:
    """Make sure that a database's file is still where it was. Connections that are open would go on without it.

    Raises:
        StorageError: it was moved or deleted.
    """
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise StorageError(Text("{place:A} no longer exists.", place=place(url)))


def is_away(error: BaseException, url: sa.URL) -> bool:
    """Whether an error says no more than that the database does not answer now."""
    if isinstance(error, exc.SQLAlchemyError):
        error = describe_error(error, url)
    return isinstance(error, DatabaseAwayError)


_REFUSES = ("28", "3D")
"""Of the login, or of a database that there is none of: waiting helps neither."""

_POSTGRES_BUSY = {"53300", "25006"}
"""Too many connections, or a standby: both pass by themselves, the second when it is promoted."""

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_INCOMPLETE = template("{name:A} lacks tables of massgen-bot: run `massgen-bot migrate`.")
_UNREACHABLE = template(
    "{name:A} does not answer, or refuses the login; check that it is running, and check DATABASE_URL."
)
_ANYTHING = template(
    "{name:A} failed; the program's log says why, and `massgen-bot audit verify` checks the runs in it."
)
_FULL = template("The disk with {name} is full; free some space, then try again.")
_POSTGRES: Mapping[str, LiteralString] = {
    "42P01": _INCOMPLETE,
    "53100": _FULL,
    "55P03": template("A table of {name} is locked; end the program that holds the lock, then try again."),
    "53300": template(
        "{name:A} accepts no more connections; raise max_connections there, or put a pooler in front of it."
    ),
    "25006": template("{name:A} is a read-only standby; set DATABASE_URL to the primary."),
}
_SQLITE: Mapping[int, LiteralString] = {
    sqlite3.SQLITE_CANTOPEN: template("{name:A} can't be opened; make sure that its folder exists and is writable."),
    sqlite3.SQLITE_BUSY: template("{name:A} is locked by another program; close that program, then try again."),
    sqlite3.SQLITE_LOCKED: template("{name:A} is locked by another program; close that program, then try again."),
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: template("{name:A} is read-only; make the file and its folder writable."),
    sqlite3.SQLITE_NOTADB: template("{name:A} is not a database file; set DATABASE_URL to another file."),
    sqlite3.SQLITE_CORRUPT: template("{name:A} is damaged; replace it with a backup."),
    sqlite3.SQLITE_IOERR: template("The disk reports an error with {name}; check the disk."),
    sqlite3.SQLITE_PERM: template("{name:A} can't be opened by this user; change its owner."),
}
