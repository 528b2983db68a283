"""Standing grants in the log: what was given and revoked, and how many calls have started on each, counted anew.

A call starts on a grant in the transaction that counts it: two workers never use the last one twice.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from pydantic import Field, TypeAdapter, ValidationError

from coordination.domain.events import ApprovalGiven, CallStarted, GrantGiven, GrantRevoked, RunEvent
from coordination.domain.grants import DRIFT, Grant, Standing
from coordination.errors import GrantVoidError
from coordination.storage.schema import events, pruned_runs, runs

_LOCK = 7703
"""In PostgreSQL whoever starts a call on a grant holds it until the commit; in SQLite one transaction writes at a time
anyway."""

STARTS_ON_GRANT = '%"grants":["%'
"""What no string in JSON can contain: the quotes within it are escaped. Only a call that started on a grant has it."""

_COUNTED: TypeAdapter[ApprovalGiven | CallStarted | GrantGiven | GrantRevoked] = TypeAdapter(
    Annotated[ApprovalGiven | CallStarted | GrantGiven | GrantRevoked, Field(discriminator="kind")]
)
_GIVEN = TypeAdapter(GrantGiven)
_REVOKED = TypeAdapter(GrantRevoked)


def standing_in(connection: sa.Connection, tenant: str | None, since: str) -> Sequence[Standing]:
    """The grants that were given in a tenant, or anywhere, from a moment on, oldest first."""
    found: dict[str, Standing] = {}
    for run, at, body in connection.execute(_events("grant_given", tenant, since)):
        grant = _GIVEN.validate_json(body).grant
        found.setdefault(grant.id, Standing(grant=grant, run=run, given_at=datetime.fromisoformat(at)))
    if not found:
        return ()
    for run, _, body in connection.execute(_events("grant_revoked", tenant, since)):
        id_ = _REVOKED.validate_json(body).grant
        if id_ in found and found[id_].run == run:
            found[id_] = replace(found[id_], is_revoked=True)
    used = Counter[str]()
    for _, _, body in connection.execute(_events("call_started", tenant, since, STARTS_ON_GRANT)):
        used.update(json.loads(body)["grants"])
    return [replace(each, used=used[each.grant.id]) for each in found.values()]


def _events(kind: str, tenant: str | None, since: str, like: str = "") -> sa.Select[str, str, str]:
    """The events of a kind since a moment; the kind is written out, so that the index of such events is used."""
    query = (
        sa.select(events.c.run, events.c.at, events.c.body)
        .join(runs, runs.c.run == events.c.run)
        .where(events.c.kind == sa.literal(kind, literal_execute=True), events.c.at >= since)
        .order_by(events.c.at, events.c.run, events.c.seq)
    )
    if tenant is not None:
        query = query.where(runs.c.tenant == tenant)
    return query if not like else query.where(events.c.body.like(like))


def check_grants(connection: sa.Connection, tenant: str, at: datetime, since: str, written: Sequence[RunEvent]) -> None:
    """Make sure that the grants which these events stand on are the ones that were given, and that they hold.

    Nobody else can start a call on one before the transaction ends.

    Raises:
        GrantVoidError: one is not, or does not.
    """
    claimed = [each.grant for event in written if isinstance(event, ApprovalGiven) for each in event.grants]
    starting = [each for event in written if isinstance(event, CallStarted) for each in event.grants]
    if not claimed and not starting:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    check_standing(standing_in(connection, tenant, since), claimed, starting, at)


def check_standing(
    standing: Sequence[Standing], claimed: Sequence[Grant], starting: Sequence[str], at: datetime
) -> None:
    """Make sure that approvals may stand on the claimed grants, and calls start on those of these ids.

    Raises:
        GrantVoidError: they may not.
    """
    known = {each.grant.id: each for each in standing}
    for grant in claimed:
        found = known.get(grant.id)
        if found is None or found.grant != grant or not found.is_live(at):
            raise GrantVoidError(grant.id)
    for id_, count in Counter(starting).items():
        found = known.get(id_)
        if found is None or not found.is_live(at) or found.used + count > found.grant.most:
            raise GrantVoidError(id_)


def wrong_grants(connection: sa.Connection) -> Iterator[tuple[str, int, str]]:
    """The events that stand on a grant which nobody gave, or which did not hold: run, number, what is wrong.

    Grants of runs that the operator removed are not missed: what stood on them was checked when it was written.
    """
    query = (
        sa.select(events.c.run, events.c.seq, events.c.at, events.c.body, runs.c.tenant)
        .join(runs, runs.c.run == events.c.run)
        .where(events.c.kind.in_(_KINDS), events.c.kind.like("grant%") | events.c.body.like('%"grants":[%'))
        .order_by(events.c.at, events.c.run, events.c.seq)
    )
    rows = [(row, event) for row in connection.execute(query) if (event := _read(row.body)) is not None]
    known = _Known({each.grant.id: (row.run, each.grant) for row, each in rows if isinstance(each, GrantGiven)})
    for row, event in rows:
        if isinstance(event, GrantRevoked):
            known.revoke(event.grant, row.run, datetime.fromisoformat(row.at))
    has_pruned = connection.execute(sa.select(sa.func.count()).select_from(pruned_runs)).scalar_one() > 0
    for row, event in rows:
        for id_, problem in known.problems(event, row.tenant, datetime.fromisoformat(row.at)):
            if id_ in known.given or not has_pruned:
                yield row.run, row.seq, f"{problem}: {id_}"


_KINDS = ("approval_given", "call_started", "grant_given", "grant_revoked")


def _read(body: str) -> ApprovalGiven | CallStarted | GrantGiven | GrantRevoked | None:
    """An event; None where it can't be read, which is found where each run is looked at."""
    try:
        return _COUNTED.validate_json(body)
    except ValidationError:
        return None


class _Known:
    """The grants of all logs, when they ended, and how much of them was used.

    `given` has each with its run, by its id.
    """

    def __init__(self, given: Mapping[str, tuple[str, Grant]]) -> None:
        self.given = given
        self._revoked: dict[str, datetime] = {}
        self._used = Counter[str]()

    def revoke(self, id_: str, run: str, at: datetime) -> None:
        """Take in that a grant was revoked, if that is said in its own log."""
        if id_ in self.given and self.given[id_][0] == run:
            self._revoked.setdefault(id_, at)

    def problems(self, event: RunEvent, tenant: str, at: datetime) -> Iterator[tuple[str, str]]:
        """The grants that an event can't stand on, and why; it is counted."""
        if isinstance(event, ApprovalGiven):
            for use in event.grants:
                if use.grant.id not in self.given or self.given[use.grant.id][1] != use.grant:
                    yield use.grant.id, "this approval stands on a standing grant that nobody gave"
        elif isinstance(event, CallStarted):
            for id_ in event.grants:
                if id_ not in self.given or self.given[id_][1].tenant != tenant:
                    yield id_, "this call ran on a standing grant that nobody gave"
                elif not self._holds(id_, at):
                    yield id_, "this call ran on a standing grant that did not hold"

    def _holds(self, id_: str, at: datetime) -> bool:
        """By clocks that may differ a little: who was first was decided in the database."""
        self._used[id_] += 1
        grant, revoked = self.given[id_][1], self._revoked.get(id_)
        return at < grant.until and self._used[id_] <= grant.most and (revoked is None or at <= revoked + DRIFT)
