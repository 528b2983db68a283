"""YAML with places: a tree in which every value knows its line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

YamlValue: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "YamlValue | list[Plain] | dict[str, Plain]"

CORE_TAG = "tag:yaml.org,2002:"
SCALAR_TAGS = frozenset(CORE_TAG + name for name in ("str", "int", "float", "bool", "null"))

_Resolve: TypeAlias = Callable[[type[yaml.Node], str, tuple[bool, bool]], str]
_resolve = cast("_Resolve", Resolver().resolve)  # pyright: ignore[reportUnknownMemberType] - PyYAML leaves it untyped
_CONSTRUCTOR = SafeConstructor()


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """One value. Its text may be a secret once variables are put in, so only `source` ever gets into a message.

    Attributes:
        value: the text as YAML types it.
        text: the text with variables put in.
        source: the text as the operator wrote it.
        is_plain: written without quotes, so that it may be a number.
        is_open: a variable could not be put in.
    """

    value: YamlValue = field(repr=False)
    text: str = field(repr=False)
    source: str
    line: int
    is_plain: bool = False
    is_open: bool = False
    size: int = 1
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list. `size` and `depth` count what is in it, aliases followed."""

    items: tuple["Node", ...]
    line: int
    size: int = 1
    depth: int = 1


@dataclass(frozen=True, kw_only=True)
class Table:
    """A mapping. `key_lines` has the line of every key; `size` and `depth` count as in a list."""

    entries: Mapping[str, "Node"]
    key_lines: Mapping[str, int]
    line: int
    size: int = 1
    depth: int = 1

    def line_of(self, key: str) -> int:
        """The line of a key; of the mapping itself where it has no such key."""
        return self.key_lines.get(key, self.line)


Node: TypeAlias = Scalar | Listing | Table


def kind_of(node: Node | None) -> str:
    """What kind of value this is, in words, without the value."""
    match node:
        case None | Scalar(value=None):
            return "nothing"
        case Table():
            return "a mapping" if node.entries else "an empty mapping"
        case Listing():
            return "a list" if node.items else "an empty list"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=int() | float()):
            return "a number"
        case Scalar():
            return "a text"


def typed_plain(text: str) -> YamlValue:
    """What YAML makes of a text without quotes. Dates stay text: no key has one for a value."""
    tag = str(_resolve(yaml.ScalarNode, text, (True, False)))
    try:
        return typed(tag, text) if tag in SCALAR_TAGS else text
    except ValueError:
        return text


def typed(tag: str, text: str) -> YamlValue:
    """The value that a text has under one of YAML's own tags.

    Raises:
        ValueError: the text is no such value.
    """
    node = yaml.ScalarNode(tag, text)
    match tag.removeprefix(CORE_TAG):
        case "null":
            return None
        case "bool" if text.lower() in SafeConstructor.bool_values:
            return bool(SafeConstructor.bool_values[text.lower()])
        case "int":
            return _number(_CONSTRUCTOR.construct_yaml_int, node)
        case "float":
            return _number(_CONSTRUCTOR.construct_yaml_float, node)
        case "str":
            return text
        case _:
            raise ValueError(tag)


def plain(node: Node, *, as_written: bool = False) -> Plain:
    """The tree as Python's own values; `as_written` keeps numbers and flags as the text that they were written in."""
    match node:
        case Table():
            return {key: plain(value, as_written=as_written) for key, value in node.entries.items()}
        case Listing():
            return [plain(item, as_written=as_written) for item in node.items]
        case Scalar(value=None):
            return None
        case Scalar():
            return node.text if as_written else node.value


def source_of(table: Table, key: str) -> str:
    """What the operator wrote under a key; nothing where that is no single value."""
    node = table.entries.get(key)
    return node.source if isinstance(node, Scalar) else ""


def is_open(node: Node) -> bool:
    """Whether the value, or any value in it, still waits for a variable."""
    match node:
        case Scalar():
            return node.is_open
        case Listing():
            return any(is_open(item) for item in node.items)
        case Table():
            return any(is_open(value) for value in node.entries.values())


def _number(construct: Callable[[yaml.ScalarNode], int | float], node: yaml.ScalarNode) -> int | float:
    try:
        return construct(node)
    except (IndexError, OverflowError) as error:
        raise ValueError(node.value) from error
