"""Runs that an earlier release left, whose process died at work, go on in this one: each approved call happens once."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from bot.chat.service_port import AskToConfirm, ChatService, PressButton
from bot.chat_app import open_chat_service
from bot.database_admin import migrate_all, verify_log
from bot.variables import Environment
from coordination.errors import StorageError
from coordination.storage.database import open_engine, parse_url
from coordination.storage.schema import FITS_FROM, events
from tests.crash.earlier_releases import CONFIG, DRAWN, FOLDER, Board, Hall, over
from tests.databases import Postgres, postgres_or_skip, sqlite_url
from tests.e2e.chat_harness import MovedClock
from tests.e2e.line_chat import CHANNEL
from tests.e2e.program import Program

SECONDS = 60.0


@pytest.fixture(scope="module")
def server() -> Generator[Postgres]:
    yield from postgres_or_skip()


@dataclass(frozen=True)
class Left:
    """A database as it was left, and how its cards were drawn last."""

    url: str
    drawn: tuple[str, ...]

    def last(self) -> datetime:
        """When anything happened there last."""
        engine = open_engine(parse_url(self.url), "read", connections=1)
        with engine.connect() as connection:
            at = connection.execute(sa.select(sa.func.max(events.c.at))).scalar_one()
        engine.dispose()
        return datetime.fromisoformat(at)


@pytest.fixture(params=sorted(FOLDER.glob("*.sql")), ids=lambda file: file.stem)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Left:
    file: Path = request.param
    text = file.read_text(encoding="utf-8")
    if file.suffixes[0] == ".sqlite":
        url = sqlite_url(tmp_path)
        with closing(sqlite3.connect(tmp_path / "log.sqlite")) as connection:
            connection.executescript(text)
    else:
        server: Postgres = request.getfixturevalue("server")
        url = server.new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(text.encode())
    return Left(url, tuple(line.removeprefix(DRAWN) for line in text.splitlines() if line.startswith(DRAWN)))


@dataclass
class Successor:
    """This release on that database, and what people do there. `hall` shows what it draws."""

    chat_service: ChatService
    hall: Hall
    board: Board
    count: int = 0

    async def presses(self, label: str, card: str) -> None:
        """Alice presses a button that she sees on a card, and a second time if she is asked."""
        self.count += 1
        press = PressButton(
            button=button_in(card, label), message=card.split(maxsplit=1)[0], event_id=f"press {self.count}"
        )
        alice = self.hall.person("alice")
        if isinstance(await self.chat_service.handle(press, alice, CHANNEL), AskToConfirm):
            again = replace(press, is_confirmed=True, event_id=f"{press.event_id}, yes")
            await self.chat_service.handle(again, alice, CHANNEL)

    async def shows(self, message: str, words: str) -> str:
        """The card of a message, once it says that."""
        await self.until(lambda: self.hall.has(message, words), f"{message}: {words}")
        return self.hall.drawn[message]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while not condition():  # noqa: ASYNC110 - what is looked at can't tell
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never: {what}; {self.hall.drawn}") from None


@asynccontextmanager
async def succeeded(left: Left, folder: Path) -> AsyncGenerator[Successor]:
    """This release begins where the earlier one died; not a moment has passed since."""
    (folder / "configs").mkdir()
    (folder / "configs/ops.yaml").write_text(CONFIG, encoding="utf-8")
    given = {"MASSGEN_BOT_CONFIGS": str(folder / "configs"), "MASSGEN_BOT_CONFIG": "ops", "DATABASE_URL": left.url}
    environment = Environment(Program(folder).surroundings(**given, MASSGEN_BOT_STATE=str(folder)))
    clock, board, hall = MovedClock(), Board(), Hall({"rita": (), "alice": ("ops",)})
    clock.skip((left.last() - datetime.now(UTC)).total_seconds())  # noqa: TID251 - the clock begins when that one ended
    async with open_chat_service(environment, replace(over(board), clock=clock), [hall]) as chat_service:
        yield Successor(chat_service, hall, board)


async def test_what_was_left_is_decided_and_finished_by_the_buttons_that_people_saw(left: Left, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="run `massgen-bot migrate`"):
        async with succeeded(left, tmp_path):
            pytest.fail("it was opened as it is")
    (tmp_path / "later").mkdir()
    await asyncio.to_thread(migrate_all, left.url)
    async with succeeded(left, tmp_path / "later") as successor:
        waits, _, _ = left.drawn
        await successor.presses("Approve", waits)
        await successor.shows("m1", "Done")
        assert sent(successor) == ["waits", "again: waits"]
        doubtful = await successor.shows("m2", "Needs attention")
        await successor.presses("It happened", doubtful)
        await successor.shows("m2", "Done")
        await successor.presses("Approve", await successor.shows("m3", "<Approve"))
        await successor.shows("m3", "Done")
        assert sent(successor) == ["waits", "again: waits", "again: runs", "reads", "again: reads"]
    assert verify_log(left.url, None) == []


def button_in(card: str, label: str) -> str:
    """The id of a button."""
    found = re.search(rf"<{label}[^=]*=([\w-]{{22}})>", card)
    assert found is not None, card
    return found[1]


def sent(successor: Successor) -> list[object]:
    """The titles that the board got in this process."""
    return [json.loads(call.arguments)["title"] for call in successor.board.done]


def test_there_is_a_database_of_the_oldest_release_that_may_go_on_beside_this_one() -> None:
    assert {file.name.split(".")[0] for file in FOLDER.glob("*.sql")} >= {FITS_FROM}
