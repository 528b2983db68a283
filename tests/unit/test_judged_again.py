"""Whatever is in a log is judged again when it is read: by whom, of which plan, in time, and of calls that were recorded."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Answer, Ballot, Election, Ending
from coordination.domain.canonical_json import digest
from coordination.domain.judgement import keeps_what_was_read
from coordination.domain.plan import OutcomeUnknown, Plan, PlannedCall
from coordination.domain.policy import Authors, Person, Policy, Refusal, judge_own, leaves_nobody, policy_actor
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.transitions import Recorded, authors_in, evolve, replay
from coordination.errors import IllegalTransition
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, START, STRANGER, a_call, a_plan, a_request

SOON = START + timedelta(minutes=1)
LATE = START + timedelta(days=2)
MINE, THEIRS = a_call(title="mine"), a_call(title="theirs")
PLAN = a_plan(MINE, a_call(title="too"))
CALL = PLAN.calls[0]
ADMIN = Person(tenant="here", id="u-admin", name="ada", is_admin=True)
NAMED = {"index": 0, "server": CALL.server, "tool": CALL.tool, "arguments": CALL.arguments}


def answered(*answers: tuple[int, str, tuple[PlannedCall, ...]], version: int = 2) -> s.Deliberating:
    """Agents that recorded and answered so."""
    request = replace(a_request(), rules_version=version)
    state: s.RunState = s.Deliberating(request=request, revision=1, ballot=Ballot(size=2))
    for agent, text, calls in answers:
        for call in calls:
            state = evolve(state, e.ActionRecorded(agent=agent, call=call), START)
        assert isinstance(state, s.Deliberating)
        answer = state.ballot.next_answer(agent, text, calls)
        state = evolve(
            state,
            e.AnswerAccepted(agent=agent, number=answer.number, epoch=answer.epoch, text=text, calls=calls),
            START,
        )
    assert isinstance(state, s.Deliberating)
    return state


def election_of(agent: int, text: str, calls: tuple[PlannedCall, ...]) -> Election:
    winner = Answer(agent=agent, number=1, epoch=1, text=text, calls=calls)
    return Election(winner=winner, votes=2, voters=2, ending=Ending.CONSENSUS)


def proposal(plan: Plan, *, agent: int = 1, written: bool = False) -> e.PlanProposed:
    election = election_of(agent, plan.text, plan.calls)
    return e.PlanProposed(plan=plan, digest=plan.digest, election=election, written_after_vote=written)


def waiting(*, required: int = 1, version: int = 2) -> s.AwaitingDecision:
    """Agent 1's plan waits; agent 2 has another."""
    plan = replace(PLAN, policy=replace(PLAN.policy, required=required))
    deliberated = answered((1, plan.text, plan.calls), (2, "Other.", (THEIRS,)), version=version)
    state = evolve(deliberated, proposal(plan), START)
    assert isinstance(state, s.AwaitingDecision)
    return state


def chosen(state: s.AwaitingDecision, by: Person = ALICE) -> e.PlanProposed:
    """Agent 2's plan in place of the one that waits."""
    plan = replace(state.plan, revision=2, author="agent2.1", text="Other.", calls=(THEIRS,))
    return replace(proposal(plan, agent=2), chosen_by=by)


def selected(state: s.AwaitingDecision, *calls: PlannedCall, by: Person = ALICE) -> e.PlanProposed:
    """Some of the calls of the plan that waits."""
    plan = replace(state.plan, revision=2, calls=calls)
    return replace(proposal(plan), chosen_by=by, revised="selected")


def executing(**fields: object) -> s.Executing:
    state = evolve(waiting(), e.ApprovalGiven(by=ALICE, digest=PLAN.digest), SOON)
    assert isinstance(state, s.Executing)
    return replace(state, **fields)


def in_doubt(*, by: Person = ALICE) -> s.NeedsHuman:
    base = executing()
    return s.NeedsHuman(
        request=base.request,
        plan=base.plan,
        approvals=(by,),
        receipts=(),
        unknown=OutcomeUnknown(index=0, reason="?"),
        attempt=1,
        valid_until=base.valid_until,
        shapers=(BOB,),
    )


def refused(state: s.RunState, event: e.RunEvent, at: object = SOON) -> None:
    with pytest.raises(IllegalTransition):
        evolve(state, event, at)  # type: ignore[arg-type]  # a moment


