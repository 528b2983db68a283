"""Agents read and write one workspace through an MCP server that tells the truth about what happened."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

from bot.tool_servers.rate_limits import Patience
from bot.tool_servers.slack_api import SlackApi
from bot.tool_servers.slack_server import SlackTools, serve, server_of
from bot.variables import Environment
from coordination.declared_results import types_at
from coordination.ports.tools import NOTHING_HAPPENED
from tests import forked
from tests.contract.slack_harness import a_team
from tests.servers.slack_server import Fault, Message, SlackServer, slack_serving

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    server = SlackServer([a_team()])
    async with slack_serving(server):
        yield server
    assert server.diagnostics == []


@asynccontextmanager
async def client_of(server: SlackServer) -> AsyncGenerator[Client]:
    tools = SlackTools(SlackApi("xoxb-T1", f"{server.address}/api/"))
    async with Client(server_of(tools)) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_every_tool_says_truly_whether_it_writes(server: SlackServer) -> None:
    async with client_of(server) as client:
        tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    assert {name for name, hints in tools.items() if hints and hints.read_only_hint} == {
        "list_channels",
        "read_messages",
        "look_up",
    }
    assert set(tools) == {
        "list_channels",
        "read_messages",
        "look_up",
        "post_message",
        "reply_in_thread",
        "add_reaction",
        "pin_message",
        "upload_snippet",
        "delete_message",
    }
    assert [name for name, hints in tools.items() if hints and hints.destructive_hint] == ["delete_message"]


async def test_a_post_is_one_message_that_pings_nobody(server: SlackServer) -> None:
    async with client_of(server) as client:
        posted = await client.call_tool("post_message", {"channel": "C1", "text": "<!channel> & <@U1> hello"})
        (message,) = server.cards()
        reply = await client.call_tool("reply_in_thread", {"channel": "C1", "thread": message.ts, "text": "more"})
        read = text_of(await client.call_tool("read_messages", {"channel": "C1"}))
        declared = {tool.name: tool.output_schema or {} for tool in (await client.list_tools()).tools}
    assert message.ts in text_of(posted)
    address = f"https://t1.slack.test/archives/C1/p{message.ts.replace('.', '')}"
    assert posted.structured_content == {"channel": "C1", "message": message.ts, "url": address}
    makes = {name for name, schema in declared.items() if "string" in types_at(schema, "/message")}
    assert makes == {"post_message", "reply_in_thread"}
    assert message.now["text"] == "&lt;!channel&gt; &amp; &lt;@U1&gt; hello"
    assert not reply.is_error
    assert [each.thread for each in server.messages.values()] == ["", message.ts]
    assert read.splitlines()[0].startswith(message.ts)


async def test_a_post_whose_address_slack_does_not_tell_was_posted_all_the_same(server: SlackServer) -> None:
    server.faults.append(Fault(method="chat.getPermalink", retry_after=99))
    async with client_of(server) as client:
        result = await client.call_tool("post_message", {"channel": "C1", "text": "hello"})
    assert len(server.messages) == 1
    assert not result.is_error
    assert result.structured_content == {"channel": "C1", "message": server.cards()[0].ts}


async def test_what_the_bot_posted_can_be_taken_back_by_what_the_post_returned(server: SlackServer) -> None:
    async with client_of(server) as client:
        posted = await client.call_tool("post_message", {"channel": "C1", "text": "hello"})
        made = dict(posted.structured_content or {})
        await client.call_tool("post_message", {"channel": "C1", "text": "stays"})
        gone = await client.call_tool("delete_message", {name: made[name] for name in ("channel", "message")})
        left = text_of(await client.call_tool("read_messages", {"channel": "C1"}))
    assert not gone.is_error, text_of(gone)
    assert ("hello" in left, "stays" in left) == (False, True)


async def test_ids_are_looked_up(server: SlackServer) -> None:
    ts = server.new_ts()
    server.messages["C1", ts] = message = Message("T1", "C1", ts, "", [{"text": "hi"}], "UALICE")
    server.teams[0].conversations["D1"] = {"is_im": True, "is_channel": False, "name": "", "user": "UBOB"}
    async with client_of(server) as client:
        found = json.loads(text_of(await client.call_tool("look_up", {"channel": "C1", "message": ts})))
        digest = found["message"].pop("sha256")
        assert found == {"channel": "#general", "message": {"author": "@Alice", "text": "hi"}}
        assert json.loads(text_of(await client.call_tool("look_up", {"channel": "D1"}))) == {"channel": "@Bob"}
        message.versions.append({"text": "ho"})
        changed = json.loads(text_of(await client.call_tool("look_up", {"channel": "C1", "message": ts})))["message"]
        assert (changed["text"], changed["sha256"] != digest) == ("ho", True)
        assert (await client.call_tool("look_up", {"channel": "C1", "message": "1.000001"})).is_error


@pytest.mark.parametrize("method", ["conversations.info", "conversations.replies"])
async def test_where_slack_asks_to_wait_ids_are_not_said_to_be_hidden(server: SlackServer, method: str) -> None:
    ts = server.new_ts()
    server.messages["C1", ts] = Message("T1", "C1", ts, "", [{"text": "hi"}], "UALICE")
    server.faults.append(Fault(method=method, retry_after=99, times=9))
    async with client_of(server) as client:
        found = await client.call_tool("look_up", {"channel": "C1", "message": ts})
    assert found.is_error
    assert "Slack asks to wait 99 seconds" in text_of(found)


async def test_reactions_pins_and_snippets_reach_slack(server: SlackServer) -> None:
    async with client_of(server) as client:
        for name, given in (
            ("add_reaction", {"channel": "C1", "message": "1.1", "emoji": ":eyes:"}),
            ("pin_message", {"channel": "C1", "message": "1.1"}),
            ("upload_snippet", {"channel": "C1", "name": "notes.txt", "content": "a\nb\u00e9"}),
        ):
            result = await client.call_tool(name, given)
            assert not result.is_error, name
        shared = result.structured_content
        channels = text_of(await client.call_tool("list_channels", {}))
    assert [each["name"] for each in server.reactions] == ["eyes"]
    assert len(server.pins) == 1
    (file,) = server.files.values()
    assert shared == {"url": f"https://files.test/{next(iter(server.files))}"}
    assert (file["content"], file["channel"]) == ("a\nb\u00e9".encode(), "C1")
    assert "#general" in channels


@pytest.mark.parametrize(
    ("fault", "words", "is_certain"),
    [
        (Fault(method="chat.postMessage", retry_after=99), "wait 99 seconds", True),
        (Fault(method="chat.postMessage", error="not_in_channel"), "/invite", True),
        (Fault(method="chat.postMessage", error="channel_not_found"), "no such channel", True),
        (Fault(method="chat.postMessage", error="missing_scope", needed="chat:write"), "chat:write", True),
        (Fault(method="chat.postMessage", error="odd"), "odd", False),
    ],
)
async def test_a_refusal_is_a_sentence_and_nothing_was_done(
    server: SlackServer, fault: Fault, words: str, is_certain: bool
) -> None:
    server.faults.append(fault)
    async with client_of(server) as client:
        result = await client.call_tool("post_message", {"channel": "C1", "text": "hello"})
    assert result.is_error
    assert words in text_of(result)
    assert (result.meta or {}).get(NOTHING_HAPPENED, False) is is_certain
    assert server.messages == {}


async def test_texts_that_slack_would_cut_are_refused_before_they_are_sent(server: SlackServer) -> None:
    async with client_of(server) as client:
        for text in ("", "x" * 4_001, "<" * 1_001):
            assert (await client.call_tool("post_message", {"channel": "C1", "text": text})).is_error
        assert (await client.call_tool("upload_snippet", {"channel": "C1", "name": "n", "content": ""})).is_error
    assert server.calls == []


@asynccontextmanager
async def program_of(server: SlackServer, **environ: str) -> AsyncGenerator[Client]:
    """The server as a process of its own."""
    given = {"SLACK_BOT_TOKEN": "xoxb-T1", "SLACK_API_URL": f"{server.address}/api", **environ}
    parameters = StdioServerParameters(
        command=forked.python(), args=["-m", "bot.tool_servers.slack_server"], env=given, cwd=str(ROOT)
    )
    async with Client(stdio_client(parameters)) as client:
        yield client


async def test_the_program_serves_its_workspace(server: SlackServer) -> None:
    async with program_of(server, SLACK_TEAM_ID="T1", MASSGEN_BOT_TENANT="slack:E1:T1") as client:
        assert not (await client.call_tool("post_message", {"channel": "C1", "text": "hello"})).is_error
    assert len(server.messages) == 1


async def test_a_write_without_an_answer_is_left_open(server: SlackServer) -> None:
    """The process ends without an answer, so that nobody takes for a failure what may have happened."""
    server.faults.append(Fault(method="chat.postMessage", status=502, is_done_first=True))
    answers: Sequence[CallToolResult] = []
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # the client may wrap the end of its server in a group
        async with program_of(server) as client:
            answers = [await client.call_tool("post_message", {"channel": "C1", "text": "hello"})]
    assert answers == []
    assert len(server.messages) == 1
    assert "AssertionError" not in repr(caught.value)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "SLACK_BOT_TOKEN"),
        ({"SLACK_BOT_TOKEN": "xoxp-1"}, "xoxb-"),
        ({"SLACK_BOT_TOKEN": "xoxb-bad"}, "not good"),
        ({"SLACK_BOT_TOKEN": "xoxb-T1", "SLACK_TEAM_ID": "T2"}, "SLACK_TEAM_ID says T2"),
        ({"SLACK_BOT_TOKEN": "xoxb-T1", "MASSGEN_BOT_TENANT": "slack:-:T2"}, "MASSGEN_BOT_TENANT says T2"),
    ],
)
async def test_a_token_that_is_not_the_workspaces_ends_the_program_with_a_sentence(
    server: SlackServer, environ: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await serve(Environment({"SLACK_API_URL": f"{server.address}/api/", **environ})) == 2
    assert words in capsys.readouterr().err


async def test_an_upload_waits_too_where_the_bytes_of_the_file_come_too_fast(server: SlackServer) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    server.faults.append(Fault(method="upload", retry_after=2))
    api = SlackApi("xoxb-T1", f"{server.address}/api/", patience=Patience(sleep=sleep))
    async with Client(server_of(SlackTools(api))) as client:
        result = await client.call_tool("upload_snippet", {"channel": "C1", "name": "n.txt", "content": "whole"})
        assert not result.is_error
        assert slept == [2.0]
        assert [file["content"] for file in server.files.values()] == [b"whole"]
        server.faults.append(Fault(method="upload", retry_after=99))
        refused = await client.call_tool("upload_snippet", {"channel": "C1", "name": "n.txt", "content": "whole"})
        assert "wait 99 seconds; nothing was done" in text_of(refused)


async def test_a_short_rate_limit_is_waited_for_and_the_message_stands_once(server: SlackServer) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    server.faults.append(Fault(method="chat.postMessage", retry_after=3, times=2))
    api = SlackApi("xoxb-T1", f"{server.address}/api/", patience=Patience(sleep=sleep))
    async with Client(server_of(SlackTools(api))) as client:
        result = await client.call_tool("post_message", {"channel": "C1", "text": "hello"})
    assert not result.is_error
    assert (slept, len(server.messages)) == ([3.0, 3.0], 1)
