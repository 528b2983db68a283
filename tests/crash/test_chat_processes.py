"""Several processes with one chat store, killed and restarted; and a database that an older program made."""

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bot.chat.sql_cards import keeping_as, leader_lock
from bot.chat.sql_store import SqlChatStore
from bot.chat.store import Admitted, Repeated
from coordination.domain.canonical_json import digest
from coordination.errors import OwnershipLostError, StorageError
from coordination.storage.audit import verify
from coordination.storage.database import open_engine, parse_url
from coordination.storage.schema import VERSIONS, configs, events, migrate, runs
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START
from tests.contract.chat_stores import MANY, a_card, admitted, planned, sql_chat_store, submit_nothing
from tests.databases import Postgres, postgres_or_skip, sqlite_url
from tests.e2e.program import ROOT, Program

EVENTS = 25


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    server: Postgres = request.getfixturevalue("server")
    return server.new_database()


@pytest.fixture
def url(empty: str) -> str:
    """The address of a database with the tables."""
    migrate(empty)
    return empty


@contextmanager
def started(target: Callable[..., None], *arguments: object) -> Generator[BaseProcess]:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(30)


async def take_all(url: str, name: str) -> None:
    """Try to be the first with every event, as a press and as a request."""
    async with SqlChatStore.open(url) as store:
        for number in range(EVENTS):
            if await store.is_new(f"press:{number}", "here", START):
                await store.is_new(f"{name} pressed {number}", "tally", START)
            card = a_card(f"{name}-{number}")
            answer = await store.admit(card, event=f"ask:{number}", limits=MANY)
            assert answer == Admitted() or isinstance(answer, Repeated)


def take_all_in_process(url: str, name: str) -> None:
    asyncio.run(take_all(url, name))


async def test_two_processes_that_hear_of_the_same_events_act_on_each_once(url: str) -> None:
    with started(take_all_in_process, url, "B") as other:
        await take_all(url, "A")
        await asyncio.to_thread(other.join, 60)
        assert other.exitcode == 0
    async with SqlChatStore.open(url) as store:
        for number in range(EVENTS):
            pressed = [not await store.is_new(f"{name} pressed {number}", "tally", START) for name in "AB"]
            asked = [await store.card(f"{name}-{number}") is not None for name in "AB"]
            assert (sum(pressed), sum(asked)) == (1, 1)


def keep_for_ever(url: str, told: str) -> None:
    async def keep() -> None:
        async with SqlChatStore.open(url) as store, store.leader_lock("discord"):
            await asyncio.to_thread(Path(told).touch)
            await asyncio.Event().wait()

    asyncio.run(keep())


async def test_another_process_takes_over_from_a_card_sync_that_was_killed(url: str, tmp_path: Path) -> None:
    told = tmp_path / "keeps"
    with started(keep_for_ever, url, str(told)) as first:
        async with asyncio.timeout(60), SqlChatStore.open(url) as store:
            while not told.exists():  # noqa: ASYNC110 - the other process has no other way to tell
                await asyncio.sleep(0.02)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2), store.leader_lock("discord"):
                    pytest.fail("two leaders")
            assert first.pid is not None
            os.kill(first.pid, signal.SIGKILL)
            async with store.leader_lock("discord") as lock:
                assert await lock.is_leader()


async def test_a_card_sync_whose_connection_the_server_drops_locks_again_and_stays_the_card_sync(
    server: Postgres,
) -> None:
    url = server.new_database()
    migrate(url)
    async with asyncio.timeout(30), SqlChatStore.open(url) as store, store.leader_lock("slack") as lock:
        with server.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), SqlChatStore.open(url) as other, other.leader_lock("slack"):
                pytest.fail("two leaders")
        assert await lock.is_leader()
        await store.is_new("event", "here", START)


