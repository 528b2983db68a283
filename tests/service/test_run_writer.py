"""A worker's pen on a log that others write to as well: nothing told is lost, and whoever is told to stop stops.

The log here waits before and after everything it does, so that the search puts other people's events, and
cancellations, at each point where the writer waits.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import override

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Refusal, RunAction
from coordination.domain.states import RunState
from coordination.domain.transitions import Recorded, evolve, replay
from coordination.errors import DatabaseAwayError, LogLostError, RefusedError
from coordination.execution import _advance  # one step, for what comes between two of them
from coordination.ports import Job, ToolOutput
from coordination.run_writer import RunMoved, RunTurns, RunWriter
from coordination.text import Text
from tests.builders import ALICE, MALLORY, REQUESTER, START, a_request
from tests.fakes import FakeClock, MemoryLog, PlayedModel, answers, says, votes, well
from tests.service.service_harness import ServiceHarness

RUN = "RUN1"
MOVES = ("tell", "answer", "commit", "refresh", "step", "step", "step", "stop", "refused", "cancelled")
REFUSED = e.ActionRefused(by=MALLORY, act=RunAction.CANCEL, refusal=Refusal.NOT_YOURS)
CANCELLED = e.RunCancelled(by=REQUESTER, reason="")


class SteppedLog(MemoryLog):
    """Does nothing, and lets nobody hear of what it did, before the test opens the next gate."""

    def __init__(self) -> None:
        super().__init__()
        self._gates: list[asyncio.Future[None]] = []
        self._is_open = False
        for event in (a_request(), e.DeliberationStarted(revision=1)):
            self.write(event)

    @override
    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[e.RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        await self._gate()
        try:
            return await super().append(run, expected, events, at, state, job)
        finally:
            await self._gate()

    @override
    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        await self._gate()
        found = await super().read(run, after)
        await self._gate()
        return found

    async def step(self) -> bool:
        """Open the oldest gate, and let everybody go as far as they can. Returns whether there was one."""
        found = [gate for gate in self._gates if not gate.done()]
        self._gates = found[1:]
        if found:
            found[0].set_result(None)
        for _ in range(12):
            await asyncio.sleep(0)
        return bool(found)

    def write(self, event: e.RunEvent) -> None:
        """Somebody else's event."""
        log = self.events.setdefault(RUN, [])
        log.append(Recorded(run=RUN, seq=len(log) + 1, at=START, event=event))

    def open(self) -> None:
        """Wait nowhere any more, so that a test that failed comes to its end."""
        self._is_open = True
        for gate in self._gates:
            if not gate.done():
                gate.set_result(None)

    async def _gate(self) -> None:
        if self._is_open:
            return
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        await gate


class Writer:
    """One journal, what it was told, and what people did beside it."""

    def __init__(self) -> None:
        self.log = SteppedLog()
        self.writer = RunWriter(self.log, FakeClock(), RUN, self.log.events[RUN])
        self.ballot = Ballot(size=2)
        self.told: list[e.RunEvent] = []
        self.is_cancelled = False
        self.keeping = asyncio.ensure_future(self.writer.keep_up())
        self.others: list[asyncio.Future[RunState]] = []

    async def make(self, move: str) -> None:
        match move:
            case "tell":
                self.record(e.AgentTold(agent=1, epoch=len(self.told)))
            case "answer":
                self.answer()
            case "commit":
                self.others.append(asyncio.ensure_future(self.writer.commit(e.AgentTold(agent=2, epoch=0))))
            case "refresh":
                self.others.append(asyncio.ensure_future(self.writer.refresh()))
            case "step":
                await self.log.step()
            case "stop":
                await self.stop()
            case "refused":
                self.log.write(REFUSED)
            case "cancelled" if not self.is_cancelled:
                self.is_cancelled = True
                self.log.write(CANCELLED)
            case _:
                pass

    def answer(self) -> None:
        answer = self.ballot.next_answer(1, "so", ())
        event = e.AnswerAccepted(agent=1, number=answer.number, epoch=answer.epoch, text="so", calls=())
        self.ballot = self.ballot.accept(answer)
        self.record(event)

    def record(self, event: e.RunEvent) -> None:
        try:
            self.writer.record(event)
        except RunMoved:
            assert self.is_cancelled, "nobody moved the run, and yet it is said to have moved"
        else:
            self.told.append(event)

    async def stop(self) -> None:
        """Stop whoever is writing now, wherever they are; then somebody else goes on with the same pen."""
        await asyncio.sleep(0)
        for task in (self.keeping, *self.others):
            task.cancel()
        await self.until_done()
        self.keeping = asyncio.ensure_future(self.writer.keep_up())

    async def until_done(self) -> None:
        """Everybody who was stopped must end after the few waits that the write under way has left."""
        for _ in range(8 * (2 + len(self.others))):
            await self.log.step()
        for task in (self.keeping, *self.others):
            assert task.done(), "a cancellation was dropped: the writer goes on for ever"
            error = None if task.cancelled() else task.exception()
            assert error is None or (isinstance(error, RunMoved) and self.is_cancelled), repr(error)
        self.others.clear()

    async def end(self) -> None:
        """Stop, bring the rest to disk, and compare what was told with what is there."""
        await self.stop()
        last = asyncio.ensure_future(self.writer.commit())
        for _ in range(12):
            await self.log.step()
        self.keeping.cancel()
        await asyncio.wait({last, self.keeping})
        if last.exception() is not None:
            assert isinstance(last.exception(), RunMoved)
        written = [each.event for each in self.log.events[RUN]]
        mine = [event for event in written[2:] if event not in (REFUSED, CANCELLED, e.AgentTold(agent=2, epoch=0))]
        assert mine == self.told[: len(mine)], "something is missing, doubled or out of order"
        assert self.is_cancelled or len(mine) == len(self.told), "something told was lost"
        if not self.is_cancelled:
            assert self.writer.state == replay(self.log.events[RUN])
        replay(self.log.events[RUN])


