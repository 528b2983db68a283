"""An error that nobody foresaw, at any await of a run: it ends in words, and costs one more try at most."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import pytest
from typing_extensions import override

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.ports import Conversation, TurnContext
from coordination.run_options import RunOptions
from coordination.worker import Worker
from tests.builders import BOB
from tests.fakes import PlayedModel, Step, answers, calls, says
from tests.service.service_harness import ServiceHarness

POST = ("mcp__board__post", {"title": "a"})
LOOK = ("mcp__board__look", {"title": "a"})


class Mistake(Exception):
    """What nobody foresaw."""


@dataclass
class FaultInjector:
    """Counts the awaits that it is put before, and raises at one of them: once, or from then on."""

    at: int
    lasts: bool = False
    passed: int = 0

    def count(self) -> None:
        """One more await."""
        self.passed += 1
        if self.passed == self.at or (self.lasts and self.passed > self.at):
            raise Mistake(f"at await {self.passed}")


class FaultyProxy:
    """Anything, with the injector before each of its awaits, and of those of whatever it hands out."""

    def __init__(self, inner: object, injector: FaultInjector) -> None:
        self._inner = inner
        self._injector = injector

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self._inner, name)
        return self._called(found) if callable(found) and name != "follow" else found

    def _called(self, inner: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            made = inner(*given, **named)
            if inspect.isawaitable(made):
                return self._awaited(cast("Awaitable[object]", made))
            hands_out = hasattr(made, "read") or hasattr(made, "call") or hasattr(made, "send")
            return self._wrapped(made) if hands_out else made

        return call

    def _wrapped(self, made: object) -> "FaultyProxy":
        return FaultyProxy(made, self._injector)

    async def _awaited(self, made: Awaitable[object]) -> object:
        try:
            self._injector.count()
        except Mistake:
            if inspect.iscoroutine(made):
                made.close()
            raise
        return await made


class Patient(PlayedModel):
    """Plays its steps anew in each conversation, so that a turn can be begun again."""

    def __init__(self, *steps: Step) -> None:
        super().__init__()
        self._script = steps
        self.sent = 0

    @override
    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        report = turn_context.purpose == "report"
        self.steps = [self._counted(each) for each in ([says("Posted.")] if report else self._script)]
        return super().converse(system, turn_context)

    def _counted(self, step: Step) -> Step:
        def counted(conversation: object) -> object:
            self.sent += 1
            return step(conversation)  # type: ignore[arg-type]  # a stand-in by shape

        return counted  # type: ignore[return-value]  # a stand-in by shape


def forgiving(harness: ServiceHarness) -> None:
    """Have the harness's worker do what it does outside tests: tell people, and nobody else."""
    harness.worker.__class__ = Worker


def a_service(injector: FaultInjector, **options: object) -> tuple[ServiceHarness, Patient]:
    """One agent that reads, records a call and answers; the injector before models, servers, the configuration and the log.

    A log that fails for good takes no last word, so that it does not.
    """
    model = Patient(calls(LOOK), answers("one", POST))
    harness = ServiceHarness(model, options=RunOptions(**options))  # type: ignore[arg-type]  # a stand-in by shape
    forgiving(harness)
    harness.prepared.given = [FaultyProxy(model, injector)]  # type: ignore[list-item]  # a stand-in by shape
    harness.worker._hub = FaultyProxy(harness.hub, injector)  # type: ignore[assignment]  # a stand-in by shape
    if not injector.lasts:
        harness.worker._log = FaultyProxy(harness.log, injector)  # type: ignore[assignment]  # a stand-in by shape
    harness.worker._configure = lambda *_: FaultyProxy(harness.prepared, injector)  # type: ignore[assignment]  # a stand-in by shape
    return harness, model


