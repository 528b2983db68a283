"""Google's SDK clients, shared by all models of a process."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import httpx2
from google import genai
from google.genai import types
from typing_extensions import override

CONNECT_SECONDS = 10.0
LONGEST_LINE = 64_000_000
"""Bytes of one streamed event. The SDK gathers a line without a limit of its own."""

LONGEST_REFUSAL = 1_000_000
"""Bytes of an answer that is a failure; the SDK reads it whole."""

DEFAULT_VERSION = "v1"
_VERSIONED = re.compile(r"(?P<address>.+)/(?P<version>v\d\w*)/?")


_answers: ContextVar[list[httpx2.Response]] = ContextVar("answers")


@asynccontextmanager
async def freeing_connections() -> AsyncGenerator[None]:
    """Close at the end what the SDK has opened within: it leaves a stream that is not read to its end to the collector."""
    opened: list[httpx2.Response] = []
    token = _answers.set(opened)
    try:
        yield
    finally:
        _answers.reset(token)
        for answer in opened:
            await answer.aclose()


class GeminiClients:
    """One SDK client, and so one pool of connections, per server and key."""

    def __init__(self, *, longest_line: int = LONGEST_LINE) -> None:
        self._longest_line = longest_line
        self._clients: dict[tuple[str, str], tuple[genai.Client, httpx2.AsyncClient]] = {}

    def client(self, *, base_url: str, api_key: str) -> genai.Client:
        """The client of this server and key; made on first use. The address may end in a version, such as /v1beta."""
        found = self._clients.get((base_url, api_key))
        if found is None:
            found = self._new(base_url, api_key)
            self._clients[base_url, api_key] = found
        return found[0]

    async def aclose(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client, connections in clients:
            client.close()
            await connections.aclose()

    def _new(self, base_url: str, api_key: str) -> tuple[genai.Client, httpx2.AsyncClient]:
        connections = _Connections(
            longest_line=self._longest_line,
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30),
        )
        versioned = _VERSIONED.fullmatch(base_url)
        client = genai.Client(
            # The environment could choose another server and another key; what is configured must count.
            vertexai=False,
            api_key=api_key or "none",
            http_options=types.HttpOptions(
                base_url=versioned["address"] if versioned else base_url,
                api_version=versioned["version"] if versioned else DEFAULT_VERSION,
                httpx_async_client=connections,
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )
        return client, connections


class _Connections(httpx2.AsyncClient):
    """Bounds what the SDK would gather without end, and the time to connect; silence is timed by who reads."""

    def __init__(self, *, longest_line: int, limits: httpx2.Limits) -> None:
        super().__init__(limits=limits, follow_redirects=False)
        self._longest_line = longest_line

    @override
    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: object) -> httpx2.Response:
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        response = await super().send(request, stream=stream)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            limit = self._longest_line if response.status_code == 200 else LONGEST_REFUSAL
            response.stream = _Bounded(response.stream, limit, counts_lines=response.status_code == 200)
        _answers.get().append(response)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A body that is given up once it, or a line of it, passes a limit."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int, *, counts_lines: bool) -> None:
        self._inner = inner
        self._limit = limit
        self._counts_lines = counts_lines

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._inner:
            end = data.rfind(b"\n") if self._counts_lines else -1
            size = size + len(data) if end < 0 else len(data) - end
            if size > self._limit:
                raise OverflowError
            yield data

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
