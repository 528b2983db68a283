"""Do arguments fit a tool's JSON Schema? Asked before a call is recorded, while the model can still mend it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from coordination.domain.canonical import JsonObject, canonical, parse

_Schema: TypeAlias = bool | Mapping[str, Any]  # Any: as jsonschema itself types a schema.

_NOTHING_REMOTE: Registry[_Schema] = Registry()


def complaint(schema: JsonObject, arguments: JsonObject) -> str | None:
    """The first thing wrong with the arguments, in words for a model; None if they fit.

    A property that the schema does not know is wrong even where the schema would let it pass: servers silently drop
    such arguments, and people would approve what never takes effect.
    """
    validator = _validator(canonical(schema))
    if validator is None:
        return None
    try:
        error = next(iter(validator.iter_errors(arguments)), None)
    except (Unresolvable, re.error):
        return None  # The schema refers to what is not there, or has a pattern that is none: it constrains nothing.
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path)
        return f"{where or 'the object'}: {error.message[:500]}"
    return _unknown_property(schema, arguments)


def _unknown_property(schema: JsonObject, arguments: JsonObject) -> str | None:
    known = schema.get("properties")
    if not isinstance(known, dict) or not known or {"additionalProperties", "patternProperties"} & schema.keys():
        return None
    if any(word in schema for word in ("allOf", "anyOf", "oneOf", "$ref", "if")):
        return None
    unknown = [name for name in arguments if name not in known]
    return f"unknown {', '.join(unknown)[:200]}; known are {', '.join(known)[:500]}" if unknown else None


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Validator | None:
    """A validator that fetches nothing; None for a schema that is itself broken, which then constrains nothing."""
    value = parse(schema)
    if not isinstance(value, Mapping):
        return None
    try:
        Draft202012Validator.check_schema(value)
    except SchemaError:
        return None
    return Draft202012Validator(value, registry=_NOTHING_REMOTE)
