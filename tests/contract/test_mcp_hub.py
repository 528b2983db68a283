"""The MCP hub over real server processes: its powers, what reaches a server, and who owns the processes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import PlannedCall
from coordination.errors import ToolServerError
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ServerSpec, ToolOutput
from tests.servers.mcp_programs import approving, stdio, until_ended, writer
from tests.servers.mcp_raw import part

LOOK = frozenset({("world", "look")})


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


def planned(tool: str = "write", *, server: str = "world", **arguments: Json) -> PlannedCall:
    return PlannedCall(server=server, tool=tool, arguments=canonical(arguments), definition="")


async def about(hub: McpHub, spec: ServerSpec) -> dict[str, object]:
    """What the process behind a spec says of itself."""
    answer = await hub.reader([spec], LOOK).read("world", "look", {})
    return dict(part(json.loads(answer.text)))


# --- powers -----------------------------------------------------------------------------------------------------------


async def test_the_catalogue_lists_every_tool_in_the_servers_order(hub: McpHub, tmp_path: Path) -> None:
    one, two = stdio("mcp_counting", tmp_path / "1", "well", name="one"), stdio("mcp_listing", "thousand", name="two")
    found = await hub.definitions([two, one])
    assert [(each.server, each.tool) for each in found[:2]] == [("two", "tool_0000"), ("two", "tool_0001")]
    assert [(each.server, each.tool) for each in found[-3:]] == [("one", "look"), ("one", "write"), ("one", "measure")]
    assert len(found) == 1_003


async def test_hints_are_passed_on_and_taken_for_pessimistic_where_they_are_missing(
    hub: McpHub, tmp_path: Path
) -> None:
    found = await hub.definitions([stdio("mcp_counting", tmp_path / "journal", "well")])
    assert {each.tool: (each.says_read_only, each.says_destructive) for each in found} == {
        "look": (True, False),
        "write": (False, True),
        "measure": (False, False),
    }


async def test_a_reader_runs_the_listed_tool_and_nothing_else(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "well")
    reader = hub.reader([spec], LOOK)
    assert await reader.read("world", "look", {"at": "it"}) == ToolOutput(text="did look")
    for server, tool in (("world", "write"), ("world", "Look"), ("elsewhere", "look"), ("", "")):
        with pytest.raises(ToolServerError, match="may not run before people approve it"):
            await reader.read(server, tool, {})
    assert [call["name"] for call in writer(tmp_path / "journal")] == ["look"]


async def test_a_tool_that_lies_about_reading_does_not_run_unless_it_is_listed(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "lies")
    (look,) = [each for each in await hub.definitions([spec]) if each.tool == "look"]
    assert look.says_read_only
    with pytest.raises(ToolServerError):
        await hub.reader([spec], frozenset()).read("world", "look", {})
    assert writer(tmp_path / "journal") == []


async def test_a_listed_tool_of_a_server_that_was_not_handed_over_does_not_run(hub: McpHub) -> None:
    with pytest.raises(ToolServerError):
        await hub.reader([], LOOK).read("world", "look", {})


async def test_a_tool_of_the_same_name_on_another_server_is_another_tool(hub: McpHub, tmp_path: Path) -> None:
    one = stdio("mcp_counting", tmp_path / "1", "well", name="one")
    two = stdio("mcp_counting", tmp_path / "2", "well", name="two")
    digests = {each.digest for each in await hub.definitions([one, two]) if each.tool == "write"}
    assert len(digests) == 2
    await approving(hub, [one, two]).call(planned(server="two"), "key")
    assert (writer(tmp_path / "1"), len(writer(tmp_path / "2"))) == ([], 1)


async def test_two_servers_of_one_name_are_refused(hub: McpHub, tmp_path: Path) -> None:
    one, two = (stdio("mcp_counting", tmp_path / each, "well") for each in ("1", "2"))
    for use in (hub.definitions([one, two]),):
        with pytest.raises(ToolServerError, match="Two different MCP servers are called world"):
            await use
    with pytest.raises(ToolServerError, match="must rename one"):
        approving(hub, [one, two])


# --- what reaches a server --------------------------------------------------------------------------------------------


async def test_an_approved_call_arrives_once_with_its_arguments_and_key(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "well")
    call = planned(title="Fête ☃\u2028", id=1234567890123456789012, none=None, deep=[{"x": [1.5, 1e21, 1e-7, True]}])
    assert await approving(hub, [spec]).call(call, "key-1") == ToolOutput(text="did write")
    (arrived,) = writer(tmp_path / "journal")
    assert canonical(arrived["arguments"]) == call.arguments
    assert part(arrived["_meta"])["massgen-bot/idempotency-key"] == "key-1"


texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.unmeasured
async def test_any_arguments_arrive_byte_for_byte(tmp_path: Path) -> None:
    """One server takes them all, as it would of many runs; the search is in a thread and calls in the loop."""
    loop, arrived = asyncio.get_running_loop(), tmp_path / "journal"
    async with McpHub() as hub:
        executor = approving(hub, [stdio("mcp_counting", arrived, "well")])

        async def send(calls: list[dict[str, Json]]) -> None:
            async with asyncio.timeout(60):
                for call in calls:
                    await executor.call(replace(planned(), arguments=canonical(call)), "key")

        @settings(max_examples=40)
        @given(st.lists(st.dictionaries(texts, values, max_size=5), min_size=1, max_size=5))
        def search(calls: list[dict[str, Json]]) -> None:
            arrived.unlink(missing_ok=True)
            asyncio.run_coroutine_threadsafe(send(calls), loop).result()
            assert [canonical(each["arguments"]) for each in writer(arrived)] == [canonical(call) for call in calls]

        await asyncio.to_thread(search)


async def test_reads_carry_no_idempotency_key(hub: McpHub, tmp_path: Path) -> None:
    await hub.reader([stdio("mcp_counting", tmp_path / "journal", "well")], LOOK).read("world", "look", {})
    (arrived,) = writer(tmp_path / "journal")
    assert set(part(arrived["_meta"])) == {"progressToken"}


async def test_calls_run_side_by_side(hub: McpHub, tmp_path: Path) -> None:
    """The server answers the first call only after the second has come."""
    reader = hub.reader([stdio("mcp_counting", tmp_path / "journal", "waits_for_another")], LOOK)
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(reader.read("world", "look", {"n": number})) for number in (1, 2)]
    assert sorted(each.result().text for each in both) == ["first", "second"]


async def test_what_is_not_text_is_described(hub: McpHub, tmp_path: Path) -> None:
    reader = hub.reader([stdio("mcp_counting", tmp_path / "journal", "is_rich")], LOOK)
    content: list[Json] = [
        {"type": "text", "text": "seen"},
        {"type": "image", "data": "AAAA" * 4000, "mimeType": "image/png"},
        {"type": "audio", "data": "AAA=", "mimeType": "audio/ogg"},
        {"type": "resource_link", "name": "plan", "uri": "file:///plan"},
        {"type": "resource", "resource": {"uri": "file:///note", "mimeType": "text/plain", "text": "its text"}},
        {"type": "resource", "resource": {"uri": "file:///blob", "blob": "AAAA"}},
    ]
    answer = await reader.read("world", "look", {"content": content, "structuredContent": {"a": 1}})
    assert answer.text.splitlines() == [
        "seen",
        "[image, image/png, 12 kB]",
        "[audio, audio/ogg, 2 bytes]",
        "[link to file:///plan]",
        "[resource file:///note, text/plain]",
        "its text",
        "[resource file:///blob, of no stated type, 3 bytes]",
        '{"a": 1}',
    ]


@pytest.mark.parametrize(
    ("texts", "structured"),
    [
        (['{"a": 1,\n "b": 2}'], {"b": 2, "a": 1}),
        (["5"], {"result": 5}),
        (["x"], {"result": "x"}),
        (["x", "y"], {"result": ["x", "y"]}),
    ],
)
async def test_structured_content_that_the_text_repeats_is_shown_once(
    hub: McpHub, tmp_path: Path, texts: list[str], structured: Json
) -> None:
    """As the SDKs' own servers answer."""
    reader = hub.reader([stdio("mcp_counting", tmp_path / "journal", "is_rich")], LOOK)
    content: list[Json] = [{"type": "text", "text": each} for each in texts]
    answer = await reader.read("world", "look", {"content": content, "structuredContent": structured})
    assert answer.text == "\n".join(texts)


