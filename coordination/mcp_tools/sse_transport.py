"""The transport that streamable HTTP has replaced.

It is one stream of events from the server, and a POST for each message to it.

The SDK has a transport of this kind. It reads no event beyond 1 MB, sends one message at a time, and after one that the
server did not take it sends none any more and lets everybody wait: so this is our own.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse

from coordination.mcp_tools.call_guard import CallTrace, call_trace, guarded
from coordination.mcp_tools.http_transport import (
    CONNECT_SECONDS,
    MAX_ANSWER,
    MOST_WORDS,
    NO_SUCH_SESSION,
    TURNED_AWAY,
    authorized_transport,
    note_excess,
)
from coordination.mcp_tools.json_rpc import read_message
from coordination.mcp_tools.server_errors import AWAY
from coordination.ports import ServerSpec
from coordination.redaction import Redactor
from coordination.text import Text

SERVED_SO = frozenset({400, 404, 405})
"""What a server of this transport answers to a message that is posted to its address, by MCP's specification."""

OPEN_SECONDS = 5.0
"""How long the stream may take to open: the address may be one of quite another kind."""

_ACCEPTS = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


class NoEventStreamError(Exception):
    """The address has no stream of this transport."""


@asynccontextmanager
async def sse_transport(
    spec: ServerSpec, on_gone: Callable[[], None], redactor: Redactor
) -> AsyncGenerator[TransportStreams]:
    """The streams of one session. `on_gone` is called once it can't be used any more; `redactor` learns its tokens.

    Raises:
        NoEventStreamError: the server is none of this transport.
    """
    # A server may be silent for as long as it is asked nothing.
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    async with (
        authorized_transport(spec, redactor) as transport,
        httpx2.AsyncClient(headers=dict(spec.headers), timeout=timeout, transport=transport) as client,
        _stream(client, spec.url) as response,
    ):
        sends, receives = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        wire = _Wire(client, spec.url, sends, on_gone)
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(wire.read(response))
            try:
                await wire.opened()
                yield guarded(receives, wire, on_gone)
            finally:
                receives.close()
                reader.cancel()
                sends.close()


@asynccontextmanager
async def _stream(client: httpx2.AsyncClient, url: str) -> AsyncGenerator[httpx2.Response]:
    request = client.build_request("GET", url, headers=_ACCEPTS)
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            response = await client.send(request, stream=True, follow_redirects=False)
    except (TimeoutError, httpx2.HTTPError) as error:
        raise NoEventStreamError from error
    try:
        if response.status_code != 200:
            raise NoEventStreamError
        yield response
    finally:
        await response.aclose()


class _Wire:
    """Posts messages to the address that the stream names, and reads the stream."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        sends: MemoryObjectSendStream[SessionMessage | Exception],
        on_gone: Callable[[], None],
    ) -> None:
        self._client = client
        self._url = url
        self._sends = sends
        self._on_gone = on_gone
        self._waiting: dict[int | str | None, CallTrace] = {}
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def opened(self) -> None:
        """Wait for the address.

        Raises:
            NoEventStreamError: none comes, or one of another server.
        """
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await asyncio.shield(self._endpoint)
        except TimeoutError:
            raise NoEventStreamError from None

    async def read(self, response: httpx2.Response) -> None:
        """Pass on what the server says until it ends."""
        try:
            async for event in httpx2.EventSource(response, max_event_size=MAX_ANSWER):
                if event.event == "endpoint":
                    self._open(urljoin(self._url, event.data))
                elif event.data and (message := read_message(event.data.encode())) is not None:
                    if isinstance(message, JSONRPCResponse | JSONRPCError):
                        self._waiting.pop(message.id, None)
                    await self._sends.send(SessionMessage(message))
        except httpx2.SSEError:  # It is too large, or it is no stream of events; then nobody waits yet.
            for each in self._waiting.values():
                note_excess(each)
                each.is_broken = len(self._waiting) > 1  # The others may be asked again.
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, httpx2.HTTPError):
            pass
        if not self._endpoint.done():
            self._endpoint.set_exception(NoEventStreamError())
        self._sends.close()

    def _open(self, endpoint: str) -> None:
        ours, theirs = urlsplit(self._url), urlsplit(endpoint)
        if self._endpoint.done():
            return
        if (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc):
            self._endpoint.set_result(endpoint)
        else:  # Our credentials go to the server that the operator named, and to no other.
            self._endpoint.set_exception(NoEventStreamError())

    async def send(self, item: SessionMessage, /) -> None:
        """Post one message, once, and follow no redirect with it. Its answer comes on the stream."""
        message = item.message
        trace = call_trace.get() or CallTrace()
        if isinstance(message, JSONRPCRequest):
            self._waiting[message.id] = trace
        try:
            response = await self._client.post(
                self._endpoint.result(),
                content=message.model_dump_json(by_alias=True, exclude_unset=True).encode(),
                headers={"Content-Type": "application/json"},
                follow_redirects=False,
            )
            if response.status_code < 300:
                return
            _judge(response.status_code, response.text, trace)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError):
            trace.refusal = Text("can't be reached")
        except httpx2.HTTPError:
            trace.loss, trace.is_broken = Text("closed the connection before it answered"), True
        if trace.is_session_lost or trace.status is None:
            self._on_gone()
        if isinstance(message, JSONRPCRequest):
            self._waiting.pop(message.id, None)
            error = ErrorData(code=CONNECTION_CLOSED, message="no answer")
            await self._sends.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=message.id, error=error)))

    async def aclose(self) -> None:
        """Nothing more will be sent."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


def _judge(status: int, words: str, trace: CallTrace) -> None:
    trace.status = status
    # The address is of one session. Only a server that says that it does not know it may be told the same once more.
    if status == 404 or (status == 400 and NO_SUCH_SESSION.search(words[:MOST_WORDS])):
        trace.is_session_lost = True
        trace.refusal = Text("no longer knows the session")
    elif status in TURNED_AWAY:
        trace.refusal = Text("answered HTTP {status}", status=status)
    else:
        trace.loss, trace.is_broken = Text("answered HTTP {status}", status=status), status in AWAY
