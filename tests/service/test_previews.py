"""What a call would change is seen before it happens; and if it is not so any more, nothing happens."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from typing_extensions import override

from bot.cards.error_messages import plain_text
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.message import Action, CallList, Card, Paragraph
from coordination.domain import states as s
from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject
from coordination.domain.plan import PlannedCall, Skipped, Succeeded
from coordination.domain.policy import Person, Policy
from coordination.domain.preview import Preview
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import RefusedError, ToolServerError
from coordination.ports import ReadTools, ServerSpec, ToolOutput
from coordination.preparation import prepare
from coordination.previews import read_all
from coordination.text import Text
from tests.builders import ALICE, BOB, a_definition
from tests.fakes import FakeHub, PlayedModel, World, answers, says, votes
from tests.service.service_harness import ServiceHarness

PREVIEW = Preview(server="", tool="look", arguments='{"path":"$.path"}', after="$.content", missing="*ENOENT*")
READS = Rule(match="board.look", effect=Effect.READ, source="tools[0]")


def writes(*previews: Preview, effect: Effect = Effect.ASK) -> tuple[Rule, ...]:
    return (READS, Rule(match="board.write", effect=effect, source="tools[1]", previews=previews or (PREVIEW,)))


class Disk(World):
    """Files that calls write, and that anybody else may change."""

    def __init__(self, **files: str) -> None:
        super().__init__()
        self.files = dict(files)
        self.is_away = False
        self.says_writing = False

    @override
    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        arguments = json.loads(call.arguments)
        self.files[arguments["path"]] = arguments["content"]
        return await super().call(call, key, seconds)

    def look(self, arguments: JsonObject) -> ToolOutput:
        path = str(arguments["path"])
        self.reads.append(("board", "look", path))
        if self.is_away:
            raise ToolServerError(Text("The MCP server board does not answer."))
        if path not in self.files:
            return ToolOutput(text="ENOENT: no such file", is_error=True)
        return ToolOutput(text=self.files[path], says_writing=self.says_writing)


class DiskHub(FakeHub):
    """One server that reads and writes them."""

    def __init__(self, disk: Disk) -> None:
        tools = [a_definition("look", path="string"), a_definition("write", path="string", content="string")]
        super().__init__(disk, tools)
        self.disk = disk

    @override
    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        return DiskReader(self.disk, allowed)


class DiskReader:
    """Reads files, where that is allowed."""

    def __init__(self, disk: Disk, allowed: frozenset[tuple[str, str]]) -> None:
        self._disk = disk
        self._allowed = allowed

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        assert (server, tool) in self._allowed
        await asyncio.sleep(0)
        return self._disk.look(arguments)


def service(
    disk: Disk, *written: Mapping[str, str], rules: Sequence[Rule] = (), policy: Policy | None = None
) -> ServiceHarness:
    made = [("mcp__board__write", each) for each in written]
    harness = ServiceHarness(
        PlayedModel(*(answers("Written.", *made), says("Report.")) * 2),
        rules=tuple(rules) or writes(),
        policy=policy,
    )
    harness.hub = DiskHub(disk)
    harness.worker._hub = harness.hub
    return harness


async def card_of(harness: ServiceHarness, run: str) -> Card:
    view = view_of(await harness.log.read(run))
    assert view is not None
    return card_for(view, harness.clock.now())


def words_on(card: Card) -> str:
    lines = [line for each in card.sections if isinstance(each, Paragraph) for line in each.lines]
    outcomes = [call.outcome for each in card.sections if isinstance(each, CallList) for call in each.calls]
    return "\n".join(map(plain_text, [*lines, *outcomes]))


async def approved(harness: ServiceHarness, run: str, state: s.AwaitingDecision, by: Person = ALICE) -> s.Finished:
    await harness.people.approve(run, state.plan.digest, by)
    await harness.work()
    ended = await harness.state(run)
    assert isinstance(ended, s.Finished), ended
    return ended


A = {"path": "a", "content": "one\ntwo\n"}


async def test_what_people_saw_and_approved_is_what_changes() -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A)
    run, state = await harness.planned()
    words = words_on(await card_of(harness, run))
    assert "Call 1 would change what board.look shows now" in words
    assert "· one\n+ two" in words
    assert disk.done == []
    ended = await approved(harness, run, state)
    assert isinstance(ended.receipts[0], Succeeded)
    assert disk.files == {"a": "one\ntwo\n"}


async def test_nothing_runs_where_somebody_changed_it_meanwhile_and_one_press_plans_anew() -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A)
    run, state = await harness.planned()
    disk.files["a"] = "one\nthree\n"
    ended = await approved(harness, run, state)
    assert disk.done == []
    assert isinstance(ended.receipts[0], Skipped)
    card = await card_of(harness, run)
    words = words_on(card)
    assert "not sent: what board.look read for call 1 has changed since the plan was made" in words
    assert "4 characters then, 10 now; + three" in words
    assert Action.ASK_AGAIN in [button.action for button in card.buttons]
    again, second = await harness.planned()
    assert "- three" in words_on(await card_of(harness, again))
    await approved(harness, again, second)
    assert disk.files == {"a": "one\ntwo\n"}


@pytest.mark.parametrize(
    ("before", "after", "words"), [(None, "x", "it exists now"), ("x", None, "it no longer exists")]
)
async def test_what_appeared_or_went_away_has_changed(before: str | None, after: str | None, words: str) -> None:
    disk = Disk(**({} if before is None else {"a": before}))
    harness = service(disk, A)
    run, state = await harness.planned()
    disk.files = {} if after is None else {"a": after}
    await approved(harness, run, state)
    assert disk.done == []
    assert words in words_on(await card_of(harness, run))


async def test_a_change_between_two_calls_stops_the_second() -> None:
    disk = Disk(a="one\n", b="b")
    harness = service(disk, A, {"path": "b", "content": "new"})
    run, state = await harness.planned()

    def meddle(call: PlannedCall) -> ToolOutput:
        disk.files["b"] = "meddled"
        return ToolOutput(text=call.tool)

    disk.behaviours = [meddle]
    ended = await approved(harness, run, state)
    assert [type(each) for each in ended.receipts] == [Succeeded, Skipped]
    assert disk.files["b"] == "meddled"
    assert Action.ASK_AGAIN not in [button.action for button in (await card_of(harness, run)).buttons]


async def test_calls_of_one_plan_may_change_the_same_thing_in_turn() -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A, {"path": "a", "content": "last"})
    run, state = await harness.planned()
    ended = await approved(harness, run, state)
    assert [type(each) for each in ended.receipts] == [Succeeded, Succeeded]
    assert disk.files == {"a": "last"}


async def test_a_precondition_is_held_without_showing_anything() -> None:
    condition = Preview(server="board", tool="look", arguments='{"path":"lock"}', is_condition=True)
    disk = Disk(a="one\n", lock="free")
    harness = service(disk, A, rules=writes(condition))
    run, state = await harness.planned()
    words = words_on(await card_of(harness, run))
    assert "Call 1 runs only if board.look still shows what it shows now" in words
    assert "free" not in words
    disk.files["lock"] = "taken"
    await approved(harness, run, state)
    assert disk.done == []


NAME = Preview(
    server="", tool="look", arguments='{"path":"$.path"}', describes=True, beside="$.path", is_condition=True
)


async def test_what_a_server_says_of_an_id_stands_beside_it_and_is_read_again() -> None:
    disk = Disk(a="The ledger")
    harness = service(disk, A, rules=writes(NAME))
    run, state = await harness.planned()
    lists = [each for each in (await card_of(harness, run)).sections if isinstance(each, CallList)]
    assert [each.text for each in lists[0].calls[0].arguments if each.name == "path"] == ["a \u21a6 The ledger"]
    disk.files["a"] = "Another ledger"
    await approved(harness, run, state)
    assert disk.done == []
    assert "has changed since the plan was made" in words_on(await card_of(harness, run))


@pytest.mark.parametrize("is_required", [False, True])
async def test_an_id_that_a_person_puts_in_is_refused_only_where_it_must_be_described(is_required: bool) -> None:
    disk = Disk(a="The ledger", b="Another")
    harness = service(disk, A, rules=writes(replace(NAME, required=is_required)))
    run, state = await harness.planned()
    elsewhere = json.dumps(A | {"path": "b"})
    if is_required:
        with pytest.raises(RefusedError):
            await harness.people.edit(run, state.plan.digest, ALICE, 0, elsewhere)
    else:
        await harness.people.edit(run, state.plan.digest, ALICE, 0, elsewhere)
        assert "It is not known what the ids in call 1 stand for: board.look was not read for this plan" in words_on(
            await card_of(harness, run)
        )


async def test_what_can_not_be_read_is_said_and_is_no_reason_to_refuse() -> None:
    disk = Disk(a="one\n")
    disk.is_away = True
    harness = service(disk, A)
    run, state = await harness.planned()
    assert "board.look could not be read: The MCP server board does not answer." in words_on(
        await card_of(harness, run)
    )
    await approved(harness, run, state)
    assert disk.files == {"a": "one\ntwo\n"}


async def test_what_is_required_and_can_not_be_read_makes_no_plan() -> None:
    disk = Disk(a="one\n")
    disk.is_away = True
    harness = service(disk, A, rules=writes(replace(PREVIEW, required=True)))
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.RunBroken)
    assert state.reason == "board.look could not be read for call 1 of the plan, and the operator's rules require it."


async def test_what_can_not_be_read_again_stops_the_call() -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A)
    run, state = await harness.planned()
    disk.is_away = True
    await approved(harness, run, state)
    assert disk.done == []
    assert "could not be read again: The MCP server board does not answer." in words_on(await card_of(harness, run))


@pytest.mark.parametrize("what", ["definition", "settings"])
async def test_another_tool_of_the_same_name_shows_nothing(what: str) -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A, rules=writes(replace(PREVIEW, server="board")))
    run, state = await harness.planned()
    if what == "definition":
        disk.definitions["board", "look"] = "another"
    else:
        disk.settings["board"] = "another"
    await approved(harness, run, state)
    assert disk.done == []


async def test_a_read_whose_server_says_that_it_writes_is_none() -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A)
    run, state = await harness.planned()
    disk.says_writing = True
    await approved(harness, run, state)
    assert disk.done == []
    assert "its server now says that it writes" in words_on(await card_of(harness, run))


async def test_nothing_but_a_read_is_ever_asked_before_people_approve() -> None:
    """A preview by the writing tool itself, as a dry run would be, is not made."""
    dry = Preview(server="", tool="write", arguments='{"content":"$.content","path":"$.path"}')
    disk = Disk(a="one\n")
    harness = service(disk, A, rules=writes(dry))
    run, _ = await harness.planned()
    assert disk.reads == []
    assert disk.done == []
    assert "board.write may not be read according to the rules" in words_on(await card_of(harness, run))


async def test_automatic_calls_are_held_to_what_was_read_too() -> None:
    disk = Disk(a="one\n")
    harness = service(disk, A, rules=writes(effect=Effect.AUTO))
    run = await harness.ask()
    await harness.worker.perform(harness.log.jobs.pop(0))
    disk.files["a"] = "meddled"
    await harness.work()
    ended = await harness.state(run)
    assert isinstance(ended, s.Finished)
    assert disk.files == {"a": "meddled"}


async def test_of_a_plan_that_a_person_chose_nothing_runs_that_was_not_read_for_though_it_is_required() -> None:
    disk = Disk(a="one\n")
    harness = ServiceHarness(
        PlayedModel(answers("First.", ("mcp__board__write", A)), votes(1), says("Report.")),
        PlayedModel(
            answers("Second.", ("mcp__board__write", {"path": "b", "content": "2"})), votes(1), says("Report.")
        ),
        rules=writes(replace(PREVIEW, required=True)),
    )
    harness.hub = DiskHub(disk)
    harness.worker._hub = harness.hub
    run, state = await harness.planned()
    other = 2 if state.plan.author.startswith("agent1") else 1
    chosen = await harness.people.choose(run, state.plan.digest, ALICE, other)
    assert isinstance(chosen, s.AwaitingDecision)
    assert "the rules require that board.look is read first, but it was not read" in words_on(
        await card_of(harness, run)
    )
    await approved(harness, run, chosen, BOB)
    assert disk.done == []


async def test_a_person_edits_what_was_read_for_and_nothing_else_where_that_is_required() -> None:
    disk = Disk(a="one\n", b="b")
    harness = service(disk, A, rules=writes(replace(PREVIEW, required=True)))
    run, state = await harness.planned()
    elsewhere = json.dumps(A | {"path": "b"})
    with pytest.raises(RefusedError):
        await harness.people.edit(run, state.plan.digest, ALICE, 0, elsewhere)
    edited = await harness.people.edit(run, state.plan.digest, ALICE, 0, json.dumps(A | {"content": "one\nnew\n"}))
    assert isinstance(edited, s.AwaitingDecision)
    assert "· one\n+ new" in words_on(await card_of(harness, run))
    disk.files["a"] = "meddled"
    await approved(harness, run, edited, BOB)
    assert disk.files == {"a": "meddled", "b": "b"}


async def test_each_thing_is_read_once_for_a_plan_and_side_by_side() -> None:
    disk = Disk(**{str(number): "x" for number in range(20)})
    written = [{"path": str(number), "content": "y"} for number in range(20)] + [{"path": "0", "content": "z"}]
    harness = service(disk, *written)
    _, state = await harness.planned()
    assert sorted(path for _, _, path in disk.reads) == sorted(map(str, range(20)))
    assert len(state.plan.readings) == 20


async def test_a_read_that_never_answers_has_an_end() -> None:
    class Silent:
        async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
            await asyncio.Event().wait()
            raise AssertionError

    harness = service(Disk(), A)
    _, state = await harness.planned()
    (participant,) = (await prepare(harness.prepared, harness.hub)).participants
    (reading,) = await read_all(state.plan.calls, participant.tools, Silent(), seconds=0.01)
    assert (reading.problem, reading.is_known) == ("late", False)


async def test_a_long_answer_is_held_by_its_digest_alone() -> None:
    disk = Disk(a="x" * 30_000)
    harness = service(disk, A)
    run, state = await harness.planned()
    (reading,) = state.plan.readings
    assert (reading.text, reading.length, reading.is_whole) == ("", 30_000, False)
    assert "30,000 characters" in words_on(await card_of(harness, run))
    disk.files["a"] = "x" * 29_999 + "y"
    await approved(harness, run, state)
    assert disk.done == []


NAMES = Preview(server="", tool="look", arguments='{"path":"$.path"}', describes=True)


def arguments_on(card: Card) -> list[str]:
    (calls,) = [each for each in card.sections if isinstance(each, CallList)]
    return [each.text for each in calls.calls[0].arguments if each.name == "path"]


async def test_what_an_id_is_stands_beside_it_and_is_compared_before_the_call() -> None:
    disk = Disk(a='{"path":"#ops"}')
    harness = service(disk, A, rules=writes(NAMES))
    run, state = await harness.planned()
    card = await card_of(harness, run)
    assert arguments_on(card) == ["a \u21a6 #ops"]
    assert "look" not in words_on(card)
    assert '"path":"a"' in state.plan.calls[0].arguments
    disk.files["a"] = '{"path":"#lobby"}'
    ended = await approved(harness, run, state)
    assert disk.done == []
    assert isinstance(ended.receipts[0], Skipped)
    assert "has changed since the plan was made" in words_on(await card_of(harness, run))


async def test_what_an_id_is_stays_on_the_finished_card() -> None:
    disk = Disk(a='{"path":["@mara","@o\u202eps"]}')
    harness = service(disk, A, rules=writes(NAMES))
    run, state = await harness.planned()
    ended = await approved(harness, run, state)
    assert isinstance(ended.receipts[0], Succeeded)
    assert arguments_on(await card_of(harness, run)) == ["a \u21a6 @mara, @o\u27e8U+202E\u27e9ps"]


@pytest.mark.parametrize("answer", ["no JSON", "[]", '{"path":7}', '{"other":"x"}'])
async def test_an_answer_that_says_nothing_of_an_id_adds_nothing(answer: str) -> None:
    harness = service(Disk(a=answer), A, rules=writes(NAMES))
    run, _ = await harness.planned()
    assert arguments_on(await card_of(harness, run)) == ["a"]


async def test_an_id_that_could_not_be_looked_up_is_said() -> None:
    disk = Disk()
    harness = service(disk, A, rules=writes(NAMES))
    run, _ = await harness.planned()
    words = words_on(await card_of(harness, run))
    assert (
        "It is not known what the ids in call 1 stand for: board.look could not be read: ENOENT: no such file" in words
    )


async def test_a_plan_of_before_look_ups_can_still_be_edited() -> None:
    """Its calls have no look-up; what an edited one names stands there as it is written."""
    disk = Disk(a="{}")
    plain = Rule(match="board.write", effect=Effect.ASK, source="tools[1]")
    harness = service(disk, A, rules=(READS, plain))
    run, state = await harness.planned()
    profile = harness.prepared.profile
    rules = (*writes()[:1], plain, replace(plain, previews=(NAMES,), only_adds=True))
    agents = tuple(replace(each, rules=rules) for each in profile.agents)
    harness.prepared.profile = replace(profile, agents=agents)
    edited = await harness.people.edit(run, state.plan.digest, ALICE, 0, json.dumps(A | {"content": "new"}))
    assert isinstance(edited, s.AwaitingDecision)
    assert arguments_on(await card_of(harness, run)) == ["a"]


async def test_nobody_misses_what_the_rules_deny() -> None:
    denied = Rule(match="board.look", effect=Effect.DENY, source="tools[0]")
    disk = Disk(a="{}")
    harness = service(disk, A, rules=(denied, *writes(NAMES)[1:]))
    run, state = await harness.planned()
    assert disk.reads == []
    assert "not known" not in words_on(await card_of(harness, run))
    await approved(harness, run, state)
    assert disk.files["a"] == A["content"]
