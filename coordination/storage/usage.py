"""Sums over the log of what model calls used."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from coordination.domain.events import RunEvent, RunRequested
from coordination.ports import BudgetWarning, Spent
from coordination.storage.budget_warnings import SqlBudgetWarnings
from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.day_counts import started_since
from coordination.storage.schema import events, runs
from coordination.storage.sql_run_log import decode, plain_text, time_text

_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Share:
    """What the runs of one person with one configuration used. `requester` is their name as the runs have it."""

    tenant: str
    requester: str
    config: str
    runs: int
    spent: Spent


@dataclass(frozen=True)
class _Origin:
    """Who asked for a run, and where."""

    user: str
    place: str

    def is_of(self, user: str | None, place: str | None) -> bool:
        """Whether both are these, as far as they are given."""
        return user in (None, self.user) and place in (None, self.place)


def _origin_of(first: RunEvent) -> _Origin:
    return _Origin(first.requester.id, first.asked_in) if isinstance(first, RunRequested) else _Origin("", "")


class SqlUsage:
    """Fits `coordination.ports.Spending`. It connects when it is first asked."""

    def __init__(self, url: sa.URL) -> None:
        """Use `open`, which also closes the connection."""
        self._engine = open_engine(url, "read", connections=1)
        self._one_at_a_time = threading.Lock()
        self._origins: dict[str, _Origin] = {}
        self._warnings = SqlBudgetWarnings(url)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> "AsyncGenerator[SqlUsage]":
        """The sums over the log in the database of this address.

        Raises:
            StorageError: it is no address of a database.
        """
        usage = cls(parse_url(url))
        try:
            yield usage
        finally:
            await asyncio.to_thread(usage._engine.dispose)
            await asyncio.to_thread(usage._warnings.dispose)

    async def since(self, moment: datetime, *, tenant: str, user: str | None = None, place: str | None = None) -> Spent:
        """What the runs of a tenant have used from this moment on; with `user` of a person, with `place` of a place."""
        return await asyncio.to_thread(self._sum, time_text(moment), tenant, user, place)

    async def shares(self, moment: datetime) -> Sequence[Share]:
        """What was used from this moment on, by tenant, person and configuration; the most first."""
        return await asyncio.to_thread(self._shares, time_text(moment))

    async def calls_since(self, moment: datetime, *, tenant: str) -> Mapping[str, int]:
        """How many calls a tenant's runs have started since this moment, by the text of each rule with a daily cap."""
        return await asyncio.to_thread(self._calls, time_text(moment), tenant)

    async def warn(self, warning: BudgetWarning) -> None:
        """Have administrators told that most of a budget is used, once a day and budget."""
        await self._warnings.add(warning)

    async def askers_since(self, moment: datetime) -> Sequence[RunRequested]:
        """What people asked for in runs that called a model since this moment, by person, place and configuration."""
        return await asyncio.to_thread(self._askers, time_text(moment))

    def _askers(self, moment: str) -> Sequence[RunRequested]:
        busy = sa.select(events.c.run).where(events.c.kind == "model_used", events.c.at >= moment)
        query = (
            sa.select(events.c.v, events.c.body)
            .join(runs, runs.c.run == events.c.run)
            .where(runs.c.updated_at >= moment, events.c.seq == 1, events.c.run.in_(busy))
            .order_by(runs.c.started_at)
        )
        found: dict[tuple[str, str, str, str], RunRequested] = {}
        with self._one_at_a_time, plainly(self._engine.url), self._engine.connect() as connection:
            for v, body in connection.execute(query):
                first = decode("run_requested", v, body)
                if isinstance(first, RunRequested):
                    found[first.tenant, first.requester.id, first.asked_in, first.config_digest] = first
        return list(found.values())

    def _calls(self, moment: str, tenant: str) -> Mapping[str, int]:
        with self._one_at_a_time, plainly(self._engine.url), self._engine.connect() as connection:
            return started_since(connection, moment, plain_text(tenant))

    def _shares(self, moment: str) -> Sequence[Share]:
        dialect = self._engine.dialect.name
        money = sa.func.coalesce(sa.func.sum(_number(dialect, "cost")), 0.0)
        tokens = sa.func.sum(_number(dialect, "input_tokens") + _number(dialect, "output_tokens"))
        whose = (runs.c.tenant, runs.c.requester, runs.c.config)
        query = (
            sa.select(*whose, sa.func.count(runs.c.run.distinct()), tokens, money)
            .join(events, events.c.run == runs.c.run)
            .where(runs.c.updated_at >= moment, events.c.kind == "model_used", events.c.at >= moment)
            .group_by(*whose)
            .order_by(money.desc(), tokens.desc())
        )
        with self._one_at_a_time, plainly(self._engine.url), self._engine.connect() as connection:
            return [
                Share(
                    tenant=tenant,
                    requester=requester,
                    config=config,
                    runs=count,
                    spent=Spent(tokens=int(used), money=float(cost)),
                )
                for tenant, requester, config, count, used, cost in connection.execute(query)
            ]

    def _sum(self, moment: str, tenant: str, user: str | None, place: str | None) -> Spent:
        with self._one_at_a_time, plainly(self._engine.url), self._engine.connect() as connection:
            rows = connection.execute(_by_run(self._engine.dialect.name, moment, tenant)).all()
            if user is not None or place is not None:
                self._learn_origins(connection, [run for run, _, _ in rows])
        own = [row for row in rows if (user is None and place is None) or self._origins[row[0]].is_of(user, place)]
        return Spent(tokens=sum(int(tokens) for _, tokens, _ in own), money=sum(money or 0.0 for _, _, money in own))

    def _learn_origins(self, connection: sa.Connection, names: Sequence[str]) -> None:
        """Who asked for a run, and where.

        This never changes, and PostgreSQL can't always read the event that has it.
        """
        unknown = [run for run in names if run not in self._origins]
        for start in range(0, len(unknown), _CHUNK):
            some = unknown[start : start + _CHUNK]
            query = sa.select(events.c.run, events.c.v, events.c.body).where(events.c.run.in_(some), events.c.seq == 1)
            for run, v, body in connection.execute(query):
                first = decode("run_requested", v, body)
                self._origins[run] = _origin_of(first)


def _by_run(dialect: str, moment: str, tenant: str) -> sa.Select[str, float, float]:
    """Runs that nobody touched since the moment are passed over, so that no more is read than the day wrote."""
    tokens = _number(dialect, "input_tokens") + _number(dialect, "output_tokens")
    return (
        sa.select(runs.c.run, sa.func.sum(tokens), sa.func.sum(_number(dialect, "cost")))
        .select_from(runs)
        .join(events, events.c.run == runs.c.run)
        .where(runs.c.tenant == tenant, runs.c.updated_at >= moment)
        .where(events.c.kind == "model_used", events.c.at >= moment)
        .group_by(runs.c.run)
    )


def _number(dialect: str, name: str) -> sa.ColumnElement[float]:
    kind = sa.Float if name == "cost" else sa.BigInteger
    if dialect == "sqlite":
        return sa.cast(sa.func.json_extract(events.c.body, f"$.{name}"), kind)
    return sa.cast(sa.func.json_extract_path_text(sa.cast(events.c.body, sa.JSON), name), kind)
