"""What a model call costs, by the table of prices that comes with `genai-prices`. Nothing is fetched."""

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from genai_prices import Usage as Counted
from genai_prices import calc_price
from genai_prices.data import providers

from coordination.ports import Usage

_PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "claude": "anthropic",
    "claude_code": "anthropic",
    "gemini": "google",
    "grok": "x-ai",
    "groq": "groq",
    "together": "together",
    "fireworks": "fireworks",
    "cerebras": "cerebras",
    "openrouter": "openrouter",
    "moonshot": "moonshotai",
    "zai": "zai",
    "azure_openai": "azure",
}
"""What the table calls whom our configurations call by their backend type. Whoever is not here is unknown to it."""


def listed_price(provider: str, model: str, usage: Usage, at: datetime | None = None) -> float | None:
    """US dollars for one request to the provider of this backend type; None: unknown.

    Prices go by request, as long ones cost more per token: to price a sum would be wrong.
    """
    known = _PROVIDERS.get(provider)
    if known is None or not usage.input_tokens + usage.output_tokens:
        return None
    cached = min(usage.cached_tokens, usage.input_tokens)
    counted = Counted(
        input_tokens=usage.input_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=min(usage.stored_tokens, usage.input_tokens - cached),
        output_tokens=usage.output_tokens,
    )
    try:
        return float(calc_price(counted, model, provider_id=known, genai_request_timestamp=at).total_price)
    except (LookupError, ValueError):
        return None


_NAMED_BY_THEMSELVES: Final = frozenset({"openai", "claude", "claude_code", "gemini", "grok"})
"""Whose models have names of the vendor's own, and not of a deployment or of whoever hosts them."""


def unlisted(provider: str, model: str) -> str | None:
    """The nearest name of a model that the table lists, or nothing if none is near.

    None: it lists this one, or can't say.
    """
    known = _PROVIDERS.get(provider)
    if known is None or provider not in _NAMED_BY_THEMSELVES or not model:
        return None
    try:
        calc_price(Counted(input_tokens=1), model, provider_id=known)
    except ValueError:
        return None
    except LookupError:
        names = [each.id for listed in providers if listed.id == known for each in listed.models]
        return next(iter(difflib.get_close_matches(model, names, 1, 0.75)), "")
    return None


def context_window(provider: str, model: str) -> int | None:
    """The tokens that one request may have at most; None: unknown."""
    known = _PROVIDERS.get(provider)
    if known is None:
        return None
    try:
        return calc_price(Counted(input_tokens=1), model, provider_id=known).model.context_window
    except (LookupError, ValueError):
        return None
