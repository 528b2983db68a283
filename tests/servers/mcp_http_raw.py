"""`python -m tests.servers.mcp_http_raw JOURNAL BEHAVIOUR`: counts each tools/call that arrives by HTTP, and answers badly."""

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

from tests.servers.mcp_raw import Message, a_text, a_tool, greeting, note, part

JOURNAL = Path(sys.argv[1])
BEHAVIOUR = sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    """One request at a time and thread; keeps connections open, as servers do."""

    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, format: str, *args: object) -> None:  # the base class calls it so
        pass

    def do_DELETE(self) -> None:  # the base class calls it so
        self.send("", status=405)

    def do_GET(self) -> None:  # likewise
        """The stream of notifications, or the rest of one that broke off."""
        if "last-event-id" in self.headers:
            note(JOURNAL, {"resumed": self.headers["last-event-id"]})
        self.send("", status=405)

    def do_POST(self) -> None:  # likewise
        message = part(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        session = self.headers.get("mcp-session-id")
        match message.get("method"):
            case _ if "id" not in message:
                self.send("", status=202)
            case "initialize":
                first = "-first" if not JOURNAL.exists() else "-later"
                self.answer(message, greeting(), session=BEHAVIOUR + first)
            case "tools/list" if BEHAVIOUR == "expires" and session == "expires-first" and JOURNAL.exists():
                self.send("no such session", status=404)
            case "tools/list":
                self.answer(message, {"tools": [a_tool("look"), a_tool("write")]})
            case "tools/call" if BEHAVIOUR == "expires" and session == "expires-first" and JOURNAL.exists():
                self.send("no such session", status=404)
            case "tools/call":
                note(JOURNAL, {**part(message["params"]), "path": self.path})
                BEHAVIOURS[BEHAVIOUR](self, message)
            case _:
                error: Message = {"code": -32601, "message": "unknown"}
                self.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), status=404)

    def answer(self, message: Message, result: Message, session: str | None = None) -> None:
        """Answer as one should."""
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        self.send(text, headers={} if session is None else {"mcp-session-id": session})

    def send(
        self,
        text: str,
        *,
        status: int = 200,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
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


def well(handler: Handler, message: Message) -> None:
    handler.answer(message, a_text("did it"))


def is_large(handler: Handler, message: Message) -> None:
    handler.answer(message, a_text("x" * 5_000))


def redirects(handler: Handler, message: Message) -> None:
    """As servers do that want a slash at the end: the client is to send the same once more."""
    handler.send("", status=307, headers={"location": "/mcp/"})


def sees_other(handler: Handler, message: Message) -> None:
    handler.send("", status=303, headers={"location": "/done"})


def forbids(handler: Handler, message: Message) -> None:
    handler.send("no", status=403, kind="text/plain")


def breaks(handler: Handler, message: Message) -> None:
    handler.send("Traceback: token=hunter2", status=500, kind="text/plain")


def gateway_times_out(handler: Handler, message: Message) -> None:
    error: Message = {"code": -32603, "message": "upstream"}
    handler.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), status=504)


def rejects(handler: Handler, message: Message) -> None:
    error: Message = {"code": -32602, "message": "no such title"}
    handler.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), status=400)


def accepts_only(handler: Handler, message: Message) -> None:
    handler.send("", status=202)


def shows_a_page(handler: Handler, message: Message) -> None:
    handler.send("<h1>Hello</h1>", kind="text/html")


def half_an_answer(handler: Handler, message: Message) -> None:
    """Promises more than it sends, and hangs up."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"jsonrpc"')
    handler.close_connection = True


def garbles(handler: Handler, message: Message) -> None:
    """Says that its answer is compressed; it is not."""
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": []}}).encode()
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def hangs_up(handler: Handler, message: Message) -> None:
    handler.close_connection = True


def drops_the_stream(handler: Handler, message: Message) -> None:
    """Begins to stream, names an event to resume from, and hangs up."""
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    handler.wfile.write(b"id: 1\nretry: 1\ndata:\n\n")
    handler.close_connection = True


def is_silent(handler: Handler, message: Message) -> None:
    threading.Event().wait()


BEHAVIOURS: dict[str, Callable[[Handler, Message], None]] = {
    "expires": well,
    **{
        each.__name__: each
        for each in (
            well,
            is_large,
            redirects,
            sees_other,
            forbids,
            breaks,
            gateway_times_out,
            rejects,
            accepts_only,
            shows_a_page,
            half_an_answer,
            garbles,
            hangs_up,
            drops_the_stream,
            is_silent,
        )
    },
}


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201  # how the test learns the port
    server.serve_forever()


if __name__ == "__main__":
    main()
