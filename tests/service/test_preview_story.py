"""A whole story with a real tool server: plan, difference on the card, somebody changes the file, nothing runs, plan anew."""

import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.cards.error_messages import plain_text
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.message import Action, CallList, Paragraph
from bot.tool_servers.discord_api import MANAGE_MESSAGES
from coordination.config import parse
from coordination.domain import states as s
from coordination.domain.plan import Skipped, Succeeded
from coordination.domain.policy import Person
from coordination.mcp_tools.hub import McpHub
from coordination.run_request import RunRequest
from tests import forked
from tests.builders import ALICE
from tests.fakes import PlayedModel, answers, says
from tests.servers.discord_people import Someone
from tests.servers.discord_server import TOKEN, DiscordServer, Fault
from tests.servers.discord_world import Message
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
    return with_config(harness, hub, CONFIG % (json.dumps(sys.executable), json.dumps(str(SERVER))))


def with_config(harness: ServiceHarness, hub: McpHub, text: str) -> ServiceHarness:
    """The rules and the servers of a configuration, and the real hub."""
    settings = parse(text, origin="x.yaml", environ={})
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
        assert "has changed since the plan was made (it exists now)" in words
        assert Action.ASK_AGAIN in buttons
        assert path.read_text(encoding="utf-8") == "three\n"
        again, second = await harness.planned()
        assert "- three\n+ one\n+ two" in (await words_on(harness, again))[0]
        ended = await approve(harness, again, second)
        assert isinstance(ended.receipts[0], Succeeded)
        assert path.read_text(encoding="utf-8") == "one\ntwo\n"


CHAT = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers:
  chat:
    command: %s
    args: [-m, bot.tool_servers.discord_server]
    env: {DISCORD_BOT_TOKEN: %s, DISCORD_API_URL: %s, MASSGEN_BOT_TENANT: %s}
"""


@dataclass
class Deletion:
    """A plan to delete messages of rita's: all of it is real but the model and Discord, and nobody wrote a rule for this."""

    server: DiscordServer
    harness: ServiceHarness
    messages: Sequence[Message]
    run: str
    state: s.AwaitingDecision
    approver: Person

    async def approve(self) -> None:
        await self.harness.people.approve(self.run, self.state.plan.digest, self.approver)
        await self.harness.work()

    async def words(self) -> str:
        return (await words_on(self.harness, self.run))[0]


@asynccontextmanager
async def deletion(count: int, *faults: Fault) -> AsyncGenerator[Deletion]:
    server = DiscordServer()
    async with server.serving(), McpHub() as hub:
        home, tenant = server.guild, f"discord:{server.guild.id}"
        rita, alice = (Someone(server, name, home, manages=True) for name in ("rita", "alice"))
        home.granted[home.id] = MANAGE_MESSAGES
        author = home.members[rita.id]["user"]
        messages = [server.add_message(server.channel, {"content": "hi"}, author, {}) for _ in range(count)]
        deleted = [("mcp__chat__delete_message", {"channel": server.channel, "message": each.id}) for each in messages]
        harness = with_config(
            ServiceHarness(PlayedModel(answers("Deleted.", *deleted), says("Report."))),
            hub,
            CHAT % tuple(map(json.dumps, (forked.python(), TOKEN, server.api, tenant))),
        )
        asked = RunRequest(
            prompt="Delete it.",
            requester=Person(tenant=tenant, id=rita.id, name="rita"),
            config_name="test",
            config_text="text",
            origin="test.yaml",
            asked_in=server.channel,
        )
        run = await harness.people.start(asked)
        server.faults += faults
        await harness.work()
        state = await harness.state(run)
        assert isinstance(state, s.AwaitingDecision), state
        approver = Person(tenant=tenant, id=alice.id, name="alice", roles=("ops",))
        yield Deletion(server, harness, messages, run, state, approver)
    assert server.diagnostics == []


async def test_a_message_that_was_edited_since_the_plan_is_not_deleted() -> None:
    async with deletion(1) as plan:
        (message,) = plan.messages
        told = [f'"{plan.server.channel}" ↦ #general', f'"{message.id}" ↦ @rita: “hi”']
        assert await arguments_on(plan.harness, plan.run) == told
        message.payload["content"] = "important"
        await plan.approve()
        assert message.id in plan.server.messages
        assert "has changed since the plan was made" in await plan.words()


async def test_reads_that_the_chat_asks_to_slow_down_wait_and_the_card_shows_all_of_them() -> None:
    slow = Fault("GET", "/messages/[0-9]+$", 429, {"retry_after": 0.05}, times=8)
    async with deletion(5, slow) as plan:
        told = await arguments_on(plan.harness, plan.run)
        assert [each for each in told if "↦ @rita" in each] == [f'"{each.id}" ↦ @rita: “hi”' for each in plan.messages]
        assert slow.times == 0
        plan.server.faults.append(replace(slow, times=8))
        await plan.approve()
        assert not any(each.id in plan.server.messages for each in plan.messages)


@pytest.mark.parametrize("path", ["/messages/[0-9]+$", "/guilds/[0-9]+$"], ids=["the message", "who may see it"])
async def test_a_read_that_the_chat_puts_off_for_long_is_named_on_the_card_and_before_the_call_nothing_runs(
    path: str,
) -> None:
    slow = Fault("GET", path, 429, {"retry_after": 400.0}, times=9)
    async with deletion(1, slow) as plan:
        assert "Discord asks to wait 400 seconds" in await plan.words()
    async with deletion(1) as plan:
        plan.server.faults.append(slow)
        await plan.approve()
        assert plan.messages[0].id in plan.server.messages
        words = await plan.words()
        assert "not sent: chat.look_up, which showed what call 1 changes, could not be read again" in words
        assert "Discord asks to wait 400 seconds" in words


async def arguments_on(harness: ServiceHarness, run: str) -> list[str]:
    view = view_of(await harness.log.read(run))
    assert view is not None
    lists = [each for each in card_for(view, harness.clock.now()).sections if isinstance(each, CallList)]
    return [argument.text for each in lists for call in each.calls for argument in call.arguments]
