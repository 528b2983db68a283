"""A page of a server's list of tools, read tool by tool: one that can't be used takes no other with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from coordination.domain.canonical_json import JsonObject, canonical
from coordination.errors import InvalidJsonError
from coordination.mcp_tools.json_rpc import BARE, Raw
from coordination.text import NO_TEXT, Text


@dataclass(frozen=True, kw_only=True)
class RawTool:
    """One entry of a list as it came.

    Attributes:
        name: what it is called, or its place in the list where it has no name.
        schema: of its arguments, which are an object; None if it can't be used.
        reason: why not, in words that go on from the name.
    """

    name: str
    raw: Mapping[str, Raw]
    schema: JsonObject | None = None
    reason: Text = NO_TEXT


def tools_of(page: Mapping[str, Raw]) -> Sequence[RawTool] | None:
    """The entries of a page, or None if it is no page. A list that is missing or null has none."""
    listed = page.get("tools", page.get(BARE))
    if listed is None:
        return []
    if not isinstance(listed, list):
        return None
    return [_tool(place, each) for place, each in enumerate(listed, 1)]


def next_cursor(page: Mapping[str, Raw]) -> str | None:
    """Where the list goes on; None if it ends here."""
    cursor = page.get("nextCursor")
    if isinstance(cursor, int) and not isinstance(cursor, bool):
        return str(cursor)
    return cursor if isinstance(cursor, str) else None


def page_for_sdk(page: Mapping[str, Raw]) -> Mapping[str, Raw]:
    """What the SDK has to know of a page: the names and arguments of the tools that can be used."""
    usable: list[Raw] = [
        {"name": each.name, "inputSchema": cast("Raw", each.schema)}
        for each in tools_of(page) or ()
        if each.schema is not None
    ]
    return {"tools": usable, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


def _tool(place: int, entry: Raw) -> RawTool:
    if not isinstance(entry, dict):
        return RawTool(name=f"number {place}", raw={}, reason=Text("is not described by an object"))
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        return RawTool(name=f"number {place}", raw=entry, reason=Text("has no name"))
    schema = _schema(entry.get("inputSchema"))
    if isinstance(schema, Text):
        return RawTool(name=name, raw=entry, reason=schema)
    try:
        canonical(entry)
    except InvalidJsonError:
        return RawTool(name=name, raw=entry, reason=Text("has a description that is not plain JSON"))
    return RawTool(name=name, raw=entry, schema=schema)


def _schema(given: Raw) -> JsonObject | Text:
    """The schema with what every reader of it relies on, or why there is none.

    Servers leave it out or empty where a tool takes nothing, and some languages write an empty object as a list.
    """
    if given is None or given is True:
        return {"type": "object"}
    if not isinstance(given, dict):
        return Text("has an inputSchema that is not an object")
    kind = given.get("type")
    if kind not in (None, "object") and not (isinstance(kind, list) and "object" in kind):
        return Text(
            "takes {kind} according to its inputSchema, but arguments are always an object", kind=repr(str(kind)[:50])
        )
    properties, required = given.get("properties"), given.get("required")
    if properties and not isinstance(properties, dict):
        return Text("has an inputSchema whose properties are not an object")
    schema = {name: value for name, value in given.items() if name not in ("type", "properties", "required")}
    if isinstance(properties, dict):
        schema["properties"] = {
            name: value if isinstance(value, dict | bool) else {} for name, value in properties.items()
        }
    if isinstance(required, list) and all(isinstance(each, str) for each in required):
        schema["required"] = required
    return {"type": "object", **schema}
