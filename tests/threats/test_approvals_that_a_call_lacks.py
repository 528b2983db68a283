"""Threat: a call runs without somebody whom its rule wants, since the plan, its choice or the rules of now left them out."""

from dataclasses import replace

import pytest

from coordination.domain import states as s
from coordination.domain.conditions import Condition
from coordination.domain.policy import Person, Policy, Refusal
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError
from tests.builders import ALICE
from tests.fakes import PlayedModel, answers, calls, says, votes
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import a_service
from tests.threats.test_stricter_rules_while_agents_plan import agents_change

FIN, BEA = (Person(tenant="here", id=f"u-{role}", name=role, roles=(role,)) for role in ("finance", "board"))
FINANCE, BOARD = Quorum(roles=("finance",)), Quorum(roles=("board",))


def asks(*quorums: Quorum, title: str = "*", needs: Needs | None = None) -> Rule:
    when = (Condition(about="$.title", operator="matches", value=title),)
    needs = replace(needs or Needs(), quorums=quorums)
    return Rule(match="board.post", effect=Effect.ASK, source="tools[0]", when=when, needs=needs)


def planning(*steps: object, rules: tuple[Rule, ...], policy: Policy | None = None) -> ServiceHarness:
    model = PlayedModel(*steps, votes(1), says("Done."))  # type: ignore[arg-type]  # steps by shape
    return ServiceHarness(model, rules=(*rules, LOOKS_READ), policy=policy or Policy())


async def test_nothing_runs_before_everybody_whom_a_call_needs_has_approved() -> None:
    harness = planning(answers("one", post("large"), post("small")), rules=(asks(FINANCE, BOARD, title="large"),))
    run, state = await harness.planned()
    assert state.plan.policy.places == (BOARD, FINANCE)
    await harness.people.approve(run, state.plan.digest, FIN)
    for by, refusal in ((replace(FIN, id="u-2"), Refusal.NOT_NEEDED), (ALICE, Refusal.NOT_AN_APPROVER)):
        with pytest.raises(RefusedError) as caught:
            await harness.people.approve(run, state.plan.digest, by)
        assert caught.value.refusal == refusal
    await harness.work()
    assert harness.world.done == []
    await harness.people.approve(run, state.plan.digest, BEA)
    await harness.work()
    assert len(harness.world.done) == 2


async def test_another_agents_plan_needs_whom_its_own_calls_need() -> None:
    first = PlayedModel(answers("one", post("small")), votes(1), says("Done."))
    second = PlayedModel(answers("two", post("large")), votes(1))
    harness = ServiceHarness(first, second, rules=(asks(FINANCE, title="large"), LOOKS_READ), policy=Policy())
    run, state = await harness.planned()
    assert state.plan.policy.quorums == ()
    chosen = await harness.people.choose(run, state.plan.digest, ALICE, 2)
    assert isinstance(chosen, s.AwaitingDecision)
    assert chosen.plan.policy.places == (FINANCE,)
    back = await harness.people.choose(run, chosen.plan.digest, ALICE, 1)
    assert isinstance(back, s.AwaitingDecision)
    assert back.plan.policy.quorums == ()


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_plan_is_asked_again_when_a_rule_of_now_wants_somebody_else_besides(is_waiting: bool) -> None:
    harness, present = a_service(first=PlayedModel(answers("one", post("a")), votes(1), says("Done.")))
    run, state = await harness.planned()
    if not is_waiting:
        await harness.people.approve(run, state.plan.digest, ALICE)
    agents_change(present, asks(FINANCE))
    if is_waiting:
        with pytest.raises(RefusedError):
            await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    again = await harness.state(run)
    assert isinstance(again, s.AwaitingDecision)
    assert harness.world.done == []
    assert again.plan.policy.quorums == (FINANCE,)
    assert again.plan.calls == state.plan.calls


async def test_a_call_that_is_one_too_many_by_now_is_not_approved() -> None:
    harness, present = a_service(first=PlayedModel(answers("one", post("a"), post("b")), votes(1), says("Done.")))
    run, state = await harness.planned()
    agents_change(present, asks(needs=Needs(per_plan=(("board.post", 1),))))
    with pytest.raises(RefusedError) as caught:
        await harness.people.approve(run, state.plan.digest, ALICE)
    assert caught.value.refusal == Refusal.DENIED_NOW


async def test_an_agent_is_refused_a_call_more_than_a_plan_may_have() -> None:
    needs = Needs(per_plan=(("board.post", 1),))
    harness = planning(calls(post("a"), post("b")), answers("one"), rules=(asks(needs=needs),))
    _, state = await harness.planned()
    assert [call.arguments for call in state.plan.calls] == ['{"title":"a"}']


async def test_an_agent_reads_first_what_it_wants_to_change() -> None:
    rule = asks(needs=Needs(read_first=("$.title",)))
    look = ("mcp__board__look", {"title": "a"})
    harness = planning(calls(look), calls(post("a"), post("b")), answers("one"), rules=(rule,))
    _, state = await harness.planned()
    assert [call.arguments for call in state.plan.calls] == ['{"title":"a"}']


async def test_whoever_lost_one_of_two_roles_does_not_keep_the_place_of_the_other() -> None:
    """Of finance and board, and then of finance alone, where somebody of finance has approved as well."""
    harness, present = a_service(first=PlayedModel(answers("one", post("a")), votes(1), says("Done.")))
    both = replace(FIN, id="u-both", roles=("finance", "board"))
    harness.prepared.profile = replace(
        harness.prepared.profile,
        policy=Policy(),
        agents=tuple(
            replace(each, rules=(asks(FINANCE, BOARD), *each.rules)) for each in harness.prepared.profile.agents
        ),
    )
    run, state = await harness.planned()
    for by in (both, FIN):
        await harness.people.approve(run, state.plan.digest, by)
    present.now[both.id] = ("finance",)
    await harness.work()
    assert harness.world.done == []
    again = await harness.state(run)
    assert isinstance(again, s.AwaitingDecision)
    assert again.approvals == ()
