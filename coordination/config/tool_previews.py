"""What a rule reads before people decide on its calls: parsed, and checked against the servers' tools."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeAlias, cast

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from coordination.config.diagnostics import Diagnostic, Place, expected_but_found, key_name, nearest
from coordination.config.key_types import Flag, OneLine, usable
from coordination.config.section_reader import Section, report_of
from coordination.config.tool_conditions import json_of, misfit
from coordination.config.tool_needs import ArgumentPath
from coordination.config.yaml_tree import Listing, Scalar, Table, kind_of
from coordination.domain.canonical_json import Json, canonical, parse
from coordination.domain.comparisons import is_list
from coordination.domain.conditions import Condition, steps_of
from coordination.domain.preview import Preview
from coordination.domain.tool_rules import Effect, Rule, possible_effects
from coordination.ports import ToolDefinition
from coordination.text import Text


def _template_of(value: object, info: ValidationInfo) -> object:
    """The canonical text of the arguments that are sent, with paths in the place of the call's own."""
    if isinstance(value, Table):
        return canonical(json_of(value))
    if isinstance(value, Scalar | Listing):
        report_of(info).expect(value.place, kind_of(value), Text("a mapping of arguments, such as {{path: $.path}}"))
        return "{}"
    return value


Template: TypeAlias = Annotated[
    Any,  # a str after it is read; a mapping in the file
    BeforeValidator(_template_of),
    WithJsonSchema({"type": "object"}),
]


def _one_tool(text: str) -> str:
    if not text or any(each in text for each in "*?[ "):
        raise ValueError(Text("the name of a tool, such as files.read_text_file, without wildcards"))
    return text


ToolName: TypeAlias = Annotated[OneLine, AfterValidator(_one_tool)]


class ReadKeys(Section):
    """What is read when a plan is made, and again before the call."""

    kind = Text("a mapping with tool and arguments")
    holds_in_part = False
    is_a_home = False
    tool: ToolName
    arguments: Template = "{}"
    shows: ArgumentPath | None = None
    missing: OneLine = ""
    required: Flag = False

    @property
    def as_read(self) -> Preview:
        """What the core reads; a name without a server is of a tool on the call's own."""
        server, dot, tool = self.tool.partition(".")
        return Preview(
            server=server if dot else "",
            tool=tool if dot else server,
            arguments=cast("str", self.arguments),
            shows=self.shows or "",
            missing=self.missing,
            required=self.required,
        )


class PreconditionKeys(ReadKeys):
    """What must stay as it was from the plan to the call; one that describes an id is shown beside it."""

    title = "tools[].preconditions[]"
    describes: ArgumentPath | None = None

    @property
    def as_condition(self) -> Preview:
        """What the core reads."""
        beside = self.describes or ""
        return replace(self.as_read, is_condition=True, describes=bool(beside), beside=beside)


class PreviewKeys(ReadKeys):
    """What shows what a call is about to change."""

    title = "tools[].preview"
    after: ArgumentPath | None = None

    @property
    def as_shown(self) -> Preview:
        """What the core reads."""
        return replace(self.as_read, after=self.after or "")


def _off_or_one(value: object, info: ValidationInfo) -> object:
    """None, where nothing is to be shown."""
    if isinstance(value, Table):
        return (value,)
    if isinstance(value, Scalar | Listing) and not (isinstance(value, Scalar) and value.text in ("off", "false")):
        report_of(info).expect(value.place, kind_of(value), Text("off, or a mapping such as {{tool: read_text_file}}"))
    return ()


ShownBefore: TypeAlias = Annotated[tuple[PreviewKeys, ...], BeforeValidator(_off_or_one), AfterValidator(usable)]
"""What shows what a call is about to change; none: nothing does, not even what comes with the program."""


def unreadable(
    rules: Sequence[Rule], places: Mapping[str, Place], definitions: Sequence[ToolDefinition]
) -> Iterator[Diagnostic]:
    """The previews by tools that there are not, that are no reads, or of arguments that their calls do not have."""
    for each in rules:
        place = places.get(each.source)
        tools = [one for one in definitions if each.matches(one.server, one.tool) and not one.unusable]
        if place is None or not tools:
            continue
        for preview in each.previews:
            key = "preconditions" if preview.is_condition else "preview"
            for text in _faults(preview, tools, rules, definitions):
                yield Diagnostic(place.line, key_name((*place.path, key)), text)


def _faults(
    preview: Preview, tools: Sequence[ToolDefinition], rules: Sequence[Rule], definitions: Sequence[ToolDefinition]
) -> Iterator[Text]:
    for server in sorted({preview.server or one.server for one in tools}):
        there = [one.tool for one in definitions if one.server == server and not one.unusable]
        name = f"{server}.{preview.tool}"
        if not there:
            continue  # An optional server that is away now; what is not read then is said on the card.
        if preview.tool not in there:
            found = Text("{tool}, which is not a tool", tool=name)
            expected = Text("a tool that the servers have")
            yield expected_but_found(found, expected, nearest(name, [f"{server}.{one}" for one in there]))
        elif Effect.READ not in possible_effects(rules, server, preview.tool):
            found = Text("{tool}, which no rule allows as a read", tool=name)
            yield expected_but_found(found, Text("a rule for it with effect: read"))
    for path in (*_paths(parse(preview.arguments)), *filter(None, (preview.after, preview.beside))):
        text = misfit(Condition(about=path, operator="present", value=True), tools)
        if text is not None:
            yield text


def _paths(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        if template.startswith("$") and steps_of(template):
            yield template
    elif isinstance(template, Mapping):
        for each in template.values():
            yield from _paths(each)
    elif is_list(template):
        for each in template:
            yield from _paths(each)
