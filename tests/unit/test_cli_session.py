"""Somebody at a terminal, and the log: whoever decides, the terminal shows what the log says."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from typing_extensions import override

from bot.cards.run_view import RunView
from bot.terminal.cli_context import PresetDecision
from bot.terminal.prompts import Question
from bot.terminal.screen import Happened, Inbox, Interrupted, Mode, SessionEvent, Ticked, Typed
from bot.terminal.session import InteractiveSession
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Person, Policy
from coordination.domain.transitions import Recorded
from coordination.ports import CallOutcomeUnknownError, ServerSpec, ToolOutput
from coordination.run_options import RunOptions
from coordination.text import Text
from tests.builders import ALICE, BOB, REQUESTER
from tests.fakes import PlayedModel, answers, calls
from tests.service.service_harness import ServiceHarness

PLAN = answers("Post it.", ("mcp__board__post", {"title": "hello"}))


class Glass:
    """A screen that remembers, and lets a test wait for what it shows."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.seen: list[RunView] = []
        self._news = asyncio.Event()

    def tell(self, recorded: Recorded, view: RunView) -> None:
        self._add(f"told {recorded.event.kind}")

    def watch(self, view: RunView | None) -> None:
        return

    def settle(self, view: RunView) -> None:
        self.seen.append(view)
        self._add(f"card {view.state.kind}")

    def explain(self, view: RunView, log: Sequence[Recorded]) -> None:
        self._add("explained")

    def say(self, text: str) -> None:
        self._add(f"said {text}")

    def ask(self, question: Question) -> None:
        self._add(f"asked {question.text}")

    def answered(self, word: str) -> None:
        self._add(f"answered {word}")

    def _add(self, text: str) -> None:
        self.shown.append(text)
        self._news.set()

    async def until(self, text: str, times: int = 1) -> None:
        while sum(each.startswith(text) for each in self.shown) < times:
            self._news.clear()
            await self._news.wait()


class Keys:
    """A keyboard without a terminal: only the mode that was asked for."""

    def __init__(self) -> None:
        self.mode: Mode = "quiet"

    def listen(self, mode: Mode) -> None:
        self.mode = mode


class Crowded(asyncio.Queue[SessionEvent]):
    """An inbox in which the clock ticks right behind every event."""

    @override
    def put_nowait(self, item: SessionEvent) -> None:
        super().put_nowait(item)
        if isinstance(item, Happened):
            super().put_nowait(Ticked())


class Visit:
    """One person attends one run of an harness."""

    def __init__(
        self,
        harness: ServiceHarness,
        by: Person,
        *,
        preset: PresetDecision | None = None,
        is_person: bool = True,
        inbox: Inbox | None = None,
    ) -> None:
        self.harness = harness
        self.glass = Glass()
        self.keys = Keys()
        self.inbox: Inbox = asyncio.Queue() if inbox is None else inbox
        self.events: list[Recorded] = []
        self.diagnostics: list[str] = []
        self.session = InteractiveSession(
            harness.people,
            harness.log,
            clock=harness.clock,
            person=by,
            screen=self.glass,
            inbox=self.inbox,
            keyboard=self.keys if is_person else None,
            preset=preset,
            emit=self.events.append,
            add_error=self.diagnostics.append,
        )

    def send(self, message: SessionEvent | str) -> None:
        self.inbox.put_nowait(Typed(message) if isinstance(message, str) else message)


