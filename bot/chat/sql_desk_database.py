"""The front office's own way into the database: one thread that writes, a few that read."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.chat.sql_desk_schema import desk_metadata
from bot.chat.sql_desk_turn import keeping_as
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.group_commit import GroupCommit
from coordination.storage.schema import prepare
from coordination.storage.worker_leases import require_hold

_READERS = 2
_Result = TypeVar("_Result")


class DeskDatabase:
    """Belongs to the event loop that it is opened in."""

    def __init__(self, url: sa.URL) -> None:
        """Use `open`, which also checks the tables and closes everything."""
        self.url = url
        self.insert = sqlite.insert if url.get_backend_name() == "sqlite" else postgresql.insert
        self._writing = open_engine(url, "write", connections=1)
        self._reading = open_engine(url, "read", connections=_READERS)
        self._writer = GroupCommit(self._writing)
        self._readers = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="desk-reader")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> "AsyncGenerator[DeskDatabase]":
        """The database of this address. A new SQLite file gets its tables.

        Raises:
            StorageError: the database can't be used; the text says what to do.
        """
        database = cls(parse_url(url))
        try:
            await asyncio.to_thread(prepare, database._writing, desk_metadata)
            yield database
        finally:
            await asyncio.to_thread(database._close)

    async def read(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Look something up."""

        def job() -> _Result:
            with plainly(self.url), self._reading.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, job)

    async def write(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Do the work in a transaction, and return its result once it is on disk. It may be done over.

        Raises:
            OwnershipLostError: the cards are another process's to keep by now.
        """
        hold = keeping_as.get()

        def fenced(connection: sa.Connection) -> _Result:
            if hold is not None:
                require_hold(connection, hold)
            return work(connection)

        return await self._writer.run(fenced)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()
