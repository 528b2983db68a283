"""Many runs in one process over tool servers that restart, hang, write junk and change: it ends as it began."""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.application import Application, Overrides
from bot.composition import open_application
from bot.machine import console_person
from bot.variables import Environment
from coordination.domain import states as s
from coordination.run_request import RunRequest
from tests.servers.mcp_programs import listening

CONFIG = """\
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls:
                - {{tool: moody.look, arguments: {{name: {name}}}}}
                - {{tool: served.look, arguments: {{size: 20}}}}
            - calls:
                - {{tool: moody.write, arguments: {{name: {name}}}}}
                - {{tool: served.write, arguments: {{title: {name}}}}}
              answer: Two writes.
        report: [{{say: Done.}}]
mcp_servers:
  moody: {{command: "{python}", args: [-m, tests.soak.moody_server, "{folder}/moody", "{seed}"], call_timeout: 1}}
  served: {{url: "http://127.0.0.1:{port}/sse", call_timeout: 5}}
tools: [{{match: "*.look", effect: read}}]
approval: {{allow_requester: true}}
"""
AT_ONCE = 5
_REST = 3.0
"""Seconds for servers that are being put down."""


@dataclass(frozen=True)
class Use:
    """What this process holds."""

    processes: int
    descriptors: int
    threads: int
    memory_mb: float


@dataclass
class Soaked:
    """What became of the runs, by name; and what the process held after the first of them and after the last."""

    begun: Use | None = None
    ended: Use | None = None
    receipts: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    failed: Counter[str] = field(default_factory=Counter[str])
    """The runs without a plan, by what people read of each."""
    restarts: int = 0


async def soak(folder: Path, *, runs: int, seed: int, warm: int) -> Soaked:
    """So many runs, a few at once, after `warm` others from which on nothing may grow."""
    dice, soaked = random.Random(seed), Soaked()  # noqa: S311  # chance that can be repeated
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/runs.sqlite", "MASSGEN_BOT_STATE": str(folder)}
    async with (
        _restarted(folder, dice, soaked) as port,
        open_application(Environment(environ), Overrides()) as application,
        application.working(),
    ):
        names = [f"run-{number}" for number in range(warm + runs)]
        await _all(application, folder, names[:warm], port=port, seed=seed, soaked=soaked)
        await asyncio.sleep(_REST)
        soaked.begun = _use()
        await _all(application, folder, names[warm:], port=port, seed=seed, soaked=soaked)
        await asyncio.sleep(_REST)
        soaked.ended = _use()
    return soaked


def faults_of(soaked: Soaked, folder: Path) -> list[str]:
    """What did not hold, in words."""
    told = Counter(tuple(json.loads(line)) for line in (folder / "moody").read_text(encoding="utf-8").splitlines())
    written = Counter(
        json.loads(line)["title"] for line in (folder / "served").read_text(encoding="utf-8").splitlines()
    )
    # No program is stopping here, and every fault is one that servers in the field have.
    untrue = ("program is stopping", "does not know", "does not answer like an MCP server")
    found = [f"a run failed so: {words}" for words in soaked.failed if any(each in words for each in untrue)]
    for name, (moody, served) in soaked.receipts.items():
        if told["done", name] > 1 or written[name] > 1:
            found.append(f"{name}: a call was made twice")
        if moody == "unknown" and told["answered", name]:
            found.append(f"{name}: a call that was answered is unknown")
        if moody == "succeeded" and not told["done", name]:
            found.append(f"{name}: a call that was not made has succeeded")
        if served == "succeeded" and not written[name]:
            found.append(f"{name}: a call that was not made has succeeded")
    return found


async def _all(
    application: Application, folder: Path, names: Sequence[str], *, port: int, seed: int, soaked: Soaked
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with places:
            text = CONFIG.format(name=name, python=sys.executable, folder=folder, port=port, seed=seed)
            await _run(application, name, text, soaked)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


async def _run(application: Application, name: str, text: str, soaked: Soaked) -> None:
    """From the prompt to the end, whatever that is; what nobody knows is left as it is."""
    request = RunRequest(
        prompt=name, requester=console_person(), config_name="soak", config_text=text, origin="soak.yaml"
    )
    run = await application.coordinator.start(request)
    async for recorded in application.log.follow(run):
        if recorded.event.kind in ("plan_proposed", "run_answered", "run_failed"):
            break
    state = await application.coordinator.state(run)
    if not isinstance(state, s.AwaitingDecision):
        soaked.failed[state.reason if isinstance(state, s.RunBroken) else state.kind] += 1
        return
    await application.coordinator.approve(run, state.plan.digest, request.requester)
    async for recorded in application.log.follow(run):
        if recorded.event.kind in ("run_finished", "call_outcome_unknown"):
            break
    after = await application.coordinator.state(run)
    kinds = [each.kind for each in after.receipts] if isinstance(after, s.Finished) else []
    if isinstance(after, s.NeedsHuman):
        kinds = [*(each.kind for each in after.receipts), "unknown"]
        await application.coordinator.cancel(run, request.requester)
    moody, served, *_ = (*kinds, "skipped", "skipped")
    soaked.receipts[name] = (moody, served)


@asynccontextmanager
async def _restarted(folder: Path, dice: random.Random, soaked: Soaked) -> AsyncGenerator[int]:
    """A server over HTTP that somebody restarts every few seconds, on one port."""
    async with listening("mcp_http_sse", folder / "served") as (port, _):
        pass
    (folder / "served").touch()

    async def restart() -> None:
        while True:
            async with listening("mcp_http_sse", folder / "served", port):
                ready.set()
                await asyncio.sleep(dice.uniform(2, 6))
            soaked.restarts += 1

    ready = asyncio.Event()
    task = asyncio.ensure_future(restart())
    try:
        await ready.wait()
        yield port
    finally:
        task.cancel()
        await asyncio.wait([task])


def _use() -> Use:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return Use(
        processes=len(children),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        threads=int(status["Threads"]),
        memory_mb=int(status["VmRSS"].split()[0]) / 1024,
    )


def growth(soaked: Soaked) -> list[str]:
    """What the process holds more of than it did, beyond what comes and goes."""
    before, after = soaked.begun, soaked.ended
    assert before is not None
    assert after is not None
    return [
        f"{name}: {then} before, {now} after"
        for name, then, now, slack in (
            ("processes", before.processes, after.processes, 2),
            ("descriptors", before.descriptors, after.descriptors, 15),
            ("threads", before.threads, after.threads, 4),
            ("MB of memory", before.memory_mb, after.memory_mb, 40),
        )
        if now > then + slack
    ]