@given(moves=st.lists(st.sampled_from(MOVES), max_size=40))
@example(moves=["tell", "step", "refused", "step", "stop"])
@example(moves=["tell", "commit", "step", "cancelled", "step", "step", "step", "step"])
@example(moves=["answer", "refused", "step", "step", "answer", "step", "answer"])
def test_no_order_of_waits_refusals_and_cancellations_loses_an_event_or_a_stop(moves: list[str]) -> None:
    """A path taken only after a lost race is tried as often as every other."""

    async def play() -> None:
        writer = Writer()
        try:
            for move in moves:
                await writer.make(move)
            await writer.end()
        finally:
            writer.log.open()

    asyncio.run(play())


@pytest.mark.parametrize("pause", range(0, 60, 3))
async def test_a_refused_press_while_the_last_agents_fail_leaves_no_run_planning_for_ever(pause: int) -> None:
    """Mallory presses Cancel, and presses again, at whatever moment; the run still ends."""
    silent = [says("hm")] * 20
    harness = ServiceHarness(PlayedModel(*silent), PlayedModel(*silent))
    run = await harness.ask()
    working = asyncio.ensure_future(harness.work())
    for _ in range(40):
        for _ in range(1 + pause):
            await asyncio.sleep(0)
        if not working.done():
            with pytest.raises(RefusedError):
                await harness.people.cancel(run, MALLORY)
    done, _ = await asyncio.wait({working}, timeout=5)
    assert done, "the run says that it is planning, and nobody plans"
    await working
    assert isinstance(await harness.state(run), s.RunBroken)


async def test_what_others_made_impossible_is_told_to_everybody_who_writes() -> None:
    """Of two writers with one pen, the second must hear of it as the first does."""
    log = MemoryLog()
    state: RunState | None = None
    for seq, event in enumerate((a_request(), e.DeliberationStarted(revision=1))):
        state = evolve(state, event, START)
        await log.append(RUN, seq, [event], START, state)
    writer = await RunWriter.open(log, FakeClock(), RUN)
    await log.append(RUN, 2, [CANCELLED], START, evolve(state, CANCELLED, START))
    assert isinstance(await writer.refresh(), s.Cancelled)
    for _ in range(2):
        with pytest.raises(RunMoved):
            writer.record(e.AgentTold(agent=1, epoch=0))
        with pytest.raises(RunMoved):
            await writer.commit(e.AgentTold(agent=1, epoch=0))


