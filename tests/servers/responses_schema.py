"""What OpenAI's published Responses schema forbids in a request, as far as this project's requests go."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.servers.tool_schema import TOOL_NAME, schema_complaints
from tests.servers.vendor_server import Json, is_object, without_repeated_ids

_KNOWN = frozenset(
    {
        "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
        "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options", "reasoning", "service_tier", "store", "stream",
        "temperature", "text", "tool_choice", "tools", "top_p", "truncation",
    }
)  # fmt: skip
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})


def diagnostics(body: Mapping[str, Any], said: Sequence[Sequence[Json]]) -> list[str]:
    """Everything that the server would refuse; `said` has the items of its own replies."""
    return [*_options(body), *_stateless(body), *_calls(body["input"]), *_replayed(body["input"], said), *_tools(body)]


def _options(body: Mapping[str, Any]) -> Iterator[str]:
    for key in body.keys() - _KNOWN:
        yield f"unknown parameter {key}"
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model is required"
    if not isinstance(body.get("instructions", " "), str) or not body.get("instructions", " "):
        yield "instructions must be a text"
    if not 0 <= body.get("temperature", 1) <= 2:
        yield "temperature is out of range"
    if body.get("max_output_tokens", 16) < 16:
        yield "max_output_tokens must be 16 at least"
    if len(body.get("prompt_cache_key", "")) > 64:
        yield "prompt_cache_key is longer than 64"
    reasoning: Mapping[str, Any] = body.get("reasoning", {})
    if reasoning.get("effort", "low") not in _EFFORTS or reasoning.keys() - {"effort", "summary"}:
        yield "unknown reasoning"
    if reasoning.get("summary", "auto") not in {"auto", "concise", "detailed"}:
        yield "unknown reasoning.summary"
    if body.get("text", {}).get("verbosity", "low") not in {"low", "medium", "high"}:
        yield "unknown text.verbosity"


def _stateless(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("store") is not False or body.get("stream") is not True:
        yield "nothing may be stored, and the reply must be streamed"
    if set(body.get("include", [])) - {"reasoning.encrypted_content"}:
        yield "unknown include"


def _calls(items: Sequence[Json]) -> Iterator[str]:
    if not items:
        yield "input must have an item"
    unanswered: list[str] = []
    for index, item in enumerate(items):
        where = f"input[{index}]"
        match item.get("type", item.get("role")):
            case "function_call_output":
                yield from _answer(item, unanswered, where)
            case "function_call":
                unanswered.append(item["call_id"])
                if not TOOL_NAME.fullmatch(item["name"]) or not is_object(item["arguments"]):
                    yield f"{where}: not an acceptable call"
            case "user":
                if unanswered or not isinstance(item.get("content"), str):
                    yield f"{where}: content is a text, and no tool output is found for {unanswered}"
            case _:
                pass
    if unanswered:
        yield f"no tool output found for {unanswered}"


def _answer(item: Json, unanswered: list[str], where: str) -> Iterator[str]:
    if item.get("call_id") in unanswered:
        unanswered.remove(item["call_id"])
    else:
        yield f"{where}: no tool call found for {item.get('call_id')}"
    if not isinstance(item.get("output"), str):
        yield f"{where}: the output is a text"


def _replayed(items: Sequence[Json], said: Sequence[Sequence[Json]]) -> Iterator[str]:
    """What the server said comes back item by item, as it was."""
    run: list[Json] = []
    for item in [*items, {"role": "user"}]:
        if item.get("role") != "user" and item.get("type") != "function_call_output":
            run.append(item)
            continue
        if run and run[-1].get("type") == "reasoning":
            yield f"reasoning {run[-1].get('id')} was provided without the item that followed it"
        if run and not any(_is_same(run, reply) for reply in said):
            yield f"not what was said: {run}"
        run = []


def _is_same(run: Sequence[Json], reply: Sequence[Json]) -> bool:
    reply = without_repeated_ids(reply, "call_id")
    while reply and reply[-1].get("type") == "reasoning":
        reply.pop()
    return len(run) == len(reply) and all(_comparable(one, other) for one, other in zip(run, reply, strict=True))


def _comparable(item: Json, said: Json) -> bool:
    """Equal, but for what the server itself would refuse."""
    differing = {key for key in item.keys() | said.keys() if item.get(key) != said.get(key)}
    if said.get("type") == "function_call":
        repairable = {"arguments": is_object(said["arguments"]), "name": bool(TOOL_NAME.fullmatch(said["name"]))}
        differing -= {key for key, is_fine in repairable.items() if not is_fine}
        differing -= set() if said.get("call_id") else {"call_id"}
    return not differing


def _tools(body: Mapping[str, Any]) -> Iterator[str]:
    tools: Sequence[Json] = body.get("tools", [])
    if not tools and body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}:
        yield "tools must not be empty; tool_choice and parallel_tool_calls need tools"
    for index, tool in enumerate(tools):
        if tool == {"type": "web_search"}:
            continue
        if tool.get("type") != "function" or tool.keys() - {"type", "name", "description", "parameters", "strict"}:
            yield f"tools[{index}]: not a function tool"
        # Left out, it would be true.
        is_strict = bool(tool.get("strict", True))
        yield from schema_complaints(
            tool.get("name"), tool.get("parameters", {}), f"tools[{index}]", is_strict=is_strict
        )
    names = [tool.get("name") for tool in tools]
    if len(set(names)) != len(names):
        yield "two tools of one name"
