"""What several people approved, no single one of them extends: going on takes as many as the plan took."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.cards.timeline import timeline_entry
from bot.message import Action
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall, Succeeded
from coordination.domain.policy import Person, Policy
from coordination.domain.transitions import evolve, replay
from coordination.errors import IllegalTransition, RefusedError
from coordination.ports import CallOutcomeUnknownError, ToolOutput
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
from tests.fakes import PlayedModel, answers, says
from tests.service.chat_service_harness import TEAM, ChatServiceHarness, texts
from tests.service.service_harness import ServiceHarness

CAROL = Person(tenant="here", id="u-carol", name="carol", roles=("ops",))
TWO = Policy(roles=("ops",), required=2)
Behaviour = Callable[[PlannedCall], ToolOutput]


def lost(call: PlannedCall) -> ToolOutput:
    raise CallOutcomeUnknownError(Text("no answer"))


async def in_doubt(*behaviours: Behaviour, required: int = 2) -> tuple[ServiceHarness, str, s.NeedsHuman]:
    """Alice and bob approved two calls; of the first, or of those that behave so, nobody knows."""
    posts = [("mcp__board__post", {"title": title}) for title in ("a", "b")]
    harness = ServiceHarness(
        PlayedModel(answers("one", *posts), says("Posted.")), policy=replace(TWO, required=required)
    )
    harness.world.behaviours = list(behaviours or (lost,))
    run, state = await harness.planned()
    for by in (ALICE, BOB)[:required]:
        await harness.people.approve(run, state.plan.digest, by)
    await harness.work()
    return harness, run, doubt(await harness.state(run))


def doubt(state: s.RunState) -> s.NeedsHuman:
    assert isinstance(state, s.NeedsHuman), state
    return state


def card_text(harness: ChatServiceHarness, run: str) -> str:
    view = view_of(harness.log.events[run])
    assert view is not None
    return texts(card_for(view, harness.clock.now()))


def story_text(harness: ChatServiceHarness, run: str) -> str:
    view = view_of(harness.log.events[run])
    assert view is not None
    told = timeline_entry(harness.log.events[run][-1].event, view)
    assert told is not None
    return "".join(getattr(piece, "text", "") or getattr(piece, "name", "") for piece in told.line)


def titles(harness: ServiceHarness) -> list[str]:
    return [call.arguments for call in harness.world.done]


async def test_one_approver_alone_does_not_have_a_call_run_again() -> None:
    """Nor by saying it twice; the second person's word does it."""
    harness, run, _ = await in_doubt()
    doubt(await harness.people.resolve(run, 0, ALICE, "run_it"))
    with pytest.raises(RefusedError, match="You have already confirmed this; 2 different people must"):
        await harness.people.resolve(run, 0, ALICE, "run_it")
    await harness.work()
    assert titles(harness) == []
    assert isinstance(await harness.people.resolve(run, 0, CAROL, "run_it"), s.Executing)
    await harness.work()
    assert titles(harness) == ['{"title":"a"}', '{"title":"b"}']


async def test_only_those_who_might_approve_are_counted() -> None:
    """Not who asked, and not who is no approver."""
    harness, run, _ = await in_doubt()
    await harness.people.resolve(run, 0, ALICE, "run_it")
    for by in (MALLORY, REQUESTER, replace(REQUESTER, roles=("ops",))):
        with pytest.raises(RefusedError):
            await harness.people.resolve(run, 0, by, "run_it")
    assert doubt(await harness.state(run)).resolvers("run_it") == (ALICE,)


async def test_words_of_different_meaning_are_not_added_up() -> None:
    """Whoever thinks again has one word, the newest."""
    harness, run, state = await in_doubt()
    harness.clock.tick(days=2)
    assert harness.clock.now() > state.valid_until
    await harness.people.resolve(run, 0, ALICE, "run_it")
    now = doubt(await harness.people.resolve(run, 0, BOB, "happened"))
    assert (now.resolvers("run_it"), now.resolvers("happened")) == ((ALICE,), (BOB,))
    assert isinstance(await harness.people.resolve(run, 0, ALICE, "happened"), s.Executing)


async def test_a_word_about_one_doubt_does_not_count_for_the_next() -> None:
    """The call is lost again: everybody is asked again."""
    harness, run, _ = await in_doubt(lost, lost)
    for by in (ALICE, BOB):
        await harness.people.resolve(run, 0, by, "run_it")
    await harness.work()
    assert doubt(await harness.state(run)).said == ()
    doubt(await harness.people.resolve(run, 0, ALICE, "run_it"))


async def test_what_was_said_before_the_server_answered_does_not_count_after_it() -> None:
    """It was said without knowing what the server says."""
    harness, run, _ = await in_doubt()
    state = doubt(await harness.people.resolve(run, 0, ALICE, "run_it"))
    after = evolve(state, e.LateResult(index=0, succeeded=True, result="posted"), harness.clock.now())
    assert doubt(after).said == ()


