"""Rules over arguments, over who asked, and over where: what they say of a call, and what of mistakes in them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.config import Settings, hidden_rules, parse, unmatched_rules
from coordination.domain.canonical_json import Json
from coordination.domain.comparisons import Operator
from coordination.domain.conditions import CallContext, Condition
from coordination.domain.policy import Person
from coordination.domain.tool_rules import Effect, Rule, rule, stricter
from coordination.errors import ConfigError
from coordination.ports import ToolDefinition
from tests.builders import a_definition

RITA = Person(tenant="here", id="U1", name="rita", roles=("ops", "oncall"))


def settings_of(tools: str) -> Settings:
    text = f"""
agents: [{{id: scout, backend: {{type: ollama, model: m}}}}]
mcp_servers: {{bank: {{command: npx}}}}
tools:
{tools}
"""
    return parse(text, origin="ops.yaml", environ={"HIGH": "100"})


def effect(tools: str, arguments: Json, *, place: str = "C1", requester: Person = RITA) -> Effect:
    (agent,) = settings_of(tools).agents
    context = CallContext(arguments=arguments, requester=requester, place=place)
    return rule(agent.rules, "bank", "pay", context).effect


PAY = """
  - {match: bank.pay, when: {$.amount: {at_most: 100}, $.currency: {in: [EUR, USD]}}, effect: auto}
  - {match: bank.pay, when: {$.amount: {at_least: 10000}}, effect: deny}
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"amount": 100, "currency": "EUR"}, "auto"),
        ({"amount": 100.0, "currency": "USD"}, "auto"),
        ({"amount": 101, "currency": "EUR"}, "ask"),
        ({"amount": 5, "currency": "eur"}, "ask"),
        ({"amount": 10_000, "currency": "EUR"}, "deny"),
        ({"amount": 10**30, "currency": "EUR"}, "deny"),
        ({"amount": "100", "currency": "EUR"}, "deny"),
        ({"amount": True, "currency": "EUR"}, "deny"),
        ({"currency": "EUR"}, "deny"),
        ({"amount": 5}, "ask"),
        ({}, "deny"),
    ],
)
def test_what_cannot_be_judged_gets_the_stricter_of_what_would_follow(arguments: Json, expected: str) -> None:
    assert effect(PAY, arguments) == expected


def holds(operator: Operator, value: Json, of: Json, about: str = "$.x") -> bool | None:
    return Condition(about=about, operator=operator, value=value).holds(CallContext(arguments={"x": of}))


@pytest.mark.parametrize(
    ("operator", "value", "of", "expected"),
    [
        ("equals", 1, 1.0, True),
        ("equals", 1, True, None),
        ("equals", 1, 2, False),
        ("equals", [1, {"a": None}], [1, {"a": None}], True),
        ("not", "a", "b", True),
        ("in", [1, "a"], "a", True),
        ("not_in", [1, "a"], "a", False),
        ("matches", "release-*", "release-1", True),
        ("matches", ["a", "b?"], "bc", True),
        ("matches", "a*", 5, None),
        ("matches", "[INC]*", "INC", False),
        ("matches", "[INC]*", "[INC] down", True),
        ("matches", "a*", "a\nb", True),
        ("at_least", 5, 5, True),
        ("longest", 3, "abcd", False),
        ("longest", 3, [1, 2], True),
        ("longest", 3, 5, None),
        ("host", "*.example.com", "https://API.example.com:8443/x?y=1", True),
        ("host", "example.com", "https://example.com.evil.org/", False),
        ("host", "*.example.com", "https://evil.org/.example.com", False),
        ("host", "example.com", "https://example.com@evil.org/", None),
        ("host", "example.com", "https://evil.org\\@example.com/", None),
        ("host", "example.com", "https://ex\u0430mple.com/", None),
        ("host", "example.com", "example.com", None),
        ("host", "example.com", "https://example.com./", True),
        ("folder", "/srv/app", "/srv/app/a/b.txt", True),
        ("folder", "/srv/app/", "/srv/app", True),
        ("folder", "/srv/app", "/srv/apple", False),
        ("folder", "/srv/app", "/srv/app/../key", None),
        ("folder", "/srv/app", "/srv/app/%2e%2e/key", None),
        ("folder", "docs", "~/docs", None),
        ("folder", "docs", "docs/a", True),
        ("folder", "docs", "src/a", False),
        ("folder", "C:/docs", "C:/docs/a", True),
        ("folder", "C:/docs", "D:/docs/a", False),
        ("email", "*@example.com", "Ann@Example.com", True),
        ("email", "*@example.com", "ann@example.com.evil.org", False),
        ("email", ["a@x.org", "b@x.org"], "b@x.org", True),
        ("host", "10.*", "http://10.0.0.1/", True),
        ("present", True, 0, True),
        ("present", False, None, None),
        ("present", False, "", False),
    ],
)
def test_a_comparison_holds_fails_or_cannot_be_judged(
    operator: Operator, value: Json, of: Json, expected: bool | None
) -> None:
    assert holds(operator, value, of) is expected


