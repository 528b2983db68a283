"""Every example of a configuration, of rules and of cases in the documentation is one that the program takes."""

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from bot.policy_cases import Case, run_cases
from bot.terminal.check_commands import check
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.terminal.policy_commands import policy_explain
from bot.variables import Environment
from coordination.config import parse
from coordination.config.sections import Configuration
from coordination.domain.comparisons import Operator
from coordination.errors import ConfigError
from tests.unit.test_docs import PAGES, ROOT, ids

AGENTS = "agents: [{id: scout, backend: {type: ollama, model: m}}]\n"
FENCE = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
KEYS = frozenset(Configuration.model_fields)


def fences_in(page: Path) -> Iterator[tuple[str, str]]:
    """The language of each block of a page, and its text."""
    for indent, language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        yield language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def keys_of(text: str) -> frozenset[str]:
    """The keys of a mapping that a text is as YAML; none where it is something else."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return frozenset()
    return frozenset(map(str, value)) if isinstance(value, dict) else frozenset()


def written_as_yaml(page: Path) -> list[str]:
    return [text for language, text in fences_in(page) if language == "yaml"]


def examples() -> Iterator[Any]:
    """Each configuration, or part of one, with the cases that follow before the next; a rest is held against the first."""
    for page in PAGES:
        texts = written_as_yaml(page)
        for number, text in enumerate(texts):
            if "cases" not in keys_of(text):
                cases = next((each for each in texts[number + 1 :]), "")
                yield pytest.param(text, cases if "cases" in keys_of(cases) else "", id=f"{ids(page)}-{number}")


def completed(text: str, cases: str) -> str:
    """The example with the agents and servers that a part of a configuration takes for granted."""
    keys = keys_of(text)
    whole = text if keys & {"agents", "agent"} else AGENTS + text
    if "mcp_servers" in keys:
        return whole
    named = {rule["match"] for rule in (yaml.safe_load(text) or {}).get("tools", ())}
    named |= set(re.findall(r"\btool: (\w+\.\w+)", text)) | set(re.findall(r"\btool: (\w+\.\w+)", cases))
    servers = sorted({each.partition(".")[0] for each in named} - {"*"})
    return whole + "".join(["mcp_servers:\n", *(f"  {server}: {{command: npx}}\n" for server in servers)])


def environ_for(text: str) -> dict[str, str]:
    names = re.findall(r"\$\{([A-Z_]+)", text)
    return dict.fromkeys([*names, "OPENAI_API_KEY", "ANTHROPIC_API_KEY"], "value")


@pytest.mark.parametrize(("text", "cases"), examples())
def test_every_configuration_on_a_page_is_valid_and_does_what_the_cases_below_it_say(
    text: str, cases: str, tmp_path: Path
) -> None:
    file, whole = tmp_path / "ops.yaml", completed(text, cases)
    file.write_text(whole, encoding="utf-8")
    out = io.StringIO()
    context = CliContext(environ=environ_for(whole) | {"MASSGEN_BOT_STATE": str(tmp_path)}, stdout=out, stderr=out)
    assert check(context, str(file), connects=False) is Exit.DONE, out.getvalue()
    if cases:
        named = yaml.safe_load(cases).get("config", file.name)
        (tmp_path / named).write_text(whole, encoding="utf-8")
        held = cases if "config" in keys_of(cases) else f"config: {named}\n{cases}"
        (tmp_path / "cases.yaml").write_text(held, encoding="utf-8")
        outcomes = run_cases(Environment(environ_for(whole)), tmp_path / "cases.yaml")
        assert [(each.case.tool, each.found) for each in outcomes if not each.is_met] == []


def test_what_policy_explain_says_of_the_rules_on_the_page_is_what_the_page_shows(tmp_path: Path) -> None:
    blocks = list(fences_in(ROOT / "docs/policy.md"))
    rules, (typed, shown) = (
        written_as_yaml(ROOT / "docs/policy.md")[0],
        [text for kind, text in blocks if kind != "yaml"][:2],
    )
    words = shlex.split(typed)
    assert words[:4] == ["massgen-bot", "policy", "explain", "ops.yaml"]
    options = dict(zip(words[4::2], words[5::2], strict=True))
    (tmp_path / "ops.yaml").write_text(completed(rules, "").replace("id: scout", "id: clerk"), encoding="utf-8")
    out = io.StringIO()
    policy_explain(
        CliContext(environ={}, stdout=out, stderr=out),
        str(tmp_path / "ops.yaml"),
        tool=options.pop("--tool"),
        arguments=options.pop("--args"),
        user="",
        roles=(),
        place="",
    )
    assert (options, out.getvalue()) == ({}, shown)


def test_each_message_that_the_guide_to_tool_servers_explains_is_one_that_the_program_has() -> None:
    page = (ROOT / "docs/how-to/add-a-tool-server.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .+ \|$", page.partition("\n## Problems\n")[2], re.MULTILINE)[2:]
    assert len(rows) >= 5
    sentences = " ".join((ROOT / "bot/locales/errors/de.po").read_text(encoding="utf-8").replace('"\n"', "").split())
    templates = [row.replace("'npx'", "{command}").replace("30 s", "{seconds:g} s").partition("`, ") for row in rows]
    assert [row for whole in templates if (row := whole[2] or whole[0]) not in sentences] == []


def test_a_configuration_that_check_refuses_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "ops.yaml"
    file.write_text(completed("tools: [{match: bank.pay, result: ask}]\n", ""), encoding="utf-8")
    out = io.StringIO()
    with pytest.raises(ConfigError, match="result"):
        check(CliContext(environ={}, stdout=out, stderr=out), str(file), connects=False)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_block_that_is_a_configuration_is_marked_as_yaml(page: Path) -> None:
    unmarked = [text for language, text in fences_in(page) if language != "yaml" and keys_of(text) & (KEYS | {"cases"})]
    assert unmarked == []
    assert [text for text in written_as_yaml(page) if not keys_of(text) <= KEYS | {"config", "cases"}] == []


def test_every_comparison_every_key_of_hours_and_every_key_of_a_case_is_documented() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    conditions = page.split("\n### Conditions\n")[1].split("\n#### ")[0]
    rows = re.findall(r"^\| (`.+?`) \| ", conditions, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(get_args(Operator)) - {"within"}
    hours = page.split("\n### Hours\n")[1].split("\n### ")[0]
    refused = (
        "agents: [{backend: {type: ollama, model: m}}]\ntools: [{match: a.b, when: {time: {until: 9}}, effect: ask}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse(refused, origin="ops.yaml", environ={})
    keys = next(each for each in caught.value.diagnostics if "'until'" in each).partition("expected ")[2]
    assert [key for key in re.findall(r"\w+", keys.partition(";")[0]) if key != "or" and f"`{key}`" not in hours] == []
    cases = (ROOT / "docs/policy.md").read_text(encoding="utf-8").split("\n## How a call is judged\n")[0]
    assert [key for key in Case.model_fields if f"`{key}" not in cases and f"{key}:" not in cases] == []
