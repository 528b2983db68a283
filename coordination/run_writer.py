"""One worker's writer on one run's log: keeps the state in step, writes in order, and finds out what others wrote.

What an agent does is told at once and is on disk a moment later, in the same order; a crash loses at most the end of
the story, never its middle. What must be on disk before the world moves is committed.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from weakref import WeakValueDictionary

from coordination.domain import states as s
from coordination.domain.events import CallFailed, CallSucceeded, LateResult, RunEvent
from coordination.domain.states import RunState
from coordination.domain.transitions import Recorded, evolve, replay
from coordination.errors import (
    ConflictError,
    DatabaseAwayError,
    IllegalTransition,
    LogLostError,
    OwnershipLostError,
    RunNotFoundError,
    StorageError,
)
from coordination.ports import Clock, Job, RunLog
from coordination.text import Text, template

MAX_RACES = 200
"""How often one person's word is read for again because somebody else was first."""

PATIENCE = 8.0
"""Seconds for which a person's word is tried again while the database is away: it may well be written."""

_TURN = 2.0
"""Seconds for which one person's word about a run waits for another's before it goes ahead all the same."""

LAST_CHANCE = 4.0
"""Seconds that a write still has, once its worker is told to stop, for the database to come back."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


_LOST = template(
    "The log of run {run} ends before what this program read from it or wrote to it: the database was restored, or "
    "lost its newest commits in a failover. The run does not go on, and all calls are frozen: cancel it if one of its "
    "calls has run, restart every process of massgen-bot, then run `massgen-bot thaw`."
)


class RunMoved(Exception):
    """Somebody else's event came first, and made ours impossible; `state` is what it led to."""

    def __init__(self, state: RunState) -> None:
        super().__init__(f"the run is {state.kind} now")
        self.state = state


