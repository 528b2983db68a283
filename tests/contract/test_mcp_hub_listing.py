"""What a server says of its tools: long lists, endless ones, broken ones, and definitions that change after approval."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from coordination.domain.canonical_json import Json, canonical, digest
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallNotSentError, ServerSpec
from tests.servers.mcp_programs import stdio


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@pytest.fixture
def trigger(tmp_path: Path) -> Path:
    return tmp_path / "trigger"


def changing(trigger: Path) -> ServerSpec:
    return stdio("mcp_listing", "changing", trigger)


def becomes(trigger: Path, change: dict[str, Json]) -> None:
    """From now on the server gives another definition; None takes a part away, or the tool itself."""
    trigger.write_text(json.dumps(change))


def starts_slowly(trigger: Path, lists: int) -> None:
    """From now on the server has all of its tools only after so many lists."""
    trigger.write_text(str(lists))


async def test_a_thousand_tools_on_ten_pages_are_all_listed_once(hub: McpHub) -> None:
    found = await hub.definitions([stdio("mcp_listing", "thousand")])
    assert [each.tool for each in found] == [f"tool_{number:04}" for number in range(1_000)]


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("too_many", "lists more than 2,000 tools: the operator must use a server, or a setting of it, that offers"),
        ("endless", "lists its tools without end: the operator must have this server fixed"),
        ("nonsense", "does not answer like an MCP server: the operator must check its command in the configuration"),
    ],
)
async def test_a_list_that_cannot_be_used_is_refused(hub: McpHub, behaviour: str, sentence: str) -> None:
    with pytest.raises(ToolServerError) as caught:
        await hub.definitions([stdio("mcp_listing", behaviour)])
    assert str(caught.value).startswith(f"The MCP server world {sentence}")


@pytest.mark.parametrize(
    ("behaviour", "usable", "unusable"),
    [
        ("same_cursor", ["again"], {}),
        # Two tools of one name: people would not know which one they approve, so that it is neither.
        ("duplicates", [], {"post": "is the name of two different tools"}),
        ("not_a_number", [], {"odd": "has a description that is not plain JSON"}),
    ],
)
async def test_what_can_be_used_of_a_list_is_used(
    hub: McpHub, behaviour: str, usable: list[str], unusable: dict[str, str]
) -> None:
    listing = await (await hub.connection(stdio("mcp_listing", behaviour)).session()).listing(fresh=True)
    assert (list(listing.tools), listing.unusable) == (usable, unusable)


async def test_the_digest_is_of_the_whole_definition_and_of_who_gives_it(hub: McpHub, trigger: Path) -> None:
    spec = changing(trigger)
    (tool,) = await hub.definitions([spec])
    assert tool.digest == digest(
        "tool",
        canonical(
            {
                "server": "world",
                "identity": spec.identity,
                "server_info": {"name": "raw", "version": "1"},
                "tool": "post",
                "description": "Posts a notice.",
                "input_schema": {"type": "object", "properties": {"title": {"type": "string"}}},
                "output_schema": {"type": "object"},
                "annotations": {"readOnlyHint": False},
            }
        ),
    )


async def test_the_digest_at_execution_is_that_of_the_plan_while_nothing_changes(hub: McpHub, trigger: Path) -> None:
    spec = changing(trigger)
    (tool,) = await hub.definitions([spec])
    assert await hub.executor([spec]).definition_digest("world", "post") == tool.digest
    assert await hub.executor([spec]).definition_digest("world", "unheard_of") is None


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Posts a notice. "},
        {"description": None},
        {"inputSchema": {"type": "object", "properties": {"title": {"type": "string"}, "to": {"type": "string"}}}},
        {"outputSchema": {"type": "object", "required": ["id"]}},
        {"outputSchema": None},
        {"annotations": {"readOnlyHint": True}},
        {"annotations": {"readOnlyHint": False, "destructiveHint": True}},
        {"annotations": None},
    ],
)
async def test_each_change_of_a_definition_is_seen_at_execution(
    hub: McpHub, trigger: Path, change: dict[str, Json]
) -> None:
    spec = changing(trigger)
    (tool,) = await hub.definitions([spec])
    becomes(trigger, change)
    assert await hub.executor([spec]).definition_digest("world", "post") != tool.digest


async def test_a_tool_that_was_withdrawn_has_no_digest(hub: McpHub, trigger: Path) -> None:
    spec = changing(trigger)
    await hub.definitions([spec])
    becomes(trigger, {"name": None})
    assert await hub.executor([spec]).definition_digest("world", "post") is None


async def test_definitions_are_asked_once_until_the_server_says_that_they_changed(hub: McpHub, trigger: Path) -> None:
    spec = changing(trigger)
    before = await hub.definitions([spec])
    becomes(trigger, {"description": "Posts two notices."})
    assert await hub.definitions([spec]) == before
    await hub.reader([spec], frozenset({("world", "post")})).read("world", "post", {})
    (after,) = await hub.definitions([spec])
    assert after.description == "Posts two notices."


async def test_a_list_that_changed_while_it_was_on_its_way_is_not_kept(hub: McpHub, trigger: Path) -> None:
    (tool,) = await hub.definitions([stdio("mcp_listing", "changes_meanwhile", trigger)])
    assert tool.tool == "new"


async def test_a_server_without_tools_has_none(hub: McpHub) -> None:
    assert await hub.definitions([stdio("mcp_listing", "without_tools")]) == []


async def test_a_server_that_does_not_answer_when_asked_again_is_complained_of(hub: McpHub, trigger: Path) -> None:
    spec = stdio("mcp_listing", "falls_silent", trigger, call_timeout=0.5)
    await hub.definitions([spec])
    with pytest.raises(ToolServerError, match=r"did not answer within 0.5 s: the operator must find out why"):
        await hub.executor([spec]).definition_digest("world", "post")


async def test_a_server_that_dies_when_asked_again_is_asked_once_more(hub: McpHub, trigger: Path) -> None:
    spec = stdio("mcp_listing", "dies_when_told", trigger)
    (tool,) = await hub.definitions([spec])
    becomes(trigger, {})
    assert await hub.executor([spec]).definition_digest("world", "post") == tool.digest
    assert list(trigger.parent.glob("trigger")) == [], "it did not die"


async def test_a_server_that_hangs_when_asked_again_is_begun_anew_and_asked_once_more(
    hub: McpHub, trigger: Path
) -> None:
    spec = stdio("mcp_listing", "hangs_when_told", trigger, call_timeout=0.5)
    (tool,) = await hub.definitions([spec])
    becomes(trigger, {})
    assert await hub.executor([spec]).definition_digest("world", "post") == tool.digest
    assert list(trigger.parent.glob("trigger")) == [], "it did not hang"


async def test_what_execution_finds_out_is_what_the_next_plan_sees(hub: McpHub, trigger: Path) -> None:
    spec = changing(trigger)
    await hub.definitions([spec])
    becomes(trigger, {"description": "Posts two notices."})
    found = await hub.executor([spec]).definition_digest("world", "post")
    (after,) = await hub.definitions([spec])
    assert after.digest == found


async def test_the_same_tool_on_a_server_described_in_other_words_is_another_tool(hub: McpHub, trigger: Path) -> None:
    spec = changing(trigger)
    (tool,) = await hub.definitions([spec])
    other = replace(spec, identity="python -m mcp_listing@2")
    (again,) = await hub.definitions([other])
    assert tool.digest != again.digest


@pytest.mark.parametrize("lists", [1, 2, 3])
async def test_a_server_that_has_just_started_is_asked_again_until_it_lists_what_was_approved(
    trigger: Path, lists: int
) -> None:
    spec = stdio("mcp_listing", "starts_slowly", trigger)
    async with McpHub(Patience(first=0.01), key=b"k" * 32) as before:
        post = {each.tool: each for each in await before.definitions([spec])}["post"]
    starts_slowly(trigger, lists)
    call = PlannedCall(server="world", tool="post", arguments="{}", definition=post.digest, settings=post.settings)
    async with asyncio.timeout(30), McpHub(Patience(first=0.01), key=b"k" * 32) as hub:
        assert not (await hub.executor([spec]).call(call, "key")).is_error
    async with asyncio.timeout(30), McpHub(Patience(first=0.01), key=b"k" * 32) as hub:
        assert await hub.executor([spec]).definition_digest("world", "post", post.digest) == post.digest


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("post", "(the definition of world.post has changed|world no longer has a tool post)"),
        ("gone", "world no longer has a tool gone"),
    ],
)
async def test_a_tool_that_stays_another_one_is_waited_for_no_longer_than_some_seconds(
    trigger: Path, tool: str, reason: str
) -> None:
    spec = stdio("mcp_listing", "starts_slowly", trigger)
    async with McpHub(Patience(first=0.01), key=b"k" * 32) as before:
        post = {each.tool: each for each in await before.definitions([spec])}["post"]
    starts_slowly(trigger, 99)
    call = PlannedCall(server="world", tool=tool, arguments="{}", definition=post.digest, settings=post.settings)
    async with asyncio.timeout(30), McpHub(Patience(first=0.01, settling=0.2), key=b"k" * 32) as hub:
        with pytest.raises(CallNotSentError, match=reason):
            await hub.executor([spec]).call(call, "key")
