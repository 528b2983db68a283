"""The worker's loop over DBOS: performs jobs, takes over those of dead workers, and what DBOS itself needs for that.

DBOS offers no way to look at a queue before its next poll, and leaves the recovery of dead workers to a paid service.
"""

import asyncio
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn, TypeAlias

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, Queue, _dbos, _workflow_commands
from dbos._core import execute_dequeued_workflow
from dbos._migration import get_dbos_migrations, sqlite_migrations
from dbos._serialization import DefaultSerializer
from dbos._sys_db import SystemDatabase
from dbos._utils import INTERNAL_QUEUE_NAME, GlobalParams, generate_uuid
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from coordination.engine.failures import Failures
from coordination.engine.fair_share import FairShare, TaskLimits
from coordination.errors import DatabaseAwayError, LogLostError, OwnershipLostError, StorageError
from coordination.ports import Job, Perform
from coordination.storage.database import place, plainly, require_file, teach
from coordination.storage.known_commits import FailoverWatch
from coordination.storage.worker_leases import Ownership, WorkerLeases, working_as
from coordination.text import Text

_AWAY_SECONDS = 2.0
"""Between two tries of a job while the database is away; it is tried for as long as that lasts."""

_BEGINS_WITHIN = 5.0
"""Seconds until a job that was claimed is in hand, or will not be."""

_log = logging.getLogger(__name__)


class WorkerLoop:
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
        self._expected: dict[str, tuple[str, str, float]] = {}
        self._waits = waits
        self._ended = ended
        self._live: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._is_over = False
        self._given_up: set[str] = set()
        self.owner: Ownership | None = None

    def expect(self, name: str, task: str, tenant: str) -> None:
        """A job was claimed, and will be in hand in a moment. Any thread may say so."""
        self._expected[name] = (task, tenant, time.monotonic())

    def in_hand(self, task: str) -> Counter[str]:
        """How many jobs of a task are in hand, by tenant; those that were just claimed among them."""
        live, now = dict(self._live), time.monotonic()
        tenants = Counter(job.tenant for job, _ in live.values() if job.task == task)
        for name, (of, tenant, at) in list(self._expected.items()):
            if name in live or now - at > _BEGINS_WITHIN:
                self._expected.pop(name, None)
            elif of == task:
                tenants[tenant] += 1
        return tenants

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
        self._live[job.name] = (job, mine)
        self._expected.pop(job.name, None)
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
        for job, task in self._live.values():
            if job.task == "deliberate":
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
        """Try the job for as long as the database is away; otherwise as often as there are waits."""
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
                # From a log that lost events a call would start that may have run.
                wait = None if isinstance(error, LogLostError) else next(waits, None)
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


# ruff: noqa: SLF001 - this module is where private names are used, so that no other has to.
# pyright: reportPrivateUsage=false


VERSION = "1"
"""Of this program as DBOS sees it. DBOS gives a job to no worker of another version, so this never changes; work that
older workers can't do gets another workflow name."""

NotStarted: TypeAlias = Callable[[str, Exception], None]
"""Is told the name of a job that could not be started, and why."""

_SELDOM = 60.0
_SORTED_AT_ONCE = 200


def require_none() -> None:
    """Make sure that the one DBOS that a process may have is still to be made.

    Raises:
        RuntimeError: it is not.
    """
    if _dbos._dbos_global_instance is not None:
        raise RuntimeError("the engine runs already in this process")


def make_tables(url: sa.URL) -> None:
    """Make DBOS's tables in an SQLite file, or change them.

    `DBOS.migrate` does the same, but on no SQLite before 3.42.
    """
    system = SystemDatabase.create(
        system_database_url=url.render_as_string(hide_password=False),
        engine_kwargs={"pool_timeout": 30, "max_overflow": 0, "pool_size": 2},
        engine=None,
        schema="dbos",
        serializer=DefaultSerializer(),
        executor_id=None,
    )
    event.listen(system.engine, "connect", teach)
    try:
        system.run_migrations()
    finally:
        system.destroy()


