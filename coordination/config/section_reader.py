"""Turns one section of the tree into its model, complaining of every key and every value that does not fit."""

from collections.abc import Mapping
from functools import cache
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coordination.config.diagnostics import Diagnostics, KeyPath, any_of, expected_but_found, quoted, shown_key
from coordination.config.sections import Keys, KeysT, Section, home_of
from coordination.config.yaml_tree import Listing, Node, Scalar, Table, is_open, kind_of, plain, typed_plain

_WORDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "string_too_short": "a longer text",
}


class Reader:
    """Reads sections; every problem goes into one report."""

    def __init__(self, report: Diagnostics) -> None:
        self.report = report

    def section(
        self,
        section: Section[KeysT],
        table: Table,
        path: KeyPath,
        given: Mapping[str, object] | None = None,
        *,
        is_partial_welcome: bool = False,
    ) -> KeysT | None:
        """The keys of a section; None after complaints, or what is left without the bad ones where that is welcome.

        `given` has values that were made elsewhere.
        """
        written = self._own_keys(section, table, path)
        values: dict[str, object] = {key: _value(node, section.keys, key) for key, node in written.items()}
        values.update(given or {})
        try:
            return section.keys.model_validate(values)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
        # A value that waits for a variable can't be judged, so it is no problem.
        unjudged = [problem for problem in problems if _waits(table, problem)]
        for problem in problems:
            if problem not in unjudged:
                self._add_error(section, table, path, problem)
        if len(unjudged) == len(problems) or is_partial_welcome:
            return self._without(section, values, problems)
        return None

    def table(self, parent: Table, key: str, path: KeyPath) -> Table | None:
        """The mapping under a key; None where there is none, after a complaint if something else is there."""
        node = parent.entries.get(key)
        if node is None or is_absent(node):
            return None
        if isinstance(node, Table):
            return node
        self.report.add_error(parent.line_of(key), (*path, key), expected_but_found(kind_of(node), "a mapping"))
        return None

    def listing(self, parent: Table, key: str, path: KeyPath) -> tuple[Node, ...]:
        """The items under a key; none where there is no such key, after a complaint if something else is there."""
        node = parent.entries.get(key)
        if node is None or is_absent(node):
            return ()
        if isinstance(node, Listing):
            return node.items
        self.report.add_error(parent.line_of(key), (*path, key), expected_but_found(kind_of(node), "a list"))
        return ()

    def texts(self, parent: Table, key: str, path: KeyPath) -> tuple[tuple[int, Scalar], ...]:
        """The texts of a list under a key, each with its position."""
        found: list[tuple[int, Scalar]] = []
        for index, item in enumerate(self.listing(parent, key, path)):
            if isinstance(item, Scalar) and item.value is not None:
                found.append((index, item))
            else:
                self.report.add_error(item.line, (*path, key, index), expected_but_found(kind_of(item), "a text"))
        return tuple(found)

    def _own_keys(self, section: Section[KeysT], table: Table, path: KeyPath) -> dict[str, Node]:
        own: dict[str, Node] = {}
        for key, node in table.entries.items():
            if key in section.ignored:
                self._warn_of(section, key, table, path)
            elif key not in section.known:
                self.report.add_error(table.line_of(key), (*path, key), self._unknown(section, key))
            elif key not in section.children and not is_absent(node, or_null=not _takes_null(section.keys, key)):
                own[key] = node
        return own

    def _unknown(self, section: Section[KeysT], key: str) -> str:
        home = home_of(key)
        if home is not None:
            return expected_but_found("a key that has no place here", f"it under {home}")
        known = sorted(section.honoured)
        place = section.name or "the top level"
        expected = (
            any_of(known) if 0 < len(known) <= 9 else f"a key of {place} (`massgen-bot docs configuration` lists them)"
        )
        suggestion = self.report.nearest(key, section.known)
        return expected_but_found(f"the unknown key {shown_key(key)}", expected, suggestion)

    def _warn_of(self, section: Section[KeysT], key: str, table: Table, path: KeyPath) -> None:
        if plain(table.entries[key]) in (None, False, 0, "", [], {}):
            return
        text = f"has no effect here: {section.ignored[key]}"
        self.report.add_warning(table.line_of(key), (*path, key), text, once_for=f"{section.name}.{key}")

    def _without(
        self, section: Section[KeysT], values: dict[str, object], problems: list[ErrorDetails]
    ) -> KeysT | None:
        """The section without the keys that have problems."""
        bad = {str(problem["loc"][0]) for problem in problems}
        try:
            return section.keys.model_validate({key: value for key, value in values.items() if key not in bad})
        except ValidationError:
            # One of them is required, and so there is no section.
            return None

    def _add_error(self, section: Section[KeysT], table: Table, path: KeyPath, problem: ErrorDetails) -> None:
        if problem["type"] == "missing":
            key = str(problem["loc"][-1])
            self.report.add_error(
                table.line, (*path, *problem["loc"]), expected_but_found("nothing", f"a value for {key}")
            )
            return
        place = tuple(part for part in problem["loc"] if part != "[key]")
        node, line = _node_at(table, place)
        found, word = _found(node, problem, is_secret=_is_secret(section.keys, str(place[0])))
        choices = _choices(problem)
        suggestion = self.report.nearest(word, choices) if word and choices else None
        self.report.add_error(line, (*path, *place), expected_but_found(found, _expected(problem, choices), suggestion))


