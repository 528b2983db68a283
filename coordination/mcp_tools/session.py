"""One session with an MCP server: what is asked in it, what came of each call, and whether the server still lives."""

import asyncio
import contextlib
import json
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import cast

from mcp import MCPError
from mcp.client import Client
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT, RequestParamsMeta
from pydantic import ValidationError

from coordination.domain.caller import CALLER, Caller, signed
from coordination.domain.canonical_json import Json, JsonObject, parse
from coordination.errors import ToolServerError
from coordination.json_schema import conforms
from coordination.mcp_tools import server_errors as complaints
from coordination.mcp_tools.call_guard import CallTrace, call_trace
from coordination.mcp_tools.definitions import ToolListing, capped, list_tools, output
from coordination.mcp_tools.fingerprints import Fingerprint
from coordination.mcp_tools.json_rpc import ABOUT_THE_REQUEST, Raw
from coordination.mcp_tools.lost_answers import is_about_the_result, leaves_open
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ServerSpec, ToolOutput
from coordination.ports.tools import IDEMPOTENCY_KEY, NOT_STRUCTURED
from coordination.redaction import Redactor
from coordination.text import Text

_MOST_SILENT = 2
"""Requests in a row without an answer after which a server must show that it lives before it is asked anything more."""

_PONG_SECONDS = 5.0

_TOO_LATE = Text("did not answer in time")
_MALFORMED = Text("accepted the call, but its answer can't be read")
_WENT_AWAY = Text("ended before it answered")
_WANTS_INPUT = Text("asked for more input instead of answering, which is not supported")
_IN_PROGRESS = Text("accepted the call without its result, which may come later")
_NO_ANSWER = {CONNECTION_CLOSED: _WENT_AWAY, REQUEST_TIMEOUT: _TOO_LATE}
"""What the SDK makes up where no answer came."""

_MADE_BY_SDK = ("Failed to parse SSE message: ", "SSE stream failed: ", "SSE stream ended ")
"""How errors begin that the SDK puts in the place of an answer when a stream of events breaks. All others are ours to
see."""

_MOST_DATA = 4_000


class SessionLostError(CallNotSentError):
    """The server refused a call unread, because it no longer knows the session; a new session may send it once."""


class ConnectionBrokeError(CallOutcomeUnknownError):
    """The connection broke before the answer: nobody knows of a write, and a read may be asked once more."""


class UnansweredError(ToolServerError):
    """The server said nothing in time."""


