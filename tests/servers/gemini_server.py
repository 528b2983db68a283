"""A Gemini server on a real socket: strict about what it is sent, and as faulty as it is told to be."""

import base64
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from tests.servers.gemini_schema import diagnostics
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
        thoughts = [{"text": piece, "thought": True} for piece in pieces(self.thought, self.piece)]
        texts = [{"text": piece} for piece in pieces(self.text, self.piece)]
        return [*thoughts, *texts, *self.parts, *(call.part() for call in self.calls)]

    def events(self, usage: Json | None = None) -> list[bytes]:
        chunks = [_chunk([part]) for part in self.all_parts()]
        last: Json = {"candidates": [{"index": 0}]}
        if self.finish is not None:
            last["candidates"][0]["finishReason"] = self.finish
        if self.has_usage:
            last["usageMetadata"] = usage or USAGE
        return [event(chunk) for chunk in (*chunks, last)]


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
class GeminiDialect:
    """Remembers the parts of its replies, as they must come back word for word.

    Attributes:
        cache: what counts the usage of each request; None: it is always the same.
    """

    path: str = "/{version:v1|v1beta}/models/{model:[^:/]+}:streamGenerateContent"
    cache: PrefixCache | None = None
    models: list[str] = field(default_factory=list[str])
    said: list[list[Json]] = field(default_factory=list[list[Json]])

    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        self.models.append(request.match_info["model"])
        found = diagnostics(body, self.said)
        if request.query.get("alt") != "sse" or not request.headers.get("x-goog-api-key"):
            found.append("a stream of events must be asked for, with a key")
        return found

    def writes(self, reply: Says, body: Json) -> Sequence[bytes]:
        self.said.append(reply.all_parts())
        return split(reply.events(self._usage(body)), reply.split)

    def failure(self, error: Json, status: int) -> Json:
        return {"error": {"code": status, **error}}

    def _usage(self, body: Json) -> Json:
        if self.cache is None:
            return USAGE
        tokens, cached = self.cache.count(prefix(body))
        counted = {"promptTokenCount": tokens, "cachedContentTokenCount": cached, "toolUsePromptTokenCount": 0}
        return USAGE | counted


class GeminiServer(VendorServer[Says]):
    @property
    def base_url(self) -> str:
        return self.address

    @property
    def models(self) -> list[str]:
        """The model that each request was for."""
        assert isinstance(self.dialect, GeminiDialect)
        return self.dialect.models


@asynccontextmanager
async def gemini_server(*queue: Scripted, counts: bool = False) -> AsyncGenerator[GeminiServer]:
    """The server, on a port of its own, while the context is open; where it `counts`, it also caches."""
    cache = PrefixCache(LEAST_CACHED) if counts else None
    server = GeminiServer(dialect=GeminiDialect(cache=cache), queue=list(queue))
    async with serving(server):
        yield server


def event(chunk: Json) -> bytes:
    return bare_event(json.dumps(chunk, ensure_ascii=False), newline="\r\n")


def prefix(body: Json) -> list[str]:
    """The parts of a request in the order in which they are cached; it is nowhere told, so what changes most is first."""
    tools = [declaration for tool in body.get("tools", []) for declaration in tool.get("functionDeclarations", [tool])]
    return [json.dumps(part) for part in [*tools, body.get("systemInstruction"), *body["contents"]]]


def _chunk(parts: Sequence[Json]) -> Json:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    usage = {"promptTokenCount": 120, "totalTokenCount": 120}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}
