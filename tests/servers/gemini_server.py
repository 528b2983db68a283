"""A Gemini server on a real socket: strict about what it is sent, and as faulty as it is told to be."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aiohttp import web

from tests.servers.gemini_schema import complaints
from tests.servers.vendor_server import PrefixCache

Json: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["end", "cut", "hang"]

SIGNATURE = base64.b64encode(bytes(range(180, 256))).decode()
"""As Gemini's are: bytes that are no text, with every character of the alphabet that encoders disagree about."""


@dataclass(frozen=True, kw_only=True)
class Call:
    name: str
    args: Json | None = field(default_factory=dict[str, Any])
    id: str | None = None
    signature: str | None = None

    def part(self) -> Json:
        given = {"name": self.name, "args": self.args, "id": self.id}
        part: Json = {"functionCall": {key: value for key, value in given.items() if value is not None}}
        return part | ({"thoughtSignature": self.signature} if self.signature else {})


@dataclass(frozen=True, kw_only=True)
class Says:
    """A reply as Gemini streams it. `parts` come after the text and before the calls, whatever they are.

    Attributes:
        piece: characters of text in a chunk.
        split: bytes in a write, to tear lines and characters apart; None: an event in a write.
    """

    text: str = ""
    thought: str = ""
    parts: Sequence[Json] = ()
    calls: Sequence[Call] = ()
    finish: str | None = "STOP"
    piece: int = 5
    split: int | None = None
    has_usage: bool = True

    def all_parts(self) -> list[Json]:
        thoughts = [{"text": piece, "thought": True} for piece in _pieces(self.thought, self.piece)]
        texts = [{"text": piece} for piece in _pieces(self.text, self.piece)]
        return [*thoughts, *texts, *self.parts, *(call.part() for call in self.calls)]

    def events(self, usage: Json | None = None) -> list[bytes]:
        chunks = [_chunk([part]) for part in self.all_parts()]
        last: Json = {"candidates": [{"index": 0}]}
        if self.finish is not None:
            last["candidates"][0]["finishReason"] = self.finish
        if self.has_usage:
            last["usageMetadata"] = usage or USAGE
        return [event(chunk) for chunk in (*chunks, last)]


@dataclass(frozen=True, kw_only=True)
class Fails:
    """A status other than 200."""

    status: int
    error: Json | str = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Sends:
    """These writes and this ending, whatever they mean: `cut` drops the connection, `hang` keeps it, silent."""

    writes: Sequence[bytes]
    ending: Ending = "end"
    content_type: str = "text/event-stream"


Scripted: TypeAlias = Says | Fails | Sends

USAGE: Json = {
    "promptTokenCount": 120,
    "cachedContentTokenCount": 100,
    "toolUsePromptTokenCount": 7,
    "candidatesTokenCount": 30,
    "thoughtsTokenCount": 12,
    "totalTokenCount": 169,
}

LEAST_CACHED = 4096
"""Tokens: shorter beginnings are not cached, by any model from Gemini 3 on."""


@dataclass
class GeminiServer:
    """Replays what is queued, in order, and remembers what it was sent and what it said.

    Attributes:
        complaints: what the API forbids in the requests so far; a test ends with none.
        open_replies: replies that are being sent now.
        cache: what counts the usage of each request; None: it is always the same.
    """

    base_url: str = ""
    cache: PrefixCache | None = None
    queue: list[Scripted] = field(default_factory=list[Scripted])
    requests: list[Json] = field(default_factory=list[Json])
    models: list[str] = field(default_factory=list[str])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    complaints: list[str] = field(default_factory=list[str])
    said: list[list[Json]] = field(default_factory=list[list[Json]])
    connections: set[Any] = field(default_factory=set[Any])
    open_replies: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, open_replies: int) -> None:
        """Wait until this many replies are being sent."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: self.open_replies == open_replies)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.requests.append(body)
        self.models.append(request.match_info["model"])
        self.headers.append(dict(request.headers))
        self.connections.add(request.transport)
        found = complaints(body, self.said) or ([] if self.queue else ["the test expected no further request"])
        if request.query.get("alt") != "sse" or not request.headers.get("x-goog-api-key"):
            found.append("a stream of events must be asked for, with a key")
        if found:
            self.complaints += found
            return _failure(Fails(status=400, error={"message": found[0], "status": "INVALID_ARGUMENT"}))
        reply = self.queue.pop(0)
        if isinstance(reply, Fails):
            return _failure(reply)
        await self._count(1)
        try:
            return await self._stream(request, reply, self._usage(body))
        finally:
            await self._count(-1)

    def _usage(self, body: Json) -> Json:
        if self.cache is None:
            return USAGE
        tokens, cached = self.cache.count(prefix(body))
        counted = {"promptTokenCount": tokens, "cachedContentTokenCount": cached, "toolUsePromptTokenCount": 0}
        return USAGE | counted

    async def _stream(self, request: web.Request, reply: Says | Sends, usage: Json) -> web.StreamResponse:
        if isinstance(reply, Says):
            self.said.append(reply.all_parts())
            reply = Sends(writes=_split(reply.events(usage), reply.split))
        response = web.StreamResponse(headers={"Content-Type": reply.content_type})
        await response.prepare(request)
        for data in reply.writes:
            await response.write(data)
        if reply.ending == "cut" and request.transport is not None:
            request.transport.abort()
        if reply.ending == "hang":
            await asyncio.Event().wait()
        return response

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open_replies += change
            self.changed.notify_all()


@asynccontextmanager
async def gemini_server(*queue: Scripted, counts: bool = False) -> AsyncGenerator[GeminiServer]:
    """The server, on a port of its own, while the context is open; where it `counts`, it also caches."""
    server = GeminiServer(queue=list(queue), cache=PrefixCache(LEAST_CACHED) if counts else None)
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/models/{model:[^:/]+}:streamGenerateContent", server.handle)
    app.router.add_post("/v1beta/models/{model:[^:/]+}:streamGenerateContent", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def event(chunk: Json) -> bytes:
    """One server-sent event; characters stay as they are, so that they take several bytes."""
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\r\n\r\n"


def prefix(body: Json) -> list[str]:
    """The parts of a request in the order in which they are cached; it is nowhere told, so what changes most is first."""
    tools = [declaration for tool in body.get("tools", []) for declaration in tool.get("functionDeclarations", [tool])]
    return [json.dumps(part) for part in [*tools, body.get("systemInstruction"), *body["contents"]]]


def _chunk(parts: Sequence[Json]) -> Json:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    usage = {"promptTokenCount": 120, "totalTokenCount": 120}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _split(events: Sequence[bytes], size: int | None) -> Sequence[bytes]:
    if size is None:
        return events
    data = b"".join(events)
    return [data[start : start + size] for start in range(0, len(data), size)]


def _failure(reply: Fails) -> web.Response:
    is_text = isinstance(reply.error, str)
    text = reply.error if isinstance(reply.error, str) else json.dumps({"error": {"code": reply.status, **reply.error}})
    kind = "text/html" if is_text else "application/json"
    return web.Response(status=reply.status, text=text, headers=dict(reply.headers), content_type=kind)