class McpSession:
    """A connected server. `is_over` once it is gone; then every request fails, and a new session is needed."""

    def __init__(
        self, spec: ServerSpec, client: Client, gone: asyncio.Event, fingerprint: Fingerprint, redactor: Redactor
    ) -> None:
        """`fingerprint` is that of the settings which the server was started with."""
        self.fingerprint = fingerprint
        self.checked_at = asyncio.get_running_loop().time()
        """When it was last seen to be that of the settings as they are."""
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
        answered = False
        with self._at_work(), _under_way(trace), suppress(TimeoutError, MCPError, RuntimeError, ValidationError):
            async with asyncio.timeout(min(_PONG_SECONDS, self._spec.call_timeout)):
                await self._client.session.send_ping()
            answered = True
        if answered or trace.error is not None:
            self._silent = 0
        return answered or trace.error is not None

    @property
    def checked_for(self) -> float:
        """Seconds since the settings were last compared with those that the server was started with."""
        return asyncio.get_running_loop().time() - self.checked_at

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
        """Whether the server's newest list, asked for anew if it changed, says that a tool does not only read."""
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
            raise UnansweredError(complaints.unanswered(self._spec).text) from None
        except (MCPError, ValidationError) as error:
            if complaints.lacks_credentials(trace):
                raise complaints.failed_start(self._spec, error, trace) from error
            is_answered = trace.error is not None and trace.refusal is None and trace.loss is None
            if self.is_over or (getattr(error, "code", None) == CONNECTION_CLOSED and not is_answered):
                raise complaints.died(self._spec, trace) from error
            raise complaints.failed_list(self._spec, error, trace) from error

    async def call(
        self,
        tool: str,
        arguments: str,
        *,
        key: str | None = None,
        caller: Caller | None = None,
        until: float = math.inf,
    ) -> ToolOutput:
        """Send one call, once, whatever comes back. `arguments` is a JSON object in canonical form.

        `caller` is told to a server that shares a key with us; `until` is when it is given up, by the loop's clock.

        Raises:
            CallNotSentError: it certainly did not run.
            CallOutcomeUnknownError: it may have run.
        """
        trace = CallTrace(arguments=arguments)
        given = self._given(trace, until)
        with self._at_work(), _under_way(trace):
            try:
                await self._send(tool, given, self._meta(tool, key, caller), until)
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
        if (unfinished := _unfinished(trace.answer)) is not None:
            raise self._failure(trace, unfinished)
        breaks, is_kept = await self._promise(tool, trace.answer)
        ours = self._spec.is_ours
        return output(trace.answer, self._redactor, breaks=breaks, is_declared=is_kept, is_ours=ours)

    def _given(self, trace: CallTrace, until: float) -> dict[str, Json]:
        """The arguments of a call that may leave now.

        Raises:
            CallNotSentError: it may not.
        """
        given = parse(trace.arguments)
        if self.is_over:
            raise self._failure(trace, _TOO_LATE)
        if not isinstance(given, Mapping):
            raise CallNotSentError(self._sentence(Text("takes one JSON object as arguments")))
        if asyncio.get_running_loop().time() >= until:
            raise CallNotSentError(self._sentence(Text("left no time for the call")))
        return dict(given)

    async def _send(
        self, tool: str, arguments: dict[str, Json], meta: "RequestParamsMeta | None", until: float
    ) -> None:
        """Send a call and wait for its time, which begins anew with each sign of progress, up to a longest time.

        Raises:
            TimeoutError: that time is over.
        """
        loop = asyncio.get_running_loop()
        last = min(loop.time() + self._spec.longest_call, until)
        async with asyncio.timeout_at(min(loop.time() + self._spec.call_timeout, last)) as patience:

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

    async def _promise(self, tool: str, answer: Mapping[str, Raw]) -> tuple[Text | None, bool]:
        """In what an answer is not what its tool declared, as a remark.

        With it comes whether the answer certainly is what that declared.
        """
        declared, structured = self._outputs.get(tool), answer.get("structuredContent")
        if declared is None:
            return None, False
        if structured is None:
            return NOT_STRUCTURED, False
        found = await conforms(declared, structured)
        if found.fault is None:
            return None, found.is_checked
        return Text("the answer does not match the tool's declared output: {fault}", fault=found.fault), False

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
        said = [error.message.strip()]
        if error.data is not None:
            said.append(json.dumps(error.data, ensure_ascii=False, default=str)[:_MOST_DATA])
        is_refused = error.code in ABOUT_THE_REQUEST and not is_about_the_result("\n".join(said))
        is_in_doubt = not is_refused and leaves_open("\n".join(said))
        words = [said[0] or Text("error {code}, without a message", code=error.code), *said[1:]]
        text = capped(words, self._redactor)
        return ToolOutput(text=text, is_error=True, is_in_doubt=is_in_doubt)

    def _failure(self, trace: CallTrace, reason: Text) -> CallNotSentError | CallOutcomeUnknownError:
        if not trace.was_sent:
            return CallNotSentError(self._sentence(Text("ended before the call could be sent")))
        if trace.is_session_lost:
            return SessionLostError(self._sentence(trace.refusal or _TOO_LATE))
        if trace.refusal is not None:
            return CallNotSentError(self._sentence(trace.refusal))
        is_broken = trace.is_broken if trace.loss is not None else reason == _WENT_AWAY
        kind = ConnectionBrokeError if is_broken else CallOutcomeUnknownError
        return kind(self._sentence(trace.loss or reason), may_go_on=self._may_go_on(trace, reason))

    def _may_go_on(self, trace: CallTrace, reason: Text) -> bool:
        """Whether a call of which nothing more is heard may still be carried out: its server may ask others."""
        return not trace.has_ended and (trace.loss is not None or reason in (_TOO_LATE, _WENT_AWAY, _IN_PROGRESS))

    def _sentence(self, reason: Text) -> Text:
        return Text("The MCP server {server} {text}.", server=self._spec.name, text=reason)

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


def _unfinished(answer: Mapping[str, Raw]) -> Text | None:
    """Why an answer is not the end of its call; None: it is."""
    match answer:
        case {"resultType": "input_required"}:
            return _WANTS_INPUT
        case {"resultType": str(kind)} if kind != "complete":
            return _IN_PROGRESS
        case {"task": {"taskId": _}} if "content" not in answer:
            return _IN_PROGRESS
        case _:
            return None
