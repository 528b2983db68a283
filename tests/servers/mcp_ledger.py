"""`python -m tests.servers.mcp_ledger JOURNAL [MORE]`: `look` reads, `write` writes a line of the journal, MORE do nothing.

A write that is in the journal is not answered while there is a file JOURNAL.held, for 30 seconds at most.
"""

import sys
import threading
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, note, serve

JOURNAL = Path(sys.argv[1])
HELD = JOURNAL.with_name(f"{JOURNAL.name}.held")
WRITES: Message = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "channel": {"type": "string"}},
    "required": ["text", "channel"],
}
ABOUT = (
    "Does one of the things that servers do, and says at length when to call it, with what, and what comes back. " * 6
)
OTHERS = [a_tool(f"other_{n}", description=ABOUT, inputSchema=WRITES) for n in range(int([*sys.argv, "0"][2]))]
TOOLS = [a_tool("look"), a_tool("write", inputSchema=WRITES), *OTHERS]


def call(params: Message) -> Message:
    if params["name"] == "look":
        return a_text("All is quiet.")
    note(JOURNAL, params)
    for _ in range(600):
        if not HELD.exists():
            break
        threading.Event().wait(0.05)
    return a_text("written")


if __name__ == "__main__":
    serve(lambda _: {"tools": TOOLS}, call)
