"""The last lock before a server's input: a tool call passes once, unchanged, and only when it was asked for."""

import asyncio
from pathlib import Path

import pytest
from mcp import Client

from coordination.mcp_tools.call_guard import CallTrace, SentTwiceError, call_trace
from coordination.mcp_tools.stdio_transport import StderrLog, stdio_transport
from coordination.ports import ServerSpec
from tests.servers.mcp_programs import ROOT, stdio, writer


def client(spec: ServerSpec) -> Client:
    """The SDK's own client, with its own loops that send calls again, over our transport."""
    return Client(stdio_transport(spec, lambda: None, StderrLog(spec)), cache=None)


async def test_the_sdks_own_client_cannot_send_a_call_again(tmp_path: Path) -> None:
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_modern", counted, "header_mismatch")) as sdk:
        call_trace.set(CallTrace(arguments='{"n":1}'))
        with pytest.raises(SentTwiceError):
            await sdk.call_tool("write", {"n": 1})
    assert len(writer(counted)) == 1


@pytest.mark.parametrize("asked", [None, CallTrace(arguments='{"n":2}')])
async def test_a_call_that_nobody_asked_for_or_not_so_does_not_leave(tmp_path: Path, asked: CallTrace | None) -> None:
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_counting", counted, "well")) as sdk:
        call_trace.set(asked)
        with pytest.raises(SentTwiceError):
            await sdk.call_tool("write", {"n": 1})
        await sdk.list_tools()
    assert writer(counted) == []


async def test_the_sdks_own_client_is_not_told_of_input_that_a_server_wants(tmp_path: Path) -> None:
    """It would send the call again with it."""
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_modern", counted, "input_required")) as sdk:
        trace = CallTrace(arguments='{"n":1}')
        call_trace.set(trace)
        await sdk.call_tool("write", {"n": 1})
    assert trace.answer is not None
    assert trace.answer["resultType"] == "input_required"
    assert len(writer(counted)) == 1


async def test_the_sdk_asks_nothing_after_a_call_and_checks_no_answer(tmp_path: Path) -> None:
    """It would list the tools after a call of one that it does not know, and throw away an answer that breaks its word."""
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_counting", counted, "breaks_its_word")) as sdk:
        await sdk.list_tools()
        for tool in ("unlisted", "measure"):
            trace = CallTrace(arguments="{}")
            call_trace.set(trace)
            await sdk.call_tool(tool, {})
            assert not trace.was_answered
            assert trace.answer == {"content": [], "structuredContent": {"n": "many"}}


async def test_what_the_sdk_asks_after_a_refusal_is_told_from_the_call(tmp_path: Path) -> None:
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_modern", counted, "header_mismatch")) as sdk:
        trace = CallTrace(arguments='{"n":1}')
        call_trace.set(trace)
        with pytest.raises(SentTwiceError):
            await sdk.call_tool("write", {"n": 1})
    assert trace.was_answered


def test_one_module_alone_can_call_tools() -> None:
    callers = [
        path.relative_to(ROOT)
        for package in ("bot", "coordination")
        for path in (ROOT / package).rglob("*.py")
        if ".call_tool(" in path.read_text(encoding="utf-8")
    ]
    assert callers == [Path("coordination/mcp_tools/session.py")]