def _value(node: Node, keys: type[Keys], key: str) -> object:
    if isinstance(node, Scalar) and "${" in node.source and not _takes_text(keys, key):
        # A variable often has to stand in quotes, which then do not say that a text is meant.
        return typed_plain(node.text)
    return plain(node, as_written=_takes_text(keys, key))


def is_absent(node: Node, *, or_null: bool = True) -> bool:
    """Whether a value counts as not written: nothing at all, or a variable that is empty."""
    if not isinstance(node, Scalar):
        return False
    return (or_null and node.value is None) or (node.text == "" and "${" in node.source)


def _waits(table: Table, problem: ErrorDetails) -> bool:
    node = table.entries.get(str(problem["loc"][0]))
    return node is not None and is_open(node)


def writes(table: Table, key: str) -> bool:
    """Whether there is anything under a key, fit or not."""
    return key in table.entries and not is_absent(table.entries[key])


def _node_at(table: Table, place: tuple[str | int, ...]) -> tuple[Node | None, int]:
    """The value at a place, and the line of its key; of the last part of the place that there is."""
    node: Node | None = table
    line = table.line
    for part in place:
        if isinstance(node, Table) and isinstance(part, str) and part in node.entries:
            line, node = node.line_of(part), node.entries[part]
        elif isinstance(node, Listing) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
        else:
            return None, line
    return node, line


def _found(node: Node | None, problem: ErrorDetails, *, is_secret: bool) -> tuple[str, str]:
    """What was found, in words, and the word itself where it may be repeated."""
    is_collection_wanted = problem["type"] in ("tuple_type", "dict_type")
    if not isinstance(node, Scalar) or node.value is None or is_secret or is_collection_wanted:
        return kind_of(node), ""
    return quoted(node.source) if isinstance(node.value, str) else node.source, node.source


def _expected(problem: ErrorDetails, choices: tuple[str, ...]) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if choices:
        return any_of(choices)
    if kind == "value_error":
        return str(context["error"])
    if kind == "greater_than":
        return f"a number above {context['gt']:g}"
    if kind == "greater_than_equal":
        return f"a number of at least {context['ge']}"
    if kind == "less_than_equal":
        return f"a number of at most {context['le']}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    return _WORDS.get(kind, "another value")


def _choices(problem: ErrorDetails) -> tuple[str, ...]:
    if problem["type"] != "literal_error":
        return ()
    words = problem.get("ctx", {}).get("expected", "")
    return tuple(word.strip(" '") for word in words.replace(" or ", ",").split(","))


@cache
def _mentions(keys: type[Keys], key: str) -> frozenset[str]:
    """The names of all types in a key's annotation."""
    found: set[str] = set()
    waiting: list[object] = [keys.model_fields[key].annotation]
    while waiting:
        each = waiting.pop()
        found.add(getattr(each, "__name__", str(each)))
        waiting.extend(part for part in get_args(each) if isinstance(part, type) or get_args(part))
    return frozenset(found)


def _takes_text(keys: type[Keys], key: str) -> bool:
    """Whether a number written there is meant as a text: ids, names, what an environment variable is set to."""
    return _mentions(keys, key).isdisjoint({"int", "float", "bool", "Any"})


def _takes_null(keys: type[Keys], key: str) -> bool:
    return "NoneType" in _mentions(keys, key)


def _is_secret(keys: type[Keys], key: str) -> bool:
    return "SecretStr" in _mentions(keys, key)
