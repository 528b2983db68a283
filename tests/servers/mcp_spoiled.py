"""`python -m tests.servers.mcp_spoiled JOURNAL stdio|json|sse FILE`: answers what a file says, letter by letter.

The file is a JSON object: `tools`, a list of texts, one for the result of each page of tools/list in turn, the last for
all that follow; and `call`, a text that stands behind the id of the answer to tools/call. A `type` is the content type.
"""

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from typing_extensions import override

from tests.servers.mcp_raw import Message, greeting, hear, note, part

JOURNAL, WIRE = Path(sys.argv[1]), sys.argv[2]
SAYS = part(json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))
PAGES = [str(each) for each in SAYS["tools"]] if isinstance(SAYS["tools"], list) else []
ASKED: list[str | None] = []


def answer(message: Message) -> str | None:
    """The whole answer as a text, or None for what gets none."""
    if "id" not in message:
        return None
    number, params = json.dumps(message["id"]), part(message.get("params"))
    match message.get("method"):
        case "initialize":
            rest = f'"result": {json.dumps(greeting(params.get("protocolVersion")))}'
        case "tools/list":
            cursor = params.get("cursor")
            ASKED.append(None if cursor is None else str(cursor))
            page = len(ASKED) - 1 - max(index for index, each in enumerate(ASKED) if index == 0 or each is None)
            rest = f'"result": {PAGES[min(page, len(PAGES) - 1)]}'
        case "tools/call":
            note(JOURNAL, params)
            rest = str(SAYS["call"])
        case _:
            rest = '"error": {"code": -32601, "message": "unknown"}'
    return f'{{"jsonrpc": "2.0", "id": {number}, {rest}}}'


class Handler(BaseHTTPRequestHandler):
    """The same by HTTP."""

    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, format: str, *args: object) -> None:  # the base class calls it so
        pass

    def do_GET(self) -> None:  # likewise
        self.send(405, "", "text/plain")

    def do_DELETE(self) -> None:  # likewise
        self.send(405, "", "text/plain")

    def do_POST(self) -> None:  # likewise
        message = part(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        text = answer(message)
        kind = (
            str(SAYS.get("type", "application/json")) if message.get("method") == "tools/call" else "application/json"
        )
        if text is None:
            self.send(202, "", kind)
        elif WIRE == "sse":
            self.send(200, f": hello\nevent: message\ndata: {text}\n\n", "text/event-stream")
        else:
            self.send(200, text, kind)

    def send(self, status: int, text: str, kind: str) -> None:
        """A whole response."""
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve_lines(say: Callable[[str], object]) -> None:
    """Answer on stdio until the input ends."""
    while (message := hear()) is not None:
        text = answer(message)
        if text is not None:
            say(text + "\n")
            sys.stdout.flush()


def main() -> None:
    if WIRE == "stdio":
        serve_lines(sys.stdout.write)
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)  # noqa: T201  # how the test learns the port
    server.serve_forever()


if __name__ == "__main__":
    main()
