"""`python -m tests.soak.moody_server JOURNAL SEED`: a server on stdio that dies, hangs, writes junk and changes its tools.

It notes each write when it is done and again when it was answered, so that nobody can call an answered one unknown.
"""

import json
import os
import random
import sys
import threading
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, greeting, hear, part, reply, say

JOURNAL = Path(sys.argv[1])
DICE = random.Random(f"{sys.argv[2]}-{os.getpid()}")  # noqa: S311  # no secret
TOOLS = [a_tool("look", annotations={"readOnlyHint": True}), a_tool("write")]


def note(what: str, message: Message) -> None:
    name = part(part(message.get("params")).get("arguments")).get("name")
    with JOURNAL.open("a", encoding="utf-8") as file:
        file.write(json.dumps([what, name]) + "\n")


def be_moody() -> None:
    """Before a read: nothing, or something that a program in the field does on a bad day."""
    match DICE.randrange(12):
        case 0:
            os._exit(1)
        case 1:
            threading.Event().wait()
        case 2:
            sys.stdout.write("junk\n\n{]\n" + json.dumps({"jsonrpc": "2.0", "id": 10**6, "result": {}}) + "\n")
        case 3:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"\xff\xfe not a text\n")
            sys.stdout.buffer.flush()
        case 4:
            TOOLS.append(a_tool(f"more_{len(TOOLS)}"))
            say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        case 5:
            sys.stderr.write("a warning\n" * 2_000)
        case _:
            pass


def main() -> None:
    while (message := hear()) is not None:
        name = part(message.get("params")).get("name")
        match message.get("method"):
            case "initialize":
                reply(message, greeting())
            case "tools/list":
                reply(message, {"tools": TOOLS})
            case "tools/call" if name == "write":
                note("done", message)
                if DICE.randrange(20) == 0:
                    os._exit(1)
                reply(message, a_text("written"))
                note("answered", message)
            case "tools/call":
                be_moody()
                reply(message, a_text("looked " + "x" * DICE.choice([10, 10, 200_000])))
            case "ping":
                reply(message, {})
            case _:
                pass


if __name__ == "__main__":
    main()