class RunWriter:
    """The state of one run as this worker knows it, and the way to add to its log."""

    def __init__(self, log: RunLog, clock: Clock, run: str, records: Sequence[Recorded]) -> None:
        """Begin from the events read so far."""
        if not records:
            raise RunNotFoundError(run)
        self.run = run
        self._log = log
        self._clock = clock
        self._on_disk: RunState = replay(records)
        self._seq = records[-1].seq
        self._state = self._on_disk
        self._pending: list[RunEvent] = []
        self._has_pending = asyncio.Event()
        self._has_moved = False
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, log: RunLog, clock: Clock, run: str) -> "RunWriter":
        """Read a run's log and take up the pen."""
        return cls(log, clock, run, await log.read(run))

    @property
    def seq(self) -> int:
        """The number of the newest event known to be on disk."""
        return self._seq

    @property
    def state(self) -> RunState:
        """The state after everything recorded here, on disk or not yet."""
        return self._state

    def record(self, event: RunEvent) -> None:
        """Tell of something now; `keep_up` brings it to disk.

        Raises:
            RunMoved: somebody else's event made it impossible.
            IllegalTransition: the event was impossible to begin with.
        """
        self._state = self._after([event], since=self._state)
        self._pending.append(event)
        self._has_pending.set()

    async def commit(
        self, *events: RunEvent, job: Job | None = None, only_if: Callable[[RunState], bool] | None = None
    ) -> RunState:
        """Bring everything recorded, and these events, to disk before returning the new state.

        `only_if` is asked of the newest state on disk, again after each lost race: whether they still belong there.

        Raises:
            RunMoved: somebody else's event made one of these impossible; none of `events` was written.
            IllegalTransition: an event was impossible to begin with.
            LogLostError: the log ends before what was read from it or written to it here.
        """
        async with self._writing:
            await self._write(events, job, only_if)
        return self._state

    async def keep_up(self) -> None:
        """Bring recorded events to disk as they come, for ever; many at a time if they come faster.

        Raises:
            RunMoved: somebody else ended what we were recording.
        """
        while True:
            with no_stray_cancellation():
                await self._has_pending.wait()
                async with self._writing:
                    await self._write((), None, None)

    async def refresh(self) -> RunState:
        """Take in what others have written.

        Raises:
            RunMoved: it made something recorded here impossible.
        """
        async with self._writing:
            await self._catch_up()
        return self._state

    async def _write(
        self, events: Sequence[RunEvent], job: Job | None, only_if: Callable[[RunState], bool] | None
    ) -> None:
        while batch := [*self._pending, *events]:
            if only_if is not None and not only_if(self._on_disk):
                raise RunMoved(self._on_disk)
            now = self._clock.now()
            state = self._after(batch, since=self._on_disk)
            taken = len(self._pending)
            pending = PendingAppend(run=self.run, expected=self._seq, events=batch, at=now, state=state, job=job)
            writing = asyncio.ensure_future(append_surely(self._log, self._clock, pending))
            was_cancelled = await _to_the_end(writing)
            try:
                records = writing.result()
            except Exception as error:
                if was_cancelled:  # Whoever is told to stop stops, also if the write came to nothing.
                    raise asyncio.CancelledError from error
                if not isinstance(error, ConflictError):
                    raise
                if not await self._catch_up():
                    # Where that can't be written, calls are stopped in this process alone, until it is restarted.
                    with contextlib.suppress(StorageError):
                        await self._log.stop_calls()
                    raise LogLostError(Text(_LOST, run=self.run)) from error
                continue
            self._on_disk, self._seq = state, records[-1].seq
            self._has_moved = False  # We went on from there: what is impossible from here on is a mistake of ours.
            del self._pending[:taken]
            self._settle()
            if was_cancelled:
                raise asyncio.CancelledError
            return
        self._has_pending.clear()

    async def _catch_up(self) -> bool:
        """Take in what others wrote, if they did; what is recorded here meanwhile goes on top of it."""
        news = await self._log.read(self.run, after=self._seq)
        for recorded in news:
            before = self._on_disk
            self._on_disk = evolve(before, recorded.event, recorded.at)
            self._has_moved |= self._on_disk is not before
            self._seq = recorded.seq
        self._settle()
        return bool(news)

    def _settle(self) -> None:
        """Bring the state in step with the disk and what is pending; what became impossible will never be written."""
        try:
            self._state = self._after(self._pending, since=self._on_disk)
        except (RunMoved, IllegalTransition):
            self._pending.clear()
            self._state = self._on_disk
            raise
        finally:
            if not self._pending:
                self._has_pending.clear()

    def _after(self, events: Sequence[RunEvent], *, since: RunState) -> RunState:
        state, now = since, self._clock.now()
        try:
            for event in events:
                state = evolve(state, event, now)
        except IllegalTransition:
            if not self._has_moved:
                raise
            raise RunMoved(self._on_disk) from None
        return state


class RunTurns:
    """Whoever reads a run and then adds to its log takes turns with the others of this process.

    A click storm then costs one read a click, not one for every click that came before it. The log's own check of
    what comes next decides all the same, also among processes: who waited long enough goes ahead without a turn.
    """

    def __init__(self) -> None:
        self._locks = WeakValueDictionary[str, asyncio.Lock]()

    @contextlib.asynccontextmanager
    async def of(self, run: str) -> AsyncGenerator[None]:
        """Wait for a turn on this run, for two seconds at most."""
        lock = self._locks.setdefault(run, asyncio.Lock())
        try:
            async with asyncio.timeout(_TURN):
                await lock.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True, kw_only=True)
class PendingAppend:
    """What is to be appended, as `RunLog.append` takes it."""

    run: str
    expected: int
    events: Sequence[RunEvent]
    at: datetime
    state: RunState
    job: Job | None = None


