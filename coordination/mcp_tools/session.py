"""One MCP server for the whole process: started when first used, again after it died, and ended with the hub."""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from mcp import MCPError
from mcp.client import Client, IncomingMessage, Transport
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT, Implementation, RequestParamsMeta, ToolListChangedNotification
from pydantic import ValidationError

from coordination.domain.caller import CALLER, KEY_VARIABLE, Caller, signed
from coordination.domain.canonical_json import Json, JsonObject, parse
from coordination.errors import ToolServerError
from coordination.json_schema import conforms
from coordination.mcp_tools import server_errors as complaints
from coordination.mcp_tools.call_guard import CallTrace, call_trace
from coordination.mcp_tools.child_process import ProcessGuard
from coordination.mcp_tools.definitions import ToolListing, capped, list_tools, output
from coordination.mcp_tools.elicitation import its_own_defaults
from coordination.mcp_tools.fingerprints import Fingerprint, Fingerprints
from coordination.mcp_tools.http_transport import http_transport
from coordination.mcp_tools.json_rpc import Raw
from coordination.mcp_tools.sse_transport import SERVED_SO, NoEventStreamError, sse_transport
from coordination.mcp_tools.stdio_transport import StderrLog, stdio_transport
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ServerSpec, ToolOutput
from coordination.redaction import Redactor, redactor_of

IDEMPOTENCY_KEY = "massgen-bot/idempotency-key"

_MOST_SILENT = 2
"""Requests in a row without an answer after which a server must show that it lives before it is asked anything more."""

_PONG_SECONDS = 5.0

_TOO_LATE = "did not answer in time"
_MALFORMED = "took the call, but what it answered can't be read"
_NO_ANSWER = {CONNECTION_CLOSED: "went away before it answered", REQUEST_TIMEOUT: _TOO_LATE}
"""What the SDK makes up where no answer came."""

_MADE_BY_SDK = ("Failed to parse SSE message: ", "SSE stream failed: ", "SSE stream ended ")
"""How errors begin that the SDK puts in the place of an answer when a stream of events breaks. All others are ours to see."""

_MOST_DATA = 4_000


class SessionLostError(CallNotSentError):
    """The server refused a call unread, because it no longer knows the session; a new session may send it once."""


