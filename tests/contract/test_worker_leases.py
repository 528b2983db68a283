"""Whose a slot is: not whoever has a living connection, and not whoever thinks that they still hold it."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from coordination.domain import events as e
from coordination.domain.transitions import evolve
from coordination.errors import DatabaseAwayError, OwnershipLostError, StorageError
from coordination.ports import Job
from coordination.storage import schema
from coordination.storage.database import open_engine, parse_url
from coordination.storage.sql_run_log import SqlLog
from coordination.storage.worker_leases import WorkerLeases, leases_for, working_as
from tests.builders import START, a_plan, a_request
from tests.databases import Postgres, postgres_or_skip, sqlite_url

LEASE = 0.3
INTERVAL = 0.05


@pytest.fixture(scope="module")
def postgres() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    server: Postgres | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    address = sqlite_url(tmp_path) if server is None else server.new_database()
    schema.migrate(address)
    return address


@pytest.fixture
def worker(url: str) -> Generator[Callable[[], WorkerLeases]]:
    """Makes workers; each has its own lock, as a process has."""
    with ExitStack() as stack:
        database = open_engine(parse_url(url), "engine", connections=4)
        stack.callback(database.dispose)

        def make() -> WorkerLeases:
            leases = leases_for(database, interval=INTERVAL, lease=LEASE)
            stack.callback(leases.abandon)
            return leases

        yield make


def looks(watcher: WorkerLeases, *beating: WorkerLeases, seconds: float = 3 * LEASE) -> None:
    """Look again and again, as a worker does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for each in beating:
            each.keep()
        watcher.look()
        time.sleep(INTERVAL / 2)  # noqa: TID251 - no event loop runs here


def is_dead(watcher: WorkerLeases, name: str) -> bool:
    with watcher.seized(name) as dead:
        return dead


def test_each_worker_gets_a_slot_of_its_own_and_frees_it(worker: Callable[[], WorkerLeases]) -> None:
    first, second, third = worker(), worker(), worker()
    assert [each.take().slot for each in (first, second)] == ["slot-0", "slot-1"]
    second.release()
    assert third.take().slot == "slot-1"


def test_who_beats_keeps_the_slot_and_who_is_silent_for_the_lease_loses_it(worker: Callable[[], WorkerLeases]) -> None:
    silent, beating, watcher = worker(), worker(), worker()
    mine = silent.take()
    names = [mine.slot, beating.take().slot]
    watcher.take()
    looks(watcher, beating, seconds=LEASE / 3)
    assert [is_dead(watcher, name) for name in names] == [False, False]
    looks(watcher, beating)
    assert [is_dead(watcher, name) for name in names] == [True, False]
    assert silent.keep() is False
    assert mine.is_lost
    assert silent.take(avoid=mine.slot).slot not in names


def test_a_worker_knows_how_many_there_are(worker: Callable[[], WorkerLeases]) -> None:
    """They share what a model's key may be used for."""
    silent, beating, watcher = worker(), worker(), worker()
    assert watcher.alive == 1
    for each in (silent, beating, watcher):
        each.take()
    looks(watcher, beating, watcher, seconds=LEASE / 3)
    assert watcher.alive == 3
    looks(watcher, beating, watcher)
    assert watcher.alive == 2


def test_silence_during_an_outage_counts_for_nothing(worker: Callable[[], WorkerLeases]) -> None:
    silent, watcher = worker(), worker()
    name = silent.take().slot
    watcher.take()
    looks(watcher, seconds=LEASE / 2)
    watcher._watch.lose_sight()
    watcher.look()
    assert not is_dead(watcher, name)
    time.sleep(2 * LEASE)  # noqa: TID251 - no event loop runs here
    watcher.look()
    assert not is_dead(watcher, name), "one long look is no long silence: it was the watcher that stood still"


@pytest.mark.parametrize("name", ["local", "slot-", "slot-x", "slot-../0", "slot--1", ""])
def test_a_name_that_is_no_slot_can_not_be_seized(worker: Callable[[], WorkerLeases], name: str) -> None:
    leases = worker()
    leases.take()
    assert not is_dead(leases, name)


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_new_connection_holds_nothing_until_it_has_locked_again(
    worker: Callable[[], WorkerLeases], url: str, postgres: Postgres
) -> None:
    owner, watcher = worker(), worker()
    name = owner.take().slot
    watcher.take()
    with postgres.connect(sa.make_url(url).database or "") as connection:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE classid = 7701 AND objid = 0"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert connection.execute(query).fetchall() == [(True,)]
    watcher.look()
    assert not is_dead(watcher, name), "a free lock alone is no death"
    with pytest.raises(DatabaseAwayError):
        owner.keep()
    assert not owner._locks.holds(0)
    assert owner.keep()
    assert owner._locks.holds(0)
    with postgres.connect(sa.make_url(url).database or "") as connection:
        found = connection.execute("SELECT since < until, until <= now() FROM outages").fetchall()
    assert found == [(True, True)], "for how long it was away is on record"
    assert not watcher._locks.lock(0)


async def test_what_a_worker_appends_is_refused_once_its_slot_is_lost_but_not_what_the_world_answered(
    worker: Callable[[], WorkerLeases], url: str
) -> None:
    """It learns it before it writes; the truth about a call is welcome from whoever knows it."""
    owner, watcher = worker(), worker()
    mine = owner.take()
    watcher.take()
    plan = a_plan()
    call = plan.calls[0]
    start = e.CallStarted(
        index=0, server=call.server, tool=call.tool, arguments=call.arguments, digest=plan.digest, hand="H"
    )
    end = e.CallSucceeded(index=0, server=call.server, tool=call.tool, arguments=call.arguments, result="done")
    before = [a_request(), e.DeliberationStarted(revision=1)]
    state = None
    for event in before:
        state = evolve(state, event, START)
    assert state is not None

    def submit_nothing(connection: sa.Connection, job: Job) -> None:
        """No engine."""

    async with SqlLog.open(url, submit=submit_nothing) as log:
        token = working_as.set(mine)
        try:
            await log.append("A", 0, before, START, state)
            looks(watcher)
            assert is_dead(watcher, mine.slot)
            with pytest.raises(OwnershipLostError):
                await log.append("A", 2, [start], START, state)
            await log.append("A", 2, [end], START, state)
        finally:
            working_as.reset(token)
        await log.append("A", 3, [start], START, state)
        assert [each.event.kind for each in await log.read("A")][2:] == ["call_succeeded", "call_started"]


def test_many_workers_may_be_the_first_in_a_file_at_once(tmp_path: Path) -> None:
    """Each looks whether the table is there; between that look and the making, another makes it."""
    for attempt in range(15):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        url = parse_url(sqlite_url(folder))
        engines = [open_engine(url, "engine", connections=1) for _ in range(6)]
        at_once = Barrier(len(engines))

        def first(engine: sa.Engine, at_once: Barrier = at_once) -> None:
            at_once.wait(10)
            leases_for(engine, interval=1, lease=15)

        with ThreadPoolExecutor(len(engines)) as pool:
            list(pool.map(first, engines))
        for engine in engines:
            engine.dispose()


def test_a_database_that_is_away_for_good_is_told_from_one_that_refuses() -> None:
    """Whoever waits for a database of a wrong name waits for ever."""
    with pytest.raises(StorageError) as caught:
        leases_for(
            open_engine(parse_url("postgresql://u@127.0.0.1:9/none"), "engine", connections=1), interval=1, lease=1
        ).take()
    assert isinstance(caught.value, DatabaseAwayError)