# --- decisions --------------------------------------------------------------------------------------------------------


def test_no_strangers_word_counts_whatever_it_is() -> None:
    """Of another tenant, or of no right: neither a no, nor a wish, nor a choice, nor a word about a call."""
    state = waiting()
    for by in (MALLORY, STRANGER):
        refused(state, e.ApprovalGiven(by=by, digest=PLAN.digest))
        refused(state, e.PlanRejected(by=by, digest=PLAN.digest))
        refused(state, e.ChangesRequested(by=by, digest=PLAN.digest, text="x"))
        refused(state, chosen(state, by))
        refused(state, e.RunCancelled(by=by))
        refused(executing(), e.RunCancelled(by=by))
        refused(in_doubt(), e.RunCancelled(by=by))
        refused(in_doubt(), e.CallResolved(index=0, by=by, verdict="happened", valid_until=SOON))
        refused(answered(), e.RunCancelled(by=by))
        refused(s.Queued(request=a_request()), e.RunCancelled(by=by))


def test_those_who_may_are_believed() -> None:
    """The same words by the right people."""
    state = waiting()
    for by in (ALICE, REQUESTER):
        assert isinstance(evolve(state, e.PlanRejected(by=by, digest=PLAN.digest), SOON), s.Rejected)
        assert isinstance(evolve(state, e.ChangesRequested(by=by, digest=PLAN.digest, text="x"), SOON), s.ChangesWanted)
        assert isinstance(evolve(state, chosen(state, by), SOON), s.AwaitingDecision)
        assert isinstance(evolve(state, e.RunCancelled(by=by), LATE), s.Cancelled)
        assert isinstance(evolve(executing(), e.RunCancelled(by=by), LATE), s.Executing)
    for by in (REQUESTER, ADMIN):
        assert isinstance(evolve(answered(), e.RunCancelled(by=by), LATE), s.Cancelled)
        assert isinstance(evolve(s.Queued(request=a_request()), e.RunCancelled(by=by), LATE), s.Cancelled)


@pytest.mark.parametrize("other", ["0" * 64, PLAN.digest[:63] + "0", PLAN.digest[:8], ""])
def test_a_word_of_another_digest_is_none_of_this_plan(other: str) -> None:
    """Not an approval, nor a rejection, nor a wish."""
    assert other != PLAN.digest
    for event in (
        e.ApprovalGiven(by=ALICE, digest=other),
        e.PlanRejected(by=ALICE, digest=other),
        e.ChangesRequested(by=ALICE, digest=other, text="x"),
    ):
        refused(waiting(), event)


def test_nothing_is_chosen_at_or_after_expiry() -> None:
    """A moment before, it is."""
    state = waiting()
    assert isinstance(evolve(state, chosen(state), PLAN.expires_at - timedelta(seconds=1)), s.AwaitingDecision)
    refused(state, chosen(state), PLAN.expires_at)


def test_a_yes_to_one_plan_is_no_yes_to_the_one_that_is_chosen_instead() -> None:
    """Each plan collects its own approvals, and who chose it has none to give."""
    state = waiting(required=2)
    after = evolve(state, e.ApprovalGiven(by=ALICE, digest=state.plan.digest), SOON)
    assert isinstance(after, s.AwaitingDecision)
    assert after.approvals == (ALICE,)
    other = evolve(after, chosen(after, BOB), SOON)
    assert isinstance(other, s.AwaitingDecision)
    assert other.approvals == ()
    refused(other, e.ApprovalGiven(by=BOB, digest=other.plan.digest))
    carol = replace(ALICE, id="u-carol", name="carol")
    once = evolve(other, e.ApprovalGiven(by=carol, digest=other.plan.digest), SOON)
    assert isinstance(once, s.AwaitingDecision)
    twice = evolve(once, e.ApprovalGiven(by=ALICE, digest=other.plan.digest), SOON)
    assert isinstance(twice, s.Executing)
    assert twice.approvals == (carol, ALICE)


