"""An MCP server as a child process: its own few environment variables, none of our terminal, its stderr in our log.

The SDK has a transport of this kind. It stops reading for good at the first byte that is not UTF-8, keeps a line of any
length in memory, and lets a server that leaves by itself leave its own children behind: so this is our own.
"""

import asyncio
import errno
import logging
import os
import re
import shutil
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCRequest, JSONRPCResponse
from typing_extensions import override

from coordination.mcp_tools.call_guard import CallTrace, call_trace, guarded
from coordination.mcp_tools.child_process import ProcessGuard, command_line, end_group, kill_group, let_go
from coordination.mcp_tools.json_rpc import read_message
from coordination.ports import ServerSpec
from coordination.redaction import redactor_of
from coordination.text import Text

log = logging.getLogger(__name__)

INHERITED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ")
"""What a child gets of our environment besides the SDK's HOME, LOGNAME, PATH, SHELL, TERM and USER. Tokens are not in
it."""

MARK = "MASSGEN_BOT_TOOL_SERVER"
"""Set in the environment of every tool server, so that a program which it starts can tell where it is."""

MAX_LINE = 16_000_000
"""Bytes of one message that are read; of a longer one nothing is kept but its id."""

_ENDLESS_LINE = 512_000_000
_CHUNK = 65_536
_MOST_WAITING = 1_000
_FRAME = 4_096
"""Bytes at either end of a message in which its id is looked for."""

_LONGEST_LINE = 4_000
_LAST_LINES = 20

