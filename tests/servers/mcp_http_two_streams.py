"""`python -m tests.servers.mcp_http_two_streams JOURNAL BEHAVIOUR`: events on one stream, messages by POST, calls not taken."""

import json
import queue
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

from tests.servers.mcp_raw import Json, Message, a_text, a_tool, greeting, note, part

JOURNAL, BEHAVIOUR = Path(sys.argv[1]), sys.argv[2]
EVENTS: "queue.Queue[Message | None]" = queue.Queue()
STATUSES = {"refuses": 429, "forgets": 404, "breaks": 500, "objects": 400, "has_moved": 405, "redirects": 307}


class Handler(BaseHTTPRequestHandler):
    """One client at a time."""

    @override
    def log_message(self, format: str, *args: object) -> None:  # the base class calls it so
        pass

    def do_GET(self) -> None:  # the base class calls it so
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        elsewhere = "http://localhost:1" if BEHAVIOUR == "sends_elsewhere" else ""
        self._event("endpoint", f"{elsewhere}/messages?session_id=1")
        while (message := EVENTS.get()) is not None:
            self._event("message", json.dumps(message))

    def do_POST(self) -> None:  # likewise
        message = part(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if self.path == "/sse":
            self._status(405)
        elif message.get("method") == "tools/call":
            note(JOURNAL, part(message.get("params")))
            self._misbehave(message["id"])
        else:
            self._status(202)
            if "id" in message:
                result = greeting() if message["method"] == "initialize" else {"tools": [a_tool("write")]}
                EVENTS.put({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _misbehave(self, number: Json) -> None:
        if BEHAVIOUR == "ends_the_stream":
            self._status(202)
            EVENTS.put(None)
        elif BEHAVIOUR == "is_large":
            self._status(202)
            EVENTS.put({"jsonrpc": "2.0", "id": number, "result": a_text("x" * 5_000)})
            EVENTS.put(None)
        elif BEHAVIOUR != "hangs_up":
            self._status(STATUSES[BEHAVIOUR])
        else:
            self.close_connection = True

    def _status(self, status: int) -> None:
        self.send_response(status)
        self.send_header("location", "/messages?session_id=2")
        self.send_header("content-length", "0")
        self.end_headers()

    def _event(self, kind: str, data: str) -> None:
        self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
        self.wfile.flush()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)  # noqa: T201  # how the test learns the port
        server.serve_forever()
