"""How this program opens a database, and what it says when the database won't play along."""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, LiteralString, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from coordination.errors import DatabaseAwayError, DatabaseBlockedError, StorageError
from coordination.text import Text, template

_log = logging.getLogger(__name__)

_CONNECTION: Mapping[str, object] = {
    # A pooler in transaction mode gives each transaction another connection, which knows no statement of the last one.
    "prepare_threshold": None,
    # Both ends learn within half a minute that the other's machine is gone; the server then frees its locks. The
    # system's own limits are a quarter of an hour, and two hours where an answer is waited for.
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def connection_arguments(url: sa.URL) -> dict[str, Any]:
    """What every connection to PostgreSQL is made with; whatever the address says of it goes before."""
    return {name: value for name, value in _CONNECTION.items() if name not in url.query}


Purpose = Literal["write", "read", "engine"]
"""`write` and `read` begin transactions themselves; `engine` leaves that to the driver, as DBOS expects it."""

OLDEST_SQLITE = (3, 35, 0)
"""It answers writes with what it wrote (RETURNING)."""

_WITH_SUBSECONDS = (3, 42, 0)
_ROOM = 64 * 1024
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
        server = sa.create_engine(
            url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=connection_arguments(url)
        )
        notice_another_database(server)
        event.listen(server, "connect", _note_warnings)
        return server
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
            connection.execute("PRAGMA fullfsync = ON")  # macOS else leaves it in the drive's own memory.
            use_wal(connection)
        entry.info["files"] = _SameFiles(url, with_wal=purpose == "write")

    def start(connection: sa.Connection) -> None:
        connection.info["files"].check()
        connection.exec_driver_sql(begin)

    event.listen(engine, "do_connect", _FileGuard(url, makes=purpose != "read"))
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


class _FileGuard:
    """Keeps a file private, and makes none where one was deleted: it would be taken for a new installation."""

    def __init__(self, url: sa.URL, *, makes: bool) -> None:
        self._url = url
        self._makes = makes
        self._was_there = False

    def __call__(self, *_: object) -> None:
        """Before each connection.

        Raises:
            DatabaseBlockedError: the file was there, and is not any more.
        """
        file = Path(self._url.database or "")
        if self._was_there and not file.exists():
            raise _told(DatabaseBlockedError(Text(_REPLACED, name=place(self._url))))
        keep_private(file, makes=self._makes)
        self._was_there = file.exists()


class _SameFiles:
    """Notices that a file which a connection has open is no longer the one of its name.

    SQLite does not: what it commits is gone with the file that was moved or deleted, and nobody else ever sees it.
    """

    def __init__(self, url: sa.URL, *, with_wal: bool) -> None:
        """`with_wal`: the connection has opened the `-wal` file too, which exists from then on."""
        file = Path(url.database or "")
        self._url = url
        self._seen: dict[Path, tuple[int, int]] = {}
        self._files = [file, file.with_name(f"{file.name}-wal")] if with_wal else [file]

    def check(self) -> None:
        """Compare with what was there when it was last asked.

        Raises:
            DatabaseBlockedError: it is another file.
        """
        for file in self._files:
            try:
                found = file.stat()
                seen = (found.st_dev, found.st_ino)
            except OSError:
                seen = None
            if seen is not None:
                self._seen.setdefault(file, seen)
            if self._seen.get(file) != seen:
                raise _told(DatabaseBlockedError(Text(_REPLACED, name=place(self._url))))


def notice_another_database(engine: sa.Engine) -> None:
    """Let no connection of an engine of PostgreSQL lead to another database than the first one did."""
    event.listen(engine, "connect", _SameDatabase(engine.url))


class _SameDatabase:
    """Notices that a server has another database under the name than the one that was first used here.

    One that was dropped and restored from a backup does not know what was done since: what was approved would be
    done again, without a word of anybody.
    """

    def __init__(self, url: sa.URL) -> None:
        self._url = url
        self._first: object = None

    def __call__(self, connection: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - the driver's own
        """Look at a new connection.

        Raises:
            DatabaseBlockedError: it is another database.
        """
        del entry
        found = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
        connection.rollback()
        self._first = self._first or found
        if found != self._first:
            connection.close()
            raise _told(DatabaseBlockedError(Text(_REPLACED, name=place(self._url))))


def _note_warnings(connection: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - the driver's own
    """Keep in mind what a server warns of: that it does not wait for its standby any more, it says in no other way."""

    def heard(notice: Any) -> None:  # noqa: ANN401 - the driver's own
        if notice.severity_nonlocalized == "WARNING":
            entry.info["is_warned"] = True

    connection.add_notice_handler(heard)


def forget_warnings(connection: sa.Connection) -> None:
    """Listen for warnings from here on."""
    connection.info.pop("is_warned", None)


def was_warned(connection: sa.Connection) -> bool:
    """Whether there was one since."""
    return "is_warned" in connection.info


def write_something(connection: sa.Connection) -> bool:
    """Have a transaction write: only then is its commit replicated, and all before it. False: this is a standby."""
    if connection.dialect.name != "postgresql":
        return True
    return connection.exec_driver_sql(_WRITE_SOMETHING).scalar() is not None


def unconfirmed(url: sa.URL) -> DatabaseBlockedError:
    """What an operator must do where a commit has no end, or none that counts."""
    return _told(DatabaseBlockedError(Text(_UNCONFIRMED, name=place(url))))


@contextmanager
def plainly(url: sa.URL) -> Generator[None]:
    """Turn what the driver raises into a sentence for the operator; the driver's own words go to the program's log."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise describe_error(error, url) from error


def describe_error(error: exc.SQLAlchemyError, url: sa.URL) -> StorageError:
    """What an operator must do about a database error."""
    words, kind = _words_for(error, url)
    # A sentence that sends people to the log must find something there.
    _log.log(logging.ERROR if words is _ANYTHING else logging.INFO, "the database refused", exc_info=error)
    return _told(kind(Text(words, name=place(url))))


def _words_for(error: exc.SQLAlchemyError, url: sa.URL) -> "_Meaning":
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        # Of the files beside the database, SQLite only says that it can't make them, or can't make them longer.
        is_full = code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN} and _has_no_room(Path(url.database or ""))
        return _SQLITE.get(sqlite3.SQLITE_FULL if is_full else code, (_ANYTHING, StorageError))
    if (known := _POSTGRES.get(getattr(cause, "sqlstate", None) or "")) is not None:
        return known
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        answer = str(cause)
        return next((meaning for pattern, meaning in _REFUSALS if pattern.search(answer)), _AWAY)
    return _ANYTHING, StorageError


def _has_no_room(file: Path) -> bool:
    """Whether the disk of a file has no place for what SQLite keeps beside it, or for one more file."""
    try:
        disk = os.statvfs(file.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _ROOM or (disk.f_files > 0 and disk.f_favail == 0)


def disk_full(url: sa.URL) -> DatabaseBlockedError:
    """What an operator must do where there is no room for what the database needs beside it."""
    return _told(DatabaseBlockedError(Text(_FULL, name=place(url))))


_WRITE_SOMETHING = (
    "SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_logical_emit_message(true, 'massgen-bot', '')::text END"
)
_TOLD_EVERY = 60.0
_told_at: dict[str, float] = {}


_Error = TypeVar("_Error", bound=StorageError)


def _told(error: _Error) -> _Error:
    """Tell the operator in the log, once a minute, what only they can change, while everybody waits for it."""
    now, words = time.monotonic(), str(error)
    if isinstance(error, DatabaseBlockedError) and now - _told_at.get(words, -_TOLD_EVERY) >= _TOLD_EVERY:
        _told_at[words] = now
        _log.warning("%s Until then, what can't be written is held and tried again.", words)
    return error


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


_INCOMPLETE = template("{name:A} lacks tables of massgen-bot: run `massgen-bot migrate`.")
_UNREACHABLE = template(
    "{name:A} does not answer, or refuses the login; check that it is running, and check DATABASE_URL."
)
_ANYTHING = template(
    "{name:A} failed; the program's log says why, and `massgen-bot audit verify` checks the runs in it."
)
_FULL = template("The disk with {name} is full; free some space, then try again.")
_UNCONFIRMED = template(
    "{name:A} does not confirm a commit: if it is replicated synchronously, make sure that its standby is connected; "
    "otherwise end the program that holds a lock there."
)
_REPLACED = template(
    "{name:A} was replaced while this program was running, perhaps by a backup: stop every process of "
    "massgen-bot, then follow `massgen-bot docs operations`."
)
_IDLE = template(
    "{name:A} ended a connection that was idle; raise idle_session_timeout for its user there to an hour or more."
)
_TOO_SLOW = template(
    "{name:A} ended a transaction that took too long; raise idle_in_transaction_session_timeout for its user there."
)
_LOCKED = template("{name:A} is locked by another program; close that program, then try again.")
_TOO_MANY = template(
    "{name:A} accepts no more connections; raise max_connections there, or put a pooler in front of it."
)
_Meaning: TypeAlias = tuple[LiteralString, type[StorageError]]
_AWAY: _Meaning = (_UNREACHABLE, DatabaseAwayError)
_POSTGRES: Mapping[str, _Meaning] = {
    "42P01": (_INCOMPLETE, StorageError),
    "53100": (_FULL, DatabaseBlockedError),
    "53200": (template("{name:A} is out of memory; give its server more."), DatabaseBlockedError),
    "53300": (_TOO_MANY, DatabaseBlockedError),
    "55P03": (
        template("A table of {name} is locked; end the program that holds the lock, then try again."),
        DatabaseAwayError,
    ),
    "57014": (
        template("{name:A} canceled a statement that took too long; raise statement_timeout for its user there."),
        DatabaseAwayError,
    ),
    "25006": (
        template(
            "{name:A} is read-only: set DATABASE_URL to the primary if it is a standby, otherwise make it writable."
        ),
        DatabaseBlockedError,
    ),
    "57P05": (_IDLE, DatabaseAwayError),
    "25P03": (_TOO_SLOW, DatabaseAwayError),
    "25P04": (_TOO_SLOW, DatabaseAwayError),
}
_REFUSALS: Sequence[tuple[re.Pattern[str], _Meaning]] = (
    (re.compile("too many (clients|connections)|remaining connection slots"), (_TOO_MANY, DatabaseBlockedError)),
    (
        re.compile("authentication failed|no password|no pg_hba.conf entry|not permitted to log in|role .* not exist"),
        (template("{name:A} refuses the login; check the user and password in DATABASE_URL."), DatabaseBlockedError),
    ),
    (
        re.compile("database .* (does not exist|not currently accepting)"),
        (template("{name:A} does not exist, or is closed; create it, or set DATABASE_URL."), DatabaseBlockedError),
    ),
)
"""What a server says before there is a connection comes without a code, and in its own language: else `_AWAY`."""

_SQLITE: Mapping[int, _Meaning] = {
    sqlite3.SQLITE_CANTOPEN: (
        template("{name:A} can't be opened; make sure that its folder exists and is writable."),
        StorageError,
    ),
    sqlite3.SQLITE_BUSY: (_LOCKED, DatabaseAwayError),
    sqlite3.SQLITE_LOCKED: (_LOCKED, DatabaseAwayError),
    sqlite3.SQLITE_FULL: (_FULL, DatabaseBlockedError),
    sqlite3.SQLITE_READONLY: (
        template("{name:A} is read-only; make the file and its folder writable."),
        StorageError,
    ),
    sqlite3.SQLITE_NOTADB: (
        template("{name:A} is not a database file; set DATABASE_URL to another file."),
        StorageError,
    ),
    sqlite3.SQLITE_CORRUPT: (template("{name:A} is damaged; replace it with a backup."), StorageError),
    sqlite3.SQLITE_IOERR: (template("The disk reports an error with {name}; check the disk."), StorageError),
    sqlite3.SQLITE_PERM: (template("{name:A} can't be opened by this user; change its owner."), StorageError),
}
