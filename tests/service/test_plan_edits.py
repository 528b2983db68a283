"""People make another plan of the one that waits: some of its calls, or one with another value. No agent runs for it."""

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.canonical_json import canonical
from coordination.domain.conditions import Condition
from coordination.domain.policy import Policy
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError
from coordination.plan_edits import with_argument
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, a_call
from tests.fakes import PlayedModel, answers, says, votes
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import ServiceHarness


def harness_of(*titles: str, policy: Policy | None = None, rules: tuple[Rule, ...] = (LOOKS_READ,)) -> ServiceHarness:
    """One agent, who plans to post these."""
    calls = answers("one", *(("mcp__board__post", {"title": title}) for title in titles))
    return ServiceHarness(PlayedModel(calls, votes(1), says("Done.")), policy=policy, rules=rules)


def titles(harness: ServiceHarness) -> list[str]:
    return [call.arguments for call in harness.world.done]


async def refusal_of(verb: object) -> str:
    with pytest.raises(RefusedError) as caught:
        await verb  # type: ignore[misc]  # a coroutine of one of the verbs
    return str(caught.value)


async def test_only_some_calls_run_byte_for_byte_and_who_selected_does_not_count() -> None:
    harness = harness_of("a", "injected", "c", policy=Policy(roles=("ops",), required=1))
    run, old = await harness.planned()
    new = await harness.people.select(run, old.plan.digest, ALICE, [2, 0])
    assert isinstance(new, s.AwaitingDecision)
    assert new.plan.calls == (old.plan.calls[0], old.plan.calls[2])
    assert (new.plan.revision, new.plan.digest != old.plan.digest) == (2, True)
    assert "This plan follows what you said" in await refusal_of(harness.people.approve(run, new.plan.digest, ALICE))
    assert "replaced by a newer one" in await refusal_of(harness.people.approve(run, old.plan.digest, BOB))
    await harness.people.approve(run, new.plan.digest, BOB)
    await harness.work()
    assert titles(harness) == ['{"title":"a"}', '{"title":"c"}']


async def test_a_selection_voids_the_approvals_before_it() -> None:
    harness = harness_of("a", "b", policy=Policy(roles=("ops",), required=2))
    run, old = await harness.planned()
    await harness.people.approve(run, old.plan.digest, BOB)
    new = await harness.people.select(run, old.plan.digest, REQUESTER, [1])
    assert isinstance(new, s.AwaitingDecision)
    assert new.approvals == ()
    assert harness.log.jobs == []


@pytest.mark.parametrize("indexes", [[], [0, 1], [2], [-1], [0, 7]])
async def test_all_or_none_of_the_calls_is_no_selection(indexes: list[int]) -> None:
    harness = harness_of("a", "b")
    run, old = await harness.planned()
    assert "not all of them" in await refusal_of(harness.people.select(run, old.plan.digest, ALICE, indexes))
    assert await harness.people.state(run) == old


async def test_who_may_not_shape_a_plan_neither_selects_nor_edits() -> None:
    harness = harness_of("a", "b")
    run, old = await harness.planned()
    assert "Only ops" in await refusal_of(harness.people.select(run, old.plan.digest, MALLORY, [0]))
    assert "Only ops" in await refusal_of(harness.people.edit(run, old.plan.digest, MALLORY, 0, '{"title":"x"}'))
    assert [recorded.event.kind for recorded in harness.log.events[run]][-2:] == ["action_refused"] * 2


async def test_an_edited_value_runs_as_it_was_written_and_its_editor_does_not_count() -> None:
    harness = harness_of("a", "b")
    run, old = await harness.planned()
    written = with_argument(old.plan.calls[1], "title", "  b, but better\n")
    new = await harness.people.edit(run, old.plan.digest, ALICE, 1, written)
    assert isinstance(new, s.AwaitingDecision)
    assert "This plan follows what you said" in await refusal_of(harness.people.approve(run, new.plan.digest, ALICE))
    await harness.people.approve(run, new.plan.digest, BOB)
    await harness.work()
    assert titles(harness) == ['{"title":"a"}', canonical({"title": "  b, but better\n"})]


