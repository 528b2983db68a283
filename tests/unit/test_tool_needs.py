"""What a rule of a configuration asks for beside that people are asked: read from the file, and held against the tools."""

import pytest

from coordination.config import Settings, hidden_rules, parse, unmatched_rules
from coordination.domain.canonical_json import Json
from coordination.domain.conditions import CallContext
from coordination.domain.quorums import NOTHING, Needs, Quorum
from coordination.domain.tool_rules import Effect, Ruling, both, rule
from coordination.errors import ConfigError
from coordination.text import Text
from tests.builders import a_definition

FINANCE, BOARD = Quorum(roles=("finance",)), Quorum(roles=("board",))
SMALL = "  - {match: bank.pay, when: {$.amount: {at_most: 100}}, effect: ask, approvers: {roles: [finance]}}\n"
LARGE = "  - {match: bank.pay, effect: ask, approvers: [{roles: [finance]}, {roles: [board]}], per_plan: 3}\n"


def settings_of(tools: str) -> Settings:
    text = (
        "agents: [{id: scout, backend: {type: ollama, model: m}}]\nmcp_servers: {bank: {command: npx}}\n"
        f"tools:\n{tools}"
    )
    return parse(text, origin="ops.yaml", environ={})


def ruling(tools: str, arguments: Json = None) -> Ruling:
    (agent,) = settings_of(tools).agents
    return rule(agent.rules, "bank", "pay", CallContext(arguments=arguments))


def test_a_rule_says_whose_approval_its_calls_need() -> None:
    assert ruling(SMALL + LARGE, {"amount": 5}).needs == Needs(quorums=(FINANCE,))
    assert ruling(SMALL + LARGE, {"amount": 500}).needs == Needs(quorums=(BOARD, FINANCE), per_plan=(("bank.pay", 3),))
    assert ruling("  - {match: bank.pay, effect: ask}", {}).needs == NOTHING


def test_of_rules_that_can_not_be_judged_all_is_needed_that_would_be_either_way() -> None:
    either = ruling(SMALL + LARGE, {"amount": "5"})
    assert (either.effect, either.needs.quorums) == (Effect.ASK, (BOARD, FINANCE))
    automatic = "  - {match: bank.pay, when: {$.amount: {at_most: 5}}, effect: auto}\n"
    assert ruling(automatic + LARGE, {}).needs.quorums == (BOARD, FINANCE)
    assert ruling(SMALL, {}).needs.quorums == (FINANCE,)
    assert ruling(SMALL, {"amount": 500}).needs == NOTHING


def test_every_key_becomes_a_need() -> None:
    rules = (
        "  - {match: bank.pay, effect: ask, approvers: {users: [U1, U2], required: 2}, expires: 1h30m, requester: false, "
        "author: false, per_plan: 2, per_day: 9, requires_read: '$.account'}"
    )
    assert ruling(rules).needs == Needs(
        quorums=(Quorum(users=("U1", "U2"), required=2),),
        expires_after=5_400,
        bars_requester=True,
        bars_author=True,
        per_plan=(("bank.pay", 2),),
        per_day=(("bank.pay", 9),),
        read_first=("$.account",),
    )
    twice = "  - {match: bank.pay, effect: ask, approvers: [{roles: [finance]}, {roles: [finance]}]}"
    assert ruling(twice).needs.quorums == (Quorum(roles=("finance",), required=2),)


@pytest.mark.parametrize("channel", ["1417773298309136445", "C0123456789"])
def test_the_channel_of_some_approvers_is_kept_as_it_is_written(channel: str) -> None:
    (quorum,) = ruling(
        f"  - {{match: bank.pay, effect: ask, approvers: {{roles: [finance], channel: {channel}}}}}"
    ).needs.quorums
    assert quorum.channels == (channel,)


