"""What Claude Code tells of its work, message by message, and the tools that it is lent; knows no process.

Claude Code runs a loop of its own. One reply of the port is what it says until it calls tools of ours, which then wait
for their results, or until it is done. What it gets wrong by itself (tools that nobody offers, arguments that are no
JSON) it tells its model by itself, and that never becomes part of a reply.

What is declared to Claude Code when a conversation begins can't change later, as it is not told of changes. So the
tools of the first request are declared, and `vote`, which comes on offer only once there is an answer to vote for. A
call that comes too early is passed on like any other, and refused by those who judge calls.
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from claude_agent_sdk import HookCallback, HookContext, HookInput, HookJSONOutput
from mcp import types
from mcp.server import Server
from mcp.server.context import ServerRequestContext

from coordination.errors import ModelError
from coordination.llm.claude_code.process import LENGTH_OPTION, failure, going_in_circles
from coordination.llm.finish_reasons import failure_of
from coordination.llm.model_errors import Provider, Raw, too_large, whole_text
from coordination.ports import Reply, ToolCall, ToolResult, ToolSpec, Usage
from coordination.prompts import VOTE

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
        """Claude Code has handed us this call and waits.

        Its arguments are as it read them, not as they were written.
        """
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
        if (gave_up := failure_of(str(result.get("stop_reason")), self._provider, LENGTH_OPTION)) is not None:
            return gave_up
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


SERVER = "massgen"
PREFIX = f"mcp__{SERVER}__"
MAX_NAME = 64 - len(PREFIX)

WEB_SEARCH = "WebSearch"
"""The one tool of Claude Code's own that may be switched on: it reads, at the provider's."""

LONGEST_RESULT = 500_000
"""Characters up to which a result is handed to the model; Claude Code would write a longer one to a file."""

Park = Callable[[ToolCall], Awaitable[ToolResult]]
"""Told of a call; comes back with its result."""

_HASH = 8
_CALL_ID = "claudecode/toolUseId"
_STANDING = ToolSpec(
    name=VOTE,
    description="End your turn with a vote for the answer that should win, once there is an answer to vote for.",
    input_schema={
        "type": "object",
        "properties": {
            "agent_id": {"type": "string", "description": "Whose newest answer is best, such as agent1."},
            "reason": {"type": "string", "description": "Why, in one or two sentences."},
        },
        "required": ["agent_id", "reason"],
        "additionalProperties": False,
    },
)
"""Without the list of candidates, which grows while a conversation goes on."""

_log = logging.getLogger(__name__)


class Counter:
    """The tools of one conversation, by the names that Claude Code knows them by."""

    def __init__(self, tools: Sequence[ToolSpec], park: Park) -> None:
        """`park` is told of each call, and answers it when its result is there."""
        self._tools = declared([tool for tool in tools if tool.name != VOTE] + [_STANDING])
        self._names = {tool.name for tool in self._tools.values()}
        self._park = park
        self._seen: set[str] = set()
        self.server = Server(SERVER, version="1", on_list_tools=self._list, on_call_tool=self._call)

    def notice(self, tools: Sequence[ToolSpec]) -> None:
        """Say in the log which tools came on offer too late to be declared."""
        for tool in tools:
            if tool.name not in self._names:
                self._names.add(tool.name)
                _log.warning("a tool came on offer too late for Claude Code", extra={"tool": tool.name})

    def guard(self, *, may_search: bool) -> HookCallback:
        """The second lock: asked before each call of whatever tool, it lets only the declared ones pass."""
        allowed = {PREFIX + name for name in self._tools}
        if may_search:
            allowed.add(WEB_SEARCH)

        async def judge(asked: HookInput, call_id: str | None, context: HookContext) -> HookJSONOutput:
            del call_id, context
            if asked.get("tool_name") in allowed:
                return {}
            return {
                "hookSpecificOutput": {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": "deny",
                    "permissionDecisionReason": "This tool is not on offer. Nothing was done.",
                }
            }

        return judge

    async def _list(
        self, context: ServerRequestContext, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=[_tool(name, tool) for name, tool in self._tools.items()])

    async def _call(self, context: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
        del context
        identity = str((params.meta or {}).get(_CALL_ID) or "")
        tool = self._tools.get(params.name)
        if tool is None or not identity or identity in self._seen:
            return _result(
                ToolResult(call_id=identity, text="This call is not accepted. Nothing was done.", is_error=True)
            )
        self._seen.add(identity)
        arguments = json.dumps(params.arguments or {}, ensure_ascii=False)
        return _result(await self._park(ToolCall(id=identity, name=tool.name, arguments=arguments)))


def declared(tools: Sequence[ToolSpec]) -> Mapping[str, ToolSpec]:
    """Each tool under a name that fits behind our server's.

    One that does not fit, or is taken, gets a hash for its end.
    """
    names: dict[str, ToolSpec] = {}
    for tool in tools:
        plain = tool.name.removeprefix("mcp__")
        name, salts = plain, count()
        while len(name) > MAX_NAME or name in names:
            hashed = hashlib.sha256(f"{tool.name}\n{next(salts)}".encode()).hexdigest()[:_HASH]
            name = f"{plain[: MAX_NAME - _HASH - 1]}_{hashed}"
        names[name] = tool
    return names


def _tool(name: str, tool: ToolSpec) -> types.Tool:
    return types.Tool(
        name=name,
        description=tool.description,
        input_schema=dict(tool.input_schema),
        # Passing a call on changes nothing. Only calls that say so are handed to us side by side.
        annotations=types.ToolAnnotations(read_only_hint=True),
        _meta={"anthropic/alwaysLoad": True, "anthropic/maxResultSizeChars": LONGEST_RESULT},
    )


def _result(result: ToolResult) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=result.text)], is_error=result.is_error)
