"""When card sync turns to a card although its run has not moved: to see that it still stands, or after a refusal."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.chat.platform import SyncIntervals

_LONGEST_PAUSE = timedelta(hours=1)
_RETURN = timedelta(minutes=1)
_FEW_DELETIONS = 5
_MOST_LATER = 6
_MOST_DOUBLED = 30
GIVE_UP = timedelta(days=7)
"""How long after its end a card is tried again that the product refuses."""
SAME = timedelta(seconds=60)
"""How long a product that posts each name once is relied on for it."""


class CheckRounds:
    """Looks for the cards that stand, one after the other: so seldom that thousands cost no more than a few do."""

    def __init__(self, intervals: SyncIntervals, now: datetime) -> None:
        """The first round begins when whoever led before us may have looked a while ago."""
        self._round = timedelta(seconds=intervals.recheck)
        self._pause = timedelta(seconds=intervals.between_checks)
        self._next_round = now + self._round
        self._next_card = now
        self._left: deque[str] = deque()

    def is_round_due(self, now: datetime) -> bool:
        """Whether all of the last round were looked for, and it is time for the next one."""
        return not self._left and now >= self._next_round

    def begin(self, runs: Iterable[str], now: datetime) -> None:
        """Have a round of these."""
        self._left = deque(runs)
        self._next_round = now + self._round

    def next(self, now: datetime) -> str | None:
        """The run whose card is to be looked for now."""
        if not self._left or now < self._next_card:
            return None
        self._next_card = now + self._pause
        return self._left.popleft()


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    count: int
    until: datetime


class Refusals:
    """The cards that the product does not let us show. Each pause is twice the last; a new process begins anew."""

    def __init__(self, intervals: SyncIntervals) -> None:
        """Nothing was refused yet."""
        self._first = timedelta(seconds=intervals.patience)
        self._of: dict[str, _Refusal] = {}

    def refused(self, run: str, now: datetime) -> datetime:
        """One more refusal. Returns when to try again. What was tried before its time makes no pause longer."""
        if self.is_paused(run, now):
            return self._of[run].until
        count = self.count(run) + 1
        doubled: int = 1 << min(count - 1, _MOST_DOUBLED)
        pause = min(self._first * doubled, _LONGEST_PAUSE)
        self._of[run] = _Refusal(count=count, until=now + pause)
        return now + pause

    def count(self, run: str) -> int:
        """How often in a row."""
        return self._of[run].count if run in self._of else 0

    def is_paused(self, run: str, now: datetime) -> bool:
        """Whether it is too early to try again."""
        return run in self._of and now < self._of[run].until

    def over(self, run: str) -> None:
        """The product took it."""
        self._of.pop(run, None)


class Deletions:
    """The cards that somebody, or another bot, deletes soon after each post. A new process begins anew."""

    def __init__(self) -> None:
        """Nothing was deleted yet."""
        self._of: dict[str, int] = {}

    def may_return(self, run: str, age: timedelta) -> bool:
        """Whether a card that is gone, and was posted so long ago, may be posted again now: the first few times it may.

        After that it has to be older each time, twice as much as the last time.
        """
        count = self._of.get(run, 0)
        pause = _RETURN * (1 << min(max(0, count - _FEW_DELETIONS), _MOST_LATER))
        if count >= _FEW_DELETIONS and age < pause:
            return False
        if age < 2 * pause:
            self._of[run] = count + 1
        else:
            self._of.pop(run, None)
        return True