def refuse_newer(engine: sa.Engine) -> None:
    """Go on only with tables that this release of DBOS knows: it would write to newer ones as if they were its own.

    Raises:
        StorageError: a newer program made them.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    schema = None if is_sqlite else "dbos"
    known = len(sqlite_migrations if is_sqlite else get_dbos_migrations("dbos", True, False))
    stamp = sa.table("dbos_migrations", sa.column("version", sa.Integer), schema=schema)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(stamp.name, schema=schema):
            return
        version = connection.execute(sa.select(sa.func.max(stamp.c.version))).scalar()
    if (version or 0) > known:
        raise StorageError(
            Text("A newer massgen-bot has written to {place}: upgrade this program.", place=place(engine.url))
        )


def calm() -> None:
    """Before the launch: let DBOS look for what there is none of (delays, time limits) each minute, not each second.

    It looks at no queue of ours: `claim` does, tenant by tenant.
    """
    DBOS.listen_queues([])
    _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _SELDOM
    _dbos._get_dbos_instance()._registry.get_internal_queue()._polling_interval_sec = _SELDOM


async def end(*, patience: float) -> None:
    """Let DBOS write down what has just ended, then end it, also if it did not begin."""
    instance = _dbos._dbos_global_instance
    if instance is not None and (tasks := set(instance._workflow_tasks)):
        await asyncio.wait(tasks, timeout=patience)
    await asyncio.to_thread(DBOS.destroy, destroy_registry=True)


def claim(
    client: DBOSClient, queue: Queue, tenant: str, share: int, *, most: int, in_hand: int
) -> tuple[Sequence[str], str]:
    """Claim up to `share` of what a tenant has waiting in a queue. Returns the jobs, and the token of the claim.

    This is the claim of DBOS's own threads: a compare-and-swap in the database, which also keeps the limits that all
    workers share, and that one worker has in hand no more than `most`. Those threads would let one tenant take all that
    there is room for, so they don't look at our queues. The client's connections fail where DBOS's own wait ever longer
    for a database that is away.
    """
    owner = generate_uuid()
    system = client._sys_db
    try:
        names, _ = system.start_queued_workflows(
            queue, GlobalParams.executor_id, VERSION, tenant, most - share, in_hand, owner_xid=owner
        )
    except DBAPIError as error:
        if system.is_lock_conflict(error) or system.is_serialization_conflict(error):
            return (), owner  # Another worker is at the same limit in this moment; the next look finds what it left.
        raise
    return names, owner


def begin(client: DBOSClient, names: Sequence[str], owner: str, *, not_started: NotStarted) -> None:
    """Start jobs that were claimed. One that can't be started goes back into its queue, for the others must start."""
    if not names:
        return
    dbos = _dbos._get_dbos_instance()
    for status in client._sys_db.get_workflow_statuses(list(names)):
        job = status["workflow_uuid"]
        try:
            execute_dequeued_workflow(dbos, status, owner)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other jobs must start.
            _log.exception("a job could not be started", extra={"job": job})
            not_started(job, error)
            client._sys_db.reenqueue_for_recovery(job, [GlobalParams.executor_id], INTERNAL_QUEUE_NAME)


