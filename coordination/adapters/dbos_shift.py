"""The jobs that one worker has in hand while it takes part: limits, repeats, and an end that loses nothing."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coordination.ports import Job, Perform

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

    def lasting(self, patience: float, concerns: Callable[[str], bool]) -> Failing | None:
        """One that has done nothing but fail for `patience` seconds, of those whose name `concerns` whoever asks."""
        now = time.monotonic()
        for what, failing in list(self._failing.items()):
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

    def running(self, task: str) -> int:
        """How many jobs of a task are in hand."""
        return sum(each == task for each, _ in list(self._live.values()))

    async def work(self, job: Job) -> None:
        """Do a job, and again if it fails. A cancellation, from here or from outside, leaves it for the next start."""
        mine = asyncio.current_task()
        while (other := self._live.get(job.name)) is not None:
            await asyncio.wait([other[1]])
        if self._is_over or mine is None:
            raise asyncio.CancelledError
        self._live[job.name] = (job.task, mine)
        try:
            async with self._rooms[job.task]:
                await self._insist(job)
        finally:
            del self._live[job.name]
            self._ended()

    def drop(self) -> None:
        """Cancel what is in hand, for others may have it too."""
        for _, task in self._live.values():
            task.cancel()

    async def stop(self, *, patience: float) -> bool:
        """Cancel what is in hand and wait for it to end. Returns whether all of it did."""
        self._is_over = True
        tasks = [task for _, task in self._live.values()]
        self.drop()
        if not tasks:
            return True
        _, stubborn = await asyncio.wait(tasks, timeout=patience)
        if stubborn:
            _log.warning("jobs went on after they were cancelled", extra={"jobs": len(stubborn)})
        return not stubborn

    async def _insist(self, job: Job) -> None:
        for wait in (*self._waits, None):
            try:
                await self._perform(job)
            except Exception as error:  # noqa: BLE001 - a bug or an outage must not lose the job.
                _log.exception("a job failed", extra={"job": job.name})
                self._failures.failed(job.name, error)
            else:
                self._failures.worked(job.name)
                return
            if wait is not None:
                await asyncio.sleep(wait)
        _log.error("a job is given up until the next start", extra={"job": job.name})
        raise asyncio.CancelledError
