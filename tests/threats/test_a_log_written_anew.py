"""Somebody writes to the database and computes every hash anew: an anchor that they could not reach finds it."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.anchors import AnchorSettings
from bot.application import Overrides
from bot.chat.sql_store import SqlChatStore
from bot.chat.store import ChatSetting
from bot.composition import open_application
from bot.terminal.audit_commands import anchor as anchor_command
from bot.terminal.audit_commands import verify as verify_command
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.variables import Environment
from coordination.domain.canonical_json import config_digest
from coordination.domain.events import RunEvent
from coordination.domain.states import Executing
from coordination.domain.transitions import evolve
from coordination.errors import ConfigError, StorageError
from coordination.ports import Job
from coordination.storage.anchor import anchor, anchor_of_day, compare
from coordination.storage.audit import verify
from coordination.storage.sql_run_log import FIRST_PREV, SqlLog, event_hash
from tests.builders import START
from tests.databases import sqlite_url
from tests.sample_logs import approved, asked, started, succeeded
from tests.servers.time_stamp_server import authority

CONFIG = ("agents: []", "team.yaml")
LATER = START + timedelta(hours=1)


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Two executed runs, and an administrator who set two things."""
    url = sqlite_url(tmp_path)
    asyncio.run(write(url))
    return url


async def write(url: str) -> None:
    async with SqlLog.open(url, submit=submit_nothing) as log, SqlChatStore.open(url) as chat_service:
        await log.save_config(config_digest(*CONFIG), *CONFIG)
        for run in ("AAAA", "BBBB"):
            state = None
            story = approved(run=run)
            for each in story:
                first = replace(asked(), config_digest=config_digest(*CONFIG))
                event: RunEvent = first if each.seq == 1 else each.event
                state = evolve(state, event, each.at)
                await log.append(run, each.seq - 1, [event], each.at, state)
            assert isinstance(state, Executing)
            plan, at, seq, moved = state.plan, story[-1].at, len(story), state
            for index in range(len(plan.calls)):
                for event in (started(plan, index), succeeded(plan, index)):
                    moved = evolve(moved, event, at)
                    await log.append(run, seq, [event], at, moved)
                    seq += 1
        for value in ("first", "second"):
            await chat_service.set(a_setting("config", value))
        await chat_service.set(a_setting("approvers", "nobody"))
        await chat_service.reset(a_setting("approvers", ""))


def a_setting(key: str, value: str) -> ChatSetting:
    return ChatSetting(tenant="here", channel="c", key=key, value=value, by="u-admin", by_name="ada", at=START)


