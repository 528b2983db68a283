"""The lease of each living worker: who may go on with the jobs that a worker left, and when.

DBOS keeps a job for the worker that took it, under that worker's name, for ever. The name is a slot. It belongs to
whoever is its holder in the table `worker_slots`, and a holder says so at every beat. It is taken from them only when
their process is gone (its lock is free, and they do not beat), or when they have not beaten for the whole lease: then
they are frozen, or cut off. What a worker appends is checked against the table in the same transaction, so one that
lost its slot learns it before it writes.

Nobody's clock is compared with another's: whoever looks counts how long it has seen no beat, and an outage, during
which nobody can beat, counts for nothing.
"""

import errno
import fcntl
import os
import platform
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from uuid import uuid4
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy import exc, pool
from sqlalchemy.dialects import postgresql, sqlite

from coordination.domain.events import CallFailed, CallSucceeded, LateResult, RunEvent
from coordination.errors import DatabaseAwayError, OwnershipLostError, StorageError
from coordination.storage.database import (
    connection_arguments,
    describe_error,
    disk_full,
    notice_another_database,
    plainly,
)
from coordination.storage.schema import outages, worker_slots
from coordination.text import Text, template

Rows: TypeAlias = Sequence[sa.Row[*tuple[Any, ...]]]

_PREFIX = "slot-"
_AT_MOST = 1000
_SPACE = 7701
_LEADERS = 7702
_GRACE_ROUNDS = 3
"""Looks in a row that find a lock free and hear no beat, until its owner is dead: a cut connection is locked again
sooner."""


@dataclass
class Ownership:
    """One worker's hold on one slot.

    `holder` is never used again; `is_lost` is set when somebody else was found there.
    """

    slot: str
    holder: str
    is_lost: bool = False


working_as: ContextVar[Ownership | None] = ContextVar("working_as", default=None)
"""The hold under which the current task works; None in every process that only decides."""


def require_ownership(connection: sa.Connection, events: Sequence[RunEvent]) -> None:
    """Let a worker add events only as long as its slot is its own. What the world answered is welcome from anybody.

    Raises:
        OwnershipLostError: another worker goes on with what this one was doing.
    """
    owner = working_as.get()
    if owner is None or all(isinstance(event, CallSucceeded | CallFailed | LateResult) for event in events):
        return
    require_hold(connection, owner)


def require_hold(connection: sa.Connection, owner: Ownership) -> None:
    """Go on only as long as a slot is still its holder's, until the end of the transaction.

    Raises:
        OwnershipLostError: somebody else took it.
    """
    query = sa.select(worker_slots.c.holder).where(worker_slots.c.name == owner.slot).with_for_update(read=True)
    if connection.execute(query).scalar() != owner.holder:
        raise OwnershipLostError(owner.slot)


class _Locks(Protocol):
    """Locks on numbers that end with their holder. Used by one thread at a time."""

    is_proof: bool
    """A lock that is free proves that its holder's process is gone."""

    def lock(self, number: int) -> bool:
        """Try to; True if it is ours from now on, or was."""
        ...

    def holds(self, number: int) -> bool:
        """Whether it was ours when we last heard of it."""
        ...

    def unlock(self, number: int) -> None:
        """Give one back."""
        ...

    def break_open(self, number: int) -> None:
        """Let others lock what a process holds that was taken for dead, and is frozen perhaps."""
        ...

    def run(self, statement: sa.Executable) -> Rows:
        """One statement that returns rows, committed; where locks live in a connection, through that one.

        Raises:
            StorageError: the database does not do it; locks that lived in the connection are lost.
        """
        ...

    def close(self) -> None:
        """Give all back."""
        ...


