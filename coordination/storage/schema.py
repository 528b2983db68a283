"""The tables of the log, whether a database has them in the form that this program writes, and their migration."""

import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from coordination.errors import StorageError
from coordination.storage.database import open_engine, parse_url, place, plainly
from coordination.text import Text

VERSIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
)
"""Every revision of the schema, oldest first; each has its migration."""

FITS_FROM = "0007"
"""The newest revision that a program must know to work with these tables: what came after it only added to them.

A database says so itself, for older programs that meet it during a deploy or after one was taken back. A migration that
changes or removes what older programs use must raise it to its own revision.
"""

VERSION_TABLE = "massgen_bot_version"

metadata = sa.MetaData()

_COUNTED = sa.text("kind IN ('call_started', 'grant_given', 'grant_revoked')")
"""The kinds of events that are counted over many runs."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("v", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("prev", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("events_counted", "kind", "at", sqlite_where=_COUNTED, postgresql_where=_COUNTED),
)

# Times are texts of one width, in UTC: they sort as they read, and a hash over them is the same on every database.
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Index("runs_by_start", "started_at"),
    sa.Index("runs_by_tenant", "tenant", "started_at"),
    sa.Index("runs_by_expiry", "expires_at"),
    sa.Index("runs_by_update", "updated_at"),
)

configs = sa.Table(
    "configs",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# Whose each worker's slot is: `holder` is empty once others have taken it from them, `beat` counts their signs of life,
# `host` is the machine and the process, `since` when they took it.
worker_slots = sa.Table(
    "worker_slots",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),
    sa.Column("beat_at", sa.DateTime(timezone=True)),
    sa.Column("host", sa.Text),
    sa.Column("since", sa.DateTime(timezone=True)),
)

# When workers could not reach the database, by its own clock: from the last sign of life before to the first one after.
outages = sa.Table(
    "outages",
    metadata,
    sa.Column("since", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("until", sa.DateTime(timezone=True), primary_key=True),
)

# What `read` rules with wildcards matched, by the configuration's file: JSON, a list of [name, digest, is destructive].
# Of a pinned server all tools, under a rule that is none, each with its definition behind that.
read_lists = sa.Table(
    "read_lists",
    metadata,
    sa.Column("config", sa.Text, primary_key=True),
    sa.Column("match", sa.Text, primary_key=True),
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("tools", sa.Text, nullable=False),
)

# Where the log of a run ended that the operator removed: an anchor of earlier, and a later one, are held against it.
pruned_runs = sa.Table(
    "pruned_runs",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

# Budgets of a day of which most is used, each once; `told_at` is when somebody took it to tell administrators.
budget_warnings = sa.Table(
    "budget_warnings",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("limit_key", sa.Text, primary_key=True),
    sa.Column("whose", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("spent", sa.Double, nullable=False),
    sa.Column("most", sa.Double, nullable=False),
    sa.Column("told_at", sa.Text, nullable=False, server_default=""),
)

_FITS_FROM = "fits_from"

_stamp = sa.Table(
    VERSION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def prepare(engine: sa.Engine, *others: sa.MetaData) -> None:
    """Make the tables in a new SQLite file; of every other database, check that they fit.

    Args:
        engine: opened for writing.
        others: the tables that the caller keeps beside those of the log; a SQLite file that lacks them gets them.

    Raises:
        StorageError: a person must migrate the database, use a newer program, or name another database.
    """
    with plainly(engine.url):
        if engine.dialect.name == "sqlite":
            with engine.begin() as connection:
                version = version_of(connection)
                if version is None:
                    _create(connection, others)
                elif version == VERSIONS[-1]:
                    for each in others:
                        each.create_all(connection)
    check(engine)


def check(engine: sa.Engine) -> None:
    """Make sure that the tables are there, in the form that this program writes.

    Raises:
        StorageError: a person must migrate the database, use a newer program, or name another database.
    """
    with plainly(engine.url), engine.connect() as connection:
        version = version_of(connection)
        fits = version in VERSIONS or _fits_from(connection) in VERSIONS
    if version is None:
        raise StorageError(
            Text("There are no tables of massgen-bot in {place}: run `massgen-bot migrate`.", place=place(engine.url))
        )
    if not fits:
        raise StorageError(
            Text("A newer massgen-bot has written to {place}: upgrade this program.", place=place(engine.url))
        )
    if version in VERSIONS[:-1]:
        raise StorageError(
            Text("{place:A} was made by an older massgen-bot: run `massgen-bot migrate`.", place=place(engine.url))
        )


def version_of(connection: sa.Connection) -> str | None:
    """The revision that the database's tables are of; None if it has none of them."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.select(_stamp.c.version_num)).scalar_one_or_none()


