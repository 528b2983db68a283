"""Schemas of strangers: whatever is in one, the check takes a bounded time elsewhere, and ends in a verdict."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from coordination import schema_check
from coordination.domain.canonical_json import Json, JsonObject
from coordination.domain.events import RunEvent
from coordination.json_schema import Checker, Verdict, conforms, verdict
from coordination.ports import ToolCall, ToolOutput
from coordination.run_options import RunOptions
from coordination.text import Text
from coordination.toolbox import Toolbox, offer
from tests.builders import a_definition, a_profile

UNCHECKED = Verdict(is_checked=False)


class Silent:
    """Reads nothing."""

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        return ToolOutput(text="")


def a_toolbox(schema: Mapping[str, Json]) -> Toolbox:
    """With one tool, `mcp__board__post`."""
    (agent,) = a_profile(1).agents
    tools = offer(agent, [replace(a_definition("post"), input_schema=schema)])
    return Toolbox(1, tools, Silent(), RunOptions(), list[RunEvent]().append)


def nested(depth: int) -> Json:
    """Lists in lists."""
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


def branching(levels: int) -> Mapping[str, Json]:
    """A schema that is tried in twice as many ways with each level."""
    rest: dict[str, Json] = {f"n{n}": {"anyOf": [{"$ref": f"#/$defs/n{n - 1}"}] * 2} for n in range(1, levels)}
    return {"$defs": {"n0": {"type": "string"}, **rest}, "properties": {"a": {"$ref": f"#/$defs/n{levels - 1}"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, "properties": {"a": {"$ref": "#/$defs/A"}}},
        {"$ref": "#"},
        {"properties": {"a": {"$ref": "#/nowhere"}}},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}},
    ],
)
async def test_a_schema_that_cannot_be_followed_constrains_nothing(schema: Mapping[str, Json]) -> None:
    assert await verdict(schema, {"a": "x"}) == UNCHECKED


@pytest.mark.parametrize("broken", [{"pattern": "("}, {"type": "strange"}, {"properties": 3}])
async def test_a_schema_that_is_none_constrains_nothing(broken: Mapping[str, Json]) -> None:
    assert await verdict({"properties": {"a": broken}}, {"a": "x"}) == Verdict()


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 40 + "!"}),
        ({"patternProperties": {"^(a+)+$": {}}}, {"a" * 40 + "!": 1}),
        (branching(40), {"a": 1}),
    ],
)
async def test_a_check_without_end_is_given_up_while_the_loop_goes_on(
    schema: Mapping[str, Json], arguments: Mapping[str, Json]
) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    began = time.monotonic()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        beating = group.create_task(beat())
        assert await verdict(schema, arguments) == UNCHECKED
        beating.cancel()
    assert beats > 20
    assert time.monotonic() - began >= schema_check.SECONDS
    assert await verdict({"properties": {"a": {"pattern": "^b$"}}}, {"a": "a"}) == Verdict(
        Text('a: "a" does not match ^b$')
    )


async def test_a_schema_that_took_too_long_is_not_tried_again() -> None:
    schema = {"properties": {"a": {"pattern": "^(b+)+$"}}}
    arguments = {"a": "b" * 40 + "!"}
    await verdict(schema, arguments)
    began = time.monotonic()
    assert await verdict(schema, arguments) == UNCHECKED
    assert time.monotonic() - began < schema_check.SECONDS


@pytest.mark.parametrize(
    ("factor", "number", "fits"),
    [
        (0.01, 19.99, True),
        (0.01, 19.999, False),
        (0.1, 0.3, True),
        (1e-300, 1, True),
        (int("9" * 400), 5, False),
        (int("9" * 400), int("9" * 400), True),
        (0.5, int("9" * 400), True),
        (7, 10**300 * 7, True),
        (2, True, False),
    ],
)
async def test_multiples_are_those_of_the_numbers_as_they_are_written(factor: float, number: float, fits: bool) -> None:
    schema = {"properties": {"n": {"type": "number", "multipleOf": factor}}}
    assert ((await verdict(schema, {"n": number})).fault is None) is fits


async def test_whole_numbers_keep_every_digit_in_both_processes() -> None:
    for word in ("maximum", "const"):
        schema: Mapping[str, Json] = {"properties": {"n": {word: 2**53 + 1}, "x": {"pattern": "."}}}
        assert (await verdict(schema, {"n": 2**53 + 1})) == Verdict()
        assert (await verdict(schema, {"n": 2**53 + 2})).fault is not None


async def test_what_has_no_canonical_form_is_not_checked() -> None:
    assert await conforms({"type": "object"}, nested(300)) == UNCHECKED
    assert await conforms({"maximum": float("nan")}, {}) == UNCHECKED


async def test_large_values_are_checked_elsewhere() -> None:
    assert await conforms({"items": {"type": "string"}}, ["x" * 10] * 20_000) == Verdict()
    assert (
        await conforms({"items": {"type": "string"}}, [*(["x" * 10] * 20_000), 1])
    ).fault == "20000: 1 is not of type string"


async def test_a_checker_that_ended_by_itself_is_started_again() -> None:
    checker = Checker()
    try:
        assert await checker.verdict('{"pattern":"a"}', '"a"') == Verdict()
        checker.end()
        assert await checker.verdict('{"pattern":"a"}', '"b"') == Verdict(Text('the object: "b" does not match a'))
    finally:
        checker.end()


async def test_the_process_that_checks_knows_none_of_our_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2")
    checker = Checker()
    try:
        await checker.verdict('{"pattern":"a"}', '"a"')
        found = _children()
        assert found
        assert all(b"hunter2" not in (each / "environ").read_bytes() for each in found)
    finally:
        checker.end()


def _children() -> list[Path]:
    return [each for each in Path("/proc").glob("[0-9]*") if _is_child(each)]


def _is_child(process: Path) -> bool:
    try:
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        return int(parent) == os.getpid() and b"schema_check.py" in (process / "cmdline").read_bytes()
    except OSError:
        return False


async def test_a_call_whose_arguments_nobody_can_check_is_recorded_and_the_model_is_told() -> None:
    box = a_toolbox({"properties": {"a": {"$ref": "#/properties/a"}}})
    (told,) = await box.use([ToolCall(id="1", name="mcp__board__post", arguments='{"a":1}')])
    assert len(box.actions) == 1
    assert not told.is_error
    assert "Nobody could check its arguments" in told.text


async def test_arguments_nested_without_measure_are_refused_in_a_sentence() -> None:
    box = a_toolbox({"type": "object"})
    for depth in (300, 200_000):
        written = '{"a":' + "[" * depth + "]" * depth + "}"
        (told,) = await box.use([ToolCall(id="1", name="mcp__board__post", arguments=written)])
        assert told.is_error
        assert told.text.startswith("The arguments are JSON nested deeper than 100 levels.")
