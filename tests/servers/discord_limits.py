"""What Discord refuses in a message: by its OpenAPI document where there is one, and by the limits it leaves out.

`DISCORD_OPENAPI` names the document (github.com/discord/discord-api-spec). The numbers here are the documented ones,
written down apart from the product's own.
"""

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator

Payload: TypeAlias = dict[str, Any]

TEXTS = {"title": 256, "description": 4096}
BUTTON, SELECT, ROW = 2, 3, 1


def complaints_of(message: Payload, schema: str = "MessageCreateRequest") -> list[str]:
    """Everything that Discord would refuse, and everything that would ping somebody."""
    # The document wants ids as texts; Discord takes the numbers of files as numbers, which is how discord.py counts them.
    files = [{**each, "id": str(each["id"])} for each in message.get("attachments") or []]
    found = [*_by_schema({**message, "attachments": files}, schema), *_embeds(message.get("embeds") or [])]
    found += _components(message.get("components") or [])
    if _length(message.get("content") or "") > 2000:
        found.append("content: more than 2000")
    if len(message.get("attachments") or []) > 10:
        found.append("attachments: more than 10")
    if (message.get("allowed_mentions") or {}).get("parse") != []:
        found.append("allowed_mentions: somebody may be pinged")
    if not any(message.get(part) for part in ("content", "embeds", "attachments")) and schema == "MessageCreateRequest":
        found.append("50006: empty message")
    return found


def schema_complaints(payload: Payload, schema: str) -> list[str]:
    """What the OpenAPI document says against a payload; nothing where there is no document."""
    return list(_by_schema(payload, schema))


@functools.cache
def _specification() -> Payload | None:
    path = os.environ.get("DISCORD_OPENAPI", "")
    return json.loads(Path(path).read_text(encoding="utf-8")) if path and Path(path).exists() else None


@functools.cache
def _validator(schema: str) -> Draft202012Validator | None:
    document = _specification()
    if document is None:
        return None
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})


def _with_texts_for_ids(payload: Payload) -> Payload:
    """discord.py writes the ids of those who may be mentioned as numbers; Discord takes them, its document has texts alone."""
    allowed = payload.get("allowed_mentions")
    if not isinstance(allowed, dict):
        return payload
    texts = {
        name: [str(each) for each in allowed[name]]
        for name in ("roles", "users")
        if isinstance(allowed.get(name), list)
    }
    return {**payload, "allowed_mentions": {**allowed, **texts}}


def _by_schema(payload: Payload, schema: str) -> Iterator[str]:
    validator = _validator(schema)
    if validator is not None:
        for error in validator.iter_errors(_with_texts_for_ids(payload)):
            yield f"{error.json_path}: {error.message[:200]}"


def _embeds(embeds: list[Payload]) -> Iterator[str]:
    if len(embeds) > 10:
        yield "embeds: more than 10"
    total = 0
    for number, embed in enumerate(embeds):
        parts = {name: embed.get(name) or "" for name in TEXTS}
        footer = (embed.get("footer") or {}).get("text", "")
        fields = embed.get("fields") or []
        total += sum(map(_length, parts.values())) + _length(footer)
        total += sum(_length(field["name"]) + _length(field["value"]) for field in fields)
        yield from (f"embeds[{number}].{name}: too long" for name, most in TEXTS.items() if _length(parts[name]) > most)
        if _length(footer) > 2048:
            yield f"embeds[{number}].footer: too long"
        if len(fields) > 25 or any(_length(each["name"]) > 256 or _length(each["value"]) > 1024 for each in fields):
            yield f"embeds[{number}].fields: too many or too long"
        if not any((*parts.values(), footer, fields)):
            yield f"embeds[{number}]: empty"
    if total > 6000:
        yield f"embeds: {total} characters together"


def _components(rows: list[Payload]) -> Iterator[str]:
    if len(rows) > 5:
        yield "components: more than 5 rows"
    names: list[str] = []
    for row in rows:
        inside = row.get("components", [])
        if row.get("type") != ROW or not inside:
            yield "components: not a row"
        if sum(1 if each["type"] == BUTTON else 5 for each in inside) > 5:
            yield "components: a row is too full"
        for each in inside:
            names.append(each.get("custom_id", ""))
            yield from _component(each)
    if len(set(names)) != len(names):
        yield "components: a custom id twice"


def _component(each: Payload) -> Iterator[str]:
    if not 1 <= len(each.get("custom_id", "")) <= 100:
        yield "custom_id: not 1 to 100"
    if each["type"] == BUTTON and not 1 <= _length(each.get("label") or "") <= 80:
        yield "label: not 1 to 80"
    if each["type"] == SELECT:
        options = each.get("options", [])
        values = [option["value"] for option in options]
        if not 1 <= len(options) <= 25 or len(set(values)) != len(values):
            yield "options: not 1 to 25 different ones"
        if any(not 1 <= _length(option[name]) <= 100 for option in options for name in ("label", "value")):
            yield "options: a text is not 1 to 100"


def _length(text: str) -> int:
    """In UTF-16 units, the stricter way to count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