def test_a_path_goes_into_mappings_and_lists() -> None:
    files: Json = [{"path": "/srv/a"}, {"path": "/srv/b"}]
    assert holds("folder", "/srv", files, "$.x[*].path") is True
    assert holds("folder", "/srv", [*files, {"path": "/etc"}], "$.x[*].path") is None
    assert holds("folder", "/opt", files, "$.x[*].path") is False
    assert holds("folder", "/srv", [*files, {}], "$.x[*].path") is None
    assert holds("folder", "/srv", [], "$.x[*].path") is None
    assert holds("present", False, [{"path": "/srv/a"}, {}], "$.x[*].path") is None
    assert holds("present", False, [{}, {}], "$.x[*].path") is True
    assert holds("equals", "/srv/b", files, "$.x[1].path") is True
    assert holds("equals", 1, {"a b": 1}, "$.x['a b']") is True


def test_who_asked_and_where_are_compared_too() -> None:
    tools = """
  - {match: bank.pay, when: {requester.role: {in: [ops]}, place: [C1, C2]}, effect: auto}
  - {match: bank.pay, when: {requester.user: U1}, effect: deny}
"""
    assert effect(tools, {}) == "auto"
    assert effect(tools, {}, place="C3") == "deny"
    assert effect(tools, {}, requester=replace(RITA, roles=("sales",))) == "deny"
    assert effect(tools, {}, requester=replace(RITA, id="U2", roles=())) == "ask"
    barred = "  - {match: bank.pay, when: {requester.role: {not_in: [interns]}}, effect: auto}"
    assert effect(barred, {}) == "auto"
    assert effect(barred, {}, requester=replace(RITA, roles=("ops", "interns"))) == "ask"


def test_nobody_can_say_who_asked_before_anybody_has() -> None:
    about_people = Condition(about="requester.role", operator="in", value=["ops"])
    assert about_people.holds(CallContext(arguments={})) is None
    assert Condition(about="$.x", operator="equals", value=1).holds(CallContext()) is None


def test_a_value_may_come_from_a_variable() -> None:
    tools = "  - {match: bank.pay, when: {$.amount: {at_most: '${HIGH}'}}, effect: auto}"
    assert effect(tools, {"amount": 100}) == "auto"


