"""MCP servers that misbehave in the middle of a call: each write runs at most once, and what became of it is said truly."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ServerSpec, ToolOutput
from tests.servers.mcp_programs import approving, stdio, until_ended, writer
from tests.servers.mcp_raw import part

LOOK = frozenset({("world", "look"), ("world", "measure")})
BROKEN = """{"n": "many"}
[the answer does not match the tool's declared output: n: "many" is not of type integer]"""


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def planned(tool: str = "write", **arguments: Json) -> PlannedCall:
    return PlannedCall(server="world", tool=tool, arguments=canonical(arguments), definition="")


async def write(hub: McpHub, spec: ServerSpec, tool: str = "write", **arguments: Json) -> ToolOutput:
    """Run one approved call, the way execution does: after the definition was asked for."""
    executor = approving(hub, [spec])
    assert await executor.definition_digest("world", tool) is not None
    return await executor.call(planned(tool, **arguments), "key")


# --- writes -----------------------------------------------------------------------------------------------------------


async def test_a_server_that_dies_after_performing_leaves_the_outcome_unknown(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "dies_after")
    with pytest.raises(CallOutcomeUnknownError, match=r"The MCP server world ended before it answered\.") as caught:
        await write(hub, spec)
    assert caught.value.may_go_on, "what it had asked others, they may still do"
    await hub.definitions([spec])
    assert len(writer(counted)) == 1


async def test_a_server_that_dies_before_performing_leaves_the_outcome_unknown_too(hub: McpHub, counted: Path) -> None:
    """From here nobody can tell the two apart."""
    spec = stdio("mcp_counting", counted, "dies_before")
    with pytest.raises(CallOutcomeUnknownError, match="ended before it answered"):
        await write(hub, spec)
    await hub.definitions([spec])
    assert writer(counted) == []


async def test_every_call_in_flight_on_a_dying_server_is_unknown(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "dies_after")
    session = await hub.connection(spec).session()
    outcomes = await asyncio.gather(
        *(session.call("write", canonical({"n": n}), key="key") for n in range(5)), return_exceptions=True
    )
    assert all(isinstance(each, CallOutcomeUnknownError) for each in outcomes)
    assert len(writer(counted)) == 1


async def test_a_server_that_never_answers_is_waited_for_so_long_and_not_asked_again(
    hub: McpHub, counted: Path
) -> None:
    spec = stdio("mcp_counting", counted, "is_silent", call_timeout=0.5)
    with pytest.raises(CallOutcomeUnknownError, match="did not answer in time") as caught:
        await approving(hub, [spec]).call(planned(), "key")
    assert caught.value.may_go_on
    assert len(writer(counted)) == 1


async def test_a_call_leaves_only_within_the_time_that_it_has_left(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "is_silent")
    executor = hub.executor([spec])
    definition = await executor.definition_digest("world", "write") or ""
    call = replace(planned(), definition=definition, settings=await executor.settings_digest("world"))
    with pytest.raises(CallNotSentError):
        await executor.call(call, "key", 0.0)
    assert writer(counted) == []
    with pytest.raises(CallOutcomeUnknownError, match="did not answer in time"):
        await executor.call(call, "key", 1.0)
    assert len(writer(counted)) == 1


async def test_a_call_whose_server_tells_of_progress_has_more_time_but_not_any(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "tells_of_progress", call_timeout=0.6)
    assert (await write(hub, spec, times=5)).text == "done at last"
    with pytest.raises(CallOutcomeUnknownError, match="did not answer in time"):
        await write(hub, spec, times=50)
    assert len(writer(counted)) == 2


async def test_looking_at_the_tools_takes_of_the_time_of_the_call(hub: McpHub, counted: Path) -> None:
    """However long a server keeps us before the call may leave: after its longest time nothing of it is under way."""
    spec = stdio("mcp_counting", counted, "tells_of_progress", call_timeout=30.0)
    session = await hub.connection(spec).session()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(CallOutcomeUnknownError, match="did not answer in time"):
        await session.call("write", canonical({"times": 50}), key="key", until=begun + 0.6)
    assert loop.time() - begun < 8.0, "all that the server has to tell takes 10 s"
    with pytest.raises(CallNotSentError):
        await session.call("write", canonical({"times": 1}), key="key", until=begun)
    assert len(writer(counted)) == 1


async def test_a_server_that_takes_nothing_off_its_input_is_given_up_in_time(
    hub: McpHub, counted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp.shared.jsonrpc_dispatcher._ABANDON_WRITE_TIMEOUT", 0.1)
    spec = stdio("mcp_counting", counted, "is_silent", call_timeout=0.3)
    session = await hub.connection(spec).session()
    for text in ("small", "x" * 1_000_000, "y" * 1_000_000, "small"):
        with pytest.raises(CallOutcomeUnknownError):
            await session.call("write", canonical({"text": text}), key="key")
    assert len(writer(counted)) == 1


async def test_junk_on_the_output_is_skipped_and_shown_nowhere(
    hub: McpHub, counted: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    assert await write(hub, stdio("mcp_counting", counted, "prints_junk")) == ToolOutput(text="did write")
    assert len(writer(counted)) == 1
    assert capfd.readouterr() == ("", "")


async def test_junk_on_the_output_is_not_quoted_in_the_log(
    hub: McpHub, counted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coordination")
    await write(hub, stdio("mcp_counting", counted, "prints_junk"))
    assert "world wrote a line that is not an MCP message" in caplog.text
    assert "junk" not in caplog.text


async def test_an_answer_that_breaks_the_declared_schema_is_a_result_for_the_call_has_come_back(
    hub: McpHub, counted: Path
) -> None:
    spec = stdio("mcp_counting", counted, "breaks_its_word")
    assert await write(hub, spec, "measure") == ToolOutput(text=BROKEN)
    assert len(writer(counted)) == 1


async def test_an_answer_in_another_form_is_a_result_for_the_call_has_come_back(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "answers_nonsense")
    assert await write(hub, spec) == ToolOutput(text="not a list\n[the answer is not in the form that MCP asks for]")
    assert len(writer(counted)) == 1


async def test_a_failure_that_the_server_reports_is_its_answer(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "fails")
    assert await write(hub, spec) == ToolOutput(text="the disk is full", is_error=True)


@pytest.mark.parametrize("code", [-32601, -32602, -32603, -32002, 0, 17, -32000, -32001, -32600, -32700])
async def test_an_error_of_the_protocol_is_the_servers_answer(hub: McpHub, counted: Path, code: int) -> None:
    spec = stdio("mcp_counting", counted, "errs")
    assert await write(hub, spec, code=code) == ToolOutput(text="no such thing", is_error=True)


async def test_questions_in_the_middle_of_a_call_are_declined(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "asks_back")
    assert await write(hub, spec) == ToolOutput(text="did write")
    *asked, performed = writer(counted)
    assert asked == [
        {"asked": "elicitation/create", "was_refused": True},
        {"asked": "sampling/createMessage", "was_refused": True},
        {"asked": "roots/list", "was_refused": True},
    ]
    assert performed["name"] == "write"


@pytest.mark.parametrize("behaviour", ["input_required", "header_mismatch"])
async def test_a_server_that_wants_the_call_again_does_not_get_it(hub: McpHub, counted: Path, behaviour: str) -> None:
    spec = stdio("mcp_modern", counted, behaviour)
    if behaviour == "input_required":
        with pytest.raises(CallOutcomeUnknownError, match="asked for more input instead of answering"):
            await write(hub, spec)
    else:
        assert (await write(hub, spec)).is_error
    assert len(writer(counted)) == 1


async def test_a_server_that_speaks_only_the_newest_protocol_is_served_as_well(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_modern", counted, "well")
    assert await write(hub, spec) == ToolOutput(text="done")
    assert [each.tool for each in await hub.definitions([spec])] == ["write"]
    (counted.parent / "trigger").touch()
    assert [each.tool for each in await hub.definitions([spec])] == ["renamed"]


async def test_a_call_whose_server_cannot_start_was_not_sent(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_startup", "exits")
    with pytest.raises(CallNotSentError, match="exited while it was starting"):
        await approving(hub, [spec]).call(planned(), "key")


async def test_a_call_to_a_server_that_is_not_in_the_config_was_not_sent(hub: McpHub) -> None:
    executor = approving(hub, [])
    with pytest.raises(CallNotSentError, match="no MCP server world in the configuration"):
        await executor.call(planned(), "key")
    with pytest.raises(ToolServerError, match="no MCP server world in the configuration"):
        await executor.definition_digest("world", "write")


# --- reads ------------------------------------------------------------------------------------------------------------


async def test_a_read_is_asked_again_once_when_its_server_died_under_it(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "dies_once")
    assert await hub.reader([spec], LOOK).read("world", "look", {}) == ToolOutput(text="did look")
    assert len(writer(counted)) == 2


async def test_a_read_is_not_asked_a_third_time(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "dies_after")
    with pytest.raises(ToolServerError, match="world ended before it answered"):
        await hub.reader([spec], LOOK).read("world", "look", {})
    assert len(writer(counted)) == 2


async def test_a_read_that_is_not_answered_is_not_asked_again(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "is_silent", call_timeout=0.5)
    with pytest.raises(ToolServerError, match="world did not answer in time"):
        await hub.reader([spec], LOOK).read("world", "look", {})
    assert len(writer(counted)) == 1


async def test_an_answer_to_a_read_that_breaks_its_schema_is_given_to_the_agent(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "breaks_its_word")
    assert (await hub.reader([spec], LOOK).read("world", "measure", {})).text == BROKEN


# --- what comes after -------------------------------------------------------------------------------------------------


async def test_a_server_that_died_while_idle_is_started_again_at_its_next_use(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "tells_of_itself")
    before = await write(hub, spec)
    await killed(hub, spec, before)
    after = await approving(hub, [spec]).call(planned(), "key")
    assert pid(after) != pid(before)


async def test_a_call_on_a_connection_that_is_known_to_be_dead_was_not_sent(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "tells_of_itself")
    session = await hub.connection(spec).session()
    await killed(hub, spec, await session.call("look", "{}"))
    with pytest.raises(CallNotSentError, match="ended before the call could be sent"):
        await session.call("write", "{}", key="key")


def pid(output: ToolOutput) -> int:
    """The process that answered."""
    return int(str(part(json.loads(output.text))["pid"]))


async def killed(hub: McpHub, spec: ServerSpec, output: ToolOutput) -> None:
    """End the server from outside, and wait until the hub knows."""
    session = await hub.connection(spec).session()
    os.kill(pid(output), signal.SIGKILL)
    await session.finished()


@pytest.mark.parametrize("unchecked", [0.0, 60.0])
async def test_an_approved_call_sees_at_once_what_changed_and_a_read_when_it_is_time(
    counted: Path, tmp_path: Path, unchecked: float
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("limit = 1", encoding="utf-8")
    spec = stdio("mcp_counting", counted, "tells_of_itself", rules)
    async with asyncio.timeout(30), McpHub(Patience(unchecked=unchecked)) as hub:
        before = await hub.reader([spec], LOOK).read("world", "look", {})
        rules.write_text("limit = 22", encoding="utf-8")
        read = await hub.reader([spec], LOOK).read("world", "look", {})
        assert (pid(read) == pid(before)) is (unchecked > 0)
        assert pid(await approving(hub, [spec]).call(planned(), "key")) != pid(before)


async def unanswered(hub: McpHub, spec: ServerSpec) -> None:
    with pytest.raises(ToolServerError, match="world did not answer in time"):
        await hub.reader([spec], LOOK).read("world", "look", {})


async def test_a_server_that_hangs_is_put_down_after_two_requests_and_begun_anew(hub: McpHub, counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "hangs_once", call_timeout=1.0)
    await unanswered(hub, spec)
    await unanswered(hub, spec)
    assert await hub.reader([spec], LOOK).read("world", "look", {}) == ToolOutput(text="did look")


async def test_a_server_that_answers_a_ping_lives_however_many_calls_it_leaves_unanswered(
    hub: McpHub, counted: Path
) -> None:
    spec = stdio("mcp_counting", counted, "ignores_calls", call_timeout=0.3)
    session = await hub.connection(spec).session()
    for _ in range(4):
        await unanswered(hub, spec)
    assert await hub.connection(spec).session() is session


async def test_a_server_that_is_put_down_ends_the_call_that_it_has(hub: McpHub, counted: Path) -> None:
    session = await hub.connection(stdio("mcp_counting", counted, "is_slow")).session()
    async with asyncio.TaskGroup() as group:
        call = group.create_task(session.call("write", "{}", key="key"))
        await asyncio.sleep(0.2)
        session.abandon()
    assert call.result() == ToolOutput(text="did write")
    await session.finished()


async def test_a_server_that_nobody_uses_is_ended_and_started_again_at_its_next_use(counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "tells_of_itself")
    async with asyncio.timeout(30), McpHub(Patience(unused=0.3)) as hub:
        before = await approving(hub, [spec]).call(planned("look"), "key")
        await until_ended(pid(before))
        assert pid(await approving(hub, [spec]).call(planned("look"), "key")) != pid(before)


async def test_a_server_at_work_is_not_unused(counted: Path) -> None:
    spec = stdio("mcp_counting", counted, "is_silent", call_timeout=1.0)
    async with asyncio.timeout(30), McpHub(Patience(unused=0.2)) as hub:
        session = await hub.connection(spec).session()
        with pytest.raises(CallOutcomeUnknownError, match="did not answer in time"):
            await session.call("write", "{}", key="key")


async def test_the_server_that_was_unused_for_longest_makes_room_for_another(counted: Path) -> None:
    specs = [stdio("mcp_counting", counted, "tells_of_itself", name=name) for name in ("a", "b", "c", "d")]
    async with asyncio.timeout(30), McpHub(Patience(most=3)) as hub:
        sessions = [await hub.connection(spec).session() for spec in specs]
        assert [session.is_over for session in sessions] == [True, False, False, False]
        await sessions[0].finished()


async def test_a_server_that_keeps_dying_is_left_alone_longer_each_time() -> None:
    patience = Patience(first=0.5, longest=10.0)
    assert [patience.pause(failures) for failures in range(8)] == [0, 0.5, 1, 2, 4, 8, 10, 10]
