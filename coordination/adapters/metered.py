"""A model whose requests keep to the lane of their key, and whose replies know what they cost."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from coordination.adapters.lanes import Lane, RestingError, Throttle
from coordination.errors import ModelError, ModelFault
from coordination.ports import Conversation, Model, Occasion, Reply, Said, ToolSpec, Usage

PriceOf: TypeAlias = Callable[[Usage], Awaitable[float | None]]
"""US dollars for one request; None: unknown."""

_BUSY = frozenset({ModelFault.RATE_LIMITED, ModelFault.OVERLOADED})


class MeteredModel:
    """Fits `coordination.ports.Model`, around another."""

    def __init__(self, model: Model, *, lane: Lane, throttle: Throttle, price: PriceOf) -> None:
        self._model = model
        self._lane = lane
        self._throttle = throttle
        self._price = price

    @property
    def name(self) -> str:
        """The name of the model inside."""
        return self._model.name

    def converse(self, system: str, occasion: Occasion) -> Conversation:
        """Begin a fresh conversation."""
        return _MeteredConversation(
            self._model.converse(system, occasion),
            name=self.name,
            lane=self._lane,
            throttle=self._throttle,
            price=self._price,
        )


class _MeteredConversation:
    def __init__(
        self, conversation: Conversation, *, name: str, lane: Lane, throttle: Throttle, price: PriceOf
    ) -> None:
        self._conversation = conversation
        self._name = name
        self._lane = lane
        self._throttle = throttle
        self._price = price

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        try:
            async with self._lane.passage(self._throttle):
                reply = await self._send(said, tools)
        except RestingError as error:
            raise _resting(self._name, error.seconds) from None
        return replace(reply, usage=replace(reply.usage, cost=await self._price(reply.usage)))

    async def close(self) -> None:
        await self._conversation.close()

    async def _send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        try:
            return await self._conversation.send(said, tools)
        except ModelError as error:
            if error.fault in _BUSY and error.retry_after:
                self._lane.rest(error.retry_after)
            raise


def _resting(name: str, seconds: float) -> ModelError:
    return ModelError(
        ModelFault.RATE_LIMITED,
        f"The provider of {name} wants no requests for another {math.ceil(seconds / 60)} minutes; try again then, or the "
        "operator must raise the account's limits.",
        is_retryable=True,
        retry_after=seconds,
    )
