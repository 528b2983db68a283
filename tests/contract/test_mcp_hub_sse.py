"""MCP servers over the transport before streamable HTTP, found without being told: the SDK's own, and ones that misbehave."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallNotSentError, CallOutcomeUnknownError
from tests.servers.mcp_programs import approving, http, listening, writer

LOOK = frozenset({("world", "look")})


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def planned(**arguments: Json) -> PlannedCall:
    return PlannedCall(server="world", tool="write", arguments=canonical(arguments), definition="")


async def test_the_sdks_own_server_is_read_and_written(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_sse", counted) as (port, _):
        spec = http(port, path="/sse")
        found = await hub.definitions([spec])
        wrote = await approving(hub, [spec]).call(planned(title="Fête ☃"), "key")
        await hub.aclose()
    assert [(each.tool, each.says_read_only) for each in found] == [("look", True), ("write", False)]
    assert wrote.text == "wrote Fête ☃"
    assert writer(counted) == [{"title": "Fête ☃"}]


async def test_reads_run_side_by_side_and_an_answer_of_megabytes_comes_whole(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_sse", counted) as (port, _):
        reader = hub.reader([http(port, path="/sse")], LOOK)
        sizes = [3_000_000, 1, 2, 3]
        read = await asyncio.gather(*(reader.read("world", "look", {"size": size}) for size in sizes))
        await hub.aclose()
    assert [each.text for each in read[1:]] == ["x", "xx", "xxx"]
    assert read[0].text.endswith("\n[2,800,000 more characters were left out]")


async def test_a_server_that_was_restarted_is_read_and_written_again(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_sse", counted) as (port, _):
        spec = http(port, path="/sse")
        await hub.definitions([spec])
    async with listening("mcp_http_sse", counted, port):
        read = await hub.reader([spec], LOOK).read("world", "look", {"size": 2})
        wrote = await approving(hub, [spec]).call(planned(title="again"), "key")
        await hub.aclose()
    assert (read.text, wrote.text) == ("xx", "wrote again")


async def test_a_call_to_a_server_that_is_gone_was_not_sent(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_sse", counted) as (port, _):
        session = await hub.connection(http(port, path="/sse")).session()
    with pytest.raises(CallNotSentError):
        await session.call("write", canonical({"title": "late"}), key="key")
    assert writer(counted) == []


async def test_an_address_without_either_transport_is_complained_of_as_before(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_sse", counted) as (port, _):
        with pytest.raises(ToolServerError, match=r"has nothing at this address \(HTTP 404\)"):
            await hub.definitions([http(port, path="/nothing")])


@pytest.mark.parametrize(
    ("behaviour", "error", "sentence"),
    [
        ("refuses", CallNotSentError, "answered HTTP 429"),
        ("forgets", CallNotSentError, "no longer knows the session"),
        ("objects", CallOutcomeUnknownError, "answered HTTP 400"),
        ("has_moved", CallNotSentError, "answered HTTP 405"),
        ("breaks", CallOutcomeUnknownError, "answered HTTP 500"),
        ("hangs_up", CallOutcomeUnknownError, "closed the connection before it answered"),
        ("ends_the_stream", CallOutcomeUnknownError, "ended before it answered"),
        ("redirects", CallNotSentError, "answered HTTP 307"),
    ],
)
async def test_a_call_that_is_not_taken_is_told_truly_and_sent_once(
    hub: McpHub, counted: Path, behaviour: str, error: type[Exception], sentence: str
) -> None:
    async with listening("mcp_http_two_streams", counted, behaviour) as (port, _):
        session = await hub.connection(http(port, path="/sse")).session()
        with pytest.raises(error, match=sentence):
            await session.call("write", "{}", key="key")
        await hub.aclose()
    assert len(writer(counted)) == 1


async def test_an_answer_beyond_all_bounds_is_called_that_and_the_next_request_has_a_stream_of_its_own(
    hub: McpHub, counted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordination.mcp_tools.sse_transport.MAX_ANSWER", 2_000)
    async with listening("mcp_http_two_streams", counted, "is_large") as (port, _):
        spec = http(port, path="/sse")
        with pytest.raises(CallOutcomeUnknownError, match=r"world sent more than 32 MB at once\."):
            await approving(hub, [spec]).call(planned(title="a"), "key")
        with pytest.raises(ToolServerError, match=r"world sent more than 32 MB at once\."):
            await hub.reader([spec], frozenset({("world", "write")})).read("world", "write", {})
        await hub.aclose()
    assert len(writer(counted)) == 3, "the stream is that of the session, and a read is asked once more in another one"


async def test_an_approved_call_that_the_server_objects_to_is_not_posted_again(hub: McpHub, counted: Path) -> None:
    """Whatever it means by that, it may have run."""
    async with listening("mcp_http_two_streams", counted, "objects") as (port, _):
        with pytest.raises(CallOutcomeUnknownError, match="answered HTTP 400"):
            await approving(hub, [http(port, path="/sse")]).call(planned(title="a"), "key")
        await hub.aclose()
    assert len(writer(counted)) == 1


async def test_credentials_are_not_taken_to_another_server_that_the_stream_names(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_two_streams", counted, "sends_elsewhere") as (port, _):
        with pytest.raises(ToolServerError, match="does not accept MCP messages at this address"):
            await hub.definitions([http(port, path="/sse")])
    assert writer(counted) == []
