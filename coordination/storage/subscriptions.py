"""Tells those who follow a run of its new events: at once for this process's own, soon for those of others."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress

from coordination.domain.transitions import Recorded
from coordination.errors import StorageError

_SELDOM = 20
"""Intervals between looks while the database does not answer, or tells of what is new by itself."""


class Follower:
    """One reader of one run; lives on the event loop."""

    def __init__(self, after: int) -> None:
        """`after` is the number of the last event that it has."""
        self._seq = after
        self._fresh: list[Recorded] = []
        self._wake_event = asyncio.Event()

    def tell(self, records: Sequence[Recorded]) -> None:
        """These were just written by this process."""
        self._fresh.extend(records)
        self._wake_event.set()

    def hint(self, newest: int) -> None:
        """The run's newest event has this number."""
        if newest > self._seq:
            self._wake_event.set()

    async def more(self, after: int) -> Sequence[Recorded]:
        """Wait until there may be events above `after`. Returns them; nothing means that the log must be read."""
        self._seq = after
        await self._wake_event.wait()
        self._wake_event.clear()
        fresh, self._fresh = self._fresh, []
        new = [recorded for recorded in fresh if recorded.seq > after]
        is_whole = bool(new) and new[0].seq == after + 1 and new[-1].seq == after + len(new)
        return new if is_whole else ()


class Followers:
    """Everybody in this process who follows a run, and one thread that looks in the database for all of them.

    The thread sleeps while nobody follows.
    """

    def __init__(self, newest: Callable[[Sequence[str]], Mapping[str, int]], *, interval: float) -> None:
        """`newest` blocks; it reads the number of the newest event of each of these runs."""
        self._newest = newest
        self._interval = interval
        self._pause = interval
        self._is_told = False
        self._loop = asyncio.get_running_loop()
        self._of: defaultdict[str, list[Follower]] = defaultdict(list)
        self._changed = threading.Condition()
        self._is_closed = False
        self._is_due = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def joined(self, run: str, after: int) -> Generator[Follower]:
        """Be told of a run's events while the context is open."""
        follower = Follower(after)
        with self._changed:
            self._of[run].append(follower)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="log-watch", daemon=True)
                self._thread.start()
        try:
            yield follower
        finally:
            with self._changed:
                self._of[run].remove(follower)
                if not self._of[run]:
                    del self._of[run]

    def tell(self, run: str, records: Sequence[Recorded]) -> None:
        """Pass on what this process has just written."""
        for follower in self._of.get(run, ()):
            follower.tell(records)

    def heard(self, run: str, newest: int) -> None:
        """Another process wrote. Any thread may say so."""
        with suppress(RuntimeError):  # The loop is closed: nobody follows any more.
            self._loop.call_soon_threadsafe(self._hint, {run: newest})

    def told(self, is_told: bool) -> None:
        """Whether the database tells of what others write from now on; look at once for what was missed before."""
        with self._changed:
            self._is_told = is_told
            self._is_due = True
            self._changed.notify()

    def close(self) -> None:
        """End the thread. Blocks for as long as one look takes."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while runs := self._next_look():
            try:
                newest = self._newest(runs)
            except StorageError:
                self._pause = _SELDOM * self._interval
                continue
            self._pause = self._interval * (_SELDOM if self._is_told else 1)
            try:
                self._loop.call_soon_threadsafe(self._hint, newest)
            except RuntimeError:
                return  # The loop is closed: nobody follows any more.

    def _next_look(self) -> Sequence[str]:
        """Sleep until it is time to look. Returns the runs to look for; none means that it is over."""
        with self._changed:
            while self._goes_on():
                self._changed.wait_for(lambda: self._is_closed or self._of)
                self._changed.wait_for(lambda: self._is_closed or self._is_due, timeout=self._pause)
                self._is_due = False
                if self._of and self._goes_on():
                    return list(self._of)
            return ()

    def _goes_on(self) -> bool:
        return not self._is_closed

    def _hint(self, newest: Mapping[str, int]) -> None:
        for run, seq in newest.items():
            for follower in self._of.get(run, ()):
                follower.hint(seq)
