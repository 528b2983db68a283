"""MassGen's own planning configurations load as they are; MASSGEN_CONFIGS names the folder that has them."""

import os
import re
from pathlib import Path

import pytest

from coordination.config import Settings, load, parse, read_text
from coordination.domain.tool_rules import Effect, rule
from coordination.errors import ConfigError

FOLDER = os.environ.get("MASSGEN_CONFIGS", "")
PATHS = sorted(Path(FOLDER).glob("*.yaml")) if FOLDER else []
CANARY = "canary-91c0"

pytestmark = pytest.mark.skipif(not PATHS, reason="MASSGEN_CONFIGS names no folder with MassGen's configurations")

IDLE_KEYS = {
    "security",
    "permission_mode",
    "snapshot_storage",
    "agent_temporary_workspace",
    "display_type",
    "logging_enabled",
    "cwd",
    "enable_agent_task_planning",
}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def environ(path: Path) -> dict[str, str]:
    return environ_of(path)


@pytest.fixture
def settings(path: Path, environ: dict[str, str]) -> Settings:
    return load(path, environ)


def named(stem: str) -> Path:
    return Path(FOLDER) / f"{stem}.yaml"


def environ_of(path: Path) -> dict[str, str]:
    """Every variable that the file names, and a key for every provider in it."""
    names = set(re.findall(r"\$\{(\w+)\}", path.read_text(encoding="utf-8")))
    names |= {"OPENAI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "XAI_API_KEY"}
    return {name: f"{CANARY}-{name}" for name in names}


def test_it_loads_unchanged_into_a_run_in_planning_mode(settings: Settings, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    profile = settings.profile()
    assert [agent.id for agent in profile.agents] == re.findall(r'^  - id: "?(\w+)', text, re.MULTILINE)
    assert bool(profile.options.planning_instruction) == ("planning_mode_instruction" in text)


def test_without_rules_of_ours_every_tool_waits_for_people(settings: Settings) -> None:
    for agent in settings.profile().agents:
        for server in agent.servers:
            ruling = rule(agent.rules, server.name, "send")
            assert ruling.effect is Effect.ASK


def test_keys_without_effect_are_warned_of_once_each_with_a_reason(settings: Settings, path: Path) -> None:
    warned = [re.findall(r"(\w+): has no effect", warning) for warning in settings.warnings]
    keys = [key for found in warned for key in found]
    assert len(keys) == len(set(keys))
    assert set(keys) <= IDLE_KEYS
    others = [warning for warning, found in zip(settings.warnings, warned, strict=True) if not found]
    assert all("its own server" in each or "is fetched in the version" in each for each in others)
    assert all(re.match(rf"{re.escape(str(path))}:\d+: [\w.\[\]]+: ", warning) for warning in settings.warnings)


def test_no_secret_is_in_a_warning_a_representation_or_an_identity(settings: Settings) -> None:
    shown = [*settings.warnings, repr(settings), *(server.identity for server in settings.servers)]
    assert not any(CANARY in text for text in shown)


def test_it_can_be_checked_without_any_secret(path: Path) -> None:
    settings = parse(read_text(path), origin=str(path), environ=None)
    assert settings.agents


def test_every_variable_that_is_not_set_is_named_at_once(path: Path, environ: dict[str, str]) -> None:
    wanted = set(re.findall(r"^[^#\n]*\$\{(\w+)\}", path.read_text(encoding="utf-8"), re.MULTILINE))
    if not wanted:
        pytest.skip("the file names no variable")
    keys = {name: value for name, value in environ.items() if name not in wanted}
    with pytest.raises(ConfigError) as caught:
        load(path, keys)
    diagnostics = caught.value.diagnostics
    assert {name for complaint in diagnostics for name in re.findall(r"found \$\{(\w+)\}", complaint)} == wanted
    assert all(re.match(rf"{re.escape(str(path))}:\d+: agents\[\d\]\.backend\.", each) for each in diagnostics)


def test_discords_excluded_tools_are_denied_in_massgens_own_spelling() -> None:
    path = named("five_agents_discord_mcp_planning_mode")
    settings = load(path, environ_of(path))
    assert [server.name for server in settings.servers] == ["discord"]
    by_type = {agent.backend.type: agent for agent in settings.agents}
    for type_, effect in (("gemini", Effect.DENY), ("claude_code", Effect.ASK)):
        ruling = rule(by_type[type_].rules, "discord", "discord_send_webhook_message")
        assert ruling.effect is effect


def test_notions_five_tokens_are_five_servers_that_one_exclusion_holds_for() -> None:
    path = named("five_agents_notion_mcp_planning_mode")
    settings = load(path, environ_of(path))
    assert [server.name for server in settings.servers] == [
        "notionApi", "notionApi_2", "notionApi_3", "notionApi_4", "notionApi_5",
    ]  # fmt: skip
    for agent, number in zip(settings.agents, ("ONE", "TWO", "THREE", "FOUR", "FIVE"), strict=True):
        (server,) = agent.servers
        assert server.env == (("NOTION_TOKEN", f"{CANARY}-NOTION_TOKEN_{number}"),)
        ruling = rule(agent.rules, server.name, "post_search")
        assert ruling.effect is Effect.DENY


def test_the_case_studys_two_agents_share_one_discord_server_and_search_the_web() -> None:
    path = named("v0.0.29_gpt5_mini_case_study_mcp_planning_mode")
    settings = load(path, environ_of(path))
    assert [(agent.backend.type, agent.backend.model) for agent in settings.agents] == [("openai", "gpt-5-mini")] * 2
    assert all(agent.backend.options.enable_web_search for agent in settings.agents)
    assert [server.name for server in settings.servers] == ["discord"]
