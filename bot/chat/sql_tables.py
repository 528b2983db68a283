"""The tables of the chat store, and their rows as the records that they stand for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar, get_args, get_type_hints

import sqlalchemy as sa

from bot.chat.store import (
    Asked,
    AuditEntry,
    ButtonRecord,
    CardCopy,
    CardRecord,
    CardState,
    ChangedCard,
    ChatSetting,
    Done,
    Gone,
    Live,
    OutcomeReminder,
    PlanReminder,
    Post,
    Reminded,
    Reminder,
    Reposting,
    RunListItem,
)
from coordination.storage.sql_run_log import plain_text, time_text

_Record = TypeVar("_Record", CardRecord, CardCopy, ButtonRecord, ChatSetting, AuditEntry, RunListItem, ChangedCard)

_COLUMNS = {"platform": "surface", "action": "verb", "index": "call"}
"""The fields whose columns have other names; all others have their own."""

_ABSENT = {"reminded": ""}
"""What stands in a column for a value that is missing, where it is not NULL."""

_REMINDERS: tuple[Reminder, ...] = get_args(Reminder)
_OUTCOME = "doubt"


def row_of(record: CardRecord | CardCopy | ButtonRecord | ChatSetting | AuditEntry) -> dict[str, object]:
    """A record as its table has it."""
    values = {_COLUMNS.get(each.name, each.name): _stored(getattr(record, each.name)) for each in fields(record)}
    if isinstance(record, CardRecord):
        values |= _state_columns(record.state)
    return {column: _ABSENT.get(column) if value is None else value for column, value in values.items()}


def record_of(kind: type[_Record], row: Mapping[Any, Any]) -> _Record:
    """The record of a row."""
    return kind(**{name: read(row) for name, read in _FIELDS[kind]})


def _state_columns(state: CardState) -> dict[str, object]:
    """A card's state in its five columns: each is compared and written by itself."""
    columns: dict[str, object] = {"state": "live", "message": "", "posted_at": None, "shown": "", "wake_at": None}
    match state:
        case Asked():
            columns["state"] = "asked"
        case Done():
            columns["state"] = "done"
        case Gone():
            columns["state"] = "gone"
        case Live() | Reposting():
            pass
    if isinstance(state, Asked | Live | Reposting):
        columns["wake_at"] = _stored(state.wake_at)
    if isinstance(state, Live | Done | Gone) and state.post is not None:
        post = state.post
        columns |= {"message": plain_text(post.message), "posted_at": time_text(post.at), "shown": post.shown}
    return columns


def _state_of(row: Mapping[Any, Any]) -> CardState:
    post, wake_at = _post_of(row), _time_of(row["wake_at"])
    match row["state"], post:
        case "asked", None:
            return Asked(wake_at=wake_at)
        case "done", Post():
            return Done(post=post)
        case "done" | "gone", _:
            return Gone(post=post)
        case _, None:
            return Reposting(wake_at=wake_at)
        case _:
            return Live(post=post, wake_at=wake_at)


def _post_of(row: Mapping[Any, Any]) -> Post | None:
    if not row["message"]:
        return None
    return Post(
        message=row["message"],
        at=datetime.fromisoformat(row["posted_at"] or row["asked_at"]),
        shown=row["shown"],
    )


def _stored(value: object) -> object:
    match value:
        case str():
            return plain_text(value)
        case datetime():
            return time_text(value)
        case tuple():
            return json.dumps(value)
        case PlanReminder(plan=plan, last=last):
            return " ".join(f"{plan}:{each}" for each in _REMINDERS[: _REMINDERS.index(last) + 1])
        case OutcomeReminder(plan=plan, attempt=attempt):
            return f"{plan}:{_OUTCOME}{attempt}"
        case _:
            return value


def superseded_messages_of(text: str) -> tuple[str, ...]:
    """The messages in a card's list."""
    messages: list[str] = json.loads(text)
    return tuple(messages)


