"""Break-glass in the domain: who may approve alone, what that stands in the place of, and what it never does."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from coordination.authorization import message
from coordination.config import parse, with_operator_policy
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.break_glass import LONGEST_REASON, BreakGlass, is_reason
from coordination.domain.conditions import CallContext
from coordination.domain.grants import Grant, GrantUse
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Authors, Person, Policy, Refusal, RunAction, judge
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.tool_rules import rule
from coordination.domain.transitions import evolve, replay
from coordination.errors import ConfigError, IllegalTransition
from coordination.storage.sql_run_log import decode, encode
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, START, STRANGER, a_call, a_plan
from tests.sample_logs import LATER, POST, argued, asked, proposed, recorded, started

NOW = START + timedelta(minutes=5)
EVE = Person(tenant="here", id="u-eve", name="eve", roles=("on-call",))
NAMED = Person(tenant="here", id="u-named", name="nina")
ALONE = BreakGlass(roles=("on-call",), users=("u-named",))
BOARD = Quorum(roles=("board",), required=2)
OPS = Policy(roles=("ops",), required=2, quorums=(BOARD,), break_glass=ALONE)
CALL = a_call("post", title="News")
WHY = "The site is down."


def awaiting(
    policy: Policy = OPS, *calls: PlannedCall, request: e.RunRequested | None = None, shapers: tuple[Person, ...] = ()
) -> s.AwaitingDecision:
    made = calls or (CALL,)
    first = replace(request or asked(), rules_version=3, earlier_shapers=shapers)
    records = [first, *argued(*made)[1:], proposed(*made, policy=policy)]
    log = [e.ActionRecorded(agent=2, call=call) for call in (POST, *made)]
    state = replay(recorded([*records[:2], *log, *records[2:]]))
    assert isinstance(state, s.AwaitingDecision)
    return state


def given(state: s.AwaitingDecision, by: Person = EVE, why: str | None = WHY) -> e.ApprovalGiven:
    return e.ApprovalGiven(by=by, digest=state.plan.digest, break_glass=why)


def judged(by: Person, *, policy: Policy = OPS, authors: Authors | None = None, at: datetime = NOW) -> Refusal | None:
    return judge(
        policy,
        RunAction.BREAK_GLASS,
        by=by,
        authors=authors or Authors(requester=REQUESTER),
        approvals=(),
        at=at,
        expires_at=LATER,
    )


@pytest.mark.parametrize("by", [EVE, NAMED], ids=["by a role", "by the account"])
def test_whoever_the_rule_names_may_approve_alone(by: Person) -> None:
    state = awaiting()
    after = evolve(state, given(state, by), NOW)
    assert isinstance(after, s.Executing)
    assert (after.approvals, after.break_glass_by, after.vouching) == ((by,), by, (by,))
    assert state.plan.policy.needed == 4


REFUSED = {
    "an approver": (ALICE, Refusal.NOT_FOR_BREAK_GLASS),
    "somebody without a role": (MALLORY, Refusal.NOT_FOR_BREAK_GLASS),
    "somebody who is called like the role": (replace(MALLORY, name="on-call"), Refusal.NOT_FOR_BREAK_GLASS),
    "a guest": (replace(EVE, is_guest=True), Refusal.EXTERNAL),
    "a closed account": (replace(EVE, is_deleted=True), Refusal.EXTERNAL),
    "somebody from elsewhere": (replace(EVE, tenant="elsewhere"), Refusal.OTHER_TENANT),
    "an administrator of another place": (STRANGER, Refusal.OTHER_TENANT),
}


@pytest.mark.parametrize(("by", "refusal"), REFUSED.values(), ids=REFUSED)
def test_nobody_else_may(by: Person, refusal: Refusal) -> None:
    assert judged(by) is refusal
    state = awaiting()
    with pytest.raises(IllegalTransition):
        evolve(state, given(state, by), NOW)


def test_nobody_approves_alone_on_a_standing_grant() -> None:
    state = awaiting()
    grant = Grant(
        id="G1", tenant="here", config="demo", server=CALL.server, tool=CALL.tool, definition=CALL.definition,
        settings=CALL.settings, arguments=CALL.arguments, read="", by=EVE, until=LATER, most=1,
    )  # fmt: skip
    with pytest.raises(IllegalTransition, match="on standing grants"):
        evolve(state, replace(given(state), grants=(GrantUse(grant=grant, used=0),)), NOW)


def test_names_become_ids_of_their_kind() -> None:
    by_id = ALONE.renamed(lambda kind, name: f"{kind} {name}")
    assert (by_id.roles, by_id.users) == (("role on-call",), ("user u-named",))


def test_nobody_may_where_the_rule_has_none() -> None:
    closed = replace(OPS, break_glass=None)
    assert judged(EVE, policy=closed) is Refusal.NO_BREAK_GLASS
    state = awaiting(closed)
    with pytest.raises(IllegalTransition):
        evolve(state, given(state), NOW)


def test_nobody_may_once_the_plan_has_expired() -> None:
    assert judged(EVE, at=LATER) is Refusal.EXPIRED
    state = awaiting()
    with pytest.raises(IllegalTransition):
        evolve(state, given(state), LATER)


AUTHORS = {
    "who asked": Authors(requester=EVE),
    "who asked for the run before": Authors(requester=REQUESTER, earlier=(EVE,)),
    "who shaped it": Authors(requester=REQUESTER, shapers=(EVE,)),
}


@pytest.mark.parametrize("authors", AUTHORS.values(), ids=AUTHORS)
def test_whoever_asked_or_shaped_the_plan_may_only_if_the_rule_says_so(authors: Authors) -> None:
    assert judged(EVE, authors=authors) is Refusal.OWN_BREAK_GLASS
    lets = replace(OPS, break_glass=replace(ALONE, allow_requester=True))
    assert judged(EVE, authors=authors, policy=lets) is None
    also = replace(OPS, allow_requester=True, allow_author=True)
    assert judged(EVE, authors=authors, policy=also) is Refusal.OWN_BREAK_GLASS


def test_a_log_in_which_the_requester_did_is_refused() -> None:
    state = awaiting(request=replace(asked(), requester=EVE))
    with pytest.raises(IllegalTransition):
        evolve(state, given(state), NOW)
    state = awaiting(shapers=(EVE,))
    with pytest.raises(IllegalTransition):
        evolve(state, given(state), NOW)


@pytest.mark.parametrize("why", ["", " ", " x", "x\n", "x" * (LONGEST_REASON + 1)])
def test_a_log_without_a_reason_is_refused(why: str) -> None:
    assert not is_reason(why)
    state = awaiting()
    with pytest.raises(IllegalTransition, match="does not say why"):
        evolve(state, given(state, why=why), NOW)


def test_without_the_mark_it_is_an_approval_like_any_other() -> None:
    state = awaiting()
    with pytest.raises(IllegalTransition):
        evolve(state, given(state, why=None), NOW)
    one_of_four = evolve(state, given(state, ALICE, why=None), NOW)
    assert isinstance(one_of_four, s.AwaitingDecision)


def test_whoever_approved_before_counts_once_and_others_stay_on_record() -> None:
    policy = replace(OPS, break_glass=replace(ALONE, roles=("ops",)))
    state = evolve(awaiting(policy), e.ApprovalGiven(by=BOB, digest=awaiting(policy).plan.digest), NOW)
    assert isinstance(state, s.AwaitingDecision)
    after = evolve(state, given(state, ALICE), NOW)
    assert isinstance(after, s.Executing)
    assert (after.approvals, after.vouching) == ((BOB, ALICE), (ALICE,))
    again = evolve(state, given(state, BOB), NOW)
    assert isinstance(again, s.Executing)
    assert again.approvals == (BOB,)


def test_what_goes_on_after_an_unknown_outcome_takes_as_many_people_as_the_plan() -> None:
    state = awaiting(OPS, CALL, a_call("post", title="More"))
    running = evolve(state, given(state), NOW)
    assert isinstance(running, s.Executing)
    doubt = evolve(evolve(running, started(state.plan, 0), NOW), unknown(state), NOW)
    assert isinstance(doubt, s.NeedsHuman)
    assert (doubt.approvers_needed, doubt.resolutions_needed("run_it", NOW)) == (4, 4)
    word = e.CallResolved(index=0, by=EVE, verdict="run_it", valid_until=doubt.valid_until)
    with pytest.raises(IllegalTransition):
        evolve(doubt, word, NOW)


def unknown(state: s.AwaitingDecision) -> e.CallOutcomeUnknown:
    call = state.plan.calls[0]
    return e.CallOutcomeUnknown(
        index=0, server=call.server, tool=call.tool, arguments=call.arguments, reason="The line went dead."
    )


def test_a_frozen_plan_stays_frozen() -> None:
    state = evolve(awaiting(), e.ExecutionFrozen(by=MALLORY), NOW)
    assert isinstance(state, s.AwaitingDecision)
    running = evolve(state, given(state), NOW)
    with pytest.raises(IllegalTransition):
        evolve(running, started(state.plan, 0), NOW)


def test_a_call_that_bars_it_bars_it_for_its_plan_and_no_log_may_say_otherwise() -> None:
    barred = replace(CALL, needs=Needs(bars_break_glass=True))
    assert OPS.with_needs(barred.needs).break_glass is None
    with pytest.raises(IllegalTransition, match="leaves out"):
        awaiting(OPS, barred)


def test_a_refusal_says_what_bars_it_and_who_could_change_that() -> None:
    def why(refusal: Refusal, needs: Needs = Needs()) -> str:  # noqa: B008 - a value like any other
        lets = replace(OPS, break_glass=replace(ALONE, allow_requester=True))
        return str(message(refusal, awaiting(lets.with_needs(needs), replace(CALL, needs=needs))))

    assert "must name people under approval.break_glass" in why(Refusal.NO_BREAK_GLASS)
    assert "say break_glass: false" in why(Refusal.NO_BREAK_GLASS, Needs(bars_break_glass=True))
    assert "with requester: true under approval.break_glass" in why(Refusal.OWN_BREAK_GLASS)
    for needs in (Needs(bars_requester=True), Needs(bars_author=True)):
        assert "a rule for its calls says requester: false or author: false" in why(Refusal.OWN_BREAK_GLASS, needs)


@pytest.mark.parametrize("needs", [Needs(bars_requester=True), Needs(bars_author=True)])
def test_a_call_whose_rule_bars_their_own_words_bars_them_here_too(needs: Needs) -> None:
    lets = replace(OPS, break_glass=replace(ALONE, allow_requester=True))
    assert lets.with_needs(needs).break_glass == ALONE


def test_of_two_rules_only_those_are_left_whom_both_name() -> None:
    wide = BreakGlass(roles=("lead", "on-call"), users=("u-named", "u-x"), allow_requester=True)
    assert (wide.stricter(ALONE), ALONE.stricter(wide)) == (ALONE, ALONE)
    assert wide.stricter(BreakGlass(roles=("other",))) is None
    assert wide.stricter(None) is None
    assert replace(OPS, break_glass=None).stricter(OPS).break_glass is None
    assert OPS.stricter(replace(OPS, break_glass=wide)) == OPS


def test_a_plan_without_it_has_the_digest_that_it_always_had() -> None:
    bare = replace(OPS, break_glass=None)
    assert a_plan(policy=Policy()).digest == "6e0c9866f7610ceb728ab8ef6ffd16165a1e1bac908c30f519b870981edfb0b3"
    assert "break_glass" not in str(bare.as_json())
    assert a_plan(policy=bare).digest != a_plan(policy=OPS).digest
    lets = replace(OPS, break_glass=replace(ALONE, allow_requester=True))
    assert a_plan(policy=lets).digest != a_plan(policy=OPS).digest


def test_a_plan_with_it_is_read_as_it_was_written() -> None:
    event = proposed(CALL, policy=OPS)
    written = encode(event)
    assert decode(written.kind, written.v, written.body) == event


CONFIG = """\
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {bank: {command: npx}}
approval:
  approvers: {roles: [ops]}
  break_glass: {roles: [on-call], users: [U1]}