class McpSession:
    """A connected server. `is_over` once it is gone; then every request fails, and a new session is needed."""

    def __init__(
        self, spec: ServerSpec, client: Client, gone: asyncio.Event, fingerprint: Fingerprint, redactor: Redactor
    ) -> None:
        """`fingerprint` is that of the settings which the server was started with."""
        self.fingerprint = fingerprint
        self.is_retired = False
        self.caller_key = ""
        """What only this server and we know: with it we sign on whose behalf calls are made. Empty: nobody is told."""
        self._spec = spec
        self._client = client
        self._gone = gone
        self._redactor = redactor
        self._listing: ToolListing | None = None
        self._outputs: Mapping[str, JsonObject] = {}
        self._writing: frozenset[str] = frozenset()
        self._writing_as_of = 0
        self._changes = 0
        self._silent = 0
        self._busy = 0
        self._used_at = asyncio.get_running_loop().time()
        self._is_ended = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_over(self) -> bool:
        """Whether the server went away, or was told to."""
        return self._gone.is_set()

    async def finished(self) -> None:
        """Wait until the server is gone, and nothing waits for it any more or `end` was called."""
        await self._gone.wait()
        await self._idle.wait()

    def end(self) -> None:
        """Take the server for gone, whoever waits for it."""
        self._is_ended = True
        self._gone.set()
        self._idle.set()

    def retire(self) -> None:
        """Begin nothing here any more: its settings are others by now, or nobody uses it. What is under way goes on."""
        self.is_retired = True
        self._gone.set()

    @property
    def is_silent(self) -> bool:
        """Whether the last requests had no answer: it may hang, and every further one would wait in vain."""
        return self._silent >= _MOST_SILENT

    async def shows_life(self) -> bool:
        """Ask the server for a sign; whatever it answers is one, and puts an end to its silence."""
        trace = CallTrace()
        with self._at_work(), _under_way(trace), suppress(TimeoutError, MCPError, RuntimeError, ValidationError):
            async with asyncio.timeout(min(_PONG_SECONDS, self._spec.call_timeout)):
                await self._client.session.send_ping()
            self._silent = 0
        if trace.error is not None:
            self._silent = 0
        return not self.is_silent

    @property
    def unused_for(self) -> float:
        """Seconds since anything was asked here; 0 while an answer is waited for."""
        return 0.0 if self._busy else asyncio.get_running_loop().time() - self._used_at

    async def outlived(self, seconds: float) -> None:
        """Wait until the session is over, or nobody has used it for so long."""
        while not self.is_over and (left := seconds - self.unused_for) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._gone.wait()

    def abandon(self) -> None:
        """Begin nothing here any more: nobody can tell whether the server still works. What is under way may end."""
        self._gone.set()

    def forget_listing(self) -> None:
        """The server says that its tools have changed."""
        self._changes += 1
        self._listing = None

    async def listing(self, *, fresh: bool) -> ToolListing:
        """The server's tools; `fresh` asks it again whatever is known.

        Raises:
            ToolServerError: it went away, does not answer, or its list is of no use.
        """
        if self._listing is not None and not fresh:
            return self._listing
        changes = self._changes
        with self._at_work():
            listing = await self._ask_for_tools()
        self._outputs = listing.outputs
        self._writing = frozenset(name for name, tool in listing.tools.items() if tool.says_writing)
        self._writing_as_of = changes
        # Servers of the stateless protocol tell of changes only on a stream of its own: they are asked each time.
        tells_of_changes = self._client.session.initialize_result is not None
        self._listing = listing if tells_of_changes and changes == self._changes else None
        return listing

    async def says_writing(self, tool: str) -> bool:
        """Whether the server says that a tool does not only read: in its newest list, asked for anew if that changed."""
        if self._writing_as_of != self._changes:
            with contextlib.suppress(ToolServerError):
                await self.listing(fresh=True)
        return tool in self._writing

    async def _ask_for_tools(self) -> ToolListing:
        trace = call_trace.get() or CallTrace()
        if self._gone.is_set():
            raise complaints.died(self._spec)
        try:
            with _under_way(trace):
                async with asyncio.timeout(self._spec.call_timeout):
                    return await list_tools(self._spec, self._client, self.fingerprint, self._redactor, trace)
        except TimeoutError:
            self._heard(trace)
            raise complaints.unanswered(self._spec) from None
        except (MCPError, ValidationError) as error:
            if complaints.lacks_credentials(trace):
                raise complaints.failed_start(self._spec, error, trace) from error
            if self.is_over or getattr(error, "code", None) == CONNECTION_CLOSED:
                raise complaints.died(self._spec, trace) from error
            raise complaints.not_speaking(self._spec) from error

    async def call(
        self, tool: str, arguments: str, *, key: str | None = None, caller: Caller | None = None
    ) -> ToolOutput:
        """Send one call, once, whatever comes back. `arguments` is a JSON object in canonical form.

        `caller` is told to a server that shares a key with us.

        Raises:
            CallNotSentError: it certainly did not run.
            CallOutcomeUnknownError: it may have run.
        """
        trace = CallTrace(arguments=arguments)
        given = parse(arguments)
        if self.is_over:
            raise self._failure(trace, _TOO_LATE)
        if not isinstance(given, Mapping):
            raise CallNotSentError(self._sentence("takes one JSON object as arguments"))
        with self._at_work(), _under_way(trace):
            try:
                await self._send(tool, dict(given), self._meta(tool, key, caller))
            except TimeoutError:
                raise self._failure(trace, _TOO_LATE) from None
            except MCPError as error:
                return self._refusal(error, trace)
            except (RuntimeError, ValidationError) as error:
                raise self._failure(trace, _MALFORMED) from error
            finally:
                self._heard(trace)
        if trace.answer is None:
            raise self._failure(trace, _MALFORMED)
        if trace.answer.get("resultType") == "input_required":
            raise self._failure(trace, "asked for more input in place of an answer, and is never given any")
        return output(trace.answer, self._redactor, breaks=await self._broken_promise(tool, trace.answer))

    async def _send(self, tool: str, arguments: dict[str, Json], meta: "RequestParamsMeta | None") -> None:
        """Send a call and wait: for its time, counted anew whenever the server tells of progress, and for a longest time.

        Raises:
            TimeoutError: that time is over.
        """
        loop = asyncio.get_running_loop()
        last = loop.time() + self._spec.longest_call
        async with asyncio.timeout(self._spec.call_timeout) as patience:

            async def progressed(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001  # as the SDK calls it
                with suppress(RuntimeError):  # It may come too late.
                    patience.reschedule(min(loop.time() + self._spec.call_timeout, last))

            await self._client.session.call_tool(
                tool,
                arguments,
                progress_callback=progressed,
                meta=meta,
                # Answering would send the call again. The SDK's own loop does that; this one call does not.
                allow_input_required=True,
            )

    def _heard(self, trace: CallTrace) -> None:
        """Count a request that has ended by whether anything came back."""
        came = (trace.answer, trace.error, trace.refusal, trace.loss)
        self._silent = 0 if trace.was_answered or any(each is not None for each in came) else self._silent + 1

    async def _broken_promise(self, tool: str, answer: Mapping[str, Raw]) -> str:
        """In what an answer is not what its tool declared, as a remark; empty if it is, or nobody can say."""
        declared, structured = self._outputs.get(tool), answer.get("structuredContent")
        if declared is None:
            return ""
        if structured is None:
            return "the tool declares structured content, and its answer has none"
        found = await conforms(declared, structured)
        return "" if found.fault is None else f"the answer is not what the tool declares: {found.fault}"

    def _meta(self, tool: str, key: str | None, caller: Caller | None) -> "RequestParamsMeta | None":
        """What goes beside the arguments: nothing that a model can write."""
        meta: dict[str, Json] = {} if key is None else {IDEMPOTENCY_KEY: key}
        if caller is not None and self.caller_key:
            meta[CALLER] = signed(caller, self.caller_key, tool=tool)
        return cast("RequestParamsMeta", meta) if meta else None

    def _refusal(self, error: MCPError, trace: CallTrace) -> ToolOutput:
        """The server's own answer that it failed, unless the error stands for an answer that never came."""
        if trace.was_answered:
            raise self._failure(trace, _MALFORMED) from error
        is_servers_own = trace.error is not None and not trace.error.message.startswith(_MADE_BY_SDK)
        if trace.refusal is not None or trace.loss is not None or not is_servers_own:
            raise self._failure(trace, _NO_ANSWER.get(error.code, _MALFORMED)) from error
        words = error.message.strip() or f"error {error.code}, without words"
        if error.data is not None:
            words += f"\n{json.dumps(error.data, ensure_ascii=False, default=str)[:_MOST_DATA]}"
        return ToolOutput(text=capped(words, self._redactor), is_error=True)

    def _failure(self, trace: CallTrace, reason: str) -> CallNotSentError | CallOutcomeUnknownError:
        if not trace.was_sent:
            return CallNotSentError(self._sentence("was gone before the call could be sent"))
        if trace.is_session_lost:
            return SessionLostError(self._sentence(trace.refusal or _TOO_LATE))
        if trace.refusal is not None:
            return CallNotSentError(self._sentence(trace.refusal))
        return CallOutcomeUnknownError(self._sentence(trace.loss or reason))

    def _sentence(self, reason: str) -> str:
        return f"The MCP server {self._spec.name} {reason}."

    @contextmanager
    def _at_work(self) -> Generator[None]:
        self._busy += 1
        if not self._is_ended:
            self._idle.clear()
        try:
            yield
        finally:
            self._busy -= 1
            self._used_at = asyncio.get_running_loop().time()
            if self._busy == 0:
                self._idle.set()


@contextmanager
def _under_way(trace: CallTrace) -> Generator[None]:
    token = call_trace.set(trace)
    try:
        yield
    finally:
        call_trace.reset(token)


log = logging.getLogger(__name__)

_MAX_STARTS = 3
"""How often a server is started for one request because its settings or files changed meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long servers are left alone or kept, in seconds.

    Attributes:
        first: a server that failed is left alone for so long; twice as long after each failure that follows.
        longest: the limit of that.
        healthy: a server that lived as long as this has had no failure.
        unused: a server that nobody asked anything for so long is ended; its next use starts it again.
        most: servers beyond so many make room for others, if they are not at work.
    """

    first: float = 0.5
    longest: float = 10.0
    healthy: float = 30.0
    unused: float = 900.0
    most: int = 50

    def pause(self, failures: int) -> float:
        """The wait after so many failures in a row."""
        return min(self.first * 2 ** (failures - 1), self.longest) if failures else 0.0


@dataclass(frozen=True)
class _Failure:
    """Why a start failed; a value, so that each of those who waited raises an error of its own."""

    text: str


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
        self._is_closed = False
        self._used_at = asyncio.get_running_loop().time()
        self.last_lines: tuple[str, ...] = ()
        """What a server that did not start wrote last to its standard error, without the secrets that it was given."""

    async def fingerprint(self) -> Fingerprint:
        """What the server's settings come to at this moment; starts nothing."""
        if self._spec.transport == "http":
            return self._fingerprints.of(self._spec)
        return await asyncio.to_thread(self._fingerprints.of, self._spec)

    async def session(self) -> McpSession:
        """A living session of the server as its settings and files are now; starts it if there is none.

        Raises:
            ToolServerError: the server can't be started or reached; the text says why.
        """
        for _ in range(_MAX_STARTS):
            session = await self._session()
            if session.is_silent and not await session.shows_life():
                session.abandon()
            elif session.fingerprint == await self.fingerprint():
                return session
            else:
                session.retire()
        raise complaints.unsettled(self._spec)

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
                session = await self._shake_hands(stack, stderr)
        except (TimeoutError, ToolServerError) as error:
            complaint = error if isinstance(error, ToolServerError) else complaints.slow_start(self._spec)
            self._failures += 1
            stderr.tell(str(complaint))
            give_up(complaint)
            return None
        finally:
            alarm.cancel()
        self.last_lines = ()
        return session

    async def _shake_hands(self, stack: AsyncExitStack, stderr: StderrLog) -> McpSession:
        """By the handshake that every server before 2026 knows; a server that refuses it is asked in the new way.

        The other order would cost ten seconds with each server that ignores what it does not know. An address that
        takes no message may be one of the transport before streamable HTTP.
        """
        try:
            return await self._connect(stack, stderr)
        except _RefusedHandshakeError:
            self._mode = "auto"
            return await self._connect(stack, stderr)
        except _RefusedTransportError as refused:
            self._has_events_apart = True
            try:
                return await self._connect(stack, stderr)
            except NoEventStreamError:
                self._has_events_apart = False
                raise refused.complaint from None

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
        starting.set_result(_Failure(str(error)))
