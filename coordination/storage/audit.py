"""Proves that the log is as it was written, and hands it to others who want to prove it themselves.

What this finds: every change of an event, of its place and of its run's summary, every word of a person that the rules
refuse, and every setting that no administrator decided on. What it can't find: a change by somebody who computed all
later hashes anew. Against that, keep an anchor (`anchor`) or an export where they can't write.
"""

import json
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from coordination.domain.canonical_json import config_digest
from coordination.domain.events import RunRequested
from coordination.domain.states import RunState
from coordination.domain.transitions import check_place, evolve
from coordination.errors import IllegalTransition, RunNotFoundError, StorageError
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.grant_records import wrong_grants
from coordination.storage.schema import check, configs, events, runs
from coordination.storage.sql_run_log import FIRST_PREV, decode, event_hash, summary_row

# What administrators of chats decided, and what is set by it: the chats keep these, and not every log has them.
audit_entries = sa.table(
    "deeds",
    sa.column("number", sa.Integer),
    *(sa.column(name, sa.Text) for name in ("tenant", "channel", "by", "by_name", "at", "what", "detail")),
)
_chat_settings = sa.table(
    "scopes", *(sa.column(name, sa.Text) for name in ("tenant", "channel", "key", "value", "by", "by_name", "at"))
)

Row: TypeAlias = sa.RowMapping | Mapping[str, Any]
"""An event, or a run's summary, by the names of its columns."""

_TEXTS = ("run", "at", "kind", "body", "prev", "hash")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it was written. `seq` is the event where it shows; 0 means the database as a whole."""

    run: str
    seq: int
    problem: str


def verify(url: str, run: str | None = None) -> Sequence[Finding]:
    """Everything that is wrong with one run, or with all of them; nothing means that the log is as it was written.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read.
    """
    findings: list[Finding] = []
    all_events = sa.select(events).order_by(events.c.run, events.c.seq)
    all_summaries = sa.select(runs).order_by(runs.c.run)
    if run is not None:
        all_events, all_summaries = all_events.where(events.c.run == run), all_summaries.where(runs.c.run == run)
    with reading(url) as connection:
        if run is None:
            findings += [*_damage(connection), *_settings(connection)]
        kept = {row.digest: config_digest(row.text, row.origin) for row in connection.execute(sa.select(configs))}
        summaries = {row["run"]: row for row in connection.execute(all_summaries).mappings()}
        is_known = bool(summaries)
        rows = connection.execution_options(yield_per=500).execute(all_events).mappings()
        for name, of_run in groupby(rows, key=lambda row: row["run"]):
            is_known = True
            findings += _verify_run(str(name), list(of_run), summaries.pop(name, None), kept)
        if run is None:
            findings += (
                Finding(run=where, seq=seq, problem=problem) for where, seq, problem in wrong_grants(connection)
            )
    if run is not None and not is_known:
        raise RunNotFoundError(run)
    findings += (Finding(run=str(name), seq=1, problem="every event of this run is missing") for name in summaries)
    return findings


def verify_rows(connection: sa.Connection, run: str) -> Sequence[Finding]:
    """What is wrong with one run, on a connection that is open."""
    rows = connection.execute(sa.select(events).where(events.c.run == run).order_by(events.c.seq)).mappings().all()
    summary = connection.execute(sa.select(runs).where(runs.c.run == run)).mappings().one_or_none()
    if not rows:
        return [Finding(run=run, seq=1, problem="every event of this run is missing")]
    kept = {row.digest: config_digest(row.text, row.origin) for row in connection.execute(sa.select(configs))}
    return _verify_run(run, rows, summary, kept)


def export(url: str, run: str) -> Sequence[str]:
    """A run's events as JSON lines, each with its hash; docs/audit.md says how anyone can check them.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read.
    """
    with reading(url) as connection:
        query = sa.select(events).where(events.c.run == run).order_by(events.c.seq)
        # In ASCII: whatever a model wrote, a terminal that shows this stays as it is.
        lines = [json.dumps(dict(row)) for row in connection.execute(query).mappings()]
    if not lines:
        raise RunNotFoundError(run)
    return lines


def verify_export(run: str, rows: Sequence[Row], config: tuple[str, str]) -> Sequence[Finding]:
    """What is wrong with a run's exported events and its configuration's text and origin, without a database."""
    found = [*_chain(rows)] or [*_replay(run, rows, None, {config_digest(*config): config_digest(*config)})]
    return [Finding(run=run, seq=seq, problem=problem) for seq, problem in found]


def _verify_run(run: str, rows: Sequence[Row], summary: Row | None, kept: Mapping[str, str]) -> Sequence[Finding]:
    found = [Finding(run=run, seq=seq, problem=problem) for seq, problem in [*_chain(rows), *_tail(rows, summary)]]
    if not found and summary is not None:
        found = [Finding(run=run, seq=seq, problem=problem) for seq, problem in _replay(run, rows, summary, kept)]
    return found


def _chain(rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """Where the events are not the ones that were written, one after the other."""
    expected, prev = 1, FIRST_PREV
    for row in rows:
        seq = row["seq"]
        if not isinstance(seq, int):
            yield expected, "this event has no number"
            continue
        if seq > expected:
            yield (
                expected,
                f"events {expected} to {seq - 1} are missing" if seq - 1 > expected else "this event is missing",
            )
        elif row["prev"] != prev:
            yield seq, "this event does not follow from the one before it: one of the two was changed or put in"
        if _hash(row) != row["hash"]:
            yield seq, f"this event ({row['kind']}) was changed after it was written"
        expected, prev = seq + 1, row["hash"]


def _hash(row: Row) -> str | None:
    if not isinstance(row["v"], int) or not all(isinstance(row[name], str) for name in _TEXTS):
        return None
    return event_hash(
        row["prev"],
        run=row["run"],
        seq=row["seq"],
        at=row["at"],
        kind=row["kind"],
        v=row["v"],
        body=row["body"],
    )


def _tail(rows: Sequence[Row], summary: Row | None) -> Iterator[tuple[int, str]]:
    """Whether the log ends where the run's summary says that it does."""
    last = rows[-1]["seq"]
    if not isinstance(last, int):
        return
    if summary is None:
        yield last, "the run's summary is missing"
    elif not isinstance(summary["seq"], int):
        yield last, "the run's summary does not say where the log ends"
    elif summary["seq"] > last:
        yield last + 1, f"the log was cut off: it should go on to event {summary['seq']}"
    elif summary["seq"] < last:
        yield summary["seq"] + 1, "the log should end before this event"
    elif summary["head"] != rows[-1]["hash"]:
        yield last, "the run's summary ends with another event than this one"


