"""A model behind its key's rate limiter whose replies know their cost; and one with a second model behind it."""

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from coordination.errors import ModelError, ModelFault
from coordination.llm.rate_limiter import BackingOffError, RateLimiter, Throttle
from coordination.ports import (
    Clock,
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolSpec,
    TurnContext,
    Usage,
    UserMessage,
)
from coordination.retry import RetryBudget
from coordination.text import Text

PriceOf: TypeAlias = Callable[[Usage], Awaitable[float | None]]
"""US dollars for one request; None: unknown."""

_BUSY = frozenset({ModelFault.RATE_LIMITED, ModelFault.OVERLOADED})
_CHARGED = frozenset({ModelFault.CUT_OFF, ModelFault.TIMED_OUT, ModelFault.REFUSED})
"""Faults by which the model may have read the request, and a provider charges for it."""

_CHARACTERS_PER_TOKEN = 4
"""Of English text and of JSON, by every provider's rule of thumb; other scripts need more tokens."""


class MeteredModel:
    """Fits `coordination.ports.Model`, around another."""

    def __init__(self, model: Model, *, limiter: RateLimiter, throttle: Throttle, price: PriceOf) -> None:
        self._model = model
        self._limiter = limiter
        self._throttle = throttle
        self._price = price

    @property
    def name(self) -> str:
        """The name of the model inside."""
        return self._model.name

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation."""
        return _MeteredConversation(
            self._model.converse(system, turn_context),
            system,
            name=self.name,
            limiter=self._limiter,
            throttle=self._throttle,
            price=self._price,
        )


class _MeteredConversation:
    def __init__(
        self,
        conversation: Conversation,
        system: str,
        *,
        name: str,
        limiter: RateLimiter,
        throttle: Throttle,
        price: PriceOf,
    ) -> None:
        self._conversation = conversation
        self._read = len(system)
        self._name = name
        self._limiter = limiter
        self._throttle = throttle
        self._price = price

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        try:
            async with self._limiter.acquire(self._throttle):
                reply = await self._send(inputs, tools)
        except BackingOffError as error:
            raise _backing_off(self._name, error.seconds) from None
        except ModelError as error:
            if error.fault in _CHARGED or (error.spent is not None and error.spent[1] > 1):
                error.spent = await self._broken_off(inputs, tools, error.spent)
            raise
        self._read += sum(len(each.text) for each in inputs)
        usage = _completed(reply, self._read + _size(tools))
        self._read += _written(reply)
        return replace(reply, usage=replace(usage, cost=await self._price(usage)))

    async def _broken_off(
        self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec], reported: tuple[int, int, float | None] | None
    ) -> tuple[int, int, float | None]:
        """What a call that failed may have used; an estimate, but for what the provider said of it."""
        read = self._read + sum(len(each.text) for each in inputs) + _size(tools)
        told_in, told_out, _ = reported or (0, 0, None)
        usage = Usage(input_tokens=told_in or _tokens(read), output_tokens=told_out)
        return usage.input_tokens, usage.output_tokens, await self._price(usage)

    async def close(self) -> None:
        await self._conversation.close()

    async def _send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        try:
            return await self._conversation.send(inputs, tools)
        except ModelError as error:
            if error.fault in _BUSY and error.retry_after:
                self._limiter.back_off(error.retry_after)
            raise


def _completed(reply: Reply, read: int) -> Usage:
    """What a reply used; what its provider did not say of it is reckoned from what was `read`, in characters."""
    usage, written = reply.usage, _written(reply)
    if usage.input_tokens and (usage.output_tokens or not written):
        return usage
    return replace(
        usage,
        input_tokens=usage.input_tokens or _tokens(read),
        output_tokens=usage.output_tokens or _tokens(written),
        is_estimated=True,
    )


def _size(tools: Sequence[ToolSpec]) -> int:
    return sum(len(tool.name) + len(tool.description) + len(str(tool.input_schema)) for tool in tools)


def _written(reply: Reply) -> int:
    return len(reply.text) + sum(len(call.name) + len(call.arguments) for call in reply.calls)


def _tokens(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def _backing_off(name: str, seconds: float) -> ModelError:
    return ModelError(
        ModelFault.RATE_LIMITED,
        Text(
            "The provider of {name} accepts no requests for another {minutes} minutes; try again after that, or ask "
            "the operator to raise the account's limits.",
            name=name,
            minutes=math.ceil(seconds / 60),
        ),
        is_retryable=True,
        retry_after=seconds,
    )


UNUSABLE = frozenset(
    {
        ModelFault.AUTH,
        ModelFault.RATE_LIMITED,
        ModelFault.OVERLOADED,
        ModelFault.TIMED_OUT,
        ModelFault.OUT_OF_BUDGET,
    }
)
"""Faults of a provider that another provider need not have."""


_MARGIN = 1.0
"""Seconds by which we give up sooner than our caller, whose clock runs a little longer."""


class FallbackModel:
    """Fits `coordination.ports.Model`: the second model takes a conversation over, or begins it again.

    What was called in it can't be told to another provider: then the failure names the second model as `successor`.
    """

    def __init__(self, first: Model, second: Model, *, clock: Clock, budget: RetryBudget | None = None) -> None:
        """`budget` is what those who use a model give each call."""
        self._first = first
        self._second = second
        self._clock = clock
        self._budget = budget or RetryBudget()

    @property
    def name(self) -> str:
        """The name of the first model; a reply of the second says so."""
        return self._first.name

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation, with the first model."""
        return _FallbackConversation(
            self._first.converse(system, turn_context),
            second=self._second,
            change=lambda: self._second.converse(system, turn_context),
            clock=self._clock,
            budget=self._budget,
        )


