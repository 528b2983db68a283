"""`python -m tests.servers.mcp_growing JOURNAL MORE`: `read_one`, and every tool of the JSON file MORE once that exists."""

import json
import sys
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, note, serve

JOURNAL, MORE = Path(sys.argv[1]), Path(sys.argv[2])


def tools(params: Message) -> Message:
    """The file has names and their annotations, or descriptions, which win over what was there before."""
    more: dict[str, Message] = json.loads(MORE.read_text(encoding="utf-8")) if MORE.exists() else {}
    nothing: Message = {}
    hints: dict[str, Message] = {"read_one": nothing, **more}
    return {"tools": [_tool(name, said) for name, said in hints.items()]}


def _tool(name: str, said: Message) -> Message:
    hints = {hint: value for hint, value in said.items() if hint != "description"}
    return {**a_tool(name, annotations=hints), **{key: said[key] for key in said if key == "description"}}


def call(params: Message) -> Message:
    note(JOURNAL, params)
    return a_text("done")


serve(tools, call)
