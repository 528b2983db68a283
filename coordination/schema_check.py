"""The check of a value against a JSON Schema, which may take any time; and a program that makes it under a time limit.

The file is started by itself, so it imports nothing of ours. `coordination.json_schema` is what others use.
"""

import json
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType] - has no types of its own
from referencing import Registry

SECONDS = 3
"""How long one check may take."""

IDLE_SECONDS = 60
"""How long the program waits for the next question before it leaves."""

_Schema: TypeAlias = bool | Mapping[str, Any]  # Any: as jsonschema itself types a schema.

_NOTHING_REMOTE: Registry[_Schema] = Registry()


_LONGEST_VALUE = 100
_LONGEST_WISH = 300


class Fault(NamedTuple):
    """The first thing wrong with a value.

    Attributes:
        place: where in the value, such as `lines/0`; empty for all of it.
        keyword: the keyword of JSON Schema that it does not meet; `false` where the schema allows nothing.
        found: what is there, as JSON; names of properties that are missing or not expected.
        wanted: what the keyword asks for: a pattern as it is, types with a bar and values with a comma between them,
            the property that another one is required with, all else as JSON.
    """

    place: str
    keyword: str
    found: str
    wanted: str


class UncheckableError(Exception):
    """The value can't be checked against this schema: it refers to what is not there, or to itself without end."""


def fault(schema: str, value: object) -> Fault | None:
    """The first thing wrong with a value; None if it fits. `schema` is JSON.

    Raises:
        UncheckableError: nobody can say.
    """
    try:
        validator = _validator(schema)
        error = None if validator is None else next(iter(validator.iter_errors(cast("Any", value))), None)
        return None if error is None else _fault(error)
    except Exception as problem:  # whatever a stranger's schema does to the library is about that schema
        raise UncheckableError(type(problem).__name__) from problem


def _fault(error: ValidationError) -> Fault:
    return Fault(
        place="/".join(str(part) for part in error.absolute_path),
        keyword=str(error.validator or "false"),
        found=_found(error)[:_LONGEST_VALUE],
        wanted=_wanted(error)[:_LONGEST_WISH],
    )


def _found(error: ValidationError) -> str:
    found = cast("Any", error.instance)  # Any: whatever was checked.
    if error.validator == "required":
        return next(str(name) for name in cast("Any", error.validator_value) if name not in found)
    if error.validator == "dependentRequired":
        return _dependency(error)[0]
    if error.validator == "additionalProperties":
        schema = cast("Any", error.schema)
        known = (*schema.get("properties", {}), *schema.get("patternProperties", {}))
        return ", ".join(name for name in found if name not in known)
    return _as_json(found)


def _wanted(error: ValidationError) -> str:
    wanted = cast("Any", error.validator_value)  # Any: whatever a stranger's schema says.
    if error.validator == "pattern":
        return str(wanted)
    if error.validator == "dependentRequired":
        return _dependency(error)[1]
    if error.validator == "items":  # Only where no entry may follow those that the schema describes one by one.
        return str(len(cast("Any", error.schema).get("prefixItems", ())))
    if error.validator == "type":
        return " | ".join([wanted] if isinstance(wanted, str) else wanted)
    return ", ".join(map(_as_json, wanted)) if error.validator == "enum" else _as_json(wanted)


def _dependency(error: ValidationError) -> tuple[str, str]:
    """The first property that is missing, and the one that it is required with."""
    found, rules = cast("Any", error.instance), cast("Any", error.validator_value)  # Any: as above.
    return next((each, name) for name, needed in rules.items() if name in found for each in needed if each not in found)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _multiple_of(_: object, factor: object, instance: object, __: object) -> Iterator[ValidationError]:
    """Whether a number is a multiple, as it is written: 19.99 is one of 0.01, whatever binary fractions make of it."""
    if isinstance(instance, bool) or not isinstance(instance, int | float):
        return
    if Fraction(str(instance)) % Fraction(str(factor)):
        yield ValidationError(f"{str(instance)[:100]} is not a multiple of {str(factor)[:100]}")


_extend: Any = extend  # pyright: ignore[reportUnknownVariableType] - likewise
_Draft: type[Validator] = _extend(Draft202012Validator, {"multipleOf": _multiple_of})


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Validator | None:
    """A validator that fetches nothing; None for a schema that is itself broken, which then constrains nothing."""
    value = cast("bool | dict[str, Any]", json.loads(schema))
    if isinstance(value, bool):
        return None
    try:
        _Draft.check_schema(value)
    except SchemaError:
        return None
    return _Draft(value, registry=_NOTHING_REMOTE)


# --- the program ------------------------------------------------------------------------------------------------------


def answers() -> None:
    """Answer questions, one a line, until nobody asks any more.

    The system ends this process if an answer takes too long.

    A question is `[schema as a text, value]`, an answer `[whether it could be checked, fields of a fault or null]`.
    """
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        signal.alarm(SECONDS)
        try:
            answer: list[object] = [True, fault(*json.loads(line))]
        except (UncheckableError, RecursionError, ValueError):
            answer = [False, None]
        signal.alarm(0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answers()
