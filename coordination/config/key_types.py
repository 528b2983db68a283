"""The types of values: texts, numbers, addresses, times, lists of tools; each parsed from what is in the file."""

import re
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    SecretStr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
)

from coordination.config.section_reader import report_of
from coordination.config.yaml_tree import Listing, Node, Scalar, Table, kind_of, plain, typed_plain
from coordination.text import Text

_WEEK = 7 * 86_400
_MONTH = 31 * 86_400
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def _as_written(value: object) -> object:
    """What is meant as a text, even where it looks like a number: ids, names, what a variable is set to."""
    return plain(value, as_written=True) if isinstance(value, Scalar | Listing | Table) else value


def _as_typed(value: object) -> object:
    """What YAML makes of it. A variable often has to stand in quotes, which then do not say that a text is meant."""
    if isinstance(value, Scalar) and value.has_variables:
        return typed_plain(value.text)
    return plain(value) if isinstance(value, Scalar | Listing | Table) else value


AsWritten = BeforeValidator(_as_written)
AsTyped = BeforeValidator(_as_typed)

String: TypeAlias = Annotated[StrictStr, AsWritten]
Secret: TypeAlias = Annotated[SecretStr, AsWritten]
Whole: TypeAlias = Annotated[StrictInt, AsTyped]
Flag: TypeAlias = Annotated[StrictBool, AsTyped]
Data: TypeAlias = Annotated[dict[StrictStr, Any], AsTyped]


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(Text("one line of text"))
    return text


def _web_address(text: str) -> str:
    if not is_web_address(text):
        raise ValueError(Text("an address that begins with http:// or https://"))
    return text


def is_web_address(text: str) -> bool:
    """Whether something can be asked for at this address; one that begins with an open variable might be."""
    if text.startswith("${"):
        return True
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def header_key(secret: SecretStr) -> SecretStr:
    """A key as it goes into a header: a line break at its end comes from the file that it was read from."""
    key = secret.get_secret_value().strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(Text("a key without spaces, line breaks or non-ASCII characters"))
    return SecretStr(key)


def duration(text: str) -> str:
    """A time as it is written."""
    if not 1 <= seconds(text) <= _MONTH:
        raise ValueError(Text("a time from 1s to 31d, such as 24h, 30m or 90 (seconds)"))
    return text


def seconds(text: str) -> int:
    """A time in seconds: `24h`, `1h30m`, `90`. 0 for a text that is no time."""
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    match = _DURATION.fullmatch(text) if 0 < len(text) <= 20 else None
    if match is None:
        return 0
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + rest


OneLine: TypeAlias = Annotated[StrictStr, Field(max_length=200), AsWritten, AfterValidator(_one_line)]
OneLines: TypeAlias = Annotated[tuple[OneLine, ...], AsWritten]
Secrets: TypeAlias = Annotated[tuple[SecretStr, ...], AsWritten]
SecretValues: TypeAlias = Annotated[dict[StrictStr, SecretStr], AsWritten]
WebAddress: TypeAlias = Annotated[StrictStr, Field(max_length=2000), AsWritten, AfterValidator(_web_address)]
Timeout: TypeAlias = Annotated[StrictFloat, Field(gt=0, le=_WEEK), AsTyped]
Effort: TypeAlias = Annotated[Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"], AsWritten]
Thinking: TypeAlias = Annotated[Literal["adaptive", "enabled", "disabled"], AsWritten]
Presentation: TypeAlias = Annotated[Literal["adopt", "present"], AsWritten]
Budget: TypeAlias = Annotated[StrictInt, Field(ge=1024, le=1_000_000), AsTyped]
Price: TypeAlias = Annotated[StrictFloat, Field(ge=0, le=1_000_000), AsTyped]
Tokens: TypeAlias = Annotated[StrictInt, Field(ge=1, le=10_000_000_000), AsTyped]
Money: TypeAlias = Annotated[StrictFloat, Field(gt=0, le=1_000_000), AsTyped]

ItemT = TypeVar("ItemT")


def items_of(value: object, info: ValidationInfo) -> object:
    """What is in a list. A variable never stands for one, so it is complained of even if it waits for its value."""
    if isinstance(value, Listing):
        return value.items
    if isinstance(value, Scalar | Table):
        report_of(info).expect(value.place, kind_of(value), Text("a list"))
        return ()
    return value


def usable(sections: tuple[ItemT | None, ...]) -> tuple[ItemT, ...]:
    """The sections that are of use."""
    return tuple(section for section in sections if section is not None)


Sections: TypeAlias = Annotated[tuple[ItemT, ...], BeforeValidator(items_of), AfterValidator(usable)]
"""A list of sections, without those that are of no use."""


def texts_of(value: object, info: ValidationInfo) -> object:
    """The texts of a list, with their places; what is none of them is complained of."""
    items = items_of(value, info)
    if not isinstance(items, tuple):
        return items
    nodes = cast("tuple[Node, ...]", items)
    for item in nodes:
        if not isinstance(item, Scalar) or item.value is None:
            report_of(info).expect(item.place, kind_of(item), Text("a text"))
    return tuple(item for item in nodes if isinstance(item, Scalar) and item.value is not None)


ToolNames: TypeAlias = Annotated[
    tuple[InstanceOf[Scalar], ...],
    BeforeValidator(texts_of),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]
