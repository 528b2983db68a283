"""Agents use one Discord server through tools: confined to it, quiet, and honest about what happened."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from bot.tool_servers.discord_api import DiscordApi
from bot.tool_servers.discord_server import DiscordTools, guild_of, serve, server_of
from bot.variables import Environment
from coordination.domain.caller import Caller
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallOutcomeUnknownError, ServerSpec
from tests.servers.discord_server import TOKEN, DiscordServer, Fault
from tests.servers.discord_world import BOT
from tests.servers.mcp_programs import Approving, approving

ROOT = Path(__file__).parents[2]
OPERATOR = Caller(tenant="console", requester="uid:0")


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.diagnostics == []


@asynccontextmanager
async def a_client(server: DiscordServer) -> AsyncGenerator[Client]:
    async with Client(server_of(DiscordTools(DiscordApi(TOKEN, server.api, server.guild.id)))) as client:
        yield client


@asynccontextmanager
async def a_process(server: DiscordServer) -> AsyncGenerator[Approving]:
    """The tools as a run uses them: a process of its own, behind the hub."""
    spec = ServerSpec(
        name="discord",
        transport="stdio",
        identity="discord",
        command=sys.executable,
        args=("-m", "bot.tool_servers.discord_server"),
        env=(
            ("DISCORD_BOT_TOKEN", TOKEN),
            ("DISCORD_API_URL", server.api),
            ("MASSGEN_BOT_TENANT", f"discord:{server.guild.id}"),
        ),
        cwd=str(ROOT),
    )
    async with McpHub() as hub:
        yield approving(hub, [spec], OPERATOR)


def send(server: DiscordServer, **more: Json) -> PlannedCall:
    arguments: dict[str, Json] = {"channel": server.channel, "content": "hello @everyone", **more}
    return PlannedCall(server="discord", tool="send_message", arguments=canonical(arguments), definition="d")


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_every_tool_says_truly_what_it_does(server: DiscordServer) -> None:
    async with a_client(server) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    assert {name for name, each in hints.items() if each and each.read_only_hint} == {"list_channels", "read_messages"}
    assert {name for name, each in hints.items() if each and each.destructive_hint} == {"delete_message"}
    assert set(hints) == {
        "list_channels",
        "read_messages",
        "send_message",
        "create_thread",
        "add_reaction",
        "pin_message",
        "delete_message",
    }


async def test_channels_and_messages_are_read(server: DiscordServer) -> None:
    server.add_message(server.channel, {"content": "first"}, BOT, {})
    server.add_message(server.channel, {"content": "second"}, BOT, {})
    async with a_client(server) as client:
        channels = text_of(await client.call_tool("list_channels", {}))
        messages = text_of(await client.call_tool("read_messages", {"channel": server.channel, "limit": 5}))
    assert channels == f"{server.channel}  #general  text"
    assert [line.split("  ")[1:] for line in messages.split("\n")] == [["massgen", "first"], ["massgen", "second"]]


async def test_a_message_notifies_nobody_but_whom_its_arguments_name(server: DiscordServer) -> None:
    async with a_client(server) as client:
        await client.call_tool("send_message", {"channel": server.channel, "content": "@everyone <@7>"})
        named = {"channel": server.channel, "content": "<@7>", "mention_users": ["7"]}
        await client.call_tool("send_message", named)
    quiet, told = server.in_channel()
    assert quiet.payload["allowed_mentions"] == {"parse": [], "users": [], "roles": []}
    assert told.payload["allowed_mentions"] == {"parse": [], "users": ["7"], "roles": []}


async def test_threads_reactions_pins_and_deletion(server: DiscordServer) -> None:
    message = server.add_message(server.channel, {"content": "first"}, BOT, {})
    here = {"channel": server.channel, "message": message.id}
    async with a_client(server) as client:
        results = [
            await client.call_tool("create_thread", {**here, "name": "talk"}),
            await client.call_tool("create_thread", {"channel": server.channel, "name": "loose"}),
            await client.call_tool("send_message", {"channel": message.id, "content": "in the thread"}),
            await client.call_tool("add_reaction", {**here, "emoji": "👍"}),
            await client.call_tool("pin_message", here),
            await client.call_tool("delete_message", here),
        ]
    assert [text_of(each) for each in results if each.is_error] == []
    assert len(server.threads) == 2
    assert server.reactions == [(message.id, "👍")]
    assert server.pinned == [message.id]
    assert message.id not in server.messages
    assert any(quote("👍") in path or "👍" in path for _, path in server.requests)


@pytest.mark.parametrize("tool", ["send_message", "read_messages", "create_thread", "add_reaction", "delete_message"])
async def test_another_server_might_as_well_not_be_there(server: DiscordServer, tool: str) -> None:
    elsewhere = next(iter(server.add_guild("elsewhere").channels))
    message = server.add_message(elsewhere, {"content": "theirs"}, BOT, {})
    more = {
        "send_message": {"content": "x"},
        "read_messages": {},
        "create_thread": {"name": "x"},
        "add_reaction": {"message": message.id, "emoji": "x"},
        "delete_message": {"message": message.id},
    }[tool]
    async with a_client(server) as client:
        result = await client.call_tool(tool, {"channel": elsewhere, **more})
        nowhere = await client.call_tool(tool, {"channel": "404", **more})
    assert result.is_error
    assert text_of(result) == text_of(nowhere)
    assert [method for method, _ in server.requests if method != "GET"] == []
    assert not any("/messages" in path for _, path in server.requests)


@pytest.mark.parametrize("channel", ["../users/@me", "1/messages", "", "\u0661", "9" * 21])
async def test_what_is_no_id_never_becomes_part_of_an_address(server: DiscordServer, channel: str) -> None:
    async with a_client(server) as client:
        result = await client.call_tool("send_message", {"channel": channel, "content": "x"})
    assert result.is_error
    assert server.requests == []


@pytest.mark.parametrize("content", ["", "  ", "x" * 2001, "😀" * 1001])
async def test_a_message_that_discord_would_refuse_is_not_sent(server: DiscordServer, content: str) -> None:
    async with a_client(server) as client:
        result = await client.call_tool("send_message", {"channel": server.channel, "content": content})
    assert result.is_error
    assert "nothing was sent" in text_of(result)


async def test_a_refusal_says_what_to_do(server: DiscordServer) -> None:
    server.guild.denied[server.channel] = 1 << 11
    async with a_client(server) as client:
        result = await client.call_tool("send_message", {"channel": server.channel, "content": "x"})
    assert "a server admin must allow it" in text_of(result)


async def test_a_lost_answer_is_asked_for_again_and_the_message_stands_once(server: DiscordServer) -> None:
    server.faults.append(Fault("POST", "/messages$", times=2))
    async with a_process(server) as executor:
        output = await executor.call(send(server), "key-1")
    assert not output.is_error
    assert len(server.in_channel()) == 1


async def test_one_idempotency_key_is_one_message(server: DiscordServer) -> None:
    async with a_process(server) as executor:
        first = await executor.call(send(server), "key-1")
        again = await executor.call(send(server), "key-1")
        other = await executor.call(send(server), "key-2")
    assert first == again != other
    assert len(server.in_channel()) == 2


async def test_an_answer_that_never_comes_is_not_called_a_failure(server: DiscordServer) -> None:
    server.faults.append(Fault("POST", "/messages$", times=99))
    async with a_process(server) as executor:
        with pytest.raises(CallOutcomeUnknownError):
            await executor.call(send(server), "key-1")


@pytest.mark.parametrize("status", [403, 429])
async def test_a_refusal_after_a_lost_answer_does_not_call_the_deed_undone(server: DiscordServer, status: int) -> None:
    refusal = Fault("POST", "/messages$", status=status, body={"message": "no", "retry_after": 1.0})
    server.faults += [Fault("POST", "/messages$"), refusal]
    async with a_process(server) as executor:
        with pytest.raises(CallOutcomeUnknownError):
            await executor.call(send(server), "key-1")
    assert len(server.in_channel()) == 1


async def test_a_refusal_by_a_page_is_a_refusal(server: DiscordServer) -> None:
    server.faults.append(Fault("POST", "/messages$", status=403, body="<h1>Forbidden</h1>"))
    async with a_process(server) as executor:
        output = await executor.call(send(server), "key-1")
    assert output.is_error
    assert "status 403" in output.text
    assert server.in_channel() == []


async def test_without_a_token_or_a_server_to_stay_in_nothing_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert await serve(Environment({})) == 2
    assert await serve(Environment({"DISCORD_BOT_TOKEN": "x", "MASSGEN_BOT_TENANT": "slack:-:T1"})) == 2
    err = capsys.readouterr().err
    assert "DISCORD_BOT_TOKEN" in err
    assert "--guild" in err


def test_only_a_run_from_discord_has_a_server() -> None:
    assert guild_of("discord:123") == "123"
    assert guild_of("slack:-:T1") == guild_of("console") == ""
