"""`python -m tests.crash.earlier_releases FOLDER NAME`: dumps of a database whose only process dies with work in hand.

Three runs by one person: the plan of the first waits, a call of the second is under way, the agent of the third reads.
"""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bot.chat.service_port import PressButton, StartRun
from bot.chat_app import open_chat_service
from bot.database_admin import migrate_all
from bot.variables import Environment
from tests.crash.earlier_releases import CONFIG, DRAWN, Board, Hall, over
from tests.databases import own_server, postgres_programs, sqlite_url
from tests.e2e.line_chat import CHANNEL
from tests.e2e.program import Program


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is looked at can't tell
            await asyncio.sleep(0.02)


def _write(cards: Path, hall: Hall) -> None:
    cards.write_text("".join(f"{DRAWN}{line}\n" for line in hall.drawn.values()), encoding="utf-8")


async def _live(url: str, folder: Path, cards: Path) -> None:
    """Never returns: the process is gone."""
    (folder / "configs").mkdir()
    (folder / "configs/ops.yaml").write_text(CONFIG, encoding="utf-8")
    given = {"MASSGEN_BOT_CONFIGS": str(folder / "configs"), "MASSGEN_BOT_CONFIG": "ops", "DATABASE_URL": url}
    environment = Environment(Program(folder).surroundings(**given, MASSGEN_BOT_STATE=str(folder)))
    board, hall = Board(), Hall({"rita": (), "alice": ("ops",)})
    async with open_chat_service(environment, over(board), [hall]) as chat_service:
        rita, alice = hall.person("rita"), hall.person("alice")
        for number, prompt in enumerate(("waits", "runs"), start=1):
            await chat_service.handle(StartRun(prompt=prompt, event_id=prompt), rita, CHANNEL)
            await _until(lambda number=number: hall.has(f"m{number}", "<Approve 2 calls="))
        board.hangs = True
        approve = re.search(r"<Approve 2 calls=([\w-]{22})>", hall.drawn["m2"])
        assert approve is not None
        await chat_service.handle(PressButton(button=approve[1], message="m2", event_id="press"), alice, CHANNEL)
        await _until(lambda: board.keys)
        reads = len(board.reads)
        await chat_service.handle(StartRun(prompt="reads", event_id="reads"), rita, CHANNEL)
        await _until(lambda: len(board.reads) > reads and {"m2", "m3"} <= hall.drawn.keys())
        await asyncio.sleep(1)
        await asyncio.to_thread(_write, cards, hall)
        os._exit(0)


def _died(url: str, folder: Path, cards: Path) -> None:
    """Another process lives on the database, and dies."""
    subprocess.run([sys.executable, "-m", __spec__.name, "live", url, folder, cards], check=True, timeout=120)


def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        migrate_all(sqlite_url(folder))
        _died(sqlite_url(folder), folder, folder / "cards")
        yield (folder / "cards").read_text(encoding="utf-8")
        with closing(sqlite3.connect(folder / "log.sqlite")) as connection:
            yield from (f"{line}\n" for line in connection.iterdump())


def _postgresql() -> Iterator[str]:
    programs = postgres_programs()
    assert programs is not None, "PostgreSQL is not installed here"
    with tempfile.TemporaryDirectory() as name, own_server(programs) as server:
        folder, url = Path(name), server.new_database()
        migrate_all(url)
        _died(url, folder, folder / "cards")
        yield (folder / "cards").read_text(encoding="utf-8")
        dump = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--no-comments", url]
        done = subprocess.run(dump, check=True, capture_output=True, text=True, timeout=60)
        # What begins so is for psql, and the rest for the server.
        yield from (line for line in done.stdout.splitlines(keepends=True) if not line.startswith(("\\", "--")))


def main(folder: Path, name: str) -> None:
    """Write both dumps."""
    for kind, lines in (("sqlite", _sqlite()), ("postgresql", _postgresql())):
        (folder / f"{name}.{kind}.sql").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "live":
        asyncio.run(_live(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
    else:
        main(Path(sys.argv[1]), sys.argv[2])
