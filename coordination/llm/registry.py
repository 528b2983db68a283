"""Which module builds a model of each family. A vendor's library is loaded when the first of its models is built."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Protocol, cast

from coordination.config import AgentSettings, BackendSettings, Family
from coordination.errors import ConfigError, MissingLibraryError
from coordination.llm.backend_values import key_of
from coordination.llm.extras import Extra, install_command, is_installed, missing
from coordination.llm.fallback import FallbackModel
from coordination.llm.metered_model import MeteredModel
from coordination.llm.pricing import Pricing, cost_of
from coordination.llm.rate_limiter import Lanes, Throttle
from coordination.ports import Clock, Model, Usage
from coordination.redaction import EVERYTHING

_BUILDERS: Mapping[Family, str] = {
    "scripted": "coordination.llm.scripted_scripted:open_builder",
    "chat": "coordination.llm.chat_completions:open_builder",
    "responses": "coordination.llm.responses:open_builder",
    "anthropic": "coordination.llm.messages:open_builder",
    "gemini": "coordination.llm.gemini_models:open_builder",
    "claude_code": "coordination.llm.claude_code.claude_code_models:open_builder",
}

_EXTRAS: Mapping[Family, Extra] = {"claude_code": "claude-code"}


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


_FREE = Throttle()
_ANY = Usage(input_tokens=1, output_tokens=1)


class Models:
    """Every model of the process."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._builders: dict[Family, Builder] = {}
        self._loaded: set[Family] = set()
        self._lanes = Lanes(clock)
        self._pricing = Pricing()

    def check(self, agents: Sequence[AgentSettings], *, needs_prices: bool = False) -> None:
        """Look whether every agent's model can be built, without building any, and has a price if that is needed.

        Raises:
            ConfigError: some need a price that nobody knows.
            MissingLibraryError: all is well but for libraries that are not installed.
        """
        backends = [(agent, backend) for agent in agents for backend in _with_fallbacks(agent.backend)]
        unpriced = [
            f"agent {agent.id}: {complaint}"
            for agent, backend in backends
            if needs_prices and (complaint := _unpriced(backend)) is not None
        ]
        lacks: list[tuple[AgentSettings, Extra]] = [
            (agent, extra) for agent, backend in backends if (extra := _missing(backend.provider.family)) is not None
        ]
        complaints = [f"agent {agent.id}: {missing(extra)}" for agent, extra in lacks]
        if unpriced:
            raise ConfigError([*complaints, *unpriced])
        if complaints:
            commands = dict.fromkeys(install_command(extra) for _, extra in lacks)
            raise MissingLibraryError(complaints, commands=list(commands))

    async def load(self, agents: Sequence[AgentSettings]) -> None:
        """Load the libraries of these agents' families, in a thread: meanwhile the event loop does other things."""
        families: set[Family] = {
            backend.provider.family for agent in agents for backend in _with_fallbacks(agent.backend)
        }
        if missing := families - self._loaded:
            await asyncio.to_thread(lambda: [_opener(each) for each in sorted(missing)])
            self._loaded |= missing

    def model(self, agent: AgentSettings, throttle: Throttle = _FREE) -> Model:
        """The model of one agent, whose requests keep to the limits of their key.

        Raises:
            ConfigError: it can't be built; the text names the agent and says what is missing.
        """
        self.check([agent])
        try:
            first, *others = [self._metered(agent.id, each, throttle) for each in _with_fallbacks(agent.backend)]
        except ConfigError as error:
            raise ConfigError([f"agent {agent.id}: {complaint}" for complaint in error.complaints]) from None
        return FallbackModel(first, others[0], clock=self._clock) if others else first

    def shortest(self, agent: AgentSettings, tokens: int) -> Model:
        """The model of one agent without a second one behind it, for replies of so many tokens at most, thought little of."""
        short = {"max_tokens": tokens, "max_completion_tokens": tokens}
        without = dict.fromkeys(("thinking", "reasoning", "max_thinking_tokens"))
        options = agent.backend.options.model_copy(update={**short, **without})
        return self.model(replace(agent, backend=replace(agent.backend, options=options, fallback=None)))

    def _metered(self, agent: str, backend: BackendSettings, throttle: Throttle) -> Model:
        model = self._builder(backend.provider.family).build(agent, backend)
        if backend.provider.family == "scripted":
            return model
        EVERYTHING.learn(key_of(backend))  # a provider's failure may repeat it, and its library logs that
        lane = self._lanes.lane(base_url=backend.base_url, key=key_of(backend))
        return MeteredModel(model, lane=lane, throttle=throttle, price=self._pricing.price_of(backend))

    def _builder(self, family: Family) -> Builder:
        if family not in self._builders:
            self._builders[family] = _opener(family)(self._environ, self._clock)
        return self._builders[family]

    async def aclose(self) -> None:
        """Free what the models shared."""
        closing: list[Awaitable[None]] = [builder.aclose() for builder in self._builders.values()]
        self._builders.clear()
        for each in closing:
            await each


def extra_of(family: Family) -> Extra | None:
    """The extra that has the library of a family; None: it is always here."""
    return _EXTRAS.get(family)


def _opener(family: Family) -> OpenBuilder:
    """What builds this family's models; its vendor's library is loaded here."""
    module, _, name = _BUILDERS[family].partition(":")
    return cast("OpenBuilder", getattr(import_module(module), name))


def _missing(family: Family) -> Extra | None:
    """What must be installed before a model of this family can be built."""
    extra = extra_of(family)
    return None if extra is None or is_installed(extra) else extra


def _unpriced(backend: BackendSettings) -> str | None:
    """Why a limit in money can't be kept with this model."""
    if backend.provider.family == "scripted" or cost_of(backend, _ANY) is not None:
        return None
    return (
        f"the price of {backend.model or backend.type} is not known here, so limits in money can't be kept; the operator "
        "must write price into its backend, or limit tokens instead."
    )


def _with_fallbacks(backend: BackendSettings) -> tuple[BackendSettings, ...]:
    return (backend,) if backend.fallback is None else (backend, backend.fallback)