def _replay(run: str, rows: Sequence[Row], summary: Row | None, kept: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Whether the events make sense, and the summary, if there is one, says the same as they do."""
    state: RunState | None = None
    for row in rows:
        try:
            written = decode(row["kind"], row["v"], row["body"])
            check_place(run, written)
            state = evolve(state, written, datetime.fromisoformat(row["at"]))
        except (IllegalTransition, StorageError, ValueError) as error:
            yield row["seq"], f"this event can't be: {error}"
            return
        if row["seq"] == 1:
            yield from _config(state.request, kept)
    if state is None or summary is None:
        return
    expected = {**summary_row(run, state, rows[-1]["at"]), "started_at": rows[0]["at"]}
    for name, value in expected.items():
        if summary[name] != value:
            yield rows[-1]["seq"], f"the run's summary has another {name} than the events"


def _config(request: RunRequested, kept: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Whether the stored configuration is the one that the run began with."""
    if kept.get(request.config_digest) != request.config_digest:
        yield 1, f"the configuration {request.config_digest[:8]} of this run was changed or removed"


def has_decisions(connection: sa.Connection) -> bool:
    """Whether administrators can have decided anything here: a log that no chat uses has no tables for it.

    Whoever took the tables away is found by an anchor of the time when there were decisions.
    """
    return sa.inspect(connection).has_table(audit_entries.name)


def _settings(connection: sa.Connection) -> Iterator[Finding]:
    """Whether what is set is what administrators decided last."""
    decided: dict[tuple[str, str, str], tuple[str, ...] | None] = {}
    if not has_decisions(connection):
        return
    for row in connection.execute(sa.select(audit_entries).order_by(audit_entries.c.number)).mappings():
        action, _, key = str(row["what"]).partition(" ")
        if action in ("set", "reset"):
            is_set = action == "set"
            decided[row["tenant"], row["channel"], key] = (row["detail"], row["by"], row["at"]) if is_set else None
    for row in connection.execute(sa.select(_chat_settings)).mappings():
        place = (row["tenant"], row["channel"], row["key"])
        if decided.pop(place, None) != (row["value"], row["by"], row["at"]):
            where = f"{row['key']} of {row['tenant']} {row['channel']}".strip()
            yield Finding(run="", seq=0, problem=f"the setting {where} is not what an administrator decided last")
    for (tenant, channel, key), value in decided.items():
        if value is not None:
            where = f"{key} of {tenant} {channel}".strip()
            yield Finding(run="", seq=0, problem=f"the setting {where} was removed, and no administrator did that")


def _damage(connection: sa.Connection) -> Iterator[Finding]:
    """What SQLite itself finds wrong with its file."""
    if connection.dialect.name == "sqlite":
        answer = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if answer != "ok":
            yield Finding(run="", seq=0, problem="the database file is damaged inside; put a backup in its place")


@contextmanager
def reading(url: str) -> Generator[sa.Connection]:
    """A connection for looking at a database as it is, whatever bytes are in it.

    Raises:
        StorageError: it can't be read.
    """
    address = parse_url(url)
    engine = open_engine(address, "read", connections=1)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _read_any_bytes)
    try:
        check(engine)
        with plainly(address), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _read_any_bytes(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Let a text that is no UTF-8 any more be read, so that the event that holds it can be named."""

    def any_text(raw: bytes) -> str:
        return raw.decode("utf-8", "surrogateescape")

    connection.text_factory = any_text
