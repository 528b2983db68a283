"""Whose approval calls need, and when it is enough: different people for each place, whoever of them comes first."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coordination.authorization import judge_plan, message, resolution_on
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.conditions import unread
from coordination.domain.plan import OutcomeUnknown, Plan, PlannedCall, over_cap
from coordination.domain.policy import Authors, Person, Policy, Refusal, RunAction, judge, leaves_nobody
from coordination.domain.quorums import NOTHING, Needs, Quorum, all_of, seated, side_by_side, union
from coordination.domain.transitions import evolve
from coordination.errors import IllegalTransition
from tests.builders import REQUESTER, START, a_call, a_plan, a_request, an_election_of

SOON = START + timedelta(minutes=1)
FINANCE, BOARD, OPS = (Quorum(roles=(name,)) for name in ("finance", "board", "ops"))


def somebody(name: str, *roles: str) -> Person:
    return Person(tenant="here", id=f"u-{name}", name=name, roles=roles)


FIN, BEA, OLA = somebody("fin", "finance"), somebody("bea", "board"), somebody("ola", "ops")
BOTH = somebody("both", "finance", "board")
NOBODY = somebody("nobody")


def needing(*quorums: Quorum, number: int = 0, needs: Needs = NOTHING) -> PlannedCall:
    return replace(a_call(title=f"call {number}"), needs=replace(needs, quorums=side_by_side(quorums)))


def waiting(*calls: PlannedCall, policy: Policy | None = None) -> s.AwaitingDecision:
    """A plan of these calls, as the agents' worker proposes it."""
    rule = (policy or Policy()).with_needs(all_of(call.needs for call in calls))
    plan = a_plan(*calls, policy=rule)
    return s.AwaitingDecision(request=a_request(), plan=plan, election=an_election_of(plan), ballot=Ballot(size=2))


def verdict(state: s.AwaitingDecision, by: Person) -> Refusal | None:
    return judge_plan(state, state.plan.digest, by, RunAction.APPROVE, SOON)


def approved(state: s.RunState, *people: Person) -> s.RunState:
    for by in people:
        assert isinstance(state, s.AwaitingDecision)
        state = evolve(state, e.ApprovalGiven(by=by, digest=state.plan.digest), SOON)
    return state


# --- places ----------------------------------------------------------------------------------------------------------


def test_one_of_both_makes_way_for_the_one_of_only_one() -> None:
    places = (FINANCE, BOARD)
    assert seated(places, [BOTH, FIN]).are_full
    assert seated(places, [BOTH, BEA]).are_full
    assert not seated(places, [BOTH, replace(BOTH, name="renamed")]).are_full
    assert not seated(places, [FIN, somebody("too", "finance")]).are_full


def test_calls_share_people_and_entries_of_one_rule_do_not() -> None:
    twice = replace(FINANCE, required=2)
    assert union((FINANCE,), (twice,)) == (twice,)
    assert union((FINANCE,), (BOARD,)) == (BOARD, FINANCE)
    assert side_by_side((FINANCE, FINANCE)) == (twice,)


def test_needs_only_ever_add_up() -> None:
    lax = Needs(quorums=(FINANCE,), expires_after=60, per_plan=(("a", 3), ("b", 1)))
    strict = Needs(
        quorums=(BOARD,),
        expires_after=30,
        bars_requester=True,
        bars_author=True,
        per_plan=(("a", 2),),
        read_first=("$.path",),
    )
    expected = replace(strict, quorums=(BOARD, FINANCE), per_plan=(("a", 2), ("b", 1)))
    assert lax.and_also(strict) == expected
    assert strict.and_also(lax) == expected
    assert lax.and_also(NOTHING) == lax
    assert NOTHING.and_also(lax) == lax
    assert all_of([]) == NOTHING
    assert bool(lax) is True
    assert bool(NOTHING) is False


# --- the rule of a plan ----------------------------------------------------------------------------------------------


def test_a_rule_that_names_nobody_is_met_by_whoever_the_calls_need() -> None:
    policy = Policy().with_needs(Needs(quorums=(FINANCE,)))
    assert policy.places == (FINANCE,)
    assert replace(policy, required=3).places == (FINANCE, Quorum(required=2))
    assert (policy.needed, replace(policy, required=3).needed) == (1, 3)


def test_a_rule_that_names_people_has_a_place_of_its_own() -> None:
    policy = Policy(roles=("ops",), required=2).with_needs(Needs(quorums=(FINANCE,)))
    assert policy.places == (FINANCE, replace(OPS, required=2))
    same = Policy(roles=("ops",)).with_needs(Needs(quorums=(replace(OPS, required=2),)))
    assert same.places == (replace(OPS, required=2),)


