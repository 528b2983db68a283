"""Puts a token on every request to an MCP server: got before it is needed, renewed before it expires."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from pydantic import BaseModel
from typing_extensions import override

from coordination.mcp_tools.call_guard import CALL, Passage, passage
from coordination.mcp_tools.http_transport import stand_in
from coordination.mcp_tools.oauth import NoTokenError, ask_for_token
from coordination.ports import ClientCredentials
from coordination.redaction import EVERYTHING, Redactor

_TIMES = httpx2.Timeout(10.0)
_UNAUTHORIZED = 401
_MARGIN = 30.0
"""Seconds before its end at which a token is renewed; half its life for one that lives less than a minute."""


@asynccontextmanager
async def authorized(
    inner: httpx2.AsyncBaseTransport, server_url: str, credentials: ClientCredentials, redactor: Redactor
) -> AsyncGenerator[httpx2.AsyncBaseTransport]:
    """A transport that sends all requests with tokens, and asks for these by a client of its own."""
    async with httpx2.AsyncClient(timeout=_TIMES) as client:
        yield _Authorized(inner, _Purse(client, server_url, credentials, redactor))


@dataclass(frozen=True)
class _Token:
    text: str
    until: float | None


class _Message(BaseModel):
    method: str = ""


class _Purse:
    """Holds the one token that is in use, in memory only. All who find none share the wait for it."""

    def __init__(
        self, client: httpx2.AsyncClient, server_url: str, credentials: ClientCredentials, redactor: Redactor
    ) -> None:
        self._client = client
        self._server_url = server_url
        self._credentials = credentials
        self._redactor = redactor
        self._token: _Token | None = None
        self._lock = asyncio.Lock()

    async def token(self, *, instead_of: _Token | None = None) -> _Token:
        """A token that should be good, and is another than the one which was refused.

        Raises:
            NoTokenError: there is none; says why.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            known = self._token
            if known is None or known is instead_of or (known.until is not None and now >= known.until):
                self._token = None
                known = self._token = await self._new(now)
            return known

    def drop(self, token: _Token) -> None:
        """The server does not take it any more."""
        if self._token is token:
            self._token = None

    async def _new(self, now: float) -> _Token:
        granted = await ask_for_token(self._client, self._server_url, self._credentials)
        self._redactor.learn(granted.access_token)
        EVERYTHING.learn(granted.access_token)
        life = granted.expires_in
        return _Token(granted.access_token, None if life is None else now + life - min(_MARGIN, life / 2))


class _Authorized(httpx2.AsyncBaseTransport):
    """A tool call leaves once, whatever is answered; other requests are sent again if a token turns out to be void."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, purse: _Purse) -> None:
        self._inner = inner
        self._purse = purse

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._send(request)
        except NoTokenError as error:
            current = passage.get() or Passage()
            current.refusal = current.obstacle = str(error)
            return stand_in("no token")

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        token = await self._purse.token()
        response = await self._send_with(token, request)
        if response.status_code != _UNAUTHORIZED:
            return response
        self._purse.drop(token)
        if _is_call(request):
            return response
        await response.aclose()
        return await self._send_with(await self._purse.token(instead_of=token), request)

    async def _send_with(self, token: _Token, request: httpx2.Request) -> httpx2.Response:
        request.headers["Authorization"] = f"Bearer {token.text}"
        return await self._inner.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _is_call(request: httpx2.Request) -> bool:
    """Whether a request may be a tool call; one that can't be read may."""
    if request.method != "POST":
        return False
    try:
        return _Message.model_validate_json(request.content).method == CALL
    except (ValueError, httpx2.RequestNotRead):
        return True