def reminded_of(text: str) -> Reminded | None:
    """What was sent last; None: nothing, or nothing that is known here."""
    plan, _, last = text.rpartition(" ")[2].partition(":")
    if last.startswith(_OUTCOME) and last.removeprefix(_OUTCOME).isdecimal():
        return OutcomeReminder(plan=plan, attempt=int(last.removeprefix(_OUTCOME)))
    return next((PlanReminder(plan=plan, last=each) for each in _REMINDERS if each == last), None)


def _as_it_is(value: object) -> object:
    return value


def _time_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_READERS: dict[object, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    datetime | None: _time_of,
    tuple[str, ...]: superseded_messages_of,
    Reminded | None: reminded_of,
}


def _field_reader(name: str, hint: object) -> Callable[[Mapping[Any, Any]], Any]:
    if hint == CardState:
        return _state_of
    column, read = _COLUMNS.get(name, name), _READERS.get(hint, _as_it_is)
    return lambda row: read(row[column])


def _fields_of(kind: type[object]) -> Sequence[tuple[str, Callable[[Mapping[Any, Any]], Any]]]:
    """Each field of a record, and how it is read from a row."""
    return [(name, _field_reader(name, hint)) for name, hint in get_type_hints(kind).items()]


_KINDS: tuple[type[object], ...] = (
    CardRecord,
    CardCopy,
    ButtonRecord,
    ChatSetting,
    AuditEntry,
    RunListItem,
    ChangedCard,
)
_FIELDS = {kind: _fields_of(kind) for kind in _KINDS}


def _keys(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


chat_metadata = sa.MetaData()

# Times are texts of one width, as in the log.
cards = sa.Table(
    "cards",
    chat_metadata,
    *_keys("run"),
    *_texts("surface", "tenant", "channel", "thread", "requester", "requester_name", "asked_at", "state"),
    sa.Column("attempt", sa.Integer, nullable=False),
    *_texts("message"),
    sa.Column("posted_at", sa.Text),
    *_texts("shown", "story"),
    sa.Column("told", sa.Integer, nullable=False),
    *_texts("reminded"),
    sa.Column("is_outcome_told", sa.Boolean, nullable=False),
    sa.Column("is_trouble_told", sa.Boolean, nullable=False),
    *_texts("stale"),
    sa.Column("wake_at", sa.Text),
    sa.Column("language", sa.Text, nullable=False, server_default=""),
    sa.Column("story_message", sa.Text, nullable=False, server_default=""),
    sa.Column("story_from", sa.Integer, nullable=False, server_default="0"),
    sa.Column("announced", sa.Integer, nullable=False, server_default="0"),
    sa.Index("cards_by_state", "surface", "state"),
    sa.Index("cards_by_tenant", "tenant", "state", "asked_at"),
    sa.Index("cards_by_requester", "tenant", "requester", "asked_at"),
    sa.Index("cards_by_message", "tenant", "channel", "message"),
    sa.Index("cards_by_story", "tenant", "channel", "story"),
    sa.Index("cards_to_wake", "wake_at"),
)

card_copies = sa.Table(
    "card_copies",
    chat_metadata,
    *_keys("run", "copy"),
    *_texts("surface", "tenant", "person", "plan", "made_at", "channel", "state"),
    sa.Column("attempt", sa.Integer, nullable=False),
    *_texts("message", "shown"),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)

buttons = sa.Table(
    "buttons",
    chat_metadata,
    *_keys("id"),
    *_texts("run", "tenant"),
    sa.Column("attempt", sa.Integer, nullable=False),
    *_texts("verb", "digest"),
    sa.Column("call", sa.Integer),
    *_texts("value", "issued_at"),
    sa.Column("copy", sa.Text, nullable=False, server_default=""),
    sa.Index("buttons_by_run", "run", "attempt"),
)

scopes = sa.Table("scopes", chat_metadata, *_keys("tenant", "channel", "key"), *_texts("value", "by", "by_name", "at"))

seen = sa.Table("seen", chat_metadata, *_keys("tenant", "event"), *_texts("run", "at"), sa.Index("seen_by_time", "at"))

audit_entries = sa.Table(
    "deeds",
    chat_metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    *_texts("tenant", "channel", "by", "by_name", "at", "what", "detail"),
    sa.Index("deeds_by_tenant", "tenant", "number"),
)
