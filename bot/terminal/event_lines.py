"""Events as JSON, one object a line, for programs that read along."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from bot.cards.document import plan_json
from coordination.domain.canonical_json import Json, parse
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.transitions import Recorded
from coordination.errors import InvalidJsonError


def event_line(recorded: Recorded) -> str:
    """One line of ASCII: whatever a model wrote, a terminal that shows this stays as it is."""
    event: dict[str, Json] = {
        "run": recorded.run,
        "seq": recorded.seq,
        "at": recorded.at.astimezone(UTC).isoformat(),
        "kind": recorded.event.kind,
    }
    for field in dataclasses.fields(recorded.event):
        event.setdefault(field.name, _json(getattr(recorded.event, field.name)))
    if isinstance(text := event.get("arguments"), str):
        event |= _arguments(text)
    return json.dumps(event)


def _arguments(text: str) -> dict[str, Json]:
    """The arguments as an object, and exactly as they are sent."""
    try:
        return {"arguments": parse(text), "arguments_text": text}
    except InvalidJsonError:
        return {"arguments": None, "arguments_text": text}


def _json(value: object) -> Json:
    match value:
        case Plan():
            return plan_json(value)
        case PlannedCall():
            return {**_fields(value), **_arguments(value.arguments)}
        case datetime():
            return value.astimezone(UTC).isoformat()
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [_json(item) for item in cast("tuple[object, ...]", value)]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _fields(value)
        case _:
            raise TypeError(f"an event holds a {type(value).__name__}, which has no JSON form")


def _fields(value: object) -> dict[str, Json]:
    names: Mapping[str, object] = {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)  # type: ignore[arg-type]  # the callers checked that it is a dataclass
    }
    return {name: _json(item) for name, item in names.items()}
