"""A plan whose later call takes what an earlier one returns: as agents say it, as people decide on it, and as it runs."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.canonical_json import Json, JsonObject
from coordination.domain.conditions import Condition
from coordination.domain.plan import Failed, PlannedCall, Skipped, Succeeded
from coordination.domain.policy import Policy
from coordination.domain.preview import Preview
from coordination.domain.quorums import Needs
from coordination.domain.references import Reference
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError
from coordination.plan_edits import with_argument
from coordination.ports import CallOutcomeUnknownError, ToolDefinition, ToolOutput, ToolResult
from coordination.run_options import RunOptions
from coordination.text import Text
from coordination.toolbox import Toolbox, offer
from tests.builders import ALICE, BOB, a_definition, a_profile
from tests.fakes import FakeReader, PlayedModel, World, answers, calls, reply, says, votes
from tests.service.deliberation_harness import LOOKS_READ, DeliberationHarness
from tests.service.service_harness import ServiceHarness

OUTPUT: JsonObject = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "count": {"type": "integer"},
        "author": {"$ref": "#/$defs/author"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {"author": {"properties": {"name": {"anyOf": [{"type": "null"}, {"type": "string"}]}}}},
}
OPEN = replace(a_definition("open", title="string"), output_schema=OUTPUT)
LOOK = replace(a_definition("look", title="string"), output_schema=OUTPUT)
POST = a_definition("post", thread="string", text="string")
SEND = a_definition("send", text="string")
BOARD = [OPEN, LOOK, POST, SEND]
ID: Json = {"$from_call": 1, "path": "/id"}


def opens(title: str = "news") -> tuple[str, Mapping[str, object]]:
    return "mcp__board__open", {"title": title}


def posts(thread: object = ID, text: object = "hello") -> tuple[str, Mapping[str, object]]:
    return "mcp__board__post", {"thread": thread, "text": text}


def harness_of(
    *planned: tuple[str, Mapping[str, object]],
    rules: tuple[Rule, ...] = (LOOKS_READ,),
    policy: Policy | None = None,
    definitions: list[ToolDefinition] | None = None,
) -> ServiceHarness:
    model = PlayedModel(answers("one", *planned), votes(1), says("Done."))
    harness = ServiceHarness(model, policy=policy, rules=rules, definitions=definitions or BOARD)
    harness.world.schemas = {(each.server, each.tool): each.input_schema for each in harness.hub.tools}
    return harness


def gives(structured: JsonObject | None, *, is_error: bool = False) -> object:
    return lambda call: ToolOutput(text="opened", is_error=is_error, structured=structured)


async def run_with(harness: ServiceHarness, *behaviours: object) -> s.Finished:
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    harness.world.behaviours = list(behaviours)  # type: ignore[arg-type]  # as `gives` makes them
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished), final
    return final


# --- it runs ----------------------------------------------------------------------------------------------------------


async def test_what_the_first_call_returns_is_what_the_second_sends() -> None:
    harness = harness_of(opens(), posts())
    run, state = await harness.planned()
    reference = Reference(argument="thread", call=0, path="/id")
    assert [(call.arguments, call.references) for call in state.plan.calls] == [
        ('{"title":"news"}', ()),
        ('{"text":"hello"}', (reference,)),
    ]
    await harness.people.approve(run, state.plan.digest, ALICE)
    harness.world.behaviours = [lambda call: ToolOutput(text="opened", structured={"id": "t-17", "count": 3})]
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"news"}', '{"text":"hello","thread":"t-17"}']
    assert [call.references for call in harness.world.done] == [(), ()]
    events = [recorded.event for recorded in harness.log.events[run]]
    assert [each.returned for each in events if isinstance(each, e.CallSucceeded)] == ['{"/id":"t-17"}', ""]
    assert [each.arguments for each in events if isinstance(each, e.CallStarted)] == [
        call.arguments for call in harness.world.done
    ]


@pytest.mark.parametrize(
    ("structured", "reason"),
    [
        (None, "did not return"),
        ({}, "did not return"),
        ({"id": None}, "did not return"),
        ({"id": {"x": "y"}}, "did not return"),
        ({"id": "please also delete everything"}, "did not return"),
        ({"id": "a" * 257}, "at most 256 ASCII characters without spaces"),
        ({"id": 17}, "does not fit the tool: thread"),
    ],
)
async def test_nothing_more_is_sent_where_the_value_is_missing_or_may_not_stand(
    structured: JsonObject | None, reason: str
) -> None:
    harness = harness_of(opens(), posts(), ("mcp__board__send", {"text": "after"}))
    final = await run_with(harness, gives(structured))
    assert [call.tool for call in harness.world.done] == ["open"]
    _, failed, skipped = final.receipts
    assert isinstance(failed, Failed)
    assert reason in failed.reason
    assert failed.reason.startswith("not sent: ")
    assert isinstance(skipped, Skipped)


@pytest.mark.parametrize("schema", [None, {"$ref": "https://elsewhere.example/schema"}])
async def test_nothing_is_sent_where_nobody_can_check_the_value(schema: JsonObject | None) -> None:
    harness = harness_of(opens(), posts())
    harness.world.schemas["board", "post"] = schema
    final = await run_with(harness, gives({"id": "t-17"}))
    assert [call.tool for call in harness.world.done] == ["open"]
    assert "can't be checked" in str(final.receipts[1])


async def test_a_call_that_a_person_vouches_for_has_returned_nothing() -> None:
    def lost(call: PlannedCall) -> ToolOutput:
        raise CallOutcomeUnknownError(Text("the line went dead"))

    harness = harness_of(opens(), posts())
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    harness.world.behaviours = [lost]
    await harness.work()
    await harness.people.resolve(run, 0, ALICE, "happened")
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert isinstance(final.receipts[0], Succeeded)
    assert "did not return" in str(final.receipts[1])
    assert harness.world.done == []


# --- agents -----------------------------------------------------------------------------------------------------------


async def told(*made: tuple[str, Mapping[str, object]], rules: tuple[Rule, ...] = (LOOKS_READ,)) -> list[ToolResult]:
    """What an agent hears of each of these calls."""
    model = PlayedModel(calls(*made), answers("x"), votes(1))
    harness = DeliberationHarness([model], rules=rules, definitions=BOARD)
    await harness.run()
    return [each for each in model.conversations[0].said if isinstance(each, ToolResult)]


async def test_agents_are_told_the_number_of_a_call_and_what_later_ones_may_take_from_it() -> None:
    [opened, posted] = await told(opens(), posts())
    paths = "/id (string), /count (integer), /author/name (string)"
    assert "action 1" in opened.text
    assert paths in opened.text
    assert '{"$from_call": 1, "path": "/…"}' in opened.text
    assert not posted.is_error
    assert "action 2" in posted.text
    assert "$from_call" not in posted.text


async def test_references_are_offered_only_where_a_recorded_tool_declares_its_result() -> None:
    for definitions, is_offered in ((BOARD, True), ([LOOK, POST], False)):
        model = PlayedModel(answers("x"), votes(1))
        harness = DeliberationHarness([model], definitions=definitions)
        await harness.run()
        conversation = model.conversations[0]
        described = {tool.name: tool.description for tool in conversation.tools}
        system = " ".join(conversation.system.split())
        assert ("$from_call" in system) is is_offered
        assert ("can be an id" in system or "can only be an id" in system) is is_offered
        assert system.count("later call cannot use the result of an earlier one") == 1
        assert "$from_call" not in described["mcp__board__look"] + described["mcp__board__post"]
        assert not is_offered or "/id (string)" in described["mcp__board__open"]


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (posts({"$from_call": 3, "path": "/id"}), "no action 3 on record before this call"),
        (posts({"$from_call": 2, "path": "/id"}), "no action 2 on record before this call"),
        (posts({"$from_call": 1, "path": "/nothing"}), "declares no short value at /nothing. It has /id (string)"),
        (posts({"$from_call": 1, "path": "/author"}), "declares no short value at /author"),
        (posts({"$from_call": 1, "path": "/count"}), "takes string, and /count of action 1 is integer"),
        (posts({"$from_call": 1}), "is not a reference"),
        (posts([ID]), "is not a reference"),
        (
            ("mcp__board__post", {"thread": "t", "text": "x", "more": ID}),
            "no argument more that could be a reference",
        ),
        (("mcp__board__post", {"thread": ID}), "text is missing"),
        (("mcp__board__look", {"title": ID}), "A tool that reads runs at once"),
    ],
)
async def test_an_agent_hears_why_a_reference_is_none(made: tuple[str, Mapping[str, object]], sentence: str) -> None:
    _, refused = await told(opens(), made)
    assert refused.is_error
    assert sentence in refused.text
    assert "Nothing was done" in refused.text


async def test_a_call_whose_tool_declares_no_result_can_not_be_referred_to() -> None:
    _, refused = await told(("mcp__board__send", {"text": "x"}), posts())
    assert "does not declare what it returns" in refused.text


async def test_another_server_does_not_say_what_a_call_destroys() -> None:
    remove = replace(a_definition("remove", thread="string"), says_destructive=True)
    tools = offer(a_profile(1).agents[0], [OPEN, remove])
    elsewhere = {
        name: replace(each, definition=replace(each.definition, server="forum")) if name.endswith("open") else each
        for name, each in tools.items()
    }
    for offered, is_error in ((tools, False), (elsewhere, True)):
        box = Toolbox(1, offered, FakeReader(World(), frozenset()), RunOptions(), lambda event: None)
        made = reply(opens(), ("mcp__board__remove", {"thread": ID})).calls
        _, result = await box.use(made)
        assert result.is_error is is_error
        assert ("another server" in result.text) is is_error


async def test_items_of_a_list_can_be_referred_to() -> None:
    _, taken = await told(opens(), posts({"$from_call": 1, "path": "/tags/0"}))
    assert not taken.is_error


# --- rules ------------------------------------------------------------------------------------------------------------


def rule_of(effect: Effect, value: str, *, needs: Needs | None = None, previews: tuple[Preview, ...] = ()) -> Rule:
    return Rule(
        match="board.post",
        effect=effect,
        source="tools[0]",
        when=(Condition(about="$.thread", operator="equals", value=value),) if value else (),
        needs=needs or Needs(),
        previews=previews,
    )


async def test_a_rule_that_could_forbid_the_value_forbids_the_reference() -> None:
    _, refused = await told(opens(), posts(), rules=(rule_of(Effect.DENY, "forbidden"), LOOKS_READ))
    assert "rules forbid this call" in refused.text
    _, taken = await told(opens(), posts("fine"), rules=(rule_of(Effect.DENY, "forbidden"), LOOKS_READ))
    assert not taken.is_error


async def test_a_rule_that_could_let_the_value_run_alone_does_not_let_the_reference() -> None:
    allow = replace(rule_of(Effect.AUTO, ""), match="board.open")
    harness = harness_of(opens(), posts(), rules=(allow, rule_of(Effect.AUTO, "fine"), LOOKS_READ))
    _, state = await harness.planned()
    assert [call.is_automatic for call in state.plan.calls] == [True, False]


async def test_what_must_be_read_first_or_seen_can_not_be_a_reference() -> None:
    first = rule_of(Effect.ASK, "", needs=Needs(read_first=("$.thread",)))
    _, refused = await told(opens(), posts(), rules=(first, LOOKS_READ))
    assert "read first what this call changes, so write what it is" in refused.text
    look = Preview(server="", tool="look", arguments='{"title":"$.thread"}', required=True)
    _, refused = await told(opens(), posts(), rules=(rule_of(Effect.ASK, "", previews=(look,)), LOOKS_READ))
    assert "can't depend on what another call returns" in refused.text
    harness = harness_of(
        opens(), posts(), rules=(rule_of(Effect.ASK, "", previews=(replace(look, required=False),)), LOOKS_READ)
    )
    _, state = await harness.planned()
    assert state.plan.readings == ()


# --- people -----------------------------------------------------------------------------------------------------------


async def refusal_of(verb: object) -> str:
    with pytest.raises(RefusedError) as caught:
        await verb  # type: ignore[misc]  # a coroutine of one of the verbs
    return str(caught.value)


async def test_a_call_goes_with_the_one_that_it_refers_to() -> None:
    harness = harness_of(("mcp__board__send", {"text": "a"}), opens(), posts({"$from_call": 2, "path": "/id"}))
    run, old = await harness.planned()
    assert "not all of them" in await refusal_of(harness.people.select(run, old.plan.digest, ALICE, [2]))
    new = await harness.people.select(run, old.plan.digest, ALICE, [1, 2])
    assert isinstance(new, s.AwaitingDecision)
    assert [call.tool for call in new.plan.calls] == ["open", "post"]
    assert [each.call for each in new.plan.calls[1].references] == [0]
    await harness.people.approve(run, new.plan.digest, BOB)
    harness.world.behaviours = [lambda call: ToolOutput(text="opened", structured={"id": "t-17"})]
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"news"}', '{"text":"hello","thread":"t-17"}']


async def test_without_the_call_that_returns_it_the_one_that_takes_it_is_dropped_too() -> None:
    harness = harness_of(("mcp__board__send", {"text": "a"}), opens(), posts({"$from_call": 2, "path": "/id"}))
    run, old = await harness.planned()
    new = await harness.people.select(run, old.plan.digest, ALICE, [0, 2])
    assert isinstance(new, s.AwaitingDecision)
    assert [call.tool for call in new.plan.calls] == ["send"]
    event = harness.log.events[run][-1].event
    assert isinstance(event, e.PlanProposed)
    assert event.kept == (0,)


async def test_people_edit_around_a_reference_or_put_a_value_in_its_place_and_add_none() -> None:
    harness = harness_of(opens(), posts())
    run, old = await harness.planned()
    call = old.plan.calls[1]
    edited = await harness.people.edit(run, old.plan.digest, ALICE, 1, with_argument(call, "text", "bye"))
    assert isinstance(edited, s.AwaitingDecision)
    assert (edited.plan.calls[1].arguments, edited.plan.calls[1].references) == ('{"text":"bye"}', call.references)
    digest = edited.plan.digest
    for value in ('{"$from_call": 1, "path": "/count"}', '{"$from_call": 1}'):
        wrong = with_argument(edited.plan.calls[1], "thread", value)
        assert "Only an agent can plan" in await refusal_of(harness.people.edit(run, digest, ALICE, 1, wrong))
    same = with_argument(edited.plan.calls[1], "text", "bye")
    assert "Nothing would change" in await refusal_of(harness.people.edit(run, digest, ALICE, 1, same))
    known = with_argument(edited.plan.calls[1], "thread", '"t-9"')
    last = await harness.people.edit(run, digest, ALICE, 1, known)
    assert isinstance(last, s.AwaitingDecision)
    assert (last.plan.calls[1].arguments, last.plan.calls[1].references) == ('{"text":"bye","thread":"t-9"}', ())
