"""Threat: a day has more calls of a rule than it may, since two runs begin at once, or nobody counts at the claim."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest
from typing_extensions import override

from coordination.budget import NothingSpent
from coordination.domain import states as s
from coordination.domain.events import CallStarted
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Policy, Refusal
from coordination.domain.quorums import Needs
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError
from coordination.ports import CallOutcomeUnknownError, ToolOutput
from coordination.service import Coordinator
from coordination.text import Text
from coordination.worker import Worker
from tests.builders import ALICE
from tests.fakes import MemoryLog, PlayedModel, Step, answers, calls, says, votes
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import Present, reasons

NONE_OF = "the rules leave {left} of {most} calls of board.post for today, which ends at midnight (UTC)"


def silence(call: PlannedCall) -> ToolOutput:
    raise CallOutcomeUnknownError(Text("no answer"))


def capped(most: int, effect: Effect = Effect.ASK) -> Rule:
    return Rule(match="board.post", effect=effect, source="tools[0]", needs=Needs(per_day=(("board.post", most),)))


class Counted(NothingSpent):
    """The calls of a log, or what a reader saw who was too early."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.is_late = False

    @override
    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        return {} if self.is_late else self.log.started_since(moment, tenant)


class Day:
    """Runs of one log, each with an agent that plans posts of these titles, under a rule with a cap of the day."""

    def __init__(self, *plans: tuple[str, ...], rule: Rule | None, before: Step | None = None) -> None:
        planned = [step for titles in plans for step in (answers("p", *map(post, titles)), votes(1))]
        steps = [*([] if before is None else [before]), *planned, *(says("Done.") for _ in plans)]
        rules = (LOOKS_READ,) if rule is None else (rule, LOOKS_READ)
        self.log = MemoryLog()
        self.harness = made = ServiceHarness(PlayedModel(*steps), rules=rules, policy=Policy(), log=self.log)
        self.counted, self.present = Counted(self.log), Present(made)
        names = (f"D{number}" for number in range(1000))
        made.people = Coordinator(
            made.log, made.engine, clock=made.clock, new_id=lambda: next(names), configure=made.configure,
            spending=self.counted, current=self.present.rules,
        )  # fmt: skip
        made.worker = Worker(
            made.log, made.hub, clock=made.clock, new_id=lambda: next(names), configure=made.configure,
            spending=self.counted, current=self.present.rules,
        )  # fmt: skip

    async def approved(self) -> str:
        """A plan that Alice approved, and that no worker has taken up."""
        run, state = await self.harness.planned()
        await self.harness.people.approve(run, state.plan.digest, ALICE)
        return run

    async def ended(self, run: str) -> list[str]:
        """What became of each call: its kind, and why it was skipped."""
        await self.harness.work()
        return await reasons(self.harness, run)


async def test_the_second_of_two_runs_that_began_at_once_does_not_get_the_last_call_of_the_day() -> None:
    day = Day(("a",), ("b",), rule=capped(1))
    first, state = await day.harness.planned()
    second = await day.approved()
    job = day.harness.log.jobs.pop()
    await day.harness.people.approve(first, state.plan.digest, ALICE)
    day.counted.is_late = True  # Both looked before either began.
    assert await day.ended(first) == ["succeeded"]
    day.harness.log.jobs.append(job)
    assert await day.ended(second) == [f"skipped {NONE_OF.format(left=0, most=1)}"]
    assert [call.arguments for call in day.harness.world.done] == ['{"title":"a"}']


async def test_a_plan_that_does_not_fit_into_the_day_is_not_begun() -> None:
    day = Day(("a",), ("b", "c"), rule=capped(2))
    first, state = await day.harness.planned()
    second = await day.approved()
    job = day.harness.log.jobs.pop()
    await day.harness.people.approve(first, state.plan.digest, ALICE)
    assert await day.ended(first) == ["succeeded"]
    day.harness.log.jobs.append(job)
    assert await day.ended(second) == [f"skipped {NONE_OF.format(left=1, most=2)}"] * 2
    assert len(day.harness.world.done) == 1


async def test_a_plan_for_which_the_day_has_no_room_is_not_approved_before_the_next() -> None:
    day = Day(("a",), ("b",), rule=capped(1))
    first, _ = await day.harness.planned()
    second, state = await day.harness.planned()
    before = await day.harness.state(first)
    assert isinstance(before, s.AwaitingDecision)
    await day.harness.people.approve(first, before.plan.digest, ALICE)
    await day.harness.work()
    with pytest.raises(RefusedError) as caught:
        await day.harness.people.approve(second, state.plan.digest, ALICE)
    assert caught.value.refusal == Refusal.NONE_LEFT_TODAY
    day.harness.clock.tick(hours=12)
    await day.harness.people.approve(second, state.plan.digest, ALICE)
    assert await day.ended(second) == ["succeeded"]


async def test_an_agent_is_refused_what_the_day_has_no_room_for_and_the_plan_says_what_it_had() -> None:
    day = Day(("a",), ("d",), rule=capped(2), before=None)
    assert await day.ended(await day.approved()) == ["succeeded"]
    day.harness.prepared.given = (PlayedModel(calls(post("b"), post("c")), answers("p"), votes(1), says("Done.")),)
    _, state = await day.harness.planned()
    assert [call.arguments for call in state.plan.calls] == ['{"title":"b"}']
    assert state.started_today == (("board.post", 1),)


async def test_a_cap_that_came_after_the_approval_holds_and_is_counted() -> None:
    ask = Rule(match="board.post", effect=Effect.ASK, source="tools[0]")
    for most, ends in ((2, ["succeeded"] * 2), (1, [f"skipped {NONE_OF.format(left=1, most=1)}"] * 2)):
        day = Day(("a", "b"), rule=ask)
        run = await day.approved()
        profile = day.harness.prepared.profile
        agents = tuple(replace(each, rules=(capped(most), *each.rules)) for each in profile.agents)
        day.present.profile = replace(profile, agents=agents)
        assert await day.ended(run) == ends
        starts = [each.event for each in day.harness.log.events[run] if isinstance(each.event, CallStarted)]
        assert [each.per_day for each in starts] == [(("board.post", 2),)] * len(day.harness.world.done)


async def test_what_needs_nobody_is_counted_too() -> None:
    day = Day(("a",), rule=capped(1, Effect.AUTO))
    run = await day.harness.ask()
    assert await day.ended(run) == ["succeeded"]
    assert day.log.started_since(day.harness.clock.now(), "here") == {"board.post": 1}


async def test_a_call_that_is_made_again_counts_again() -> None:
    """A call in doubt may have happened: having it made once more is one more of the day."""
    day = Day(("a",), rule=capped(1))
    day.harness.world.behaviours.append(silence)
    run = await day.approved()
    await day.harness.work()
    assert isinstance(await day.harness.state(run), s.NeedsHuman)
    await day.harness.people.resolve(run, 0, ALICE, "run_it")
    assert await day.ended(run) == [f"skipped {NONE_OF.format(left=0, most=1)}"]
