"""What a good configuration comes to: the values of a run."""

from pathlib import Path

import pytest

from coordination.config import Settings, load, parse
from coordination.domain.tool_rules import Effect, rule
from coordination.errors import ConfigError
from coordination.run_options import DailyLimits, RunOptions

SMALL = """
agents:
  - id: scout
    system_message: Look first.
    backend: {type: ollama, model: qwen3}
"""


def settings_of(text: str, *, origin: str = "ops.yaml", **environ: str) -> Settings:
    return parse(text, origin=origin, environ=environ)


def with_server(server: str, *, more: str = "") -> str:
    return f"agents:\n  - backend: {{type: ollama, model: m}}\nmcp_servers:\n  board: {{{server}}}\n{more}"


def test_the_smallest_configuration_has_every_default() -> None:
    profile = settings_of(SMALL).profile()
    assert profile.options == RunOptions()
    assert profile.policy.required == 1
    assert profile.policy.expires_after == 86_400
    (agent,) = profile.agents
    assert (agent.number, agent.id, agent.system_message) == (1, "scout", "Look first.")
    assert agent.rules == ()
    assert profile.servers == ()


def test_every_knob_is_where_the_documentation_says() -> None:
    text = (
        SMALL
        + """
orchestrator:
  voting_sensitivity: strict
  answer_novelty_requirement: strict
  max_new_answers_per_agent: 4
  max_new_answers_global: 9
  defer_voting_until_all_answered: false
  consensus: majority
  max_tool_rounds: 7
  max_midstream_updates: 0
  timeout: {orchestrator_timeout_seconds: 100, initial_round_timeout_seconds: 2.5}
  coordination: {final_presentation: present, planning_mode_instruction: " Think twice. "}
timeout_settings: {subsequent_round_timeout_seconds: 3, orchestrator_timeout_seconds: 100}
limits: {tokens_per_run: 1000, max_calls: 5, max_answer_characters: 200}
"""
    )
    assert settings_of(text).profile().options == RunOptions(
        max_new_answers_per_agent=4,
        max_new_answers_global=9,
        voting_sensitivity="strict",
        answer_novelty_requirement="strict",
        orchestrator_timeout_seconds=100,
        initial_round_timeout_seconds=2.5,
        subsequent_round_timeout_seconds=3,
        max_tool_rounds=7,
        max_midstream_updates=0,
        max_calls=5,
        max_answer_characters=200,
        defer_voting=False,
        consensus="majority",
        final_presentation="present",
        planning_instruction="Think twice.",
        budget_tokens=1000,
    )


def test_an_unlimited_number_of_answers_is_still_bounded() -> None:
    text = SMALL + "orchestrator: {max_new_answers_per_agent: null}\n"
    assert settings_of(text).options.max_new_answers_per_agent == 100


def test_planning_mode_off_is_accepted_with_a_warning_and_changes_nothing() -> None:
    settings = settings_of(SMALL + "orchestrator: {coordination: {enable_planning_mode: false}}\n")
    (warning,) = settings.warnings
    assert "agents always plan first" in warning
    assert warning.startswith("ops.yaml:6: orchestrator.coordination.enable_planning_mode: ")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ("30m", 1800), ("24h", 86_400), ("1h30m", 5400), ("2d", 172_800), ("'45s'", 45)],
)
def test_a_time_may_be_written_in_several_ways(written: str, seconds: int) -> None:
    assert settings_of(SMALL + f"approval: {{expires_after: {written}}}\n").policy.expires_after == seconds


def test_the_platform_decides_about_the_requester_where_the_file_says_nothing() -> None:
    silent = settings_of(SMALL)
    assert silent.allow_requester is None
    assert silent.profile(allow_requester_default=True).policy.allow_requester is True
    assert silent.profile(allow_requester_default=False).policy.allow_requester is False


@pytest.mark.parametrize("allowed", [True, False])
def test_what_the_file_says_about_the_requester_holds_on_every_platform(*, allowed: bool) -> None:
    spoken = settings_of(SMALL + f"approval: {{allow_requester: {str(allowed).lower()}}}\n")
    assert spoken.profile(allow_requester_default=not allowed).policy.allow_requester is allowed