def test_a_chosen_plan_is_another_agents_answer_and_nothing_else() -> None:
    """Under the same rule, for no longer than that rule gives."""
    state = waiting()
    good = chosen(state)
    ten_years = SOON + timedelta(days=3650)
    for fields in (
        {"calls": (a_call(title="evil"),)},
        {"text": "Another."},
        {"author": "agent1.1"},
        {"author": "agent3.1"},
        {"run": "OTHER"},
        {"tenant": "elsewhere"},
        {"policy": Policy()},
        {"expires_at": ten_years},
    ):
        plan = replace(good.plan, **fields)
        refused(state, replace(good, plan=plan, digest=plan.digest))


def test_who_shaped_a_plan_has_no_yes_and_no_word_about_its_calls() -> None:
    """Through a choice, a wish, and a run that this one goes on from."""
    state = waiting()
    shaped = evolve(state, chosen(state, ALICE), SOON)
    assert isinstance(shaped, s.AwaitingDecision)
    refused(shaped, e.ApprovalGiven(by=ALICE, digest=shaped.plan.digest))
    done = evolve(shaped, e.ApprovalGiven(by=BOB, digest=shaped.plan.digest), SOON)
    assert isinstance(done, s.Executing)
    assert done.shapers == (ALICE,)
    wished = evolve(state, e.ChangesRequested(by=ALICE, digest=PLAN.digest, text="x"), SOON)
    again = evolve(wished, e.DeliberationStarted(revision=2), SOON)
    assert isinstance(again, s.Deliberating)
    assert again.shapers == (ALICE,)
    refused(in_doubt(), e.CallResolved(index=0, by=BOB, verdict="run_it", valid_until=SOON))
    earlier = replace(state, request=replace(state.request, earlier_requesters=(BOB,), earlier_shapers=(ALICE,)))
    for by in (ALICE, BOB):
        refused(earlier, e.ApprovalGiven(by=by, digest=PLAN.digest))


def test_what_is_settled_is_not_settled_for_longer_than_the_rule_gives() -> None:
    """Ten years more are nobody's to give."""
    word = e.CallResolved(index=0, by=ALICE, verdict="run_it", valid_until=SOON + timedelta(days=1))
    assert isinstance(evolve(in_doubt(), word, SOON), s.Executing)
    refused(in_doubt(), replace(word, valid_until=SOON + timedelta(days=3650)))


def test_agents_begin_only_with_the_revision_that_is_due() -> None:
    """After a wish with the next one, and after a crash with the same one again."""
    wanted = evolve(waiting(), e.ChangesRequested(by=ALICE, digest=PLAN.digest, text="x"), SOON)
    for revision in (0, 1, 3):
        refused(wanted, e.DeliberationStarted(revision=revision))
    begun = evolve(wanted, e.DeliberationStarted(revision=2), SOON)
    assert evolve(begun, e.DeliberationStarted(revision=2), SOON) == begun
    for revision in (1, 3):
        refused(begun, e.DeliberationStarted(revision=revision))
    for revision in (0, 2):
        refused(s.Queued(request=a_request()), e.DeliberationStarted(revision=revision))


# --- agents -----------------------------------------------------------------------------------------------------------


def test_an_answer_has_no_calls_that_its_agent_did_not_record() -> None:
    """Neither out of nothing, nor another agent's."""
    state = evolve(answered(), e.ActionRecorded(agent=2, call=MINE), START)
    refused(state, e.AnswerAccepted(agent=1, number=1, epoch=1, text="x", calls=(MINE,)))
    refused(state, e.AnswerAccepted(agent=2, number=1, epoch=1, text="x", calls=(THEIRS,)))
    assert evolve(state, e.AnswerAccepted(agent=2, number=1, epoch=1, text="x", calls=(MINE,)), START)


def test_a_plan_is_the_winners_answer_or_what_the_winner_recorded_after_the_vote() -> None:
    """And expires when the rule says, in the run's own tenant."""
    state = answered((1, PLAN.text, PLAN.calls), (2, "Other.", (THEIRS,)))
    foreign = a_plan(THEIRS)
    refused(state, proposal(foreign))
    refused(state, proposal(foreign, written=True))
    refused(state, proposal(foreign, agent=2))
    for fields in ({"expires_at": START + timedelta(days=3650)}, {"tenant": "elsewhere"}, {"author": "agent2.final"}):
        refused(state, proposal(replace(PLAN, **fields)), START)
    refused(state, replace(proposal(PLAN), chosen_by=ALICE), START)
    recorded = evolve(state, e.ActionRecorded(agent=1, call=a_call(title="anew")), START)
    anew = a_plan(a_call(title="anew"), text="Written anew.")
    assert isinstance(evolve(recorded, proposal(anew, written=True), START), s.AwaitingDecision)
    refused(recorded, proposal(anew))


