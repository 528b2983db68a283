"""From what somebody does in a chat to what is durable it is a short way, and the database is asked little on it.

Counted in the real program: the frames of ours that wait for the append, and the reads of the chats' tables.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import pytest

from bot.chat.sql_cards import ChatDatabase
from coordination.domain.events import RunEvent
from coordination.storage.sql_run_log import SqlLog
from tests.e2e import discord_harness, slack_harness

OURS = tuple(str(Path(sys.modules[name].__file__ or "").parent) for name in ("bot", "coordination"))
COMMAND, CLICK = 7, 7
"""Frames of ours. One of a command asks whether words in a waiting plan's thread change it or start a run."""

READS = ("find_button", "card_and_settings", "set_for_tenants")
"""What a click is, whether stricter rules hold by now, and whether all is frozen: each is asked once."""


def ours() -> list[str]:
    """The functions of ours that wait at this moment for what the caller is about to do, outermost first."""
    frames: list[str] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            frames.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")
        frame = frame.f_back
    return frames[::-1]


@dataclass
class Record:
    """The way to the first event of each kind, and what a click read."""

    ways: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    reads: list[str] = field(default_factory=list[str])


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    record = Record()
    append, read = SqlLog.append, ChatDatabase.read

    async def append_noted(log: SqlLog, run: str, expected: int, events: Sequence[RunEvent], *more: object) -> object:
        kind = events[0].kind
        record.ways.setdefault(kind, [*ours(), "sql_run_log.append"])
        return await append(log, run, expected, events, *more)  # type: ignore[arg-type]  # passed on as they came

    async def read_noted(database: ChatDatabase, work: object) -> object:
        way = ours()
        if "buttons.press" in way:
            record.reads.append(way[-1].rpartition(".")[2])
        return await read(database, work)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(SqlLog, "append", append_noted)
    monkeypatch.setattr(ChatDatabase, "read", read_noted)
    return record


def is_short(record: Record) -> None:
    """The ways were no longer than they should be."""
    asked, decided = record.ways["run_requested"], record.ways["approval_given"]
    assert len(asked) <= COMMAND, asked
    assert len(decided) <= CLICK, decided
    assert sorted(record.reads) == sorted(READS)


async def test_the_way_of_a_command_and_of_a_click_in_discord(tmp_path: Path, record: Record) -> None:
    async with discord_harness.a_harness(tmp_path) as harness, harness.bot():
        card = await harness.planned()
        await harness.alice.clicks(card, "Approve")
        await harness.ends(card, "Done")
    is_short(record)


async def test_the_way_of_a_command_and_of_a_click_in_slack(tmp_path: Path, record: Record) -> None:
    async with slack_harness.a_harness(tmp_path) as harness, harness.bot():
        card = await harness.planned()
        await harness.clicks("alice", card, "approve")
        await harness.ends(card, "Done")
    is_short(record)
