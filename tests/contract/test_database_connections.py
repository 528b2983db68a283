"""Every connection to PostgreSQL learns within half a minute that the other machine is gone, whatever the system's own limits."""

import asyncio
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.chat.sql_cards import leader_lock
from bot.chat.sql_store import SqlChatStore
from bot.database_admin import migrate_all
from coordination.storage.database import connection_arguments, open_engine, parse_url
from coordination.storage.overview import DatabaseWatch
from coordination.storage.sql_run_log import SqlLog
from tests.chaos.deployment import until
from tests.chaos.replicas import Address
from tests.contract.engines import Hands, open_quick
from tests.databases import Postgres, postgres_or_skip


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


def limits_to(port: int) -> Sequence[tuple[int, int]]:
    """Of each of this process's own connections to a port: seconds of silence, and milliseconds that what is sent waits."""
    found: list[tuple[int, int]] = []
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=os.dup(int(number.name))) as mine:
            if mine.family is socket.AF_INET and mine.getpeername()[1] == port:
                found.append((option_of(mine, "KEEPIDLE"), option_of(mine, "USER_TIMEOUT")))
    return found


def option_of(mine: socket.socket, name: str) -> int:
    return mine.getsockopt(socket.IPPROTO_TCP, int(getattr(socket, f"TCP_{name}")))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux shows a process's sockets there")
async def test_no_connection_of_a_program_that_serves_waits_for_hours_for_a_machine_that_is_gone(
    server: Postgres,
) -> None:
    database = server.new_database()
    await asyncio.to_thread(migrate_all, database)
    with Address.opened(server) as address:
        url = address.url(database)
        watch = DatabaseWatch(url)
        async with (
            open_quick(url) as engine,
            SqlLog.open(url, submit=engine.submit) as log,
            SqlChatStore.open(url) as store,
            leader_lock(parse_url(url), "test", direct=None),
            engine.running(Hands().perform),
        ):
            await store.all_settings("here")
            await log.install_key()
            await asyncio.to_thread(watch.ping)
            await until(lambda: len(limits_to(address.port)) >= 8, what="the listener's connection is there, too")
            found = limits_to(address.port)
        watch.close()
    assert set(found) == {(10, 10_000)}


def test_what_the_address_says_of_connections_goes_before() -> None:
    url = parse_url("postgresql://u@h/d?keepalives_idle=60&connect_timeout=2")
    arguments = connection_arguments(url)
    assert not arguments.keys() & {"keepalives_idle", "connect_timeout"}
    engine = open_engine(url, "read", connections=1)
    _, given = engine.dialect.create_connect_args(sa.make_url(url))
    assert {**given, **arguments}["keepalives_idle"] == "60"
