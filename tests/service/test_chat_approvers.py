"""What an administrator types about approvers is understood as meant, or refused; and a rule only ever gets stricter."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.approvers import (
    Approvers,
    approvers_from,
    approvers_in,
    approvers_typed,
    by_id,
    names_here,
    narrowed,
    satisfiable,
    text_here,
    with_approvers,
    without_approvers,
)
from bot.chat.config_catalog import Chosen
from bot.chat.name_pins import NamePins
from bot.chat.platform import ChannelRef, Kind
from bot.chat.private_cards import ChatRefusal
from bot.chat.start_run import limits_in, limits_typed, operator_limits
from bot.chat.store import Limits
from bot.composition import Configurations
from bot.variables import Environment
from coordination.domain.policy import Authors, Person, Policy, RunAction, judge
from coordination.domain.quorums import Quorum
from coordination.errors import ConfigError
from coordination.llm.registry import Models
from tests.builders import START
from tests.contract.chat_stores import a_setting
from tests.fakes import FakeClock, MemoryLog
from tests.memory_chat_store import MemoryChatStore

PEOPLE = [
    Person(tenant="here", id=id_, name=id_, roles=roles)
    for id_ in ("U1", "U2", "U3")
    for roles in ((), ("ops",), ("leads",), ("ops", "leads"))
]
NAMES = st.sampled_from(["ops", "leads", "nobody"])
USERS = st.sampled_from(["U1", "U2", "U9"])


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=3, unique=True).map(tuple)


POLICIES = st.builds(
    Policy, roles=some(NAMES), users=some(USERS), required=st.integers(1, 4), allow_requester=st.booleans()
)
RULES = st.builds(
    Approvers,
    roles=some(NAMES),
    users=some(USERS),
    required=st.none() | st.integers(1, 4),
    allow_requester=st.none() | st.booleans(),
)


# --- a rule only gets stricter ----------------------------------------------------------------------------------------


@given(POLICIES, RULES, st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.lists(st.sampled_from(PEOPLE), max_size=3))
def test_what_the_configuration_refuses_no_administrator_allows(
    policy: Policy, rule: Approvers, by: Person, requester: Person, approvals: list[Person]
) -> None:
    """But for the names: who may approve is what an administrator says. How many, and not oneself, only gets stricter."""
    effective = narrowed(policy, rule)
    as_named = replace(policy, roles=effective.roles, users=effective.users)
    is_named = bool(rule.roles or rule.users)
    assert (effective.roles, effective.users) == (
        (rule.roles, rule.users) if is_named else (policy.roles, policy.users)
    )
    for action in RunAction:
        given = {"by": by, "authors": Authors(requester=requester), "approvals": approvals, "at": START}
        before = judge(as_named, action, **given, expires_at=START + timedelta(hours=1))  # type: ignore[arg-type]  # as above
        after = judge(effective, action, **given, expires_at=START + timedelta(hours=1))  # type: ignore[arg-type]  # as above
        assert before is None or after is not None
        assert after is None or before is not None or after == "own_request"
    assert effective.required >= policy.required
    assert effective.expires_after == policy.expires_after
    assert narrowed(effective, rule) == effective


@given(POLICIES)
def test_a_rule_that_can_be_fulfilled_has_enough_people_named(policy: Policy) -> None:
    if policy.roles or not policy.users or len(policy.users) >= policy.required:
        assert satisfiable(policy) == policy
        return
    with pytest.raises(ChatRefusal) as caught:
        satisfiable(policy)
    assert caught.value.refusal == "few_approvers"


# --- what is typed ----------------------------------------------------------------------------------------------------

PLAIN_ROLES = st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=20).filter(
    lambda text: not text.startswith(("U", "W"))
)
QUOTED_ROLES = st.text(st.characters(exclude_characters='"\n@', exclude_categories=["Cs"]), min_size=1, max_size=30)
NUMBERS = st.integers(1, 10**24).map(str)
SLACK_IDS = st.from_regex(r"\A[UW][A-Z0-9]{6,20}\Z")
SPELLED = st.one_of(
    NUMBERS.map(lambda each: ("role", each, f"<@&{each}>")),
    NUMBERS.map(lambda each: ("user", each, f"<@{each}>")),
    NUMBERS.map(lambda each: ("user", each, f"<@!{each}>")),
    SLACK_IDS.map(lambda each: ("user", each, f"<@{each}>")),
    SLACK_IDS.map(lambda each: ("user", each, f"<@{each}|anna.b>")),
    SLACK_IDS.map(lambda each: ("user", each, f"@anna.b ({each})")),
    SLACK_IDS.map(lambda each: ("user", each, f"@{each}")),
    SLACK_IDS.map(lambda each: ("role", each, f"<!subteam^{each}>")),
    SLACK_IDS.map(lambda each: ("role", each, f"<!subteam^{each}|@ops>")),
    PLAIN_ROLES.map(lambda each: ("role", each, f"@{each}")),
    PLAIN_ROLES.map(lambda each: ("role", each, each)),
    QUOTED_ROLES.map(lambda each: ("role", each, f'"{each}"')),
    QUOTED_ROLES.map(lambda each: ("role", each, f'"@{each}"')),
)


@given(
    st.lists(SPELLED, min_size=1, max_size=6),
    st.none() | st.booleans(),
    st.booleans(),
    st.sampled_from([" ", ", ", ",", " , ", "  "]),
)
def test_what_is_typed_in_any_spelling_is_what_is_set_and_stored(
    spelled: list[tuple[str, str, str]], allows: bool | None, is_counted: bool, separator: str
) -> None:
    words = [word for _, _, word in spelled]
    words += [] if allows is None else [f"requester={'yes' if allows else 'no'}"]
    words += ["required=1"] if is_counted else []
    expected = Approvers(
        roles=tuple(dict.fromkeys(name for sort, name, _ in spelled if sort == "role")),
        users=tuple(dict.fromkeys(name for sort, name, _ in spelled if sort == "user")),
        required=1 if is_counted else None,
        allow_requester=allows,
    )
    assert approvers_typed(separator.join(words)) == expected
    assert approvers_from(expected.as_text()) == expected


@given(st.text(max_size=80) | st.text(st.sampled_from('<@&!#|>"=,() requiredsteqyn0123456789UWops'), max_size=80))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        approvers = approvers_typed(text)
    except ChatRefusal:
        return
    assert approvers != Approvers()
    assert all((*approvers.roles, *approvers.users))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "required=0",
        "required=21",
        "required=-1",
        "required=2x",
        "required=",
        "requester=maybe",
        "role=ops",
        "<#123>",
        "<@>",
        "<@&abc>",
        "<!channel>",
        "<script>",
        '"open',
        '""',
        ",ops",
        "ops,,leads",
        " ".join(f"r{number}" for number in range(51)),
    ],
)
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ChatRefusal):
        approvers_typed(text)


@given(
    RULES, st.sampled_from(["", "a: 1", "a: 1\n", "a: |\n  text", "a: |+\n  text\n\n", "# massgen-bot approvers: no\n"])
)
def test_a_rule_is_read_back_from_a_configurations_copy_and_nothing_of_the_text_is_lost(
    rule: Approvers, text: str
) -> None:
    stored = with_approvers(text, rule)
    assert approvers_in(stored) == rule
    assert stored.startswith(text)
    assert stored.removeprefix(text).strip("\n").startswith("# ")
    assert "\n" not in stored.removeprefix(text).strip("\n")
    assert with_approvers(text, None) == text
    assert approvers_in("a: 1\n") is None


# --- limits, and what the operator says in the environment ------------------------------------------------------------


@given(st.integers(1, 999_999), st.integers(1, 999_999), st.sampled_from(["at_once", "waiting", "hourly"]))
def test_a_limit_never_rises_above_the_operators(operators: int, typed: int, name: str) -> None:
    most = Limits(at_once=operators, waiting=operators, hourly=operators)
    stored = limits_typed(f"{name}={typed}")
    assert stored == {name: typed}
    held = limits_in(a_setting("limits", str(stored).replace("'", '"')), most)
    assert held == replace(most, **{name: min(operators, typed)})
    assert limits_in(None, most) == most


def test_the_operator_sets_limits_in_the_environment() -> None:
    assert operator_limits(Environment({})) == Limits(at_once=10, waiting=100, hourly=30)
    assert operator_limits(Environment({"MASSGEN_BOT_RUNS_AT_ONCE": "3", "MASSGEN_BOT_RUNS_PER_HOUR": "7"})) == Limits(
        at_once=3, waiting=100, hourly=7
    )
    for text in ("0", "-1", "many", "1e3", "1000000", "²"):
        with pytest.raises(ConfigError, match="MASSGEN_BOT_RUNS_WAITING must be a number"):
            operator_limits(Environment({"MASSGEN_BOT_RUNS_WAITING": text}))


def test_the_operator_says_who_may_use_what_and_who_administers() -> None:
    allowed = Environment({"MASSGEN_BOT_ALLOWED_CONFIGS": "discord:1=ops, demo; slack:-:T1=ops;*=;"}).allowed_configs()
    assert allowed == {
        "discord:1": frozenset({"ops", "demo"}),
        "slack:-:T1": frozenset({"ops"}),
        "*": frozenset(),
    }
    assert Environment({}).allowed_configs() == {}
    for text in ("ops", "=ops", "a=x;a=y"):
        with pytest.raises(ConfigError, match="must look like"):
            Environment({"MASSGEN_BOT_ALLOWED_CONFIGS": text}).allowed_configs()
    admins = Environment({"MASSGEN_BOT_ADMINS": "discord:1/42, slack:-:T1/U1 U7 nonsense/ /x"}).named_admins()
    assert admins == {("discord:1", "42"), ("slack:-:T1", "U1")}


# --- names in rules for tools -------------------------------------------------------------------------------------------

TOOLS = """\
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {bank: {command: npx}}
tools:
  - {match: bank.pay, effect: ask, approvers: [{roles: [finance, R5]}, {users: [bea]}]}
