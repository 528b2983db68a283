"""An agent withdraws what it has recorded: its answer is without it, and everybody can see that it was."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.canonical_json import Json, JsonObject
from coordination.domain.events import RunEvent
from coordination.domain.tool_rules import Effect, Rule
from coordination.domain.transitions import evolve
from coordination.errors import IllegalTransition
from coordination.ports import ToolResult
from coordination.prompts import WITHDRAW_ACTION, WITHDRAW_ACTION_TOOL
from coordination.run_options import RunOptions
from coordination.toolbox import Toolbox, offer
from tests.builders import START, a_call, a_definition, a_profile, a_request
from tests.fakes import FakeReader, World, reply

OUTPUT: JsonObject = {"type": "object", "properties": {"id": {"type": "string"}}}
OPEN = replace(a_definition("open", title="string"), output_schema=OUTPUT)
POST = a_definition("post", thread="string")
_AGENT = a_profile(1).agents[0]


@dataclass
class Turn:
    """One agent's toolbox, and what the log has of it."""

    most: int = 20
    events: list[RunEvent] = field(default_factory=list[RunEvent])

    def __post_init__(self) -> None:
        options = RunOptions(max_calls=self.most)
        self.box = Toolbox(
            1, offer(_AGENT, [OPEN, POST]), FakeReader(World(), frozenset()), options, self.events.append
        )

    async def does(self, *made: tuple[str, Mapping[str, object] | str]) -> ToolResult:
        """What the last call of one reply is answered."""
        return (await self.box.use(reply(*made).calls))[-1]

    @property
    def titles(self) -> list[str]:
        return [each.arguments for each in self.box.actions]


def opens(title: str) -> tuple[str, Mapping[str, object]]:
    return "mcp__board__open", {"title": title}


def posts(thread: Json) -> tuple[str, Mapping[str, object]]:
    return "mcp__board__post", {"thread": thread}


def withdraws(number: object) -> tuple[str, Mapping[str, object]]:
    return WITHDRAW_ACTION, {"action": number}


async def test_what_is_withdrawn_is_in_no_answer_and_the_log_and_the_agent_know_it() -> None:
    turn = Turn()
    await turn.does(opens("one"), opens("two"), opens("three"))
    told = await turn.does(withdraws(2))
    assert (told.is_error, turn.titles) == (False, ['{"title":"one"}', '{"title":"three"}'])
    assert told.text == "Action 2 is withdrawn. On record now: 1. board.open, 2. board.open."
    event = turn.events[-1]
    assert isinstance(event, e.ActionWithdrawn)
    assert (event.agent, event.number, event.call.arguments) == (1, 2, '{"title":"two"}')
    assert "action 3 of your plan" in (await turn.does(opens("four"))).text
    for _ in range(2):
        await turn.does(withdraws(1))
    last = await turn.does(withdraws(1))
    assert last.text.endswith("On record now: nothing.")


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ([withdraws(3)], "You have no action 3 on record in this turn"),
        ([withdraws(0)], "You have no action 0 on record in this turn"),
        ([withdraws(1)], "Action 2 takes what action 1 or a later one returns: withdraw it first."),
        ([opens("two"), withdraws(2)], "in a reply without other tools"),
        ([withdraws(2), withdraws(1)], "in a reply without other tools"),
        ([withdraws("2")], "takes exactly one argument"),
        ([withdraws(True)], "takes exactly one argument"),
        ([(WITHDRAW_ACTION, "{")], "takes exactly one argument"),
        ([(WITHDRAW_ACTION, "[2]")], "takes exactly one argument"),
        ([(WITHDRAW_ACTION, {"action": 2, "why": "x"})], "takes exactly one argument"),
    ],
)
async def test_a_withdrawal_that_can_mean_another_call_is_refused_in_a_sentence(
    made: list[tuple[str, Mapping[str, object] | str]], sentence: str
) -> None:
    turn = Turn()
    await turn.does(opens("one"), posts({"$from_call": 1, "path": "/id"}))
    told = await turn.does(*made)
    assert told.is_error
    assert sentence in told.text
    assert turn.titles[:2] == ['{"title":"one"}', "{}"]
    assert not [each for each in turn.events if isinstance(each, e.ActionWithdrawn)]


async def test_what_refers_to_a_call_before_it_can_be_withdrawn_and_then_that_call_too() -> None:
    turn = Turn()
    await turn.does(opens("one"), opens("two"), posts({"$from_call": 1, "path": "/id"}))
    assert not (await turn.does(withdraws(2))).is_error
    assert [each.call for each in turn.box.actions[1].references] == [0]
    assert not (await turn.does(withdraws(2))).is_error
    assert not (await turn.does(withdraws(1))).is_error
    assert turn.box.actions == []


async def test_room_that_is_made_can_be_used_and_nothing_is_said_to_be_left_out() -> None:
    turn = Turn(most=1)
    await turn.does(opens("one"), opens("two"))
    assert turn.box.left_out == 1
    await turn.does(withdraws(1))
    await turn.does(opens("two"))
    assert (turn.titles, turn.box.left_out) == (['{"title":"two"}'], 0)


def test_the_tool_is_on_offer_only_to_agents_that_can_record_something() -> None:
    reads = replace(_AGENT, rules=(Rule(match="*", effect=Effect.READ, source="tools[0]"),))
    for agent, is_offered in ((_AGENT, True), (reads, False)):
        box = Toolbox(1, offer(agent, [OPEN]), FakeReader(World(), frozenset()), RunOptions(), lambda event: None)
        assert (WITHDRAW_ACTION_TOOL in box.specs()) is is_offered


def test_no_log_says_that_an_agent_withdrew_what_it_never_recorded() -> None:
    call = a_call(title="one")
    state: s.RunState = s.Deliberating(request=a_request(), revision=1, ballot=Ballot(size=2))
    state = evolve(state, e.ActionRecorded(agent=1, call=call), START)
    assert evolve(state, e.ActionWithdrawn(agent=1, number=1, call=call), START) == state
    for agent, withdrawn in ((2, call), (1, a_call(title="two"))):
        with pytest.raises(IllegalTransition, match="recorded no such call"):
            evolve(state, e.ActionWithdrawn(agent=agent, number=1, call=withdrawn), START)
