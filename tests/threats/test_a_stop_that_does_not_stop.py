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
from tests.service.service_harness import Office

LOST = CallOutcomeUnknownError(Text("no answer"))


def an_office(*behaviours: Callable[[PlannedCall], ToolOutput]) -> Office:
    """One agent with a plan of two calls, and a world that behaves so."""
    two = [("mcp__board__post", {"title": title}) for title in ("a", "b")]
    office = Office(PlayedModel(answers("one", *two), says("Posted.")))
    office.world.behaviours = list(behaviours)
    return office


def fails(error: BaseException) -> Callable[[PlannedCall], ToolOutput]:
    def behave(call: PlannedCall) -> ToolOutput:
        raise error

    return behave


async def approved(office: Office) -> str:
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    return run


async def in_doubt(office: Office) -> str:
    run = await approved(office)
    await office.work()
    assert isinstance(await office.state(run), s.NeedsHuman)
    return run


def titles(office: Office) -> list[str]:
    return [call.arguments for call in office.world.done]


async def test_a_run_that_executes_past_its_plans_expiry_can_be_stopped() -> None:
    """A doubt was settled days later, so the rest may run again; and nobody could have held it back."""
    office = an_office(fails(LOST))
    run = await in_doubt(office)
    office.clock.tick(days=3)
    await office.people.resolve(run, 0, ALICE, "run_it")
    assert isinstance(await office.state(run), s.Executing)
    await office.people.cancel(run, REQUESTER)
    await office.work()
    assert titles(office) == []
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert final.stopped_by == REQUESTER
    assert all(isinstance(receipt, Skipped) for receipt in final.receipts)


async def test_a_slow_call_that_outlasts_the_plan_can_be_stopped() -> None:
    """The call under way ends; the next one never starts."""
    office = an_office(fails(Crash()))
    run = await approved(office)
    with pytest.raises(Crash):
        await office.work()
    office.clock.tick(days=2)
    state = await office.people.cancel(run, BOB)
    assert isinstance(state, s.Executing)
    assert state.stopped_by == BOB


async def test_a_plan_that_waits_past_its_expiry_can_be_cancelled() -> None:
    """It could not run any more anyway, and to say so is no reason to refuse."""
    office = an_office()
    run, _ = await office.planned()
    office.clock.tick(days=2)
    assert isinstance(await office.people.cancel(run, REQUESTER), s.Cancelled)


@pytest.mark.parametrize("verdict", ["run_it", "happened"])
async def test_a_run_in_doubt_can_be_stopped_and_whatever_is_said_of_the_call_nothing_follows(
    verdict: e.Verdict,
) -> None:
    """Today's order of words does not matter: the stop stands."""
    office = an_office(fails(LOST))
    run = await in_doubt(office)
    state = await office.people.cancel(run, REQUESTER)
    assert isinstance(state, s.NeedsHuman)
    with pytest.raises(RefusedError):
        await office.people.cancel(run, ALICE)
    await office.people.resolve(run, 0, ALICE, verdict)
    await office.work()
    assert titles(office) == []
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert final.stopped_by == REQUESTER


@pytest.mark.parametrize("verdict", ["run_it", "happened"])
async def test_a_stop_during_a_call_whose_outcome_is_then_unknown_still_stops(verdict: e.Verdict) -> None:
    """The stop was accepted: it is not forgotten because the call ended badly."""
    office = an_office(fails(Crash()))
    run = await approved(office)
    with pytest.raises(Crash):
        await office.work()
    await office.people.cancel(run, REQUESTER)
    office.log.jobs.append(Job(task="execute", run=run, tenant="here", revision=1))
    await office.work()
    assert isinstance(await office.state(run), s.NeedsHuman)
    office.clock.tick(minutes=4)  # Nobody may have it made again before its own time limit.
    await office.people.resolve(run, 0, ALICE, verdict)
    await office.work()
    assert titles(office) == []


async def test_who_may_stop_is_still_a_question() -> None:
    """Not whoever comes by, in no state."""
    office = an_office(fails(LOST))
    run, state = await office.planned()
    with pytest.raises(RefusedError, match="can cancel this run"):
        await office.people.cancel(run, MALLORY)
    await office.people.approve(run, state.plan.digest, ALICE)
    with pytest.raises(RefusedError, match="can cancel this run"):
        await office.people.cancel(run, MALLORY)
    await office.work()
    with pytest.raises(RefusedError, match="can cancel this run"):
        await office.people.cancel(run, MALLORY)


async def test_who_approved_once_can_stop_it_though_the_role_is_gone() -> None:
    """To take a yes back needs no more than to have given it."""
    office = an_office()
    run = await approved(office)
    gone = type(ALICE)(tenant=ALICE.tenant, id=ALICE.id, name=ALICE.name)
    state = await office.people.cancel(run, gone)
    assert isinstance(state, s.Executing)
    assert state.stopped_by == gone
