"""Everything behind Slack at work at once: the real bot, chat service, card sync, engine, database and tool servers.

A bot runs in this process, with a clock that can be moved on and at a quicker pace, or as a process of its own as it is.
"""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.chat_app import open_chat_service
from bot.slack_app.client import opened_slack
from bot.slack_app.settings import slack_settings
from bot.variables import Environment
from coordination.domain.events import RunEvent
from coordination.ports import RunLog
from tests import forked
from tests.databases import chosen
from tests.e2e.chat_configs import write_configs
from tests.e2e.chat_harness import ENDED, QUICK, MovedClock, hurried, written
from tests.e2e.program import HOME, ROOT, Program
from tests.servers.slack_people import HttpLine, Line, SocketLine, Somebody
from tests.servers.slack_server import Message, SlackServer, Team, slack_serving

SECRET = "signing-secret"
_OPS = ("URITA", "UALICE", "UBOB")
_LISTENING = re.compile(r"listening(?: on (\S+))?\.")


def a_workspace(name: str = "T1") -> Team:
    """Rita, Alice and Bob are of the group ops; Mallory is of none; Ada administers the workspace."""
    users = {
        f"U{each.upper()}": {
            "id": f"U{each.upper()}",
            "name": each,
            "is_admin": each == "ada",
            "profile": {"display_name": each},
        }
        for each in ("rita", "alice", "bob", "mallory", "ada")
    }
    crowd = {f"UOPS{number}": {"id": f"UOPS{number}", "name": f"ops{number}"} for number in range(25)}
    groups = [{"id": "SOPS", "handle": "ops", "users": [*_OPS, *crowd]}]
    return Team(id=name, token=f"xoxb-{name}", users={**users, **crowd}, groups=groups)


