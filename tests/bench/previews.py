"""What previews cost: the reads of a plan of 20 calls, over a real tool server."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coordination.config import parse
from coordination.domain.canonical_json import JsonObject, canonical
from coordination.domain.plan import PlannedCall
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ReadTools, ToolOutput
from coordination.previews import read_all
from coordination.run_options import AgentProfile
from coordination.toolbox import OfferedTool, offer

CALLS = 20
SERVER = Path(__file__).parents[1] / "servers" / "mcp_files.py"
CONFIG = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {files: {command: %s, args: [%s]}}
tools:
  - {match: files.read_text_file, effect: read}
  - {match: files.write_file, effect: ask, preview: {tool: read_text_file, arguments: {path: $.path}, after: $.content}}
"""


@dataclass
class TimedReader:
    """Reads after a delay, such as a server far away has, and takes the time of each."""

    reader: ReadTools
    delay: float
    took: list[float] = field(default_factory=list[float])

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        """What the tool answers."""
        began = time.perf_counter()
        await asyncio.sleep(self.delay)
        output = await self.reader.read(server, tool, arguments)
        self.took.append(time.perf_counter() - began)
        return output


@dataclass(frozen=True)
class Cost:
    """How many reads there were, and the seconds of all of them and of the slowest."""

    reads: int
    whole: float
    slowest: float


async def read_for_a_plan(delays: Sequence[float]) -> list[Cost]:
    """What the previews of one plan cost, with each of these delays of the server."""
    (agent,) = parse(
        CONFIG % (json.dumps(sys.executable), json.dumps(str(SERVER))), origin="bench.yaml", environ={}
    ).agents
    profile = AgentProfile(number=1, id="scout", system_message="", servers=agent.servers, rules=agent.rules)
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory() as folder:
        async with McpHub() as hub:
            tools = offer(profile, await hub.definitions(agent.servers))
            writes = tools["mcp__files__write_file"]
            calls = [_written(Path(folder) / f"{number}.txt", writes) for number in range(CALLS)]
            for delay in delays:
                reader = hub.reader(agent.servers, frozenset({("files", "read_text_file")}))
                timed = TimedReader(reader, delay)
                began = time.perf_counter()
                readings = await read_all(calls, tools, timed)
                whole = time.perf_counter() - began
                if not all(each.is_known for each in readings):
                    raise SystemExit(f"a preview of the benchmark could not be read: {readings}")
                costs.append(Cost(reads=len(timed.took), whole=whole, slowest=max(timed.took)))
    return costs


def _written(path: Path, tool: OfferedTool) -> PlannedCall:
    """A call that writes a file that is there."""
    path.write_text("one\ntwo\n", encoding="utf-8")
    arguments: JsonObject = {"path": str(path), "content": "one\nthree\n"}
    return PlannedCall(
        server="files",
        tool="write_file",
        arguments=canonical(arguments),
        definition=tool.definition.digest,
        previews=tool.ruling(arguments).previews,
    )
