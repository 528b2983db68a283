"""An Anthropic Messages server on a real socket: strict about what it is sent, and as faulty as it is told to be."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, TypeAlias

from aiohttp import web

from tests.servers.messages_schema import diagnostics
from tests.servers.vendor_server import (
    Fails,
    Json,
    Sends,
    VendorServer,
    event,
    fit,
    is_object,
    pieces,
    serving,
    split,
    tokens,
)

LEAST_CACHED = 1024
"""Tokens: shorter beginnings are not cached."""

LOOKBACK = 20
"""Blocks before a breakpoint among which an earlier one is found."""


@dataclass(frozen=True, kw_only=True)
class Call:
    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Says:
    """A reply as the provider streams it: thinking, then other blocks, then text, then calls.

    Attributes:
        thinking: each makes a block, with a signature of its own.
        blocks: blocks of other kinds, such as the provider's own web searches; they come whole.
        citations: of the text.
        usage: the counts of message_start and of message_delta; None: counted, as far as a server without a model can.
        piece: characters of text or arguments in an event.
        split: bytes in a write; None: an event in a write.
    """

    thinking: Sequence[str] = ()
    blocks: Sequence[Json] = ()
    text: str = ""
    citations: Sequence[Json] = ()
    calls: Sequence[Call] = ()
    stop: str | None = None
    usage: tuple[Json, Json] | None = None
    piece: int = 5
    split: int | None = None
    without: frozenset[Literal["start", "stop", "reason"]] = frozenset()


Scripted: TypeAlias = Says | Fails | Sends
MessagesServer: TypeAlias = VendorServer[Says]


@dataclass
class BreakpointCache:
    """What the provider has cached: beginnings of requests, up to the breakpoints that they set."""

    cached: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])

    def usage(self, body: Json) -> Json:
        """A token is four characters; what is cached begins a request, and ends at a breakpoint of an earlier one."""
        parts = list(_parts(body))
        texts = prefix(body)
        places = [index + 1 for index, part in enumerate(parts) if "cache_control" in part]
        places += [len(parts)] if "cache_control" in body else []
        reachable = [end for place in places for end in range(max(0, place - LOOKBACK), place + 1)]
        read = max((end for end in reachable if tuple(texts[:end]) in self.cached), default=0)
        self.cached |= {tuple(texts[:place]) for place in places if tokens(texts[:place]) >= LEAST_CACHED}
        written = max((place for place in places if place > read), default=read)
        return {
            "cache_read_input_tokens": tokens(texts[:read]),
            "cache_creation_input_tokens": tokens(texts[read:written]),
            "input_tokens": tokens(texts[written:]),
            "output_tokens": 1,
        }


@dataclass
class MessagesDialect:
    """Remembers the blocks of its replies, as they must come back word for word, and what it has cached."""

    path: str = "/v1/messages"
    said: list[list[Json]] = field(default_factory=list[list[Json]])
    cache: BreakpointCache = field(default_factory=BreakpointCache)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    is_paused: bool = False

    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        found = [] if request.headers.get("Authorization", "").startswith("Bearer ") else ["a key is required"]
        found += [] if request.headers.get("anthropic-version") else ["anthropic-version: header is required"]
        if body["messages"][-1]["role"] == "assistant" and not self.is_paused:
            found.append("This model does not support assistant message prefill.")
        return found + diagnostics(body, self.said)

    def writes(self, reply: Says, body: Json) -> Sequence[bytes]:
        blocks = self._blocks(reply)
        self.said.append(fit([block for block, _ in blocks]))
        self.is_paused = reply.stop == "pause_turn"
        first, last = reply.usage or (self.cache.usage(body), {"output_tokens": 30})
        message: Json = {"id": f"msg_{next(self.numbers)}", "type": "message", "role": "assistant", "content": []}
        events: list[Json] = []
        if "start" not in reply.without:
            events.append({"type": "message_start", "message": message | {"stop_reason": None, "usage": first}})
        events.append({"type": "ping"})
        for index, (block, deltas) in enumerate(blocks):
            events.append(
                {"type": "content_block_start", "index": index, "content_block": _begun(block) if deltas else block}
            )
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        stop = reply.stop or ("tool_use" if reply.calls else "end_turn")
        reason = {} if "reason" in reply.without else {"stop_reason": stop, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": reason, "usage": last})
        events += [] if "stop" in reply.without else [{"type": "message_stop"}]
        return split([event(each) for each in events], reply.split)

    def failure(self, error: Json, status: int) -> Json:
        return {"type": "error", "error": error, "request_id": "req_1"}

    def _blocks(self, reply: Says) -> list[tuple[Json, list[Json]]]:
        """Each block as it must come back, and the deltas that it comes in."""
        blocks: list[tuple[Json, list[Json]]] = []
        for text in reply.thinking:
            signature = f"c2ln+/{next(self.numbers)}=="
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(text, reply.piece)]
            block = {"type": "thinking", "thinking": text, "signature": signature}
            blocks.append((block, [*deltas, {"type": "signature_delta", "signature": signature}]))
        blocks += [(block, []) for block in reply.blocks]
        if reply.text:
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(reply.text, reply.piece)]
            deltas += [{"type": "citations_delta", "citation": each} for each in reply.citations]
            cited = {"citations": list(reply.citations)} if reply.citations else {}
            blocks.append(({"type": "text", "text": reply.text, **cited}, deltas))
        for call in reply.calls:
            identity = f"toolu_{next(self.numbers)}" if call.id is None else call.id
            given: Json | None = json.loads(call.arguments or "{}") if is_object(call.arguments or "{}") else None
            block = {
                "type": "tool_use",
                "id": identity,
                "name": call.name,
                "input": given,
                "caller": {"type": "direct"},
            }
            deltas = [
                {"type": "input_json_delta", "partial_json": piece} for piece in pieces(call.arguments, reply.piece)
            ]
            blocks.append((block, [{"type": "input_json_delta", "partial_json": ""}, *deltas]))
        return blocks


@asynccontextmanager
async def messages_server(*queue: Scripted) -> AsyncGenerator[MessagesServer]:
    """The server, on a port of its own, while the context is open."""
    server = VendorServer[Says](dialect=MessagesDialect(), queue=list(queue))
    async with serving(server):
        yield server


def _begun(block: Json) -> Json:
    """A block as it is before its first delta."""
    empty: dict[str, Json] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    return {key: value for key, value in block.items() if key != "citations"} | empty.get(block["type"], {})


def prefix(body: Json) -> list[str]:
    """The parts of a request in the order in which they are cached; breakpoints are no part of what is cached."""
    return [json.dumps({key: part[key] for key in part if key != "cache_control"}) for part in _parts(body)]


def _parts(body: Json) -> Iterator[dict[str, Any]]:
    yield from body.get("tools", [])
    yield from body.get("system", [])
    for message in body["messages"]:
        content: list[Json] | str = message["content"]
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content
