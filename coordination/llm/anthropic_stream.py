"""The reply of an Anthropic Messages stream, put together from its events; knows no SDK and no socket.

Every block is kept whole for the history: a thinking block is refused if a letter of it or its signature changed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from typing_extensions import override

from coordination.llm.http import (
    arguments_of,
    as_name,
    as_object,
    count,
    distinct_id,
    is_failure,
    read_object,
    reported_problem,
    text_of,
    whole,
)
from coordination.llm.http_model import Item, ReplyParts
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    cut_off,
    declined,
    refused,
    too_short,
    unreadable,
)
from coordination.ports import Reply, ToolCall, Usage

LENGTH_OPTION = "max_tokens"

_BLOCK_WEIGHT = 64
"""Characters that a block counts for beside its content, so that endless empty blocks are bounded too."""

_GROWING = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""What each kind of delta brings, and under which name."""


@dataclass(frozen=True, kw_only=True)
class PartialReply:
    """What one stream brought: a whole reply, or the part up to a pause.

    Attributes:
        blocks: as the history needs them.
        is_paused: the provider waits to be sent this back, and then goes on.
    """

    blocks: tuple[Item, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    is_paused: bool = False

    def followed_by(self, other: "PartialReply") -> "PartialReply":
        """Both as one; each stream is paid for."""
        return PartialReply(
            blocks=self.blocks + other.blocks,
            calls=self.calls + other.calls,
            usage=Usage(
                input_tokens=self.usage.input_tokens + other.usage.input_tokens,
                cached_tokens=self.usage.cached_tokens + other.usage.cached_tokens,
                stored_tokens=self.usage.stored_tokens + other.usage.stored_tokens,
                output_tokens=self.usage.output_tokens + other.usage.output_tokens,
            ),
            is_paused=other.is_paused,
        )

    @property
    def items(self) -> list[Item]:
        """What a history gains by it."""
        return [{"role": "assistant", "content": list(self.blocks)}] if self.blocks else []

    def reply(self) -> Reply:
        """The text and the calls. Blocks of text that follow each other are one text, as citations split it anywhere."""
        runs = groupby(self.blocks, key=lambda block: block.get("type") == "text")
        texts = ["".join(text_of(block.get("text")) for block in run) for is_text, run in runs if is_text]
        return Reply(text="\n\n".join(text for text in texts if text), calls=self.calls, usage=self.usage)


@dataclass(slots=True)
class _Growing:
    """A block while it comes in: how it began, and what was added since."""

    start: Item
    added: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    citations: list[Raw] = field(default_factory=list[Raw])

    def text(self, name: str) -> str:
        return text_of(self.start.get(name)) + "".join(self.added.get(name, ()))

    @property
    def arguments(self) -> str:
        """A call's arguments as the model wrote them."""
        written = "".join(self.added.get("partial_json", ()))
        return arguments_of(written) if written.strip() else json.dumps(self.start.get("input") or {})

    def whole(self) -> Item:
        """The block as it is after its last delta."""
        block = dict(self.start)
        match block.get("type"):
            case "text":
                block["text"] = self.text("text")
                citations = block.get("citations")
                if self.citations:
                    block["citations"] = [*(citations if isinstance(citations, list) else []), *self.citations]
            case "thinking":
                block |= {"thinking": self.text("thinking"), "signature": self.text("signature")}
            case "tool_use" | "server_tool_use":
                block["input"] = as_object(self.arguments)
            case _:
                pass
        fit = whole(block)
        return fit if isinstance(fit, dict) else block


class PartialReplyParts(ReplyParts):
    """What has come of one stream so far."""

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the stream."""
        super().__init__(provider, limit=limit)
        self._blocks: dict[int, _Growing] = {}
        self._stop_reason = ""
        self._usage: dict[str, int] = {}

    @override
    def take(self, payload: bytes) -> None:
        if self.is_finished:
            return
        event = read_object(payload, self._provider)
        match event.get("type"):
            case "message_start":
                self._has_begun = True
                message = event.get("message")
                self._count(message.get("usage") if isinstance(message, dict) else None)
            case "content_block_start":
                self._start(event, len(payload))
            case "content_block_delta":
                self._extend(event, len(payload))
            case "message_delta":
                self._stop(event)
            case "message_stop":
                self.is_finished = True
            case "error":
                raise refused(reported_problem(event), self._provider)
            case None:
                raise (
                    refused(reported_problem(event), self._provider)
                    if is_failure(event)
                    else unreadable(self._provider)
                )
            case _:
                self._grow(1)

    def complete(self) -> PartialReply:
        """The reply, or its part up to a pause.

        Raises:
            ModelError: it did not end, was cut at a length limit, is not readable, or was declined.
        """
        if not self._has_begun:
            raise unreadable(self._provider)
        if not self.is_finished or not self._stop_reason:
            raise cut_off(self._provider)
        match self._stop_reason:
            case "max_tokens":
                raise too_short(self._provider, LENGTH_OPTION)
            case "model_context_window_exceeded":
                raise refused(Problem(codes=("context_length_exceeded",)), self._provider)
            case "refusal":
                raise declined(self._provider)
            case _:
                pass
        growing = [self._blocks[place] for place in sorted(self._blocks)]
        try:
            blocks = [each.whole() for each in growing]
        except RecursionError:
            raise unreadable(self._provider) from None
        calls = self._calls(growing, blocks)
        return PartialReply(
            # An empty text is given, and is refused in a history.
            blocks=tuple(block for block in blocks if block.get("type") != "text" or text_of(block["text"]).strip()),
            calls=calls,
            usage=self._whole_usage(),
            is_paused=self._stop_reason == "pause_turn" and not calls,
        )

    def _calls(self, growing: Sequence[_Growing], blocks: Sequence[Item]) -> tuple[ToolCall, ...]:
        """The calls; each is made replayable in its block, and told as the model wrote it."""
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for each, block in zip(growing, blocks, strict=True):
            if block.get("type") != "tool_use":
                continue
            name = text_of(block.get("name"))
            if not name:
                raise unreadable(self._provider)
            identity = distinct_id(block.get("id"), seen)
            calls.append(ToolCall(id=identity, name=name, arguments=each.arguments))
            block |= {"id": identity, "name": as_name(name)}
        return tuple(calls)

    def _start(self, event: Item, size: int) -> None:
        block, index = event.get("content_block"), event.get("index")
        if not isinstance(block, dict) or not isinstance(index, int):
            raise unreadable(self._provider)
        self._grow(size + _BLOCK_WEIGHT)
        self._blocks[index] = _Growing(start=block)

    def _extend(self, event: Item, size: int) -> None:
        delta, index = event.get("delta"), event.get("index")
        growing = self._blocks.get(index) if isinstance(index, int) else None
        if growing is None or not isinstance(delta, dict):
            raise unreadable(self._provider)
        name = _GROWING.get(text_of(delta.get("type")))
        if name is not None:
            added = text_of(delta.get(name))
            self._grow(max(1, len(added)))
            growing.added.setdefault(name, []).append(added)
            return
        self._grow(size)
        if delta.get("type") == "citations_delta":
            growing.citations.append(delta.get("citation"))

    def _stop(self, event: Item) -> None:
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._stop_reason = text_of(delta.get("stop_reason")) or self._stop_reason
        self._count(event.get("usage"))

    def _count(self, usage: Raw) -> None:
        """Counts are of the whole stream so far; one that is not given again still holds."""
        if isinstance(usage, dict):
            self._usage |= {name: count(value) for name, value in usage.items() if isinstance(value, int)}

    def _whole_usage(self) -> Usage:
        cached = self._usage.get("cache_read_input_tokens", 0)
        stored = self._usage.get("cache_creation_input_tokens", 0)
        return Usage(
            input_tokens=self._usage.get("input_tokens", 0) + stored + cached,
            cached_tokens=cached,
            stored_tokens=stored,
            output_tokens=self._usage.get("output_tokens", 0),
        )
