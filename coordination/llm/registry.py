"""Which module builds a model of each family, which library it needs, and what it costs. Libraries load late.

The project's own name is not used for that: as long as nobody has published it, `pip install 'massgen-bot[…]'` installs what
a stranger puts there.
"""

import asyncio
import importlib.util
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, cast

from coordination.config import AgentSettings, BackendSettings, Family
from coordination.config.providers import provider_at
from coordination.config.sections import PriceKeys
from coordination.errors import ConfigError, MissingLibraryError
from coordination.llm.http import key_of
from coordination.llm.metered_model import FallbackModel, MeteredModel, PriceOf
from coordination.llm.rate_limiter import RateLimiters, Throttle
from coordination.ports import Clock, Model, Usage
from coordination.redaction import EVERYTHING

Extra: TypeAlias = Literal["claude-code"]
Find: TypeAlias = Callable[[str], object | None]

_MODULES: dict[Extra, str] = {"claude-code": "claude_agent_sdk"}
LOCKED: dict[Extra, str] = {"claude-code": "claude-agent-sdk==0.2.187"}
"""What the lock has: a test compares."""

HOME = Path(__file__).resolve().parents[2]
"""The checkout, or the package that a wheel was unpacked to."""


def is_installed(extra: Extra, *, find: Find = importlib.util.find_spec) -> bool:
    """Whether the library of this extra can be imported; it is not imported by asking."""
    try:
        return find(_MODULES[extra]) is not None
    except ModuleNotFoundError:
        # The package around it is missing too.
        return False


def require_extra(extra: Extra, *, find: Find = importlib.util.find_spec) -> None:
    """Go on only if the library is installed: to be called before an adapter that needs it is imported.

    Raises:
        MissingLibraryError: it is not installed; the text says who must act, `commands` what to type.
    """
    if not is_installed(extra, find=find):
        raise MissingLibraryError([missing(extra)], commands=[install_command(extra)])


def missing(extra: Extra) -> str:
    """The sentence for a library that is not here. It names no path, for it is also shown in chats."""
    return (
        f"the library for {extra} is not installed here; the operator must install it (`massgen-bot models` says how)."
    )


def install_command(
    extra: Extra,
    *,
    home: Path = HOME,
    here: Path | None = None,
    prefix: str = sys.prefix,
    find: Find = importlib.util.find_spec,
) -> str:
    """What installs the library into the environment that this program runs in, typed in the folder `here`."""
    if (home / "Makefile").is_file() and Path(prefix) == home / ".venv":
        return f"make {extra}" if (here or Path.cwd()) == home else shlex.join(["make", "-C", str(home), extra])
    return shlex.join([*_installer(Path(prefix), find), LOCKED[extra]])


def _installer(prefix: Path, find: Find) -> list[str]:
    """pip, where the environment has one; tools that uv installed have none."""
    python = str(prefix / "bin/python")
    if find("pip") is not None:
        return [python, "-m", "pip", "install"]
    return ["uv", "pip", "install", "--python", python]


_TABLE = "coordination.llm.prices"
_MILLION = 1_000_000


class PriceTable(Protocol):
    """The module of the table, as far as it is used here."""

    def listed_price(self, provider: str, model: str, usage: Usage) -> float | None:
        """US dollars for one request; None: unknown."""
        ...

    def context_window(self, provider: str, model: str) -> int | None:
        """The tokens of the longest request; None: unknown."""
        ...


class Pricing:
    """The prices of the process. The table takes a third of a second to load, so nobody waits for it before a reply."""

    def __init__(self) -> None:
        self._table: PriceTable | None = None

    def price_of(self, backend: BackendSettings) -> PriceOf:
        """The price of one backend's requests."""
        own, payee = backend.price, payee_of(backend)

        async def price(usage: Usage) -> float | None:
            if own is not None:
                return _by(own, usage)
            if payee is None:
                return None
            if self._table is None:
                self._table = cast("PriceTable", await asyncio.to_thread(import_module, _TABLE))
            return self._table.listed_price(payee, backend.model, usage)

        return price


def cost_of(backend: BackendSettings, usage: Usage) -> float | None:
    """What one such request would cost, at once; None: unknown."""
    if backend.price is not None:
        return _by(backend.price, usage)
    payee = payee_of(backend)
    return None if payee is None else price_table().listed_price(payee, backend.model, usage)


def longest_request(backend: BackendSettings) -> int | None:
    """The tokens that one request may have at most, where that is known."""
    payee = payee_of(backend)
    return None if payee is None else price_table().context_window(payee, backend.model)


def price_table() -> PriceTable:
    """The table, loaded now."""
    return cast("PriceTable", import_module(_TABLE))


def payee_of(backend: BackendSettings) -> str | None:
    """The backend type whose prices are paid at the address that is configured; None: anybody's, so unknown."""
    if not backend.base_url:
        return backend.type
    known = provider_at(backend.base_url)
    return None if known is None else known.type


def _by(price: PriceKeys, usage: Usage) -> float | None:
    if not usage.input_tokens + usage.output_tokens:
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    cached_rate = price.input if price.cached_input is None else price.cached_input
    fresh = usage.input_tokens - cached
    return (fresh * price.input + cached * cached_rate + usage.output_tokens * price.output) / _MILLION


_BUILDERS: Mapping[Family, str] = {
    "scripted": "coordination.llm.scripted:open_builder",
    "chat": "coordination.llm.openai_chat:open_builder",
    "responses": "coordination.llm.openai_responses:open_builder",
    "anthropic": "coordination.llm.anthropic_messages:open_builder",
    "gemini": "coordination.llm.gemini:open_builder",
    "claude_code": "coordination.llm.claude_code.model:open_builder",
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
        self._limiters = RateLimiters(clock)
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
        diagnostics = [f"agent {agent.id}: {missing(extra)}" for agent, extra in lacks]
        if unpriced:
            raise ConfigError([*diagnostics, *unpriced])
        if diagnostics:
            commands = dict.fromkeys(install_command(extra) for _, extra in lacks)
            raise MissingLibraryError(diagnostics, commands=list(commands))

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
            raise ConfigError([f"agent {agent.id}: {complaint}" for complaint in error.diagnostics]) from None
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
        limiter = self._limiters.limiter_for(base_url=backend.base_url, key=key_of(backend))
        return MeteredModel(model, limiter=limiter, throttle=throttle, price=self._pricing.price_of(backend))

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
