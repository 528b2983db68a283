"""`python -m tests.servers.mcp_ledger JOURNAL`: `look` reads, `write` writes a line of the journal, with typed arguments."""

import sys
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, note, serve

JOURNAL = Path(sys.argv[1])
WRITES: Message = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "channel": {"type": "string"}},
    "required": ["text", "channel"],
}
TOOLS = [a_tool("look"), a_tool("write", inputSchema=WRITES)]


def call(params: Message) -> Message:
    if params["name"] == "look":
        return a_text("All is quiet.")
    note(JOURNAL, params)
    return a_text("written")


if __name__ == "__main__":
    serve(lambda _: {"tools": TOOLS}, call)
