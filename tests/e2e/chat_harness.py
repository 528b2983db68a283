"""What the harnesses of all chats have in common: a clock that is moved on, a quicker pace, and what was really done."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bot.application import Overrides
from bot.chat.platform import SyncIntervals
from coordination.clock import SystemClock
from coordination.ports import RunLog

QUICK = 0.05
"""Seconds between two changes of one card, where a test is in a hurry."""

ENDED = ("Done", "Rejected", "Expired", "Cancelled", "Failed", "Stopped", "Partly done", "Answered")


class MovedClock:
    """The machine's time and what was skipped. Whoever sleeps looks at it again when it was moved."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._ahead = timedelta()
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self._real.now() + self._ahead

    def monotonic(self) -> float:
        return self._real.monotonic() + self._ahead.total_seconds()

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._moved.wait()
            except TimeoutError:
                return

    def skip(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)
        self._moved.set()
        self._moved = asyncio.Event()


def hurried(clock: MovedClock, pace: float, keep: Callable[[RunLog], None]) -> Overrides:
    """A bot with this clock and at this pace; `keep` gets its log."""

    def kept(log: RunLog) -> RunLog:
        keep(log)
        return log

    def hurry(usual: SyncIntervals) -> SyncIntervals:
        return replace(usual, edit=pace, timeline=pace, look=pace, patience=1.0)

    return Overrides(clock=clock, log=kept, intervals=hurry)


def written(writer: Path) -> list[str]:
    """The texts that the tool server of a journal wrote, in order."""
    if not writer.exists():
        return []
    lines = [json.loads(line) for line in writer.read_text(encoding="utf-8").splitlines()]
    return [str(line["arguments"].get("text", line["name"])) for line in lines]
