"""What Anthropic's Messages API forbids in a request, as far as this project's requests go."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.servers.tool_schema import TOOL_NAME, schema_complaints
from tests.servers.vendor_server import Json, without_repeated_ids

_KNOWN = frozenset(
    {
        "cache_control", "max_tokens", "messages", "metadata", "model", "output_config", "service_tier", "stop_sequences",
        "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
    }
)  # fmt: skip
_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})


def diagnostics(body: Mapping[str, Any], said: Sequence[Sequence[Json]]) -> list[str]:
    """Everything that the server would refuse; `said` has the blocks of its own replies."""
    return [*_options(body), *_thinking(body), *_cache(body), *_turns(body), *_replayed(body, said), *_tools(body)]


def _options(body: Mapping[str, Any]) -> Iterator[str]:
    for key in body.keys() - _KNOWN:
        yield f"{key}: Extra inputs are not permitted"
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model: Field required"
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        yield "max_tokens: Field required"
    if body.get("stream") is not True:
        yield "the reply must be streamed"
    if not 0 <= body.get("temperature", 1) <= 1:
        yield "temperature: range: 0..1"
    if body.get("output_config", {}).get("effort", "low") not in _EFFORTS:
        yield "output_config.effort: unknown"
    for block in body.get("system", []):
        if block.get("type") != "text" or not block.get("text", "").strip():
            yield "system: text content blocks must be non-empty"


def _thinking(body: Mapping[str, Any]) -> Iterator[str]:
    thinking: Mapping[str, Any] = body.get("thinking", {"type": "disabled"})
    kind, budget = thinking.get("type"), thinking.get("budget_tokens")
    if kind not in {"adaptive", "enabled", "disabled"} or thinking.keys() - {"type", "budget_tokens"}:
        yield "thinking: unknown"
    if (kind == "enabled") != isinstance(budget, int):
        yield "thinking.enabled.budget_tokens: Field required there and nowhere else"
    if isinstance(budget, int) and not 1024 <= budget < body.get("max_tokens", 0):
        yield "max_tokens must be greater than thinking.budget_tokens"
    if kind in {"adaptive", "enabled"} and body.get("temperature", 1) != 1:
        yield "temperature may only be set to 1 when thinking is enabled"


def _cache(body: Mapping[str, Any]) -> Iterator[str]:
    blocks = [*body.get("system", []), *body.get("tools", [])]
    blocks += [block for message in body["messages"] for block in message["content"]]
    marked = [block for block in [body, *blocks] if "cache_control" in block]
    if len(marked) > 4:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {len(marked)}."
    if any(block["cache_control"] != {"type": "ephemeral"} for block in marked):
        yield "cache_control: unknown"
    if any(block.get("type") in {"thinking", "redacted_thinking"} for block in marked):
        yield "cache_control cannot be set for thinking"


def _turns(body: Mapping[str, Any]) -> Iterator[str]:
    messages: Sequence[Json] = body["messages"]
    if not messages or messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    unanswered: list[str] = []
    for index, message in enumerate(messages):
        where, content = f"messages.{index}", message["content"]
        if message.keys() != {"role", "content"} or message["role"] not in {"user", "assistant"} or not content:
            yield f"{where}: a message has a role and non-empty content"
        yield from _blocks(content, where)
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        if sorted(results) != sorted(unanswered):
            yield f"{where}: tool_use ids {unanswered} need tool_result blocks immediately after, not {results}"
        if [block["type"] for block in content[: len(results)]] != ["tool_result"] * len(results):
            yield f"{where}: tool_result blocks come first"
        unanswered = [block["id"] for block in content if block["type"] == "tool_use"]
    if unanswered:
        yield f"tool_use ids without an answer: {unanswered}"
    ids = [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]
    if len(set(ids)) != len(ids):
        yield "tool_use ids must be unique"


def _blocks(content: Sequence[Json], where: str) -> Iterator[str]:
    for block in content:
        match block["type"]:
            case "text" if not block["text"].strip():
                yield f"{where}: text content blocks must contain non-whitespace text"
            case "tool_use" if not TOOL_NAME.fullmatch(block["name"]) or not isinstance(block["input"], dict):
                yield f"{where}: not an acceptable tool_use"
            case "tool_result" if not isinstance(block["content"], str):
                yield f"{where}: the content is a text here"
            case "tool_result" if block.get("is_error") and not block["content"]:
                yield f"{where}: content cannot be empty if is_error is true"
            case _:
                pass


def _replayed(body: Mapping[str, Any], said: Sequence[Sequence[Json]]) -> Iterator[str]:
    """What the server said comes back block by block, as it was; a reply after a pause goes on with what was paused."""
    for index, message in enumerate(body["messages"]):
        content = message["content"]
        if message["role"] == "assistant" and not any(_is_run(content, said[start:]) for start in range(len(said))):
            yield f"messages.{index}: not what was said: {content}"


def _is_run(content: Sequence[Json], said: Sequence[Sequence[Json]]) -> bool:
    rest = list(content)
    for reply in said:
        expected = [
            block for block in without_repeated_ids(reply, "id") if block["type"] != "text" or block["text"].strip()
        ]
        if not all(_comparable(one, other) for one, other in zip(rest, expected, strict=False)):
            return False
        if len(rest) <= len(expected):
            return len(rest) == len(expected)
        del rest[: len(expected)]
    return False


def _comparable(block: Json, said: Json) -> bool:
    """Equal, but for what the server itself would refuse."""
    differing = {key for key in block.keys() | said.keys() if block.get(key) != said.get(key)}
    if said["type"] == "tool_use":
        repairable = {key for key in ("id", "name") if not TOOL_NAME.fullmatch(said[key])}
        differing -= repairable if isinstance(said["input"], dict) else {*repairable, "input"}
    return not differing


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    tools: Sequence[Json] = body.get("tools", [])
    used = [block for message in body["messages"] for block in message["content"] if block["type"].startswith("tool_")]
    if used and not tools:
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools"
    if not tools and body.keys() & {"tools", "tool_choice"}:
        yield "tools must not be empty; tool_choice needs tools"
    if body.get("tool_choice", {"type": "auto"}).get("type") not in {"auto", "none"}:
        yield "tool_choice: unknown here"
    for index, tool in enumerate(tools):
        if str(tool.get("type", "custom")).startswith("web_search_"):
            continue
        if tool.keys() - {"name", "description", "input_schema", "strict", "cache_control"}:
            yield f"tools.{index}: Extra inputs are not permitted"
        is_strict = bool(tool.get("strict"))
        yield from schema_complaints(
            tool.get("name"), tool.get("input_schema", {}), f"tools.{index}", is_strict=is_strict
        )
    names = [tool.get("name") for tool in tools]
    if len(set(names)) != len(names):
        yield "tools: Tool names must be unique."
