"""Which module builds a model of each family. A vendor's library is loaded when the first of its models is built."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from coordination.errors import ConfigError
from coordination.ports import Clock, Model
from coordination.settings import AgentSettings, BackendSettings, Family

_BUILDERS: Mapping[Family, str] = {
    "scripted": "bot.wiring.scripted:open_builder",
    "chat": "bot.wiring.chat_completions:open_builder",
}


class Builder(Protocol):
    """Builds the models of one family; what they share lives as long as it."""

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent.

        Raises:
            ConfigError: it can't be built; the text names the agent and says what is missing.
        """
        ...

    async def aclose(self) -> None:
        """Free what the models shared."""
        ...


OpenBuilder = Callable[[Mapping[str, str], Clock], Builder]


class Models:
    """Every model of the process."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._builders: dict[Family, Builder] = {}

    def check(self, agents: Sequence[AgentSettings]) -> None:
        """Look whether every agent's model can be built, without building any.

        Raises:
            ConfigError: some are of a kind that can't be used here.
        """
        complaints = [
            f"agent {agent.id}: the backend type {agent.backend.type} can't be used yet; {_INSTEAD}."
            for agent in agents
            if agent.backend.provider.family not in _BUILDERS
        ]
        if complaints:
            raise ConfigError(complaints)

    def model(self, agent: AgentSettings) -> Model:
        """The model of one agent.

        Raises:
            ConfigError: it can't be built; the text names the agent and says what is missing.
        """
        self.check([agent])
        backend = agent.backend
        family = backend.provider.family
        if family not in self._builders:
            module, _, name = _BUILDERS[family].partition(":")
            open_builder = cast("OpenBuilder", getattr(import_module(module), name))
            self._builders[family] = open_builder(self._environ, self._clock)
        return self._builders[family].build(agent.id, backend)

    async def aclose(self) -> None:
        """Free what the models shared."""
        closing: list[Awaitable[None]] = [builder.aclose() for builder in self._builders.values()]
        self._builders.clear()
        for each in closing:
            await each


_INSTEAD = "usable now are `scripted`, and every type that speaks Chat Completions, such as chatcompletion or ollama"
