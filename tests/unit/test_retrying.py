from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from coordination.errors import ModelError, ModelFault
from coordination.ports import InputMessage, Reply, ToolSpec, UserMessage
from coordination.retry import RetryBudget, send_with_retry
from coordination.text import Text

SAID = (UserMessage(text="go"),)


@dataclass
class HandClock:
    """Time moves only by sleeping."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    slept: list[float] = field(default_factory=list[float])

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@dataclass
class FailingConversation:
    """Fails with each error in turn, then answers; every attempt takes `seconds_each`."""

    errors: list[ModelError]
    clock: HandClock
    seconds_each: float = 0.0
    heard: list[Sequence[InputMessage]] = field(default_factory=list[Sequence[InputMessage]])

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        self.heard.append(inputs)
        self.clock.time += timedelta(seconds=self.seconds_each)
        if self.errors:
            raise self.errors.pop(0)
        return Reply(text="at last")

    async def close(self) -> None:
        pass


@dataclass
class Retries:
    told: list[tuple[ModelFault, float]] = field(default_factory=list[tuple[ModelFault, float]])

    async def __call__(self, error: ModelError, wait: float) -> None:
        self.told.append((error.fault, wait))


def passing(fault: ModelFault = ModelFault.OVERLOADED, *, retry_after: float | None = None) -> ModelError:
    return ModelError(fault, Text("busy"), is_retryable=True, retry_after=retry_after)


async def attempt(
    conversation: FailingConversation, *, budget: RetryBudget | None = None, chance: float = 1.0
) -> tuple[Reply, Retries]:
    retries = Retries()
    reply = await send_with_retry(
        conversation,
        SAID,
        (),
        clock=conversation.clock,
        budget=budget or RetryBudget(),
        on_retry=retries,
        chance=lambda: chance,
    )
    return reply, retries


async def test_a_call_that_succeeds_is_made_once() -> None:
    conversation = FailingConversation([], HandClock())
    reply, retries = await attempt(conversation)
    assert reply == Reply(text="at last")
    assert conversation.heard == [SAID]
    assert retries.told == []


async def test_a_passing_failure_is_tried_again_with_the_same_words_after_doubling_waits() -> None:
    conversation = FailingConversation([passing(), passing(ModelFault.CUT_OFF)], HandClock())
    reply, retries = await attempt(conversation)
    assert reply.text == "at last"
    assert conversation.heard == [SAID, SAID, SAID]
    assert conversation.clock.slept == [1.0, 2.0]
    assert retries.told == [(ModelFault.OVERLOADED, 1.0), (ModelFault.CUT_OFF, 2.0)]


async def test_the_wait_is_a_random_share_so_that_many_agents_do_not_return_together() -> None:
    conversation = FailingConversation([passing(), passing()], HandClock())
    await attempt(conversation, chance=0.25)
    assert conversation.clock.slept == [0.25, 0.5]


async def test_waits_stop_growing_at_the_longest() -> None:
    conversation = FailingConversation([passing() for _ in range(5)], HandClock())
    await attempt(conversation, budget=RetryBudget(attempts=6, longest_wait=3.0))
    assert conversation.clock.slept == [1.0, 2.0, 3.0, 3.0, 3.0]


async def test_the_provider_is_not_asked_again_sooner_than_it_said() -> None:
    conversation = FailingConversation([passing(retry_after=17.0)], HandClock())
    await attempt(conversation, chance=0.0)
    assert conversation.clock.slept == [17.0]


async def test_a_lasting_failure_is_not_tried_again() -> None:
    refusal = ModelError(ModelFault.AUTH, Text("the key"))
    conversation = FailingConversation([refusal], HandClock())
    with pytest.raises(ModelError) as caught:
        await attempt(conversation)
    assert caught.value is refusal
    assert len(conversation.heard) == 1


async def test_the_last_failure_is_told_when_the_attempts_are_used_up() -> None:
    last = passing(ModelFault.CUT_OFF)
    conversation = FailingConversation([passing(), passing(), last], HandClock())
    with pytest.raises(ModelError) as caught:
        await attempt(conversation, budget=RetryBudget(attempts=3))
    assert caught.value is last
    assert len(conversation.heard) == 3


async def test_a_gateway_that_restarts_is_waited_for_most_of_a_minute() -> None:
    conversation = FailingConversation([passing(ModelFault.CUT_OFF), *(passing() for _ in range(6))], HandClock())
    await attempt(conversation, chance=0.5)
    assert sum(conversation.clock.slept) == 45.5


async def test_what_a_provider_may_charge_is_tried_four_times_alone() -> None:
    conversation = FailingConversation([passing(ModelFault.CUT_OFF) for _ in range(9)], HandClock())
    with pytest.raises(ModelError):
        await attempt(conversation)
    assert len(conversation.heard) == 4


async def test_a_server_that_stays_away_is_given_up() -> None:
    conversation = FailingConversation([passing() for _ in range(9)], HandClock())
    with pytest.raises(ModelError):
        await attempt(conversation, chance=0.5)
    assert len(conversation.heard) == 8


async def test_no_try_begins_past_the_time_of_the_budget_and_nothing_is_slept_in_vain() -> None:
    conversation = FailingConversation([passing(retry_after=100.0)], HandClock())
    with pytest.raises(ModelError):
        await attempt(conversation, budget=RetryBudget(seconds=60.0))
    assert conversation.clock.slept == []


async def test_slow_failures_use_up_the_time_too() -> None:
    conversation = FailingConversation([passing() for _ in range(9)], HandClock(), seconds_each=25.0)
    with pytest.raises(ModelError):
        await attempt(conversation, budget=RetryBudget(attempts=10, seconds=60.0))
    assert len(conversation.heard) == 3
