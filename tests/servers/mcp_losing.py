"""An MCP server in this process that loses a session at one moment, and says so, or fails, as vendors' servers do.

It speaks streamable HTTP at `/mcp` and the transport before it at `/sse`.
"""

import contextlib
import itertools
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, TypeAlias

from typing_extensions import override

from tests.servers.mcp_raw import Message, a_text, a_tool, greeting, part

Moment: TypeAlias = Literal["read", "write", "between"]
"""When the session is lost: as a read or a write of it arrives, or after its first read was answered."""

REFUSALS: Mapping[str, tuple[int, int | None, str, bool]] = {
    "python_sdk": (404, -32001, "Session not found", False),
    "python_sdk_terminated": (404, -32600, "Not Found: Session has been terminated", False),
    "old_python_sdk": (400, -32600, "Bad Request: No valid session ID provided", False),
    "typescript_sdk": (400, -32000, "Bad Request: No valid session ID provided", False),
    "typescript_restarted": (400, -32000, "Bad Request: Server not initialized", False),
    "typescript_404": (404, -32001, "Session not found", False),
    "go_sdk": (404, None, "session not found", False),
    "older_transport": (404, None, "Could not find session", False),
    "older_typescript": (400, None, "No transport found for sessionId", False),
    "empty_404": (404, None, "", False),
    "echoes_the_id": (404, -32001, "Session not found", True),
    "gateway": (401, None, "unknown session", False),
    "bare_401": (401, None, "", False),
}
"""Status, code (None: plain text), words, and whether the error has the id of the request."""

AWAY_SECONDS = 0.3


@dataclass
class Losses:
    """What the server does, and what it has done."""

    shape: str
    moment: Moment
    done: list[str] = field(default_factory=list[str])
    sessions: "itertools.count[int]" = field(default_factory=itertools.count)
    lost: set[str] = field(default_factory=set[str])
    streams: "dict[str, queue.Queue[Message | None]]" = field(default_factory=dict)  # by session
    happened: bool = False
    away_until: float = 0.0

    def is_due(self, message: Message) -> bool:
        """Whether the session is lost with this message."""
        tool = part(message.get("params")).get("name")
        wanted = {"read": "look", "write": "write", "between": None}[self.moment]
        return not self.happened and message.get("method") == "tools/call" and tool == wanted


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, losses: Losses) -> None:
        self.losses = losses
        super().__init__(("127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """The client went away, as it may."""


class LosingServer:
    """Listens on one port, with a pause where it is restarted."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self._listener = _Server(0, losses)
        self.port: int = self._listener.server_address[1]

    def restart(self) -> None:
        """Take no connection for a moment, and know no session then."""
        old = self._listener
        old.shutdown()
        old.server_close()
        threading.Event().wait(AWAY_SECONDS)
        self._listener = _Server(self.port, self.losses)

    def close(self) -> None:
        """Stop."""
        for stream in self.losses.streams.values():
            stream.put(None)
        self._listener.shutdown()
        self._listener.server_close()


@contextlib.contextmanager
def losing(shape: str, moment: Moment) -> Generator[LosingServer]:
    """A server of this behaviour."""
    server = LosingServer(Losses(shape, moment))
    _RESTARTS[server.port] = server
    try:
        yield server
    finally:
        server.close()
        del _RESTARTS[server.port]


_RESTARTS: dict[int, LosingServer] = {}


class _Handler(BaseHTTPRequestHandler):
    """One request at a time and thread; keeps connections open, as servers do."""

    protocol_version = "HTTP/1.1"

    @property
    def losses(self) -> Losses:
        """What this server does."""
        assert isinstance(self.server, _Server)
        return self.server.losses

    @override
    def log_message(self, format: str, *args: object) -> None:  # the base class calls it so
        pass

    def do_DELETE(self) -> None:  # the base class calls it so
        self.send("", status=405)

    def do_GET(self) -> None:  # likewise
        if not self.path.startswith("/sse"):
            self.send("", status=405)
            return
        losses, session = self.losses, f"session-{next(self.losses.sessions)}"
        stream = losses.streams[session] = queue.Queue()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self._event("endpoint", f"/messages?session_id={session}")
        while (message := stream.get()) is not None:
            self._event("message", json.dumps(message))
        self.close_connection = True

    def do_POST(self) -> None:  # likewise
        message = part(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if self.path == "/sse":
            self.send("", status=405)
            return
        losses = self.losses
        if time.monotonic() < losses.away_until:
            self.send("<h1>502 Bad Gateway</h1>", status=502, kind="text/html")
            return
        session = self.path.partition("session_id=")[2] or self.headers.get("mcp-session-id", "")
        if losses.is_due(message):
            self._lose(session, message)
        elif session in losses.lost:
            self._refuse(message)
        elif "id" not in message:
            self.send("", status=202)
        else:
            self._serve(message, session)

    def _serve(self, message: Message, session: str) -> None:
        losses = self.losses
        match message.get("method"):
            case "initialize":
                given = session or f"session-{next(losses.sessions)}"
                self.answer(message, greeting(), session, headers={"mcp-session-id": given})
            case "tools/list":
                self.answer(message, {"tools": [a_tool("look"), a_tool("write")]}, session)
            case "tools/call":
                losses.done.append(str(part(message.get("params")).get("name")))
                self.answer(message, a_text("did it"), session)
                if losses.moment == "between" and not losses.happened:
                    self._lose(session, None)
            case _:
                self.send("", status=400)

    def _lose(self, session: str, message: Message | None) -> None:
        """Lose the session: with this message, or with none."""
        losses = self.losses
        losses.happened = True
        losses.lost.add(session)
        if losses.shape == "is_away_behind_a_gateway":
            losses.away_until = time.monotonic() + AWAY_SECONDS
            if message is not None:
                self.send("<h1>502 Bad Gateway</h1>", status=502, kind="text/html")
            return
        if losses.shape in REFUSALS:
            if message is not None:
                self._refuse(message)
            return
        if losses.shape == "ends_the_stream":
            if message is not None and session not in losses.streams:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                self.wfile.write(b": working\n\n")
            elif message is not None:
                self.send("", status=202)
            self.close_connection = True
        else:
            self._reset()
        if losses.shape == "restarts":
            threading.Thread(target=_RESTARTS[self.connection.getsockname()[1]].restart, daemon=True).start()
        if session in losses.streams:
            losses.streams[session].put(None)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _refuse(self, message: Message) -> None:
        """Say that there is no such session."""
        status, code, words, echoes = REFUSALS.get(self.losses.shape, REFUSALS["python_sdk"])
        if code is None:
            self.send(words, status=status, kind="text/plain")
            return
        number = message.get("id") if echoes else None
        error = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}}
        self.send(json.dumps(error), status=status)

    def answer(self, message: Message, result: Message, session: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer as one should, on the stream if the session has one."""
        whole: Message = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        if session in self.losses.streams:
            self.send("", status=202)
            self.losses.streams[session].put(whole)
        else:
            self.send(json.dumps(whole), headers=headers)

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

    def _event(self, kind: str, data: str) -> None:
        self.wfile.write(f"event: {kind}\ndata: {data}\n\n".encode())
        self.wfile.flush()