def test_logs_of_earlier_programs_are_replayed_by_what_those_asked_for() -> None:
    """They recorded no lineage, and let a shaper approve."""
    state = waiting(version=1)
    shaped = evolve(state, chosen(state, ALICE), SOON)
    assert isinstance(shaped, s.AwaitingDecision)
    approved = e.ApprovalGiven(by=ALICE, digest=shaped.plan.digest)
    assert isinstance(evolve(shaped, approved, SOON), s.Executing)
    unrecorded = s.Deliberating(request=state.request, revision=1, ballot=Ballot(size=2))
    assert isinstance(evolve(unrecorded, proposal(PLAN), START), s.AwaitingDecision)


def test_another_runs_plan_is_none_of_this_log() -> None:
    """Two runs can't be swapped, plan by plan."""
    events = [a_request(), e.DeliberationStarted(revision=1)]
    events = [replace(events[0], rules_version=1), events[1], proposal(PLAN)]
    assert replay(Recorded(run="RUN1", seq=n, at=START, event=each) for n, each in enumerate(events, 1))
    with pytest.raises(IllegalTransition, match="another run's"):
        replay(Recorded(run="RUN2", seq=n, at=START, event=each) for n, each in enumerate(events, 1))


def test_only_the_rules_own_name_in_this_tenant_approves_automatic_plans() -> None:
    """Not the same name from elsewhere."""
    auto = a_plan(a_call(title="a", is_automatic=True))
    state = evolve(answered((1, auto.text, auto.calls)), proposal(auto), START)
    refused(state, e.ApprovalGiven(by=policy_actor("elsewhere"), digest=auto.digest))
    assert isinstance(evolve(state, e.ApprovalGiven(by=policy_actor("here"), digest=auto.digest), SOON), s.Executing)


# --- calls ------------------------------------------------------------------------------------------------------------


def test_nothing_has_an_end_that_had_no_beginning() -> None:
    """A success and a doubt need a start, and of the call under way."""
    state = executing()
    refused(state, e.CallSucceeded(**NAMED, result="x"))  # type: ignore[arg-type]  # as named
    refused(state, e.CallOutcomeUnknown(**NAMED, reason="x"))  # type: ignore[arg-type]  # as named
    begun = executing(in_flight="hand")
    assert isinstance(evolve(begun, e.CallSucceeded(**NAMED, result="x"), SOON), s.Executing)  # type: ignore[arg-type]  # as named
    for event in (
        e.CallSucceeded(**{**NAMED, "index": 1}, result="x"),  # type: ignore[arg-type]  # as named
        e.CallFailed(**{**NAMED, "index": 1}, reason="x"),  # type: ignore[arg-type]  # as named
        e.CallOutcomeUnknown(**{**NAMED, "index": 1}, reason="x"),  # type: ignore[arg-type]  # as named
    ):
        refused(begun, event)


def test_nothing_is_skipped_while_a_call_is_under_way() -> None:
    """It may be done."""
    refused(executing(in_flight="hand"), e.CallsSkipped(indexes=(0, 1), reason="x"))


def test_stopping_at_a_doubt_is_a_stop_and_says_whose() -> None:
    """What is left is skipped, and the run knows who wanted that."""
    state = evolve(in_doubt(), e.CallResolved(index=0, by=ALICE, verdict="abandon", valid_until=SOON), SOON)
    assert isinstance(state, s.Reporting)
    assert state.stopped_by == ALICE
    assert [receipt.kind for receipt in state.receipts] == ["outcome_unknown", "skipped"]


