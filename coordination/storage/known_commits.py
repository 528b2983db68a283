"""Notices that a database lacks what this process had committed, as after a failover to a standby that was behind.

Whoever goes on from there makes calls again that were made. A process can't know what others lost, so it has the
operator's stop put on record for all of them in the same moment.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from coordination.domain.events import CallStarted, RunEvent
from coordination.errors import LogLostError
from coordination.storage.database import place
from coordination.storage.schema import events, pruned_runs
from coordination.text import Text, template

_REMEMBERED = 1000
"""Runs of which it is known what this process wrote last, to name those that lost something."""

_SETTLED_AFTER = 30.0
"""Seconds until every process has noticed a failover: dead connections are found in less."""

_log = logging.getLogger(__name__)

_LOST = template(
    "{name:A} lost its newest commits, perhaps in a failover or because a backup was restored: "
    "events that this program wrote to these runs are gone: {runs}. All calls are frozen now. "
    "Cancel each run whose calls were made, restart every process of massgen-bot, then run `massgen-bot thaw`."
)

Stop = Callable[[sa.Connection], None]
"""Has no approved call start any more, in the transaction that is open on a connection."""


def stop_nothing(connection: sa.Connection) -> None:
    """For a log that nobody carries out calls from."""
    del connection


class KnownCommits:
    """The newest events of this process's own that were acknowledged, by run."""

    def __init__(self, url: sa.URL, stop: Stop) -> None:
        """`stop` is called when the first of them is missing."""
        self._url = url
        self._stop = stop
        self._known: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._error: LogLostError | None = None

    def note(self, run: str, seq: int, head: str) -> None:
        """This was acknowledged."""
        self._known[run] = (seq, head)
        self._known.move_to_end(run)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def require_none_lost(self, written: Iterable[RunEvent]) -> None:
        """Let this process begin no call once it knows that something was lost: what it knows of its runs may be wrong.

        Raises:
            LogLostError: it is so.
        """
        if self._error is not None and any(isinstance(event, CallStarted) for event in written):
            raise self._error

    def look(self, connection: sa.Connection) -> Callable[[], Exception] | None:
        """Look for the newest one: commits are replicated in order, so it answers for all before it.

        Where it is missing, everything is stopped in the open transaction. What is returned is called once that is
        committed, and gives the error for whoever wanted to write.
        """
        known = list(self._known.items())
        if not known or not _missing(connection, known[-1:]):
            return None
        runs = _missing(connection, known)
        self._stop(connection)

        def tell() -> Exception:
            for run in runs:
                self._known.pop(run, None)
            self._error = LogLostError(Text(_LOST, name=place(self._url), runs=", ".join(runs)))
            _log.error("%s", self._error)
            return self._error

        return tell


class FailoverWatch:
    """Notices that another server serves a database of PostgreSQL than when this process first connected."""

    def __init__(self, engine: sa.Engine) -> None:
        """Looks at each connection that the engine makes from now on."""
        self._first: object = None
        self._noticed_at = -_SETTLED_AFTER
        if engine.dialect.name == "postgresql":
            event.listen(engine, "connect", self._connected)

    @property
    def is_recent(self) -> bool:
        """Whether that was so shortly ago that others, who lost something by it, may not have noticed yet."""
        return time.monotonic() - self._noticed_at < _SETTLED_AFTER

    def _connected(self, connection: Any, entry: object) -> None:  # noqa: ANN401 - the driver's own
        del entry
        try:
            found = connection.execute(_TIMELINE).fetchone()
        except psycopg.Error:
            found = None  # A service that is no PostgreSQL inside does not tell.
        connection.rollback()
        if found is None or found[0] is None:
            return
        if self._first not in {None, found[0]}:
            self._noticed_at = time.monotonic()
        self._first = found[0]


def _missing(connection: sa.Connection, known: Sequence[tuple[str, tuple[int, str]]]) -> list[str]:
    """The runs whose event of a number is not there with its hash. Those that the operator removed lack nothing."""
    missing: list[str] = []
    for run, (seq, head) in known:
        found = connection.execute(_HASH, {"of_run": run, "number": seq}).scalar()
        if found != head and connection.execute(_PRUNED, {"of_run": run, "number": seq}).scalar() is None:
            missing.append(run)
    return missing


_TIMELINE = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
_HASH = sa.select(events.c.hash).where(events.c.run == sa.bindparam("of_run"), events.c.seq == sa.bindparam("number"))
_PRUNED = sa.select(pruned_runs.c.seq).where(
    pruned_runs.c.run == sa.bindparam("of_run"), pruned_runs.c.seq >= sa.bindparam("number")
)