"""


def needs_in(text: str, tool: str = "pay") -> Needs:
    (agent,) = parse(text, origin="ops.yaml", environ={}).agents
    return rule(agent.rules, "bank", tool, CallContext(arguments={})).needs


def test_a_configuration_says_who_may() -> None:
    settings = parse(CONFIG, origin="ops.yaml", environ={})
    assert settings.policy.break_glass == BreakGlass(roles=("on-call",), users=("U1",))
    lets = parse(CONFIG.replace("[U1]}", "[U1], requester: true}"), origin="ops.yaml", environ={})
    assert lets.policy.break_glass == BreakGlass(roles=("on-call",), users=("U1",), allow_requester=True)
    assert parse(CONFIG.partition("  break")[0], origin="ops.yaml", environ={}).policy.break_glass is None


WRONG = {
    "it names nobody": ("break_glass: {roles: [on-call], users: [U1]}", "break_glass: {requester: true}", 5),
    "it is a word": ("break_glass: {roles: [on-call], users: [U1]}", "break_glass: true", 5),
    "a rule allows it": ("approval:", "tools: [{match: bank.pay, effect: ask, break_glass: true}]\napproval:", 3),
    "a rule bars it where nobody is asked": (
        "approval:",
        "tools: [{match: bank.pay, effect: auto, break_glass: false}]\napproval:",
        3,
    ),
}


@pytest.mark.parametrize(("old", "new", "line"), WRONG.values(), ids=WRONG)
def test_what_can_not_be_meant_is_an_error_with_its_line(old: str, new: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"ops.yaml:{line}: .*break_glass"):
        parse(CONFIG.replace(old, new), origin="ops.yaml", environ={})


def test_a_rule_or_the_operator_may_bar_it() -> None:
    rules = "tools: [{match: bank.pay, effect: ask, break_glass: false}]\n"
    assert needs_in(CONFIG + rules) == Needs(bars_break_glass=True)
    assert needs_in(CONFIG + rules, "close") == Needs()
    over = with_operator_policy(CONFIG, "break_glass: false")
    assert needs_in(over, "close") == Needs(bars_break_glass=True)
    both = with_operator_policy(CONFIG, "break_glass: false\ngrants: false")
    assert needs_in(both) == Needs(bars_break_glass=True, bars_grants=True)
    assert needs_in(with_operator_policy(CONFIG, "break_glass: true")) == Needs()