class AwayLog(MemoryLog):
    """A database that goes away at some appends, before they are written or before their answer arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.outages: list[str] = []

    @override
    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[e.RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        when = self.outages.pop(0) if self.outages else ""
        if when == "before":
            raise DatabaseAwayError(Text("away"))
        written = await super().append(run, expected, events, at, state, job)
        if when == "after":
            raise DatabaseAwayError(Text("away"))
        return written


@pytest.mark.parametrize("outages", [["before"] * 30, ["after"], ["before", "after", "before"]], ids=str)
async def test_what_is_told_while_the_database_is_away_is_written_once_when_it_is_back(outages: list[str]) -> None:
    """Also if it was written already, and only the answer got lost."""
    log = AwayLog()
    state: RunState | None = None
    for seq, event in enumerate((a_request(), e.DeliberationStarted(revision=1))):
        state = evolve(state, event, START)
        await log.append(RUN, seq, [event], START, state)
    writer = await RunWriter.open(log, FakeClock(), RUN)
    log.outages = list(outages)
    writer.record(e.AgentTold(agent=1, epoch=0))
    await writer.commit(e.AgentTold(agent=2, epoch=0))
    await writer.commit(e.AgentTold(agent=3, epoch=0))
    assert log.outages == []
    agents = [each.event.agent for each in log.events[RUN] if isinstance(each.event, e.AgentTold)]
    assert agents == [1, 2, 3]


@pytest.mark.parametrize("left", [1, 2])
async def test_nothing_goes_on_from_a_log_that_has_lost_what_was_written_to_it(left: int) -> None:
    """As after a failover to a standby that had not got the newest commits."""
    log = MemoryLog()
    harness = ServiceHarness(
        PlayedModel(answers("one", ("mcp__board__post", {"title": "a"})), votes(1), says("Posted.")), log=log
    )
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)

    def happens(call: PlannedCall) -> ToolOutput:
        del log.events[run][-left:]
        return well(call)

    harness.world.behaviours = [happens]
    async with asyncio.timeout(10):
        with pytest.raises(LogLostError, match="cancel it if one of its calls has run"):
            await harness.work()
    assert len(harness.world.done) == 1
    assert log.is_stopped, "every other process, and this one once it is restarted"


@pytest.mark.parametrize("first", ["before", "after"])
@pytest.mark.parametrize("second", ["before", "after"])
async def test_the_receipt_of_a_call_is_held_until_the_database_is_back(first: str, second: str) -> None:
    """The worker that holds it lives: nobody need be asked what became of the call."""
    log = AwayLog()
    harness = ServiceHarness(
        PlayedModel(answers("one", ("mcp__board__post", {"title": "a"})), votes(1), says("Posted.")), log=log
    )
    run, state = await harness.planned()
    log.outages = [first]
    await harness.people.approve(run, state.plan.digest, ALICE)
    log.outages = [first, *[second] * 2]
    await harness.work()
    assert len(harness.world.done) == 1
    assert isinstance(await harness.state(run), s.Finished)
    assert log.kinds(run).count("call_started") == log.kinds(run).count("call_succeeded") == 1


@pytest.mark.in_memory
async def test_a_result_that_comes_late_is_no_receipt_of_the_call_that_people_let_run_again() -> None:
    """The first attempt's answer arrives while the second is under way."""
    harness = ServiceHarness(
        PlayedModel(answers("one", ("mcp__board__post", {"title": "a"})), votes(1), says("Posted."))
    )
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)

    call = state.plan.calls[0]

    def first_is_slow(_: object) -> ToolOutput:
        now = replay(harness.log.events[run])
        assert isinstance(now, s.Executing)
        for event in (
            e.CallOutcomeUnknown(
                index=0, server=call.server, tool=call.tool, arguments=call.arguments, reason="frozen?"
            ),
            e.CallResolved(index=0, by=ALICE, verdict="run_it", valid_until=now.valid_until),
            e.CallStarted(
                index=0,
                server=call.server,
                tool=call.tool,
                arguments=call.arguments,
                digest=state.plan.digest,
                hand="SECOND",
            ),
        ):
            log = harness.log.events[run]
            log.append(Recorded(run=run, seq=len(log) + 1, at=START, event=event))
        return ToolOutput(text="first")

    harness.world.behaviours = [first_is_slow]
    writer = await RunWriter.open(harness.log, harness.clock, run)
    await _advance(writer, _executing(writer), harness.world, harness.clock, "FIRST")
    assert harness.log.kinds(run)[-1] == "late_result"
    assert _executing(writer).in_flight == "SECOND"


def _executing(writer: RunWriter) -> s.Executing:
    assert isinstance(writer.state, s.Executing)
    return writer.state


async def test_a_word_that_waits_too_long_for_its_turn_goes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds the turn may wait for a database: the others find out for themselves, and not one after the other."""
    monkeypatch.setattr("coordination.run_writer._TURN", 0.01)
    turns = RunTurns()
    async with asyncio.timeout(60), turns.of(RUN):
        async with turns.of(RUN):
            pass
        async with turns.of("another run"):
            pass
    async with asyncio.timeout(60), turns.of(RUN):
        pass
