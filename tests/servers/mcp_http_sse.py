"""`python -m tests.servers.mcp_http_sse JOURNAL [PORT]`: the SDK's own server over the transport of 2024, with two streams."""

import json
import socket
import sys
from pathlib import Path

import uvicorn
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

JOURNAL = Path(sys.argv[1])

server = MCPServer("older")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def look(size: int) -> str:
    """Look at so many characters."""
    return "x" * size


@server.tool()
def write(title: str) -> str:
    """Write something down."""
    with JOURNAL.open("a", encoding="utf-8") as writer:
        writer.write(json.dumps({"title": title}) + "\n")
    return f"wrote {title}"


def main() -> None:
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with socket.create_server(("127.0.0.1", port)) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201  # how the test learns the port
        config = uvicorn.Config(server.sse_app(), log_level="error", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
