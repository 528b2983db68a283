"""Requests of one key share one rate limiter: their order, their number, their rate, and the provider's rest."""

import asyncio
from datetime import datetime, timedelta

import pytest

from coordination.llm.rate_limiter import BackingOffError, RateLimiter, RateLimiters, Throttle
from tests.builders import START


class RunningClock:
    """Sleeping moves it on."""

    def __init__(self) -> None:
        self.time = START
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)


class Traffic:
    """Requests that stay under way until the test ends them."""

    def __init__(self, limiter: RateLimiter) -> None:
        self.limiter = limiter
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}

    async def request(self, name: str, throttle: Throttle) -> None:
        self.ends[name] = asyncio.Event()
        async with self.limiter.acquire(throttle):
            self.begun.append(name)
            await self.ends[name].wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


TWO = Throttle(at_once=2)


async def test_no_more_than_allowed_are_under_way_and_the_others_come_in_their_order() -> None:
    traffic = Traffic(RateLimiter(RunningClock()))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for name in "abcd":
            group.create_task(traffic.request(name, TWO))
        await settle()
        assert traffic.begun == ["a", "b"]
        traffic.ends["b"].set()
        await settle()
        assert traffic.begun == ["a", "b", "c"]
        for name in "acd":
            traffic.ends[name].set()
    assert traffic.begun == ["a", "b", "c", "d"]


async def test_a_cancelled_request_leaves_its_place_to_others_wherever_it_was() -> None:
    traffic = Traffic(RateLimiter(RunningClock()))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(traffic.request(name, Throttle(at_once=1))) for name in "abcd"}
        await settle()
        tasks["b"].cancel()
        traffic.ends["a"].set()
        await settle()
        assert traffic.begun == ["a", "c"]
        tasks["c"].cancel()
        await settle()
        assert traffic.begun == ["a", "c", "d"]
        traffic.ends["d"].set()
    assert traffic.limiter._under_way == 0


async def test_one_that_is_cancelled_at_the_moment_when_it_may_begin_takes_no_place() -> None:
    limiter = RateLimiter(RunningClock())
    traffic = Traffic(limiter)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        first = group.create_task(traffic.request("a", Throttle(at_once=1)))
        second = group.create_task(traffic.request("b", Throttle(at_once=1)))
        await settle()
        first.cancel()
        await asyncio.sleep(0)
        second.cancel()
        await settle()
        third = group.create_task(traffic.request("c", Throttle(at_once=1)))
        await settle()
        assert traffic.begun[-1] == "c"
        third.cancel()
    assert limiter._under_way == 0


async def test_when_the_provider_asks_for_rest_everybody_waits_for_the_longest_time_that_it_asked_for() -> None:
    clock = RunningClock()
    limiter = RateLimiter(clock)
    limiter.back_off(30)
    limiter.back_off(5)
    async with limiter.acquire(Throttle()):
        assert clock.slept == [30]
    async with limiter.acquire(Throttle()):
        assert clock.slept == [30]


async def test_no_more_requests_begin_in_a_minute_than_allowed() -> None:
    clock = RunningClock()
    limiter = RateLimiter(clock)
    for expected in ([], [], [60]):
        async with limiter.acquire(Throttle(per_minute=2)):
            assert clock.slept == expected


async def test_a_clock_that_is_set_back_or_ahead_holds_nobody_up() -> None:
    clock = RunningClock()
    limiter = RateLimiter(clock)
    limiter.back_off(30)
    clock.time -= timedelta(hours=1)
    for _ in range(3):
        async with limiter.acquire(Throttle(per_minute=2)):
            clock.time -= timedelta(hours=1)
    assert clock.slept == [30, 60]
    limiter.back_off(30)
    clock.time += timedelta(hours=9)
    async with limiter.acquire(Throttle()):
        assert clock.slept == [30, 60, 30]


async def test_workers_share_what_a_key_may_be_used_for() -> None:
    clock, workers = RunningClock(), [2]
    limiter = RateLimiter(clock, lambda: workers[0])
    traffic = Traffic(limiter)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(traffic.request(name, Throttle(at_once=4)))
        await settle()
        assert traffic.begun == ["a", "b"]
        workers[0] = 1
        traffic.ends["a"].set()
        await settle()
        assert traffic.begun == ["a", "b", "c"]
        for name in "bc":
            traffic.ends[name].set()
    workers[0] = 30
    limiter = RateLimiter(clock, lambda: workers[0])
    for expected in ([], [60]):
        async with limiter.acquire(Throttle(at_once=1, per_minute=2)):
            assert clock.slept == expected


async def test_a_lane_belongs_to_a_key_at_an_address() -> None:
    limiters = RateLimiters(RunningClock())
    assert limiters.limiter_for(base_url="http://a/v1", key="k") is limiters.limiter_for(
        base_url="http://a/v1", key="k"
    )
    assert limiters.limiter_for(base_url="http://a/v1", key="k") is not limiters.limiter_for(
        base_url="http://a/v1", key="l"
    )
    assert limiters.limiter_for(base_url="http://a/v1", key="k") is not limiters.limiter_for(
        base_url="http://b/v1", key="k"
    )


async def test_an_address_is_its_server_however_it_is_written() -> None:
    limiters = RateLimiters(RunningClock())
    limiter = limiters.limiter_for(base_url="https://api.openai.com/v1", key="k")
    assert limiters.limiter_for(base_url="https://API.openai.com/v1/", key="k") is limiter
    assert limiters.limiter_for(base_url="https://api.openai.com", key="k") is limiter
    assert limiters.limiter_for(base_url="https://api.openai.com:8443/v1", key="k") is not limiter


async def test_one_whose_turn_comes_when_the_provider_rests_for_long_is_told_so() -> None:
    limiter = RateLimiter(RunningClock())
    traffic = Traffic(limiter)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(traffic.request("a", Throttle(at_once=1)))
        await settle()
        waiting = group.create_task(told_to_rest(limiter))
        await settle()
        limiter.back_off(500)
        traffic.ends["a"].set()
        assert await waiting == 500
    assert limiter._under_way == 0


async def told_to_rest(limiter: RateLimiter) -> float:
    with pytest.raises(BackingOffError) as caught:
        async with limiter.acquire(Throttle(at_once=1)):
            pass
    return caught.value.seconds


async def test_a_failure_inside_gives_the_place_back() -> None:
    limiter = RateLimiter(RunningClock())
    with pytest.raises(ValueError, match="no"):
        async with limiter.acquire(TWO):
            raise ValueError("no")
    assert limiter._under_way == 0
