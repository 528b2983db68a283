"""Retries a whole model call after a transient failure. Nothing that the model wanted has run by then."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coordination.errors import ModelError, ModelFault
from coordination.ports import Clock, Conversation, InputMessage, Reply, ToolSpec

OnRetry: TypeAlias = Callable[[ModelError, float], Awaitable[None]]
"""Told of each failure that is tried again, and of the seconds until then."""


@dataclass(frozen=True, kw_only=True)
class RetryBudget:
    """How often and how long one call may be tried. Waits double from `first_wait` up to `longest_wait` seconds.

    Attributes:
        attempts_when_away: of a server that can't be reached or says that it is overloaded. It has done nothing that
            costs anything, and a gateway that restarts is back within a minute.
        seconds: no new try begins later than this after the first.
    """

    attempts: int = 4
    attempts_when_away: int = 8
    seconds: float = 120.0
    first_wait: float = 1.0
    longest_wait: float = 30.0

    def is_used_up(self, failures: int, error: ModelError) -> bool:
        """Whether so many failures, the last of which is `error`, were enough."""
        is_away = error.fault is ModelFault.OVERLOADED
        return failures >= (max(self.attempts, self.attempts_when_away) if is_away else self.attempts)

    def wait(self, failures: int, error: ModelError, chance: float) -> float:
        """Seconds until the next try: any share of the doubling wait, but no less than the provider asked for."""
        ceiling = min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1))
        return max(chance * ceiling, error.retry_after or 0.0)


async def send_with_retry(
    conversation: Conversation,
    inputs: Sequence[InputMessage],
    tools: Sequence[ToolSpec],
    *,
    clock: Clock,
    budget: RetryBudget,
    on_retry: OnRetry,
    chance: Callable[[], float] = random.random,
) -> Reply:
    """Send, and send the same again after a failure that may pass. `chance` gives numbers from 0 to 1.

    Raises:
        ModelError: the failure is lasting, or the budget does not reach for another try.
    """
    begun = clock.monotonic()
    failures = 0
    while True:
        try:
            return await conversation.send(inputs, tools)
        except ModelError as error:
            if error.begins_anew:
                begun, failures = clock.monotonic(), 0
            failures += not error.begins_anew
            wait = 0.0 if error.begins_anew else budget.wait(failures, error, chance())
            spent = clock.monotonic() - begun
            if not error.is_retryable or budget.is_used_up(failures, error) or spent + wait > budget.seconds:
                raise
            failure = error
        await on_retry(failure, wait)
        await clock.sleep(wait)