def behind_its_back(url: str, *statements: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def rewritten(url: str, run: str, *, keep: int, change: Callable[[str], str] = str) -> None:
    """Keep so many events, changed, with every hash and the summary computed anew: what `verify` alone can't find."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("DELETE FROM events WHERE run = ? AND seq > ?", (run, keep))
        prev, row, body = FIRST_PREV, None, ""
        for row in connection.execute("SELECT * FROM events WHERE run = ? ORDER BY seq", (run,)).fetchall():
            body = change(row["body"])
            link = event_hash(prev, run=run, seq=row["seq"], at=row["at"], kind=row["kind"], v=row["v"], body=body)
            fields = (body, prev, link, run, row["seq"])
            connection.execute("UPDATE events SET body = ?, prev = ?, hash = ? WHERE run = ? AND seq = ?", fields)
            prev = link
        assert row is not None
        connection.execute(
            "UPDATE runs SET seq = ?, head = ?, updated_at = ?, state = ?, expires_at = ? WHERE run = ?",
            (row["seq"], prev, row["at"], *state_after(row, body), run),
        )


def state_after(row: sqlite3.Row, body: str) -> tuple[str, str | None]:
    """As the summary has it, so that it fits as well."""
    if row["kind"] != "plan_proposed":
        return "reporting", None
    expires_at: str = json.loads(body)["plan"]["expires_at"]
    return "awaiting_decision", expires_at.replace("Z", ".000000+00:00")


def places(url: str, text: str) -> list[tuple[str, int]]:
    return [(finding.run, finding.seq) for finding in compare(url, text)]


def anchored(url: str) -> str:
    return "\n".join(anchor(url, LATER))


def test_what_has_only_grown_is_as_it_was_anchored(url: str) -> None:
    """More events, more runs and more decisions are no difference."""
    before = anchored(url)
    assert compare(url, before) == []
    assert verify(url) == []

    async def more() -> None:
        async with SqlChatStore.open(url) as chat_service:
            await chat_service.set(a_setting("limits", "{}"))

    asyncio.run(more())
    assert compare(url, before) == []
    assert verify(url) == []


def test_an_executed_run_that_is_cut_back_to_wait_again_is_found(url: str) -> None:
    """It would run a second time, and every hash of it is right."""
    before = anchored(url)
    proposed = next(each.seq for each in approved() if each.event.kind == "plan_proposed")
    rewritten(url, "AAAA", keep=proposed)
    assert verify(url) == []
    assert places(url, before) == [("AAAA", proposed + 1)]


def test_a_log_that_is_written_anew_is_found(url: str) -> None:
    """The same number of events, all hashes right, and somebody else's words."""
    before = anchored(url)
    last = len(approved()) + 4
    rewritten(url, "AAAA", keep=last, change=lambda body: body.replace("power cut on Friday", "power cut on Monday"))
    assert places(url, before) == [("AAAA", last)]


def test_a_run_that_was_removed_is_found(url: str) -> None:
    """With its events and its summary, so that nothing hints at it."""
    before = anchored(url)
    behind_its_back(url, "DELETE FROM events WHERE run = 'BBBB'", "DELETE FROM runs WHERE run = 'BBBB'")
    assert verify(url) == []
    assert places(url, before) == [("BBBB", 1)]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE deeds SET by = 'u-mallory' WHERE number = 1", 1),
        ("UPDATE deeds SET detail = 'x' WHERE number = 2", 2),
        ("DELETE FROM deeds WHERE number = 3", 3),
        ("DELETE FROM deeds WHERE number >= 4", 4),
        ("UPDATE deeds SET number = 9 WHERE number = 2", 2),
    ],
)
def test_a_decision_of_an_administrator_that_is_not_what_it_was_is_found(url: str, statement: str, number: int) -> None:
    """Changed, removed, or moved."""
    before = anchored(url)
    behind_its_back(url, statement)
    assert places(url, before) == [("", number)]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE scopes SET value = 'lenient'", "is not what an administrator decided last"),
        ("UPDATE scopes SET by = 'u-mallory'", "is not what an administrator decided last"),
        ("DELETE FROM scopes", "was removed"),
        (
            "INSERT INTO scopes (tenant, channel, key, value, by, by_name, at) "
            "VALUES ('here', 'c', 'approvers', 'mallory', 'u-admin', 'ada', 'now')",
            "is not what an administrator decided last",
        ),
    ],
)
def test_a_setting_that_no_administrator_decided_on_is_found_without_any_anchor(
    url: str, statement: str, problem: str
) -> None:
    """What holds is the last thing that was decided."""
    assert verify(url) == []
    behind_its_back(url, statement)
    (finding,) = verify(url)
    assert problem in finding.problem


def test_an_anchor_that_was_changed_or_is_none_is_no_witness(url: str) -> None:
    """Its own digest tells."""
    lines = list(anchor(url, LATER))
    without_a_run = "\n".join([lines[0], *lines[2:]])
    assert "the anchor was changed" in compare(url, without_a_run)[0].problem
    for text in (
        "",
        "{}",
        "no JSON",
        "[1]",
        '{"anchor": "massgen-bot/anchor/1"}',
        "\n".join([lines[0], '{"run": "A"}']),
    ):
        with pytest.raises(StorageError, match="anchor"):
            compare(url, text)


