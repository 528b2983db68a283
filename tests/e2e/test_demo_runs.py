"""The whole story by the real command line: nothing is done before a yes, exactly the plan after it, nothing after a no."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.program import PATIENCE, ROOT, Ended, Program, end_of, planned


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def left_waiting(
    program: Program, *, config: str = "configs/demo.yaml", prompt: str = "Street party on 12 June"
) -> Ended:
    """A run that nobody could decide on."""
    ended = program.run("run", prompt, "--config", config, "--events")
    assert ended.status == 3, ended.err
    return ended


def test_an_approved_plan_is_done_to_the_letter_and_in_order(tmp_path: Path) -> None:
    program = Program(tmp_path, starts_from_nothing=True)
    ended = program.run("demo", "Street party on 12 June", "--approve", "--events")
    assert ended.status == 0, ended.err
    proposal = ended.first("plan_proposed")
    assert program.writes() == planned(proposal)
    calls = [event for event in ended.events if event["kind"] == "call_started"]
    plan = json.loads(json.dumps(proposal["plan"]))
    assert [call["arguments_text"] for call in calls] == [call["arguments_text"] for call in plan["calls"]]
    assert [event["seq"] for event in ended.events] == list(range(1, len(ended.events) + 1))
    assert ended.events[-1]["kind"] == "run_finished"


def test_nothing_is_done_before_the_yes_and_the_yes_may_come_from_another_process(tmp_path: Path) -> None:
    program = Program(tmp_path, starts_from_nothing=True)
    waiting = left_waiting(program)
    assert program.writes() == []
    assert f"massgen-bot approve {waiting.run} --digest " in waiting.err
    approved = program.run("approve", waiting.run)
    assert approved.status == 0, approved.err
    assert program.writes() == planned(waiting.first("plan_proposed"))
    assert "Done" in approved.out


def test_the_command_that_is_printed_works_as_it_is(program: Program) -> None:
    waiting = left_waiting(program)
    command = next(line.split() for line in waiting.err.splitlines() if " approve " in line)
    assert program.run(*command[1:]).status == 0


def test_a_no_is_final(program: Program) -> None:
    rejected = program.run("demo", "--reject", "--reason", "too loud", "--events")
    assert rejected.status == 4
    event = rejected.first("plan_rejected")
    assert event["reason"] == "too loud"
    again = program.run("approve", rejected.run)
    assert (again.status, again.err) == (4, "Someone has already decided: rejected.\n")
    assert program.writes() == []


def test_the_operator_can_have_everything_in_german(tmp_path: Path) -> None:
    program = Program(tmp_path, {"MASSGEN_BOT_LANGUAGE": "de"})
    done = program.run("demo", "Straßenfest am 12. August", "--approve")
    assert done.status == 0, done.err
    for text in ("„Straßenfest am 12. August“", "Erledigt", "Freigegeben von", "stimmt für agent", "Aufruf 1/"):
        assert text in done.out
    waiting = left_waiting(program)
    assert f"Lauf {waiting.run} wartet bis " in waiting.err
    assert "Braucht 1 Freigabe" in program.run("status", waiting.run).out
    assert program.run("reject", waiting.run).status == 4
    again = program.run("approve", waiting.run)
    assert (again.status, again.err) == (4, "Es hat schon jemand entschieden: abgelehnt.\n")
    assert program.run("status", "NOSUCH").err.startswith("Einen Lauf NOSUCH gibt es hier nicht.")


def test_the_help_is_in_the_language_that_the_process_began_with(tmp_path: Path) -> None:
    surroundings = Program(tmp_path).surroundings(MASSGEN_BOT_LANGUAGE="de")
    helped = subprocess.run(
        [sys.executable, "-m", "bot", "--help"], cwd=ROOT, env=surroundings, capture_output=True, timeout=60, check=True
    )
    assert "Die neuesten Läufe auflisten." in helped.stdout.decode()


def test_a_language_that_is_not_there_is_one_sentence(program: Program) -> None:
    ended = program.run("history", MASSGEN_BOT_LANGUAGE="tlh")
    sentence = "MASSGEN_BOT_LANGUAGE names an unknown language; set it to one of these: de, en.\n"
    assert (ended.status, ended.out, ended.err) == (2, "", sentence)


def test_a_no_may_come_from_another_process(program: Program) -> None:
    waiting = left_waiting(program)
    rejected = program.run("reject", waiting.run, "--reason", "not now")
    assert rejected.status == 4
    assert "not now" in rejected.out
    assert program.writes() == []


def test_a_cancelled_run_does_nothing(program: Program) -> None:
    waiting = left_waiting(program)
    assert program.run("cancel", waiting.run).status == 4
    assert program.run("approve", waiting.run).status == 4
    assert program.writes() == []


def test_a_plan_that_expired_is_never_done(program: Program) -> None:
    config = program.config(("expires_after: 24h", "expires_after: 1s"))
    waiting = left_waiting(program, config=str(config))
    deadline = time.monotonic() + PATIENCE
    while program.run("status", waiting.run).status == 3:
        assert time.monotonic() < deadline
    assert program.run("status", waiting.run).status == 4
    approved = program.run("approve", waiting.run)
    assert approved.status == 4
    assert "expired" in approved.err
    assert program.writes() == []


def test_wanted_changes_give_another_plan_with_another_digest(program: Program) -> None:
    waiting = left_waiting(program)
    old = waiting.first("plan_proposed")
    changed = program.run("changes", waiting.run, "one notice is enough", "--events")
    assert changed.status == 3
    new = [event for event in changed.events if event["kind"] == "plan_proposed"][-1]
    assert new["digest"] != old["digest"]
    stale = program.run("approve", waiting.run, "--digest", str(old["digest"]))
    assert (stale.status, program.writes()) == (3, [])
    assert "replaced by a newer one" in stale.err
    digest = str(new["digest"])
    assert program.run("approve", waiting.run, "--digest", f"{digest[:4]}-{digest[4:8]}").status == 0
    assert program.writes() == planned(new)


def test_two_approvals_at_once_are_one_execution(program: Program) -> None:
    waiting = left_waiting(program)
    with program.start("approve", waiting.run) as one, program.start("approve", waiting.run) as other:
        ends = [end_of(one), end_of(other)]
    assert [end.status for end in ends] == [0, 0], [end.err for end in ends]
    assert program.writes() == planned(waiting.first("plan_proposed"))


def test_the_plan_depends_on_the_request_and_on_what_was_read(program: Program) -> None:
    program.state.mkdir()
    board = {"Welcome": "Be kind.", "Lost cat": "Grey, answers to Tom."}
    (program.state / "notices.json").write_text(json.dumps(board), encoding="utf-8")
    waiting = left_waiting(program, prompt="Flea market on 3 May")
    tool, arguments = planned(waiting.first("plan_proposed"))[0]
    assert tool == "post_notice"
    assert isinstance(arguments, dict)
    assert arguments["title"] == "Flea market on 3 May"
    assert "Lost cat" in arguments["body"]


def test_a_vote_is_voided_by_a_newer_answer_in_the_demos_own_time(program: Program) -> None:
    ended = program.run("demo", "--approve", "--events", MASSGEN_BOT_DEMO_PACE="0.2")
    assert [event["kind"] for event in ended.events].count("vote_voided") == 2
    assert ended.status == 0


def test_the_demo_can_be_given_again_and_again(program: Program) -> None:
    assert [program.run("demo").status for _ in range(2)] == [0, 0]


def test_the_demo_without_a_terminal_says_that_it_approves_itself_and_what_comes_next(program: Program) -> None:
    ended = program.run("demo", PATH="/usr/bin:/bin")
    assert "approved without a person" in ended.err
    assert "massgen-bot show" in ended.out.split("What comes next:")[1]
    assert ". " + str(Path(os.path.relpath(sys.executable, ROOT)).parent / "activate") in ended.out
    assert "Traceback" not in ended.err


def test_the_demo_needs_nothing_of_the_folder_that_it_is_started_in(program: Program, tmp_path: Path) -> None:
    for arguments in ((), ("--config", "demo"), ("--config", str(ROOT / "configs/demo.yaml"))):
        elsewhere = program.run("demo", *arguments, "--approve", cwd=tmp_path)
        assert elsewhere.status == 0, elsewhere.err


def test_a_configuration_that_lies_here_goes_before_one_of_its_name_that_comes_with_the_program(
    program: Program, tmp_path: Path
) -> None:
    (tmp_path / "demo").write_text("agents: nobody", encoding="utf-8")
    assert program.run("check", "demo", "--no-connect", cwd=tmp_path).status == 2
    assert program.run("check", "demo.yaml", "--no-connect", cwd=tmp_path).status == 2


def test_only_the_toy_world_approves_itself_and_no_world_that_somebody_named(program: Program) -> None:
    ended = program.run("demo", "--config", "configs/demo.yaml")
    assert (ended.status, program.writes()) == (3, [])
    assert "without a person" not in ended.err


def test_a_state_folder_may_be_named_from_home_and_means_the_same_to_the_tool_servers(
    program: Program, tmp_path: Path
) -> None:
    for named in ("~/kept", "kept"):
        ended = program.run(
            "demo", "--config", str(ROOT / "configs/demo.yaml"), "--approve", cwd=tmp_path, MASSGEN_BOT_STATE=named
        )
        assert ended.status == 0, ended.err
        assert not (tmp_path / "~").exists()
    assert (tmp_path / "kept/notices.json").exists()


def test_only_events_are_on_standard_output(program: Program) -> None:
    ended = program.run("demo", "--events")
    assert all(event["run"] == ended.run for event in ended.events)
    assert ended.first("plan_proposed")["digest"]
    assert ended.err.splitlines() == [line for line in ended.err.splitlines() if not line.startswith("{")]
