"""Every command: what it says, where it says it, and with which status it ends, also when things are not as they should be."""

import json
import platform
import re
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

from bot.i18n import GERMAN
from tests.e2e.program import ROOT, SHAKY, Ended, Program, end_of, read_until


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def said(ended: Ended, status: int) -> str:
    """What a command that could not do its work said: one sentence, and no traceback."""
    assert (ended.status, ended.out) == (status, ""), ended.err
    assert "Traceback" not in ended.err
    return ended.err


def waiting(program: Program, prompt: str = "Street party") -> str:
    ended = program.run("run", prompt, "-c", "configs/demo.yaml", "--events")
    assert ended.status == 3, ended.err
    return ended.run


def test_help_and_version_need_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path, starts_from_nothing=True)
    ended = program.run("--help")
    assert ended.status == 0
    for command in [
        "demo",
        "run",
        "resume",
        "approve",
        "reject",
        "changes",
        "select",
        "edit",
        "withdraw",
        "cancel",
        "resolve",
        "status",
        "show",
        "history",
        "check",
        "worker",
        "migrate",
        "audit",
    ]:
        assert f"\n  {command} " in ended.out
    assert program.run("--version").out.startswith("massgen-bot ")
    assert not program.state.exists() or list(program.state.iterdir()) == []


def test_a_plan_is_edited_and_its_editor_does_not_approve_it(program: Program) -> None:
    run = waiting(program)
    ended = program.run("edit", run, "1", "title", "--value", "Garden party")
    assert (ended.status, "Garden party" in ended.out, "Revision 2, edited by" in ended.out) == (3, True, True), (
        ended.err
    )
    for arguments, sentence in (
        (["edit", run, "1", "title"], "EDITOR"),
        (["edit", run, "1", "--value", "{}"], "do not fit the tool"),
        (["withdraw", run], "nothing to withdraw"),
    ):
        ended = program.run(*arguments)
        assert ended.status != 0, arguments
        assert sentence in ended.err, arguments


@pytest.mark.parametrize(("required", "status", "writes"), [(1, 0, 1), (2, 3, 0)])
def test_only_selected_calls_run_and_a_yes_is_taken_back_while_others_are_missing(
    program: Program, required: int, status: int, writes: int
) -> None:
    journal, config = program.folder / "journal", program.folder / "ops.yaml"
    rule = f"approval: {{allow_requester: true, required: {required}}}\n"
    config.write_text(SHAKY.format(journal=journal, behaviour="well") + rule, encoding="utf-8")
    run = program.run("run", "Write", "--config", str(config), "--events").run
    selected = program.run("select", run, "2")
    assert (selected.status, "Revision 2" in selected.out) == (3, True), selected.err
    assert program.run("approve", run).status == status
    assert len(journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []) == writes
    withdrawn = program.run("withdraw", run)
    assert (withdrawn.status == 3) == (required == 2), withdrawn.err


