"""A slot for each living worker process, freed by the operating system when the process dies.

DBOS keeps a job for the worker that took it, under that worker's name, for ever. The name is a slot: whoever can lock
a slot knows that its last owner is dead, and may give away what it left.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import exc

from coordination.adapters.sql_connection import complaint
from coordination.errors import StorageError

_PREFIX = "slot-"
_AT_MOST = 1000
_SPACE = 7701
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""The server learns within half a minute that a machine is gone, and frees its locks."""


class Slots(Protocol):
    """The slots of all workers on one database. Used by one thread at a time."""

    def take(self) -> str:
        """Lock a free slot until `release`; its name is this worker's."""
        ...

    def keep(self) -> bool:
        """Whether the slot has been ours without a break; if it was lost, it is taken again here.

        Raises:
            StorageError: it is lost, and can't be taken again yet.
        """
        ...

    def seized(self, name: str) -> AbstractContextManager[bool]:
        """Try to lock another's slot while the context is open; True means that its owner is dead."""
        ...

    def release(self) -> None:
        """Give the slot back."""
        ...


def slots_for(url: sa.URL) -> Slots:
    """The slots that fit a database."""
    if url.get_backend_name() == "sqlite":
        return FileSlots(Path(f"{Path(url.database or '').resolve()}.slots"))
    return AdvisorySlots(url)


class FileSlots:
    """Slots for the processes of one machine: locks on files in a folder beside the database file."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first slot is taken."""
        self._folder = folder
        self._mine: int | None = None

    def take(self) -> str:
        """Lock the first free slot."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for number in range(_AT_MOST):
                self._mine = self._lock(number)
                if self._mine is not None:
                    return f"{_PREFIX}{number}"
        except OSError as error:
            raise StorageError(f"The folder {self._folder} can't be used; make it writable.") from error
        raise StorageError(f"{_AT_MOST} workers run on this database already: stop some.")

    def keep(self) -> bool:
        """A lock on a file is never lost while the process lives."""
        return True

    @contextmanager
    def seized(self, name: str) -> Generator[bool]:
        """Lock another's file for a while."""
        number = _number(name)
        handle = None if number is None else self._lock(number)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)

    def release(self) -> None:
        """Unlock by closing."""
        if self._mine is not None:
            os.close(self._mine)
            self._mine = None

    def _lock(self, number: int) -> int | None:
        handle = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle


class AdvisorySlots:
    """Slots for the processes of many machines: advisory locks of PostgreSQL, held by one connection.

    That connection must not go through a pooler in transaction mode.
    """

    def __init__(self, url: sa.URL) -> None:
        """The connection is made when a slot is taken."""
        self._url = url
        self._engine = sa.create_engine(url, pool_size=1, isolation_level="AUTOCOMMIT", connect_args=_KEEPALIVE)
        self._connection: sa.Connection | None = None
        self._number = -1

    def take(self) -> str:
        """Lock the first free slot."""
        for number in range(_AT_MOST):
            if self._lock(number):
                self._number = number
                return f"{_PREFIX}{number}"
        raise StorageError(f"{_AT_MOST} workers run on this database already: stop some.")

    def keep(self) -> bool:
        """The lock goes with its connection, which the server or the network may end."""
        try:
            self._ask("SELECT 1")
        except StorageError:
            if not self._lock(self._number):
                raise
            return False
        return True

    @contextmanager
    def seized(self, name: str) -> Generator[bool]:
        """Lock another's number for a while."""
        number = _number(name)
        is_ours = number is not None and self._lock(number)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._ask(f"SELECT pg_advisory_unlock({_SPACE}, {number})")

    def release(self) -> None:
        """Unlock by closing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()

    def _lock(self, number: int) -> bool:
        return bool(self._ask(f"SELECT pg_try_advisory_lock({_SPACE}, {number})"))

    def _ask(self, query: str) -> object:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            return self._connection.execute(sa.text(query)).scalar()
        except exc.SQLAlchemyError as error:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None
            raise complaint(error, self._url) from error


def _number(name: str) -> int | None:
    digits = name.removeprefix(_PREFIX)
    return int(digits) if name.startswith(_PREFIX) and digits.isascii() and digits.isdigit() else None