@pytest.mark.parametrize("channel", ["1417773298309136445", "C0123456789"])
def test_a_channel_of_approvals_is_named_by_its_id_as_it_is_written(channel: str) -> None:
    policy = settings_of(SMALL + f"approval: {{channel: {channel}}}\n").policy
    assert (policy.approvals_channel, policy.shows_private) == (channel, False)
    of_rule = f"approvers: {{roles: [finance], channel: {channel}}}"
    rule = f"tools: [{{match: '*', effect: ask, {of_rule}}}]\napproval: {{channel_shows_private: true}}\n"
    assert settings_of(SMALL + rule).policy.shows_private
    more = settings_of(SMALL + f"approval: {{channel: {channel}, channel_shows_private: true}}\n").policy
    assert more.shows_private


def test_ids_of_people_and_roles_keep_every_digit_however_they_are_written() -> None:
    text = SMALL + "approval: {approvers: {users: [1417773298309136445, 007], roles: [ops, 12]}}\n"
    policy = settings_of(text).policy
    assert policy.users == ("1417773298309136445", "007")
    assert policy.roles == ("ops", "12")


def test_one_agent_may_stand_alone() -> None:
    (agent,) = settings_of("agent: {backend: {type: ollama, model: m}}\n").agents
    assert (agent.number, agent.id) == (1, "agent1")


def test_the_order_of_the_file_numbers_the_agents() -> None:
    backend = "backend: {type: ollama, model: m}"
    agents = settings_of(f"agents: [{{id: z, {backend}}}, {{id: a, {backend}}}, {{{backend}}}]\n").agents
    assert [(agent.number, agent.id) for agent in agents] == [(1, "z"), (2, "a"), (3, "agent3")]


def test_what_massgen_says_in_three_places_the_agent_is_told_in_one_text() -> None:
    text = """
agents:
  - system_message: second
    backend: {type: ollama, model: m, system_prompt: first, append_system_prompt: third}
"""
    assert settings_of(text).agents[0].system_message == "first\n\nsecond\n\nthird"


def test_a_server_gets_the_values_of_the_environment_and_its_identity_none_of_them() -> None:
    text = with_server(
        'command: npx, args: ["-y", "x", "--key", "${KEY}"], env: {TOKEN: "t-${KEY}", DEBUG: true, PORT: 0080}'
    )
    (server,) = settings_of(text, KEY="canary").servers
    assert server.transport == "stdio"
    assert server.args == ("-y", "x", "--key", "canary")
    assert server.env == (("TOKEN", "t-canary"), ("DEBUG", "true"), ("PORT", "0080"))
    assert server.identity == '{"args":["-y","x","--key","${KEY}"],"command":"npx","env":["DEBUG","PORT","TOKEN"]}'


def test_a_server_with_a_url_is_reached_over_http() -> None:
    text = with_server('url: "https://mcp.example/mcp", headers: {Authorization: "Bearer ${KEY}"}, call_timeout: 5')
    (server,) = settings_of(text, KEY="canary").servers
    assert (server.transport, server.url, server.call_timeout) == ("http", "https://mcp.example/mcp", 5.0)
    assert server.headers == (("Authorization", "Bearer canary"),)
    assert server.identity == '{"headers":["Authorization"],"url":"https://mcp.example/mcp"}'


@pytest.mark.parametrize(
    "server",
    [
        'command: ["python", "-m", "world"]',
        "command: python, args: [-m, world]",
        "command: python -m world",
        "type: stdio, command: [python, -m], args: [world]",
    ],
)
def test_a_command_may_be_written_in_massgens_ways(server: str) -> None:
    (spec,) = settings_of(with_server(server)).servers
    assert (spec.command, spec.args) == ("python", ("-m", "world"))


def test_a_path_with_blanks_from_a_variable_stays_one_command() -> None:
    (spec,) = settings_of(with_server('command: "${PY}"'), PY="/opt/my python/bin/python").servers
    assert spec.command == "/opt/my python/bin/python"


def test_relative_paths_begin_at_the_file(tmp_path: Path) -> None:
    text = with_server("command: ./tools/server, cwd: data") + "tools: []\n"
    (spec,) = settings_of(text, origin=str(tmp_path / "ops.yaml")).servers
    assert spec.command == str(tmp_path / "tools/server")
    assert spec.cwd == str(tmp_path / "data")
    script = "agent: {backend: {script_file: scripts/one.yaml}}\n"
    backend = settings_of(script, origin=str(tmp_path / "ops.yaml")).agents[0].backend
    assert backend.script_file == tmp_path / "scripts/one.yaml"


