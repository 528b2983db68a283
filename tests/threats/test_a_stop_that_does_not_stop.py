"""A stop is taken as long as anything can still start, whatever the clock says, and nothing starts after it."""

from collections.abc import Callable

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall, Skipped
from coordination.errors import RefusedError
from coordination.ports import CallOutcomeUnknownError, Job, ToolOutput
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER
from tests.fakes import Crash, PlayedModel, answers, says
from tests.service.service_harness import ServiceHarness

LOST = CallOutcomeUnknownError(Text("no answer"))


def a_service(*behaviours: Callable[[PlannedCall], ToolOutput]) -> ServiceHarness:
    """One agent with a plan of two calls, and a world that behaves so."""
    two = [("mcp__board__post", {"title": title}) for title in ("a", "b")]
    harness = ServiceHarness(PlayedModel(answers("one", *two), says("Posted.")))
    harness.world.behaviours = list(behaviours)
    return harness


def fails(error: BaseException) -> Callable[[PlannedCall], ToolOutput]:
    def behave(call: PlannedCall) -> ToolOutput:
        raise error

    return behave


async def approved(harness: ServiceHarness) -> str:
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    return run


async def in_doubt(harness: ServiceHarness) -> str:
    run = await approved(harness)
    await harness.work()
    assert isinstance(await harness.state(run), s.NeedsHuman)
    return run


def titles(harness: ServiceHarness) -> list[str]:
    return [call.arguments for call in harness.world.done]


async def test_a_run_that_executes_past_its_plans_expiry_can_be_stopped() -> None:
    """A doubt was settled days later, so the rest may run again; and nobody could have held it back."""
    harness = a_service(fails(LOST))
    run = await in_doubt(harness)
    harness.clock.tick(days=3)
    await harness.people.resolve(run, 0, ALICE, "run_it")
    assert isinstance(await harness.state(run), s.Executing)
    await harness.people.cancel(run, REQUESTER)
    await harness.work()
    assert titles(harness) == []
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert final.stopped_by == REQUESTER
    assert all(isinstance(receipt, Skipped) for receipt in final.receipts)


async def test_a_slow_call_that_outlasts_the_plan_can_be_stopped() -> None:
    """The call under way ends; the next one never starts."""
    harness = a_service(fails(Crash()))
    run = await approved(harness)
    with pytest.raises(Crash):
        await harness.work()
    harness.clock.tick(days=2)
    state = await harness.people.cancel(run, BOB)
    assert isinstance(state, s.Executing)
    assert state.stopped_by == BOB


async def test_a_plan_that_waits_past_its_expiry_can_be_cancelled() -> None:
    """It could not run any more anyway, and to say so is no reason to refuse."""
    harness = a_service()
    run, _ = await harness.planned()
    harness.clock.tick(days=2)
    assert isinstance(await harness.people.cancel(run, REQUESTER), s.Cancelled)


@pytest.mark.parametrize("verdict", ["run_it", "happened"])
async def test_a_run_in_doubt_can_be_stopped_and_whatever_is_said_of_the_call_nothing_follows(
    verdict: e.Verdict,
) -> None:
    """Today's order of words does not matter: the stop stands."""
    harness = a_service(fails(LOST))
    run = await in_doubt(harness)
    state = await harness.people.cancel(run, REQUESTER)
    assert isinstance(state, s.NeedsHuman)
    with pytest.raises(RefusedError):
        await harness.people.cancel(run, ALICE)
    await harness.people.resolve(run, 0, ALICE, verdict)
    await harness.work()
    assert titles(harness) == []
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert final.stopped_by == REQUESTER


@pytest.mark.parametrize("verdict", ["run_it", "happened"])
async def test_a_stop_during_a_call_whose_outcome_is_then_unknown_still_stops(verdict: e.Verdict) -> None:
    """The stop was accepted: it is not forgotten because the call ended badly."""
    harness = a_service(fails(Crash()))
    run = await approved(harness)
    with pytest.raises(Crash):
        await harness.work()
    await harness.people.cancel(run, REQUESTER)
    harness.log.jobs.append(Job(task="execute", run=run, tenant="here", revision=1))
    await harness.work()
    assert isinstance(await harness.state(run), s.NeedsHuman)
    harness.clock.tick(minutes=4)  # Nobody may have it made again before its own time limit.
    await harness.people.resolve(run, 0, ALICE, verdict)
    await harness.work()
    assert titles(harness) == []


async def test_who_may_stop_is_still_a_question() -> None:
    """Not whoever comes by, in no state."""
    harness = a_service(fails(LOST))
    run, state = await harness.planned()
    with pytest.raises(RefusedError, match="can cancel this run"):
        await harness.people.cancel(run, MALLORY)
    await harness.people.approve(run, state.plan.digest, ALICE)
    with pytest.raises(RefusedError, match="can cancel this run"):
        await harness.people.cancel(run, MALLORY)
    await harness.work()
    with pytest.raises(RefusedError, match="can cancel this run"):
        await harness.people.cancel(run, MALLORY)


async def test_who_approved_once_can_stop_it_though_the_role_is_gone() -> None:
    """To take a yes back needs no more than to have given it."""
    harness = a_service()
    run = await approved(harness)
    gone = type(ALICE)(tenant=ALICE.tenant, id=ALICE.id, name=ALICE.name)
    state = await harness.people.cancel(run, gone)
    assert isinstance(state, s.Executing)
    assert state.stopped_by == gone
