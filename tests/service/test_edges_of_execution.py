"""What workers and toolboxes do at the edges: unreachable servers, stale jobs, broken configs, other agents' tools."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from typing_extensions import override

from coordination.current_rules import denied
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.canonical_json import JsonObject, canonical
from coordination.domain.events import RunEvent
from coordination.domain.plan import PlannedCall, Succeeded
from coordination.domain.policy import Authors
from coordination.domain.tool_rules import Effect, Rule
from coordination.errors import ConfigError, RefusedError, ToolServerError
from coordination.execution import MAX_RESULT as MAX_RECEIPT
from coordination.ports import CallOutcomeUnknownError, Job, ServerSpec, ToolCall, ToolOutput
from coordination.ports.tools import left_out
from coordination.preparation import Prepared
from coordination.run_options import RunOptions
from coordination.run_request import RunRequest
from coordination.text import Text
from coordination.toolbox import MAX_OFFERED, MAX_RESULT, Toolbox, offer
from tests.builders import ALICE, BOARD, BOB, REQUESTER, a_definition, a_profile, a_request
from tests.fakes import Crash, PlayedModel, World, answers, says, votes
from tests.sample_logs import plan_in, waiting
from tests.service.service_harness import ServiceHarness

TWO = [("mcp__board__post", {"title": title}) for title in ("a", "b")]


def a_service(*behaviours: Callable[[PlannedCall], ToolOutput]) -> ServiceHarness:
    """One agent with a plan of two calls, and a world that behaves so."""
    harness = ServiceHarness(PlayedModel(answers("one", *TWO), says("Posted.")))
    harness.world.behaviours = list(behaviours)
    return harness


def fails(error: BaseException) -> Callable[[PlannedCall], ToolOutput]:
    def behave(call: PlannedCall) -> ToolOutput:
        raise error

    return behave


async def approved(harness: ServiceHarness) -> str:
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    return run


# --- workers ----------------------------------------------------------------------------------------------------------


async def test_a_server_that_can_not_be_asked_is_an_objection_to_its_call() -> None:
    """What can't be compared with what people approved does not start."""

    class Unreachable(World):
        @override
        async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
            raise ToolServerError(Text("nobody there"))

    harness = a_service()
    harness.hub.world = Unreachable()
    run = await approved(harness)
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert [receipt.kind for receipt in final.receipts] == ["failed", "skipped"]
    assert harness.hub.world.keys == []
    assert "call_started" not in harness.log.kinds(run)


async def test_every_start_of_a_call_has_a_key_of_its_own() -> None:
    """A server that remembers keys would otherwise take the second start, which a person wanted, for the first."""
    harness = a_service(fails(CallOutcomeUnknownError(Text("no answer"))))
    run = await approved(harness)
    await harness.work()
    await harness.people.resolve(run, 0, ALICE, "run_it")
    await harness.work()
    assert len(harness.world.keys) == 3
    assert len(set(harness.world.keys)) == 3


async def test_a_job_of_another_revision_executes_nothing() -> None:
    """It was submitted for another plan than the one that was approved."""
    harness = a_service()
    run = await approved(harness)
    for revision in (0, 2, 3):
        await harness.worker.perform(Job(task="execute", run=run, tenant="here", revision=revision))
    assert harness.world.done == []
    assert isinstance(await harness.state(run), s.Executing)


async def test_a_config_that_breaks_while_a_call_is_under_way_leaves_a_doubt_and_skips_nothing() -> None:
    """The call may have happened: that is what people must hear."""
    harness = a_service(fails(Crash()))
    run = await approved(harness)
    with pytest.raises(Crash):
        await harness.work()

    def broken(text: str, origin: str, tenant: str) -> Prepared:
        raise ConfigError([Text("agents: at least one")])

    harness.worker._configure = broken
    await harness.worker.perform(Job(task="execute", run=run, tenant="here", revision=1))
    state = await harness.state(run)
    assert isinstance(state, s.NeedsHuman)
    assert state.receipts == ()
    assert "calls_skipped" not in harness.log.kinds(run)