def test_a_bare_command_is_left_for_the_path() -> None:
    (spec,) = settings_of(with_server("command: npx")).servers
    assert spec.command == "npx"
    assert spec.cwd is None


def test_trust_in_hints_and_timeouts_are_per_server() -> None:
    (spec,) = settings_of(with_server("command: x, start_timeout: 3, timeout: 4")).servers
    assert (spec.start_timeout, spec.call_timeout) == (3.0, 4.0)


def test_a_server_is_needed_unless_it_says_that_it_is_optional() -> None:
    """Its identity, which is in every plan, does not depend on that."""
    (needed,) = settings_of(with_server("command: x")).servers
    (optional,) = settings_of(with_server("command: x, optional: true")).servers
    assert (needed.is_optional, optional.is_optional) == (False, True)
    assert optional.identity == needed.identity


def test_the_same_server_written_for_two_agents_is_one() -> None:
    backend = "backend: {type: ollama, model: m, mcp_servers: %s}"
    first = backend % "[{name: board, type: stdio, command: npx, args: [x], env: {T: '${T}'}}]"
    second = backend % "{board: {command: npx, args: [x], env: {T: '${T}'}, security: {level: high}}}"
    settings = settings_of(f"agents: [{{{first}}}, {{{second}}}]\n", T="t")
    assert [server.name for server in settings.servers] == ["board"]
    assert [agent.servers for agent in settings.agents] == [settings.servers, settings.servers]


def test_two_agents_with_tokens_of_their_own_have_servers_of_their_own_under_the_same_rules() -> None:
    backend = "backend: {type: ollama, model: m, exclude_tools: [mcp__board__burn], mcp_servers: {board: %s}}"
    first, second = (backend % f"{{command: npx, env: {{T: '${{{name}}}'}}}}" for name in ("ONE", "TWO"))
    text = f"agents: [{{{first}}}, {{{second}}}]\ntools: [{{match: board.read_*, effect: read}}]\n"
    # The same value in both variables: what a server is called must not depend on the environment.
    settings = settings_of(text, ONE="same", TWO="same")
    assert [server.name for server in settings.servers] == ["board", "board_2"]
    assert settings.servers[0].identity == settings.servers[1].identity
    assert "board_2" in "".join(settings.warnings)
    for agent, name in zip(settings.agents, ("board", "board_2"), strict=True):
        rulings = {tool: rule(agent.rules, name, tool).effect for tool in ("read_all", "burn", "post")}
        assert rulings == {"read_all": Effect.READ, "burn": Effect.DENY, "post": Effect.ASK}


def test_two_agents_with_folders_of_their_own_have_servers_of_their_own_that_plans_tell_apart() -> None:
    backend = "backend: {type: ollama, model: m, mcp_servers: {files: {command: npx, args: [fs@1.0.0, %s]}}}"
    settings = settings_of(f"agents: [{{{backend % '/one'}}}, {{{backend % '/two'}}}]\n")
    assert [(server.name, server.args[1]) for server in settings.servers] == [("files", "/one"), ("files_2", "/two")]
    assert settings.servers[0].identity != settings.servers[1].identity
    assert "files_2" in "".join(settings.warnings)


def test_another_server_under_a_known_name_is_an_error() -> None:
    backend = "backend: {type: ollama, model: m, mcp_servers: {board: {command: %s}}}"
    text = f"agents:\n  - {{{backend % 'npx'}}}\n  - {{{backend % 'uvx'}}}\n"
    with pytest.raises(ConfigError) as caught:
        settings_of(text)
    assert caught.value.diagnostics == [
        "ops.yaml:3: agents[1].backend.mcp_servers.board: "
        "found a different server board than in line 2; expected the same server, or another name"
    ]


