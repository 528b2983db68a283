"""All that is private to DBOS 3.4 and yet needed here, in one place; a contract test fails when it changes.

DBOS offers no way to look at a queue before its next poll, and leaves the recovery of dead workers to a paid service.
"""

# ruff: noqa: SLF001 - this module is where private names are used, so that no other has to.
# pyright: reportPrivateUsage=false

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, Queue, _dbos, _workflow_commands
from dbos._core import execute_dequeued_workflow
from dbos._serialization import DefaultSerializer
from dbos._utils import INTERNAL_QUEUE_NAME, GlobalParams, generate_uuid

VERSION = "1"
"""Of this program as DBOS sees it. DBOS gives a job to no worker of another version, so this never changes; work that
older workers can't do gets another workflow name."""

_SELDOM = 60.0
_log = logging.getLogger(__name__)


def require_none() -> None:
    """Make sure that the one DBOS that a process may have is still to be made.

    Raises:
        RuntimeError: it is not.
    """
    if _dbos._dbos_global_instance is not None:
        raise RuntimeError("the engine runs already in this process")


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


def start_waiting(queue: Queue, *, running: int) -> int:
    """Claim what waits in a queue, as far as its limit allows, and start it. Returns how much that was.

    This is what DBOS's own thread does at each poll; the claim is a compare-and-swap in the database.
    """
    dbos = _dbos._get_dbos_instance()
    owner = generate_uuid()
    names, _ = dbos._sys_db.start_queued_workflows(
        queue, GlobalParams.executor_id, VERSION, None, running, owner_xid=owner
    )
    for status in dbos._sys_db.get_workflow_statuses(names):
        try:
            execute_dequeued_workflow(dbos, status, owner)
        except Exception:  # noqa: BLE001 - the other jobs must start; this one stays claimed and is recovered later.
            _log.exception("a job could not be started", extra={"job": status["workflow_uuid"]})
    return len(names)


def owners(client: DBOSClient) -> Sequence[str]:
    """The workers that have jobs in hand, alive or dead."""
    jobs = client._sys_db.tables.workflow_status
    query = sa.select(jobs.c.executor_id).where(jobs.c.status == "PENDING").distinct()
    with client._sys_db.engine.connect() as connection:
        return [owner for owner in connection.execute(query).scalars() if owner is not None]


def give_back(client: DBOSClient, owner: str) -> int:
    """Put a dead worker's jobs back into their queues. Returns how many there were."""
    jobs = client._sys_db.get_pending_workflows(owner, VERSION)
    for job in jobs:
        client._sys_db.reenqueue_for_recovery(job.workflow_id, [owner], INTERNAL_QUEUE_NAME)
    return len(jobs)


def refuse_pickle() -> None:
    """Never unpickle: DBOS would do so with any row that says it is pickled, and so run whatever its writer likes."""
    setattr(DefaultSerializer, "deserialize", _refuse)  # noqa: B010 - mypy and pyright agree on no other way


def _refuse(cls: DefaultSerializer, serialized_data: str) -> NoReturn:
    raise ValueError(f"{len(serialized_data)} characters for {cls.name()} were refused")
