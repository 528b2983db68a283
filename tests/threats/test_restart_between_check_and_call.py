"""Threat: a server shows the approved definition to the check, ends, and is another one when the call comes."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallNotSentError, Executor, ServerSpec
from tests.servers.mcp_programs import http, listening, stdio, until_ended, writer


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


async def approved(hub: McpHub, spec: ServerSpec) -> PlannedCall:
    (tool,) = await hub.definitions([spec])
    return PlannedCall(server="world", tool="write", arguments="{}", definition=tool.digest, settings=tool.settings)


async def until_listed(executor: Executor) -> str | None:
    """The definition, once the server that is there now was asked."""
    while True:
        try:
            return await executor.definition_digest("world", "write")
        except ToolServerError:
            await asyncio.sleep(0.01)


async def until_there(path: Path) -> None:
    while True:
        if await asyncio.to_thread(path.exists):
            return
        await asyncio.sleep(0.01)


async def test_a_process_that_starts_again_with_another_definition_runs_nothing(hub: McpHub, tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    spec = stdio("mcp_lives", tmp_path / "journal", lives)
    call = await approved(hub, spec)
    executor = hub.executor([spec])
    assert await executor.definition_digest("world", "write") == call.definition
    first = int(lives.read_text(encoding="utf-8"))
    os.kill(first, signal.SIGKILL)
    await until_ended(first)
    with pytest.raises(CallNotSentError):
        await executor.call(call, "key")
    assert await until_listed(executor) != call.definition
    with pytest.raises(CallNotSentError, match=r"the definition of world\.write has changed"):
        await executor.call(call, "key")
    assert writer(tmp_path / "journal") == []


@pytest.mark.parametrize("sessions", [("", ""), ("one", "two")], ids=["without sessions", "with sessions"])
async def test_a_remote_server_that_starts_again_with_another_definition_runs_nothing(
    hub: McpHub, tmp_path: Path, sessions: tuple[str, str]
) -> None:
    given = tmp_path / "journal", tmp_path / "lives"
    async with listening("mcp_lives", *given, 0, sessions[0]) as (port, process):
        call = await approved(hub, http(port))
        executor = hub.executor([http(port)])
        assert await executor.definition_digest("world", "write") == call.definition
        process.kill()
        process.wait()
    async with listening("mcp_lives", *given, port, sessions[1]):
        with pytest.raises(CallNotSentError):
            await executor.call(call, "key")
        assert await until_listed(executor) != call.definition
        with pytest.raises(CallNotSentError, match=r"the definition of world\.write has changed"):
            await executor.call(call, "key")
    assert writer(tmp_path / "journal") == []


async def test_a_call_of_other_settings_is_not_sent_whoever_compared_them_before(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_lives", tmp_path / "journal", tmp_path / "lives")
    call = await approved(hub, spec)
    for other in ("", "0" * 64):
        with pytest.raises(CallNotSentError, match="settings of the MCP server world have changed"):
            await hub.executor([spec]).call(replace(call, settings=other), "key")
    assert writer(tmp_path / "journal") == []


async def test_a_call_under_way_ends_well_when_the_program_is_replaced(hub: McpHub, tmp_path: Path) -> None:
    """What was sent was sent to the right program; the next session is one of the new program."""
    program = tmp_path / "served.py"
    program.write_text(SLOW, encoding="utf-8")
    spec = replace(stdio("unused"), args=(str(program), str(tmp_path / "go")))
    (tool,) = await hub.definitions([spec])
    call = PlannedCall(server="world", tool="slow", arguments="{}", definition=tool.digest, settings=tool.settings)
    async with asyncio.TaskGroup() as group:
        calling = group.create_task(hub.executor([spec]).call(call, "key"))
        await until_there(tmp_path / "go.reached")
        program.write_text(SLOW.replace("Slowly.", "Otherwise."), encoding="utf-8")
        listing = group.create_task(hub.definitions([spec]))
        await asyncio.sleep(0.1)
        (tmp_path / "go").touch()
    assert calling.result().text == "done"
    assert [each.description for each in listing.result()] == ["Otherwise."]


SLOW = """
import json, sys, time
from pathlib import Path

go = Path(sys.argv[1])
for line in sys.stdin:
    heard = json.loads(line)
    if "id" not in heard:
        continue
    if heard["method"] == "initialize":
        about = {"name": "slow", "version": "1"}
        version = heard["params"]["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    elif heard["method"] == "tools/list":
        result = {"tools": [{"name": "slow", "description": "Slowly.", "inputSchema": {"type": "object"}}]}
    else:
        Path(f"{go}.reached").touch()
        while not go.exists():
            time.sleep(0.01)
        result = {"content": [{"type": "text", "text": "done"}]}
    print(json.dumps({"jsonrpc": "2.0", "id": heard["id"], "result": result}), flush=True)
"""