async def test_a_config_that_breaks_before_a_call_skips_them_all_and_says_why() -> None:
    """Nothing was started, and nothing will be."""
    harness = a_service()
    run = await approved(harness)

    def broken(text: str, origin: str, tenant: str) -> Prepared:
        raise ConfigError([Text("agents: at least one")])

    harness.worker._configure = broken
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert [receipt.kind for receipt in final.receipts] == ["skipped", "skipped"]
    assert harness.world.done == []


# --- whose words ------------------------------------------------------------------------------------------------------


async def test_a_run_that_goes_on_from_another_takes_its_authors_along() -> None:
    """So that neither its requester nor its shapers approve what a bystander asked for anew."""
    harness = a_service()
    before = Authors(requester=BOB, earlier=(REQUESTER,), shapers=(ALICE,))
    request = RunRequest(
        prompt="Again.",
        requester=REQUESTER,
        config_name="test",
        config_text="text",
        origin="test.yaml",
        goes_on_from=before,
    )
    run = await harness.people.start(request)
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.request.earlier_requesters == (BOB,)
    for by, refusal in ((BOB, "own_request"), (ALICE, "own_words")):
        with pytest.raises(RefusedError) as caught:
            await harness.people.approve(run, state.plan.digest, by)
        assert caught.value.refusal == refusal
    carol = replace(ALICE, id="u-carol", name="carol")
    assert isinstance(await harness.people.approve(run, state.plan.digest, carol), s.Executing)


async def test_a_chosen_plan_is_valid_for_as_long_as_the_rule_says() -> None:
    """From the moment that it is chosen."""
    first = PlayedModel(answers("one", TWO[0]), votes(1))
    second = PlayedModel(answers("two", TWO[1]), votes(1), says("Done."))
    harness = ServiceHarness(first, second)
    run, state = await harness.planned()
    harness.clock.tick(minutes=5)
    chosen = await harness.people.choose(run, state.plan.digest, ALICE, 2)
    assert isinstance(chosen, s.AwaitingDecision)
    assert chosen.plan.expires_at == harness.clock.now() + timedelta(seconds=state.plan.policy.expires_after)


async def test_whoever_comes_by_does_not_stop_agents_at_work() -> None:
    """Before there is a plan nobody is an approver; who asked may, and so may an administrator."""
    harness = a_service()
    run = await harness.ask()
    for by in (ALICE, BOB):
        with pytest.raises(RefusedError, match="can cancel this run"):
            await harness.people.cancel(run, by)
    assert isinstance(await harness.people.cancel(run, replace(ALICE, is_admin=True)), s.Cancelled)


# --- toolboxes --------------------------------------------------------------------------------------------------------


class Wordy:
    """Reads whose answers are as long as the test says."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        return ToolOutput(text=self.text)


def test_an_agent_is_offered_the_tools_of_its_own_servers_alone() -> None:
    """Whatever other agents of the run may use."""
    (agent,) = a_profile(1).agents
    other = ServerSpec(name="vault", transport="stdio", identity="{}", command="vault")
    definitions = [a_definition("post", title="string"), a_definition("open", server=other.name)]
    assert BOARD in agent.servers
    assert list(offer(agent, definitions)) == ["mcp__board__post"]
    both = replace(agent, servers=(BOARD, other))
    assert list(offer(both, definitions)) == ["mcp__board__post", "mcp__vault__open"]


async def test_a_tool_that_cannot_be_used_is_offered_to_nobody_and_fails_no_run() -> None:
    """Not even one that a rule names."""
    (agent,) = a_profile(1).agents
    odd = replace(a_definition("odd"), unusable="has no name")
    rules = (Rule(match="board.odd", effect=Effect.READ, source="tools[0]"),)
    assert list(offer(replace(agent, rules=rules), [a_definition("post"), odd])) == ["mcp__board__post"]
    harness = ServiceHarness(PlayedModel(answers("one")), rules=rules, definitions=[a_definition("post"), odd])
    run = await harness.ask()
    await harness.work()
    assert isinstance(await harness.state(run), s.Answered)


def test_a_tool_that_calls_itself_harmless_is_still_asked_about() -> None:
    """A server's hint lowers no alarm; it can only raise one."""
    (agent,) = a_profile(1).agents
    harmless = replace(a_definition("post", title="string"), says_read_only=True)
    (tool,) = offer(agent, [harmless]).values()
    assert tool.ruling({"title": "x"}).effect == "ask"


