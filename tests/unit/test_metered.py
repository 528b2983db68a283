"""What is put around a vendor's model: the rate limiter of its key, the price of its replies, and a second model behind it."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from coordination.errors import ModelError, ModelFault
from coordination.llm.metered_model import FallbackModel, MeteredModel
from coordination.llm.prices import context_window, listed_price
from coordination.llm.rate_limiter import RateLimiter, Throttle
from coordination.ports import Conversation, Model, Reply, ToolResult, TurnContext, Usage, UserMessage
from coordination.retry import RetryBudget, send_with_retry
from coordination.text import Text
from tests.fakes import FakeClock, PlayedConversation, PlayedModel, calls, raises, says
from tests.unit.test_rate_limiter import RunningClock

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
GO = (UserMessage(text="go"),)


def failed(fault: ModelFault, *, is_retryable: bool = True, retry_after: float | None = None) -> ModelError:
    return ModelError(fault, Text.verbatim(f"It is {fault.value}."), is_retryable=is_retryable, retry_after=retry_after)


async def a_dollar(usage: Usage) -> float:
    return float(usage.input_tokens)


def metered(model: PlayedModel, limiter: RateLimiter) -> MeteredModel:
    return MeteredModel(model, limiter=limiter, throttle=Throttle(), price=a_dollar)


async def test_a_reply_knows_its_price_and_the_conversation_inside_is_closed() -> None:
    played = PlayedModel(calls(("look", {})))
    model = metered(played, RateLimiter(FakeClock()))
    conversation = model.converse("be good", TURN_CONTEXT)
    reply = await conversation.send(GO, ())
    await conversation.close()
    assert (model.name, reply.usage.cost, reply.usage.input_tokens) == ("played", 10.0, 10)
    assert played.conversations[0].is_closed


@pytest.mark.parametrize(
    ("fault", "waits"), [(ModelFault.RATE_LIMITED, [7.0]), (ModelFault.OVERLOADED, [7.0]), (ModelFault.CUT_OFF, [])]
)
async def test_when_a_provider_asks_one_to_wait_all_of_its_key_wait(fault: ModelFault, waits: list[float]) -> None:
    clock = RunningClock()
    limiter = RateLimiter(clock)
    asked = metered(PlayedModel(raises(failed(fault, retry_after=7.0))), limiter).converse("", TURN_CONTEXT)
    other = metered(PlayedModel(says("hi")), limiter).converse("", TURN_CONTEXT)
    with pytest.raises(ModelError, match=fault.value):
        await asked.send(GO, ())
    assert (await other.send(GO, ())).text == "hi"
    assert clock.slept == waits


async def test_a_rest_that_is_too_long_to_wait_for_is_said_at_once_with_its_length() -> None:
    """Nobody would wait for an hour, silently, for a request that its caller gave up long before."""
    clock = RunningClock()
    limiter = RateLimiter(clock)
    asked = metered(PlayedModel(raises(failed(ModelFault.RATE_LIMITED, retry_after=3600.0))), limiter)
    played = PlayedModel(says("hi"))
    other = metered(played, limiter).converse("", TURN_CONTEXT)
    with pytest.raises(ModelError, match=r"^It is rate_limited\.$"):
        await asked.converse("", TURN_CONTEXT).send(GO, ())
    clock.elapsed += 600
    with pytest.raises(
        ModelError, match=r"^The provider of played accepts no requests for another 50 minutes; "
    ) as caught:
        await other.send(GO, ())
    error = caught.value
    assert (error.fault, error.is_retryable, error.retry_after) == (ModelFault.RATE_LIMITED, True, 3000.0)
    clock.elapsed += 2990
    assert (await other.send(GO, ())).text == "hi"
    assert clock.slept == [10.0]


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        ("openai", "gpt-5-mini", Usage(input_tokens=1_000, output_tokens=100), 0.00045),
        ("openai", "gpt-5-mini", Usage(input_tokens=1_000, cached_tokens=400, output_tokens=100), 0.00036),
        ("azure_openai", "gpt-5-mini", Usage(input_tokens=1_000, output_tokens=100), 0.00045),
        # Written to Anthropic's cache costs a quarter more, read from it a twentieth.
        ("claude", "claude-sonnet-5-5", Usage(input_tokens=1_000, stored_tokens=1_000), 0.0025),
        ("claude_code", "claude-sonnet-5-5", Usage(input_tokens=1_000, cached_tokens=1_000), 0.0001),
        ("gemini", "gemini-3.8-flash", Usage(input_tokens=1_000, output_tokens=1_000), 0.0045),
        ("openai", "gpt-6-sol", Usage(input_tokens=1_000_000), 4.0),
        ("openai", "gpt-6-sol", Usage(input_tokens=100_000), 0.2),
        ("openai", "no-such-model", Usage(input_tokens=1), None),
        ("ollama", "gpt-5-mini", Usage(input_tokens=1), None),
        ("openai", "gpt-5-mini", Usage(), None),
        # A server that counts wrongly makes nobody fail.
        ("openai", "gpt-5-mini", Usage(input_tokens=1_000, cached_tokens=9_000), 0.000025),
    ],
)
def test_a_request_has_its_providers_price(provider: str, model: str, usage: Usage, dollars: float | None) -> None:
    assert listed_price(provider, model, usage) == (None if dollars is None else pytest.approx(dollars))


def test_the_size_of_a_models_request_is_known_where_its_price_is() -> None:
    assert context_window("openai", "gpt-5-mini") == 400_000
    assert context_window("openai", "no-such-model") is None
    assert context_window("ollama", "gpt-5-mini") is None


# --- fallback ---------------------------------------------------------------------------------------------------------


class Second(PlayedModel):
    def __init__(self, *steps: Callable[[PlayedConversation], Reply]) -> None:
        super().__init__(*steps)
        self.name = "second"


async def asked(conversation: Conversation, clock: FakeClock | RunningClock) -> tuple[Reply, list[str]]:
    words: list[str] = []

    async def on_retry(error: ModelError, wait: float) -> None:
        words.append(f"{error} {wait:g}")

    async with asyncio.timeout(60):
        reply = await send_with_retry(
            conversation, GO, (), clock=clock, budget=RetryBudget(), on_retry=on_retry, chance=lambda: 1.0
        )
    return reply, words


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([failed(ModelFault.AUTH, is_retryable=False)], 1),
        ([failed(ModelFault.OUT_OF_BUDGET, is_retryable=False)], 1),
        ([failed(ModelFault.RATE_LIMITED, retry_after=600)], 1),
        ([failed(ModelFault.OVERLOADED)] * 4, 4),
        ([failed(ModelFault.TIMED_OUT)] * 4, 4),
    ],
)
async def test_the_second_model_goes_on_when_the_first_fails_for_good(failures: list[ModelError], tries: int) -> None:
    clock = RunningClock()
    first, second = PlayedModel(*map(raises, failures)), Second(says("here"))
    conversation = FallbackModel(first, second, clock=clock).converse("be good", TURN_CONTEXT)
    reply, words = await asked(conversation, clock)
    assert (reply.text, reply.model) == ("here", "second")
    assert len(words) == tries
    assert words[-1].endswith("Its fallback second is asked instead. 0")
    assert second.conversations[0].said == list(GO)
    assert second.conversations[0].system == "be good"
    assert first.conversations[0].is_closed


async def test_the_second_model_has_a_whole_budget_of_its_own() -> None:
    clock = RunningClock()
    overloaded = raises(failed(ModelFault.OVERLOADED))
    model = FallbackModel(PlayedModel(*[overloaded] * 4), Second(*[overloaded] * 3, says("late")), clock=clock)
    reply, words = await asked(model.converse("", TURN_CONTEXT), clock)
    assert (reply.text, len(words)) == ("late", 7)


async def test_the_second_model_fails_as_any_model_does() -> None:
    clock = RunningClock()
    refused = failed(ModelFault.AUTH, is_retryable=False)
    model = FallbackModel(PlayedModel(raises(refused)), Second(raises(refused)), clock=clock)
    with pytest.raises(ModelError, match=r"^It is auth\.$"):
        await asked(model.converse("", TURN_CONTEXT), clock)


async def test_the_second_model_hears_all_that_was_told_before() -> None:
    clock = RunningClock()
    first, second = PlayedModel(says("hm"), raises(failed(ModelFault.AUTH, is_retryable=False))), Second(says("here"))
    conversation = FallbackModel(first, second, clock=clock).converse("", TURN_CONTEXT)
    await conversation.send([UserMessage(text="before")], ())
    assert (await asked(conversation, clock))[0].text == "here"
    assert second.conversations[0].told == "before\ngo"


async def test_once_a_tool_was_called_the_second_model_stands_ready_for_a_new_beginning() -> None:
    """It can't know what the first model called, and its provider would refuse results of calls that it never made."""
    clock = RunningClock()
    first = PlayedModel(calls(("look", {})), raises(failed(ModelFault.AUTH, is_retryable=False)))
    second = Second(says("here"))
    conversation = FallbackModel(first, second, clock=clock).converse("", TURN_CONTEXT)
    reply = await conversation.send(GO, ())
    with pytest.raises(ModelError, match=r"^It is auth\.$") as caught:
        await conversation.send([ToolResult(call_id=reply.calls[0].id, text="fine")], ())
    assert (caught.value.successor, caught.value.is_retryable) == ("second", False)
    assert (await asked(conversation, clock))[0].model == "second"
    assert second.conversations[0].said == list(GO)