@pytest.mark.parametrize(
    ("index", "arguments", "sentence"),
    [
        (0, '{"title":7}', "do not fit the tool"),
        (0, '{"title":"x","more":1}', "do not fit the tool"),
        (0, "{}", "do not fit the tool"),
        (0, "x", "not JSON"),
        (0, "[]", "must be one JSON object"),
        (0, '{"title":"a"}', "Nothing would change"),
        (0, '{"title":1.00000000000000000001}', "would be rounded"),
        (2, '{"title":"x"}', "no call 3"),
        (-1, '{"title":"x"}', "no call 0"),
    ],
)
async def test_what_its_tool_does_not_take_is_no_edit(index: int, arguments: str, sentence: str) -> None:
    harness = harness_of("a", "b")
    run, old = await harness.planned()
    assert sentence in await refusal_of(harness.people.edit(run, old.plan.digest, ALICE, index, arguments))
    assert await harness.people.state(run) == old


async def test_what_the_rules_deny_stays_denied_in_an_edit() -> None:
    denies = Rule(
        match="board.post",
        effect=Effect.DENY,
        source="tools[0]",
        when=(Condition(about="$.title", operator="equals", value="forbidden"),),
    )
    harness = harness_of("a", rules=(denies, LOOKS_READ))
    run, old = await harness.planned()
    edit = harness.people.edit(run, old.plan.digest, ALICE, 0, '{"title":"forbidden"}')
    assert "rules forbid this call" in await refusal_of(edit)
    assert isinstance(await harness.people.edit(run, old.plan.digest, ALICE, 0, '{"title":"fine"}'), s.AwaitingDecision)


async def test_an_edited_call_needs_people_though_the_planned_one_did_not() -> None:
    """A plan that mixes both kinds waits; after the edit and a selection it still does."""
    automatic = Rule(
        match="board.post",
        effect=Effect.AUTO,
        source="tools[0]",
        when=(Condition(about="$.title", operator="equals", value="free"),),
    )
    harness = harness_of("free", "asked", rules=(automatic, LOOKS_READ))
    run, old = await harness.planned()
    assert [call.is_automatic for call in old.plan.calls] == [True, False]
    edited = await harness.people.edit(run, old.plan.digest, ALICE, 0, '{"title":"another"}')
    assert isinstance(edited, s.AwaitingDecision)
    assert [call.is_automatic for call in edited.plan.calls] == [False, False]
    await harness.work()
    assert titles(harness) == []


@pytest.mark.in_memory
async def test_a_call_whose_schema_the_log_lacks_is_not_edited() -> None:
    """Logs of earlier programs have none, and nobody can say whether its tool would take the value."""
    harness = harness_of("a")
    run, old = await harness.planned()
    for at, recorded in enumerate(harness.log.events[run]):
        if isinstance(recorded.event, e.ActionRecorded):
            event = e.ActionRecorded(agent=1, call=recorded.event.call)
            harness.log.events[run][at] = type(recorded)(run=run, seq=recorded.seq, at=recorded.at, event=event)
    assert "can't be checked here" in await refusal_of(
        harness.people.edit(run, old.plan.digest, ALICE, 0, '{"title":"x"}')
    )


async def test_an_approval_is_taken_back_until_there_are_enough() -> None:
    harness = harness_of("a", policy=Policy(roles=("ops",), required=2))
    run, plan = await harness.planned()
    digest = plan.plan.digest
    await harness.people.approve(run, digest, ALICE)
    assert "nothing to withdraw" in await refusal_of(harness.people.withdraw(run, digest, BOB))
    back = await harness.people.withdraw(run, digest, ALICE)
    assert isinstance(back, s.AwaitingDecision)
    assert back.approvals == ()
    await harness.people.approve(run, digest, BOB)
    await harness.people.approve(run, digest, ALICE)
    assert "Someone has already decided" in await refusal_of(harness.people.withdraw(run, digest, ALICE))
    await harness.work()
    assert titles(harness) == ['{"title":"a"}']


def test_an_argument_that_is_no_text_is_written_as_json() -> None:
    call = a_call(count=3, title="x")
    assert with_argument(call, "count", " 4 ") == '{"count":4,"title":"x"}'
    assert with_argument(call, "title", "4") == '{"count":3,"title":"4"}'
    for name, text in (("count", "four"), ("count", "1.00000000000000000001"), ("more", "1")):
        with pytest.raises(RefusedError):
            with_argument(call, name, text)
