"""What the terminal asks comes from the card's own buttons, and what is typed means one thing or nothing."""

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.i18n import ENGLISH, GERMAN, Catalog, speaking
from bot.message import Card, Severity
from bot.terminal import prompts as q
from bot.terminal.error_handler import Exit, exit_of
from coordination.domain import events as e
from coordination.domain.break_glass import BreakGlass
from coordination.domain.policy import Policy
from coordination.domain.transitions import Recorded, replay
from tests.builders import ALICE, BOB, an_election
from tests.sample_logs import (
    LATER,
    POST,
    REMOVE,
    approved,
    argued,
    half_approved,
    plan_in,
    proposed,
    recorded,
    started,
    succeeded,
    then,
    unknown,
    waiting,
)


def question_of(log: list[Recorded]) -> q.KeyQuestion:
    view = view_of(log)
    assert view is not None
    question = q.question_for(card_for(view, log[-1].at))
    assert question is not None
    return question


def answer(question: q.KeyQuestion, typed: str) -> q.Answer:
    choice = question.answer(typed)
    assert choice is not None
    return choice.answer


@pytest.mark.parametrize("typed", ["a", "A", " a\n", "approve"])
def test_a_key_or_its_whole_word_answers(typed: str) -> None:
    assert answer(question_of(waiting(POST)), typed) == q.Approve()


@pytest.mark.parametrize("typed", ["", "x", "ap", "approve it", "y", "\x1b[A", "aa"])
def test_anything_else_means_nothing(typed: str) -> None:
    assert question_of(waiting(POST)).answer(typed) is None


def test_a_destructive_plan_is_asked_for_twice() -> None:
    second = answer(question_of(waiting()), "a")
    assert isinstance(second, q.KeyQuestion)
    assert second.is_detour
    assert second.text == "1 call may destroy something. Approve 2 calls?"
    assert second.lines == (
        "1  board · post_notice  body From 14:00 to 16:00.↵ Save your work., title Power off on Friday",
        "2  board · remove_notice  title Old notice",
    )
    assert answer(second, "y") == q.Approve()
    assert answer(second, "n") == q.Back()


def test_a_rejection_may_have_a_reason_and_a_change_must_say_something() -> None:
    reason = answer(question_of(waiting(POST)), "r")
    assert isinstance(reason, q.LineQuestion)
    assert reason.answer("") == q.Reject(reason="")
    assert reason.answer("not now") == q.Reject(reason="not now")
    change = answer(question_of(waiting(POST)), "c")
    assert isinstance(change, q.LineQuestion)
    assert change.answer("  ") == q.Back()
    assert change.answer("shorter") == q.Change(text="shorter")


def test_another_agents_plan_is_chosen_by_its_number() -> None:
    other = answer(question_of(waiting(POST)), "o")
    assert isinstance(other, q.KeyQuestion)
    assert answer(other, "1") == q.Choose(agent=1)
    assert answer(other, "n") == q.Back()


def test_calls_stay_by_their_numbers() -> None:
    keep = answer(question_of(waiting()), "k")
    assert isinstance(keep, q.LineQuestion)
    assert keep.answer("1 3") == q.Select(numbers="1 3")
    assert keep.answer(" ") == q.Back()
    assert question_of(waiting(POST)).answer("k") is None


def alone() -> list[Recorded]:
    """A plan that somebody may approve alone in an emergency."""
    policy = Policy(roles=("ops",), required=2, break_glass=BreakGlass(roles=("on-call",)))
    proposal = proposed(POST, REMOVE, policy=policy)
    return recorded([*argued(POST, REMOVE), proposal, e.ApprovalGiven(by=ALICE, digest=proposal.digest)])


def test_an_approval_alone_must_have_a_reason() -> None:
    reason = answer(question_of(alone()), "b")
    assert isinstance(reason, q.LineQuestion)
    assert reason.answer("  ") == q.Back()
    assert reason.answer("The site is down.") == q.BreakGlass(reason="The site is down.")
    assert question_of(waiting(POST)).answer("b") is None


