"""What the tools of a pinned server were when they were accepted, and how they differ from that."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import ToolServerError
from coordination.pinned_tools import PINNED, Drift, drift, pins_now
from coordination.ports import ReadList, ServerSpec, ToolDefinition
from coordination.preparation import prepare, prepare_tools
from coordination.run_options import AgentProfile
from tests.builders import a_definition
from tests.fakes import PlayedModel
from tests.service.test_optional_servers import KeptLists, PartHub, service_of

FILES = ServerSpec(name="files", transport="stdio", identity="{}", is_pinned=True)
OTHER = ServerSpec(name="other", transport="stdio", identity="{}")
OPEN = a_definition("open", server="files", path="string")


def pins(*tools: ToolDefinition, absent: Sequence[str] = ()) -> tuple[ReadList, ...]:
    agent = AgentProfile(number=1, id="a", system_message="", servers=(FILES, OTHER), rules=())
    return pins_now([agent, agent], tools, absent)


def differing(before: ToolDefinition, after: ToolDefinition) -> list[Drift]:
    return list(drift(pins(before), pins(after)))


def test_all_tools_of_a_pinned_server_are_pinned_and_of_another_none() -> None:
    (kept,) = pins(OPEN, a_definition("look", server="other"))
    assert (kept.match, kept.server, [each.tool for each in kept.tools]) == (PINNED, "files", ["open"])
    assert pins(OPEN, absent=["files"]) == ()
    assert list(drift([], pins(OPEN))) == []


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        (replace(OPEN, description="Send it.\nAll of it."), ("- open on files", "+ Send it.", "+ All of it.")),
        (replace(OPEN, says_destructive=True), ('-  "destroys": false,', '+  "destroys": true,')),
        (replace(OPEN, output_schema={}), ('-  "output": null,', '+  "output": {},')),
    ],
    ids=["words", "hint", "schema"],
)
def test_whatever_a_tool_says_of_itself_is_compared_and_shown_line_by_line(
    changed: ToolDefinition, lines: tuple[str, ...]
) -> None:
    (found,) = differing(OPEN, changed)
    assert found.lines == lines
    told = found.told("ops.yaml")
    assert told.startswith("files.open on a pinned server has changed (")
    assert "`massgen-bot check --accept ops.yaml`" in told


def test_another_account_or_program_is_no_drift_for_plans_are_bound_to_that_anyway() -> None:
    assert differing(OPEN, replace(OPEN, digest="another", settings="another", target="elsewhere")) == []


def test_a_tool_that_comes_or_goes_is_named() -> None:
    more = a_definition("burn", server="files")
    (new,), (gone,) = drift(pins(OPEN), pins(OPEN, more)), drift(pins(OPEN, more), pins(OPEN))
    assert new.told("x.yaml").startswith("files.burn is new on a pinned server")
    assert gone.told("x.yaml").startswith("files.burn is gone from a pinned server")
    assert all(each.startswith("+ ") for each in new.lines)


async def test_no_agent_is_let_loose_while_a_pinned_server_says_other_things_than_were_accepted() -> None:
    harness = service_of(PlayedModel(), away={}, rules=(Rule(match="*.*", effect=Effect.ASK, source="tools[0]"),))
    profile, kept, hub = harness.prepared.profile, KeptLists(), harness.hub
    assert isinstance(hub, PartHub)
    agents = tuple(
        replace(each, servers=tuple(replace(server, is_pinned=True) for server in each.servers))
        for each in profile.agents
    )
    harness.prepared.profile = replace(profile, agents=agents)
    await prepare(harness.prepared, hub, read_lists=kept)
    await prepare(harness.prepared, hub, read_lists=kept)
    hub.tools[0] = replace(hub.tools[0], description="Send it.")
    with pytest.raises(ToolServerError, match=r"files\.open on a pinned server has changed"):
        await prepare(harness.prepared, hub, read_lists=kept)
    with pytest.raises(ToolServerError, match="has changed"):
        await prepare_tools(harness.prepared, 1, hub, read_lists=kept)
    kept.lists.clear()  # What `check --accept` does: the lists are made anew.
    await prepare(harness.prepared, hub, read_lists=kept)
