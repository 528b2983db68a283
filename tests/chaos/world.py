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


def effects_in(writer: Path) -> list[Effect]:
    """Every effect, in order."""
    lines = writer.read_text(encoding="utf-8").splitlines() if writer.exists() else []
    return [json.loads(line) for line in lines]


def gate(writer: Path, name: str) -> Path:
    """The file that must be there before a call ends."""
    return writer.with_name(f"gate-{name}")


def pause(seconds: float) -> None:
    """Let other calls go on."""
    threading.Event().wait(seconds)


def perform(writer: Path, message: Message) -> None:
    """One call, beside all others."""
    params = part(message["params"])
    arguments = part(params["arguments"])
    pause(float(str(arguments["seconds"])))
    while arguments.get("gate") and not gate(writer, str(arguments["name"])).exists():
        pause(0.02)
    note(writer, {"name": str(arguments["name"]), "key": str(part(params["_meta"])[KEY]), "at": time.time()})
    reply(message, a_text("done"))


def main(writer: Path) -> None:
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
                threading.Thread(target=perform, args=(writer, message), daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