class FileLocks:
    """Locks on files in a folder beside the database's file: gone when the process is, and never before."""

    is_proof = True

    def __init__(self, database: sa.Engine, name: str = "slots") -> None:
        """The folder, which is named so after the database, is made when the first lock is taken."""
        self._database = database
        self._folder = Path(f"{Path(database.url.database or '').resolve()}.{name}")
        self._held: dict[int, int] = {}

    def lock(self, number: int) -> bool:
        """By a file of this number."""
        if number in self._held:
            return True
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise disk_full(self._database.url) from error
            raise StorageError(
                Text("The folder {folder} can't be used; make it writable.", folder=self._folder)
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if isinstance(error, BlockingIOError):
                return False
            raise StorageError(
                Text("Files in {folder} can't be locked; put the database on a local disk.", folder=self._folder)
            ) from error
        self._held[number] = handle
        return True

    def holds(self, number: int) -> bool:
        """A lock on a file is never lost while the process lives."""
        return number in self._held

    def unlock(self, number: int) -> None:
        """By closing the file."""
        os.close(self._held.pop(number))

    def break_open(self, number: int) -> None:
        """By another file of the same name."""
        (self._folder / f"{number}.lock").unlink(missing_ok=True)

    def run(self, statement: sa.Executable) -> Rows:
        """On any connection."""
        with plainly(self._database.url), self._database.begin() as connection:
            return connection.execute(statement).all()

    def close(self) -> None:
        """Close every file."""
        for number in list(self._held):
            self.unlock(number)


class AdvisoryLocks:
    """Advisory locks of PostgreSQL. They belong to one connection, and are lost with it; a new one holds nothing.

    That connection must not go through a pooler in transaction mode, which is found out and refused.
    """

    is_proof = False

    def __init__(self, url: sa.URL, space: int = _SPACE) -> None:
        """The connection is made when it is first needed.

        Locks of different spaces have nothing to do with each other.
        """
        self._url = url
        self._space = space
        self._engine = sa.create_engine(
            url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT", connect_args=connection_arguments(url)
        )
        notice_another_database(self._engine)
        self._connection: sa.Connection | None = None
        self._pid = self._former = 0
        self._held: set[int] = set()

    def lock(self, number: int) -> bool:
        """Try to; if a connection of ours that broke still has it, that one is ended first."""
        if number in self._held:
            return True
        if self._former:
            self.run(_END_ONE.bindparams(space=self._space, number=number, pid=self._former))
        found = self.run(sa.select(sa.func.pg_try_advisory_lock(self._space, number)))
        if found[0][0]:
            self._held.add(number)
        return number in self._held

    def holds(self, number: int) -> bool:
        """Locks that were taken through a connection that broke are not held."""
        return number in self._held

    def unlock(self, number: int) -> None:
        """Give one back, if the connection that had it is still there."""
        if number in self._held:
            self._held.discard(number)
            self.run(sa.select(sa.func.pg_advisory_unlock(self._space, number)))

    def break_open(self, number: int) -> None:
        """By ending the connection that has it."""
        self.run(_END_ANY.bindparams(space=self._space, number=number))

    def run(self, statement: sa.Executable) -> Rows:
        """Through the connection that the locks live in."""
        try:
            return self._live().execute(statement).all()
        except exc.SQLAlchemyError as error:
            self._drop()
            raise describe_error(error, self._url) from error

    def close(self) -> None:
        """End the connection; the server frees what it held."""
        self._drop()
        self._engine.dispose()

    def _live(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            pid = self._connection.execute(_PID).scalar_one()
            if not self._pid:
                self._refuse_pooler(pid)
            self._former, self._pid = self._pid, pid
        return self._connection

    def _refuse_pooler(self, pid: int) -> None:
        """Two connections that are served by one process of the server share it, one transaction after the other.

        The first is idle, so a pooler in transaction mode gives what served it to the second, or has given it to
        somebody else meanwhile, and then the first is served by another.
        """
        for _ in range(_PROBES):
            with self._engine.connect() as beside:
                beside.exec_driver_sql("BEGIN")
                other = beside.execute(_PID).scalar_one()
                beside.exec_driver_sql("ROLLBACK")
            again = pid if self._connection is None else self._connection.execute(_PID).scalar_one()
            if other == pid or again != pid:
                raise StorageError(Text(_POOLED))

    def _drop(self) -> None:
        """SQLAlchemy would quietly open another connection in the place of one that broke; the locks stay lost."""
        self._held.clear()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()


_PROBES = 3
_PID = sa.select(sa.func.pg_backend_pid())
_POOLED = template(
    "The database is reached through a pooler in transaction mode, which loses locks: set "
    "DATABASE_DIRECT_URL to the server itself, or use session mode."
)

_END = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = :space AND objid = :number AND pid "
)
_END_ONE = sa.text(f"{_END} = :pid")
_END_ANY = sa.text(f"{_END} <> pg_backend_pid()")


class WorkerLeases:
    """One worker's place among the workers of a database. Used by one thread at a time."""

    def __init__(
        self,
        locks: _Locks,
        *,
        is_sqlite: bool,
        interval: float,
        lease: float,
        prefix: str = _PREFIX,
        numbers: Sequence[int] = range(_AT_MOST),
    ) -> None:
        """`interval` is seconds between two calls of `keep` and `look`, `lease` how long an owner may not beat.

        A slot is named by `prefix` and one of `numbers`, which is also its lock's.
        """
        self._prefix = prefix
        self._numbers = numbers
        self._locks = locks
        self._insert = sqlite.insert if is_sqlite else postgresql.insert
        self._grace = 0.0 if locks.is_proof else _GRACE_ROUNDS * interval
        self._watch = Watch(longest=2 * interval)
        self._lease = lease
        self._mine: Ownership | None = None
        self._was_away = False

    def take(self, *, avoid: str = "") -> Ownership:
        """Become the holder of a free slot, until `release`, or until `keep` says otherwise.

        Raises:
            StorageError: the database can't be asked, or every slot is taken.
        """
        mine = self.take_if_free(avoid=avoid)
        if mine is None:
            raise StorageError(
                Text("{count} workers are already running on this database: stop some.", count=len(self._numbers))
            )
        return mine

    def take_if_free(self, *, avoid: str = "") -> Ownership | None:
        """As `take`; None where every slot is taken."""
        self._mine = None
        self._note_restart()
        for number in self._numbers:
            name = f"{self._prefix}{number}"
            if name == avoid or not self._locks.lock(number):
                continue
            holder = uuid4().hex
            if self._claim(name, holder):
                self._mine = Ownership(slot=name, holder=holder)
                return self._mine
            self._locks.unlock(number)
        return None

    def keep(self) -> bool:
        """Beat, and lock again what a broken connection had locked. False: the slot is another's, and nothing is ours.

        Raises:
            StorageError: the database can't be asked, or the lock is not ours yet; nothing is lost by that.
        """
        mine = self._mine
        if mine is None:
            return False
        number = slot_number(mine.slot, self._prefix) or 0
        try:
            if self._was_away:
                self._locks.run(self._noted(_SINCE_MY_BEAT.where(_is(mine.slot, mine.holder))))
                self._was_away = False
            is_ours = bool(self._locks.run(_BEAT.where(_is(mine.slot, mine.holder))))
            if is_ours and not self._locks.lock(number):
                raise DatabaseAwayError(
                    Text("The lock of {slot} is still held by a broken connection.", slot=mine.slot)
                )
        except StorageError:
            self._watch.lose_sight()
            self._was_away = not self._locks.is_proof  # A file is never away, only busy.
            raise
        if not is_ours:
            mine.is_lost, self._mine = True, None
            if self._locks.holds(number):
                self._locks.unlock(number)
        return is_ours

    @property
    def alive(self) -> int:
        """How many workers there are, this one among them: as far as it has seen."""
        return max(1, self._watch.alive(self._lease))

    def look(self) -> Sequence[str]:
        """Note every worker's beat. Returns the names of all slots that are or were somebody's.

        Raises:
            StorageError: the database can't be asked.
        """
        try:
            self._watch.note(self._locks.run(_ALL))
        except StorageError:
            self._watch.lose_sight()
            raise
        return self._watch.names

    @contextmanager
    def seized(self, name: str, *, by_force: bool = False) -> Generator[bool]:
        """Take another's slot from them if they are dead, or for dead by the lease.

        True: what they left is free to give.

        `by_force` takes the lock from a frozen owner, too, for a slot that has no other number.
        """
        number = slot_number(name, self._prefix)
        if number is None or (self._mine is not None and name == self._mine.slot):
            yield False
            return
        is_free = self._locks.lock(number)
        is_dead = False
        try:
            is_dead = self._evicted(name, self._grace if is_free else self._lease, is_free=is_free)
            if is_dead and not is_free and by_force:
                self._locks.break_open(number)
                is_free = self._locks.lock(number)
            yield is_dead
            if is_dead and is_free:
                self._locks.run(_REMOVE.where(_is(name, "")))
        finally:
            if is_free:
                self._locks.unlock(number)

    def release(self) -> None:
        """Give the slot back."""
        mine, self._mine = self._mine, None
        try:
            if mine is not None:
                self._locks.run(_REMOVE.where(_is(mine.slot, mine.holder)))
        finally:
            self._locks.close()

    def abandon(self) -> None:
        """Leave without a word: others find out what is left."""
        self._mine = None
        self._locks.close()

    def _note_restart(self) -> None:
        """A server that started after the last beat of workers which did not say goodbye was away in between."""
        if not self._locks.is_proof:
            self._locks.run(self._noted(_SINCE_ANY_BEAT))

    def _noted(self, found: "sa.Select[datetime | None, datetime]") -> sa.Executable:
        insert = self._insert(outages).from_select(["since", "until"], found)
        return insert.on_conflict_do_nothing().returning(outages.c.since)

    def _claim(self, name: str, holder: str) -> bool:
        """A row that somebody left behind is proof of nothing where a lock may be lost without its owner's death."""
        host = f"{platform.node()}:{os.getpid()}"
        taken = {"holder": holder, "beat": 0, "beat_at": sa.func.now(), "host": host, "since": sa.func.now()}
        may_replace = sa.true() if self._locks.is_proof else worker_slots.c.holder == ""
        statement = (
            self._insert(worker_slots)
            .values(name=name, **taken)
            .on_conflict_do_update(index_elements=["name"], set_=taken, where=may_replace)
            .returning(worker_slots.c.name)
        )
        return bool(self._locks.run(statement))

    def _evicted(self, name: str, patience: float, *, is_free: bool) -> bool:
        seen = self._watch.last(name)
        if seen is None or not seen.holder:
            return is_free or seen is not None
        if seen.quiet < patience:
            return False
        same = sa.and_(_is(name, seen.holder), worker_slots.c.beat == seen.beat)
        return bool(self._locks.run(_EVICT.where(same)))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A slot as it was last seen, and how many seconds it has been so before our eyes."""

    holder: str
    beat: int
    quiet: float


class Watch:
    """What one worker sees of the others' beats. Time between two looks counts at most `longest` seconds."""

    def __init__(self, *, longest: float) -> None:
        self._longest = longest
        self._seen: dict[str, Seen] = {}
        self._at: float | None = None

    @property
    def names(self) -> Sequence[str]:
        """Every slot that was there at the last look."""
        return list(self._seen)

    def alive(self, lease: float) -> int:
        """How many slots have a holder who was not quiet for as long as the lease."""
        return sum(bool(seen.holder) and seen.quiet < lease for seen in self._seen.values())

    def last(self, name: str) -> Seen | None:
        """How a slot was last seen."""
        return self._seen.get(name)

    def note(self, rows: Rows) -> None:
        """A look that worked."""
        now = time.monotonic()
        passed = 0.0 if self._at is None else min(now - self._at, self._longest)
        seen: dict[str, Seen] = {}
        for name, holder, beat in rows:
            before = self._seen.get(name)
            is_same = before is not None and (before.holder, before.beat) == (holder, beat)
            quiet = before.quiet + passed if before is not None and is_same else 0.0
            seen[name] = Seen(holder=holder, beat=beat, quiet=quiet)
        self._seen, self._at = seen, now

    def lose_sight(self) -> None:
        """A look that did not work: others could not beat either, so everybody gets their whole time again."""
        self._seen, self._at = {}, None


def leases_for(database: sa.Engine, *, interval: float, lease: float, direct: sa.URL | None = None) -> WorkerLeases:
    """The slots that fit a database. A SQLite file gets the table if it lacks it. `direct` leads past a pooler."""
    is_sqlite = database.dialect.name == "sqlite"
    if is_sqlite:
        # One statement: between a look for the table and its making, another process may make it.
        with plainly(database.url), database.begin() as connection:
            connection.execute(sa.schema.CreateTable(worker_slots, if_not_exists=True))
    locks = FileLocks(database) if is_sqlite else AdvisoryLocks(direct or database.url)
    return WorkerLeases(locks, is_sqlite=is_sqlite, interval=interval, lease=lease)


def leadership_for(
    database: sa.Engine, what: str, *, interval: float, lease: float, direct: sa.URL | None = None
) -> WorkerLeases:
    """One slot for whoever alone may do something in the database's name, which has the tables already."""
    is_sqlite = database.dialect.name == "sqlite"
    locks = FileLocks(database, "keepers") if is_sqlite else AdvisoryLocks(direct or database.url, _LEADERS)
    return WorkerLeases(
        locks,
        is_sqlite=is_sqlite,
        interval=interval,
        lease=lease,
        prefix=f"keeper-{what}-",
        numbers=[crc32(what.encode()) & 0x7FFFFFFF],
    )


def slot_number(name: str, prefix: str = _PREFIX) -> int | None:
    """The number of a slot of this name, if it is one's."""
    digits = name.removeprefix(prefix)
    return int(digits) if name.startswith(prefix) and digits.isascii() and digits.isdigit() else None


def _is(name: str, holder: str) -> sa.ColumnElement[bool]:
    return sa.and_(worker_slots.c.name == name, worker_slots.c.holder == holder)


_ALL = sa.select(worker_slots.c.name, worker_slots.c.holder, worker_slots.c.beat)
_BEAT = (
    sa.update(worker_slots).values(beat=worker_slots.c.beat + 1, beat_at=sa.func.now()).returning(worker_slots.c.name)
)
_SINCE_MY_BEAT = sa.select(worker_slots.c.beat_at, sa.func.now()).where(worker_slots.c.beat_at.is_not(None))
_LAST_BEAT = sa.func.max(worker_slots.c.beat_at)
_SERVER_START = sa.func.pg_postmaster_start_time(type_=sa.DateTime(timezone=True))
_SINCE_ANY_BEAT = (
    sa.select(_LAST_BEAT, _SERVER_START).where(worker_slots.c.holder != "").having(_LAST_BEAT < _SERVER_START)
)
_EVICT = sa.update(worker_slots).values(holder="").returning(worker_slots.c.name)
_REMOVE = sa.delete(worker_slots).returning(worker_slots.c.name)
