"""One leader for each product, whatever process the runs are in: it reconciles every card with the log."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.chat.card_sync.context import Tools
from bot.chat.card_sync.reconciler import Tending
from bot.chat.store import Keepership, Stirred
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
_REMEMBERED = timedelta(days=30)


@dataclass(frozen=True)
class _Tended:
    tending: Tending
    task: "asyncio.Task[None]"


class Keeper:
    """The keeper of one product's cards. Of several processes one keeps; the others stand by."""

    def __init__(self, tools: Tools) -> None:
        """Nothing happens before `keeping`."""
        self._tools = tools
        self._tended: dict[str, _Tended] = {}
        self._seen: dict[str, int] = {}
        self._looked_at = self._ask_at = _BEGINNING
        self._reigns = False
        self._nudged = asyncio.Event()
        self._closing = asyncio.Event()

    def nudge(self) -> None:
        """Look at once: something was done here."""
        self._nudged.set()

    @asynccontextmanager
    async def keeping(self) -> AsyncGenerator[None]:
        """Keep the cards while the context is open. What is being sent when it closes gets a moment to arrive."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._keep(), name=f"keeper-{self._tools.surface.name}")
            try:
                yield
            finally:
                await self._close(work)

    async def _close(self, work: "asyncio.Task[None]") -> None:
        self._closing.set()
        self._nudged.set()
        if self._reigns:
            await asyncio.wait({work}, timeout=2 * _GRACE)
        work.cancel()

    async def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                async with self._tools.store.sole_keeper(self._tools.surface.name) as keepership:
                    self._reigns = True
                    await self._reign(keepership)
            except* (StorageError, OwnershipLostError) as errors:
                _log.warning("the cards can't be kept now: %s", errors.exceptions[0])
                await asyncio.sleep(_AGAIN_SECONDS)
            finally:
                self._reigns = False

    async def _reign(self, keepership: Keepership) -> None:
        """Keep every card until the right to do so is lost, or it is time to close."""
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            begin = partial(self._begin, group, ending)
            group.create_task(self._forget(ending), name="forget")
            await self._resume(begin)
            while not self._closing.is_set() and await self._holds(keepership):
                with contextlib.suppress(DatabaseAwayError):  # An outage takes nobody the cards; they wait for it.
                    await self._look(begin)
                await self._pause()
            ending.set()
            await self._dismiss()

    async def _holds(self, keepership: Keepership) -> bool:
        """Whether the cards are ours to keep; asked for now and then."""
        now = self._tools.clock.now()
        if now < self._ask_at:
            return True
        self._ask_at = now + timedelta(seconds=_HOLD_SECONDS)
        return await keepership.holds()

    async def _dismiss(self) -> None:
        """What is being sent gets a moment to arrive; who only waits is sent home."""
        tasks = list(self._tended.values())
        for tended in tasks:
            tended.tending.bell.set()
        if tasks:
            await asyncio.wait({tended.task for tended in tasks}, timeout=_GRACE)
        for tended in tasks:
            tended.task.cancel()

    async def _forget(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            with contextlib.suppress(StorageError, OwnershipLostError):
                await self._tools.store.prune(self._tools.clock.now() - _REMEMBERED)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FORGET_SECONDS):
                    await ending.wait()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._tools.pace.look):
                await self._nudged.wait()
        except TimeoutError:
            return
        self._nudged.clear()

    async def _resume(self, begin: Callable[[str], None]) -> None:
        """Take up every card that is not in step: not those that show a plan, and are to be looked at later."""
        names, self._looked_at = [self._tools.surface.name], self._tools.clock.now()
        moved = self._note(await self._tools.store.stirred(names, after=_BEGINNING, now=_BEGINNING))
        for card in await self._tools.store.live(names):
            if not card.message or card.stale or card.wake_at is None or card.told < moved.get(card.run, 1):
                begin(card.run)

    async def _look(self, begin: Callable[[str], None]) -> None:
        """Take up what has moved, and what is to be looked at by now."""
        names, store = [self._tools.surface.name], self._tools.store
        before, after, now = self._seen, self._looked_at - _OVERLAP, self._tools.clock.now()
        moved = self._note(await store.stirred(names, after=after, now=_BEGINNING))
        self._looked_at = now
        for run, seq in moved.items():
            if before.get(run) != seq:
                begin(run)
        for each in await store.stirred(names, after=_END, now=now):
            begin(each.run)

    def _note(self, stirred: Sequence[Stirred]) -> Mapping[str, int]:
        """Remember how far these runs have come, so as to know again what the overlap of two looks brings twice."""
        self._seen = {each.run: each.seq for each in stirred}
        return self._seen

    def _begin(self, group: asyncio.TaskGroup, ending: asyncio.Event, run: str) -> None:
        tended = self._tended.get(run)
        if tended is not None:
            tended.tending.bell.set()
            return
        tending = Tending(run, self._tools)
        task = group.create_task(self._tend(tending, ending), name=f"card-{run}")
        self._tended[run] = _Tended(tending, task)

    async def _tend(self, tending: Tending, ending: asyncio.Event) -> None:
        try:
            await tending.tend(ending)
        finally:
            del self._tended[tending.run]
