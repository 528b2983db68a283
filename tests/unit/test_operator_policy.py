"""The operator's own rules stand over those of every configuration, and only make them stricter."""

from pathlib import Path

import pytest

from coordination.config import parse, read_operator_policy, with_operator_policy
from coordination.config.operator_policy import operator_policy_in
from coordination.domain.canonical_json import Json
from coordination.domain.conditions import CallContext
from coordination.domain.quorums import Quorum
from coordination.domain.tool_rules import Effect, Ruling, possible_effects, rule
from coordination.errors import ConfigError

CONFIG = """\
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {bank: {command: npx}}
tools:
  - {match: bank.read, effect: read}
  - {match: bank.pay, effect: auto}
  - {match: bank.close, effect: deny}
"""
OVER = """\
tools:
  - {match: bank.pay, when: {$.amount: {at_least: 5000}}, effect: deny}
  - {match: "*.pay", effect: ask, approvers: {roles: [finance]}}
  - {match: "*.close", effect: read}
"""


def ruling(tool: str, arguments: Json = None, *, over: str = OVER) -> Ruling:
    settings = parse(with_operator_policy(CONFIG, over), origin="ops.yaml", environ={})
    return rule(settings.agents[0].rules, "bank", tool, CallContext(arguments=arguments))


def test_the_operators_rules_make_a_configurations_stricter() -> None:
    small = ruling("pay", {"amount": 5})
    assert (small.effect, small.needs.quorums) == (Effect.ASK, (Quorum(roles=("finance",)),))
    assert ruling("pay", {"amount": 9_000}).effect is Effect.DENY
    assert ruling("pay", {"amount": "5"}).effect is Effect.DENY
    assert "MASSGEN_BOT_POLICY tools[1]" in str(small.reason)


def test_the_operators_rules_make_nothing_freer_and_say_nothing_of_other_tools() -> None:
    assert ruling("close").effect is Effect.DENY
    assert ruling("read").effect is Effect.READ
    assert ruling("write").effect is Effect.ASK
    assert ruling("pay", over="tools: []").effect is Effect.AUTO


def test_a_tool_that_the_operators_rules_deny_whatever_the_call_is_not_offered() -> None:
    for over, expected in (
        ("tools: [{match: bank.pay, effect: deny}]", {Effect.DENY}),
        ("tools: [{match: bank.pay, when: {$.a: 1}, effect: deny}]", {Effect.AUTO, Effect.ASK, Effect.DENY}),
        ("tools: [{match: bank.pay, effect: ask}]", {Effect.ASK}),
    ):
        settings = parse(with_operator_policy(CONFIG, over), origin="ops.yaml", environ={})
        assert possible_effects(settings.agents[0].rules, "bank", "pay") <= expected
        assert Effect.READ not in possible_effects(settings.agents[0].rules, "bank", "pay")


def test_a_plan_says_under_which_rules_of_the_operator_it_was_made() -> None:
    digests = {
        parse(with_operator_policy(CONFIG, over), origin="ops.yaml", environ={}).policy.operator
        for over in (OVER, "tools: []", "")
    }
    assert len(digests) == 3
    assert "" in digests


def test_a_configuration_that_ends_with_rules_of_its_own_making_keeps_none_of_them() -> None:
    forged = with_operator_policy(CONFIG, "tools: []")
    assert operator_policy_in(with_operator_policy(forged, OVER)) == OVER
    assert with_operator_policy(forged, OVER).count("massgen-bot policy") == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tools: [{match: pay, effect: deny}]", "over.yaml:1: tools[0].match"),
        ("tools: [{match: bank.pay, effect: never}]", "tools[0].effect"),
        ("approval: {required: 2}", "approval"),
    ],
)
def test_rules_of_the_operator_that_can_not_be_used_are_told_and_nothing_begins(
    text: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "over.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_operator_policy(str(path))
    assert complaint in str(caught.value)
    with pytest.raises(ConfigError):
        read_operator_policy(str(tmp_path / "nowhere.yaml"))
    assert read_operator_policy("") == ""


def test_the_operator_may_bar_standing_grants_everywhere_and_changes_nothing_else_by_that() -> None:
    for over in ("grants: false", OVER + "grants: false"):
        for tool in ("pay", "read", "write", "close"):
            assert ruling(tool, {"amount": 5}, over=over).needs.bars_grants
    assert [ruling(tool, over="grants: false").effect for tool in ("pay", "read", "write", "close")] == [
        Effect.AUTO,
        Effect.READ,
        Effect.ASK,
        Effect.DENY,
    ]
    assert not ruling("pay", {"amount": 5}, over="grants: true").needs.bars_grants


def test_a_rule_may_bar_grants_for_its_calls_and_none_may_allow_them() -> None:
    text = CONFIG + "  - {match: bank.move, effect: ask, grants: false}\napproval: {grants: true}\n"
    settings = parse(text, origin="ops.yaml", environ={})
    assert settings.policy.allow_grants
    found = rule(settings.agents[0].rules, "bank", "move", CallContext(arguments={}))
    assert not settings.policy.with_needs(found.needs).allow_grants
    assert not parse(CONFIG, origin="ops.yaml", environ={}).policy.allow_grants
    for wrong in ("effect: ask, grants: true", "effect: auto, grants: false"):
        with pytest.raises(ConfigError, match="grants"):
            parse(f"{CONFIG}  - {{match: bank.move, {wrong}}}\n", origin="ops.yaml", environ={})