@pytest.mark.parametrize(
    ("when", "complaint"),
    [
        ("{amount: 5}", "found the path 'amount'; expected $.argument, or requester.user"),
        ("{requester.rol: ops}", "did you mean requester.role?"),
        ("{$.amount: {at_least: .nan}}", "found at_least with a number; expected a number"),
        ("{$.amount: {at_most: lots}}", "found at_most with a text; expected a number"),
        ("{$.amount: {under: 5}}", "found the comparison 'under'; expected equals"),
        ("{$.amount: {in: 5}}", "expected a list of 1 to 200"),
        ("{$.amount: {longest: -1}}", "expected a whole number of 0 or more"),
        ("{$.a: {present: maybe}}", "expected true or false"),
        ("{place: {at_most: 5}}", "expected equals, not, in, not_in or matches for place"),
        ("{$..a: 5}", "found the path '$..a'"),
        ("{}", "found 0 conditions; expected 1 to 20"),
        ("[5]", "found a list; expected a mapping of paths"),
        ("{$.a: {}}", "found a mapping without a comparison"),
        ("{$.a: {matches: [a, 5]}}", "expected a text, or a list of texts"),
    ],
)
def test_a_condition_that_means_nothing_is_told_with_its_line(when: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(f"  - {{match: bank.pay, effect: ask}}\n  - {{match: bank.pay, when: {when}, effect: auto}}")
    (line,) = caught.value.diagnostics
    assert line.startswith("ops.yaml:6: tools[1].when")
    assert complaint in line


def pays() -> ToolDefinition:
    return a_definition("pay", server="bank", amount="number", to="string")


@pytest.mark.parametrize(
    ("when", "complaint"),
    [
        (
            "{$.amounts: 5}",
            "found the path $.amounts; expected an argument that a tool of this rule has; did you mean $.amount?",
        ),
        ("{$.to: {at_most: 5}}", "found at_most for string; expected integer or number at this path"),
        ("{$.amount: {host: example.com}}", "found host for number; expected string at this path"),
        ("{$.to.name: x}", None),
        ("{$.to: {longest: 5}}", None),
    ],
)
def test_a_condition_that_no_tool_can_meet_is_a_mistake(when: str, complaint: str | None) -> None:
    settings = settings_of(f"  - {{match: bank.*, when: {when}, effect: auto}}")
    found = unmatched_rules(settings, [pays()])
    assert found == ([] if complaint is None else [f"ops.yaml:5: tools[0].when.{shown(when)}: {complaint}"])


def shown(when: str) -> str:
    about = when[1:].partition(":")[0]
    return about if about.count(".") == 0 else f"'{about}'"


def test_a_rule_that_an_earlier_one_hides_is_a_mistake_of_the_check() -> None:
    settings = settings_of("  - {match: bank.*, effect: ask}\n  - {match: bank.pay, when: {$.amount: 1}, effect: auto}")
    (line,) = hidden_rules(settings, [pays()])
    assert line.startswith("ops.yaml:6: tools[1]: found a rule that never applies, because tools[0] comes first")
    same = settings_of("  - {match: bank.*, effect: ask}\n  - {match: bank.pay, effect: ask}")
    assert hidden_rules(same, [pays()]) == []
    assert hidden_rules(settings_of(PAY), [pays()]) == []


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{host: https://example.com}", "a host without scheme, port or path"),
        ("{host: [example.com, 'example.com:443']}", "a host without scheme, port or path"),
        ("{host: .example.com}", "a host without scheme, port or path"),
        ("{host: münchen.example}", "a host without scheme, port or path"),
        ("{folder: ~/docs}", "a folder without wildcards, ~ or .."),
        ("{folder: '/home/*/.ssh'}", "a folder without wildcards, ~ or .."),
        ("{folder: 'C:\\\\docs'}", "a folder without wildcards, ~ or .."),
        ("{email: example.com}", "a mail address such as *@example.com"),
        ("{host: ['*.example.com', localhost, '10.*']}", None),
        ("{folder: [/, /srv/, docs]}", None),
        ("{email: '*@*.example.com'}", None),
        ("{matches: 'https://*'}", None),
    ],
)
def test_a_pattern_that_nothing_can_match_is_a_mistake_of_the_check(when: str, expected: str | None) -> None:
    settings = settings_of(f"  - {{match: bank.*, when: {{$.to: {when}}}, effect: deny}}")
    found = hidden_rules(settings, [pays()])
    assert [expected in line for line in found if expected] == ([] if expected is None else [True])
    assert all(line.startswith("ops.yaml:5: tools[0].when.'$.to'.") for line in found)
    assert effect(f"  - {{match: bank.pay, when: {{$.to: {when}}}, effect: deny}}", {"to": "x"}) in ("ask", "deny")


EFFECTS = st.sampled_from(list(Effect))
CONDITIONS = st.builds(
    Condition,
    about=st.sampled_from(["$.a", "$.b", "requester.user"]),
    operator=st.sampled_from(["equals", "not"]),
    value=st.sampled_from([1, 2, "U1"]),
)
RULES = st.lists(
    st.builds(
        Rule,
        match=st.sampled_from(["bank.pay", "*", "bank.look"]),
        effect=EFFECTS,
        source=st.just("tools[0]"),
        when=st.lists(CONDITIONS, max_size=2).map(tuple),
    ),
    max_size=5,
)


@given(rules=RULES, arguments=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([1, 2]), max_size=2))
def test_no_call_gets_more_than_it_would_if_more_were_known(rules: list[Rule], arguments: dict[str, int]) -> None:
    """Whatever is missing, each way to fill it in gives an effect that is no stricter than what was ruled without it."""
    ruled = rule(rules, "bank", "pay", CallContext(arguments=arguments, requester=RITA)).effect
    for a in (1, 2):
        for b in (1, 2):
            whole = {"a": a, "b": b, **arguments}
            known = rule(rules, "bank", "pay", CallContext(arguments=whole, requester=RITA)).effect
            assert stricter(known, ruled) is ruled, json.dumps(whole)


def test_rules_that_may_still_change_are_looked_through_each_time() -> None:
    rules = [Rule(match="bank.pay", effect=Effect.AUTO, source="tools[0]")]
    assert rule(rules, "bank", "pay").effect is Effect.AUTO
    rules[0] = Rule(match="bank.pay", effect=Effect.DENY, source="tools[0]")
    assert rule(rules, "bank", "pay").effect is Effect.DENY


def test_only_so_many_lists_of_rules_are_remembered_and_none_is_taken_for_another() -> None:
    lists = [(Rule(match=f"bank.pay{number}", effect=Effect.DENY, source="tools[0]"),) for number in range(250)]
    for number, rules in enumerate(lists):
        assert rule(rules, "bank", f"pay{number}").effect is Effect.DENY
        assert rule(rules, "bank", f"pay{number + 1}").effect is Effect.ASK
