"""What other processes wrote, told by PostgreSQL in the moment when it is committed.

Polling is there for when it is not.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import psycopg
import sqlalchemy as sa

from coordination.storage.database import connection_arguments

CHANNEL = "massgen_bot"

Heard: TypeAlias = Callable[[str, int, bool], None]
"""A run, the number of its newest event, and whether a job was submitted with it."""

_SLICE = 0.5
_PAUSES = (0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)
_NOTIFY = sa.select(sa.func.pg_notify(sa.bindparam("channel"), sa.bindparam("payload")))


def notify(connection: sa.Connection, run: str, seq: int, *, has_job: bool) -> None:
    """Tell everybody who listens, once the transaction that is open on the connection is committed."""
    connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": f"{int(has_job)} {seq} {run}"})


class Listener:
    """One connection that listens, in a thread of its own."""

    def __init__(self, url: sa.URL, *, heard: Heard, told: Callable[[bool], None]) -> None:
        """Starts at once. Both are called from the thread; `told` says whether `heard` can be relied on from now on."""
        self._url = url
        self._heard = heard
        self._told = told
        self._closed = threading.Event()
        self._is_live = False
        self._thread = threading.Thread(target=self._listen_for_ever, name="log-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. Blocks for half a second at most, unless the server does not answer."""
        self._closed.set()
        self._thread.join(_SLICE + 1.0)

    def _listen_for_ever(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                _log.info("the database tells of nothing new, which is looked for instead: %s", error)
            failures = 0 if self._is_live else failures + 1
            if self._is_live:
                self._is_live = False
                self._told(False)
            self._closed.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])

    def _listen(self) -> None:
        _, named = self._url.get_dialect()().create_connect_args(self._url)
        options: dict[str, Any] = {**connection_arguments(self._url), **named}
        with psycopg.connect(**options, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._is_live = True
            self._told(True)
            while not self._closed.is_set():
                for each in connection.notifies(timeout=_SLICE):
                    self._tell(each.payload)

    def _tell(self, payload: str) -> None:
        has_job, _, rest = payload.partition(" ")
        seq, _, run = rest.partition(" ")
        if seq.isdecimal():
            self._heard(run, int(seq), has_job == "1")
