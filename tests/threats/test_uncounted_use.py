"""Threat: a model, its provider, or one member uses up what everybody pays for or needs, past every limit."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.chat.store import Limits
from coordination.domain.canonical_json import JsonObject
from coordination.domain.events import ModelUsed
from coordination.domain.states import RunBroken
from coordination.errors import ModelError, ModelFault
from coordination.llm.metered_model import MeteredModel
from coordination.llm.rate_limiter import RateLimiter, Throttle
from coordination.ports import Reply, ToolOutput, ToolResult, TurnContext, Usage, UserMessage
from coordination.run_options import RunOptions
from coordination.text import Text
from coordination.toolbox import AT_ONCE, MAX_CALLS
from tests.builders import BOB, REQUESTER
from tests.fakes import FakeClock, PlayedConversation, PlayedModel, Step, answers, calls, raises, reply
from tests.service.chat_service_harness import GENERAL, ChatServiceHarness, texts
from tests.service.service_harness import ServiceHarness

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
LOOK = ("mcp__board__look", {"title": "x"})


def silent(step: Step) -> Step:
    """A reply of a provider that says nothing of tokens."""
    return lambda conversation: replace(step(conversation), usage=Usage())


async def a_cent_a_token(usage: Usage) -> float | None:
    return (usage.input_tokens + usage.output_tokens) / 100 or None


def metered(*steps: Step) -> PlayedModel:
    """A played model as a vendor's is wired: behind its rate limiter, with its price."""
    played = PlayedModel(*steps)
    around = MeteredModel(played, limiter=RateLimiter(FakeClock()), throttle=Throttle(), price=a_cent_a_token)
    around.steps = played.steps  # type: ignore[attr-defined]  # what the test looks at afterwards
    return around  # type: ignore[return-value]  # it is one to all who use it


async def used(harness: ServiceHarness, run: str) -> list[ModelUsed]:
    return [each.event for each in harness.log.events[run] if isinstance(each.event, ModelUsed)]


async def test_a_provider_that_says_nothing_of_tokens_does_not_make_the_limit_meaningless() -> None:
    steps = [silent(calls(LOOK)) for _ in range(20)]
    harness = ServiceHarness(metered(*steps), options=RunOptions(budget_tokens=10))
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, RunBroken)
    assert "The run has used all of its 10 tokens" in state.reason
    (first,) = await used(harness, run)
    assert first.is_estimated
    assert first.input_tokens > 10
    assert first.cost == pytest.approx((first.input_tokens + first.output_tokens) / 100)


async def test_what_a_provider_says_is_taken_as_it_is() -> None:
    harness = ServiceHarness(metered(answers("done")))
    run = await harness.ask()
    await harness.work()
    (only,) = await used(harness, run)
    assert (only.input_tokens, only.output_tokens, only.is_estimated) == (10, 1, False)


async def test_an_estimate_grows_with_the_whole_conversation() -> None:
    model = MeteredModel(
        PlayedModel(silent(calls(LOOK)), silent(answers("done"))),
        limiter=RateLimiter(FakeClock()),
        throttle=Throttle(),
        price=a_cent_a_token,
    )
    conversation = model.converse("s" * 400, TURN_CONTEXT)
    first = await conversation.send([UserMessage(text="t" * 400)], ())
    second = await conversation.send([ToolResult(call_id="call-0", text="r" * 4_000)], ())
    assert first.usage.input_tokens == 200
    assert 1_200 <= second.usage.input_tokens <= 1_220


@pytest.mark.parametrize("fault", [ModelFault.CUT_OFF, ModelFault.TIMED_OUT])
async def test_attempts_that_broke_off_are_counted_and_not_repeated_past_the_limit(fault: ModelFault) -> None:
    broke_off = raises(ModelError(fault, Text("It broke off."), is_retryable=True))
    harness = ServiceHarness(
        metered(broke_off, broke_off, broke_off, answers("never")), options=RunOptions(budget_tokens=10)
    )
    run = await harness.ask()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, RunBroken)
    assert "The run has used all of its 10 tokens" in state.reason
    assert [each.is_estimated for each in await used(harness, run)] == [True]


async def test_a_request_that_was_turned_away_costs_nothing() -> None:
    busy = raises(ModelError(ModelFault.OVERLOADED, Text("It is busy."), is_retryable=True))
    harness = ServiceHarness(metered(busy, answers("done")))
    run = await harness.ask()
    await harness.work()
    assert len(await used(harness, run)) == 1


@dataclass
class CrowdedReader:
    """Counts how many reads are under way at once."""

    now: int = 0
    most: int = 0
    done: list[JsonObject] = field(default_factory=list[JsonObject])

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        self.done.append(arguments)
        return ToolOutput(text="so")


async def test_of_two_thousand_calls_in_one_reply_fifty_run_and_eight_at_a_time() -> None:
    heard: list[ToolResult] = []

    def listen(conversation: PlayedConversation) -> Reply:
        heard.extend(each for each in conversation.said if isinstance(each, ToolResult))
        return reply(("new_answer", {"content": "done"}))

    flood = calls(*(("mcp__board__look", {"title": f"{number}"}) for number in range(2_000)))
    harness = ServiceHarness(PlayedModel(flood, listen))
    reader = CrowdedReader()
    harness.hub.reader = lambda servers, allowed, caller=None: reader
    run = await harness.ask()
    await harness.work()
    assert (await harness.state(run)).kind == "answered"
    assert len(reader.done) == MAX_CALLS == 50
    assert 1 < reader.most <= AT_ONCE == 8
    assert len(heard) == 2_000, "every call gets an answer"
    assert "yours made 2,000: only the first 50 were looked at" in heard[50].text
    assert heard[50].is_error


async def test_one_member_does_not_use_up_what_all_may_have_under_way(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path, limits=Limits(at_once=4, waiting=100, hourly=100))
    for _ in range(2):
        assert (await harness.start_run(REQUESTER, GENERAL, "Go.")).run
    refused = texts(await harness.start_run(REQUESTER, GENERAL, "Go."))
    assert refused.strip() == (
        "You have 2 runs in progress, which is the limit per person. Try again when one has ended."
    )
    assert (await harness.start_run(BOB, GENERAL, "Go.")).run


def test_the_share_of_one_person_is_half_and_never_nothing() -> None:
    shares = [Limits(at_once=most, waiting=1, hourly=1).share for most in (1, 2, 3, 10)]
    assert shares == [1, 1, 2, 5]
    assert Limits(at_once=10, waiting=1, hourly=1, each=9).share == 9
