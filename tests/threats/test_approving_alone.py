"""Threat: break-glass lets run what it does not stand in the place of, or somebody uses it who may not any more."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from coordination.budget import NothingSpent
from coordination.domain import states as s
from coordination.domain.break_glass import BreakGlass
from coordination.domain.plan import PlannedCall, Skipped
from coordination.domain.policy import Person, Policy, Refusal
from coordination.domain.quorums import Needs
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError
from coordination.ports import CallOutcomeUnknownError, ToolOutput
from coordination.service import Coordinator
from coordination.text import Text
from coordination.worker import Worker
from tests.builders import ALICE, BOB
from tests.fakes import Crash, PlayedModel, answers, says, well
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import ServiceHarness
from tests.service.test_previews import Disk, service
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import Present, reasons

EVE = Person(tenant="here", id="u-eve", name="eve", roles=("on-call",))
RULE = Policy(roles=("ops",), required=2, break_glass=BreakGlass(roles=("on-call",)))
BARRED = replace(RULE, break_glass=None)
WHY = "The site is down."
TWICE = Rule(match="board.post", effect=Effect.ASK, source="tools[0]", needs=Needs(per_day=(("board.post", 2),)))


@dataclass
class Day(NothingSpent):
    """How many posts the day has had."""

    posts: int = 0

    @override
    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        return {"board.post": self.posts}


@dataclass
class Tonight(Present):
    """What holds now, and how often a worker may still look whether it is frozen."""

    looks: int = 5

    @override
    async def frozen_by(self, tenant: str) -> Person | None:
        self.looks -= self.is_frozen
        if self.looks < 0:
            raise Crash
        return await super().frozen_by(tenant)


@dataclass
class Night:
    """A plan of two calls that waits for two people, of whom none is awake; and what holds now."""

    harness: ServiceHarness
    present: Tonight
    day: Day
    run: str = ""

    async def broken(self, by: Person = EVE) -> s.RunState:
        """Somebody approves alone."""
        state = await self.harness.state(self.run)
        assert isinstance(state, s.AwaitingDecision | s.Expired)
        return await self.harness.people.break_glass(self.run, state.plan.digest, by, WHY)

    async def work(self) -> None:
        """Perform every job; a worker that waits for a thaw is killed after a few looks."""
        self.present.looks = 5
        with suppress(Crash):
            await self.harness.work()

    @property
    def posts(self) -> int:
        """How many calls were made."""
        return len(self.harness.world.done)

    def has_now(self, policy: Policy) -> None:
        """The operator changes the rule of approval."""
        self.present.profile = replace(self.harness.prepared.profile, policy=policy)


async def a_night(*, rule: Policy = RULE) -> Night:
    model = PlayedModel(answers("one", post("a"), post("b")), says("Posted."))
    harness = ServiceHarness(model, policy=rule, rules=(LOOKS_READ, TWICE))
    night = Night(harness, Tonight(harness), Day())
    names = (f"E{number}" for number in range(1000))
    harness.people = Coordinator(
        harness.log, harness.engine, clock=harness.clock, new_id=lambda: next(names), configure=harness.configure,
        spending=night.day, current=night.present.rules, directory=night.present, freezes=night.present,
    )  # fmt: skip
    harness.worker = Worker(
        harness.log, harness.hub, clock=harness.clock, new_id=lambda: next(names), configure=harness.configure,
        spending=night.day, current=night.present.rules, directory=night.present, freezes=night.present,
    )  # fmt: skip
    night.run, _ = await harness.planned()
    return night


async def test_with_nothing_in_the_way_all_calls_run() -> None:
    night = await a_night()
    assert isinstance(await night.broken(), s.Executing)
    await night.work()
    assert await reasons(night.harness, night.run) == ["succeeded", "succeeded"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
async def test_nothing_runs_without_a_reason(reason: str) -> None:
    night = await a_night()
    state = await night.harness.state(night.run)
    assert isinstance(state, s.AwaitingDecision)
    with pytest.raises(RefusedError):
        await night.harness.people.break_glass(night.run, state.plan.digest, EVE, reason)
    assert await night.harness.state(night.run) == state


async def refused(night: Night, by: Person = EVE) -> object:
    with pytest.raises(RefusedError) as error:
        await night.broken(by)
    await night.work()
    assert night.posts == 0
    return error.value.refusal


async def test_what_the_rules_deny_by_now_is_not_approved() -> None:
    night = await a_night()
    night.present.denies_posts()
    assert await refused(night) == Refusal.DENIED_NOW


async def test_what_the_day_has_no_room_for_is_not_approved() -> None:
    night = await a_night()
    night.day.posts = 1
    assert await refused(night) == Refusal.NONE_LEFT_TODAY


async def test_rules_that_can_not_be_read_approve_nothing() -> None:
    night = await a_night()
    night.present.is_unreadable = True
    assert await refused(night) == Refusal.RULES_UNREADABLE


async def test_an_expired_plan_is_not_approved() -> None:
    night = await a_night()
    night.harness.clock.tick(minutes=60 * 24)
    assert await refused(night) == Refusal.EXPIRED


async def test_who_is_not_named_any_more_approves_nothing() -> None:
    night = await a_night()
    night.has_now(BARRED)
    assert await refused(night) == Refusal.STALE_PLAN, "the plan is asked again under the rules of now"
    assert await refused(night) == Refusal.NO_BREAK_GLASS
    night = await a_night()
    night.has_now(replace(RULE, break_glass=BreakGlass(roles=("managers", "on-call"))))
    assert isinstance(await night.broken(), s.Executing), "who is named then and now may"
    assert await refused(await a_night(), BOB) == Refusal.NOT_FOR_BREAK_GLASS


async def test_whoever_lost_the_role_before_the_first_call_has_approved_nothing() -> None:
    night = await a_night()
    await night.broken()
    night.present.gone.add(EVE.id)
    await night.work()
    state = await night.harness.state(night.run)
    assert isinstance(state, s.AwaitingDecision)
    assert (state.approvals, state.plan.revision, night.posts) == ((), 2, 0)


async def test_a_rule_that_bars_it_before_the_first_call_has_the_plan_asked_again_without_it() -> None:
    night = await a_night()
    await night.broken()
    night.has_now(BARRED)
    await night.work()
    state = await night.harness.state(night.run)
    assert isinstance(state, s.AwaitingDecision)
    assert (state.approvals, state.plan.policy, night.posts) == ((), BARRED, 0)


async def test_a_rule_that_bars_it_between_the_calls_stops_what_one_person_approved_and_nothing_else() -> None:
    for is_alone in (True, False):
        night = await a_night()
        if is_alone:
            await night.broken()
        else:
            state = await night.harness.state(night.run)
            assert isinstance(state, s.AwaitingDecision)
            await night.harness.people.approve(night.run, state.plan.digest, ALICE)
            await night.harness.people.approve(night.run, state.plan.digest, BOB)

        def meanwhile(call: PlannedCall, night: Night = night) -> ToolOutput:
            night.has_now(BARRED)
            return well(call)

        night.harness.world.behaviours.append(meanwhile)
        await night.work()
        assert night.posts == (1 if is_alone else 2)


async def test_what_is_frozen_does_not_start() -> None:
    night = await a_night()
    night.present.is_frozen = True
    await night.broken()
    await night.harness.people.tell_frozen("here")
    await night.work()
    assert night.posts == 0


async def test_a_freeze_between_the_calls_stops_the_next_one() -> None:
    night = await a_night()
    await night.broken()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        night.present.is_frozen = True
        return well(call)

    night.harness.world.behaviours.append(meanwhile)
    await night.work()
    assert night.posts == 1


@pytest.mark.parametrize("is_before", [True, False], ids=["before the yes", "after it"])
async def test_of_more_calls_than_a_plan_may_have_by_now_none_runs(is_before: bool) -> None:
    night = await a_night()
    if not is_before:
        await night.broken()
    before = night.harness.prepared.profile
    fewer = replace(TWICE, needs=Needs(per_plan=(("board.post", 1),)))
    agents = tuple(replace(each, rules=(LOOKS_READ, fewer)) for each in before.agents)
    night.present.profile = replace(before, agents=agents)
    if is_before:
        assert await refused(night) == Refusal.DENIED_NOW
    await night.work()
    assert night.posts == 0


async def test_a_yes_to_a_plan_that_was_revised_since_counts_for_no_revision() -> None:
    night = await a_night()
    first = await night.harness.state(night.run)
    assert isinstance(first, s.AwaitingDecision)
    await night.harness.people.select(night.run, first.plan.digest, ALICE, [0])
    with pytest.raises(RefusedError) as error:
        await night.harness.people.break_glass(night.run, first.plan.digest, EVE, WHY)
    await night.work()
    assert (error.value.refusal, night.posts) == (Refusal.STALE_PLAN, 0)
    await night.broken()
    await night.work()
    assert night.posts == 1, "of the revision, what is in it"


async def test_where_what_was_read_for_the_card_has_changed_nothing_runs() -> None:
    disk = Disk(a="old")
    harness = service(disk, {"path": "a", "content": "new"}, policy=RULE)
    run, state = await harness.planned()
    await harness.people.break_glass(run, state.plan.digest, EVE, WHY)
    disk.files["a"] = "by somebody else"
    await harness.work()
    finished = await harness.state(run)
    assert isinstance(finished, s.Finished)
    assert [type(each) for each in finished.receipts] == [Skipped]
    assert (disk.files, disk.done) == ({"a": "by somebody else"}, [])


async def test_a_call_in_doubt_is_not_run_again_by_the_one_person() -> None:
    night = await a_night(rule=replace(RULE, break_glass=BreakGlass(roles=("on-call",), users=(ALICE.id,))))

    def silence(call: PlannedCall) -> ToolOutput:
        raise CallOutcomeUnknownError(Text("no answer"))

    night.harness.world.behaviours.append(silence)
    await night.broken(ALICE)
    await night.work()
    state = await night.harness.people.resolve(night.run, 0, ALICE, "run_it")
    assert isinstance(state, s.NeedsHuman), "it takes as many people as the plan"
    with pytest.raises(RefusedError):
        await night.harness.people.resolve(night.run, 0, EVE, "run_it")
    await night.work()
    assert night.posts == 0


IN_THE_WAY = ("denied", "no room", "frozen", "unreadable", "expired", "barred", "lost")


@given(st.sets(st.sampled_from(IN_THE_WAY), max_size=3), st.booleans())
def test_whatever_is_in_the_way_before_or_after_the_yes_nothing_runs(hindrances: set[str], is_before: bool) -> None:
    async def story() -> int:
        night = await a_night()
        if is_before:
            put(night, hindrances)
        try:
            await night.broken(replace(EVE, roles=()) if is_before and "lost" in hindrances else EVE)
        except RefusedError:
            assert hindrances, "a right use of break-glass was refused"
        if not is_before:
            put(night, hindrances)
        await night.work()
        return night.posts

    assert asyncio.run(story()) == (0 if hindrances else 2)


def put(night: Night, hindrances: set[str]) -> None:
    """Have this be in the way."""
    present = night.present
    if "denied" in hindrances:
        present.denies_posts()
    if "barred" in hindrances:
        rules = present.profile or night.harness.prepared.profile
        present.profile = replace(rules, policy=BARRED)
    if "lost" in hindrances:
        present.gone.add(EVE.id)
    present.is_frozen, present.is_unreadable = "frozen" in hindrances, "unreadable" in hindrances
    night.day.posts = 1 if "no room" in hindrances else 0
    if "expired" in hindrances:
        night.harness.clock.tick(minutes=60 * 24)
