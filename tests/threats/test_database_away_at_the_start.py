"""A command that serves is started while its database is away, as after a power failure that took both."""

import asyncio
import time
from pathlib import Path

import pytest

from bot.chat.platform import ChatAwayError
from bot.terminal.cli_context import CliContext
from bot.terminal.serve_commands import serve_once_reachable
from coordination.errors import DatabaseAwayError, StorageError
from coordination.text import Text
from tests.databases import own_server, postgres_programs, sqlite_url
from tests.e2e.program import Process, Program, end_of


def first_line(process: Process) -> str:
    """What a command said first on standard error; it has all the time that the test has."""
    assert process.stderr is not None
    return process.stderr.readline()


async def test_a_worker_waits_for_its_database_says_so_once_and_works_when_it_is_there(tmp_path: Path) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with own_server(programs) as server:
        program = Program(tmp_path, {"DATABASE_URL": server.new_database()}, starts_from_nothing=True)
        assert program.run("migrate").status == 0
        await asyncio.to_thread(server.stop)
        worker = program.start("worker", "--until-idle")
        try:
            told = await asyncio.to_thread(first_line, worker)
            await asyncio.to_thread(server.start)
            ended = await asyncio.to_thread(end_of, worker)
        finally:
            worker.kill()
    assert "Waiting up to 5 minutes for it." in told
    assert (ended.status, ended.err) == (0, "Worker ready. Press Ctrl-C or send SIGTERM to stop.\n")


async def test_a_worker_that_waits_for_its_database_ends_when_it_is_told_to(tmp_path: Path) -> None:
    program = Program(
        tmp_path, {"DATABASE_URL": f"postgresql://postgres@/none?host={tmp_path}"}, starts_from_nothing=True
    )
    worker = program.start("worker")
    try:
        told = await asyncio.to_thread(first_line, worker)
        before = time.monotonic()
        worker.terminate()
        ended = await asyncio.to_thread(end_of, worker)
    finally:
        worker.kill()
    assert (ended.status, ended.err) == (0, "")
    assert time.monotonic() - before < 10
    assert "Waiting up to" in told


async def test_a_database_that_goes_away_again_while_a_command_begins_is_waited_for_again(tmp_path: Path) -> None:
    context, begun = CliContext(environ={"DATABASE_URL": sqlite_url(tmp_path)}), 0

    async def serve() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise DatabaseAwayError(Text("away"))
        if begun == 2:
            raise ExceptionGroup("work", [DatabaseAwayError(Text("away"))])

    await serve_once_reachable(context, asyncio.Event(), serve)
    assert begun == 3


async def test_a_chat_that_is_away_while_a_command_begins_is_waited_for_and_that_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context, begun = CliContext(environ={"DATABASE_URL": sqlite_url(tmp_path)}), 0

    async def serve() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise ChatAwayError([Text("Discord can't be reached.")])

    await serve_once_reachable(context, asyncio.Event(), serve)
    assert begun == 3
    assert capsys.readouterr().err == "Discord can't be reached. Waiting up to 5 minutes for it.\n"


async def test_a_command_that_waits_for_a_chat_ends_when_it_is_told_to(tmp_path: Path) -> None:
    context, ending = CliContext(environ={"DATABASE_URL": sqlite_url(tmp_path)}), asyncio.Event()

    async def serve() -> None:
        ending.set()
        raise ChatAwayError([Text("away")])

    await serve_once_reachable(context, ending, serve)


async def test_what_is_wrong_beside_that_ends_the_command_at_once(tmp_path: Path) -> None:
    context = CliContext(environ={"DATABASE_URL": sqlite_url(tmp_path)})

    async def serve() -> None:
        raise ExceptionGroup("work", [DatabaseAwayError(Text("away")), StorageError(Text("wrong"))])

    with pytest.raises(ExceptionGroup):
        await serve_once_reachable(context, asyncio.Event(), serve)
