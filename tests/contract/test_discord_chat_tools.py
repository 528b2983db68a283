"""Agents use one Discord server through tools: confined to it, quiet, and honest about what happened."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from bot.tool_servers.discord_api import DiscordApi
from bot.tool_servers.discord_server import DiscordTools, guild_of, serve, server_of
from bot.tool_servers.rate_limits import Patience
from bot.variables import Environment
from coordination.declared_results import types_at
from coordination.domain.caller import Caller
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallOutcomeUnknownError, ServerSpec
from coordination.ports.tools import NOTHING_HAPPENED
from tests import forked
from tests.servers.discord_people import Someone
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
        command=forked.python(),
        args=("-m", "bot.tool_servers.discord_server"),
        is_ours=True,
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
    assert {name for name, each in hints.items() if each and each.read_only_hint} == {
        "list_channels",
        "read_messages",
        "look_up",
    }
    assert {name for name, each in hints.items() if each and each.destructive_hint} == {"delete_message"}
    assert set(hints) == {
        "list_channels",
        "read_messages",
        "look_up",
        "send_message",
        "create_thread",
        "create_post",
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


async def test_ids_are_looked_up(server: DiscordServer) -> None:
    mara = Someone(server, "mara", server.guild)
    ops = server.guild.role("ops")
    message = server.add_message(server.channel, {"content": "hi"}, server.guild.members[mara.id]["user"], {})
    named: dict[str, Json] = {"channel": server.channel, "message": message.id, "users": [mara.id], "roles": [ops]}
    async with a_client(server) as client:
        found = json.loads(text_of(await client.call_tool("look_up", named)))
        digest = found["message"].pop("sha256")
        assert found == {
            "channel": "#general",
            "message": {"author": "@mara", "text": "hi"},
            "users": ["@mara (administrator)"],
            "roles": ["@ops"],
        }
        thread = await client.call_tool("create_thread", {"channel": server.channel, "name": "deploys"})
        inside = {"channel": text_of(thread).split()[2]}
        assert json.loads(text_of(await client.call_tool("look_up", inside))) == {"channel": "#general / deploys"}
        message.payload["content"] = "ho"
        changed = json.loads(text_of(await client.call_tool("look_up", named)))["message"]
        assert (changed["text"], changed["sha256"] != digest) == ("ho", True)
        for unknown in ({"roles": ["7"]}, {"users": ["7"]}, {"message": "7"}):
            assert (await client.call_tool("look_up", {"channel": server.channel, **unknown})).is_error


async def test_a_message_notifies_nobody_but_whom_its_arguments_name(server: DiscordServer) -> None:
    async with a_client(server) as client:
        await client.call_tool("send_message", {"channel": server.channel, "content": "@everyone <@7>"})
        named = {"channel": server.channel, "content": "<@7>", "mention_users": ["7"]}
        sent = await client.call_tool("send_message", named)
        declared = {tool.name: tool.output_schema or {} for tool in (await client.list_tools()).tools}
    quiet, told = server.in_channel()
    assert sent.structured_content == {
        "channel": server.channel,
        "message": told.id,
        "url": f"https://discord.com/channels/{server.guild.id}/{server.channel}/{told.id}",
    }
    assert "string" in types_at(declared["send_message"], "/message")
    opens = {name for name, schema in declared.items() if "string" in types_at(schema, "/thread")}
    assert opens == {"create_thread", "create_post"}
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
    assert (result.meta or {}).get(NOTHING_HAPPENED) is True


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
    refusal = Fault("POST", "/messages$", status=status, body={"message": "no", "retry_after": 99.0})
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
    assert not output.nothing_happened, "a gateway does not know what Discord did"
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


def a_channel(server: DiscordServer, name: str, kind: int) -> str:
    number = server.number()
    server.guild.channels[number], server.guild.kinds[number] = name, kind
    return number


async def test_a_short_rate_limit_is_waited_for_and_the_message_stands_once(server: DiscordServer) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    told = {"message": "You are being rate limited.", "retry_after": 1.5, "global": False}
    server.faults.append(Fault("POST", "/messages$", 429, told, {"Retry-After": "2"}, times=2))
    api = DiscordApi(TOKEN, server.api, server.guild.id, patience=Patience(sleep=sleep))
    async with Client(server_of(DiscordTools(api))) as client:
        result = await client.call_tool("send_message", {"channel": server.channel, "content": "x"})
    assert not result.is_error
    assert (slept, len(server.in_channel())) == ([2.0, 2.0], 1)


async def test_a_rate_limit_beyond_the_time_of_a_call_fails_it_and_says_that_nothing_was_done(
    server: DiscordServer,
) -> None:
    async def sleep(seconds: float) -> None:
        del seconds

    server.faults.append(Fault("POST", "/messages$", 429, {"retry_after": 8.0}, times=9))
    api = DiscordApi(TOKEN, server.api, server.guild.id, patience=Patience(longest=20.0, sleep=sleep))
    async with Client(server_of(DiscordTools(api))) as client:
        result = await client.call_tool("send_message", {"channel": server.channel, "content": "x"})
    assert "Discord asks to wait 8 seconds; nothing was done" in text_of(result)
    assert (result.meta or {}).get(NOTHING_HAPPENED) is True
    assert sum(method == "POST" for method, _ in server.requests) == 3
    assert server.in_channel() == []


async def test_the_calls_of_a_server_do_not_share_the_time_that_one_may_wait(server: DiscordServer) -> None:
    async def sleep(seconds: float) -> None:
        del seconds

    api = DiscordApi(TOKEN, server.api, server.guild.id, patience=Patience(longest=10.0, sleep=sleep))
    async with Client(server_of(DiscordTools(api))) as client:
        for number in range(3):
            server.faults.append(Fault("POST", "/messages$", 429, {"retry_after": 8.0}))
            result = await client.call_tool("send_message", {"channel": server.channel, "content": str(number)})
            assert not result.is_error


async def test_a_post_in_a_forum_is_a_thread_with_a_title_and_can_be_read_and_answered(server: DiscordServer) -> None:
    forum = a_channel(server, "ideas", 15)
    server.guild.tags[forum] = [{"id": "77", "name": "Wish", "moderated": False, "emoji_id": None, "emoji_name": None}]
    server.guild.needs_tag.add(forum)
    post = {"channel": forum, "title": "A web UI", "content": "hello @everyone"}
    async with a_client(server) as client:
        assert f"{forum}  #ideas  forum" in text_of(await client.call_tool("list_channels", {}))
        untagged = text_of(await client.call_tool("create_post", post))
        unknown = text_of(await client.call_tool("create_post", {**post, "tags": ["bug"]}))
        made = await client.call_tool("create_post", {**post, "tags": ["wish"]})
        (number,) = server.threads
        posts = text_of(await client.call_tool("read_messages", {"channel": forum}))
        answer = await client.call_tool("send_message", {"channel": number, "content": "an answer"})
        read = text_of(await client.call_tool("read_messages", {"channel": number}))
        server.archived.add(number)
        closed = text_of(await client.call_tool("read_messages", {"channel": forum, "limit": 1}))
    assert "wants a tag" in untagged
    assert "(Wish); nothing was posted" in unknown
    assert (made.is_error, answer.is_error) == (False, False)
    assert posts == closed == f"{number}  A web UI"
    assert [line.split("  ")[2] for line in read.split("\n")] == ["hello @everyone", "an answer"]
    assert server.messages[number].payload["allowed_mentions"] == {"parse": []}
    assert server.thread_tags[number] == ["77"]


@pytest.mark.parametrize("kind", [15, 16])
async def test_a_channel_of_posts_takes_neither_messages_nor_bare_threads(server: DiscordServer, kind: int) -> None:
    forum = a_channel(server, "ideas", kind)
    async with a_client(server) as client:
        sent = await client.call_tool("send_message", {"channel": forum, "content": "x"})
        opened = await client.call_tool("create_thread", {"channel": forum, "name": "x"})
        post = {"channel": server.channel if kind == 15 else forum, "title": "x", "content": "x"}
        posted = await client.call_tool("create_post", post)
    assert "use create_post; nothing was done" in text_of(sent)
    assert "use create_post; nothing was done" in text_of(opened)
    assert ("no forum" if kind == 15 else "with pictures only") in text_of(posted)
    assert not any(method == "POST" for method, _ in server.requests)


async def test_announcements_take_messages_and_threads_of_their_own_kind(server: DiscordServer) -> None:
    news = a_channel(server, "news", 5)
    async with a_client(server) as client:
        sent = await client.call_tool("send_message", {"channel": news, "content": "x"})
        (message,) = server.in_channel(news)
        under = await client.call_tool("create_thread", {"channel": news, "name": "talk", "message": message.id})
        loose = await client.call_tool("create_thread", {"channel": news, "name": "loose"})
        inside = await client.call_tool("send_message", {"channel": message.id, "content": "in the thread"})
    assert [text_of(each) for each in (sent, under, loose, inside) if each.is_error] == []
    assert {server.channel_json(server.guild, each)["type"] for each in server.threads} == {10}
