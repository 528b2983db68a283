"""Streamable HTTP to an MCP server, so that a request which fails fails alone, and says what became of it."""

import re
import urllib.parse
import urllib.request
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.types import JSONRPCError, JSONRPCRequest, jsonrpc_message_adapter
from typing_extensions import override

from coordination.mcp_tools.call_guard import CallTrace, call_trace, guarded, stand_in
from coordination.mcp_tools.json_rpc import ABOUT_THE_REQUEST, EventsMended, proper, read_message
from coordination.mcp_tools.server_errors import AWAY
from coordination.ports import ServerSpec
from coordination.redaction import Redactor
from coordination.text import Text

MAX_ANSWER = 32_000_000
"""Bytes of one answer that are read."""

CONNECT_SECONDS = 10.0

TURNED_AWAY = frozenset({307, 308, 401, 403, 404, 405, 406, 413, 415, 429})
"""Statuses by which a server, or a gateway before it, says that it did not do what was asked."""

NO_SUCH_SESSION = re.compile(
    r"session\b.{0,60}\b(?:not found|unknown|invalid|expired|missing|required|terminated|closed|not exist)"
    r"|\b(?:no|unknown|invalid|expired|missing|without)\b.{0,30}\bsession"
    r"|\bnot (?:yet )?initiali[sz]ed",
    re.IGNORECASE | re.DOTALL,
)
"""How servers say with HTTP 400 that they know nothing of a session; the SDKs have no code for it."""

MOST_WORDS = 2_000

_JSON = ("content-type", "application/json")
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@asynccontextmanager
async def http_transport(
    spec: ServerSpec, on_gone: Callable[[], None], redactor: Redactor
) -> AsyncGenerator[TransportStreams]:
    """The streams of one session. `on_gone` is called once it can't be used any more; `redactor` learns its tokens."""
    async with (
        authorized_transport(spec, redactor) as carrier,
        httpx2.AsyncClient(
            headers=dict(spec.headers),
            # How long a call may take is the call's own matter: a server may be silent while it works.
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            transport=_OneWay(carrier, on_gone, has_tokens=spec.auth is not None),
        ) as client,
        streamable_http_client(spec.url, http_client=client, max_sse_event_size=MAX_ANSWER) as (read, write),
    ):
        yield guarded(read, write, on_gone)


@asynccontextmanager
async def authorized_transport(spec: ServerSpec, redactor: Redactor) -> AsyncGenerator[httpx2.AsyncBaseTransport]:
    """What takes a request to the server, with a token if the server wants one."""
    plain = httpx2.AsyncHTTPTransport(proxy=proxy_of(spec.url))
    if spec.auth is None:
        yield plain
        return
    from coordination.mcp_tools.oauth import authorized  # noqa: PLC0415  # few servers need OAuth, slow to load

    async with authorized(plain, spec.url, spec.auth, redactor) as carrier:
        yield carrier


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for this address, as other programs understand it."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


