"""Discord and Slack as chaos sees them: people who ask and approve until they see that it worked, and the cards that stand.

What people do is delivered more than once, as both products do: to every front end, again after a connection was lost, and,
in Slack, as the same envelope when nobody acknowledged it in time.
"""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from aiohttp import ClientError

from bot.cards.run_view import RunView
from bot.chat.card_sync.snapshot import snapshot_of
from bot.discord_app.render import render
from bot.slack_app.render import rendered
from tests.e2e.slack_harness import a_workspace, said_in
from tests.servers.discord_people import Someone
from tests.servers.discord_server import TOKEN, DiscordServer
from tests.servers.discord_world import APPLICATION
from tests.servers.discord_world import Message as DiscordMessage
from tests.servers.slack_people import KINDS, Somebody
from tests.servers.slack_server import Message as SlackMessage
from tests.servers.slack_server import SlackServer

ACKNOWLEDGED_WITHIN = 3.0
"""Seconds until Slack and Discord take a front end for silent."""

LOST = (AssertionError, TimeoutError, ConnectionError, ClientError)
"""Whoever was to hear it is gone, or does not answer."""

Shown: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Standing:
    """A message of the bot in the channel: its words, what is drawn, and how to approve, if it lets anybody."""

    words: str
    drawn: Shown
    approve: Callable[[], Any] | None


class Product(Protocol):
    """One chat product, its people, and what they see."""

    name: str

    def environ(self) -> Mapping[str, str]:
        """What a front end is told."""
        ...

    async def reached(self, front_ends: int) -> None:
        """Wait until so many front ends are connected."""
        ...

    async def ask(self, prompt: str) -> None:
        """Rita asks. That it is lost is possible."""
        ...

    def standing(self) -> Sequence[Standing]:
        """The bot's messages in the channel."""
        ...

    def drawn(self, view: RunView) -> Shown:
        """What the log says that a run's card shows."""
        ...

    async def lose_connections(self) -> None:
        """Every front end's; what they heard last is delivered again when they are back."""
        ...

    @property
    def diagnostics(self) -> Sequence[str]:
        """What the product would have refused."""
        ...


class InDiscord:
    """Every front end hears of everything."""

    name = "discord"

    def __init__(self, server: DiscordServer) -> None:
        """`server` is open."""
        self.server = server
        server.keeps_sessions = True
        server.delivers_again = 20
        self._rita = Someone(server, "rita", server.guild)
        self._alice = Someone(server, "alice", server.guild, roles=("ops",))

    def environ(self) -> Mapping[str, str]:
        return {"DISCORD_BOT_TOKEN": TOKEN, "DISCORD_API_URL": self.server.api}

    async def reached(self, front_ends: int) -> None:
        await self.server.until(lambda: len(self.server.connected) >= front_ends)

    async def ask(self, prompt: str) -> None:
        with suppress(*LOST):
            asked = await self._rita.types("massgen", prompt=prompt)
            await self.server.until(lambda: asked.private, ACKNOWLEDGED_WITHIN)

    def standing(self) -> Sequence[Standing]:
        own = [each for each in self.server.in_channel(None) if each.author["id"] == APPLICATION]
        return [Standing(each.text, each.payload.get("embeds") or [], self._approve(each)) for each in own]

    def _approve(self, message: DiscordMessage) -> Callable[[], Any] | None:
        async def approve() -> None:
            with suppress(*LOST):
                asked = await self._alice.clicks(message, "", custom_id=button)
                await self.server.until(lambda: any(each.controls for each in asked.private), ACKNOWLEDGED_WITHIN)
                (question,) = (each for each in asked.private if each.controls)
                await self._alice.clicks(question, "", custom_id=question.controls[0]["custom_id"])

        button = _control(message, "Approve")
        return approve if button else None

    def drawn(self, view: RunView) -> Shown:
        card = snapshot_of(view, view.updated_at, refresh=15.0).card
        return [json.loads(json.dumps(each.to_dict())) for each in render(card).embeds]

    async def lose_connections(self) -> None:
        await self.server.drop_gateway()

    @property
    def diagnostics(self) -> Sequence[str]:
        return self.server.diagnostics


class InSlack:
    """Slack chooses one of its connections for each envelope, and another one when the first says nothing."""

    name = "slack"

    def __init__(self, server: SlackServer, dice: random.Random) -> None:
        """`server` is open."""
        self.server = server
        self._dice = dice
        self._rita, self._alice = (
            Somebody(server, self, server.teams[0], f"U{name.upper()}", name) for name in ("rita", "alice")
        )

    def environ(self) -> Mapping[str, str]:
        return {
            "SLACK_BOT_TOKEN": self.server.teams[0].token,
            "SLACK_APP_TOKEN": self.server.app_token,
            "SLACK_API_URL": f"{self.server.address}/api/",
        }

    async def reached(self, front_ends: int) -> None:
        await self.server.until(lambda: len(self.server.sockets) >= front_ends)

    async def send(self, kind: str, payload: dict[str, Any], *, retry: int = 0) -> None:
        """One envelope, until it was acknowledged; one in two comes again all the same."""
        envelope, more = f"chaos-{self.server.number()}", self._dice.choice([0, 1])
        for attempt in range(4):
            try:
                await self.server.send(KINDS[kind], payload, envelope=envelope, retry=retry + attempt)
            except LOST:
                continue
            if more <= 0:
                return
            more -= 1

    async def ask(self, prompt: str) -> None:
        with suppress(*LOST):
            await self._rita.command(prompt)

    def standing(self) -> Sequence[Standing]:
        return [
            Standing(_words(each), _without_controls(each.now.get("blocks") or []), self._approve(each))
            for each in self.server.cards()
        ]

    def _approve(self, message: SlackMessage) -> Callable[[], Any] | None:
        async def approve() -> None:
            with suppress(*LOST):
                await self._alice.click(message, "approve")

        return approve if message.has("approve") else None

    def drawn(self, view: RunView) -> Shown:
        card = snapshot_of(view, view.updated_at, refresh=15.0).card
        return _without_controls(rendered(card).blocks)

    async def lose_connections(self) -> None:
        await self.server.drop()

    @property
    def diagnostics(self) -> Sequence[str]:
        return self.server.diagnostics


def a_slack() -> SlackServer:
    """One workspace, in which Alice is of ops and Rita asks."""
    return SlackServer([a_workspace()])


def _control(message: DiscordMessage, label: str) -> str:
    return next((each["custom_id"] for each in message.controls if each.get("label", "").startswith(label)), "")


def _words(message: SlackMessage) -> str:
    return said_in(message.now.get("blocks")) or str(message.now["text"])


def _without_controls(blocks: Sequence[Mapping[str, Any]]) -> Shown:
    """Buttons have ids that mean nothing."""
    return json.loads(json.dumps([each for each in blocks if each["type"] != "actions"]))


async def soon(condition: Callable[[], object], seconds: float) -> bool:
    """Whether something comes to be so in that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is looked at belongs to others
                await asyncio.sleep(0.1)
            return True
    return False
