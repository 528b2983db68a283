"""Threat: a value is written so that the rule sees another one than the server that gets it.

Whatever the rule, such a value is never taken for one that is surely meant, or surely not: the stricter outcome follows.
"""

import time

import pytest

from coordination.config import parse
from coordination.domain.canonical_json import Json
from coordination.domain.comparisons import Operator
from coordination.domain.conditions import CallContext, Condition, unread
from coordination.domain.tool_rules import Effect, Rule, rule


def holds(operator: Operator, wanted: Json, value: Json) -> bool | None:
    return Condition(about="$.x", operator=operator, value=wanted).holds(CallContext(arguments={"x": value}))


DISGUISES: list[Json] = [
    "PROD",
    " prod",
    "prod\n",
    "pr\u200bod",
    "\uff50\uff52\uff4f\uff44",
    "pr\u00f6d",
    "pr\u0585d\u0308".replace("\u0585", "o"),
    "prod\0",
    "prod\0.txt",
    "pr\bod",
    "prod\ufe0f",
    ["prod"],
    {"name": "prod"},
    None,
    5,
    True,
]


@pytest.mark.parametrize("value", DISGUISES, ids=repr)
@pytest.mark.parametrize(
    ("operator", "wanted"),
    [("equals", "prod"), ("not", "prod"), ("in", ["dev", "prod"]), ("not_in", ["dev", "prod"]), ("matches", "prod")],
)
def test_a_text_in_disguise_cannot_be_judged(operator: Operator, wanted: Json, value: Json) -> None:
    assert holds(operator, wanted, value) is None


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (123, "123"),
        ("123", 123),
        (1, True),
        (0, None),
        (9007199254740992, 9007199254740993),
        ({"a": "x"}, {"A": "x"}),
        ({"a": "x"}, {"a": "X"}),
        (["x"], ["X"]),
        (["x"], "x"),
        ("100", "0100"),
        ("100", "+100"),
        ("100", "1e2"),
        ("100", "100.0"),
        ("100", "0x64"),
        ("m\u0131ke", "mike"),
        (["a", "b"], ["b", "a"]),
        (["a"], ["a", "a"]),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1}, {"a": 1, "more": 2}),
        ({"a": 1, "b": False}, {"a": 1}),
        ({"a": 1}, {}),
    ],
    ids=repr,
)
def test_a_value_that_some_programs_take_for_another_cannot_be_judged(wanted: Json, value: Json) -> None:
    assert holds("equals", wanted, value) is None
    assert holds("not", wanted, value) is None
    assert holds("in", [wanted], value) is None


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (1, 2),
        ("a", "b"),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1, "b": 1}, {"a": 2}),
        ([1], [1, 2]),
        ("123456789012345678", "123456789012345679"),
        ("100", "1000"),
        ("v1.0", "v1.00"),
        ("1e5", "1e50"),
        (10**400, 10**400 + 1),
        (True, False),
    ],
    ids=repr,
)
def test_a_value_that_is_another_to_every_program_is_told_apart(wanted: Json, value: Json) -> None:
    assert holds("equals", wanted, value) is False
    assert holds("not_in", [wanted], value) is True


@pytest.mark.parametrize("value", ["NO", "0123", "NL"])
def test_a_text_that_yaml_took_for_something_else_in_a_list_cannot_be_judged(value: str) -> None:
    text = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {bank: {command: npx}}
