"""A run's view is what its log says, whoever folds it and wherever they begin."""

from dataclasses import replace

import pytest

from bot.cards.run_view import (
    AnsweredNow,
    DroppedOut,
    Idle,
    Retrying,
    RunView,
    Thinking,
    Using,
    VotedFor,
    next_view,
    view_of,
)
from coordination.domain import events as e
from coordination.domain.events import RunEvent
from coordination.domain.transitions import replay
from coordination.errors import IllegalTransition
from tests.builders import ALICE, BOB, REQUESTER
from tests.sample_logs import (
    POST,
    approved,
    argued,
    asked,
    plan_in,
    proposed,
    recorded,
    started,
    succeeded,
    then,
    waiting,
)


def seen(*events: RunEvent) -> RunView:
    view = view_of(recorded(events))
    assert view is not None
    return view


def planning(*events: RunEvent) -> RunView:
    return seen(asked(), e.DeliberationStarted(revision=1), *events)


def test_an_empty_log_has_no_view() -> None:
    assert view_of([]) is None


def test_a_log_that_begins_with_anything_but_a_request_is_refused() -> None:
    with pytest.raises(IllegalTransition):
        view_of(recorded([e.DeliberationStarted(revision=1)]))


def test_the_state_is_the_domains_own() -> None:
    log = waiting()
    view = view_of(log)
    assert view is not None
    assert view.state == replay(log)
    assert view.seq == len(log)


@pytest.mark.parametrize(
    ("event", "doing"),
    [
        (e.TurnStarted(agent=1, turn=1, epoch=0), Thinking()),
        (
            e.ToolRead(agent=1, server="board", tool="look", arguments="{}", excerpt=""),
            Using("board", "look", is_action=False),
        ),
        (e.ActionRecorded(agent=1, call=POST), Using("board", "post_notice", is_action=True)),
        (e.AgentTold(agent=1, epoch=0), Thinking("told")),
        (e.AgentCorrected(agent=1, reason="two votes"), Thinking("corrected")),
        (e.ModelRetried(agent=1, reason="overloaded", wait=3), Retrying("overloaded", 3)),
        (e.AnswerAccepted(agent=1, number=1, epoch=1, text="x"), AnsweredNow()),
        (e.AgentFailed(agent=1, reason="bad key"), DroppedOut("bad key")),
    ],
)
def test_an_agent_is_known_by_the_newest_that_it_did(event: RunEvent, doing: object) -> None:
    view = planning(event)
    assert view.agents[0].doing == doing
    assert view.agents[1].doing == Idle()


def test_a_vote_is_void_from_the_moment_that_a_newer_answer_came() -> None:
    answered = e.AnswerAccepted(agent=1, number=1, epoch=1, text="x")
    vote = e.VoteCast(agent=2, choice=1, epoch=1, reason="good")
    assert planning(answered, vote).agents[1].doing == VotedFor(1, is_void=False)
    newer = e.AnswerAccepted(agent=1, number=2, epoch=2, text="y")
    void = e.VoteVoided(agent=2, choice=1, epoch=1, by_epoch=2)
    assert planning(answered, vote, newer, void).agents[1].doing == VotedFor(1, is_void=True)
    assert planning(answered, newer, vote).agents[1].doing == VotedFor(1, is_void=True)


def test_what_was_spent_adds_up_and_an_unknown_price_makes_the_sum_unknown() -> None:
    known = e.ModelUsed(agent=1, model="m", input_tokens=100, cached_tokens=50, output_tokens=10, cost=0.5)
    view = planning(known, known)
    assert (view.spent.tokens, view.spent.cost) == (220, 1.0)
    unknown = e.ModelUsed(agent=2, model="n", input_tokens=1, cached_tokens=0, output_tokens=1)
    assert planning(known, unknown, known).spent.cost is None


def test_a_coordination_taken_up_again_counts_as_a_restart_and_keeps_who_is_out() -> None:
    view = planning(
        e.TurnStarted(agent=1, turn=1, epoch=0),
        e.AgentFailed(agent=2, reason="bad key"),
        e.DeliberationStarted(revision=1),
    )
    assert view.restarts == 1
    assert [agent.doing for agent in view.agents] == [Idle(), DroppedOut("bad key")]


def test_what_agents_do_without_is_what_the_newest_coordination_found() -> None:
    away = e.ServerUnavailable(revision=1, server="files", reason="It is away.")
    wanted = e.ToolUnavailable(agent=2, server="board", tool="move", reason="it has no name")
    view = planning(away, wanted, replace(wanted, agent=1))
    assert (view.absent, view.unusable) == ((away,), (wanted,))
    again = planning(away, wanted, e.DeliberationStarted(revision=1))
    assert (again.absent, again.unusable) == ((), (wanted,))


def test_wanted_changes_begin_a_fresh_round_for_everybody() -> None:
    proposal = proposed(POST)
    view = seen(
        *argued(POST),
        proposal,
        e.ChangesRequested(by=ALICE, digest=proposal.digest, text="shorter"),
        e.DeliberationStarted(revision=2),
    )
    assert (view.revision, view.restarts, view.round) == (2, 0, 0)
    assert [agent.answered for agent in view.agents] == ["agent1.1", "agent2.2"]


def test_calls_are_timed_from_their_start_to_the_word_on_their_end() -> None:
    log = approved(POST)
    plan = plan_in(log)
    view = view_of(then(log, started(plan, 0), succeeded(plan, 0)))
    assert view is not None
    (times,) = view.calls
    assert times.started is not None
    assert times.ended is not None
    assert (times.ended - times.started).total_seconds() == 1.0


def test_a_run_ends_when_it_is_over_and_its_clock_stops_there() -> None:
    log = waiting(POST)
    over = then(log, e.PlanRejected(by=BOB, digest=plan_in(log).digest))
    view = view_of(over)
    assert view is not None
    assert view.ended_at == over[-1].at
    assert view.decided_by == BOB
    assert view.elapsed(over[-1].at.replace(year=2030)) == (over[-1].at - over[0].at).total_seconds()


def test_a_cancel_during_execution_does_not_end_the_run_nor_hide_who_approved() -> None:
    log = approved(POST)
    view = view_of(then(log, started(plan_in(log), 0), e.RunCancelled(by=REQUESTER)))
    assert view is not None
    assert view.ended_at is None
    assert view.decided_by == ALICE


def test_folding_on_gives_what_folding_all_gives() -> None:
    log = then(waiting(), e.ActionRefused(by=BOB, act="approve", refusal="own_request"))
    view: RunView | None = None
    for each in log:
        view = next_view(view, each)
    assert view == view_of(log)
