"""`python -m tests.servers.mcp_http_sse JOURNAL [PORT [streamable]]`: the SDK's own server over the transport of 2024.

With `streamable`: over the one that took its place, at the same address.
"""

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
        app = server.streamable_http_app(streamable_http_path="/sse") if "streamable" in sys.argv else server.sse_app()
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
