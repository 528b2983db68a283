"""Removes runs that ended long ago, or that name a person.

Each run's log is a chain of its own, so every other one stays as it is.

Of a run that is removed, the number and the hash of its last event stay. So an anchor of earlier tells what was pruned
from what somebody took away, and a later anchor holds what is left.
"""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from coordination.domain.grants import oldest_grant
from coordination.storage.audit import Finding, verify_rows
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.grant_records import STARTS_ON_GRANT
from coordination.storage.schema import budget_warnings, check, events, pruned_runs, runs
from coordination.storage.sql_run_log import time_text

ENDED = ("finished", "answered", "rejected", "expired", "cancelled", "failed")
"""The states of runs in which nothing happens any more."""

_AT_ONCE = 50

# The chats keep these, and not every log has them. A card that is still kept up to date is not removed.
_cards = sa.table("cards", sa.column("run", sa.Text), sa.column("state", sa.Text))
_audit_entries = sa.table("deeds", sa.column("tenant", sa.Text), sa.column("by", sa.Text))
_buttons = sa.table("buttons", sa.column("run", sa.Text))
_copies = sa.table("card_copies", sa.column("run", sa.Text))
_KEPT = ("asked", "live")


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many runs and events were removed, and what is wrong with runs that therefore were not."""

    runs: int
    events: int
    findings: Sequence[Finding]


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """How many runs that name a person were removed, which are not over yet, and what is wrong with others that stay.

    `entries` is the number of the person's lines in the audit of the chats, which stay: settings are proved by them.
    """

    runs: int
    unfinished: Sequence[str]
    entries: int
    findings: Sequence[Finding]


def prune(url: str, *, before: datetime, at: datetime, removes: bool = True) -> Pruned:
    """Remove the runs that ended before a time, a few at once, so that nobody waits for it.

    One that was tampered with stays.

    Configurations stay: they are small, and other runs may have the same.

    Args:
        url: the address of the database.
        before: what ended at this time or later stays.
        at: now.
        removes: False: only count.

    Raises:
        StorageError: the database can't be used.
    """
    with _writing(url) as engine:
        is_old = runs.c.updated_at < time_text(before)
        return _prune(engine, is_old, at, removes=removes)


def forget(url: str, person: str, tenant: str, *, at: datetime, removes: bool = True) -> Forgotten:
    """Remove every ended run whose log names a person by their id: who asked, decided, tried to, or was mentioned.

    Args:
        url: the address of the database.
        person: the platform's id of the person.
        tenant: only runs of this tenant; "" for all.
        at: now.
        removes: False: only count.

    Raises:
        StorageError: the database can't be used.
    """
    # Unlike LIKE, `replace` tells capitals from small letters on both databases.
    without = sa.func.replace(events.c.body, json.dumps(person, ensure_ascii=False), "")
    named = sa.select(events.c.run).where(without != events.c.body)
    concerns = sa.and_(runs.c.run.in_(named), *([runs.c.tenant == tenant] if tenant else []))
    by = sa.and_(_audit_entries.c.by == person, *([_audit_entries.c.tenant == tenant] if tenant else []))
    with _writing(url) as engine:
        pruned = _prune(engine, concerns, at, removes=removes)
        wrong = {finding.run for finding in pruned.findings}
        if removes:
            _forget_budgets(engine, person, tenant)
        with engine.connect() as connection:
            left = connection.execute(sa.select(runs.c.run).where(concerns).order_by(runs.c.run)).scalars().all()
            entries = 0
            if sa.inspect(connection).has_table(_audit_entries.name):
                entries = connection.execute(
                    sa.select(sa.func.count()).select_from(_audit_entries).where(by)
                ).scalar_one()
    unfinished = [run for run in left if run not in wrong] if removes else []
    return Forgotten(runs=pruned.runs, unfinished=unfinished, entries=entries, findings=pruned.findings)


def _forget_budgets(engine: sa.Engine, person: str, tenant: str) -> None:
    """What administrators are told of a person's own budgets; nobody keeps it for long anyway."""
    theirs = sa.and_(budget_warnings.c.whose == person, *([budget_warnings.c.tenant == tenant] if tenant else []))
    with engine.begin() as connection:
        connection.execute(sa.delete(budget_warnings).where(theirs))


@contextmanager
def _writing(url: str) -> Generator[sa.Engine]:
    address = parse_url(url)
    engine = open_engine(address, "write", connections=1)
    try:
        check(engine)
        with plainly(address):
            yield engine
    finally:
        engine.dispose()


def _prune(engine: sa.Engine, which: sa.ColumnElement[bool], at: datetime, *, removes: bool) -> Pruned:
    has_cards = sa.inspect(engine).has_table(_cards.name)
    count, size, findings, last = 0, 0, list[Finding](), ""
    while True:
        with engine.begin() as connection:
            names = (
                connection.execute(_ended(which, last, time_text(oldest_grant(at)), has_cards=has_cards))
                .scalars()
                .all()
            )
            if not names:
                return Pruned(runs=count, events=size, findings=findings)
            last = names[-1]
            found = [finding for name in names for finding in verify_rows(connection, name)]
            whole = [name for name in names if name not in {finding.run for finding in found}]
            findings += found
            count += len(whole)
            size += _size(connection, whole)
            if removes:
                _remove(connection, whole, time_text(at), has_cards=has_cards)


def _ended(which: sa.ColumnElement[bool], after: str, since: str, *, has_cards: bool) -> sa.Select[str]:
    query = sa.select(runs.c.run).where(runs.c.state.in_(ENDED), which, runs.c.run > after)
    # What was started on a standing grant that may still hold has to be counted.
    counted = sa.select(events.c.run).where(
        events.c.kind == sa.literal("call_started", literal_execute=True),
        events.c.at >= since,
        events.c.body.like(STARTS_ON_GRANT),
    )
    query = query.where(runs.c.run.not_in(counted))
    if has_cards:
        query = query.where(runs.c.run.not_in(sa.select(_cards.c.run).where(_cards.c.state.in_(_KEPT))))
    return query.order_by(runs.c.run).limit(_AT_ONCE)


def _size(connection: sa.Connection, names: Sequence[str]) -> int:
    return connection.execute(sa.select(sa.func.count()).where(events.c.run.in_(names))).scalar_one()


def _remove(connection: sa.Connection, names: Sequence[str], at: str, *, has_cards: bool) -> None:
    left = sa.select(runs.c.run, runs.c.seq, runs.c.head, sa.literal(at)).where(runs.c.run.in_(names))
    connection.execute(sa.insert(pruned_runs).from_select(["run", "seq", "hash", "at"], left))
    for table in (events, runs):
        connection.execute(sa.delete(table).where(table.c.run.in_(names)))
    if has_cards:
        for other in (_copies, _buttons, _cards):
            connection.execute(sa.delete(other).where(other.c.run.in_(names)))
