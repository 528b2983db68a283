"""Threat: a call runs at an hour that its rule does not allow, since the clock was looked at once, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coordination.domain import states as s
from coordination.domain.conditions import DAYS, Condition
from coordination.domain.events import RulesChanged
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Policy, Refusal
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError
from coordination.ports import ToolOutput
from tests.builders import ALICE
from tests.fakes import PlayedModel, answers, calls, says, votes, well
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import reasons

NOON = Condition(
    about="time", operator="within", value={"from": "12:00", "to": "13:00", "days": list(DAYS), "zone": "UTC"}
)
AT_NOON = Rule(match="board.post", effect=Effect.ASK, source="tools[0]", when=(NOON,))
NEVER = Rule(match="board.post", effect=Effect.DENY, source="tools[1]")
SKIPPED = "skipped the rules forbid board.post at this hour"


def planning(*steps: object, rules: tuple[Rule, ...] = (AT_NOON, NEVER)) -> ServiceHarness:
    model = PlayedModel(*steps, says("Done."))  # type: ignore[arg-type]  # steps by shape
    made = ServiceHarness(model, rules=(*rules, LOOKS_READ), policy=Policy())
    made.clock.time = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    return made


async def test_within_its_hours_a_plan_is_made_approved_and_run() -> None:
    made = planning(answers("p", post("a"), post("b")), votes(1))
    run, state = await made.planned()
    await made.people.review_all()
    assert state == await made.state(run)
    await made.people.approve(run, state.plan.digest, ALICE)
    await made.work()
    assert await reasons(made, run) == ["succeeded"] * 2


async def test_an_agent_is_refused_a_call_at_the_moment_at_which_it_makes_it() -> None:
    made = planning()

    def later(conversation: object) -> object:
        made.clock.tick(minutes=40)
        return calls(post("b"))(conversation)  # type: ignore[arg-type]  # a step passes on what it is given

    steps = (calls(post("a")), later, answers("p"), votes(1), says("Done."))
    made.prepared.given = (PlayedModel(*steps),)  # type: ignore[arg-type]  # steps by shape
    _, state = await made.planned()
    assert [call.arguments for call in state.plan.calls] == ['{"title":"a"}']


async def test_a_plan_is_not_approved_at_another_hour_says_so_and_waits() -> None:
    made = planning(answers("p", post("a")), votes(1))
    run, state = await made.planned()
    made.clock.tick(minutes=40)
    with pytest.raises(RefusedError) as caught:
        await made.people.approve(run, state.plan.digest, ALICE)
    assert caught.value.refusal == Refusal.NOT_AT_THIS_HOUR
    closed = await made.state(run)
    assert isinstance(closed, s.AwaitingDecision)
    assert closed.rules_now == "hours"
    made.clock.tick(hours=23)
    await made.people.review_all()
    assert [each.event.now for each in made.log.events[run] if isinstance(each.event, RulesChanged)] == ["hours", ""]
    await made.people.approve(run, state.plan.digest, ALICE)
    await made.work()
    assert await reasons(made, run) == ["succeeded"]


async def test_what_was_approved_in_time_is_not_begun_too_late() -> None:
    made = planning(answers("p", post("a"), post("b")), votes(1))
    run, state = await made.planned()
    await made.people.approve(run, state.plan.digest, ALICE)
    made.clock.tick(minutes=40)
    await made.work()
    assert await reasons(made, run) == [SKIPPED] * 2
    assert made.world.done == []


async def test_the_clock_is_looked_at_between_calls() -> None:
    made = planning(answers("p", post("a"), post("b")), votes(1))

    def slow(call: PlannedCall) -> ToolOutput:
        made.clock.tick(minutes=40)
        return well(call)

    made.world.behaviours.append(slow)
    run, state = await made.planned()
    await made.people.approve(run, state.plan.digest, ALICE)
    await made.work()
    assert await reasons(made, run) == ["succeeded", SKIPPED]


async def test_where_other_hours_want_somebody_else_the_plan_is_asked_again() -> None:
    board = Needs(quorums=(Quorum(roles=("board",)),))
    made = planning(answers("p", post("a")), votes(1), rules=(AT_NOON, replace(NEVER, effect=Effect.ASK, needs=board)))
    run, state = await made.planned()
    await made.people.approve(run, state.plan.digest, ALICE)
    made.clock.tick(minutes=40)
    await made.work()
    again = await made.state(run)
    assert isinstance(again, s.AwaitingDecision)
    assert again.plan.policy.quorums == board.quorums
    assert made.world.done == []


async def test_a_call_is_edited_by_the_clock_as_well() -> None:
    made = planning(answers("p", post("a")), votes(1))
    run, state = await made.planned()
    edited = await made.people.edit(run, state.plan.digest, ALICE, 0, '{"title":"c"}')
    assert isinstance(edited, s.AwaitingDecision)
    made.clock.tick(minutes=40)
    with pytest.raises(RefusedError):
        await made.people.edit(run, edited.plan.digest, ALICE, 0, '{"title":"d"}')
