"""Somebody rewrites who approved alone, or why, and computes every hash anew: `audit verify` finds it without an anchor."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.domain.transitions import evolve
from coordination.storage.audit import verify
from coordination.storage.sql_run_log import SqlLog
from tests.databases import sqlite_url
from tests.threats.test_a_log_written_anew import submit_nothing
from tests.threats.test_a_writer_of_the_database import in_body, read, replaced
from tests.threats.test_approving_alone import WHY, Night, a_night


async def store(url: str, night: Night) -> int:
    """A run that one person approved, as SQLite has it; the number of the approval."""
    story = await night.harness.log.read(night.run)
    request = story[0].event
    assert isinstance(request, e.RunRequested)
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await log.save_config(request.config_digest, "text", "test.yaml")
        state = None
        for each in story:
            state = evolve(state, each.event, each.at)
            await log.append(night.run, each.seq - 1, [each.event], each.at, state)
    return next(each.seq for each in story if isinstance(each.event, e.ApprovalGiven))


FORGERIES = {
    "who asked for it": ("u-eve", "u-requester"),
    "somebody without the role": ('"on-call"', '"ops"'),
    "no reason": (f'"break_glass":"{WHY}"', '"break_glass":""'),
    "a reason that is none": (f'"break_glass":"{WHY}"', '"break_glass":" "'),
    "no break-glass at all": (f',"break_glass":"{WHY}"', ""),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_log_that_was_written_anew_is_found_at_the_approval_or_behind_it(forgery: str, tmp_path: Path) -> None:
    old, new = FORGERIES[forgery]
    night = await a_night()
    await night.broken()
    await night.harness.work()
    url = sqlite_url(tmp_path)
    at = await store(url, night)
    assert list(verify(url)) == []
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as database:
        rows = read(database, night.run)
        in_body(at, old, new)(rows)
        replaced(database, night.run, rows)
    found = {(each.run, each.seq) for each in verify(url)}
    assert found & {(night.run, at), (night.run, at + 1)}, found
