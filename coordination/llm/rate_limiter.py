"""The rate limiter of each key at each address, shared by all runs of the process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from coordination.ports import Clock
from coordination.retry import RetryBudget

LONGEST_BACK_OFF = RetryBudget().seconds
"""Seconds that a request waits while the provider rests: those who ask would give up any longer one."""

_MINUTE = timedelta(minutes=1)


class BackingOffError(Exception):
    """The provider is to be left alone for so many more `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"rests for {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """What one key may be used for at most; None: as much as wanted."""

    at_once: int | None = None
    per_minute: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """A request in the queue; it may begin while fewer than `most` others are under way."""

    most: int | None
    turn: "asyncio.Future[None]"


class RateLimiter:
    """Lets requests through in their order: so many at once, so many a minute, and none while the provider rests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way = 0
        self._queue: deque[_Waiting] = deque()
        self._begun: deque[datetime] = deque()
        self._rests_until: datetime | None = None

    def back_off(self, seconds: float) -> None:
        """The provider asked to be left alone for a while: nobody asks it again before."""
        until = self._clock.now() + timedelta(seconds=seconds)
        self._rests_until = max(until, self._rests_until or until)

    @asynccontextmanager
    async def acquire(self, throttle: Throttle) -> AsyncGenerator[None]:
        """Wait until a request may begin; the context is the request.

        Raises:
            BackingOffError: the provider rests for longer than anybody waits for one request.
        """
        await self._enter(throttle.at_once)
        try:
            await self._wait_for_time(throttle.per_minute)
            yield
        finally:
            self._under_way -= 1
            self._let_in()

    async def _enter(self, most: int | None) -> None:
        if not self._queue and (most is None or self._under_way < most):
            self._under_way += 1
            return
        waiting = _Waiting(most=most, turn=asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._let_in()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if not waiting.turn.cancelled():
                self._under_way -= 1
            self._let_in()
            raise

    def _let_in(self) -> None:
        """Begin what may begin, in its order: nobody is overtaken."""
        while self._queue:
            first = self._queue[0]
            is_wanted = not first.turn.cancelled()
            if is_wanted and first.most is not None and self._under_way >= first.most:
                return
            self._queue.popleft()
            if is_wanted:
                self._under_way += 1
                first.turn.set_result(None)

    async def _wait_for_time(self, per_minute: int | None) -> None:
        while (wait := self._wait(per_minute)) > 0:
            rest = self._back_off_elapsed()
            if rest > LONGEST_BACK_OFF:
                raise BackingOffError(rest)
            await self._clock.sleep(wait)
        if per_minute is not None:
            self._begun.append(self._clock.now())

    def _back_off_elapsed(self) -> float:
        """Seconds until the provider may be asked again; 0: now."""
        now = self._clock.now()
        return max(0.0, ((self._rests_until or now) - now).total_seconds())

    def _wait(self, per_minute: int | None) -> float:
        now = self._clock.now()
        free_at = now + timedelta(seconds=self._back_off_elapsed())
        while self._begun and self._begun[0] <= now - _MINUTE:
            self._begun.popleft()
        if per_minute is not None and len(self._begun) >= per_minute:
            free_at = max(free_at, self._begun[-per_minute] + _MINUTE)
        return (free_at - now).total_seconds()


class RateLimiters:
    """Every rate limiter of the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def limiter_for(self, *, base_url: str, key: str) -> RateLimiter:
        """The rate limiter of this key at the server of this address, whichever of its paths is asked."""
        return self._limiters.setdefault((urlsplit(base_url).netloc.lower(), key), RateLimiter(self._clock))