async def test_one_word_says_that_it_happened_and_gives_the_rest_no_more_time() -> None:
    """What was approved still is, until when it was."""
    harness, run, before = await in_doubt()
    harness.clock.tick(hours=1)
    state = await harness.people.resolve(run, 0, ALICE, "happened")
    assert isinstance(state, s.Executing)
    assert state.valid_until == before.valid_until == before.plan.expires_at
    await harness.work()
    assert titles(harness) == ['{"title":"b"}']


async def test_after_the_approval_has_expired_the_rest_needs_as_many_as_the_plan() -> None:
    """One who says that it happened does not carry what is left past its end."""
    harness, run, before = await in_doubt()
    harness.clock.tick(days=3)
    doubt(await harness.people.resolve(run, 0, ALICE, "happened"))
    await harness.work()
    assert titles(harness) == []
    state = await harness.people.resolve(run, 0, BOB, "happened")
    assert isinstance(state, s.Executing)
    assert state.valid_until == harness.clock.now() + timedelta(seconds=before.plan.policy.expires_after)
    await harness.work()
    assert titles(harness) == ['{"title":"b"}']


async def test_the_last_call_is_settled_by_one_word_at_any_time() -> None:
    """Nothing can follow it."""
    harness, run, _ = await in_doubt(lambda _: ToolOutput(text="done"), lost)
    harness.clock.tick(days=3)
    state = await harness.people.resolve(run, 1, ALICE, "happened")
    assert isinstance(state, s.Reporting)
    assert isinstance(state.receipts[1], Succeeded)


@pytest.mark.parametrize("verdict", ["abandon", "happened"])
async def test_a_stop_takes_one_and_after_it_so_does_every_word(verdict: e.Verdict) -> None:
    """It starts nothing."""
    harness, run, _ = await in_doubt()
    harness.clock.tick(days=3)
    if verdict == "happened":
        await harness.people.resolve(run, 0, ALICE, verdict)
        await harness.people.cancel(run, BOB)
    state = await harness.people.resolve(run, 0, ALICE, verdict)
    assert not isinstance(state, s.NeedsHuman)
    await harness.work()
    assert titles(harness) == []


async def test_where_one_person_is_enough_for_the_plan_one_is_enough_for_its_calls() -> None:
    """As it always was."""
    harness, run, _ = await in_doubt(required=1)
    harness.clock.tick(days=3)
    assert isinstance(await harness.people.resolve(run, 0, ALICE, "run_it"), s.Executing)


async def test_a_log_that_lets_one_word_do_is_not_lawful() -> None:
    """Somebody wrote it behind the service's back; logs of earlier rules are replayed by theirs."""
    harness, run, state = await in_doubt()
    now = harness.clock.now()
    word = e.CallResolved(index=0, by=ALICE, verdict="run_it", valid_until=state.valid_until)
    with pytest.raises(IllegalTransition, match="more people must say so"):
        evolve(state, word, now)
    happened = replace(word, verdict="happened", valid_until=now + timedelta(seconds=TWO.expires_after))
    assert isinstance(evolve(state, replace(happened, valid_until=state.valid_until), now), s.Executing)
    later = now + timedelta(minutes=30)
    with pytest.raises(IllegalTransition, match="give it more time"):
        evolve(state, replace(happened, valid_until=state.valid_until + timedelta(minutes=20)), later)
    event_id = evolve(state, e.ResolutionApproved(index=0, by=ALICE, verdict="run_it"), now)
    for event in (word, e.ResolutionApproved(index=0, by=ALICE, verdict="run_it")):
        with pytest.raises(IllegalTransition):
            evolve(event_id, event, now)
    with pytest.raises(IllegalTransition):
        evolve(event_id, e.ResolutionApproved(index=0, by=BOB, verdict="run_it"), now)
    for version in (1, 2):
        old = replace(state, request=replace(state.request, rules_version=version))
        assert isinstance(evolve(old, word, now), s.Executing)
    assert replay(harness.log.events[run]) == state


async def test_the_card_says_who_said_what_and_how_many_are_needed(tmp_path: Path) -> None:
    """In a chat: the first click is counted, a second one of the same person is not, and another person's runs it."""
    harness = ChatServiceHarness(tmp_path)
    harness.write("team", TEAM.replace("approval: {", "approval: {required: 2, "))
    harness.world.behaviours = [lost]
    run = await harness.ask()
    ids = await harness.shown(run)
    for by in (ALICE, BOB):
        await harness.press(by, ids[Action.APPROVE])
    await harness.work()
    ids = await harness.shown(run)
    await harness.press(ALICE, ids[Action.RUN_IT])
    state = doubt(await harness.people.state(run))
    assert state.resolvers("run_it") == (ALICE,)
    assert "1 of 2 said to run it: alice" in card_text(harness, run)
    assert "To run it, 2 different people must confirm that" in card_text(harness, run)
    assert "alice says that it did not happen and should run; more people must confirm" in story_text(harness, run)
    assert "You have already confirmed this" in texts(await harness.press(ALICE, ids[Action.RUN_IT]))
    await harness.work()
    assert harness.world.done == []
    await harness.press(BOB, ids[Action.RUN_IT])
    await harness.work()
    assert len(harness.world.done) == 1
    assert isinstance(await harness.people.state(run), s.Finished)
