"""The schema that editors get knows what the program accepts; and a new key needs two places."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import pytest
import yaml
from pydantic import Field, StrictInt

from bot.terminal import check_commands
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from coordination.config import parse
from coordination.config.diagnostics import Diagnostics
from coordination.config.editor_schema import editor_schema, meanings_in
from coordination.config.interpolation import Variables, put_in
from coordination.config.key_types import AsTyped
from coordination.config.section_reader import SECTIONS, Reading
from coordination.config.sections import ALL, LimitKeys
from coordination.config.yaml_tree import read
from coordination.errors import ConfigError
from coordination.text import Text
from tests.unit.test_settings_any_text import ENVIRON, WHOLE

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
AGENT = "agents: [{backend: {type: ollama, model: m}}]\n"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    out = io.StringIO()
    assert check_commands.schema(CliContext(environ={}, stdout=out, stderr=out)) is Exit.DONE
    printed: dict[str, Any] = json.loads(out.getvalue())
    jsonschema.Draft202012Validator.check_schema(printed)
    return printed


def problems(schema: dict[str, Any], text: str) -> list[str]:
    # Editors know no dates either: YAML's own types are read as JSON has them.
    value = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_that_comes_with_the_program_fits(schema: dict[str, Any], path: Path) -> None:
    assert problems(schema, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_misspelt_key_does_not_fit(schema: dict[str, Any], path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("backend:", "backnd:", 1)
    assert any("'backnd' was unexpected" in problem for problem in problems(schema, text))


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        "agent: {backend: {type: ollama, model: 5, max_tokens: '${MOST}', temperature: , text: {verbosity: '${V}'}}}",
        AGENT + "mcp_servers: [{name: b, command: [npx, -y, x], args: [1], env: {PORT: 80, DEBUG: true}}]",
        AGENT + "mcp_servers: {b: {command: npx}}\ntools: []\nui: {display_type: simple}\nlimits:\n",
        AGENT + "approval: {expires_after: 90, approvers: {users: [1417773298309136445]}}\n",
        AGENT
        + "mcp_servers: {b: {command: npx}}\ntools:\n"
        + "  - {match: b.x, effect: ask, approvers: {roles: [ops], required: 2}, expires: 4h, requester: false, author: false}\n"
        + "  - {match: b.y, effect: ask, approvers: [{roles: [ops]}, {users: [1]}], per_plan: 3, requires_read: $.path}\n"
        + "  - {match: b.z, effect: ask, if_from_read: deny}\n"
        + "  - {match: b.u, effect: ask, if_from_read: [{roles: [ops]}]}\n  - {match: b.v, effect: auto, if_from_read: {required: 2}}\n",
        AGENT + "orchestrator: {max_new_answers_per_agent: null, max_new_answers_global: '${MOST:-}'}\n",
    ],
)
def test_whatever_is_accepted_fits(schema: dict[str, Any], text: str) -> None:
    parse(text, origin="ops.yaml", environ=ENVIRON | {"MOST": "5", "V": "low"})
    assert problems(schema, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "tools: []",
        "agent: {backend: {type: ollama, model: m, temperature: hot}}",
        "agent: {backend: {type: ollama, model: m, reasoning: {effort: hihg}}}",
        "agent: {backend: {type: ollama, model: m, fallback: {fallback: {}}}}",
        AGENT + "limits: {max_calls: 5000}",
        AGENT + "mcp_servers: [{command: npx}]",
        AGENT + "mcp_servers: {b: {kommand: npx}}",
        AGENT + "tools: [{match: b.x}]",
        AGENT + "mcp_servers: {b: {command: npx}}\ntools: [{match: b.x, effect: ask, approvers: [ops]}]",
        AGENT + "mcp_servers: {b: {command: npx}}\ntools: [{match: b.x, effect: ask, approvers: []}]",
    ],
)
def test_what_is_refused_for_a_key_or_a_value_does_not_fit(schema: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text, origin="ops.yaml", environ={})
    assert problems(schema, text) != []


def described(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    models = {section.__name__: section for section in ALL}
    for name, model in (("Configuration", schema), *schema["$defs"].items()):
        for key, value in model["properties"].items():
            if name in models:
                yield f"{models[name].title}.{key}".lstrip("."), value.get("description", "")


def test_every_key_says_what_it_means(schema: dict[str, Any]) -> None:
    found = dict(described(schema))
    assert len(found) > 150
    assert [key for key, text in found.items() if not text] == []
    assert found["approval.required"] == "1 to 20. How many different people must approve. Default 1."
    assert found["ui.display_type"] == "Has no effect here: how a run is shown depends on where it was started."


class WiderLimits(LimitKeys):
    """Limits with the key of docs/how-to/add-a-configuration-key.md."""

    max_pages: Annotated[StrictInt, Field(ge=1, le=500), AsTyped] = 20


def read_wider(written: str) -> tuple[WiderLimits, list[Text]]:
    report = Diagnostics("ops.yaml")
    tree = read(f"\n{written}\n", report)
    assert tree is not None
    limits = WiderLimits.model_validate(put_in(tree, Variables({"PAGES": "7"}), report), context=Reading(report))
    return limits, report.render()


def test_a_new_field_is_all_that_a_new_key_needs_in_the_code() -> None:
    for written, pages in (("{}", 20), ("{max_pages: 5}", 5), ("{max_pages: '${PAGES}'}", 7)):
        limits, told = read_wider(written)
        assert (limits.max_pages, told) == (pages, [])
    for written, complaint in (
        ("{max_pages: 501}", "max_pages: found 501; expected a number of at most 500"),
        ("{max_pages: many}", "max_pages: found 'many'; expected a whole number"),
        ("{max_pagse: 5}", "did you mean max_pages?"),
    ):
        (told_once,) = read_wider(written)[1]
        assert told_once.startswith("ops.yaml:2: ")
        assert complaint in told_once


def test_the_how_to_names_what_is_there() -> None:
    text = (ROOT / "docs/how-to/add-a-configuration-key.md").read_text(encoding="utf-8")
    assert "max_pages: Annotated[StrictInt, Field(ge=1, le=500), AsTyped] = 20" in text
    for name in ("sections.py", "server_sections.py", "key_types.py", "massgen_keys.py", "agents.py", "servers.py"):
        assert name in text
        assert (ROOT / "coordination/config" / name).exists()


def test_the_schema_says_of_a_key_what_its_row_in_the_documentation_says() -> None:
    row = "| `limits.max_calls` | 1 to 1000 | Calls in one [plan](chat.md). |\n"
    found = editor_schema(meanings_in(row))["$defs"]["LimitKeys"]["properties"]["max_calls"]
    assert found["description"] == "1 to 1000. Calls in one plan."


def test_a_section_without_a_place_of_its_own_is_no_home_of_keys() -> None:
    assert WiderLimits not in SECTIONS
