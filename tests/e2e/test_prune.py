"""Old runs are removed whole, and what is left of the log is as provable as before."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from bot.chat.card_sync.snapshot import ENDED as CARD_ENDED
from coordination.storage.anchor import anchor, compare
from coordination.storage.audit import verify
from coordination.storage.prune import ENDED, forget, prune
from tests.builders import START
from tests.databases import sqlite_url
from tests.e2e.program import Program

NOW = START + timedelta(days=400)


def text_of(url: str) -> str:
    return "\n".join(anchor(url, NOW))


def execute(url: str, statement: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute(statement)


def program_with_runs(folder: Path) -> tuple[Program, str]:
    program = Program(folder)
    assert program.run("demo", "--approve").status == 0
    assert program.run("run", "A plan that waits", "-c", "demo").status == 3
    return program, sqlite_url(program.state, "massgen-bot.sqlite")


def test_what_ended_goes_and_what_waits_stays_and_the_log_verifies(tmp_path: Path) -> None:
    program, url = program_with_runs(tmp_path)
    before = text_of(url)
    ended = program.run("prune", "--older-than", "0", "--dry-run")
    assert (ended.status, ended.out) == (0, "1 run would be removed.\n")
    assert text_of(url).splitlines()[1:] == before.splitlines()[1:]
    ended = program.run("prune", "--older-than", "0")
    assert (ended.status, ended.out) == (0, "1 run was removed.\n")
    assert verify(url) == []
    assert compare(url, before) == []
    assert compare(url, text_of(url)) == []
    assert program.run("prune", "--older-than", "0").out == "0 runs were removed.\n"
    assert "A plan that waits" in program.run("history").out
    anchored = text_of(url)
    execute(url, "DELETE FROM pruned_runs")
    assert [each.problem[:20] for each in compare(url, anchored)] == ["this run was removed"]


def test_what_was_tampered_with_is_no_run_to_prune(tmp_path: Path) -> None:
    program, url = program_with_runs(tmp_path)
    execute(url, "UPDATE events SET body = body || ' ' WHERE seq = 2")
    ended = program.run("prune", "--older-than", "0")
    assert (ended.status, "was changed after it was written" in ended.out) == (1, True)
    assert ended.out.endswith("0 runs were removed.\n")


def test_who_takes_a_run_away_and_says_that_it_was_pruned_at_another_point_is_found(tmp_path: Path) -> None:
    _, url = program_with_runs(tmp_path)
    before = text_of(url)
    execute(url, "INSERT INTO pruned_runs SELECT run, seq, 'x', updated_at FROM runs WHERE state = 'finished'")
    execute(url, "DELETE FROM events WHERE run IN (SELECT run FROM pruned_runs)")
    execute(url, "DELETE FROM runs WHERE run IN (SELECT run FROM pruned_runs)")
    assert len(compare(url, before)) == 1


async def test_only_what_is_old_enough_goes_and_a_card_that_is_kept_holds_its_run(tmp_path: Path) -> None:
    program, url = await asyncio.to_thread(program_with_runs, tmp_path)
    assert prune(url, before=START - timedelta(days=9_000), at=NOW).runs == 0
    of_card = (
        "surface, channel, thread, requester, requester_name, asked_at, state, attempt, message, shown, story, told, "
        "reminded, is_outcome_told, is_trouble_told, stale"
    )
    card = "'discord', '', '', '', '', '', 'live', 1, '', '', '', 0, '', 0, 0, ''"
    ended = "FROM runs WHERE state = 'finished'"
    execute(url, f"INSERT INTO cards (run, tenant, {of_card}) SELECT run, tenant, {card} {ended}")
    of_copy = "copy, surface, person, plan, made_at, channel, state, attempt, message, shown"
    copy = "'dm:1', 'discord', '1', '', '', '', 'done', 1, '', ''"
    execute(url, f"INSERT INTO card_copies (run, tenant, {of_copy}) SELECT run, tenant, {copy} {ended}")
    assert prune(url, before=NOW, at=NOW).runs == 0
    execute(url, "UPDATE cards SET state = 'done'")
    done = prune(url, before=NOW, at=NOW)
    assert done.runs == 1
    assert done.events > 10
    with closing(sqlite3.connect(program.state / "massgen-bot.sqlite")) as connection:
        for table in ("cards", "card_copies"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_what_names_a_person_is_removed_once_it_is_over_and_the_rest_stays_provable(tmp_path: Path) -> None:
    program, url = program_with_runs(tmp_path)
    before = text_of(url)
    (person,) = {each["requester"]["id"] for each in requests(url)}
    for nobody in (person.swapcase(), person[:-1], "%"):
        assert forget(url, nobody, "", at=NOW).runs == 0
    assert forget(url, person, "elsewhere", at=NOW).runs == 0
    assert (forget(url, person, "", at=NOW, removes=False).runs, len(requests(url))) == (1, 2)
    ended = program.run("forget", person)
    assert (ended.status, ended.out.splitlines()[0]) == (1, "1 run was removed.")
    assert "1 run that names them has not ended" in ended.out
    (waits,) = forget(url, person, "", at=NOW).unfinished
    assert "Cancelled" in program.run("cancel", waits).out
    assert forget(url, person, "", at=NOW).runs == 1
    assert requests(url) == []
    assert verify(url) == []
    assert [finding for finding in compare(url, before) if "cut off" not in finding.problem] == []


def requests(url: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return [json.loads(body) for (body,) in connection.execute("SELECT body FROM events WHERE seq = 1")]


def test_the_states_that_are_pruned_are_those_in_which_a_card_ends() -> None:
    assert {each.kind for each in get_args(CARD_ENDED)} == {*ENDED}