def test_what_calls_need_tightens_the_rule_and_never_loosens_it() -> None:
    lax = Policy(allow_requester=True, allow_author=True, expires_after=100)
    strict = lax.with_needs(
        Needs(quorums=(Quorum(required=2),), expires_after=50, bars_requester=True, bars_author=True)
    )
    assert strict == Policy(required=2, expires_after=50)
    assert strict.with_needs(Needs(expires_after=80)) == strict
    assert strict.with_needs(NOTHING) == strict
    assert lax.stricter(Policy(quorums=(FINANCE,))).quorums == (FINANCE,)
    assert replace(lax, quorums=(BOARD,)).stricter(lax).quorums == (BOARD,)


def test_a_plan_without_needs_has_the_digest_that_it_always_had() -> None:
    plan = a_plan()
    assert "quorums" not in plan.canonical()
    assert "needs" not in plan.canonical()
    needy = waiting(needing(FINANCE)).plan
    assert needy.digest not in {
        plan.digest,
        replace(needy, policy=replace(needy.policy, quorums=(BOARD,))).digest,
        replace(needy, calls=(needing(BOARD),)).digest,
    }


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_plan_runs_when_each_place_is_filled_by_somebody_else() -> None:
    state = waiting(needing(FINANCE, BOARD))
    for pair in ((FIN, BEA), (BEA, FIN), (BOTH, FIN), (BOTH, BEA), (FIN, BOTH)):
        assert isinstance(approved(state, pair[0]), s.AwaitingDecision)
        assert isinstance(approved(state, *pair), s.Executing)


def test_a_plan_needs_everybody_whom_any_of_its_calls_needs() -> None:
    state = waiting(needing(FINANCE), needing(BOARD, number=1), a_call(title="plain"))
    assert isinstance(approved(state, FIN), s.AwaitingDecision)
    assert isinstance(approved(state, FIN, BEA), s.Executing)


def test_who_is_not_needed_is_refused_and_told_who_is() -> None:
    state = approved(waiting(needing(FINANCE, BOARD)), FIN)
    assert isinstance(state, s.AwaitingDecision)
    another = somebody("another", "finance")
    assert verdict(state, another) is Refusal.NOT_NEEDED
    assert verdict(state, NOBODY) is Refusal.NOT_AN_APPROVER
    assert verdict(state, FIN) is Refusal.ALREADY_APPROVED
    assert verdict(state, BEA) is None
    assert "board, finance" in str(message(Refusal.NOT_NEEDED, state))
    for by in (another, NOBODY, FIN):
        with pytest.raises(IllegalTransition):
            evolve(state, e.ApprovalGiven(by=by, digest=state.plan.digest), SOON)


def test_anybody_of_an_open_rule_still_turns_down_what_others_must_approve() -> None:
    state = waiting(needing(FINANCE))
    rejected = evolve(state, e.PlanRejected(by=NOBODY, digest=state.plan.digest), SOON)
    assert isinstance(rejected, s.Rejected)
    closed = waiting(needing(FINANCE), policy=Policy(roles=("ops",)))
    assert judge_plan(closed, closed.plan.digest, NOBODY, RunAction.REJECT, SOON) is Refusal.NOT_AN_APPROVER
    assert judge_plan(closed, closed.plan.digest, FIN, RunAction.REJECT, SOON) is None


@pytest.mark.parametrize(("bars", "refusal"), [(True, Refusal.OWN_REQUEST), (False, None)])
def test_a_call_may_keep_the_requester_from_counting(bars: bool, refusal: Refusal | None) -> None:
    rita = replace(REQUESTER, roles=("finance",))
    state = waiting(needing(FINANCE, needs=Needs(bars_requester=bars)), policy=Policy(allow_requester=True))
    assert verdict(state, rita) is refusal


def test_strangers_fill_no_place() -> None:
    guest = replace(FIN, is_guest=True)
    assert verdict(waiting(needing(FINANCE)), guest) is Refusal.EXTERNAL
    assert not Policy(quorums=(FINANCE,)).counts(guest)


def test_nobody_is_left_where_accounts_are_too_few_for_their_places() -> None:
    authors = Authors(requester=REQUESTER)
    one, two = (Quorum(users=(each,)) for each in (FIN.id, BEA.id))
    assert not leaves_nobody(Policy(quorums=(one, two)), authors)
    assert leaves_nobody(Policy(quorums=(one, two)), Authors(requester=REQUESTER, shapers=(FIN,)))
    assert leaves_nobody(Policy(quorums=(replace(one, required=2),)), authors)
    assert leaves_nobody(Policy(quorums=(Quorum(users=(FIN.id, BEA.id)), one, two)), authors)
    assert not leaves_nobody(Policy(quorums=(replace(FINANCE, required=9),)), authors)


