"""Lists and counts over the runs that the chats asked for."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from bot.chat.sql_desk_schema import cards
from bot.chat.store import CardRecord, Limits, OverLimit
from coordination.storage.schema import runs
from coordination.storage.sql_codec import time_text

_BUSY = ("queued", "deliberating", "changes_wanted", "executing", "reporting")
_WAITING = ("awaiting_decision", "needs_human")
_KEPT = ("asked", "live")
_HOUR = timedelta(hours=1)
_SOON = timedelta(minutes=1)
"""A run that was admitted begins within this time, or not at all."""


def lines_query(
    tenant: str, *, channel: str, requester: str, states: Sequence[str], limit: int
) -> sa.Select[str, str, str, str, str, str, str, str, str | None]:
    """The newest runs of a tenant; of a channel or of a requester, where one is named."""
    columns = (
        cards.c.run,
        runs.c.state,
        runs.c.prompt,
        cards.c.requester,
        cards.c.requester_name,
        runs.c.config,
        cards.c.channel,
        cards.c.asked_at,
        runs.c.expires_at,
    )
    query = sa.select(*columns).join(runs, runs.c.run == cards.c.run).where(cards.c.tenant == tenant)
    named = [cards.c.channel == channel] if channel else []
    named += [cards.c.requester == requester] if requester else []
    if named:
        query = query.where(sa.or_(*named))
    if states:
        query = query.where(runs.c.state.in_(states))
    return query.order_by(cards.c.asked_at.desc(), cards.c.run).limit(limit)


def over_limit(connection: sa.Connection, card: CardRecord, limits: Limits) -> OverLimit | None:
    """Which limit one more run would break."""
    of_tenant = cards.c.tenant == card.tenant
    kept = (
        sa.select(sa.func.count())
        .select_from(cards.outerjoin(runs, runs.c.run == cards.c.run))
        .where(of_tenant, cards.c.state.in_(_KEPT))
    )
    begun = sa.or_(
        runs.c.state.in_(_BUSY),
        sa.and_(runs.c.run.is_(None), cards.c.asked_at > time_text(card.asked_at - _SOON)),
    )
    hourly = (
        sa.select(sa.func.count())
        .select_from(cards)
        .where(of_tenant, cards.c.requester == card.requester, cards.c.asked_at > time_text(card.asked_at - _HOUR))
    )
    if connection.execute(hourly).scalar_one() >= limits.hourly:
        return OverLimit("hourly", limits.hourly)
    own = kept.where(begun, cards.c.requester == card.requester)
    if connection.execute(own).scalar_one() >= limits.share:
        return OverLimit("each", limits.share)
    if connection.execute(kept.where(begun)).scalar_one() >= limits.at_once:
        return OverLimit("at_once", limits.at_once)
    if connection.execute(kept.where(runs.c.state.in_(_WAITING))).scalar_one() >= limits.waiting:
        return OverLimit("waiting", limits.waiting)
    return None
