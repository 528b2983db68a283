"""A new release beside the old one: tables change under runs in flight, and a deploy can be taken back."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bot.chat.sql_tables import cards
from coordination.domain import states as s
from coordination.domain.events import ApprovalGiven, RunEvent
from coordination.domain.transitions import evolve
from coordination.errors import StorageError
from coordination.ports import Job
from coordination.storage import audit, schema
from coordination.storage.database import open_engine, parse_url
from coordination.storage.sql_run_log import SqlLog
from tests.builders import ALICE, START, a_request
from tests.databases import Postgres, postgres_or_skip, postgres_programs, postgres_server, sqlite_url
from tests.sample_logs import RUN, plan_in, waiting

ONE_BEFORE = schema.VERSIONS[-2]
MANY = 40
KINDS = ["sqlite", *(["postgresql"] if postgres_programs() else [])]


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database as the release before made it."""
    programs = postgres_programs()
    if request.param == "sqlite" or programs is None:
        address = sqlite_url(tmp_path)
    else:
        with postgres_server(programs) as server:
            address = server.new_database()
    upgrade(address, ONE_BEFORE)
    return address


def upgrade(address: str, version: str) -> None:
    """As far as a release of earlier brought a database."""
    engine = open_engine(parse_url(address), "write", connections=1)
    config = Config()
    config.set_main_option("script_location", "coordination.storage:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()


@asynccontextmanager
async def old_process(url: str) -> AsyncGenerator[SqlLog]:
    """The log as a process of the release before has it open: it looked at the tables before they changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coordination.storage.sql_run_log.prepare", lambda *_: None)
        async with SqlLog.open(url, submit=submit_nothing) as log:
            yield log


def findings(url: str) -> Sequence[audit.Finding]:
    """What is wrong with the log; the configurations of these runs were never kept."""
    return [each for each in audit.verify(url) if not each.problem.startswith("the configuration ")]


async def asks(log: SqlLog, names: Sequence[str]) -> None:
    for name in names:
        await log.append(name, 0, [a_request()], START, evolve(None, a_request(), START))


def add_card(url: str, run: str) -> None:
    """A card as the release before writes it, which knows no newer column."""
    texts = [column.name for column in cards.columns if isinstance(column.type, sa.Text) and column.name != "language"]
    row = {**dict.fromkeys(texts, ""), "run": run, "attempt": 1, "told": 0}
    row |= {"is_outcome_told": False, "is_trouble_told": False}
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        connection.execute(sa.insert(sa.table("cards", *(sa.column(name) for name in row))), row)
    engine.dispose()


async def test_tables_change_beside_an_old_process_that_goes_on_writing_and_lose_nothing(url: str) -> None:
    async with old_process(url) as log:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(asks(log, [f"R{number}" for number in range(MANY)]))
            await asyncio.sleep(0.01)
            await asyncio.to_thread(schema.migrate, url)
        await asks(log, ["after"])
        await asyncio.to_thread(add_card, url, "after")
    async with SqlLog.open(url, submit=submit_nothing) as new:
        assert len(await new.runs(limit=200)) == MANY + 1
    assert findings(url) == []


async def test_a_plan_that_waited_since_the_release_before_is_approved_by_the_new_one(url: str) -> None:
    recorded = waiting()
    events = [each.event for each in recorded]
    state: s.RunState | None = None
    for event in events:
        state = evolve(state, event, START)
    assert isinstance(state, s.AwaitingDecision)
    async with old_process(url) as log:
        await log.append(RUN, 0, events, START, state)
    await asyncio.to_thread(schema.migrate, url)
    approval: RunEvent = ApprovalGiven(by=ALICE, digest=plan_in(recorded).digest)
    async with SqlLog.open(url, submit=submit_nothing) as new:
        await new.append(RUN, len(events), [approval], START, evolve(state, approval, START))
    assert findings(url) == []


def newer(url: str, *, fits_from: str) -> None:
    """What a later release leaves behind."""
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
        connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN later TEXT")
        connection.execute(sa.update(schema.installation).values(value=fits_from))
    engine.dispose()


async def test_this_release_goes_on_with_tables_that_a_later_one_only_added_to(url: str) -> None:
    await asyncio.to_thread(schema.migrate, url)
    await asyncio.to_thread(newer, url, fits_from=schema.VERSIONS[-1])
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await asks(log, ["R"])
    assert findings(url) == []
    with pytest.raises(StorageError, match="upgrade this program"):
        schema.migrate(url)


async def test_this_release_refuses_tables_that_a_later_one_changed(url: str) -> None:
    await asyncio.to_thread(schema.migrate, url)
    await asyncio.to_thread(newer, url, fits_from="9999")
    with pytest.raises(StorageError, match="A newer massgen-bot has written to"):
        async with SqlLog.open(url, submit=submit_nothing):
            pass


@pytest.fixture
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture
def locked(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[str, Callable[[], None]]]:
    """A database whose `worker_slots` somebody reads for long, and how to end that; who migrates it is in a hurry."""
    monkeypatch.setattr(schema, "_LOCK_MILLISECONDS", 100)
    monkeypatch.setattr(schema, "_BETWEEN_TRIES", 0.1)
    url = server.new_database()
    upgrade(url, "0005")
    with psycopg.connect(url) as reader:
        reader.execute("LOCK TABLE worker_slots IN ACCESS SHARE MODE")
        yield url, reader.rollback


async def test_whoever_migrates_stands_in_nobodys_way_and_goes_on_when_a_table_is_free(
    locked: tuple[str, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, free = locked
    monkeypatch.setattr(schema, "_LOCK_TRIES", 1000)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        migrating = group.create_task(asyncio.to_thread(schema.migrate, url))
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
            for number in range(10):
                await other.execute("INSERT INTO worker_slots VALUES (%s, '', 0)", [f"keeper-{number}"])
                await asyncio.sleep(0.05)
        assert not migrating.done()
        free()
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}").fetchone() == (
            schema.VERSIONS[-1],
        )


def test_a_table_that_is_never_free_is_told_and_nothing_has_changed(
    locked: tuple[str, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = locked
    monkeypatch.setattr(schema, "_LOCK_TRIES", 2)
    with pytest.raises(StorageError, match="is locked"):
        schema.migrate(url)
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT version_num FROM {schema.VERSION_TABLE}").fetchone() == ("0005",)


def test_what_fits_is_a_revision_of_this_program() -> None:
    assert schema.FITS_FROM in schema.VERSIONS