@pytest.mark.parametrize("verdict", ["run_it", "happened"])
def test_after_a_stop_no_call_starts_whatever_is_said_of_the_one_in_doubt(verdict: e.Verdict) -> None:
    """Whether the stop came during the call or while it was in doubt."""
    during = evolve(executing(in_flight="hand"), e.RunCancelled(by=REQUESTER), SOON)
    during = evolve(during, e.CallOutcomeUnknown(**NAMED, reason="?"), SOON)  # type: ignore[arg-type]  # as named
    after = evolve(in_doubt(), e.RunCancelled(by=REQUESTER), SOON)
    for state in (during, after):
        assert isinstance(state, s.NeedsHuman)
        refused(state, e.RunCancelled(by=ALICE))
        word = e.CallResolved(index=0, by=ALICE, verdict=verdict, valid_until=SOON + timedelta(hours=1))
        settled = evolve(state, word, SOON)
        assert isinstance(settled, s.Executing)
        assert settled.stopped_by == REQUESTER
        call = PLAN.calls[settled.next_index]
        start = e.CallStarted(
            index=settled.next_index,
            server=call.server,
            tool=call.tool,
            arguments=call.arguments,
            digest=PLAN.digest,
            hand="h",
        )
        refused(settled, start)


# --- what people make of a plan ---------------------------------------------------------------------------------------


def test_a_selection_is_some_calls_to_the_letter_by_somebody_who_may() -> None:
    """Neither all nor none, in their order, each as often as it was there; and whoever selected has shaped the plan."""
    state, (first, second) = waiting(required=2), PLAN.calls
    revised = evolve(state, selected(state, second), SOON)
    assert isinstance(revised, s.AwaitingDecision)
    assert (revised.approvals, revised.shapers) == ((), (ALICE,))
    for calls in ((), (first, second), (second, first), (first, first), (THEIRS,), (replace(first, says="else"),)):
        refused(state, selected(state, *calls))
    for by in (MALLORY, STRANGER):
        refused(state, selected(state, first, by=by))
    refused(state, selected(state, first), LATE)
    refused(revised, e.ApprovalGiven(by=ALICE, digest=revised.plan.digest))
    for fields in ({"text": "Else."}, {"author": "agent2.1"}, {"policy": PLAN.policy}, {"run": "RUN2"}):
        plan = replace(state.plan, revision=2, calls=(first,), **fields)
        refused(state, replace(proposal(plan), chosen_by=ALICE, revised="selected"))
    refused(state, replace(selected(state, first), chosen_by=None))
    refused(state, replace(selected(state, first), because="rules"))


def test_an_edit_changes_the_arguments_of_one_call_and_makes_it_need_people() -> None:
    """In canonical JSON, by somebody who may; everything else of the plan is as it was."""
    state, (first, second) = waiting(), PLAN.calls
    automatic = replace(state, plan=replace(state.plan, calls=(replace(first, is_automatic=True), second)))

    def edited(*calls: PlannedCall, by: Person = ALICE) -> e.PlanProposed:
        return replace(selected(state, *calls, by=by), revised="edited")

    new = replace(first, arguments='{"title":"new"}')
    assert isinstance(evolve(state, edited(new, second), SOON), s.AwaitingDecision)
    assert isinstance(evolve(automatic, edited(new, second), SOON), s.AwaitingDecision)
    refused(automatic, edited(replace(new, is_automatic=True), second))
    for calls in (
        (first, second),
        (new,),
        (new, replace(second, arguments="{}")),
        (replace(new, tool="drop"), second),
        (replace(new, server="bank"), second),
        (replace(new, definition="another"), second),
        (replace(new, settings="another"), second),
        (replace(first, arguments='{ "title": "new"}'), second),
        (replace(first, arguments='"new"'), second),
        (replace(first, arguments="{"), second),
    ):
        refused(state, edited(*calls))
    refused(state, edited(new, second, by=MALLORY))
    refused(state, edited(new, second), LATE)


def test_a_selection_and_an_edit_need_whom_their_calls_need() -> None:
    """Who was needed for a dropped call alone is needed no more; an edit takes away nobody, and may add somebody."""
    board, finance = Quorum(roles=("board",)), Quorum(roles=("finance",))
    paid = replace(THEIRS, needs=Needs(quorums=(board,)))
    calls = (MINE, paid)
    policy = PLAN.policy.with_needs(paid.needs)
    state = replace(waiting(), plan=replace(PLAN, calls=calls, policy=policy))
    free = replace(state.plan, revision=2, calls=(MINE,), policy=PLAN.policy)
    assert isinstance(
        evolve(state, replace(proposal(free), chosen_by=ALICE, revised="selected"), SOON), s.AwaitingDecision
    )
    lax = replace(state.plan, revision=2, calls=(paid,), policy=PLAN.policy)
    refused(state, replace(proposal(lax), chosen_by=ALICE, revised="selected"))
    for needs, is_right in (
        (Needs(quorums=(board,)), True),
        (Needs(quorums=(board, finance)), True),
        (Needs(), False),
        (Needs(quorums=(finance,)), False),
        (Needs(quorums=(board,), read_first=("$.title",)), False),
    ):
        call = replace(paid, arguments='{"title":"new"}', needs=needs)
        plan = replace(state.plan, revision=2, calls=(MINE, call), policy=policy.with_needs(needs))
        event = replace(proposal(plan), chosen_by=ALICE, revised="edited")
        if is_right:
            assert isinstance(evolve(state, event, SOON), s.AwaitingDecision)
            refused(state, replace(proposal(replace(plan, policy=PLAN.policy)), chosen_by=ALICE, revised="edited"))
        else:
            refused(state, event)


