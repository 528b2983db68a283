"""Every configuration that comes with the program passes its own check, with nothing but variables set."""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.terminal import check_commands
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from coordination.config import PROVIDERS, parse
from coordination.llm.extras import Extra, is_installed

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
CASES = {
    "case-study-discord.yaml": ["openai", "openai"],
    "case-study-mix.yaml": ["claude_code", "openai"],
    "five-agents-discord.yaml": ["gemini", "openai", "claude_code", "claude", "grok"],
    "five-agents-filesystem.yaml": ["gemini", "openai", "claude_code", "claude", "grok"],
    "five-agents-notion.yaml": ["gemini", "openai", "claude_code", "claude", "grok"],
    "five-agents-twitter.yaml": ["gemini", "openai", "claude_code", "claude", "grok"],
}
EXTRAS: Mapping[str, Extra] = {"claude_code": "claude-code"}
CANARY = "canary-0123456789"


def environ_of(text: str) -> dict[str, str]:
    keys = [name for provider in PROVIDERS.values() for name in provider.key_variables]
    named = re.findall(r"\$\{(\w+)\}", text)
    return dict.fromkeys([*keys, *named], CANARY)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_configuration_passes_its_check_with_the_variables_that_it_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for type_, extra in EXTRAS.items():
        if re.search(rf"type: {type_}\b", text) and not is_installed(extra):
            pytest.skip(f"the extra `{extra}` is not installed")
    around = CliContext(environ=environ_of(text), stdout=io.StringIO(), stderr=io.StringIO())
    assert check_commands.check(around, str(path), connects=False) is Exit.DONE
    assert isinstance(around.stderr, io.StringIO)
    assert isinstance(around.stdout, io.StringIO)
    assert around.stderr.getvalue() == ""
    told = around.stdout.getvalue()
    assert "is valid" in told
    assert CANARY not in told


def test_the_known_cases_have_the_agents_that_they_are_about() -> None:
    names = {path.name for path in CONFIGS}
    assert set(CASES) <= names
    for name, types in CASES.items():
        text = (ROOT / "configs" / name).read_text(encoding="utf-8")
        settings = parse(text, origin=name, environ=None)
        assert [agent.backend.type for agent in settings.agents] == types
