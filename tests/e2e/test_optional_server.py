"""A tool server that is optional, by the real command line: away, there later, and away again with other tools."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.program import Ended, Program

CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns: [[{step}]]
mcp_servers:
  world:
    command: {folder}/server
    optional: {optional}
  notes:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.servers.mcp_counting, {folder}/notes, well]
tools: [{{match: "world.read_*", effect: read}}]
"""
ASKS = 3
"""The exit status of a run that waits for people."""


class Harness:
    """One installation with two servers, of which one is there only when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.program = Program(folder)
        self.config = folder / "world.yaml"
        self.server = folder / "server"

    def starts(self, tools: Mapping[str, Mapping[str, bool]]) -> None:
        """The server is there, with `read_one` and these tools."""
        more = self.program.folder / "more.json"
        more.write_text(json.dumps(tools), encoding="utf-8")
        program = f"#!/bin/sh\nexec {sys.executable} -m tests.servers.mcp_growing {more}.journal {more}\n"
        self.server.write_text(program, encoding="utf-8")
        self.server.chmod(0o755)

    def leaves(self) -> None:
        self.server.unlink(missing_ok=True)

    def run(self, *options: str, tool: str = "", optional: str = "true") -> Ended:
        """Ask an agent that makes this call, if any, and answers."""
        calls = f"calls: [{{tool: world.{tool}, arguments: {{}}}}], " if tool else ""
        text = CONFIG.format(step=f"{{{calls}answer: Here it is.}}", folder=self.program.folder, optional=optional)
        self.config.write_text(text, encoding="utf-8")
        return self.program.run("run", "Look.", "-c", str(self.config), *options)

    def check(self) -> Ended:
        return self.program.run("check", str(self.config))


ODD = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns: [[{{calls: [{{tool: mcp__world__odd, arguments: {{}}}}]}}, {{answer: I could not.}}]]
mcp_servers:
  world:
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.servers.mcp_spoiled, {folder}/journal, stdio, {folder}/says.json]
"""


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_a_run_goes_on_without_it_and_the_terminal_says_so_with_the_reason(harness: Harness) -> None:
    ended = harness.run()
    assert ended.status == 0, ended.err
    shown = " ".join((ended.out + ended.err).split())
    assert "without the tool server world" in shown
    assert "The MCP server world can't start" in shown


@pytest.mark.parametrize("options", [(), ("--events",)])
def test_a_tool_of_a_broken_form_that_an_agent_calls_is_named_with_the_reason(
    harness: Harness, options: tuple[str, ...]
) -> None:
    page = {"tools": [{"name": "odd", "inputSchema": "none"}, {"name": "fine", "inputSchema": {}}]}
    folder = harness.program.folder
    (folder / "says.json").write_text(json.dumps({"tools": [json.dumps(page)], "call": ""}), encoding="utf-8")
    harness.config.write_text(ODD.format(folder=folder), encoding="utf-8")
    ended = harness.program.run("run", "Look.", "-c", str(harness.config), *options)
    assert ended.status == 0, ended.err
    why = "it has an inputSchema that is not an object"
    if options:
        assert ended.first("tool_unavailable")["reason"] == why
    else:
        shown = " ".join((ended.out + ended.err).split())
        assert f"agent1 wanted world.odd, which can't be used: {why}." in shown


def test_a_check_warns_of_it_and_does_not_fail(harness: Harness) -> None:
    assert harness.run("--events").first("server_unavailable")["server"] == "world"
    checked = harness.check()
    assert checked.status == 0, checked.err
    assert "It is optional: agents plan without it." in checked.err
    assert "world (optional, can't be used), notes (answers)" in " ".join(checked.out.split())
    assert harness.run("--events", optional="false").status != 0
    assert harness.check().status != 0


def test_the_reads_of_a_server_that_starts_later_run_at_once(harness: Harness) -> None:
    assert harness.run().status == 0
    assert harness.check().status == 0
    harness.starts({})
    later = harness.run("--events", tool="read_one")
    assert later.status == 0, later.out
    assert later.first("tool_read")["is_error"] is False


def test_a_check_while_it_is_away_accepts_nothing_that_it_brings_back(harness: Harness) -> None:
    """Else a server would have its new tools run by leaving for a moment."""
    harness.starts({})
    assert harness.run(tool="read_one").status == 0
    harness.leaves()
    assert harness.check().status == 0
    harness.starts({"read_two": {}})
    assert harness.run("--events", tool="read_two").status == ASKS
    assert harness.run("--events", tool="read_one").status == 0