def test_what_had_to_be_read_first_is_not_edited_not_even_to_another_value_of_the_call() -> None:
    old = replace(a_call("rename", path="a", to="b"), needs=Needs(read_first=("$.path",)))
    for arguments, keeps in (('{"path":"a","to":"c"}', True), ('{"path":"b","to":"b"}', False), ('{"to":"b"}', False)):
        assert keeps_what_was_read(old, replace(old, arguments=arguments)) is keeps


def test_an_approval_is_taken_back_by_whoever_gave_it() -> None:
    state = waiting(required=2)
    digest = state.plan.digest
    given = evolve(state, e.ApprovalGiven(by=ALICE, digest=digest), SOON)
    back = evolve(given, e.ApprovalWithdrawn(by=ALICE, digest=digest), SOON)
    assert back == state
    for by in (BOB, MALLORY, STRANGER):
        refused(given, e.ApprovalWithdrawn(by=by, digest=digest))
    refused(given, e.ApprovalWithdrawn(by=ALICE, digest="0" * 64))
    refused(back, e.ApprovalWithdrawn(by=ALICE, digest=digest))
    refused(executing(), e.ApprovalWithdrawn(by=ALICE, digest=PLAN.digest))


# --- whose words ------------------------------------------------------------------------------------------------------


def test_the_lineage_of_a_log_has_everybody_once() -> None:
    """In the order in which they came."""
    request = replace(a_request(), earlier_requesters=(MALLORY,), earlier_shapers=(BOB,))
    wish = e.ChangesRequested(by=ALICE, digest=PLAN.digest, text="x")
    choice = replace(proposal(PLAN), chosen_by=BOB)
    events = [request, proposal(PLAN), wish, choice, replace(wish, by=ALICE)]
    found = authors_in(Recorded(run="RUN1", seq=n, at=START, event=each) for n, each in enumerate(events, 1))
    assert found == Authors(requester=REQUESTER, earlier=(MALLORY,), shapers=(BOB, ALICE))
    with pytest.raises(IllegalTransition):
        authors_in([])


def test_what_the_requester_may_they_may_whatever_else_they_said() -> None:
    """And of the others each rule speaks by itself."""
    authors = Authors(requester=REQUESTER, earlier=(MALLORY,), shapers=(ALICE, REQUESTER))
    for allows_requester in (False, True):
        for allows_author in (False, True):
            policy = Policy(allow_requester=allows_requester, allow_author=allows_author)
            own = None if allows_requester else Refusal.OWN_REQUEST
            assert judge_own(policy, REQUESTER, authors) is own
            assert judge_own(policy, MALLORY, authors) is own
            assert judge_own(policy, ALICE, authors) is (None if allows_author else Refusal.OWN_WORDS)
            assert judge_own(policy, BOB, authors) is None


def test_a_rule_that_names_people_alone_knows_when_nobody_is_left() -> None:
    """Of roles it does not know who has them."""
    authors = Authors(requester=REQUESTER, shapers=(ALICE,))
    for policy, is_left in (
        (Policy(users=("u-alice",)), False),
        (Policy(users=("u-alice",), allow_author=True), True),
        (Policy(users=("u-requester",)), False),
        (Policy(users=("u-requester",), allow_requester=True), True),
        (Policy(users=("u-alice", "u-bob")), True),
        (Policy(users=("u-alice", "u-bob"), required=2), False),
        (Policy(users=("u-bob", "u-bob"), required=2), False),
        (Policy(users=("u-bob", "u-carol"), required=2), True),
        (Policy(users=("u-alice",), roles=("ops",)), True),
        (Policy(), True),
    ):
        assert leaves_nobody(policy, authors) is not is_left, policy


