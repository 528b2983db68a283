"""`python -m tests.servers.mcp_modern JOURNAL BEHAVIOUR`: speaks only the stateless protocol of 2026, which lets clients re-send."""

import sys
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, hear, note, part, refuse, reply

VERSION = "2026-07-28"
JOURNAL = Path(sys.argv[1])

HEADER_MISMATCH = -32020
UNSUPPORTED = -32022


def discovered() -> Message:
    return {
        "resultType": "complete",
        "supportedVersions": [VERSION],
        "capabilities": {"tools": {}},
        "ttlMs": 60_000,
        "cacheScope": "public",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "modern", "version": "1"}},
    }


def call(message: Message) -> None:
    """Performs the call each time that it comes, and asks to have it sent again."""
    note(JOURNAL, part(message["params"]))
    if sys.argv[2] == "input_required":
        reply(message, {"resultType": "input_required", "requestState": "go on", "inputRequests": {}})
    elif sys.argv[2] == "header_mismatch":
        refuse(message, HEADER_MISMATCH, "a header is missing")
    else:
        reply(message, {"resultType": "complete", **a_text("done")})


def main() -> None:
    while (message := hear()) is not None:
        match message.get("method"):
            case "server/discover":
                reply(message, discovered())
            case "tools/list":
                name = "renamed" if JOURNAL.with_name("trigger").exists() else "write"
                page: Message = {"tools": [a_tool(name)], "ttlMs": 60_000, "cacheScope": "public"}
                reply(message, {"resultType": "complete", **page})
            case "tools/call":
                call(message)
            case "initialize":
                data: Message = {"supported": [VERSION], "requested": "2025-11-25"}
                reply(message, {"error": {"code": UNSUPPORTED, "message": "too old", "data": data}})
            case method if "id" in message:
                refuse(message, -32601, f"{method} is not known here")
            case _:
                pass


if __name__ == "__main__":
    main()