# --- a log that others wrote ------------------------------------------------------------------------------------------


def proposing(plan: Plan) -> s.RunState:
    """Agents that recorded this, and the proposal of it."""
    state: s.RunState = s.Deliberating(request=a_request(), revision=1, ballot=Ballot(size=2))
    for call in plan.calls:
        state = evolve(state, e.ActionRecorded(agent=1, call=call), START)
    accepted = e.AnswerAccepted(agent=1, number=1, epoch=1, text=plan.text, calls=plan.calls)
    state = evolve(state, accepted, START)
    election = an_election_of(plan)
    return evolve(state, e.PlanProposed(plan=plan, digest=plan.digest, election=election), START)


def test_no_plan_is_proposed_under_a_rule_that_leaves_out_what_a_call_needs() -> None:
    plan = waiting(needing(FINANCE, needs=Needs(expires_after=60))).plan
    assert isinstance(proposing(replace(plan, expires_at=START + timedelta(seconds=60))), s.AwaitingDecision)
    for policy in (Policy(expires_after=60), replace(plan.policy, quorums=(BOARD,)), Policy(quorums=(FINANCE,))):
        with pytest.raises(IllegalTransition, match="leaves out"):
            proposing(replace(plan, policy=policy, expires_at=START + timedelta(seconds=60)))


def test_no_plan_has_more_calls_of_a_kind_than_it_may() -> None:
    few = [needing(number=number, needs=Needs(per_plan=(("bank.*", 2),))) for number in range(3)]
    assert over_cap(few) == few[2]
    assert over_cap(few[:2]) is None
    assert isinstance(proposing(waiting(*few[:2]).plan), s.AwaitingDecision)
    with pytest.raises(IllegalTransition, match="more calls of a kind"):
        proposing(waiting(*few).plan)


def test_a_plan_that_is_asked_again_keeps_everybody_whom_it_needed() -> None:
    state = waiting(needing(FINANCE))
    for quorums, is_right in (((FINANCE, BOARD), True), ((FINANCE,), True), ((BOARD,), False), ((), False)):
        policy = replace(state.plan.policy, quorums=union(quorums, ()))
        plan = replace(state.plan, revision=2, policy=policy)
        event = e.PlanProposed(plan=plan, digest=plan.digest, election=state.election, because="rules")
        if is_right:
            assert isinstance(evolve(state, event, START), s.AwaitingDecision)
        else:
            with pytest.raises(IllegalTransition):
                evolve(state, event, START)


def test_what_changes_something_is_recorded_only_of_who_has_read_it() -> None:
    call = replace(a_call(path="/a"), needs=Needs(read_first=("$.path",)))
    begun = s.Deliberating(request=a_request(), revision=1, ballot=Ballot(size=2))
    read = e.ToolRead(agent=1, server="board", tool="read", arguments='{"path":"/a"}', excerpt="")
    assert isinstance(evolve(evolve(begun, read, START), e.ActionRecorded(agent=1, call=call), START), s.Deliberating)
    for other in (
        replace(read, agent=2),
        replace(read, server="files"),
        replace(read, is_error=True),
        replace(read, arguments='{"path":"/b"}'),
    ):
        with pytest.raises(IllegalTransition, match="has not read"):
            evolve(evolve(begun, other, START), e.ActionRecorded(agent=1, call=call), START)


@pytest.mark.parametrize(
    ("arguments", "read", "path"),
    [
        ({"path": "/a"}, [{"path": "/a"}], None),
        ({"path": "/a"}, [{"paths": ["/b", "/a"]}], None),
        ({"path": "/a"}, [{"path": "/a/b"}], "$.path"),
        ({"path": "/a"}, [], "$.path"),
        ({}, [{"path": "/a"}], "$.path"),
        ({"path": []}, [{"path": "/a"}], "$.path"),
        ({"path": ["/a", "/b"]}, [{"path": "/a"}], "$.path"),
        ({"path": ["/a", "/b"]}, [{"path": "/a"}, {"path": "/b"}], None),
        ({"path": 1}, [{"path": True}], "$.path"),
    ],
)
def test_a_value_counts_as_read_if_it_was_an_argument_of_a_read(
    arguments: dict[str, object], read: list[dict[str, object]], path: str | None
) -> None:
    assert unread(("$.path",), arguments, read) == path  # type: ignore[arg-type]  # JSON


# --- calls in doubt ---------------------------------------------------------------------------------------------------


