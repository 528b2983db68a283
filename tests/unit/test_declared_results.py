"""What of a tool's declared result later calls may refer to, however its schema is written; and what answers count."""

import pytest

from coordination.declared_results import how_to, paths_in, types_at
from coordination.domain.canonical_json import JsonObject
from coordination.mcp_tools.definitions import output
from coordination.mcp_tools.json_rpc import Raw
from coordination.redaction import Redactor
from coordination.text import Text

REFERRING: JsonObject = {
    "$ref": "#/$defs/Thread",
    "$defs": {
        "Thread": {"properties": {"id": {"type": "integer"}, "parent": {"$ref": "#/$defs/Thread"}}},
        "Loop": {"$ref": "#/$defs/Loop"},
    },
    "properties": {
        "loop": {"$ref": "#/$defs/Loop"},
        "gone": {"$ref": "#/$defs/Gone"},
        "far": {"$ref": "https://elsewhere.example/x"},
        "either": {"oneOf": [{"type": ["string", "null"]}, {"type": "object"}]},
        "any": True,
        "none": {"type": "null"},
    },
}


def test_references_inside_a_schema_are_followed_and_circles_end() -> None:
    assert types_at(REFERRING, "/id") == {"integer"}
    assert types_at(REFERRING, "/parent/parent/parent/id") == {"integer"}
    assert types_at(REFERRING, "/either") == {"string"}
    for path in ("/loop", "/gone", "/far", "/any", "/none", "/parent", "/no", "id", ""):
        assert types_at(REFERRING, path) == frozenset(), path


def test_paths_are_listed_near_the_root_first_and_no_deeper_than_worth_it() -> None:
    assert list(paths_in(REFERRING)) == ["/either", "/id", "/parent/id", "/parent/parent/id"]


def test_a_wide_schema_lists_a_few_and_names_are_escaped() -> None:
    wide: JsonObject = {"properties": {f"p{number}": {"type": "string"} for number in range(500)}}
    assert len(paths_in(wide)) == 12
    assert types_at(wide, "/p499") == {"string"}
    assert list(paths_in({"properties": {"a/b~": {"type": "string"}, "x\n": {"type": "string"}}})) == ["/a~1b~0"]


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"properties": []}, {"properties": {"a": {}}}])
def test_where_nothing_is_declared_agents_are_told_nothing(schema: JsonObject | None) -> None:
    assert how_to("1", schema) == ""


def test_types_of_odd_forms_declare_nothing() -> None:
    odd: JsonObject = {"properties": {"a": {"type": 7}, "b": {"type": [7, "string"]}, "c": {"anyOf": {}}}}
    assert [types_at(odd, path) for path in ("/a", "/b", "/c")] == [frozenset(), {"string"}, frozenset()]


def structured(answer: dict[str, Raw], *, breaks: Text | None = None, is_declared: bool = True) -> object:
    return output(answer, Redactor(["hunter2-secret"]), breaks=breaks, is_declared=is_declared).structured


def test_only_a_sound_answer_that_its_tool_declared_has_something_to_refer_to() -> None:
    result: Raw = {"id": 417773298837880906}
    assert structured({"content": [], "structuredContent": result}) == result
    assert structured({"content": [], "structuredContent": result}, is_declared=False) is None
    assert structured({"content": [], "structuredContent": result}, breaks=Text("not what it declares")) is None
    assert structured({"content": [], "structuredContent": result, "isError": True}) is None
    assert structured({"content": 7, "structuredContent": result}) is None
    assert structured({"content": [], "structuredContent": [1]}) is None
    assert structured({"content": [{"type": "text", "text": '{"id": 1}'}]}) is None


def test_a_result_with_one_of_our_secrets_or_without_a_text_of_its_own_can_not_be_referred_to() -> None:
    assert structured({"content": [], "structuredContent": {"id": 1, "env": "x hunter2-secret y"}}) is None
    assert structured({"content": [], "structuredContent": {"id": "\ud800"}}) is None
