"""Threat: by the time that a plan is taken up, or between two of its calls, a server has become another one."""

from dataclasses import replace

import pytest

from coordination.domain import states as s
from coordination.domain.plan import PlannedCall
from coordination.ports import ToolDefinition, ToolOutput
from tests.builders import ALICE, BOARD, a_definition
from tests.fakes import FakePrepared, PlayedModel, answers, says, votes
from tests.service.service_harness import ServiceHarness


def bound(tool: str, settings: str, *, server: str = "board") -> ToolDefinition:
    return replace(a_definition(tool, server=server, title="string"), settings=settings)


def service_with(settings: str) -> ServiceHarness:
    """Two agents whose plan has two calls; the server's fingerprint was this one when they made it."""
    calls = [("mcp__board__post", {"title": title}) for title in ("a", "b")]
    first = PlayedModel(answers("one", *calls), votes(1), says("Posted."))
    definitions = [a_definition("look"), bound("post", settings)]
    harness = ServiceHarness(first, PlayedModel(answers("two"), votes(1)), definitions=definitions)
    harness.world.settings["board"] = settings
    return harness


async def decided(harness: ServiceHarness) -> tuple[str, s.Finished]:
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    return run, final


def reasons(final: s.Finished) -> list[str]:
    return [receipt.reason for receipt in final.receipts if receipt.kind == "skipped"]


async def test_nothing_runs_when_the_settings_changed_before_the_claim() -> None:
    harness = service_with("f" * 64)
    run, state = await harness.planned()
    harness.world.settings["board"] = "e" * 64
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert harness.world.done == []
    assert len(reasons(final)) == 2
    assert "settings of the MCP server board have changed since the plan was made" in reasons(final)[0]
    assert "call_started" not in harness.log.kinds(run)


async def test_the_rest_does_not_run_when_the_settings_change_between_two_calls() -> None:
    harness = service_with("f" * 64)

    def moves_on(call: PlannedCall) -> ToolOutput:
        harness.world.settings["board"] = "e" * 64
        return ToolOutput(text="did it")

    harness.world.behaviours = [moves_on]
    _, final = await decided(harness)
    assert [receipt.kind for receipt in final.receipts] == ["succeeded", "skipped"]
    assert len(harness.world.done) == 1


async def test_a_plan_of_a_version_that_recorded_no_settings_does_not_run_and_says_why() -> None:
    harness = service_with("")
    run, state = await harness.planned()
    harness.world.settings["board"] = "e" * 64
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert harness.world.done == []
    assert "earlier version" in reasons(final)[0]
    assert "what did not run needs a new plan" in reasons(final)[0]


@pytest.mark.parametrize("settings", ["", "f" * 64])
async def test_the_fingerprint_is_under_the_digest_that_people_decide_on_where_there_is_one(settings: str) -> None:
    """A plan without one has the text that it had before there were any."""
    _, state = await service_with(settings).planned()
    assert ("settings" in state.plan.canonical()) == bool(settings)
    assert [call.settings for call in state.plan.calls] == [settings, settings]


async def test_the_settings_of_every_server_are_compared_before_the_first_call() -> None:
    """A plan of two servers does not run by half because the second is another one."""
    calls = [("mcp__board__post", {"title": "a"}), ("mcp__bank__pay", {"title": "b"})]
    first = PlayedModel(answers("one", *calls), votes(1), says("Posted."))
    definitions = [a_definition("look"), bound("post", "f" * 64), bound("pay", "f" * 64, server="bank")]
    models = first, PlayedModel(answers("two"), votes(1))
    harness = ServiceHarness(*models, definitions=definitions)
    servers = (BOARD, replace(BOARD, name="bank"))
    profile = harness.prepared.profile
    agents = tuple(replace(agent, servers=servers) for agent in profile.agents)
    harness.prepared = FakePrepared(replace(profile, agents=agents, servers=servers), models)
    harness.world.settings = {"board": "f" * 64, "bank": "e" * 64}
    _, final = await decided(harness)
    assert harness.world.done == []
    assert "bank" in reasons(final)[0]
