"""Standing grants through a whole run: given on a card, used up by later runs, void the moment that they do not hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from coordination.current_rules import PersonDirectory
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.grants import Grant
from coordination.domain.plan import PlannedCall, Skipped, Succeeded
from coordination.domain.policy import Person, Policy, Refusal
from coordination.errors import GrantVoidError, RefusedError, RunNotFoundError
from coordination.ports import ToolOutput
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, STRANGER, a_definition
from tests.fakes import PlayedModel, answers, says
from tests.service.service_harness import ServiceHarness

OPS = Policy(roles=("ops",), allow_grants=True)
POST = ("mcp__board__post", {"title": "hello"})


def harness_of(*calls: tuple[str, dict[str, str]], policy: Policy = OPS, runs: int = 4) -> ServiceHarness:
    steps = (answers("Posted.", *(calls or (POST,))), says("Report."))
    harness = ServiceHarness(
        PlayedModel(*steps * runs),
        policy=policy,
        definitions=[replace(a_definition("post", title="string"), settings="s")],
    )
    harness.world.settings["board"] = "s"
    return harness


async def finished(harness: ServiceHarness) -> tuple[str, s.Finished]:
    """A run that people approved, to its end."""
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    after = await harness.state(run)
    assert isinstance(after, s.Finished)
    return run, after


async def given(harness: ServiceHarness, *, by: Person = ALICE, most: int = 5, free: Sequence[str] = ()) -> Grant:
    run, state = await finished(harness)
    return await harness.people.grants.give(
        run, state.plan.digest, by, 0, lasts=timedelta(hours=24), most=most, free=free
    )


async def asked(harness: ServiceHarness) -> tuple[str, s.RunState]:
    run = await harness.ask()
    await harness.work()
    return run, await harness.state(run)


async def test_a_later_run_is_approved_by_the_grant_and_its_log_says_whose() -> None:
    harness = harness_of()
    grant = await given(harness)
    run, state = await asked(harness)
    assert isinstance(state, s.Finished)
    assert (state.approvals, len(harness.world.done)) == ((ALICE,), 2)
    events = [each.event for each in await harness.log.read(run)]
    approval = next(each for each in events if isinstance(each, e.ApprovalGiven))
    assert [(each.grant, each.used) for each in approval.grants] == [(grant, 0)]
    assert [each.grants for each in events if isinstance(each, e.CallStarted)] == [(grant.id,)]
    assert [each.used for each in await harness.people.grants.listed("here")] == [1]


async def test_nothing_is_granted_where_the_configuration_does_not_say_so() -> None:
    harness = harness_of(policy=Policy(roles=("ops",)))
    with pytest.raises(RefusedError) as refused:
        await given(harness)
    assert refused.value.refusal == Refusal.NO_GRANTS


async def test_when_the_number_is_used_up_people_decide_again() -> None:
    harness = harness_of()
    await given(harness, most=1)
    assert isinstance((await asked(harness))[1], s.Finished)
    assert isinstance((await asked(harness))[1], s.AwaitingDecision)


async def test_when_its_time_is_over_people_decide_again() -> None:
    harness = harness_of()
    await given(harness)
    harness.clock.tick(hours=24)
    assert isinstance((await asked(harness))[1], s.AwaitingDecision)


async def test_a_revoked_grant_counts_for_nothing() -> None:
    harness = harness_of()
    grant = await given(harness)
    await harness.people.grants.revoke_any(grant.id, BOB)
    assert isinstance((await asked(harness))[1], s.AwaitingDecision)
    with pytest.raises(RefusedError):
        await harness.people.grants.revoke_any(grant.id, BOB)


async def test_a_grant_is_no_approval_of_a_plan_with_another_call() -> None:
    harness = harness_of()
    await given(harness)
    harness.prepared.given = (PlayedModel(answers("Posted.", ("mcp__board__post", {"title": "other"}))),)
    assert isinstance((await asked(harness))[1], s.AwaitingDecision)


async def revoked_between(harness: ServiceHarness, grant: Grant) -> tuple[str, s.RunState]:
    """A run whose grant is revoked after the approval and before its first call."""
    run = await harness.ask()
    await harness.worker.perform(harness.log.jobs.pop(0))
    assert isinstance(await harness.state(run), s.Executing)
    await harness.people.grants.revoke_any(grant.id, BOB)
    await harness.work()
    return run, await harness.state(run)


async def test_a_grant_that_is_revoked_before_the_first_call_has_people_asked() -> None:
    harness = harness_of()
    grant = await given(harness)
    run, state = await revoked_between(harness, grant)
    assert isinstance(state, s.AwaitingDecision)
    assert (state.approvals, state.granted, len(harness.world.done)) == ((), (), 1)
    await harness.people.approve(run, state.plan.digest, BOB)
    await harness.work()
    after = await harness.state(run)
    assert isinstance(after, s.Finished)
    assert (after.approvals, len(harness.world.done)) == ((BOB,), 2)


async def test_a_grant_that_is_revoked_between_two_calls_stops_the_second() -> None:
    harness = harness_of(POST, POST)
    grant = await given(harness)
    call, done = harness.world.call, len(harness.world.done)

    async def revoked_meanwhile(planned: PlannedCall, key: str, seconds: float | None) -> ToolOutput:
        if len(harness.world.done) == done:
            await harness.people.grants.revoke_any(grant.id, BOB)
        return await call(planned, key, seconds)

    harness.world.call = revoked_meanwhile  # type: ignore[method-assign]  # somebody acts while the first call goes on
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.Finished)
    assert [type(each) for each in state.receipts] == [Succeeded, Skipped]


class Directory:
    """Knows that somebody has left."""

    async def current(self, person: Person) -> Person | None:
        return None if person.is_same_as(ALICE) else person

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        return None


async def test_a_grantor_who_is_no_approver_any_more_does_not_count() -> None:
    harness = harness_of()
    await given(harness)
    directory: PersonDirectory = Directory()
    harness.worker._directory = directory
    assert isinstance((await asked(harness))[1], s.AwaitingDecision)


async def test_a_grantor_who_leaves_between_the_approval_and_the_first_call_does_not_count() -> None:
    harness = harness_of()
    await given(harness)
    run = await harness.ask()
    await harness.worker.perform(harness.log.jobs.pop(0))
    harness.worker._guards = replace(harness.worker._guards, directory=Directory())
    await harness.work()
    assert isinstance(await harness.state(run), s.AwaitingDecision)
    assert len(harness.world.done) == 1


async def test_two_runs_do_not_use_the_last_call_of_a_grant_twice() -> None:
    harness = harness_of()
    await given(harness, most=1)
    runs = [await harness.ask(), await harness.ask()]
    for _ in runs:
        await harness.worker.perform(harness.log.jobs.pop(0))
    assert [type(await harness.state(run)) for run in runs] == [s.Executing, s.Executing]
    await harness.work()
    kinds = [type(await harness.state(run)) for run in runs]
    assert kinds == [s.Finished, s.AwaitingDecision]
    assert len(harness.world.done) == 2


async def test_no_log_takes_a_start_on_a_grant_that_does_not_hold_though_the_guard_looked_before() -> None:
    harness = harness_of()
    grant = await given(harness)
    run = await harness.ask()
    await harness.worker.perform(harness.log.jobs.pop(0))
    state = await harness.state(run)
    assert isinstance(state, s.Executing)
    await harness.people.grants.revoke_any(grant.id, BOB)
    call = state.plan.calls[0]
    start = e.CallStarted(
        index=0,
        server=call.server,
        tool=call.tool,
        arguments=call.arguments,
        digest=state.plan.digest,
        hand="h",
        grants=state.next_grants,
    )
    seq = (await harness.log.read(run))[-1].seq
    with pytest.raises(GrantVoidError):
        await harness.log.append(run, seq, [start], harness.clock.now(), state)


@pytest.mark.parametrize(
    ("by", "refusal"),
    [(replace(REQUESTER, roles=("ops",)), Refusal.OWN_REQUEST), (MALLORY, Refusal.NOT_AN_APPROVER)],
)
async def test_who_may_not_approve_may_not_grant_and_the_attempt_is_on_record(by: Person, refusal: Refusal) -> None:
    harness = harness_of()
    run, state = await finished(harness)
    with pytest.raises(RefusedError) as refused:
        await harness.people.grants.check(run, state.plan.digest, by)
    assert refused.value.refusal == refusal
    last = (await harness.log.read(run))[-1].event
    assert isinstance(last, e.ActionRefused)
    assert (last.act, last.refusal) == ("grant", refusal)


async def test_nobody_grants_anything_in_another_tenant_nor_of_a_plan_that_they_did_not_see() -> None:
    harness = harness_of()
    run, state = await finished(harness)
    with pytest.raises(RunNotFoundError):
        await harness.people.grants.check(run, state.plan.digest, STRANGER)
    with pytest.raises(RefusedError) as refused:
        await harness.people.grants.check(run, "0" * 64, ALICE)
    assert refused.value.refusal == Refusal.STALE_PLAN


@pytest.mark.parametrize(
    ("index", "lasts", "most", "free"),
    [
        (0, timedelta(days=31), 1, ()),
        (0, timedelta(0), 1, ()),
        (0, timedelta(hours=1), 0, ()),
        (0, timedelta(hours=1), 1001, ()),
        (1, timedelta(hours=1), 1, ()),
        (-1, timedelta(hours=1), 1, ()),
        (0, timedelta(hours=1), 1, ("nothing",)),
    ],
)
async def test_a_grant_out_of_bounds_is_refused(index: int, lasts: timedelta, most: int, free: Sequence[str]) -> None:
    harness = harness_of()
    run, state = await finished(harness)
    with pytest.raises(RefusedError):
        await harness.people.grants.give(run, state.plan.digest, ALICE, index, lasts=lasts, most=most, free=free)
    assert await harness.people.grants.listed() == []


async def test_there_is_nothing_to_grant_before_there_is_a_plan() -> None:
    harness = harness_of()
    run = await harness.ask()
    with pytest.raises(RefusedError):
        await harness.people.grants.check(run, "0" * 64, ALICE)


async def test_an_argument_that_was_left_free_may_be_anything() -> None:
    harness = harness_of()
    await given(harness, free=("title",))
    harness.prepared.given = (
        PlayedModel(answers("Posted.", ("mcp__board__post", {"title": "other"})), says("Report.")),
    )
    assert isinstance((await asked(harness))[1], s.Finished)
