"""What we use of DBOS without being promised it, and what only our own engine does."""

import asyncio
import base64
import importlib.metadata
import inspect
import pickle
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from dbos import _core, _dbos, _sys_db, _workflow_commands

from coordination.domain.transitions import evolve
from coordination.engine import dbos_recovery
from coordination.engine.dbos_engine import DbosEngine
from coordination.engine.dbos_recovery import WorkerLoop
from coordination.engine.failures import Failures
from coordination.errors import ConflictError, StorageError
from coordination.ports import Job
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.contract.engines import Hands, a_job, dbos_bench, open_quick
from tests.databases import postgres_programs, postgres_server, sqlite_url

SYSTEM = _sys_db.SystemDatabase


def in_database(folder: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "log.sqlite", isolation_level=None)) as connection:
        return connection.execute(statement, parameters).fetchall()


def test_dbos_is_of_the_release_that_this_was_written_for() -> None:
    assert importlib.metadata.version("dbos").startswith("3.4.")


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (_core.execute_dequeued_workflow, "dbos status owner_xid"),
        (SYSTEM.get_pending_workflows, "self executor_id app_version"),
        (SYSTEM.reenqueue_for_recovery, "self workflow_id executor_ids recovery_queue_name"),
        (SYSTEM.get_workflow_statuses, "self workflow_ids"),
        (SYSTEM.get_queue_partitions, "self queue_name"),
        (SYSTEM.is_lock_conflict, "self error"),
        (SYSTEM.is_serialization_conflict, "self error"),
        (
            SYSTEM.start_queued_workflows,
            "self queue executor_id app_version queue_partition_key local_running_count partition_local_running_count "
            "owner_xid is_latest_version",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_private_to_dbos_is_called_as_before(function: Callable[..., object], parameters: str) -> None:
    assert " ".join(inspect.signature(function).parameters) == parameters


async def test_what_is_private_to_dbos_is_where_it_was(tmp_path: Path) -> None:
    async with dbos_bench(sqlite_url(tmp_path), 3) as bench, bench.engine.running(Hands().perform):
        instance = _dbos._dbos_global_instance
        assert instance is not None
        assert instance._workflow_tasks == set()
        assert instance._registry.get_internal_queue()._polling_interval_sec == 60
        assert _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC == 60
        assert "executor_id" in instance._sys_db.tables.workflow_status.c


def test_background_jobs_still_read_their_interval_when_they_start() -> None:
    assert "_BACKGROUND_JOBS_INTERVAL_SEC" in inspect.getsource(_workflow_commands.background_jobs_thread)


async def test_a_job_starts_long_before_the_next_poll(tmp_path: Path) -> None:
    hands = Hands()
    url = sqlite_url(tmp_path)
    async with DbosEngine.open(url, poll_interval=600, rounds_interval=600) as engine, engine.running(hands.perform):
        async with dbos_bench(url, 3) as bench:
            await bench.submit(a_job())
        engine.wake()
        await hands.until(lambda: hands.done == [a_job()])


async def test_an_append_and_its_job_are_one_transaction(tmp_path: Path) -> None:
    """A decision that was taken is an execution that will run; one that lost its race is none."""
    hands = Hands()
    url, state = sqlite_url(tmp_path), evolve(None, a_request(), START)
    async with open_quick(url) as engine, SqlLog.open(url, submit=engine.submit) as log:
        await log.append("A", 0, [a_request()], START, state, a_job("A"))
        with pytest.raises(ConflictError):
            await log.append("A", 0, [a_request()], START, state, a_job("LOST"))
        in_database(
            tmp_path, "CREATE TRIGGER full BEFORE INSERT ON workflow_input BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        with pytest.raises(StorageError):
            await log.append("B", 0, [a_request()], START, state, a_job("B"))
        in_database(tmp_path, "DROP TRIGGER full")
        assert list(await log.read("B")) == []
        assert in_database(tmp_path, "SELECT workflow_uuid FROM workflow_status") == [("run-A-1",)]
        async with engine.running(hands.perform):
            await hands.until(lambda: hands.done == [a_job("A")])


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[[list[str]], int], tuple[list[str]]]:  # pyright: ignore[reportImplicitOverride] - Python 3.11 has no mark for it
        return subprocess.call, (["touch", str(self._marker)],)


async def test_a_row_that_says_it_is_pickled_is_never_unpickled(tmp_path: Path) -> None:
    hands = Hands()
    pickled = base64.b64encode(pickle.dumps({"args": (Bomb(tmp_path / "exploded"),), "kwargs": {}})).decode()
    async with dbos_bench(sqlite_url(tmp_path), 3) as bench:
        await bench.submit(a_job("BAD"))
        in_database(tmp_path, "UPDATE workflow_status SET serialization = 'py_pickle'")
        in_database(tmp_path, "UPDATE workflow_input SET inputs = ?", pickled)
        async with bench.engine.running(hands.perform):
            await bench.submit(a_job("GOOD"))
            await hands.until(lambda: hands.done == [a_job("GOOD")])
    assert not (tmp_path / "exploded").exists()
    assert in_database(tmp_path, "SELECT workflow_uuid FROM workflow_status WHERE status = 'ERROR'") == [("run-BAD-1",)]


async def test_finished_jobs_are_forgotten_and_others_are_not(tmp_path: Path) -> None:
    hands = Hands()
    async with open_quick(sqlite_url(tmp_path)) as engine, dbos_bench(sqlite_url(tmp_path), 3) as bench:
        async with engine.running(hands.perform):
            await bench.submit(a_job("DONE"))
            engine.wake()
            await hands.until(lambda: hands.done == [a_job("DONE")])
        await bench.submit(a_job("WAITS"))
        assert await engine.forget_finished(START - timedelta(days=3650)) == 0
        assert await engine.forget_finished(START + timedelta(days=3650)) == 1
        assert await engine.forget_finished(START + timedelta(days=3650)) == 0
    assert in_database(tmp_path, "SELECT workflow_uuid FROM workflow_status") == [("run-WAITS-1",)]


async def test_a_process_can_not_work_twice_at_once(tmp_path: Path) -> None:
    hands = Hands()
    url = sqlite_url(tmp_path)
    async with open_quick(url) as other, dbos_bench(url, 3) as bench, bench.engine.running(hands.perform):
        with pytest.raises(RuntimeError, match="runs already"):
            async with other.running(hands.perform):
                pass
        await bench.submit(a_job())
        await hands.until(lambda: hands.done == [a_job()])


async def test_a_server_without_the_engines_tables_asks_to_be_migrated() -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with postgres_server(programs) as server:
        async with open_quick(server.new_database()) as engine:
            with pytest.raises(StorageError, match="run `massgen-bot migrate`"):
                async with engine.running(Hands().perform):
                    pass


async def test_one_job_is_never_in_hand_twice_at_once_in_one_process() -> None:
    hands = Hands()
    hands.gate.clear()
    worker_loop = WorkerLoop(hands.perform, limits={"deliberate": 5}, waits=(), ended=lambda: None, failures=Failures())
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(worker_loop.work(a_job()))
        group.create_task(worker_loop.work(a_job()))
        await hands.until(lambda: len(hands.begun) == 1)
        hands.gate.set()
        await hands.until(lambda: len(hands.done) == 1)
    assert hands.begun == hands.done == [a_job(), a_job()]


async def test_a_job_that_will_not_end_keeps_nobody_from_leaving() -> None:
    release = asyncio.Event()

    async def deaf(job: Job) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    worker_loop = WorkerLoop(deaf, limits={"deliberate": 5}, waits=(), ended=release.set, failures=Failures())
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(worker_loop.work(a_job()))
        await asyncio.sleep(0)
        assert await worker_loop.stop(patience=0.05) is False
        release.set()


def test_the_version_that_dbos_knows_us_by_never_changes() -> None:
    """Jobs in the databases of today would be begun by no worker of another one."""
    assert dbos_recovery.VERSION == "1"
