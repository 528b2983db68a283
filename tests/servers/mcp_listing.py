"""`python -m tests.servers.mcp_listing BEHAVIOUR [TRIGGER]`: lists its tools in ways that a client must survive."""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.servers.mcp_raw import Json, Message, a_text, a_tool, part, say, serve

PAGE = 100


def thousand(params: Message) -> Message:
    return pages(params, 1_000)


def too_many(params: Message) -> Message:
    return pages(params, 5_000)


def pages(params: Message, total: int) -> Message:
    start = int(str(params.get("cursor", "0")))
    tools = [a_tool(f"tool_{number:04}") for number in range(start, start + PAGE)]
    following: Message = {"nextCursor": str(start + PAGE)} if start + PAGE < total else {}
    return {"tools": tools, **following}


def endless(params: Message) -> Message:
    """Pages with nothing on them, for ever."""
    return {"tools": [], "nextCursor": str(int(str(params.get("cursor", "0"))) + 1)}


def same_cursor(params: Message) -> Message:
    return {"tools": [a_tool("again")], "nextCursor": "again"}


def duplicates(params: Message) -> Message:
    return {"tools": [a_tool("post"), a_tool("post", description="Another one.")]}


def not_a_number(params: Message) -> Message:
    return {"tools": [a_tool("odd", inputSchema={"type": "object", "maximum": float("nan")})]}


def nonsense(params: Message) -> Message:
    return {"tools": "none"}


def changes(params: Message) -> Message:
    """Describes a tool in other words each time."""
    LISTED.append("")
    return {"tools": [a_tool("post", description=f"Posts, as of {len(LISTED)}."), a_tool("read_board")]}


LISTED: list[str] = []


def starts_slowly(params: Message) -> Message:
    """Has its tools one by one, and says so each time; as often as the file says, if there is one."""
    LISTED.append("")
    trigger = Path(sys.argv[2])
    if len(LISTED) > (int(trigger.read_text()) if trigger.exists() else 0):
        return {"tools": [a_tool("read_board"), a_tool("post", description="Posts to #general.")]}
    say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    half = [a_tool("read_board", description="Asks which channels there are …")]
    return {"tools": half if len(LISTED) % 2 else [*half, a_tool("post", description="Asks which channels …")]}


def falls_silent(params: Message) -> Message:
    """Answers only the first time."""
    trigger = Path(sys.argv[2])
    if trigger.exists():
        threading.Event().wait()
    trigger.touch()
    return {"tools": [a_tool("post")]}


def dies_when_told(params: Message) -> Message:
    """The file is its order to die, once."""
    trigger = Path(sys.argv[2])
    if trigger.exists():
        trigger.unlink()
        os._exit(7)
    return {"tools": [a_tool("post")]}


def hangs_when_told(params: Message) -> Message:
    """The file is its order to hang, once."""
    trigger = Path(sys.argv[2])
    if trigger.exists():
        trigger.unlink()
        threading.Event().wait()
    return {"tools": [a_tool("post")]}


def without_tools(params: Message) -> Message:
    return {"error": {"code": -32601, "message": "tools/list is not known here"}}


def changing(params: Message) -> Message:
    """The file holds what becomes of the tool; while there is none, it is as it was."""
    trigger = Path(sys.argv[2])
    change = part(json.loads(trigger.read_text()) if trigger.exists() else {})
    about: dict[str, Json] = {
        "description": "Posts a notice.",
        "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}},
        "outputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": False},
    }
    gone = {name for name, value in change.items() if value is None}
    kept = {name: value for name, value in {**about, **change}.items() if name not in gone}
    return {"tools": [] if "name" in gone else [{"name": "post", **kept}]}


def changes_meanwhile(params: Message) -> Message:
    """Has changed its tools already when its first list arrives, and said so before."""
    trigger = Path(sys.argv[2])
    if trigger.exists():
        return {"tools": [a_tool("new")]}
    trigger.touch()
    say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    return {"tools": [a_tool("old")]}


LISTS: dict[str, Callable[[Message], Message]] = {
    each.__name__: each
    for each in (
        thousand,
        too_many,
        endless,
        same_cursor,
        duplicates,
        not_a_number,
        nonsense,
        changes,
        changing,
        changes_meanwhile,
        without_tools,
        starts_slowly,
        falls_silent,
        dies_when_told,
        hangs_when_told,
    )
}


def announce(params: Message) -> Message:
    """Any call makes the server say that its tools have changed."""
    say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    return {**a_text("said so"), "structuredContent": {}}


if __name__ == "__main__":
    serve(LISTS[sys.argv[1]], announce)
