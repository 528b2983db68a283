"""A service that is told to end: what is under way gets the time that the operator gave, and a second word ends it at once."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.application import Overrides
from bot.composition import open_application
from bot.variables import Environment
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall
from coordination.engine.dbos_engine import DbosEngine
from coordination.errors import ConfigError
from coordination.execution import GRACE
from coordination.ports import Perform, ToolOutput
from tests.builders import ALICE
from tests.fakes import PlayedModel, answers, says
from tests.service.service_harness import ServiceHarness

CALLS = [("mcp__board__post", {"title": title}) for title in ("a", "b")]
ROOT = Path(__file__).parents[2]


async def told_to_end(harness: ServiceHarness, grace: float) -> str:
    """A run whose first call was under way when its worker was told to end."""
    harness.worker.grace = grace
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    job = harness.log.jobs.pop()
    reached = asyncio.Event()
    world = harness.hub.executor(())

    class Slow:
        definition_digest = harness.world.definition_digest
        settings_digest = harness.world.settings_digest

        async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
            reached.set()
            await asyncio.sleep(0.05)
            return await world.call(call, key, seconds)

    harness.hub.executor = lambda servers, caller=None: Slow()  # type: ignore[method-assign,assignment,return-value]  # a slow world
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        working = group.create_task(harness.worker.perform(job))
        await reached.wait()
        working.cancel()
    await harness.worker.perform(job)
    return run


@pytest.mark.parametrize(("grace", "is_asked"), [(15.0, False), (0.0, True)])
async def test_only_a_call_that_takes_longer_than_the_grace_becomes_a_question(grace: float, *, is_asked: bool) -> None:
    harness = ServiceHarness(PlayedModel(answers("one", *CALLS), says("Posted.")))
    run = await told_to_end(harness, grace)
    assert isinstance(await harness.state(run), s.NeedsHuman if is_asked else s.Finished)


class RecordingEngine(DbosEngine):
    """Remembers how long jobs may take to end."""

    drains: list[float] = []  # noqa: RUF012 - a test's own

    @asynccontextmanager
    async def running(self, perform: Perform, *, drain: float = 8.0) -> AsyncGenerator[None]:
        self.drains.append(drain)
        yield


@pytest.mark.parametrize(
    ("given", "run", "drain"), [({}, "", 25.0), ({"MASSGEN_BOT_DRAIN_SECONDS": "300"}, "", 300.0), ({}, "ABCDE", GRACE)]
)
async def test_a_service_drains_as_long_as_the_operator_says_and_a_command_that_somebody_waits_for_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], run: str, drain: float
) -> None:
    monkeypatch.setattr("bot.composition.DbosEngine", RecordingEngine)
    RecordingEngine.drains.clear()
    environment = Environment({"MASSGEN_BOT_STATE": str(tmp_path), **given})
    async with open_application(environment, Overrides()) as application, application.working(run):
        pass
    assert RecordingEngine.drains == [drain]


@pytest.mark.parametrize("text", ["soon", "-1", "3601", "1.5"])
def test_what_is_no_number_of_seconds_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="MASSGEN_BOT_DRAIN_SECONDS"):
        Environment({"MASSGEN_BOT_DRAIN_SECONDS": text}).drain()


ENDS_SLOWLY = """
import asyncio
from bot.terminal.serve_commands import told_to_end

async def main():
    ending = told_to_end()
    print("ready", flush=True)
    await ending.wait()
    print("ending", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_second_signal_ends_a_service_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDS_SLOWLY], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "ending\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == -signal.SIGTERM
        finally:
            process.kill()
