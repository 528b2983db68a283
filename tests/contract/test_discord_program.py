"""The Discord process begins, listens, is watched, and ends in order."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.platform import ChatAwayError, ChatPlatform
from bot.chat.service_port import ChatService
from bot.discord_app.client import DiscordClient, log_in, run_bot
from bot.discord_app.settings import DiscordSettings, aim, discord_settings, pinned_gateway
from bot.telemetry.health import Health
from bot.variables import Environment
from coordination.errors import ConfigError
from tests import forked
from tests.contract.discord_harness import Ids, RecordingChatService, here, note
from tests.servers.discord_people import Someone, told
from tests.servers.discord_server import TOKEN, DiscordServer, Fault


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.diagnostics == []


class Opening:
    """Opens a chat service, and remembers in which order things happened."""

    def __init__(self, server: DiscordServer) -> None:
        self.chat_service = RecordingChatService()
        self.server = server
        self.happened: list[str] = []

    @asynccontextmanager
    async def __call__(self, platform: ChatPlatform) -> AsyncGenerator[ChatService]:
        self.happened.append("opened")
        await platform.post(here(self.server), note("a card from before the restart goes on"), Ids())
        yield self.chat_service
        await platform.post(here(self.server), note("the last frame"), Ids())
        self.happened.append("closed")


async def test_cards_can_be_kept_before_anybody_is_heard_and_after_nobody_is_any_more(server: DiscordServer) -> None:
    opening, ending = Opening(server), asyncio.Event()
    told_us: list[str] = []
    environ = {"DISCORD_BOT_TOKEN": TOKEN, "DISCORD_API_URL": server.api}
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(run_bot(Environment(environ), opening, ending=ending, tell=told_us.append))
        await server.until(lambda: server.identified and told_us)
        (name,) = told_us
        rita = Someone(server, "rita", server.guild)
        await told(server, await rita.types("massgen", prompt="x"))
        await server.until(lambda: running.done() or opening.chat_service.done)
        ending.set()
    assert name.startswith("massgen")
    assert opening.happened == ["opened", "closed"]
    assert [each.text.splitlines()[-1] for each in server.in_channel()] == [
        "a card from before the restart goes on",
        "the last frame",
    ]


async def test_ready_means_that_discord_hears_us(server: DiscordServer) -> None:
    opening, ending = Opening(server), asyncio.Event()
    environ = {"DISCORD_BOT_TOKEN": TOKEN, "DISCORD_API_URL": server.api}
    health, begun = Health(), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(
            run_bot(Environment(environ), opening, ending=ending, tell=lambda _: begun.set(), health=health)
        )
        await begun.wait()
        seen = [await health.problems()]
        while any(seen[-1].values()):
            await server.tell_changed()
            seen.append(await health.problems())
        ending.set()
    assert seen[0]["serving"] or seen[0]["discord"] == "Discord does not hear us"
    assert seen[-1] == {"serving": "", "discord": ""}


async def test_a_click_while_the_bot_ends_asks_for_patience(server: DiscordServer) -> None:
    async with DiscordClient() as client:
        aim(Environment({"DISCORD_API_URL": server.api}))
        await log_in(client, TOKEN)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            listening = group.create_task(client.connect())
            await server.until(lambda: server.identified)
            rita = Someone(server, "rita", server.guild)
            assert "try again in a moment" in await told(server, await rita.types("massgen", prompt="x"))
            listening.cancel()


async def test_a_gateway_that_refuses_us_ends_the_program_with_a_sentence(server: DiscordServer) -> None:
    server.refuses_gateway = 4014
    opening, ending = Opening(server), asyncio.Event()
    environ = {"DISCORD_BOT_TOKEN": TOKEN, "DISCORD_API_URL": server.api}
    with pytest.raises(ConfigError, match="the operator must check the bot's settings"):
        async with asyncio.timeout(60):
            await run_bot(Environment(environ), opening, ending=ending, tell=lambda *_: None)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("", "", 503, "<html>upstream</html>"),
        Fault("", "", 200, "<html>Just a moment...</html>"),
        Fault("", "", 429, {"message": "slow", "retry_after": 90.0}, {"Via": "1.1 google"}),
        Fault("", "", 429, {"message": "You are being blocked", "code": 0}, {"Via": "1.1 google"}),
        Fault("", "", times=9),
    ],
    ids=["away", "a page", "a long wait", "blocked", "lost"],
)
async def test_a_gateway_whose_address_discord_does_not_tell_now_is_away_and_refuses_nobody(
    server: DiscordServer, fault: Fault
) -> None:
    server.faults.append(replace(fault, method="GET", path="/gateway/bot$"))
    environ = {"DISCORD_BOT_TOKEN": TOKEN, "DISCORD_API_URL": server.api}
    with pytest.raises(ChatAwayError, match="check the network"):
        async with asyncio.timeout(60):
            await run_bot(Environment(environ), Opening(server), ending=asyncio.Event(), tell=lambda *_: None)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "DISCORD_BOT_TOKEN"),
    ],
)
def test_a_setting_that_is_wrong_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        discord_settings(Environment(environ))


def test_the_token_is_in_no_picture_of_the_settings() -> None:
    assert "secret" not in repr(DiscordSettings(token="secret"))


@pytest.mark.parametrize("address", ["http://x", "wss://", "nonsense", "wss://[", "ftp://x"])
def test_a_gateway_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="DISCORD_GATEWAY_URL"):
        pinned_gateway(Environment({"DISCORD_GATEWAY_URL": address}))


async def test_a_proxy_for_the_gateway_sees_every_connection(server: DiscordServer) -> None:
    """Discord names another address to connect to, and one to resume at; both lead nowhere here."""
    server.advertised_gateway = "ws://127.0.0.1:9/nowhere"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DISCORD", "MASSGEN"))},
        "DISCORD_BOT_TOKEN": TOKEN,
        "DISCORD_API_URL": server.api,
        "DISCORD_GATEWAY_URL": server.url.replace("http", "ws") + "/gw",
    }
    process = await asyncio.create_subprocess_exec(
        forked.python(),
        "-m",
        "tests.contract.discord_gateway_probe",
        cwd=Path(__file__).parents[2],
        env=environ,
        stdout=asyncio.subprocess.PIPE,
    )
    await server.until(lambda: server.identified)
    await server.drop_gateway()
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    assert (process.returncode, out.decode()) == (0, "resumed 0\n")
    assert server.resumed == 1
