"""The log and the engine without a disk: they fit the ports, and pass the same tests as the real ones."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from coordination.domain.canonical_json import config_digest
from coordination.domain.day_caps import midnight_before
from coordination.domain.events import ApprovalGiven, CallStarted, GrantGiven, GrantRevoked, RunEvent
from coordination.domain.grants import Standing, oldest_grant
from coordination.domain.states import AwaitingDecision, RunState
from coordination.domain.transitions import Recorded
from coordination.errors import ConfigError, ConflictError, DayCapError
from coordination.ports import Job, Perform, RunSummary
from coordination.storage.grant_records import check_standing
from coordination.text import Text

_PROMPT_EXCERPT = 500


class MemoryLog:
    """The run log as lists. `submit` gets the job of an append that has won."""

    def __init__(self, submit: Callable[[Job], None]) -> None:
        self._submit = submit
        self._events: dict[str, list[Recorded]] = {}
        self._summaries: dict[str, RunSummary] = {}
        self._configs: dict[str, tuple[str, str]] = {}
        self._changed = asyncio.Condition()
        self.is_stopped = False

    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        await asyncio.sleep(0)
        log = self._events.get(run, [])
        if len(log) != expected:
            raise ConflictError(run, expected)
        self._check_day_caps(events, at, state.request.tenant)
        claimed = [each.grant for event in events if isinstance(event, ApprovalGiven) for each in event.grants]
        starting = [each for event in events if isinstance(event, CallStarted) for each in event.grants]
        check_standing(await self.grants(at, state.request.tenant), claimed, starting, at)
        added = [Recorded(run=run, seq=seq, at=at, event=event) for seq, event in enumerate(events, start=expected + 1)]
        if job is not None:
            self._submit(job)
        self._events[run] = [*log, *added]
        self._summaries[run] = _summary(run, state, self._events[run])
        async with self._changed:
            self._changed.notify_all()
        return added

    def started_since(self, moment: datetime, tenant: str) -> Counter[str]:
        """The calls that count for caps of the day, by the rule's text."""
        runs = [run for run, summary in self._summaries.items() if summary.tenant == tenant]
        events = [each.event for run in runs for each in self._events[run] if each.at >= moment]
        return Counter(name for event in events if isinstance(event, CallStarted) for name, _ in event.per_day)

    def _check_day_caps(self, events: Sequence[RunEvent], at: datetime, tenant: str) -> None:
        counts = self.started_since(midnight_before(at), tenant)
        for name, most in (cap for event in events if isinstance(event, CallStarted) for cap in event.per_day):
            counts[name] += 1
            if counts[name] > most:
                raise DayCapError(name, most)

    async def grants(self, at: datetime, tenant: str | None = None) -> Sequence[Standing]:
        runs = [run for run, summary in self._summaries.items() if tenant in (None, summary.tenant)]
        log = sorted((each for run in runs for each in self._events[run]), key=lambda each: each.at)
        used = Counter(id_ for each in log if isinstance(each.event, CallStarted) for id_ in each.event.grants)
        revoked = {(each.run, each.event.grant) for each in log if isinstance(each.event, GrantRevoked)}
        return [
            Standing(
                grant=event.grant,
                run=each.run,
                given_at=each.at,
                used=used[event.grant.id],
                is_revoked=(each.run, event.grant.id) in revoked,
            )
            for each in log
            if isinstance(event := each.event, GrantGiven) and each.at >= oldest_grant(at)
        ]

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        return self._events.get(run, [])[after:]

    async def follow(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        while True:
            for recorded in await self.read(run, after):
                after = recorded.seq
                yield recorded
            async with self._changed:
                while len(self._events.get(run, [])) <= after:
                    await self._changed.wait()

    async def runs(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RunSummary]:
        found = [each for each in self._summaries.values() if tenant in (None, each.tenant)]
        return sorted(found, key=lambda each: each.started_at, reverse=True)[:limit]

    async def find(self, prefix: str, tenant: str | None = None) -> Sequence[str]:
        found = [each.run for each in self._summaries.values() if tenant in (None, each.tenant)]
        return sorted(run for run in found if run.lower().startswith(prefix.lower()))[:10]

    async def due(self, at: datetime) -> Sequence[str]:
        return [each.run for each in self._summaries.values() if each.expires_at is not None and each.expires_at <= at]

    async def in_state(self, kinds: Sequence[str], tenant: str | None = None) -> Sequence[str]:
        found = [each for each in self._summaries.values() if each.state in kinds and tenant in (None, each.tenant)]
        return [each.run for each in sorted(found, key=lambda each: (each.started_at, each.run))]

    async def stop_calls(self) -> None:
        self.is_stopped = True

    async def save_config(self, digest: str, text: str, origin: str) -> None:
        self._configs.setdefault(digest, (text, origin))

    async def load_config(self, digest: str) -> tuple[str, str]:
        if digest not in self._configs:
            raise ConfigError([Text.verbatim(f"There is no configuration {digest[:8]}.")])
        if config_digest(*self._configs[digest]) != digest:
            raise ConfigError([Text.verbatim(f"The stored configuration {digest[:8]} was changed.")])
        return self._configs[digest]


class FakeEngine:
    """Durable as long as the object lives: a new `running` goes on where the last one ended."""

    def __init__(self, *, limit: int = 128, repeats: int = 3) -> None:
        self._limit = limit
        self._repeats = repeats
        self._waiting: dict[str, Job] = {}
        self._known: set[str] = set()
        self._wake_event = asyncio.Event()

    def submit(self, job: Job) -> None:
        """Add a job, unless one of this name was ever added."""
        if job.name not in self._known:
            self._known.add(job.name)
            self._waiting[job.name] = job
            self._wake_event.set()

    def wake(self) -> None:
        """Nothing to do: a job is seen at once."""

    @asynccontextmanager
    async def running(self, perform: Perform) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._serve(perform))
            try:
                yield
            finally:
                task.cancel()

    async def _serve(self, perform: Perform) -> None:
        room = asyncio.Semaphore(self._limit)
        begun: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake_event.clear()
                for job in [job for name, job in self._waiting.items() if name not in begun]:
                    begun.add(job.name)
                    group.create_task(self._work(job, perform, room))
                await self._wake_event.wait()

    async def _work(self, job: Job, perform: Perform, room: asyncio.Semaphore) -> None:
        async with room:
            for _ in range(1 + self._repeats):
                try:
                    await perform(job)
                except Exception:  # noqa: BLE001 - whatever it was, the job stays
                    await asyncio.sleep(0)
                else:
                    del self._waiting[job.name]
                    return


def _summary(run: str, state: RunState, log: Sequence[Recorded]) -> RunSummary:
    request = state.request
    return RunSummary(
        run=run,
        tenant=request.tenant,
        state=state.kind,
        prompt=request.prompt[:_PROMPT_EXCERPT],
        requester=request.requester.name,
        config=request.config,
        started_at=log[0].at,
        updated_at=log[-1].at,
        expires_at=state.plan.expires_at if isinstance(state, AwaitingDecision) else None,
        seq=len(log),
    )
