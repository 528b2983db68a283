"""Threat: a tool server that misbehaves on its pipes takes the bot down, or every other run that uses it."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ToolOutput
from tests.servers.mcp_programs import ROOT, stdio, until_ended

TOOLS = frozenset({("world", "look"), ("world", "well")})
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(90), McpHub(Patience(first=0.01)) as hub:
        yield hub


async def read(hub: McpHub, behaviour: str, tool: str = "look", *, call_timeout: float = 60.0) -> ToolOutput:
    spec = stdio("mcp_unruly", behaviour, call_timeout=call_timeout, is_forked=False)
    return await hub.reader([spec], TOOLS).read("world", tool, {})


async def test_a_byte_that_is_not_utf_8_spoils_a_character_and_not_the_server(hub: McpHub) -> None:
    assert await read(hub, "bad_byte", call_timeout=5) == ToolOutput(text="gr\N{REPLACEMENT CHARACTER}n")
    assert await read(hub, "bad_byte", "well", call_timeout=5) == ToolOutput(text="well")


async def test_an_answer_that_can_not_be_read_fails_its_call_at_once_and_no_other(hub: McpHub) -> None:
    began = time.monotonic()
    with pytest.raises(ToolServerError, match=r"The MCP server world sent an answer that can't be read\."):
        await read(hub, "half_an_answer")
    assert time.monotonic() - began < 20
    assert (await read(hub, "half_an_answer", "well")).text == "well"


@LINUX
@pytest.mark.parametrize("behaviour", ["huge", "huge_id_last"])
async def test_an_answer_of_100_mb_fails_its_call_and_memory_stays_flat(hub: McpHub, behaviour: str) -> None:
    await read(hub, behaviour, "well")
    before = most_memory(reset=True)
    with pytest.raises(ToolServerError, match=r"The MCP server world answered with more than 16 MB\."):
        await read(hub, behaviour)
    assert most_memory() - before < 60_000, "kilobytes"
    assert (await read(hub, behaviour, "well")).text == "well"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("floods", "flooded its standard output with unsolicited lines, and was stopped"),
        ("floods_with_messages", "flooded its standard output with unsolicited lines, and was stopped"),
        ("floods_stderr", "flooded its standard error, and was stopped"),
        ("endless_line", "wrote a line without end to its standard output, and was stopped"),
    ],
)
async def test_a_server_that_floods_is_put_down_with_a_sentence(
    hub: McpHub, behaviour: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coordination")
    # A read is asked twice, the second time of a server that was started again.
    with pytest.raises(ToolServerError, match=f"The MCP server world {words}"):
        await read(hub, behaviour)
    assert f"the MCP server world {words}" in caplog.text
    assert (await read(hub, behaviour, "well")).text == "well"


async def test_a_server_that_leaves_by_itself_leaves_no_child_behind(tmp_path: Path) -> None:
    async with asyncio.timeout(60), McpHub() as hub:
        pids = (await read(hub, "leaves_a_child")).text.split()
    for pid in pids:
        await until_ended(int(pid))


PROGRAM = """
import asyncio, sys
from tests.threats.test_unruly_tool_server import McpHub, read

async def main():
    async with McpHub() as hub:
        print((await read(hub, sys.argv[1])).text, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@LINUX
async def test_a_killed_bot_takes_its_servers_and_their_children_with_it() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "leaves_a_child", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        pids = [int(each) for each in (await process.stdout.readline()).split()]
        assert len(pids) == 2
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    for pid in pids:
        await until_ended(pid)
    async with asyncio.timeout(60):
        await process.stdout.read()  # to its end: only then is the pipe closed


@LINUX
async def test_a_server_gets_a_signal_of_the_kernel_when_the_bot_dies_and_no_rights_by_setuid(hub: McpHub) -> None:
    pid = int((await read(hub, "leaves_a_child")).text.split()[0])
    status = await asyncio.to_thread(Path(f"/proc/{pid}/status").read_text)
    assert "NoNewPrivs:\t1" in status
    assert os.getpgid(pid) == pid, "a group of its own"


async def test_terminal_escapes_of_a_server_are_written_out(hub: McpHub, caplog: pytest.LogCaptureFixture) -> None:
    logger = "coordination.mcp_tools.stdio_transport"
    caplog.set_level(logging.DEBUG, logger)
    await read(hub, "steers_the_terminal")
    said: list[str] = []
    async with asyncio.timeout(60):
        while not said:
            await asyncio.sleep(0.01)  # another process writes it
            said = [record.getMessage() for record in caplog.records if record.name == logger]
    assert said[0].isprintable()
    assert said[0] == r"world: \x1b]0;owned\x07\x1b[2J\x9b31mred\r\u202e hidden"


def most_memory(*, reset: bool = False) -> int:
    """The most memory that this process had, in kilobytes; counted anew from here on if `reset`."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])