def test_calls_of_rules_with_other_conditions_are_counted_apart() -> None:
    names = {
        ruling(f"  - {{match: bank.pay, when: {{$.amount: {amount}}}, effect: ask, per_plan: 1}}").needs.per_plan[0][0]
        for amount in (1, 2)
    }
    assert len(names) == 2


def test_of_two_rulings_the_stricter_effect_and_all_needs_are_left() -> None:
    lax = Ruling(effect=Effect.AUTO, reason=Text("then"), says="pays", needs=Needs(quorums=(FINANCE,)))
    strict = Ruling(effect=Effect.ASK, reason=Text("now"), needs=Needs(quorums=(BOARD,)))
    together = Ruling(effect=Effect.ASK, reason=Text("now"), says="pays", needs=Needs(quorums=(BOARD, FINANCE)))
    assert both(lax, strict) == together
    assert both(strict, lax) == together


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (
            "effect: auto, approvers: {roles: [ops]}",
            "approvers: found approvers beside effect: auto; expected effect: ask with it",
        ),
        ("effect: read, per_day: 1", "per_day: found per_day beside effect: read; expected effect: ask or auto"),
        ("effect: deny, per_plan: 1", "per_plan: found per_plan beside effect: deny; expected effect: ask or auto"),
        ("effect: read, requires_read: $.a", "requires_read: found requires_read beside effect: read"),
        ("effect: ask, requires_read: path", "requires_read: found 'path'; expected the path of an argument"),
        ("effect: ask, requires_read: $", "requires_read: found '$'; expected the path of an argument"),
        ("effect: ask, requester: true", "requester: found requester: true, but a rule can only forbid that"),
        ("effect: ask, approvers: [ops]", "approvers[0]: found a text; expected a mapping with roles or users"),
        ("effect: ask, approvers: ops", "approvers: found a text; expected a list"),
        ("effect: ask, approvers: [{roles: [a]}, {}]", "approvers[1]: found an entry that names nobody"),
        ("effect: ask, approvers: {role: [a]}", "approvers.role: found the unknown key role"),
        ("effect: ask, approvers: {roles: [a], required: 0}", "required: found 0; expected a number of at least 1"),
        (
            "effect: ask, approvers: [{roles: [a], channel: '#pay'}]",
            "approvers[0].channel: found '#pay'; expected the id of a channel in Discord (17 to 20 digits) or Slack",
        ),
        (
            "effect: ask, approvers: {required: 2, channel: C012345}",
            "channel: found a channel without roles or users; expected roles",
        ),
        ("effect: ask, expires: soon", "expires: found 'soon'; expected a time"),
        (
            "effect: ask, approvers: {users: [U1], required: 2}",
            "approvers: found 2 approvals of different people, and 1 user who may give one",
        ),
        (
            "effect: ask, approvers: [{users: [U1]}, {users: [U1]}]",
            "approvers: found 2 approvals of different people, and 1 user who may give one",
        ),
    ],
)
def test_what_makes_no_sense_is_told_by_its_place(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(f"  - {{match: bank.pay, {keys}}}")
    assert complaint in str(caught.value)


def test_what_must_be_read_first_is_an_argument_of_the_tool() -> None:
    tool = a_definition("pay", server="bank", amount="number")
    right = settings_of("  - {match: bank.pay, effect: ask, requires_read: $.amount}")
    assert unmatched_rules(right, [tool]) == []
    (line,) = unmatched_rules(settings_of("  - {match: bank.pay, effect: ask, requires_read: $.amuont}"), [tool])
    assert line.startswith("ops.yaml:4: tools[0].requires_read: found the path $.amuont")


def test_a_rule_that_asks_the_same_of_nobody_new_is_hidden_only_if_it_would_say_something_else() -> None:
    tool = a_definition("pay", server="bank", amount="number")
    (line,) = hidden_rules(settings_of("  - {match: bank.*, effect: ask}\n" + LARGE), [tool])
    assert line.startswith("ops.yaml:5: tools[1]: found a rule that never applies")
    assert hidden_rules(settings_of(LARGE + LARGE), [tool]) == []
