"""YAML read under limits into a tree whose every value knows its line, with the environment's values put in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeAlias, cast

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from coordination.config.diagnostics import Diagnostics, KeyPath, expected_but_found, printable, quoted

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


MAX_BYTES = 256_000
MAX_DEPTH = 40
MAX_VALUES = 20_000
"""Values, and hundreds of characters, after aliases are followed: a few lines of aliases of aliases can mean billions."""

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COLLECTION_TAGS = frozenset({CORE_TAG + "seq", CORE_TAG + "map"})
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_LONGEST_SIGN = 3


class _Halt(Exception):
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
    except _Halt:
        return None
    except yaml.YAMLError as error:
        _add_syntax_error(error, text, report)
        return None
    except (ValueError, OverflowError):
        # Numbers in escapes, which PyYAML without libyaml hands to Python as they are.
        report.add_error(1, (), expected_but_found("a text that is no YAML", "a YAML file"))
        return None
    if isinstance(root, Table):
        return root
    line = root.line if root is not None else 1
    report.add_error(line, (), expected_but_found(kind_of(root), "a mapping with the key agents"))
    return None


class _Builder:
    """Makes the tree from YAML's events, so that no nesting uses up the stack."""

    def __init__(self, report: Diagnostics) -> None:
        self._report = report
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._root: Node | None = None
        self._documents = 0

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
                    self._halt(line, expected_but_found("a second YAML document", "one"))
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
            self._halt(line, expected_but_found(f"more than {MAX_DEPTH} levels of nesting", "fewer"))
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self) -> None:
        frame = self._frames.pop()
        node = self._table(frame) if frame.is_table else _listing(frame)
        if node.size > MAX_VALUES:
            self._halt(frame.line, expected_but_found(f"more than {MAX_VALUES:,} values, aliases followed", "fewer"))
        if node.depth > MAX_DEPTH:
            self._halt(frame.line, expected_but_found(f"more than {MAX_DEPTH} levels of nesting", "fewer"))
        self._remember(frame.anchor, node)

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
            self._halt(line, expected_but_found("an alias (*name)", "its anchor (&name) in a line before"))
        node = self._anchors[anchor]
        if node is None:
            self._halt(
                line, expected_but_found("an alias inside of what it stands for", "an alias of something complete")
            )
        return node

    def _table(self, frame: _Frame) -> Table:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: list[Node] = []
        for key, value in zip(frame.items[::2], frame.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._report.add_error(key.line, (), expected_but_found(f"{kind_of(key)} as a key", "a text as a key"))
            elif key.is_plain and key.text == "<<":
                merged.append(value)
            elif key.text in entries:
                found = f"the key {quoted(key.text)} twice in one mapping (first in line {lines[key.text]})"
                self._report.add_error(key.line, (), expected_but_found(found, "each key once"))
            else:
                entries[key.text], lines[key.text] = value, key.line
        for value in merged:
            self._merge(value, entries, lines)
        values = tuple(entries.values())
        return Table(entries=entries, key_lines=lines, line=frame.line, size=_size(values), depth=_depth(values))

    def _merge(self, value: Node, entries: dict[str, Node], lines: dict[str, int]) -> None:
        for source in value.items if isinstance(value, Listing) else (value,):
            if not isinstance(source, Table):
                self._report.add_error(
                    source.line, (), expected_but_found(f"{kind_of(source)} after <<", "an alias of a mapping")
                )
                continue
            for key in [key for key in source.entries if key not in entries]:
                entries[key], lines[key] = source.entries[key], source.line_of(key)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        text: str = event.value
        if _UNREADABLE.search(text):
            self._halt(line, expected_but_found("a control character or half of a surrogate pair", "readable text"))
        if event.tag is not None and event.tag != "!":
            value = self._explicit(event.tag, text, line)
            return Scalar(value=value, text=text, source=text, line=line, size=_weight(text))
        is_plain = event.tag is None and bool(event.implicit[0])
        value = typed_plain(text) if is_plain else text
        return Scalar(value=value, text=text, source=text, line=line, is_plain=is_plain, size=_weight(text))

    def _explicit(self, tag: str, text: str, line: int) -> YamlValue:
        if tag not in SCALAR_TAGS:
            self._refuse_tag(tag, line)
        try:
            return typed(tag, text)
        except ValueError:
            self._halt(
                line,
                expected_but_found(f"a value that its tag !!{tag.removeprefix(CORE_TAG)} does not fit", "one it fits"),
            )

    def _refuse_tag(self, tag: str, line: int) -> NoReturn:
        name = quoted(tag.replace(CORE_TAG, "!!"), longest=60)
        self._halt(line, expected_but_found(f"the tag {name}", "plain YAML: text, numbers, lists and mappings"))

    def _halt(self, line: int, text: str) -> NoReturn:
        self._report.add_error(line, (), text)
        raise _Halt


def _listing(frame: _Frame) -> Listing:
    items = tuple(frame.items)
    return Listing(items=items, line=frame.line, size=_size(items), depth=_depth(items))


def _weight(text: str) -> int:
    return 1 + len(text) // 100


def _size(nodes: tuple[Node, ...]) -> int:
    return 1 + sum(node.size for node in nodes)


def _depth(nodes: tuple[Node, ...]) -> int:
    return 1 + max((node.depth for node in nodes), default=0)


def _check_readable(text: str, report: Diagnostics) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        report.add_error(1, (), expected_but_found(f"more than {MAX_BYTES // 1000} kB", "a smaller file"))
        raise _Halt
    unreadable = _UNREADABLE.search(text.removeprefix("\ufeff"))
    if unreadable:
        line = text.count("\n", 0, unreadable.start()) + 1
        report.add_error(
            line, (), expected_but_found(f"the character {printable(unreadable.group())}", "readable text")
        )
        raise _Halt


def _add_syntax_error(error: yaml.YAMLError, text: str, report: Diagnostics) -> None:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        report.add_error(1, (), expected_but_found("a text that is no YAML", "a YAML file"))
        return
    status = error.problem_mark
    problem = _QUOTED.sub(_sign, printable(error.problem or "not understood"))
    found = f"no valid YAML in column {status.column + 1} ({problem})"
    lines = text.splitlines()
    needs_quotes = status.line < len(lines) and "${" in lines[status.line]
    expected = 'YAML; within { } and [ ] a variable stands in quotes: "${NAME}"' if needs_quotes else "YAML"
    report.add_error(status.line + 1, (), expected_but_found(found, expected))


def _sign(match: re.Match[str]) -> str:
    """A sign of YAML's own in quotes; anything longer was taken from the file, and may be part of a secret."""
    return match.group() if len(match.group()) <= _LONGEST_SIGN + 2 else "'...'"


_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]{0,1000})\}|\$\{")
_INSIDE = re.compile(r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?$", re.DOTALL)
_NO_NAMES: Mapping[str, str] = {}

MAX_PUT_IN = 1_000_000
"""Characters that variables may bring in all: a short text that names a long variable often is no configuration."""


class Variables:
    """The variables of an environment, or of none; notes which ones were asked for.

    Attributes:
        are_known: there is an environment, so that what it lacks is missed.
        asked_for: what they had; None: they were not set. So whatever was read is known by all that it was made of.
    """

    def __init__(self, environ: Mapping[str, str] | None) -> None:
        self._environ: Mapping[str, str] = environ or {}
        self.are_known = environ is not None
        self.asked_for: dict[str, str | None] = {}

    def value(self, name: str) -> str:
        """The value of a variable; an empty text where it has none."""
        value = self.asked_for[name] = self._environ.get(name)
        return value or ""

    def is_set(self, name: str) -> bool:
        """Whether there is such a variable, and be it empty."""
        return name in self._environ


def put_in(root: Table, variables: Variables, report: Diagnostics) -> Table:
    """The tree with variables put in.

    Without an environment, a variable with a default has that, and one without stays open.
    """
    return _Walk(variables, report).table(root, (), _NO_NAMES)


def variables_in(source: str) -> frozenset[str]:
    """The names of the variables in a value as it is written."""
    found = (_INSIDE.match(each.group("inside") or "") for each in _REFERENCE.finditer(source))
    return frozenset(each.group("name") for each in found if each is not None)


class _Walk:
    def __init__(self, variables: Variables, report: Diagnostics) -> None:
        self._variables = variables
        self._report = report
        self._left = MAX_PUT_IN

    def table(self, table: Table, path: KeyPath, names: Mapping[str, str]) -> Table:
        names = self._names_in(table, path, names)
        entries = {key: self._node(value, (*path, key), names) for key, value in table.entries.items()}
        return replace(table, entries=entries)

    def _node(self, node: Node, path: KeyPath, names: Mapping[str, str]) -> Node:
        match node:
            case Table():
                return self.table(node, path, names)
            case Listing():
                items = tuple(self._node(item, (*path, index), names) for index, item in enumerate(node.items))
                return replace(node, items=items)
            case Scalar():
                return self._scalar(node, path, names) if "${" in node.source else node

    def _names_in(self, table: Table, path: KeyPath, names: Mapping[str, str]) -> Mapping[str, str]:
        """MassGen's `${cwd}`, which in a backend stands for the backend's own `cwd`."""
        folder = table.entries.get("cwd")
        if path[-1:] != ("backend",) or not isinstance(folder, Scalar) or "${" in folder.source:
            return names
        return {**names, "cwd": folder.text}

    def _scalar(self, scalar: Scalar, path: KeyPath, names: Mapping[str, str]) -> Scalar:
        is_open = False

        def value_of(reference: re.Match[str]) -> str:
            nonlocal is_open
            value = self._affordable(self._value(reference, scalar, path, names), scalar, path)
            is_open = is_open or value is None
            return reference.group() if value is None else value

        text = _REFERENCE.sub(value_of, scalar.source)
        value = typed_plain(text) if scalar.is_plain and not is_open else text
        # A variable that is empty, or that says `null`, is text all the same.
        value = text if value is None else value
        return replace(scalar, text=text, value=value, is_open=is_open)

    def _affordable(self, value: str | None, scalar: Scalar, path: KeyPath) -> str | None:
        if value is None or self._left < 0:
            return None
        self._left -= len(value)
        if self._left < 0:
            found = f"variables of more than {MAX_PUT_IN:,} characters in all"
            self._report.add_error(scalar.line, path, expected_but_found(found, "fewer or shorter ones"))
            return None
        return value

    def _value(self, reference: re.Match[str], scalar: Scalar, path: KeyPath, names: Mapping[str, str]) -> str | None:
        if reference.group() == "$${":
            return "${"
        inside = _INSIDE.match(reference.group("inside") or "")
        if inside is None:
            wanted = "${NAME} or ${NAME:-default}, or $${ for these characters themselves"
            self._report.add_error(scalar.line, path, expected_but_found("${ without the name of a variable", wanted))
            return None
        name, default = inside.group("name"), inside.group("default")
        known = names.get(name) or self._variables.value(name)
        if known:
            return self._readable(name, known, scalar, path)
        if default is not None:
            return default.removeprefix(":-")
        if self._variables.are_known:
            self._report.add_error(scalar.line, path, _unset(name, is_empty=self._variables.is_set(name)))
        return None

    def _readable(self, name: str, value: str, scalar: Scalar, path: KeyPath) -> str | None:
        if "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value):
            return value
        self._report.add_error(
            scalar.line, path, expected_but_found(f"bytes in the variable {name} that are no text", "UTF-8")
        )
        return None


def _unset(name: str, *, is_empty: bool) -> str:
    state = "is empty" if is_empty else "is not set"
    return expected_but_found(f"${{{name}}}, which {state}", f"the variable {name} to be set, or ${{{name}:-default}}")
