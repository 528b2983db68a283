"""Every way to say what may be done with a tool comes to the same rules."""

from collections.abc import Sequence

import pytest

from coordination.config import Settings, parse, unmatched_rules
from coordination.domain.tool_rules import Effect, Ruling, rule
from coordination.ports import ToolDefinition
from coordination.text import Text

TOOLS = ("read_all", "read_one", "post", "burn")


def settings_of(*, agent: str = "", server: str = "", tools: str = "[]") -> Settings:
    text = f"""
agents:
  - id: scout
    backend: {{type: ollama, model: m, {agent}}}
mcp_servers:
  board: {{command: npx, {server}}}
  my__files: {{command: npx}}
tools: {tools}
"""
    return parse(text, origin="ops.yaml", environ={})


def ruling(settings: Settings, tool: str, *, server: str = "board") -> Ruling:
    (agent,) = settings.agents
    return rule(agent.rules, server, tool)


def effects(settings: Settings, *, server: str = "board") -> dict[str, Effect]:
    return {tool: ruling(settings, tool, server=server).effect for tool in TOOLS}


def definitions(*names: str) -> Sequence[ToolDefinition]:
    return [
        ToolDefinition(server=server, tool=tool, description="", input_schema={}, digest=name)
        for name in names
        for server, _, tool in [name.partition(".")]
    ]


def test_without_rules_everything_is_asked_about() -> None:
    assert set(effects(settings_of()).values()) == {Effect.ASK}


def test_the_first_rule_that_fits_decides_and_says_where_it_stands() -> None:
    settings = settings_of(tools="[{match: board.read_*, effect: read}, {match: '*', effect: deny}]")
    assert ruling(settings, "read_all") == Ruling(effect=Effect.READ, reason=Text("tools[0]: board.read_*"))
    assert ruling(settings, "post") == Ruling(effect=Effect.DENY, reason=Text("tools[1]: *"))


@pytest.mark.parametrize("match", ["board.post", "mcp__board__post", "*.post", "b*.p?st"])
def test_a_rule_may_be_written_in_both_spellings(match: str) -> None:
    settings = settings_of(tools=f"[{{match: '{match}', effect: auto}}]")
    assert effects(settings) == {
        "read_all": Effect.ASK,
        "read_one": Effect.ASK,
        "post": Effect.AUTO,
        "burn": Effect.ASK,
    }


@pytest.mark.parametrize(
    ("rule", "is_told"),
    [("board.pots", False), ("b*.pots", False), ("*.pots", False), ("my__files.pots", True), ("m*.pots", True)],
)
def test_a_rule_that_may_fit_a_tool_of_an_absent_server_is_no_mistake_yet(rule: str, *, is_told: bool) -> None:
    settings = settings_of(tools=f"[{{match: '{rule}', effect: auto}}]")
    there = definitions("my__files.post")
    assert bool(unmatched_rules(settings, there, absent=("board",))) is is_told
    assert unmatched_rules(settings, there)


def test_a_name_in_a_servers_own_list_waits_for_that_server_alone() -> None:
    settings = settings_of(server="allowed_tools: [pots]")
    assert unmatched_rules(settings, definitions("my__files.post"), absent=("board",)) == []
    assert unmatched_rules(settings, definitions("board.post"), absent=("my__files",))


def test_a_server_whose_name_has_the_separator_in_it_is_still_found() -> None:
    settings = settings_of(tools="[{match: mcp__my__files__post, effect: read}]")
    assert ruling(settings, "post", server="my__files").effect is Effect.READ


@pytest.mark.parametrize("name", ["burn", "board.burn", "mcp__board__burn", "b*.burn", "bur?"])
@pytest.mark.parametrize("key", ["exclude_tools", "disallowed_tools"])
def test_an_excluded_tool_is_denied_whatever_the_rules_say(name: str, key: str) -> None:
    settings = settings_of(agent=f"{key}: ['{name}']", tools="[{match: 'board.*', effect: auto}]")
    assert effects(settings) == dict.fromkeys(TOOLS, Effect.AUTO) | {"burn": Effect.DENY}
    assert ruling(settings, "burn").reason.startswith("exclude_tools of agent scout: ")


