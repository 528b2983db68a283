"""What a worker needs before it can touch a run: its configuration read, its models built, its tools listed."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from coordination.deliberation import Participant
from coordination.domain.caller import Caller
from coordination.errors import ConfigError
from coordination.ports import Model, ReadLists, ToolDefinition, ToolHub
from coordination.read_lists import Accepted, lists_now, missing
from coordination.run_options import RunProfile
from coordination.toolbox import offer, runs_at_once

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
        self, definitions: Sequence[ToolDefinition], asking: frozenset[tuple[str, str]] = frozenset()
    ) -> Sequence[str]:
        """What is wrong with its rules for these tools; those (server, tool) that are `run_starter` are no reads."""
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
    """Everything in place for a coordination."""

    profile: RunProfile
    participants: tuple[Participant, ...]


async def prepare(
    prepared: Prepared,
    hub: ToolHub,
    caller: Caller | None = None,
    read_lists: ReadLists | None = None,
    now: RunProfile | None = None,
) -> PreparedRun:
    """Start the servers, list the tools, and prepare every agent. What they read, they read for the `caller`.

    A tool that a wildcard of a `read` rule matches asks unless it is in the `read_lists`; where there is no list, it is made.
    Where other rules hold by `now`, the stricter of both decide.

    Raises:
        ConfigError: the rules name tools that do not exist.
        ToolServerError: a server can't be used. No agent is let loose without its tools.
    """
    profile = prepared.profile
    # A server and a vendor's library take about as long to be there, and neither needs the other.
    definitions, _ = await asyncio.gather(hub.definitions(profile.servers), prepared.load())
    accepted = await _accepted(prepared, definitions, read_lists)
    participants: list[Participant] = []
    for agent, model in zip(profile.agents, prepared.models(), strict=True):
        tools = offer(agent, definitions, accepted, now)
        allowed = frozenset(
            (tool.definition.server, tool.definition.tool) for tool in tools.values() if runs_at_once(tool.effect)
        )
        reader = hub.reader(agent.servers, allowed, caller)
        participants.append(Participant(profile=agent, model=model, tools=tools, reader=reader))
    return PreparedRun(profile=profile, participants=tuple(participants))


async def _accepted(
    prepared: Prepared, definitions: Sequence[ToolDefinition], read_lists: ReadLists | None
) -> Accepted | None:
    """The lists that hold, made where there are none; a configuration that is refused makes none."""
    profile = prepared.profile
    usable = [each for each in definitions if not each.unusable]
    now = lists_now(profile.agents, usable) if read_lists is not None else ()
    kept = await read_lists.load(profile.origin) if read_lists is not None and now else ()
    accepted = Accepted(config=profile.origin, lists=kept)
    refused = list(accepted.refused(profile.agents, usable))
    asking = frozenset((each.server, each.tool) for each, _ in refused)
    if diagnostics := prepared.diagnostics(definitions, asking):
        raise ConfigError(list(diagnostics))
    for each in definitions:
        if each.unusable:
            _log.warning("no agent is offered %s.%s: the tool %s", each.server, each.tool, each.unusable)
    for each, ruling in refused:
        _log.warning("%s.%s asks instead of being read: %s", each.server, each.tool, ruling.reason)
    if read_lists is None or not (new := missing(kept, now)):
        return accepted
    return Accepted(config=profile.origin, lists=await read_lists.add(profile.origin, new))