tools: [{match: bank.pay, when: {$.to: [NO, 0123, SE]}, effect: deny}]
"""
    (agent,) = parse(text, origin="ops.yaml", environ={}).agents
    assert rule(agent.rules, "bank", "pay", CallContext(arguments={"to": value})).effect is Effect.DENY


@pytest.mark.parametrize(
    "address",
    [
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1../",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.0.0.1%2f@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1?@example.com/",
        "http://127.0.0.1?\\\\example.com/",
        "http:127.0.0.1",
        "//127.0.0.1/",
        "file://127.0.0.1/etc/passwd",
        "javascript://127.0.0.1/%0aalert(1)",
        "postgresql://127.0.0.1/db?host=evil.example",
        "jdbc+x://127.0.0.1/",
        "phar://127.0.0.1/a",
        "intent://127.0.0.1/#Intent;scheme=http;end",
        "mongodb+srv://127.0.0.1/",
        "ssh://-oProxyCommand.example.com/",
        "ssh://example-.com/",
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "example.com"])
def test_a_host_that_programs_read_in_two_ways_cannot_be_judged(address: str, host: str) -> None:
    assert holds("host", host, address) is None


def test_a_host_is_read_up_to_the_first_slash() -> None:
    for rest in ("", "/", "/@evil.example", "/#@evil.example", "?q=1", "#top", ":8443/x"):
        assert holds("host", "example.com", f"https://example.com{rest}") is True


def test_the_name_that_every_machine_has_for_itself_may_be_one_of_its_addresses() -> None:
    for address in ("http://localhost:8080/", "http://LocalHost/", "http://a.localhost/"):
        assert holds("host", ["127.*", "10.*"], address) is None
        assert holds("host", "example.com", address) is False
    assert holds("host", "localhost", "http://localhost/") is True


def test_a_pattern_of_numbers_means_no_name() -> None:
    assert holds("host", "10.*", "http://10.evil.example/") is False
    assert holds("host", ["10.*", "https://example.com"], "http://example.com/") is None


@pytest.mark.parametrize(
    "path",
    [
        "/SRV/app/key",
        "srv/app/key",
        "app/key",
        "C:/srv/app/key",
        "/srv./app/key",
        "/srv /app/key",
        "/srv/app/\uff0e\uff0e/key",
        "/\uff53rv/app/key",
        "\\\\srv\\app",
        "file:///srv/app/key",
        "/srv/./app",
        "/srv/ap?/key",
        "/s*/app/key",
        "/{srv,x}/app/key",
        "/SRV~1/app/key",
        "/srv::$INDEX_ALLOCATION/app/key",
        "/srv:$I30:$INDEX_ALLOCATION/app",
        "/proc/self/root/srv/app/key",
        "/proc/1/task/1/cwd/app",
        "",
    ],
)
def test_a_path_that_may_lead_into_a_folder_cannot_be_judged(path: str) -> None:
    assert holds("folder", "/srv/app", path) is None


@pytest.mark.parametrize(
    "address",
    [
        "eve@evil.example,ann@example.com",
        "eve@evil.example; ann@example.com",
        "eve@evil.example\nann@example.com",
        "Ann <ann@example.com>",
        '"eve@evil.example "@example.com',
        "eve%evil.example@example.com",
        "evil.example!eve@example.com",
        "ann@ex\u0430mple.com",
        "-oQ@example.com",
        ["ann@example.com"],
    ],
    ids=repr,
)
def test_more_than_one_plain_mail_address_cannot_be_judged(address: Json) -> None:
    assert holds("email", "*@example.com", address) is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": 5, "Amount": 9000},
        {"Amount": 9000},
        {"amount": 5, "amount ": 9000},
        {"amount": 5, "\uff41mount": 9000},
        {"amount": 5, "a_mount": 9000},
        {"a-Mount": 9000},
        {"__proto__": {"amount": 9000}},
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    ("operator", "limit"), [("at_most", 50), ("at_least", 1000), ("present", True), ("present", False)]
)
def test_an_argument_that_is_there_twice_or_by_another_name_cannot_be_judged(
    arguments: Json, operator: Operator, limit: Json
) -> None:
    assert Condition(about="$.amount", operator=operator, value=limit).holds(CallContext(arguments=arguments)) is None
    nested = Condition(about="$.pay[0].amount", operator=operator, value=limit)
    assert nested.holds(CallContext(arguments={"pay": [arguments]})) is None
    each = Condition(about="$.pay[*].amount", operator=operator, value=limit)
    assert each.holds(CallContext(arguments={"pay": [arguments]})) is None
    assert unread(["$.amount"], arguments, [{"path": 5}, {"path": 9000}]) == "$.amount"


def test_keys_that_are_alike_elsewhere_do_not_matter() -> None:
    twins: Json = {"a": 1, "A": 2}
    about = Condition(about="$.amount", operator="at_most", value=50)
    assert about.holds(CallContext(arguments={"amount": 5, "more": twins})) is True
    assert about.holds(CallContext(arguments={"amount": twins})) is None
    deep = Condition(about="$.pay[1].amount", operator="at_most", value=50)
    assert deep.holds(CallContext(arguments={"pay": [twins, {"amount": 5}]})) is True


@pytest.mark.parametrize("others", [["ann@example.com"], [5], ["Eve@evil.example"]], ids=repr)
def test_a_rule_about_each_element_is_not_escaped_by_one_more_element(others: list[Json]) -> None:
    when = (Condition(about="$.to[*]", operator="equals", value="eve@evil.example"),)
    denies = Rule(match="mail.send", effect=Effect.DENY, source="tools[0]", when=when)
    for to in (["eve@evil.example", *others], [*others, "eve@evil.example"]):
        assert rule((denies,), "mail", "send", CallContext(arguments={"to": to})).effect is Effect.DENY


@pytest.mark.parametrize("address", ["ann+x@example.com", "a.nn@example.com", "A.N.N+list@Example.com"])
def test_a_mail_address_that_reaches_the_same_mailbox_at_some_providers_cannot_be_judged(address: str) -> None:
    assert holds("email", "ann@example.com", address) is None
    assert holds("email", ["eve@example.com", "ann@example.com"], address) is None
    assert holds("email", "*@example.com", address) is True
    assert holds("email", "eve@example.com", address) is False


def test_wildcards_in_a_path_stay_within_the_folder_that_they_follow() -> None:
    assert holds("folder", "/srv/app", "/srv/app/**/*.py") is True
    assert holds("folder", "/srv/app", "/srv/app/pages/[id].tsx") is True
    assert holds("folder", "/srv/app", "/srv/app/.?/key") is None
    assert holds("folder", "/srv/app", "/srv/app/.*/key") is None


@pytest.mark.parametrize(
    ("operator", "limit", "value"),
    [
        ("at_least", 9007199254740993, 9007199254740993),
        ("at_most", 9007199254740992, 9007199254740993),
    ],
)
def test_a_number_that_is_on_the_other_side_of_a_bound_as_a_double_cannot_be_judged(
    operator: Operator, limit: int, value: int
) -> None:
    assert holds(operator, limit, value) is None
    assert holds(operator, limit, value + 10) is (operator == "at_least")
    assert holds("at_least", 5, 10**400) is True


def test_only_the_start_of_a_text_with_a_null_in_it_reaches_programs_in_c() -> None:
    assert holds("matches", "*.txt", "key\0.txt") is None
    assert holds("matches", "key*", "key\0.txt") is None
    assert holds("equals", "key", "key\0.txt") is None
    assert holds("in", ["key"], "key\0.txt") is None


def test_a_long_text_is_compared_with_many_values_at_once() -> None:
    began = time.perf_counter()
    assert holds("not_in", [f"value {number}" for number in range(200)], "\u00e9" * 100_000) is True
    assert time.perf_counter() - began < 1
