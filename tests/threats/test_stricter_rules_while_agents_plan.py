"""Threat: rules get stricter between a request and its planning, or a plan and the next, and the agents plan by the old ones."""

from dataclasses import replace

import pytest

from coordination.domain import states as s
from coordination.domain.events import ToolRead
from coordination.domain.policy import Policy
from coordination.domain.tool_rules import Effect, Rule
from tests.builders import ALICE, BOB
from tests.fakes import PlayedConversation, PlayedModel, answers, calls, votes
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import AUTO_POSTS, Present, a_service

NO_LOOKS = Rule(match="board.look", effect=Effect.DENY, source="tools[0]")
ASK_LOOKS = Rule(match="board.look", effect=Effect.ASK, source="tools[0]")
LOOK = ("mcp__board__look", {"title": "x"})


def offered(model: PlayedModel) -> set[str]:
    """The tools that the model was offered in its newest conversation."""
    conversation: PlayedConversation = model.conversations[-1]
    return {name for name in conversation.offered if name.startswith("mcp__")}


def agents_change(present: Present, *rules: Rule) -> None:
    """The operator puts these rules before the others."""
    before = present.harness.prepared.profile
    agents = tuple(replace(each, rules=(*rules, *each.rules)) for each in before.agents)
    present.profile = replace(before, agents=agents)


async def asked_for_changes(*again: object) -> tuple[ServiceHarness, Present, str, PlayedModel]:
    """Alice wants another plan; no worker has taken that up."""
    first = PlayedModel(answers("one", post("a")), votes(1), *again, votes(1))  # type: ignore[arg-type]  # steps by shape
    harness, present = a_service(PlayedModel(answers("two"), votes(1), answers("zwei"), votes(1)), first=first)
    run, state = await harness.planned()
    await harness.people.request_changes(run, state.plan.digest, ALICE, "Shorter.")
    return harness, present, run, first


async def test_a_call_that_is_denied_by_now_is_neither_offered_nor_planned() -> None:
    harness, present, run, model = await asked_for_changes(calls(post("b")), answers("uno"))
    present.denies_posts()
    await harness.work()
    assert offered(model) == {"mcp__board__look"}
    assert isinstance(await harness.state(run), s.Answered)


async def test_a_call_that_is_denied_before_the_first_planning_is_not_planned() -> None:
    """The request waited in the queue."""
    first = PlayedModel(calls(post("a")), answers("one"), votes(1))
    harness, present = a_service(first=first)
    run = await harness.ask()
    present.denies_posts()
    await harness.work()
    assert isinstance(await harness.state(run), s.Answered)


@pytest.mark.parametrize("rule", [NO_LOOKS, ASK_LOOKS])
async def test_a_read_that_is_denied_or_asked_by_now_does_not_run_while_agents_plan(rule: Rule) -> None:
    harness, present, run, _ = await asked_for_changes(calls(LOOK), answers("uno"))
    agents_change(present, rule)
    await harness.work()
    assert not any(isinstance(each.event, ToolRead) for each in harness.log.events[run])
    state = await harness.state(run)
    is_asked = rule is ASK_LOOKS
    assert isinstance(state, s.AwaitingDecision if is_asked else s.Answered)


async def test_a_call_that_a_rule_let_run_asks_people_if_it_asks_by_now() -> None:
    first = PlayedModel(answers("one", post("a")), votes(1))
    harness, present = a_service(first=first, rules=(AUTO_POSTS,))
    run = await harness.ask()
    present.asks()
    await harness.work()
    assert isinstance(await harness.state(run), s.AwaitingDecision)
    assert harness.world.done == []


async def test_the_next_plan_is_proposed_under_the_stricter_rule_of_approval() -> None:
    harness, present, run, _ = await asked_for_changes(answers("uno", post("b")))
    present.asks_for_two()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.plan.policy == Policy(roles=("ops",), required=2, allow_requester=False)
    await harness.people.approve(run, state.plan.digest, BOB)
    assert isinstance(await harness.state(run), s.AwaitingDecision)


async def test_no_agent_plans_by_rules_that_can_not_be_read() -> None:
    harness, present, run, _ = await asked_for_changes()
    present.is_unreadable = True
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.RunBroken)
    assert "the current rules can't be read" in state.reason


async def test_what_got_laxer_gives_the_agents_nothing() -> None:
    harness, present, _, model = await asked_for_changes(answers("uno"))
    agents_change(present, Rule(match="board.*", effect=Effect.AUTO, source="tools[0]"))
    await harness.work()
    assert offered(model) == {"mcp__board__look", "mcp__board__post"}
    assert harness.world.done == []
