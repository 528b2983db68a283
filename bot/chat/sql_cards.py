"""The cards and their buttons, for the keeper."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import sqlalchemy as sa

from bot.chat.sql_desk_database import DeskDatabase
from bot.chat.sql_desk_schema import buttons, cards
from bot.chat.sql_desk_turn import SqlKeepership, sole_keeper
from bot.chat.sql_tables import button_of, button_row, card_of, card_row, stale_of, stirred_of
from bot.chat.store import ButtonRecord, CardRecord, Stirred
from coordination.storage.schema import runs
from coordination.storage.sql_codec import time_text

_BY_THEMSELVES = frozenset({"attempt", "message", "posted_at", "stale"})
_KEPT = ("asked", "live")


class SqlCards:
    """Fits `bot.chat.store.CardStore`."""

    def __init__(self, database: DeskDatabase) -> None:
        """The database is open, and closed by whoever opened it."""
        self._database = database

    async def card(self, run: str, tenant: str | None = None) -> CardRecord | None:
        """The card of a run."""
        query = sa.select(cards).where(cards.c.run == run)
        if tenant is not None:
            query = query.where(cards.c.tenant == tenant)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().one_or_none())
        return None if row is None else card_of(row)

    async def save(self, before: CardRecord, after: CardRecord) -> None:
        """Write what differs."""
        old, new = card_row(before), card_row(after)
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

    async def superseded(self, card: CardRecord, at: datetime) -> CardRecord:
        """Begin the next attempt, unless somebody has."""

        def work(connection: sa.Connection) -> CardRecord:
            row = connection.execute(sa.select(cards).where(_is(card)).with_for_update()).mappings().one_or_none()
            if row is None or row["attempt"] != card.attempt:
                return card if row is None else card_of(row)
            stale = (*stale_of(row["stale"]), row["message"]) if row["message"] else stale_of(row["stale"])
            changes = {
                "attempt": card.attempt + 1,
                "message": "",
                "shown": "",
                "stale": json.dumps(stale),
                "posted_at": time_text(at),
            }
            connection.execute(sa.update(cards).where(_is(card)).values(changes))
            return card_of({**row, **changes})  # type: ignore[arg-type]  # a row with some values replaced

        return await self._database.write(work)

    async def straightened(self, card: CardRecord, message: str) -> None:
        """A stale message says that it is superseded, or is gone."""

        def work(connection: sa.Connection) -> None:
            change_stale(connection, card, lambda stale: tuple(each for each in stale if each != message))

        await self._database.write(work)

    async def live(self, surfaces: Sequence[str]) -> Sequence[CardRecord]:
        """Every card that is asked for or live."""
        query = sa.select(cards).where(cards.c.surface.in_(surfaces), cards.c.state.in_(_KEPT))
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [card_of(row) for row in rows]

    async def stirred(self, surfaces: Sequence[str], *, after: datetime, now: datetime) -> Sequence[Stirred]:
        """The live cards whose run has an event newer than `after`, and those whose time to look has come."""
        # Thousands of cards wait. A surface in a function fits no index, so that the search begins with the few runs
        # that moved, and with the few cards whose time has come: SQLite, without statistics, would rather read them all.
        surface = sa.func.coalesce(cards.c.surface, "")
        columns = (cards.c.run, cards.c.tenant, runs.c.seq, runs.c.updated_at)
        base = sa.select(*columns).join(runs, runs.c.run == cards.c.run)
        ours = base.where(surface.in_(surfaces), cards.c.state.in_(_KEPT))
        moved = ours.where(runs.c.updated_at > time_text(after))
        awake = ours.where(cards.c.wake_at <= time_text(now))

        def work(connection: sa.Connection) -> list[Stirred]:
            rows = [*connection.execute(moved).mappings(), *connection.execute(awake).mappings()]
            return list({row["run"]: stirred_of(row) for row in rows}.values())

        return await self._database.read(work)

    async def issue(self, buttons: Sequence[ButtonRecord]) -> None:
        """Remember ids before they are shown to anybody."""
        rows = [button_row(each) for each in buttons]
        if rows:
            await self._database.write(lambda connection: connection.execute(_ADD_BUTTONS, rows).close())

    async def issued(self, card: CardRecord) -> Sequence[ButtonRecord]:
        """The ids of a card's present attempt."""
        query = sa.select(buttons).where(
            buttons.c.run == card.run, buttons.c.tenant == card.tenant, buttons.c.attempt == card.attempt
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [button_of(row) for row in rows]

    @asynccontextmanager
    async def sole_keeper(self, surface: str) -> AsyncGenerator[SqlKeepership]:
        """Wait until no other process keeps this surface's cards, and be the one that does."""
        async with sole_keeper(self._database.url, surface) as keepership:
            yield keepership


def change_stale(
    connection: sa.Connection, card: CardRecord, change: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> None:
    """Change a card's list of stale messages."""
    query = sa.select(cards.c.stale).where(_is(card)).with_for_update()
    text = connection.execute(query).scalar_one_or_none()
    if text is not None:
        stale = json.dumps(change(stale_of(text)))
        connection.execute(sa.update(cards).where(_is(card)).values(stale=stale))


_ADD_BUTTONS = sa.insert(buttons)


def _is(card: CardRecord) -> sa.ColumnElement[bool]:
    return sa.and_(cards.c.run == card.run, cards.c.tenant == card.tenant)
