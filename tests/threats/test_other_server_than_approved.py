"""Threat: the plan was made with one server, account or program, and whoever runs it later has another in its place.

Planned by one real process, approved by another that differs in its environment, its files, or its database.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.program import ROOT, Program

CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: bank.pay, arguments: {to: bob, amount: 5}}]
              answer: Pay bob.
        report: [{say: That is what happened.}]
mcp_servers:
  bank:
    command: COMMAND
    args: ARGUMENTS
    env: {ACCOUNT: "${WHO:-nobody}"}
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def configured(program: Program, *, command: str = "${MASSGEN_BOT_PYTHON}", more: str = "") -> Path:
    """A configuration beside a copy of the bank's program."""
    shutil.copy(ROOT / "tests/servers/mcp_bank.py", program.folder / "bank.py")
    arguments = f"[{program.folder}/bank.py, {program.folder}/paid]"
    path = program.folder / "bank.yaml"
    path.write_text(CONFIG.replace("COMMAND", command).replace("ARGUMENTS", arguments) + more, encoding="utf-8")
    return path


def planned(program: Program, config: Path, who: str = "staging") -> str:
    ended = program.run("run", "Pay bob.", "-c", str(config), "--events", WHO=who)
    assert ended.status == 3, ended.err
    return ended.run


def paid(program: Program) -> Sequence[object]:
    file = program.folder / "paid"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


def refused(program: Program, run: str, who: str = "staging") -> str:
    """Approve, with nothing paid; what was said."""
    ended = program.run("approve", run, WHO=who)
    assert (ended.status, paid(program)) == (1, []), ended.out
    return ended.out


def test_the_settings_that_the_plan_was_made_with_run_it(program: Program) -> None:
    run = planned(program, configured(program))
    ended = program.run("approve", run, WHO="staging")
    assert ended.status == 0, ended.out
    assert paid(program) == [{"from": "staging", "to": "bob", "amount": 5}]


def test_a_stored_configuration_that_was_changed_runs_nothing_and_is_named(program: Program) -> None:
    run = planned(program, configured(program))
    with sqlite3.connect(program.state / "massgen-bot.sqlite") as database:
        database.execute("update configs set text = replace(text, '${WHO:-nobody}', 'mallory')")
    database.close()
    assert "was changed after the run began" in refused(program, run)


def test_no_agent_begins_with_a_stored_configuration_that_was_changed(program: Program) -> None:
    run = planned(program, configured(program))
    with sqlite3.connect(program.state / "massgen-bot.sqlite") as database:
        database.execute("update configs set text = replace(text, 'amount: 5', 'amount: 5000')")
    database.close()
    ended = program.run("changes", run, "Pay more.")
    assert ended.status == 1
    assert "was changed after the run began" in ended.out
