"""Standing grants in the domain: which calls one covers, whose approval it is, and that it is never more than that."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.events import RunEvent
from coordination.domain.grant_checks import approvals_on, are_void, judge_grantor, judge_revoker
from coordination.domain.grants import (
    LONGEST,
    MOST_CALLS,
    Grant,
    GrantUse,
    Standing,
    assigned,
    fixed,
    oldest_grant,
    read_for,
)
from coordination.domain.plan import PlannedCall, Succeeded
from coordination.domain.policy import Person, Policy, Refusal
from coordination.domain.preview import Preview, Reading, digest_of
from coordination.domain.provenance import Origin
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.references import Reference
from coordination.domain.transitions import evolve, replay
from coordination.errors import GrantVoidError, IllegalTransition
from coordination.storage.grant_records import check_standing
from coordination.storage.sql_run_log import decode, encode
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, START, a_call, a_plan
from tests.sample_logs import RUN, argued, asked, proposed, recorded, succeeded

OPS = Policy(roles=("ops",), allow_grants=True)
CALL = replace(a_call("post", title="News", body="All is well."), settings="s", origins=())
NOW = START + timedelta(minutes=5)


def grant(
    call: PlannedCall = CALL, *, by: Person = ALICE, free: tuple[str, ...] = (), id_: str = "G1", most: int = 3
) -> Grant:
    return Grant(
        id=id_,
        tenant="here",
        config="demo",
        server=call.server,
        tool=call.tool,
        definition=call.definition,
        settings=call.settings,
        arguments=fixed(call.arguments, free),
        read=read_for(a_plan(call), call),
        by=by,
        until=NOW + timedelta(hours=1),
        most=most,
        free=free,
    )


def awaiting(*calls: PlannedCall, policy: Policy = OPS) -> s.AwaitingDecision:
    made = calls or (CALL,)
    state = replay(recorded([*argued(*made), proposed(*made, policy=policy)]))
    assert isinstance(state, s.AwaitingDecision)
    return state


def standing(*grants: Grant, used: int = 0) -> list[Standing]:
    return [Standing(grant=each, run="R0", given_at=START, used=used) for each in grants]


def approved_by(state: s.AwaitingDecision, *grants: Grant, used: int = 0) -> tuple[e.ApprovalGiven, ...]:
    people: tuple[Person, ...] = ()
    for each in grants:
        people = s.with_person(people, each.by)
    return approvals_on(state, standing(*grants, used=used), people, NOW)


def executing(state: s.AwaitingDecision, *grants: Grant) -> s.Executing:
    after: s.RunState = state
    for each in approved_by(state, *grants):
        after = evolve(after, each, NOW)
    assert isinstance(after, s.Executing)
    return after


def start(state: s.Executing, *ids: str) -> e.CallStarted:
    call = state.plan.calls[state.next_index]
    return e.CallStarted(
        index=state.next_index,
        server=call.server,
        tool=call.tool,
        arguments=call.arguments,
        digest=state.plan.digest,
        hand="h",
        grants=ids,
    )


def test_a_grant_covers_a_call_that_is_the_same_to_the_letter() -> None:
    assert grant().covers(a_plan(CALL), CALL, "demo")


ELSE = {
    "another argument": replace(CALL, arguments='{"body":"All is well.","title":"Old"}'),
    "one more argument": replace(CALL, arguments='{"body":"All is well.","title":"News","to":"all"}'),
    "one argument less": replace(CALL, arguments='{"title":"News"}'),
    "no object": replace(CALL, arguments="[]"),
    "another tool": replace(CALL, tool="post_all"),
    "another server": replace(CALL, server="other"),
    "a changed definition": replace(CALL, definition="another"),
    "a changed server": replace(CALL, settings="t"),
    "an old plan without settings": replace(CALL, settings=""),
    "a reference": replace(CALL, references=(Reference(argument="to", call=0, path="/id"),)),
}


@pytest.mark.parametrize("call", ELSE.values(), ids=ELSE)
def test_a_grant_covers_no_call_that_differs(call: PlannedCall) -> None:
    assert not grant().covers(a_plan(call), call, "demo")


def test_a_grant_is_for_its_tenant_and_its_configuration() -> None:
    assert not grant().covers(a_plan(CALL), CALL, "other")
    assert not grant().covers(replace(a_plan(CALL), tenant="elsewhere"), CALL, "demo")


def test_an_argument_that_may_be_anything_may_be_that_or_missing_and_no_other_may() -> None:
    free = grant(free=("body",))
    for arguments, is_covered in (
        ('{"body":"Else.","title":"News"}', True),
        ('{"title":"News"}', True),
        ('{"body":"Else.","title":"Old"}', False),
    ):
        call = replace(CALL, arguments=arguments)
        assert free.covers(a_plan(call), call, "demo") is is_covered


@pytest.mark.parametrize(
    "origins", [None, (Origin(argument="body", tool="web.read", kind="passage", value="x", is_in_text=True),)]
)
def test_what_was_read_never_gets_into_an_argument_that_may_be_anything(origins: tuple[Origin, ...] | None) -> None:
    call = replace(CALL, origins=origins)
    assert grant(call).covers(a_plan(call), call, "demo")
    assert not grant(call, free=("body",)).covers(a_plan(call), call, "demo")


def test_what_destroys_has_no_argument_that_may_be_anything() -> None:
    call = replace(CALL, is_destructive=True)
    assert grant(call).covers(a_plan(call), call, "demo")
    assert not grant(call, free=("body",)).covers(a_plan(call), call, "demo")


def test_what_was_read_for_the_call_must_be_what_the_grantor_saw() -> None:
    preview = Preview(server="", tool="read", arguments='{"title":"$.title"}')
    call = replace(CALL, previews=(preview,))
    question = preview.question(call.server, call.arguments)
    assert question is not None

    def read(text: str) -> Reading:
        return Reading(question=question, digest=digest_of(text, is_missing=False), text=text, length=len(text))

    seen = replace(a_plan(call), readings=(read("old"),))
    given = replace(grant(call), read=read_for(seen, call))
    assert given.covers(seen, call, "demo")
    assert not given.covers(replace(seen, readings=(read("new"),)), call, "demo")
    assert not given.covers(a_plan(call), call, "demo")
    lacking = replace(call, previews=(replace(preview, arguments='{"title":"$.missing"}'),))
    assert read_for(a_plan(lacking), lacking) != read_for(a_plan(CALL), CALL) == ""


def test_each_call_has_a_grant_with_something_left_and_automatic_ones_need_none() -> None:
    auto = replace(a_call("look", is_automatic=True), settings="s")
    one, two = GrantUse(grant=grant(most=2), used=1), GrantUse(grant=grant(id_="G2", most=1), used=0)
    assert (one.left, GrantUse(grant=grant(most=1), used=4).left) == (1, 0)
    plan = replace(a_plan(CALL, auto, CALL), policy=OPS)
    assert assigned(plan, [one, two], "demo") == ("G1", "", "G2")
    assert assigned(plan, [one], "demo") is None
    assert assigned(replace(plan, policy=replace(OPS, binds_automatic=True)), [one, two], "demo") is None


def test_a_call_moves_to_another_grant_where_the_first_that_fits_is_the_only_one_for_a_later_call() -> None:
    more, last = (
        replace(a_call("post", title=title, body="All is well."), settings="s", origins=())
        for title in ("More", "Last")
    )
    free = grant(free=("title",), most=1)
    exact = grant(id_="G2", most=1)
    plan = replace(a_plan(CALL, more), policy=OPS)
    assert assigned(plan, [GrantUse(grant=free, used=0), GrantUse(grant=exact, used=0)], "demo") == ("G2", "G1")
    assert assigned(plan, [GrantUse(grant=exact, used=0), GrantUse(grant=free, used=0)], "demo") == ("G2", "G1")
    too_many = replace(a_plan(CALL, more, last), policy=OPS)
    assert assigned(too_many, [GrantUse(grant=free, used=0), GrantUse(grant=exact, used=0)], "demo") is None
    thrice = replace(a_plan(CALL, CALL, CALL), policy=OPS)
    assert assigned(thrice, [GrantUse(grant=free, used=0), GrantUse(grant=exact, used=0)], "demo") is None
    assert assigned(plan, [GrantUse(grant=free, used=1), GrantUse(grant=exact, used=0)], "demo") is None


def test_a_grant_approves_a_plan_that_it_covers_and_the_call_starts_on_it() -> None:
    state = awaiting()
    assert [each.by for each in approved_by(state, grant())] == [ALICE]
    running = executing(state, grant())
    assert (running.approvals, running.next_grants) == ((ALICE,), ("G1",))
    started = evolve(running, start(running, "G1"), NOW)
    assert isinstance(started, s.Executing)
    done = evolve(started, succeeded(running.plan, 0), NOW)
    assert isinstance(done, s.Reporting)


@pytest.mark.parametrize("ids", [(), ("G2",), ("G1", "G1")])
def test_no_call_starts_on_other_grants_than_it_was_approved_by(ids: tuple[str, ...]) -> None:
    running = executing(awaiting(), grant())
    with pytest.raises(IllegalTransition, match="on other grants"):
        evolve(running, start(running, *ids), NOW)


def test_a_call_that_people_approved_starts_on_no_grant() -> None:
    state = evolve(awaiting(), e.ApprovalGiven(by=ALICE, digest=awaiting().plan.digest), NOW)
    assert isinstance(state, s.Executing)
    with pytest.raises(IllegalTransition, match="on other grants"):
        evolve(state, start(state, "G1"), NOW)


NOBODY: dict[str, tuple[Policy, Grant]] = {
    "the rules have no grants": (replace(OPS, allow_grants=False), grant()),
    "who asked": (OPS, grant(by=replace(REQUESTER, roles=("ops",)))),
    "no approver": (OPS, grant(by=MALLORY)),
    "two are needed": (replace(OPS, required=2), grant()),
    "somebody of another kind is needed": (replace(OPS, quorums=(Quorum(roles=("finance",)),)), grant()),
    "another call": (OPS, grant(replace(CALL, tool="else"))),
    "over": (OPS, replace(grant(), until=NOW)),
}


@pytest.mark.parametrize(("policy", "given"), NOBODY.values(), ids=NOBODY)
def test_a_grant_counts_for_nothing_where_its_grantor_could_not_approve(policy: Policy, given: Grant) -> None:
    assert approved_by(awaiting(policy=policy), given) == ()


def test_revoked_and_used_up_grants_count_for_nothing() -> None:
    state = awaiting()
    assert approvals_on(state, [replace(standing(grant())[0], is_revoked=True)], [ALICE], NOW) == ()
    assert approved_by(state, grant(), used=3) == ()
    assert approvals_on(replace(state, approvals=(BOB,)), standing(grant()), [ALICE], NOW) == ()
    auto = awaiting(replace(CALL, is_automatic=True))
    assert approved_by(auto, grant()) == ()


def test_where_two_people_are_needed_two_must_have_granted() -> None:
    state = awaiting(policy=replace(OPS, required=2))
    assert approved_by(state, grant(), grant(id_="G2")) == ()
    both = executing(state, grant(), grant(by=BOB, id_="G2"))
    assert (both.approvals, both.next_grants) == ((ALICE, BOB), ("G1", "G2"))


def test_who_shaped_the_plan_is_not_counted_for_their_grant() -> None:
    assert approved_by(replace(awaiting(), shapers=(ALICE,)), grant()) == ()


def forged(state: s.AwaitingDecision, *uses: Grant, by: Person = ALICE) -> e.ApprovalGiven:
    return e.ApprovalGiven(by=by, digest=state.plan.digest, grants=tuple(GrantUse(grant=each, used=0) for each in uses))


FORGED: dict[str, tuple[Policy, tuple[Grant, ...], str]] = {
    "no grants": (replace(OPS, allow_grants=False), (grant(),), "no standing grant counts"),
    "bob's": (OPS, (grant(by=BOB),), "somebody else's, or over"),
    "over": (OPS, (replace(grant(), until=NOW),), "somebody else's, or over"),
    "for another call": (OPS, (grant(replace(CALL, tool="else")),), "do not cover"),
    "one too many": (OPS, (grant(), grant(id_="G2")), "do not cover"),
}


@pytest.mark.parametrize(("policy", "uses", "why"), FORGED.values(), ids=FORGED)
def test_a_log_may_not_say_that_a_grant_approved_what_it_does_not(
    policy: Policy, uses: tuple[Grant, ...], why: str
) -> None:
    state = awaiting(policy=policy)
    with pytest.raises(IllegalTransition, match=why):
        evolve(state, forged(state, *uses), NOW)


def test_people_and_grants_do_not_approve_a_plan_together() -> None:
    state = awaiting(policy=replace(OPS, required=2))
    half = evolve(state, forged(state, grant()), NOW)
    assert isinstance(half, s.AwaitingDecision)
    with pytest.raises(IllegalTransition, match="approved by standing grants"):
        evolve(half, e.ApprovalGiven(by=BOB, digest=state.plan.digest), NOW)
    pressed = evolve(state, e.ApprovalGiven(by=BOB, digest=state.plan.digest), NOW)
    with pytest.raises(IllegalTransition, match="no standing grant counts"):
        evolve(pressed, forged(state, grant()), NOW)


def test_the_rest_of_a_plan_needs_grants_that_hold_for_all_of_it() -> None:
    running = executing(awaiting(CALL, CALL), grant())
    assert not are_void(running, standing(grant(), used=1), NOW)
    assert are_void(running, standing(grant(), used=2), NOW)
    assert are_void(running, [], NOW)
    assert are_void(running, standing(grant()), NOW + timedelta(hours=1))
    assert are_void(running, [replace(standing(grant())[0], is_revoked=True)], NOW)
    later = replace(running, receipts=(succeeded_receipt(),))
    assert not are_void(later, standing(grant(), used=2), NOW)


def succeeded_receipt() -> Succeeded:
    return Succeeded(index=0, result="posted")


def test_a_call_in_doubt_still_counts_for_its_grant_when_people_have_it_run_again() -> None:
    running = executing(awaiting(CALL, CALL), grant())
    started = evolve(running, start(running, "G1"), NOW)
    call = running.plan.calls[0]
    lost = e.CallOutcomeUnknown(index=0, server=call.server, tool=call.tool, arguments=call.arguments, reason="gone")
    doubt = evolve(started, lost, NOW)
    word = e.CallResolved(index=0, by=ALICE, verdict="run_it", valid_until=NOW + timedelta(minutes=1))
    again = evolve(doubt, word, NOW)
    assert isinstance(again, s.Executing)
    assert again.next_grants == ("G1",)


def test_whoever_could_approve_the_plan_may_give_a_grant_and_nobody_else() -> None:
    state = awaiting()
    authors = s.authors_of(state)
    assert judge_grantor(state, ALICE, authors, NOW) is None
    assert judge_grantor(state, replace(REQUESTER, roles=("ops",)), authors, NOW) is Refusal.OWN_REQUEST
    assert judge_grantor(state, MALLORY, authors, NOW) is Refusal.NOT_AN_APPROVER
    closed = awaiting(policy=replace(OPS, allow_grants=False))
    assert judge_grantor(closed, ALICE, authors, NOW) is Refusal.NO_GRANTS


def test_a_grant_and_its_end_change_nothing_of_the_run_on_whose_card_it_was_given() -> None:
    state = awaiting()
    assert evolve(state, e.GrantGiven(index=0, grant=grant()), NOW) is state
    assert evolve(state, e.GrantRevoked(grant="G1", by=BOB), NOW) is state


WRONG: dict[str, tuple[int, Grant]] = {
    "by somebody else": (0, grant(by=MALLORY)),
    "for another call": (0, grant(replace(CALL, tool="else"))),
    "of a call that there is not": (1, grant()),
    "before the first": (-1, grant()),
    "over": (0, replace(grant(), until=NOW)),
    "for too long": (0, replace(grant(), until=NOW + LONGEST + timedelta(minutes=2))),
    "for no call": (0, grant(most=0)),
    "for too many": (0, grant(most=MOST_CALLS + 1)),
}


@pytest.mark.parametrize(("index", "given"), WRONG.values(), ids=WRONG)
def test_no_log_has_a_grant_that_nobody_could_give(index: int, given: Grant) -> None:
    with pytest.raises(IllegalTransition):
        evolve(awaiting(), e.GrantGiven(index=index, grant=given), NOW)


def test_no_grant_is_given_before_there_is_a_plan() -> None:
    queued = evolve(None, asked(), START)
    with pytest.raises(IllegalTransition, match="impossible while queued"):
        evolve(queued, e.GrantGiven(index=0, grant=grant()), NOW)


def test_who_shaped_a_finished_plan_may_not_grant_calls_like_its_own() -> None:
    running = replace(executing(awaiting(), grant(by=BOB)), shapers=(ALICE,))
    started = evolve(running, start(running, "G1"), NOW)
    after = evolve(evolve(started, succeeded(running.plan, 0), NOW), e.RunFinished(report=None), NOW)
    assert isinstance(after, s.Finished)
    assert after.shapers == (ALICE,)
    with pytest.raises(IllegalTransition, match="may not grant"):
        evolve(after, e.GrantGiven(index=0, grant=grant()), NOW)


def test_rules_of_calls_and_rules_of_now_only_ever_take_grants_away() -> None:
    assert OPS.with_needs(Needs()).allow_grants
    assert not OPS.with_needs(Needs(bars_grants=True)).allow_grants
    assert not OPS.stricter(replace(OPS, allow_grants=False)).allow_grants
    assert not replace(OPS, allow_grants=False).stricter(OPS).allow_grants
    assert Needs(bars_grants=True).and_also(Needs(per_plan=(("a", 1),))).bars_grants
    assert Needs(per_plan=(("a", 1),)).and_also(Needs(bars_grants=True)).bars_grants


def test_what_has_nothing_to_do_with_grants_keeps_its_text_and_its_digest() -> None:
    assert "allow_grants" not in dict(Policy().as_json())  # type: ignore[arg-type]  # JSON of a known shape
    assert "bars_grants" not in dict(Needs().as_json())  # type: ignore[arg-type]  # likewise
    assert replace(OPS, allow_grants=False).as_json() != OPS.as_json()
    assert Needs(bars_grants=True).as_json() != Needs().as_json()
    plain: list[RunEvent] = [
        proposed(CALL, policy=Policy()),
        e.ApprovalGiven(by=ALICE, digest="d"),
        e.CallStarted(index=0, server="a", tool="b", arguments="{}", digest="d", hand="h"),
    ]
    assert all("grant" not in encode(each).body for each in plain)
    approval = forged(awaiting(), grant())
    for event in (approval, e.GrantGiven(index=0, grant=grant()), e.GrantRevoked(grant="G1", by=BOB)):
        stored = encode(event)
        assert decode(stored.kind, stored.v, stored.body) == event


def test_a_grant_is_live_until_its_end_its_number_or_its_revocation() -> None:
    one = Standing(grant=grant(), run=RUN, given_at=START)
    assert one.is_live(NOW)
    assert not one.is_live(NOW + timedelta(hours=1))
    assert not replace(one, used=3).is_live(NOW)
    assert not replace(one, is_revoked=True).is_live(NOW)
    assert oldest_grant(NOW) < NOW - LONGEST


def test_the_log_takes_no_more_starts_than_a_grant_has_left_and_none_on_one_that_does_not_hold() -> None:
    one = standing(grant(), used=1)
    check_standing(one, [grant()], ["G1", "G1"], NOW)
    for found, claimed, starting in (
        (one, [], ["G1", "G1", "G1"]),
        (one, [], ["G2"]),
        (one, [grant(most=9)], []),
        (one, [grant(id_="G2")], []),
        ([replace(one[0], is_revoked=True)], [], ["G1"]),
        ([replace(one[0], is_revoked=True)], [grant()], []),
    ):
        with pytest.raises(GrantVoidError):
            check_standing(found, claimed, starting, NOW)


@pytest.mark.parametrize(
    ("by", "refusal"),
    [
        (ALICE, None),
        (replace(ALICE, roles=()), None),
        (BOB, Refusal.NOT_YOURS),
        (replace(BOB, is_admin=True), None),
        (replace(BOB, is_admin=True, tenant="elsewhere"), Refusal.OTHER_TENANT),
        (replace(ALICE, tenant="elsewhere"), Refusal.OTHER_TENANT),
    ],
    ids=["its grantor", "who may approve no more", "an approver", "an administrator", "one of elsewhere", "a namesake"],
)
def test_a_grant_is_taken_back_by_its_grantor_and_by_administrators_of_its_place(
    by: Person, refusal: Refusal | None
) -> None:
    assert judge_revoker(grant(), by) is refusal
