"""YAML read under limits into a tree whose every value knows its line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias, cast

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from coordination.config.diagnostics import NOWHERE, Diagnostics, Place, printable, quoted
from coordination.text import Text

YamlValue: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "YamlValue | list[Plain] | dict[str, Plain]"

CORE_TAG = "tag:yaml.org,2002:"
TEXT_TAG = CORE_TAG + "str"
SCALAR_TAGS = frozenset(CORE_TAG + name for name in ("str", "int", "float", "bool", "null"))

_Resolve: TypeAlias = Callable[[type[yaml.Node], str, tuple[bool, bool]], str]
_resolve = cast("_Resolve", Resolver().resolve)  # pyright: ignore[reportUnknownMemberType] - PyYAML leaves it untyped
_CONSTRUCTOR = SafeConstructor()
_Construct: TypeAlias = Callable[[SafeConstructor, yaml.ScalarNode], YamlValue]
_CONSTRUCTORS = cast("Mapping[str, _Construct]", SafeConstructor.yaml_constructors)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A value of the file.

    Attributes:
        line: where it begins.
        place: where its key stands, and the path to it; known once variables are put in.
    """

    line: int
    place: Place = NOWHERE


@dataclass(frozen=True, kw_only=True)
class Scalar(_Placed):
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
    is_plain: bool = False
    is_open: bool = False

    @property
    def has_variables(self) -> bool:
        """Whether there is a variable in it as it is written."""
        return "${" in self.source


@dataclass(frozen=True, kw_only=True)
class Listing(_Placed):
    """A list."""

    items: tuple["Node", ...]


@dataclass(frozen=True, kw_only=True)
class Table(_Placed):
    """A mapping. `key_lines` has the line of every key."""

    entries: Mapping[str, "Node"] = field(default_factory=dict[str, "Node"])
    key_lines: Mapping[str, int] = field(default_factory=dict[str, int])

    def line_of(self, key: str) -> int:
        """The line of a key; of the mapping itself where it has no such key."""
        return self.key_lines.get(key, self.line)

    def place_of(self, key: str) -> Place:
        """The place of a key, whether it is there or not."""
        return Place(self.line_of(key), (*self.place.path, key))

    def source(self, key: str) -> str:
        """What the operator wrote under a key; nothing where that is no single value."""
        node = self.entries.get(key)
        return node.source if isinstance(node, Scalar) else ""

    def sources(self, key: str) -> Mapping[str, str]:
        """What the operator wrote in the mapping under a key, in the order of its own keys."""
        node = self.entries.get(key)
        entries = sorted(node.entries.items()) if isinstance(node, Table) else ()
        return {name: value.source for name, value in entries if isinstance(value, Scalar)}

    def items(self, key: str) -> tuple["Node", ...]:
        """What is in the list under a key."""
        node = self.entries.get(key)
        return node.items if isinstance(node, Listing) else ()

    def writes(self, key: str) -> bool:
        """Whether there is anything under a key, fit or not."""
        return key in self.entries and not is_absent(self.entries[key])


Node: TypeAlias = Scalar | Listing | Table
EMPTY = Table(line=0)


def kind_of(node: Node | None) -> Text:
    """What kind of value this is, in words, without the value."""
    match node:
        case None | Scalar(value=None):
            return Text("nothing")
        case Table():
            return Text("a mapping") if node.entries else Text("an empty mapping")
        case Listing():
            return Text("a list") if node.items else Text("an empty list")
        case Scalar(value=bool()):
            return Text("true or false")
        case Scalar(value=int() | float()):
            return Text("a number")
        case Scalar():
            return Text("a text")


def typed_plain(text: str) -> YamlValue:
    """What YAML makes of a text without quotes. Dates stay text: no key has one for a value."""
    tag = str(_resolve(yaml.ScalarNode, text, (True, False)))
    try:
        return text if tag == TEXT_TAG or tag not in SCALAR_TAGS else typed(tag, text)
    except ValueError:
        return text


def typed(tag: str, text: str) -> YamlValue:
    """The value that a text has under one of YAML's own tags.

    Raises:
        ValueError: the text is no such value.
    """
    try:
        return _CONSTRUCTORS[tag](_CONSTRUCTOR, yaml.ScalarNode(tag, text))
    except (KeyError, IndexError, OverflowError) as error:
        raise ValueError(text) from error


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


def is_absent(node: Node, *, or_null: bool = True) -> bool:
    """Whether a value counts as not written: nothing at all, or a variable that is empty."""
    if not isinstance(node, Scalar):
        return False
    return (or_null and node.value is None) or (node.text == "" and node.has_variables)


def is_open(node: Node) -> bool:
    """Whether the value, or any value in it, still waits for a variable."""
    match node:
        case Scalar():
            return node.is_open
        case Listing():
            return any(is_open(item) for item in node.items)
        case Table():
            return any(is_open(value) for value in node.entries.values())


