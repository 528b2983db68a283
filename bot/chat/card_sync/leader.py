"""One leader for each product, whatever process the runs are in: it reconciles every card with the log."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.chat.card_sync.context import SyncContext
from bot.chat.card_sync.open_questions import OpenQuestions
from bot.chat.card_sync.reconciler import Reconciler
from bot.chat.card_sync.turns import CheckRounds
from bot.chat.store import ChangedCard, LeaderLock
from coordination.errors import DatabaseAwayError, OwnershipLostError, StorageError

_log = logging.getLogger(__name__)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_OVERLAP = timedelta(seconds=60)
"""How far apart the clocks of two processes may be."""

_HOLD_SECONDS = 1.0
_AGAIN_SECONDS = 5.0
_GRACE = 5.0
_FORGET_SECONDS = 3_600.0
_TELL_SECONDS = 10.0
_REMEMBERED = timedelta(days=30)


@dataclass(frozen=True)
class _RunTask:
    reconciler: Reconciler
    task: "asyncio.Task[None]"


class CardSync:
    """Card sync of one product. Of several processes one keeps; the others stand by."""

    def __init__(self, context: SyncContext) -> None:
        """Nothing happens before `keeping`."""
        self._context = context
        self._run_task: dict[str, _RunTask] = {}
        self._seen: dict[str, int] = {}
        self._looked_at = _BEGINNING
        self._ask_at = -math.inf
        self._is_leading = False
        self._wake_event = asyncio.Event()
        self._closing = asyncio.Event()

    def wake(self) -> None:
        """Look at once: something was done here."""
        self._wake_event.set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Keep the cards while the context is open. What is being sent when it closes gets a moment to arrive."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._run(), name=f"card-sync-{self._context.platform.name}")
            try:
                yield
            finally:
                await self._close(work)

    async def _close(self, work: "asyncio.Task[None]") -> None:
        self._closing.set()
        self._wake_event.set()
        if self._is_leading:
            await asyncio.wait({work}, timeout=2 * _GRACE)
        work.cancel()

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                async with self._context.store.leader_lock(self._context.platform.name) as lock:
                    self._is_leading = True
                    await self._lead(lock)
            except* (StorageError, OwnershipLostError) as errors:
                _log.warning("the cards can't be kept now: %s", errors.exceptions[0])
                await asyncio.sleep(_AGAIN_SECONDS)
            finally:
                self._is_leading = False

    async def _lead(self, lock: LeaderLock) -> None:
        """Keep every card until the right to do so is lost, or it is time to close."""
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            begin = partial(self._begin, group, ending)
            group.create_task(self._forget(ending), name="forget")
            questions = group.create_task(OpenQuestions(self._context).keep(), name="questions")
            group.create_task(self._tell_administrators(ending), name="tell-administrators")
            await self._resume(begin)
            rounds = CheckRounds(self._context.intervals, self._context.clock.now())
            while not self._closing.is_set() and await self._is_leader(lock):
                with contextlib.suppress(DatabaseAwayError):  # An outage takes nobody the cards; they wait for it.
                    await self._look(begin)
                    await self._check(rounds, begin)
                await self._pause()
            ending.set()
            questions.cancel()
            await self._dismiss()

    async def _is_leader(self, lock: LeaderLock) -> bool:
        """Whether the cards are ours to keep; asked for now and then."""
        now = self._context.clock.monotonic()
        if now < self._ask_at:
            return True
        self._ask_at = now + _HOLD_SECONDS
        return await lock.is_leader()

    async def _dismiss(self) -> None:
        """What is being sent gets a moment to arrive; who only waits is sent home."""
        tasks = list(self._run_task.values())
        for run_task in tasks:
            run_task.reconciler.wake_event.set()
        if tasks:
            await asyncio.wait({run_task.task for run_task in tasks}, timeout=_GRACE)
        for run_task in tasks:
            run_task.task.cancel()

    async def _forget(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            with contextlib.suppress(StorageError, OwnershipLostError):
                await self._context.store.prune(self._context.clock.now() - _REMEMBERED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FORGET_SECONDS):
                    await ending.wait()

    async def _tell_administrators(self, ending: asyncio.Event) -> None:
        tell = self._context.tell_administrators
        while tell is not None and not ending.is_set():
            try:
                await tell()
            except (StorageError, OwnershipLostError) as error:
                _log.info("administrators can't be told of budgets now: %s", error)
            except Exception:  # noqa: BLE001 - a notice that can't be sent must not take the cards with it
                _log.warning("administrators could not be told of a budget", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TELL_SECONDS):
                    await ending.wait()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._context.intervals.look):
                await self._wake_event.wait()
        except TimeoutError:
            return
        self._wake_event.clear()

    async def _resume(self, begin: Callable[[str], None]) -> None:
        """Take up every card that is not in step: not those that show a plan, and are to be looked at later."""
        names, self._looked_at = [self._context.platform.name], self._context.clock.now()
        moved = self._note(await self._context.store.changed_cards(names, after=_BEGINNING, now=_BEGINNING))
        for card in await self._context.store.live(names):
            if not card.message or card.stale or card.wake_at is None or card.told < moved.get(card.run, 1):
                begin(card.run)

    async def _look(self, begin: Callable[[str], None]) -> None:
        """Take up what has moved, and what is to be looked at by now."""
        names, store = [self._context.platform.name], self._context.store
        before, after, now = self._seen, self._looked_at - _OVERLAP, self._context.clock.now()
        moved = self._note(await store.changed_cards(names, after=after, now=_BEGINNING))
        self._looked_at = now
        for run, seq in moved.items():
            if before.get(run) != seq:
                begin(run)
        for each in await store.changed_cards(names, after=_END, now=now):
            begin(each.run)

    async def _check(self, rounds: CheckRounds, begin: "Callable[..., None]") -> None:
        """Look for the next card that nothing has happened to: a message can be deleted without a word to us."""
        context, now = self._context, self._context.clock.now()
        if rounds.is_round_due(now):
            standing = await context.store.live([context.platform.name])
            rounds.begin((each.run for each in standing if each.message), now)
        run = rounds.next(now)
        if run is not None and not context.refusals.is_paused(run, now):
            begin(run, is_check=True)

    def _note(self, changed: Sequence[ChangedCard]) -> Mapping[str, int]:
        """Remember how far these runs have come, so as to know again what the overlap of two looks brings twice."""
        self._seen = {each.run: each.seq for each in changed}
        return self._seen

    def _begin(self, group: asyncio.TaskGroup, ending: asyncio.Event, run: str, *, is_check: bool = False) -> None:
        run_task = self._run_task.get(run)
        if run_task is not None:
            run_task.reconciler.is_check_due |= is_check
            run_task.reconciler.wake_event.set()
            return
        reconciler = Reconciler(run, self._context, is_check_due=is_check)
        task = group.create_task(self._reconcile(reconciler, ending), name=f"card-{run}")
        self._run_task[run] = _RunTask(reconciler, task)

    async def _reconcile(self, reconciler: Reconciler, ending: asyncio.Event) -> None:
        try:
            await reconciler.reconcile(ending)
        finally:
            del self._run_task[reconciler.run]
