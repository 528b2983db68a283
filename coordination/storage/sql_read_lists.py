"""The lists of what `read` rules with wildcards matched, in the database that all workers share."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from coordination.ports import ListedTool, ReadList
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.schema import prepare, read_lists


class SqlReadLists:
    """Fits `coordination.ports.ReadLists`. It connects when it is first asked."""

    def __init__(self, url: sa.URL) -> None:
        """Use `open`, which also closes the connection."""
        self._engine = open_engine(url, "write", connections=1)
        self._insert = sqlite.insert if url.get_backend_name() == "sqlite" else postgresql.insert

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, makes: Sequence[sa.MetaData] | None = None) -> "AsyncGenerator[SqlReadLists]":
        """The lists in the database of this address.

        Args:
            url: `sqlite:////path` or `postgresql+psycopg://…`.
            makes: None if the tables are surely there; else they are checked, and a new SQLite file gets them, with
                these.

        Raises:
            StorageError: the database can't be used; the text says what to do.
        """
        lists = cls(parse_url(url))
        try:
            if makes is not None:
                await asyncio.to_thread(prepare, lists._engine, *makes)
            yield lists
        finally:
            await asyncio.to_thread(lists._engine.dispose)

    async def load(self, config: str) -> Sequence[ReadList]:
        """The lists of a configuration; none if none was made yet."""

        def work() -> Sequence[ReadList]:
            with plainly(self._engine.url), self._engine.begin() as connection:
                return _stored(connection, config)

        return await asyncio.to_thread(work)

    async def add(self, config: str, lists: Sequence[ReadList]) -> Sequence[ReadList]:
        """Make those of these lists that there are not yet; returns all that hold now."""

        def work() -> Sequence[ReadList]:
            with plainly(self._engine.url), self._engine.begin() as connection:
                for each in lists:
                    statement = self._insert(read_lists).values(**_row(config, each))
                    connection.execute(statement.on_conflict_do_nothing())
                return _stored(connection, config)

        return await asyncio.to_thread(work)

    async def replace(self, config: str, lists: Sequence[ReadList]) -> Sequence[ReadList]:
        """Make the lists anew, all at once; returns the earlier ones."""

        def work() -> Sequence[ReadList]:
            with plainly(self._engine.url), self._engine.begin() as connection:
                earlier = _stored(connection, config)
                connection.execute(sa.delete(read_lists).where(read_lists.c.config == config))
                for each in lists:
                    connection.execute(sa.insert(read_lists), _row(config, each))
                return earlier

        return await asyncio.to_thread(work)


def _stored(connection: sa.Connection, config: str) -> Sequence[ReadList]:
    query = sa.select(read_lists).where(read_lists.c.config == config)
    query = query.order_by(read_lists.c.match, read_lists.c.server)
    return [
        ReadList(
            match=row.match,
            server=row.server,
            tools=tuple(
                ListedTool(tool=tool, digest=digest, is_destructive=harms, definition="".join(definition))
                for tool, digest, harms, *definition in json.loads(row.tools)
            ),
        )
        for row in connection.execute(query)
    ]


def _row(config: str, each: ReadList) -> dict[str, str]:
    tools = json.dumps(
        [
            [one.tool, one.digest, one.is_destructive, *([one.definition] if one.definition else [])]
            for one in each.tools
        ]
    )
    return {"config": config, "match": each.match, "server": each.server, "tools": tools}