@pytest.mark.parametrize("language", [ENGLISH, GERMAN])
def test_the_key_of_an_approval_alone_is_no_other_answers(language: Catalog) -> None:
    with speaking(language):
        keys = [each.key for each in question_of(alone()).choices]
        assert len(set(keys)) == len(keys) == 7
        assert isinstance(answer(question_of(alone()), "b"), q.LineQuestion)


@pytest.mark.parametrize("language", [ENGLISH, GERMAN])
def test_no_two_answers_have_one_key(language: Catalog) -> None:
    """With everything on the card that a card may have."""
    with speaking(language):
        keys = [each.key for each in question_of(half_approved()).choices]
        assert len(set(keys)) == len(keys) == 6


def test_a_doubt_has_three_answers() -> None:
    log = approved(POST)
    plan = plan_in(log)
    question = question_of(then(log, started(plan, 0), unknown(plan, 0)))
    verdicts = [answer(question, key) for key in "hrs"]
    assert verdicts == [q.Resolve(verdict="happened"), q.Resolve(verdict="run_it"), q.Resolve(verdict="abandon")]


def test_ctrl_c_asks_and_does_not_offer_to_leave_while_calls_run() -> None:
    question = q.stop_question(may_leave=True)
    assert question.is_about_stopping
    assert [answer(question, key) for key in "yln"] == [q.Stop(how="cancel"), q.Stop(how="leave"), q.Stop(how="stay")]
    assert q.stop_question(may_leave=False).answer("l") is None


def test_a_card_without_decisions_asks_nothing() -> None:
    plan = plan_in(approved())
    done = then(approved(), started(plan, 0), succeeded(plan, 0), started(plan, 1), succeeded(plan, 1))
    finished = view_of(then(done, e.RunFinished(report=None)))
    assert finished is not None
    assert q.question_for(card_for(finished, finished.updated_at)) is None
    assert q.question_for(Card(severity=Severity.DONE, status="Done", title=(), reference=())) is None
    view = view_of(recorded(argued(POST)))
    assert view is not None
    assert q.question_for(card_for(view, LATER)) is None


def finished(*tail: e.RunEvent) -> list[Recorded]:
    log = approved()
    return then(log, started(plan_in(log), 0), *tail)


def test_each_state_has_its_exit_status() -> None:
    log, plan = approved(), plan_in(approved())
    call = plan.calls[0]
    failed = e.CallFailed(index=0, server="board", tool="post_notice", arguments=call.arguments, reason="no")
    skipped = e.CallsSkipped(indexes=(1,), reason="x")
    over = e.RunFinished(report=None)
    resolved = e.CallResolved(index=0, by=ALICE, verdict="abandon", valid_until=plan.expires_at)
    digest = plan_in(waiting()).digest
    logs = {
        Exit.DONE: [
            finished(succeeded(plan, 0), started(plan, 1), succeeded(plan, 1), over),
            recorded([*argued(), e.RunAnswered(text="x", author="agent2.final", election=an_election())]),
        ],
        Exit.FAILED: [
            finished(failed, skipped, over),
            finished(unknown(plan, 0), resolved, over),
            recorded([*argued(), e.RunFailed(reason="x")]),
        ],
        Exit.WAITING: [waiting(), log, recorded(argued()), recorded(argued()[:1])],
        Exit.STOPPED: [
            finished(e.RunCancelled(by=BOB), succeeded(plan, 0), skipped, over),
            then(waiting(), e.PlanRejected(by=BOB, digest=digest)),
            then(waiting(), e.RunCancelled(by=BOB)),
            [*waiting(), Recorded(run="7Q4K", seq=20, at=LATER, event=e.PlanExpired(digest=digest))],
        ],
        Exit.UNKNOWN: [finished(unknown(plan, 0))],
    }
    for status, of_status in logs.items():
        assert [exit_of(replay(each)) for each in of_status] == [status] * len(of_status)
