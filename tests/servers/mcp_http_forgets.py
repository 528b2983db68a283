"""`python -m tests.servers.mcp_http_forgets JOURNAL SHAPE [WHEN]`: loses its sessions, and says so as SHAPE has it.

WHEN is `listing`: every first session is forgotten after its first call; or `call`: it is forgotten when it gets a write.
"""

import json
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

from tests.servers.mcp_raw import Message, a_text, a_tool, greeting, note, part

JOURNAL = Path(sys.argv[1])
SHAPE = sys.argv[2]
WHEN = sys.argv[3]

SHAPES: Mapping[str, tuple[int, int | None, str, bool]] = {
    "python_sdk": (404, -32001, "Session not found", False),
    "old_python_sdk": (400, -32600, "Bad Request: No valid session ID provided", False),
    "typescript_sdk": (400, -32000, "Bad Request: No valid session ID provided", False),
    "typescript_restarted": (400, -32000, "Bad Request: Server not initialized", False),
    "go_sdk": (404, None, "session not found", False),
    "echoes_the_id": (404, -32001, "Session not found", True),
    "gateway": (401, None, "unknown session", False),
}
"""Status, code (None: plain text), words, and whether the error has the id of the request."""

LOST: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    """One request at a time and thread; keeps connections open, as servers do."""

    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, format: str, *args: object) -> None:  # the base class calls it so
        pass

    def do_DELETE(self) -> None:  # the base class calls it so
        self.send("", status=405)

    def do_GET(self) -> None:  # likewise
        self.send("", status=405)

    def do_POST(self) -> None:  # likewise
        message = part(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        session = str(self.headers.get("mcp-session-id"))
        if message.get("method") == "tools/call" and WHEN == "call" and not LOST and JOURNAL.exists():
            LOST.add(session)
        if session in LOST:
            self.refuse(message)
        elif "id" not in message:
            self.send("", status=202)
        elif message.get("method") == "initialize":
            self.answer(message, greeting(), session=f"session-{len(LOST)}")
        elif message.get("method") == "tools/list":
            self.answer(message, {"tools": [a_tool("look"), a_tool("write")]})
        else:
            note(JOURNAL, part(message["params"]))
            if WHEN == "listing" and not LOST:
                LOST.add(session)
            self.answer(message, a_text("did it"))

    def refuse(self, message: Message) -> None:
        """Say that there is no such session."""
        status, code, words, echoes = SHAPES[SHAPE]
        if code is None:
            self.send(words, status=status, kind="text/plain")
            return
        number = message.get("id") if echoes else None
        error = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}}
        self.send(json.dumps(error), status=status)

    def answer(self, message: Message, result: Message, session: str | None = None) -> None:
        """Answer as one should."""
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        self.send(text, headers={} if session is None else {"mcp-session-id": session})

    def send(
        self, text: str, *, status: int = 200, kind: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        """A whole response."""
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201  # how the test learns the port
    server.serve_forever()


if __name__ == "__main__":
    main()