async def story(harness: ServiceHarness) -> tuple[str, s.RunState]:
    """Ask, let the agents work, approve if there is a plan, and see what comes of it."""
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    if isinstance(state, s.AwaitingDecision):
        await harness.people.approve(run, state.plan.digest, BOB)
        await harness.work()
    return run, await harness.state(run)


OVER = (s.Finished, s.NeedsHuman, s.RunBroken, s.Answered)


@pytest.mark.in_memory
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "for_good"])
@pytest.mark.parametrize("presentation", ["off", "present"])
async def test_an_error_at_any_await_ends_in_words_and_is_tried_once_more(
    caplog: pytest.LogCaptureFixture, lasts: bool, presentation: str
) -> None:
    caplog.set_level(logging.ERROR)
    whole = FaultInjector(at=0 if not lasts else 1_000, lasts=lasts)
    harness, model = a_service(whole, final_presentation=presentation)
    _, state = await story(harness)
    assert isinstance(state, s.Finished)
    usual = model.sent
    assert whole.passed > (10 if lasts else 20)
    for at in range(1, whole.passed + 1):
        async with asyncio.timeout(30):
            harness, model = a_service(FaultInjector(at=at, lasts=lasts), final_presentation=presentation)
            run, state = await story(harness)
        assert isinstance(state, OVER), (at, state)
        assert model.sent <= 2 * usual, (at, model.sent)
        assert len(harness.world.done) <= 1
        assert not harness.log.jobs
        if lasts:
            told = " ".join(str(each.event) for each in await harness.log.read(run))
            assert "in the log under" in told or isinstance(state, s.Finished), at


async def test_a_turn_that_fails_twice_ends_alone_and_is_found_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    injector = FaultInjector(at=1, lasts=True)
    bad, good = Patient(answers("one")), Patient(answers("two", POST))
    harness = ServiceHarness(bad, good)
    forgiving(harness)
    harness.prepared.given = [FaultyProxy(bad, injector), good]  # type: ignore[list-item]  # a stand-in by shape
    run = await harness.ask()
    await harness.work()
    events = [each.event for each in await harness.log.read(run)]
    (failed,) = [each for each in events if isinstance(each, e.AgentFailed)]
    assert failed.agent == 1
    assert failed.reason.startswith(
        "an error in this program ended its turn: the operator can find it in the log under "
    )
    assert failed.reason.rpartition(" ")[2] in caplog.text
    assert "Mistake: at await 2" in caplog.text
    assert [each.agent for each in events if isinstance(each, e.ModelRetried)] == [1]


async def test_a_call_that_ends_in_an_error_of_ours_is_in_doubt_and_never_sent_again() -> None:
    harness = ServiceHarness(Patient(answers("one", POST, POST)))
    forgiving(harness)

    def fails(_: object) -> object:
        raise Mistake

    harness.world.behaviours = [fails]  # type: ignore[list-item]  # a stand-in by shape
    _, state = await story(harness)
    assert isinstance(state, s.NeedsHuman)
    assert state.unknown.reason.startswith("an error in this program ended the call")
    assert len(harness.world.keys) == 1


async def test_a_log_that_fails_for_a_while_leaves_the_last_word_for_later() -> None:
    """The engine performs the job again; then no more is tried than the last word."""
    harness, model = a_service(FaultInjector(at=1, lasts=True))
    run = await harness.ask()
    real, appended = harness.log.append, 0

    async def append(*given: object) -> object:
        nonlocal appended
        appended += 1
        if appended > 2:
            raise Mistake
        return await real(*given)  # type: ignore[arg-type]  # a stand-in by shape

    harness.log.append = append  # type: ignore[method-assign,assignment]  # a stand-in by shape
    job = harness.log.jobs.pop(0)
    with pytest.raises(Mistake):
        await harness.worker.perform(job)
    setattr(harness.log, "append", real)  # noqa: B010 - the two type checkers see the plain form differently
    before = model.sent
    await harness.worker.perform(job)
    assert isinstance(await harness.state(run), s.RunBroken)
    assert model.sent == before