@dataclass
class Harness:
    """One Slack, one database, and the people of its first workspace."""

    folder: Path
    server: SlackServer
    line: Line
    clock: MovedClock = field(default_factory=MovedClock)
    pace: float = QUICK
    log: RunLog | None = None
    database: str = ""

    def __post_init__(self) -> None:
        """The configurations are written down."""
        if not (self.folder / "configs").exists():
            write_configs(self.folder / "configs", self.writer)

    @property
    def root(self) -> str:
        """Where browsers find the bot."""
        assert isinstance(self.line, HttpLine)
        return self.line.address.removesuffix("/slack/events")

    def somebody(self, name: str, team: int = 0) -> Somebody:
        """A person, by the name that others know them by."""
        return Somebody(self.server, self.line, self.server.teams[team], f"U{name.upper()}", name)

    @property
    def writer(self) -> Path:
        """What the tool server really did."""
        return self.folder / "journal"

    def environ(self, kind: str = "socket", **more: str) -> dict[str, str]:
        """What the operator sets, for `socket`, `http` or `oauth`."""
        token = {"SLACK_BOT_TOKEN": self.server.teams[0].token}
        http = {"SLACK_SIGNING_SECRET": SECRET, "HOST": "127.0.0.1", "PORT": "0"}
        ways = {
            "socket": {**token, "SLACK_APP_TOKEN": self.server.app_token},
            "http": {**token, **http},
            "oauth": {**http, "SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "c"},
        }
        given = {
            **ways[kind],
            "SLACK_API_URL": f"{self.server.address}/api/",
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
    async def bot(self, kind: str = "socket", **environ: str) -> AsyncGenerator[str]:
        """A bot in this process, until the context closes. Gives its address, if it has one."""
        given, before = Environment(self.environ(kind, **environ)), len(self.server.sockets)
        async with (
            opened_slack(slack_settings(given), given.database_url()) as app,
            open_chat_service(given, hurried(self.clock, self.pace, self._keep), [app.platform]) as chat_service,
            app.serving(chat_service) as address,
        ):
            await self._reached(address, before)
            yield address

    def _keep(self, log: RunLog) -> None:
        self.log = log

    @asynccontextmanager
    async def process(
        self, kind: str = "socket", command: str = "slack", **environ: str
    ) -> AsyncGenerator[asyncio.subprocess.Process]:
        """`massgen-bot slack` as it is; killed when the context closes, unless it has ended."""
        before = len(self.server.sockets)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", command,
            cwd=ROOT, env={**self.environ(kind, **environ), **HOME},
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            await self._reached(await _address(process), before)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.communicate()

    async def _reached(self, address: str, before: int) -> None:
        """From now on what people do goes to this bot."""
        if address:
            self.line = HttpLine(address, SECRET)
        else:
            self.line = SocketLine(self.server)
            await self.server.until(lambda: len(self.server.sockets) > before)

    # --- what people do -----------------------------------------------------------------------------------------------

    async def asks(self, prompt: str = "Tell everyone", config: str = "", who: str = "rita") -> Message:
        """Somebody asks in #general; returns the card of the run."""
        before = self.cards()
        await self.somebody(who).command(f"--config {config} {prompt}" if config else prompt)
        return await self.card(after=before)

    async def planned(self, prompt: str = "Tell everyone", config: str = "") -> Message:
        """Rita asks; returns the card once it shows the plan."""
        return await self.shows(await self.asks(prompt, config), "Waiting for approval")

    async def shows(self, card: Message, *texts: str, seconds: float = 60) -> Message:
        """Wait until the card says so."""
        await self.server.until(lambda: all(text in self.plain(card) for text in texts), seconds)
        return card

    async def ends(self, card: Message, how: str) -> Message:
        """Wait until the run has ended, and the card says how."""
        await self.server.until(lambda: any(f"{each} ·" in card.text for each in ENDED))
        assert f"{how} ·" in card.text, card.text
        return card

    async def answers(self, who: str, card: Message, action: str, text: str) -> None:
        """Click, and fill in the window that opens."""
        person, before = self.somebody(who), len(self.server.views)
        await person.click(card, action)
        await person.submit(await person.opened(before), text)

    async def clicks(self, who: str, card: Message, action: str, *, option: str = "") -> None:
        """Click on the card as it stands."""
        await self.somebody(who).click(card, action, option=option)

    async def refused(self, who: str, card: Message, element: dict[str, Any]) -> str:
        """What somebody is told in private when they click on this."""
        before = len(self.server.private_messages)
        await self.line.send("interaction", self.somebody(who).click_on(card, element))
        return await self.private_message(before)

    async def told(self, who: str, text: str, *, name: str = "/massgen", channel: str = "C1") -> str:
        """What somebody is told in private when they type a command."""
        before = len(self.server.private_messages)
        await self.somebody(who).command(text, name=name, channel=channel)
        return await self.private_message(before)

    async def admin(self, text: str, who: str = "ada", channel: str = "C1") -> str:
        """What an administrator is told."""
        return await self.told(who, text, name="/massgen-admin", channel=channel)

    # --- what can be seen ---------------------------------------------------------------------------------------------

    async def private_message(self, before: int) -> str:
        """The next private answer after so many."""
        await self.server.until(lambda: len(self.server.private_messages) > before)
        answer = self.server.private_messages[before]
        return said_in(answer.get("blocks")) or str(answer["text"])

    def cards(self, channel: str = "C1") -> list[Message]:
        """The public messages of the bot in the channel, oldest first."""
        return self.server.cards(channel)

    async def card(self, *, after: Sequence[Message] = (), channel: str = "C1", thread: str = "") -> Message:
        """A card that is not one of those before."""
        found: list[Message] = []

        def is_there() -> bool:
            messages = self.server.messages.values()
            here = [each for each in messages if (each.channel, each.thread) == (channel, thread)]
            found[:] = [each for each in here if each not in after and each.has_any()]
            return bool(found)

        await self.server.until(is_there)
        return found[-1]

    def plain(self, message: Message) -> str:
        """What a person reads on a message."""
        return said_in(message.now.get("blocks")) or str(message.now["text"])

    def story(self, card: Message) -> str:
        """Everything in the card's thread."""
        return self.all_said(card.ts)

    def all_said(self, thread: str) -> str:
        """Everything in a thread."""
        return "\n".join(self.plain(each) for each in self.server.messages.values() if each.thread == thread)

    def direct(self, who: str) -> list[Message]:
        """What a person was told by direct message."""
        return self.server.cards(f"DU{who.upper()}")

    def writes(self) -> list[str]:
        """The texts that the tool server wrote, in order."""
        return written(self.writer)

    def demo_writes(self) -> list[str]:
        """The titles that the demo's board really got, in order."""
        writer = self.folder / "notices.json.journal"
        lines = writer.read_text(encoding="utf-8").splitlines() if writer.exists() else []
        return [str(json.loads(line)["arguments"]["title"]) for line in lines]

    async def events(self, card: Message) -> list[RunEvent]:
        """What the log says of the card's run."""
        assert self.log is not None
        return [each.event for each in await self.log.read(run_in(card.text))]


@asynccontextmanager
async def a_harness(folder: Path, *teams: str, pace: float = QUICK, database: str = "") -> AsyncGenerator[Harness]:
    """A harness in which nothing runs yet. Whatever runs there may send Slack nothing that it would refuse."""
    server = SlackServer([a_workspace(name) for name in teams or ("T1",)])
    async with slack_serving(server):
        yield Harness(folder, server, SocketLine(server), pace=pace, database=database)
    assert server.diagnostics == []


def run_in(text: str) -> str:
    """The run that a card or an answer names."""
    found = re.search(r"run[ *]+(\w{4,})", text)
    assert found is not None, text
    return found[1]


def said_in(blocks: object) -> str:
    """All texts within, in order."""
    if isinstance(blocks, list):
        return "".join(said_in(each) for each in blocks)
    if not isinstance(blocks, dict):
        return ""
    own = blocks["text"] if isinstance(blocks.get("text"), str) else ""
    return own + "".join(said_in(value) for value in blocks.values() if not isinstance(value, str))


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where a process listens, as it says; nothing where Slack is called. One that ends instead has said why."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(30):
        async for line in process.stderr:
            said += line.decode()
            if (match := _LISTENING.search(said)) is not None:
                return match[1] or ""
    raise AssertionError(said)
