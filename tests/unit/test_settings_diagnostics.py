"""What a bad configuration is told: everything at once, with the place, what was found and what was expected."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.cards.text import visible
from coordination.config import load, parse
from coordination.errors import ConfigError
from tests.german import english_in

AGENT = "agents: [{backend: {type: ollama, model: m}}]\n"
SERVER = "mcp_servers: {board: {command: npx}}\n"


def complaints_of(text: str, **environ: str) -> Sequence[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, origin="ops.yaml", environ=environ)
    assert {each: english for each in caught.value.diagnostics if (english := english_in(each))} == {}
    return caught.value.diagnostics


def complaint_of(text: str, **environ: str) -> str:
    (complaint,) = complaints_of(text, **environ)
    return complaint.removeprefix("ops.yaml:")


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """
agents:
  - id: scout
    backend: {type: opnai, model: gpt-5, enable_web_serch: true, temperature: hot, max_tokens: 0}
  - id: scout
    backend:
      modl: gpt-5
      type: ollama
      exclude_tools: [mcp__discrd__x, discord.foo, "a b"]
      mcp_servers:
        - {name: discord, command: npx, args: [1, [2]], env: {A: 1, B: }, timeout: -1}
  - backend: {type: openai, model: gpt-5, api_key: "${NOPE}", reasoning: {effort: hihg}}
orchestrator:
  voting_sensitivity: strikt
  coordination: {enable_planing_mode: true}
tools:
  - {match: "discord.*", effect: reads}
  - {match: "read_*", effect: read}
  - read
