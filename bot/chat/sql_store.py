"""The chat store in SQLite or PostgreSQL: requests and buttons, settings, audit, lists."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot.chat.sql_cards import ADD_BUTTONS, ChatDatabase, SqlCards, change_superseded
from bot.chat.sql_tables import (
    audit_entries,
    buttons,
    card_copies,
    cards,
    record_of,
    row_of,
    scopes,
    seen,
)
from bot.chat.store import (
    EVERYWHERE,
    Admission,
    Admitted,
    AuditEntry,
    ButtonRecord,
    CardCopy,
    CardRecord,
    ChatSetting,
    Limits,
    OpenQuestion,
    OverLimit,
    Repeated,
    RunListItem,
    freeze_setting,
)
from bot.machine import CONSOLE
from coordination.clock import SystemClock
from coordination.domain.policy import Person
from coordination.errors import ConflictError
from coordination.storage.database import parse_url
from coordination.storage.schema import runs
from coordination.storage.sql_run_log import plain_text, time_text

_BUSY = ("queued", "deliberating", "changes_wanted", "executing", "reporting")
_WAITING = ("awaiting_decision", "needs_human")
_KEPT = ("asked", "live")
_HOUR = timedelta(hours=1)
_SOON = timedelta(minutes=1)
"""A run that was admitted begins within this time, or not at all."""


def run_list_query(
    tenant: str, *, channel: str, requester: str, states: Sequence[str], limit: int
) -> sa.Select[str, str, str, str, str, str, str, str, str | None, str, str, str, str]:
    """The newest runs of a tenant; of a channel or of a requester, where one is named."""
    columns = (
        cards.c.run,
        runs.c.state,
        runs.c.prompt,
        cards.c.requester,
        cards.c.requester_name,
        runs.c.config,
        cards.c.channel,
        cards.c.asked_at,
        runs.c.expires_at,
        cards.c.surface,
        cards.c.tenant,
        cards.c.thread,
        cards.c.message,
    )
    query = sa.select(*columns).join(runs, runs.c.run == cards.c.run).where(cards.c.tenant == tenant)
    named = [cards.c.channel == channel] if channel else []
    named += [cards.c.requester == requester] if requester else []
    if named:
        query = query.where(sa.or_(*named))
    if states:
        query = query.where(runs.c.state.in_(states))
    return query.order_by(cards.c.asked_at.desc(), cards.c.run).limit(limit)


def over_limit(connection: sa.Connection, card: CardRecord, limits: Limits) -> OverLimit | None:
    """Which limit one more run would break."""
    of_tenant = cards.c.tenant == card.tenant
    kept = (
        sa.select(sa.func.count())
        .select_from(cards.outerjoin(runs, runs.c.run == cards.c.run))
        .where(of_tenant, cards.c.state.in_(_KEPT))
    )
    begun = sa.or_(
        runs.c.state.in_(_BUSY),
        sa.and_(runs.c.run.is_(None), cards.c.asked_at > time_text(card.asked_at - _SOON)),
    )
    hourly = (
        sa.select(sa.func.count())
        .select_from(cards)
        .where(of_tenant, cards.c.requester == card.requester, cards.c.asked_at > time_text(card.asked_at - _HOUR))
    )
    if connection.execute(hourly).scalar_one() >= limits.hourly:
        return OverLimit("hourly", limits.hourly)
    own = kept.where(begun, cards.c.requester == card.requester)
    if connection.execute(own).scalar_one() >= limits.share:
        return OverLimit("each", limits.share)
    if connection.execute(kept.where(begun)).scalar_one() >= limits.at_once:
        return OverLimit("at_once", limits.at_once)
    if connection.execute(kept.where(runs.c.state.in_(_WAITING))).scalar_one() >= limits.waiting:
        return OverLimit("waiting", limits.waiting)
    return None


_LOCK_SPACE = 7703


class SqlChatStore(SqlCards):
    """Fits `bot.chat.store.ChatStore`. Several processes may use one database at once."""

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, direct: str = "") -> "AsyncGenerator[SqlChatStore]":
        """The memory in the database of this address, which `direct` is, too, past a pooler.

        A new SQLite file gets its tables.

        Raises:
            StorageError: the database can't be used; the text says what to do.
        """
        async with ChatDatabase.open(url) as database:
            yield cls(database, direct=parse_url(direct or url))

    async def admit(self, card: CardRecord, *, event: str, limits: Limits) -> Admission:
        """Keep the card of a run that is about to begin, unless the event was seen or there is too much already."""
        event = plain_text(event)

        def work(connection: sa.Connection) -> Admission:
            self._one_at_a_time(connection, card.tenant)
            if _is_taken(connection, card.run):
                raise ConflictError(card.run, 0)
            if event and not self._see(connection, card.tenant, event, card.asked_at, card.run):
                query = sa.select(seen.c.run).where(seen.c.tenant == card.tenant, seen.c.event == event)
                return Repeated(connection.execute(query).scalar_one())
            over = over_limit(connection, card, limits)
            if over is not None:
                _forget_run(connection, card.tenant, event)
                return over
            connection.execute(sa.insert(cards), row_of(card))
            return Admitted()

        return await self._database.write(work)

    async def withdraw(self, run: str, tenant: str) -> None:
        """Forget a card whose run did not begin."""
        # Of a commit whose answer was lost, the asker hears that it failed, and the run is there all the same.
        has_begun = sa.exists().where(runs.c.run == run)
        gone = sa.delete(cards).where(
            cards.c.run == run, cards.c.tenant == tenant, cards.c.state == "asked", ~has_begun
        )
        unnamed = sa.update(seen).where(seen.c.run == run, seen.c.tenant == tenant).values(run="")

        def work(connection: sa.Connection) -> None:
            if connection.execute(gone).rowcount:
                connection.execute(unnamed)

        await self._database.write(work)

    async def find_button(self, button: str, tenant: str) -> tuple[ButtonRecord, CardRecord] | None:
        """What an id stands for, and the card that it was issued for."""
        of_id = sa.select(buttons).where(buttons.c.id == plain_text(button), buttons.c.tenant == tenant)

        def work(connection: sa.Connection) -> tuple[ButtonRecord, CardRecord] | None:
            row = connection.execute(of_id).mappings().one_or_none()
            if row is None:
                return None
            of_run = sa.select(cards).where(cards.c.run == row["run"], cards.c.tenant == tenant)
            card = connection.execute(of_run).mappings().one_or_none()
            return None if card is None else (record_of(ButtonRecord, row), record_of(CardRecord, card))

        return await self._database.read(work)

    async def tenant_of_button(self, button: str, platform: str) -> str | None:
        """The tenant of a product that an id was issued in."""
        query = (
            sa.select(buttons.c.tenant)
            .join(cards, cards.c.run == buttons.c.run)
            .where(buttons.c.id == plain_text(button), cards.c.surface == platform)
        )
        return await self._database.read(lambda connection: connection.execute(query).scalar_one_or_none())

    async def mark_unexpected(self, card: CardRecord, message: str) -> None:
        """Have a message say that it is superseded, unless another card is on it."""
        taken = sa.select(cards.c.run).where(
            cards.c.tenant == card.tenant, cards.c.channel == card.channel, cards.c.message == message
        )

        def work(connection: sa.Connection) -> None:
            if connection.execute(taken).first() is None:
                change_superseded(connection, card, lambda stale: stale if message in stale else (*stale, message))

        await self._database.write(work)

    async def is_new(self, event: str, tenant: str, at: datetime) -> bool:
        """Whether an event is seen for the first time."""
        named = plain_text(event)
        return await self._database.write(lambda connection: self._see(connection, tenant, named, at, ""))

    async def ask(self, question: OpenQuestion) -> bool:
        """Remember a question with its buttons, unless its event was seen.

        What it led to are those, until it is shown.
        """
        event, first = plain_text(question.event), question.buttons[0]
        rows, ids = [row_of(each) for each in question.buttons], " ".join(each.id for each in question.buttons)

        def work(connection: sa.Connection) -> bool:
            if not self._see(connection, first.tenant, event, first.issued_at, ids):
                return False
            connection.execute(ADD_BUTTONS, rows)
            return True

        return await self._database.write(work)

    async def cards_on(self, tenant: str, channel: str, messages: Sequence[str]) -> Sequence[CardRecord]:
        """The cards that are not done, and stand on these messages of a channel or thread."""
        query = sa.select(cards).where(
            cards.c.tenant == tenant,
            sa.or_(cards.c.channel == channel, cards.c.thread == channel),
            cards.c.message.in_([plain_text(each) for each in messages if each]),
            cards.c.state != "done",
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(CardRecord, row) for row in rows]

    async def copies_on(self, platform: str, channel: str, messages: Sequence[str]) -> Sequence[CardCopy]:
        """The copies that are not over, and stand on these messages of somebody's direct messages."""
        query = sa.select(card_copies).where(
            card_copies.c.surface == platform,
            card_copies.c.channel == channel,
            card_copies.c.message.in_([plain_text(each) for each in messages if each]),
            card_copies.c.state.in_(("wanted", "live")),
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(CardCopy, row) for row in rows]

    async def run_of_thread(self, tenant: str, channel: str, thread: str) -> str | None:
        """The newest run whose card or story is in a thread, or that began it."""
        thread = plain_text(thread)
        if not thread:
            return None
        query = (
            sa.select(cards.c.run)
            .where(cards.c.tenant == tenant, cards.c.channel == channel)
            .where(sa.or_(*(column == thread for column in (cards.c.thread, cards.c.story, cards.c.message))))
            .order_by(cards.c.asked_at.desc(), cards.c.run)
            .limit(1)
        )
        return await self._database.read(lambda connection: connection.execute(query).scalar_one_or_none())

    async def settings(self, tenant: str, channel: str) -> Mapping[tuple[str, str], ChatSetting]:
        """What was set for a channel and for its tenant, by channel (or nothing) and key."""
        return await self._database.read(lambda connection: _settings(connection, tenant, channel))

    async def card_and_settings(
        self, run: str, tenant: str
    ) -> tuple[CardRecord, Mapping[tuple[str, str], ChatSetting]] | None:
        """The card of a run, and what is set for its channel."""
        query = sa.select(cards).where(cards.c.run == run, cards.c.tenant == tenant)

        def work(connection: sa.Connection) -> tuple[CardRecord, Mapping[tuple[str, str], ChatSetting]] | None:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else (record_of(CardRecord, row), _settings(connection, tenant, row["channel"]))

        return await self._database.read(work)

    async def set_for_tenants(self, key: str, tenants: Sequence[str]) -> Sequence[ChatSetting]:
        """What was set under a key for each of these tenants as a whole, in their order."""
        query = sa.select(scopes).where(scopes.c.tenant.in_(tenants), scopes.c.channel == "", scopes.c.key == key)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return sorted((record_of(ChatSetting, row) for row in rows), key=lambda each: tenants.index(each.tenant))

    async def all_settings(self, tenant: str) -> Sequence[ChatSetting]:
        """What was set for a tenant and for every channel of it."""
        query = sa.select(scopes).where(scopes.c.tenant == tenant).order_by(scopes.c.channel, scopes.c.key)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(ChatSetting, row) for row in rows]

    async def set(self, setting: ChatSetting) -> None:
        """Set something, and keep that in the audit."""
        row = row_of(setting)
        insert = self._database.insert(scopes)
        changes = {name: insert.excluded[name] for name in ("value", "by", "by_name", "at")}
        upsert = insert.on_conflict_do_update(index_elements=["tenant", "channel", "key"], set_=changes)

        def work(connection: sa.Connection) -> None:
            connection.execute(upsert, row)
            connection.execute(sa.insert(audit_entries), row_of(AuditEntry.about(setting, "set")))

        await self._database.write(work)

    async def reset(self, setting: ChatSetting) -> bool:
        """Forget what was set, and keep that in the audit."""
        forget = sa.delete(scopes).where(
            scopes.c.tenant == setting.tenant, scopes.c.channel == setting.channel, scopes.c.key == setting.key
        )

        def work(connection: sa.Connection) -> bool:
            if connection.execute(forget).rowcount == 0:
                return False
            connection.execute(sa.insert(audit_entries), row_of(AuditEntry.about(setting, "reset")))
            return True

        return await self._database.write(work)

    async def add_audit_entry(self, entry: AuditEntry) -> None:
        """Keep a line of audit."""
        row = row_of(entry)
        await self._database.write(lambda connection: connection.execute(sa.insert(audit_entries), row).close())

    async def audit_entries(self, tenant: str, limit: int) -> Sequence[AuditEntry]:
        """The newest lines of audit, newest first."""
        query = (
            sa.select(audit_entries)
            .where(audit_entries.c.tenant == tenant)
            .order_by(audit_entries.c.number.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(AuditEntry, row) for row in rows]

    async def changed_by(self, tenant: str, most: int) -> Sequence[str]:
        """Those who have changed settings, the latest first."""
        columns = audit_entries.c
        query = (
            sa.select(columns.by)
            .where(columns.tenant == tenant, sa.or_(columns.what.like("set %"), columns.what.like("reset %")))
            .group_by(columns.by)
            .order_by(sa.func.max(columns.number).desc())
            .limit(most)
        )
        return await self._database.read(lambda connection: connection.execute(query).scalars().all())

    async def list_runs(
        self,
        tenant: str,
        *,
        channel: str = "",
        requester: str = "",
        states: Sequence[str] = (),
        limit: int = 20,
    ) -> Sequence[RunListItem]:
        """The newest runs, newest first; of a channel or of a requester, where one is named, either of them will do."""
        query = run_list_query(tenant, channel=channel, requester=requester, states=states, limit=limit)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [record_of(RunListItem, row) for row in rows]

    async def begun(self, tenant: str, since: datetime) -> int:
        """How many runs were asked for since then."""
        of_tenant = sa.and_(cards.c.tenant == tenant, cards.c.asked_at >= time_text(since))
        query = sa.select(sa.func.count()).select_from(cards).where(of_tenant)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def prune(self, before: datetime) -> None:
        """Forget events seen before then, and the buttons of cards that were done by then."""
        at = time_text(before)
        ended = sa.select(cards.c.run).where(cards.c.state.in_(("done", "gone")))

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(seen).where(seen.c.at < at))
            connection.execute(sa.delete(buttons).where(buttons.c.issued_at < at, buttons.c.run.in_(ended)))
            connection.execute(sa.delete(card_copies).where(card_copies.c.made_at < at, card_copies.c.run.in_(ended)))

        await self._database.write(work)

    def _see(self, connection: sa.Connection, tenant: str, event: str, at: datetime, run: str) -> bool:
        row = {"tenant": tenant, "event": event, "run": run, "at": time_text(at)}
        statement = self._database.insert(seen).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return connection.execute(statement, row).rowcount == 1

    def _one_at_a_time(self, connection: sa.Connection, tenant: str) -> None:
        """Two requests of one tenant are counted one after the other, whatever process they are in."""
        if self._database.url.get_backend_name() == "postgresql":
            key = crc32(tenant.encode()) & 0x7FFFFFFF
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_SPACE, key)))


