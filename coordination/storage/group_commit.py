"""One thread that does all the writing of a process, many requests to a commit.

Waiting for the disk is most of what an append costs. While one commit waits, requests of other runs gather; the next
commit takes them all. A request that fails takes no other with it.

A commit of which nothing is heard, or that the server warns of, may be on its disk and not on its standby's, which
PostgreSQL shows to everybody all the same. The next one then writes something, so that its end stands for both.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from coordination.errors import CoordinationError
from coordination.storage.database import describe_error, forget_warnings, unconfirmed, was_warned, write_something

LONGEST = 40.0
"""Seconds that a write may take: SQLite itself waits for 30 seconds for another program that writes."""

_LAST_SECONDS = 10.0
"""How long the end of the program waits for a database that does not answer."""

_Result = TypeVar("_Result")

Look: TypeAlias = Callable[[sa.Connection], Callable[[], Exception] | None]
"""Looks at the database before anything is written. What it returns has nothing written but what it wrote itself, and
gives the error for everybody once that is committed."""


def _nothing_to_see(connection: sa.Connection) -> None:
    del connection


@dataclass(frozen=True)
class _Request(Generic[_Result]):
    work: Callable[[sa.Connection], _Result]
    answer: "asyncio.Future[_Result]"


@dataclass(frozen=True)
class _Outcome:
    """What became of one request: a value that is on disk, or the error that kept it from there."""

    value: object = None
    error: Exception | None = None


class _WorkFailedError(Exception):
    """One request of a batch failed before the commit: the others must be done without it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class GroupCommit:
    """Runs pieces of work on the one writing connection; `engine` must begin its transactions for writing."""

    def __init__(self, engine: sa.Engine, look: Look = _nothing_to_see) -> None:
        """Belongs to the event loop that it is made in. `look` begins each transaction."""
        self._engine = engine
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._requests: queue.SimpleQueue[_Request[Any] | None] = queue.SimpleQueue()
        self._is_doubtful = False
        self._thread = threading.Thread(target=self._serve, name="log-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Do the work, and return its result once it is on disk.

        `work` may be done over, so it has no other effect than on the connection. An error of this program's own that
        it raises must come before its first write. If the waiting task is cancelled, the work may be done all the same.

        Raises:
            StorageError: the database refuses, or says nothing for LONGEST seconds; then it may be done all the same.
        """
        answer: asyncio.Future[_Result] = self._loop.create_future()
        self._requests.put(_Request(work, answer))
        try:
            async with asyncio.timeout(LONGEST):
                return await answer
        except TimeoutError:
            raise unconfirmed(self._engine.url) from None

    def close(self) -> None:
        """Finish what was asked for, and end the thread.

        Blocks for some seconds; nothing may be asked for afterwards.
        """
        self._requests.put(None)
        self._thread.join(_LAST_SECONDS)

    def _serve(self) -> None:
        is_open = True
        while is_open:
            batch = [self._requests.get()]
            while not self._requests.empty():
                batch.append(self._requests.get())
            is_open = None not in batch
            self._settle([request for request in batch if request is not None and not request.answer.cancelled()])

    def _settle(self, batch: Sequence[_Request[Any]]) -> None:
        if not batch:
            return
        try:
            outcomes = self._commit(batch)
        except _WorkFailedError as failure:
            if len(batch) > 1:
                for request in batch:
                    self._settle([request])
                return
            outcomes = [_Outcome(error=self._plain(failure.error))]
        except Exception as error:  # noqa: BLE001 - whatever it was, every waiting task must hear of it.
            # The commit may have reached the disk before its answer was lost: doing the work over would tell its
            # owner that somebody else was first.
            outcomes = [_Outcome(error=self._plain(error))] * len(batch)
        try:
            self._loop.call_soon_threadsafe(_answer, batch, outcomes)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.

    def _commit(self, batch: Sequence[_Request[Any]]) -> list[_Outcome]:
        with self._engine.connect() as connection:
            was_doubtful, self._is_doubtful = self._is_doubtful, True
            with connection.begin():
                refusal = self._look(connection)
                outcomes = [_done(request, connection) for request in batch] if refusal is None else []
                is_sure = not was_doubtful or write_something(connection)
                forget_warnings(connection)
            if was_warned(connection):
                raise unconfirmed(self._engine.url)
            self._is_doubtful = not is_sure
        if refusal is not None:
            raise refusal()
        return outcomes

    def _plain(self, error: Exception) -> Exception:
        if not isinstance(error, exc.SQLAlchemyError):
            return error
        plain = describe_error(error, self._engine.url)
        plain.__cause__ = error
        return plain


def _done(request: _Request[Any], connection: sa.Connection) -> _Outcome:
    try:
        return _Outcome(value=request.work(connection))
    except CoordinationError as error:
        return _Outcome(error=error)
    except Exception as error:
        raise _WorkFailedError(error) from error


def _answer(batch: Sequence[_Request[Any]], outcomes: Sequence[_Outcome]) -> None:
    for request, outcome in zip(batch, outcomes, strict=True):
        if request.answer.done():
            continue
        if outcome.error is not None:
            request.answer.set_exception(outcome.error)
        else:
            request.answer.set_result(outcome.value)