def test_a_server_of_an_agents_own_does_not_take_a_name_that_is_written_elsewhere() -> None:
    backend = "backend: {type: ollama, model: m, mcp_servers: {board: {command: x, env: {T: %s}}}}"
    text = f"agents: [{{{backend % 'a'}}}, {{{backend % 'b'}}}, {{{backend % 'b'}}}]\n"
    settings = settings_of(text + "mcp_servers: {board_2: {command: other}}\n")
    assert [server.name for server in settings.servers] == ["board_2", "board", "board_3"]
    assert [agent.servers[1].name for agent in settings.agents] == ["board", "board_3", "board_3"]


def test_an_agent_may_repeat_a_shared_server_and_not_change_it() -> None:
    text = """
agents:
  - backend: {type: ollama, model: m, mcp_servers: {board: {command: x, env: {T: %s}}}}
mcp_servers: {board: {command: x, env: {T: a}}}
"""
    settings = settings_of(text % "a")
    assert settings.agents[0].servers == settings.servers
    assert len(settings.servers) == 1
    with pytest.raises(ConfigError, match="found a different server board than in line 4"):
        settings_of(text % "b")


def test_limits_of_runs_and_of_days_reach_the_run() -> None:
    limits = (
        "{money_per_run: 0.5, tokens_per_user_per_day: 10, money_per_tenant_per_day: 2.5, money_per_place_per_day: 1.5, "
        "tokens_per_place_per_day: 7, requests_at_once: 4}"
    )
    settings = settings_of(SMALL + f"limits: {limits}\n")
    profile = settings.profile()
    assert profile.options.budget_money == 0.5
    assert profile.daily == DailyLimits(user_tokens=10, place_tokens=7, place_money=1.5, tenant_money=2.5)
    assert settings.limits.requests_at_once == 4
    assert settings.limits_money
    assert not settings_of(SMALL + "limits: {tokens_per_run: 5}\n").limits_money
    assert settings.warnings == ()


def test_a_backend_may_have_a_price_and_a_second_one_behind_it() -> None:
    text = """
agents:
  - backend:
      {type: ollama, model: m, price: {input: 1, output: 2}, fallback: {type: openai, model: gpt-x, max_tokens: 9}}
"""
    (agent,) = parse(text, origin="ops.yaml", environ={"OPENAI_API_KEY": "k"}).agents
    second = agent.backend.fallback
    assert agent.backend.price is not None
    assert (agent.backend.price.input, agent.backend.price.output) == (1, 2)
    assert second is not None
    assert (second.type, second.model, second.options.output_tokens, second.key_name) == (
        "openai",
        "gpt-x",
        9,
        "OPENAI_API_KEY",
    )


def test_a_fallback_is_told_what_the_first_model_is_told() -> None:
    text = (
        "agents:\n  - backend: {type: ollama, model: m, fallback: {type: vllm, model: n, system_prompt: Be brief.}}\n"
    )
    (warning,) = parse(text, origin="ops.yaml", environ={}).warnings
    assert warning.startswith("ops.yaml:2: agents[0].backend.fallback.system_prompt: has no effect here: a fallback")


@pytest.mark.parametrize(
    ("fallback", "complaint"),
    [
        ("{type: openai}", "agents[0].backend.fallback.model: found nothing"),
        ("{model: gpt-x, temprature: 1}", "agents[0].backend.fallback.temprature: found the unknown key temprature"),
        ("{model: gpt-x, fallback: {model: gpt-y}}", "agents[0].backend.fallback.fallback: found "),
        ("{model: gpt-x, price: {input: 1}}", "agents[0].backend.fallback.price.output: found nothing"),
        ("gpt-x", "agents[0].backend.fallback: found "),
    ],
)
def test_a_wrong_fallback_is_complained_of_like_any_backend(fallback: str, complaint: str) -> None:
    text = f"agents:\n  - backend: {{type: ollama, model: m, fallback: {fallback}}}\n"
    with pytest.raises(ConfigError) as refused:
        parse(text, origin="ops.yaml", environ={"OPENAI_API_KEY": "k"})
    assert any(complaint in each for each in refused.value.diagnostics)


@pytest.mark.parametrize(
    "key", ["rotates", "args", "wrap", "env", "headers", "exclude_tools", "timeout", "elicitation"]
)
def test_an_empty_key_is_as_good_as_none(key: str) -> None:
    assert settings_of(with_server(f"command: x, {key}: ")).servers == settings_of(with_server("command: x")).servers


