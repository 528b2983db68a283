"""At a terminal: whoever the configuration names approves alone with a reason, and that stays on record."""

import getpass
import json
from pathlib import Path

import pytest

from tests.e2e.program import SHAKY, Program

RULES = "approval: {{approvers: {{users: [nobody, daemon]}}, required: 2, break_glass: {{users: [{user}]{more}}}}}\n"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def planned(program: Program, more: str = ", requester: true") -> str:
    """A plan that waits for two people who never come."""
    config = program.folder / "ops.yaml"
    text = SHAKY.format(journal=program.folder / "journal", behaviour="well")
    config.write_text(text + RULES.format(user=getpass.getuser(), more=more), encoding="utf-8")
    asked = program.run("run", "Write", "--config", str(config), "--events")
    assert asked.status == 3, asked.err
    return asked.run


def test_one_person_with_a_reason_runs_what_takes_two_and_every_record_says_so(program: Program) -> None:
    run = planned(program)
    assert "can approve alone" in program.run("status", run).out
    refused = program.run("approve", run)
    assert (refused.status, "can decide on this plan" in refused.err) == (3, True), refused.err
    for empty in ("", "  "):
        without = program.run("approve", run, "--break-glass", empty)
        assert (without.status, "Break-glass needs a reason" in without.err) == (3, True), without.err
    done = program.run("approve", run, "--break-glass", " The site is down. ", "--events")
    assert done.status == 0, done.err
    assert done.first("approval_given")["break_glass"] == "The site is down."
    for told in (program.run("status", run), program.run("show", run), program.run("show", run, "--story")):
        assert "The site is down." in told.out, told.out
        assert "alone" in told.out
    exported = program.run("audit", "export", run)
    assert "The site is down." in json.dumps([json.loads(line) for line in exported.out.splitlines()])
    assert program.run("audit", "verify").status == 0


def test_history_marks_the_plans_on_which_this_account_may_use_it_and_lists_nothing_else_where_it_is_asked_to(
    program: Program,
) -> None:
    barred, run = planned(program, more=""), planned(program)
    rows = program.run("history").out.splitlines()
    assert [("break-glass" in row) for name in (run, barred) for row in rows if name in row] == [True, False]
    only = program.run("history", "--break-glass").out
    assert (run in only, barred in only) == (True, False)
    assert program.run("approve", run, "--break-glass", "The site is down.").status == 0
    assert "There is no plan on which" in program.run("history", "--break-glass").out


def test_whoever_asked_may_not_unless_the_configuration_says_so(program: Program) -> None:
    run = planned(program, more="")
    refused = program.run("approve", run, "--break-glass", "The site is down.")
    assert (refused.status, "someone else must use break-glass" in refused.err) == (3, True), refused.err
    assert not (program.folder / "journal").exists()
