"""`python -m tests.servers.mcp_startup BEHAVIOUR [FILE]`: servers that never get as far as a handshake, or late."""

import os
import signal
import sys
from pathlib import Path

from tests.servers.mcp_raw import a_text, a_tool, hear, refuse, reply, serve


def hangs() -> None:
    """Neither answers nor heeds the end of its input: it has to be killed."""
    Path(sys.argv[2]).write_text(str(os.getpid()))
    signal.pause()


def exits() -> None:
    sys.stderr.write(f"no database at {os.environ.get('SECRET_URL')}\n")
    sys.exit(3)


def talks() -> None:
    """Writes to its output as a program does that is no server, and reads all its input."""
    sys.stdout.write("Welcome!\n>>> ")
    sys.stdout.flush()
    sys.stdin.read()


def echoes() -> None:
    """Says back what it hears, as `cat` does."""
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()


def ignores_the_unknown() -> None:
    """An old server that never answers a request which it does not know, and takes none before the handshake."""
    while (message := hear()) is not None:
        match message.get("method"):
            case "initialize":
                reply(message, {"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": OLD})
                break
            case _:
                continue
    serve(lambda _: {"tools": [a_tool("old")]}, lambda _: a_text("old"))


def refuses_all() -> None:
    while (message := hear()) is not None:
        if "id" in message:
            refuse(message, -32603, "out of order")


def fails_once() -> None:
    """Comes up only on the second start."""
    marker = Path(sys.argv[2])
    if not marker.exists():
        marker.write_text("tried")
        sys.exit(3)
    serve(lambda _: {"tools": [a_tool("late")]}, lambda _: a_text("late"))


OLD = {"name": "old", "version": "0"}
BEHAVIOURS = {
    each.__name__: each for each in (hangs, exits, talks, echoes, ignores_the_unknown, refuses_all, fails_once)
}

if __name__ == "__main__":
    BEHAVIOURS[sys.argv[1]]()
