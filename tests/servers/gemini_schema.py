"""What Google's Gemini API refuses in a request, as far as this project's requests go."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_TOP = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"})
_GENERATION = frozenset({"temperature", "maxOutputTokens", "topP", "topK", "seed", "stopSequences", "thinkingConfig"})
_PLAIN = frozenset({"text", "thought", "thoughtSignature"})
_DATA = frozenset({"text", "functionCall", "functionResponse", "toolCall", "toolResponse", "inlineData"})


def diagnostics(body: Json, said: Sequence[Sequence[Json]]) -> list[str]:
    """Everything that the server would refuse. `said` has the parts of every reply that it gave."""
    return [
        *(f"Unknown name {key!r}: Cannot find field." for key in _camel(body).keys() - _TOP),
        *_generation(_camel(body.get("generationConfig", {}))),
        *_contents(body.get("contents"), said),
        *_tools(body),
        *_system(body.get("systemInstruction")),
    ]


def joined(parts: Sequence[Json]) -> list[Json]:
    """Parts as they mean: adjacent plain text in one piece, signatures as bytes, nothing where nothing is said."""
    result: list[Json] = []
    for part in parts:
        known: Json = {key: _camel(value) if key not in _PLAIN else value for key, value in _camel(part).items()}
        if "thoughtSignature" in known:
            known["thoughtSignature"] = _bytes(known["thoughtSignature"])
        if result and set(known) == set(result[-1]) and set(known) <= {"text", "thought"}:
            result[-1]["text"] += known["text"]
        elif known.get("text") or set(known) - {"text", "thought"}:
            result.append(known)
    return result


def _generation(config: Json) -> Iterator[str]:
    for key in config.keys() - _GENERATION:
        yield f"Unknown name {key!r} at 'generation_config': Cannot find field."
    if not 0 <= config.get("temperature", 1) <= 2:
        yield "temperature must be in the range [0.0, 2.0]."
    if config.get("maxOutputTokens", 1) < 1:
        yield "max_output_tokens must be positive."
    thinking = _camel(config.get("thinkingConfig", {}))
    if {"thinkingLevel", "thinkingBudget"} <= thinking.keys():
        yield "You can only set one of thinking budget and thinking level."


def _system(instruction: Json | None) -> Iterator[str]:
    if instruction is not None and not all(part.get("text") for part in instruction.get("parts", [{}])):
        yield "system_instruction must have text."


def _contents(contents: Sequence[Json] | None, said: Sequence[Sequence[Json]]) -> Iterator[str]:
    if not contents:
        yield "contents is not specified"
        return
    if contents[0].get("role") != "user" or contents[-1].get("role") != "user":
        yield "Please ensure that contents begin and end with a user role."
    known = [joined(parts) for parts in said]
    unanswered: list[Json] = []
    for index, content in enumerate(contents):
        parts = [_camel(part) for part in content.get("parts", [])]
        yield from _parts(parts, f"contents[{index}]")
        yield from _answers(parts, unanswered)
        unanswered = [part["functionCall"] for part in parts if "functionCall" in part]
        if content.get("role") == "model":
            yield from _replayed(parts, known)
        elif content.get("role") != "user" or unanswered:
            yield "Please use a valid role: user, model."
    if unanswered:
        yield "A function call turn must be answered."


def _parts(parts: Sequence[Json], where: str) -> Iterator[str]:
    if not parts:
        yield f"{where}.parts must not be empty."
    for part in parts:
        if len(part.keys() & _DATA) != 1:
            yield f"{where}.parts: required oneof field 'data' must have one initialized field"


def _answers(parts: Sequence[Json], calls: Sequence[Json]) -> Iterator[str]:
    answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if len(answers) != len(calls):
        yield (
            "Please ensure that the number of function response parts is equal to the number of function call parts of "
            "the function call turn."
        )
    if answers and len(answers) != len(parts):
        yield "A function response turn holds nothing else."
    for answer, call in zip(answers, calls, strict=False):
        if answer.get("name") != call.get("name") or answer.get("id") != call.get("id"):
            yield f"The function response {answer.get('name')} does not fit the call {call.get('name')}."
        if not isinstance(answer.get("response"), dict):
            yield "function_response.response must be an object."


def _replayed(parts: Sequence[Json], known: Sequence[Sequence[Json]]) -> Iterator[str]:
    """Nothing that the model said may come back changed, and least of all without its signature."""
    if joined(parts) not in known:
        names = [part["functionCall"].get("name") for part in parts if "functionCall" in part]
        yield f"Function call is missing a thought_signature in functionCall parts, or was changed: {names}"


def _tools(body: Json) -> Iterator[str]:
    tools = [_camel(tool) for tool in body.get("tools", [])]
    declarations = [_camel(each) for tool in tools for each in tool.get("functionDeclarations", [])]
    for index, declaration in enumerate(declarations):
        yield from _declaration(declaration, f"tools[0].function_declarations[{index}]")
    names = [declaration.get("name") for declaration in declarations]
    if len(set(names)) != len(names):
        yield "Duplicate function declaration found"
    config = _camel(body.get("toolConfig", {}))
    searches = any("googleSearch" in tool for tool in tools)
    if searches and declarations and not config.get("includeServerSideToolInvocations"):
        yield "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."


def _declaration(declaration: Mapping[str, Any], where: str) -> Iterator[str]:
    if declaration.keys() - {"name", "description", "parametersJsonSchema"}:
        yield f"{where}: Cannot find field."
    if not _TOOL_NAME.fullmatch(str(declaration.get("name", ""))):
        yield f"{where}.name: Invalid function name."
    if not declaration.get("description"):
        yield f"{where}.description must not be empty."
    if declaration.get("parametersJsonSchema", {}).get("type") != "object":
        yield f"{where}.parameters_json_schema must be of an object."


def _camel(value: Mapping[str, Any]) -> Json:
    """Protocol buffers take a field by either of its two names."""
    return {re.sub(r"_(\w)", lambda match: match[1].upper(), key): each for key, each in value.items()}


def _bytes(text: str) -> bytes:
    """They also take both alphabets of base64."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
