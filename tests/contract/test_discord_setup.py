"""What an operator sets up on Discord: commands, and what the doctor finds, by the real client against a strict server."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.chat.config_catalog import ConfigCatalog
from bot.chat.name_report import NameReport
from bot.chat.store import ChatSetting
from bot.discord_app.client import DiscordClient, logged_in
from bot.discord_app.setup import Synced, examine, remove_commands, sync_commands
from bot.variables import Environment
from coordination.errors import ConfigError
from tests.servers.discord_server import TOKEN, DiscordServer, Fault
from tests.servers.discord_world import Payload

_VIEW, _SEND = 1 << 10, 1 << 11
COMMANDS = 5


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.diagnostics == []


def environment(server: DiscordServer, **more: str) -> Environment:
    return Environment({"DISCORD_BOT_TOKEN": TOKEN, "DISCORD_API_URL": server.api, **more})


@asynccontextmanager
async def a_client(server: DiscordServer) -> AsyncGenerator[DiscordClient]:
    async with logged_in(environment(server)) as client:
        yield client


async def found(server: DiscordServer, **more: str) -> list[str]:
    """What the doctor prints, line by line."""

    async def nothing_set(tenant: str) -> Sequence[ChatSetting]:
        return ()

    names = NameReport(config_catalog=ConfigCatalog(folder=Path("/nowhere"), allowed={}), settings_of=nothing_set)
    lines = await examine(environment(server, **more), names)
    return [f"{'ok' if each.is_well else '!!'} {each.text}" for each in lines]


@pytest.mark.parametrize("field", ["contexts", "integration_types"])
async def test_commands_that_differ_only_in_where_they_may_be_used_are_written_again(
    server: DiscordServer, field: str
) -> None:
    async with a_client(server) as client:
        assert await sync_commands(client, None) == Synced(COMMANDS)
        assert await sync_commands(client, None) == Synced(None)
        server.commands[""][0][field] = [0, 1]
        assert await sync_commands(client, None) == Synced(COMMANDS)
        server.commands[""][0][field] = None
        assert await sync_commands(client, None) == Synced(COMMANDS)
    assert server.commands[""][0][field] == [0]


async def test_a_set_for_one_server_beside_the_one_for_all_is_told_and_can_be_removed(server: DiscordServer) -> None:
    here = int(server.guild.id)
    async with a_client(server) as client:
        assert await sync_commands(client, here) == Synced(COMMANDS)
        assert "ok home: the commands are registered with Discord, for this server" in await found(server)
        await sync_commands(client, None)
        assert await sync_commands(client, here) == Synced(None, is_double=True)
        twice = [line for line in await found(server) if "twice" in line]
        assert [line[:8] for line in twice] == ["!! home:"]
        assert f"discord sync --guild {here} --remove" in twice[0]
        assert await remove_commands(client, here) == COMMANDS
        assert await remove_commands(client, here) == 0
    assert (server.commands[server.guild.id], len(server.commands[""])) == ([], COMMANDS)
    assert not any(line.startswith("!!") for line in await found(server))


async def test_the_set_for_all_servers_can_be_removed(server: DiscordServer) -> None:
    async with a_client(server) as client:
        await sync_commands(client, None)
        assert await remove_commands(client, None) == COMMANDS
    assert server.commands == {"": []}


async def test_the_doctor_tells_an_older_set_of_one_server(server: DiscordServer) -> None:
    async with a_client(server) as client:
        await sync_commands(client, int(server.guild.id))
    server.commands[server.guild.id][0]["description"] = "an older text"
    assert any(
        line.startswith("!! home: the commands registered for this server are outdated") for line in await found(server)
    )


async def test_a_server_that_is_not_there_is_one_sentence_and_so_is_its_removal(server: DiscordServer) -> None:
    async with a_client(server) as client:
        for work in (sync_commands, remove_commands):
            with pytest.raises(ConfigError, match="the bot is not in it"):
                await work(client, 999)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (403, {"message": "Missing Access", "code": 50001}, "Discord refused the request: Missing Access"),
        (503, "<html>upstream</html>", "Discord can't be reached"),
        (403, "<html>blocked</html>", "Discord can't be reached"),
        (404, "<html>no such site</html>", "Discord can't be reached"),
        (200, "<html>Just a moment...</html>", "Discord can't be reached"),
        (429, "<html>Cloudflare</html>", "Discord refuses requests from this machine for now"),
        (429, {"message": "You are being blocked", "code": 0}, "Discord refuses requests from this machine for now"),
        (429, {"message": "slow down", "retry_after": 400.0, "global": False}, "a pause of 400 s"),
    ],
)
@pytest.mark.parametrize("place", ["/applications/[0-9]+/commands$", "/users/@me/guilds$", "/guilds/[0-9]+/channels$"])
async def test_whatever_discord_refuses_the_doctor_is_one_sentence_or_a_line(
    server: DiscordServer, place: str, status: int, body: Payload | str, sentence: str
) -> None:
    headers = {"Via": "1.1 google"} if isinstance(body, dict) and status == 429 else None
    server.faults.append(Fault("GET", place, status=status, body=body, headers=headers))
    if sentence.startswith("Discord refused") and "channels" in place:
        assert "!! home: Discord does not show the bot this server; add the bot again" in await found(server)
        return
    with pytest.raises(ConfigError, match=sentence):
        await found(server)


@pytest.mark.parametrize("status", [400, 429])
async def test_a_bot_that_has_had_its_commands_of_the_day_hears_that_it_is_so_until_tomorrow(
    server: DiscordServer, status: int
) -> None:
    """Discord has answered so with both: discord/discord-api-docs#6188, discordjs/discord.js#10458."""
    body = {"message": "Max number of daily application command creates has been reached (200)", "code": 30034}
    server.faults.append(Fault("PUT", "/commands$", status, body, {"Via": "1.1 google"}))
    async with a_client(server) as client:
        with pytest.raises(ConfigError, match="no more new commands from this bot today"):
            await sync_commands(client, None)