approval: {required: 3, approvers: {users: [12]}, expires_after: soon}
limit: 3
"""
    provider_types = (
        "openai, claude, gemini, claude_code, chatcompletion, grok, groq, together, fireworks, cerebras, openrouter, "
        "moonshot, qwen, nebius, zai, poe, azure_openai, lmstudio, vllm, sglang, ollama or scripted"
    )
    backend = "expected a key of agents[].backend (`massgen-bot docs configuration` lists them); did you mean"
    assert complaints_of(text) == [
        f"ops.yaml:4: agents[0].backend.enable_web_serch: found the unknown key enable_web_serch; {backend} "
        "enable_web_search?",
        "ops.yaml:4: agents[0].backend.max_tokens: found 0; expected a number of at least 1",
        "ops.yaml:4: agents[0].backend.temperature: found 'hot'; expected a number",
        f"ops.yaml:4: agents[0].backend.type: found the backend type 'opnai'; expected {provider_types}; "
        "did you mean openai?",
        "ops.yaml:5: agents[1].id: found the id 'scout' again (first used in line 3); expected a unique id",
        "ops.yaml:7: agents[1].backend.model: found nothing; expected a model name for Ollama",
        f"ops.yaml:7: agents[1].backend.modl: found the unknown key modl; {backend} model?",
        "ops.yaml:9: agents[1].backend.exclude_tools[0]: found the unknown server 'discrd'; "
        "expected a server of mcp_servers; did you mean discord?",
        "ops.yaml:9: agents[1].backend.exclude_tools[2]: found text that is empty, or has spaces or brackets; "
        "expected server.tool (* and ? are wildcards)",
        "ops.yaml:11: agents[1].backend.mcp_servers[0].args[1]: found a list; expected a text",
        "ops.yaml:11: agents[1].backend.mcp_servers[0].env.B: found nothing; expected a text",
        "ops.yaml:11: agents[1].backend.mcp_servers[0].timeout: found -1; expected a number above 0",
        "ops.yaml:12: agents[2].backend.api_key: found ${NOPE}, which is not set; "
        "expected the variable NOPE to be set, or ${NOPE:-default}",
        "ops.yaml:12: agents[2].backend.reasoning.effort: found 'hihg'; "
        "expected none, minimal, low, medium, high, xhigh or max; did you mean high?",
        "ops.yaml:14: orchestrator.voting_sensitivity: found 'strikt'; expected lenient, balanced or strict; "
        "did you mean strict?",
        "ops.yaml:15: orchestrator.coordination.enable_planing_mode: found the unknown key enable_planing_mode; "
        "expected broadcast, broadcast_sensitivity, broadcast_timeout, enable_planning_mode, final_presentation, "
        "max_broadcasts_per_agent or planning_mode_instruction; "
        "did you mean enable_planning_mode?",
        "ops.yaml:17: tools[0].effect: found 'reads'; expected read, ask, auto or deny; did you mean read?",
        "ops.yaml:18: tools[1].match: found 'read_*'; expected server.tool; did you mean *.read_*?",
        "ops.yaml:19: tools[2]: found a text; expected a mapping with match and effect",
        "ops.yaml:20: approval.expires_after: found 'soon'; "
        "expected a time from 1s to 31d, such as 24h, 30m or 90 (seconds)",
        "ops.yaml:20: approval.required: found 3 approvals, and 1 user who may give one; "
        "expected no more than there are users",
        "ops.yaml:21: limit: found the unknown key limit; expected a key of the top level "
        "(`massgen-bot docs configuration` lists them); did you mean limits?",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "1: found nothing; expected a mapping with the key agents"),
        ("- a\n", "1: found a list; expected a mapping with the key agents"),
        ("tools: []\n", "1: found no agents; expected the key agents, with a list of them"),
        ("agents: []\n", "1: agents: found an empty list; expected a list of agents"),
        ("agents: {a: 1}\n", "1: agents: found a mapping; expected a list of agents"),
        ("agents: [scout]\n", "1: agents[0]: found a text; expected a mapping with id, system_message and backend"),
        ("agents: [{id: a}]\n", "1: agents[0].backend: found nothing; expected a mapping with type and model"),
        (
            "agents: [{id: a, backend: }]\n",
            "1: agents[0].backend: found nothing; expected a mapping with type and model",
        ),
        (
            "agents: [{id: a, backend: null}]\n",
            "1: agents[0].backend: found nothing; expected a mapping with type and model",
        ),
        (
            "agents:\n- id: a\n  backend: {}\n",
            "3: agents[0].backend: found an empty mapping; expected a mapping with type and model",
        ),
        ("agent: {id: a, backend: ~}\n", "1: agent.backend: found nothing; expected a mapping with type and model"),
        ("agents: [{backend: x}]\n", "1: agents[0].backend: found a text; expected a mapping"),
        (AGENT + "agent: {backend: {type: ollama, model: m}}\n", "2: agent: found both agent and agents; "),
        (
            'agents: [{id: "a\\nb", backend: {type: ollama, model: m}}]\n',
            "1: agents[0].id: found 'a\\nb'; expected one",
        ),
        (AGENT + "orchestrator: 1\n", "2: orchestrator: found a number; expected a mapping"),
        (AGENT + "mcp_servers: x\n", "2: mcp_servers: found a text; expected a list or a mapping of servers"),
        (AGENT + "mcp_servers: [x]\n", "2: mcp_servers[0]: found a text; expected a mapping that describes one server"),
        (AGENT + "mcp_servers: [{command: x}]\n", "2: mcp_servers[0].name: found nothing; expected a value for name"),
        (AGENT + "mcp_servers: {b: {}}\n", "2: mcp_servers.b.type: found neither command nor url; expected a command"),
        (AGENT + "mcp_servers: {b: {command: x, url: http://y}}\n", "2: mcp_servers.b.url: found both command and url"),
        (AGENT + "mcp_servers: {b: {type: http, command: x}}\n", "2: mcp_servers.b.type: found no url; expected the"),
        (
            AGENT + "mcp_servers: {b: {type: websocket, url: http://y}}\n",
            "2: mcp_servers.b.type: found 'websocket'; expected stdio",
        ),
        (AGENT + "mcp_servers: {b: {url: ftp://y}}\n", "2: mcp_servers.b.url: found a text; expected an address"),
        (AGENT + "mcp_servers: {b: {url: http://y, env: {A: b}}}\n", "2: mcp_servers.b.env: found a key for a server"),
        (AGENT + "mcp_servers: {b: {command: x, headers: {A: b}}}\n", "2: mcp_servers.b.headers: found a key for a"),
        (
            AGENT + 'mcp_servers: {b: {url: http://y, headers: {A: "b\\nc"}}}\n',
            "2: mcp_servers.b.headers: found a line",
        ),
        (AGENT + "mcp_servers: {b: {command: x, env: {A=B: c}}}\n", "2: mcp_servers.b.env: found 'A=B'; expected the"),
        (AGENT + "mcp_servers: {a b: {command: x}}\n", "2: mcp_servers.'a b'.name: "),
        (
            AGENT + "mcp_servers: [{name: a, command: x}, {name: a, command: x}]\n",
            "2: mcp_servers[1]: found the server name a again",
        ),
        (AGENT + "tools: [{match: b.x, effect: read}]\n", "2: tools[0].match: found the unknown server 'b'; "),
        (AGENT + SERVER + "tools: [{match: mcp__bord__x, effect: read}]\n", "3: tools[0].match: found the unknown"),
        (AGENT + "timeout_settings: {orchestrator_timeout_seconds: 0}\n", "2: timeout_settings.orchestrator_timeout_"),
        (
            AGENT + "orchestrator_timeout_seconds: 5\n",
            "2: orchestrator_timeout_seconds: found a key that doesn't belong ",
        ),
        (AGENT + "mcp_servers: {b: {url: 'http://['}}\n", "2: mcp_servers.b.url: found a text; expected an address"),
        (AGENT + "mcp_servers: {b: {url: 'http://h:99999/'}}\n", "2: mcp_servers.b.url: found a text; expected an"),
        (
            AGENT + "mcp_servers: {b: {command: [x, [y]]}}\n",
            "2: mcp_servers.b.command[1]: found a list; expected a text",
        ),
        (AGENT + "mcp_servers: {b: {command: npx 'x}}\n", "2: mcp_servers.b.command: found a quote without its end"),
        (
            AGENT + "mcp_servers: {b: {command: x, env: [A]}}\n",
            "2: mcp_servers.b.env: found a list; expected a mapping",
        ),
        (AGENT + "mcp_servers: {b: {command: x, args: y}}\n", "2: mcp_servers.b.args: found a text; expected a list"),
        (AGENT + "tools: {b.x: read}\n", "2: tools: found a mapping; expected a list"),
        (AGENT + "tools: true\n", "2: tools: found true or false; expected a list"),
        (AGENT + "tools: [{match: '*', effect: }]\n", "2: tools[0].effect: found nothing; expected a value for effect"),
        (AGENT + "tools: [{match: " + "x" * 300 + ", effect: read}]\n", "2: tools[0].match: found a text of 300 char"),
        (AGENT + "limits: {max_calls: 5000}\n", "2: limits.max_calls: found 5000; expected a number of at most 1000"),
        ("agent: {backend: {type: [x], model: m}}\n", "1: agent.backend.type: found a list; expected a text"),
        ("agent: {backend: {model: [x]}}\n", "1: agent.backend.model: found a list; expected a text"),
        (
            "agents: [" + "{backend: {type: ollama, model: m}}, " * 51 + "]\n",
            "1: agents: found 51 agents; expected at most",
        ),
        (
            AGENT + "approval: {channel: '#ops'}\n",
            "2: approval.channel: found '#ops'; expected the id of a channel in Discord (17 to 20 digits) or Slack",
        ),
        (
            AGENT + "approval: {channel_shows_private: true}\n",
            "2: approval.channel_shows_private: found no channel; expected channel as well",
        ),
        (AGENT + "approval: {required: 0}\n", "2: approval.required: found 0; expected a number of at least 1"),
        (AGENT + "limits: {max_calls: 1.5}\n", "2: limits.max_calls: found 1.5; expected a whole number"),
        (AGENT + "limits: {money_per_run: .inf}\n", "2: limits.money_per_run: found .inf; expected a "),
        (AGENT + "limits: {max_calls: true}\n", "2: limits.max_calls: found true; expected a whole number"),
        (AGENT + "approval: {allow_requester: 'yes'}\n", "2: approval.allow_requester: found 'yes'; expected true or"),
    ],
)
def test_a_problem_is_told_with_its_place_and_what_was_expected(text: str, complaint: str) -> None:
    assert complaint_of(text).startswith(complaint)


def test_a_command_of_several_words_must_have_as_many_once_its_variables_are_put_in() -> None:
    text = AGENT + "mcp_servers: {b: {command: 'python ${FILE}'}}\n"
    assert complaint_of(text, FILE="two words") == (
        "2: mcp_servers.b.command: found a command whose words can't be told apart once its variables are expanded; "
        "expected one word, and the others under args"
    )


def test_timeouts_in_two_places_must_agree() -> None:
    text = AGENT + "orchestrator: {timeout: {orchestrator_timeout_seconds: 5}}\n"
    assert "found a different time than under timeout_settings" in complaint_of(
        text + "timeout_settings: {orchestrator_timeout_seconds: 6}\n"
    )


def test_final_presentation_in_two_places_must_agree() -> None:
    text = AGENT + "orchestrator: {final_presentation: adopt, coordination: {final_presentation: present}}\n"
    assert complaint_of(text).startswith("2: orchestrator.final_presentation: found a different final_presentation")


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("${KEY}", "1: agents[0].id: found ${KEY}, which is not set; expected the variable KEY to be set"),
        ("${EMPTY}", "1: agents[0].id: found ${EMPTY}, which is empty; expected the variable EMPTY to be set"),
        ("${}", "1: agents[0].id: found ${ without the name of a variable; expected ${NAME} or ${NAME:-default}"),
        ("${two words}", "1: agents[0].id: found ${ without the name of a variable; "),
        ("a${b", "1: agents[0].id: found ${ without the name of a variable; "),
    ],
)
def test_a_variable_that_can_not_be_put_in_is_named_with_its_place(written: str, complaint: str) -> None:
    text = f'agents: [{{id: "{written}", backend: {{type: ollama, model: m}}}}]\n'
    assert complaint_of(text, EMPTY="").startswith(complaint)


def test_a_variable_that_is_no_text_is_named_and_not_shown() -> None:
    text = 'agents: [{id: "${BYTES}", backend: {type: ollama, model: m}}]\n'
    assert complaint_of(text, BYTES="can\udcffary").startswith("1: agents[0].id: found bytes in the variable BYTES")


@pytest.mark.unmeasured
def test_variables_can_not_blow_a_configuration_up() -> None:
    text = AGENT.replace("type", "system_prompt: " + repr("${BIG}" * 100) + ", type")
    assert "found variables with more than 1,000,000 characters in total" in complaint_of(text, BIG="x" * 100_000)


def test_many_problems_end_in_a_count() -> None:
    diagnostics = complaints_of(AGENT + "".join(f"key{number}: 1\n" for number in range(5000)))
    assert len(diagnostics) == 201
    assert diagnostics[-1] == "ops.yaml: and 4,800 more problems"


def test_a_files_name_stays_on_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("", origin="a\nb.yaml", environ={})
    assert caught.value.diagnostics[0].startswith("a\\nb.yaml:1: ")


def test_a_file_that_is_not_there_or_no_text_is_said_so(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"agents:\n  \xff\xfe\n")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 300_000)
    for path, expected in (
        (tmp_path / "no.yaml", "no.yaml: found no such file; expected a configuration file"),
        (tmp_path, ": found a file that can't be read; expected a configuration file"),
        (binary, "binary.yaml:2: found bytes that are not valid UTF-8; expected a text file"),
        (huge, "huge.yaml:1: found more than 256 kB; expected a smaller file"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert str(caught.value).endswith(expected)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (
            'base_url: "${THE_ADDRESS_OF_THE_SERVER}"',
            "the value of THE_ADDRESS_OF_THE_SERVER (14 characters); expected",
        ),
        ('base_url: "${BOX}/v1"', "a text with BOX (6 characters); expected an address"),
        ('base_url: "${BOX}:${PORT}"', "the value of BOX and PORT (10 characters); expected an address"),
        ('type: "${BOX}"', "the value of BOX (3 characters) as the backend type; expected openai"),
        ('base_url: http://x, temperature: "${BOX}"', "the value of BOX (3 characters); expected a number"),
    ],
)
def test_a_wrong_value_of_a_variable_is_told_by_its_name_and_its_length(keys: str, found: str) -> None:
    environ = {"THE_ADDRESS_OF_THE_SERVER": "localhost:8000", "BOX": "mad", "PORT": "secret"}
    with pytest.raises(ConfigError) as refused:
        parse(f"agents: [{{backend: {{model: m, {keys}}}}}]\n", origin="ops.yaml", environ=environ)
    assert f"found {found}" in str(refused.value)
    assert all(value not in str(refused.value) for value in environ.values())


@pytest.mark.parametrize("hidden", ["\x01", "\u202e", "\u200b", "\U000e0041"])
def test_a_hidden_character_is_named_once_and_read_as_part_of_the_text_by_nobody_who_shows_it(hidden: str) -> None:
    """A card or a terminal names such characters itself, and marks text that looks like one of its names."""
    text = f"agents: [{{backend: {{type: ollama, model: m, {json.dumps('a' + hidden + 'b')}: 1}}}}]\n"
    with pytest.raises(ConfigError) as caught:
        parse(text, origin="ops.yaml", environ={})
    (complaint,) = caught.value.diagnostics
    assert hidden not in complaint
    assert visible(complaint) == complaint