MAX_BYTES = 256_000
MAX_DEPTH = 40
TOO_LARGE = Text("more than {most} kB", most=MAX_BYTES // 1000)
MAX_VALUES = 20_000
"""Values, and hundreds of characters, with aliases followed: a few lines of aliases of aliases can mean billions."""
TOO_MANY = Text("more than {most:,} values once aliases are expanded", most=MAX_VALUES), Text("fewer")
TOO_DEEP = Text("more than {most} levels of nesting", most=MAX_DEPTH), Text("fewer")

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COLLECTION_TAGS = frozenset({CORE_TAG + "seq", CORE_TAG + "map"})
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_LONGEST_SIGN = 3


class ReadAborted(Exception):
    """Reading can't go on; the complaint is made."""


@dataclass
class _Frame:
    """A collection whose end has not been seen yet."""

    line: int
    anchor: str | None
    is_table: bool
    items: list[Node] = field(default_factory=list[Node])


def read(text: str, report: Diagnostics) -> Table | None:
    """The tree of a configuration; None after complaints that leave nothing to read on."""
    try:
        _check_readable(text, report)
        root = _Builder(report).build(text)
    except ReadAborted:
        return None
    except yaml.YAMLError as error:
        _add_syntax_error(error, text, report)
        return None
    except (ValueError, OverflowError):
        # Numbers in escapes, which PyYAML without libyaml hands to Python as they are.
        report.expect(Place(1), Text("text that is not YAML"), Text("a YAML file"))
        return None
    if isinstance(root, Table):
        return root
    line = root.line if root is not None else 1
    report.expect(Place(line), kind_of(root), Text("a mapping with the key agents"))
    return None


class _Builder:
    """Makes the tree from YAML's events, so that no nesting uses up the stack."""

    def __init__(self, report: Diagnostics) -> None:
        self._report = report
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._root: Node | None = None
        self._documents = 0
        self._merged = 0

    def build(self, text: str) -> Node | None:
        for event in yaml.parse(text, Loader=_LOADER):
            self._take(event)
        return self._root

    def _take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._halt(line, Text("a second YAML document"), Text("only one"))
            case yaml.AliasEvent():
                self._place(self._aliased(event.anchor, line))
            case yaml.ScalarEvent():
                self._remember(event.anchor, self._scalar(event, line))
            case yaml.CollectionStartEvent():
                self._open(event, line)
            case yaml.CollectionEndEvent():
                self._close()
            case _:
                pass

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None and event.tag not in {"!"} | _COLLECTION_TAGS:
            self._refuse_tag(event.tag, line)
        if len(self._frames) >= MAX_DEPTH:
            self._halt(line, *TOO_DEEP)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self) -> None:
        frame = self._frames.pop()
        is_table, items = frame.is_table, tuple(frame.items)
        self._remember(frame.anchor, self._table(frame) if is_table else Listing(items=items, line=frame.line))

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._place(node)

    def _place(self, node: Node) -> None:
        if self._frames:
            self._frames[-1].items.append(node)
        else:
            self._root = node

    def _aliased(self, anchor: str | None, line: int) -> Node:
        if anchor is None or anchor not in self._anchors:
            self._halt(line, Text("an alias (*name)"), Text("its anchor (&name) in a line before"))
        node = self._anchors[anchor]
        if node is None:
            self._halt(line, Text("an alias inside its own anchor"), Text("an alias outside its anchor"))
        return node

    def _table(self, frame: _Frame) -> Table:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: list[Node] = []
        for key, value in zip(frame.items[::2], frame.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                found = Text("{kind} as a key", kind=kind_of(key))
                self._report.expect(Place(key.line), found, Text("a text as a key"))
            elif key.is_plain and key.text == "<<":
                merged.append(value)
            elif key.text in entries:
                found = Text(
                    "the key {key} again in the same mapping (first used in line {line})",
                    key=quoted(key.text),
                    line=lines[key.text],
                )
                self._report.expect(Place(key.line), found, Text("each key once"))
            else:
                entries[key.text], lines[key.text] = value, key.line
        for value in merged:
            self._merge(value, entries, lines)
            if self._merged > MAX_VALUES:
                # Each of them is a copy: counted only in the end, they would fill the memory before.
                self._halt(frame.line, *TOO_MANY)
        return Table(entries=entries, key_lines=lines, line=frame.line)

    def _merge(self, value: Node, entries: dict[str, Node], lines: dict[str, int]) -> None:
        for source in value.items if isinstance(value, Listing) else (value,):
            if not isinstance(source, Table):
                found = Text("{kind} after <<", kind=kind_of(source))
                self._report.expect(Place(source.line), found, Text("an alias of a mapping"))
                continue
            new = [key for key in source.entries if key not in entries]
            self._merged += len(new)
            for key in new:
                entries[key], lines[key] = source.entries[key], source.line_of(key)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        text: str = event.value
        if _UNREADABLE.search(text):
            self._halt(line, Text("a control character or half of a surrogate pair"), Text("readable text"))
        is_plain = event.tag is None and bool(event.implicit[0])
        if event.tag is not None and event.tag != "!":
            value = self._explicit(event.tag, text, line)
        else:
            value = typed_plain(text) if is_plain else text
        return Scalar(value=value, text=text, source=text, line=line, is_plain=is_plain)

    def _explicit(self, tag: str, text: str, line: int) -> YamlValue:
        if tag not in SCALAR_TAGS:
            self._refuse_tag(tag, line)
        try:
            return typed(tag, text)
        except ValueError:
            found = Text("a value that does not fit its tag !!{tag}", tag=tag.removeprefix(CORE_TAG))
            self._halt(line, found, Text("one that fits"))

    def _refuse_tag(self, tag: str, line: int) -> NoReturn:
        name = quoted(tag.replace(CORE_TAG, "!!"), longest=60)
        self._halt(line, Text("the tag {name}", name=name), Text("plain YAML: text, numbers, lists and mappings"))

    def _halt(self, line: int, found: Text, expected: Text) -> NoReturn:
        abort(self._report, line, found, expected)


def abort(report: Diagnostics, line: int, found: Text, expected: Text) -> NoReturn:
    """Complain of what leaves nothing to read on.

    Raises:
        ReadAborted: always.
    """
    report.expect(Place(line), found, expected)
    raise ReadAborted


def _check_readable(text: str, report: Diagnostics) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        abort(report, 1, TOO_LARGE, Text("a smaller file"))
    unreadable = _UNREADABLE.search(text.removeprefix("\ufeff"))
    if unreadable:
        line = text.count("\n", 0, unreadable.start()) + 1
        found = Text("the character {character}", character=printable(unreadable.group()))
        abort(report, line, found, Text("readable text"))


_PROBLEMS: Mapping[str, Text] = {
    each: each
    for each in (
        Text("mapping values are not allowed in this context"),
        Text("mapping keys are not allowed in this context"),
        Text("block sequence entries are not allowed in this context"),
        Text("did not find expected key"),
        Text("did not find expected ',' or ']'"),
        Text("did not find expected ',' or '}}'"),
        Text("did not find expected '-' indicator"),
        Text("did not find expected node content"),
        Text("did not find expected <document start>"),
        Text("could not find expected ':'"),
        Text("found character that cannot start any token"),
        Text("found unexpected end of stream"),
        Text("found unexpected document indicator"),
        Text("found unknown escape character"),
        Text("found a tab character that violates indentation"),
        Text("found undefined tag handle"),
        Text("found a tab character where an indentation space is expected"),
        Text("found unexpected ':'"),
        Text("did not find expected alphabetic or numeric character"),
        Text("did not find expected whitespace or line break"),
        Text("did not find expected comment or line break"),
        Text("could not find expected directive name"),
        Text("did not find URI escaped octet"),
        Text("did not find expected digit or '.' character"),
        Text("did not find expected hexadecimal number"),
        Text("did not find expected tag URI"),
        Text("did not find expected version number"),
        Text("did not find expected whitespace"),
        Text("did not find the expected '>'"),
        Text("found an incorrect leading UTF-8 octet"),
        Text("found an incorrect trailing UTF-8 octet"),
        Text("found an indentation indicator equal to 0"),
        Text("found duplicate %TAG directive"),
        Text("found duplicate %YAML directive"),
        Text("found extremely long version number"),
        Text("found incompatible YAML document"),
        Text("found invalid Unicode character escape code"),
        Text("found unexpected non-alphabetical character"),
        Text("found unknown directive name"),
    )
}
"""What libyaml says of any text that can be read; what PyYAML says without it is quoted."""


def _add_syntax_error(error: yaml.YAMLError, text: str, report: Diagnostics) -> None:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        report.expect(Place(1), Text("text that is not YAML"), Text("a YAML file"))
        return
    status = error.problem_mark
    said = _QUOTED.sub(_sign, printable(error.problem or ""))
    said = said.replace("hexdecimal", "hexadecimal")  # codespell:ignore hexdecimal
    problem = _PROBLEMS.get(said, Text('PyYAML says "{words}"', words=said))
    found = Text("invalid YAML in column {column} ({problem})", column=status.column + 1, problem=problem)
    lines = text.splitlines()
    needs_quotes = status.line < len(lines) and "${" in lines[status.line]
    with_quotes = Text('YAML; inside {{ }} and [ ], put a variable in quotes: "${{NAME}}"')
    report.expect(Place(status.line + 1), found, with_quotes if needs_quotes else Text("YAML"))


def _sign(match: re.Match[str]) -> str:
    """A sign of YAML's own in quotes; anything longer was taken from the file, and may be part of a secret."""
    return match.group() if len(match.group()) <= _LONGEST_SIGN + 2 else "'...'"
