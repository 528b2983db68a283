"""A server on a real socket that speaks a vendor's dialect: it replays a queue, and remembers what it was sent."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from aiohttp import web

Json: TypeAlias = dict[str, Any]
Ending: TypeAlias = Literal["end", "late", "cut", "hang"]
SaysT = TypeVar("SaysT")
SaysT_contra = TypeVar("SaysT_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Fails:
    """A status other than 200."""

    status: int
    error: Json | str = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Sends:
    """These writes and this ending: `late` ends after a while, `cut` drops the connection, `hang` keeps it, silent.

    Attributes:
        pause: seconds before each write.
        headers: of the response; with `Content-Encoding`, the writes are encoded already.
    """

    writes: Sequence[bytes]
    ending: Ending = "end"
    content_type: str = "text/event-stream"
    pause: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class PrefixCache:
    """What a provider that caches by itself finds of each request: what it has in common with an earlier one.

    A token is four characters. Only whole parts are found: too few rather than too many.

    Attributes:
        least: tokens; a shorter beginning is not cached.
        step: tokens; what is found is a multiple of it.
    """

    least: int
    step: int = 1
    seen: list[list[str]] = field(default_factory=list[list[str]])

    def count(self, parts: Sequence[str]) -> tuple[int, int]:
        """The tokens of a request, and those of them that were cached; from now on it is cached itself."""
        known = max((common_length(parts, earlier) for earlier in self.seen), default=0)
        self.seen.append(list(parts))
        cached = tokens(parts[:known]) // self.step * self.step
        return tokens(parts), cached if cached >= self.least else 0


class Dialect(Protocol[SaysT_contra]):
    """What one vendor's API demands, and how it puts a reply."""

    @property
    def path(self) -> str: ...

    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        """Everything that the API would refuse."""
        ...

    def writes(self, reply: SaysT_contra, body: Json) -> Sequence[bytes]:
        """The reply as it goes over the wire."""
        ...

    def failure(self, error: Json, status: int) -> Json:
        """The body of a refusal."""
        ...


@dataclass
class VendorServer(Generic[SaysT]):
    """Replays what is queued, in order, and remembers what it was sent.

    Attributes:
        diagnostics: what the vendor forbids in the requests so far; a test ends with none.
        open_replies: replies that are being sent now.
    """

    dialect: Dialect[SaysT]
    queue: list[SaysT | Fails | Sends]
    address: str = ""
    requests: list[Json] = field(default_factory=list[Json])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    diagnostics: list[str] = field(default_factory=list[str])
    connections: set[Any] = field(default_factory=set[Any])
    open_replies: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, open_replies: int) -> None:
        """Wait until this many replies are being sent."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: self.open_replies == open_replies)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read(), parse_constant=_refuse_constant)
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.connections.add(request.transport)
        found = self.dialect.diagnostics(body, request)
        found += [] if self.queue else ["the test expected no further request"]
        if found:
            self.diagnostics += found
            return self._failure(Fails(status=400, error={"message": found[0], "type": "invalid_request_error"}))
        reply = self.queue.pop(0)
        if isinstance(reply, Fails):
            return self._failure(reply)
        await self._count(1)
        try:
            sends = reply if isinstance(reply, Sends) else Sends(writes=self.dialect.writes(reply, body))
            return await self._stream(request, sends)
        finally:
            await self._count(-1)

    async def _stream(self, request: web.Request, reply: Sends) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": reply.content_type, **reply.headers})
        await response.prepare(request)
        for data in reply.writes:
            await asyncio.sleep(reply.pause)
            await response.write(data)
        if reply.ending == "cut" and request.transport is not None:
            request.transport.abort()
        if reply.ending == "late":
            await asyncio.sleep(0.1)
        if reply.ending == "hang":
            await asyncio.Event().wait()
        return response

    def _failure(self, reply: Fails) -> web.Response:
        text = (
            reply.error if isinstance(reply.error, str) else json.dumps(self.dialect.failure(reply.error, reply.status))
        )
        kind = "text/html" if isinstance(reply.error, str) else "application/json"
        return web.Response(status=reply.status, text=text, headers=dict(reply.headers), content_type=kind)

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open_replies += change
            self.changed.notify_all()


@asynccontextmanager
async def serving(server: VendorServer[SaysT]) -> AsyncGenerator[VendorServer[SaysT]]:
    """The server, on a port of its own, while the context is open."""
    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_post(server.dialect.path, server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def bare_event(data: str, *, newline: str = "\n") -> bytes:
    """One server-sent event of data alone; characters stay as they are, so that they take several bytes."""
    return f"data: {data}{newline}{newline}".encode("utf-8", "surrogatepass")


def event(data: Json) -> bytes:
    """One server-sent event; characters stay as they are, so that they take several bytes, but for lone surrogates."""
    text = json.dumps(data, ensure_ascii=False)
    return f"event: {data.get('type', 'message')}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def split(events: Sequence[bytes], size: int | None) -> Sequence[bytes]:
    """Writes of this many bytes, to tear lines and characters apart; None: an event in a write."""
    if size is None:
        return events
    data = b"".join(events)
    return [data[start : start + size] for start in range(0, len(data), size)]


def fit(blocks: Sequence[Json]) -> list[Json]:
    """The same with lone surrogates replaced, as no request could have them."""
    text = json.dumps(blocks, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    fitting: list[Json] = json.loads(text)
    return fitting


def without_repeated_ids(blocks: Sequence[Json], key: str) -> list[Json]:
    """The same with the id of a call emptied where an earlier call has it: it can't come back like that."""
    seen: set[str] = set()
    found: list[Json] = []
    for block in blocks:
        repeats = bool(block.get(key)) and block[key] in seen
        seen.add(block.get(key) or "")
        found.append(block | {key: ""} if repeats else block)
    return found


def is_object(text: str) -> bool:
    """Whether a text is a JSON object, as arguments in a history must be."""
    try:
        return isinstance(json.loads(text, parse_constant=_refuse_constant), dict)
    except ValueError:
        return False


def tokens(texts: Sequence[str]) -> int:
    """Four characters each, as far as a server without a tokenizer can count."""
    return sum(map(len, texts)) // 4


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """How many entries two lists have in common from their beginning."""
    same = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        same += 1
    return same


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
