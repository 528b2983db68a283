"""One keeper for each surface, however many processes there are: a lock that ends with the process that holds it."""

import asyncio
import fcntl
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy import exc

from coordination.adapters.sql_connection import complaint
from coordination.errors import StorageError

_LOOK_SECONDS = 0.5
_SPACE = 7702
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


class _Lock(Protocol):
    """Used by one thread at a time."""

    def take(self) -> bool:
        """Whether it is ours now."""
        ...

    def is_held(self) -> bool:
        """Whether it is ours still."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True)
class SqlKeepership:
    """Fits `coordination.ports.desk.Keepership`."""

    lock: _Lock

    async def holds(self) -> bool:
        """Whether the lock is still ours."""
        return await asyncio.to_thread(self.lock.is_held)


@asynccontextmanager
async def sole_keeper(url: sa.URL, surface: str) -> AsyncGenerator[SqlKeepership]:
    """Wait for the lock of a surface, and hold it while the context is open."""
    lock = _OnceOnly(_FileLock(url, surface) if url.get_backend_name() == "sqlite" else _AdvisoryLock(url, surface))
    try:
        while not await asyncio.to_thread(lock.take):  # noqa: ASYNC110  # it is another process that we wait for
            await asyncio.sleep(_LOOK_SECONDS)
        yield SqlKeepership(lock)
    finally:
        await asyncio.shield(asyncio.to_thread(lock.release))


class _OnceOnly:
    """A lock that is not taken any more once it was given back.

    Whoever gives up waiting does not stop the thread that is about to take the lock for them, and would leave it held.
    """

    def __init__(self, lock: _Lock) -> None:
        self._lock = lock
        self._one_thread = threading.Lock()
        self._is_over = False

    def take(self) -> bool:
        with self._one_thread:
            return not self._is_over and self._lock.take()

    def is_held(self) -> bool:
        with self._one_thread:
            return self._lock.is_held()

    def release(self) -> None:
        with self._one_thread:
            self._is_over = True
            self._lock.release()


class _FileLock:
    """A lock on a file beside the database's."""

    def __init__(self, url: sa.URL, surface: str) -> None:
        self._path = Path(f"{Path(url.database or '').resolve()}.{surface}-keeper")
        self._handle: int | None = None

    def take(self) -> bool:
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"The file {self._path} can't be used; make its folder writable.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def is_held(self) -> bool:
        return self._handle is not None

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class _AdvisoryLock:
    """An advisory lock of PostgreSQL, which goes with its connection."""

    def __init__(self, url: sa.URL, surface: str) -> None:
        self._url = url
        self._key = crc32(surface.encode()) & 0x7FFFFFFF
        self._engine = sa.create_engine(url, pool_size=1, isolation_level="AUTOCOMMIT", connect_args=_KEEPALIVE)
        self._connection: sa.Connection | None = None

    def take(self) -> bool:
        try:
            self._connection = self._connection or self._engine.connect()
            query = sa.select(sa.func.pg_try_advisory_lock(_SPACE, self._key))
            return bool(self._connection.execute(query).scalar())
        except exc.SQLAlchemyError as error:
            self._drop()
            raise complaint(error, self._url) from error

    def is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.select(1))
        except exc.SQLAlchemyError:
            self._drop()
            return False
        return True

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