def test_the_command_writes_an_anchor_to_a_new_file_and_compares_with_it(url: str, tmp_path: Path) -> None:
    """It overwrites none, and says what was cut off."""
    out, err = StringIO(), StringIO()
    context = CliContext(environ={"DATABASE_URL": url}, stdout=out, stderr=err)
    file = tmp_path / "anchor.jsonl"
    assert anchor_command(context, str(file)) is Exit.DONE
    head = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    assert head["digest"] in out.getvalue()
    assert anchor_command(context, str(file)) is Exit.USAGE
    assert anchor_command(context, "") is Exit.DONE
    assert verify_command(context, "", str(file)) is Exit.DONE
    proposed = next(each.seq for each in approved() if each.event.kind == "plan_proposed")
    rewritten(url, "AAAA", keep=proposed)
    assert verify_command(context, "", "") is Exit.DONE
    assert verify_command(context, "", str(file)) is Exit.FAILED
    assert f"AAAA {proposed + 1}: the log was cut off" in out.getvalue()
    assert verify_command(context, "AAAA", str(file)) is Exit.USAGE


def test_the_command_verifies_the_time_stamp_beside_an_anchor(url: str, tmp_path: Path) -> None:
    """A rewritten anchor can't be passed off as one of that day."""
    out, err = StringIO(), StringIO()
    context = CliContext(environ={"DATABASE_URL": url}, stdout=out, stderr=err)
    file, root = tmp_path / "anchor.jsonl", tmp_path / "root.pem"
    assert anchor_command(context, str(file)) is Exit.DONE
    root.write_bytes(authority().pem())
    token = authority().token(hashlib.sha256(file.read_bytes()).digest(), 5)
    file.with_suffix(".tsr").write_bytes(token)
    assert verify_command(context, "", str(file), str(root)) is Exit.DONE
    digest = json.loads(file.read_text(encoding="utf-8").splitlines()[0])["digest"]
    assert f"The digest of the anchor is {digest}." in out.getvalue()
    assert "time-stamped on 2026-11-22 13:00:00 (UTC)" in out.getvalue()
    file.unlink()
    behind_its_back(url, "DELETE FROM events WHERE run = 'BBBB'", "DELETE FROM runs WHERE run = 'BBBB'")
    assert anchor_command(context, str(file)) is Exit.DONE
    assert verify_command(context, "", str(file)) is Exit.DONE
    assert verify_command(context, "", str(file), str(root)) is Exit.FAILED
    assert "the time stamp beside the anchor does not hold" in out.getvalue()
    assert verify_command(context, "", "", str(root)) is Exit.USAGE
    assert "--anchor FILE" in err.getvalue()


def test_a_day_has_one_anchor_whoever_writes_it_first(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with pytest.raises(StorageError, match="can't be written"):
        anchor_of_day(url, folder, LATER)
    folder.mkdir()
    file = anchor_of_day(url, folder, LATER)
    assert file is not None
    assert file.name == f"massgen-bot-{LATER.date()}.jsonl"
    assert anchor_of_day(url, folder, LATER + timedelta(minutes=10)) is None
    assert anchor_of_day(url, folder, LATER + timedelta(days=1)) is not None
    assert len(list(folder.iterdir())) == 2
    behind_its_back(url, "DELETE FROM events WHERE run = 'BBBB'", "DELETE FROM runs WHERE run = 'BBBB'")
    assert places(url, file.read_text(encoding="utf-8")) == [("BBBB", 1)]


async def test_whoever_works_writes_the_days_anchor_and_goes_on_when_it_can_not(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    environment = Environment({"DATABASE_URL": url, "MASSGEN_BOT_ANCHOR_FOLDER": str(folder)})
    async with open_application(environment, Overrides()) as application, application.working():
        for _ in range(3_000):
            if list(folder.glob("*.jsonl")):
                break
            await asyncio.sleep(0.01)
    assert len(list(folder.glob("*.jsonl"))) == 1
    folder.rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match="MASSGEN_BOT_ANCHOR_FOLDER must name an existing folder"):
        AnchorSettings.of(environment)
