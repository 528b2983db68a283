"""Servers on the network that somebody restarts, or puts another in the place of, while we use them."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Connection, Patience
from coordination.mcp_tools.hub import McpHub
from tests.servers.mcp_programs import http, listening, stdio

LOOK = frozenset({("world", "look")})
TRANSPORTS = pytest.mark.parametrize("transport", ["sse", "streamable"])


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.05, restart=20)) as hub:
        yield hub


@TRANSPORTS
async def test_a_server_that_is_away_for_a_moment_is_waited_for(hub: McpHub, tmp_path: Path, transport: str) -> None:
    async with listening("mcp_http_sse", tmp_path / "journal", 0, transport) as (port, _):
        spec = http(port, path="/sse")
        await hub.definitions([spec])
    async with asyncio.TaskGroup() as group:
        read = group.create_task(hub.reader([spec], LOOK).read("world", "look", {"size": 2}))
        await asyncio.sleep(0.5)
        async with listening("mcp_http_sse", tmp_path / "journal", port, transport):
            assert (await read).text == "xx"
            await hub.aclose()


@TRANSPORTS
async def test_a_server_that_does_not_come_back_is_named_and_waited_for_once(tmp_path: Path, transport: str) -> None:
    async with asyncio.timeout(60), McpHub(Patience(first=0.05, restart=1)) as hub:
        async with listening("mcp_http_sse", tmp_path / "journal", 0, transport) as (port, _):
            spec = http(port, path="/sse")
            await hub.definitions([spec])
        waited: list[bool] = []
        for _ in range(2):
            begun = asyncio.get_running_loop().time()
            with pytest.raises(
                ToolServerError, match=r"can't be reached at http://127\.0\.0\.1:\d+: the operator must start"
            ):
                await hub.reader([spec], LOOK).read("world", "look", {"size": 2})
            waited.append(asyncio.get_running_loop().time() - begun >= 1)
    assert waited == [True, False]


async def test_a_server_that_gives_up_the_older_transport_is_used_by_the_newer(hub: McpHub, tmp_path: Path) -> None:
    async with listening("mcp_http_sse", tmp_path / "journal") as (port, _):
        await hub.definitions([http(port, path="/sse")])
    async with listening("mcp_http_sse", tmp_path / "journal", port, "streamable"):
        assert await hub.definitions([http(port, path="/sse")])
        await hub.aclose()


async def test_a_start_that_fails_in_a_way_nobody_foresaw_is_told_as_that(
    hub: McpHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(Connection, "_connect", broken)
    with pytest.raises(ToolServerError, match="could not be started, for an unknown reason"):
        await hub.definitions([stdio("mcp_lives")])
    assert "nobody foresaw this" in caplog.text
