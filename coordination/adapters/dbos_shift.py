"""The jobs that one worker has in hand while it takes part: limits, repeats, and an end that loses nothing."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from coordination.ports import Job, Perform

_log = logging.getLogger(__name__)


class Shift:
    """Performs the jobs that DBOS hands over, on the event loop that it is made in."""

    def __init__(
        self, perform: Perform, *, limits: Mapping[str, int], waits: Sequence[float], ended: Callable[[], None]
    ) -> None:
        """`limits` says how many jobs of each task may run at once, `waits` how long to wait before each repeat."""
        self._perform = perform
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
            except Exception:  # noqa: BLE001 - a bug or an outage must not lose the job.
                _log.exception("a job failed", extra={"job": job.name})
            else:
                return
            if wait is not None:
                await asyncio.sleep(wait)
        _log.error("a job is given up until the next start", extra={"job": job.name})
        raise asyncio.CancelledError
