"""A storm: runs come, people decide, and faults of every kind strike the workers and their database, by a seed."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from typing_extensions import override

from bot.application import Application
from coordination.domain import events as e
from coordination.domain import states as s
from tests.chaos.deployment import Deployment, history, until
from tests.chaos.people import accompany
from tests.chaos.world import effects_in
from tests.databases import OwnPostgres
from tests.e2e.program import PATIENCE

LEASE = 15.0
LIMIT = 3.0
"""Seconds that a call may take; for three times as long nobody may have it made again."""

AT_ONCE = 5
KILLS = ("kill", "terminate", "freeze", "freeze beyond the lease")
OUTAGES = ("outage", "cut")


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What a storm is made of."""

    seed: int
    seconds: float
    workers: int
    faults: Sequence[str]

    @override
    def __str__(self) -> str:
        return f"seed {self.seed}, {self.workers} workers, {self.seconds:.0f} s: {', '.join(self.faults)}"


@dataclass
class Storm:
    """One storm over one deployment."""

    deployment: Deployment
    weather: Weather
    told: Callable[[str], None]
    struck: Counter[str] = field(default_factory=Counter[str])
    summary: str = ""

    async def rage(self) -> None:
        """From fair weather to fair weather again; every run has ended then.

        Raises:
            AssertionError: something does not hold.
        """
        dice = random.Random(self.weather.seed)  # noqa: S311 - the same seed is to be the same storm
        for _ in range(self.weather.workers):
            self.deployment.start_worker()
        await until(self._all_hold_slots, seconds=PATIENCE, what="every worker works")
        end = time.monotonic() + self.weather.seconds
        async with self.deployment.front() as front:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._strike(random.Random(dice.random()), end))  # noqa: S311 - likewise
                for number in range(AT_ONCE):
                    group.create_task(self._ask(front, number, random.Random(dice.random()), end))  # noqa: S311 - likewise
            self.told("every run has ended")
            await until(self._all_hold_slots, what="slots held = workers alive")
            self.told(f"fair weather; {self.deployment.questions} questions so far")
            await self._judge(front)
        deployment = self.deployment
        self.summary = (
            f"{len(deployment.wanted) + len(deployment.rejected)} runs, {deployment.effects().total()} calls, "
            f"{deployment.questions} questions, {self.struck.total()} faults"
        )

    async def _ask(self, front: Application, number: int, dice: random.Random, end: float) -> None:
        count = 0
        while time.monotonic() < end:
            await accompany(self.deployment, front, f"p{number}r{count}", dice)
            count += 1

    async def _strike(self, dice: random.Random, end: float) -> None:
        faults: Mapping[str, Callable[[random.Random], Awaitable[None]]] = {
            "kill": self._kill,
            "terminate": self._terminate,
            "freeze": self._freeze,
            "freeze beyond the lease": self._freeze_for_long,
            "outage": self._outage,
            "cut": self._cut,
        }
        left = list(self.weather.faults)
        while time.monotonic() < end:
            await asyncio.sleep(dice.uniform(0.5, 2.5))
            # Each kind once, then any.
            fault = left.pop(dice.randrange(len(left))) if left else dice.choice(self.weather.faults)
            self.told(f"{end - time.monotonic():5.1f} s left: {fault}")
            await faults[fault](dice)
            self.struck[fault] += 1

    async def _kill(self, dice: random.Random) -> None:
        self.deployment.end(dice.choice(self.deployment.workers))
        self.deployment.start_worker()

    async def _terminate(self, dice: random.Random) -> None:
        worker = dice.choice(self.deployment.workers)
        self.deployment.end(worker, signal.SIGTERM)
        self.deployment.start_worker()
        assert await asyncio.to_thread(worker.wait, PATIENCE) == 0

    async def _freeze(self, dice: random.Random) -> None:
        worker = dice.choice(self.deployment.workers)
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(dice.uniform(0.5, 4))
        worker.send_signal(signal.SIGCONT)

    async def _freeze_for_long(self, dice: random.Random) -> None:
        """It is replaced, as a supervisor would that finds it dead; and then there are both."""
        worker = dice.choice(self.deployment.workers)
        worker.send_signal(signal.SIGSTOP)
        self.deployment.start_worker()
        await asyncio.sleep(LEASE + dice.uniform(2, 5))
        worker.send_signal(signal.SIGCONT)
        await asyncio.sleep(dice.uniform(0.5, 2))
        await self._terminate_without_heir(dice.choice(self.deployment.workers))

    async def _terminate_without_heir(self, worker: object) -> None:
        found = next(each for each in self.deployment.workers if each is worker)
        self.deployment.end(found, signal.SIGTERM)
        assert await asyncio.to_thread(found.wait, PATIENCE) == 0

    async def _outage(self, dice: random.Random) -> None:
        server = self._server()
        await asyncio.to_thread(server.stop, immediately=dice.random() < 0.5)
        await asyncio.sleep(dice.uniform(0.3, 4))
        await asyncio.to_thread(server.start)

    async def _cut(self, dice: random.Random) -> None:
        """Some connections of all programs, or all of them."""
        chance = dice.choice([0.3, 1.0])
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND random() < %s"
        with suppress(psycopg.OperationalError), self._server().connect() as connection:
            connection.execute(cut, (chance,))

    def _server(self) -> OwnPostgres:
        assert self.deployment.server is not None
        return self.deployment.server

    def _all_hold_slots(self) -> bool:
        return self.deployment.slots() == self.weather.workers

    async def _judge(self, front: Application) -> None:
        deployment = self.deployment
        assert [each.poll() for each in deployment.workers] == [None] * self.weather.workers, "a worker ended"
        for run in [*deployment.wanted, *deployment.rejected]:
            await _judge_run(deployment, front, run)
        planned = {call for run in deployment.wanted for call in deployment.planned[run]}
        assert set(deployment.effects()) <= planned, "a call was made that nobody approved"
        assert deployment.broken() == [], "the log does not verify"
        if not set(self.weather.faults) & set(KILLS):
            assert deployment.questions == 0, "nobody was killed, and people were asked"


