"""A model with a second one behind it, for when its provider can't be used."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from coordination.errors import ModelError, ModelFault
from coordination.ports import Clock, Conversation, Model, Occasion, Reply, Said, Told, ToolSpec
from coordination.retry import RetryBudget

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

    def converse(self, system: str, occasion: Occasion) -> Conversation:
        """Begin a fresh conversation, with the first model."""
        return _FallbackConversation(
            self._first.converse(system, occasion),
            second=self._second,
            change=lambda: self._second.converse(system, occasion),
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
        self._told: tuple[Said, ...] = ()
        self._unheard: tuple[Said, ...] = ()
        self._has_called = False
        self._is_second = False
        self._failures = 0
        self._begun: datetime | None = None

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        self._begun = self._begun or self._clock.now()
        try:
            reply = await self._conversation.send((*self._unheard, *said), tools)
        except ModelError as error:
            self._failures += 1
            if not self._is_lasting(error):
                raise
            if self._has_called:
                await self._begin_again()
                raise ModelError(error.fault, str(error), successor=self._second.name, spent=error.spent) from None
            await self._change_over()
            words = f"{str(error).removesuffix('.')}. Its fallback {self._second.name} is asked instead."
            raise ModelError(error.fault, words, is_retryable=True, begins_anew=True, spent=error.spent) from None
        self._begun, self._failures, self._unheard = None, 0, ()
        self._told = (*self._told, *(each for each in said if isinstance(each, Told)))
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
        spent = (self._clock.now() - (self._begun or self._clock.now())).total_seconds()
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
