"""Brings an older database to the form that this program writes."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from coordination.errors import StorageError
from coordination.storage.database import open_engine, parse_url, place, plainly
from coordination.storage.schema import VERSIONS, version_of

_ONE_AT_A_TIME = sa.select(sa.func.pg_advisory_xact_lock(7700))


def migrate(url: str) -> None:
    """Make the tables of the log, or change them step by step; all or nothing.

    Raises:
        StorageError: the database can't be used, or a newer program has written to it.
    """
    address = parse_url(url)
    engine = open_engine(address, "write", connections=1)
    try:
        with plainly(address), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(_ONE_AT_A_TIME)
            version = version_of(connection)
            if version is not None and version not in VERSIONS:
                raise StorageError(f"A newer massgen-bot has written to {place(address)}: upgrade this program.")
            _upgrade(connection)
    finally:
        engine.dispose()


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "coordination.adapters:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
