"""MCP servers as they are in the field: what they lose, leave out or get wrong spoils nothing beyond itself."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.domain.canonical_json import canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallNotSentError, ToolOutput
from tests.servers.mcp_programs import approving, http, listening, writer

LOOK = frozenset({("world", "look")})
SHAPES = (
    "python_sdk",
    "old_python_sdk",
    "typescript_sdk",
    "typescript_restarted",
    "go_sdk",
    "echoes_the_id",
    "gateway",
)
WRITE = PlannedCall(server="world", tool="write", arguments=canonical({"n": 1}), definition="")


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    return tmp_path / "journal"


# --- a session that the server has lost -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_server_that_forgot_the_session_is_read_and_written_by_a_new_one(
    hub: McpHub, counted: Path, shape: str
) -> None:
    async with listening("mcp_http_forgets", counted, shape, "listing") as (port, _):
        spec = http(port, call_timeout=5)
        reader = hub.reader([spec], LOOK)
        read = [await reader.read("world", "look", {}) for _ in range(2)]
        wrote = await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert [*read, wrote] == [ToolOutput(text="did it")] * 3
    assert [each["name"] for each in writer(counted)] == ["look", "look", "write"]


@pytest.mark.parametrize("shape", [each for each in SHAPES if each != "echoes_the_id"])
async def test_a_write_that_a_lost_session_refused_is_sent_once_by_a_new_one(
    hub: McpHub, counted: Path, shape: str
) -> None:
    async with listening("mcp_http_forgets", counted, shape, "call") as (port, _):
        spec = http(port, call_timeout=5)
        await hub.reader([spec], LOOK).read("world", "look", {})
        wrote = await approving(hub, [spec]).call(WRITE, "key")
        await hub.aclose()
    assert wrote == ToolOutput(text="did it")
    assert [each["name"] for each in writer(counted)] == ["look", "write"]


async def test_a_write_whose_refusal_might_be_the_tools_own_is_not_sent_again(hub: McpHub, counted: Path) -> None:
    async with listening("mcp_http_forgets", counted, "echoes_the_id", "call") as (port, _):
        spec = http(port, call_timeout=5)
        await hub.reader([spec], LOOK).read("world", "look", {})
        with pytest.raises(CallNotSentError, match="no longer knows our session"):
            await approving(hub, [spec]).call(WRITE, "key")
        await approving(hub, [spec]).call(WRITE, "key-2")
        await hub.aclose()
    assert [each["name"] for each in writer(counted)] == ["look", "write"]