async def _judge_run(deployment: Deployment, front: Application, run: str) -> None:
    state, events = await front.coordinator.state(run), await history(front, run)
    if run in deployment.rejected:
        assert isinstance(state, s.Rejected), f"{run}: {state}"
        return
    assert isinstance(state, s.Finished), f"{run}: {state}"
    words = [each.at.timestamp() for each in events if isinstance(each.event, e.CallResolved)]
    for receipt, call in zip(state.receipts, deployment.planned[run], strict=True):
        happened = [effect for effect in effects_in(deployment.writer) if effect["name"] == call]
        by_attempt = Counter(effect["key"] for effect in happened)
        where = f"{run} {call}: {receipt}, {happened}"
        assert max(by_attempt.values(), default=0) <= 1, f"one attempt happened twice: {where}"
        if run in deployment.lookers:
            assert len(happened) <= 1, f"who looked before they spoke made it happen twice: {where}"
        for effect in happened[1:]:
            before = [word for word in words if word <= effect["at"]]
            assert before, f"it happened again, and nobody had said so: {where}"
            earlier = [each for each in happened if each["at"] < effect["at"]]
            assert all(each["at"] <= max(before) for each in earlier), (
                f"it happened after they had been let say so: {where}"
            )
        is_done = receipt.kind == "succeeded"
        assert bool(happened) == is_done, f"the receipt is not true: {where}"


async def storm(deployment: Deployment, weather: Weather, told: Callable[[str], None]) -> Storm:
    """Let a storm rage over a deployment. Returns what it was."""
    raged = Storm(deployment, weather, told)
    try:
        await raged.rage()
    finally:
        deployment.close()
    return raged
