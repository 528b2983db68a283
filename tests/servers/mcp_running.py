"""`python -m tests.servers.mcp_running`: a server that runs any command that it is asked to, as its user."""

import subprocess
from collections.abc import Sequence
from typing import cast

from tests.servers.mcp_raw import Message, a_text, a_tool, part, serve


def call(params: Message) -> Message:
    if params.get("name") == "write":
        return a_text("did write")
    words = cast("Sequence[str]", part(params.get("arguments"))["command"])
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    return a_text(ended.stdout + ended.stderr)


if __name__ == "__main__":
    serve(lambda _: {"tools": [a_tool("look"), a_tool("write")]}, call)
