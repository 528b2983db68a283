"""A PostgreSQL server and its standby behind one address, which somebody switches from one to the other."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread

import sqlalchemy as sa
from typing_extensions import override

from tests.databases import OwnPostgres, Postgres, own_server

STANDBY = "standby"
"""What the primary calls it in `synchronous_standby_names`."""


def copier(programs: Path) -> str | None:
    """`pg_basebackup`, which may be installed elsewhere than the server."""
    return shutil.which("pg_basebackup", path=os.pathsep.join((str(programs), os.environ.get("PATH", ""))))


class Standby(OwnPostgres):
    """A copy of a server that is told of everything which is written there, until it is promoted."""

    def __init__(self, programs: Path, folder: Path, primary: OwnPostgres) -> None:
        self._primary = primary
        super().__init__(programs, folder)

    @override
    def making(self) -> list[str]:
        source = f"host={self._primary.folder} user=postgres application_name={STANDBY}"
        copy = [str(copier(self._programs)), "-D", str(self.folder / "data"), "-d", source]
        return [*copy, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]

    def fall_behind(self) -> None:
        """Be told of nothing more."""
        with self.connect() as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
            found: tuple[object, ...] | None = (1,)
            while found:
                found = connection.execute("SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL").fetchone()

    def promote(self) -> None:
        """Serve as the primary from now on."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote()")


def wait_for_standby(primary: Postgres, is_there: Callable[[str], bool]) -> None:
    """Wait until the primary says of its standby what is wanted: `async` or `sync`; nothing where there is none."""
    with primary.connect() as connection:
        while True:
            found = connection.execute("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")
            if is_there("".join(str(row[0]) for row in found)):
                return
            connection.execute("SELECT pg_sleep(0.05)")


def be_synchronous(primary: Postgres) -> None:
    """Let a commit return only when the standby has it too."""
    with primary.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'".encode())
        connection.execute("SELECT pg_reload_conf()")
    wait_for_standby(primary, lambda state: state == "sync")


def be_asynchronous(primary: Postgres) -> None:
    """Let commits wait for nobody any more."""
    with primary.connect() as connection:
        connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        connection.execute("SELECT pg_reload_conf()")


class Address:
    """A port on loopback that leads to one server at a time, as a virtual address or a proxy of TCP does."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = Event()
        self.port = 0

    @classmethod
    @contextmanager
    def opened(cls, server: Postgres) -> "Generator[Address]":
        """The address, which leads to a server until it is switched."""
        address = cls(server)
        thread = Thread(target=lambda: asyncio.run(address._serve()), daemon=True)
        thread.start()
        address._is_open.wait()
        try:
            yield address
        finally:
            address._loop.call_soon_threadsafe(address._ending.set)
            thread.join()

    async def _serve(self) -> None:
        """In a loop of its own: what is tested may block the test's."""
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        self._is_open.set()
        await self._ending.wait()
        listening.close()
        self._cut()

    def url(self, database: str) -> str:
        """What a program is given."""
        name = sa.make_url(database).database
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def switch(self, server: Postgres) -> None:
        """Cut all connections; new ones lead to another server."""
        self._server = server
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError):
                there, back = await asyncio.open_unix_connection(str(self._server.folder / ".s.PGSQL.5432"))
                try:
                    ways = [asyncio.ensure_future(_pour(*way)) for way in ((reader, back), (there, writer))]
                    try:
                        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for way in ways:
                            way.cancel()
                finally:
                    back.close()
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def _pour(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            to.write(data)
            await to.drain()


@asynccontextmanager
async def replicated(programs: Path, *, synchronous: bool) -> "AsyncGenerator[tuple[OwnPostgres, Standby, Address]]":
    """A primary, its standby, and the address of the primary."""
    with own_server(programs) as primary, own_server(programs, partial(Standby, primary=primary)) as standby:
        assert isinstance(standby, Standby)
        await asyncio.to_thread(wait_for_standby, primary, bool)
        if synchronous:
            await asyncio.to_thread(be_synchronous, primary)
        with Address.opened(primary) as address:
            yield primary, standby, address