def test_empty_sections_are_as_good_as_none() -> None:
    keys = ("mcp_servers", "orchestrator", "tools", "approval", "limits", "timeout_settings", "ui")
    settings = settings_of(SMALL + "".join(f"{key}:\n" for key in keys))
    assert (settings.profile(), settings.warnings) == (settings_of(SMALL).profile(), ())


def test_explicit_tags_of_yamls_own_are_followed() -> None:
    text = SMALL.replace("model: qwen3", "model: !!str 5, seed: !!int '7', temperature: !!float 1")
    backend = settings_of(text).agents[0].backend
    assert (backend.model, backend.options.seed, backend.options.temperature) == ("5", 7, 1.0)


def test_shared_servers_come_before_an_agents_own() -> None:
    text = """
agents:
  - backend: {type: ollama, model: m, mcp_servers: {own: {command: o}}}
  - backend: {type: ollama, model: m}
mcp_servers: [{name: shared, command: s}]
"""
    settings = settings_of(text)
    assert [[server.name for server in agent.servers] for agent in settings.agents] == [["shared", "own"], ["shared"]]
    assert [server.name for server in settings.servers] == ["shared", "own"]


def test_aliases_and_merged_mappings_work() -> None:
    text = """
agents:
  - backend: &base {type: ollama, model: one, temperature: 0.5}
  - backend: {<<: *base, model: two}
"""
    first, second = (agent.backend for agent in settings_of(text).agents)
    assert (first.model, second.model) == ("one", "two")
    assert second.options.temperature == 0.5


def test_a_file_is_read_with_its_path_as_origin(tmp_path: Path) -> None:
    path = tmp_path / "ops.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    settings = load(path, {})
    assert settings.origin == str(path)
    assert settings.text == SMALL


def test_without_an_environment_a_default_counts_and_what_is_open_stays_as_written() -> None:
    text = """
agents:
  - id: ${ID}
    backend: {type: openai, model: "${MODEL:-gpt-5-mini}", api_key: "${KEY}", max_tokens: "${MOST}"}
mcp_servers: {board: {command: npx, env: {T: "${T}"}}}
"""
    settings = parse(text, origin="ops.yaml", environ=None)
    (agent,) = settings.agents
    assert (agent.id, agent.backend.model) == ("${ID}", "gpt-5-mini")
    assert agent.backend.api_key is None
    assert agent.backend.key_name == "KEY"
    assert agent.backend.options.max_tokens is None
    assert settings.servers[0].env == (("T", "${T}"),)


def test_without_an_environment_what_can_not_be_judged_is_left_out() -> None:
    text = """
agent: {backend: {type: "${TYPE:-ollama}", model: m, base_url: "${URL}", temperature: "${HEAT}"}}
mcp_servers: {board: {command: x}}
tools: [{match: board.x, effect: "${EFFECT}"}, {match: board.y, effect: read}]
"""
    settings = parse(text, origin="ops.yaml", environ=None)
    assert [rule_.match for rule_ in settings.agents[0].rules] == ["board.y"]
    assert settings.agents[0].backend.base_url == "${URL}"
    assert settings.agents[0].backend.options.temperature is None


APART = """
agents:
  - id: one
    backend: {type: openai, model: "${MODEL}", api_key: "${KEY}", fallback: {type: gemini, model: m}}
mcp_servers: {board: {command: "${COMMAND}", env: {T: "${T}"}}}
"""


def test_where_nobody_works_what_only_models_and_servers_need_may_be_missing() -> None:
    settings = parse(APART, origin="ops.yaml", environ={}, works=False)
    assert [server.name for server in settings.agents[0].servers] == ["board"]
    with pytest.raises(ConfigError):
        parse(APART, origin="ops.yaml", environ={})


@pytest.mark.parametrize(
    "rule",
    [
        'tools: [{match: board.x, effect: "${IT}"}]',
        'approval: {approvers: {roles: ["${IT}"]}}',
        'limits: {money_per_run: "${IT}"}',
        'mcp_servers: {board: {command: x, exclude_tools: ["${IT}"]}}',
    ],
)
def test_where_nobody_works_no_rule_may_be_missing(rule: str) -> None:
    text = f"agent: {{backend: {{type: ollama, model: m}}}}\n{rule}\n"
    text += "" if "mcp_servers" in rule else "mcp_servers: {board: {command: x}}\n"
    with pytest.raises(ConfigError, match="the variable IT to be set"):
        parse(text, origin="ops.yaml", environ={}, works=False)
    parse(text, origin="ops.yaml", environ={"IT": "read" if "effect" in rule else "7"}, works=False)


