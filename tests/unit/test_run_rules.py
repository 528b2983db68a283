"""The rules of a run by themselves: what evolve refuses, whatever a careless service might send it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Policy, policy_actor
from coordination.domain.transitions import Recorded, evolve, replay
from coordination.errors import IllegalTransition
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, START, a_call, a_plan, a_request, an_election_of

SOON = START + timedelta(minutes=1)
LATE = START + timedelta(days=2)


def proposed(plan: Plan) -> s.AwaitingDecision:
    """A run whose plan waits."""
    return s.AwaitingDecision(request=a_request(), plan=plan, election=an_election_of(plan), ballot=Ballot(size=2))


def deliberated(plan: Plan) -> s.Deliberating:
    """A run whose first agent recorded and answered what the plan is to be."""
    state: s.RunState = s.Deliberating(request=a_request(), revision=plan.revision, ballot=Ballot(size=2))
    for call in plan.calls:
        state = evolve(state, e.ActionRecorded(agent=1, call=call), START)
    answer = e.AnswerAccepted(agent=1, number=1, epoch=1, text=plan.text, calls=plan.calls)
    state = evolve(state, answer, START)
    assert isinstance(state, s.Deliberating)
    return state


def executing(plan: Plan, **fields: object) -> s.Executing:
    """A run whose plan was approved by alice."""
    state = evolve(proposed(plan), e.ApprovalGiven(by=ALICE, digest=plan.digest), SOON)
    assert isinstance(state, s.Executing)
    return replace(state, **fields)


def started(plan: Plan, nth: int = 0) -> e.CallStarted:
    """The start of a call, as approved."""
    call = plan.calls[nth]
    return e.CallStarted(
        index=nth, server=call.server, tool=call.tool, arguments=call.arguments, digest=plan.digest, hand="h"
    )


TWO = a_plan(a_call(title="a"), a_call(title="b"))


@pytest.mark.parametrize(
    "fields",
    [
        {"arguments": '{"title":"A"}'},
        {"tool": "remove"},
        {"server": "other"},
        {"digest": "0" * 64},
        {"index": 1},
        {"index": 2},
        {"index": -1},
    ],
)
def test_only_the_next_approved_call_can_start(fields: dict[str, object]) -> None:
    """Other arguments, another tool, server, plan or place: refused."""
    with pytest.raises(IllegalTransition):
        evolve(executing(TWO), replace(started(TWO), **fields), SOON)


def test_no_call_starts_at_or_after_expiry_or_a_cancellation_or_beside_another() -> None:
    """Each by itself."""
    assert isinstance(evolve(executing(TWO), started(TWO), TWO.expires_at - timedelta(microseconds=1)), s.Executing)
    with pytest.raises(IllegalTransition):
        evolve(executing(TWO), started(TWO), TWO.expires_at)
    with pytest.raises(IllegalTransition):
        evolve(executing(TWO, stopped_by=BOB), started(TWO), SOON)
    with pytest.raises(IllegalTransition):
        evolve(executing(TWO, in_flight="another hand"), started(TWO), SOON)


def test_no_call_starts_after_one_that_did_not_succeed() -> None:
    """A failed call ends the row."""
    call = TWO.calls[0]
    failed = e.CallFailed(index=0, server=call.server, tool=call.tool, arguments=call.arguments, reason="no")
    state = evolve(evolve(executing(TWO), started(TWO), SOON), failed, SOON)
    with pytest.raises(IllegalTransition):
        evolve(state, started(TWO, 1), SOON)


@pytest.mark.parametrize("at", [TWO.expires_at, LATE])
def test_nothing_is_decided_at_or_after_expiry(at: datetime) -> None:
    """No approval, no rejection, no change; only the expiry itself."""
    for event in (
        e.ApprovalGiven(by=ALICE, digest=TWO.digest),
        e.PlanRejected(by=ALICE, digest=TWO.digest),
        e.ChangesRequested(by=ALICE, digest=TWO.digest, text="x"),
    ):
        with pytest.raises(IllegalTransition):
            evolve(proposed(TWO), event, at)
    assert isinstance(evolve(proposed(TWO), e.PlanExpired(digest=TWO.digest), LATE), s.Expired)
    with pytest.raises(IllegalTransition):
        evolve(proposed(TWO), e.PlanExpired(digest=TWO.digest), SOON)


def test_an_approval_by_the_wrong_person_or_of_another_plan_is_impossible() -> None:
    """Even if a service let it through."""
    for by, digest in ((MALLORY, TWO.digest), (REQUESTER, TWO.digest), (ALICE, "0" * 64)):
        with pytest.raises(IllegalTransition):
            evolve(proposed(TWO), e.ApprovalGiven(by=by, digest=digest), SOON)


def test_the_policy_itself_approves_only_plans_of_automatic_calls() -> None:
    """Its name is no master key."""
    robot = policy_actor("here")
    with pytest.raises(IllegalTransition):
        evolve(proposed(TWO), e.ApprovalGiven(by=robot, digest=TWO.digest), SOON)
    auto = a_plan(a_call(title="a", is_automatic=True), policy=Policy(roles=("ops",), required=2))
    state = evolve(proposed(auto), e.ApprovalGiven(by=robot, digest=auto.digest), SOON)
    assert isinstance(state, s.Executing)


def test_a_proposal_must_be_the_plan_that_it_names() -> None:
    """Digest, revision and calls are checked."""
    state = deliberated(TWO)
    good = e.PlanProposed(plan=TWO, digest=TWO.digest, election=an_election_of(TWO))
    assert isinstance(evolve(state, good, SOON), s.AwaitingDecision)
    second = replace(TWO, revision=2)
    empty = replace(TWO, calls=())
    for bad in (
        replace(good, digest="0" * 64),
        replace(good, plan=second, digest=second.digest),
        replace(good, plan=empty, digest=empty.digest),
    ):
        with pytest.raises(IllegalTransition):
            evolve(state, bad, SOON)


def changed(call: PlannedCall) -> list[PlannedCall]:
    return [
        replace(call, server="x"),
        replace(call, tool="x"),
        replace(call, arguments='{"title":"x"}'),
        replace(call, definition="x"),
        replace(call, is_automatic=True),
        replace(call, is_destructive=True),
    ]


def test_the_digest_covers_everything_that_is_approved() -> None:
    """Change any one thing, and it is another plan."""
    first, second = TWO.calls
    variants = [
        replace(TWO, tenant="x"),
        replace(TWO, run="x"),
        replace(TWO, revision=2),
        replace(TWO, author="agent2.final"),
        replace(TWO, text="x"),
        replace(TWO, expires_at=LATE),
        replace(TWO, calls=(second, first)),
        replace(TWO, calls=(first,)),
        *(replace(TWO, calls=(other, second)) for other in changed(first)),
        *(
            replace(TWO, policy=policy)
            for policy in (
                Policy(),
                Policy(roles=("ops",), users=("x",)),
                Policy(roles=("ops",), required=2),
                Policy(roles=("ops",), allow_requester=True),
                Policy(roles=("ops",), expires_after=1),
            )
        ),
    ]
    assert len({plan.digest for plan in [TWO, *variants]}) == len(variants) + 1
    assert replace(TWO).digest == TWO.digest


ENDED = [
    s.Rejected(request=a_request(), plan=TWO, by=ALICE, reason=""),
    s.Expired(request=a_request(), plan=TWO),
    s.Cancelled(request=a_request(), by=ALICE, reason=""),
    s.RunBroken(request=a_request(), reason=""),
    s.Answered(request=a_request(), text="", author="", election=an_election_of(TWO)),
    s.Finished(request=a_request(), plan=TWO, approvals=(ALICE,), receipts=(), report=None),
]


@pytest.mark.parametrize("state", ENDED, ids=[state.kind for state in ENDED])
def test_what_has_ended_stays_ended(state: s.RunState) -> None:
    """No event but the note of a refused attempt."""
    for event in (
        e.ApprovalGiven(by=ALICE, digest=TWO.digest),
        e.DeliberationStarted(revision=1),
        e.PlanProposed(plan=TWO, digest=TWO.digest, election=an_election_of(TWO)),
        started(TWO),
        e.RunCancelled(by=ALICE),
        e.CallResolved(index=0, by=ALICE, verdict="run_it", valid_until=LATE),
        e.RunFinished(report=None),
        a_request(),
    ):
        with pytest.raises(IllegalTransition):
            evolve(state, event, SOON)
    assert evolve(state, e.ActionRefused(by=MALLORY, act="approve", refusal="x"), SOON) == state


def test_a_log_begins_with_a_request_and_only_once() -> None:
    """Anything else is no run."""
    with pytest.raises(IllegalTransition):
        replay([])
    with pytest.raises(IllegalTransition):
        replay([Recorded(run="R", seq=1, at=START, event=e.DeliberationStarted(revision=1))])
    with pytest.raises(IllegalTransition):
        replay([Recorded(run="R", seq=n, at=START, event=a_request()) for n in (1, 2)])


def test_a_run_that_nobody_has_begun_can_be_cancelled_and_can_fail() -> None:
    """Without a plan, and without an agent that ever spoke."""
    queued = s.Queued(request=a_request())
    assert evolve(queued, e.RunCancelled(by=REQUESTER, reason="no"), SOON) == s.Cancelled(
        request=a_request(), by=REQUESTER, reason="no"
    )
    assert evolve(queued, e.RunFailed(reason="no"), SOON) == s.RunBroken(request=a_request(), reason="no")


def test_that_a_server_is_unavailable_is_said_of_the_revision_that_agents_are_planning() -> None:
    plan = a_plan(a_call())
    deliberating = deliberated(plan)
    said = e.ServerUnavailable(revision=1, server="files", reason="It is away.")
    assert evolve(deliberating, said, START) == deliberating
    with pytest.raises(IllegalTransition):
        evolve(deliberating, replace(said, revision=2), START)
    wanted = e.ToolUnavailable(agent=1, server="files", tool="move", reason="it has no name")
    assert evolve(deliberating, wanted, START) == deliberating
    for state in (s.Queued(request=a_request()), proposed(plan), executing(plan)):
        for event in (said, wanted):
            with pytest.raises(IllegalTransition):
                evolve(state, event, SOON)


def test_what_belongs_to_another_part_of_a_runs_life_is_impossible() -> None:
    """While agents plan nothing is called, while calls run nobody plans, and while a report is written nothing happens."""
    deliberating = s.Deliberating(request=a_request(), revision=1, ballot=Ballot(size=2))
    reporting = s.Reporting(request=a_request(), plan=TWO, approvals=(ALICE,), receipts=())
    for state, event in (
        (deliberating, started(TWO)),
        (executing(TWO), e.DeliberationStarted(revision=2)),
        (executing(TWO, stopped_by=BOB), e.RunCancelled(by=ALICE)),
        (reporting, started(TWO)),
        (reporting, e.RunCancelled(by=ALICE)),
    ):
        with pytest.raises(IllegalTransition):
            evolve(state, event, SOON)


def test_only_all_the_remaining_calls_are_skipped() -> None:
    """None is left out, and none comes back."""
    for indexes in ((), (0,), (1,), (1, 0), (0, 1, 2)):
        with pytest.raises(IllegalTransition):
            evolve(executing(TWO), e.CallsSkipped(indexes=indexes, reason="late"), SOON)
    after = evolve(executing(TWO), e.CallsSkipped(indexes=(0, 1), reason="late"), SOON)
    assert isinstance(after, s.Reporting)
    assert [receipt.index for receipt in after.receipts] == [0, 1]


def test_a_result_that_comes_too_late_changes_nothing_that_was_settled() -> None:
    """It is on record, and the receipt stays as people left it."""
    state = executing(TWO)
    late = e.LateResult(index=0, succeeded=True, result="it was posted")
    assert evolve(state, late, SOON) == state


def test_an_answer_out_of_order_is_impossible() -> None:
    """Numbers and epochs must fit the ballot."""
    state = s.Deliberating(request=a_request(), revision=1, ballot=Ballot(size=2))
    for number, epoch in ((2, 1), (1, 2), (0, 1)):
        with pytest.raises(IllegalTransition):
            evolve(state, e.AnswerAccepted(agent=1, number=number, epoch=epoch, text=""), SOON)
    with pytest.raises(IllegalTransition):
        evolve(state, e.VoteCast(agent=1, choice=1, epoch=1, reason=""), SOON)


@pytest.mark.parametrize("event", [e.ApproversAsked(), e.ApproversRead()])
def test_nobody_asks_about_approvers_while_a_call_is_under_way(event: e.RunEvent) -> None:
    """Whether it may start has been decided by then."""
    state = evolve(executing(TWO), started(TWO), SOON)
    with pytest.raises(IllegalTransition):
        evolve(state, event, SOON)
