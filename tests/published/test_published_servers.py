"""MCP servers that people use, as they come from npm and PyPI: listed, read, written to after approval, and restarted."""

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ServerSpec, ToolOutput
from tests.npm import UnavailableError, node
from tests.published.servers import PACKAGES, PYTHON, at, everything, free_port, from_npm, from_pypi
from tests.servers.mcp_programs import approving


@pytest.fixture
def npm() -> None:
    try:
        node()
    except UnavailableError as error:
        pytest.skip(str(error))
    if not PACKAGES.is_installed:
        pytest.skip("the servers from npm are not installed: make servers does that")


@pytest.fixture
def pypi() -> None:
    if not (PYTHON.parents[1] / ".installed").exists():
        pytest.skip("the servers from PyPI are not installed: make servers does that")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["config", "user.name", "a"],
        ["config", "user.email", "a@b.example"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607  # the one of this machine
    (tmp_path / "note.txt").write_text("hello\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(90), McpHub(Patience(first=0.01)) as hub:
        yield hub


async def read(hub: McpHub, spec: ServerSpec, tool: str, **arguments: Json) -> ToolOutput:
    return await hub.reader([spec], frozenset({(spec.name, tool)})).read(spec.name, tool, arguments)


async def write(hub: McpHub, spec: ServerSpec, tool: str, **arguments: Json) -> ToolOutput:
    call = PlannedCall(server=spec.name, tool=tool, arguments=canonical(arguments), definition="")
    return await approving(hub, [spec]).call(call, "key")


@pytest.mark.usefixtures("npm")
async def test_files_are_written_and_read_and_none_outside_of_the_folder(hub: McpHub, tmp_path: Path) -> None:
    spec = from_npm("filesystem", str(tmp_path))
    listed = {each.tool: each for each in await hub.definitions([spec])}
    assert not any(each.unusable for each in listed.values())
    assert listed["read_text_file"].says_read_only
    assert not listed["write_file"].says_read_only
    file = str(tmp_path / "note.txt")
    assert not (await write(hub, spec, "write_file", path=file, content="Fête ☃\n")).is_error
    assert "Fête ☃" in (await read(hub, spec, "read_text_file", path=file)).text
    assert (await read(hub, spec, "read_text_file", path="/etc/hostname")).is_error


@pytest.mark.usefixtures("npm")
async def test_what_was_put_into_memory_is_there(hub: McpHub, tmp_path: Path) -> None:
    spec = from_npm("memory", env={"MEMORY_FILE_PATH": str(tmp_path / "memory.json")})
    entity = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
    assert not (await write(hub, spec, "create_entities", entities=[entity])).is_error
    assert "Ada" in (await read(hub, spec, "read_graph")).text


@pytest.mark.usefixtures("npm")
async def test_every_tool_of_everything_is_usable_and_progress_gives_a_call_more_time(hub: McpHub) -> None:
    spec = from_npm("everything", call_timeout=2.0)
    listed = {each.tool: each.unusable for each in await hub.definitions([spec])}
    assert set(listed.values()) == {""}
    assert (await read(hub, spec, "echo", message="hello")).text == "Echo: hello"
    took = await read(hub, spec, "trigger-long-running-operation", duration=4, steps=8)
    assert "completed" in took.text
    assert not took.is_error


@pytest.mark.usefixtures("npm")
@pytest.mark.parametrize(("transport", "path"), [("streamableHttp", "/mcp"), ("sse", "/sse")])
async def test_a_server_over_http_that_was_restarted_is_read_and_written_again(
    hub: McpHub, transport: str, path: str
) -> None:
    port = free_port()
    spec = at(port, path)
    async with everything(transport, port):
        await hub.definitions([spec])
        assert (await read(hub, spec, "echo", message="one")).text == "Echo: one"
    async with everything(transport, port):
        assert (await read(hub, spec, "echo", message="two")).text == "Echo: two"
        assert "7" in (await write(hub, spec, "get-sum", a=3, b=4)).text
    async with everything(transport, port):
        assert "9" in (await write(hub, spec, "get-sum", a=4, b=5)).text
        await hub.aclose()


@pytest.mark.usefixtures("pypi")
async def test_a_commit_is_made_and_seen(hub: McpHub, repository: Path) -> None:
    spec, repo = from_pypi("mcp_server_git", "--repository", str(repository)), str(repository)
    assert "note.txt" in (await read(hub, spec, "git_status", repo_path=repo)).text
    assert not (await write(hub, spec, "git_add", repo_path=repo, files=["note.txt"])).is_error
    assert not (await write(hub, spec, "git_commit", repo_path=repo, message="Add a note")).is_error
    assert "Add a note" in (await read(hub, spec, "git_log", repo_path=repo)).text


@pytest.mark.usefixtures("pypi")
async def test_the_time_is_told(hub: McpHub) -> None:
    spec = from_pypi("mcp_server_time")
    told = await read(hub, spec, "get_current_time", timezone="UTC")
    assert json.loads(told.text.split("\n[")[0])["timezone"] == "UTC"
