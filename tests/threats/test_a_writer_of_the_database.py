"""Somebody who can write to the database tries everything: `audit verify` with the last anchor names each place."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from coordination.storage.anchor import compare
from coordination.storage.audit import verify
from coordination.storage.sql_run_log import FIRST_PREV, encode, event_hash
from tests.databases import sqlite_url
from tests.sample_logs import POST, REMOVE, approved, asked, proposed, started
from tests.threats.test_a_log_written_anew import anchored, behind_its_back, rewritten, write

Attack = Callable[[sqlite3.Connection], object]

STORY = approved()
APPROVED = len(STORY)
PROPOSED = APPROVED - 1
LAST = APPROVED + 4
"""Both calls of the plan began and came back."""

ANSWERED = next(each.seq for each in STORY if each.event.kind == "answer_accepted")
_COLUMNS = ("at", "kind", "v", "body")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two runs that asked for different things, executed; what administrators decided; and an anchor of all that."""
    folder = tmp_path_factory.mktemp("before")
    url = sqlite_url(folder)
    asyncio.run(write(url))
    rewritten(url, "BBBB", keep=LAST, change=lambda body: body.replace("cut on Friday", "cut on Monday"))
    behind_its_back(url, "UPDATE runs SET prompt = replace(prompt, 'Friday', 'Monday') WHERE run = 'BBBB'")
    behind_its_back(url, "PRAGMA wal_checkpoint(TRUNCATE)")
    assert verify(url) == []
    return Path(url.removeprefix("sqlite:///")), anchored(url)


def sql(*statements: str) -> Attack:
    def attack(database: sqlite3.Connection) -> None:
        for statement in statements:
            database.execute(statement)

    return attack


def event(seq: int, **values: object) -> Attack:
    """One event of a run gets other values, and nothing else is touched."""

    def attack(database: sqlite3.Connection) -> None:
        for column, value in values.items():
            database.execute(f"UPDATE events SET {column} = ? WHERE run = 'AAAA' AND seq = ?", (value, seq))

    return attack


def anew(change: Callable[[list[dict[str, object]]], object]) -> Attack:
    """A run's events are changed at will, every hash is computed anew, and the summary is made to fit."""

    def attack(database: sqlite3.Connection) -> None:
        rows = read(database, "AAAA")
        change(rows)
        replaced(database, "AAAA", rows)

    return attack


def read(database: sqlite3.Connection, run: str) -> list[dict[str, object]]:
    query = f"SELECT {', '.join(_COLUMNS)} FROM events WHERE run = ? ORDER BY seq"
    return [dict(zip(_COLUMNS, row, strict=True)) for row in database.execute(query, (run,))]


def replaced(database: sqlite3.Connection, run: str, rows: list[dict[str, object]]) -> None:
    database.execute("DELETE FROM events WHERE run = ?", (run,))
    prev = FIRST_PREV
    for seq, row in enumerate(rows, 1):
        at, kind, v, body = str(row["at"]), str(row["kind"]), int(str(row["v"])), str(row["body"])
        link = event_hash(prev, run=run, seq=seq, at=at, kind=kind, v=v, body=body)
        database.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (run, seq, at, kind, v, body, prev, link)
        )
        prev = link
    fields = (len(rows), prev, rows[-1]["at"], run)
    database.execute("UPDATE runs SET seq = ?, head = ?, updated_at = ? WHERE run = ?", fields)


def in_body(seq: int, old: str, new: str) -> Callable[[list[dict[str, object]]], object]:
    def change(rows: list[dict[str, object]]) -> None:
        body = str(rows[seq - 1]["body"])
        assert old in body
        rows[seq - 1]["body"] = body.replace(old, new)

    return change


def swapped(database: sqlite3.Connection) -> None:
    """Two runs change their names, and every hash fits."""
    first, second = read(database, "AAAA"), read(database, "BBBB")
    replaced(database, "AAAA", second)
    replaced(database, "BBBB", first)
    for run, prompt in (("AAAA", "Monday"), ("BBBB", "Friday")):
        other = "Friday" if prompt == "Monday" else "Monday"
        database.execute("UPDATE runs SET prompt = replace(prompt, ?, ?) WHERE run = ?", (other, prompt, run))


