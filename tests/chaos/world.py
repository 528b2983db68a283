"""`python -m tests.chaos.world JOURNAL`: a tool server whose calls take their time, and that writes down what it did.

A call has its effect at its end: after its seconds, and not before its gate is open, where it has one. Each line of the journal is one effect: whose it was, the key that it came with, when.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import TypedDict

from tests.servers.mcp_raw import Message, a_text, a_tool, greeting, hear, note, part, reply

KEY = "massgen-bot/idempotency-key"
TOOLS: Message = {"tools": [a_tool("write", annotations={"destructiveHint": True})]}


class Effect(TypedDict):
    """What really happened: `name` is the call's own, `key` one attempt's, `at` seconds since 1970."""

    name: str
    key: str
    at: float


def effects_in(journal: Path) -> list[Effect]:
    """Every effect, in order."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    return [json.loads(line) for line in lines]


def gate(journal: Path, name: str) -> Path:
    """The file that must be there before a call ends."""
    return journal.with_name(f"gate-{name}")


def pause(seconds: float) -> None:
    """Let other calls go on."""
    threading.Event().wait(seconds)


def perform(journal: Path, message: Message) -> None:
    """One call, beside all others."""
    params = part(message["params"])
    arguments = part(params["arguments"])
    pause(float(str(arguments["seconds"])))
    while arguments.get("gate") and not gate(journal, str(arguments["name"])).exists():
        pause(0.02)
    note(journal, {"name": str(arguments["name"]), "key": str(part(params["_meta"])[KEY]), "at": time.time()})
    reply(message, a_text("done"))


def main(journal: Path) -> None:
    """Answer until the input ends; whoever had this server started is gone then, and so are the calls under way."""
    while (message := hear()) is not None:
        if "id" not in message:
            continue
        match message["method"]:
            case "initialize":
                reply(message, greeting(part(message["params"]).get("protocolVersion")))
            case "tools/list":
                reply(message, TOOLS)
            case _:
                threading.Thread(target=perform, args=(journal, message), daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
