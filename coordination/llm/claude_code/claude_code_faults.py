"""What went wrong with Claude Code, in the terms of all models."""

import ssl
from collections.abc import Mapping

from coordination.errors import ModelError, ModelFault
from coordination.llm.extras import LOCKED
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    broken,
    cut_off,
    declined,
    refused,
    too_short,
    unreadable,
)

LENGTH_OPTION = "max_output_tokens"

_UNREACHABLE = (
    "ECONNREFUSED",
    "ConnectionRefused",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "FailedToOpenSocket",
)
_CODES = {
    "authentication_failed": "authentication_error",
    "oauth_org_not_allowed": "authentication_error",
    "billing_error": "billing_error",
    "rate_limit": "rate_limit_error",
    "overloaded": "overloaded_error",
    "invalid_request": "invalid_request_error",
    "model_not_found": "not_found_error",
}


def failure(result: Mapping[str, Raw], code: str, provider: Provider) -> ModelError:
    """The error for a turn of Claude Code's that ended in one. `code` is its own word for what happened."""
    if result.get("stop_reason") == "refusal":
        return declined(provider)
    if code == "max_output_tokens":
        return too_short(provider, LENGTH_OPTION)
    status, words = result.get("api_error_status"), str(result.get("result"))
    problem = Problem(
        status=status if isinstance(status, int) else None,
        codes=(_CODES[code],) if code in _CODES else (),
        words=words,
        said=words if isinstance(result.get("result"), str) else "",
    )
    if problem.status is not None or problem.codes:
        return refused(problem, provider)
    if "certificate" in words.lower():
        return broken(ssl.SSLCertVerificationError(), provider)
    if any(name in words for name in _UNREACHABLE):
        return broken(OSError(), provider)
    return unreadable(provider) if code == "unknown" else cut_off(provider)


def going_in_circles(provider: Provider) -> ModelError:
    """The model calls nothing that exists, again and again."""
    return ModelError(
        ModelFault.CUT_OFF,
        f"Claude Code with {provider.model} kept making calls that come to nothing, and was stopped; if this lasts, the "
        "operator must choose another model.",
    )


def missing() -> ModelError:
    """There is no such program."""
    return ModelError(
        ModelFault.MISCONFIGURED,
        "Claude Code's program is not there or can't be started; the operator must reinstall "
        f"{LOCKED['claude-code']} where massgen-bot runs.",
    )


def stillborn(provider: Provider) -> ModelError:
    """It ended, or said nothing sensible, before it could be talked to."""
    return ModelError(
        ModelFault.MISCONFIGURED,
        f"Claude Code ended as soon as it was started with {provider.model}; the operator must check the options of this "
        f"model, and that {LOCKED['claude-code']} is installed.",
    )


def slow_to_start(provider: Provider, seconds: float) -> ModelError:
    """It took too long to start, which a busy machine may be the reason of."""
    return ModelError(
        ModelFault.TIMED_OUT,
        f"Claude Code with {provider.model} was not ready within {seconds:g} s; if this lasts, the operator must give this "
        "machine less to do.",
        is_retryable=True,
    )


def died(provider: Provider, *, is_retryable: bool) -> ModelError:
    """It ended in the middle, and with it all that it knew of the conversation."""
    return ModelError(
        ModelFault.CUT_OFF,
        f"Claude Code with {provider.model} ended in the middle of its work; if this lasts, the operator must see that the "
        "machine has memory enough for it.",
        is_retryable=is_retryable,
    )
