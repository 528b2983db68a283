"""The log, the engine, and what was used: what is remembered, and who goes on after a crash."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol, TypeAlias

from coordination.domain.events import RunEvent
from coordination.domain.grants import Standing
from coordination.domain.states import RunState
from coordination.domain.transitions import Recorded


@dataclass(frozen=True, kw_only=True)
class Job:
    """Durable work on one run: what a worker picks up, once, and again after a crash.

    `name` is unique for ever: the same job submitted twice is one job.
    """

    task: Literal["deliberate", "execute"]
    run: str
    tenant: str
    revision: int
    attempt: int = 1

    @property
    def name(self) -> str:
        """`run-<id>-<revision>` or `exec-<id>-<revision>-<attempt>`."""
        if self.task == "deliberate":
            return f"run-{self.run}-{self.revision}"
        return f"exec-{self.run}-{self.revision}-{self.attempt}"


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One row per run, kept in step with its log: for lists, deadlines and the tail's anchor."""

    run: str
    tenant: str
    state: str
    prompt: str
    requester: str
    config: str
    started_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    seq: int


class RunLog(Protocol):
    """The append-only log of every run: the truth."""

    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        """Add events after number `expected`, all or none, and submit the job in the same transaction.

        `state` is the run's state after them, for the summary row. Returns once the events are on disk. The events get
        the numbers `expected + 1` and on.

        Raises:
            ConflictError: the run has moved past `expected`: somebody else was first.
            GrantVoidError: an approval would stand, or a call start, on a grant that does not hold.
            DayCapError: a call would start that is one more of its rule than a day (UTC) may have in this tenant.
            StorageError: the database refuses.
        """
        ...

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        """The events with a number above `after`, oldest first; none if there is no such run."""
        ...

    def follow(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        """The events above `after` and all that follow, also those of other processes. Never ends by itself."""
        ...

    async def runs(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RunSummary]:
        """The newest runs, newest first."""
        ...

    async def find(self, prefix: str, tenant: str | None = None) -> Sequence[str]:
        """The names of the runs that begin so, at most 10, letter case aside."""
        ...

    async def due(self, at: datetime) -> Sequence[str]:
        """The runs whose plan has expired by `at` and still waits."""
        ...

    async def in_state(self, kinds: Sequence[str], tenant: str | None = None) -> Sequence[str]:
        """The runs whose state is of one of these kinds, oldest first."""
        ...

    async def grants(self, at: datetime, tenant: str | None = None) -> Sequence[Standing]:
        """The grants that may hold at a moment in a tenant, or anywhere, oldest first.

        Revoked ones and used up ones too.
        """
        ...

    async def stop_calls(self) -> None:
        """Have no call start any more, in any process: events that were in this log are gone.

        Raises:
            StorageError: the database refuses.
        """
        ...

    async def save_config(self, digest: str, text: str, origin: str) -> None:
        """Keep a configuration's text, unexpanded, under its digest; the same again changes nothing."""
        ...

    async def load_config(self, digest: str) -> tuple[str, str]:
        """The text and origin of a stored configuration, compared with the digest each time.

        Raises:
            ConfigError: there is none of this digest, or what is stored under it was changed.
        """
        ...


class Engine(Protocol):
    """Durable hands: calls `perform(job)` for each submitted job, once at a time, again after a crash."""

    def running(self, perform: "Perform") -> AbstractAsyncContextManager[None]:
        """Take part in the work while the context is open; recovers what dead processes left."""
        ...

    def wake(self) -> None:
        """A job was just submitted here: look at once rather than at the next poll. Never needed for correctness."""
        ...


class Perform(Protocol):
    """The service's side of the engine. Returns when the job is done for good; raises to be called again."""

    async def __call__(self, job: Job) -> None:
        """Do the job, or find that it is done."""
        ...


class Clock(Protocol):
    """Time, from outside."""

    def now(self) -> datetime:
        """The time in UTC. It may be set, back too: no duration is measured by it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, whatever is done to the time: what durations within a process are measured by."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


NewId: TypeAlias = Callable[[], str]
"""Makes a run's name: short, for people to type, unique."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Tokens, in and out together, and US dollars as far as prices were known."""

    tokens: int = 0
    money: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BudgetWarning:
    """That most of a budget of the day is used.

    Attributes:
        limit: the key under `limits`: `money_per_user_per_day`.
        whose: the account, or the channel, whose budget it is; empty for that of a whole tenant.
        name: what the person is called; empty where it is nobody's own.
        day: the day in UTC, as ISO 8601 writes it.
        spent: tokens, or US dollars, when it was found out.
        most: the whole budget.
    """

    tenant: str
    limit: str
    whose: str
    name: str
    day: str
    spent: float
    most: float

    @property
    def is_money(self) -> bool:
        """Whether it counts dollars, and not tokens."""
        return self.limit.startswith("money")

    @property
    def left(self) -> float:
        """What is left of it."""
        return max(0.0, self.most - self.spent)

    @property
    def begins_anew(self) -> datetime:
        """When the next day's budget begins."""
        return datetime.fromisoformat(self.day).replace(tzinfo=UTC) + timedelta(days=1)


class Spending(Protocol):
    """The sums of every process on the same database."""

    async def since(self, moment: datetime, *, tenant: str, user: str | None = None, place: str | None = None) -> Spent:
        """What was used from this moment on by the runs of a tenant.

        With `user`, by those that this person asked for; with `place`, by those that were asked for there.

        Raises:
            StorageError: the sums can't be read.
        """
        ...

    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        """How many calls a tenant's runs have started since this moment, by the text of each rule with a daily cap.

        Raises:
            StorageError: they can't be counted.
        """
        ...

    async def warn(self, warning: BudgetWarning) -> None:
        """Have administrators told that most of a budget is used, once a day and budget, however often it is found out.

        Raises:
            StorageError: that can't be kept.
        """
        ...
