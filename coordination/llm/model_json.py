"""JSON as providers send and accept it: read unchecked, and made acceptable where a history would be refused."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn, cast

from coordination.llm.model_errors import Problem, Provider, Raw, said_in, unreadable, whole_text
from coordination.ports import ToolSpec

NAME_LIMIT = 64
"""Characters of a tool's name that every provider takes."""

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_TOOL_INDEX = re.compile(r"\btools[.\[](\d{1,4})\b")
_PAUSE = re.compile(r"try again in (\d{1,6}(?:\.\d{1,6})?) ?(ms|s)\b")
_UNITED = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})


def read_object(payload: bytes, provider: Provider) -> dict[str, Raw]:
    """The JSON object of one event.

    Raises:
        ModelError: it is none.
    """
    try:
        value: Raw = json.loads(payload.decode())
    except (ValueError, RecursionError):
        raise unreadable(provider) from None
    if not isinstance(value, dict):
        raise unreadable(provider)
    return value


def count(value: Raw) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def text_of(value: Raw) -> str:
    """A text; empty for what is none."""
    return value if isinstance(value, str) else ""


def whole(value: Raw) -> Raw:
    """The value with every text in it made fit for UTF-8, as `whole_text` does."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {whole_text(key): whole(each) for key, each in value.items()}
    return value


def arguments_of(written: str) -> str:
    """A call's arguments as the model wrote them; a tool that needs none may get an empty text or `null`."""
    text = whole_text(written)
    return "{}" if text.strip() in {"", "null"} else text


def as_object(arguments: str) -> dict[str, Raw]:
    """A call's arguments as a history may have them: providers refuse one whose arguments are not a JSON object."""
    try:
        value = whole(cast("Raw", json.loads(arguments, parse_constant=_refuse_constant)))
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"not_json": whole_text(arguments[:2_000])}


def as_name(name: str) -> str:
    """A called tool's name as a history may have it: models also call names that no provider accepts back."""
    return _FOREIGN.sub("_", name)[:NAME_LIMIT]


def distinct_id(given: Raw, seen: set[str]) -> str:
    """The id of a call, which is then in `seen`; another where it is missing, foreign or taken."""
    identity = _FOREIGN.sub("_", given)[:NAME_LIMIT] if isinstance(given, str) else ""
    if not identity or identity in seen:
        identity = f"call_{len(seen)}_{identity}"[:NAME_LIMIT]
    seen.add(identity)
    return identity


def offered_schema(tool: ToolSpec) -> dict[str, Raw]:
    """A tool's schema without what providers refuse at its top level; the real one still judges every call."""
    schema = cast("Mapping[str, Raw]", tool.input_schema)
    return {key: value for key, value in schema.items() if key not in _UNITED} | {"type": "object"}


def named_tool(words: str, tools: Raw) -> str:
    """`the tool x`, where a provider's words point at one of a request's tools by its place; else nothing."""
    found = _TOOL_INDEX.search(words)
    if found is None or not isinstance(tools, list) or int(found[1]) >= len(tools):
        return ""
    tool = tools[int(found[1])]
    name = tool.get("name") if isinstance(tool, dict) and "description" in tool else None
    return f"the tool {name}" if isinstance(name, str) else ""


def mentioned(options: Iterable[str], words: str) -> str:
    """The option that a provider's words name first; else nothing."""
    found = {match.start(): option for option in options if (match := re.search(rf"\b{re.escape(option)}\b", words))}
    return found[min(found)] if found else ""


def is_failure(event: Mapping[str, Raw]) -> bool:
    """Whether an event without a type reports a failure, in any of the shapes that servers and gateways give it."""
    if event.get("error") or event.get("object") == "error":
        return True
    return "choices" not in event and ("detail" in event or ("message" in event and "code" in event))


def told_problem(event: Mapping[str, Raw]) -> Problem:
    """What a failure inside a stream says; the status is that of the failure, as the stream's own is 200."""
    error = event.get("error")
    told = error if isinstance(error, dict) else event
    details = told.get("details")
    coded = (details.get("error_code") if isinstance(details, dict) else None, told.get("code"), told.get("type"))
    status, words = told.get("code"), text_of(told.get("message")) or text_of(error)
    pause = _PAUSE.search(words)
    return Problem(
        status=status if isinstance(status, int) and 400 <= status < 600 else None,
        codes=tuple(each.lower() for each in coded if isinstance(each, str)),
        said=said_in(event.get("error")) or said_in(event),
        words=words,
        retry_after=float(pause[1]) * (0.001 if pause[2] == "ms" else 1.0) if pause else None,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
