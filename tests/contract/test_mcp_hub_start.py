"""MCP servers that do not get as far as a handshake: the operator is told, in one sentence, what to do."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.mcp_tools.stdio_transport import StderrLog
from coordination.ports import ServerSpec
from coordination.preparation import list_tools
from tests.servers.mcp_programs import ROOT, stdio, until_ended

SECRET = "postgres://bot:hunter2@db/board"


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


async def complaint(hub: McpHub, *specs: ServerSpec) -> str:
    """What the hub says of servers that can't be used."""
    with pytest.raises(ToolServerError) as caught:
        await hub.definitions(specs)
    return str(caught.value)


async def test_a_command_that_does_not_exist_is_named(hub: McpHub) -> None:
    spec = ServerSpec(name="notes", transport="stdio", identity="no-such-mcp", command="no-such-mcp")
    assert await complaint(hub, spec) == (
        "The MCP server notes can't start, because there is no 'no-such-mcp' here: "
        "the operator must install it, or correct the configuration."
    )


async def test_a_command_that_the_operator_did_not_spell_out_is_not_named(hub: McpHub) -> None:
    spec = ServerSpec(name="notes", transport="stdio", identity="${COMMAND}", command="/srv/hunter2/mcp")
    assert "hunter2" not in await complaint(hub, spec)


async def test_a_folder_that_does_not_exist_is_complained_of(hub: McpHub, tmp_path: Path) -> None:
    spec = replace(stdio("mcp_startup", "exits"), cwd=str(tmp_path / "nowhere"))
    assert "its folder does not exist: the operator must correct `cwd`" in await complaint(hub, spec)


async def test_a_file_that_may_not_be_run_is_complained_of(hub: McpHub, tmp_path: Path) -> None:
    (tmp_path / "server").write_text("#!/bin/sh\n")
    spec = ServerSpec(name="notes", transport="stdio", identity="server", command=str(tmp_path / "server"))
    assert await complaint(hub, spec) == (
        "The MCP server notes can't start, because its command may not be run: the operator must make it executable."
    )


