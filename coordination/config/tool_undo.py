"""The call that undoes the calls of a rule: parsed, and checked against the servers' tools."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from coordination.config.diagnostics import Diagnostic, Place, expected_but_found, key_name, nearest, quoted
from coordination.config.section_reader import Section
from coordination.config.tool_conditions import misfit, shapes_at
from coordination.config.tool_previews import Template, ToolName
from coordination.domain.canonical_json import Json, parse
from coordination.domain.comparisons import is_list
from coordination.domain.conditions import Condition, steps_of
from coordination.domain.tool_rules import Effect, Rule, matching, possible_effects
from coordination.domain.undo import RESULT, Undo, path_in
from coordination.ports import ToolDefinition
from coordination.text import Text

_SHORT = frozenset({"", "string", "integer", "number", "boolean"})
"""What may be taken from a result, as JSON Schema calls it; nothing where it does not say what something is."""

_WRAPPED = "result"
_MOST_TOLD = 5


class UndoKeys(Section):
    """What takes a call back."""

    title = "tools[].undo"
    kind = Text("a mapping with tool and arguments")
    holds_in_part = False
    is_a_home = False
    tool: ToolName
    arguments: Template = "{}"

    @property
    def as_undo(self) -> Undo:
        """What the core reads; a name without a server is of a tool on the call's own."""
        server, dot, tool = self.tool.partition(".")
        return Undo(server=server if dot else "", tool=tool if dot else server, arguments=cast("str", self.arguments))


def not_undoing(
    rules: Sequence[Rule], places: Mapping[str, Place], definitions: Sequence[ToolDefinition]
) -> Iterator[Diagnostic]:
    """The undos by tools that there are not, or that only read.

    With arguments that these do not have, or of paths that lead nowhere.
    """
    for each in rules:
        place = places.get(each.source)
        tools = [one for one in definitions if each.matches(one.server, one.tool) and not one.unusable]
        if each.undo is None or place is None or not tools:
            continue
        for text in (*_tool_faults(each.undo, tools, rules, definitions), *_path_faults(each.undo, tools)):
            yield Diagnostic(place.line, key_name((*place.path, "undo")), text)


def _tool_faults(
    undo: Undo, tools: Sequence[ToolDefinition], rules: Sequence[Rule], definitions: Sequence[ToolDefinition]
) -> Iterator[Text]:
    for server in sorted({undo.server or one.server for one in tools}):
        there = {one.tool: one for one in definitions if one.server == server and not one.unusable}
        name = f"{server}.{undo.tool}"
        if not there:
            continue  # An optional server that is away now; what can't be planned then is said when it is asked for.
        if undo.tool not in there:
            found = Text("{tool}, which is not a tool", tool=name)
            expected = Text("a tool that the servers have")
            yield expected_but_found(found, expected, nearest(name, [f"{server}.{one}" for one in there]))
            continue
        if not possible_effects(rules, server, undo.tool) - {Effect.READ, Effect.DENY}:
            found = Text("{tool}, whose calls the rules never plan", tool=name)
            yield expected_but_found(found, Text("a rule for it with effect: ask or auto"))
        known = there[undo.tool].input_schema.get("properties")
        names = list(known) if isinstance(known, Mapping) else []
        given = parse(undo.arguments)
        for argument in given if isinstance(given, Mapping) and names else ():
            if argument not in names:
                found = Text("{name}, which {tool} does not take", name=quoted(argument, 100), tool=name)
                yield expected_but_found(found, Text("an argument that it takes"), nearest(argument, names))


def _path_faults(undo: Undo, tools: Sequence[ToolDefinition]) -> Iterator[Text]:
    for text in _texts(parse(undo.arguments)):
        if not text.startswith("$"):
            continue
        path = path_in(text)
        if path is None:
            expected = Text(
                "the path of an argument ($.channel), or of what the call returned ({result}.id)", result=RESULT
            )
            yield expected_but_found(quoted(text, 100), expected)
        elif not path[0] and (fault := misfit(Condition(about=path[1], operator="present", value=True), tools)):
            yield fault


def not_returned(
    rules: Sequence[Rule], places: Mapping[str, Place], definitions: Sequence[ToolDefinition]
) -> Iterator[Diagnostic]:
    """The paths of undos that what a tool declares of its results does not have: its calls could not be taken back."""
    for each in rules:
        place = places.get(each.source)
        if each.undo is None or place is None:
            continue
        tools = [one for one in definitions if not one.unusable and _decides(each, one, rules)]
        found = [path_in(text) for text in _texts(parse(each.undo.arguments))]
        for path in dict.fromkeys(one[1] for one in found if one is not None and one[0]):
            lacking = [f"{one.server}.{one.tool}" for one in tools if not _may_return(one, path)]
            if lacking:
                text = Text(
                    "calls of {tools} can't be undone: their declared results have no short value at {path}",
                    tools=", ".join(sorted(lacking)[:_MOST_TOLD]),
                    path=f"{RESULT}{path[1:]}",
                )
                yield Diagnostic(place.line, key_name((*place.path, "undo")), text)


def _decides(each: Rule, tool: ToolDefinition, rules: Sequence[Rule]) -> bool:
    return each in matching(rules, tool.server, tool.tool)


def _may_return(tool: ToolDefinition, path: str) -> bool:
    """Whether a tool's results may have a short value at a path; what its schema leaves open may be there."""
    schema = tool.output_schema
    if schema is None:
        return True
    # A result that is no object is declared inside of one, and its text may be that without the object.
    properties = schema.get("properties")
    inner = properties.get(_WRAPPED) if isinstance(properties, Mapping) and set(properties) == {_WRAPPED} else None
    found = [shapes_at(each, steps_of(path) or ()) for each in (schema, inner) if each is not None]
    return any(types is None or types & _SHORT for types in found)


def _texts(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for each in template.values():
            yield from _texts(each)
    elif is_list(template):
        for each in template:
            yield from _texts(each)