def _settings(connection: sa.Connection, tenant: str, channel: str) -> Mapping[tuple[str, str], ChatSetting]:
    query = sa.select(scopes).where(scopes.c.tenant == tenant, scopes.c.channel.in_({"", channel}))
    found = [record_of(ChatSetting, row) for row in connection.execute(query).mappings()]
    return {(each.channel, each.key): each for each in found}


def _is_taken(connection: sa.Connection, run: str) -> bool:
    names = sa.union_all(
        sa.select(cards.c.run).where(cards.c.run == run), sa.select(runs.c.run).where(runs.c.run == run)
    )
    return connection.execute(names).first() is not None


def _forget_run(connection: sa.Connection, tenant: str, event: str) -> None:
    """The event led to nothing."""
    connection.execute(sa.update(seen).where(seen.c.tenant == tenant, seen.c.event == event).values(run=""))


PROGRAM = "massgen-bot"
"""Who froze everything where no person did."""


def freeze_after_loss(connection: sa.Connection) -> None:
    """Freeze everything in the transaction that is open, unless somebody has, and keep that in the audit."""
    by = Person(tenant=CONSOLE, id=PROGRAM, name=PROGRAM)
    setting = freeze_setting(EVERYWHERE, by, SystemClock().now())
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if connection.execute(insert(scopes).on_conflict_do_nothing().returning(scopes.c.key), row_of(setting)).all():
        connection.execute(sa.insert(audit_entries), row_of(AuditEntry.about(setting, "set")))
