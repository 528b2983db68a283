"""What a worker needs before it can touch a run: its configuration read, its models built, its tools listed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from coordination.deliberation import Seat
from coordination.domain.caller import Caller
from coordination.errors import ConfigError
from coordination.knobs import RunProfile
from coordination.ports import Model, ToolDefinition, ToolHub
from coordination.toolbox import offer, runs_at_once


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

    def complaints(self, definitions: Sequence[ToolDefinition]) -> Sequence[str]:
        """What the configuration says of tools that no server has."""
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
class Room:
    """Everything in place for a coordination."""

    profile: RunProfile
    seats: tuple[Seat, ...]


async def furnish(prepared: Prepared, hub: ToolHub, caller: Caller | None = None) -> Room:
    """Start the servers, list the tools, and give every agent its seat. What they read, they read for the `caller`.

    Raises:
        ConfigError: the rules name tools that do not exist.
        ToolServerError: a server can't be used. No agent is let loose without its tools.
    """
    profile = prepared.profile
    # A server and a vendor's library take about as long to be there, and neither needs the other.
    definitions, _ = await asyncio.gather(hub.definitions(profile.servers), prepared.load())
    complaints = prepared.complaints(definitions)
    if complaints:
        raise ConfigError(list(complaints))
    seats: list[Seat] = []
    for agent, model in zip(profile.agents, prepared.models(), strict=True):
        tools = offer(agent, definitions)
        allowed = frozenset(
            (tool.definition.server, tool.definition.tool) for tool in tools.values() if runs_at_once(tool.effect)
        )
        reader = hub.reader(agent.servers, allowed, caller)
        seats.append(Seat(profile=agent, model=model, tools=tools, reader=reader))
    return Room(profile=profile, seats=tuple(seats))
