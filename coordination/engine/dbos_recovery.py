"""The jobs that one worker has in hand while it takes part: limits, repeats, and an end that loses nothing."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coordination.errors import DatabaseAwayError, OwnershipLostError
from coordination.ports import Job, Perform
from coordination.storage.worker_leases import Ownership, working_as

_AWAY_SECONDS = 2.0
"""Between two tries of a job while the database is away; it is tried for as long as that lasts."""

_ENOUGH = 3
"""Failures in a row that are no accident any more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Something that has failed `count` times in a row, first at `since` (monotonic seconds), at last with `error`."""

    since: float
    count: int
    error: Exception


class Failures:
    """What fails again and again in one worker, by name: a thread of it, or a job. Any thread may tell it."""

    def __init__(self) -> None:
        self._failing: dict[str, Failing] = {}

    def failed(self, what: str, error: Exception) -> None:
        """It failed, once more perhaps."""
        before = self._failing.get(what)
        since, count = (time.monotonic(), 0) if before is None else (before.since, before.count)
        self._failing[what] = Failing(since=since, count=count + 1, error=error)

    def worked(self, what: str) -> None:
        """It did what it should: earlier failures are forgotten."""
        self._failing.pop(what, None)

    def is_failing(self, what: str) -> bool:
        """Whether it failed when it last tried."""
        return what in self._failing

    def lasting(
        self, patience: float, concerns: Callable[[str], bool], *, passes: Callable[[Exception], bool]
    ) -> Failing | None:
        """One that has done nothing but fail for `patience` seconds, of those whose name `concerns` whoever asks.

        What `passes` by itself is waited for, however long it lasts.
        """
        now = time.monotonic()
        for what, failing in list(self._failing.items()):
            if passes(failing.error):
                continue
            if concerns(what) and failing.count >= _ENOUGH and now - failing.since >= patience:
                return failing
        return None


class Shift:
    """Performs the jobs that DBOS hands over, on the event loop that it is made in."""

    def __init__(
        self,
        perform: Perform,
        *,
        limits: Mapping[str, int],
        waits: Sequence[float],
        ended: Callable[[], None],
        failures: Failures,
    ) -> None:
        """`limits` says how many jobs of each task may run at once, `waits` how long to wait before each repeat."""
        self._perform = perform
        self._failures = failures
        self._rooms = {task: asyncio.Semaphore(limit) for task, limit in limits.items()}
        self._waits = waits
        self._ended = ended
        self._live: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._is_over = False
        self._given_up: set[str] = set()
        self.owner: Ownership | None = None

    def running(self, task: str) -> int:
        """How many jobs of a task are in hand."""
        return sum(each == task for each, _ in list(self._live.values()))

    @property
    def names(self) -> frozenset[str]:
        """The jobs that are in hand, and those that were given up until the next start."""
        return frozenset(list(self._live)) | frozenset(self._given_up)

    async def work(self, job: Job) -> None:
        """Do a job, and again if it fails. A cancellation, from here or from outside, leaves it for the next start."""
        mine = asyncio.current_task()
        while (other := self._live.get(job.name)) is not None:
            await asyncio.wait([other[1]])
        if self._is_over or mine is None:
            raise asyncio.CancelledError
        self._live[job.name] = (job.task, mine)
        working_as.set(self.owner)
        try:
            async with self._rooms[job.task]:
                await self._insist(job)
        finally:
            del self._live[job.name]
            self._ended()

    def drop_lost(self) -> None:
        """The slot was lost, and others have what was in hand under it: planning ends at once.

        A call that is under way goes on to its end, for only here can anybody hear its answer; it is the last.
        """
        for name, task in self._live.values():
            if name == "deliberate":
                task.cancel()

    async def stop(self, *, patience: float) -> bool:
        """Cancel what is in hand and wait for it to end. Returns whether all of it did."""
        self._is_over = True
        tasks = [task for _, task in self._live.values()]
        for task in tasks:
            task.cancel()
        if not tasks:
            return True
        _, stubborn = await asyncio.wait(tasks, timeout=patience)
        if stubborn:
            _log.warning("jobs went on after they were cancelled", extra={"jobs": len(stubborn)})
        return not stubborn

    async def _insist(self, job: Job) -> None:
        """While the database is away the job is tried for as long as that lasts; otherwise as often as there are waits."""
        waits = iter(self._waits)
        while True:
            try:
                await self._perform(job)
            except OwnershipLostError:
                _log.warning("another worker goes on with a job", extra={"job": job.name})
                raise asyncio.CancelledError from None
            except DatabaseAwayError as error:
                self._failures.failed(job.name, error)
                wait: float | None = min(_AWAY_SECONDS, *self._waits) if self._waits else _AWAY_SECONDS
            except Exception as error:  # noqa: BLE001 - a bug must not lose the job.
                _log.exception("a job failed", extra={"job": job.name})
                self._failures.failed(job.name, error)
                wait = next(waits, None)
            else:
                self._failures.worked(job.name)
                return
            if wait is None or is_lost():
                break
            await asyncio.sleep(wait)
        if not is_lost():
            self._given_up.add(job.name)
        _log.error("a job is given up until the next start", extra={"job": job.name})
        raise asyncio.CancelledError


def is_lost() -> bool:
    """Whether others have taken the slot under which the current task works."""
    owner = working_as.get()
    return owner is not None and owner.is_lost
