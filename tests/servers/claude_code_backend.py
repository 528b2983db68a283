"""The API behind Claude Code's program, on a real socket: strict about what matters here, faulty as it is told to be."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aiohttp import web

from tests.servers.messages_server import BreakpointCache

Json: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["end", "cut", "hang"]

PREFIX = "mcp__massgen__"
USAGE: Json = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 100,
    "output_tokens": 1,
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """`name` is as Claude Code is offered it: without the prefix for tools that are not ours."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Says:
    text: str = ""
    calls: Sequence[Call] = ()
    stop: str | None = None
    piece: int = 5


@dataclass(frozen=True, kw_only=True)
class Fails:
    status: int
    kind: str = "api_error"
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Breaks:
    """The beginning of a reply, and this ending. `event` is sent before it."""

    ending: Ending
    says: Says = field(default_factory=lambda: Says(text="half of an answer"))
    events: int = 4
    event: Json | None = None


Scripted: TypeAlias = Says | Fails | Breaks


@dataclass
class Backend:
    """Replays what is queued, in order, and remembers what it was sent.

    Attributes:
        diagnostics: what the API would refuse in the requests so far; a test ends with none.
        open_replies: replies that are being sent now.
        cache: what counts the usage of each request; None: it is always the same.
    """

    base_url: str = ""
    cache: BreakpointCache | None = None
    is_strict: bool = True
    queue: list[Scripted] = field(default_factory=list[Scripted])
    requests: list[Json] = field(default_factory=list[Json])
    keys: list[str] = field(default_factory=list[str])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    diagnostics: list[str] = field(default_factory=list[str])
    elsewhere: list[str] = field(default_factory=list[str])
    messages: int = 0
    open_replies: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, open_replies: int) -> None:
        """Wait until this many replies are being sent."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.open_replies == open_replies)

    def last_results(self) -> list[Json]:
        """The results of tools that came with the newest request."""
        return [block for block in blocks_of(self.conversation()[-1]) if block["type"] == "tool_result"]

    def conversation(self) -> list[Json]:
        """The messages of the newest request, but for what Claude Code tells of its surroundings."""
        return [message for message in self.requests[-1]["messages"] if message["role"] != "system"]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.keys.append(request.headers.get("x-api-key") or request.headers.get("authorization", ""))
        found = [*_diagnostics(body), *(_foreign(body) if self.is_strict else ()), *self._unexpected(body)]
        self.diagnostics += found
        if found:
            return _failure(Fails(status=400, kind="invalid_request_error", message=found[0]))
        reply = self.queue.pop(0)
        if isinstance(reply, Fails):
            return _failure(reply)
        await self._count(1)
        try:
            usage = USAGE if self.cache is None else self.cache.usage(body)
            return await self._stream(request, reply, usage)
        finally:
            await self._count(-1)

    def _unexpected(self, body: Json) -> Iterator[str]:
        if not self.queue:
            yield "the test expected no further request"
        # Where nothing seems to stream, Claude Code tries once without.
        elif not body.get("stream") and not isinstance(self.queue[0], Fails):
            yield "a stream must be asked for"

    async def nothing(self, request: web.Request) -> web.Response:
        self.elsewhere.append(f"{request.method} {request.path}")
        return web.json_response({}, status=404)

    async def _stream(self, request: web.Request, reply: Says | Breaks, usage: Json) -> web.StreamResponse:
        self.messages += 1
        events = list(_events(reply if isinstance(reply, Says) else reply.says, self.messages, usage))
        ending: Ending = "end"
        if isinstance(reply, Breaks):
            events, ending = events[: reply.events], reply.ending
            events += [reply.event] if reply.event else []
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            data = json.dumps(event, ensure_ascii=False)
            await response.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
        if ending == "cut" and request.transport is not None:
            request.transport.abort()
        if ending == "hang":
            await asyncio.Event().wait()
        return response

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open_replies += change
            self.changed.notify_all()


@asynccontextmanager
async def claude_code_backend(
    *queue: Scripted, is_strict: bool = True, counts: bool = False
) -> AsyncGenerator[Backend]:
    """The server, on a port of its own, while the context is open.

    Unless it is strict, any tool may be offered; where it `counts`, it also caches.
    """
    backend = Backend(queue=list(queue), is_strict=is_strict, cache=BreakpointCache() if counts else None)
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post("/v1/messages", backend.handle)
    app.router.add_route("*", "/{path:.*}", backend.nothing)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        backend.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield backend
    finally:
        await runner.cleanup()


def blocks_of(message: Json) -> list[Json]:
    """The content of a message, which may also be a plain text."""
    content: list[Json] | str = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _events(reply: Says, number: int, usage: Json) -> Iterator[Json]:
    message: Json = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "m", "content": []}
    yield {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None, "usage": usage}}
    blocks: list[tuple[Json, list[Json]]] = []
    if reply.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(reply.text, reply.piece)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for index, call in enumerate(reply.calls):
        identity = call.id or f"toolu_{number}_{index}"
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(call.arguments, reply.piece)]
        blocks.append(({"type": "tool_use", "id": identity, "name": call.name, "input": {}}, deltas))
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = reply.stop or ("tool_use" if reply.calls else "end_turn")
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop, "stop_sequence": None},
        "usage": {"output_tokens": 33},
    }
    yield {"type": "message_stop"}


def _diagnostics(body: Json) -> Iterator[str]:
    """What would be refused."""
    if not body.get("max_tokens") or not body.get("system"):
        yield "a limit and a system prompt must be given"
    unanswered: list[str] = []
    for message in body["messages"]:
        blocks = blocks_of(message)
        if message["role"] == "user":
            answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            if sorted(answered) != sorted(unanswered):
                yield f"calls {unanswered} were answered by {answered}"
            unanswered = []
        elif message["role"] == "assistant":
            unanswered = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if unanswered:
        yield f"calls without an answer: {unanswered}"


def _foreign(body: Json) -> Iterator[str]:
    """What must never be offered, beside what can't be."""
    for tool in body.get("tools", []):
        name = str(tool.get("name"))
        if not name.startswith(PREFIX) or len(name) > 64:
            yield f"a tool that is not ours, or whose name is too long: {name}"


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _failure(reply: Fails) -> web.Response:
    error = {"type": "error", "error": {"type": reply.kind, "message": reply.message or "no"}, "request_id": "r"}
    return web.json_response(error, status=reply.status)