def in_doubt(*said: tuple[Person, e.Verdict]) -> s.NeedsHuman:
    state = waiting(needing(FINANCE, BOARD), needing(number=1))
    return s.NeedsHuman(
        request=state.request,
        plan=state.plan,
        approvals=(FIN, BEA),
        receipts=(),
        unknown=OutcomeUnknown(index=0, reason="?"),
        attempt=1,
        valid_until=state.plan.expires_at,
        said=said,
    )


def test_to_run_a_call_again_takes_the_same_kinds_of_people_as_the_plan() -> None:
    another = somebody("another", "finance")
    state = in_doubt((FIN, "run_it"))
    assert resolution_on(state, another, "run_it", SOON) is Refusal.NOT_NEEDED
    assert isinstance(resolution_on(state, BEA, "run_it", SOON), e.CallResolved)
    assert isinstance(resolution_on(in_doubt(), FIN, "run_it", SOON), e.ResolutionApproved)
    settled = e.CallResolved(index=0, by=another, verdict="run_it", valid_until=state.valid_until)
    with pytest.raises(IllegalTransition, match="more people"):
        evolve(state, settled, SOON)
    with pytest.raises(IllegalTransition, match="not one that the plan needs"):
        evolve(state, e.ResolutionApproved(index=0, by=another, verdict="run_it"), SOON)
    assert isinstance(evolve(state, replace(settled, by=BEA), SOON), s.Executing)


def test_to_say_that_a_call_happened_takes_one_of_them() -> None:
    for by in (FIN, BEA, BOTH):
        assert isinstance(resolution_on(in_doubt(), by, "happened", SOON), e.CallResolved)
    settled = e.CallResolved(index=0, by=NOBODY, verdict="happened", valid_until=SOON)
    with pytest.raises(IllegalTransition, match="may not resolve"):
        evolve(in_doubt(), settled, SOON)


def test_a_word_of_one_whom_no_call_needs_settles_nothing() -> None:
    state = in_doubt()
    authors = Authors(requester=REQUESTER)
    refusal = judge(
        state.plan.policy,
        RunAction.RESOLVE,
        by=NOBODY,
        authors=authors,
        approvals=(),
        at=SOON,
        expires_at=state.plan.expires_at,
    )
    assert refusal is Refusal.NOT_AN_APPROVER


# --- where they read it -----------------------------------------------------------------------------------------------

PAY, MONEY = "C0PAY", "C0MONEY"


def test_the_same_people_are_shown_a_plan_in_every_channel_that_is_named_for_them_and_are_still_the_same() -> None:
    pay, money = replace(FINANCE, channels=(PAY,)), replace(FINANCE, required=2, channels=(MONEY,))
    for both in (union([pay], [money]), union([money], [pay])):
        assert [(each.required, each.channels) for each in both] == [(2, (MONEY, PAY))]
    assert [(each.required, each.channels) for each in side_by_side([pay, money, BOARD])] == [
        (1, ()),
        (3, (MONEY, PAY)),
    ]
    assert pay == FINANCE
    together = Needs(quorums=(FINANCE,)).and_also(Needs(quorums=(pay,)))
    assert [each.channels for each in together.quorums] == [(PAY,)]


def test_a_channel_enters_the_digest_where_one_is_named_and_only_there() -> None:
    assert replace(FINANCE, channels=(PAY,)).as_json() == {
        "roles": ["finance"],
        "users": [],
        "required": 1,
        "channels": [PAY],
    }
    assert "channels" not in str(FINANCE.as_json())
    shown, hidden = (a_plan(needing(replace(FINANCE, channels=each))) for each in ((PAY,), ()))
    assert shown.digest != hidden.digest


def test_a_plan_is_shown_in_its_own_channel_and_in_those_of_places_that_are_not_filled() -> None:
    pay, board = replace(FINANCE, channels=(PAY,)), replace(BOARD, channels=(MONEY,))
    policy = Policy(roles=("ops",), quorums=(board, pay), approvals_channel="C0OPS")
    assert policy.channels() == ("C0OPS", MONEY, PAY)
    assert policy.channels([OLA, FIN]) == ("C0OPS", MONEY)
    assert policy.channels([BOTH, OLA]) == ("C0OPS", PAY)
    assert policy.channels([FIN, BEA, OLA]) == ("C0OPS",)
    assert Policy().channels() == ()


def test_a_channel_that_a_rule_names_later_asks_for_nobody_again() -> None:
    before = Policy(quorums=(FINANCE,))
    assert before.stricter(Policy(quorums=(replace(FINANCE, channels=(PAY,)),))) == before
