"""One call on its way to a server: what is known of it, and the guard that lets it pass once and unchanged."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio
from mcp.client._transport import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest

from coordination.domain.canonical import canonical

CALL = "tools/call"


@dataclass
class Passage:
    """What the transport found out about one request; read when the request ends badly.

    Attributes:
        arguments: the arguments of a tool call in canonical form.
        was_sent: the request was handed over to the transport, so it may have reached the server.
        was_answered: an answer to the call came, for the SDK went on to ask something else.
        refusal: why it certainly did not run, in words that go on from the server's name.
        loss: why nobody can know whether it ran, likewise.
        status: the HTTP status, if the server answered with an error.
        is_session_lost: it was refused because the server does not know the session any more; a new one may take it.
        obstacle: what the operator must do before any request can be sent, in words that go on from the server's name.
    """

    arguments: str = "{}"
    was_sent: bool = False
    was_answered: bool = False
    refusal: str | None = None
    loss: str | None = None
    status: int | None = None
    is_session_lost: bool = False
    obstacle: str | None = None


passage: ContextVar[Passage | None] = ContextVar("passage", default=None)
"""The request that the current task makes. The SDK carries the context of a sender along to its transports."""


class SentTwiceError(RuntimeError):
    """The SDK was about to send a tool call that nobody asked for, or the same one again."""


class WatchedReadStream:
    """Passes messages on and tells once there are no more: the server is gone."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception], tell: Callable[[], None]) -> None:
        self._inner = inner
        self._tell = tell

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        try:
            return await self._inner.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self._tell()
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self._inner.__anext__()
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

    def __init__(self, inner: WriteStream[SessionMessage]) -> None:
        self._inner = inner

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
        current = passage.get()
        if request.method == CALL:
            if current is None or current.was_sent:
                raise SentTwiceError("a tool call may leave once, and only when it was asked for")
            if canonical((request.params or {}).get("arguments", {})) != current.arguments:
                raise SentTwiceError("the arguments of a tool call were changed on their way")
        if current is not None:
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