@pytest.mark.parametrize(("is_retryable", "tries"), [(True, 4), (False, 0)])
async def test_replies_that_break_off_again_and_again_are_a_providers_fault_and_too_long_ones_are_not(
    is_retryable: bool, tries: int
) -> None:
    clock = RunningClock()
    first = PlayedModel(*[raises(failed(ModelFault.CUT_OFF, is_retryable=is_retryable))] * (tries or 1))
    conversation = FallbackModel(first, Second(says("here")), clock=clock).converse("", TURN_CONTEXT)
    if not tries:
        with pytest.raises(ModelError, match=r"^It is cut_off\.$"):
            await asked(conversation, clock)
        return
    reply, words = await asked(conversation, clock)
    assert (reply.model, len(words)) == ("second", tries)


@pytest.mark.parametrize("fault", [ModelFault.REFUSED, ModelFault.CONTEXT_TOO_LONG, ModelFault.BAD_REQUEST])
async def test_what_is_wrong_with_the_request_is_no_business_of_the_second_model(fault: ModelFault) -> None:
    clock = RunningClock()
    model = FallbackModel(PlayedModel(raises(failed(fault, is_retryable=False))), Second(), clock=clock)
    with pytest.raises(ModelError, match=fault.value):
        await asked(model.converse("", TURN_CONTEXT), clock)


async def test_a_failure_in_passing_is_left_to_the_first_model() -> None:
    clock = RunningClock()
    first = PlayedModel(raises(failed(ModelFault.OVERLOADED)), says("here"))
    model = cast("Model", FallbackModel(first, Second(), clock=clock))
    reply, words = await asked(model.converse("", TURN_CONTEXT), clock)
    assert (reply.text, reply.model, len(words), model.name) == ("here", "", 1, "played")
