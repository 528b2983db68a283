"""The tables of the chat store, and their rows as the records that they stand for."""

import json
from datetime import datetime

import sqlalchemy as sa

from bot.chat.store import AuditEntry, ButtonRecord, CardRecord, ChangedCard, ChatSetting, RunListItem
from coordination.storage.sql_run_log import plain_text, time_text


def card_row(card: CardRecord) -> dict[str, object]:
    """A card as its table has it."""
    return {
        "run": card.run,
        "surface": card.platform,
        "tenant": card.tenant,
        "channel": card.channel,
        "thread": card.thread,
        "requester": card.requester,
        "requester_name": plain_text(card.requester_name),
        "asked_at": time_text(card.asked_at),
        "state": card.state,
        "attempt": card.attempt,
        "message": card.message,
        "posted_at": _optional(card.posted_at),
        "shown": card.shown,
        "story": card.story,
        "told": card.told,
        "reminded": card.reminded,
        "is_outcome_told": card.is_outcome_told,
        "is_trouble_told": card.is_trouble_told,
        "stale": json.dumps(card.stale),
        "wake_at": _optional(card.wake_at),
    }


def card_of(row: sa.RowMapping) -> CardRecord:
    """The card of a row."""
    return CardRecord(
        run=row["run"],
        platform=row["surface"],
        tenant=row["tenant"],
        channel=row["channel"],
        thread=row["thread"],
        requester=row["requester"],
        requester_name=row["requester_name"],
        asked_at=datetime.fromisoformat(row["asked_at"]),
        state=row["state"],
        attempt=row["attempt"],
        message=row["message"],
        posted_at=time_of(row["posted_at"]),
        shown=row["shown"],
        story=row["story"],
        told=row["told"],
        reminded=row["reminded"],
        is_outcome_told=row["is_outcome_told"],
        is_trouble_told=row["is_trouble_told"],
        stale=superseded_messages_of(row["stale"]),
        wake_at=time_of(row["wake_at"]),
    )


def superseded_messages_of(text: str) -> tuple[str, ...]:
    """The messages in a card's list."""
    messages: list[str] = json.loads(text)
    return tuple(messages)


def button_row(button: ButtonRecord) -> dict[str, object]:
    """A button as its table has it."""
    return {
        "id": button.id,
        "run": button.run,
        "tenant": button.tenant,
        "attempt": button.attempt,
        "verb": button.action,
        "digest": button.digest,
        "call": button.index,
        "value": button.value,
        "issued_at": time_text(button.issued_at),
    }


def button_of(row: sa.RowMapping) -> ButtonRecord:
    """The button of a row."""
    return ButtonRecord(
        id=row["id"],
        run=row["run"],
        tenant=row["tenant"],
        attempt=row["attempt"],
        action=row["verb"],
        digest=row["digest"],
        index=row["call"],
        value=row["value"],
        issued_at=datetime.fromisoformat(row["issued_at"]),
    )


def setting_row(setting: ChatSetting) -> dict[str, object]:
    """A setting as its table has it."""
    return {
        "tenant": setting.tenant,
        "channel": setting.channel,
        "key": setting.key,
        "value": plain_text(setting.value),
        "by": setting.by,
        "by_name": plain_text(setting.by_name),
        "at": time_text(setting.at),
    }


def setting_of(row: sa.RowMapping) -> ChatSetting:
    """The setting of a row."""
    return ChatSetting(
        tenant=row["tenant"],
        channel=row["channel"],
        key=row["key"],
        value=row["value"],
        by=row["by"],
        by_name=row["by_name"],
        at=datetime.fromisoformat(row["at"]),
    )


def audit_row(entry: AuditEntry) -> dict[str, object]:
    """A line of audit as its table has it."""
    return {
        "tenant": entry.tenant,
        "channel": plain_text(entry.channel),
        "by": plain_text(entry.by),
        "by_name": plain_text(entry.by_name),
        "at": time_text(entry.at),
        "what": plain_text(entry.what),
        "detail": plain_text(entry.detail),
    }


def audit_entry_of(row: sa.RowMapping) -> AuditEntry:
    """The line of audit of a row."""
    return AuditEntry(
        tenant=row["tenant"],
        channel=row["channel"],
        by=row["by"],
        by_name=row["by_name"],
        at=datetime.fromisoformat(row["at"]),
        what=row["what"],
        detail=row["detail"],
    )


def line_of(row: sa.RowMapping) -> RunListItem:
    """The run of a row."""
    return RunListItem(
        run=row["run"],
        state=row["state"],
        prompt=row["prompt"],
        requester=row["requester"],
        requester_name=row["requester_name"],
        config=row["config"],
        channel=row["channel"],
        asked_at=datetime.fromisoformat(row["asked_at"]),
        expires_at=time_of(row["expires_at"]),
    )


def changed_card_of(row: sa.RowMapping) -> ChangedCard:
    """The card of a row that is to be looked at."""
    return ChangedCard(
        run=row["run"], tenant=row["tenant"], seq=row["seq"], updated_at=datetime.fromisoformat(row["updated_at"])
    )


def time_of(text: str | None) -> datetime | None:
    """A moment that may be missing."""
    return None if text is None else datetime.fromisoformat(text)


def _optional(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)


chat_metadata = sa.MetaData()

# Times are texts of one width, as in the log.
cards = sa.Table(
    "cards",
    chat_metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("surface", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("thread", sa.Text, nullable=False),
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("requester_name", sa.Text, nullable=False),
    sa.Column("asked_at", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("posted_at", sa.Text),
    sa.Column("shown", sa.Text, nullable=False),
    sa.Column("story", sa.Text, nullable=False),
    sa.Column("told", sa.Integer, nullable=False),
    sa.Column("reminded", sa.Text, nullable=False),
    sa.Column("is_outcome_told", sa.Boolean, nullable=False),
    sa.Column("is_trouble_told", sa.Boolean, nullable=False),
    sa.Column("stale", sa.Text, nullable=False),
    sa.Column("wake_at", sa.Text),
    sa.Index("cards_by_state", "surface", "state"),
    sa.Index("cards_by_tenant", "tenant", "state", "asked_at"),
    sa.Index("cards_by_requester", "tenant", "requester", "asked_at"),
    sa.Index("cards_by_message", "tenant", "channel", "message"),
    sa.Index("cards_by_story", "tenant", "channel", "story"),
    sa.Index("cards_to_wake", "wake_at"),
)

buttons = sa.Table(
    "buttons",
    chat_metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("call", sa.Integer),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("issued_at", sa.Text, nullable=False),
    sa.Index("buttons_by_run", "run", "attempt"),
)

scopes = sa.Table(
    "scopes",
    chat_metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

seen = sa.Table(
    "seen",
    chat_metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Index("seen_by_time", "at"),
)

audit_entries = sa.Table(
    "deeds",
    chat_metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("deeds_by_tenant", "tenant", "number"),
)
