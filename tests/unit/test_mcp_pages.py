"""A page of tools read tool by tool: what is spoiled, and what is only odd."""

from collections.abc import Mapping

import pytest

from coordination.mcp_tools.definitions import output
from coordination.mcp_tools.json_rpc import Raw
from coordination.mcp_tools.pagination import page_for_sdk, tools_of
from coordination.redaction import Redactor

GOOD: list[Raw] = [{"name": name, "inputSchema": {"type": "object"}} for name in ("one", "two")]


def names(page: Mapping[str, Raw]) -> list[str]:
    """The tools that can be used."""
    return [each.name for each in tools_of(page) or () if each.schema is not None]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (None, "is not described by an object"),
        ("post", "is not described by an object"),
        ([], "is not described by an object"),
        ({}, "has no name"),
        ({"name": ""}, "has no name"),
        ({"name": 7, "inputSchema": {}}, "has no name"),
        ({"name": "x", "inputSchema": "none"}, "has an inputSchema that is not an object"),
        ({"name": "x", "inputSchema": False}, "has an inputSchema that is not an object"),
        ({"name": "x", "inputSchema": {"type": "string"}}, "takes 'string' according to its inputSchema"),
        ({"name": "x", "inputSchema": {"properties": ["a"]}}, "whose properties are not an object"),
        ({"name": "x", "inputSchema": {"maximum": float("nan")}}, "that is not plain JSON"),
        ({"name": "x", "description": "\ud83d"}, "that is not plain JSON"),
    ],
)
def test_a_spoiled_tool_takes_no_other_with_it(place: int, spoiled: Raw, reason: str) -> None:
    listed = [*GOOD]
    listed.insert(place, spoiled)
    found = tools_of({"tools": listed})
    assert found is not None
    assert reason in found[place].reason
    assert names({"tools": listed}) == ["one", "two"]
    tools = page_for_sdk({"tools": listed})["tools"]
    assert tools == GOOD


@pytest.mark.parametrize(
    ("schema", "understood"),
    [
        (None, {"type": "object"}),
        ({}, {"type": "object"}),
        (True, {"type": "object"}),
        ({"type": None}, {"type": "object"}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"properties": []}, {"type": "object"}),
        ({"properties": {"a": None, "b": True}}, {"type": "object", "properties": {"a": {}, "b": True}}),
        ({"required": True}, {"type": "object"}),
        ({"required": ["a"]}, {"type": "object", "required": ["a"]}),
        ({"anyOf": [{"required": ["a"]}]}, {"type": "object", "anyOf": [{"required": ["a"]}]}),
        ({"oneOf": [{"required": ["a"]}]}, {"type": "object", "oneOf": [{"required": ["a"]}]}),
    ],
)
def test_an_odd_schema_is_understood(schema: Raw, understood: Mapping[str, Raw]) -> None:
    found = tools_of({"tools": [{"name": "x", "inputSchema": schema}]})
    assert found is not None
    (tool,) = found
    assert tool.schema == understood
    assert tool.raw["inputSchema"] == schema


@pytest.mark.parametrize("page", [{}, {"tools": None}, {"tools": []}])
def test_a_list_that_is_missing_has_no_tools(page: Mapping[str, Raw]) -> None:
    assert tools_of(page) == []


@pytest.mark.parametrize("tools", ["none", 3, {"x": {}}])
def test_what_is_no_list_is_no_page(tools: Raw) -> None:
    page: Mapping[str, Raw] = {"tools": tools}
    assert tools_of(page) is None
    assert page_for_sdk(page)["tools"] == []


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "spoiled",
    [
        None,
        7,
        [],
        {},
        {"type": "text"},
        {"type": "text", "text": None},
        {"type": "text", "text": ["a"]},
        {"type": "hologram", "data": "AAAA"},
        {"type": "image", "data": 7},
        {"type": "resource", "resource": "none"},
        {"type": ["text"], "text": "odd"},
    ],
)
def test_a_spoiled_part_of_an_answer_takes_no_other_with_it(place: int, spoiled: Raw) -> None:
    blocks: list[Raw] = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    blocks.insert(place, spoiled)
    shown = output({"content": blocks}, Redactor(()))
    lines = shown.text.splitlines()
    assert not shown.is_error
    assert lines.index("one") < lines.index("two")
