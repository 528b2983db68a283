"""What is said of the backends on this machine, and of what a configuration may cost."""

import asyncio
import io
import sys
from pathlib import Path

import pytest

from bot.check import ceilings, run_ceiling, usual_run
from bot.model_trials import MOST_TOKENS, try_backends
from bot.terminal import check_commands
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from bot.variables import Environment
from coordination.config import PROVIDERS, parse
from coordination.errors import ConfigError
from coordination.llm.extras import install_command
from tests.servers.chat_server import chat_server
from tests.servers.messages_server import Call, Says, messages_server
from tests.servers.vendor_server import Fails

CANARY = "sk-canary-0123456789"


def here(**environ: str) -> CliContext:
    return CliContext(environ={"COLUMNS": "200", **environ}, stdout=io.StringIO(), stderr=io.StringIO())


def written(around: CliContext) -> str:
    assert isinstance(around.stdout, io.StringIO)
    assert isinstance(around.stderr, io.StringIO)
    return around.stdout.getvalue() + around.stderr.getvalue()


def test_every_backend_is_listed_and_a_key_only_by_its_name() -> None:
    around = here(GEMINI_API_KEY=CANARY, OPENAI_API_KEY=" ")
    assert check_commands.models(around, config="", tries=False) is Exit.DONE
    text = written(around)
    assert all(type_ in text for type_ in PROVIDERS if type_ != "scripted")
    assert "ready: GEMINI_API_KEY is set" in text
    assert "needs OPENAI_API_KEY" in text
    assert CANARY not in text


def test_a_library_that_is_not_installed_is_named_by_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    monkeypatch.setenv("COLUMNS", "200")
    around = here(ANTHROPIC_API_KEY=CANARY)
    check_commands.models(around, config="", tries=False)
    assert f"needs: {install_command('claude-code')}" in " ".join(written(around).split())


def test_in_80_columns_the_address_of_a_provider_is_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    around = here()
    check_commands.models(around, config="", tries=False)
    assert "https://api.openai.com/v1" in written(around)
    assert "https://api.anthropic.com" in written(around)
    assert max(map(len, written(around).splitlines())) <= 80


def test_without_any_key_there_is_nothing_to_try() -> None:
    around = here()
    assert check_commands.models(around, config="", tries=True) is Exit.USAGE
    assert "--config" in written(around)


def test_a_model_that_does_not_answer_is_told_without_its_key(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    backend = f"{{type: chatcompletion, model: m, base_url: 'http://127.0.0.1:9/v1', api_key: {CANARY}}}"
    file.write_text(f"agents: [{{id: one, backend: {backend}}}]", encoding="utf-8")
    around = here()
    assert check_commands.models(around, config=str(file), tries=True) is Exit.FAILED
    assert "nothing is listening at 127.0.0.1:9: start" in " ".join(written(around).split())
    assert CANARY not in written(around)


THOUGHTFUL = "{type: claude, model: c, api_key: k, base_url: 'URL', thinking: {type: enabled, budget_tokens: 2000}}"


async def test_a_model_is_asked_for_next_to_nothing_whatever_its_options_and_its_fallback_too(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    async with (
        messages_server(Says(calls=[Call(name="say", arguments='{"word": "yes"}')])) as claude,
        chat_server(Fails(status=401)) as chat,
    ):
        first = THOUGHTFUL.replace("URL", claude.address)
        second = f"{{type: chatcompletion, model: m, base_url: '{chat.base_url}'}}"
        file.write_text(f"agent: {{id: one, backend: {first[:-1]}, fallback: {second}}}}}", encoding="utf-8")
        trials = await asyncio.to_thread(try_backends, Environment({}), file)
    assert [(trial.name, trial.problem == "") for trial in trials] == [("one", True), ("the fallback of one", False)]
    assert "rejected the key" in trials[1].problem
    (asked,) = claude.requests
    assert (asked["max_tokens"], asked.get("thinking")) == (MOST_TOKENS, None)


PRICED = """
agents:
  - {id: one, backend: {type: openai, model: gpt-5-mini, api_key: k, max_tokens: 1000}}
  - {id: two, backend: {type: openai, model: gpt-5-mini, api_key: k, max_tokens: 1000}}
orchestrator: {max_new_answers_per_agent: 1, max_tool_rounds: 2}
"""
# Turns: an answer, a vote after each of two answers, a last vote. Each has 2 rounds and 3 corrections. And a report.
CALLS = 4 * 5 + 1
EACH = 400_000 * 0.25e-6 + 1_000 * 2e-6


@pytest.mark.parametrize(
    ("limits", "whole"),
    [
        ("{}", 2 * CALLS * EACH),
        ("{money_per_run: 0.5}", 0.5),
        ("{tokens_per_run: 1000}", 1000 * 2e-6),
        ("{tokens_per_run: 1000000000}", 2 * CALLS * EACH),
    ],
)
def test_a_run_costs_no_more_than_all_its_calls_and_no_more_than_its_limits(limits: str, whole: float) -> None:
    settings = parse(f"{PRICED}limits: {limits}\n", origin="x.yaml", environ={})
    shares = ceilings(settings)
    assert [(each.agent, each.calls) for each in shares] == [("one", CALLS), ("two", CALLS)]
    assert [each.dollars for each in shares] == [pytest.approx(CALLS * EACH)] * 2
    assert run_ceiling(settings, shares) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ("{}", "limits: {money_per_run: 0.5}"),
        ("{max_calls: 3}", "limits: {money_per_run: 0.5}"),
        ("{money_per_run: 9}", ""),
        ("{tokens_per_run: 9}", ""),
    ],
)
def test_a_usual_run_is_estimated_far_below_the_bound_and_a_limit_between_is_advised(limits: str, limit: str) -> None:
    settings = parse(f"{PRICED}limits: {limits}\n", origin="x.yaml", environ={})
    usual = usual_run(settings)
    assert usual is not None
    assert usual.dollars == pytest.approx(12 * (6_000 * 0.25e-6 + 700 * 2e-6))
    assert (usual.calls, usual.limit) == (12, limit)