async def test_a_card_sync_that_is_frozen_beyond_the_lease_loses_the_cards_and_learns_it_before_it_writes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is still its own, and its beats have stopped."""
    address = parse_url(url)
    async with asyncio.timeout(30), SqlChatStore.open(url) as store:
        with monkeypatch.context() as frozen:
            frozen.setattr("bot.chat.sql_cards._Turn._beat_for_ever", lambda turn: None)
            held = leader_lock(address, "slack", beat=0.1, lease=0.5)
            await held.__aenter__()
        loser = keeping_as.get()
        assert loser is not None
        async with leader_lock(address, "slack", beat=0.1, lease=0.5) as heir:
            await store.is_new("by the heir", "here", START)
            keeping_as.set(loser)
            with pytest.raises(OwnershipLostError):
                await store.is_new("by the loser", "here", START)
            await asyncio.sleep(1)
            assert await heir.is_leader()
        await held.__aexit__(None, None, None)


def at_version_one(url: str) -> None:
    """The tables as the first release made them."""
    config = Config()
    config.set_main_option("script_location", "coordination.storage:migrations")
    config.set_main_option("path_separator", "os")
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, VERSIONS[0])
    engine.dispose()


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    engine = open_engine(parse_url(url), "read", connections=1)
    with engine.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in (events, runs, configs)
        }
    engine.dispose()
    return found


async def with_runs_of_version_one(url: str, tmp_path: Path) -> None:
    """Two runs in the log of the first release. Events and runs have kept their form since."""
    newer = sqlite_url(tmp_path, "newer.sqlite")
    at_version_one(url)
    text = "agents: []"
    async with sql_chat_store(newer) as bench:
        await bench.log.save_config(digest("config", f"team.yaml\n{text}"), text, "team.yaml")
        for run in ("OLD1", "OLD2"):
            await planned(bench.log, run)
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        for table in (events, runs, configs):
            rows = [dict(zip(table.columns.keys(), row, strict=True)) for row in rows_of(newer)[table.name]]
            connection.execute(sa.insert(table), rows)
    engine.dispose()


async def test_a_database_of_the_first_release_keeps_its_runs_and_gets_the_new_tables(
    empty: str, tmp_path: Path
) -> None:
    await with_runs_of_version_one(empty, tmp_path)
    before = rows_of(empty)
    for attempt in (SqlChatStore.open(empty), SqlLog.open(empty, submit=submit_nothing)):
        with pytest.raises(StorageError, match="run `massgen-bot migrate`"):
            async with attempt:
                pytest.fail("it was opened as it is")
    migrate(empty)
    migrate(empty)
    assert rows_of(empty) == before
    assert [each.problem for each in verify(empty) if "configuration" not in each.problem] == []
    async with sql_chat_store(empty) as bench:
        assert [each.run for each in await bench.log.runs()] == ["OLD1", "OLD2"]
        assert await bench.store.list_runs("here") == []
        card = await admitted(bench.store, a_card("NEW"))
        await planned(bench.log, card.run)
        assert [each.run for each in await bench.store.list_runs("here")] == ["NEW"]
        assert [each.run for each in await bench.store.changed_cards(["discord"], after=START, now=START)] == []


async def test_migrate_brings_the_database_of_the_first_release_up_to_date(tmp_path: Path) -> None:
    program = Program(tmp_path, {"DATABASE_URL": sqlite_url(tmp_path, "old.sqlite")})
    await with_runs_of_version_one(program.environ["DATABASE_URL"], tmp_path)
    before = await asyncio.to_thread(program.run, "history")
    assert before.status != 0
    assert "massgen-bot migrate" in before.err
    migrated = await asyncio.to_thread(program.run, "migrate")
    assert (migrated.status, migrated.err) == (0, "")
    after = await asyncio.to_thread(program.run, "history")
    assert after.status == 0, after.err
    assert "OLD1" in after.out


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
async def test_make_demo_runs_over_the_file_of_an_earlier_release(tmp_path: Path) -> None:
    """Who updates a checkout types what the README says, and nothing before it."""
    state = tmp_path / "massgen-bot"
    state.mkdir()
    await with_runs_of_version_one(sqlite_url(state, "massgen-bot.sqlite"), tmp_path)
    installed = tmp_path / "venv"
    (installed / "bin").mkdir(parents=True)
    program = installed / "bin/massgen-bot"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bot "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for made in ("bin/python", ".runtime"):
        (installed / made).touch()
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environ |= {"XDG_STATE_HOME": str(tmp_path), "MASSGEN_BOT_DEMO_PACE": "0"}
    typed = ["make", "--silent", "demo", f"VENV={installed}", "ARGS=--reject"]
    done = await asyncio.to_thread(
        subprocess.run, typed, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "OLD1" in Program(tmp_path).run("history").out
