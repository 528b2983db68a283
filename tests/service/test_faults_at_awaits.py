"""A fault thrown into a run at each of its suspensions, in whichever task: it ends in words, and costs one more try at most."""

import asyncio
import contextlib
import inspect
import re
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import pytest
from typing_extensions import override

from coordination.domain import states as s
from coordination.domain.canonical_json import canonical
from coordination.ports import Reply
from coordination.run_options import RunOptions
from tests.builders import BOB
from tests.fakes import PlayedConversation, Step, answers, calls, reply
from tests.service.service_harness import ServiceHarness
from tests.service.test_unforeseen import FaultInjector, FaultyProxy, Mistake, Patient, forgiving

POST = ("mcp__board__post", {"title": "a"})
LOOK = ("mcp__board__look", {"title": "a"})
OVER = (s.Finished, s.NeedsHuman, s.RunBroken, s.Answered)


Fault: TypeAlias = Literal["mistake", "stray cancellation", "told to stop"]


@dataclass
class Suspensions:
    """Counts the times that a task was resumed, over all tasks; at one of them the task is thrown a fault instead."""

    at: int = 0
    fault: Fault = "mistake"
    passed: int = 0
    thrown_into: str = ""
    performing: "asyncio.Task[None] | None" = None

    def due(self, name: str) -> BaseException | None:
        """What the task is thrown now."""
        self.passed += 1
        if self.passed != self.at:
            return None
        self.thrown_into = name
        if self.fault == "told to stop":
            assert self.performing is not None
            self.performing.cancel()
            return None
        return Mistake() if self.fault == "mistake" else asyncio.CancelledError()


class Driven(Coroutine[Any, Any, Any]):
    """A coroutine that is resumed as ever, and at one of its suspensions with a fault."""

    def __init__(self, inner: Coroutine[Any, Any, Any], suspensions: Suspensions) -> None:
        self._inner = inner
        self._suspensions = suspensions
        self._has_begun = False

    @override
    def send(self, value: object, /) -> object:
        if self._has_begun and (fault := self._suspensions.due(self._inner.__qualname__)) is not None:
            return self._inner.throw(fault)
        self._has_begun = True
        return self._inner.send(value)

    @override
    def throw(self, *given: Any) -> object:
        return self._inner.throw(*given)

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("a task drives it")


@contextlib.contextmanager
def driven(suspensions: Suspensions) -> Generator[None]:
    """Within, every new task counts; the task that opens this does not."""
    loop = asyncio.get_running_loop()

    make = cast("Callable[..., asyncio.Task[Any]]", asyncio.Task)

    def factory(loop: asyncio.AbstractEventLoop, made: Coroutine[Any, Any, Any], **named: object) -> asyncio.Task[Any]:
        return make(Driven(made, suspensions), loop=loop, **named)

    loop.set_task_factory(cast("Any", factory))
    try:
        yield
    finally:
        loop.set_task_factory(None)


class Slow(FaultyProxy):
    """Anything, each of whose awaits suspends before it does something and again after it: a fault may come at both."""

    def __init__(self, inner: object) -> None:
        super().__init__(inner, FaultInjector(at=0))

    @override
    def _wrapped(self, made: object) -> "Slow":
        return Slow(made)

    @override
    def _called(self, inner: Callable[..., object]) -> Callable[..., object]:
        if not inspect.iscoroutinefunction(inner):
            return super()._called(inner)

        async def call(*given: object, **named: object) -> object:
            await asyncio.sleep(0)
            result: object = await inner(*given, **named)
            await asyncio.sleep(0)
            return result

        return call


def a_service(*scripts: tuple[Step, ...], **options: object) -> tuple[ServiceHarness, list[Patient]]:
    """Agents that can begin each turn again; whatever they and the worker await suspends."""
    models = [Patient(*script) for script in scripts]
    harness = ServiceHarness(*models, options=RunOptions(**options))  # type: ignore[arg-type]  # a stand-in by shape
    forgiving(harness)
    harness.prepared.given = [Slow(model) for model in models]  # type: ignore[misc]  # a stand-in by shape
    harness.worker._hub = Slow(harness.hub)  # type: ignore[assignment]  # a stand-in by shape
    harness.worker._log = Slow(harness.log)  # type: ignore[assignment]  # a stand-in by shape
    harness.worker._configure = lambda *_: Slow(harness.prepared)  # type: ignore[assignment,return-value]  # a stand-in by shape
    return harness, models


async def work(harness: ServiceHarness, suspensions: Suspensions) -> None:
    """Perform the jobs, each again if its worker was told to stop, as the engine does."""
    while harness.log.jobs:
        job = harness.log.jobs.pop(0)
        for _ in range(3):
            with driven(suspensions):
                performing = asyncio.get_running_loop().create_task(harness.worker.perform(job))
                suspensions.performing = performing
                await asyncio.wait({performing})
            if not performing.cancelled():
                performing.result()
                break
            assert suspensions.fault == "told to stop"


async def story(harness: ServiceHarness, suspensions: Suspensions) -> s.RunState:
    """Ask, let the agents work, approve if there is a plan, and see what comes of it."""
    run = await harness.ask()
    await work(harness, suspensions)
    state = await harness.state(run)
    if isinstance(state, s.AwaitingDecision):
        await harness.people.approve(run, state.plan.digest, BOB)
        await work(harness, suspensions)
    return await harness.state(run)


def joins_in(conversation: PlayedConversation) -> Reply:
    """Answers, or votes for the first who has an answer."""
    vote = next((each for each in conversation.tools if each.name == "vote"), None)
    if vote is None:
        return answers(f"agent {conversation.turn_context.agent}", POST)(conversation)
    candidates = re.findall(r"agent\d+", canonical(vote.input_schema["properties"]))
    return reply(("vote", {"agent_id": candidates[0], "reason": "good"}))


ONE: tuple[tuple[Step, ...], ...] = ((calls(LOOK), answers("one", POST)),)
TWO: tuple[tuple[Step, ...], ...] = ((calls(LOOK), joins_in), (joins_in,))


@pytest.mark.in_memory
@pytest.mark.parametrize("fault", get_args(Fault))
@pytest.mark.parametrize(("scripts", "presentation"), [(ONE, "present"), (TWO, "adopt")], ids=["one", "two"])
async def test_a_fault_at_any_suspension_of_any_task_ends_in_words_and_costs_one_more_try_at_most(
    scripts: tuple[tuple[Step, ...], ...], presentation: str, fault: Fault
) -> None:
    whole = Suspensions()
    harness, models = a_service(*scripts, final_presentation=presentation)
    assert isinstance(await story(harness, whole), s.Finished)
    usual = sum(each.sent for each in models)
    assert whole.passed > 80
    for at in range(1, whole.passed + 1):
        suspensions = Suspensions(at, fault)
        harness, models = a_service(*scripts, final_presentation=presentation)
        async with asyncio.timeout(60):
            state = await story(harness, suspensions)
        assert isinstance(state, OVER), (at, suspensions.thrown_into, state)
        assert sum(each.sent for each in models) <= 2 * usual, (at, suspensions.thrown_into)
        assert len(harness.world.done) <= 1
        assert not harness.log.jobs
