"""The published MCP servers that are tried: where they are installed, and how a configuration would describe them."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from coordination.ports import ServerSpec
from tests.npm import NpmFolder, node

ROOT = Path(__file__).parents[2]
PACKAGES = NpmFolder(Path(__file__).parent, ROOT / ".servers")
PYTHON = ROOT / ".venv-servers/bin/python"
SQLITE = ROOT / ".venv-servers-sqlite/bin/mcp-server-sqlite"
SCOPE = "@modelcontextprotocol/server-"


def from_npm(name: str, *args: str, env: dict[str, str] | None = None, call_timeout: float = 30.0) -> ServerSpec:
    """A server that `npx` would run."""
    program = PACKAGES.program(f"{SCOPE}{name}", "dist/index.js")
    return _stdio(name, str(node()), str(program), *args, env=env, call_timeout=call_timeout)


def from_pypi(module: str, *args: str) -> ServerSpec:
    """A server that `uvx` would run."""
    return _stdio(module.removeprefix("mcp_server_"), str(PYTHON), "-m", module, *args)


def _stdio(
    name: str, command: str, *args: str, env: dict[str, str] | None = None, call_timeout: float = 30.0
) -> ServerSpec:
    return ServerSpec(
        name=name,
        transport="stdio",
        identity=name,
        command=command,
        args=args,
        env=tuple((env or {}).items()),
        call_timeout=call_timeout,
    )


def at(port: int, path: str) -> ServerSpec:
    """server-everything over HTTP."""
    url = f"http://127.0.0.1:{port}{path}"
    return ServerSpec(name="everything", transport="http", identity=url, url=url)


def free_port() -> int:
    """A port that was free a moment ago: these servers can't be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def everything(transport: str, port: int) -> AsyncGenerator[None]:
    """server-everything, listening; `transport` is what it calls `streamableHttp` or `sse`."""
    program = PACKAGES.program(f"{SCOPE}everything", "dist/index.js")
    process = await asyncio.create_subprocess_exec(
        str(node()),
        str(program),
        transport,
        env={**os.environ, "PORT": str(port)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            while not await _answers(port):  # noqa: ASYNC110  # another process can't set an event here
                await asyncio.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