def queue_behind(client: DBOSClient, connection: sa.Connection, job: str, last: int) -> int:
    """Give a job that was just submitted its place in its queue: after `last`, the place before. Returns its place.

    A place is `created_at`, in milliseconds of the database's clock, which is what DBOS's claim sorts by. By itself it
    is the same for all jobs of a transaction, and in SQLite under Python 3.11 for all of a second; equals come in any
    order.
    """
    jobs = client._sys_db.tables.workflow_status
    is_sqlite = connection.dialect.name == "sqlite"
    lowest = max(last + 1, time.time_ns() // 1_000_000 if is_sqlite else 0)  # One machine has one clock.
    later = sa.case((jobs.c.created_at < lowest, lowest), else_=jobs.c.created_at)
    placed = sa.update(jobs).where(jobs.c.workflow_uuid == job).values(created_at=later).returning(jobs.c.created_at)
    return int(connection.execute(placed).scalar_one())


def waiting_tenants(client: DBOSClient, queue: Queue) -> Sequence[str]:
    """Whose jobs wait in a queue. Costs as much as there are tenants, however many jobs wait."""
    return client._sys_db.get_queue_partitions(queue.name)


def sort_in(client: DBOSClient, queues: Collection[str]) -> int:
    """Note whose jobs they are that a program of an earlier release submitted. Returns how many there were."""
    system = client._sys_db
    jobs = system.tables.workflow_status
    without = sa.select(jobs.c.workflow_uuid).where(
        jobs.c.status == "ENQUEUED", jobs.c.queue_name.in_(queues), jobs.c.queue_partition_key.is_(None)
    )
    with system.engine.connect() as connection:
        names = connection.execute(without.limit(_SORTED_AT_ONCE)).scalars().all()
    if not names:
        return 0
    with system.engine.begin() as connection:
        for status in system.get_workflow_statuses(list(names)):
            job = jobs.c.workflow_uuid == status["workflow_uuid"]
            key = _tenant_of(status["inputs"])
            connection.execute(sa.update(jobs).where(job).values(queue_partition_key=key))
    return len(names)


def _tenant_of(inputs: str | None) -> str:
    """Whose job it is, from what it was submitted with; jobs that can't be read share one place."""
    try:
        return str(json.loads(inputs or "")["positionalArgs"][1])
    except (ValueError, LookupError, TypeError):
        return ""


def become(slot: str) -> None:
    """Go on as the worker of another slot."""
    GlobalParams.executor_id = slot


def owners(client: DBOSClient) -> Sequence[str]:
    """The workers that have jobs in hand, alive or dead."""
    jobs = client._sys_db.tables.workflow_status
    query = sa.select(jobs.c.executor_id).where(jobs.c.status == "PENDING").distinct()
    with client._sys_db.engine.connect() as connection:
        return [owner for owner in connection.execute(query).scalars() if owner is not None]


def in_hand(client: DBOSClient, owner: str) -> Sequence[str]:
    """The jobs that a worker has in hand, as the database knows it."""
    return [job.workflow_id for job in client._sys_db.get_pending_workflows(owner, VERSION)]


def give_back(client: DBOSClient, owner: str, only: Collection[str] | None = None) -> int:
    """Put a dead worker's jobs back into their queues, or `only` some of a living one. Returns how many there were."""
    jobs = [job for job in in_hand(client, owner) if only is None or job in only]
    for job in jobs:
        client._sys_db.reenqueue_for_recovery(job, [owner], INTERNAL_QUEUE_NAME)
    return len(jobs)


def refuse_pickle() -> None:
    """Never unpickle: DBOS would do so with any row that says it is pickled, and so run whatever its writer likes."""
    setattr(DefaultSerializer, "deserialize", _refuse)  # noqa: B010 - mypy and pyright agree on no other way


def _refuse(cls: DefaultSerializer, serialized_data: str) -> NoReturn:
    raise ValueError(f"{len(serialized_data)} characters for {cls.name()} were refused")


THREADS = frozenset({"queues", "rounds"})
"""What these threads do, by the names under which they tell of their failures."""

_URGENT = ("execute", "deliberate")
_PATIENCE = 2.0
_STRAY_ROUNDS = 5


class RecoveryWatch:
    """Starts waiting jobs when woken, and every `interval` seconds gives back what dead workers left."""

    _told_at = -_SELDOM

    def __init__(
        self,
        client: DBOSClient,
        worker_loop: WorkerLoop,
        *,
        queues: Mapping[str, Queue],
        limits: Mapping[str, TaskLimits],
        leases: WorkerLeases,
        url: sa.URL,
        interval: float,
        poll_interval: float,
        failures: Failures,
        failovers: FailoverWatch,
    ) -> None:
        """Starts at once. Belongs to the event loop that it is made in."""
        self._failovers = failovers
        self._client = client
        self._worker_loop = worker_loop
        self._queues = queues
        self._limits = limits
        self._turns = {task: FairShare(limit.share) for task, limit in limits.items()}
        self._poll_interval = poll_interval
        self._leases = leases
        self._url = url
        self._interval = interval
        self._failures = failures
        self._loop = asyncio.get_running_loop()
        self._wake_event = threading.Event()
        self._wake_event.set()
        self._leaving = threading.Event()
        self._is_over = False
        self._has_backlog = False
        self._is_warned = False
        self._strays: Mapping[str, int] = {}
        self._threads = [
            threading.Thread(target=self._watch, name="recovery-watch", daemon=True),
            threading.Thread(target=self._make_rounds_for_ever, name="worker-rounds", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return self._leases.alive

    def wake(self) -> None:
        """Look at the queues now."""
        self._wake_event.set()

    def job_ended(self) -> None:
        """There is room for another job."""
        if self._has_backlog:
            self._wake_event.set()

    def warned(self) -> None:
        """DBOS's own threads fail at something: try it here too, in the next round, where failures are counted."""
        self._is_warned = True

    def stop(self) -> None:
        """End the threads. Blocks while they finish what they are at, for which the event loop must run."""
        self._is_over = True
        self._wake_event.set()
        self._leaving.set()
        for thread in self._threads:
            thread.join(_PATIENCE)  # A database that does not answer must not keep the program from leaving.

    def _watch(self) -> None:
        while not self._is_over:
            self._wake_event.wait(self._poll_interval)
            self._wake_event.clear()
            self._tried("queues", self._start_waiting)

    def _make_rounds_for_ever(self) -> None:
        """In a thread of their own: signs of life must not wait for anything else."""
        while not self._is_over:
            given_back = self._tried("rounds", self._make_rounds)
            if given_back or self._is_warned or self._failures.is_failing("queues"):
                self._is_warned = False
                self._wake_event.set()
            self._leaving.wait(self._interval)

    def _tried(self, what: str, act: Callable[[], int]) -> int:
        """What it returned; 0 if it failed, as the next try may not."""
        try:
            with plainly(self._url):
                count = act()
        except Exception as error:  # noqa: BLE001 - without this thread nothing would be recovered.
            # An outage is told of once, and many short ones once a minute: else they would hide everything else.
            if not isinstance(error, DatabaseAwayError):
                _log.exception("the worker could not look for jobs; it goes on trying")
            elif not self._failures.is_failing(what) and time.monotonic() - self._told_at >= _SELDOM:
                self._told_at = time.monotonic()
                _log.warning("%s The worker goes on trying.", error)
            self._failures.failed(what, error)
            return 0
        self._failures.worked(what)
        return count

    def _start_waiting(self) -> int:
        """Returns how many jobs were started. What people approved comes before what agents plan."""
        self._has_backlog = False
        return sum(self._start_fairly(task) for task in sorted(self._queues, key=_URGENT.index))

    def _start_fairly(self, task: str) -> int:
        """Start what waits for one task, by turns of its tenants. What one leaves over is divided among the others."""
        queue, limit, count = self._queues[task], self._limits[task], 0
        waiting = set(waiting_tenants(self._client, queue))
        if task == "execute" and self._failovers.is_recent:
            return 0  # Whoever has carried it out, and lost that, must be able to say so first.
        while waiting and not self._is_over:
            in_hand = self._worker_loop.in_hand(task)
            shares = self._turns[task].allot(waiting, in_hand, limit.of_one_worker - in_hand.total())
            started = {tenant: self._start(task, tenant, share, in_hand[tenant]) for tenant, share in shares.items()}
            count += sum(started.values())
            fewer = {tenant for tenant, number in started.items() if number < shares[tenant]}
            if not fewer:
                self._has_backlog = True
                break
            waiting -= fewer
        return count

    def _start(self, task: str, tenant: str, share: int, in_hand: int) -> int:
        most = self._limits[task].of_one_worker
        names, owner = claim(self._client, self._queues[task], tenant, share, most=most, in_hand=in_hand)
        for name in names:
            self._worker_loop.expect(name, task, tenant)
        begin(self._client, names, owner, not_started=self._failures.failed)
        return len(names)

    def _make_rounds(self) -> int:
        """Returns how many jobs were given back."""
        require_file(self._url)
        count = 0
        before = self._worker_loop.owner
        if not self._leases.keep():
            owner = self._leases.take(avoid="" if before is None else before.slot)
            _log.warning("other workers took this one for dead; it begins anew", extra={"worker": owner.slot})
            self._worker_loop.owner = owner
            become(owner.slot)
            self._loop.call_soon_threadsafe(self._worker_loop.drop_lost)
            count += give_back(self._client, owner.slot)
        for name in {*self._leases.look(), *owners(self._client)}:
            count += self._give_back_if_dead(name)
        return count + self._give_back_strays() + sort_in(self._client, list(self._queues))

    def _give_back_strays(self) -> int:
        """Jobs that are ours in the database and nowhere else: the answer to our claim was lost with a connection."""
        owner = self._worker_loop.owner
        if owner is None:
            return 0
        strays = set(in_hand(self._client, owner.slot)) - self._worker_loop.names
        self._strays = {job: 1 + self._strays.get(job, 0) for job in strays}
        lost = [job for job, rounds in self._strays.items() if rounds > _STRAY_ROUNDS]
        return give_back(self._client, owner.slot, lost) if lost else 0

    def _give_back_if_dead(self, name: str) -> int:
        with self._leases.seized(name) as is_dead:
            count = give_back(self._client, name) if is_dead else 0
        if count:
            _log.warning("a dead worker's jobs go on here or elsewhere", extra={"worker": name, "jobs": count})
        return count
