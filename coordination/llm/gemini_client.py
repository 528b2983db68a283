"""What Gemini's failures mean: refused requests, and replies that ended for another reason than being done."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import httpx2
from google.genai import errors

from coordination.errors import ModelError, ModelFault
from coordination.llm.model_errors import (
    LONGEST_WAIT,
    Problem,
    Provider,
    Raw,
    declined,
    refused,
    retry_after,
    too_short,
)

LENGTH_OPTION = "max_output_tokens"

_DECLINED = frozenset(
    {
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "MODEL_ARMOR",
    }
)  # fmt: skip
_GARBLED = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
_TOO_LONG = ("exceeds the maximum number of tokens", "input token count")
_USED_UP = ("credits are depleted", "prepayment")
_SEARCH = ("google_search", "googlesearch", "built-in tool", "server_side_tool", "search tool", "search grounding")
_DECLARATION = re.compile(r"function_declarations\[(\d{1,4})\]")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for, as far as a refusal may be about it.

    Attributes:
        options: the names of the options that are set.
        tools: the names of the tools, in the order of the request.
    """

    options: Sequence[str] = ()
    tools: Sequence[str] = ()
    searches: bool = False


class _Told(Protocol):
    """A failure as it comes, and not as the SDK's types promise."""

    code: object
    details: Raw
    response: object


def refusal(error: errors.APIError, provider: Provider, asked: Asked) -> ModelError:
    """The error for a call that Gemini answered with a failure."""
    words = error.message if isinstance(error.message, str) else ""
    if error.code == 400 and asked.searches and any(phrase in words.lower() for phrase in _SEARCH):
        return ModelError(
            ModelFault.MISCONFIGURED,
            _capital(
                f"{provider.title} can't search the web and call tools in one request; the operator must switch "
                "enable_web_search off for this agent, or choose a newer model."
            ),
        )
    told = cast("_Told", error)
    details = list(_details(told.details))
    headers = dict(told.response.headers) if isinstance(told.response, httpx2.Response) else {}
    delay = next((each for each in map(_delay, details) if each is not None), None)
    problem = Problem(
        status=told.code if isinstance(told.code, int) else None,
        codes=tuple(_codes(error.status, words, details)),
        words=words,
        said=words,
        option=_option(words, asked),
        retry_after=retry_after(headers) if delay is None else delay,
    )
    return refused(problem, provider)


def unfinished(reason: str, provider: Provider) -> ModelError:
    """The error for a reply that ended with this finish reason, which is not STOP."""
    if reason in {"MAX_TOKENS", "CONTINUATION"}:
        return too_short(provider, LENGTH_OPTION)
    if reason in _DECLINED:
        return declined(provider)
    if reason in _GARBLED:
        return garbled(provider)
    if reason == "PUP_LIMITED_DISABLED":
        return refused(Problem(status=403), provider)
    return refused(Problem(status=500), provider)


def garbled(provider: Provider) -> ModelError:
    """The model wrote a tool call that even its own provider can't read."""
    return ModelError(
        ModelFault.CUT_OFF,
        _capital(
            f"{provider.title} wrote a tool call that can't be read; if this lasts, the operator must choose another model."
        ),
        is_retryable=True,
    )


def _codes(status: object, words: str, details: Sequence[Mapping[str, Raw]]) -> Iterator[str]:
    """The failure in the words that all providers share, the most precise first."""
    lowered = words.lower()
    if any(str(each.get("reason", "")).startswith("API_KEY_") for each in details):
        yield "invalid_api_key"
    if any(phrase in lowered for phrase in _USED_UP) or any(_is_daily(each) for each in details):
        yield "insufficient_quota"
    if any(phrase in lowered for phrase in _TOO_LONG):
        yield "context_length_exceeded"
    if status == "FAILED_PRECONDITION":
        # The project may not use this model: it has no billing, or its place is not served.
        yield "permission_denied"
    if isinstance(status, str):
        yield status.lower()


def _details(body: Raw) -> Iterator[Mapping[str, Raw]]:
    error = body.get("error", body) if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for each in details if isinstance(details, list) else []:
        if isinstance(each, dict):
            yield each


def _is_daily(detail: Mapping[str, Raw]) -> bool:
    """Whether it tells of a quota that comes back only the next day, whatever delay is given with it."""
    violations = detail.get("violations")
    return isinstance(violations, list) and any(
        isinstance(each, dict) and "PerDay" in str(each.get("quotaId", "")) for each in violations
    )


def _delay(detail: Mapping[str, Raw]) -> float | None:
    seconds = _SECONDS.fullmatch(str(detail.get("retryDelay", "")))
    return min(float(seconds[1]), LONGEST_WAIT) if seconds else None


def _option(words: str, asked: Asked) -> str:
    declaration = _DECLARATION.search(words)
    if declaration and int(declaration[1]) < len(asked.tools):
        return f"the tool {asked.tools[int(declaration[1])]}, whose input schema it does not take"
    plain = words.lower().replace("_", "")
    return next((option for option in asked.options if option.replace("_", "") in plain), "")


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
