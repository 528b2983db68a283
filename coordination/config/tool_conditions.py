"""The `when` of a rule: conditions on arguments, requester and place; parsed, and checked against tool schemas."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, TypeAlias, cast, get_args

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from coordination.config.diagnostics import (
    Diagnostic,
    Diagnostics,
    Place,
    expected_but_found,
    key_name,
    nearest,
    quoted,
)
from coordination.config.hours import hours_of
from coordination.config.section_reader import report_of
from coordination.config.yaml_tree import Listing, Node, Scalar, Table, kind_of, typed_plain
from coordination.domain.canonical_json import Json
from coordination.domain.comparisons import Operator, can_match, is_list
from coordination.domain.conditions import MAX_PATH, SUBJECTS, Condition, steps_of
from coordination.domain.tool_rules import Rule, matching
from coordination.ports import ToolDefinition
from coordination.text import Text, either

_MOST = 20
_LONGEST_LIST = 200
_OPERATORS: tuple[Operator, ...] = tuple(each for each in get_args(Operator) if each != "within")
_NUMBERS = ("at_least", "at_most")
_TEXTS = ("matches", "host", "email", "folder")
_LISTS = ("in", "not_in")
_ABOUT_PEOPLE = ("equals", "not", "in", "not_in", "matches")

_FITS: Mapping[str, frozenset[str]] = {
    "at_least": frozenset({"number", "integer"}),
    "at_most": frozenset({"number", "integer"}),
    "matches": frozenset({"string"}),
    "host": frozenset({"string"}),
    "email": frozenset({"string"}),
    "folder": frozenset({"string"}),
    "longest": frozenset({"string", "array"}),
}
"""The types of a schema whose values a comparison can judge; the others judge any."""


def _conditions_of(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, Scalar | Listing | Table):
        return value
    report = report_of(info)
    if not isinstance(value, Table):
        report.expect(value.place, kind_of(value), Text("a mapping of paths, such as $.amount: {{at_most: 100}}"))
        return ()
    if not 0 < len(value.entries) <= _MOST:
        found = Text("{count} conditions", count=len(value.entries))
        report.expect(value.place, found, Text("{least} to {most}", least=1, most=_MOST))
        return ()
    return tuple(each for about, node in value.entries.items() for each in _about(about, node, value, report))


When: TypeAlias = Annotated[
    tuple[Any, ...],  # of Condition, whose recursive type pydantic can't follow
    BeforeValidator(_conditions_of),
    WithJsonSchema({"type": "object", "minProperties": 1}),
]
"""Conditions by the path, or the subject, that they are about."""


def _about(about: str, node: Node, table: Table, report: Diagnostics) -> Iterator[Condition]:
    place = table.place_of(about)
    if about not in SUBJECTS and steps_of(about) is None:
        found = Text("the path {path}", path=quoted(about, MAX_PATH))
        expected = Text("$.argument, or {subjects}", subjects=either(SUBJECTS))
        report.expect(place, found, expected, report.nearest(about, SUBJECTS))
        return
    if about == "time":
        yield from hours_of(node, place, report)
        return
    if not isinstance(node, Table):
        operator: Operator = "in" if isinstance(node, Listing) else "equals"
        yield from _compared(about, operator, node, place, report)
        return
    if not node.entries:
        report.expect(place, Text("a mapping without a comparison"), either(_OPERATORS))
    for name, value in node.entries.items():
        if name in _OPERATORS:
            yield from _compared(about, name, value, node.place_of(name), report)
        else:
            found = Text("the comparison {name}", name=quoted(name))
            report.expect(node.place_of(name), found, either(_OPERATORS), report.nearest(name, _OPERATORS))


def _compared(about: str, operator: Operator, node: Node, place: Place, report: Diagnostics) -> Iterator[Condition]:
    value = json_of(node)
    expected = _expected(about, operator, value)
    if expected is None:
        yield Condition(about=about, operator=operator, value=value)
    else:
        report.expect(place, _found(operator, node), expected)


def _found(operator: str, node: Node) -> Text:
    return Text("{comparison} with {kind}", comparison=operator, kind=kind_of(node))


def json_of(node: Node) -> Json:
    """What YAML makes of it; what a variable stands for is read as if it stood there."""
    match node:
        case Scalar():
            return cast("Json", typed_plain(node.text) if node.has_variables else node.value)
        case Listing():
            return [json_of(each) for each in node.items]
        case Table():
            return {name: json_of(each) for name, each in node.entries.items()}


def _expected(about: str, operator: Operator, value: Json) -> Text | None:
    """What should stand in the place of a value; None: it is good."""
    if about in SUBJECTS and operator not in _ABOUT_PEOPLE:
        return Text("{comparisons} for {subject}", comparisons=either(_ABOUT_PEOPLE), subject=about)
    if operator in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)):
        return Text("a number")
    if operator == "longest" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        return Text("a whole number of 0 or more")
    if operator == "present" and not isinstance(value, bool):
        return Text("true or false")
    if operator in _LISTS and not (is_list(value) and 0 < len(value) <= _LONGEST_LIST):
        return Text("a list of 1 to {most}", most=_LONGEST_LIST)
    if operator in _TEXTS:
        texts = list(value) if is_list(value) else [value]
        if not 0 < len(texts) <= _LONGEST_LIST or not all(isinstance(each, str) and each for each in texts):
            return Text("a text, or a list of texts")
    return None


def misfits(
    rules: Sequence[Rule], places: Mapping[str, Place], definitions: Sequence[ToolDefinition]
) -> Iterator[Diagnostic]:
    """The conditions, and what must be read first, that no tool of their rule can meet.

    `places` are those of the rules by their source.
    """
    for each in rules:
        place, tools = places.get(each.source), _tools_of(each, definitions)
        for condition in each.when if place is not None and tools else ():
            text = misfit(condition, tools)
            if place is not None and text is not None:
                yield Diagnostic(place.line, key_name((*place.path, "when", condition.about)), text)
        for path in each.needs.read_first if place is not None and tools else ():
            text = misfit(Condition(about=path, operator="present", value=True), tools)
            if place is not None and text is not None:
                yield Diagnostic(place.line, key_name((*place.path, "requires_read")), text)


def hidden(
    rules: Sequence[Rule], places: Mapping[str, Place], definitions: Sequence[ToolDefinition]
) -> Iterator[Diagnostic]:
    """The rules that earlier ones leave nothing to decide, where they would say something else."""
    for each in rules:
        place, tools = places.get(each.source), _tools_of(each, definitions)
        deciding = [tuple(matching(rules, one.server, one.tool)) for one in tools]
        if place is None or not tools or any(each in rules_of_tool for rules_of_tool in deciding):
            continue
        earlier = next((some[-1] for some in deciding if each.when or not _says_as_much(some[-1], each)), None)
        if earlier is not None:
            found = Text("a rule that never applies, because {earlier} comes first", earlier=earlier.source)
            expected = Text("it before {earlier}, or not at all", earlier=earlier.source)
            text = expected_but_found(found, expected)
            yield Diagnostic(place.line, key_name(place.path), text)


def unmeetable(rules: Sequence[Rule], places: Mapping[str, Place]) -> Iterator[Diagnostic]:
    """The patterns that no value can match, whatever the tools are, such as a host with a port."""
    for each in rules:
        place = places.get(each.source)
        for condition in each.when if place is not None else ():
            texts = condition.value if is_list(condition.value) else [condition.value]
            for text in texts:
                if place is not None and isinstance(text, str) and not can_match(condition.operator, text):
                    found = Text("{pattern}, which nothing can match", pattern=quoted(text))
                    where = key_name((*place.path, "when", condition.about, condition.operator))
                    yield Diagnostic(place.line, where, expected_but_found(found, _PATTERNS[condition.operator]))


_PATTERNS: Mapping[Operator, Text] = {
    "host": Text("a host without scheme, port or path, such as docs.example.com or *.example.com"),
    "email": Text("a mail address such as *@example.com"),
    "folder": Text("a folder without wildcards, ~ or .., such as /srv/project"),
}
"""What a pattern looks like that something can match."""


def _says_as_much(earlier: Rule, each: Rule) -> bool:
    return all(
        getattr(earlier, name) == getattr(each, name)
        for name in ("effect", "needs", "previews", "has_own_view", "if_from_read", "undo")
    )


def _tools_of(each: Rule, definitions: Sequence[ToolDefinition]) -> list[ToolDefinition]:
    return [one for one in definitions if each.matches(one.server, one.tool) and not one.unusable]


def misfit(condition: Condition, tools: Sequence[ToolDefinition]) -> Text | None:
    """Why none of these tools can meet a condition; None: one may."""
    steps = steps_of(condition.about)
    if steps is None:
        return None
    shapes = [shapes_at(tool.input_schema, steps) for tool in tools]
    known = [each for each in shapes if each is not None]
    if len(known) < len(shapes):
        return None  # What a schema leaves open may be there.
    if not any(known):
        names = sorted({f"$.{name}" for tool in tools for name in _properties(tool.input_schema)})
        found, expected = (
            Text("the path {path}", path=condition.about),
            Text("an argument that a tool of this rule has"),
        )
        return expected_but_found(found, expected, nearest(condition.about, names))
    wanted, types = _FITS.get(condition.operator), {each for shape in known for each in shape}
    if wanted is None or not types or "" in types or wanted & types:
        return None
    return expected_but_found(
        Text("{comparison} for {types}", comparison=condition.operator, types=either(sorted(types))),
        Text("{types} at this path", types=either(sorted(wanted))),
    )


def shapes_at(schema: object, steps: Sequence[str | int | None]) -> frozenset[str] | None:
    """The types that a schema gives to what is at a path, "" for any; empty: nothing is there.

    None: it leaves that open.
    """
    if not isinstance(schema, Mapping):
        return None
    node = cast("Mapping[str, Any]", schema)
    if node.keys() & {"$ref", "anyOf", "oneOf", "allOf", "if", "patternProperties"}:
        return None
    if not steps:
        said = node.get("type", "")
        types = cast("list[object]", said) if isinstance(said, list) else [said]
        return frozenset(str(each) for each in types)
    if isinstance(steps[0], str):
        properties = _properties(node)
        if steps[0] in properties:
            return shapes_at(properties[steps[0]], steps[1:])
        is_closed = bool(properties) or node.get("additionalProperties") is False
        return frozenset() if is_closed and node.get("additionalProperties") in (None, False) else None
    return shapes_at(node.get("items"), steps[1:])


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
