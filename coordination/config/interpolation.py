"""The variables in a configuration's values: which there are, and the tree with the environment's values put in."""

import re
from collections.abc import Mapping
from dataclasses import replace

from coordination.config.diagnostics import LONGEST_SHOWN, Diagnostics, Place, quoted
from coordination.config.yaml_tree import (
    MAX_DEPTH,
    MAX_VALUES,
    TOO_DEEP,
    TOO_MANY,
    Listing,
    Node,
    ReadAborted,
    Scalar,
    Table,
    abort,
    typed_plain,
)
from coordination.text import Text, together

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]{0,1000})\}|\$\{")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)
_NO_NAMES: Mapping[str, str] = {}

MAX_PUT_IN = 1_000_000
"""Characters that variables may bring in all: a short text that names a long variable often is no configuration."""


_OF_WORK = {"backend", "mcp_servers"}
_OF_RULES = {"allowed_tools", "exclude_tools", "disallowed_tools"}  # rules all the same


class Variables:
    """The variables of an environment, or of none; notes which ones were asked for.

    Attributes:
        are_known: there is an environment, so that what it lacks is missed.
        needs_keys: models and tool servers are used here, so that what they need is missed.
        asked_for: what they had; None: they were not set. So whatever was read is known by all that it was made of.
    """

    def __init__(self, environ: Mapping[str, str] | None, *, works: bool = True) -> None:
        self._environ: Mapping[str, str] = environ or {}
        self.are_known = environ is not None
        self.needs_keys = self.are_known and works
        self.asked_for: dict[str, str | None] = {}

    def value(self, name: str) -> str:
        """The value of a variable; an empty text where it has none."""
        value = self.asked_for[name] = self._environ.get(name)
        return value or ""

    def misses(self, place: Place) -> bool:
        """Whether one that is not set is missed there."""
        is_of_work = not _OF_WORK.isdisjoint(place.path) and _OF_RULES.isdisjoint(place.path)
        return self.needs_keys or (self.are_known and not is_of_work)

    def is_set(self, name: str) -> bool:
        """Whether there is such a variable, and be it empty."""
        return name in self._environ


def put_in(root: Table, variables: Variables, report: Diagnostics) -> Table | None:
    """The tree with aliases followed and variables put in; None if it comes to too much, after a complaint.

    Without an environment, a variable with a default has that, and one without stays open.
    """
    try:
        return _Interpolation(variables, report).table(root, Place(root.line), _NO_NAMES)
    except ReadAborted:
        return None


def variables_in(source: str) -> frozenset[str]:
    """The names of the variables in a value as it is written."""
    found = (_INSIDE.fullmatch(each.group("inside") or "") for each in _REFERENCE.finditer(source))
    return frozenset(each.group("name") for each in found if each is not None)


def described(scalar: Scalar, longest: int = LONGEST_SHOWN) -> Text:
    """A value for a message: as it is written; where variables are in it, which ones, and how long it became.

    What it became may be a secret, and is never told.
    """
    names = variables_in(scalar.source)
    if not names:
        return quoted(scalar.source, longest)
    named, length = together(sorted(names)), len(scalar.text)
    if scalar.source.startswith("${") and scalar.source.endswith("}"):
        return Text("the value of {variables} ({length:,} characters)", variables=named, length=length)
    return Text("a text with {variables} ({length:,} characters)", variables=named, length=length)


class _Interpolation:
    def __init__(self, variables: Variables, report: Diagnostics) -> None:
        self._variables = variables
        self._report = report
        self._left = MAX_PUT_IN
        self._values = 0

    def table(self, table: Table, place: Place, names: Mapping[str, str]) -> Table:
        names = self._names_in(table, place, names)
        entries = {
            key: self._node(value, Place(table.line_of(key), (*place.path, key)), names)
            for key, value in table.entries.items()
        }
        return replace(table, place=place, entries=entries)

    def _node(self, node: Node, place: Place, names: Mapping[str, str]) -> Node:
        self._values += 1 + (len(node.source) // 100 if isinstance(node, Scalar) else 0)
        if self._values > MAX_VALUES:
            abort(self._report, node.line, *TOO_MANY)
        if len(place.path) >= MAX_DEPTH and not isinstance(node, Scalar):
            abort(self._report, node.line, *TOO_DEEP)
        match node:
            case Table():
                return self.table(node, place, names)
            case Listing():
                items = (
                    self._node(item, Place(item.line, (*place.path, index)), names)
                    for index, item in enumerate(node.items)
                )
                return replace(node, items=tuple(items), place=place)
            case Scalar():
                placed = replace(node, place=place)
                return self._scalar(placed, names) if node.has_variables else placed

    def _names_in(self, table: Table, place: Place, names: Mapping[str, str]) -> Mapping[str, str]:
        """MassGen's `${cwd}`, which in a backend stands for the backend's own `cwd`."""
        folder = table.entries.get("cwd")
        if place.path[-1:] != ("backend",) or not isinstance(folder, Scalar) or folder.has_variables:
            return names
        return {**names, "cwd": folder.text}

    def _scalar(self, scalar: Scalar, names: Mapping[str, str]) -> Scalar:
        is_open = False
        values = dict[str, str | None]()  # The same again has the same value, and the same complaint.

        def value_of(reference: re.Match[str]) -> str:
            nonlocal is_open
            written = reference.group()
            if written not in values:
                values[written] = self._value(reference, scalar, names)
            value = self._affordable(values[written], scalar)
            is_open = is_open or value is None
            return written if value is None else value

        text = _REFERENCE.sub(value_of, scalar.source)
        value = typed_plain(text) if scalar.is_plain and not is_open else text
        # A variable that is empty, or that says `null`, is text all the same.
        value = text if value is None else value
        return replace(scalar, text=text, value=value, is_open=is_open)

    def _affordable(self, value: str | None, scalar: Scalar) -> str | None:
        if value is None or self._left < 0:
            return None
        self._left -= len(value)
        if self._left < 0:
            found = Text("variables with more than {most:,} characters in total", most=MAX_PUT_IN)
            self._expect(scalar, found, Text("fewer or shorter ones"))
            return None
        return value

    def _value(self, reference: re.Match[str], scalar: Scalar, names: Mapping[str, str]) -> str | None:
        if reference.group() == "$${":
            return "${"
        inside = _INSIDE.fullmatch(reference.group("inside") or "")
        if inside is None:
            wanted = Text("${{NAME}} or ${{NAME:-default}}, or $${{ for these characters themselves")
            self._expect(scalar, Text("${{ without the name of a variable"), wanted)
            return None
        name, default = inside.group("name"), inside.group("default")
        known = names.get(name) or self._variables.value(name)
        if known:
            return self._readable(name, known, scalar)
        if default is not None:
            return default.removeprefix(":-")
        if self._variables.misses(scalar.place):
            is_set = self._variables.is_set(name)
            found = (
                Text("${{{name}}}, which is empty", name=name)
                if is_set
                else Text("${{{name}}}, which is not set", name=name)
            )
            wanted = Text("the variable {name} to be set, or ${{{name}:-default}}", name=name)
            self._expect(scalar, found, wanted)
        return None

    def _readable(self, name: str, value: str, scalar: Scalar) -> str | None:
        if "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value):
            return value
        found = Text("bytes in the variable {name} that are not text", name=name)
        self._expect(scalar, found, Text("UTF-8"))
        return None

    def _expect(self, scalar: Scalar, found: Text, expected: Text) -> None:
        """Variables have the line of the value that they are in, which may be another one than its key's."""
        self._report.expect(Place(scalar.line, scalar.place.path), found, expected)
