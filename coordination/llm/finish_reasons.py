"""Why a reply ended, in the words of servers that call themselves compatible: an end, or half a reply that looks whole.

The two APIs that are copied most know a handful of reasons. Servers add their own: vLLM and SGLang end a reply that
they abort with `abort`, DeepSeek one that it has no machines for with `insufficient_system_resource`, Z.AI with
`network_error`, gateways with whatever the vendor behind them said. All of them go on to end the stream as if nothing
had happened.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from coordination.errors import ModelError
from coordination.llm.model_errors import Problem, Provider, broken_off, declined, refused, too_short

Ending: TypeAlias = Literal["end", "length", "context", "declined", "broken"]

_ENDS = frozenset(
    {
        "stop", "tool_calls", "tool_call", "tool_use", "function_call", "end_turn", "end", "eos", "eos_token",
        "stop_sequence", "stop_token", "complete", "completed", "done", "finished", "success", "pause_turn",
    }
)  # fmt: skip

_BY_WORD: Mapping[str, Ending] = {"language": "declined", "other": "broken", "unknown": "broken", "no_image": "broken"}
"""Gemini's reasons, as gateways pass them on, that are no part of any other word."""

_PARTS: tuple[tuple[Ending, tuple[str, ...]], ...] = (
    ("context", ("context",)),
    ("length", ("length", "max_token", "max_output", "maxtoken", "maxpredicted", "token_limit", "maximum")),
    (
        "declined",
        (
            "filter", "safety", "sensitive", "refus", "recitation", "blocklist", "prohibited", "spii", "guardrail",
            "moderat", "policy", "model_armor",
        ),
    ),
    (
        "broken",
        (
            "error", "abort", "cancel", "timeout", "time_limit", "fail", "insufficient", "interrupt", "reject",
            "malformed", "unexpected", "repetition", "disconnect", "unload", "overload", "unspecified", "exhausted",
            "rate_limit", "userstop", "user_stop",
        ),
    ),
)  # fmt: skip
"""Parts of words by which a reason is known that nobody has listed; the first that fits counts."""


def ending_of(reason: str) -> Ending | None:
    """What a reason means; None for a word that says nothing here, which may be an end."""
    word = reason.casefold().replace("-", "_").replace(" ", "_")
    if word in _ENDS:
        return "end"
    if word in _BY_WORD:
        return _BY_WORD[word]
    return next((ending for ending, parts in _PARTS if any(part in word for part in parts)), None)


def failure_of(reason: str, provider: Provider, length_option: str) -> ModelError | None:
    """The error for a reply that ended for this reason; None where that may be an end.

    `length_option` raises the limit.
    """
    match ending_of(reason):
        case "length":
            return too_short(provider, length_option)
        case "context":
            return refused(Problem(codes=("context_length_exceeded",)), provider)
        case "declined":
            return declined(provider)
        case "broken" if reason == "error":
            return refused(Problem(status=500), provider)
        case "broken":
            return broken_off(provider, reason)
        case _:
            return None
