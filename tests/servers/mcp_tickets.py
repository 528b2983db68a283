"""`python -m tests.servers.mcp_tickets JOURNAL`: `open` returns a ticket's id as a declared result, `comment` takes one."""

import sys
from pathlib import Path

from tests.servers.mcp_raw import Message, a_tool, note, serve

JOURNAL = Path(sys.argv[1])
ID: Message = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
TITLE: Message = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
TOOLS = [a_tool("open", inputSchema=TITLE, outputSchema=ID), a_tool("comment", inputSchema=ID, outputSchema=ID)]


def call(params: Message) -> Message:
    note(JOURNAL, params)
    lines = JOURNAL.read_text(encoding="utf-8").splitlines()
    return {"content": [], "structuredContent": {"id": f"T{len(lines)}"}}


if __name__ == "__main__":
    serve(lambda _: {"tools": TOOLS}, call)
