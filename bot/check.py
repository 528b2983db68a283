"""Checks a configuration: its servers and their tools, what it may cost, and each model on this machine."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from bot.chat.approvers import quorums_in
from bot.chat.sql_tables import chat_metadata
from bot.model_trials import nothing_listens
from bot.variables import Environment
from coordination.clock import SystemClock
from coordination.config import (
    AgentSettings,
    BackendSettings,
    Settings,
    doubtful_undos,
    doubtful_vouchers,
    hidden_rules,
    load,
    parse,
    read_operator_policy,
    read_text,
    unmatched_rules,
    with_operator_policy,
)
from coordination.config.chat_tools import BUILT_IN
from coordination.config.diagnostics import quoted
from coordination.domain.policy import Policy
from coordination.domain.quorums import Quorum
from coordination.domain.tool_rules import Effect, sounds_like_writing
from coordination.errors import ToolServerError
from coordination.llm.prices import unlisted
from coordination.llm.registry import Models, cost_of, longest_request
from coordination.mcp_tools.hub import McpHub
from coordination.pinned_tools import PINNED, Drift, drift, pins_now
from coordination.ports import ToolDefinition, Usage
from coordination.preparation import ServerTools, list_tools
from coordination.read_lists import NO_CHANGES, Accepted, Changes, changes, lists_now
from coordination.storage.sql_read_lists import SqlReadLists
from coordination.text import Text
from coordination.toolbox import ruled

_MOST_NAMED = 5

LONGEST_REPLY = {"anthropic": 32_000}
"""What a reply may have where the configuration does not say, in the APIs that must be told."""


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """One agent's share at the very most. `dollars` is None where it can't be known."""

    agent: str
    calls: int
    dollars: float | None


USUAL_CALLS = 6
"""Model calls of one agent in a usual run: an answer and a vote, each after a few reads or a correction."""

USUAL = Usage(input_tokens=6_000, output_tokens=700)
"""One of them: the prompt with some tools and the others' answers, and a short text or call."""

_BEYOND_USUAL = 10


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will most likely use.

    Attributes:
        dollars: None where a price is not known.
        limit: what to write to end a run that uses many times that; empty where runs have a limit.
    """

    calls: int
    dollars: float | None
    limit: str


def usual_run(settings: Settings) -> Estimate | None:
    """An estimate of a run in which nothing goes wrong; None where every agent plays a script."""
    backends = [agent.backend for agent in settings.agents if agent.backend.provider.family != "scripted"]
    if not backends:
        return None
    calls = USUAL_CALLS * len(backends)
    each = [cost_of(backend, USUAL) for backend in backends]
    known = [dollars for dollars in each if dollars is not None]
    dollars = USUAL_CALLS * sum(known) if len(known) == len(each) else None
    if settings.limits.money_per_run is not None or settings.limits.tokens_per_run is not None:
        limit = ""
    elif dollars:
        limit = f"limits: {{money_per_run: {_rounded_up(_BEYOND_USUAL * dollars):g}}}"
    else:
        tokens = _BEYOND_USUAL * calls * (USUAL.input_tokens + USUAL.output_tokens)
        limit = f"limits: {{tokens_per_run: {_rounded_up(tokens):.0f}}}"
    return Estimate(calls=calls, dollars=dollars, limit=limit)


def _rounded_up(amount: float) -> float:
    """The next amount that a person would write: 1, 2 or 5 and zeros; a cent at least."""
    power = 10.0 ** math.floor(math.log10(max(amount, 0.01)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= amount or step == 10)


def ceilings(settings: Settings) -> tuple[Ceiling, ...]:
    """The most that each agent could use if it did everything that it may, with requests as long as its model takes."""
    return tuple(_ceiling(settings, agent) for agent in settings.agents if agent.backend.provider.family != "scripted")


def run_ceiling(settings: Settings, agents: Sequence[Ceiling]) -> float | None:
    """The most that a run could cost; None: unknown. The calls under way when a limit is passed come on top of it."""
    money = settings.limits.money_per_run
    shares = [agent.dollars for agent in agents if agent.dollars is not None]
    whole = sum(shares) if len(shares) == len(agents) else None
    by_tokens = _by_tokens(settings)
    known = [each for each in (money, whole, by_tokens) if each is not None]
    return min(known) if known else None


def _ceiling(settings: Settings, agent: AgentSettings) -> Ceiling:
    options = settings.options
    everyone = options.max_new_answers_per_agent * len(settings.agents)
    answers = min(everyone, options.max_new_answers_global or everyone)
    # Its own answers, a vote after each answer of anybody, a last vote; then the presentation and the report.
    turns = options.max_new_answers_per_agent + answers + 1 + (options.final_presentation == "present")
    calls = turns * (options.max_tool_rounds + options.max_corrections) + 1
    each = [_dearest(backend) for backend in (agent.backend, agent.backend.fallback) if backend is not None]
    known = [dollars for dollars in each if dollars is not None]
    return Ceiling(agent=agent.id, calls=calls, dollars=calls * max(known) if len(known) == len(each) else None)


def _dearest(backend: BackendSettings) -> float | None:
    longest = longest_request(backend)
    if longest is None:
        return None
    reply = backend.options.output_tokens or LONGEST_REPLY.get(backend.provider.family, longest)
    return cost_of(backend, Usage(input_tokens=longest, output_tokens=reply))


def _by_tokens(settings: Settings) -> float | None:
    """All tokens of the run at the price of the dearest model's dearest token."""
    tokens = settings.limits.tokens_per_run
    if tokens is None:
        return None
    rates: list[float] = []
    for agent in settings.agents:
        for backend in (agent.backend, agent.backend.fallback):
            if backend is None or backend.provider.family == "scripted":
                continue
            rate = _dearest_token(backend)
            if rate is None:
                return None
            rates.append(rate)
    return tokens * max(rates) if rates else 0.0