async def test_the_doctor_looks_at_every_server(server: DiscordServer) -> None:
    for number in range(1, 24):
        server.add_guild(f"guild {number}")
    lines = await found(server)
    assert sum("can be used" in line for line in lines) == 24
    assert any(line.startswith("ok guild 23:") for line in lines)


async def test_the_doctor_leaves_out_channels_that_the_bot_is_kept_out_of(server: DiscordServer) -> None:
    secret = server.number()
    server.guild.channels[secret] = "board-only"
    server.guild.denied[secret] = _VIEW
    async with a_client(server) as client:
        await sync_commands(client, None)
    lines = await found(server)
    assert not any("board-only" in line or line.startswith("!!") for line in lines)
    assert "ok home: 1 private channel that the bot can't see was left out" in lines
    server.guild.denied[server.channel] = _SEND
    assert "!! home: #general needs Attach Files, Embed Links, Send Messages" in await found(server)


async def test_the_doctor_tells_a_server_where_the_bot_is_let_in_nowhere(server: DiscordServer) -> None:
    server.guild.denied[server.channel] = _VIEW
    assert any(line.startswith("!! home: the bot can see no text channel") for line in await found(server))


async def test_a_bot_whose_own_role_sees_no_channel_is_not_taken_for_kept_out(server: DiscordServer) -> None:
    server.guild.withheld = _VIEW
    assert any(line.startswith("!! home: #general needs") and "View Channel" in line for line in await found(server))


async def test_the_doctor_says_whether_the_application_has_the_intent_that_a_setting_takes(
    server: DiscordServer,
) -> None:
    assert not any("Intent" in line for line in await found(server))
    missing = [line for line in await found(server, DISCORD_MEMBERS_INTENT="yes") if "Intent" in line]
    assert [line[:2] for line in missing] == ["!!"]
    assert "developer portal" in missing[0]
    server.application_flags = 1 << 15
    there = [line for line in await found(server, DISCORD_MEMBERS_INTENT="Yes") if "Intent" in line]
    assert [line[:2] for line in there] == ["ok"]
    with pytest.raises(ConfigError, match="DISCORD_MEMBERS_INTENT must be yes or no"):
        await found(server, DISCORD_MEMBERS_INTENT="maybe")
