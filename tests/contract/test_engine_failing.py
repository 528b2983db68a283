"""What becomes of a command whose engine does nothing but fail, and of an SQLite that lacks what DBOS asks for."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from coordination.engine import dbos_recovery
from coordination.engine.dbos_engine import DbosEngine
from coordination.engine.failures import Failures
from coordination.errors import CoordinationError, LogLostError, StorageError
from coordination.ports import Job
from coordination.storage.database import OLDEST_SQLITE, open_engine, parse_url, refuse_old_sqlite, teach
from coordination.text import Text
from tests.chaos.deployment import until
from tests.contract.engines import Hands, a_job, dbos_bench
from tests.databases import own_server, postgres_programs, sqlite_url
from tests.e2e.program import Program

REFUSED = "CREATE TRIGGER refused BEFORE UPDATE OF status ON workflow_status BEGIN SELECT RAISE(ABORT, 'seeded'); END"
SOON = 0.5
LONG = 600.0


def in_file(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


async def test_an_engine_that_claims_no_job_again_and_again_says_so_within_seconds(tmp_path: Path) -> None:
    hands = Hands()
    async with dbos_bench(sqlite_url(tmp_path), 3) as bench, bench.engine.running(hands.perform):
        in_file(tmp_path / "log.sqlite", REFUSED)
        await bench.submit(a_job())
        with pytest.raises(StorageError, match="failed; the program's log says why"):
            async with asyncio.timeout(60):
                await bench.engine.stuck(SOON)
    assert hands.begun == []


async def test_an_engine_that_recovers_says_nothing_and_does_the_job(tmp_path: Path) -> None:
    hands = Hands()
    async with dbos_bench(sqlite_url(tmp_path), 3) as bench, bench.engine.running(hands.perform):
        in_file(tmp_path / "log.sqlite", REFUSED)
        await bench.submit(a_job())
        await asyncio.sleep(1)
        in_file(tmp_path / "log.sqlite", "DROP TRIGGER refused")
        await hands.until(lambda: hands.done == [a_job()])
        await asyncio.sleep(SOON)  # for one more round
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * SOON):
                await bench.engine.stuck(SOON)


async def test_what_fails_in_dbos_own_threads_is_noticed_although_nobody_submitted_anything_here(
    tmp_path: Path,
) -> None:
    """A worker that takes what other processes submit has only those threads to hear of it."""
    hands = Hands()
    url = sqlite_url(tmp_path)
    async with dbos_bench(url, 3) as bench, dbos_bench(url, 3) as other, bench.engine.running(hands.perform):
        in_file(tmp_path / "log.sqlite", REFUSED)
        await other.submit(a_job())
        with pytest.raises(StorageError):
            async with asyncio.timeout(60):
                await bench.engine.stuck(SOON)


async def test_what_dbos_warns_of_during_an_outage_is_logged_once_a_minute_and_heard_each_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    heard: list[None] = []
    monkeypatch.setattr(DbosEngine, "_warned", lambda _: heard.append(None))
    with own_server(programs) as server:
        async with dbos_bench(server.new_database(), 3) as bench, bench.engine.running(Hands().perform):
            await asyncio.to_thread(server.stop, immediately=True)
            await until(lambda: len(heard) >= 4, what="four warnings")
            await asyncio.to_thread(server.start)
    places = [(each.filename, each.lineno) for each in caplog.records if each.name == "dbos"]
    assert 0 < len(places) < len(heard)
    assert len(set(places)) == len(places)


async def test_a_server_that_ends_idle_connections_again_and_again_is_told_of_once_a_minute_and_jobs_are_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    hands = Hands()
    with own_server(programs) as server:
        async with dbos_bench(server.new_database(), 3) as bench, bench.engine.running(hands.perform):
            with server.connect() as connection:
                connection.execute("ALTER ROLE postgres SET idle_session_timeout = '150ms'")
                ends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                for number in range(5):
                    connection.execute(ends)
                    await bench.submit(a_job(f"A{number}"))
                    await asyncio.sleep(0.5)
            await hands.until(lambda: len(hands.done) == 5)
    told = [each.getMessage() for each in caplog.records if "goes on trying" in each.getMessage()]
    assert len(told) == 1


async def test_a_job_that_fails_again_and_again_is_told_to_who_waits_for_its_run_and_to_nobody_else(
    tmp_path: Path,
) -> None:
    hands = Hands()
    hands.failures = 1_000
    async with dbos_bench(sqlite_url(tmp_path), 3) as bench, bench.engine.running(hands.perform):
        await bench.submit(a_job("A"))
        with pytest.raises(CoordinationError, match="The work failed 4 times in a row"):
            async with asyncio.timeout(60):
                await bench.engine.stuck(SOON, "A")
        for other in ("", "B", "A-1"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2 * SOON):
                    await bench.engine.stuck(SOON, other)


async def test_a_job_whose_log_lost_events_is_not_begun_again_and_told_to_who_waits_for_it(tmp_path: Path) -> None:
    begun: list[Job] = []

    async def perform(job: Job) -> None:
        begun.append(job)
        raise LogLostError(Text("lost"))

    async with dbos_bench(sqlite_url(tmp_path), 3) as bench, bench.engine.running(perform):
        await bench.submit(a_job("A"))
        with pytest.raises(LogLostError):
            async with asyncio.timeout(60):
                await bench.engine.stuck(SOON, "A")
    assert begun == [a_job("A")]


def test_failures_count_only_in_a_row_and_only_as_long_as_they_last() -> None:
    failures = Failures()

    def lasting(patience: float) -> bool:
        found = failures.lasting(patience, lambda what: what == "queues", passes=lambda error: str(error) == "away")
        return found is not None

    for _ in range(2):
        failures.failed("queues", OSError())
    assert not lasting(0)
    failures.failed("queues", OSError())
    assert lasting(0)
    assert not lasting(LONG)
    failures.worked("queues")
    failures.failed("queues", OSError())
    assert not lasting(0)
    for _ in range(3):
        failures.failed("rounds", OSError())
    assert not lasting(0)


def test_a_command_whose_engine_fails_ends_in_words_and_its_log_says_why(tmp_path: Path) -> None:
    program = Program(tmp_path)
    assert program.run("demo", "--approve").status == 0
    in_file(program.state / "massgen-bot.sqlite", REFUSED)
    began = time.monotonic()
    ended = program.run("demo", "--approve")
    assert time.monotonic() - began < 30
    assert ended.status == 2
    assert "massgen-bot.sqlite failed; the program's log says why" in ended.err
    assert "seeded" in (program.state / "massgen-bot.log").read_text(encoding="utf-8")
    in_file(program.state / "massgen-bot.sqlite", "DROP TRIGGER refused")
    assert program.run("worker", "--until-idle").status == 0


# --- an SQLite that lacks what DBOS asks for --------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["subsec", "subsecond"])
def test_every_sqlite_knows_the_time_to_the_millisecond(tmp_path: Path, moment: str) -> None:
    engine = open_engine(parse_url(sqlite_url(tmp_path)), "write", connections=1)
    with engine.begin() as connection:
        (seconds,) = connection.exec_driver_sql("SELECT unixepoch(?)", (moment,)).one()
    engine.dispose()
    assert isinstance(seconds, float)
    assert abs(seconds - time.time()) < 60


def test_what_older_sqlites_are_taught_answers_as_newer_ones_do() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        teach(connection, None, version=(3, 41, 2))
        connection.execute("CREATE TABLE born (at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000), name TEXT)")
        connection.execute("INSERT INTO born (name) VALUES ('A')")
        (at,) = connection.execute("SELECT at FROM born").fetchone()
        assert abs(at / 1000 - time.time()) < 60
        moments = ("now", "1970-01-02", 2440588.5, "nonsense", None)
        answers = [connection.execute("SELECT unixepoch(?)", (moment,)).fetchone()[0] for moment in moments]
    assert abs(answers[0] - time.time()) < 60
    assert answers[1:] == [86_400, 86_400, None, None]


def test_a_newer_sqlite_is_left_as_it_is() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        before = connection.execute("SELECT unixepoch('2000-01-01')").fetchone()
        teach(connection, None, version=(3, 42, 0))
        assert connection.execute("SELECT unixepoch('2000-01-01')").fetchone() == before


def test_dbos_makes_its_tables_with_an_sqlite_that_does_not_know_its_clock(tmp_path: Path) -> None:
    """On Python 3.12 and newer its columns take their times from `unixepoch('subsec')`, also while it moves rows."""
    dbos_recovery.make_tables(parse_url(sqlite_url(tmp_path)))
    dbos_recovery.make_tables(parse_url(sqlite_url(tmp_path)))
    assert in_file(tmp_path / "log.sqlite", "SELECT count(*) FROM workflow_status") == [(0,)]


@pytest.mark.parametrize("version", [(3, 34, 1), (3, 7, 17)])
def test_an_sqlite_that_is_too_old_is_refused_in_a_sentence(version: tuple[int, ...]) -> None:
    with pytest.raises(StorageError, match=rf"has SQLite 3\.{version[1]}, but massgen-bot needs 3\.35 or newer"):
        refuse_old_sqlite(version)
    refuse_old_sqlite(OLDEST_SQLITE)


OLD = """
import sqlite3
sqlite3.sqlite_version_info = (3, 34, 1)
import bot.__main__
bot.__main__.main()
"""


def test_a_command_refuses_an_old_sqlite_before_it_begins(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", OLD, "demo", "--approve"],
        env=Program(tmp_path).surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("This Python has SQLite 3.34")
    assert ended.stderr.count("\n") == 1
