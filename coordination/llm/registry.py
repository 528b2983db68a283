"""Which module builds the models of each family, and what their requests cost. Libraries load late."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from coordination.config import AgentSettings, BackendSettings, Family
from coordination.config.providers import provider_at
from coordination.config.sections import PriceKeys
from coordination.errors import ConfigError, MissingLibraryError
from coordination.llm.extras import Extra, extra_of, install_command, is_installed, missing
from coordination.llm.metered_model import FallbackModel, MeteredModel, PriceOf
from coordination.llm.provider import Build, Shared, from_variables, headers_of, key_of
from coordination.llm.rate_limiter import RateLimiters, Throttle, alone
from coordination.ports import Clock, Model, Usage
from coordination.redaction import learn_headers, learn_secrets, named_secrets
from coordination.text import Text

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
                self._table = await asyncio.to_thread(price_table)
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
    from coordination.llm import prices  # noqa: PLC0415 (the table is large: loaded only where a price is asked for)

    return prices


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


def load_build(family: Family) -> Build:
    """What builds this family's models.

    Its module is loaded here, and with it the vendor's library, which takes its time.
    """
    match family:
        case "scripted":
            from coordination.llm.scripted import build  # noqa: PLC0415 (as the docstring says)
        case "chat":
            from coordination.llm.openai_chat import build  # noqa: PLC0415 (likewise)
        case "responses":
            from coordination.llm.openai_responses import build  # noqa: PLC0415 (likewise)
        case "anthropic":
            from coordination.llm.anthropic_messages import build  # noqa: PLC0415 (likewise)
        case "gemini":
            from coordination.llm.gemini import build  # noqa: PLC0415 (likewise)
        case "claude_code":
            from coordination.llm.claude_code.model import build  # noqa: PLC0415 (likewise)
        case _:
            assert_never(family)
    return build


_FREE = Throttle()
_ANY = Usage(input_tokens=1, output_tokens=1)


class Models:
    """Every model of the process."""

    def __init__(
        self,
        clock: Clock,
        *,
        pace: float = 1.0,
        load: Callable[[Family], Build] = load_build,
        workers: Callable[[], int] = alone,
    ) -> None:
        """`pace` is that of scripts, `workers` how many processes share the keys.

        `load` gives what builds a family's models; another one adds or replaces providers.
        """
        self._clock = clock
        self._load = load
        self._builds: dict[Family, Build] = {}
        self._shared = Shared(clock, pace=pace)
        self._limiters = RateLimiters(clock, workers)
        self._pricing = Pricing()

    def check(self, agents: Sequence[AgentSettings], *, needs_prices: bool = False) -> None:
        """Look whether every agent's model can be built, without building any, and has a price if that is needed.

        Raises:
            ConfigError: some need a price that nobody knows.
            MissingLibraryError: all is well but for libraries that are not installed.
        """
        backends = [(agent, backend) for agent in agents for backend in _with_fallbacks(agent.backend)]
        unpriced = [
            Text("agent {agent}: {problem}", agent=agent.id, problem=complaint)
            for agent, backend in backends
            if needs_prices and (complaint := _unpriced(backend)) is not None
        ]
        lacks: list[tuple[AgentSettings, Extra]] = [
            (agent, extra) for agent, backend in backends if (extra := _missing(backend.provider.family)) is not None
        ]
        diagnostics = [
            Text("agent {agent}: {problem}", agent=agent.id, problem=missing(extra)) for agent, extra in lacks
        ]
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
        if missing := sorted(families - self._builds.keys()):
            loaded = await asyncio.to_thread(lambda: [self._load(each) for each in missing])
            self._builds |= zip(missing, loaded, strict=True)

    def model(self, agent: AgentSettings, throttle: Throttle = _FREE) -> Model:
        """The model of one agent, whose requests keep to the limits of their key.

        Raises:
            ConfigError: it can't be built; the text names the agent and says what is missing.
        """
        self.check([agent])
        try:
            first, *others = [self._metered(agent.id, each, throttle) for each in _with_fallbacks(agent.backend)]
        except ConfigError as error:
            raise ConfigError(
                [Text("agent {agent}: {problem}", agent=agent.id, problem=each) for each in error.diagnostics]
            ) from None
        return FallbackModel(first, others[0], clock=self._clock) if others else first

    def shortest(self, agent: AgentSettings, tokens: int) -> Model:
        """The model of one agent without a fallback, for replies of so many tokens at most, with little reasoning."""
        short = {"max_tokens": tokens, "max_completion_tokens": tokens}
        without = dict.fromkeys(("thinking", "reasoning", "max_thinking_tokens"))
        options = agent.backend.options.model_copy(update={**short, **without})
        return self.model(replace(agent, backend=replace(agent.backend, options=options, fallback=None)))

    def _metered(self, agent: str, backend: BackendSettings, throttle: Throttle) -> Model:
        family = backend.provider.family
        build = self._builds.get(family) or self._load(family)
        model = build(agent, backend, self._shared)
        if family == "scripted":
            return model
        learn_secrets(key_of(backend))  # a provider's failure may repeat it, and its library logs that
        learn_headers(headers_of(backend), from_variables=from_variables(backend))
        limiter = self._limiters.limiter_for(base_url=backend.base_url, key=_credentials(backend))
        return MeteredModel(model, limiter=limiter, throttle=throttle, price=self._pricing.price_of(backend))

    async def aclose(self) -> None:
        """Free what the models shared."""
        await self._shared.aclose()


def _credentials(backend: BackendSettings) -> str:
    """What a provider tells its clients apart by: the key, and those that a gateway takes in headers."""
    return "\n".join((key_of(backend), *sorted(named_secrets(headers_of(backend)))))


def _missing(family: Family) -> Extra | None:
    """What must be installed before a model of this family can be built."""
    extra = extra_of(family)
    return None if extra is None or is_installed(extra) else extra


def _unpriced(backend: BackendSettings) -> Text | None:
    """Why a limit in money can't be kept with this model."""
    if backend.provider.family == "scripted" or cost_of(backend, _ANY) is not None:
        return None
    return Text(
        "the price of {model} is not known here, so limits in money can't be enforced; the "
        "operator must set price in its backend, or limit tokens instead.",
        model=backend.model or backend.type,
    )


def _with_fallbacks(backend: BackendSettings) -> tuple[BackendSettings, ...]:
    return (backend,) if backend.fallback is None else (backend, backend.fallback)
