"""A person at a terminal: sees the agents live, decides with a key, may think again, and may not be alone."""

import re
import signal
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.e2e.program import Program, planned
from tests.e2e.terminal import Terminal, on_terminal

DECIDE = "Approve 2 calls?  [a]pprove  [r]eject  [c]hange  [k]eep  [o]ther  [d]etails"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def run_of(terminal: Terminal) -> str:
    found = re.search(r"run (\w{5})", terminal.text)
    assert found is not None, terminal.text
    return found[1]


def test_the_demo_is_decided_with_one_key_and_nothing_happens_before_it(tmp_path: Path) -> None:
    program = Program(tmp_path, starts_from_nothing=True)
    with on_terminal(program, "demo", "Street party on 12 June") as terminal:
        shown = terminal.until(DECIDE)
        assert program.writes() == []
        assert "vote" in shown
        assert "1  board · post_notice" in shown
        terminal.type("a")
        outcome = terminal.until("What comes next:")
        assert terminal.end() == 0
    assert "✔ Done" in outcome
    assert [tool for tool, _ in program.writes()] == ["post_notice", "post_notice"]


def test_a_german_question_has_german_keys(program: Program) -> None:
    with on_terminal(program, "demo", MASSGEN_BOT_LANGUAGE="de") as terminal:
        terminal.until("2 Aufrufe freigeben?  [f]reigeben  [a]blehnen  [k]orrigieren  [t]eils  [w]echseln  [d]etails")
        terminal.type("w")
        terminal.until("[k]einen")
        terminal.type("k")
        terminal.until("[f]reigeben")
        terminal.type("f")
        terminal.until("✔ Erledigt")
        assert terminal.end() == 0
    assert len(program.writes()) == 2


def test_what_was_typed_before_the_question_answers_nothing(program: Program) -> None:
    with on_terminal(program, "demo", MASSGEN_BOT_DEMO_PACE="0.3") as terminal:
        terminal.until("Planning")
        terminal.type("aaaa\nyes\n")
        terminal.until(DECIDE)
        terminal.type("\x1b[A")
        terminal.type("r")
        terminal.until("Reason (press Enter to skip):")
        terminal.type("not now\n")
        terminal.until("Rejected")
        assert terminal.end() == 4
    assert "not now" in terminal.text
    assert program.writes() == []


