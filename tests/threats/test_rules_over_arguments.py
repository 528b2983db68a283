"""Threat: a call slips past a rule that speaks of its arguments, while agents plan or because the rules changed since."""

from coordination.domain import states as s
from coordination.domain.conditions import Condition
from coordination.domain.events import ToolRead
from coordination.domain.tool_rules import Effect, Rule
from tests.builders import ALICE
from tests.fakes import PlayedModel, answers, calls, says, votes
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import a_service
from tests.threats.test_stricter_rules_while_agents_plan import agents_change


def rule(tool: str, effect: Effect, title: str) -> Rule:
    when = (Condition(about="$.title", operator="matches", value=title),)
    return Rule(match=f"board.{tool}", effect=effect, source="tools[0]", when=when)


def look(title: str) -> tuple[str, dict[str, str]]:
    return "mcp__board__look", {"title": title}


async def test_of_a_tool_only_those_calls_run_while_agents_plan_that_a_rule_lists_as_reads() -> None:
    model = PlayedModel(calls(look("public-1"), look("secret")), answers("one"), votes(1))
    harness = ServiceHarness(model, rules=(rule("look", Effect.READ, "public-*"),))
    run = await harness.ask()
    await harness.work()
    read = [each.event.arguments for each in harness.log.events[run] if isinstance(each.event, ToolRead)]
    assert read == ['{"title":"public-1"}']
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert [call.arguments for call in state.plan.calls] == ['{"title":"secret"}']


async def test_a_denied_call_is_refused_and_not_planned() -> None:
    model = PlayedModel(calls(post("evil-1"), post("good")), answers("one"), votes(1))
    harness = ServiceHarness(model, rules=(rule("post", Effect.DENY, "evil-*"),))
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert [call.arguments for call in state.plan.calls] == ['{"title":"good"}']


async def test_only_a_plan_whose_every_call_a_rule_lets_run_needs_nobody() -> None:
    automatic = rule("post", Effect.AUTO, "small-*")
    alone = ServiceHarness(PlayedModel(answers("one", post("small-1")), votes(1)), rules=(automatic,))
    run = await alone.ask()
    await alone.work()
    assert isinstance(await alone.state(run), s.Finished)
    mixed = ServiceHarness(PlayedModel(answers("one", post("small-1"), post("large")), votes(1)), rules=(automatic,))
    run = await mixed.ask()
    await mixed.work()
    assert isinstance(await mixed.state(run), s.AwaitingDecision)
    assert mixed.world.done == []


async def test_an_approved_call_that_a_rule_forbids_by_now_does_not_run_and_another_does() -> None:
    for title, expected in (("evil-1", 0), ("good", 1)):
        harness, present = a_service(first=PlayedModel(answers("one", post(title)), votes(1), says("Done.")))
        run, state = await harness.planned()
        await harness.people.approve(run, state.plan.digest, ALICE)
        agents_change(present, rule("post", Effect.DENY, "evil-*"))
        await harness.work()
        assert len(harness.world.done) == expected