async def test_structured_content_stands_in_for_missing_text(hub: McpHub, tmp_path: Path) -> None:
    reader = hub.reader([stdio("mcp_counting", tmp_path / "journal", "is_rich")], LOOK)
    answer = await reader.read("world", "look", {"content": [], "structuredContent": {"größe": 12345678901234567890}})
    assert answer.text == '{"größe": 12345678901234567890}'


async def test_a_huge_answer_is_cut_and_says_how_much_is_missing(hub: McpHub, tmp_path: Path) -> None:
    reader = hub.reader([stdio("mcp_counting", tmp_path / "journal", "is_rich")], LOOK)
    answer = await reader.read("world", "look", {"content": [{"type": "text", "text": "x" * 3_000_000}]})
    assert answer.text == "x" * 200_000 + "\n[2,800,000 more characters were left out]"


# --- processes --------------------------------------------------------------------------------------------------------


async def test_equal_specs_share_one_process_and_different_ones_do_not(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "tells_of_itself")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(about(hub, replace(spec))) for _ in range(5)]
    other = await about(hub, replace(spec, env=(("A", "1"),)))
    assert len({each.result()["pid"] for each in asked}) == 1
    assert other["pid"] != asked[0].result()["pid"]


async def test_a_child_gets_its_own_environment_and_none_of_our_secrets(
    hub: McpHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2")
    monkeypatch.setenv("LANG", "C.UTF-8")
    spec = stdio("mcp_counting", tmp_path / "journal", "tells_of_itself", env={"BOARD": "town", "HOME": "/nowhere"})
    environment = part((await about(hub, spec))["environment"])
    assert (environment["BOARD"], environment["HOME"], environment["LANG"]) == ("town", "/nowhere", "C.UTF-8")
    assert environment["PATH"]
    assert "hunter2" not in str(environment)


async def test_a_child_has_none_of_our_terminal(hub: McpHub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "complains", env={"TOKEN": "hunter2"})
    await hub.reader([spec], LOOK).read("world", "look", {})
    await hub.aclose()
    assert capfd.readouterr() == ("", "")


async def test_a_childs_stderr_is_logged_without_the_values_of_its_environment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "coordination.mcp_tools.stdio_transport")
    spec = stdio("mcp_counting", tmp_path / "journal", "complains", env={"TOKEN": "hunter2"})
    async with asyncio.timeout(60), McpHub() as hub:
        await hub.reader([spec], LOOK).read("world", "look", {})
    assert [record.getMessage() for record in caplog.records] == [
        "world: first",
        "world: the token is [secret]",
        "world: last without end",
    ]


