"""Our tools as Claude Code is offered them: by one MCP server of ours, whose handlers only pass calls on.

What is declared to Claude Code when a conversation begins can't change later, as it is not told of changes. So the
tools of the first request are declared, and `vote`, which comes on offer only once there is an answer to vote for. A
call that comes too early is passed on like any other, and refused by those who judge calls.
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count

from claude_agent_sdk import HookCallback, HookContext, HookInput, HookJSONOutput
from mcp import types
from mcp.server import Server
from mcp.server.context import ServerRequestContext

from coordination.ports import ToolCall, ToolResult, ToolSpec
from coordination.prompts import VOTE

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
    """Each tool under a name that fits behind our server's; one that does not fit, or is taken, gets a hash for its end."""
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
