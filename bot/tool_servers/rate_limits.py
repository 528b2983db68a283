"""A chat's "slow down" (HTTP 429): nothing happened, so that the same request may be sent again after a short wait.

https://discord.com/developers/docs/topics/rate-limits and https://docs.slack.dev/apis/web-api/rate-limits say so of
every method. How long to wait stands in the header `Retry-After`, and with Discord also in the body, as `retry_after`.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

LONGEST_WAIT: Final = 20.0
"""Seconds that one call of a tool waits in all: well within the 60 that a call may take, unless a configuration says
less."""

_UNKNOWN = 60.0
"""What is assumed where a 429 does not say how long: a gateway before the chat, which wants to be left alone for
longer."""


class RateLimited(Exception):
    """Nothing was done. `seconds` is what the chat asks to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:g} s")
        self.seconds = seconds


def seconds_in(headers: Mapping[str, str], body: Any = None) -> float:  # noqa: ANN401 - JSON of any shape
    """How long a 429 asks to wait, in seconds; the longer one where header and body differ."""
    told: list[object] = [headers.get("Retry-After")]
    if isinstance(body, dict):
        told.append(cast("dict[str, object]", body).get("retry_after"))
    found = [seconds for each in told if (seconds := _seconds(each)) is not None]
    return max(found, default=_UNKNOWN)


def _seconds(value: object) -> float | None:
    try:
        seconds = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


@dataclass
class _Waited:
    """How long one call of a tool has waited, in seconds."""

    seconds: float = 0.0


_waited: ContextVar[_Waited] = ContextVar("waited")


def begin_call() -> None:
    """From here on, in this task, another call of a tool waits."""
    _waited.set(_Waited())


@dataclass(frozen=True)
class Patience:
    """Waits no longer than `longest` in all for each call of a tool.

    An answer that comes too late is no answer: whoever called would have to take the call for one that may have
    happened.
    """

    longest: float = LONGEST_WAIT
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def waits(self, seconds: float) -> bool:
        """Wait, and say so; False at once where that would take this call too long."""
        waited = _waited.get(None)
        if waited is None:
            begin_call()
            waited = _waited.get()
        if waited.seconds + seconds > self.longest:
            return False
        # A chat that always asks for no time at all is not asked for ever.
        waited.seconds += max(seconds, 0.1)
        await self.sleep(seconds)
        return True
