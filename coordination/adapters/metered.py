"""A model whose requests keep to the lane of their key, and whose replies know what they cost."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from coordination.adapters.lanes import Lane, Throttle
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
            self._model.converse(system, occasion), lane=self._lane, throttle=self._throttle, price=self._price
        )


class _MeteredConversation:
    def __init__(self, conversation: Conversation, *, lane: Lane, throttle: Throttle, price: PriceOf) -> None:
        self._conversation = conversation
        self._lane = lane
        self._throttle = throttle
        self._price = price

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        async with self._lane.passage(self._throttle):
            try:
                reply = await self._conversation.send(said, tools)
            except ModelError as error:
                if error.fault in _BUSY and error.retry_after:
                    self._lane.rest(error.retry_after)
                raise
        return replace(reply, usage=replace(reply.usage, cost=await self._price(reply.usage)))

    async def close(self) -> None:
        await self._conversation.close()
