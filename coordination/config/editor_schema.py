"""The JSON Schema of a configuration, for editors, with each key's meaning from the documentation."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from coordination.config.massgen_keys import WITHOUT_EFFECT
from coordination.config.section_reader import SECTIONS
from coordination.config.sections import BackendKeys, Configuration, FallbackKeys, RuleKeys
from coordination.config.server_sections import ServerKeys

JsonSchema: TypeAlias = dict[str, Any]

_ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
_VARIABLE = r"\$\{"
_TEXT = ("string", "number", "boolean")
"""Ids, names and values of variables are texts even where they look like something else."""
_FOR_PROGRAMS = ("title", "default", "format", "writeOnly")
_NEVER_EMPTY = ("AgentKeys", "RuleKeys", "ServerKeys")
"""Sections in lists. Any other may be written without anything in it."""


def meanings_in(page: str) -> Mapping[str, str]:
    """What the documentation's table of keys says of each, by its place in the file."""
    return {key: _LINK.sub(r"\1", f"{value}. {meaning}").strip() for key, value, meaning in _ROW.findall(page)}


def editor_schema(meanings: Mapping[str, str]) -> JsonSchema:
    """The schema of a whole file. It knows every key and type, but not what goes together, which `check` tells."""
    root = Configuration.model_json_schema()
    models: dict[str, JsonSchema] = root.pop("$defs")
    kinds = {section.__name__: section for section in SECTIONS}
    definitions: dict[str, JsonSchema] = {}
    for name, model in models.items():
        title = (BackendKeys if kinds[name] is FallbackKeys else kinds[name]).title
        own = {
            "description": kinds[name].__doc__ or "",
            "type": ["object"] if name in _NEVER_EMPTY else ["object", "null"],
        }
        definitions[name] = _section(model, meanings, title) | own
    named = {part: value for part, value in definitions[ServerKeys.__name__].items() if part != "required"}
    whole = _section(root, meanings, "")
    for place in (whole, definitions[BackendKeys.__name__]):
        servers: JsonSchema = place["properties"]["mcp_servers"]
        servers |= {"type": [*servers["type"], "object"], "additionalProperties": {"$ref": "#/$defs/NamedServer"}}
    rule: JsonSchema = definitions[RuleKeys.__name__]["properties"]
    preview: JsonSchema = rule["preview"]
    one = preview.pop("items")
    preview.pop("type")
    preview["anyOf"] = [{"enum": ["off", False]}, one, {"type": "null"}]
    for key, others in (("approvers", []), ("if_from_read", [{"enum": ["deny"]}])):
        one_or_many: JsonSchema = rule[key]
        one = one_or_many["items"]
        for part in ("type", "items", "maxLength", "minLength", "maxItems", "minItems"):
            one_or_many.pop(part, None)
        one_or_many["anyOf"] = [*others, one, {"type": "array", "items": one, "minItems": 1}, {"type": "null"}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A configuration of massgen-bot",
        **whole,
        "anyOf": [{"required": ["agents"]}, {"required": ["agent"]}],
        "$defs": {**definitions, "NamedServer": named},
    }


def _section(model: JsonSchema, meanings: Mapping[str, str], title: str) -> JsonSchema:
    required: list[str] = model.get("required", [])
    keys = {key: _value(value, is_optional=key not in required) for key, value in model.get("properties", {}).items()}
    for key, value in keys.items():
        meaning = meanings.get(f"{title}.{key}".lstrip("."))
        value.update({"description": meaning} if meaning else {})
    idle = {
        key: {"description": f"Has no effect here: {why}.", "deprecated": True}
        for key, why in WITHOUT_EFFECT.get(title, {}).items()
    }
    found = {"type": "object", "properties": keys | idle, "additionalProperties": False}
    return found | ({"required": required} if required else {})


def _value(value: JsonSchema, *, is_optional: bool = False) -> JsonSchema:
    """What a value may be: one schema and no choice of several, so that an editor can say what is wrong in it."""
    merged: JsonSchema = {}
    types: list[str] = []
    for choice in value.get("anyOf", [value]):
        kept = {name: part for name, part in choice.items() if name not in _FOR_PROGRAMS}
        kind = kept.pop("type", None)
        types += _TEXT if kind == "string" else [kind] if kind and kind != "null" else []
        if "items" in kept:
            kept["items"] = _value(kept["items"])
        if isinstance(kept.get("additionalProperties"), dict):
            kept["additionalProperties"] = _value(kept["additionalProperties"])
        merged |= kept
    if "$ref" in merged:
        return merged
    allowed = [merged.pop("const")] if "const" in merged else merged.pop("enum", None)
    empty: list[None] = [None] if is_optional else []
    if allowed is not None:
        return {"anyOf": [{"enum": [*allowed, *empty]}, {"type": "string", "pattern": _VARIABLE}]}
    if types and "string" not in types and types[0] in ("integer", "number", "boolean"):
        merged["pattern"] = _VARIABLE
        types.append("string")
    return {"type": [*types, *("null" for _ in empty)], **merged}
