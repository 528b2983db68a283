"""A configuration put to the test: read as a run would read it, its servers started, its rules applied to their tools."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bot.application import database_url
from bot.chat.sql_desk_schema import desk_metadata
from bot.costs import Ceiling, ceilings, run_ceiling
from coordination.clock import SystemClock
from coordination.config import Settings, doubtful_vouchers, load, unmatched_rules
from coordination.domain.policy import Policy
from coordination.domain.rules import Effect
from coordination.llm.registry import Models
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ToolDefinition
from coordination.read_lists import NO_CHANGES, Accepted, Changes, changes, lists_now
from coordination.storage.sql_read_lists import SqlReadLists
from coordination.toolbox import ruled


@dataclass(frozen=True, kw_only=True)
class CheckedAgent:
    """One agent, and the model that speaks for it."""

    name: str
    model: str


@dataclass(frozen=True, kw_only=True)
class ToolRow:
    """What becomes of one tool in the hands of one agent, and why."""

    agent: str
    server: str
    tool: str
    effect: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found. `complaints` are rules that fit no tool: a run would refuse to start."""

    at: datetime
    agents: tuple[CheckedAgent, ...]
    servers: tuple[str, ...]
    policy: Policy
    warnings: tuple[str, ...]
    tools: tuple[ToolRow, ...] = ()
    complaints: tuple[str, ...] = ()
    is_connected: bool = False
    costs: tuple[Ceiling, ...] = ()
    whole_cost: float | None = None
    changes: Changes = NO_CHANGES


def check_config(environ: Mapping[str, str], path: Path, *, connects: bool) -> Checked:
    """Read a configuration and, if it `connects`, ask its servers for their tools, and accept what its wildcards match.

    Raises:
        ConfigError: the configuration can't be used.
        StorageError: the database can't keep what was accepted.
        ToolServerError: a server can't be used.
    """
    return asyncio.run(checked_config(environ, path, connects=connects))


async def checked_config(environ: Mapping[str, str], path: Path, *, connects: bool, accepts: bool = True) -> Checked:
    """The same, for a program that goes on; only if it `accepts` does it keep what wildcards match."""
    settings = await asyncio.to_thread(_settings, environ, path)
    clock = SystemClock()
    models = Models(environ, clock)
    models.check(settings.agents, needs_prices=settings.limits_money)
    try:
        agents = tuple(
            CheckedAgent(name=agent.id, model=" ".join(dict.fromkeys((agent.backend.type, models.model(agent).name))))
            for agent in settings.agents
        )
    finally:
        await models.aclose()
    costs = ceilings(settings)
    checked = Checked(
        at=clock.now(),
        agents=agents,
        servers=tuple(server.name for server in settings.servers),
        policy=settings.profile(allow_requester_default=True).policy,
        warnings=settings.warnings,
        costs=costs,
        whole_cost=run_ceiling(settings, costs),
    )
    if not connects:
        return checked
    async with McpHub() as hub:
        definitions = await hub.definitions(settings.servers)
    complaints = tuple(unmatched_rules(settings, definitions))
    accepted, changed = await _accepted(environ, settings, definitions, accepts=accepts and not complaints)
    return replace(
        checked,
        tools=_rows(settings, definitions, accepted),
        complaints=complaints,
        warnings=(*settings.warnings, *doubtful_vouchers(settings, definitions)),
        is_connected=True,
        changes=changed,
    )


async def _accepted(
    environ: Mapping[str, str], settings: Settings, definitions: Sequence[ToolDefinition], *, accepts: bool
) -> tuple[Accepted, Changes]:
    """The lists that hold now, made anew if the check `accepts`, and how they differ from those before."""
    now = lists_now(settings.profile().agents, [each for each in definitions if not each.unusable])
    accepted, changed = Accepted(config=settings.origin, lists=now), NO_CHANGES
    if not now:
        return accepted, changed
    async with SqlReadLists.open(database_url(environ), makes=[desk_metadata]) as lists:
        if not accepts:
            return Accepted(config=settings.origin, lists=await lists.load(settings.origin)), changed
        return accepted, changes(await lists.replace(settings.origin, now), now)


def _settings(environ: Mapping[str, str], path: Path) -> Settings:
    return load(path.absolute(), environ)


def _rows(settings: Settings, definitions: Sequence[ToolDefinition], accepted: Accepted) -> tuple[ToolRow, ...]:
    return tuple(
        ToolRow(
            agent=agent.id,
            server=each.server,
            tool=each.tool,
            effect=Effect.DENY if each.unusable else ruling.effect,
            reason=f"can't be used: it {each.unusable}" if each.unusable else ruling.reason,
        )
        for agent in settings.agents
        for each, ruling in ruled(agent, definitions, accepted)
    )
