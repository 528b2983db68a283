"""What fails again and again in one worker, counted by name.

DBOS's own warnings are counted, too, as they are all that it says of its threads.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import override

from coordination.errors import LogLostError

_ENOUGH = 3
"""Failures in a row that are no accident any more."""

_MINUTE = 60.0


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Something that has failed `count` times in a row, first at `since` (monotonic seconds), at last with `error`."""

    since: float
    count: int
    error: Exception


class Failures:
    """What fails again and again in one worker, by name: a thread of it, or a job. Any thread may tell it."""

    def __init__(self) -> None:
        self._failing: dict[str, Failing] = {}

    def failed(self, what: str, error: Exception) -> None:
        """It failed, once more perhaps."""
        before = self._failing.get(what)
        since, count = (time.monotonic(), 0) if before is None else (before.since, before.count)
        self._failing[what] = Failing(since=since, count=count + 1, error=error)

    def worked(self, what: str) -> None:
        """It did what it should: earlier failures are forgotten."""
        self._failing.pop(what, None)

    def is_failing(self, what: str) -> bool:
        """Whether it failed when it last tried."""
        return what in self._failing

    def lasting(
        self, patience: float, concerns: Callable[[str], bool], *, passes: Callable[[Exception], bool]
    ) -> Failing | None:
        """One that has done nothing but fail for `patience` seconds, of those whose name `concerns` whoever asks.

        What `passes` by itself is waited for, however long it lasts.
        """
        now = time.monotonic()
        for what, failing in list(self._failing.items()):
            if passes(failing.error):
                continue
            is_enough = failing.count >= _ENOUGH or isinstance(failing.error, LogLostError)
            if concerns(what) and is_enough and now - failing.since >= patience:
                return failing
        return None


class WarningFilter(logging.Filter):
    """Calls `heard` whenever DBOS warns of something: its threads report their failures to nobody else.

    While a database is away several of them warn each second. Each place in their code is logged once a minute.
    """

    def __init__(self, heard: Callable[[], None]) -> None:
        super().__init__()
        self._heard = heard
        self._logged_at: dict[tuple[str, int], float] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        self._heard()
        place_in_code, now = (record.filename, record.lineno), time.monotonic()
        is_due = now - self._logged_at.get(place_in_code, -_MINUTE) >= _MINUTE
        if is_due:
            self._logged_at[place_in_code] = now
        return is_due or record.levelno > logging.WARNING