class _FallbackConversation:
    def __init__(
        self,
        conversation: Conversation,
        *,
        second: Model,
        change: Callable[[], Conversation],
        clock: Clock,
        budget: RetryBudget,
    ) -> None:
        self._conversation = conversation
        self._second = second
        self._change = change
        self._clock = clock
        self._budget = budget
        self._told: tuple[InputMessage, ...] = ()
        self._unheard: tuple[InputMessage, ...] = ()
        self._has_called = False
        self._is_second = False
        self._failures = 0
        self._begun: float | None = None

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        self._begun = self._clock.monotonic() if self._begun is None else self._begun
        try:
            reply = await self._conversation.send((*self._unheard, *inputs), tools)
        except ModelError as error:
            self._failures += 1
            if not self._is_lasting(error):
                raise
            if self._has_called:
                await self._begin_again()
                raise ModelError(error.fault, error.text, successor=self._second.name, spent=error.spent) from None
            await self._change_over()
            words = Text("{why:.}. Its fallback {model} is asked instead.", why=error.text, model=self._second.name)
            raise ModelError(error.fault, words, is_retryable=True, begins_anew=True, spent=error.spent) from None
        self._begun, self._failures, self._unheard = None, 0, ()
        self._told = (*self._told, *(each for each in inputs if isinstance(each, UserMessage)))
        self._has_called = self._has_called or bool(reply.calls)
        return replace(reply, model=reply.model or self._second.name) if self._is_second else reply

    async def close(self) -> None:
        await self._conversation.close()

    def _is_lasting(self, error: ModelError) -> bool:
        """Whether the first model is given up here, which must be before our caller gives up."""
        is_broken = error.fault is ModelFault.CUT_OFF and error.is_retryable
        if self._is_second or not (error.fault in UNUSABLE or is_broken):
            return False
        if not error.is_retryable or self._failures >= self._budget.attempts:
            return True
        spent = 0.0 if self._begun is None else self._clock.monotonic() - self._begun
        return spent + self._budget.wait(self._failures, error, 1.0) + _MARGIN > self._budget.seconds

    async def _begin_again(self) -> None:
        self._told, self._has_called = (), False
        await self._change_over()

    async def _change_over(self) -> None:
        with suppress(ModelError):
            await self._conversation.close()
        self._conversation = self._change()
        self._is_second = True
        self._unheard = self._told
