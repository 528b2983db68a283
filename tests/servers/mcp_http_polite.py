"""`python -m tests.servers.mcp_http_polite JOURNAL TOKEN`: the SDK's own server over streamable HTTP, behind a bearer token."""

import json
import socket
import sys
from pathlib import Path

import uvicorn
from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

JOURNAL = Path(sys.argv[1])

server = MCPServer("polite")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def look(where: str) -> str:
    """Look somewhere."""
    return f"nothing at {where}"


@server.tool()
def write(title: str, number: int) -> str:
    """Write something down."""
    with JOURNAL.open("a", encoding="utf-8") as writer:
        writer.write(json.dumps({"title": title, "number": number}) + "\n")
    return f"wrote {title}"


async def check(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Let only those in who know the token."""
    if request.headers.get("authorization") != f"Bearer {sys.argv[2]}":
        return PlainTextResponse("go away", status_code=401)
    return await call_next(request)


def main() -> None:
    app = server.streamable_http_app()
    app.add_middleware(BaseHTTPMiddleware, dispatch=check)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201  # how the test learns the port
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main()
