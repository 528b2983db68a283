"""The log proves itself: whatever was changed behind the program's back is found, where it was changed."""

import asyncio
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordination.domain.canonical_json import digest
from coordination.domain.events import RunEvent
from coordination.domain.transitions import evolve
from coordination.errors import RunNotFoundError, StorageError
from coordination.ports import Job
from coordination.storage.audit import export, verify
from coordination.storage.sql_run_log import SqlLog, event_hash
from tests.databases import sqlite_url
from tests.sample_logs import approved, asked

CONFIG = ("agents: []", "team.yaml")
CONFIG_DIGEST = digest("config", f"{CONFIG[1]}\n{CONFIG[0]}")
STORY = approved()
LAST = len(STORY)


def submit_nothing(connection: sa.Connection, job: Job) -> None:
    """No engine."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the same story, in a file that nobody changes."""
    folder = tmp_path_factory.mktemp("written")
    asyncio.run(write(sqlite_url(folder)))
    return folder


@pytest.fixture
def url(written: Path, tmp_path: Path) -> str:
    """The same in a file of the test's own."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return sqlite_url(tmp_path)


async def write(url: str) -> None:
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await log.save_config(CONFIG_DIGEST, *CONFIG)
        for run in ("AAAA", "BBBB"):
            state = None
            for each in approved(run=run):
                event: RunEvent = replace(asked(), config_digest=CONFIG_DIGEST) if each.seq == 1 else each.event
                state = evolve(state, event, each.at)
                await log.append(run, each.seq - 1, [event], each.at, state)


def behind_its_back(url: str) -> "closing[sqlite3.Connection]":
    return closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None))


def tamper(url: str, *statements: str, seq: int = 0) -> None:
    """Change the database by statements that may use `:seq`."""
    with behind_its_back(url) as connection:
        for statement in statements:
            assert connection.execute(statement, {"seq": seq}).rowcount > 0, statement


def places(url: str, run: str | None = None) -> Sequence[tuple[str, int]]:
    return [(finding.run, finding.seq) for finding in verify(url, run)]


def test_a_log_that_nobody_touched_verifies(url: str) -> None:
    assert verify(url) == []
    assert verify(url, "AAAA") == []


@pytest.mark.parametrize("column", ["at", "kind", "v", "body", "prev", "hash"])
@pytest.mark.parametrize("seq", [1, 4, LAST])
def test_one_changed_character_in_any_column_is_found_at_its_event(url: str, column: str, seq: int) -> None:
    changed = "v + 1" if column == "v" else f"substr({column}, 1, 9) || 'x' || substr({column}, 11)"
    tamper(url, " ".join(["UPDATE events SET", column, "=", changed, "WHERE run = 'AAAA' AND seq = :seq"]), seq=seq)
    found = places(url)
    assert ("AAAA", seq) in found
    assert set(found) <= {("AAAA", seq), ("AAAA", seq + 1)}
    assert places(url, "BBBB") == []


@pytest.mark.parametrize("value", ["CAST(body AS BLOB)", "CAST(X'80' AS TEXT)", "''", "17"])
def test_a_body_that_is_no_text_any_more_is_found(url: str, value: str) -> None:
    tamper(url, " ".join(["UPDATE events SET body =", value, "WHERE run = 'AAAA' AND seq = 3"]))
    assert places(url) == [("AAAA", 3)]


@pytest.mark.parametrize("seq", [1, 5])
def test_a_deleted_event_is_found_where_it_was(url: str, seq: int) -> None:
    tamper(url, "DELETE FROM events WHERE run = 'AAAA' AND seq = :seq", seq=seq)
    assert places(url) == [("AAAA", seq)]


@pytest.mark.parametrize(("last", "said"), [(3, "this event is missing"), (5, "events 3 to 5 are missing")])
def test_what_was_deleted_in_the_middle_is_told_by_its_numbers(url: str, last: int, said: str) -> None:
    tamper(url, "DELETE FROM events WHERE run = 'AAAA' AND seq BETWEEN 3 AND :seq", seq=last)
    assert [(finding.seq, finding.problem) for finding in verify(url)] == [(3, said)]


def test_a_cut_off_end_is_found_where_the_log_should_go_on(url: str) -> None:
    tamper(url, "DELETE FROM events WHERE run = 'AAAA' AND seq > :seq", seq=LAST - 2)
    assert places(url) == [("AAAA", LAST - 1)]


def test_two_events_that_changed_places_are_found_at_both(url: str) -> None:
    tamper(
        url,
        "UPDATE events SET seq = -1 WHERE run = 'AAAA' AND seq = 3",
        "UPDATE events SET seq = 3 WHERE run = 'AAAA' AND seq = 4",
        "UPDATE events SET seq = 4 WHERE run = 'AAAA' AND seq = -1",
    )
    assert {("AAAA", 3), ("AAAA", 4)} <= set(places(url))


def test_an_event_put_in_the_middle_is_found(url: str) -> None:
    tamper(
        url,
        "UPDATE events SET seq = -seq - 1 WHERE run = 'AAAA' AND seq >= 6",
        "UPDATE events SET seq = -seq WHERE run = 'AAAA' AND seq < 0",
        "INSERT INTO events SELECT run, 6, at, kind, v, body, hash, hash FROM events WHERE run = 'AAAA' AND seq = 5",
    )
    assert ("AAAA", 6) in places(url)


def test_an_event_put_at_the_end_with_a_right_hash_is_found_by_the_summary(url: str) -> None:
    with behind_its_back(url) as connection:
        query = "SELECT run, at, kind, v, body, hash FROM events WHERE run = 'AAAA' AND seq = ?"
        run, at, kind, v, body, prev = connection.execute(query, (LAST,)).fetchone()
        link = event_hash(prev, run=run, seq=LAST + 1, at=at, kind=kind, v=v, body=body)
        row = (run, LAST + 1, at, kind, v, body, prev, link)
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    assert places(url) == [("AAAA", LAST + 1)]


def test_an_event_changed_together_with_its_hash_is_found_at_the_next_one(url: str) -> None:
    with behind_its_back(url) as connection:
        query = "SELECT run, at, kind, v, prev FROM events WHERE run = 'AAAA' AND seq = 4"
        run, at, kind, v, prev = connection.execute(query).fetchone()
        body = '{"agent":2,"turn":9,"epoch":0,"kind":"turn_started"}'
        link = event_hash(prev, run=run, seq=4, at=at, kind=kind, v=v, body=body)
        connection.execute("UPDATE events SET body = ?, hash = ? WHERE run = 'AAAA' AND seq = 4", (body, link))
    assert places(url) == [("AAAA", 5)]


def test_an_event_given_to_another_run_is_missed_in_its_own(url: str) -> None:
    tamper(url, "UPDATE events SET run = 'CCCC' WHERE run = 'AAAA' AND seq = :seq", seq=LAST)
    assert {("AAAA", LAST), ("CCCC", 1)} <= set(places(url))


@pytest.mark.parametrize(
    "change",
    [
        "head = substr(head, 1, 63) || 'x'",
        "seq = seq - 1",
        "seq = seq + 1",
        "seq = 'many'",
        "state = 'rejected'",
        "expires_at = '2036-01-01T00:00:00.000000+00:00'",
        "tenant = 'elsewhere'",
        "prompt = 'something else'",
        "requester = 'mallory'",
        "config = 'other'",
        "started_at = updated_at",
        "updated_at = started_at",
    ],
)
def test_a_changed_summary_is_found(url: str, change: str) -> None:
    tamper(url, " ".join(["UPDATE runs SET", change, "WHERE run = 'AAAA'"]))
    assert {run for run, _ in places(url)} == {"AAAA"}
    assert all(LAST <= seq <= LAST + 1 for _, seq in places(url))


def test_a_removed_summary_and_a_removed_log_are_found(url: str) -> None:
    tamper(url, "DELETE FROM runs WHERE run = 'AAAA'", "DELETE FROM events WHERE run = 'BBBB'")
    assert places(url) == [("AAAA", LAST), ("BBBB", 1)]


@pytest.mark.parametrize("change", ["DELETE FROM configs", "UPDATE configs SET text = 'agents: [evil]'"])
def test_a_changed_configuration_is_found_in_each_run_that_used_it(url: str, change: str) -> None:
    tamper(url, change)
    assert places(url) == [("AAAA", 1), ("BBBB", 1)]


def test_events_that_make_no_sense_are_found_though_every_hash_is_right(url: str) -> None:
    with behind_its_back(url) as connection:
        prev = "0" * 64
        rows = connection.execute(
            "SELECT seq, at, kind, v, body FROM events WHERE run = 'AAAA' AND seq > 1 ORDER BY seq"
        ).fetchall()
        connection.execute("DELETE FROM events WHERE run = 'AAAA'")
        for seq, at, kind, v, body in rows:
            link = event_hash(prev, run="AAAA", seq=seq - 1, at=at, kind=kind, v=v, body=body)
            row = ("AAAA", seq - 1, at, kind, v, body, prev, link)
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            prev = link
        connection.execute("UPDATE runs SET seq = seq - 1, head = ? WHERE run = 'AAAA'", (prev,))
    assert places(url) == [("AAAA", 1)]


def test_every_single_byte_of_an_events_row_in_the_file_counts(url: str) -> None:
    """Flips bytes of the file itself, as a failing disk would."""
    path = Path(url.removeprefix("sqlite:///"))
    with behind_its_back(url) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    clean = path.read_bytes()
    start = clean.index(b'"reason":"it has the times"')
    for place in range(start, start + 27, 5):
        path.write_bytes(clean[:place] + bytes([clean[place] ^ 1]) + clean[place + 1 :])
        assert places(url) != [], f"byte {place - start}"
    path.write_bytes(clean)
    assert places(url) == []


def test_verifying_a_run_that_does_not_exist_says_so(url: str) -> None:
    with pytest.raises(RunNotFoundError):
        verify(url, "ZZZZ")
    with pytest.raises(RunNotFoundError):
        export(url, "ZZZZ")


def test_an_export_has_every_event_with_its_hash(url: str) -> None:
    lines = [json.loads(line) for line in export(url, "AAAA")]
    assert [line["seq"] for line in lines] == list(range(1, LAST + 1))
    assert [line["kind"] for line in lines] == [each.event.kind for each in STORY]
    assert set(lines[0]) == {"run", "seq", "at", "kind", "v", "body", "prev", "hash"}


def test_anybody_can_check_an_export_with_the_program_in_the_documentation(url: str) -> None:
    text = (Path(__file__).parents[2] / "docs/audit.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    lines = list(export(url, "AAAA"))

    def check(lines: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            input="\n".join(lines),
            text=True,
            capture_output=True,
            check=False,
            timeout=30,
        )

    good = check(lines)
    assert (good.returncode, good.stdout.split(",")[0]) == (0, f"{LAST} events")
    assert json.loads(lines[-1])["hash"] in good.stdout
    lines[2] = lines[2].replace('\\"epoch\\":0', '\\"epoch\\":1')
    bad = check(lines)
    assert (bad.returncode, bad.stderr.strip()) == (1, "event 3 is not as it was written")


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look at" * 50, encoding="utf-8")
    with pytest.raises(StorageError, match="not a database file"):
        verify(sqlite_url(tmp_path, "notes.txt"))