_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*,')
_ID_LAST = re.compile(rb'[,}\]"]\s*,?\s*"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


@asynccontextmanager
async def stdio_transport(
    spec: ServerSpec, on_gone: Callable[[], None], stderr: "StderrLog", guard: ProcessGuard | None = None
) -> AsyncGenerator[TransportStreams]:
    """Start the command and end it, with all that it started, on leaving; `guard` ends it where we can't.

    `on_gone` is called once it has ended.

    Raises:
        OSError: there is no such command or folder, or it may not be run.
    """
    process, reading = await _started(spec, stderr)
    try:
        if guard is not None:
            await guard.take(process.pid)
        sends, receives = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        wire = _Wire(spec.name, process, sends)
        stderr.on_flood = wire.give_up
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(wire.read())
            try:
                yield guarded(receives, wire, on_gone)
            finally:
                receives.close()
                await wire.aclose()
                # Meanwhile the rest of its output is read: a server that is stuck writing does not see its input end.
                await end_group(process)
                reader.cancel()
                sends.close()
    finally:
        reading.close()
        let_go(process)
        if guard is not None:
            guard.drop(process.pid)


async def _started(spec: ServerSpec, stderr: "StderrLog") -> tuple[asyncio.subprocess.Process, asyncio.ReadTransport]:
    """The process, and what listens to its stderr."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment = {**get_default_environment(), **inherited, MARK: spec.name, **dict(spec.env)}
    words = (*spec.wrap, spec.command, *spec.args)
    _check(words[0], spec.cwd, environment.get("PATH"))
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "wb") as errors:
        reading, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: stderr, os.fdopen(ours, "rb", buffering=0)
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *command_line(words, is_wrapped=bool(spec.wrap)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=environment,
                cwd=spec.cwd,
                start_new_session=True,
            )
        except BaseException:
            reading.close()
            raise
    return process, reading


def _check(command: str, folder: str | None, path: str | None) -> None:
    """Find out what the start would fail for, because the program that starts the server can only exit.

    Raises:
        OSError: as the start itself would.
    """
    if folder is not None and not Path(folder).is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", folder)
    place = str(Path(folder or ".", command)) if "/" in command else command
    if shutil.which(place, path=path) is None:
        if "/" in command and Path(place).exists():
            raise PermissionError(errno.EACCES, "not executable", command)
        raise FileNotFoundError(errno.ENOENT, "no such command", command)


@dataclass(frozen=True)
class _TooLong:
    """What is known of a message that was not kept: its first and its last bytes."""

    head: bytes
    tail: bytes


class _FloodError(Exception):
    """The server writes without end; the text goes on from its name."""

    def __init__(self, text: Text) -> None:
        super().__init__(text)
        self.text = text


class Allowance:
    """How much somebody may say unasked: a burst, and so much a second."""

    def __init__(self, *, lines: int = 20_000, size: int = 64_000_000) -> None:
        """A burst of so many lines and bytes; a fiftieth of that is added each second."""
        self._most = (float(lines), float(size))
        self._left = self._most
        self._at = time.monotonic()

    def take(self, lines: int, size: int) -> bool:
        """Count what was said; whether it was allowed."""
        now = time.monotonic()
        share = (now - self._at) / 50
        self._at = now
        (most_lines, most_size), (left_lines, left_size) = self._most, self._left
        self._left = (
            min(most_lines, left_lines + share * most_lines) - lines,
            min(most_size, left_size + share * most_size) - size,
        )
        return min(self._left) >= 0


class _Wire:
    """Writes messages to a server's stdin, reads them from its stdout, and knows who waits for an answer."""

    def __init__(
        self,
        server: str,
        process: asyncio.subprocess.Process,
        sends: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        self._server = server
        self._process = process
        self._sends = sends
        self._waiting: dict[int | str, CallTrace] = {}
        self._lock = asyncio.Lock()
        # Each message costs the SDK a millisecond, so that a server which is read slowly seems to write slowly.
        self._allowance = Allowance(lines=5_000)

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message. If the server takes no more, its session ends."""
        stdin, message = self._process.stdin, item.message
        if stdin is None:
            return
        if isinstance(message, JSONRPCRequest):
            self._waiting[message.id] = call_trace.get() or CallTrace()
            if len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
        data = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        try:
            async with self._lock:
                await stdin.drain()  # before, so that no more than one message is kept for who does not read
                stdin.write(data)
        except OSError:
            # It may still live: whoever waits for an answer must not wait for ever.
            self._sends.close()

    async def aclose(self) -> None:
        """Tell the server that nothing more will come."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def read(self) -> None:
        """Pass on what the server says until it ends, and read on to the end when nobody listens any more."""
        try:
            async for line in self._lines():
                message = self._lost(line) if isinstance(line, _TooLong) else self._parsed(line)
                if message is not None:
                    await self._sends.send(SessionMessage(message))
        except _FloodError as error:
            self.give_up(error.text)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass
        self._sends.close()
        with suppress(OSError):
            while self._process.stdout is not None and await self._process.stdout.read(_CHUNK):
                pass

    def give_up(self, reason: Text) -> None:
        """End the server at once; `reason` goes on from its name, for all who wait for an answer and for the log."""
        for each in self._waiting.values():
            each.loss = each.loss or reason
        log.info("the MCP server %s %s", self._server, reason, extra={"server": self._server})
        kill_group(self._process)
        self._sends.close()

    async def _lines(self) -> AsyncGenerator["bytes | _TooLong"]:
        """The lines of stdout; of one that is too long nothing is kept but its ends."""
        buffer, head, size = bytearray(), b"", 0
        stdout = self._process.stdout
        while stdout is not None and (chunk := await stdout.read(_CHUNK)):
            first, *others = chunk.split(b"\n")
            for piece, is_new in ((first, False), *((each, True) for each in others)):
                if is_new:
                    yield _TooLong(head, bytes(buffer)) if head else bytes(buffer)
                    buffer, head, size = bytearray(), b"", 0
                buffer += piece
                size += len(piece)
                if size > MAX_LINE:
                    head = head or bytes(buffer[:_FRAME])
                    del buffer[:-_FRAME]
                if size > _ENDLESS_LINE:
                    raise _FloodError(Text("wrote a line without end to its standard output, and was stopped"))

    def _parsed(self, line: bytes) -> JSONRPCMessage | None:
        """The message in a line. Bytes that are not UTF-8 spoil a character, and not the message."""
        message = read_message(line)
        if message is None:
            self._charge(line)
            unread = self._id_in(line, line)
            log.debug("%s wrote a line that is not an MCP message", self._server, extra={"server": self._server})
            return None if unread is None else self._answer(unread, Text("sent an answer that can't be read"))
        number = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        if number is None or self._waiting.pop(number, None) is None:
            self._charge(line)
        return message

    def _lost(self, line: _TooLong) -> JSONRPCError:
        """What stands for a message that is too long, so that who waits for it need not wait on."""
        number: int | str | None = self._id_in(line.head, line.tail)
        if number is None and len(self._waiting) == 1:
            number = next(iter(self._waiting))
        reason = Text("answered with more than {megabytes} MB", megabytes=MAX_LINE // 1_000_000)
        if number is None:
            raise _FloodError(
                Text(
                    "wrote a line of more than {megabytes} MB to its standard output, and was stopped",
                    megabytes=MAX_LINE // 1_000_000,
                )
            )
        return self._answer(number, reason)

    def _answer(self, number: int | str, reason: Text) -> JSONRPCError:
        trace = self._waiting.pop(number)
        trace.loss, trace.has_ended = reason, True
        return JSONRPCError(
            jsonrpc="2.0", id=number, error=ErrorData(code=CONNECTION_CLOSED, message=f"the server {reason}")
        )

    def _id_in(self, head: bytes, tail: bytes) -> int | None:
        """The id of an answer that somebody waits for, if the message has it first or last."""
        found = _ID_FIRST.match(head) or _ID_LAST.search(tail[-_FRAME:])
        number = None if found is None else int(found[1])
        return number if number in self._waiting else None

    def _charge(self, line: bytes) -> None:
        if not self._allowance.take(1, len(line)):
            raise _FloodError(Text("flooded its standard output with unsolicited lines, and was stopped"))


class StderrLog(asyncio.Protocol):
    """Takes what a child writes to stderr, line by line, and keeps its last lines; secrets are blotted out.

    Attributes:
        on_flood: told, in words that go on from the server's name, when it writes more than anybody could read.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self.on_flood: Callable[[Text], None] | None = None
        self._server = spec.name
        self._redactor = redactor_of(spec)
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._allowance = Allowance()

    @override
    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        self._rest = rest
        if not self._allowance.take(len(lines), len(data)):
            if self.on_flood is not None:
                self.on_flood(Text("flooded its standard error, and was stopped"))
            return
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
        text = visible(self._redactor.text(text))
        self._last.append(text)
        log.debug("%s: %s", self._server, text, extra={"server": self._server})

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What was written last, without empty lines."""
        return tuple(line for line in self._last if line.strip())

    def tell(self, what: str) -> None:
        """Log the last lines, because something went wrong that they may explain."""
        # Below WARNING, which Python writes to a terminal by itself where nobody set logging up.
        log.info("%s; its stderr ended: %s", what, "\n".join(self._last), extra={"server": self._server})


def visible(text: str) -> str:
    """The text with whatever could steer a terminal, or hide in it, written out."""
    return "".join(
        sign if sign.isprintable() or sign == "\t" else sign.encode("unicode_escape").decode() for sign in text
    )


_NOWHERE = logging.NullHandler()


def silence_library_logs() -> None:
    """Make the SDK's loggers fit for a program that people look at; the same again changes nothing."""
    # Without any handler Python writes warnings to stderr, which is our terminal.
    for name in ("mcp", "client"):
        logging.getLogger(name).addHandler(_NOWHERE)
    for name in ("client", "mcp.client.streamable_http", "mcp.shared.jsonrpc_dispatcher"):
        logging.getLogger(name).addFilter(_without_traceback)
    # At INFO it writes the ids of sessions, by which anyone could take them over.
    logging.getLogger("mcp.client.streamable_http").setLevel(logging.WARNING)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A traceback of the SDK's parsers quotes what a server wrote."""
    record.exc_info = None
    return True
