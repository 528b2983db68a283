"""The system clock, and names for runs."""

import asyncio
import secrets
import time
from datetime import UTC, datetime

from coordination.ports import Clock

_ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
_LENGTH = 5


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)  # noqa: TID251  # this is the Clock port

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class PacedClock:
    """Another clock whose waits are longer or shorter: a pace of 0 waits for nothing."""

    def __init__(self, clock: Clock, pace: float) -> None:
        self._clock = clock
        self._pace = pace

    def now(self) -> datetime:
        """The other clock's time."""
        return self._clock.now()

    def monotonic(self) -> float:
        """The other clock's seconds."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait `pace` times as long."""
        await self._clock.sleep(seconds * self._pace)


def new_id() -> str:
    """A name such as `7Q4KX`: short enough to type, without letters that look like digits or make words."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
