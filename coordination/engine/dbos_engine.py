"""The engine: DBOS stores the jobs in the log's own database, and has them resumed after a crash.

A job is submitted in the transaction of the append that calls for it. It waits in a queue, a living worker claims it,
and it counts as done when `perform` has returned. A worker that dies frees its slot; another gives its jobs back.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import NoReturn

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, Queue
from dbos import error as dbos_error
from sqlalchemy import exc

from coordination.engine import dbos_recovery
from coordination.engine.dbos_recovery import THREADS, RecoveryWatch, WorkerLoop
from coordination.engine.failures import Failures, WarningFilter
from coordination.engine.fair_share import TaskLimits
from coordination.errors import CoordinationError, StorageError
from coordination.ports import Job, Perform
from coordination.storage.database import describe_error, is_away, open_engine, parse_url, place, plainly
from coordination.storage.known_commits import FailoverWatch
from coordination.storage.worker_leases import WorkerLeases, leases_for
from coordination.text import Text

_APPLICATION = "massgen-bot"
_WORKFLOWS = {"deliberate": "deliberate_v1", "execute": "execute_v1"}
LIMITS: Mapping[str, TaskLimits] = {"deliberate": TaskLimits(worker=128), "execute": TaskLimits(worker=32)}
CONNECTIONS = 10
_THREADS = 16
_MARGIN = 2.0
"""Seconds that jobs have to write down how they ended, after a call under way had its time."""
_ATTEMPTS = 1000
"""How often a job may be begun, restarts included. One that kills its process must end one day; no other comes near."""

_LOOK_SECONDS = 0.25
_FORGET_AT_ONCE = 500

_log = logging.getLogger(__name__)
_dbos_log = logging.getLogger("dbos")
_dbos_log.addHandler(logging.NullHandler())  # Else DBOS adds one that writes to the terminal.
_dbos_log.setLevel(logging.WARNING)


class DbosEngine:
    """Fits `coordination.ports.Engine`. One per process may be running."""

    def __init__(
        self,
        url: sa.URL,
        *,
        direct: sa.URL,
        limits: Mapping[str, TaskLimits],
        poll_interval: float,
        rounds_interval: float,
        lease: float,
        retry_waits: Sequence[float],
        connections: int,
    ) -> None:
        """Use `open`, which also prepares the tables and closes everything."""
        self._url = url
        self._direct = direct
        self._limits = limits
        self._poll_interval = poll_interval
        self._rounds_interval = rounds_interval
        self._lease = lease
        self._retry_waits = retry_waits
        self._database = open_engine(url, "engine", connections=connections)
        self._failovers = FailoverWatch(self._database)
        self._client = DBOSClient(
            system_database_engine=self._database,
            serializer=DBOSPortableJSONSerializer(),
            application_name=_APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )
        self._recovery: RecoveryWatch | None = None
        self._last_place = 0
        self._failures = Failures()
        self._warning_filter = WarningFilter(self._warned)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        limits: Mapping[str, TaskLimits] = LIMITS,
        poll_interval: float = 1.0,
        rounds_interval: float = 1.0,
        lease: float = 15.0,
        retry_waits: Sequence[float] = (1, 5, 30, 120),
        direct: str = "",
        connections: int = CONNECTIONS,
    ) -> "AsyncGenerator[DbosEngine]":
        """The engine on the log's database; jobs can be submitted from here on, also if it never runs.

        Args:
            url: the same address as the log's.
            limits: how many runs may be planned, and how many plans carried out, at once.
            poll_interval: seconds between looks for jobs that other processes submitted.
            rounds_interval: seconds between this worker's signs of life, and its looks for dead workers.
            lease: seconds without a sign of life until a frozen worker, or one cut off, loses its jobs.
            retry_waits: seconds before each repeat of a job that raised, until it waits for a restart.
            direct: the address of the same database past a pooler, where `url` leads to one.
            connections: how many the jobs share at most.

        Raises:
            StorageError: the database can't be used; the text says what to do.
        """
        engine = cls(
            parse_url(url),
            direct=parse_url(direct or url),
            limits=limits,
            poll_interval=poll_interval,
            rounds_interval=rounds_interval,
            lease=lease,
            retry_waits=retry_waits,
            connections=connections,
        )
        with closing(engine):
            await asyncio.to_thread(engine._prepare)
            yield engine

    def close(self) -> None:
        """Close every connection."""
        self._client.destroy()
        self._database.dispose()

    def submit(self, connection: sa.Connection, job: Job) -> None:
        """Put a job into the transaction that is open on a connection to the same database."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": _WORKFLOWS[job.task],
                "queue_name": job.task,
                "workflow_id": job.name,
                "queue_partition_key": job.tenant,
                "app_version": dbos_recovery.VERSION,
            },
            job.run,
            job.tenant,
            job.revision,
            job.attempt,
        )
        self._last_place = dbos_recovery.queue_behind(self._client, connection, job.name, self._last_place)

    def wake(self) -> None:
        """A job was just submitted here: look at once rather than at the next poll."""
        if self._recovery is not None:
            self._recovery.wake()

    def workers(self) -> int:
        """How many workers there are, this one among them; 1 as long as it does not work."""
        return 1 if self._recovery is None else self._recovery.workers

    @asynccontextmanager
    async def running(self, perform: Perform, *, drain: float = 8.0) -> AsyncGenerator[None]:
        """Take part in the work while the context is open; recovers what dead processes left.

        When the context closes nothing more is claimed. Jobs in hand are cancelled, and go on where the engine runs
        next; one that has a call under way is waited for, `drain` seconds at most.

        Raises:
            StorageError: the database can't be used.
        """
        dbos_recovery.require_none()
        await asyncio.to_thread(self._refuse_newer)
        leases = await asyncio.to_thread(
            leases_for, self._database, interval=self._rounds_interval, lease=self._lease, direct=self._direct
        )
        limits = {task: limit.of_one_worker for task, limit in self._limits.items()}
        worker_loop = WorkerLoop(
            perform, limits=limits, waits=self._retry_waits, ended=self._job_ended, failures=self._failures
        )
        owner = worker_loop.owner = await asyncio.to_thread(leases.take)
        try:
            await asyncio.to_thread(self._give_back, owner.slot)
            queues = await self._launch(owner.slot, worker_loop)
            self._recovery = RecoveryWatch(
                self._client,
                worker_loop,
                queues=queues,
                limits=self._limits,
                leases=leases,
                url=self._url,
                interval=self._rounds_interval,
                poll_interval=self._poll_interval,
                failures=self._failures,
                failovers=self._failovers,
            )
            _dbos_log.addFilter(self._warning_filter)
            yield
        finally:
            await self._end(leases, worker_loop, drain)

    async def stuck(self, patience: float, run: str = "") -> NoReturn:
        """Wait until work has done nothing but fail for `patience` seconds: this worker's own, or a job of the run.

        A database that is away is waited for, however long: nothing is lost, and it goes on by itself.

        Raises:
            StorageError: the database is why; the operator must act.
            CoordinationError: it is something else, which the program's log tells of.
        """
        mine = (f"run-{run}-", f"exec-{run}-") if run else ()

        def concerns(what: str) -> bool:
            return what in THREADS or what.startswith(mine)

        def passes(error: Exception) -> bool:
            return is_away(error, self._url)

        while (failing := self._failures.lasting(patience, concerns, passes=passes)) is None:  # noqa: ASYNC110 - time passing is enough
            await asyncio.sleep(_LOOK_SECONDS)
        if isinstance(failing.error, exc.SQLAlchemyError):
            raise describe_error(failing.error, self._url) from failing.error
        if isinstance(failing.error, CoordinationError):
            raise failing.error
        raise CoordinationError(
            Text(
                "The work failed {count} times in a row; the program's log says why. Nothing is "
                "lost: once the cause is fixed, `massgen-bot worker` continues it.",
                count=failing.count,
            )
        ) from failing.error

    async def forget_finished(self, before: datetime) -> int:
        """Delete what the engine remembers of jobs that ended before a time; the log keeps its own. Returns how many.

        A job of a forgotten name would run again if it were submitted again, and find that it is done.
        """
        return await asyncio.to_thread(self._forget, before.astimezone(UTC).isoformat())

    def _forget(self, before: str) -> int:
        count = 0
        while found := self._client.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before,
            limit=_FORGET_AT_ONCE,
            load_input=False,
            load_output=False,
        ):
            self._client.delete_workflows([each.workflow_id for each in found])
            count += len(found)
        return count

    def _prepare(self) -> None:
        """Make DBOS's tables in SQLite, in any state; on PostgreSQL that is for `massgen-bot migrate` to do."""
        dbos_recovery.refuse_pickle()
        if self._url.get_backend_name() == "sqlite":
            with plainly(self._url):
                self._database.connect().close()
                dbos_recovery.make_tables(self._url)

    def _refuse_newer(self) -> None:
        with plainly(self._url):
            dbos_recovery.refuse_newer(self._database)

    def _give_back(self, slot: str) -> None:
        with plainly(self._url):
            dbos_recovery.give_back(self._client, slot)

    async def _launch(self, slot: str, worker_loop: WorkerLoop) -> dict[str, Queue]:
        config = DBOSConfig(
            name=_APPLICATION,
            system_database_url=self._url.render_as_string(hide_password=False),
            system_database_engine=self._database,
            serializer=DBOSPortableJSONSerializer(),
            application_version=dbos_recovery.VERSION,
            executor_id=slot,
            max_executor_threads=_THREADS,
            notification_listener_polling_interval_sec=0.25,
            run_migrations=False,
            log_level="WARNING",
        )
        with plainly(self._url):
            DBOS(config=config)
            dbos_recovery.calm()
            _register_workflows(worker_loop.work)
            try:
                DBOS.launch()  # Here and not in a thread: DBOS adopts the event loop that it is launched in.
            except dbos_error.DBOSInitializationError as error:
                raise StorageError(
                    Text(
                        "The job queue's tables are missing in {place}: run `massgen-bot migrate`.",
                        place=place(self._url),
                    )
                ) from error
            return await asyncio.to_thread(self._register_queues)

    def _register_queues(self) -> dict[str, Queue]:
        return {
            task: DBOS.register_queue(
                task,
                worker_concurrency=limit.of_one_worker,
                partition_worker_concurrency=limit.share,
                partition_concurrency=limit.of_one_tenant,
                global_concurrency=limit.everywhere,
                polling_interval_sec=self._poll_interval,
                on_conflict="always_update",
            )
            for task, limit in self._limits.items()
        }

    def _job_ended(self) -> None:
        if self._recovery is not None:
            self._recovery.job_ended()

    def _warned(self) -> None:
        if self._recovery is not None:
            self._recovery.warned()

    async def _end(self, leases: WorkerLeases, worker_loop: WorkerLoop, drain: float) -> None:
        _dbos_log.removeFilter(self._warning_filter)
        recovery, self._recovery = self._recovery, None
        if recovery is not None:
            await asyncio.to_thread(recovery.stop)
        is_idle = await worker_loop.stop(patience=drain + _MARGIN)
        await dbos_recovery.end(patience=_MARGIN)
        try:
            if is_idle and worker_loop.owner is not None:
                await asyncio.to_thread(self._give_back, worker_loop.owner.slot)
                await asyncio.to_thread(leases.release)
        except StorageError:  # Then whoever finds the slot quiet gives them back.
            _log.warning("the slot could not be given back; others will take it for dead")
        finally:
            await asyncio.to_thread(leases.abandon)


def migrate(url: str) -> None:
    """Make DBOS's tables in a database, or change them step by step.

    Raises:
        StorageError: the database can't be used.
    """
    address = parse_url(url)
    with plainly(address):
        if address.get_backend_name() == "sqlite":
            dbos_recovery.make_tables(address)
        else:
            DBOS.migrate(address.render_as_string(hide_password=False))


def _register_workflows(work: Callable[[Job], Awaitable[None]]) -> None:
    """Tell DBOS what to do with a job of each queue. What is registered here by name is in the database for long."""

    @DBOS.workflow(name=_WORKFLOWS["deliberate"], max_recovery_attempts=_ATTEMPTS)
    async def deliberate(run: str, tenant: str, revision: int, attempt: int) -> None:
        await work(Job(task="deliberate", run=run, tenant=tenant, revision=revision, attempt=attempt))

    @DBOS.workflow(name=_WORKFLOWS["execute"], max_recovery_attempts=_ATTEMPTS)
    async def execute(run: str, tenant: str, revision: int, attempt: int) -> None:
        await work(Job(task="execute", run=run, tenant=tenant, revision=revision, attempt=attempt))
