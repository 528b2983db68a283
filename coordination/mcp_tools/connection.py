"""The one connection to a server: started when first used, again after it died, and ended when nobody uses it."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from contextvars import Context
from dataclasses import dataclass, replace
from typing import TypeAlias

from mcp.client import Client, IncomingMessage, Transport
from mcp.types import Implementation, ToolListChangedNotification

from coordination.domain.caller import KEY_VARIABLE
from coordination.errors import ToolServerError
from coordination.mcp_tools import server_errors as complaints
from coordination.mcp_tools.call_guard import CallTrace, call_trace
from coordination.mcp_tools.child_process import ProcessGuard
from coordination.mcp_tools.elicitation import its_own_defaults
from coordination.mcp_tools.fingerprints import Fingerprint, Fingerprints
from coordination.mcp_tools.http_transport import http_transport
from coordination.mcp_tools.session import McpSession
from coordination.mcp_tools.sse_transport import SERVED_SO, NoEventStreamError, sse_transport
from coordination.mcp_tools.stdio_transport import StderrLog, stdio_transport
from coordination.ports import ServerSpec
from coordination.redaction import redactor_of
from coordination.text import Text

log = logging.getLogger(__name__)

_MAX_STARTS = 3
"""How often a server is started for one request because its settings or files changed meanwhile."""

_MOST_WAYS = 4
"""Ways in which one start may speak to a server: two handshakes, two transports, and a transport that it had before."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long servers are left alone or kept, in seconds.

    Attributes:
        first: a server that failed is left alone for so long; twice as long after each failure that follows.
        longest: the limit of that.
        healthy: a server that lived as long as this has had no failure.
        restart: a server on the network that was there before is tried again for so long when it can't be reached.
        settling: a tool that is not there, or not as it was approved, is asked for again for so long: its server may
            be starting.
        unchecked: so long after a server's settings and files were compared, reads don't compare them again; calls
            always do.
        unused: a server that nobody asked anything for so long is ended; its next use starts it again.
        most: servers beyond so many make room for others, if they are not at work.
    """

    first: float = 0.5
    longest: float = 10.0
    healthy: float = 30.0
    restart: float = 10.0
    settling: float = 3.0
    unchecked: float = 1.0
    unused: float = 900.0
    most: int = 50

    def pause(self, failures: int) -> float:
        """The wait after so many failures in a row."""
        return min(self.first * 2 ** (failures - 1), self.longest) if failures else 0.0


@dataclass(frozen=True)
class _Failure:
    """Why a start failed; a value, so that each of those who waited raises an error of its own."""

    text: Text


_Starting: TypeAlias = "asyncio.Future[McpSession | _Failure]"


class Connection:
    """Owns the sessions of one server, one after the other. Each lives in a task of its own, as the SDK demands."""

    def __init__(
        self,
        spec: ServerSpec,
        owners: asyncio.TaskGroup,
        patience: Patience,
        guard: ProcessGuard,
        fingerprints: Fingerprints,
        make_room: Callable[[], None],
    ) -> None:
        """`make_room` is called before a server is started."""
        self._make_room = make_room
        self._spec = spec
        self._fingerprints = fingerprints
        self._owners = owners
        self._patience = patience
        self._guard = guard
        self._redactor = redactor_of(spec)
        self._starting: _Starting | None = None
        self._owner: asyncio.Task[None] | None = None
        self._alive: dict[asyncio.Task[None], McpSession | None] = {}
        self._failures = 0
        self._mode = "legacy"
        self._has_events_apart = False
        self._has_served = False  # by the last start
        self._is_closed = False
        self._used_at = asyncio.get_running_loop().time()
        self.last_lines: tuple[str, ...] = ()
        """What a server that did not start wrote last to its standard error, without the secrets that it was given."""

    async def fingerprint(self) -> Fingerprint:
        """What the server's settings come to at this moment; starts nothing."""
        if self._spec.transport == "http":
            return self._fingerprints.of(self._spec)
        return await asyncio.to_thread(self._fingerprints.of, self._spec)

    async def session(self, *, is_read: bool = False) -> McpSession:
        """A living session of the server as its settings and files are now; starts it if there is none.

        A read is content with settings that were compared a moment ago: to compare them takes longer than many a read.

        Raises:
            ToolServerError: the server can't be started or reached; the text says why.
        """
        for _ in range(_MAX_STARTS):
            session = await self._session()
            if session.is_silent and not await session.shows_life():
                session.abandon()
            elif (is_read and session.checked_for < self._patience.unchecked) or await self._is_current(session):
                return session
            else:
                session.retire()
        raise complaints.unsettled(self._spec)

    async def _is_current(self, session: McpSession) -> bool:
        """Whether the server would be started today as it was."""
        now = asyncio.get_running_loop().time()
        if session.fingerprint != await self.fingerprint():
            return False
        session.checked_at = now
        return True

    async def _session(self) -> McpSession:
        """A living session; all who wait for a start share it."""
        if self._is_closed:
            raise complaints.closing(self._spec)
        if self._starting is None or _is_over(self._starting):
            self._make_room()
            self._starting = asyncio.get_running_loop().create_future()
            # A context of its own: the server outlives the run that happens to need it first.
            self._owner = self._owners.create_task(self._own(self._starting, self._owner), context=Context())
            self._alive[self._owner] = None
            self._owner.add_done_callback(self._alive.pop)
        outcome = await asyncio.shield(self._starting)
        if isinstance(outcome, _Failure):
            raise ToolServerError(outcome.text)
        return outcome

    @property
    def unused_for(self) -> float | None:
        """Seconds since its server was asked anything, 0 while it is at work or starts; None: there is no server."""
        if not self._alive:
            return None
        return min(0.0 if session is None else session.unused_for for session in self._alive.values())

    @property
    def is_of_no_use(self) -> bool:
        """Whether there has been no server for so long that its next use may as well begin from nothing."""
        gone_for = asyncio.get_running_loop().time() - self._used_at
        return not self._alive and gone_for > self._patience.unused

    def rest(self) -> None:
        """End a server that nobody waits for; its next use starts it again."""
        for session in self._alive.values():
            if session is not None:
                session.retire()

    def end(self) -> Collection[asyncio.Task[None]]:
        """End the server, whatever it is doing, and start it no more; it is gone when the tasks are done."""
        self._is_closed = True
        for owner, session in self._alive.items():
            if session is not None:
                session.end()
            elif owner is self._owner and self._starting is not None and not self._starting.done():
                owner.cancel()
        return list(self._alive)

    async def _own(self, starting: _Starting, before: asyncio.Task[None] | None) -> None:
        """Start the server, hand its session out, and stay until it is over."""
        try:
            if before is not None and self._spec.transport == "stdio":
                # Two processes of one server might want the same file.
                await asyncio.wait({before})
            await asyncio.sleep(self._patience.pause(self._failures))
            async with AsyncExitStack() as stack:
                session = await self._start(stack, starting)
                if session is not None and not starting.done():
                    starting.set_result(session)
                    await self._live(session)
        except Exception:  # whatever the SDK makes of closing a dead server concerns nobody any more
            log.debug("closing the MCP server %s was not smooth", self._spec.name, exc_info=True)
        finally:
            self._used_at = asyncio.get_running_loop().time()
            _settle(starting, complaints.closing(self._spec))

    async def _live(self, session: McpSession) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        owner = asyncio.current_task()
        if owner is not None:
            self._alive[owner] = session
        try:
            await session.outlived(self._patience.unused)
            if not session.is_over:
                session.retire()
            await session.finished()
        finally:
            session.end()
            is_healthy = session.is_retired or loop.time() - began >= self._patience.healthy
            self._failures = 0 if is_healthy else self._failures + 1

    async def _start(self, stack: AsyncExitStack, starting: _Starting) -> McpSession | None:
        """The session, or None once those who wait were told why there is none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._spec.start_timeout
        stderr = StderrLog(self._spec)

        def give_up(complaint: ToolServerError) -> None:
            self.last_lines = stderr.last_lines
            _settle(starting, complaint)

        # Ending a process that hangs takes seconds more: nobody has to wait for that.
        alarm = loop.call_at(deadline, give_up, complaints.slow_start(self._spec))
        try:
            async with asyncio.timeout_at(deadline):
                session = await self._shake_hands_patiently(stack, stderr)
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait are told, and the next start waits longer
            complaint = self._why_not_started(error)
            self._failures += 1
            self._has_served = False
            stderr.tell(str(complaint))
            give_up(complaint)
            return None
        finally:
            alarm.cancel()
        self.last_lines = ()
        self._has_served = True
        return session

    def _why_not_started(self, error: Exception) -> ToolServerError:
        if isinstance(error, ToolServerError):
            return error
        if isinstance(error, TimeoutError):
            return complaints.slow_start(self._spec)
        log.error("starting the MCP server %s failed in a way nobody foresaw", self._spec.name, exc_info=error)
        return complaints.unforeseen(self._spec)

    async def _shake_hands_patiently(self, stack: AsyncExitStack, stderr: StderrLog) -> McpSession:
        """Again and again for some seconds where a server on the network was there before: it is probably restarted."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (self._patience.restart if self._has_served else 0.0)
        while True:
            try:
                return await self._shake_hands(stack, stderr)
            except complaints.UnreachableError:
                if loop.time() >= until:
                    raise
            await asyncio.sleep(self._patience.first)

    async def _shake_hands(self, stack: AsyncExitStack, stderr: StderrLog) -> McpSession:
        """By the handshake that every server before 2026 knows; a server that refuses it is asked in the new way.

        The other order would cost ten seconds with each server that ignores what it does not know. An address that
        takes no message may be one of the transport before streamable HTTP; one that was may be so no more.
        """
        refused: ToolServerError | None = None
        for _ in range(_MOST_WAYS):
            try:
                return await self._connect(stack, stderr)
            except _RefusedHandshakeError:
                self._mode = "auto"
            except _RefusedTransportError as error:
                self._has_events_apart = True
                refused = error.complaint
            except NoEventStreamError:
                self._has_events_apart = False
                if refused is not None:
                    raise refused from None
        raise complaints.not_speaking(self._spec)

    async def _connect(self, stack: AsyncExitStack, stderr: StderrLog) -> McpSession:
        trace = CallTrace()
        call_trace.set(trace)
        gone = asyncio.Event()
        # Before the start: what is put in the place of a file afterwards makes a difference, whichever of them started.
        fingerprint = await self.fingerprint()

        async def on_message(message: IncomingMessage) -> None:
            if isinstance(message, ToolListChangedNotification):
                session.forget_listing()

        caller_key = secrets.token_hex(32) if self._spec.transport == "stdio" else ""
        client = Client(
            self._transport(gone.set, stderr, caller_key),
            mode=self._mode,
            cache=None,
            client_info=Implementation(name="massgen-bot", version="1"),
            message_handler=on_message,
            # Without one the SDK tells the server that it can't ask, and refuses if it does.
            elicitation_callback=its_own_defaults(self._spec.name) if self._spec.takes_its_defaults else None,
        )
        session = McpSession(self._spec, client, gone, fingerprint, self._redactor)
        session.caller_key = caller_key
        try:
            await stack.enter_async_context(client)
            await session.listing(fresh=True)
        except Exception as error:
            if self._mode == "legacy" and complaints.refuses_handshake(self._spec, error, trace):
                raise _RefusedHandshakeError from error
            if any(isinstance(each, NoEventStreamError) for each in complaints.leaves(error)):
                raise NoEventStreamError from error
            complaint = complaints.failed_start(self._spec, error, trace)
            if self._spec.transport == "http" and trace.status in SERVED_SO and not self._has_events_apart:
                raise _RefusedTransportError(complaint) from error
            raise complaint from error
        return session

    def _transport(self, on_gone: Callable[[], None], stderr: StderrLog, caller_key: str) -> Transport:
        if self._spec.transport == "http":
            connect = sse_transport if self._has_events_apart else http_transport
            return connect(self._spec, on_gone, self._redactor)
        spec = replace(self._spec, env=(*self._spec.env, (KEY_VARIABLE, caller_key)))
        return stdio_transport(spec, on_gone, stderr, self._guard)


class _RefusedHandshakeError(Exception):
    """The server answers, and not to this handshake."""


class _RefusedTransportError(Exception):
    """Nothing takes messages at this address."""

    def __init__(self, complaint: ToolServerError) -> None:
        """The complaint is what is said if the older transport is not there either."""
        super().__init__(str(complaint))
        self.complaint = complaint


def _is_over(starting: _Starting) -> bool:
    if not starting.done():
        return False
    outcome = starting.result()
    return isinstance(outcome, _Failure) or outcome.is_over


def _settle(starting: _Starting, error: ToolServerError) -> None:
    """Tell all who wait that the start failed, unless it has ended in some way."""
    if not starting.done():
        starting.set_result(_Failure(error.text))
