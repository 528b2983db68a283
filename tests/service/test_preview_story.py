"""A whole story with a real tool server: plan, difference on the card, somebody changes the file, nothing runs, plan anew."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from bot.cards.error_messages import plain_text
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.message import Action, CallList, Paragraph
from coordination.config import parse
from coordination.domain import states as s
from coordination.domain.plan import Skipped, Succeeded
from coordination.mcp_tools.hub import McpHub
from tests.builders import ALICE
from tests.fakes import PlayedModel, answers, says
from tests.service.service_harness import ServiceHarness

SERVER = Path(__file__).parents[1] / "servers" / "mcp_files.py"
CONFIG = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers:
  files: {command: %s, args: [%s]}
tools:
  - {match: "files.read_*", effect: read}
  - match: files.write_file
    effect: ask
    preview: {tool: read_text_file, arguments: {path: $.path}, after: $.content, missing: "*ENOENT*", required: true}
"""


async def words_on(harness: ServiceHarness, run: str) -> tuple[str, list[Action]]:
    view = view_of(await harness.log.read(run))
    assert view is not None
    card = card_for(view, harness.clock.now())
    lines = [line for each in card.sections if isinstance(each, Paragraph) for line in each.lines]
    outcomes = [call.outcome for each in card.sections if isinstance(each, CallList) for call in each.calls]
    return "\n".join(map(plain_text, [*lines, *outcomes])), [button.action for button in card.buttons]


def service(hub: McpHub, path: Path) -> ServiceHarness:
    """Agents who write the file twice, with the rules and the server of a configuration."""
    written = ("mcp__files__write_file", {"path": str(path), "content": "one\ntwo\n"})
    harness = ServiceHarness(PlayedModel(*(answers("Written.", written), says("Report.")) * 2))
    settings = parse(CONFIG % (json.dumps(sys.executable), json.dumps(str(SERVER))), origin="x.yaml", environ={})
    (agent,) = settings.agents
    profile = harness.prepared.profile
    agents = tuple(replace(each, servers=agent.servers, rules=agent.rules) for each in profile.agents)
    harness.prepared.profile = replace(profile, agents=agents, servers=agent.servers)
    harness.worker._hub = hub
    return harness


async def approve(harness: ServiceHarness, run: str, state: s.AwaitingDecision) -> s.Finished:
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    ended = await harness.state(run)
    assert isinstance(ended, s.Finished), ended
    return ended


async def test_a_file_that_changed_since_the_plan_is_not_written_until_agents_plan_anew(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    async with McpHub() as hub:
        harness = service(hub, path)
        run, state = await harness.planned()
        assert "Call 1 would create this: files.read_text_file finds nothing now" in (await words_on(harness, run))[0]
        assert not path.exists()
        path.write_text("three\n", encoding="utf-8")
        ended = await approve(harness, run, state)
        assert isinstance(ended.receipts[0], Skipped)
        words, buttons = await words_on(harness, run)
        assert "has changed since the plan was made (it is there by now)" in words
        assert Action.ASK_AGAIN in buttons
        assert path.read_text(encoding="utf-8") == "three\n"
        again, second = await harness.planned()
        assert "- three\n+ one\n+ two" in (await words_on(harness, again))[0]
        ended = await approve(harness, again, second)
        assert isinstance(ended.receipts[0], Succeeded)
        assert path.read_text(encoding="utf-8") == "one\ntwo\n"
