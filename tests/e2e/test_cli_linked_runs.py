"""At a terminal: what did not run is tried again, and what ran is taken back, each by a plan of its own and a yes of its own."""

import json
from pathlib import Path

from tests.e2e.program import ROOT, Program

_CONFIG = f"""
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls:
                - {{tool: world.write, arguments: {{text: a}}}}
                - {{tool: world.write, arguments: {{text: b}}}}
              answer: Two writes.
        report: [{{say: That is what happened.}}]
mcp_servers:
  world:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.servers.mcp_counting, JOURNAL, well]
    env: {{PLACE: "${{PLACE}}"}}
    cwd: {ROOT}
tools: [{{match: world.write, effect: ask, undo: {{tool: world.write, arguments: {{back: $.text}}}}}}]
"""


def test_the_rest_of_a_run_and_its_undo_wait_for_a_yes_of_their_own(tmp_path: Path) -> None:
    program, journal, config = Program(tmp_path), tmp_path / "journal", tmp_path / "ops.yaml"
    config.write_text(_CONFIG.replace("JOURNAL", str(journal)), encoding="utf-8")

    def written() -> list[object]:
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        return [json.loads(line)["arguments"] for line in lines]

    first = program.run("run", "write twice", "-c", str(config), "--events", PLACE="here")
    assert first.status == 3, first.err
    moved = program.run("approve", first.run, PLACE="there")
    assert (moved.status != 0, written()) == (True, []), "it went to a server that nobody approved"

    rest = program.run("rest", first.run, PLACE="there")
    assert (rest.status, written()) == (3, []), rest.err
    name = _run_in(rest.out + rest.err)
    assert name != first.run
    assert program.run("approve", name, PLACE="there").status == 0
    assert written() == [{"text": "a"}, {"text": "b"}]

    undo = program.run("undo", name, PLACE="there")
    assert (undo.status, len(written())) == (3, 2), undo.err
    assert program.run("approve", _run_in(undo.out + undo.err), PLACE="there").status == 0
    assert written()[2:] == [{"back": "b"}, {"back": "a"}]


def _run_in(said: str) -> str:
    return said.partition("massgen-bot approve ")[2].split()[0]
