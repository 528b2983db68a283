"""A Chat Completions server on a real socket: strict about what it is sent, and as faulty as it is told to be."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from aiohttp import web

from tests.servers.chat_schema import diagnostics
from tests.servers.vendor_server import (
    Fails,
    Json,
    PrefixCache,
    Sends,
    VendorServer,
    bare_event,
    pieces,
    serving,
    split,
)


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
        chunks += [_chunk({"content": piece}) for piece in pieces(self.text, self.piece)]
        for index, call in enumerate(self.calls):
            place = {} if "index" in self.without else {"index": index}
            identity = {} if call.id is None else {"id": call.id}
            opening = {**place, **identity, **call.extra, "type": "function"}
            chunks.append(_chunk({"tool_calls": [{**opening, "function": {"name": call.name, "arguments": ""}}]}))
            chunks += [
                _chunk({"tool_calls": [{**place, "function": {"arguments": piece}}]})
                for piece in pieces(call.arguments, self.piece)
            ]
        if "finish" not in self.without:
            chunks.append(_chunk({}, self.finish or ("tool_calls" if self.calls else "stop")))
        if "usage" not in self.without:
            chunks.append(_usage_chunk(usage or USAGE))
        return [event(chunk) for chunk in chunks] + ([] if "done" in self.without else [b"data: [DONE]\n\n"])


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
class ChatDialect:
    """`cache` counts the usage of each request; None: it is always the same."""

    path: str = "/v1/chat/completions"
    cache: PrefixCache | None = None

    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        return diagnostics(body)

    def writes(self, reply: Says, body: Json) -> Sequence[bytes]:
        return split(reply.events(self._usage(body)), reply.split)

    def failure(self, error: Json, status: int) -> Json:
        return {"error": error}

    def _usage(self, body: Json) -> Json:
        if self.cache is None:
            return USAGE
        tokens, cached = self.cache.count(prefix(body))
        return USAGE | {"prompt_tokens": tokens, "prompt_tokens_details": {"cached_tokens": cached}}


class ChatServer(VendorServer[Says]):
    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"


@asynccontextmanager
async def chat_server(*queue: Scripted, counts: bool = False) -> AsyncGenerator[ChatServer]:
    """The server, on a port of its own, while the context is open; where it `counts`, it also caches."""
    cache = PrefixCache(LEAST_CACHED, CACHED_STEP) if counts else None
    server = ChatServer(dialect=ChatDialect(cache=cache), queue=list(queue))
    async with serving(server):
        yield server


def event(chunk: Json | str) -> bytes:
    return bare_event(chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False))


def prefix(body: Json) -> list[str]:
    """The parts of a request in the order in which they are cached."""
    return [json.dumps(part) for part in [*body.get("tools", []), *body["messages"]]]


def _chunk(delta: Json, finish: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _usage_chunk(usage: Json) -> Json:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [], "usage": usage}