def test_a_check_says_what_a_usual_run_costs_and_which_limit_to_set(tmp_path: Path) -> None:
    found = checked(tmp_path, PRICED)
    assert "a typical run: about $0.03, for about 12 model calls" in found
    assert "set limits: {money_per_run: 0.5}" in found
    local = checked(tmp_path, "agents: [{backend: {type: ollama, model: m}}]\n")
    assert "a typical run: about 6 model calls, cost unknown" in local
    assert "set limits: {tokens_per_run: 500000}" in local
    assert "a typical run" not in checked(tmp_path, "agents: [{backend: {script: {turns: [[{answer: x}]]}}}]\n")


def test_what_costs_nobody_knows_how_much_is_said_to_be_unknown(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("agents: [{id: one, backend: {type: ollama, model: m}}]", encoding="utf-8")
    around = here()
    assert check_commands.check(around, str(file), connects=False) is Exit.DONE
    assert "one: 197 model calls at most, cost unknown" in written(around)
    assert "a run: cost unknown" in written(around)


def test_a_check_refuses_what_a_run_would_refuse_for_every_agent_at_once(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    agents = "".join(f"  - {{id: {name}, backend: {{type: ollama, model: m}}}}\n" for name in ("one", "two"))
    file.write_text(f"agents:\n{agents}limits: {{money_per_run: 1}}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        check_commands.check(here(), str(file), connects=False)
    assert [complaint[:28] for complaint in refused.value.diagnostics] == [
        "agent one: the price of m is",
        "agent two: the price of m is",
    ]


def checked(folder: Path, text: str, *, name: str = "x.yaml", **environ: str) -> str:
    """What a check says that starts nothing."""
    (folder / name).write_text(text, encoding="utf-8")
    around = here(**environ)
    check_commands.check(around, str(folder / name), connects=False)
    return " ".join(written(around).split())


def test_a_check_warns_of_a_configuration_without_servers(tmp_path: Path) -> None:
    agents = "agents: [{backend: {type: ollama, model: m}}]\n"
    assert "There are no tool servers: agents can only answer." in checked(tmp_path, agents)
    assert "no tool servers" not in checked(tmp_path, agents + "mcp_servers: {board: {command: x}}\n")


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        (
            "{type: openai, model: gpt-5-mni}",
            "Did you mean gpt-5-mini? If not, the model may be newer than this program",
        ),
        ("{type: openai, model: gpt-5-mini}", ""),
        (
            "{type: openai, model: quite-another}",
            "Unknown OpenAI model 'quite-another' (agent agent1). It may be newer than this program",
        ),
        ("{type: openai, model: gpt-5-mni, base_url: 'http://127.0.0.1:9/v1'}", ""),
        ("{type: ollama, model: gpt-5-mni}", ""),
        (
            "{type: openai, model: gpt-5-mini, fallback: {type: claude, model: opus-of-ours}}",
            "Unknown Anthropic model 'opus-of-ours'",
        ),
    ],
)
def test_a_check_warns_of_a_model_that_its_vendor_is_not_known_to_have(tmp_path: Path, backend: str, told: str) -> None:
    found = checked(tmp_path, f"agents: [{{backend: {backend}}}]\n", OPENAI_API_KEY="k", ANTHROPIC_API_KEY="k")
    assert told in found
    assert ("Unknown " in found) == bool(told)


def test_a_check_warns_of_keys_that_are_written_into_the_file_and_does_not_repeat_them(tmp_path: Path) -> None:
    text = f"""
agents: [{{backend: {{type: openai, model: m, api_key: {CANARY}}}}}]
mcp_servers:
  board: {{command: x, env: {{GITHUB_TOKEN: {CANARY}, HOME_PAGE: 'https://example.org/home', LEVEL: debug}}}}
"""
    found = checked(tmp_path, text)
    assert "agents[0].backend.api_key: looks like a secret, and anyone" in found
    assert "mcp_servers.board.env.GITHUB_TOKEN: looks like a secret" in found
    assert found.count("looks like a secret") == 2
    assert CANARY not in found
    assert "looks like" not in checked(tmp_path, text.replace(CANARY, '"${KEY_OF_OURS}"'), KEY_OF_OURS=CANARY)
    assert "looks like" not in checked(tmp_path, text.replace(CANARY, "none"))


def test_a_check_names_the_files_that_chats_do_not_offer_for_their_names(tmp_path: Path) -> None:
    for name in ("Ops.yaml", "team.yml", "a b.yaml", "notes.txt", ".hidden.yaml"):
        (tmp_path / name).touch()
    text = "agents: [{backend: {type: ollama, model: m}}]\n"
    told = (
        "Not offered because of their names: Ops.yaml, a b.yaml, team.yml. A configuration's name has lowercase letters"
    )
    assert told in checked(tmp_path, text, MASSGEN_BOT_CONFIGS=str(tmp_path))
    assert "Not offered" not in checked(tmp_path, text), "it is no folder of the chats"
