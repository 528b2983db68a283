"""What a worker prepares before it works on a run: reads its configuration, builds its models, lists its tools."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from coordination.deliberation import Participant
from coordination.domain.caller import Caller
from coordination.domain.conditions import CallContext
from coordination.domain.events import RunRequested
from coordination.domain.tool_rules import UNKNOWN_CALL
from coordination.errors import ConfigError, ToolServerError
from coordination.pinned_tools import drift, pins_now
from coordination.ports import (
    Model,
    ReadList,
    ReadLists,
    ReadTools,
    RunLog,
    ServerSpec,
    ToolCatalogue,
    ToolDefinition,
    ToolHub,
)
from coordination.read_lists import Accepted, lists_now, missing
from coordination.run_options import AgentProfile, RunProfile
from coordination.text import Text
from coordination.toolbox import OfferedTool, offer, unusable_tools

_log = logging.getLogger(__name__)


class Prepared(Protocol):
    """A configuration that was read and found good."""

    @property
    def profile(self) -> RunProfile:
        """The configuration without its models."""
        ...

    async def load(self) -> None:
        """Load the vendors' libraries, beside the event loop: some take half a second."""
        ...

    def models(self) -> Sequence[Model]:
        """One model per agent, in agent order. Whoever is not to wait for vendors' libraries has called `load`.

        Raises:
            ConfigError: a backend can't be built; the text says what is missing.
        """
        ...

    def diagnostics(
        self,
        definitions: Sequence[ToolDefinition],
        asking: frozenset[tuple[str, str]] = frozenset(),
        absent: Collection[str] = (),
    ) -> Sequence[Text]:
        """What is wrong with its rules for these tools.

        Those (server, tool) that are `asking` are no reads; rules for servers that are `absent` may fit no tool.
        """
        ...


class Configure(Protocol):
    """Reads a configuration's text for a tenant."""

    def __call__(self, text: str, origin: str, tenant: str) -> Prepared:
        """The configuration, checked.

        Raises:
            ConfigError: with every complaint at once.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """Everything in place for a coordination. `absent` has the optional servers that can't be used, and why."""

    profile: RunProfile
    participants: tuple[Participant, ...]
    absent: Mapping[str, Text] = field(default_factory=dict[str, Text])


@dataclass(frozen=True, kw_only=True)
class AgentTools:
    """What one agent may touch while it plans, and what it can't."""

    tools: Mapping[str, OfferedTool]
    reader: ReadTools
    absent: tuple[str, ...] = ()
    unusable: Mapping[str, ToolDefinition] = field(default_factory=dict[str, ToolDefinition])


@dataclass(frozen=True, kw_only=True)
class ServerTools:
    """The tools of some servers, in the servers' order, and after them those that can't be used.

    Attributes:
        absent: the optional servers that can't be used now, and why, in a sentence.
    """

    definitions: Sequence[ToolDefinition]
    absent: Mapping[str, Text] = field(default_factory=dict[str, Text])


async def list_tools(hub: ToolCatalogue, servers: Sequence[ServerSpec]) -> ServerTools:
    """The tools of all servers. Those that are needed fail together, each optional one for itself.

    Raises:
        ToolServerError: a server that is not optional can't be used.
    """
    needed = [each for each in servers if not each.is_optional]
    optional = [each for each in servers if each.is_optional]
    found, *others = await asyncio.gather(
        _tools_or_error(hub, needed), *(_tools_or_error(hub, [each]) for each in optional)
    )
    if isinstance(found, ToolServerError):
        raise found
    absent = {
        server.name: error.text
        for server, error in zip(optional, others, strict=True)
        if isinstance(error, ToolServerError)
    }
    tools = [*found, *(tool for each in others if not isinstance(each, ToolServerError) for tool in each)]
    places = {server.name: place for place, server in enumerate(servers)}
    tools.sort(key=lambda tool: (bool(tool.unusable), places[tool.server]))
    return ServerTools(definitions=tools, absent=absent)


async def _tools_or_error(
    hub: ToolCatalogue, servers: Sequence[ServerSpec]
) -> Sequence[ToolDefinition] | ToolServerError:
    try:
        return await hub.definitions(servers)
    except ToolServerError as error:
        return error


