"""What a configured model costs: by the configuration, or else by the table, which is loaded when it is first needed."""

import asyncio
from importlib import import_module
from typing import Protocol, cast

from coordination.config import BackendSettings
from coordination.config.providers import provider_at
from coordination.config.sections import PriceKeys
from coordination.llm.metered_model import PriceOf
from coordination.ports import Usage

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
