"""The cards and their buttons in the database, and the lock of the one process that leads for a product."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.chat.sql_tables import (
    buttons,
    card_copies,
    cards,
    chat_metadata,
    record_of,
    row_of,
    seen,
    superseded_messages_of,
)
from bot.chat.store import ButtonRecord, CardCopy, CardRecord, ChangedCard, OpenQuestion
from coordination.errors import StorageError
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.group_commit import GroupCommit
from coordination.storage.schema import prepare, runs
from coordination.storage.sql_run_log import plain_text, time_text
from coordination.storage.worker_leases import Ownership, WorkerLeases, leadership_for, require_hold

BEAT_SECONDS = 1.0
LEASE = 15.0
_LOOK_SECONDS = 0.5

keeping_as: ContextVar[Ownership | None] = ContextVar("keeping_as", default=None)
"""The hold under which the current task keeps cards; None in every task that keeps none."""


@dataclass(frozen=True)
class SqlLeaderLock:
    """Fits `bot.chat.store.LeaderLock`."""

    hold: Ownership

    async def is_leader(self) -> bool:
        """Whether nobody was found in our place at the last beat."""
        return not self.hold.is_lost


@asynccontextmanager
async def leader_lock(
    url: sa.URL, platform: str, *, beat: float = BEAT_SECONDS, lease: float = LEASE, direct: sa.URL | None = None
) -> AsyncGenerator[SqlLeaderLock]:
    """Wait for the right to keep a platform, and beat for it while the context is open. What is written is fenced."""
    turn = _Turn(url, platform, beat=beat, lease=lease, direct=direct)
    before = keeping_as.get()
    try:
        while (hold := await asyncio.to_thread(turn.take)) is None:  # noqa: ASYNC110 - it is another process that we wait for
            await asyncio.sleep(min(_LOOK_SECONDS, beat))
        keeping_as.set(hold)
        yield SqlLeaderLock(hold)
    finally:
        keeping_as.set(before)
        await asyncio.shield(asyncio.to_thread(turn.leave))


class _Turn:
    """One process's way to the right and back. Once it has left it takes nothing any more.

    Whoever gives up waiting does not stop the thread that is about to take the right for them, and would leave it held.
    """

    def __init__(self, url: sa.URL, platform: str, *, beat: float, lease: float, direct: sa.URL | None) -> None:
        self._database = open_engine(url, "engine", connections=1)
        self._leases: WorkerLeases = leadership_for(self._database, platform, interval=beat, lease=lease, direct=direct)
        self._beat = beat
        self._one_thread = threading.Lock()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._beat_for_ever, name=f"leader-lock-{platform}", daemon=True)

    def take(self) -> Ownership | None:
        """The hold, if nobody alive has it; whoever is silent for the lease loses it."""
        with self._one_thread:
            if self._leaving.is_set():
                return None
            for name in self._leases.look():
                with self._leases.seized(name, by_force=True):
                    pass
            hold = self._leases.take_if_free()
        if hold is not None:
            self._thread.start()
        return hold

    def leave(self) -> None:
        """Give it back."""
        self._leaving.set()
        with self._one_thread:
            try:
                self._leases.release()
            except StorageError:  # Then others find it quiet.
                self._leases.abandon()
            finally:
                self._database.dispose()

    def _beat_for_ever(self) -> None:
        """In a thread of its own: signs of life must not wait for anything else. An outage takes nothing."""
        while not self._leaving.wait(self._beat):
            with self._one_thread:
                try:
                    if self._leaving.is_set() or not self._leases.keep():
                        return
                except StorageError:
                    continue


_READERS = 2
_Result = TypeVar("_Result")


class ChatDatabase:
    """Belongs to the event loop that it is opened in."""

    def __init__(self, url: sa.URL) -> None:
        """Use `open`, which also checks the tables and closes everything."""
        self.url = url
        self.insert = sqlite.insert if url.get_backend_name() == "sqlite" else postgresql.insert
        self._writing = open_engine(url, "write", connections=1)
        self._reading = open_engine(url, "read", connections=_READERS)
        self._writer = GroupCommit(self._writing)
        self._readers = ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="chat-reader")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> "AsyncGenerator[ChatDatabase]":
        """The database of this address. A new SQLite file gets its tables.

        Raises:
            StorageError: the database can't be used; the text says what to do.
        """
        database = cls(parse_url(url))
        try:
            await asyncio.to_thread(prepare, database._writing, chat_metadata)
            yield database
        finally:
            await asyncio.to_thread(database._close)

    async def read(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Look something up."""

        def job() -> _Result:
            with plainly(self.url), self._reading.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._readers, job)

    async def write(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Do the work in a transaction, and return its result once it is on disk. It may be done over.

        Raises:
            OwnershipLostError: the cards are another process's to keep by now.
        """
        hold = keeping_as.get()

        def fenced(connection: sa.Connection) -> _Result:
            if hold is not None:
                require_hold(connection, hold)
            return work(connection)

        return await self._writer.run(fenced)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()


_BY_THEMSELVES = frozenset({"attempt", "message", "posted_at", "stale"})
_KEPT = ("asked", "live")


class SqlCards:
    """Fits `bot.chat.store.CardStore`."""

    def __init__(self, database: ChatDatabase, *, direct: sa.URL | None = None) -> None:
        """The database is open, and closed by whoever opened it. `direct` leads to it past a pooler."""
        self._database = database
        self._direct = direct

    async def card(self, run: str, tenant: str | None = None) -> CardRecord | None:
        """The card of a run."""
        query = sa.select(cards).where(cards.c.run == run)
        if tenant is not None:
            query = query.where(cards.c.tenant == tenant)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().one_or_none())
        return None if row is None else record_of(CardRecord, row)

    async def save(self, before: CardRecord, after: CardRecord) -> None:
        """Write what differs."""
        old, new = row_of(before), row_of(after)
        changes = {name: value for name, value in new.items() if value != old[name] and name not in _BY_THEMSELVES}
        if changes:
            statement = sa.update(cards).where(_is(before)).values(changes)
            await self._database.write(lambda connection: connection.execute(statement).close())

    async def posted(self, card: CardRecord, message: str, at: datetime) -> bool:
        """Say which message this attempt stands on, if it stands on none yet, or on this one."""
        statement = (
            sa.update(cards)
            .where(_is(card), cards.c.attempt == card.attempt, cards.c.message.in_(("", message)))
            .values(message=message, posted_at=time_text(at), state="live")
        )

        def work(connection: sa.Connection) -> bool:
            return connection.execute(statement).rowcount == 1

        return await self._database.write(work)

    async def superseded(self, card: CardRecord) -> CardRecord:
        """Begin the next attempt, unless somebody has."""

        def work(connection: sa.Connection) -> CardRecord:
            row = connection.execute(sa.select(cards).where(_is(card)).with_for_update()).mappings().one_or_none()
            if row is None or row["attempt"] != card.attempt:
                return card if row is None else record_of(CardRecord, row)
            stale = (
                (*superseded_messages_of(row["stale"]), row["message"])
                if row["message"]
                else superseded_messages_of(row["stale"])
            )
            changes = {
                "attempt": card.attempt + 1,
                "message": "",
                "shown": "",
                "stale": json.dumps(stale),
                "posted_at": None,
            }
            connection.execute(sa.update(cards).where(_is(card)).values(changes))
            return record_of(CardRecord, {**row, **changes})

        return await self._database.write(work)

    async def superseded_marked(self, card: CardRecord, message: str) -> None:
        """A stale message says that it is superseded, or is gone."""

        def work(connection: sa.Connection) -> None:
            change_superseded(connection, card, lambda stale: tuple(each for each in stale if each != message))

        await self._database.write(work)

    async def live(self, platforms: Sequence[str]) -> Sequence[CardRecord]:
        """Every card that is asked for or live."""
        query = sa.select(cards).where(cards.c.surface.in_(platforms), cards.c.state.in_(_KEPT))
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(CardRecord, row) for row in rows]

    async def changed_cards(self, platforms: Sequence[str], *, after: datetime, now: datetime) -> Sequence[ChangedCard]:
        """The live cards whose run has an event newer than `after`, and those whose time to look has come."""
        # Thousands of cards wait. A platform in a function fits no index, so that the search begins with the few runs
        # that moved, and with the few cards whose time has come. Without statistics, SQLite would read them all.
        platform = sa.func.coalesce(cards.c.surface, "")
        columns = (cards.c.run, cards.c.tenant, runs.c.seq, runs.c.updated_at)
        base = sa.select(*columns).join(runs, runs.c.run == cards.c.run)
        ours = base.where(platform.in_(platforms), cards.c.state.in_(_KEPT))
        moved = ours.where(runs.c.updated_at > time_text(after))
        awake = ours.where(cards.c.wake_at <= time_text(now))

        def work(connection: sa.Connection) -> list[ChangedCard]:
            rows = [*connection.execute(moved).mappings(), *connection.execute(awake).mappings()]
            return list({row["run"]: record_of(ChangedCard, row) for row in rows}.values())

        return await self._database.read(work)

    async def issue(self, buttons: Sequence[ButtonRecord]) -> None:
        """Remember ids before they are shown to anybody."""
        rows = [row_of(each) for each in buttons]
        if rows:
            await self._database.write(lambda connection: connection.execute(ADD_BUTTONS, rows).close())

    async def issued(self, card: CardRecord | CardCopy) -> Sequence[ButtonRecord]:
        """The ids of the present attempt of a card, or of a copy."""
        query = sa.select(buttons).where(
            buttons.c.run == card.run,
            buttons.c.tenant == card.tenant,
            buttons.c.attempt == card.attempt,
            buttons.c.copy == card.copy,
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(ButtonRecord, row) for row in rows]

    async def open_questions(self, platform: str, *, after: datetime, before: datetime) -> Sequence[OpenQuestion]:
        """The questions that were asked between these moments, and of which nobody has said that they are shown."""
        asked = sa.select(seen.c.event, seen.c.tenant, seen.c.run).where(
            seen.c.at > time_text(after),
            seen.c.at <= time_text(before),
            seen.c.event.startswith("ask:"),
            seen.c.run != "",
        )

        def work(connection: sa.Connection) -> list[OpenQuestion]:
            found: list[OpenQuestion] = []
            for event, tenant, ids in connection.execute(asked).all():
                query = (
                    sa.select(buttons)
                    .join(cards, cards.c.run == buttons.c.run)
                    .where(buttons.c.id.in_(ids.split()), buttons.c.tenant == tenant, cards.c.surface == platform)
                )
                rows = connection.execute(query).mappings().all()
                if rows:
                    found.append(OpenQuestion(event=event, buttons=tuple(record_of(ButtonRecord, row) for row in rows)))
            return found

        return await self._database.read(work)

    async def question_shown(self, event: str, tenant: str) -> None:
        """A question stands where it was asked, or never can."""
        shown = sa.update(seen).where(seen.c.tenant == tenant, seen.c.event == plain_text(event)).values(run="")
        await self._database.write(lambda connection: connection.execute(shown).close())

    async def copies(self, run: str, tenant: str) -> Sequence[CardCopy]:
        """Every copy of a run's card."""
        query = (
            sa.select(card_copies)
            .where(card_copies.c.run == run, card_copies.c.tenant == tenant)
            .order_by(card_copies.c.copy)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(CardCopy, row) for row in rows]

    async def add_copy(self, copy: CardCopy) -> None:
        """Remember a copy, unless there is one of that name."""
        statement, row = self._database.insert(card_copies).on_conflict_do_nothing(), row_of(copy)
        await self._database.write(lambda connection: connection.execute(statement, row).close())

    async def save_copy(self, before: CardCopy, after: CardCopy) -> bool:
        """Write what differs, unless it is on another attempt, or stands on another message."""
        old, new = row_of(before), row_of(after)
        changes = {name: value for name, value in new.items() if value != old[name]}
        if not changes:
            return True
        statement = (
            sa.update(card_copies)
            .where(card_copies.c.run == before.run, card_copies.c.tenant == before.tenant)
            .where(card_copies.c.copy == before.copy, card_copies.c.attempt == before.attempt)
            .where(card_copies.c.message.in_({before.message, after.message}))
            .values(changes)
        )

        def work(connection: sa.Connection) -> bool:
            return connection.execute(statement).rowcount == 1

        return await self._database.write(work)

    @asynccontextmanager
    async def leader_lock(self, platform: str) -> AsyncGenerator[SqlLeaderLock]:
        """Wait until no other process keeps this platform's cards, and be the one that does."""
        async with leader_lock(self._database.url, platform, direct=self._direct) as lock:
            yield lock


def change_superseded(
    connection: sa.Connection, card: CardRecord, change: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> None:
    """Change a card's list of stale messages."""
    query = sa.select(cards.c.stale).where(_is(card)).with_for_update()
    text = connection.execute(query).scalar_one_or_none()
    if text is not None:
        stale = json.dumps(change(superseded_messages_of(text)))
        connection.execute(sa.update(cards).where(_is(card)).values(stale=stale))


ADD_BUTTONS = sa.insert(buttons)


def _is(card: CardRecord) -> sa.ColumnElement[bool]:
    return sa.and_(cards.c.run == card.run, cards.c.tenant == card.tenant)
