"""A Chat Completions server on a real socket: strict about what it is sent, and as faulty as it is told to be."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aiohttp import web

from tests.servers.chat_schema import complaints
from tests.servers.vendor_server import PrefixCache

Json: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["end", "late", "cut", "hang"]


@dataclass(frozen=True, kw_only=True)
class Call:
    name: str
    arguments: str
    id: str | None = "call_1"
    extra: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Says:
    """A reply as the provider streams it. `without` names parts that a merely compatible server leaves out.

    Attributes:
        piece: characters of text or arguments in a chunk.
        split: bytes in a write, to tear lines and characters apart; None: an event in a write.
    """

    text: str = ""
    calls: Sequence[Call] = ()
    finish: str | None = None
    piece: int = 5
    split: int | None = None
    without: frozenset[Literal["usage", "done", "index", "finish"]] = frozenset()
    delta: Json = field(default_factory=dict[str, Any])

    def events(self, usage: Json | None = None) -> list[bytes]:
        chunks = [_chunk({"role": "assistant", "content": "", **self.delta})]
        chunks += [_chunk({"content": piece}) for piece in _pieces(self.text, self.piece)]
        for index, call in enumerate(self.calls):
            place = {} if "index" in self.without else {"index": index}
            identity = {} if call.id is None else {"id": call.id}
            opening = {**place, **identity, **call.extra, "type": "function"}
            chunks.append(_chunk({"tool_calls": [{**opening, "function": {"name": call.name, "arguments": ""}}]}))
            chunks += [
                _chunk({"tool_calls": [{**place, "function": {"arguments": piece}}]})
                for piece in _pieces(call.arguments, self.piece)
            ]
        if "finish" not in self.without:
            chunks.append(_chunk({}, self.finish or ("tool_calls" if self.calls else "stop")))
        if "usage" not in self.without:
            chunks.append(_usage_chunk(usage or USAGE))
        return [event(chunk) for chunk in chunks] + ([] if "done" in self.without else [b"data: [DONE]\n\n"])


@dataclass(frozen=True, kw_only=True)
class Fails:
    """A status other than 200."""

    status: int
    error: Json | str = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Sends:
    """These writes and this ending: `late` ends after a while, `cut` drops the connection, `hang` keeps it, silent."""

    writes: Sequence[bytes]
    ending: Ending = "end"
    content_type: str = "text/event-stream"


Scripted: TypeAlias = Says | Fails | Sends

USAGE: Json = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 100},
}

LEAST_CACHED, CACHED_STEP = 1024, 128
"""Tokens: shorter beginnings are not cached, and longer ones in pieces of this size."""


@dataclass
class ChatServer:
    """Replays what is queued, in order, and remembers what it was sent.

    Attributes:
        complaints: what the published schema forbids in the requests so far; a test ends with none.
        open_replies: replies that are being sent now.
        cache: what counts the usage of each request; None: it is always the same.
    """

    base_url: str = ""
    cache: PrefixCache | None = None
    queue: list[Scripted] = field(default_factory=list[Scripted])
    requests: list[Json] = field(default_factory=list[Json])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    complaints: list[str] = field(default_factory=list[str])
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
        self.headers.append(dict(request.headers))
        self.connections.add(request.transport)
        found = complaints(body) or ([] if self.queue else ["the test expected no further request"])
        if found:
            self.complaints += found
            return _failure(Fails(status=400, error={"message": found[0], "type": "invalid_request_error"}))
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
        return USAGE | {"prompt_tokens": tokens, "prompt_tokens_details": {"cached_tokens": cached}}

    async def _stream(self, request: web.Request, reply: Says | Sends, usage: Json) -> web.StreamResponse:
        if isinstance(reply, Says):
            reply = Sends(writes=_split(reply.events(usage), reply.split))
        response = web.StreamResponse(headers={"Content-Type": reply.content_type})
        await response.prepare(request)
        for data in reply.writes:
            await response.write(data)
        if reply.ending == "cut" and request.transport is not None:
            request.transport.abort()
        if reply.ending == "late":
            await asyncio.sleep(0.05)
        if reply.ending == "hang":
            await asyncio.Event().wait()
        return response

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open_replies += change
            self.changed.notify_all()


@asynccontextmanager
async def chat_server(*queue: Scripted, counts: bool = False) -> AsyncGenerator[ChatServer]:
    """The server, on a port of its own, while the context is open; where it `counts`, it also caches."""
    server = ChatServer(queue=list(queue), cache=PrefixCache(LEAST_CACHED, CACHED_STEP) if counts else None)
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()


def event(chunk: Json | str) -> bytes:
    """One server-sent event; characters stay as they are, so that they take several bytes."""
    data = chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False)
    return b"data: " + data.encode("utf-8", "surrogatepass") + b"\n\n"


def prefix(body: Json) -> list[str]:
    """The parts of a request in the order in which they are cached."""
    return [json.dumps(part) for part in [*body.get("tools", []), *body["messages"]]]


def _chunk(delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _usage_chunk(usage: Json) -> Json:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [], "usage": usage}


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _split(events: Sequence[bytes], size: int | None) -> Sequence[bytes]:
    if size is None:
        return events
    data = b"".join(events)
    return [data[start : start + size] for start in range(0, len(data), size)]


def _failure(reply: Fails) -> web.Response:
    text = reply.error if isinstance(reply.error, str) else json.dumps({"error": reply.error})
    kind = "text/html" if isinstance(reply.error, str) else "application/json"
    return web.Response(status=reply.status, text=text, headers=dict(reply.headers), content_type=kind)
