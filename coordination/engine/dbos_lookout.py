"""Two threads per worker that look where DBOS does not: at a queue the moment a job was put in, and at dead workers."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping

import sqlalchemy as sa
from dbos import DBOSClient, Queue

from coordination.engine import dbos_inside
from coordination.engine.dbos_recovery import Failures, Shift
from coordination.errors import DatabaseAwayError
from coordination.storage.database import plainly
from coordination.storage.worker_leases import Slots

THREADS = frozenset({"queues", "rounds"})
"""What these threads do, by the names under which they tell of their failures."""

_PATIENCE = 2.0
_STRAY_ROUNDS = 5
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
        url: sa.URL,
        interval: float,
        failures: Failures,
    ) -> None:
        """Starts at once. Belongs to the event loop that it is made in."""
        self._client = client
        self._shift = shift
        self._queues = queues
        self._limits = limits
        self._slots = slots
        self._url = url
        self._interval = interval
        self._failures = failures
        self._loop = asyncio.get_running_loop()
        self._bell = threading.Event()
        self._bell.set()
        self._leaving = threading.Event()
        self._is_over = False
        self._has_backlog = False
        self._is_warned = False
        self._strays: Mapping[str, int] = {}
        self._threads = [
            threading.Thread(target=self._watch, name="worker-lookout", daemon=True),
            threading.Thread(target=self._make_rounds_for_ever, name="worker-rounds", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

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
        """End the threads. Blocks while they finish what they are at, for which the event loop must run."""
        self._is_over = True
        self._bell.set()
        self._leaving.set()
        for thread in self._threads:
            thread.join(_PATIENCE)  # A database that does not answer must not keep the program from leaving.

    def _watch(self) -> None:
        while not self._is_over:
            self._bell.wait()
            self._bell.clear()
            self._tried("queues", self._start_waiting)

    def _make_rounds_for_ever(self) -> None:
        """In a thread of their own: signs of life must not wait for anything else."""
        while not self._is_over:
            given_back = self._tried("rounds", self._make_rounds)
            if given_back or self._is_warned or self._failures.is_failing("queues"):
                self._is_warned = False
                self._bell.set()
            self._leaving.wait(self._interval)

    def _tried(self, what: str, act: Callable[[], int]) -> int:
        """What it returned; 0 if it failed, as the next try may not."""
        try:
            with plainly(self._url):
                count = act()
        except Exception as error:  # noqa: BLE001 - without this thread nothing would be recovered.
            # An outage is told of once: thousands of tracebacks would hide everything else.
            if not isinstance(error, DatabaseAwayError):
                _log.exception("the worker could not look for jobs; it goes on trying")
            elif not self._failures.is_failing(what):
                _log.warning("%s The worker goes on trying.", error)
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
            started = dbos_inside.start_waiting(self._client, queue, running=running, not_started=self._failures.failed)
            count += started
            if running + started >= self._limits[task]:
                self._has_backlog = True
        return count

    def _make_rounds(self) -> int:
        """Returns how many jobs were given back."""
        count = 0
        before = self._shift.owner
        if not self._slots.keep():
            owner = self._slots.take(avoid="" if before is None else before.slot)
            _log.warning("other workers took this one for dead; it begins anew", extra={"worker": owner.slot})
            self._shift.owner = owner
            dbos_inside.become(owner.slot)
            self._loop.call_soon_threadsafe(self._shift.drop_lost)
            count += dbos_inside.give_back(self._client, owner.slot)
        for name in {*self._slots.look(), *dbos_inside.owners(self._client)}:
            count += self._give_back_if_dead(name)
        return count + self._give_back_strays()

    def _give_back_strays(self) -> int:
        """Jobs that are ours in the database and nowhere else: the answer to our claim was lost with a connection."""
        owner = self._shift.owner
        if owner is None:
            return 0
        strays = set(dbos_inside.in_hand(self._client, owner.slot)) - self._shift.names
        self._strays = {job: 1 + self._strays.get(job, 0) for job in strays}
        lost = [job for job, rounds in self._strays.items() if rounds > _STRAY_ROUNDS]
        return dbos_inside.give_back(self._client, owner.slot, lost) if lost else 0

    def _give_back_if_dead(self, name: str) -> int:
        with self._slots.seized(name) as is_dead:
            count = dbos_inside.give_back(self._client, name) if is_dead else 0
        if count:
            _log.warning("a dead worker's jobs go on here or elsewhere", extra={"worker": name, "jobs": count})
        return count
