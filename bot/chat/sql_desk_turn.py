"""One keeper for each surface, however many processes there are: a lease like a worker's, and the same fence."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import sqlalchemy as sa

from coordination.errors import StorageError
from coordination.storage.database import open_engine
from coordination.storage.worker_leases import Ownership, Slots, leadership_for

BEAT_SECONDS = 1.0
LEASE = 15.0
_LOOK_SECONDS = 0.5

keeping_as: ContextVar[Ownership | None] = ContextVar("keeping_as", default=None)
"""The hold under which the current task keeps cards; None in every task that keeps none."""


@dataclass(frozen=True)
class SqlKeepership:
    """Fits `bot.chat.store.Keepership`."""

    hold: Ownership

    async def holds(self) -> bool:
        """Whether nobody was found in our place at the last beat."""
        return not self.hold.is_lost


@asynccontextmanager
async def sole_keeper(
    url: sa.URL, surface: str, *, beat: float = BEAT_SECONDS, lease: float = LEASE
) -> AsyncGenerator[SqlKeepership]:
    """Wait for the right to keep a surface, and beat for it while the context is open. What is written is fenced."""
    turn = _Turn(url, surface, beat=beat, lease=lease)
    before = keeping_as.get()
    try:
        while (hold := await asyncio.to_thread(turn.take)) is None:  # noqa: ASYNC110 - it is another process that we wait for
            await asyncio.sleep(min(_LOOK_SECONDS, beat))
        keeping_as.set(hold)
        yield SqlKeepership(hold)
    finally:
        keeping_as.set(before)
        await asyncio.shield(asyncio.to_thread(turn.leave))


class _Turn:
    """One process's way to the right and back. Once it has left it takes nothing any more.

    Whoever gives up waiting does not stop the thread that is about to take the right for them, and would leave it held.
    """

    def __init__(self, url: sa.URL, surface: str, *, beat: float, lease: float) -> None:
        self._database = open_engine(url, "engine", connections=1)
        self._slots: Slots = leadership_for(self._database, surface, interval=beat, lease=lease)
        self._beat = beat
        self._one_thread = threading.Lock()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._beat_for_ever, name=f"keeper-{surface}", daemon=True)

    def take(self) -> Ownership | None:
        """The hold, if nobody alive has it; whoever is silent for the lease loses it."""
        with self._one_thread:
            if self._leaving.is_set():
                return None
            for name in self._slots.look():
                with self._slots.seized(name, by_force=True):
                    pass
            hold = self._slots.take_if_free()
        if hold is not None:
            self._thread.start()
        return hold

    def leave(self) -> None:
        """Give it back."""
        self._leaving.set()
        with self._one_thread:
            try:
                self._slots.release()
            except StorageError:  # Then others find it quiet.
                self._slots.abandon()
            finally:
                self._database.dispose()

    def _beat_for_ever(self) -> None:
        """In a thread of its own: signs of life must not wait for anything else. An outage takes nothing."""
        while not self._leaving.wait(self._beat):
            with self._one_thread:
                try:
                    if self._leaving.is_set() or not self._slots.keep():
                        return
                except StorageError:
                    continue
