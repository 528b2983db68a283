"""Agents that ask the requester while they plan: bounded, told to everybody, answered by one person, and asked once."""

import asyncio
from datetime import timedelta

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.policy import Refusal
from coordination.domain.transitions import evolve
from coordination.errors import RefusedError
from coordination.ports import Reply, ToolResult
from coordination.run_options import RunOptions
from tests.builders import BOB, REQUESTER
from tests.fakes import Crash, PlayedConversation, PlayedModel, Step, answers, calls
from tests.service.service_harness import ServiceHarness

ASK = ("ask_people", {"question": "Which channel?"})
POST = ("mcp__board__post", {"title": "a"})
ASKING = RunOptions(questions_per_agent=1, question_timeout_seconds=300)


def told_first(*made: Step) -> tuple[list[str], list[Step]]:
    """The steps, and what the model is told as results before the last of them."""
    heard: list[str] = []

    def last(conversation: PlayedConversation) -> Reply:
        heard.extend(each.text for each in conversation.said if isinstance(each, ToolResult))
        return made[-1](conversation)

    return heard, [*made[:-1], last]


async def asked(harness: ServiceHarness, run: str) -> None:
    """Wait until a question waits."""
    async with asyncio.timeout(60):
        async for recorded in harness.log.follow(run, 0):
            if isinstance(recorded.event, e.QuestionAsked):
                return


async def test_an_agent_asks_and_goes_on_with_the_answer() -> None:
    heard, steps = told_first(calls(ASK), answers("one", POST))
    harness = ServiceHarness(PlayedModel(*steps), options=ASKING)
    run = await harness.ask()
    async with asyncio.TaskGroup() as group:
        group.create_task(harness.work())
        await asked(harness, run)
        with pytest.raises(RefusedError) as refused:
            await harness.people.answer(run, 1, BOB, "The first.")
        await harness.people.answer(run, 1, REQUESTER, " The second. ")
    state = await harness.state(run)
    assert refused.value.refusal == Refusal.NOT_ASKED
    assert isinstance(state, s.AwaitingDecision)
    assert [(each.agent, each.text, each.answer) for each in state.questions] == [(1, "Which channel?", "The second.")]
    assert "The second." in heard[0]
    assert "action_refused" in harness.log.kinds(run)
    with pytest.raises(RefusedError) as late:
        await harness.people.answer(run, 1, REQUESTER, "No, the first.")
    assert late.value.refusal == Refusal.NOTHING_TO_ANSWER


async def test_without_an_answer_in_time_the_agent_is_told_so_and_goes_on() -> None:
    heard, steps = told_first(calls(ASK), answers("one", POST))
    harness = ServiceHarness(
        PlayedModel(*steps), options=RunOptions(questions_per_agent=1, question_timeout_seconds=0.05)
    )
    run, state = await harness.planned()
    assert [each.is_over for each in state.questions] == [True]
    assert heard[0].startswith("Nobody answered in time.")
    assert harness.log.kinds(run).count("question_expired") == 1


async def test_whoever_asks_too_often_or_badly_is_told_so_and_nobody_else_is_bothered() -> None:
    long = ("ask_people", {"question": "x" * 2_000})
    heard, steps = told_first(calls(ASK), calls(("ask_people", {"question": "And when?"}), long), answers("one", POST))
    harness = ServiceHarness(
        PlayedModel(*steps), options=RunOptions(questions_per_agent=1, question_timeout_seconds=0.05)
    )
    run, _ = await harness.planned()
    assert heard[1].startswith("You have asked 1 times, and may not ask again.")
    assert heard[2].startswith("ask_people takes exactly one argument")
    assert harness.log.kinds(run).count("question_asked") == 1


async def test_where_the_configuration_does_not_say_so_nobody_can_ask() -> None:
    heard, steps = told_first(calls(ASK), answers("one", POST))
    model = PlayedModel(*steps)
    harness = ServiceHarness(model)
    run, _ = await harness.planned()
    assert "There is no tool 'ask_people'" in heard[0]
    assert "ask_people" not in model.conversations[0].offered
    assert "question_asked" not in harness.log.kinds(run)


async def test_the_time_that_people_take_counts_for_no_other_limit() -> None:
    options = RunOptions(questions_per_agent=1, question_timeout_seconds=1.5, orchestrator_timeout_seconds=1.0)
    _, steps = told_first(calls(ASK), answers("one", POST))
    harness = ServiceHarness(PlayedModel(*steps), options=options)
    await harness.planned()


async def test_after_a_crash_the_same_question_is_not_asked_again_and_its_answer_counts() -> None:
    def dies(_: PlayedConversation) -> Reply:
        raise Crash

    heard, steps = told_first(calls(ASK), dies, calls(ASK), answers("one", POST))
    model = PlayedModel(*steps)
    harness = ServiceHarness(model, options=ASKING)
    run = await harness.ask()
    job = harness.log.jobs[0]

    async def works_until_it_dies() -> None:
        with pytest.raises(Crash):
            await harness.work()

    async with asyncio.TaskGroup() as group:
        group.create_task(works_until_it_dies())
        await asked(harness, run)
        await harness.people.answer(run, 1, REQUESTER, "The second.")
    await harness.worker.perform(job)
    assert isinstance(await harness.state(run), s.AwaitingDecision)
    assert harness.log.kinds(run).count("question_asked") == 1
    assert "The second." in heard[-1]
    assert "The second." in model.conversations[-1].told


async def test_an_answer_that_comes_as_its_time_ends_counts() -> None:
    """Whoever writes first: an end after an answer means nothing, and no answer is taken after an end."""
    harness = ServiceHarness(PlayedModel(), options=ASKING)
    run = await harness.ask()
    state: s.RunState = await harness.state(run)
    assert isinstance(state, s.Queued)
    now = harness.clock.now()
    asked = e.QuestionAsked(agent=1, number=1, text="?", until=now + timedelta(seconds=9))
    answered = e.QuestionAnswered(number=1, by=REQUESTER, text="yes")
    events = [e.DeliberationStarted(revision=1), asked, answered, e.QuestionExpired(number=1)]
    for seq, event in enumerate(events, 1):
        state = evolve(state, event, now)
        await harness.log.append(run, seq, [event], now, state)
    after = await harness.state(run)
    assert isinstance(after, s.Deliberating)
    assert after.questions[0].answer == "yes"
