"""What Claude Code tells of its work, message by message, and the replies that it amounts to; knows no process.

Claude Code runs a loop of its own. One reply of the port is what it says until it calls tools of ours, which then wait
for their results, or until it is done. What it gets wrong by itself (tools that nobody offers, arguments that are no
JSON) it tells its model by itself, and that never becomes part of a reply.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from coordination.errors import ModelError
from coordination.llm.claude_code.claude_code_faults import failure, going_in_circles
from coordination.llm.model_errors import Provider, Raw, declined, too_large, whole_text
from coordination.ports import Reply, ToolCall, Usage

MAX_ROUNDS = 12
"""Answers of the model that come to nothing of ours, in one reply, after which Claude Code is stopped."""

_BLOCK_WEIGHT = 64


@dataclass(slots=True)
class _Block:
    kind: str
    id: str = ""
    pieces: list[str] = field(default_factory=list[str])

    @property
    def content(self) -> str:
        return "".join(self.pieces)


class Exchange:
    """What has come since we spoke last."""

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of a reply."""
        self._provider = provider
        self._limit = limit
        self._answered: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Forget what was said: we speak, and a new reply begins."""
        self._size = 0
        self._rounds = 0
        self._texts: list[str] = []
        self._usage = Usage()
        self._tokens: dict[str, int] = {}
        self._blocks: dict[int, _Block] = {}
        self._is_open = False
        self._parked: dict[str, ToolCall] = {}
        self._error = ""
        self._end: Reply | ModelError | None = None
        self._is_idle = False

    @property
    def is_idle(self) -> bool:
        """Whether Claude Code has said that it is done, and so waits for us to speak."""
        return self._is_idle

    def fail(self, error: ModelError) -> None:
        """End the reply with this error, unless it has ended."""
        self._end = self._end or error

    def park(self, call: ToolCall) -> None:
        """Claude Code has handed us this call and waits. Its arguments are as it read them, not as they were written."""
        self._parked[call.id] = call

    def take(self, message: Mapping[str, Raw]) -> None:
        """Add one message of Claude Code's."""
        if message.get("parent_tool_use_id") is not None:
            return
        match message:
            case {"type": "stream_event", "event": dict(event)}:
                self._take_event(event)
            case {"type": "user", "message": {"content": list(content)}}:
                self._answered.update(_answered(content))
            case {"type": "assistant", "error": str(error)}:
                self._error = error
            case {"type": "result"}:
                self._is_idle = True
                self._end = self._end or self._ended(message)
            case _:
                pass

    def outcome(self) -> Reply | ModelError | None:
        """The reply or the failure; None as long as there is more to come."""
        if self._end is not None or self._is_open:
            return self._end
        wanted = [block.id for block in self._blocks.values() if block.kind == "tool_use"]
        if any(each not in self._parked and each not in self._answered for each in wanted):
            return None
        if not self._parked:
            return going_in_circles(self._provider) if self._rounds >= MAX_ROUNDS else None
        # All in the order in which the model wrote them, whichever came to us first.
        order = [each for each in wanted if each in self._parked]
        order += [each for each in self._parked if each not in wanted]
        return self._reply(tuple(self._written(self._parked[each]) for each in order))

    def _take_event(self, event: Mapping[str, Raw]) -> None:
        match event:
            case {"type": "message_start", "message": dict(begun)}:
                self._is_open = True
                self._blocks = {}
                self._tokens = {}
                self._count(begun.get("usage"))
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self._blocks[index] = _Block(kind=str(block.get("type")), id=str(block.get("id") or ""))
                self._grow(_BLOCK_WEIGHT)
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)}:
                self._take_delta(index, delta)
            case {"type": "message_delta"}:
                self._count(event.get("usage"))
            case {"type": "message_stop"}:
                self._close()
            case _:
                pass

    def _take_delta(self, index: int, delta: Mapping[str, Raw]) -> None:
        match delta:
            case {"type": "text_delta", "text": str(piece)} | {"type": "input_json_delta", "partial_json": str(piece)}:
                self._grow(len(piece))
                if index in self._blocks:
                    self._blocks[index].pieces.append(piece)
            case _:
                pass

    def _count(self, usage: Raw) -> None:
        """Later counts of a message replace earlier ones."""
        if isinstance(usage, dict):
            self._tokens |= {key: value for key, value in usage.items() if isinstance(value, int)}

    def _close(self) -> None:
        self._is_open = False
        self._rounds += 1
        cached = self._tokens.get("cache_read_input_tokens", 0)
        stored = self._tokens.get("cache_creation_input_tokens", 0)
        self._usage = Usage(
            input_tokens=self._usage.input_tokens + self._tokens.get("input_tokens", 0) + stored + cached,
            cached_tokens=self._usage.cached_tokens + cached,
            stored_tokens=self._usage.stored_tokens + stored,
            output_tokens=self._usage.output_tokens + self._tokens.get("output_tokens", 0),
        )
        text = "".join(block.content for block in self._blocks.values() if block.kind == "text")
        if text:
            self._texts.append(text)

    def _ended(self, result: Mapping[str, Raw]) -> Reply | ModelError:
        if result.get("is_error") or result.get("subtype") != "success":
            return failure(result, self._error, self._provider)
        if result.get("stop_reason") == "refusal":
            return declined(self._provider)
        said = result.get("result")
        return (
            self._reply(())
            if self._texts or not isinstance(said, str)
            else replace(self._reply(()), text=whole_text(said))
        )

    def _reply(self, calls: tuple[ToolCall, ...]) -> Reply:
        return Reply(text=whole_text("\n\n".join(self._texts)), calls=calls, usage=self._usage)

    def _written(self, call: ToolCall) -> ToolCall:
        """The call with its arguments as the model wrote them: Claude Code's reading rounds numbers."""
        for block in self._blocks.values():
            if block.id == call.id and block.content.strip():
                return replace(call, arguments=whole_text(block.content))
        return call

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            self.fail(too_large(self._provider, self._limit))


def _answered(content: list[Raw]) -> Iterator[str]:
    """The calls that Claude Code has answered."""
    for each in content:
        match each:
            case {"type": "tool_result", "tool_use_id": str(identity)}:
                yield identity
            case _:
                pass