async def append_surely(
    log: RunLog, clock: Clock, pending: PendingAppend, *, patience: float | None = None
) -> Sequence[Recorded]:
    """Append, however often the database goes away meanwhile; what an earlier try has written is not written again.

    Tries for `patience` seconds; None: for as long as the process lives.

    Raises:
        ConflictError: somebody else was first.
        StorageError: the database refuses, or is away for longer; then it may be written all the same.
    """
    begun, waited, pause = time.monotonic(), 0.0, _FIRST_PAUSE
    trouble: StorageError | None = None
    is_receipt = any(isinstance(event, CallSucceeded | CallFailed | LateResult) for event in pending.events)
    while True:
        try:
            try:
                async with asyncio.timeout(None if patience is None else begun + patience - time.monotonic()):
                    return await log.append(
                        pending.run, pending.expected, pending.events, pending.at, pending.state, pending.job
                    )
            except TimeoutError:
                raise trouble or DatabaseAwayError(Text("The database does not answer.")) from None
            except ConflictError:
                # An append of before, whose answer was lost, may have written it. That counts only now that a later one
                # was answered: the database shows what a failover would lose.
                if trouble is not None and (mine := await _written(log, pending)):
                    return mine
                raise
        except StorageError as error:
            # What the world answered is nowhere else than here: it is held, whatever the database complains of.
            is_hopeless = not is_receipt and not isinstance(error, DatabaseAwayError)
            elapsed = max(waited, time.monotonic() - begun)
            if is_hopeless or (patience is not None and elapsed + pause > patience):
                raise
            trouble = error
        await clock.sleep(pause)
        waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)


async def _written(log: RunLog, pending: PendingAppend) -> Sequence[Recorded]:
    """What an append whose answer was lost has written, if it has."""
    found = (await log.read(pending.run, after=pending.expected))[: len(pending.events)]
    is_ours = [each.event for each in found] == list(pending.events) and all(each.at == pending.at for each in found)
    return found if is_ours else ()


async def _to_the_end(writing: "asyncio.Future[Sequence[Recorded]]") -> bool:
    """Wait for a write even if we are cancelled meanwhile, or nobody would know what is on disk; returns if we were.

    Whoever is told to stop while the database is away waits for it a little, and no longer.
    """
    was_cancelled = False
    while not writing.done():
        try:
            _, late = await asyncio.wait({writing}, timeout=LAST_CHANCE if was_cancelled else None)
            if late:
                writing.cancel()
        except asyncio.CancelledError:
            was_cancelled = True
    return was_cancelled


ATTEMPTS = 2
"""How often anything that may cost money is tried when it ends in an error that nobody foresaw."""

_log = logging.getLogger(__name__)

_FORESEEN = (RunMoved, StorageError, OwnershipLostError, RunNotFoundError)
"""What is no error of the work itself: others wrote to the run, or nothing can be written or read at the moment."""


def is_foreseen(error: BaseException) -> bool:
    """Whether an error is for the engine or the journal to deal with, by itself or in a group."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_foreseen, cast("BaseExceptionGroup[BaseException]", error).exceptions))
    return isinstance(error, _FORESEEN)


class StrayCancellationError(Exception):
    """Something was cancelled inside, and nobody had asked for it: the scope of a library that leaked, say."""


@contextlib.contextmanager
def no_stray_cancellation() -> Generator[None]:
    """Let pass that this task is told to stop, and take every other cancellation for the error that it is.

    A task that it ended would count as stopped, and whoever waits for what it was to do would wait for nothing.

    Raises:
        StrayCancellationError: there was one.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise StrayCancellationError("cancelled, and nobody had asked for it") from error


def told(what: Text, error: Exception) -> Text:
    """Log an error under a new reference. Returns the words for people; `what` it ended goes into them."""
    reference = secrets.token_hex(4)
    _log.error("error %s ended %s", reference, what, exc_info=error, extra={"reference": reference})
    return Text(
        "an error in this program ended {what}: the operator can find it in the log under {reference}",
        what=what,
        reference=reference,
    )


def job_for(run: str, before: RunState, after: RunState) -> Job | None:
    """The work that a transition calls for; it is submitted in the transaction that logs the transition."""
    tenant = after.request.tenant
    match after:
        case s.Executing() | s.Reporting() if not isinstance(before, s.Executing):
            return Job(task="execute", run=run, tenant=tenant, revision=after.plan.revision, attempt=after.attempt)
        case s.ChangesWanted():
            return Job(task="deliberate", run=run, tenant=tenant, revision=after.revision)
        case _:
            return None
