"""That nothing happened is a mark of our own chat tools, made of what was sent, and no other server's word."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent

from bot.tool_servers.refusals import ChatRefusedError, effect, writes
from coordination.config.loader import parse
from coordination.mcp_tools.definitions import output
from coordination.mcp_tools.json_rpc import Raw
from coordination.ports.tools import NOTHING_HAPPENED
from coordination.redaction import Redactor

DONE = CallToolResult(content=[TextContent(text="done")])


async def request(error: Exception | None = None) -> None:
    with effect():
        if error is not None:
            raise error


async def stopped_before() -> CallToolResult:
    raise ToolError("No such channel.")


async def turned_away() -> CallToolResult:
    await request(ChatRefusedError("Wait."))
    return DONE


async def refused_by_nobody_knows_whom() -> CallToolResult:
    await request(ToolError("status 403"))
    return DONE


async def half_done() -> CallToolResult:
    await request()
    await request(ChatRefusedError("Wait."))
    return DONE


async def wrong_afterwards() -> CallToolResult:
    await request()
    raise ToolError("No address.")


@pytest.mark.parametrize("tool", [stopped_before, turned_away])
def test_what_was_turned_away_before_any_effect_is_marked(tool: Callable[[], Awaitable[CallToolResult]]) -> None:
    answer = asyncio.run(_called(tool))
    assert answer.is_error
    assert answer.meta == {NOTHING_HAPPENED: True}


@pytest.mark.parametrize("tool", [refused_by_nobody_knows_whom, half_done, wrong_afterwards])
def test_after_what_may_have_had_an_effect_nothing_is_marked(tool: Callable[[], Awaitable[CallToolResult]]) -> None:
    with pytest.raises(ToolError):
        asyncio.run(_called(tool))


async def _called(tool: Callable[[], Awaitable[CallToolResult]]) -> CallToolResult:
    return await writes(tool)()


def test_one_call_knows_nothing_of_what_another_did() -> None:
    async def both() -> tuple[CallToolResult, CallToolResult]:
        with pytest.raises(ToolError):
            await _called(half_done)
        return await _called(turned_away), await writes(done)()

    async def done() -> CallToolResult:
        await request()
        return DONE

    refused, well = asyncio.run(both())
    assert refused.meta == {NOTHING_HAPPENED: True}
    assert well is DONE


def test_a_request_outside_of_any_tool_claims_nothing() -> None:
    with pytest.raises(ChatRefusedError):
        asyncio.run(request(ChatRefusedError("Wait.")))


MARKED: dict[str, Raw] = {
    "content": [{"type": "text", "text": "Wait."}],
    "isError": True,
    "_meta": {NOTHING_HAPPENED: True},
}


@pytest.mark.parametrize(
    ("answer", "is_ours", "counts"),
    [
        (MARKED, True, True),
        (MARKED, False, False),
        ({**MARKED, "isError": False}, True, False),
        ({**MARKED, "isError": "maybe"}, True, False),
        ({**MARKED, "_meta": {NOTHING_HAPPENED: "true"}}, True, False),
        ({**MARKED, "_meta": None}, True, False),
        ({**MARKED, "_meta": {}, "content": [{"type": "text", "text": "Nothing was done."}]}, True, False),
    ],
)
def test_only_a_clear_mark_of_our_own_servers_counts(answer: dict[str, Raw], is_ours: bool, counts: bool) -> None:
    assert output(answer, Redactor([]), is_ours=is_ours).nothing_happened is counts


@pytest.mark.parametrize(
    ("server", "is_ours"),
    [
        ("command: massgen-bot, args: [chat-tools, slack]", True),
        ("command: python3, args: [-m, bot.tool_servers.discord_server]", True),
        ("command: npx, args: [chat-tools, slack]", False),
        ("command: massgen-bot, args: [demo-tools]", False),
        ("url: 'https://tools.test/massgen-bot'", False),
    ],
)
def test_a_server_is_ours_by_the_operators_word(server: str, is_ours: bool) -> None:
    text = f"agents: [{{id: scout, backend: {{type: ollama, model: m}}}}]\nmcp_servers: {{chat: {{{server}}}}}\n"
    profile = parse(text, origin="ops.yaml", environ={})
    assert [each.is_ours for each in profile.servers] == [is_ours]
