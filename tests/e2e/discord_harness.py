"""Everything behind Discord at work at once: the real bot, chat service, card sync, engine, database and tool servers.

A bot runs in this process, with a clock that can be moved on and at a quicker pace, or as a process of its own as it is.
"""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bot.chat.platform import ChatPlatform
from bot.chat.service_port import ChatService
from bot.chat_app import open_chat_service
from bot.discord_app.client import run_bot
from bot.discord_app.platform import DiscordPlatform
from bot.i18n import catalog_for, speaking
from bot.variables import Environment
from coordination.domain.events import RunEvent
from coordination.ports import RunLog
from tests import forked
from tests.databases import chosen
from tests.e2e.chat_configs import write_configs
from tests.e2e.chat_harness import ENDED, QUICK, MovedClock, hurried, written
from tests.e2e.program import HOME, ROOT, Program
from tests.servers.discord_people import Option, Someone, told
from tests.servers.discord_server import TOKEN, DiscordServer
from tests.servers.discord_world import APPLICATION, Interaction, Message


@dataclass
class Harness:
    """One Discord, one database, and the people of the first server: rita asks, alice and bob of ops decide, ada manages."""

    folder: Path
    server: DiscordServer
    clock: MovedClock = field(default_factory=MovedClock)
    pace: float = QUICK
    log: RunLog | None = None
    database: str = ""

    def __post_init__(self) -> None:
        """The configurations are written down."""
        write_configs(self.folder / "configs", self.writer)
        guild = self.server.guild
        self.rita = Someone(self.server, "rita", guild, roles=("ops",))
        self.alice = Someone(self.server, "alice", guild, roles=("ops",))
        self.bob = Someone(self.server, "bob", guild, roles=("ops",))
        self.mallory = Someone(self.server, "mallory", guild)
        self.ada = Someone(self.server, "ada", guild, manages=True)

    @property
    def writer(self) -> Path:
        """What the tool server really did."""
        return self.folder / "journal"

    def environ(self, **more: str) -> dict[str, str]:
        """What the operator sets."""
        given = {
            "DISCORD_BOT_TOKEN": TOKEN,
            "DISCORD_API_URL": self.server.api,
            "MASSGEN_BOT_CONFIGS": str(self.folder / "configs"),
            "MASSGEN_BOT_CONFIG": "ops",
            "MASSGEN_BOT_MEMBER_CONFIGS": "*=*",
            "MASSGEN_BOT_STATE": str(self.folder),
            "DATABASE_URL": self.database or chosen.address(self.folder),
            "MASSGEN_BOT_PYTHON": forked.python(),
            "MASSGEN_BOT_DEMO_PACE": "1",
        }
        return Program(self.folder).surroundings(**{**given, **more})

    # --- the bot ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def bot(self, **environ: str) -> AsyncGenerator[None]:
        """A bot in this process, until the context closes."""
        given = self.environ(**environ)
        ending, before = asyncio.Event(), len(self.server.identified)

        def open_this(platform: ChatPlatform) -> AbstractAsyncContextManager[ChatService]:
            assert isinstance(platform, DiscordPlatform)
            platform.now = self.clock.now
            return open_chat_service(Environment(given), hurried(self.clock, self.pace, self._keep), [platform])

        def tell(name: str) -> None:
            del name

        async with asyncio.TaskGroup() as group:
            with speaking(catalog_for(Environment(given).language)):
                group.create_task(run_bot(Environment(given), open_this, ending=ending, tell=tell))
            try:
                await self.server.until(lambda: len(self.server.identified) > before)
                yield
            finally:
                ending.set()

    def _keep(self, log: RunLog) -> None:
        self.log = log

    @asynccontextmanager
    async def process(self, **environ: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """`massgen-bot discord` as it is; killed when the context closes, unless it has ended."""
        before = len(self.server.identified)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "discord",
            cwd=ROOT, env={**self.environ(**environ), **HOME},
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            await self.server.until(lambda: len(self.server.identified) > before, 30)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    def skip(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.clock.skip(seconds)
        self.server.skip(seconds)

    # --- what people do -----------------------------------------------------------------------------------------------

    async def asks(self, prompt: str, config: str = "", who: Someone | None = None) -> Message:
        """Somebody asks; returns the card of the run."""
        used = await (who or self.rita).types("massgen", prompt=prompt, config=config)
        answer = await told(self.server, used)
        assert "has started" in answer, answer
        return await self.card(run_in(answer))

    async def planned(self, prompt: str = "Tell everyone", config: str = "") -> Message:
        """Rita asks; returns the card once it shows the plan."""
        card = await self.asks(prompt, config)
        return await self.shows(card, "Waiting for approval")

    async def shows(self, card: Message, *texts: str, seconds: float = 60) -> Message:
        """Wait until the card says so."""
        await self.server.until(lambda: all(text in card.text for text in texts), seconds)
        return card

    async def ends(self, card: Message, how: str) -> Message:
        """Wait until the run has ended, and the card says how."""
        await self.server.until(lambda: any(f"{each} ·" in card.text for each in ENDED))
        assert f"{how} ·" in card.text, card.text
        return card

    async def rejects(self, who: Someone, card: Message, text: str, button: str = "Reject") -> Interaction:
        """Click, and fill in the window."""
        window = await who.clicks(card, button)
        await self.server.until(lambda: window.kind == 9)
        return await who.submits(window, text)

    async def admin(self, order: str, **options: Option) -> str:
        """What ada is told."""
        return await told(self.server, await self.ada.types(f"massgen-admin {order}", where="", **options))

    # --- what can be seen ---------------------------------------------------------------------------------------------

    def cards(self, run: str = "", channel: str = "") -> list[Message]:
        """The public messages of the bot in the channel, oldest first."""
        own = [each for each in self.server.in_channel(channel or None) if each.author["id"] == APPLICATION]
        return [each for each in own if re.search(rf"\b[Rr]un \W*{run}\b", each.text)] if run else own

    async def card(self, run: str, *, after: Sequence[Message] = ()) -> Message:
        """The card of a run, once it is there; `after` are the ones that it is not."""
        found: list[Message] = []

        def is_there() -> bool:
            found[:] = [each for each in self.cards(run) if each not in after and "Still waiting" not in each.text]
            return bool(found)

        await self.server.until(is_there)
        return found[-1]

    def story(self, card: Message) -> str:
        """Everything in the card's thread."""
        return "\n".join(each.text for each in self.server.in_channel(card.id))

    def private_messages(self, who: Someone) -> list[Message]:
        """What a person was told by direct message."""
        channel = self.server.private_channels.get(who.id)
        return self.server.in_channel(channel) if channel else []

    def writes(self) -> list[str]:
        """The texts that the tool server wrote, in order."""
        return written(self.writer)

    async def events(self, card: Message) -> list[RunEvent]:
        """What the log says of the card's run."""
        assert self.log is not None
        return [each.event for each in await self.log.read(run_in(card.text))]

    def gaps(self) -> list[float]:
        """Seconds between any two edits of one message, by the server's record."""
        times: dict[str, list[float]] = {}
        for at, message in self.server.edited:
            times.setdefault(message, []).append(at)
        return [later - earlier for each in times.values() for earlier, later in pairwise(each)]


@asynccontextmanager
async def a_harness(folder: Path, pace: float = QUICK, database: str = "") -> AsyncGenerator[Harness]:
    """A harness in which nothing runs yet. Whatever runs there may send Discord nothing that it would refuse."""
    server = DiscordServer()
    async with server.serving():
        yield Harness(folder, server, pace=pace, database=database)
    assert server.diagnostics == []


def run_in(text: str) -> str:
    """The run that a card or an answer names."""
    found = re.search(r"[Rr]un \*\*(\w+)\*\*", text) or re.search(r"\b[Rr]un ([A-Z0-9]{4,})\b", text)
    assert found is not None, text
    return found[1]


async def refusal(server: DiscordServer, used: Interaction) -> str:
    """What somebody was told in private, and nobody else."""
    text = await told(server, used)
    assert all(each.is_private for each in used.private)
    return text
