"""Puts the environment's values in: `${NAME}` and `${NAME:-default}` anywhere in a value, `$${` for the characters."""

import re
from collections.abc import Mapping
from dataclasses import replace

from coordination.config.diagnostics import KeyPath, Report, mismatch
from coordination.config.nodes import Listing, Node, Scalar, Table, typed_plain

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]{0,1000})\}|\$\{")
_INSIDE = re.compile(r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?$", re.DOTALL)
_NO_NAMES: Mapping[str, str] = {}

MAX_PUT_IN = 1_000_000
"""Characters that variables may bring in all: a short text that names a long variable often is no configuration."""


def put_in(root: Table, environ: Mapping[str, str] | None, report: Report) -> Table:
    """The tree with variables put in.

    Without an environment, a variable with a default has that, and one without stays open.
    """
    return _Walk(environ, report).table(root, (), _NO_NAMES)


def variables_in(source: str) -> frozenset[str]:
    """The names of the variables in a value as it is written."""
    found = (_INSIDE.match(each.group("inside") or "") for each in _REFERENCE.finditer(source))
    return frozenset(each.group("name") for each in found if each is not None)


class _Walk:
    def __init__(self, environ: Mapping[str, str] | None, report: Report) -> None:
        self._environ = environ
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
            self._report.complain(scalar.line, path, mismatch(found, "fewer or shorter ones"))
            return None
        return value

    def _value(self, reference: re.Match[str], scalar: Scalar, path: KeyPath, names: Mapping[str, str]) -> str | None:
        if reference.group() == "$${":
            return "${"
        inside = _INSIDE.match(reference.group("inside") or "")
        if inside is None:
            wanted = "${NAME} or ${NAME:-default}, or $${ for these characters themselves"
            self._report.complain(scalar.line, path, mismatch("${ without the name of a variable", wanted))
            return None
        name, default = inside.group("name"), inside.group("default")
        known = names.get(name) or (self._environ or {}).get(name)
        if known:
            return self._readable(name, known, scalar, path)
        if default is not None:
            return default.removeprefix(":-")
        if self._environ is not None:
            self._report.complain(scalar.line, path, _unset(name, self._environ))
        return None

    def _readable(self, name: str, value: str, scalar: Scalar, path: KeyPath) -> str | None:
        if "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value):
            return value
        self._report.complain(scalar.line, path, mismatch(f"bytes in the variable {name} that are no text", "UTF-8"))
        return None


def _unset(name: str, environ: Mapping[str, str]) -> str:
    state = "is empty" if name in environ else "is not set"
    return mismatch(f"${{{name}}}, which {state}", f"the variable {name} to be set, or ${{{name}:-default}}")
