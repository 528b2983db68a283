"""A worker is frozen in the middle of a call; another takes over, asks people, and they believe that it did not happen."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bot.cards.run_view import view_of
from bot.chat.card_sync.snapshot import snapshot_of
from bot.i18n import ENGLISH, GERMAN, Catalog, speaking
from bot.message import Action, Card
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import Outage
from coordination.domain.policy import Refusal
from coordination.domain.transitions import Recorded, evolve, replay
from coordination.errors import IllegalTransition, RefusedError
from coordination.ports import CallOutcomeUnknownError, ServerSpec, ToolOutput
from coordination.text import Text
from tests.builders import ALICE, START
from tests.fakes import PlayedModel, answers, says, votes
from tests.service.service_harness import ServiceHarness

LIMIT = 60.0
"""Seconds for which a call of `board` may be under way, if its server tells of progress all the time."""


class Frozen(BaseException):
    """The worker stops here, and its call may still go on."""


def a_board() -> ServiceHarness:
    """Agents who plan one call, which may be under way for so long."""
    harness = ServiceHarness(
        PlayedModel(answers("one", ("mcp__board__post", {"title": "a"})), votes(1), says("Posted."))
    )
    board = ServerSpec(name="board", transport="stdio", identity="board", call_timeout=LIMIT / 3)
    harness.prepared.profile = replace(harness.prepared.profile, servers=(board,))
    return harness


async def in_doubt() -> tuple[ServiceHarness, str]:
    """A run whose call was given up by another worker than the one that had started it."""
    harness = a_board()
    run, state = await harness.planned()

    def freeze(call: object) -> ToolOutput:
        raise Frozen

    harness.world.behaviours = [freeze]
    await harness.people.approve(run, state.plan.digest, ALICE)
    job = harness.log.jobs[0]
    with pytest.raises(Frozen):
        await harness.work()
    harness.clock.tick(seconds=5)
    await harness.worker.perform(job)
    assert isinstance(await harness.state(run), s.NeedsHuman)
    return harness, run


def card_of(harness: ServiceHarness, run: str) -> Card:
    view = view_of(harness.log.events[run])
    assert view is not None
    return snapshot_of(view, harness.clock.now(), refresh=5).card


def offers_to_run_it(card: Card) -> bool:
    return any(button.action is Action.RUN_IT for button in card.buttons)


async def test_a_call_is_not_run_again_before_its_first_attempt_has_ended_for_certain() -> None:
    harness, run = await in_doubt()
    with pytest.raises(RefusedError) as refused:
        await harness.people.resolve(run, 0, ALICE, "run_it")
    assert refused.value.refusal == Refusal.STILL_UNDER_WAY
    await harness.work()
    assert harness.world.done == []
    harness.clock.tick(seconds=LIMIT)
    await harness.people.resolve(run, 0, ALICE, "run_it")
    await harness.work()
    assert len(harness.world.done) == 1


async def test_a_call_that_its_server_may_still_carry_out_is_not_run_again_before_its_time_is_over() -> None:
    """A load balancer gave up, or a bridge: what is behind it may go on, and people who look find nothing yet."""
    harness = a_board()
    run, state = await harness.planned()

    def cut_off(call: object) -> ToolOutput:
        raise CallOutcomeUnknownError(Text("answered HTTP 504"), may_go_on=True)

    harness.world.behaviours = [cut_off]
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    assert not offers_to_run_it(card_of(harness, run))
    with pytest.raises(RefusedError) as refused:
        await harness.people.resolve(run, 0, ALICE, "run_it")
    assert refused.value.refusal == Refusal.STILL_UNDER_WAY
    harness.clock.tick(seconds=LIMIT)
    assert offers_to_run_it(card_of(harness, run))


@pytest.mark.parametrize("stood_still", [LIMIT, LIMIT + 60])
async def test_a_call_that_could_not_leave_within_its_own_time_is_not_sent(stood_still: int) -> None:
    """Between the record of its start and its first byte the worker stood still, so others may have made it since."""
    harness = ServiceHarness(
        PlayedModel(answers("one", ("mcp__board__post", {"title": "a"})), votes(1), says("Posted."))
    )
    board = ServerSpec(name="board", transport="stdio", identity="board", call_timeout=LIMIT / 3)
    harness.prepared.profile = replace(harness.prepared.profile, servers=(board,))
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    append = harness.log.append

    async def slow(*entry: Any) -> Sequence[Recorded]:  # noqa: ANN401 - whatever `append` takes
        records = await append(*entry)
        if any(each.event.kind == "call_started" for each in records):
            harness.clock.tick(seconds=stood_still)
        return records

    harness.log.append = slow  # type: ignore[method-assign]  # a database that is slow once
    await harness.work()
    after = await harness.state(run)
    assert isinstance(after, s.Finished)
    assert [each.kind for each in after.receipts] == ["failed"]
    assert harness.world.done == []


async def test_a_call_whose_record_took_long_has_only_what_is_left_of_its_time_to_leave_and_be_answered() -> None:
    """Otherwise it could still leave when others may already have it made again."""
    harness = a_board()
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    append = harness.log.append

    async def slow(*entry: Any) -> Sequence[Recorded]:  # noqa: ANN401 - whatever `append` takes
        records = await append(*entry)
        if any(each.event.kind == "call_started" for each in records):
            harness.clock.tick(seconds=LIMIT - 1)
        return records

    harness.log.append = slow  # type: ignore[method-assign]  # a database that is slow once
    await harness.work()
    assert harness.world.left == [1.0]


async def test_the_card_offers_it_only_then_and_says_until_when() -> None:
    harness, run = await in_doubt()
    early = card_of(harness, run)
    assert not offers_to_run_it(early)
    assert "may still be running until" in str(early)
    harness.clock.tick(seconds=LIMIT)
    late = card_of(harness, run)
    assert offers_to_run_it(late)
    assert "may still be running" not in str(late)


@pytest.mark.parametrize(
    ("catalog", "sentence"),
    [(ENGLISH, "After it started, the database was unavailable from "), (GERMAN, "war die Datenbank von ")],
)
async def test_the_card_says_when_the_database_was_away_meanwhile(catalog: Catalog, sentence: str) -> None:
    harness, run = await in_doubt()
    events = [replace(each, event=with_outage(each.event)) for each in harness.log.events[run]]
    view = view_of(events)
    assert view is not None
    with speaking(catalog):
        card = str(snapshot_of(view, harness.clock.now(), refresh=5).card)
    assert all(each in card for each in (sentence, "2026-11-22 11:59:00", "2026-11-22 11:59:10", " (UTC)"))


async def test_it_may_be_said_at_once_that_it_happened() -> None:
    harness, run = await in_doubt()
    await harness.people.resolve(run, 0, ALICE, "happened")
    await harness.work()
    assert harness.world.done == []
    assert isinstance(await harness.state(run), s.Finished)


async def test_what_the_server_says_of_the_first_attempt_ends_the_wait() -> None:
    harness, run = await in_doubt()
    state = replay(harness.log.events[run])
    answered = evolve(state, e.LateResult(index=0, succeeded=False, result="no"), harness.clock.now())
    assert isinstance(answered, s.NeedsHuman)
    assert not answered.may_still_happen(harness.clock.now())


async def test_a_log_in_which_it_was_run_again_too_early_is_not_lawful() -> None:
    harness, run = await in_doubt()
    state = replay(harness.log.events[run])
    assert isinstance(state, s.NeedsHuman)
    word = e.CallResolved(index=0, by=ALICE, verdict="run_it", valid_until=state.valid_until)
    with pytest.raises(IllegalTransition, match="first attempt may still happen"):
        evolve(state, word, harness.clock.now())
    assert isinstance(evolve(state, word, START + timedelta(seconds=LIMIT)), s.Executing)


async def test_a_log_of_before_says_nothing_of_limits_and_waits_for_nothing() -> None:
    harness, run = await in_doubt()
    events = [replace(each, event=without_limit(each.event)) for each in harness.log.events[run]]
    state = replay(events)
    assert isinstance(state, s.NeedsHuman)
    assert not state.may_still_happen(harness.clock.now())


def without_limit(event: e.RunEvent) -> e.RunEvent:
    if isinstance(event, e.CallStarted):
        return replace(event, limit=0.0)
    return replace(event, answer_until=None) if isinstance(event, e.CallOutcomeUnknown) else event


def with_outage(event: e.RunEvent) -> e.RunEvent:
    """As told where the clock is nine hours ahead."""
    since, until = (datetime(2026, 11, 22, 20, 59, second, tzinfo=timezone(timedelta(hours=9))) for second in (0, 10))
    return replace(event, outage=Outage(since=since, until=until)) if isinstance(event, e.CallOutcomeUnknown) else event