def _dearest_token(backend: BackendSettings) -> float | None:
    longest = longest_request(backend) or 1
    long = cost_of(backend, Usage(input_tokens=longest))
    both = cost_of(backend, Usage(input_tokens=longest, output_tokens=1_000))
    if long is None or both is None:
        return None
    return max(long / longest, (both - long) / 1_000)


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
    reason: Text


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found. `diagnostics` are rules that fit no tool: a run would refuse to start.

    `quorums` are those whose approval single calls need, `barred_alone` the calls that rules let nobody approve alone.
    `absent` are the optional servers that can't be used, `last_lines` what they wrote last.
    """

    at: datetime
    agents: tuple[CheckedAgent, ...]
    servers: tuple[str, ...]
    policy: Policy
    warnings: tuple[Text, ...]
    quorums: tuple[Quorum, ...] = ()
    barred_alone: tuple[str, ...] = ()
    tools: tuple[ToolRow, ...] = ()
    diagnostics: tuple[Text, ...] = ()
    absent: tuple[str, ...] = ()
    last_lines: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    is_connected: bool = False
    costs: tuple[Ceiling, ...] = ()
    whole_cost: float | None = None
    usual: Estimate | None = None
    changes: Changes = NO_CHANGES
    drift: tuple[Drift, ...] = ()


Accepts: TypeAlias = Literal["nothing", "new", "all"]
"""What a check keeps: what wildcards match now, or also the tools of pinned servers that have changed since they were
accepted."""


def check_config(environment: Environment, path: Path, *, connects: bool, accepts: Accepts = "new") -> Checked:
    """Read a configuration and, if it `connects`, ask its servers for their tools, and accept what they have.

    Raises:
        ConfigError: the configuration can't be used.
        StorageError: the database can't keep what was accepted.
        ToolServerError: a server that is not optional can't be used.
    """
    return asyncio.run(checked_config(environment, path, connects=connects, accepts=accepts))


async def checked_config(
    environment: Environment, path: Path, *, connects: bool, accepts: Accepts = "new", tenant: str = ""
) -> Checked:
    """The same, for a program that goes on, as a `tenant`'s run would read it."""
    settings = await asyncio.to_thread(_settings, environment, path, tenant)
    checked = await _read(environment, settings)
    if not connects:
        return checked
    async with McpHub() as hub:
        try:
            found = await list_tools(hub, settings.servers)
        except ToolServerError as error:
            raise ToolServerError(error.text, last_lines=hub.last_lines()) from None
        again = await _listed_again(hub, settings, found)
        last_lines = hub.last_lines()
    drifted = await _drift(environment, settings, found)
    diagnostics = (
        *unmatched_rules(settings, found.definitions, absent=found.absent),
        *hidden_rules(settings, found.definitions),
        *(each.told(settings.origin) for each in drifted if accepts != "all"),
    )
    accepted, changed = await _accepted(environment, settings, found, accepts=accepts != "nothing" and not diagnostics)
    return replace(
        checked,
        tools=_rows(settings, found.definitions, accepted),
        diagnostics=diagnostics,
        warnings=(
            *checked.warnings,
            *_found_out(settings, found),
            *_unsteady(found, again),
            *await _not_running(settings),
        ),
        absent=tuple(found.absent),
        last_lines=last_lines,
        is_connected=True,
        changes=changed,
        drift=drifted,
    )


