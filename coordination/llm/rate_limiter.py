"""The rate limiter of each key at each address, shared by all runs of the process, with a part for each worker."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from coordination.ports import Clock
from coordination.retry import RetryBudget

LONGEST_BACK_OFF = RetryBudget().seconds
"""Seconds that a request waits while the provider rests: those who ask would give up any longer one."""

_MINUTE = 60.0


def alone() -> int:
    """One process has the key to itself."""
    return 1


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

    def __init__(self, clock: Clock, workers: Callable[[], int] = alone) -> None:
        """Of what a key may be used for, each of the `workers` that there are takes an equal part, and at least 1."""
        self._clock = clock
        self._workers = workers
        self._under_way = 0
        self._queue: deque[_Waiting] = deque()
        self._begun: deque[float] = deque()
        self._rests_until: float | None = None

    def back_off(self, seconds: float) -> None:
        """The provider asked to be left alone for a while: nobody asks it again before."""
        until = self._clock.monotonic() + seconds
        self._rests_until = until if self._rests_until is None else max(until, self._rests_until)

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
        if not self._queue and self._has_room(most):
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

    def _part(self, most: int) -> int:
        return max(1, most // max(1, self._workers()))

    def _has_room(self, most: int | None) -> bool:
        return most is None or self._under_way < self._part(most)

    def _let_in(self) -> None:
        """Begin what may begin, in its order: nobody is overtaken."""
        while self._queue:
            first = self._queue[0]
            is_wanted = not first.turn.cancelled()
            if is_wanted and not self._has_room(first.most):
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
            self._begun.append(self._clock.monotonic())

    def _back_off_elapsed(self) -> float:
        """Seconds until the provider may be asked again; 0: now."""
        return 0.0 if self._rests_until is None else max(0.0, self._rests_until - self._clock.monotonic())

    def _wait(self, per_minute: int | None) -> float:
        now = self._clock.monotonic()
        free_at = now + self._back_off_elapsed()
        while self._begun and self._begun[0] <= now - _MINUTE:
            self._begun.popleft()
        if per_minute is not None and len(self._begun) >= (part := self._part(per_minute)):
            free_at = max(free_at, self._begun[-part] + _MINUTE)
        return free_at - now


class RateLimiters:
    """Every rate limiter of the process."""

    def __init__(self, clock: Clock, workers: Callable[[], int] = alone) -> None:
        """`workers` says how many processes share a key."""
        self._clock = clock
        self._workers = workers
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def limiter_for(self, *, base_url: str, key: str) -> RateLimiter:
        """The rate limiter of this key at the server of this address, whichever of its paths is asked."""
        limiter = RateLimiter(self._clock, self._workers)
        return self._limiters.setdefault((urlsplit(base_url).netloc.lower(), key), limiter)