approval: {approvers: {roles: [ops]}}
"""


class Names:
    """A chat where everything that begins with a capital letter is an id."""

    def __init__(self, **ids: str) -> None:
        self.ids = ids
        self.asked: list[str] = []

    def is_id(self, kind: Kind, text: str) -> bool:
        return text[0].isupper()

    async def ids_of(self, tenant: str, kind: Kind, name: str) -> Sequence[str]:
        self.asked.append(name)
        return [self.ids[name]] if name in self.ids else []

    async def name_of(self, tenant: str, kind: Kind, number: str) -> str | None:
        return number


async def quorums_of_a_run(store: MemoryChatStore, folder: Path, names: Names) -> tuple[Quorum, ...]:
    """Who must approve a payment of a run that begins now, by its stored text."""
    path = folder / "ops.yaml"
    path.write_text(TOOLS, encoding="utf-8")
    pins = NamePins(store=store, clock=FakeClock(), directories={"slack": names})
    place = ChannelRef(platform="slack", tenant="here", channel="general")
    chosen, settings = Chosen(name="ops", path=path, source="server"), await store.settings("here", "general")
    rule = await names_here(chosen, "general", settings)
    assert rule is not None
    approvers = by_id(None, await pins.pinned(rule, place, settings), rule)
    text = with_approvers(TOOLS, approvers)
    assert text_here(TOOLS, str(path), "general", await store.settings("here", "general")) == text
    assert without_approvers(text) == TOOLS
    configure = Configurations(environ={}, build=Models(FakeClock()), adapt=list)
    profile = configure(text, str(path), "here").profile
    assert profile.policy.roles == ("R1",)
    return profile.agents[0].rules[0].needs.quorums


async def test_names_in_a_rule_for_a_tool_become_ids_once_and_stay_what_they_were(tmp_path: Path) -> None:
    store = MemoryChatStore(MemoryLog())
    names = Names(ops="R1", finance="R2", bea="U3")
    expected = (Quorum(users=("U3",)), Quorum(roles=("R2", "R5")))
    assert await quorums_of_a_run(store, tmp_path, names) == expected
    names.ids |= {"finance": "R666"}
    assert await quorums_of_a_run(store, tmp_path, names) == expected
    assert sorted(names.asked) == ["bea", "finance", "ops"]


async def test_a_name_in_a_rule_that_nobody_has_counts_for_nobody_and_takes_no_place_away(tmp_path: Path) -> None:
    names = Names(ops="R1", bea="U3")
    quorums = await quorums_of_a_run(MemoryChatStore(MemoryLog()), tmp_path, names)
    assert quorums == (Quorum(users=("U3",)), Quorum(roles=("R5", "finance")))