def row_of(rows: list[dict[str, object]], kind: str, body: str) -> dict[str, object]:
    """One more event like the newest."""
    return {**rows[-1], "kind": kind, "v": 1, "body": body}


ATTACKS: Mapping[str, tuple[Attack, tuple[str, int]]] = {
    "edits the request": (event(1, body=encode(asked("Fire everybody")).body), ("AAAA", 1)),
    "edits an answer": (
        sql(f"UPDATE events SET body = replace(body, 'times', 'dates') WHERE seq = {ANSWERED}"),
        ("AAAA", ANSWERED),
    ),
    "edits what a call returned": (event(LAST, body=json.dumps({"result": "nothing"})), ("AAAA", LAST)),
    "dates an approval back": (event(APPROVED, at="2026-11-21T12:00:00.000000+00:00"), ("AAAA", APPROVED)),
    "makes an approval of a rejection's kind": (event(APPROVED, kind="plan_rejected"), ("AAAA", APPROVED)),
    "gives an event another version": (event(PROPOSED, v=0), ("AAAA", PROPOSED)),
    "gives an event another hash": (event(PROPOSED, hash="f" * 64), ("AAAA", PROPOSED)),
    "deletes the first event": (sql("DELETE FROM events WHERE run = 'AAAA' AND seq = 1"), ("AAAA", 1)),
    "deletes the approval": (sql(f"DELETE FROM events WHERE run = 'AAAA' AND seq = {APPROVED}"), ("AAAA", APPROVED)),
    "cuts the receipts off": (
        sql(f"DELETE FROM events WHERE run = 'AAAA' AND seq > {APPROVED}"),
        ("AAAA", APPROVED + 1),
    ),
    "cuts the receipts off with a summary that fits": (
        anew(lambda rows: rows.__delitem__(slice(PROPOSED, None))),
        ("AAAA", PROPOSED + 1),
    ),
    "removes a run": (
        sql("DELETE FROM events WHERE run = 'AAAA'", "DELETE FROM runs WHERE run = 'AAAA'"),
        ("AAAA", 1),
    ),
    "removes a run and says that it was pruned": (
        sql(
            "DELETE FROM events WHERE run = 'AAAA'",
            "DELETE FROM runs WHERE run = 'AAAA'",
            f"INSERT INTO pruned_runs VALUES ('AAAA', {LAST}, '{'f' * 64}', 'now')",
        ),
        ("AAAA", LAST),
    ),
    "lets two events change places": (
        sql(
            "UPDATE events SET seq = 99 WHERE run = 'AAAA' AND seq = 8",
            "UPDATE events SET seq = 8 WHERE run = 'AAAA' AND seq = 9",
            "UPDATE events SET seq = 9 WHERE run = 'AAAA' AND seq = 99",
        ),
        ("AAAA", 8),
    ),
    "lets two events change places with hashes that fit": (
        anew(lambda rows: rows.insert(PROPOSED - 1, rows.pop(PROPOSED))),
        ("AAAA", PROPOSED),
    ),
    "swaps two runs": (
        sql(
            "UPDATE events SET run = 'X' WHERE run = 'AAAA'",
            "UPDATE events SET run = 'AAAA' WHERE run = 'BBBB'",
            "UPDATE events SET run = 'BBBB' WHERE run = 'X'",
        ),
        ("AAAA", 1),
    ),
    "swaps two runs with hashes that fit": (swapped, ("BBBB", LAST)),
    "copies a run to have it run again": (
        sql(
            "INSERT INTO events SELECT 'CCCC', seq, at, kind, v, body, prev, hash FROM events WHERE run = 'AAAA'",
            "INSERT INTO runs SELECT 'CCCC', tenant, state, prompt, requester, config, started_at, updated_at, "
            "expires_at, seq, head FROM runs WHERE run = 'AAAA'",
        ),
        ("CCCC", 1),
    ),
    "forges another approver": (anew(in_body(APPROVED, "alice", "bobby")), ("AAAA", LAST)),
    "forges an approver without the role": (anew(in_body(APPROVED, '"ops"', '"dev"')), ("AAAA", APPROVED)),
    "forges the arguments of a call": (
        anew(in_body(APPROVED + 1, "Power off on Friday", "Power on")),
        ("AAAA", APPROVED + 1),
    ),
    "forges a plan under the same approval": (
        anew(lambda rows: rows[PROPOSED - 1].update(body=encode(proposed(REMOVE, POST, run="AAAA")).body)),
        ("AAAA", APPROVED),
    ),
    "forges the result of a call": (anew(in_body(LAST, "posted", "denied")), ("AAAA", LAST)),
    "adds a second start of a call": (
        anew(
            lambda rows: rows.append(
                row_of(rows, "call_started", encode(started(proposed(POST, REMOVE, run="AAAA").plan, 0)).body)
            )
        ),
        ("AAAA", LAST + 1),
    ),
    "has the summary say that a run waits": (
        sql("UPDATE runs SET state = 'awaiting_decision' WHERE run = 'AAAA'"),
        ("AAAA", LAST),
    ),
    "has the summary name another requester": (
        sql("UPDATE runs SET requester = 'mallory' WHERE run = 'AAAA'"),
        ("AAAA", LAST),
    ),
    "removes the summary": (sql("DELETE FROM runs WHERE run = 'AAAA'"), ("AAAA", LAST)),
    "edits the configuration": (sql("UPDATE configs SET text = 'agents: [mine]'"), ("AAAA", 1)),
    "removes the configuration": (sql("DELETE FROM configs"), ("AAAA", 1)),
    "changes a setting": (sql("UPDATE scopes SET value = 'lenient'"), ("", 0)),
    "puts a setting in": (
        sql("INSERT INTO scopes VALUES ('here', 'c', 'approvers', 'mallory', 'u-admin', 'ada', 'now')"),
        ("", 0),
    ),
    "removes a setting": (sql("DELETE FROM scopes"), ("", 0)),
    "changes a setting and forges its decision": (
        sql("UPDATE scopes SET value = 'lenient'", "UPDATE deeds SET detail = 'lenient' WHERE number = 2"),
        ("", 2),
    ),
    "names another administrator": (sql("UPDATE deeds SET by = 'mallory' WHERE number = 1"), ("", 1)),
    "removes a decision": (sql("DELETE FROM deeds WHERE number = 3"), ("", 3)),
    "cuts the decisions off": (sql("DELETE FROM deeds WHERE number >= 4"), ("", 4)),
    "lets two decisions change places": (
        sql(
            "UPDATE deeds SET number = 99 WHERE number = 1",
            "UPDATE deeds SET number = 1 WHERE number = 2",
            "UPDATE deeds SET number = 2 WHERE number = 99",
        ),
        ("", 1),
    ),
    "puts a decision in before the others": (
        sql("INSERT INTO deeds SELECT 0, tenant, channel, by, by_name, at, what, detail FROM deeds WHERE number = 1"),
        ("", 1),
    ),
}


@pytest.fixture
def copy(before: tuple[Path, str], tmp_path: Path) -> tuple[str, str]:
    """A database of one's own, and the anchor."""
    file, anchor = before
    target = Path(sqlite_url(tmp_path).removeprefix("sqlite:///"))
    shutil.copy(file, target)
    return sqlite_url(tmp_path), anchor


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_a_writer_of_the_database_does_is_found_at_its_place(copy: tuple[str, str], attack: str) -> None:
    url, anchor = copy
    does, place = ATTACKS[attack]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as database:
        does(database)
    found = [(finding.run, finding.seq) for finding in (*verify(url), *compare(url, anchor))]
    assert place in found


def test_a_database_that_nobody_wrote_to_has_no_such_place(copy: tuple[str, str]) -> None:
    url, anchor = copy
    assert verify(url) == []
    assert compare(url, anchor) == []
