"""Threat: the plan was made with one server, account or program, and whoever runs it later has another in its place.

Planned by one real process, approved by another that differs in its environment, its files, or its database.
"""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forked
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


REMOTE = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: world.write, arguments: {}}]
              answer: Write.
        report: [{say: That is what happened.}]
mcp_servers:
  world:
    url: "${U}"
    headers: {Authorization: "Bearer ${TOKEN}"}
    rotates: [TOKEN]
"""

CHANGED = "the settings of the MCP server bank have changed since the plan was made"


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
    return " ".join(ended.out.split())


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
    ended = program.run("approve", run, WHO="staging")
    assert (ended.status, paid(program)) == (3, [])
    assert "was changed after it began" in " ".join(f"{ended.out} {ended.err}".split())


def test_no_agent_begins_with_a_stored_configuration_that_was_changed(program: Program) -> None:
    run = planned(program, configured(program))
    with sqlite3.connect(program.state / "massgen-bot.sqlite") as database:
        database.execute("update configs set text = replace(text, 'amount: 5', 'amount: 5000')")
    database.close()
    ended = program.run("changes", run, "Pay more.")
    assert ended.status == 1
    assert "was changed after the run began" in " ".join(ended.out.split())


def test_another_account_in_the_environment_runs_nothing(program: Program) -> None:
    run = planned(program, configured(program), "staging-account")
    assert CHANGED in refused(program, run, "production-account")


def test_another_address_in_the_environment_is_told_nothing_not_even_the_token(program: Program) -> None:
    """Both servers are the same program; what arrives at either is in its own journal."""
    path = program.folder / "remote.yaml"
    path.write_text(REMOTE, encoding="utf-8")
    ours, theirs = program.folder / "ours", program.folder / "theirs"
    with remote(ours) as here, remote(theirs) as there:
        ended = program.run("run", "Write.", "-c", str(path), "--events", U=here, TOKEN="one")
        assert ended.status == 3, ended.err
        shown = program.run("status", ended.run).out
        assert f"world runs on {here.removeprefix('http://').removesuffix('/mcp')}" in shown
        other = program.run("approve", ended.run, U=there, TOKEN="one")
        assert other.status == 1
        assert "the settings of the MCP server world have changed" in " ".join(other.out.split())
        again = program.run("run", "Write.", "-c", str(path), "--events", U=here, TOKEN="one")
        rotated = program.run("approve", again.run, U=here, TOKEN="two")
        assert rotated.status == 0, rotated.out
    assert not theirs.exists()
    assert len(ours.read_text(encoding="utf-8").splitlines()) == 1


def test_a_program_that_was_replaced_since_the_plan_is_not_started(program: Program) -> None:
    run = planned(program, configured(program))
    served = program.folder / "bank.py"
    text = served.read_text(encoding="utf-8")
    served.write_text(text.replace("GENEROSITY = 1", "GENEROSITY = 1000"), encoding="utf-8")
    assert CHANGED in refused(program, run)


def test_a_plan_that_was_refused_can_be_made_again_with_the_settings_that_hold_now(program: Program) -> None:
    """Nothing is lost: the request is still there, and a new plan runs."""
    config = configured(program)
    refused(program, planned(program, config, "staging"), "production")
    ended = program.run("approve", planned(program, config, "production"), WHO="production")
    assert ended.status == 0, ended.out
    assert paid(program) == [{"from": "production", "to": "bob", "amount": 5}]


@contextmanager
def remote(writer: Path) -> Generator[str]:
    """The address of a server over HTTP, a process of its own."""
    process = subprocess.Popen(
        [forked.python(), "-m", "tests.servers.mcp_http_raw", str(writer), "well"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        finally:
            process.kill()
