"""The database as a whole: bring it up to date, prove it, hand its events out."""

from collections.abc import Mapping, Sequence

from bot.wiring.application import database_url
from coordination.adapters import dbos_engine, sql_audit, sql_migrate
from coordination.adapters.sql_audit import Finding
from coordination.adapters.sql_connection import parse_url, place


def migrate_all(environ: Mapping[str, str]) -> str:
    """Make or update the tables of the log and of the engine. Returns how people know the database.

    Raises:
        StorageError: the database can't be used.
    """
    url = database_url(environ)
    sql_migrate.migrate(url)
    dbos_engine.migrate(url)
    return place(parse_url(url))


def verify_log(environ: Mapping[str, str], run: str | None) -> Sequence[Finding]:
    """What is wrong with one run's log, or with all of the database.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read.
    """
    return sql_audit.verify(database_url(environ), run)


def export_run(environ: Mapping[str, str], run: str) -> Sequence[str]:
    """A run's events with their hashes, as JSON lines.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read.
    """
    return sql_audit.export(database_url(environ), run)
