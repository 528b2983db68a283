"""docs/configuration.md and the configurations that come with the program say what is so."""

import re
from pathlib import Path

import pytest

from bot.demo_world import TOOLS
from coordination.config import PROVIDERS, load, parse, unmatched_rules
from coordination.config.sections import ALL
from coordination.domain.tool_rules import Effect, rule
from coordination.errors import ConfigError
from coordination.ports import ToolDefinition

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
EVERYWHERE = {"MASSGEN_BOT_PYTHON": "/usr/bin/python3", "MASSGEN_BOT_STATE": "/var/lib/massgen-bot"}


def rows_of(heading: str) -> list[str]:
    """The first cells of the table under a heading."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)


def test_every_key_is_documented_once_and_nothing_else_is() -> None:
    keys = [f"{section.title}.{key}".lstrip(".") for section in ALL for key in section.honoured()]
    assert sorted(rows_of("Every key")) == sorted(keys)


def test_every_key_without_effect_is_documented_with_the_reason_that_its_warning_gives() -> None:
    documented = dict(
        re.findall(r"^\| `([^`]+)` \| (.+)\. \|$", PAGE.split("## MassGen's keys without effect")[1], re.MULTILINE)
    )
    reasons = {
        f"{section.title}.{key}".lstrip("."): why for section in ALL for key, why in section.without_effect().items()
    }
    said = {key: why.replace("`", "") for key, why in documented.items()}
    assert {key: why.casefold() for key, why in said.items()} == {key: why.casefold() for key, why in reasons.items()}


def test_every_backend_type_is_documented_with_the_variables_of_its_key() -> None:
    assert [row for row in rows_of("Backends") if row != "type"] == list(PROVIDERS)
    for provider in PROVIDERS.values():
        (row,) = re.findall(rf"^\| `{provider.type}` \| .*$", PAGE, re.MULTILINE)
        assert all(f"`{name}`" in row for name in provider.key_variables)


def test_the_example_in_the_documentation_works() -> None:
    example = EXAMPLES[0]
    environ = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "DISCORD_TOKEN": "d"}
    settings = parse(example, origin="ops.yaml", environ=environ)
    assert [agent.backend.type for agent in settings.agents] == ["openai", "claude"]
    assert settings.warnings == ()
    assert settings.policy.roles == ("ops",)


def test_the_mistakes_in_the_documentation_are_told_just_so() -> None:
    example = EXAMPLES[0]
    (told,) = re.findall(r"```\n(ops\.yaml:.*?)\n```", PAGE, re.DOTALL)
    mistaken = example.replace("enable_web_search", "enable_web_serch").replace("effect: read}", "effect: reads}")
    with pytest.raises(ConfigError) as error:
        parse(mistaken, origin="ops.yaml", environ={"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a"})
    assert str(error.value) == told


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_that_comes_with_the_program_is_good(path: Path) -> None:
    settings = parse(path.read_text(encoding="utf-8"), origin=str(path), environ=None)
    assert settings.warnings == ()


def test_the_configuration_for_a_real_model_needs_nothing_but_a_local_server() -> None:
    settings = load(ROOT / "configs/openai-compatible.yaml", EVERYWHERE)
    assert {agent.backend.base_url for agent in settings.agents} == {"http://127.0.0.1:11434/v1"}
    (server,) = settings.servers
    assert (server.command, server.args[-1]) == ("/usr/bin/python3", "/var/lib/massgen-bot/notices.json")


def test_the_configuration_for_a_real_model_takes_a_provider_from_the_environment() -> None:
    environ = EVERYWHERE | {"OPENAI_BASE_URL": "https://api.openai.com/v1", "OPENAI_API_KEY": "k", "MODEL": "gpt-5"}
    backend = load(ROOT / "configs/openai-compatible.yaml", environ).agents[0].backend
    assert (backend.base_url, backend.model) == ("https://api.openai.com/v1", "gpt-5")
    assert (backend.api_key and backend.api_key.get_secret_value(), backend.key_name) == ("k", "OPENAI_API_KEY")


def test_the_rules_for_the_notice_board_fit_its_tools() -> None:
    settings = load(ROOT / "configs/openai-compatible.yaml", EVERYWHERE)
    names = [str(tool["name"]) for tool in TOOLS]
    definitions = [
        ToolDefinition(server="board", tool=name, description="", input_schema={}, digest=name) for name in names
    ]
    assert unmatched_rules(settings, definitions) == []
    for agent in settings.agents:
        effects = {name: rule(agent.rules, "board", name).effect for name in names}
        assert effects == {
            "list_notices": Effect.READ,
            "read_notice": Effect.READ,
            "post_notice": Effect.ASK,
            "remove_notice": Effect.DENY,
        }
