"""The demo's notice board: a real MCP server over a real file."""

import asyncio
import io
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from bot.demo_world import FIRST_NOTICES, Board, serve


def writer(board: Path) -> list[object]:
    """The writes that were performed."""
    file = board.with_name(f"{board.name}.journal")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def ask(board: Path, *messages: object) -> list[dict[str, object]]:
    """What the server answers to these messages, each on a line of its own."""
    out = io.StringIO()
    lines = [each if isinstance(each, str) else json.dumps(each) for each in messages]
    serve(Board(board), io.StringIO("\n".join(lines)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def call(tool: object, arguments: object = None, key: str | None = None) -> dict[str, object]:
    """A tools/call message."""
    meta = {} if key is None else {"_meta": {"massgen-bot/idempotency-key": key}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments, **meta}}


def text_of(replies: Sequence[dict[str, object]]) -> tuple[str, bool]:
    """The text and the error mark of the last reply."""
    result = CallToolResult.model_validate(replies[-1]["result"])
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text, result.is_error is True


def test_a_board_that_does_not_exist_starts_with_the_towns_notices(tmp_path: Path) -> None:
    board = tmp_path / "a" / "board.json"
    Board(board).create()
    assert json.loads(board.read_text()) == FIRST_NOTICES


def test_a_board_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    board.write_text("{}")
    Board(board).create()
    assert text_of(ask(board, call("list_notices", {}))) == ("The board is empty.", False)


def test_a_posted_notice_can_be_read_and_is_journalled_with_its_arguments_and_key(tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    arguments = {"title": "Fête ☃", "body": "On Friday.\n\nAll day."}
    assert text_of(ask(board, call("post_notice", arguments, "key-1"))) == ("Posted 'Fête ☃'.", False)
    assert text_of(ask(board, call("read_notice", {"title": "Fête ☃"}))) == ("On Friday.\n\nAll day.", False)
    assert writer(board) == [{"tool": "post_notice", "arguments": arguments, "key": "key-1"}]
    assert list(json.loads(board.read_text())) == [*FIRST_NOTICES, "Fête ☃"]


def test_a_removed_notice_is_gone_and_journalled(tmp_path: Path) -> None:
    board = tmp_path / "board.json"
    assert text_of(ask(board, call("remove_notice", {"title": "Welcome"}))) == ("Removed 'Welcome'.", False)
    assert text_of(ask(board, call("read_notice", {"title": "Welcome"})))[1]
    assert writer(board) == [{"tool": "remove_notice", "arguments": {"title": "Welcome"}, "key": None}]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("post_notice", {"title": "Welcome", "body": "Again."}),
        ("post_notice", {"title": " ", "body": "No title."}),
        ("post_notice", {"title": "No body"}),
        ("post_notice", None),
        ("remove_notice", {"title": "Nowhere"}),
        ("read_notice", {"title": ["Welcome"]}),
        ("shout", {}),
    ],
)
def test_what_the_board_refuses_changes_nothing(tmp_path: Path, tool: str, arguments: object) -> None:
    board = tmp_path / "board.json"
    Board(board).create()
    text, is_error = text_of(ask(board, call(tool, arguments)))
    assert is_error
    assert text
    assert json.loads(board.read_text()) == FIRST_NOTICES
    assert writer(board) == []


def test_lines_that_are_no_requests_do_not_stop_the_server(tmp_path: Path) -> None:
    replies = ask(
        tmp_path / "board.json",
        "junk",
        "[1]",
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "server/discover"},
        {"jsonrpc": "2.0", "id": 3, "method": "ping"},
    )
    assert [(reply["id"], "error" in reply) for reply in replies] == [(None, True), (2, True), (3, False)]


def test_writers_side_by_side_lose_no_notice(tmp_path: Path) -> None:
    board = tmp_path / "board.json"

    def post(number: int) -> None:
        Board(board).post(f"n{number}", "text", {}, None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(post, range(40)))
    assert len(json.loads(board.read_text())) == len(FIRST_NOTICES) + 40


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_sdks_client_reads_and_writes_the_real_process(tmp_path: Path, mode: str) -> None:
    board = tmp_path / "board.json"
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "massgen_bot", "demo-board", str(board)], cwd=Path.cwd()
    )
    async with asyncio.timeout(30), Client(server, mode=mode) as client:
        tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
        titles = await client.call_tool("list_notices", {})
        posted = await client.call_tool("post_notice", {"title": "Hello", "body": "World"})
    assert [name for name, hints in tools.items() if hints and hints.read_only_hint] == ["list_notices", "read_notice"]
    assert [name for name, hints in tools.items() if hints and hints.destructive_hint] == ["remove_notice"]
    assert titles.content == [TextContent(text="\n".join(FIRST_NOTICES))]
    assert not posted.is_error
    assert json.loads(board.read_text())["Hello"] == "World"


async def test_the_process_ends_when_its_input_ends(tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "massgen_bot",
            "demo-board",
            str(tmp_path / "board.json"),
            stdin=asyncio.subprocess.DEVNULL,
        )
        assert await process.wait() == 0
