"""Threat: rules get stricter, or who spoke loses the role, while a call is in doubt, and a word has it run by the old ones."""

import pytest

from bot.cards.run_view import view_of
from bot.cards.timeline import timeline_entry
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Person, Policy
from coordination.domain.transitions import evolve, replay
from coordination.errors import IllegalTransition, RefusedError
from coordination.ports import CallOutcomeUnknownError, ToolOutput
from coordination.text import Text
from tests.builders import ALICE, BOB
from tests.fakes import PlayedModel, answers, says, votes
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import Present, a_service, reasons

CAROL, DAVE = (Person(tenant="here", id=f"u-{name}", name=name, roles=("ops",)) for name in ("carol", "dave"))
VERDICTS: tuple[e.Verdict, ...] = ("happened", "abandon")


def lost(call: PlannedCall) -> ToolOutput:
    raise CallOutcomeUnknownError(Text("no answer"))


async def in_doubt(required: int = 1) -> tuple[ServiceHarness, Present, str]:
    """Alice, or alice and bob, approved two calls; of the first, nobody knows whether it happened."""
    first = PlayedModel(answers("one", post("a"), post("b")), votes(1), says("Posted."))
    harness, present = a_service(first=first)
    before = harness.prepared.profile
    harness.prepared.profile = type(before)(
        agents=before.agents,
        servers=before.servers,
        options=before.options,
        policy=Policy(roles=("ops",), required=required),
    )
    harness.world.behaviours = [lost]
    run, state = await harness.planned()
    for by in (ALICE, BOB)[:required]:
        await harness.people.approve(run, state.plan.digest, by)
    await harness.work()
    assert isinstance(await harness.state(run), s.NeedsHuman)
    return harness, present, run


async def test_under_unchanged_rules_the_call_runs_again() -> None:
    harness, _, run = await in_doubt()
    await harness.people.resolve(run, 0, ALICE, "run_it")
    await harness.work()
    assert await reasons(harness, run) == ["succeeded", "succeeded"]


@pytest.mark.parametrize("change", ["denies_posts", "asks_for_two"])
async def test_no_call_runs_again_that_is_denied_or_needs_more_people_by_now(change: str) -> None:
    harness, present, run = await in_doubt()
    getattr(present, change)()
    with pytest.raises(RefusedError, match="are stricter than when this plan was approved") as refused:
        await harness.people.resolve(run, 0, ALICE, "run_it")
    assert "say that it happened, or stop here" in str(refused.value).lower()
    await harness.work()
    assert harness.world.done == []


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("change", ["denies_posts", "asks_for_two"])
async def test_whoever_knows_what_happened_may_still_say_so_and_nothing_follows(
    change: str, verdict: e.Verdict
) -> None:
    harness, present, run = await in_doubt()
    getattr(present, change)()
    await harness.people.resolve(run, 0, ALICE, verdict)
    await harness.work()
    assert harness.world.done == []
    assert isinstance(await harness.state(run), s.Finished)


async def test_rules_that_get_stricter_after_the_word_skip_the_call() -> None:
    harness, present, run = await in_doubt()
    await harness.people.resolve(run, 0, ALICE, "run_it")
    present.denies_posts()
    await harness.work()
    assert harness.world.done == []
    assert await reasons(harness, run) == ["skipped the current rules forbid board.post"] * 2


async def test_the_word_of_one_who_lost_the_role_is_not_added_up() -> None:
    harness, present, run = await in_doubt(required=2)
    await harness.people.resolve(run, 0, ALICE, "run_it")
    present.gone.add(ALICE.id)
    state = await harness.people.resolve(run, 0, CAROL, "run_it")
    assert isinstance(state, s.NeedsHuman)
    assert state.resolvers("run_it") == (CAROL,)
    view = view_of(harness.log.events[run][:-1])
    assert view is not None
    told = timeline_entry(harness.log.events[run][-2].event, view)
    assert told is not None
    said = "".join(getattr(piece, "text", "") or getattr(piece, "name", "") for piece in told.line)
    assert said == "what alice said no longer counts: they may no longer approve"
    await harness.work()
    assert harness.world.done == []
    assert isinstance(await harness.people.resolve(run, 0, DAVE, "run_it"), s.Executing)
    assert replay(harness.log.events[run]) == await harness.state(run)


async def test_no_word_counts_while_it_can_not_be_told_whether_the_earlier_ones_do() -> None:
    harness, present, run = await in_doubt(required=2)
    await harness.people.resolve(run, 0, ALICE, "run_it")
    present.is_silent = True
    with pytest.raises(RefusedError, match="whether everyone who approved before still may"):
        await harness.people.resolve(run, 0, CAROL, "run_it")
    assert not isinstance(await harness.people.resolve(run, 0, CAROL, "abandon"), s.NeedsHuman)


@pytest.mark.parametrize("who", [ALICE, CAROL])
async def test_whoever_had_it_run_is_read_again_at_the_claim(who: Person) -> None:
    """The first who said so, and the last."""
    harness, present, run = await in_doubt(required=2)
    for by in (ALICE, CAROL):
        await harness.people.resolve(run, 0, by, "run_it")
    present.gone.add(who.id)
    await harness.work()
    assert harness.world.done == []
    assert (
        await reasons(harness, run)
        == ["skipped someone whose confirmation let the run continue may no longer approve"] * 2
    )


async def test_whoever_gave_the_rest_more_time_is_read_again_at_the_claim() -> None:
    harness, present, run = await in_doubt()
    harness.clock.tick(days=3)
    await harness.people.resolve(run, 0, ALICE, "happened")
    present.gone.add(ALICE.id)
    await harness.work()
    assert harness.world.done == []


async def test_who_only_said_what_happened_in_time_carries_nothing() -> None:
    """The rest runs on what was approved, until when it was."""
    harness, present, run = await in_doubt()
    await harness.people.resolve(run, 0, CAROL, "happened")
    present.gone.add(CAROL.id)
    await harness.work()
    assert await reasons(harness, run) == ["succeeded", "succeeded"]


async def test_a_worker_without_the_chat_takes_no_word_on_trust() -> None:
    harness, present, run = await in_doubt()
    await harness.people.resolve(run, 0, ALICE, "run_it")
    present.is_silent = True
    await harness.work()
    assert harness.world.done == []
    unchecked = "skipped it can't be checked whether those whose confirmation let the run continue may still approve"
    assert await reasons(harness, run) == [unchecked] * 2
    assert e.ApproversAsked() in [each.event for each in await harness.log.read(run)]


async def test_only_words_that_were_said_are_taken_back() -> None:
    harness, _, run = await in_doubt(required=2)
    state = await harness.people.resolve(run, 0, ALICE, "run_it")
    with pytest.raises(IllegalTransition, match="nobody said"):
        evolve(state, e.WordsVoided(index=0, people=(CAROL,)), harness.clock.now())
    with pytest.raises(IllegalTransition):
        evolve(state, e.WordsVoided(index=1, people=(ALICE,)), harness.clock.now())
