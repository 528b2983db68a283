"""The last lock before a server's input: a tool call passes once, unchanged, and only when it was asked for."""

import asyncio
from pathlib import Path

import pytest
from mcp import Client

from coordination.adapters.mcp_passage import Passage, SentTwiceError, passage
from coordination.adapters.mcp_stdio import StderrLog, stdio_transport
from coordination.ports import ServerSpec
from tests.servers.mcp_programs import ROOT, journal, stdio


def client(spec: ServerSpec) -> Client:
    """The SDK's own client, with its own loops that send calls again, over our transport."""
    return Client(stdio_transport(spec, lambda: None, StderrLog(spec)), cache=None)


@pytest.mark.parametrize("behaviour", ["input_required", "header_mismatch"])
async def test_the_sdks_own_client_cannot_send_a_call_again(tmp_path: Path, behaviour: str) -> None:
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_modern", counted, behaviour)) as sdk:
        passage.set(Passage(arguments='{"n":1}'))
        with pytest.raises(SentTwiceError):
            await sdk.call_tool("write", {"n": 1})
    assert len(journal(counted)) == 1


@pytest.mark.parametrize("asked", [None, Passage(arguments='{"n":2}')])
async def test_a_call_that_nobody_asked_for_or_not_so_does_not_leave(tmp_path: Path, asked: Passage | None) -> None:
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_counting", counted, "well")) as sdk:
        passage.set(asked)
        with pytest.raises(SentTwiceError):
            await sdk.call_tool("write", {"n": 1})
        await sdk.list_tools()
    assert journal(counted) == []


async def test_the_failure_of_what_the_sdk_asks_after_a_call_is_told_from_the_calls_own(tmp_path: Path) -> None:
    """The SDK lists the tools after a call of one that it does not know, to check the answer."""
    counted = tmp_path / "journal"
    async with asyncio.timeout(60), client(stdio("mcp_counting", counted, "well")) as sdk:
        found = Passage(arguments="{}")
        passage.set(found)
        await sdk.call_tool("unlisted", {})
    assert found.was_answered


def test_one_module_alone_can_call_tools() -> None:
    callers = [
        path.relative_to(ROOT)
        for package in ("bot", "coordination")
        for path in (ROOT / package).rglob("*.py")
        if ".call_tool(" in path.read_text(encoding="utf-8")
    ]
    assert callers == [Path("coordination/adapters/mcp_session.py")]
