"""At a terminal: a value from an earlier call, a run that is cancelled between two calls, a grant while all is frozen."""

import json
from pathlib import Path

import pytest

from tests.e2e.program import ROOT, SHAKY, Program, end_of, read_until

_CONFIG = f"""
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [FIRST, SECOND]
              answer: Two calls.
        report: [{{say: It is done.}}]
mcp_servers:
  world:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.servers.SERVER, JOURNAL]
    cwd: {ROOT}
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def journal_of(program: Program) -> Path:
    return program.folder / "journal"


def config(program: Program, server: str, first: str, second: str) -> str:
    text = _CONFIG.replace("FIRST", first).replace("SECOND", second).replace("SERVER", server)
    path = program.folder / "ops.yaml"
    path.write_text(text.replace("JOURNAL", str(journal_of(program))), encoding="utf-8")
    return str(path)


def written(program: Program) -> list[object]:
    return [json.loads(line)["arguments"] for line in journal_of(program).read_text(encoding="utf-8").splitlines()]


def test_a_value_that_an_earlier_call_returns_is_named_in_the_plan_and_sent(program: Program) -> None:
    opens = "{tool: world.open, arguments: {title: Broken}}"
    comments = "{tool: world.comment, arguments: {id: {$from_call: 1, path: /id}}}"
    first = program.run("run", "Open it", "--config", config(program, "mcp_tickets", opens, comments), "--events")
    assert first.status == 3, first.err
    assert "the id that call 1 returns" in program.run("status", first.run).out
    done = program.run("approve", first.run)
    assert done.status == 0, done.err
    assert written(program) == [{"title": "Broken"}, {"id": "T1"}]


def test_a_run_is_cancelled_while_its_first_call_goes_on_and_its_second_never_starts(program: Program) -> None:
    writes = [f"{{tool: world.write, arguments: {{text: {text}, channel: general}}}}" for text in "ab"]
    first = program.run("run", "Write", "--config", config(program, "mcp_ledger", *writes), "--events")
    held = program.folder / "journal.held"
    held.touch()
    with program.start("approve", first.run, "--events") as approving:
        try:
            read_until(approving.stdout, '"call_started"')
            with program.start("cancel", first.run) as cancelling:
                read_until(approving.stdout, '"run_cancelled"')
                held.unlink()
                cancelled, ended = end_of(cancelling), end_of(approving)
        finally:
            approving.kill()
    assert (cancelled.status, ended.status) == (4, 4), cancelled.err + ended.err
    assert written(program) == [{"text": "a", "channel": "general"}]


def test_a_call_on_a_standing_grant_waits_for_the_thaw(program: Program) -> None:
    text = SHAKY.format(journal=journal_of(program), behaviour="well")
    path = program.folder / "shaky.yaml"
    path.write_text(f"{text}approval: {{allow_requester: true, grants: true}}\n", encoding="utf-8")
    first = program.run("run", "Write", "--config", str(path), "--events")
    assert program.run("grants", "add", first.run, "--times", "2", "--for", "1h").status == 0
    assert program.run("freeze").status == 0
    with program.start("run", "Write", "--config", str(path), "--events") as frozen:
        try:
            read_until(frozen.stdout, '"approval_given"')
            assert not journal_of(program).exists()
            assert program.run("thaw").status == 0
            read_until(frozen.stdout, '"run_finished"')
            assert end_of(frozen).status == 0
        finally:
            frozen.kill()
    assert len(written(program)) == 2
