"""Servers that lose a session, in every shape and at every moment: reads recover, and a write runs once or was not sent."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import get_args

import pytest

from coordination.domain.canonical_json import canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ServerSpec, ToolOutput
from tests.servers.mcp_losing import REFUSALS, LosingServer, Moment, losing
from tests.servers.mcp_programs import approving, http, stdio, writer

LOOK = frozenset({("world", "look")})
WRITE = PlannedCall(server="world", tool="write", arguments=canonical({"n": 1}), definition="")
DID = ToolOutput(text="did it")

BREAKS = ("resets", "ends_the_stream", "restarts")
"""Shapes in which nobody can know whether a message was read."""

OLDER = ("older_transport", "older_typescript", "empty_404", *BREAKS)
TABLE = [("/mcp", shape) for shape in (*REFUSALS, *BREAKS, "is_away_behind_a_gateway")] + [
    ("/sse", shape) for shape in OLDER
]
AMBIGUOUS = {("/mcp", "echoes_the_id"), ("/mcp", "bare_401")}
"""What might as well be a refusal of the tool, or of our credentials: such a write was not sent, and is not sent again."""


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


async def approved(hub: McpHub, spec: ServerSpec) -> str:
    """What became of an approved call."""
    try:
        output = await approving(hub, [spec]).call(WRITE, "key")
    except CallNotSentError:
        return "not sent"
    except CallOutcomeUnknownError:
        return "unknown"
    return output.text


async def both(hub: McpHub, server: LosingServer, path: str) -> tuple[list[ToolOutput], str]:
    """Two reads, and then an approved write."""
    spec = http(server.port, path=path, call_timeout=5)
    reader = hub.reader([spec], LOOK)
    read = [await reader.read("world", "look", {}) for _ in range(2)]
    wrote = await approved(hub, spec)
    await hub.aclose()
    return read, wrote


ON_STDIO = {
    "has_no_session": "HTTP 404: Session not found",
    "was_terminated": "Session terminated",
    "is_not_connected": "Not connected",
    "is_closed": "unknown",
    "tells_nothing": "unknown",
    "tells_in_a_result": "Session terminated",
    "exits": "unknown",
    "is_killed": "unknown",
    "closes_its_output": "unknown",
}
"""How a server on stdio loses what is behind it, or itself; and what becomes of a write with which that happens."""


@pytest.mark.parametrize(
    ("shape", "moment"),
    [
        *((shape, "between") for shape in ("has_no_session", "is_not_connected", "tells_in_a_result", "exits")),
        *(
            (shape, "write")
            for shape in ("was_terminated", "is_closed", "tells_nothing", "is_killed", "closes_its_output")
        ),
        ("was_terminated", "read"),
    ],
)
async def test_whenever_a_bridge_loses_its_server_it_is_started_anew_and_a_write_runs_once_or_is_not_sent_again(
    hub: McpHub, tmp_path: Path, shape: str, moment: str
) -> None:
    """A bridge on stdio lives on and answers errors for ever; each of them is started anew, for as many reads as follow."""
    spec = stdio("mcp_detached", tmp_path / "journal", shape, moment, call_timeout=20)
    reader = hub.reader([spec], LOOK)
    read = [await reader.read("world", "look", {}) for _ in range(2)]
    wrote = await approved(hub, spec)
    read.append(await reader.read("world", "look", {}))
    assert read == [DID, DID, DID]
    assert wrote == (ON_STDIO[shape] if moment == "write" else "did it")
    done = [each["name"] for each in writer(tmp_path / "journal")]
    assert done == ["look", "look", *(["write"] if wrote == "did it" else []), "look"]


@pytest.mark.parametrize("moment", get_args(Moment))
@pytest.mark.parametrize(("path", "shape"), TABLE)
async def test_whenever_a_session_is_lost_reads_recover_and_a_write_runs_once_or_was_not_sent(
    hub: McpHub, path: str, shape: str, moment: Moment
) -> None:
    with losing(shape, moment) as server:
        read, wrote = await both(hub, server, path)
    assert server.losses.happened
    assert read == [DID, DID]
    if moment != "write":
        expected = "did it"
    elif (path, shape) in AMBIGUOUS:
        expected = "not sent"
    else:
        expected = "unknown" if shape in (*BREAKS, "is_away_behind_a_gateway") else "did it"
    assert wrote == expected
    assert server.losses.done == ["look", "look", *(["write"] if expected == "did it" else [])]
