"""Who watches the program from outside is told the truth, by every command that serves."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import sqlalchemy as sa

from bot.chat.sql_tables import cards, chat_metadata
from bot.telemetry.health import Health, open_health
from bot.telemetry.instrumentation import count_events
from bot.telemetry.metrics import ALL, BREAK_GLASS, EVENTS, PROCESS, READY, Counters, metrics_page
from bot.variables import Environment
from coordination.clock import SystemClock
from coordination.domain.events import ApprovalGiven
from coordination.domain.transitions import Recorded
from coordination.errors import ConfigError, StorageError
from coordination.storage import schema
from coordination.storage.database import open_engine, parse_url
from coordination.storage.overview import DatabaseWatch, Overview
from coordination.storage.sql_run_log import time_text
from tests.builders import ALICE, START
from tests.contract.slack_harness import a_harness
from tests.databases import OwnPostgres, own_server, postgres_programs, sqlite_url
from tests.e2e.program import Program

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def page(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


def new_database(folder: Path) -> str:
    url = sqlite_url(folder)
    engine = open_engine(parse_url(url), "write", connections=1)
    schema.prepare(engine, chat_metadata)
    engine.dispose()
    return url


def write(url: str, *rows: tuple[sa.Table, dict[str, object]]) -> None:
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        for table, row in rows:
            texts = {column.name: "" for column in table.columns if isinstance(column.type, sa.Text)}
            connection.execute(sa.insert(table), {**texts, **row})
    engine.dispose()


def run(name: str, state: str, age: float, seq: int = 1) -> tuple[sa.Table, dict[str, object]]:
    at = time_text(NOW - timedelta(seconds=age))
    return schema.runs, {
        "run": name, "state": state, "seq": seq, "started_at": at, "updated_at": at, "expires_at": None,
    }  # fmt: skip


def card(name: str, state: str, told: int) -> tuple[sa.Table, dict[str, object]]:
    numbers = {"attempt": 1, "told": told, "is_outcome_told": False, "is_trouble_told": False}
    return cards, {"run": name, "surface": "discord", "state": state, "posted_at": None, "wake_at": None, **numbers}


@asynccontextmanager
async def watched(url: str, ending: asyncio.Event | None = None) -> AsyncGenerator[tuple[Health, int]]:
    ports: list[int] = []
    environment = Environment({"DATABASE_URL": url, "MASSGEN_BOT_HEALTH_PORT": "0"})
    async with open_health(environment, ending or asyncio.Event(), ports.append) as health:
        yield health, ports[0]


async def test_ready_says_why_it_is_not_while_the_start_and_the_end_last(tmp_path: Path) -> None:
    ending = asyncio.Event()
    async with watched(new_database(tmp_path), ending) as (health, port):
        assert await page(port, "/live") == (200, "live\n")
        status, text = await page(port, "/ready")
        assert (status, text) == (503, "not ready\nserving: it is starting or ending\n")
        with health.serving():
            assert await page(port, "/ready") == (200, "ready\n")
            ending.set()
            assert await page(port, "/ready") == (503, "not ready\nprocess: it was told to end\n")
            assert await page(port, "/live") == (200, "live\n")


async def test_a_database_file_that_is_gone_is_told(tmp_path: Path) -> None:
    url = new_database(tmp_path)
    async with watched(url) as (health, port):
        with health.serving():
            assert (await page(port, "/ready"))[0] == 200
            await asyncio.to_thread(Path(parse_url(url).database or "").unlink)
            status, text = await page(port, "/ready")
    assert status == 503
    assert text.startswith("not ready\ndatabase: ")


@pytest.mark.parametrize("programs", [pytest.param(found) for found in [postgres_programs()] if found])
async def test_a_server_that_is_stopped_is_told_and_forgotten_when_it_is_back(programs: Path) -> None:
    with own_server(programs) as server:
        url = server.new_database()
        schema.migrate(url)
        async with watched(url) as (health, port):
            with health.serving():
                assert (await page(port, "/ready"))[0] == 200
                await asyncio.to_thread(_stop, server)
                assert (await page(port, "/ready"))[0] == 503
                status, text = await page(port, "/metrics")
                assert status == 200
                assert 'massgen_bot_ready{check="database"} 0\n' in text
                assert "\nmassgen_bot_workers " not in text
                await asyncio.to_thread(server.start)
                assert (await page(port, "/ready"))[0] == 200


def _stop(server: OwnPostgres) -> None:
    server.stop(immediately=True)


async def test_a_part_that_fails_or_hangs_is_not_well_and_keeps_no_other_from_being_asked() -> None:
    health = Health()

    async def fails() -> str:
        raise ValueError("a secret")

    async def well() -> str:
        return ""

    with health.watched("a", fails), health.watched("b", well), health.serving():
        assert await health.problems() == {"serving": "", "a": "ValueError", "b": ""}


@pytest.mark.parametrize("port", ["many", "70000"])
async def test_what_is_no_port_is_told(port: str) -> None:
    with pytest.raises(ConfigError, match="MASSGEN_BOT_HEALTH_PORT"):
        async with open_health(Environment({"MASSGEN_BOT_HEALTH_PORT": port}), asyncio.Event(), print):
            pass


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        environment = Environment({"DATABASE_URL": new_database(tmp_path), "MASSGEN_BOT_HEALTH_PORT": str(port)})
        with pytest.raises(
            ConfigError, match=f"Port {port} is already in use; set another one with MASSGEN_BOT_HEALTH_PORT"
        ):
            async with open_health(environment, asyncio.Event(), print):
                pass


async def test_slack_by_socket_is_ready_while_its_connection_stands() -> None:
    health = Health()
    async with a_harness("http") as harness:
        assert harness.server.sockets == []
    async with a_harness("socket") as harness, harness.app.serving(harness.chat_service, health):
        await harness.server.until(lambda: len(harness.server.sockets) == 2)
        assert await health.problems() == {"serving": "", "slack": ""}
    assert await health.problems() == {"serving": "it is starting or ending"}


def overview_of(url: str) -> Overview:
    watch = DatabaseWatch(url)
    try:
        return watch.overview(NOW)
    finally:
        watch.close()


def test_the_overview_counts_runs_and_tells_what_waits_too_long(tmp_path: Path) -> None:
    url = new_database(tmp_path)
    assert overview_of(url) == Overview()
    write(
        url,
        run("a", "queued", 40), run("b", "changes_wanted", 10), run("c", "needs_human", 500), run("d", "finished", 900),
        run("e", "awaiting_decision", 70, seq=9), run("f", "executing", 5, seq=9),
        card("e", "live", 9), card("f", "live", 8), card("d", "done", 0),
        (schema.worker_slots, {"name": "slot-0", "holder": "x", "beat": 1, "beat_at": SystemClock().now()}),
        (schema.worker_slots, {"name": "slot-1", "holder": "y", "beat": 1, "beat_at": SystemClock().now() - timedelta(60)}),
        (schema.worker_slots, {"name": "slot-2", "holder": "", "beat": 1, "beat_at": SystemClock().now()}),
        (schema.worker_slots, {"name": "keeper-discord-1", "holder": "z", "beat": 1, "beat_at": SystemClock().now()}),
    )  # fmt: skip
    seen = overview_of(url)
    assert seen.runs["needs_human"] == seen.runs["queued"] == 1
    assert (seen.queued_seconds, seen.workers, dict(seen.card_lag_seconds)) == (40, 1, {"discord": 5})


def test_a_database_of_an_older_schema_is_not_well(tmp_path: Path) -> None:
    url = new_database(tmp_path)
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0001'")
    engine.dispose()
    watch = DatabaseWatch(url)
    with contextlib.closing(watch), pytest.raises(StorageError, match="massgen-bot migrate"):
        watch.ping()


def lines_of(text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_the_page_of_metrics_is_what_prometheus_reads() -> None:
    counters = Counters()
    counters.add(EVENTS, 'a "quoted"\nkind')
    counters.add(EVENTS, "plain", by=2)
    text = metrics_page(counters, {"database": "", "discord": "away"}, Overview(runs={"queued": 3}, workers=2))
    assert text.endswith("\n")
    assert [text.count(f"# TYPE {each.name} {each.kind}\n") for each in ALL] == [1] * len(ALL)
    assert {
        'massgen_bot_events_total{kind="a \\"quoted\\"\\nkind"} 1', 'massgen_bot_events_total{kind="plain"} 2',
        'massgen_bot_ready{check="database"} 1', 'massgen_bot_ready{check="discord"} 0',
        'massgen_bot_runs{state="queued"} 3', "massgen_bot_workers 2", "massgen_bot_queued_seconds 0",
    } <= {*lines_of(text)}  # fmt: skip


async def test_a_run_is_counted_where_it_is_worked_on(tmp_path: Path) -> None:
    program, ports = Program(tmp_path), socket.create_server(("127.0.0.1", 0))
    port = ports.getsockname()[1]
    ports.close()
    assert program.run("run", "A run that waits", "--config", str(program.config())).status == 3
    with program.start("worker", MASSGEN_BOT_HEALTH_PORT=str(port)) as worker:
        assert worker.stderr is not None
        told = [json.loads(await asyncio.to_thread(worker.stderr.readline))["message"] for _ in range(2)]
        assert told == [
            f"Health on port {port}: /live, /ready and /metrics.",
            "Worker ready. Press Ctrl-C or send SIGTERM to stop.",
        ]
        assert (await page(port, "/ready"))[0] == 200
        _, text = await page(port, "/metrics")
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 30) == 0
    assert {'massgen_bot_runs{state="awaiting_decision"} 1', "massgen_bot_workers 1"} <= {*lines_of(text)}


def test_events_are_counted_by_kind() -> None:
    before = PROCESS.value(EVENTS, "run_requested")
    count_events("run", ())
    assert PROCESS.value(EVENTS, "run_requested") == before
    assert READY in ALL


def test_only_what_somebody_approved_alone_counts_as_break_glass() -> None:
    before, usual = PROCESS.value(BREAK_GLASS), ApprovalGiven(by=ALICE, digest="d")
    alone = replace(usual, break_glass="The site is down.")
    count_events("run", [Recorded(run="run", seq=1, at=START, event=each) for each in (usual, alone)])
    assert PROCESS.value(BREAK_GLASS) == before + 1
