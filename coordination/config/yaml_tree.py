"""Reads YAML under limits that no text gets past, and says in words what is wrong with it."""

import re
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from coordination.config.diagnostics import Report, mismatch, printable, quoted
from coordination.config.nodes import (
    CORE_TAG,
    SCALAR_TAGS,
    Listing,
    Node,
    Scalar,
    Table,
    YamlValue,
    kind_of,
    typed,
    typed_plain,
)

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


def read(text: str, report: Report) -> Table | None:
    """The tree of a configuration; None after complaints that leave nothing to read on."""
    try:
        _check_readable(text, report)
        root = _Builder(report).build(text)
    except _Halt:
        return None
    except yaml.YAMLError as error:
        _complain_of_syntax(error, text, report)
        return None
    except (ValueError, OverflowError):
        # Numbers in escapes, which PyYAML without libyaml hands to Python as they are.
        report.complain(1, (), mismatch("a text that is no YAML", "a YAML file"))
        return None
    if isinstance(root, Table):
        return root
    line = root.line if root is not None else 1
    report.complain(line, (), mismatch(kind_of(root), "a mapping with the key agents"))
    return None


class _Builder:
    """Makes the tree from YAML's events, so that no nesting uses up the stack."""

    def __init__(self, report: Report) -> None:
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
                    self._halt(line, mismatch("a second YAML document", "one"))
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
            self._halt(line, mismatch(f"more than {MAX_DEPTH} levels of nesting", "fewer"))
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._frames.append(_Frame(line, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _close(self) -> None:
        frame = self._frames.pop()
        node = self._table(frame) if frame.is_table else _listing(frame)
        if node.size > MAX_VALUES:
            self._halt(frame.line, mismatch(f"more than {MAX_VALUES:,} values, aliases followed", "fewer"))
        if node.depth > MAX_DEPTH:
            self._halt(frame.line, mismatch(f"more than {MAX_DEPTH} levels of nesting", "fewer"))
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
            self._halt(line, mismatch("an alias (*name)", "its anchor (&name) in a line before"))
        node = self._anchors[anchor]
        if node is None:
            self._halt(line, mismatch("an alias inside of what it stands for", "an alias of something complete"))
        return node

    def _table(self, frame: _Frame) -> Table:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: list[Node] = []
        for key, value in zip(frame.items[::2], frame.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._report.complain(key.line, (), mismatch(f"{kind_of(key)} as a key", "a text as a key"))
            elif key.is_plain and key.text == "<<":
                merged.append(value)
            elif key.text in entries:
                found = f"the key {quoted(key.text)} twice in one mapping (first in line {lines[key.text]})"
                self._report.complain(key.line, (), mismatch(found, "each key once"))
            else:
                entries[key.text], lines[key.text] = value, key.line
        for value in merged:
            self._merge(value, entries, lines)
        values = tuple(entries.values())
        return Table(entries=entries, key_lines=lines, line=frame.line, size=_size(values), depth=_depth(values))

    def _merge(self, value: Node, entries: dict[str, Node], lines: dict[str, int]) -> None:
        for source in value.items if isinstance(value, Listing) else (value,):
            if not isinstance(source, Table):
                self._report.complain(source.line, (), mismatch(f"{kind_of(source)} after <<", "an alias of a mapping"))
                continue
            for key in [key for key in source.entries if key not in entries]:
                entries[key], lines[key] = source.entries[key], source.line_of(key)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        text: str = event.value
        if _UNREADABLE.search(text):
            self._halt(line, mismatch("a control character or half of a surrogate pair", "readable text"))
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
                line, mismatch(f"a value that its tag !!{tag.removeprefix(CORE_TAG)} does not fit", "one it fits")
            )

    def _refuse_tag(self, tag: str, line: int) -> NoReturn:
        name = quoted(tag.replace(CORE_TAG, "!!"), longest=60)
        self._halt(line, mismatch(f"the tag {name}", "plain YAML: text, numbers, lists and mappings"))

    def _halt(self, line: int, text: str) -> NoReturn:
        self._report.complain(line, (), text)
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


def _check_readable(text: str, report: Report) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        report.complain(1, (), mismatch(f"more than {MAX_BYTES // 1000} kB", "a smaller file"))
        raise _Halt
    unreadable = _UNREADABLE.search(text.removeprefix("\ufeff"))
    if unreadable:
        line = text.count("\n", 0, unreadable.start()) + 1
        report.complain(line, (), mismatch(f"the character {printable(unreadable.group())}", "readable text"))
        raise _Halt


def _complain_of_syntax(error: yaml.YAMLError, text: str, report: Report) -> None:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        report.complain(1, (), mismatch("a text that is no YAML", "a YAML file"))
        return
    mark = error.problem_mark
    problem = _QUOTED.sub(_sign, printable(error.problem or "not understood"))
    found = f"no valid YAML in column {mark.column + 1} ({problem})"
    lines = text.splitlines()
    needs_quotes = mark.line < len(lines) and "${" in lines[mark.line]
    expected = 'YAML; within { } and [ ] a variable stands in quotes: "${NAME}"' if needs_quotes else "YAML"
    report.complain(mark.line + 1, (), mismatch(found, expected))


def _sign(match: re.Match[str]) -> str:
    """A sign of YAML's own in quotes; anything longer was taken from the file, and may be part of a secret."""
    return match.group() if len(match.group()) <= _LONGEST_SIGN + 2 else "'...'"
