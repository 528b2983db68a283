"""Threat: a configuration switches planning off, or believes a lying server, and something is written before anybody said so.

Real servers that count what they do; the plan is left waiting, or asks nobody, and its receipts are looked for.
"""

from pathlib import Path

import pytest

from coordination.domain.tool_rules import sounds_like_writing
from coordination.mcp_tools.hub import McpHub
from tests.e2e.program import Program
from tests.servers.mcp_programs import stdio

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
    args: [-m, tests.servers.mcp_counting, {journal}, lies]
{more}
"""
NO_PLANNING = "orchestrator: {coordination: {enable_planning_mode: false}}\n"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def written(program: Program, tool: str, more: str) -> str:
    path = program.folder / "world.yaml"
    path.write_text(CONFIG.format(tool=tool, journal=program.folder / "journal", more=more), encoding="utf-8")
    return str(path)


def done(program: Program) -> int:
    writer = program.folder / "journal"
    return len(writer.read_text(encoding="utf-8").splitlines()) if writer.exists() else 0


def test_with_planning_switched_off_an_automatic_call_still_has_its_plan_and_its_receipt(program: Program) -> None:
    config = written(program, "write", NO_PLANNING + "tools: [{match: world.write, effect: auto}]")
    ended = program.run("run", "Write.", "-c", config, "--events")
    assert ended.status == 0, ended.err
    kinds = [event["kind"] for event in ended.events]
    assert kinds.index("plan_proposed") < kinds.index("call_started") < kinds.index("call_succeeded")
    assert done(program) == 1


def test_a_server_that_calls_a_writing_tool_read_only_writes_nothing_while_agents_plan(program: Program) -> None:
    config = written(program, "look", "    trust_hints: true")
    ended = program.run("run", "Look.", "-c", config, "--events")
    assert ended.status == 3, ended.err
    assert done(program) == 0
    assert "trust_hints: has no effect" in program.run("check", config).err


@pytest.mark.parametrize("tool", ["write", "*"])
def test_a_tool_that_seems_to_write_is_no_read_unless_the_operator_is_sure(program: Program, tool: str) -> None:
    rule = f'tools: [{{match: "world.{tool}", effect: read SURE}}]'
    config = written(program, "write", rule.replace(" SURE", ""))
    found = program.run("check", config)
    assert found.status == 2
    assert "effect: read for world.write, which is marked as destructive" in found.err
    assert program.run("run", "Write.", "-c", config).status == 1
    assert done(program) == 0
    written(program, "write", rule.replace(" SURE", ", sure: true"))
    vouched = program.run("check", config)
    assert vouched.status == 0
    assert "world.write is marked as destructive, and runs while agents plan, because the rule says sure" in vouched.err


@pytest.mark.parametrize(
    ("tool", "doubtful"),
    [
        ("delete_page", True),
        ("discord_send", True),
        ("API-post-page", True),
        ("createIssue", True),
        ("PAYInvoice", True),
        ("notify_team", True),
        ("approve_merge_request", True),
        ("start_instance", True),
        ("get_update", False),
        ("read_posts", False),
        ("listDeleted", False),
        ("thread", False),
        ("dataset_info", False),
    ],
)
def test_names_are_judged_by_their_first_word_for_reading_or_writing(tool: str, *, doubtful: bool) -> None:
    assert sounds_like_writing(tool) is doubtful


def test_a_read_whose_server_says_that_it_writes_is_on_the_card_and_in_the_log(program: Program) -> None:
    """The operator listed it, so it runs; those who look at the run hear of it, with the rule that let it."""
    more = program.folder / "more.json"
    config = written(program, "read_one", 'tools: [{match: "world.read_one", effect: read}]')
    path = Path(config)
    growing = path.read_text(encoding="utf-8").replace("tests.servers.mcp_counting", "tests.servers.mcp_growing")
    path.write_text(growing.replace(", lies]", f", {more}]"), encoding="utf-8")
    plain = program.run("run", "Look.", "-c", config)
    assert plain.status == 0, plain.err
    assert "its server says" not in plain.out
    more.write_text('{"read_one": {"readOnlyHint": false}}', encoding="utf-8")
    shown = program.run("run", "Look.", "-c", config)
    assert shown.status == 0, shown.err
    assert "world.read_one ran without approval while the agents planned" in " ".join(shown.out.split())
    assert "Rule tools[0]: world.read_one" in " ".join(shown.out.split())
    (read,) = (e for e in program.run("run", "Look.", "-c", config, "--events").events if e["kind"] == "tool_read")
    assert read["doubtful_rule"] == "tools[0]: world.read_one"


async def test_what_the_server_says_by_now_counts_and_not_what_it_said_when_the_run_began(tmp_path: Path) -> None:
    more = tmp_path / "more.json"
    spec = stdio("mcp_growing", tmp_path / "journal", str(more))
    async with McpHub() as hub:
        reader = hub.reader([spec], frozenset({("world", "read_one")}))
        assert not (await reader.read("world", "read_one", {})).says_writing
        for hints in ('{"readOnlyHint": false}', '{"destructiveHint": true}'):
            more.write_text(f'{{"read_one": {hints}}}', encoding="utf-8")
            (await hub.connection(spec).session()).forget_listing()  # as when the server says that its tools changed
            assert (await reader.read("world", "read_one", {})).says_writing
        more.write_text('{"read_one": {"readOnlyHint": true}}', encoding="utf-8")
        (await hub.connection(spec).session()).forget_listing()
        assert not (await reader.read("world", "read_one", {})).says_writing