def test_changes_are_asked_for_in_words_and_give_another_plan(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        terminal.type("c")
        terminal.until("What should be different?")
        terminal.type("Shorter, please: ä\n")
        terminal.until("requested changes to plan")
        terminal.until("Approve 1 call?")
        terminal.type("a")
        terminal.until("✔ Done")
        assert terminal.end() == 0
    assert len(program.writes()) == 1


def test_another_agents_plan_can_be_chosen_and_still_needs_a_yes(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        terminal.type("o")
        terminal.until("Whose plan?")
        terminal.type("1")
        terminal.until("chose agent1's plan")
        terminal.until("Approve 1 call?")
        assert program.writes() == []
        terminal.type("a")
        terminal.until("✔ Done")
        assert terminal.end() == 0
    assert len(program.writes()) == 1


def test_ctrl_c_asks_first_and_then_cancels_cleanly(program: Program) -> None:
    with on_terminal(program, "demo", MASSGEN_BOT_DEMO_PACE="1") as terminal:
        terminal.until("Planning")
        terminal.type("\x03")
        terminal.until("Cancel the run?  [y]es cancel it  [l]eave it waiting  [n]o")
        terminal.type("y")
        terminal.until("Cancelled")
        assert terminal.end() == 4
    assert "Traceback" not in terminal.text
    assert program.run("status", run_of(terminal)).status == 4


def test_ctrl_c_may_be_taken_back(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        terminal.type("\x03")
        terminal.until("[n]o")
        terminal.type("n")
        terminal.until(DECIDE)
        terminal.type("a")
        terminal.until("✔ Done")
        assert terminal.end() == 0


def test_a_second_ctrl_c_leaves_and_says_how_to_come_back(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        terminal.type("\x03")
        terminal.until("Cancel the run?")
        terminal.type("\x03")
        terminal.until("massgen-bot approve")
        assert terminal.end() == 3
    resumed = program.run("resume", run_of(terminal))
    assert resumed.status == 3
    assert "Waiting for approval" in resumed.out


def test_a_window_that_is_closed_leaves_its_run_and_is_no_error_of_the_program(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        assert terminal.close() == 3
    log = program.state / "massgen-bot.log"
    assert not log.exists() or "Traceback" not in log.read_text(encoding="utf-8")
    assert program.run("resume", run_of(terminal)).status == 3


def test_when_another_terminal_decides_this_one_shows_the_outcome(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        assert program.run("reject", run_of(terminal), "--reason", "seen elsewhere").status == 4
        terminal.until("seen elsewhere")
        assert terminal.end() == 4
    assert program.writes() == []


def test_a_run_that_was_left_is_taken_up_again_at_a_terminal(program: Program) -> None:
    left = program.run("run", "Street party", "--config", "configs/demo.yaml", "--events")
    with on_terminal(program, "resume", left.run[:3].lower()) as terminal:
        terminal.until(DECIDE)
        terminal.type("a")
        terminal.until("✔ Done")
        assert terminal.end() == 0
    assert program.writes() == planned(left.first("plan_proposed"))


def test_a_person_can_answer_while_a_program_reads_the_events(program: Program, tmp_path: Path) -> None:
    with on_terminal(program, "demo", "--events") as terminal:
        terminal.until('"kind": "plan_proposed"')
        terminal.until(DECIDE)
        terminal.type("a")
        terminal.until('"kind": "run_finished"')
        assert terminal.end() == 0


def test_the_terminal_is_given_back_as_it_was(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        before = terminal.settings()
        terminal.until(DECIDE)
        assert terminal.settings() != before
        terminal.type("a")
        terminal.until("What comes next:")
        assert terminal.end() == 0
        assert terminal.settings() == before
    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h")


@pytest.mark.parametrize("columns", [60, 120])
def test_nothing_that_stays_is_wider_than_the_terminal(program: Program, columns: int) -> None:
    with on_terminal(program, "demo", "--approve", columns=columns) as terminal:
        assert terminal.end() == 0
    widest = max(terminal.lines, key=cell_len)
    assert cell_len(widest) <= max(columns, 74), widest


def test_without_colours_the_words_say_the_same(program: Program) -> None:
    with on_terminal(program, "demo", "--approve", NO_COLOR="1") as terminal:
        assert terminal.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", terminal.raw)
    assert "✔ Done" in terminal.text


def test_a_terminal_that_can_not_move_its_cursor_gets_lines(program: Program) -> None:
    with on_terminal(program, "demo", TERM="dumb") as terminal:
        terminal.until(DECIDE)
        terminal.type("a")
        terminal.until("What comes next:")
        assert terminal.end() == 0
    assert "read board.list_notices" in terminal.text
    assert "\x1b" not in terminal.raw


def test_a_doubt_is_shown_with_the_whole_call_and_settled_with_one_key(program: Program) -> None:
    config, writer = program.shaky_config("dies_once")
    with on_terminal(program, "run", "write twice", "--config", str(config)) as terminal:
        terminal.until("Approve 2 calls?  [a]pprove")
        terminal.type("a")
        terminal.until("2 calls may destroy something. Approve 2 calls?")
        terminal.type("y")
        terminal.until("may or may not have happened")
        terminal.until("first attempt may still")
        terminal.until("What happened to it?  [h]appened  [s]top")
        terminal.type("h")
        terminal.until("✔ Done")
        assert terminal.end() == 0
    assert len(writer.read_text(encoding="utf-8").splitlines()) == 2


def test_an_order_to_end_is_obeyed_at_once(program: Program) -> None:
    with on_terminal(program, "demo") as terminal:
        terminal.until(DECIDE)
        terminal.process.send_signal(signal.SIGTERM)
        terminal.until("massgen-bot approve")
        assert terminal.end() == 3
