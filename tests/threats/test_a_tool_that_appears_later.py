"""Threat: a server gets a tool that nobody saw, a wildcard of a `read` rule matches it, and it runs while agents plan.

Real servers that get another tool between two runs, and the real command line.
"""

import json
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
        turns:
          - - calls: [{{tool: world.{tool}, arguments: {{}}}}]
              answer: One call.
        report: [{{say: That is what happened.}}]
mcp_servers:
  world:
    type: stdio
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.servers.mcp_growing, {folder}/journal, {folder}/more.json]
    pinned: {pinned}
tools: [{rules}]
"""
WILD = '{match: "world.read_*", effect: read}'
ASKS = 3
"""The exit status of a run that waits for people."""


class Harness:
    """One installation with one configuration, whose server has more tools when the test says so."""

    def __init__(self, folder: Path, *, is_pinned: bool = False) -> None:
        self.is_pinned = is_pinned
        self.program = Program(folder)
        self.config = folder / "world.yaml"

    def grows(self, tools: Mapping[str, Mapping[str, bool | str]]) -> None:
        (self.program.folder / "more.json").write_text(json.dumps(tools), encoding="utf-8")

    def run(self, tool: str, rules: str = WILD) -> Ended:
        self.write(tool, rules)
        return self.program.run("run", "Look.", "-c", str(self.config), "--events")

    def write(self, tool: str, rules: str) -> None:
        pinned = str(self.is_pinned).lower()
        text = CONFIG.format(tool=tool, folder=self.program.folder, rules=rules, pinned=pinned)
        self.config.write_text(text, encoding="utf-8")

    def check(self, *options: str) -> Ended:
        return self.program.run("check", str(self.config), *options)

    def log(self) -> str:
        return (self.program.state / "massgen-bot.log").read_text(encoding="utf-8")

    def done(self) -> int:
        writer = self.program.folder / "journal"
        return len(writer.read_text(encoding="utf-8").splitlines()) if writer.exists() else 0


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_a_tool_that_appears_after_the_first_run_asks_until_a_check_accepts_it(harness: Harness) -> None:
    assert harness.run("read_one").status == 0
    assert harness.done() == 1
    harness.grows({"read_two": {}})
    later = harness.run("read_two")
    assert later.status == ASKS, later.err
    assert harness.done() == 1
    assert f"new since the last check; run `massgen-bot check {harness.config}` to accept it" in harness.log()
    assert harness.check("--no-connect").status == 0
    assert harness.run("read_two").status == ASKS
    checked = harness.check()
    assert "New under read rules since the last check, and now accepted: world.read_two" in checked.out
    assert harness.run("read_two").status == 0
    assert harness.done() == 2
    harness.grows({})
    assert "now gone: world.read_two" in harness.check().out


def test_what_a_check_saw_before_the_first_run_is_the_list(harness: Harness) -> None:
    harness.write("read_two", WILD)
    checked = harness.check()
    assert checked.status == 0, checked.err
    assert "since the last check" not in checked.out
    harness.grows({"read_two": {}})
    assert harness.run("read_two").status == ASKS
    assert harness.done() == 0


@pytest.mark.parametrize("sure", ["", ", sure: true"])
def test_a_listed_tool_that_says_later_that_it_destroys_asks(harness: Harness, sure: str) -> None:
    rules = WILD.replace("}", sure + "}")
    assert harness.run("read_one", rules).status == 0
    harness.grows({"read_one": {"destructiveHint": True}})
    later = harness.run("read_one", rules)
    assert later.status == ASKS, later.err
    assert "marked as destructive since the last check" in harness.log()
    assert harness.done() == 1
    checked = harness.check()
    assert (checked.status, harness.run("read_one", rules).status) == ((0, 0) if sure else (2, ASKS))


def test_a_check_that_finds_mistakes_accepts_nothing_and_says_what_is_new(harness: Harness) -> None:
    assert harness.run("read_one", '{match: "world.*", effect: read}').status == 0
    harness.grows({"read_two": {}, "delete_all": {}})
    checked = harness.check()
    assert checked.status == 2
    assert "new since the last check" in " ".join(checked.out.split())
    assert harness.run("read_two", '{match: "world.*", effect: read}').status == ASKS


def test_an_edited_file_begins_anew_for_the_rules_that_changed_and_no_others(harness: Harness) -> None:
    assert harness.run("read_one").status == 0
    harness.grows({"read_two": {}, "list_two": {}})
    other = '{match: "world.list_*", effect: read}'
    assert harness.run("read_two", f"{WILD}, {other}").status == ASKS
    assert harness.run("list_two", f"{WILD}, {other}").status == 0
    assert harness.run("read_two", '{match: "world.read_tw?", effect: read}').status == 0


def test_a_rule_that_names_a_tool_in_full_needs_no_list(harness: Harness) -> None:
    assert harness.run("read_one").status == 0
    harness.grows({"read_two": {}})
    assert harness.run("read_two", "{match: world.read_two, effect: read}, " + WILD).status == 0