async def unusable_models(environment: Environment, path: Path, *, tenant: str) -> list[Text]:
    """Why models of a configuration that is fine as written can't be asked from here; no model is asked.

    Raises:
        ConfigError: the configuration can't be used.
    """
    settings = await asyncio.to_thread(_settings, environment, path, tenant)
    await _read(environment, settings)
    return await _not_running(settings)


async def _read(environment: Environment, settings: Settings) -> Checked:
    """What the configuration itself says."""
    clock = SystemClock()
    models = Models(clock, pace=environment.pace())
    models.check(settings.agents, needs_prices=settings.limits_money)
    try:
        agents = tuple(
            CheckedAgent(name=agent.id, model=" ".join(dict.fromkeys((agent.backend.type, models.model(agent).name))))
            for agent in settings.agents
        )
    finally:
        await models.aclose()
    costs, profile = ceilings(settings), settings.profile(allow_requester_default=True)
    return Checked(
        at=clock.now(),
        agents=agents,
        servers=tuple(server.name for server in settings.servers),
        policy=profile.policy,
        quorums=quorums_in(profile),
        barred_alone=tuple(
            dict.fromkeys(
                each.match for agent in settings.agents for each in agent.rules if each.needs.bars_break_glass
            )
        ),
        warnings=(*settings.warnings, *_unknown_models(settings), *_without_servers(settings)),
        costs=costs,
        whole_cost=run_ceiling(settings, costs),
        usual=usual_run(settings),
    )


def _found_out(settings: Settings, found: ServerTools) -> tuple[Text, ...]:
    """The warnings that only the servers themselves give rise to."""
    without = [Text("{why} It is optional: agents plan without it.", why=reason) for reason in found.absent.values()]
    return (
        *doubtful_vouchers(settings, found.definitions),
        *doubtful_undos(settings, found.definitions),
        *_unnamed(settings, found.definitions),
        *without,
    )


async def _not_running(settings: Settings) -> list[Text]:
    """A warning for each model whose server is to be on this machine, and is not running."""
    problems = await asyncio.gather(*(nothing_listens(agent.backend) for agent in settings.agents))
    return [
        Text("The model of {agent} can't be reached: {problem}.", agent=agent.id, problem=problem)
        for agent, problem in zip(settings.agents, problems, strict=True)
        if problem
    ]


def _unknown_models(settings: Settings) -> Iterator[Text]:
    """A warning for each model that a vendor's own address is asked for and the table of prices does not list."""
    for agent in settings.agents:
        backend: BackendSettings | None = agent.backend
        while backend is not None:
            is_vendors = backend.base_url == backend.provider.base_url
            near = unlisted(backend.type, backend.model) if is_vendors else None
            if near is not None:
                yield _unknown_model(agent.id, backend, near)
            backend = backend.fallback


def _unknown_model(agent: str, backend: BackendSettings, near: str) -> Text:
    values = {"model": quoted(backend.model, 100), "agent": agent, "provider": backend.provider.title}
    if near:
        return Text(
            "Unknown {provider} model {model} (agent {agent}). Did you mean {near}? If not, the model may be newer "
            "than this program; check --try tests it.",
            near=near,
            **values,
        )
    return Text(
        "Unknown {provider} model {model} (agent {agent}). It may be newer than this program; check --try tests it.",
        **values,
    )


def _without_servers(settings: Settings) -> tuple[Text, ...]:
    if settings.servers:
        return ()
    return (Text("There are no tool servers: agents can only answer. List servers under mcp_servers."),)