def test_a_misspelt_variable_is_told_in_one_sentence_and_changes_nothing(program: Program) -> None:
    ended = program.run("history", MASSGEN_BOT_LANGUGE="de")
    told = "MASSGEN_BOT_LANGUGE is not a variable of this program and has no effect. Did you mean MASSGEN_BOT_LANGUAGE?"
    assert (ended.status, ended.err) == (0, f"{told}\n")
    both = program.run("history", MASSGEN_BOT_LANGUAGE="de", MASSGEN_BOT_COFFEE="strong")
    assert both.err == f"{GERMAN.text('environment.unknown', name='MASSGEN_BOT_COFFEE')}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        (["status", "NOSUCH"], 2, "There is no run NOSUCH here."),
        (["approve", "NOSUCH"], 2, "There is no run NOSUCH here."),
        (["audit", "export", "NOSUCH"], 2, "There is no run NOSUCH here."),
        (["run", "x", "--config", "no/such.yaml"], 2, "no/such.yaml"),
        (["run", "x"], 2, "--config"),
        (["check", "no/such.yaml"], 2, "no/such.yaml"),
        (["run", " ", "-c", "configs/demo.yaml"], 2, "the request is empty"),
        (["demo", "--approve", "--reject"], 2, "can't be used together"),
        (["demo", "--reason", "x"], 2, "--reason requires --reject"),
        (["resolve", "X", "maybe"], 2, "happened, run-it, stop"),
        (["changes", "X", " "], 2, "the requested change is empty"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(program: Program, arguments: list[str], status: int, wanted: str) -> None:
    assert wanted in said(program.run(*arguments), status)


def test_a_database_that_can_not_be_is_told_in_a_sentence_that_keeps_its_password(program: Program) -> None:
    told = said(program.run("history", DATABASE_URL="postgresql+nonsense://u:secret@nowhere:1/db"), 2)
    assert "secret" not in told
    assert "DATABASE_URL" in said(program.run("history", DATABASE_URL="hello"), 2)
    assert said(program.run("history", DATABASE_URL="mysql://u:secret@h/db"), 2)
    assert said(program.run("demo", DATABASE_URL="sqlite:////no/such/folder/log.sqlite"), 2)


def test_a_folder_that_can_not_be_made_is_told_in_a_sentence(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    assert "can't be created" in said(program.run("history", XDG_STATE_HOME=str(tmp_path / "file")), 2)
    told = said(program.run("history", MASSGEN_BOT_STATE="~nobody-of-that-name/state"), 2)
    assert "set MASSGEN_BOT_STATE to a folder" in told


def test_every_complaint_about_a_configuration_is_told_at_once(program: Program) -> None:
    config = program.config(("expires_after: 24h", "expires_after: soon"), ("effect: deny", "effect: forbid"))
    told = said(program.run("check", str(config)), 2)
    assert len(told.strip().splitlines()) == 2
    assert "toy.yaml:" in told
    assert said(program.run("run", "x", "--config", str(config)), 2) == told


def test_check_says_what_becomes_of_each_tool_and_why(program: Program) -> None:
    ended = program.run("check", "configs/demo.yaml")
    assert ended.status == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["board.read_notice", "read", "tools[1]:", "board.read_notice"] in rows
    assert ["board.post_notice", "ask", "tools[2]:", "board.post_notice"] in rows
    assert ["board.remove_notice", "deny", "tools[3]:", "board.remove_notice"] in rows
    assert "board.read_notice" not in program.run("check", "configs/demo.yaml", "--no-connect").out


def test_check_says_which_tools_cannot_be_used_and_why(program: Program, tmp_path: Path) -> None:
    """A rule that names one is no mistake: the tool is there."""
    tools = [{"name": "look", "inputSchema": {}}, {"name": "odd", "inputSchema": "none"}, None]
    (tmp_path / "says").write_text(json.dumps({"tools": [json.dumps({"tools": tools})], "call": ""}), encoding="utf-8")
    arguments = ["-m", "tests.servers.mcp_spoiled", str(tmp_path / "journal"), "stdio", str(tmp_path / "says")]
    config = tmp_path / "odd.yaml"
    config.write_text(
        f"""agents: [{{id: one, backend: {{type: chatcompletion, model: m, base_url: "http://127.0.0.1:9", api_key: k}}}}]
mcp_servers:
  w: {{command: {json.dumps(sys.executable)}, args: {json.dumps(arguments)}, cwd: {json.dumps(str(ROOT))}}}
tools: [{{match: w.odd, effect: read}}]
""",
        encoding="utf-8",
    )
    ended = program.run("check", str(config))
    assert ended.status == 0, ended.err
    told = " ".join(ended.out.split())
    assert "w.odd deny can't be used: it has an inputSchema that is not an object" in told
    assert "w.number 3 deny can't be used: it is not described by an object" in told
    assert "w.look ask" in told


def test_check_complains_of_rules_that_fit_no_tool_and_of_servers_that_do_not_start(program: Program) -> None:
    config = program.config(("board.list_notices", "board.list_nothing"), name="idle.yaml")
    idle = program.run("check", str(config))
    assert idle.status == 2
    assert "list_nothing" in idle.err
    broken = program.config(("demo-board", "no-such-board"), name="broken.yaml")
    ended = program.run("check", str(broken))
    assert ended.status == 1
    assert "board" in ended.err
    assert "Traceback" not in ended.err


def test_a_server_that_does_not_start_fails_the_run_with_that_sentence(program: Program) -> None:
    config = program.config(("demo-board", "no-such-board"))
    ended = program.run("run", "x", "--config", str(config), "--events")
    assert ended.status == 1
    assert "board" in str(ended.first("run_failed")["reason"])


def test_a_run_is_found_by_the_beginning_of_its_name_if_only_one_begins_so(program: Program) -> None:
    name = waiting(program)
    assert program.run("status", name[:4].lower()).status == 3
    with sqlite3.connect(program.state / "massgen-bot.sqlite") as database:
        database.execute("INSERT INTO runs SELECT ?, " + columns_but_run(database) + " FROM runs", (f"{name}2",))
    database.close()
    assert f"{name}, {name}2" in said(program.run("status", name[:4]), 2)
    assert program.run("status", name).status == 3


def columns_but_run(database: sqlite3.Connection) -> str:
    names = [str(row[1]) for row in database.execute("PRAGMA table_info(runs)")]
    assert names[0] == "run"
    return ", ".join(names[1:])


def test_what_can_be_read_of_a_run(program: Program) -> None:
    assert "no runs yet" in program.run("history").out
    name = waiting(
        program, "Street party on 12 June, with music, cake, and a word of the mayor's if she finds the time"
    )
    status = program.run("status", name)
    assert status.status == 3
    assert "◆ Waiting for approval" in status.out
    assert f"massgen-bot approve {name} --digest" in status.out
    show = program.run("show", name, "--story")
    assert show.status == 0
    for wanted in (
        "Request",
        "Coordination",
        "round",
        "agent2.2",
        "Votes",
        "voted agent2",
        "the agents started planning",
    ):
        assert wanted in show.out
    (row,) = [line for line in program.run("history").out.splitlines() if name in line]
    assert "waiting for approval" in row
    assert "Street party" in row
    spent = program.run("spend")
    assert spent.status == 0
    assert "in the last 30 days, as far as prices are known" in spent.out


def test_the_audit_finds_what_was_changed_behind_the_programs_back(program: Program) -> None:
    name = waiting(program)
    assert (program.run("audit", "verify", name).status, program.run("audit", "verify").status) == (0, 0)
    exported = [json.loads(line) for line in program.run("audit", "export", name).out.splitlines()]
    assert [row["seq"] for row in exported] == list(range(1, len(exported) + 1))
    with sqlite3.connect(program.state / "massgen-bot.sqlite") as database:
        database.execute("UPDATE events SET body = replace(body, 'Street', 'Flower') WHERE seq = 1")
    database.close()
    found = program.run("audit", "verify", name)
    assert found.status == 1
    assert found.out.startswith(f"{name} 1: ")


def test_migrate_says_which_database_is_ready(program: Program) -> None:
    ended = program.run("migrate")
    assert ended.status == 0
    assert "massgen-bot.sqlite" in ended.out


def test_what_a_killed_process_left_is_taken_up_by_a_worker(program: Program) -> None:
    with program.start("run", "Street party", "-c", "configs/demo.yaml", "--events", MASSGEN_BOT_DEMO_PACE="30") as run:
        name = str(json.loads(read_until(run.stdout, '"run"'))["run"])
        read_until(run.stdout, "turn_started")
        run.kill()
    assert program.run("status", name).status == 3
    worked = program.run("worker", "--until-idle")
    assert (worked.status, worked.out) == (0, "")
    assert "Waiting for approval" in program.run("status", name).out
    show = program.run("show", name)
    assert "resumed after" in show.out


def test_an_order_to_end_leaves_the_run_for_later_and_says_how_to_go_on(program: Program) -> None:
    with program.start("run", "Street party", "-c", "configs/demo.yaml", "--events", MASSGEN_BOT_DEMO_PACE="30") as run:
        name = str(json.loads(read_until(run.stdout, '"run"'))["run"])
        read_until(run.stdout, "turn_started")
        run.send_signal(signal.SIGTERM)
        ended = end_of(run)
    assert ended.status == 3
    assert f"massgen-bot resume {name}" in ended.err
    assert "Traceback" not in ended.err
    resumed = program.run("resume", name)
    assert resumed.status == 3
    assert "Waiting for approval" in resumed.out


def test_a_worker_ends_when_it_is_told_to(program: Program) -> None:
    with program.start("worker") as worker:
        read_until(worker.stderr, "Worker ready.")
        worker.send_signal(signal.SIGTERM)
        assert end_of(worker).status == 0


def test_workers_are_listed_with_what_they_have_in_hand(program: Program) -> None:
    with program.start("worker", "--only", "execute") as worker:
        read_until(worker.stderr, "Worker ready.")
        listed = program.run("workers")
        assert (listed.status, listed.err) == (0, "")
        here = f"{re.escape(platform.node())}:{worker.pid}"
        assert re.fullmatch(rf"slot-0 · {here} · for [^·]+ · last seen \d+ s ago · idle\n", listed.out), listed.out
        worker.send_signal(signal.SIGTERM)
        assert end_of(worker).status == 0
    assert program.run("workers").out == "No worker is running on this database.\n"


LONGEST_CALL = 3 * 4.0
"""Seconds that a call of `shaky_config` may take, if its server tells of progress all the time."""


def shaky_run(program: Program, behaviour: str) -> tuple[str, Path]:
    """A run whose first approved call left and never came back."""
    config, writer = program.shaky_config(behaviour)
    ended = program.run("run", "write twice", "-c", str(config), "--approve", "--events")
    assert ended.status == 5, ended.err
    assert ended.events[-1]["kind"] == "call_outcome_unknown"
    assert f"massgen-bot resolve {ended.run} happened" in ended.err
    return ended.run, writer


def written(writer: Path) -> int:
    return len(writer.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(("verdict", "status", "writes"), [("happened", 0, 2), ("run-it", 0, 3), ("stop", 1, 1)])
def test_a_person_settles_what_nobody_can_know(program: Program, verdict: str, status: int, writes: int) -> None:
    name, writer = shaky_run(program, "dies_once")
    died = time.monotonic()
    assert written(writer) == 1
    doubtful = program.run("status", name)
    assert doubtful.status == 5
    assert "may or may not have happened" in doubtful.out
    assert program.run("resolve", name, "happened", "--call", "2").status == 5
    settled = program.run("resolve", name, verdict)
    if verdict == "run-it":
        assert settled.status == 5, "what its server had asked others may still be done"
        assert written(writer) == 1
        threading.Event().wait(max(0.0, died + LONGEST_CALL - time.monotonic()))
        settled = program.run("resolve", name, verdict)
    assert settled.status == status, settled.err
    assert written(writer) == writes


def test_the_log_of_a_run_is_in_the_state_folder_and_only_its_owner_may_read_it(program: Program) -> None:
    waiting(program)
    assert program.state.stat().st_mode & 0o077 == 0


def test_commands_work_from_any_folder(program: Program, tmp_path: Path) -> None:
    ended = program.run("run", "x", "-c", str(ROOT / "configs/demo.yaml"), "--events", cwd=tmp_path)
    assert ended.status == 3, ended.err
    assert program.run("approve", ended.run, cwd=tmp_path).status == 0
