"""What the whole database says at one moment, for monitoring: numbers and ages, never a person's words."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa

from coordination.storage.database import open_engine, parse_url, plainly, require_file
from coordination.storage.schema import check, runs, worker_slots
from coordination.storage.worker_leases import slot_number

FRESH_SECONDS = 15.0
"""A worker whose last sign of life is older counts as none: the lease after which others take its jobs over."""

_QUEUED = ("queued", "changes_wanted")

# The chats keep this, and not every log has it.
_cards = sa.table(
    "cards", *(sa.column(name, sa.Text) for name in ("run", "surface", "state")), sa.column("told", sa.Integer)
)
_OF_A_JOB = ("executor_id", "workflow_uuid", "status")
_KEPT = ("asked", "live")


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Runs by state, living workers, and how many seconds the oldest queued run and each product's cards are behind."""

    runs: Mapping[str, int] = field(default_factory=dict[str, int])
    queued_seconds: float = 0.0
    workers: int = 0
    card_lag_seconds: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True)
class WorkerSeen:
    """A worker's slot: seconds since its last sign of life, and the jobs that it has in hand.

    `host` is `MACHINE:PROCESS`, `age` seconds since it took the slot; empty and None where an earlier release took it.
    """

    slot: str
    quiet: float
    jobs: Sequence[str]
    host: str = ""
    age: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it counts as a living one."""
        return self.quiet <= FRESH_SECONDS


class DatabaseWatch:
    """Looks at a database from aside, over one connection of its own. Blocks, for half a minute at most."""

    def __init__(self, url: str) -> None:
        """Nothing is opened before the first look."""
        self._url = parse_url(url)
        self._engine = open_engine(self._url, "read", connections=1)

    def ping(self) -> None:
        """Ask whether it answers, and has the tables that this program writes.

        Raises:
            StorageError: it does not; the text says what to do.
        """
        require_file(self._url)
        check(self._engine)

    def overview(self, at: datetime) -> Overview:
        """What it says.

        Raises:
            StorageError: it does not answer.
        """
        with self._connected() as connection:
            oldest = connection.execute(_OLDEST_QUEUED).scalar()
            return Overview(
                runs=dict(connection.execute(_BY_STATE).all()),
                queued_seconds=_age(oldest, at),
                workers=_living(connection),
                card_lag_seconds=_card_lag(connection, at),
            )

    def workers(self) -> Sequence[WorkerSeen]:
        """Every slot that somebody holds, in the order of its numbers.

        Raises:
            StorageError: it does not answer.
        """
        with self._connected() as connection:
            schema = None if self._url.get_backend_name() == "sqlite" else "dbos"
            jobs = sa.table("workflow_status", *(sa.column(name, sa.Text) for name in _OF_A_JOB), schema=schema)
            has_jobs = sa.inspect(connection).has_table(jobs.name, schema=schema)
            query = sa.select(jobs.c.executor_id, jobs.c.workflow_uuid).where(jobs.c.status == "PENDING")
            in_hand: list[tuple[str, str]] = [(row[0], row[1]) for row in connection.execute(query)] if has_jobs else []
            found = [
                WorkerSeen(
                    slot=name,
                    quiet=max(0.0, (_utc(now) - _utc(beat)).total_seconds()),
                    jobs=sorted(job for owner, job in in_hand if owner == name),
                    host=host or "",
                    age=None if since is None else max(0.0, (_utc(now) - _utc(since)).total_seconds()),
                )
                for name, beat, now, host, since in connection.execute(_SLOTS)
                if slot_number(name) is not None and beat is not None
            ]
        return sorted(found, key=lambda each: slot_number(each.slot) or 0)

    @contextmanager
    def _connected(self) -> Generator[sa.Connection]:
        with plainly(self._url), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


_BY_STATE = sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state)
_OLDEST_QUEUED = sa.select(sa.func.min(runs.c.updated_at)).where(runs.c.state.in_(_QUEUED))
_BEHIND = (
    sa.select(_cards.c.surface, sa.func.min(runs.c.updated_at))
    .select_from(_cards.join(runs, runs.c.run == _cards.c.run))
    .where(_cards.c.state.in_(_KEPT), _cards.c.told < runs.c.seq)
    .group_by(_cards.c.surface)
)
_SLOTS = sa.select(
    worker_slots.c.name, worker_slots.c.beat_at, sa.func.now(), worker_slots.c.host, worker_slots.c.since
).where(worker_slots.c.holder != "")


def _age(moment: str | None, at: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (at - datetime.fromisoformat(moment)).total_seconds())


def _living(connection: sa.Connection) -> int:
    """By the database's own clock: nobody's clock is compared with another's."""
    rows = connection.execute(_SLOTS).all()
    return sum(
        slot_number(name) is not None and beat is not None and (_utc(now) - _utc(beat)).total_seconds() <= FRESH_SECONDS
        for name, beat, now, *_ in rows
    )


def _utc(moment: datetime) -> datetime:
    """SQLite tells the time in UTC, and does not say so."""
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _card_lag(connection: sa.Connection, at: datetime) -> Mapping[str, float]:
    if not sa.inspect(connection).has_table(_cards.name):
        return {}
    return {platform: _age(moment, at) for platform, moment in connection.execute(_BEHIND)}
