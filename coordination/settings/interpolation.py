"""Puts the environment's values in: `${NAME}` and `${NAME:-default}` anywhere in a value, `$${` for the characters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from coordination.settings.complaints import KeyPath, Report, mismatch
from coordination.settings.nodes import Listing, Node, Scalar, Table, typed_plain

_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)\}|\$\{")
_INSIDE = re.compile(r"^(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?$", re.DOTALL)
_NO_NAMES: Mapping[str, str] = {}


def put_in(root: Table, environ: Mapping[str, str] | None, report: Report) -> Table:
    """The tree with variables put in.

    Without an environment, a variable with a default has that, and one without stays open.
    """
    return _Walk(environ, report).table(root, (), _NO_NAMES)


@dataclass(frozen=True)
class _Walk:
    environ: Mapping[str, str] | None
    report: Report

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
            value = self._value(reference, scalar, path, names)
            is_open = is_open or value is None
            return reference.group() if value is None else value

        text = _REFERENCE.sub(value_of, scalar.source)
        value = typed_plain(text) if scalar.is_plain and not is_open else text
        # A variable that is empty, or that says `null`, is text all the same.
        value = text if value is None else value
        return replace(scalar, text=text, value=value, is_open=is_open)

    def _value(self, reference: re.Match[str], scalar: Scalar, path: KeyPath, names: Mapping[str, str]) -> str | None:
        if reference.group() == "$${":
            return "${"
        inside = _INSIDE.match(reference.group("inside") or "")
        if inside is None:
            wanted = "${NAME} or ${NAME:-default}, or $${ for these characters themselves"
            self.report.complain(scalar.line, path, mismatch("${ without the name of a variable", wanted))
            return None
        name, default = inside.group("name"), inside.group("default")
        known = names.get(name) or (self.environ or {}).get(name)
        if known:
            return self._readable(name, known, scalar, path)
        if default is not None:
            return default.removeprefix(":-")
        if self.environ is not None:
            self.report.complain(scalar.line, path, _unset(name, self.environ))
        return None

    def _readable(self, name: str, value: str, scalar: Scalar, path: KeyPath) -> str | None:
        if "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value):
            return value
        self.report.complain(scalar.line, path, mismatch(f"bytes in the variable {name} that are no text", "UTF-8"))
        return None


def _unset(name: str, environ: Mapping[str, str]) -> str:
    state = "is empty" if name in environ else "is not set"
    return mismatch(f"${{{name}}}, which {state}", f"the variable {name} to be set, or ${{{name}:-default}}")
