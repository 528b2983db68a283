"""An OpenAI Responses server on a real socket: strict about what it is sent, and as faulty as it is told to be."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, TypeAlias

from aiohttp import web

from tests.servers.responses_schema import diagnostics
from tests.servers.vendor_server import (
    Fails,
    Json,
    PrefixCache,
    Sends,
    VendorServer,
    event,
    fit,
    pieces,
    serving,
    split,
)

LEAST_CACHED, CACHED_STEP = 1024, 128
"""Tokens: shorter beginnings are not cached, and longer ones in pieces of this size."""


@dataclass(frozen=True, kw_only=True)
class Call:
    name: str
    arguments: str
    call_id: str | None = "call_1"


@dataclass(frozen=True, kw_only=True)
class Says:
    """A reply as the provider streams it: reasoning, then other items, then texts, then calls.

    Attributes:
        reasoning: what comes encrypted; each makes an item.
        items: items of other kinds, such as the provider's own web searches.
        texts: each makes a message.
        last: the last event's type, and what its response says beside the output.
        usage: None: counted, as far as a server without a model can.
        piece: characters of text or arguments in an event.
        split: bytes in a write; None: an event in a write.
        without: `output`: the last event repeats no items; `done`: no item comes but in the last event; `encrypted`: what
            is encrypted comes in the last event only.
    """

    reasoning: Sequence[str] = ()
    items: Sequence[Json] = ()
    texts: Sequence[str] = ()
    calls: Sequence[Call] = ()
    last: tuple[str, Json] | None = ("response.completed", {"status": "completed"})
    usage: Json | None = None
    piece: int = 5
    split: int | None = None
    without: frozenset[Literal["output", "done", "encrypted"]] = frozenset()


Scripted: TypeAlias = Says | Fails | Sends
ResponsesServer: TypeAlias = VendorServer[Says]


@dataclass
class ResponsesDialect:
    """Remembers the items of its replies, as they must come back word for word, and what it would have cached."""

    path: str = "/v1/responses"
    said: list[list[Json]] = field(default_factory=list[list[Json]])
    cache: PrefixCache = field(default_factory=lambda: PrefixCache(LEAST_CACHED, CACHED_STEP))
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        found = [] if request.headers.get("Authorization", "").startswith("Bearer ") else ["a key is required"]
        return found + diagnostics(body, self.said)

    def writes(self, reply: Says, body: Json) -> Sequence[bytes]:
        items = self._items(reply)
        self.said.append(fit(items))
        usage = reply.usage or self._usage(body)
        response: Json = {
            "id": f"resp_{next(self.numbers)}",
            "object": "response",
            "status": "in_progress",
            "output": [],
        }
        events: list[Json] = [{"type": "response.created", "response": response}]
        events += [{"type": "response.in_progress", "response": response}]
        for index, item in enumerate(items if "done" not in reply.without else []):
            bare = item | {"encrypted_content": None} if "encrypted" in reply.without and "summary" in item else item
            events += _item_events(bare, index, reply.piece)
        if reply.last is not None:
            kind, rest = reply.last
            output = [] if "output" in reply.without else items
            events.append({"type": kind, "response": response | {"output": output, "usage": usage} | rest})
        numbered = [event(each | {"sequence_number": number}) for number, each in enumerate(events)]
        return split(numbered, reply.split)

    def failure(self, error: Json, status: int) -> Json:
        return {"error": error}

    def _items(self, reply: Says) -> list[Json]:
        items: list[Json] = [
            {"type": "reasoning", "id": f"rs_{next(self.numbers)}", "summary": [], "encrypted_content": text}
            for text in reply.reasoning
        ]
        items += reply.items
        for text in reply.texts:
            content: Json = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            given: Json = {"role": "assistant", "content": [content], "status": "completed", "phase": "commentary"}
            items.append({"type": "message", "id": f"msg_{next(self.numbers)}", **given})
        for call in reply.calls:
            given = {"name": call.name, "arguments": call.arguments, "call_id": call.call_id, "status": "completed"}
            items.append({"type": "function_call", "id": f"fc_{next(self.numbers)}", **given})
        return items

    def _usage(self, body: Json) -> Json:
        tokens, cached = self.cache.count(prefix(body))
        return {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": 30,
            "output_tokens_details": {"reasoning_tokens": 12},
        }


@asynccontextmanager
async def responses_server(*queue: Scripted) -> AsyncGenerator[ResponsesServer]:
    """The server, on a port of its own, while the context is open."""
    server = VendorServer[Says](dialect=ResponsesDialect(), queue=list(queue))
    async with serving(server):
        yield server


def prefix(body: Json) -> list[str]:
    """The parts of a request in the order in which they are cached."""
    return [json.dumps(part) for part in [*body.get("tools", []), body.get("instructions"), *body["input"]]]


def _item_events(item: Json, index: int, size: int) -> list[Json]:
    place: Json = {"output_index": index, "item_id": item.get("id")}
    begun = {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {"type": item["type"], "id": item.get("id")},
    }
    return [
        begun,
        *_deltas(item, place, size),
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _deltas(item: Json, place: Json, size: int) -> list[Json]:
    text: Any
    match item["type"]:
        case "message":
            kind, text = "response.output_text", item["content"][0].get("text", "")
            done = {"text": text}
        case "function_call":
            kind, text = "response.function_call_arguments", item["arguments"]
            done = {"arguments": text}
        case _:
            return []
    padded = [
        {"type": f"{kind}.delta", "delta": piece, "obfuscation": "x" * 8, **place} for piece in pieces(text, size)
    ]
    return [*padded, {"type": f"{kind}.done", **done, **place}]
