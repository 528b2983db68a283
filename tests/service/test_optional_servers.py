"""An optional tool server that can't be used is no reason to end a run: agents plan without it, and everybody is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from typing_extensions import override

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import ToolServerError
from coordination.ports import ListedTool, ReadList, ServerSpec, ToolDefinition
from coordination.preparation import prepare
from coordination.text import Text
from coordination.toolbox import unusable_tools
from tests.builders import ALICE, a_definition, a_profile
from tests.fakes import FakeHub, FakePrepared, PlayedModel, World, answers, calls, says
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import ServiceHarness

FILES = ServerSpec(name="files", transport="stdio", identity="{}", command="files", is_optional=True)
WEB = ServerSpec(name="web", transport="stdio", identity="{}", command="web", is_optional=True)
AWAY = "The MCP server files can't start: the operator must install it."
TOOLS = [
    a_definition("open", server="files"),
    a_definition("look", title="string"),
    a_definition("post", title="string"),
    a_definition("fetch", server="web"),
]


class PartHub(FakeHub):
    """Some of its servers are away, with these words."""

    def __init__(self, world: World, away: Mapping[str, str]) -> None:
        super().__init__(world, TOOLS)
        self.away = dict(away)

    @override
    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        if reasons := [self.away[each.name] for each in servers if each.name in self.away]:
            raise ToolServerError(Text.verbatim(" ".join(reasons)))
        return await super().definitions(servers)


class KeptLists:
    """Lists as a database keeps them."""

    def __init__(self) -> None:
        self.lists: dict[tuple[str, str], ReadList] = {}

    async def load(self, config: str) -> Sequence[ReadList]:
        return list(self.lists.values())

    async def add(self, config: str, lists: Sequence[ReadList]) -> Sequence[ReadList]:
        for each in lists:
            self.lists.setdefault((each.match, each.server), each)
        return list(self.lists.values())


def service_of(
    *models: PlayedModel, away: Mapping[str, str], rules: tuple[Rule, ...] = (LOOKS_READ,)
) -> ServiceHarness:
    """An harness whose agents have a board that they need, and files and the web where there are any."""
    harness = ServiceHarness(*models, rules=rules)
    harness.hub = PartHub(harness.world, away)
    harness.worker._hub = harness.hub
    profile = harness.prepared.profile
    board = profile.servers[0]
    agents = tuple(replace(each, servers=(FILES, board, WEB)) for each in profile.agents)
    harness.prepared.profile = replace(profile, agents=agents, servers=(FILES, board, WEB))
    return harness


async def test_agents_plan_without_an_optional_server_that_is_away_and_the_log_says_so_before_they_begin() -> None:
    model = PlayedModel(answers("Posted.", ("mcp__board__post", {"title": "x"})))
    harness = service_of(model, away={"files": AWAY})
    run, _ = await harness.planned()
    events = [each.event for each in harness.log.events[run]]
    assert e.ServerUnavailable(revision=1, server="files", reason=AWAY) in events
    kinds = harness.log.kinds(run)
    assert kinds.index("server_unavailable") < kinds.index("turn_started")
    (conversation,) = model.conversations
    assert "These tool servers can't be used now, so none of their tools is on offer: files." in conversation.system


async def test_an_optional_server_that_is_there_is_like_any_other_and_nothing_is_said() -> None:
    model = PlayedModel(answers("Opened.", ("mcp__files__open", {})))
    harness = service_of(model, away={})
    run, state = await harness.planned()
    assert [call.tool for call in state.plan.calls] == ["open"]
    assert "server_unavailable" not in harness.log.kinds(run)
    assert "tool servers can't be used" not in model.conversations[0].system


async def test_a_server_that_is_needed_still_ends_the_run_whatever_the_optional_ones_do() -> None:
    harness = service_of(PlayedModel(), away={"board": "The MCP server board can't start.", "files": AWAY})
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.RunBroken)
    assert state.reason == "The MCP server board can't start."


async def test_each_optional_server_is_away_for_itself_and_tools_keep_the_order_of_the_servers() -> None:
    harness = service_of(PlayedModel(), away={"web": "No web."})
    room = await prepare(harness.prepared, harness.hub)
    assert room.absent == {"web": "No web."}
    assert list(room.participants[0].tools) == ["mcp__files__open", "mcp__board__look", "mcp__board__post"]


async def test_a_server_that_comes_back_is_used_when_the_agents_plan_again() -> None:
    model = PlayedModel(
        answers("Posted.", ("mcp__board__post", {"title": "x"})), answers("Opened.", ("mcp__files__open", {}))
    )
    harness = service_of(model, away={"files": AWAY})
    run, state = await harness.planned()
    assert isinstance(harness.hub, PartHub)
    harness.hub.away.clear()
    await harness.people.request_changes(run, state.plan.digest, ALICE, "Open it.")
    await harness.work()
    view = view_of(harness.log.events[run])
    assert view is not None
    assert view.revision == 2
    assert view.absent == ()


async def test_no_list_of_reads_is_made_for_a_server_that_is_away() -> None:
    """An empty list would hold: whatever the server has when it is back would ask for ever."""
    wild = Rule(match="*.*", effect=Effect.READ, source="tools[0]", is_sure=True)
    harness = service_of(PlayedModel(), away={"files": AWAY}, rules=(wild,))
    kept = KeptLists()
    await prepare(harness.prepared, harness.hub, read_lists=kept)
    assert sorted(server for _, server in kept.lists) == ["board", "web"]
    assert isinstance(harness.hub, PartHub)
    harness.hub.away.clear()
    room = await prepare(harness.prepared, harness.hub, read_lists=kept)
    assert room.participants[0].tools["mcp__files__open"].ruling({}).effect is Effect.READ
    assert kept.lists["*.*", "files"].tools == (ListedTool(tool="open", digest="definition-of-open"),)


async def test_a_list_made_before_a_server_was_away_holds_when_it_is_back_with_more() -> None:
    wild = Rule(match="files.*", effect=Effect.READ, source="tools[0]")
    harness = service_of(PlayedModel(), away={}, rules=(wild,))
    kept = KeptLists()
    hub = harness.hub
    assert isinstance(hub, PartHub)
    await prepare(harness.prepared, hub, read_lists=kept)
    hub.away["files"] = AWAY
    await prepare(harness.prepared, hub, read_lists=kept)
    hub.away.clear()
    hub.tools.append(a_definition("list_all", server="files"))
    room = await prepare(harness.prepared, hub, read_lists=kept)
    effects = {name: tool.ruling({}).effect for name, tool in room.participants[0].tools.items()}
    assert effects["mcp__files__open"] is Effect.READ
    assert effects["mcp__files__list_all"] is Effect.ASK


async def test_an_approved_call_of_a_server_that_went_away_is_not_sent() -> None:
    """Optional or not: nothing stands in for a call that people approved."""
    harness = service_of(PlayedModel(answers("Opened.", ("mcp__files__open", {})), says("Not opened.")), away={})
    run, state = await harness.planned()

    async def away(server: str, tool: str, expected: str = "") -> str | None:
        raise ToolServerError(Text.verbatim(AWAY))

    harness.world.definition_digest = away
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    finished = await harness.state(run)
    assert isinstance(finished, s.Finished)
    assert finished.receipts[0].kind == "failed"
    assert harness.world.done == []


ODD = replace(a_definition("move", server="files"), unusable="has an inputSchema that is not an object")


async def test_an_agent_that_calls_a_tool_which_nobody_can_use_hears_why_and_so_do_people() -> None:
    told = "files.move can't be used: it has an inputSchema that is not an object."
    model = PlayedModel(calls(("mcp__files__move", {})), answers("I can't move it."))
    harness = service_of(model, away={})
    harness.hub.tools.append(ODD)
    run = await harness.ask()
    await harness.work()
    assert any(told in each.text for each in model.conversations[0].said)
    events = [each.event for each in harness.log.events[run]]
    wanted = e.ToolUnavailable(
        agent=1, server="files", tool="move", reason="it has an inputSchema that is not an object"
    )
    assert wanted in events
    view = view_of(harness.log.events[run])
    assert view is not None
    assert view.unusable == (wanted,)
    shown = repr(card_for(view, harness.clock.now()))
    assert "files.move" in shown
    assert "it has an inputSchema that is not an object" in shown


@pytest.mark.parametrize("effect", [Effect.DENY, Effect.ASK])
async def test_of_a_tool_that_rules_deny_nobody_hears_why_it_could_not_be_used(effect: Effect) -> None:
    harness = service_of(PlayedModel(), away={}, rules=(Rule(match="files.move", effect=effect, source="tools[0]"),))
    (agent,) = harness.prepared.profile.agents
    assert list(unusable_tools(agent, [ODD], {})) == ([] if effect is Effect.DENY else ["mcp__files__move"])


async def test_a_tool_that_can_be_used_keeps_its_name_before_one_that_cannot() -> None:
    (agent,) = a_profile(1).agents
    odd = replace(a_definition("po st"), unusable="has no name")
    hub = FakeHub(World(), [a_definition("po_st"), odd])
    room = await prepare(FakePrepared(replace(a_profile(1), agents=(agent,)), [PlayedModel()]), hub)
    assert list(room.participants[0].tools) == ["mcp__board__po_st"]
    assert room.participants[0].unusable == {}