def test_digests_of_different_things_differ_though_the_text_is_one() -> None:
    """Nobody passes a configuration off as a plan."""
    assert len({digest(purpose, "x") for purpose in ("plan", "config", "tool", "")}) == 4


def test_a_plan_of_earlier_days_keeps_its_digest() -> None:
    """What its rule did not know then is in no text under a digest, until somebody sets it."""
    assert digest("plan", PLAN.canonical()) == PLAN.digest
    assert "allow_author" not in PLAN.canonical()
    lenient = replace(PLAN, policy=replace(PLAN.policy, allow_author=True))
    assert '"allow_author":true' in lenient.canonical()
    assert lenient.digest != PLAN.digest
    assert "channel" not in PLAN.canonical()
    assert "shows_private" not in PLAN.canonical()
    routed = replace(PLAN, policy=replace(PLAN.policy, approvals_channel="C123", shows_private=True))
    assert '"approvals_channel":"C123"' in routed.canonical()
    assert '"shows_private":true' in routed.canonical()


def test_a_vote_that_was_overtaken_is_on_record_and_counts_for_nothing() -> None:
    """Only a vote for what nobody has answered yet is impossible."""
    state = answered((1, "One.", ()), (2, "Two.", ()))
    after = evolve(state, e.VoteCast(agent=1, choice=1, epoch=1, reason="x"), START)
    assert isinstance(after, s.Deliberating)
    assert len(after.ballot.votes) == 1
    assert after.ballot.valid_votes() == {}
    refused(state, e.VoteCast(agent=1, choice=1, epoch=3, reason="x"))


def again(state: s.AwaitingDecision, **changes: object) -> e.PlanProposed:
    """The plan of a state, asked again, but for what is changed about it."""
    plan = replace(state.plan, revision=state.plan.revision + 1, expires_at=SOON + timedelta(hours=1), **changes)
    return e.PlanProposed(plan=plan, digest=plan.digest, election=state.election, because="rules")


def test_a_plan_that_is_asked_again_is_the_same_plan() -> None:
    state = waiting()
    with pytest.raises(IllegalTransition, match="is another one"):
        evolve(state, again(state, calls=(THEIRS,)), SOON)


def test_a_plan_is_not_asked_again_under_a_laxer_rule() -> None:
    state = waiting(required=2)
    with pytest.raises(IllegalTransition, match="a laxer rule"):
        evolve(state, again(state, policy=replace(state.plan.policy, required=1)), SOON)


def test_a_plan_whose_calls_have_begun_is_not_asked_again() -> None:
    state = waiting()
    approved = evolve(state, e.ApprovalGiven(by=ALICE, digest=state.plan.digest), SOON)
    start = e.CallStarted(
        index=0, server=CALL.server, tool=CALL.tool, arguments=CALL.arguments, digest=state.plan.digest, hand="H"
    )
    begun = evolve(approved, start, SOON)
    with pytest.raises(IllegalTransition):
        evolve(begun, again(state), SOON)


QUESTION = e.QuestionAsked(agent=1, number=1, text="Which channel?", until=SOON)


@pytest.mark.parametrize(
    ("event", "at"),
    [
        (replace(QUESTION, number=3), START),
        (e.QuestionAnswered(number=2, by=REQUESTER, text="yes"), START),
        (e.QuestionExpired(number=0), START),
        (e.QuestionAnswered(number=1, by=ALICE, text="yes"), START),
        (e.QuestionAnswered(number=1, by=REQUESTER, text="yes"), LATE),
    ],
)
def test_a_question_of_an_agent_is_asked_in_turn_and_answered_by_the_requester_in_time(
    event: e.RunEvent, at: datetime
) -> None:
    state = evolve(answered(), QUESTION, START)
    with pytest.raises(IllegalTransition):
        evolve(state, event, at)


def test_a_question_of_an_agent_is_answered_once() -> None:
    answer = e.QuestionAnswered(number=1, by=REQUESTER, text="yes")
    state = evolve(evolve(answered(), QUESTION, START), answer, START)
    with pytest.raises(IllegalTransition):
        evolve(state, answer, START)
