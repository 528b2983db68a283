"""What is posted once a day, and by whom.

One process claims the day, and none posts what another has claimed or posted.

A claim outlives its process by `CLAIMED`: then whoever comes next takes it over, and knows that the post may stand
already.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from coordination.storage.database import open_engine, parse_url, plainly
from coordination.storage.schema import check, installation
from coordination.storage.sql_run_log import time_text

CLAIMED = timedelta(minutes=5)
"""How long nobody else posts what one process has claimed. Far longer than a post takes."""

_PREFIX = "daily_post "


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to post what a name stands for on one day.

    Attributes:
        name: what is posted where.
        day: the day, by UTC.
        since: when the first process claimed it.
        may_stand: whether an earlier process may have posted it.
        value: how the claim is written, by which it is told from a later one.
    """

    name: str
    day: str
    since: datetime
    may_stand: bool
    value: str


def claim(url: str, name: str, at: datetime) -> Claim | None:
    """The right to post today. None: it is posted, or another process is about to.

    Raises:
        StorageError: the database can't be used.
    """
    day, key = str(at.astimezone(UTC).date()), _PREFIX + name
    with _writing(url) as connection:
        query = sa.select(installation.c.value).where(installation.c.name == key).with_for_update()
        before = connection.execute(query).scalar_one_or_none()
        kept: dict[str, str] = json.loads(before) if before is not None else {"day": ""}
        # A clock that is behind has not reached the day that was posted last: its own day was posted, too.
        if kept["day"] > day or (kept["day"] == day and kept["message"]):
            return None
        is_taken_over = kept["day"] == day
        if is_taken_over and at - datetime.fromisoformat(kept["at"]) < CLAIMED:
            return None
        since = kept["since"] if is_taken_over else time_text(at)
        value = json.dumps({"day": day, "since": since, "at": time_text(at), "message": ""})
        if not _written(connection, key, before, value):
            return None
    moment = datetime.fromisoformat(since)
    return Claim(name=name, day=day, since=moment, may_stand=is_taken_over, value=value)


def finish(url: str, claimed: Claim, message: str) -> None:
    """Remember that it is posted, as this message.

    Raises:
        StorageError: the database can't be used.
    """
    value = json.dumps({**json.loads(claimed.value), "message": message})
    with _writing(url) as connection:
        connection.execute(_of(claimed).values(value=value))


def release(url: str, claimed: Claim) -> None:
    """Give the right back: nothing was posted, and whoever comes next may try.

    Raises:
        StorageError: the database can't be used.
    """
    with _writing(url) as connection:
        connection.execute(_of(claimed).values(value=json.dumps({"day": ""})))


def _written(connection: sa.Connection, key: str, before: str | None, value: str) -> bool:
    """Whether nobody else was first."""
    if before is None:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        made = insert(installation).values(name=key, value=value).on_conflict_do_nothing()
        return connection.execute(made.returning(installation.c.name)).first() is not None
    is_same = sa.and_(installation.c.name == key, installation.c.value == before)
    return connection.execute(sa.update(installation).where(is_same).values(value=value)).rowcount == 1


def _of(claimed: Claim) -> sa.Update:
    key = installation.c.name == _PREFIX + claimed.name
    return sa.update(installation).where(key, installation.c.value == claimed.value)


@contextmanager
def _writing(url: str) -> Generator[sa.Connection]:
    address = parse_url(url)
    engine = open_engine(address, "write", connections=1)
    try:
        check(engine)
        with plainly(address), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
