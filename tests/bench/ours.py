"""What is measured of us: whole runs through the real application, as `massgen-bot` opens it.

Planning mode, one pooled MCP server over stdio, the durable log and the engine on a SQLite file on disk.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.application import Application, Overrides
from bot.composition import open_application
from bot.machine import console_person
from bot.variables import Environment
from coordination.config import parse
from coordination.current_rules import tightened
from coordination.domain import states as s
from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject
from coordination.domain.plan import PlannedCall
from coordination.ports import Executor, ReadTools, ServerSpec, ToolDefinition, ToolHub, ToolOutput
from coordination.run_request import RunRequest
from tests.bench.floor import Run
from tests.builders import a_call, a_plan, a_request

AGENT = (
    "  - {{id: agent-{number}, backend: {{type: chatcompletion, model: {model}, base_url: '{base_url}', api_key: k}}}}"
)
CONFIG = """\
agents:
{agents}
mcp_servers:
  board: {{type: stdio, command: '{python}', args: [-m, bot.demo_world, '{folder}/notices.json']}}
tools:
  - {{match: "board.*_notices", effect: read}}
  - {{match: "board.read_notice", effect: read}}
  - {{match: "board.post_notice", effect: {writes}}}
approval: {{allow_requester: true}}
orchestrator: {{max_new_answers_per_agent: {answers}}}
"""


@asynccontextmanager
async def opened(
    overrides: Overrides | None = None, folder: Path | None = None
) -> AsyncGenerator[tuple[Application, Path]]:
    """The application at work, on files of its own unless told otherwise."""
    with tempfile.TemporaryDirectory(prefix="massgen-bot-bench-") as name:
        folder = folder or Path(name)
        environ = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/runs.sqlite", "XDG_STATE_HOME": str(folder)}
        async with (
            open_application(Environment(environ), overrides or Overrides()) as application,
            application.working(),
        ):
            yield application, folder


def ask(base_url: str, folder: Path, *, agents: int = 2, answers: int = 1, writes: str = "deny") -> RunRequest:
    """A request whose agents speak to the mock model. Where writes are denied, the run ends in an answer."""
    model = "mock" if answers == 1 else "mock-refines"
    rows = "\n".join(AGENT.format(number=number, model=model, base_url=base_url) for number in range(1, agents + 1))
    text = CONFIG.format(agents=rows, python=sys.executable, folder=folder, answers=answers, writes=writes)
    return RunRequest(
        prompt="Read the notice and plan to post a better one.",
        requester=console_person(),
        config_name="bench",
        config_text=text,
        origin=str(folder / "bench.yaml"),
    )


async def run_through(application: Application, request: RunRequest) -> tuple[str, s.RunState]:
    """One run until it has ended or waits for a person."""
    run = await application.coordinator.start(request)
    async for recorded in application.log.follow(run):
        if recorded.event.kind in ("plan_proposed", "run_answered", "run_failed"):
            break
    return run, await application.coordinator.state(run)


@asynccontextmanager
async def whole_run(base_url: str) -> AsyncGenerator[Run]:
    """A contender: 2 agents, each reads, answers and votes, through everything that is ours."""
    async with opened() as (application, folder):
        request = ask(base_url, folder)

        async def run() -> None:
            _, state = await run_through(application, request)
            if not isinstance(state, s.Answered):
                raise SystemExit(f"a run of the benchmark ended badly: {state}")

        yield run


@dataclass
class Stopwatch:
    """When the last approved call left execution for the wire."""

    sent: float = 0.0


class _TimedHub:
    def __init__(self, hub: ToolHub, watch: Stopwatch) -> None:
        self._hub = hub
        self._watch = watch

    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        return await self._hub.definitions(servers)

    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        return self._hub.reader(servers, allowed, caller)

    def executor(self, servers: Sequence[ServerSpec], caller: Caller | None = None) -> Executor:
        return _TimedExecutor(self._hub.executor(servers, caller), self._watch)


class _TimedExecutor:
    def __init__(self, executor: Executor, watch: Stopwatch) -> None:
        self._executor = executor
        self._watch = watch

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        return await self._executor.definition_digest(server, tool, expected)

    async def input_schema(self, server: str, tool: str) -> JsonObject | None:
        return await self._executor.input_schema(server, tool)

    async def settings_digest(self, server: str) -> str:
        return await self._executor.settings_digest(server)

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        self._watch.sent = time.perf_counter()
        return await self._executor.call(call, key, seconds)


async def decisions(base_url: str, *, count: int) -> list[float]:
    """Seconds from an approval being asked for to its first call being handed to the connection, warm."""
    watch = Stopwatch()
    waits: list[float] = []
    async with opened(Overrides(hub=lambda hub: _TimedHub(hub, watch))) as (application, folder):
        request = ask(base_url, folder, writes="ask")
        for _ in range(count):
            run, state = await run_through(application, request)
            if not isinstance(state, s.AwaitingDecision):
                raise SystemExit(f"a run of the benchmark has no plan: {state}")
            begun = time.perf_counter()
            await application.coordinator.approve(run, state.plan.digest, request.requester)
            async for recorded in application.log.follow(run):
                if recorded.event.kind == "run_finished":
                    break
            waits.append(watch.sent - begun)
    return waits[1:]


async def at_once(make: Callable[[], Awaitable[None]], count: int) -> tuple[float, list[float]]:
    """Seconds for so many runs at once, and the seconds of each."""

    async def timed() -> float:
        begun = time.perf_counter()
        await make()
        return time.perf_counter() - begun

    begun = time.perf_counter()
    each = await asyncio.gather(*(timed() for _ in range(count)))
    return time.perf_counter() - begun, list(each)


def deciding(*, rules: int = 200, calls: int = 20) -> float:
    """Seconds of processor time to hold a plan against rules over arguments, as before each of its calls."""
    servers = "".join(f"  server{number}: {{command: npx}}\n" for number in range(calls))
    written = "".join(
        f"  - {{match: 'server{number % calls}.tool_{number}*', effect: ask, approvers: {{roles: [r{number % 7}]}}, "
        f"when: {{$.amount: {{at_most: {number}}}, $.currency: [EUR, USD]}}}}\n"
        for number in range(rules - 1)
    )
    text = (
        f"agents: [{{id: agent-1, backend: {{type: ollama, model: m}}}}]\nmcp_servers:\n{servers}tools:\n{written}"
        "  - {match: '*', effect: ask, approvers: [{roles: [finance]}, {roles: [board]}]}\n"
    )
    profile = parse(text, origin="bench.yaml", environ={}).profile()
    made = [
        a_call(f"tool_{rules - calls + number}x", server=f"server{number}", amount=number, currency="EUR")
        for number in range(calls)
    ]
    plan, request = a_plan(*made), a_request(agents=1)
    times = 50
    begun = time.process_time()
    for _ in range(times):
        tightened(plan, request, profile)
    return (time.process_time() - begun) / times