@pytest.mark.parametrize("count", [MAX_OFFERED, MAX_OFFERED + 1])
def test_as_many_tools_are_offered_as_models_accept_and_not_one_more(count: int) -> None:
    (agent,) = a_profile(1).agents
    tools = [a_definition(f"post{number}", title="string") for number in range(count)]
    if count <= MAX_OFFERED:
        assert len(offer(agent, tools)) == count
        return
    with pytest.raises(ToolServerError, match=f"would have {count} tools, but models accept {MAX_OFFERED}"):
        offer(agent, tools)


@pytest.mark.parametrize("author", [1, 2])
def test_a_call_is_denied_by_the_rules_of_the_agent_who_planned_it(author: int) -> None:
    """And not by another's, whoever of them comes last."""
    profile = a_profile(2)
    rules = (Rule(match="board.post", effect=Effect.DENY, source="agents[]"),)
    agents = tuple(replace(agent, rules=rules) if agent.number == author else agent for agent in profile.agents)
    post = PlannedCall(server="board", tool="post", arguments="{}", definition="")
    plan = replace(plan_in(waiting(post)), author=f"agent{author}.1")
    request = a_request()
    assert denied(plan, request, replace(profile, agents=agents)) == plan.calls[0]
    assert denied(replace(plan, author=f"agent{3 - author}.1"), request, replace(profile, agents=agents)) is None


async def test_a_hint_of_destruction_is_recorded_with_the_call() -> None:
    """The card warns of it, and the digest covers it."""
    (agent,) = a_profile(1).agents
    told: list[RunEvent] = []
    gentle, harsh = a_definition("post", title="string"), replace(a_definition("wipe"), says_destructive=True)
    box = Toolbox(1, offer(agent, [gentle, harsh]), Wordy(""), RunOptions(), told.append)
    made = [
        ToolCall(id="1", name="mcp__board__post", arguments='{"title":"x"}'),
        ToolCall(id="2", name="mcp__board__wipe", arguments="{}"),
    ]
    await box.use(made)
    assert [call.is_destructive for call in box.actions] == [False, True]
    schemas = [canonical(each.input_schema) for each in (gentle, harsh)]
    assert told == [
        e.ActionRecorded(agent=1, call=call, input_schema=schema)
        for call, schema in zip(box.actions, schemas, strict=True)
    ]


@pytest.mark.parametrize("extra", [-1, 0, 1, MAX_RECEIPT + 1])
async def test_a_receipt_is_bounded_and_says_what_it_leaves_out(extra: int) -> None:
    harness = a_service(lambda call: ToolOutput(text="x" * (MAX_RECEIPT + extra)))
    run = await approved(harness)
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.Finished)
    receipt = state.receipts[0]
    assert isinstance(receipt, Succeeded)
    said, _, rest = receipt.result.partition(" ")
    assert said == "x" * min(MAX_RECEIPT, MAX_RECEIPT + extra)
    assert rest == (f"[{left_out(extra)}]" if extra > 0 else "")


@pytest.mark.parametrize("extra", [0, 1, MAX_RESULT])
async def test_a_result_for_a_model_is_bounded_and_says_what_it_leaves_out(extra: int) -> None:
    """A server can't fill a context, nor pass a part for the whole."""
    (agent,) = a_profile(1).agents
    read = replace(agent, rules=(Rule(match="board.look", effect=Effect.READ, source="tools[0]"),))
    tools = offer(read, [a_definition("look", title="string")])
    box = Toolbox(1, tools, Wordy("x" * (MAX_RESULT + extra)), RunOptions(), list[RunEvent]().append)
    (result,) = await box.use([ToolCall(id="1", name="mcp__board__look", arguments='{"title":"x"}')])
    said, _, rest = result.text.partition("\n")
    assert said == "x" * MAX_RESULT
    assert rest == (f"[{left_out(extra)}]" if extra else "")