@asynccontextmanager
async def visiting(visit: Visit, run: str) -> AsyncGenerator["asyncio.Task[RunView]"]:
    """The visit goes on in the background, and must have ended when the test's own part has."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        yield group.create_task(visit.session.run(run))


def harness(policy: Policy | None = None) -> ServiceHarness:
    return ServiceHarness(
        PlayedModel(PLAN, answers("Post it, shorter.", ("mcp__board__post", {"title": "hi"}))), policy=policy
    )


async def waiting(policy: Policy | None = None) -> tuple[ServiceHarness, str]:
    place = harness(policy)
    run, _ = await place.planned()
    return place, run


async def test_a_yes_is_said_of_the_plan_on_the_screen() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run) as visited:
        await visit.glass.until("asked Approve 1 call?")
        assert visit.keys.mode == "key"
        visit.send("a")
        await visit.glass.until("told approval_given")
        await place.work()
    assert isinstance(visited.result().state, s.Finished)
    assert len(place.world.done) == 1
    assert visit.keys.mode == "quiet"


async def test_when_somebody_else_decides_the_question_goes_away_and_the_outcome_is_shown() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run) as visited:
        await visit.glass.until("asked Approve 1 call?")
        state = await place.people.state(run)
        assert isinstance(state, s.AwaitingDecision)
        await place.people.reject(run, state.plan.digest, BOB, "not now")
    assert visited.result().state.kind == "rejected"
    assert visit.glass.shown[-3:] == ["answered ", "told plan_rejected", "card rejected"]


async def test_the_outcome_is_shown_also_if_the_clock_ticks_at_that_moment() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE, inbox=Crowded())
    async with visiting(visit, run):
        await visit.glass.until("asked Approve 1 call?")
        state = await place.people.state(run)
        assert isinstance(state, s.AwaitingDecision)
        await place.people.reject(run, state.plan.digest, BOB, "not now")
    assert visit.glass.shown[-1] == "card rejected"


async def test_a_refusal_is_told_and_the_question_asked_again() -> None:
    place, run = await waiting()
    visit = Visit(place, REQUESTER)
    async with visiting(visit, run):
        await visit.glass.until("asked Approve 1 call?")
        visit.send("a")
        await visit.glass.until("asked Approve 1 call?", times=2)
        visit.send(Interrupted(is_final=True))
    assert visit.diagnostics == ["Only ops can decide on this plan."]
    assert place.world.done == []


async def test_keys_that_mean_nothing_do_nothing() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run):
        await visit.glass.until("asked")
        for typed in ("x", "", "\x1b[A", "approve this"):
            visit.send(typed)
        visit.send(Interrupted(is_final=True))
    assert [each for each in visit.glass.shown if each.startswith("asked")] == ["asked Approve 1 call?"]
    assert (await place.people.state(run)).kind == "awaiting_decision"


async def test_a_call_that_can_be_run_again_by_now_is_asked_about_anew() -> None:
    """Nobody has to leave the terminal and come back for that."""

    def cut(call: PlannedCall) -> ToolOutput:
        raise CallOutcomeUnknownError(Text("closed the connection"), may_go_on=True)

    place = harness()
    place.prepared.profile = replace(
        place.prepared.profile,
        servers=(ServerSpec(name="board", transport="stdio", identity="board", call_timeout=20),),
    )
    place.world.behaviours = [cut]
    run, state = await place.planned()
    await place.people.approve(run, state.plan.digest, ALICE)
    await place.work()
    visit = Visit(place, ALICE)
    async with visiting(visit, run) as visited:
        await visit.glass.until("asked What happened to it?")
        visit.send("r")
        visit.send(Ticked())
        place.clock.tick(seconds=60)
        await visit.glass.until("asked What happened to it?", times=2)
        visit.send("r")
        await visit.glass.until("told call_resolved")
        await place.work()
    assert isinstance(visited.result().state, s.Finished)
    assert len(place.world.done) == 1


async def test_a_rejection_takes_a_reason() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run) as visited:
        await visit.glass.until("asked Approve")
        visit.send("r")
        await visit.glass.until("asked Reason")
        assert visit.keys.mode == "line"
        visit.send("too loud")
    state = visited.result().state
    assert isinstance(state, s.Rejected)
    assert state.reason == "too loud"


async def test_wanted_changes_lead_to_another_plan_and_its_own_question() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run):
        await visit.glass.until("asked Approve")
        visit.send("c")
        await visit.glass.until("asked What should be different?")
        visit.send("shorter")
        await visit.glass.until("told changes_requested")
        await place.work()
        await visit.glass.until("asked Approve", times=2)
        visit.send(Interrupted(is_final=True))
    digests = [view.state.plan.digest for view in visit.glass.seen if isinstance(view.state, s.AwaitingDecision)]
    assert len(set(digests)) == 2


async def test_details_are_shown_and_the_question_asked_again() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run):
        await visit.glass.until("asked")
        visit.send("d")
        await visit.glass.until("asked", times=2)
        visit.send(Interrupted(is_final=True))
    assert "explained" in visit.glass.shown


async def test_ctrl_c_asks_and_yes_cancels() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run) as visited:
        await visit.glass.until("asked Approve")
        visit.send(Interrupted())
        await visit.glass.until("asked Cancel the run?")
        visit.send("y")
    assert visited.result().state.kind == "cancelled"


async def test_ctrl_c_may_leave_the_run_as_it_is_and_a_second_one_does() -> None:
    for reply in ("l", Interrupted()):
        place, run = await waiting()
        visit = Visit(place, ALICE)
        async with visiting(visit, run) as visited:
            await visit.glass.until("asked Approve")
            visit.send(Interrupted())
            await visit.glass.until("asked Cancel the run?")
            visit.send(reply)
        assert visited.result().state.kind == "awaiting_decision"


async def test_ctrl_c_inside_another_question_only_takes_that_one_back() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run):
        await visit.glass.until("asked Approve")
        visit.send("r")
        await visit.glass.until("asked Reason")
        visit.send(Interrupted())
        await visit.glass.until("asked Approve", times=2)
        visit.send(Interrupted(is_final=True))
    assert (await place.people.state(run)).kind == "awaiting_decision"


async def test_a_plan_whose_time_has_passed_expires_before_the_eyes_of_who_waits() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE)
    async with visiting(visit, run) as visited:
        await visit.glass.until("asked Approve")
        place.clock.tick(days=2)
    assert visited.result().state.kind == "expired"
    assert visit.glass.shown[-1] == "card expired"


async def test_without_a_keyboard_a_plan_is_left_waiting() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE, is_person=False)
    async with visiting(visit, run) as visited:
        pass
    assert visited.result().state.kind == "awaiting_decision"
    assert [each for each in visit.glass.shown if each.startswith("asked")] == []


async def test_an_order_is_carried_out_on_the_plan_that_comes() -> None:
    place = harness()
    run = await place.ask()
    visit = Visit(place, ALICE, preset=PresetDecision(approves=True), is_person=False)
    async with visiting(visit, run) as visited:
        await place.work()
        await visit.glass.until("told approval_given")
        await place.work()
    assert isinstance(visited.result().state, s.Finished)
    assert [each.event.kind for each in visit.events] == place.log.kinds(run)


async def test_an_order_to_reject_has_its_reason() -> None:
    place, run = await waiting()
    visit = Visit(place, ALICE, preset=PresetDecision(approves=False, reason="no"), is_person=False)
    async with visiting(visit, run) as visited:
        pass
    state = visited.result().state
    assert isinstance(state, s.Rejected)
    assert state.reason == "no"


async def test_an_order_that_is_refused_leaves_the_run_and_says_why() -> None:
    place, run = await waiting()
    visit = Visit(place, REQUESTER, preset=PresetDecision(approves=True), is_person=False)
    async with visiting(visit, run) as visited:
        pass
    assert visited.result().state.kind == "awaiting_decision"
    assert len(visit.diagnostics) == 1


async def test_an_order_of_one_person_is_not_enough_for_two() -> None:
    place, run = await waiting(Policy(roles=("ops",), required=2))
    visit = Visit(place, ALICE, preset=PresetDecision(approves=True), is_person=False)
    async with visiting(visit, run) as visited:
        pass
    state = visited.result().state
    assert isinstance(state, s.AwaitingDecision)
    assert state.approvals == (ALICE,)


async def test_an_agents_question_is_asked_at_the_terminal_and_answered_there() -> None:
    ask = calls(("ask_people", {"question": "Which channel?"}))
    place = ServiceHarness(PlayedModel(ask, PLAN), options=RunOptions(questions_per_agent=1))
    run = await place.ask()
    visit = Visit(place, REQUESTER)
    async with visiting(visit, run), asyncio.TaskGroup() as group:
        group.create_task(place.work())
        await visit.glass.until("asked An agent is waiting for your answer.")
        visit.send("a")
        await visit.glass.until("asked Your answer:")
        visit.send("The second.")
        await visit.glass.until("card awaiting_decision")
        visit.send(Interrupted(is_final=True))
    state = await place.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.questions[0].answer == "The second."


async def test_a_question_is_for_the_requester_and_nobody_elses_terminal_asks_it() -> None:
    ask = calls(("ask_people", {"question": "Which channel?"}))
    options = RunOptions(questions_per_agent=1, question_timeout_seconds=0.05)
    place = ServiceHarness(PlayedModel(ask, PLAN), options=options)
    run = await place.ask()
    visit = Visit(place, ALICE)
    async with visiting(visit, run), asyncio.TaskGroup() as group:
        group.create_task(place.work())
        await visit.glass.until("card awaiting_decision")
        visit.send(Interrupted(is_final=True))
    assert not any("waiting for your answer" in each for each in visit.glass.shown)
