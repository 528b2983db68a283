"""Which module builds a model of each family. A vendor's library is loaded when the first of its models is built."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from coordination.adapters.extras import Extra, require_extra
from coordination.errors import ConfigError
from coordination.ports import Clock, Model
from coordination.settings import AgentSettings, BackendSettings, Family

_BUILDERS: Mapping[Family, str] = {
    "scripted": "bot.wiring.scripted:open_builder",
    "chat": "bot.wiring.chat_completions:open_builder",
    "responses": "bot.wiring.responses:open_builder",
    "anthropic": "bot.wiring.messages:open_builder",
    "gemini": "bot.wiring.gemini_models:open_builder",
    "claude_code": "bot.wiring.claude_code_models:open_builder",
}

_EXTRAS: Mapping[Family, Extra] = {"gemini": "gemini", "claude_code": "claude-code"}


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
            ConfigError: some need a library that is not installed.
        """
        complaints = [
            f"agent {agent.id}: {complaint}"
            for agent in agents
            if (complaint := _missing(agent.backend.provider.family)) is not None
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
        try:
            return self._builders[family].build(agent.id, backend)
        except ConfigError as error:
            raise ConfigError([f"agent {agent.id}: {complaint}" for complaint in error.complaints]) from None

    async def aclose(self) -> None:
        """Free what the models shared."""
        closing: list[Awaitable[None]] = [builder.aclose() for builder in self._builders.values()]
        self._builders.clear()
        for each in closing:
            await each


def _missing(family: Family) -> str | None:
    """What must be installed before a model of this family can be built."""
    extra = _EXTRAS.get(family)
    if extra is None:
        return None
    try:
        require_extra(extra)
    except ConfigError as error:
        return error.complaints[0]
    return None
