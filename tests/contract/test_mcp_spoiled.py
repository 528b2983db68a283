"""One element of a list or an answer that breaks the protocol: it spoils nothing beyond itself, whatever carries it."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.mcp_tools.json_rpc import EventsMended
from coordination.ports import CallOutcomeUnknownError, ServerSpec, ToolOutput
from tests.servers.mcp_programs import approving, http, listening, stdio, writer
from tests.servers.mcp_raw import a_tool

WIRES = ("stdio", "json", "sse")
LOOK = frozenset({("world", "look")})
WRITE = PlannedCall(server="world", tool="write", arguments=canonical({"n": 1}), definition="")
TOOLS: list[Json] = [a_tool("look"), a_tool("write")]


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@asynccontextmanager
async def saying(
    folder: Path, wire: str, call: str, *, pages: Sequence[str] | None = None, kind: str = "application/json"
) -> AsyncGenerator[ServerSpec]:
    """A server that says just this."""
    says = {"tools": pages or [json.dumps({"tools": TOOLS})], "call": call, "type": kind}
    (folder / "says").write_text(json.dumps(says), encoding="utf-8")
    program = ("mcp_spoiled", folder / "journal", wire, folder / "says")
    if wire == "stdio":
        yield stdio(*program, call_timeout=10)
        return
    async with listening(*program) as (port, _):
        yield http(port, call_timeout=10)


ANSWERS = [
    ('"result": {"content": [{"type": "text", "text": "cut \\ud83d"}]}', "cut \ufffd", False),
    ('"result": {"content": [{"type": "text", "text": "\\ud83d\\ude00 \\\\ud83d"}]}', "😀 \\ud83d", False),
    ('"result": {"content": [{"type": "text", "text": "a\tb"}], "isError": null, "_meta": null}', "a\tb", False),
    ('"result": {"content": [{"type": "text", "text": "no"}], "isError": "true"}', "no", True),
    ('"result": "done"', "done\n[the answer is not in the form that MCP asks for]", False),
    ('"result": null', "[the answer is not in the form that MCP asks for]", False),
    ('"result": {}', "[the answer is not in the form that MCP asks for]", False),
    ('"result": {"content": null, "structuredContent": {"id": "rec_42"}}', '{"id": "rec_42"}', False),
    ('"error": "The channel is archived"', "The channel is archived", True),
    ('"error": {"code": "-32600", "message": "archived", "data": {"at": 1}}', 'archived\n{"at": 1}', True),
]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("call", "text", "is_error"), ANSWERS)
async def test_an_answer_that_came_is_a_result_succeeded_or_failed_by_its_own_flag(
    hub: McpHub, tmp_path: Path, wire: str, call: str, text: str, is_error: bool
) -> None:
    async with saying(tmp_path, wire, call) as spec:
        read = await hub.reader([spec], LOOK).read("world", "look", {})
        wrote = await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert read == wrote
    assert (wrote.text.splitlines()[0], wrote.is_error) == (text.splitlines()[0], is_error)
    assert wrote.text.startswith(text)
    assert [each["name"] for each in writer(tmp_path / "journal")] == ["look", "write"]


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_nested_deeper_than_any_reader_goes_is_a_result(hub: McpHub, tmp_path: Path, wire: str) -> None:
    deep = "[" * 300 + "]" * 300
    async with saying(tmp_path, wire, f'"result": {{"content": [], "structuredContent": {{"a": {deep}}}}}') as spec:
        wrote = await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert deep in wrote.text
    assert not wrote.is_error


@pytest.mark.parametrize("code", [-32700, -32600, -32603, -32001, -32000, 17])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_refusal_with_words_is_the_servers_own_whatever_its_code(
    hub: McpHub, tmp_path: Path, wire: str, code: int
) -> None:
    call = f'"error": {{"code": {code}, "message": "The channel is archived"}}'
    async with saying(tmp_path, wire, call) as spec:
        wrote = await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert wrote == ToolOutput(text="The channel is archived", is_error=True)


@pytest.mark.parametrize(
    "call",
    [
        '"error": {"code": -32000, "message": "Connection closed"}',
        '"error": {"code": -32603, "message": "MCP server process failed"}',
        '"error": {"code": 408, "message": "Timed out while waiting for response to ClientRequest"}',
        '"result": {"content": [{"type": "text", "text": "Upstream request timed out, please retry"}], "isError": true}',
        '"result": {"content": [{"type": "text", "text": "Error executing tool write"}], "isError": true}',
        '"result": {"content": [], "isError": true}',
        '"result": {"isError": true}',
        '"error": {"code": -32603, "message": "Internal error"}',
        '"error": {"code": -32000, "message": ""}',
        '"error": {"code": -32602, "message": "Output validation error: write has an output schema but no structured content"}',
    ],
)
@pytest.mark.parametrize("wire", WIRES)
async def test_an_error_that_does_not_say_whether_the_call_was_refused_leaves_the_outcome_unknown(
    hub: McpHub, tmp_path: Path, wire: str, call: str
) -> None:
    """As bridges write it whose server died, servers that are stopped in the middle of a call, and SDKs that hide reasons."""
    async with saying(tmp_path, wire, call) as spec:
        with pytest.raises(
            CallOutcomeUnknownError, match=r"The MCP server world reports an error .* may have been carried out"
        ) as caught:
            await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert caught.value.may_go_on
    assert [each["name"] for each in writer(tmp_path / "journal")] == ["write"]


@pytest.mark.parametrize(
    ("result", "reason", "may_go_on"),
    [
        ('{"resultType": "task", "task": {"taskId": "t1", "status": "working"}}', "accepted the call without", True),
        ('{"task": {"taskId": "t1", "status": "working"}}', "accepted the call without its result", True),
        ('{"resultType": "later", "content": []}', "accepted the call without its result", True),
        ('{"resultType": "input_required", "inputRequests": {}}', "asked for more input", False),
    ],
)
@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_that_is_not_the_end_of_its_call_is_no_success(
    hub: McpHub, tmp_path: Path, wire: str, result: str, reason: str, may_go_on: bool
) -> None:
    async with saying(tmp_path, wire, f'"result": {result}') as spec:
        with pytest.raises(CallOutcomeUnknownError, match=reason) as caught:
            await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert caught.value.may_go_on == may_go_on


async def test_an_error_about_the_request_itself_is_the_servers_own(hub: McpHub, tmp_path: Path) -> None:
    call = '"error": {"code": -32602, "message": "timeout exceeded the connection timed out allows"}'
    async with saying(tmp_path, "stdio", call) as spec:
        assert (await approving(hub, [spec]).call(WRITE, "key")).is_error


@pytest.mark.parametrize("wire", WIRES)
async def test_an_answer_cut_in_the_middle_is_none(hub: McpHub, tmp_path: Path, wire: str) -> None:
    async with saying(tmp_path, wire, '"result": {"content": [{"type": "te') as spec:
        with pytest.raises(CallOutcomeUnknownError, match=r"can't be read|not an MCP message"):
            await approving(hub, [spec]).call(WRITE, "key")
        assert len(await hub.definitions([spec])) == 2
        await hub.aclose()


async def test_an_answer_under_another_content_type_is_one(hub: McpHub, tmp_path: Path) -> None:
    call = '"result": {"content": [{"type": "text", "text": "done"}]}'
    async with saying(tmp_path, "json", call, kind="text/plain") as spec:
        assert await approving(hub, [spec]).call(WRITE, "key") == ToolOutput(text="done")
        await hub.aclose()


@pytest.mark.parametrize("wire", WIRES)
async def test_tools_that_cannot_be_used_leave_the_others_alone(hub: McpHub, tmp_path: Path, wire: str) -> None:
    spoiled: list[Json] = [None, {"name": "odd", "inputSchema": "none"}, {"name": "bare", "inputSchema": {}}]
    page = json.dumps({"tools": [spoiled[0], TOOLS[0], *spoiled[1:], TOOLS[1]], "nextCursor": None, "_meta": None})
    async with saying(tmp_path, wire, '"result": {"content": []}', pages=[page]) as spec:
        found = await hub.definitions([spec])
        await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert [(each.tool, each.unusable) for each in found] == [
        ("look", ""),
        ("bare", ""),
        ("write", ""),
        ("number 1", "is not described by an object"),
        ("odd", "has an inputSchema that is not an object"),
    ]
    assert found[1].input_schema == {"type": "object"}


@pytest.mark.parametrize(
    "pages",
    [
        [{"tools": TOOLS, "nextCursor": ""}],
        [{"tools": TOOLS, "nextCursor": "same"}],
        [{"tools": TOOLS[:1], "nextCursor": "a"}, {"tools": TOOLS[1:], "nextCursor": "a"}],
        [{"tools": TOOLS[:1], "nextCursor": ""}, {"tools": TOOLS[1:]}],
        [{"tools": TOOLS[:1], "nextCursor": 1}, {"tools": [], "nextCursor": 2}, {"tools": TOOLS[1:]}],
        [{"tools": TOOLS[:1], "nextCursor": "a"}, {"tools": None, "nextCursor": "b"}, {"tools": TOOLS[1:]}],
        [{"tools": TOOLS, "nextCursor": 5.5}],
    ],
)
async def test_a_cursor_that_leads_nowhere_ends_the_list(hub: McpHub, tmp_path: Path, pages: Sequence[Json]) -> None:
    texts = [json.dumps(each) for each in pages]
    async with saying(tmp_path, "stdio", '"result": {}', pages=texts) as spec:
        assert [each.tool for each in await hub.definitions([spec])] == ["look", "write"]


async def test_an_event_beyond_all_bounds_is_called_that_and_a_read_of_it_is_not_asked_again(
    hub: McpHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordination.mcp_tools.http_transport.MAX_ANSWER", 2_000)
    call = f'"result": {{"content": [{{"type": "text", "text": "{"x" * 5_000}"}}]}}'
    async with saying(tmp_path, "sse", call) as spec:
        with pytest.raises(CallOutcomeUnknownError, match=r"world sent more than 0 MB at once\."):
            await approving(hub, [spec]).call(WRITE, "key")
        with pytest.raises(ToolServerError, match=r"world sent more than 0 MB at once\."):
            await hub.reader([spec], LOOK).read("world", "look", {})
        await hub.aclose()
    assert [each["name"] for each in writer(tmp_path / "journal")] == ["write", "look"]


async def test_a_large_event_in_small_pieces_takes_time_in_proportion_to_its_size() -> None:
    async def body() -> AsyncGenerator[bytes]:
        yield b'data: {"jsonrpc": "2.0", "id": 1, "result": {"text": "'
        for _ in range(7_000):
            yield b"x" * 4_000
        yield b'"}}\n\n'

    began = time.perf_counter()
    response = httpx2.Response(200, content=body())
    seen = [len(each) async for each in EventsMended(response, limit=32_000_000, on_excess=lambda: None)]
    assert max(seen) > 28_000_000
    assert time.perf_counter() - began < 5
