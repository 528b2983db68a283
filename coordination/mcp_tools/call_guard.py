"""One call on its way to a server: what is known of it, and the guard that lets it pass once and unchanged."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import anyio
import httpx2
from mcp.client._transport import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse

from coordination.domain.canonical_json import canonical
from coordination.mcp_tools.json_rpc import Raw
from coordination.mcp_tools.pagination import page_for_sdk
from coordination.text import Text


def stand_in(text: str) -> httpx2.Response:
    """What the SDK is told in place of a fault, so that it wakes the request and nothing else."""
    error = {"code": CONNECTION_CLOSED, "message": text}
    return httpx2.Response(400, json={"jsonrpc": "2.0", "id": None, "error": error})


CALL = "tools/call"
LIST = "tools/list"

_TAKEN: Mapping[str, Raw] = {"content": [], "isError": True, "resultType": "complete"}
"""What the SDK is told in place of a call's answer. Of a failed answer it asks nothing, and it throws none away."""

_MOST_ASKED = 1_000


@dataclass
class CallTrace:
    """What the transport found out about one request; read when the request ends badly.

    Attributes:
        arguments: the arguments of a tool call in canonical form.
        was_sent: the request was handed over to the transport, so it may have reached the server.
        was_answered: an answer to the call came, for the SDK went on to ask something else.
        refusal: why it certainly did not run, in words that go on from the server's name.
        loss: why nobody can know whether it ran, likewise.
        is_broken: the loss is that the connection broke, or that a gateway had nothing behind it.
        has_ended: the loss is that an answer can't be read: what was asked for is over.
        status: the HTTP status, if the server answered with an error.
        is_session_lost: it was refused because the server does not know the session any more; a new one may take it.
        obstacle: what the operator must do before any request can be sent, in words that go on from the server's name.
        is_foreign: what came instead of an answer is not of this protocol.
        answer: the result of a call, or of the last request for a list, as it came; None: there was none.
        error: the error that stood in the place of a result.
    """

    arguments: str = "{}"
    was_sent: bool = False
    was_answered: bool = False
    refusal: Text | None = None
    loss: Text | None = None
    is_broken: bool = False
    has_ended: bool = False
    status: int | None = None
    is_session_lost: bool = False
    obstacle: Text | None = None
    is_foreign: bool = False
    answer: Mapping[str, Raw] | None = None
    error: ErrorData | None = None


call_trace: ContextVar[CallTrace | None] = ContextVar("passage", default=None)
"""The request that the current task makes. The SDK carries the context of a sender along to its transports."""


class SentTwiceError(RuntimeError):
    """The SDK was about to send a tool call that nobody asked for, or the same one again."""


class _Asked:
    """The requests of one session that have no answer yet, by id."""

    def __init__(self) -> None:
        self._waiting: dict[int | str, tuple[str, CallTrace]] = {}

    def note(self, request: JSONRPCRequest, trace: CallTrace) -> None:
        """A request leaves."""
        self._waiting[request.id] = (request.method, trace)
        if len(self._waiting) > _MOST_ASKED:
            del self._waiting[next(iter(self._waiting))]

    def settle(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        """Keep an answer as it came, and return it in a form that the SDK accepts."""
        message = item.message if isinstance(item, SessionMessage) else None
        if not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id is None:
            return item
        number = int(message.id) if isinstance(message.id, str) and message.id.isdecimal() else message.id
        method, current = self._waiting.pop(number, ("", None))
        if current is None:
            return item
        if isinstance(message, JSONRPCError):
            current.error = message.error
        elif method in (CALL, LIST):
            current.answer = message.result
            result = _TAKEN if method == CALL else page_for_sdk(message.result)
            accepted = JSONRPCResponse(jsonrpc="2.0", id=message.id, result=dict(result))
            return replace(item, message=accepted) if isinstance(item, SessionMessage) else item
        return item


def guarded(
    read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage], tell: Callable[[], None]
) -> "tuple[WatchedReadStream, GuardedWriteStream]":
    """The two streams of a session, watched; `tell` is called once there are no more messages."""
    asked = _Asked()
    return WatchedReadStream(read, tell, asked), GuardedWriteStream(write, asked)


class WatchedReadStream:
    """Passes messages on and tells once there are no more: the server is gone.

    Keeps the answers of tools as they came.
    """

    def __init__(self, inner: ReadStream[SessionMessage | Exception], tell: Callable[[], None], asked: _Asked) -> None:
        self._inner = inner
        self._tell = tell
        self._asked = asked

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        try:
            return self._asked.settle(await self._inner.receive())
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._tell()
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return self._asked.settle(await self._inner.__anext__())
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._tell()
            raise

    async def aclose(self) -> None:
        """Stop reading."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self._inner.aclose()


class GuardedWriteStream:
    """Passes messages on, but a tool call only once, and only with the arguments that were asked for.

    The SDK has reasons of its own to send a call again: input that the server wants, headers that it misses. Whatever
    they are, a call may have run by then.
    """

    def __init__(self, inner: WriteStream[SessionMessage], asked: _Asked) -> None:
        self._inner = inner
        self._asked = asked

    async def send(self, item: SessionMessage, /) -> None:
        """Pass a message on.

        Raises:
            SentTwiceError: it is a tool call that must not leave.
        """
        message = item.message
        if isinstance(message, JSONRPCRequest):
            self._note(message)
        await self._inner.send(item)

    def _note(self, request: JSONRPCRequest) -> None:
        current = call_trace.get()
        if request.method == CALL:
            if current is None or current.was_sent:
                raise SentTwiceError("a tool call may leave once, and only when it was asked for")
            if canonical((request.params or {}).get("arguments", {})) != current.arguments:
                raise SentTwiceError("the arguments of a tool call were changed on their way")
        if current is not None:
            self._asked.note(request, current)
            current.was_answered = current.was_sent
            current.was_sent = True

    async def aclose(self) -> None:
        """Stop writing."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self._inner.aclose()