async def test_a_server_that_exits_at_once_is_complained_of_and_its_words_are_in_the_log(
    hub: McpHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coordination")
    spec = stdio("mcp_startup", "exits", env={"SECRET_URL": SECRET})
    assert await complaint(hub, spec) == (
        "The MCP server world exited while it was starting: the operator must run its command by hand to find out "
        "why (its output is in the log)."
    )
    assert "no database at [secret]" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_server_that_hangs_is_given_up_at_its_deadline_and_killed(hub: McpHub, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    spec = stdio("mcp_startup", "hangs", pid, start_timeout=1.0)
    assert await complaint(hub, spec) == (
        "The MCP server world was not ready within 1 s: the operator must find out why, "
        "or give it more time in the configuration."
    )
    os.kill(int(pid.read_text()), 0)  # It is being ended, which takes a while, and nobody has waited for that.
    await hub.aclose()
    await until_ended(int(pid.read_text()))


def shell(script: str, folder: Path, *, start_timeout: float) -> ServerSpec:
    return ServerSpec(
        name="world",
        transport="stdio",
        identity="sh",
        command="sh",
        args=("-c", script),
        env=(("PYTHONPATH", str(Path(__file__).parents[2])),),
        cwd=str(folder),
        start_timeout=start_timeout,
    )


async def test_what_a_server_that_hangs_wrote_is_kept(hub: McpHub, tmp_path: Path) -> None:
    await complaint(hub, shell("echo log in first >&2; exec sleep 60", tmp_path, start_timeout=1.0))
    assert hub.last_lines() == {"world": ("log in first",)}


async def test_what_a_server_wrote_before_it_failed_is_kept_until_it_starts(hub: McpHub, tmp_path: Path) -> None:
    script = f"mkdir x && echo later >&2 && exit 1; exec {sys.executable} -m tests.servers.mcp_startup fails_once x"
    spec = shell(script, tmp_path, start_timeout=20.0)
    await complaint(hub, spec)
    assert hub.last_lines() == {"world": ("later",)}
    await hub.definitions([spec])
    assert hub.last_lines() == {}


async def test_a_program_that_is_no_server_is_given_up_at_its_deadline(hub: McpHub) -> None:
    assert "was not ready within 1 s" in await complaint(hub, stdio("mcp_startup", "talks", start_timeout=1.0))


@pytest.mark.parametrize("behaviour", ["echoes", "refuses_all"])
async def test_a_program_that_answers_in_other_terms_is_complained_of(hub: McpHub, behaviour: str) -> None:
    assert await complaint(hub, stdio("mcp_startup", behaviour)) == (
        "The MCP server world does not answer like an MCP server: the operator must check its command in the configuration."
    )


async def test_an_optional_server_that_starts_later_is_used_from_then_on(hub: McpHub, tmp_path: Path) -> None:
    needed = stdio("mcp_counting", tmp_path / "journal", "well", name="needed")
    late = replace(stdio("mcp_growing", tmp_path / "calls", tmp_path / "more"), cwd=str(tmp_path), is_optional=True)
    late = replace(late, command=str(tmp_path / "server"), env=(("PYTHONPATH", str(ROOT)),))
    found = await list_tools(hub, [late, needed])
    assert {each.server for each in found.definitions} == {"needed"}
    assert found.absent["world"].startswith("The MCP server world can't start, because there is no")
    (tmp_path / "server").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (tmp_path / "server").chmod(0o755)
    found = await list_tools(hub, [late, needed])
    assert found.absent == {}
    assert next(each.server for each in found.definitions) == "world"


async def test_a_needed_server_fails_with_its_own_words_alone(hub: McpHub, tmp_path: Path) -> None:
    optional = replace(stdio("mcp_startup", "exits"), is_optional=True)
    needed = ServerSpec(name="notes", transport="stdio", identity="no-such-mcp", command="no-such-mcp")
    with pytest.raises(ToolServerError) as caught:
        await list_tools(hub, [optional, needed])
    assert str(caught.value).startswith("The MCP server notes can't start")
    assert "world" not in str(caught.value)


async def test_an_old_server_that_ignores_what_it_does_not_know_starts_without_delay(hub: McpHub) -> None:
    """The SDK's own way of asking would first wait ten seconds for it."""
    (tool,) = await hub.definitions([stdio("mcp_startup", "ignores_the_unknown", start_timeout=8.0)])
    assert tool.tool == "old"


async def test_every_server_that_cannot_start_is_named(hub: McpHub) -> None:
    specs = [replace(stdio("mcp_startup", "exits"), name=name) for name in ("one", "two")]
    text = await complaint(hub, *specs)
    assert "server one exited" in text
    assert "server two exited" in text


async def test_all_who_wait_for_a_start_get_an_error_of_their_own(hub: McpHub) -> None:
    spec = stdio("mcp_startup", "exits")
    outcomes = await asyncio.gather(*(hub.definitions([spec]) for _ in range(3)), return_exceptions=True)
    assert len({id(each) for each in outcomes}) == 3
    assert {type(each) for each in outcomes} == {ToolServerError}


async def test_a_server_that_failed_to_start_is_tried_again_at_its_next_use(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_startup", "fails_once", tmp_path / "marker")
    assert "exited while it was starting" in await complaint(hub, spec)
    (tool,) = await hub.definitions([spec])
    assert tool.tool == "late"


async def test_closing_while_a_server_starts_ends_it_and_tells_those_who_wait(hub: McpHub, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(complaint(hub, stdio("mcp_startup", "hangs", pid)))
        while not pid.exists() or not pid.read_text():  # noqa: ASYNC110  # another process writes it
            await asyncio.sleep(0.01)
        await hub.aclose()
    assert "this program is stopping" in waiting.result()
    await until_ended(int(pid.read_text()))


async def test_a_start_that_fails_writes_nothing_to_our_terminal(
    hub: McpHub, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    for behaviour in ("exits", "echoes"):
        await complaint(hub, stdio("mcp_startup", behaviour))
    await complaint(hub, stdio("mcp_startup", "talks", start_timeout=0.5))
    assert capfd.readouterr() == ("", "")


def test_secrets_are_blotted_out_of_stderr_wherever_the_operator_put_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "coordination.mcp_tools.stdio_transport")
    spec = ServerSpec(
        name="world",
        transport="stdio",
        identity="server --token ${TOKEN} --verbose",
        args=("--token", "hunter2", "--verbose"),
        env=(("KEY", "-----BEGIN-----\nMIIE\n-----END-----"), ("N", "1")),
    )
    stderr = StderrLog(spec)
    stderr.data_received(b"--verbose --token hun")
    stderr.data_received(b"ter2 1\nMIIE\n" + b"x" * 10_000)
    assert [record.getMessage() for record in caplog.records] == [
        "world: --verbose --token [secret] 1",
        "world: [secret]",
        "world: " + "x" * 4_000,
    ]
