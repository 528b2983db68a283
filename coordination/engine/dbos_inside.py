"""All that is private to DBOS 3.4 and yet needed here, in one place; a contract test fails when it changes.

DBOS offers no way to look at a queue before its next poll, and leaves the recovery of dead workers to a paid service.
"""

# ruff: noqa: SLF001 - this module is where private names are used, so that no other has to.
# pyright: reportPrivateUsage=false

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import NoReturn, TypeAlias

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, Queue, _dbos, _workflow_commands
from dbos._core import execute_dequeued_workflow
from dbos._serialization import DefaultSerializer
from dbos._sys_db import SystemDatabase
from dbos._utils import INTERNAL_QUEUE_NAME, GlobalParams, generate_uuid
from sqlalchemy import event
from typing_extensions import override

from coordination.storage.database import teach

VERSION = "1"
"""Of this program as DBOS sees it. DBOS gives a job to no worker of another version, so this never changes; work that
older workers can't do gets another workflow name."""

NotStarted: TypeAlias = Callable[[str, Exception], None]
"""Is told the name of a job that could not be started, and why."""

_SELDOM = 60.0
_log = logging.getLogger(__name__)


def require_none() -> None:
    """Make sure that the one DBOS that a process may have is still to be made.

    Raises:
        RuntimeError: it is not.
    """
    if _dbos._dbos_global_instance is not None:
        raise RuntimeError("the engine runs already in this process")


def make_tables(url: sa.URL) -> None:
    """Make DBOS's tables in an SQLite file, or change them. `DBOS.migrate` does the same, but on no SQLite before 3.42."""
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


class Complaints(logging.Handler):
    """Calls `heard` whenever DBOS warns of something: its threads report their failures to nobody else."""

    def __init__(self, heard: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._heard()


def calm() -> None:
    """Before the launch: let DBOS look for what there is none of (delays, time limits) each minute, not each second."""
    _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = _SELDOM
    _dbos._get_dbos_instance()._registry.get_internal_queue()._polling_interval_sec = _SELDOM


async def end(*, patience: float) -> None:
    """Let DBOS write down what has just ended, then end it, also if it did not begin."""
    instance = _dbos._dbos_global_instance
    if instance is not None and (tasks := set(instance._workflow_tasks)):
        await asyncio.wait(tasks, timeout=patience)
    await asyncio.to_thread(DBOS.destroy, destroy_registry=True)


def start_waiting(client: DBOSClient, queue: Queue, *, running: int, not_started: NotStarted) -> int:
    """Claim what waits in a queue, as far as its limit allows, and start it. Returns how much that was.

    This is what DBOS's own thread does at each poll; the claim is a compare-and-swap in the database. A job that can't
    be started goes back into its queue, for the others must start. The client's connections fail where DBOS's own wait
    ever longer for a database that is away.
    """
    dbos = _dbos._get_dbos_instance()
    owner = generate_uuid()
    names, _ = client._sys_db.start_queued_workflows(
        queue, GlobalParams.executor_id, VERSION, None, running, owner_xid=owner
    )
    for status in client._sys_db.get_workflow_statuses(names):
        job = status["workflow_uuid"]
        try:
            execute_dequeued_workflow(dbos, status, owner)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other jobs must start.
            _log.exception("a job could not be started", extra={"job": job})
            not_started(job, error)
            client._sys_db.reenqueue_for_recovery(job, [GlobalParams.executor_id], INTERNAL_QUEUE_NAME)
    return len(names)


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
