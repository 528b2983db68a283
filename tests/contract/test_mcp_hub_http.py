"""MCP servers over streamable HTTP: a call leaves once, whatever the server, or a gateway before it, answers."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.call_guard import CallTrace
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.mcp_tools.server_errors import failed_start
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ToolOutput
from coordination.text import Text
from tests.servers.mcp_programs import approving, http, listening, writer

LOOK = frozenset({("world", "look")})
TOKEN = {"Authorization": "Bearer hunter2"}


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def planned(tool: str = "write", **arguments: Json) -> PlannedCall:
    return PlannedCall(server="world", tool=tool, arguments=canonical(arguments), definition="")


async def test_the_sdks_own_server_is_read_and_written_with_a_token(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_polite", counted, "hunter2") as (port, _):
        spec = http(port, headers=TOKEN)
        found = await hub.definitions([spec])
        read = await hub.reader([spec], LOOK).read("world", "look", {"where": "home"})
        call = planned(title="Fête ☃", number=1234567890123456789)
        executor = approving(hub, [spec])
        assert await executor.definition_digest("world", "write") == found[1].digest
        wrote = await executor.call(call, "key")
        await hub.aclose()
    assert [(each.tool, each.says_read_only) for each in found] == [("look", True), ("write", False)]
    assert (read.text, wrote.text) == ("nothing at home", "wrote Fête ☃")
    assert [canonical(each) for each in writer(counted)] == [call.arguments]


async def test_reads_run_side_by_side_on_one_connection(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_polite", counted, "hunter2") as (port, _):
        reader = hub.reader([http(port, headers=TOKEN)], LOOK)
        answers = await asyncio.gather(*(reader.read("world", "look", {"where": str(n)}) for n in range(20)))
        await hub.aclose()
    assert [each.text for each in answers] == [f"nothing at {n}" for n in range(20)]


async def test_a_wrong_token_is_complained_of_without_showing_it(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_polite", counted, "hunter2") as (port, _):
        with pytest.raises(ToolServerError) as caught:
            await hub.definitions([http(port, headers={"Authorization": "Bearer wrong-token"})])
    assert str(caught.value) == (
        "The MCP server world rejected the credentials (HTTP 401): the operator must correct its headers in the configuration."
    )


async def test_a_wrong_path_is_complained_of(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_polite", counted, "hunter2") as (port, _):
        with pytest.raises(ToolServerError, match=r"HTTP 404\): the operator must correct the path of its url"):
            await hub.definitions([http(port, path="/nowhere", headers=TOKEN)])


async def test_an_address_where_nobody_listens_is_complained_of_without_its_secrets(
    hub: McpHub, closed_port: int
) -> None:
    spec = replace(http(closed_port), url=f"http://user:hunter2@127.0.0.1:{closed_port}/mcp?key=hunter2")
    with pytest.raises(ToolServerError) as caught:
        await hub.definitions([spec])
    assert str(caught.value) == (
        f"The MCP server world can't be reached at http://127.0.0.1:{closed_port}: "
        "the operator must start it, or correct its url in the configuration."
    )


async def test_a_call_to_an_address_where_nobody_listens_was_not_sent(hub: McpHub, closed_port: int) -> None:
    with pytest.raises(CallNotSentError, match="can't be reached"):
        await approving(hub, [http(closed_port)]).call(planned(), "key")


async def test_an_address_that_is_none_is_complained_of(hub: McpHub) -> None:
    for url in ("http://[", "ftp://127.0.0.1/mcp", "nonsense"):
        with pytest.raises(ToolServerError, match="operator must"):
            await hub.definitions([replace(http(1), url=url)])


async def test_a_server_that_stops_before_the_call_did_not_get_it(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_raw", counted, "well") as (port, process):
        executor = approving(hub, [http(port)])
        assert await executor.definition_digest("world", "write") is not None
        process.kill()
        process.wait()
        with pytest.raises(CallNotSentError, match="can't be reached"):
            await executor.call(planned(), "key")
        with pytest.raises(ToolServerError, match="can't be reached"):
            await executor.definition_digest("world", "write")
    assert writer(counted) == []


@pytest.mark.parametrize("behaviour", ["redirects", "forbids"])
async def test_a_call_that_is_turned_away_was_not_sent_and_is_not_sent_elsewhere(
    hub: McpHub, counted: Path, behaviour: str
) -> None:
    async with listening("mcp_http_raw", counted, behaviour) as (port, _):
        with pytest.raises(CallNotSentError, match=r"answered HTTP (307|403)"):
            await approving(hub, [http(port)]).call(planned(), "key")
        await hub.aclose()
    assert [each["path"] for each in writer(counted)] == ["/mcp"]


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("sees_other", "answered HTTP 303"),
        ("breaks", "answered HTTP 500"),
        ("gateway_times_out", "answered HTTP 504"),
        ("accepts_only", r"answered with nothing \(HTTP 202\)"),
        ("shows_a_page", "answered with something that is not an MCP message"),
        ("half_an_answer", "closed the connection before it answered"),
        ("garbles", "sent an answer that can't be decoded"),
        ("hangs_up", "closed the connection before it answered"),
    ],
)
async def test_a_call_without_a_proper_answer_is_unknown_and_left_its_connection_usable(
    hub: McpHub, counted: Path, behaviour: str, reason: str
) -> None:
    async with listening("mcp_http_raw", counted, behaviour) as (port, _):
        executor = approving(hub, [http(port)])
        with pytest.raises(CallOutcomeUnknownError, match=reason) as caught:
            await executor.call(planned(), "key")
        assert await executor.definition_digest("world", "write") is not None
        await hub.aclose()
    assert "hunter2" not in str(caught.value)
    assert caught.value.may_go_on == (behaviour != "garbles"), "only of an answer is it known that its call has ended"
    assert len(writer(counted)) == 1


async def test_an_answer_beyond_all_bounds_is_not_read_to_its_end(
    hub: McpHub, counted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordination.mcp_tools.http_transport.MAX_ANSWER", 2_000)
    async with listening("mcp_http_raw", counted, "is_large") as (port, _):
        with pytest.raises(CallOutcomeUnknownError, match="answered with more than"):
            await approving(hub, [http(port)]).call(planned(), "key")
        await hub.aclose()
    assert len(writer(counted)) == 1


async def test_a_stream_that_broke_off_is_resumed_but_the_call_is_not_sent_again(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_raw", counted, "drops_the_stream") as (port, _):
        with pytest.raises(CallOutcomeUnknownError, match="ended before it answered"):
            await approving(hub, [http(port)]).call(planned(), "key")
        await hub.aclose()
    first, *later = writer(counted)
    assert first["name"] == "write"
    assert later
    assert all(each == {"resumed": "1"} for each in later)


async def test_a_server_that_never_answers_is_waited_for_so_long(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_raw", counted, "is_silent") as (port, _):
        with pytest.raises(CallOutcomeUnknownError, match="did not answer in time"):
            await approving(hub, [http(port, call_timeout=0.5)]).call(planned(), "key")
        await hub.aclose()
    assert len(writer(counted)) == 1


async def test_an_error_in_the_protocols_terms_is_the_servers_answer(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_raw", counted, "rejects") as (port, _):
        output = await approving(hub, [http(port)]).call(planned(), "key")
        await hub.aclose()
    assert output == ToolOutput(text="no such title", is_error=True)


async def test_a_session_that_expired_is_opened_again_for_a_read(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_raw", counted, "expires") as (port, _):
        reader = hub.reader([http(port)], LOOK)
        answers = [await reader.read("world", "look", {"n": n}) for n in range(3)]
        await hub.aclose()
    assert [each.text for each in answers] == ["did it"] * 3
    assert len(writer(counted)) == 3


async def test_a_session_that_expired_is_opened_again_before_a_write_and_not_for_it(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_raw", counted, "expires") as (port, _):
        session = await hub.connection(http(port)).session()
        await session.call("write", canonical({"n": 1}), key="key-1")
        with pytest.raises(CallNotSentError, match="no longer knows the session"):
            await session.call("write", canonical({"n": 2}), key="key-2")
        await approving(hub, [http(port)]).call(planned(n=3), "key-3")
        await hub.aclose()
    assert [json.loads(canonical(each["arguments"])) for each in writer(counted)] == [{"n": 1}, {"n": 3}]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "rejected the credentials (HTTP 403): the operator must correct its headers in the configuration"),
        (
            405,
            "does not accept MCP messages at this address (HTTP 405): the operator must correct its url in the configuration",
        ),
        (429, "rejects requests because there are too many (HTTP 429): the operator must wait, or raise its limit"),
        (308, "redirects to another address (HTTP 308): the operator must put the final one in the configuration"),
        (502, "answered HTTP 502: the operator must check its log"),
    ],
)
def test_what_a_server_says_to_a_handshake_is_put_in_terms_of_what_to_do(status: int, sentence: str) -> None:
    trace = CallTrace(was_sent=True, status=status, loss=Text("answered HTTP {status}", status=status))
    assert str(failed_start(http(1), Exception("SDK text"), trace)) == f"The MCP server world {sentence}."
