"""What OpenAI's published Chat Completions schema forbids in a request, as far as this project's requests go."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KNOWN = frozenset(
    {
        "frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "messages", "metadata", "model", "n",
        "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "seed",
        "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
        "top_logprobs", "top_p", "verbosity",
    }
)  # fmt: skip
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})


def diagnostics(body: Mapping[str, Any]) -> list[str]:
    """Everything that the server would refuse."""
    return [*_options(body), *_messages(body.get("messages", [])), *_tools(body)]


def _options(body: Mapping[str, Any]) -> Iterator[str]:
    for key in body.keys() - _KNOWN:
        yield f"unknown parameter {key}"
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model is required"
    if "stream_options" in body and body.get("stream") is not True:
        yield "stream_options needs stream"
    if not 0 <= body.get("temperature", 1) <= 2:
        yield "temperature is out of range"
    if body.get("reasoning_effort", "low") not in _EFFORTS:
        yield "unknown reasoning_effort"
    if body.get("max_completion_tokens", 1) < 1:
        yield "max_completion_tokens must be positive"


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not messages:
        yield "messages must have at least one message"
    unanswered: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message.get("role") == "tool":
            yield from _tool_message(message, unanswered, where)
            continue
        if unanswered:
            yield f"{where}: tool calls without an answer: {unanswered}"
        yield from _assistant(message, where) if message.get("role") == "assistant" else _told(message, where)
        unanswered = [call["id"] for call in message.get("tool_calls", [])]
    if unanswered:
        yield f"tool calls without an answer: {unanswered}"


def _told(message: Mapping[str, Any], where: str) -> Iterator[str]:
    if message.get("role") not in {"system", "developer", "user"}:
        yield f"{where}: unknown role {message.get('role')}"
    if not isinstance(message.get("content"), str) or message.keys() - {"role", "content", "name"}:
        yield f"{where}: a message of this role has text content and nothing else"


def _tool_message(message: Mapping[str, Any], unanswered: list[str], where: str) -> Iterator[str]:
    if message.get("tool_call_id") in unanswered:
        unanswered.remove(message["tool_call_id"])
    else:
        yield f"{where}: a tool message must follow the call that it answers"
    if not isinstance(message.get("content"), str):
        yield f"{where}: a tool message has text content"


def _assistant(message: Mapping[str, Any], where: str) -> Iterator[str]:
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls", [])
    if message.get("content") is None and not calls:
        yield f"{where}: an assistant message has content or tool calls"
    if "tool_calls" in message and not calls:
        yield f"{where}: tool_calls must not be empty"
    for call in calls:
        function = call.get("function", {})
        if call.get("type") != "function" or not isinstance(call.get("id"), str) or not call["id"]:
            yield f"{where}: a tool call has an id and the type function"
        if not _TOOL_NAME.fullmatch(str(function.get("name", ""))):
            yield f"{where}: invalid name of a called tool"
        if not isinstance(function.get("arguments"), str):
            yield f"{where}: arguments are a text"
    if len({call["id"] for call in calls}) != len(calls):
        yield f"{where}: two calls of one id"


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    tools: Sequence[Mapping[str, Any]] = body.get("tools", [])
    if not tools and body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}:
        yield "tools must not be empty; tool_choice and parallel_tool_calls need tools"
    if len(tools) > 128:
        yield "tools must have 128 entries at most"
    for index, tool in enumerate(tools):
        yield from _tool(tool, f"tools[{index}]")
    names = [tool.get("function", {}).get("name") for tool in tools]
    if len(set(names)) != len(names):
        yield "two tools of one name"


def _tool(tool: Mapping[str, Any], where: str) -> Iterator[str]:
    function = tool.get("function", {})
    if tool.get("type") != "function" or function.keys() - {"name", "description", "parameters", "strict"}:
        yield f"{where}: not a function tool"
    if not _TOOL_NAME.fullmatch(str(function.get("name", ""))):
        yield f"{where}: invalid name"
    if len(function.get("description", "")) > 1024:
        yield f"{where}: description is longer than 1024"
    schema: Mapping[str, Any] = function.get("parameters", {})
    if schema.get("type") != "object":
        yield f"{where}: parameters must be a schema of an object"
    elif function.get("strict"):
        yield from _strict(schema, where)


def _strict(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """The rules of Structured Outputs: closed objects whose properties are all required."""
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            yield f"{where}: strict needs additionalProperties false"
        if sorted(schema.get("required", [])) != sorted(properties):
            yield f"{where}: strict needs every property in required"
        for name, each in properties.items():
            yield from _strict(each, f"{where}.{name}")
    if "items" in schema:
        yield from _strict(schema["items"], f"{where}[]")