@pytest.mark.parametrize("written", ["streamable-http", "http", "sse"])
def test_an_address_may_say_its_transport_and_need_not(written: str) -> None:
    server = settings_of(with_server(f'type: {written}, url: "https://mcp.example/sse"')).servers[0]
    assert (server.transport, server.url) == ("http", "https://mcp.example/sse")


def test_a_variable_takes_the_type_of_its_place() -> None:
    text = SMALL.replace("model: qwen3", 'model: qwen3, max_tokens: "${MOST:-500}", api_key: "${KEY:-}"')
    assert settings_of(text).agents[0].backend.options.max_tokens == 500
    assert settings_of(text, MOST="70").agents[0].backend.options.max_tokens == 70
    assert settings_of(text).agents[0].backend.api_key is None


def test_the_characters_themselves_can_be_written() -> None:
    text = SMALL.replace("Look first.", '"Write $${HOME}, not ${X:-y}."')
    assert settings_of(text).agents[0].system_message == "Write ${HOME}, not y."


def test_massgens_cwd_stands_for_the_backends_own() -> None:
    text = """
agent:
  backend:
    type: ollama
    model: m
    cwd: workspace1
    mcp_servers: {files: {command: npx, args: ["${cwd}/in", "${PWD_OF_USER}"]}}
"""
    assert settings_of(text, PWD_OF_USER="/home").servers[0].args == ("workspace1/in", "/home")


def test_a_script_stays_plain_data() -> None:
    text = 'agent: {backend: {type: scripted, script: {turns: [[{say: "hi {prompt}", n: 1, deep: {yes: false}}]]}}}\n'
    backend = settings_of(text).agents[0].backend
    assert backend.script == {"turns": [[{"say": "hi {prompt}", "n": 1, "deep": {"yes": False}}]]}
    assert backend.provider.family == "scripted"


def test_the_keys_of_later_versions_of_massgen_are_taken_or_told_to_have_no_effect() -> None:
    text = """
agents:
  - append_system_prompt: last
    backend: {type: ollama, model: m, append_system_prompt: third, write_mode: auto, enable_multimodal_tools: true}
orchestrator:
  coordination_mode: voting
  max_midstream_injections_per_round: 5
  fairness_enabled: true
  fairness_lead_cap_answers: 2
  coordination: {enable_subagents: true, broadcast: agents}
  timeout: {round_timeout_grace_seconds: 60}
timeout_settings: {round_timeout_grace_seconds: 60}
ui: {theme: dark, layout: grid}
"""
    settings = settings_of(text)
    assert settings.agents[0].system_message == "third\n\nlast"
    assert settings.options.max_midstream_updates == 5
    told = "\n".join(settings.warnings)
    for key in ("write_mode", "enable_multimodal_tools", "fairness_enabled", "fairness_lead_cap_answers", "ui.theme"):
        assert f"{key}: has no effect here: " in told
    assert len(settings.warnings) == 9
    assert settings.options.questions_per_agent == 0


def test_agents_may_ask_people_where_massgens_key_says_so() -> None:
    keys = "broadcast: human, broadcast_sensitivity: high, broadcast_timeout: 60, max_broadcasts_per_agent: 2"
    settings = settings_of(SMALL + f"orchestrator: {{coordination: {{{keys}}}}}\n")
    options = settings.options
    assert (options.questions_per_agent, options.question_timeout_seconds, options.question_sensitivity) == (
        2,
        60,
        "high",
    )
    assert settings.warnings == ()
    assert settings_of(SMALL + "orchestrator: {coordination: {broadcast: false}}\n").options.questions_per_agent == 0


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (
            "max_midstream_updates: 1, max_midstream_injections_per_round: 2",
            "found a different number than under max_mid",
        ),
        ("coordination_mode: decomposition", "found 'decomposition'; expected voting"),
    ],
)
def test_what_would_change_who_speaks_or_says_two_things_is_refused(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        settings_of(SMALL + f"orchestrator: {{{keys}}}\n")
