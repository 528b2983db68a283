"""Calls of rules with a daily cap, counted in the log: never one too many, however many workers start them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from pydantic import BaseModel

from coordination.domain.day_caps import Caps, match_of
from coordination.domain.events import CallStarted, RunEvent
from coordination.errors import DayCapError
from coordination.storage.schema import events, runs

_LOCK = 7702
"""In PostgreSQL whoever starts a capped call holds it until the commit; in SQLite one transaction writes at a time
anyway."""

_IS_CAPPED = '%"per_day":[[%'
"""What no string in JSON can contain: the quotes within it are escaped."""


class _Body(BaseModel):
    """The part of a started call that says what it counts for.

    Attributes:
        per_day: the caps that held when it started, by the text of each rule.
    """

    per_day: Caps = ()


def started_since(connection: sa.Connection, moment: str, tenant: str) -> Mapping[str, int]:
    """How many calls a tenant's runs have started from a moment on, by the text of each rule with a daily cap."""
    query = (
        sa.select(events.c.body)
        .select_from(runs)
        .join(events, events.c.run == runs.c.run)
        .where(runs.c.tenant == tenant, runs.c.updated_at >= moment)
        .where(events.c.kind == "call_started", events.c.at >= moment, events.c.body.like(_IS_CAPPED))
    )
    counts: Counter[str] = Counter()
    for body in connection.execute(query).scalars():
        counts.update(name for name, _ in _Body.model_validate_json(body).per_day)
    return counts


def check_day_caps(connection: sa.Connection, moment: str, tenant: str, starting: Sequence[RunEvent]) -> None:
    """Make sure that the calls which these events start are not one too many for the day that began at a moment.

    Nobody else can start one before the transaction ends.

    Raises:
        DayCapError: one of them is.
    """
    caps = [cap for event in starting if isinstance(event, CallStarted) for cap in event.per_day]
    if not caps:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    counts = Counter(started_since(connection, moment, tenant))
    for name, most in caps:
        counts[name] += 1
        if counts[name] > most:
            raise DayCapError(match_of(name), most)
