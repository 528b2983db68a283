"""Canonical JSON: one text for one value, so that a digest means the same everywhere.

RFC 8785 (JSON Canonicalization Scheme), except that integers keep every digit: ids on Discord and Slack do not fit
into the doubles that the RFC prescribes, and a rounded id is another channel.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NoReturn, TypeAlias

from coordination.errors import InvalidJsonError

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"
JsonObject: TypeAlias = Mapping[str, "Json"]
_Emit: TypeAlias = Callable[[str], None]

MAX_DEPTH = 100
"""Levels of nesting that are accepted: deeper values are refused, so that no input exhausts the stack."""

_EXPONENT_FORM = re.compile(r"(-?)(\d)(?:\.(\d+))?e([+-]\d+)")


def parse(text: str) -> Json:
    """Read one JSON value strictly.

    Raises:
        InvalidJsonError: not JSON, NaN or an infinity, a duplicate key, a lone surrogate, or nested too deep.
    """
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise InvalidJsonError(f"JSON nested deeper than {MAX_DEPTH} levels") from None
    except InvalidJsonError:
        raise
    except ValueError as error:
        raise InvalidJsonError(f"not JSON: {error}") from None
    canonical(value)
    return value


def canonical(value: Json) -> str:
    """The one text of a value.

    Raises:
        InvalidJsonError: the value has no canonical form.
    """
    parts: list[str] = []
    _write(value, parts.append, 0)
    text = "".join(parts)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidJsonError("a lone surrogate has no UTF-8 form") from None
    return text


def is_canonical_object(text: str) -> bool:
    """Whether a text is the one text of a JSON object."""
    try:
        value = parse(text)
        return isinstance(value, dict) and canonical(value) == text
    except InvalidJsonError:
        return False


def rounded_number(text: str) -> str | None:
    """The first number in a JSON text that would not be sent as it is written; None: there is none.

    `100.00000000000000000001` becomes 100 in a double, and nobody could see that on a plan. `0.1` stays what it is.
    """
    found: list[str] = []

    def keep(written: str) -> float:
        value = float(written)
        if math.isfinite(value) and Decimal(written) != Decimal(repr(value)):
            found.append(written)
        return value

    try:
        json.loads(text or "{}", parse_float=keep)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return found[0] if found else None


def digest(purpose: str, text: str) -> str:
    """SHA-256 as 64 hexadecimal digits; the purpose keeps digests of different things apart."""
    return hashlib.sha256(f"massgen-bot/{purpose}\n{text}".encode()).hexdigest()


def config_digest(text: str, origin: str) -> str:
    """What stands for a configuration as it is stored: its text, unexpanded, and where relative paths in it begin."""
    return digest("config", f"{origin}\n{text}")


def _write(value: Json, emit: _Emit, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidJsonError(f"JSON nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool() | int() | str():
            emit(json.dumps(value, ensure_ascii=False))
        case float():
            emit(_number(value))
        case Mapping():
            _write_object(value, emit, depth)
        case bytes() | bytearray():
            raise InvalidJsonError("bytes are not a JSON value")
        case Sequence():
            emit("[")
            for position, item in enumerate(value):
                if position:
                    emit(",")
                _write(item, emit, depth + 1)
            emit("]")
        case _:
            raise InvalidJsonError(f"a {type(value).__name__} is not a JSON value")


def _write_object(value: Mapping[str, Json], emit: _Emit, depth: int) -> None:
    for key in value:
        if type(key) is not str:
            raise InvalidJsonError(f"an object's key must be a string, not {key!r}")
    emit("{")
    for position, key in enumerate(sorted(value, key=_utf16_units)):
        if position:
            emit(",")
        emit(json.dumps(key, ensure_ascii=False))
        emit(":")
        _write(value[key], emit, depth + 1)
    emit("}")


def _utf16_units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """A double as ECMAScript prints it, which is what the RFC asks for."""
    if math.isnan(value) or math.isinf(value):
        raise InvalidJsonError("NaN and infinities are not JSON")
    if value == 0:
        return "0"
    text = repr(value)
    exponent_form = _EXPONENT_FORM.fullmatch(text)
    if exponent_form is None:
        return text.removesuffix(".0")
    sign, first, rest, exponent = exponent_form.groups()
    digits, point = first + (rest or ""), int(exponent) + 1
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{sign}{mantissa}e{point - 1:+d}"


def _object_without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidJsonError("an object has the same key twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJsonError(f"{name} is not JSON")