def test_a_servers_own_exclusion_is_of_that_server_alone() -> None:
    settings = settings_of(server="exclude_tools: [burn]")
    assert ruling(settings, "burn").effect is Effect.DENY
    assert ruling(settings, "burn", server="my__files").effect is Effect.ASK


@pytest.mark.parametrize("name", ["post", "board.post", "mcp__board__post"])
def test_what_an_agents_list_leaves_out_is_denied_and_what_it_has_is_judged_by_the_rules(name: str) -> None:
    settings = settings_of(agent=f"allowed_tools: [{name}, read_all]", tools="[{match: board.read_*, effect: read}]")
    assert effects(settings) == {
        "read_all": Effect.READ,
        "read_one": Effect.DENY,
        "post": Effect.ASK,
        "burn": Effect.DENY,
    }
    assert ruling(settings, "burn", server="my__files").effect is Effect.DENY
    assert ruling(settings, "burn").reason == "not among allowed_tools of agent scout: *"


def test_what_a_servers_list_leaves_out_is_denied_on_that_server_alone() -> None:
    settings = settings_of(server="allowed_tools: [mcp__board__read_all]")
    assert effects(settings) == dict.fromkeys(TOOLS, Effect.DENY) | {"read_all": Effect.ASK}
    assert set(effects(settings, server="my__files").values()) == {Effect.ASK}


def test_a_list_of_nothing_allows_nothing() -> None:
    assert set(effects(settings_of(agent="allowed_tools: []")).values()) == {Effect.DENY}


def test_a_list_of_claude_codes_own_tools_says_nothing_of_mcp() -> None:
    settings = settings_of(agent="allowed_tools: [Read, Bash, WebSearch]")
    assert set(effects(settings).values()) == {Effect.ASK}
    mixed = settings_of(agent="allowed_tools: [Read, mcp__board__post]")
    assert effects(mixed) == dict.fromkeys(TOOLS, Effect.DENY) | {"post": Effect.ASK}


def test_rules_and_names_that_fit_no_tool_are_complained_of_once_the_tools_are_known() -> None:
    settings = settings_of(
        agent="exclude_tools: [brun, mcp__board__burn], allowed_tools: [board.pots, burn]",
        server="exclude_tools: [read_two]",
        tools="[{match: board.raed_all, effect: read}, {match: 'board.*', effect: read}]",
    )
    found = unmatched_rules(settings, definitions("board.read_all", "board.post", "board.burn"))
    wanted = "which matches no tool; expected a tool that the servers have; did you mean"
    assert found == [
        f"ops.yaml:4: agents[0].backend.allowed_tools[0]: found 'board.pots', {wanted} board.post?",
        f"ops.yaml:4: agents[0].backend.exclude_tools[0]: found 'brun', {wanted} burn?",
        f"ops.yaml:6: mcp_servers.board.exclude_tools[0]: found 'read_two', {wanted} board.read_all?",
        f"ops.yaml:8: tools[0].match: found 'board.raed_all', {wanted} board.read_all?",
    ]


def test_a_ban_over_every_server_may_fit_nothing() -> None:
    settings = settings_of(tools="[{match: '*.delete_*', effect: deny}, {match: '*.list_*', effect: read}]")
    (complaint,) = unmatched_rules(settings, definitions("board.post"))
    assert complaint.startswith("ops.yaml:8: tools[1].match: found '*.list_*', which matches no tool")


def test_rules_that_fit_are_not_complained_of() -> None:
    settings = settings_of(agent="exclude_tools: [burn]", tools="[{match: mcp__board__read_*, effect: read}]")
    assert unmatched_rules(settings, definitions("board.read_all", "board.burn", "my__files.x")) == []
