"""Removes runs that ended long ago, whole: each run's log is a chain of its own, so every other one stays as it is.

Of a run that is removed, the number and the hash of its last event stay. So an anchor of earlier tells what was pruned from
what somebody took away, and a later anchor holds what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from coordination.storage.audit import Finding, verify_rows
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.schema import check, events, pruned_runs, runs
from coordination.storage.sql_run_log import time_text

ENDED = ("finished", "answered", "rejected", "expired", "cancelled", "failed")
"""The states of runs in which nothing happens any more."""

_AT_ONCE = 50

# The chats keep these, and not every log has them. A card that is kept in step is not taken from under whoever does that.
_cards = sa.table("cards", sa.column("run", sa.Text), sa.column("state", sa.Text))
_buttons = sa.table("buttons", sa.column("run", sa.Text))
_KEPT = ("asked", "live")


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many runs and events were removed, and what is wrong with runs that therefore were not."""

    runs: int
    events: int
    findings: Sequence[Finding]


def prune(url: str, *, before: datetime, at: datetime, removes: bool = True) -> Pruned:
    """Remove the runs that ended before a time, a few at once, so that nobody waits for it. One that was tampered with stays.

    Configurations stay: they are small, and other runs may have the same.

    Args:
        url: the address of the database.
        before: what ended at this time or later stays.
        at: now.
        removes: False: only count.

    Raises:
        StorageError: the database can't be used.
    """
    address = parse_url(url)
    engine = open_engine(address, "write", connections=1)
    try:
        check(engine)
        with plainly(address):
            has_cards = sa.inspect(engine).has_table(_cards.name)
            count, size, findings, last = 0, 0, list[Finding](), ""
            while True:
                with engine.begin() as connection:
                    names = connection.execute(_old(before, last, has_cards=has_cards)).scalars().all()
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
    finally:
        engine.dispose()


def _old(before: datetime, after: str, *, has_cards: bool) -> sa.Select[str]:
    query = sa.select(runs.c.run).where(
        runs.c.state.in_(ENDED), runs.c.updated_at < time_text(before), runs.c.run > after
    )
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
        for other in (_buttons, _cards):
            connection.execute(sa.delete(other).where(other.c.run.in_(names)))
