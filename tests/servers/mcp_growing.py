"""`python -m tests.servers.mcp_growing JOURNAL MORE`: `read_one`, and every tool of the JSON file MORE once that exists."""

import json
import sys
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, note, serve

JOURNAL, MORE = Path(sys.argv[1]), Path(sys.argv[2])


def tools(params: Message) -> Message:
    """The file has names and their annotations, which win over what was there before."""
    more: dict[str, Message] = json.loads(MORE.read_text(encoding="utf-8")) if MORE.exists() else {}
    nothing: Message = {}
    hints: dict[str, Message] = {"read_one": nothing, **more}
    return {"tools": [a_tool(name, annotations=said) for name, said in hints.items()]}


def call(params: Message) -> Message:
    note(JOURNAL, params)
    return a_text("done")


serve(tools, call)
