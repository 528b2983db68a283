"""An MCP server as a child process: its own few environment variables, none of our terminal, its stderr in our log."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

from mcp.client._transport import TransportStreams
from mcp.client.stdio import StdioServerParameters, stdio_client
from typing_extensions import override

from coordination.adapters.mcp_passage import GuardedWriteStream, WatchedReadStream
from coordination.ports import ServerSpec

log = logging.getLogger(__name__)

INHERITED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ")
"""What a child gets of our environment besides the SDK's HOME, LOGNAME, PATH, SHELL, TERM and USER. Tokens are not in it."""

_LONGEST_LINE = 4_000
_LAST_LINES = 20
_SHORTEST_SECRET = 4


@asynccontextmanager
async def stdio_transport(
    spec: ServerSpec, tell_gone: Callable[[], None], stderr: "StderrLog"
) -> AsyncGenerator[TransportStreams]:
    """Start the command and end it, with all that it started, on leaving. `tell_gone` is called once it has ended.

    Raises:
        OSError: there is no such command or folder, or it may not be run.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    parameters = StdioServerParameters(
        command=spec.command, args=list(spec.args), env={**inherited, **dict(spec.env)}, cwd=spec.cwd
    )
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w", encoding="utf-8") as errlog, os.fdopen(ours, "rb", buffering=0) as pipe:
        reading, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: stderr, pipe)
        try:
            async with stdio_client(parameters, errlog=errlog) as (read, write):
                errlog.close()
                yield WatchedReadStream(read, tell_gone), GuardedWriteStream(write)
        finally:
            reading.close()


class StderrLog(asyncio.Protocol):
    """Takes what a child writes to stderr, line by line, and keeps its last lines; secrets are blotted out."""

    def __init__(self, spec: ServerSpec) -> None:
        self._server = spec.name
        self._secrets = _secrets(spec)
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    @override
    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._rest = rest
        for line in lines:
            self._note(line)

    @override
    def eof_received(self) -> None:
        """Called by the event loop: the last line may lack its end."""
        if self._rest:
            self._note(self._rest)
            self._rest = b""

    def _note(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode(errors="replace").rstrip()
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        self._last.append(text)
        log.debug("%s: %s", self._server, text, extra={"server": self._server})

    def tell(self, what: str) -> None:
        """Log the last lines, because something went wrong that they may explain."""
        # Below WARNING, which Python writes to a terminal by itself where nobody set logging up.
        log.info("%s; its stderr ended: %s", what, "\n".join(self._last), extra={"server": self._server})


def _secrets(spec: ServerSpec) -> list[str]:
    """What must not appear in a log: the values of the environment, and arguments that the operator did not spell out."""
    values = [value for _, value in spec.env]
    values += [argument for argument in spec.args if argument not in spec.identity]
    return sorted({part for part in _lines(values) if len(part) >= _SHORTEST_SECRET}, key=len, reverse=True)


def _lines(values: Iterable[str]) -> Iterable[str]:
    """Logs are read line by line, and so is a key of several lines."""
    return (line.strip() for value in values for line in value.splitlines())
