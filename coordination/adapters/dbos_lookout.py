"""One thread per worker that looks where DBOS does not: at a queue the moment a job was put in, and at dead workers."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping

from dbos import DBOSClient, Queue

from coordination.adapters import dbos_inside
from coordination.adapters.dbos_shift import Failures, Shift
from coordination.adapters.worker_slots import Slots
from coordination.errors import StorageError

THREADS = frozenset({"queues", "rounds"})
"""What this thread does, by the names under which it tells of its failures."""

_PATIENCE = 2.0
_log = logging.getLogger(__name__)


class Lookout:
    """Starts waiting jobs when nudged, and every `interval` seconds gives back what dead workers left."""

    def __init__(
        self,
        client: DBOSClient,
        shift: Shift,
        *,
        queues: Mapping[str, Queue],
        limits: Mapping[str, int],
        slots: Slots,
        slot: str,
        interval: float,
        failures: Failures,
    ) -> None:
        """Starts at once. Belongs to the event loop that it is made in."""
        self._client = client
        self._shift = shift
        self._queues = queues
        self._limits = limits
        self._slots = slots
        self._slot = slot
        self._interval = interval
        self._failures = failures
        self._loop = asyncio.get_running_loop()
        self._bell = threading.Event()
        self._bell.set()
        self._is_over = False
        self._has_backlog = False
        self._is_warned = False
        self._thread = threading.Thread(target=self._watch, name="worker-lookout", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Look at the queues now."""
        self._bell.set()

    def job_ended(self) -> None:
        """There is room for another job."""
        if self._has_backlog:
            self._bell.set()

    def warned(self) -> None:
        """DBOS's own threads fail at something: try it here too, in the next round, where failures are counted."""
        self._is_warned = True

    def stop(self) -> None:
        """End the thread. Blocks while it finishes what it is at, for which the event loop must run."""
        self._is_over = True
        self._bell.set()
        self._thread.join(_PATIENCE)  # A database that does not answer must not keep the program from leaving.

    def _watch(self) -> None:
        rounds_due = time.monotonic()
        while not self._is_over:
            is_nudged = self._bell.wait(max(0.0, rounds_due - time.monotonic()))
            self._bell.clear()
            if time.monotonic() >= rounds_due:
                rounds_due = time.monotonic() + self._interval
                given_back = self._tried("rounds", self._make_rounds)
                is_nudged |= given_back > 0 or self._is_warned or self._failures.is_failing("queues")
                self._is_warned = False
            if is_nudged:
                self._tried("queues", self._start_waiting)

    def _tried(self, what: str, act: Callable[[], int]) -> int:
        """What it returned; 0 if it failed, as the next try may not."""
        try:
            count = act()
        except Exception as error:  # noqa: BLE001 - without this thread nothing would be recovered.
            _log.exception("the worker could not look for jobs; it goes on trying")
            self._failures.failed(what, error)
            return 0
        self._failures.worked(what)
        return count

    def _start_waiting(self) -> int:
        """Returns how many jobs were started."""
        count = 0
        self._has_backlog = False
        for task, queue in self._queues.items():
            running = self._shift.running(task)
            if running >= self._limits[task] or self._is_over:
                self._has_backlog = True
                continue
            started = dbos_inside.start_waiting(queue, running=running, not_started=self._failures.failed)
            count += started
            if running + started >= self._limits[task]:
                self._has_backlog = True
        return count

    def _make_rounds(self) -> int:
        """Returns how many jobs were given back."""
        count = 0
        try:
            is_kept = self._slots.keep()
        except StorageError:
            self._loop.call_soon_threadsafe(self._shift.drop)
            raise
        if not is_kept:
            # Others took us for dead and may have our jobs already.
            self._loop.call_soon_threadsafe(self._shift.drop)
            count += dbos_inside.give_back(self._client, self._slot)
        for owner in dbos_inside.owners(self._client):
            if owner != self._slot:
                count += self._give_back_if_dead(owner)
        return count

    def _give_back_if_dead(self, owner: str) -> int:
        with self._slots.seized(owner) as is_dead:
            count = dbos_inside.give_back(self._client, owner) if is_dead else 0
        if count:
            _log.warning("a dead worker's jobs go on here or elsewhere", extra={"worker": owner, "jobs": count})
        return count
