"""What both OpenAI and Anthropic forbid in the schemas of tools."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def schema_complaints(name: object, schema: Mapping[str, Any], where: str, *, is_strict: bool) -> Iterator[str]:
    if not TOOL_NAME.fullmatch(str(name)):
        yield f"{where}: invalid name"
    if schema.get("type") != "object" or schema.keys() & {"oneOf", "anyOf", "allOf", "enum", "not"}:
        yield f"{where}: the schema must be of an object, and united with no other at the top level"
    elif is_strict:
        yield from _strict(schema, where)


def _strict(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """The rules of enforced schemas: closed objects whose properties are all required."""
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
