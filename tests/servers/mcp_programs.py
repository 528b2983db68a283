"""How tests start the servers in this folder, and what they find out about them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from coordination.domain.caller import Caller
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.ports import Executor, ServerSpec, ToolHub, ToolOutput
from tests import forked
from tests.servers.mcp_raw import Message, part

ROOT = Path(__file__).parents[2]


def stdio(
    program: str,
    *args: object,
    name: str = "world",
    env: Mapping[str, str] | None = None,
    start_timeout: float = 30.0,
    call_timeout: float = 30.0,
    is_forked: bool = True,
) -> ServerSpec:
    """One of the programs in this folder as the config would describe it.

    A fork is cheap; where the process itself is what matters (its children, its rights, its end), it begins from nothing.
    """
    return ServerSpec(
        name=name,
        transport="stdio",
        identity=f"python -m {program}",
        command=forked.python() if is_forked else sys.executable,
        args=("-m", f"tests.servers.{program}", *(str(each) for each in args)),
        env=tuple((env or {}).items()),
        cwd=str(ROOT),
        start_timeout=start_timeout,
        call_timeout=call_timeout,
    )


def http(
    port: int, *, path: str = "/mcp", headers: Mapping[str, str] | None = None, call_timeout: float = 30.0
) -> ServerSpec:
    """A server on this port."""
    url = f"http://127.0.0.1:{port}{path}"
    return ServerSpec(
        name="world",
        transport="http",
        identity=url,
        url=url,
        headers=tuple((headers or {}).items()),
        call_timeout=call_timeout,
    )


class Approving:
    """An executor to which calls come as people approved them: of the settings and definition that the server has now."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        return await self._executor.definition_digest(server, tool, expected)

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        definition, settings = "", ""
        with suppress(ToolServerError):
            settings = await self._executor.settings_digest(call.server)
            definition = await self._executor.definition_digest(call.server, call.tool) or ""
        return await self._executor.call(replace(call, definition=definition, settings=settings), key, seconds)


def approving(hub: ToolHub, specs: Sequence[ServerSpec], caller: Caller | None = None) -> Approving:
    """The power to run calls that were approved a moment ago."""
    return Approving(hub.executor(specs, caller))


@asynccontextmanager
async def listening(program: str, *args: object) -> AsyncGenerator[tuple[int, forked.Forked]]:
    """A program that serves HTTP and prints its port first."""
    given = [str(each) for each in args]
    with forked.start(f"tests.servers.{program}", *given, environ=os.environ, shares_errors=True) as process:
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                yield int(await asyncio.to_thread(process.stdout.readline)), process
        finally:
            process.kill()


def writer(file: Path) -> Sequence[Message]:
    """The calls that were performed."""
    if not file.exists():
        return []
    return [part(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


async def until_ended(pid: int) -> None:
    """Wait until a process is gone, whoever started it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(60):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