def _unnamed(settings: Settings, definitions: Sequence[ToolDefinition]) -> Iterator[Text]:
    """A warning for each server of whose tools no rule of any agent says anything, so that not even reads run."""
    all_rules = [rule for agent in settings.agents for rule in agent.rules]
    rules = [rule for rule in all_rules if not rule.is_operators and rule.source != BUILT_IN]
    for server in settings.servers:
        tools = [each.tool for each in definitions if each.server == server.name and not each.unusable]
        if tools and not any(rule.matches(server.name, tool) for rule in rules for tool in tools):
            reads = next((tool for tool in tools if not sounds_like_writing(tool)), tools[0])
            yield Text(
                "No rule names a tool of {server}, so people are asked about every call, and agents can't look "
                "anything up "
                "while they plan. List read-only tools under tools, for example {{match: {server}.{tool}, effect: "
                "read}}.",
                server=server.name,
                tool=reads,
            )


async def _listed_again(hub: McpHub, settings: Settings, found: ServerTools) -> Sequence[ToolDefinition]:
    """The tools as the servers list them a second time; those of the first where they don't."""
    try:
        return await hub.definitions([each for each in settings.servers if each.name not in found.absent], fresh=True)
    except ToolServerError:
        return found.definitions


def _unsteady(found: ServerTools, again: Sequence[ToolDefinition]) -> Iterator[Text]:
    """A warning for each server that lists other tools when it is asked twice in a row."""
    before, after = ({(each.server, each.tool, each.digest) for each in tools} for tools in (found.definitions, again))
    differing: dict[str, set[str]] = {}
    for server, tool, _ in before ^ after:
        differing.setdefault(server, set()).add(tool)
    for server, tools in sorted(differing.items()):
        yield Text(
            "{server} lists different tools when it is asked twice in a row ({tools}): an approved call doesn't run "
            "once its "
            "tool has changed. The operator must find out what changes them.",
            server=server,
            tools=", ".join(sorted(tools)[:_MOST_NAMED]),
        )


async def _accepted(
    environment: Environment, settings: Settings, found: ServerTools, *, accepts: bool
) -> tuple[Accepted, Changes]:
    """The lists that hold now, made anew if the check `accepts`, and how they differ from those before.

    Those of servers that are absent are kept: whatever such a server has when it is back, nobody has accepted it.
    """
    usable = [each for each in found.definitions if not each.unusable]
    agents = settings.profile().agents
    now = (*lists_now(agents, usable, found.absent), *pins_now(agents, usable, found.absent))
    accepted, changed = Accepted(config=settings.origin, lists=now), NO_CHANGES
    if not now:
        return accepted, changed
    async with SqlReadLists.open(environment.database_url(), makes=[chat_metadata]) as lists:
        if not accepts:
            return Accepted(config=settings.origin, lists=await lists.load(settings.origin)), changed
        kept = (
            [each for each in await lists.load(settings.origin) if each.server in found.absent] if found.absent else []
        )
        earlier = await lists.replace(settings.origin, (*now, *kept))
        return accepted, changes([each for each in earlier if each.match != PINNED], now)


async def _drift(environment: Environment, settings: Settings, found: ServerTools) -> tuple[Drift, ...]:
    """How the tools of pinned servers differ from what was accepted."""
    usable = [each for each in found.definitions if not each.unusable]
    now = pins_now(settings.profile().agents, usable, found.absent)
    if not now:
        return ()
    async with SqlReadLists.open(environment.database_url(), makes=[chat_metadata]) as lists:
        return tuple(drift(await lists.load(settings.origin), now))


def _settings(environment: Environment, path: Path, tenant: str) -> Settings:
    operator = read_operator_policy(environment.operator_policy)
    return load(path.absolute(), environment.for_configs(tenant), operator=operator)


def read_for_rules(environment: Environment, path: Path, tenant: str) -> Settings:
    """A configuration as a process reads it that asks no model and starts no tool server, and lacks what those need.

    Raises:
        ConfigError: it can't be used.
    """
    origin = path.absolute()
    text = with_operator_policy(read_text(origin), read_operator_policy(environment.operator_policy))
    return parse(text, origin=str(origin), environ=environment.for_configs(tenant), works=False)


def _rows(settings: Settings, definitions: Sequence[ToolDefinition], accepted: Accepted) -> tuple[ToolRow, ...]:
    return tuple(
        ToolRow(
            agent=agent.id,
            server=each.server,
            tool=each.tool,
            effect=Effect.DENY if each.unusable else ruling.effect,
            reason=Text("can't be used: it {problem}", problem=each.unusable) if each.unusable else ruling.reason,
        )
        for agent in settings.agents
        for each, ruling in ruled(agent, definitions, accepted)
    )
