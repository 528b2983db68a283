"""A third chat, from its first line on: who adds one writes this much, and everything behind the port works as it is.

The front end is tests/e2e/line_chat.py; the service, the database, card sync, the agents and their tool server are the real ones.
"""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.application import Overrides
from bot.chat_app import open_chat_service
from bot.variables import Environment
from tests import forked
from tests.databases import chosen
from tests.e2e.chat_configs import write_configs
from tests.e2e.chat_harness import written
from tests.e2e.line_chat import LinePlatform, serving
from tests.e2e.program import Program

SECONDS = 30.0


@dataclass
class Client:
    """Somebody at the other end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def says(self, line: str, *wanted: str) -> str:
        """Type a line, and read until a private one has all of these words."""
        self.writer.write(f"{line}\n".encode())
        return await self.reads(lambda read: read.startswith("private") and all(each in read for each in wanted))

    def cut_off(self) -> None:
        """Go away without a word: the connection is reset."""
        found: socket.socket = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def reads(self, fits: Callable[[str], object]) -> str:
        """The next line that fits."""
        async with asyncio.timeout(SECONDS):
            while True:
                line = (await self.reader.readuntil()).decode().strip()
                if fits(line):
                    return line


@dataclass
class LineChatHarness:
    """The chat, and what its tool server did."""

    port: int
    writer: Path
    clients: list[Client] = field(default_factory=list[Client])

    async def enters(self, name: str) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = Client(reader, writer)
        self.clients.append(client)
        await client.says(f"hello {name}\nhelp", "exactly what people approve is done")
        return client


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[LineChatHarness]:
    async with a_harness(tmp_path) as harness:
        yield harness


@asynccontextmanager
async def a_harness(folder: Path) -> AsyncGenerator[LineChatHarness]:
    writer = folder / "journal"
    write_configs(folder / "configs", writer)
    environ = Program(folder).surroundings(
        MASSGEN_BOT_CONFIGS=str(folder / "configs"),
        MASSGEN_BOT_CONFIG="ops",
        MASSGEN_BOT_MEMBER_CONFIGS="*=*",
        MASSGEN_BOT_STATE=str(folder),
        DATABASE_URL=chosen.address(folder),
        MASSGEN_BOT_PYTHON=forked.python(),
    )
    platform = LinePlatform({"rita": (), "alice": ("ops",), "mallory": ()})
    async with (
        open_chat_service(Environment(environ), Overrides(), [platform]) as chat_service,
        serving(platform, chat_service) as port,
    ):
        harness = LineChatHarness(port, writer)
        try:
            yield harness
        finally:
            for client in harness.clients:
                client.writer.close()
                await client.writer.wait_closed()


def button(card: str, label: str) -> str:
    """A button's id, and the message that it is on."""
    found = re.search(rf"<{label}[^=]*=([\w-]{{22}})>", card)
    assert found is not None, card
    return f"{found[1]} {card.split(maxsplit=1)[0]}"


async def test_somebody_asks_sees_the_card_and_another_one_approves_what_then_happens(harness: LineChatHarness) -> None:
    rita, alice, mallory = [await harness.enters(name) for name in ("rita", "alice", "mallory")]
    run = (await rita.says("ask Tell everyone", "run ")).split()[-1]
    card = await alice.reads(lambda line: "| <Approve 2 calls=" in line)
    assert run in card
    assert "world.write(channel=general, text=Tell everyone)" in card
    approve = button(card, "Approve")
    assert "Only ops can decide" in await mallory.says(f"press {approve}", "Not done")
    assert "no such button" in await mallory.says(f"press {'x' * 22} m1", "Not done")
    assert written(harness.writer) == []
    mallory.cut_off()
    assert await alice.says(f"press {approve}") == "private done"
    done = await rita.reads(lambda line: line.startswith("m1 Done"))
    assert "Approved by alice" in done
    assert written(harness.writer) == ["Tell everyone", "again: Tell everyone"]
    assert run in await rita.says("runs", run)


async def test_a_no_is_asked_for_its_reason_and_a_change_for_its_words(harness: LineChatHarness) -> None:
    rita, alice = [await harness.enters(name) for name in ("rita", "alice")]
    await rita.says("ask Tell everyone", "run ")
    card = await alice.reads(lambda line: "| <Approve 2 calls=" in line)
    change = button(card, "Request changes")
    assert "your change" in await alice.says(f"press {change}", "write")
    await alice.says(f"write {change} shorter", "done")
    shorter = await rita.reads(lambda line: "<Approve 1 call=" in line)
    reject = button(shorter, "Reject")
    assert "your reason, or nothing" in await alice.says(f"press {reject}", "write")
    await alice.says(f"write {reject} not now", "done")
    assert "not now" in await rita.reads(lambda line: line.startswith("m1 Rejected"))
    assert written(harness.writer) == []


async def test_what_may_destroy_something_is_asked_for_once_more(tmp_path: Path) -> None:
    async with a_harness(tmp_path) as harness:
        (tmp_path / "configs" / "ops.yaml").write_text((tmp_path / "configs" / "destroys.yaml").read_text())
        rita, alice = [await harness.enters(name) for name in ("rita", "alice")]
        await rita.says("ask Tell everyone", "run ")
        approve = button(await alice.reads(lambda line: "<Approve 1 call=" in line), "Approve")
        assert "1 call may destroy something" in await alice.says(f"press {approve}", "yes ")
        await alice.says(f"yes {approve}", "done")
        await rita.reads(lambda line: line.startswith("m1 Done"))
