"""Threat: the operator has everything stop from another terminal, and what was approved runs all the same, or never."""

import json
from pathlib import Path

from tests.e2e.program import Program, end_of
from tests.threats.test_stricter_rules_while_a_plan_waits import done, planned


def kinds(program: Program, run: str) -> list[str]:
    """The kinds of a run's events."""
    lines = program.run("audit", "export", run).out.splitlines()
    return [str(json.loads(line)["kind"]) for line in lines]


def test_the_operator_freezes_and_thaws_everything_from_a_terminal(tmp_path: Path) -> None:
    """Over a real database and real servers: an approval is kept, a worker waits, and all runs after the thaw."""
    program = Program(tmp_path)
    path, run = planned(program)
    assert path.exists()
    frozen = program.run("freeze")
    assert (frozen.status, "1 run is on hold" in frozen.out) == (0, True), frozen.err
    assert "froze everything here" in program.run("status", run).out
    with program.start("approve", run) as waiting:
        try:
            looks = (kinds(program, run) for _ in range(60))
            assert any("approval_given" in each for each in looks)
            assert "froze everything here" in program.run("status", run).out
            assert done(program) == 0
            assert program.run("thaw", "console").status == 2
            assert "No longer frozen: everything" in program.run("thaw").out
            ended = end_of(waiting)
        finally:
            waiting.kill()
    assert ended.status == 0, ended.err
    assert done(program) == 2
    assert program.run("audit", "verify").status == 0