def _fits_from(connection: sa.Connection) -> str | None:
    """What the database says of itself: from which revision on programs may work with it."""
    if not sa.inspect(connection).has_table(installation.name):
        return None
    query = sa.select(installation.c.value).where(installation.c.name == _FITS_FROM)
    return connection.execute(query).scalar_one_or_none()


def _say_what_fits(connection: sa.Connection) -> None:
    connection.execute(sa.delete(installation).where(installation.c.name == _FITS_FROM))
    connection.execute(sa.insert(installation), {"name": _FITS_FROM, "value": FITS_FROM})


def _create(connection: sa.Connection, others: Sequence[sa.MetaData]) -> None:
    """Make all tables at once, without Alembic, whose import takes longer than all the rest of a start."""
    ours = {table.name for each in (metadata, *others) for table in each.sorted_tables}
    if ours & set(sa.inspect(connection).get_table_names()):
        raise StorageError(
            Text(
                "Another program has tables of the same names in {place}: set DATABASE_URL to another database.",
                place=place(connection.engine.url),
            )
        )
    for each in (metadata, *others):
        each.create_all(connection)
    _stamp.create(connection)
    connection.execute(sa.insert(_stamp), {"version_num": VERSIONS[-1]})
    _say_what_fits(connection)


_ONE_AT_A_TIME = sa.select(sa.func.pg_advisory_xact_lock(7700))
_LOCK_MILLISECONDS = 2_000
"""How long `migrate` stands in line for a table at most: meanwhile, everybody who comes later waits behind it."""

_LOCK_TRIES = 15
_BETWEEN_TRIES = 2.0
_LOCK_NOT_AVAILABLE = "55P03"


def migrate(url: str) -> None:
    """Make the tables of the log, or change them step by step; all or nothing.

    On PostgreSQL it gives way to whoever holds a table for long, and tries again, so that nobody has to stop for it.

    Raises:
        StorageError: the database can't be used, a newer program has written to it, or a table was never free.
    """
    address = parse_url(url)
    engine = open_engine(address, "write", connections=1)
    try:
        for tries in range(_LOCK_TRIES):
            try:
                with plainly(address), engine.begin() as connection:
                    _migrate(connection, address)
            except StorageError as error:
                if tries == _LOCK_TRIES - 1 or not _stood_in_line(error):
                    raise
                time.sleep(_BETWEEN_TRIES)  # noqa: TID251 - `migrate` is a command without an event loop
            else:
                return
    finally:
        engine.dispose()


def _stood_in_line(error: StorageError) -> bool:
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", "") == _LOCK_NOT_AVAILABLE


def _migrate(connection: sa.Connection, address: sa.URL) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_ONE_AT_A_TIME)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
    version = version_of(connection)
    if version is not None and version not in VERSIONS:
        raise StorageError(
            Text("A newer massgen-bot has written to {place}: upgrade this program.", place=place(address))
        )
    _upgrade(connection)
    _say_what_fits(connection)


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only `migrate` needs it, and it is slow to load
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", "coordination.storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