class _OneWay(httpx2.AsyncBaseTransport):
    """Sends each message once: follows no redirect with it, and turns every fault into an answer to that message.

    A fault that the SDK does not expect here would end the session, with every other call in flight.
    """

    def __init__(
        self, inner: httpx2.AsyncBaseTransport, on_gone: Callable[[], None], *, has_tokens: bool = False
    ) -> None:
        """With `has_tokens` the inner transport renews a credential that was refused, so that the session may live."""
        self._inner = inner
        self._has_tokens = has_tokens
        self._on_gone = on_gone

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        trace = call_trace.get() or CallTrace()
        try:
            response = await self._inner.handle_async_request(request)
            return await self._judge(request, response, trace)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol):
            trace.refusal = Text("can't be reached")
            self._on_gone()
        except httpx2.TransportError:
            trace.loss, trace.is_broken = Text("closed the connection before it answered"), True
        except httpx2.DecodingError:
            trace.loss, trace.has_ended = Text("sent an answer that can't be decoded"), True
        return stand_in("no answer")

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _judge(self, request: httpx2.Request, response: httpx2.Response, trace: CallTrace) -> httpx2.Response:
        kind = response.headers.get("content-type", "").lower()
        if response.status_code < 300 and kind.startswith("text/event-stream"):
            stream = EventsMended(response, limit=MAX_ANSWER, on_excess=partial(note_excess, trace))
            return httpx2.Response(response.status_code, headers=_plain(response), stream=stream)
        body = await _body(response)
        if body is None:
            trace.loss = Text("answered with more than {megabytes} MB", megabytes=MAX_ANSWER // 1_000_000)
            trace.has_ended = True
            return stand_in("too large")
        if _forgot_session(request, response.status_code, body):
            trace.status = response.status_code
            # An error with the message's own id might be the tool's: it was refused, yet nobody sends it again.
            trace.is_session_lost = not _is_addressed(request, body)
            trace.refusal = Text("no longer knows the session")
            self._on_gone()
            return stand_in("no such session")
        if response.status_code < 300:
            return _answered(request, response, body, trace)
        if response.status_code < 500 and _is_error(body):
            return httpx2.Response(response.status_code, headers=_plain(response), content=proper(body))
        return self._refuse(request, response.status_code, trace)

    def _refuse(self, request: httpx2.Request, status: int, trace: CallTrace) -> httpx2.Response:
        trace.status = status
        if status in TURNED_AWAY:
            trace.refusal = Text("answered HTTP {status}", status=status)
        else:
            trace.loss, trace.is_broken = Text("answered HTTP {status}", status=status), status in AWAY
        if status == 401 and not self._has_tokens and "mcp-session-id" in request.headers:
            # It may be the session that is refused; the handshake of a new one finds out.
            self._on_gone()
        return stand_in(f"HTTP {status}")


def note_excess(trace: CallTrace) -> None:
    """More came at once than is read; it may be the answer, or not."""
    trace.loss = Text("sent more than {megabytes} MB at once", megabytes=MAX_ANSWER // 1_000_000)


def _answered(request: httpx2.Request, response: httpx2.Response, body: bytes, trace: CallTrace) -> httpx2.Response:
    """A success with a whole body.

    If it answers a request without a message, that is found out here and not by the SDK.

    The SDK would put an error of its own in the place of the answer, which looks like one of the server's.
    """
    headers = _plain(response)
    if isinstance(jsonrpc_message_adapter.validate_json(request.content, by_name=False), JSONRPCRequest):
        if read_message(body) is None:
            trace.is_foreign = True
            what = Text("nothing") if not body.strip() else Text("something that is not an MCP message")
            trace.loss = Text("answered with {what} (HTTP {status})", what=what, status=response.status_code)
            return stand_in("no message")
        # Some servers, and gateways before them, name another type, or accept and answer at once.
        headers = [*((name, value) for name, value in headers if name.lower() != "content-type"), _JSON]
        return httpx2.Response(200, headers=headers, content=proper(body))
    return httpx2.Response(response.status_code, headers=headers, content=body)


def _plain(response: httpx2.Response) -> list[tuple[str, str]]:
    """The headers of a response whose body was decoded."""
    return [(name, value) for name, value in response.headers.items() if name.lower() not in _FRAMING]


async def _body(response: httpx2.Response) -> bytes | None:
    """The whole body, or None if it is too large."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER:
                return None
    finally:
        await response.aclose()
    return bytes(body)


def _is_error(body: bytes) -> bool:
    """Whether a body is the server's own answer in the protocol's terms."""
    return _error(body) is not None


def _error(body: bytes) -> JSONRPCError | None:
    message = read_message(body)
    return message if isinstance(message, JSONRPCError) else None


def _forgot_session(request: httpx2.Request, status: int, body: bytes) -> bool:
    """Whether a server refused a message because it does not know the session, as it does after a restart.

    The SDKs say so before they look at the message, so that it has certainly not run. They say it with a body in the
    protocol's terms, which is no answer to the message.
    """
    if "mcp-session-id" not in request.headers or status not in (400, 401, 404):
        return False
    error = _error(body)
    if error is not None and error.error.code in ABOUT_THE_REQUEST:
        return False
    words = body[:MOST_WORDS].decode(errors="replace") if error is None else error.error.message[:MOST_WORDS]
    if NO_SUCH_SESSION.search(words):
        return True
    return status == 404 and not _is_addressed(request, body)


def _is_addressed(request: httpx2.Request, body: bytes) -> bool:
    """Whether a body is an error with the id of the message, and not one about the connection."""
    error = _error(body)
    if error is None or error.id is None:
        return False
    try:
        message = jsonrpc_message_adapter.validate_json(request.content, by_name=False)
    except ValueError:
        return True
    return getattr(message, "id", None) == error.id
