"""`python -m tests.servers.mcp_detached JOURNAL SHAPE MOMENT`: on stdio, loses what is behind it, or itself, at one moment.

A bridge goes on living, and answers everything with errors until it is started anew; the journal has what was performed,
and a file beside it tells that it has happened.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.servers.mcp_raw import Message, a_text, a_tool, greeting, hear, note, part, refuse, reply

JOURNAL, SHAPE, MOMENT = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
HAPPENED = JOURNAL.with_suffix(".happened")

ERRORS: Mapping[str, tuple[int, str]] = {
    "has_no_session": (-32001, "HTTP 404: Session not found"),
    "was_terminated": (-32600, "Session terminated"),
    "is_not_connected": (-32603, "Not connected"),
    "is_closed": (-32000, "Connection closed"),
}
"""What bridges answer from then on. The last leaves open whether a call was performed."""

RESULTS: Mapping[str, str] = {"tells_nothing": "", "tells_in_a_result": "Session terminated"}
"""Likewise, as the results of calls; a list is refused."""


def answer(message: Message) -> None:
    """Answer one request as long as all is well."""
    params = part(message.get("params"))
    match message.get("method"):
        case "initialize":
            reply(message, greeting(params.get("protocolVersion")))
        case "tools/list":
            reply(message, {"tools": [a_tool("look"), a_tool("write")]})
        case "tools/call":
            note(JOURNAL, params)
            reply(message, a_text("did it"))
        case _:
            refuse(message, -32601, "not known here")


def is_due(message: Message) -> bool:
    """Whether it happens with this message."""
    tool = part(message.get("params")).get("name")
    wanted = {"read": "look", "write": "write", "between": None}[MOMENT]
    return not HAPPENED.exists() and message.get("method") == "tools/call" and tool == wanted


def leave() -> None:
    """End, or say nothing more."""
    match SHAPE:
        case "exits":
            os._exit(0)
        case "is_killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:  # closes its output, and lives on
            os.close(1)
            signal.pause()


def main() -> None:
    is_lost = False
    while (message := hear()) is not None:
        if "id" not in message:
            continue
        if is_due(message):
            HAPPENED.touch()
            is_lost = True
        if not is_lost:
            answer(message)
            if MOMENT == "between" and message.get("method") == "tools/call" and not HAPPENED.exists():
                HAPPENED.touch()
                is_lost = True
                if SHAPE not in ERRORS and SHAPE not in RESULTS:
                    leave()
        elif SHAPE in RESULTS and message.get("method") == "tools/call":
            reply(message, a_text(RESULTS[SHAPE], is_error=True))
        elif SHAPE in ERRORS or SHAPE in RESULTS:
            refuse(message, *ERRORS.get(SHAPE, (-32600, "Session terminated")))
        else:
            leave()


if __name__ == "__main__":
    main()
