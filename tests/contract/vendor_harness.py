"""A whole service, but for its database and its chats, whose agents stand before local vendors."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.composition import Configurations
from coordination.clock import SystemClock
from coordination.llm.registry import Models
from coordination.mcp_tools.hub import McpHub
from coordination.run_request import RunRequest
from coordination.service import Coordinator
from coordination.worker import Worker
from tests import forked
from tests.builders import REQUESTER
from tests.contract.test_models import Act
from tests.contract.vendor_mix import VENDORS, Backend, canary, missing_extra, variable
from tests.fakes import IdleEngine, MemoryLog
from tests.servers.mcp_programs import ROOT

LONGEST = 180.0
"""Seconds for a whole run: Claude Code starts a program for each turn, which takes long on a busy machine."""

CONFIG = """
agents:
  - {{id: careless, backend: {careless}}}
  - {{id: calm, backend: {calm}}}
mcp_servers:
  world:
    command: "${{MASSGEN_BOT_PYTHON}}"
    args: [-m, tests.servers.mcp_ledger, {journal}, "{more}"]
    env: {{WORLD_TOKEN: "${{CANARY_WORLD}}"}}
    cwd: {root}
tools: [{{match: world.look, effect: read}}]
orchestrator: {{max_midstream_updates: 0}}
"""
KEYS = {variable(name): canary(name) for name in (*VENDORS, "world")}


@dataclass(frozen=True, kw_only=True)
class VendorHarness:
    """A service whose agents stand before local vendors, and whose tool server keeps a journal."""

    people: Coordinator
    worker: Worker
    log: MemoryLog
    file: Path
    text: str
    backends: Sequence[Backend]

    async def work(self) -> None:
        """Do every job there is."""
        async with asyncio.timeout(LONGEST):
            while self.log.jobs:
                await self.worker.perform(self.log.jobs.pop(0))

    async def asked(self) -> str:
        """A run that somebody asked for, as far as it goes without a person."""
        request = RunRequest(
            prompt="Write it down.", requester=REQUESTER, config_name="mix", config_text=self.text, origin="mix.yaml"
        )
        run = await self.people.start(request)
        await self.work()
        return run


@asynccontextmanager
async def vendor_harness(
    careless: str, calm: str, folder: Path, *, scripts: Sequence[Sequence[Act]], more_tools: int = 0
) -> AsyncGenerator[VendorHarness]:
    """Two agents with their scripts; `more_tools` are on offer beside the two that read and write."""
    async with AsyncExitStack() as stack:
        backends = [
            await stack.enter_async_context(VENDORS[vendor](*script))
            for vendor, script in zip((careless, calm), scripts, strict=True)
        ]
        file = folder / "journal"
        text = CONFIG.format(careless=backends[0].yaml, calm=backends[1].yaml, journal=file, root=ROOT, more=more_tools)
        environ = {"MASSGEN_BOT_PYTHON": forked.python(), **KEYS}
        clock = SystemClock()
        models = Models(clock)
        stack.push_async_callback(models.aclose)
        hub = await stack.enter_async_context(McpHub())
        configure = Configurations(environ=environ, build=models, adapt=lambda given: given)
        log, names = MemoryLog(), iter(f"N{number}" for number in range(100))
        new_id = names.__next__
        yield VendorHarness(
            people=Coordinator(log, IdleEngine(), clock=clock, new_id=new_id, configure=configure),
            worker=Worker(log, hub, clock=clock, new_id=new_id, configure=configure),
            log=log,
            file=file,
            text=text,
            backends=backends,
        )


def skips(*vendors: str) -> pytest.MarkDecorator:
    """Leaves a test out where a library that these vendors need is not installed."""
    extra = missing_extra(*vendors)
    return pytest.mark.skipif(extra is not None, reason=f"the extra `{extra}` is not installed")
