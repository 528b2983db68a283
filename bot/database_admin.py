"""Operations on the whole database: migrate it, verify it, export its events."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from coordination.clock import SystemClock
from coordination.engine import dbos_engine
from coordination.errors import ConfigError
from coordination.storage import anchor as sql_anchor
from coordination.storage import audit, schema
from coordination.storage.audit import Finding
from coordination.storage.database import parse_url, place
from coordination.storage.prune import Forgotten, Pruned, forget, prune
from coordination.text import Text


def migrate_all(url: str) -> str:
    """Make or update the tables of the log and of the engine. Returns how people know the database.

    Raises:
        StorageError: the database can't be used.
    """
    schema.migrate(url)
    dbos_engine.migrate(url)
    return place(parse_url(url))


def verify_log(url: str, run: str | None) -> Sequence[Finding]:
    """What is wrong with one run's log, or with all of the database.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read.
    """
    return audit.verify(url, run)


def anchor_of(url: str) -> Sequence[str]:
    """What stands for every log and every administrator's decision at this moment, as JSON lines.

    Raises:
        StorageError: the database can't be read.
    """
    return sql_anchor.anchor(url, SystemClock().now())


def compare_with(url: str, anchor: Path) -> Sequence[Finding]:
    """What differs from an anchor in a file.

    Raises:
        ConfigError: the file can't be read.
        StorageError: it is no anchor, or the database can't be read.
    """
    return sql_anchor.compare(url, text_of(anchor))


def text_of(file: Path) -> str:
    """What a file holds that an operator named.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError([Text("{file} can't be read: {why}", file=file, why=error.strerror or "")]) from error


def prune_runs(url: str, days: int, *, removes: bool) -> Pruned:
    """Remove the runs that ended more than so many days ago.

    Raises:
        StorageError: the database can't be used.
    """
    now = SystemClock().now()
    return prune(url, before=now - timedelta(days=days), at=now, removes=removes)


def forget_person(url: str, person: str, tenant: str, *, removes: bool) -> Forgotten:
    """Remove the ended runs that name a person.

    Raises:
        StorageError: the database can't be used.
    """
    return forget(url, person, tenant, at=SystemClock().now(), removes=removes)


def export_run(url: str, run: str) -> Sequence[str]:
    """A run's events with their hashes, as JSON lines.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read.
    """
    return audit.export(url, run)