async def test_leaving_the_hub_ends_every_process_and_what_it_left_behind(tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "has_a_child", is_forked=False)
    async with asyncio.timeout(60), McpHub() as hub:
        answer = await hub.reader([spec], LOOK).read("world", "look", {})
    for pid in json.loads(answer.text):
        await until_ended(pid)


async def test_who_is_cancelled_while_leaving_the_hub_has_ended_the_servers_all_the_same(tmp_path: Path) -> None:
    pids: list[int] = []
    used = asyncio.Event()

    async def use() -> None:
        async with McpHub() as hub:
            pids.append(
                int(
                    str(
                        (await about(hub, stdio("mcp_counting", tmp_path / "j", "tells_of_itself", is_forked=False)))[
                            "pid"
                        ]
                    )
                )
            )
            used.set()
            await asyncio.Event().wait()

    async with asyncio.timeout(60):
        using = asyncio.get_running_loop().create_task(use())
        await used.wait()
        using.cancel()
        await asyncio.sleep(0)
        using.cancel()
        await asyncio.wait({using})
    await until_ended(pids[0])


async def test_nothing_is_started_before_it_is_needed(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_startup", "hangs", tmp_path / "pid", is_forked=False)
    hub.reader([spec], LOOK)
    approving(hub, [spec])
    await hub.aclose()
    assert not (tmp_path / "pid").exists()


async def test_a_closed_hub_starts_nothing(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "well")
    await hub.definitions([spec])
    await hub.aclose()
    with pytest.raises(ToolServerError, match="this program is stopping"):
        await hub.definitions([spec])
    with pytest.raises(ToolServerError, match="this program is stopping"):
        await hub.definitions([replace(spec, name="new")])


async def test_a_hub_that_was_not_entered_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="before it was entered"):
        await McpHub().definitions([stdio("mcp_counting", tmp_path / "journal", "well")])


async def test_one_caller_who_gives_up_does_not_stop_the_start_for_the_others(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "well")
    async with asyncio.TaskGroup() as group:
        hasty = group.create_task(hub.definitions([spec]))
        patient = group.create_task(hub.definitions([spec]))
        await asyncio.sleep(0)
        hasty.cancel()
    assert hasty.cancelled()
    assert len(patient.result()) == 3


async def test_a_caller_who_is_cancelled_in_a_call_leaves_the_server_usable(hub: McpHub, tmp_path: Path) -> None:
    spec = stdio("mcp_counting", tmp_path / "journal", "waits_for_another")
    await hub.definitions([spec])
    reader = hub.reader([spec], LOOK)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await reader.read("world", "look", {"n": 1})
    assert (await reader.read("world", "look", {"n": 2})).text == "second"
