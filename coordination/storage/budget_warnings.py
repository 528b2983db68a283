"""Which budgets of the day are nearly used, in the shared database: each is told once, by one process."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from coordination.ports import BudgetWarning
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.schema import budget_warnings
from coordination.storage.sql_run_log import plain_text, time_text

_KEPT = timedelta(days=7)


class SqlBudgetWarnings:
    """What is to be told, and what was. It connects when it is first asked."""

    def __init__(self, url: sa.URL) -> None:
        """Use `open`, which also closes the connection."""
        self._engine = open_engine(url, "write", connections=1)
        self._insert = sqlite.insert if url.get_backend_name() == "sqlite" else postgresql.insert

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> "AsyncGenerator[SqlBudgetWarnings]":
        """The warnings in the database of this address.

        Raises:
            StorageError: it is no address of a database.
        """
        warnings = cls(parse_url(url))
        try:
            yield warnings
        finally:
            await asyncio.to_thread(warnings.dispose)

    def dispose(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    async def add(self, warning: BudgetWarning) -> None:
        """Keep a warning that is to be told, unless there is one of its budget and day. Old ones are forgotten."""
        old = (warning.begins_anew - _KEPT).date().isoformat()
        row = {
            "tenant": plain_text(warning.tenant),
            "limit_key": warning.limit,
            "whose": plain_text(warning.whose),
            "day": warning.day,
            "name": plain_text(warning.name),
            "spent": warning.spent,
            "most": warning.most,
        }

        def work() -> None:
            with plainly(self._engine.url), self._engine.begin() as connection:
                connection.execute(self._insert(budget_warnings).values(**row).on_conflict_do_nothing())
                connection.execute(sa.delete(budget_warnings).where(budget_warnings.c.day < old))

        await asyncio.to_thread(work)

    async def take(self, scope: str, now: datetime) -> Sequence[BudgetWarning]:
        """What nobody has told yet, of a tenant or of every tenant of a chat.

        Whoever takes it tells it, and nobody else does.
        """
        table = budget_warnings
        is_there = sa.or_(table.c.tenant == scope, table.c.tenant.startswith(f"{scope}:", autoescape=True))
        taken = sa.update(table).where(is_there, table.c.told_at == "").values(told_at=time_text(now)).returning(table)

        def work() -> Sequence[BudgetWarning]:
            with plainly(self._engine.url), self._engine.begin() as connection:
                return [
                    BudgetWarning(
                        tenant=row.tenant,
                        limit=row.limit_key,
                        whose=row.whose,
                        name=row.name,
                        day=row.day,
                        spent=row.spent,
                        most=row.most,
                    )
                    for row in connection.execute(taken)
                ]

        return await asyncio.to_thread(work)