async def prepare(
    prepared: Prepared,
    hub: ToolHub,
    caller: Caller | None = None,
    read_lists: ReadLists | None = None,
    now: RunProfile | None = None,
    asked: CallContext = UNKNOWN_CALL,
    *,
    time: Callable[[], datetime] | None = None,
) -> PreparedRun:
    """Start the servers, list the tools, and prepare every agent. What they read, they read for the `caller`.

    A tool that a wildcard of a `read` rule matches asks unless it is in the `read_lists`; where there is no list, it is
    made. Where other rules hold by `now`, the stricter of both decide. `asked` says who asked, and where, and `time`
    when an agent makes a call.

    Raises:
        ConfigError: the rules name tools that do not exist.
        ToolServerError: a server that is not optional can't be used. No agent is let loose without its tools.
    """
    profile = prepared.profile
    # A server and a vendor's library take about as long to be there, and neither needs the other.
    found, _ = await asyncio.gather(list_tools(hub, profile.servers), prepared.load())
    accepted = await _accepted(prepared, found, read_lists)
    participants: list[Participant] = []
    for agent, model in zip(profile.agents, prepared.models(), strict=True):
        own = _tools_of(agent, hub, found, accepted, caller=caller, now=now, asked=asked, time=time)
        participants.append(
            Participant(
                profile=agent,
                model=model,
                tools=own.tools,
                reader=own.reader,
                absent=own.absent,
                unusable=own.unusable,
            )
        )
    return PreparedRun(profile=profile, participants=tuple(participants), absent=found.absent)


async def prepare_tools(
    prepared: Prepared,
    number: int,
    hub: ToolHub,
    caller: Caller | None = None,
    *,
    read_lists: ReadLists | None = None,
    now: RunProfile | None = None,
    asked: CallContext = UNKNOWN_CALL,
    time: Callable[[], datetime] | None = None,
) -> AgentTools:
    """The tools of the agent of this number alone, as `prepare` would give them; no model is built.

    Raises:
        ConfigError: the rules name tools that do not exist, or there is no such agent.
        ToolServerError: a server that is not optional can't be used.
    """
    profile = prepared.profile
    agent = next((each for each in profile.agents if each.number == number), None)
    if agent is None:
        raise ConfigError([Text("the configuration has no agent {number}", number=number)])
    found = await list_tools(hub, profile.servers)
    accepted = await _accepted(prepared, found, read_lists)
    return _tools_of(agent, hub, found, accepted, caller=caller, now=now, asked=asked, time=time)


def _tools_of(
    agent: AgentProfile,
    hub: ToolHub,
    found: ServerTools,
    accepted: Accepted | None,
    *,
    caller: Caller | None,
    now: RunProfile | None,
    asked: CallContext,
    time: Callable[[], datetime] | None,
) -> AgentTools:
    tools = offer(agent, found.definitions, accepted, now, asked, time)
    allowed = frozenset((tool.definition.server, tool.definition.tool) for tool in tools.values() if tool.may_read)
    return AgentTools(
        tools=tools,
        reader=hub.reader(agent.servers, allowed, caller),
        absent=tuple(server.name for server in agent.servers if server.name in found.absent),
        unusable=unusable_tools(agent, found.definitions, tools),
    )


async def _accepted(prepared: Prepared, found: ServerTools, read_lists: ReadLists | None) -> Accepted | None:
    """The lists that hold, made where there are none; a configuration that is refused makes none.

    Raises:
        ToolServerError: a pinned server's tools are not what was accepted.
    """
    profile = prepared.profile
    usable = [each for each in found.definitions if not each.unusable]
    now = _lists_now(profile, usable, found) if read_lists is not None else ()
    kept = await read_lists.load(profile.origin) if read_lists is not None and now else ()
    if changed := [each.told(profile.origin) for each in drift(kept, now)]:
        raise ToolServerError(Text.joined(". ", changed))
    accepted = Accepted(config=profile.origin, lists=kept)
    refused = list(accepted.refused(profile.agents, usable))
    asking = frozenset((each.server, each.tool) for each, _ in refused)
    if diagnostics := prepared.diagnostics(found.definitions, asking, found.absent):
        raise ConfigError(list(diagnostics))
    for server, reason in found.absent.items():
        _log.warning("agents plan without the optional server %s: %s", server, reason)
    for each in found.definitions:
        if each.unusable:
            _log.warning("no agent is offered %s.%s: the tool %s", each.server, each.tool, each.unusable)
    for each, ruling in refused:
        _log.warning("%s.%s asks instead of being read: %s", each.server, each.tool, ruling.reason)
    if read_lists is None or not (new := missing(kept, now)):
        return accepted
    return Accepted(config=profile.origin, lists=await read_lists.add(profile.origin, new))


def _lists_now(profile: RunProfile, usable: Sequence[ToolDefinition], found: ServerTools) -> Sequence[ReadList]:
    pins = pins_now(profile.agents, usable, found.absent)
    return (*lists_now(profile.agents, usable, found.absent), *pins)


def stored_rules(log: RunLog, configure: Configure) -> Callable[[RunRequested], Awaitable[RunProfile]]:
    """Reads what a run began with."""

    async def began_with(request: RunRequested) -> RunProfile:
        return configure(*await log.load_config(request.config_digest), request.tenant).profile

    return began_with
