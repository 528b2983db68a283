"""What a provider's failure means here, and the sentence that people read: for every provider alike.

A provider's own words are read to find out what happened, and are passed on behind our sentence: they are what the
one who must act needs to read. Keys and tokens are taken out of them first.
"""

import math
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import LiteralString, TypeAlias, cast
from urllib.parse import urlsplit

from coordination.errors import ModelError, ModelFault
from coordination.text import NO_TEXT, Text, template

Raw: TypeAlias = "str | int | float | bool | None | list[Raw] | dict[str, Raw]"
"""JSON as it came in, unchecked."""

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values of HTTP headers."""

LONGEST_WAIT = 3600.0
"""Seconds: a `retry-after` above it is taken as this."""

LONGEST_QUOTE = 300
"""Characters of a provider's own words that are passed on."""

LONGEST_REASON = 40
"""Characters of the word with which a provider ended a reply."""

_SAYING = ("message", "detail", "error", "error_description", "msg", "title", "raw")
"""Where providers put their words: OpenAI, FastAPI and vLLM, Ollama, OAuth, pydantic, RFC 9457, OpenRouter."""

_REFUSED_AS_IT_IS = frozenset({400, 401, 402, 403, 404, 405, 413, 422})
_SHORTEST_KEY = 6
_HIDDEN = "[hidden]"
_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|key|ghp|AIza|Bearer )[-_]?[\w*.-]{8,}|\b\w{40,}\b")

_RETRYABLE = frozenset({ModelFault.RATE_LIMITED, ModelFault.OVERLOADED, ModelFault.TIMED_OUT, ModelFault.CUT_OFF})

_BY_CODE: dict[str, ModelFault] = {
    "invalid_api_key": ModelFault.AUTH,
    "authentication_error": ModelFault.AUTH,
    "permission_error": ModelFault.AUTH,
    "permission_denied": ModelFault.AUTH,
    "auth_error": ModelFault.AUTH,
    "expired_key": ModelFault.AUTH,
    "token_not_found_in_db": ModelFault.AUTH,
    "no_db_connection": ModelFault.AUTH,
    "insufficient_quota": ModelFault.OUT_OF_BUDGET,
    "exceeded_current_quota_error": ModelFault.OUT_OF_BUDGET,
    "billing_hard_limit_reached": ModelFault.OUT_OF_BUDGET,
    "billing_error": ModelFault.OUT_OF_BUDGET,
    "insufficient_balance": ModelFault.OUT_OF_BUDGET,
    "budget_exceeded": ModelFault.OUT_OF_BUDGET,
    "contract_spend_limit_reached": ModelFault.OUT_OF_BUDGET,
    "enforced_spend_limit_reached": ModelFault.OUT_OF_BUDGET,
    "rate_limit_exceeded": ModelFault.RATE_LIMITED,
    "rate_limit_error": ModelFault.RATE_LIMITED,
    "resource_exhausted": ModelFault.RATE_LIMITED,
    "overloaded_error": ModelFault.OVERLOADED,
    "overloaded": ModelFault.OVERLOADED,
    "server_error": ModelFault.OVERLOADED,
    "api_error": ModelFault.OVERLOADED,
    "internal_server_error": ModelFault.OVERLOADED,
    "unavailable": ModelFault.OVERLOADED,
    "timeout_error": ModelFault.TIMED_OUT,
    "context_length_exceeded": ModelFault.CONTEXT_TOO_LONG,
    "exceed_context_size_error": ModelFault.CONTEXT_TOO_LONG,
    "string_above_max_length": ModelFault.CONTEXT_TOO_LONG,
    "request_too_large": ModelFault.CONTEXT_TOO_LONG,
    "content_filter": ModelFault.REFUSED,
    "content_policy_violation": ModelFault.REFUSED,
    "invalid_prompt": ModelFault.REFUSED,
    "bio_policy": ModelFault.REFUSED,
    "misalignment_policy_violation": ModelFault.REFUSED,
    "model_not_found": ModelFault.MISCONFIGURED,
    "not_found_error": ModelFault.MISCONFIGURED,
    "invalid_request_error": ModelFault.BAD_REQUEST,
}
_BY_STATUS: dict[int, ModelFault] = {
    401: ModelFault.AUTH,
    402: ModelFault.OUT_OF_BUDGET,
    403: ModelFault.AUTH,
    404: ModelFault.MISCONFIGURED,
    405: ModelFault.MISCONFIGURED,
    408: ModelFault.TIMED_OUT,
    409: ModelFault.OVERLOADED,
    413: ModelFault.CONTEXT_TOO_LONG,
    425: ModelFault.OVERLOADED,
    429: ModelFault.RATE_LIMITED,
    504: ModelFault.TIMED_OUT,
}
_SENTENCES: dict[ModelFault, LiteralString] = {
    ModelFault.AUTH: template("{who:A} rejected {key}; the operator must set a valid one that may use this model."),
    ModelFault.OUT_OF_BUDGET: template(
        "{who:A} says that the account of {key} is out of credit; the operator must add some."
    ),
    ModelFault.RATE_LIMITED: template(
        "{who:A} is getting too many requests; try again later, or ask the operator to raise the account's limits."
    ),
    ModelFault.OVERLOADED: template("{who:A} is overloaded or failing; try again later."),
    ModelFault.TIMED_OUT: template("{who:A} took too long; try again later."),
    ModelFault.CONTEXT_TOO_LONG: template(
        "{who:A} can't process that much text; request less, or ask the operator to choose a model with a larger "
        "context."
    ),
    ModelFault.REFUSED: template("{who:A} declined to answer this; change the request."),
    ModelFault.MISCONFIGURED: template(
        "{who:A} does not know this model or address; the operator must check model and base_url."
    ),
    ModelFault.BAD_REQUEST: template("{who:A} refused the request; the operator must check {option}."),
    ModelFault.CUT_OFF: template("{who:A} broke off its reply; try again later."),
}
_TOO_LONG = (
    "maximum context length", "context window", "context length", "context limit", "context size", "prompt is too long",
    "too many tokens", "maximum model length", "maximum prompt length", "maximum number of tokens", "input is too long",
    "exceeds max length", "range of input length", "reduce the length of the messages", "model token limit",
)  # fmt: skip
"""Beside OpenAI and Anthropic: llama.cpp, vLLM, xAI, Gemini, Bedrock, Z.AI, Alibaba, Groq, Moonshot."""

_TOO_LARGE_AT_ONCE = ("request too large for",)
"""OpenAI and Groq call a request a matter of rates that no minute has room for: it fails however often it is tried."""

_USED_UP = ("credit balance is too low", "insufficient balance", "insufficient credits", "used all available credits")
_NO_MODEL = ("invalid model name", "no healthy deployments for this model")
_FILTERED = ("content management policy", "contentpolicyviolation")
_BY_WORDS = (
    (_TOO_LONG, ModelFault.CONTEXT_TOO_LONG),
    (_NO_MODEL, ModelFault.MISCONFIGURED),
    (_FILTERED, ModelFault.REFUSED),
)
"""What a refused request was refused for, where only the words say so: gateways keep those, and make up codes."""

_TIME = r"(\d{1,6}(?:\.\d{1,9})?) ?([a-z]{1,12})"
_PAUSE = re.compile(rf"\b(?:try again|retry) (?:in|after) (?:about )?((?:{_TIME} ?){{1,3}})", re.IGNORECASE)
_UNITS = (("ms", 0.001), ("mil", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0))
"""Seconds of each unit, by how its name begins."""

_FORWARDED = ("", "llm_provider-")
"""How headers of the provider begin: its own, and as LiteLLM passes them on."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Who is asked, as people may read it: the model's name, the server without credentials, the key's name.

    `key` and `secrets` are for nobody's eyes: they are known so that they can be taken out of what the provider says.
    `headers` go with every request.
    """

    model: str
    base_url: str
    key_name: str = ""
    key: str = field(default="", repr=False)
    headers: Headers = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def title(self) -> Text:
        """`the provider of gpt-5-mini (api.openai.com)`."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        host = f"{parts.hostname}{port}" if parts.hostname else Text("no address")
        return Text("the provider of {model} ({host})", model=self.model, host=host)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a provider said of a failed call. `option` is the option of ours that it names, if it names one.

    `words` are all that came, for finding out what it means; `said` is the part of them that is written for people.
    """

    status: int | None = None
    codes: tuple[str, ...] = ()
    words: str = ""
    said: str = ""
    option: str = ""
    retry_after: float | None = None

    @property
    def fault(self) -> ModelFault:
        """By the provider's own code, then by its words, then by the HTTP status."""
        words = self.words.lower()
        if any(phrase in words for phrase in _TOO_LARGE_AT_ONCE):
            return ModelFault.CONTEXT_TOO_LONG
        coded = [_BY_CODE[code] for code in self.codes if code in _BY_CODE]
        precise = [fault for fault in coded if fault is not ModelFault.BAD_REQUEST]
        # Some servers call every failure an `api_error`. A request that they refuse is no better when it comes again.
        is_ours = self.status in _REFUSED_AS_IT_IS and precise[:1] == [ModelFault.OVERLOADED]
        if precise and not is_ours:
            return precise[0]
        for phrases, fault in _BY_WORDS if coded or self.status == 400 else ():
            if any(phrase in words for phrase in phrases):
                return fault
        if any(phrase in words for phrase in _USED_UP):
            return ModelFault.OUT_OF_BUDGET
        if self.status in _BY_STATUS:
            return _BY_STATUS[self.status]
        if self.status is not None and 300 <= self.status < 400:
            return ModelFault.MISCONFIGURED
        if self.status is not None and 400 <= self.status < 500:
            return ModelFault.BAD_REQUEST
        return coded[0] if coded else ModelFault.OVERLOADED


def refused(problem: Problem, provider: Provider) -> ModelError:
    """The error for a call that the provider answered with a failure."""
    fault = problem.fault
    return ModelError(
        fault,
        _sentence(fault, problem.option, provider, quoted(problem.said, provider)),
        is_retryable=fault in _RETRYABLE,
        retry_after=problem.retry_after,
    )


def broken(error: BaseException, provider: Provider) -> ModelError:
    """The error for a connection that failed before or during the reply, found in the chain of its causes."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return ModelError(
            ModelFault.MISCONFIGURED,
            Text(
                "The certificate of {provider} is not trusted here; the operator must check "
                "base_url, or install the certificate authority that signed it.",
                provider=provider.title,
            ),
        )
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return silent(provider)
    if any(isinstance(cause, OSError) and not isinstance(cause, ConnectionResetError) for cause in causes):
        return ModelError(
            ModelFault.OVERLOADED,
            Text(
                "Can't reach {provider}; if this continues, the operator must check base_url and the network.",
                provider=provider.title,
            ),
            is_retryable=True,
        )
    return cut_off(provider)


def silent(provider: Provider) -> ModelError:
    """Nothing came for too long."""
    return ModelError(
        ModelFault.TIMED_OUT,
        Text(
            "{provider:A} sent nothing for too long; if this continues, the operator must check that it is running, or "
            "raise idle_timeout.",
            provider=provider.title,
        ),
        is_retryable=True,
    )


def cut_off(provider: Provider) -> ModelError:
    """The reply began and did not end."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "The reply from {provider} broke off in the middle; if this continues, the operator must check the "
            "network.",
            provider=provider.title,
        ),
        is_retryable=True,
    )


def unfinished(provider: Provider) -> ModelError:
    """The stream was ended in good order, without a reason, and with half a reply."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "{who:A} ended its reply in the middle and gave no reason; if this continues, the "
            "operator must check that server's log.",
            who=provider.title,
        ),
        is_retryable=True,
    )


def broken_off(provider: Provider, reason: str) -> ModelError:
    """The stream was ended in good order, for a reason that makes the reply half of one."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "{who:A} ended its reply in the middle (reason: {reason}); if this continues, the operator must check that "
            "server's log.",
            who=provider.title,
            reason=" ".join(reason.split())[:LONGEST_REASON],
        ),
        is_retryable=True,
    )


def unreadable(provider: Provider, said: str = "") -> ModelError:
    """What came is no reply. `said` is what came instead."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "The reply from {provider} can't be read; if this continues, the operator must check that base_url names "
            "a server of this kind.{quote}",
            provider=provider.title,
            quote=quoted(said, provider),
        ),
        is_retryable=True,
    )


def too_large(provider: Provider, limit: int) -> ModelError:
    """The reply passed the limit, and was stopped there."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "The reply from {provider} exceeded {limit:,} characters and was stopped; the operator should limit the "
            "length of its replies.",
            provider=provider.title,
            limit=limit,
        ),
    )


def too_short(provider: Provider, option: str) -> ModelError:
    """The reply hit its length limit before it was complete. `option` is what raises the limit."""
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "The reply from {provider} hit its length limit before it was complete; the operator must raise {option}.",
            provider=provider.title,
            option=option,
        ),
    )


def declined(provider: Provider) -> ModelError:
    """The model or its filter won't answer this."""
    return ModelError(ModelFault.REFUSED, _sentence(ModelFault.REFUSED, "", provider))


def retry_after(headers: Mapping[str, str], words: str = "") -> float | None:
    """Seconds that the provider asks to wait, in its headers or else its words; a date counts from the answer's own."""
    asked = (_asked_by(headers, prefix) for prefix in _FORWARDED)
    return next((seconds for seconds in asked if seconds is not None), pause_in(words))


def pause_in(words: str) -> float | None:
    """The seconds of `try again in 1m2.5s`."""
    found = _PAUSE.search(words)
    seconds = [
        float(number) * next(length for name, length in _UNITS if unit.startswith(name))
        for number, unit in re.findall(_TIME, found[1].lower() if found is not None else "")
        if unit.startswith(tuple(name for name, _ in _UNITS))
    ]
    return min(sum(seconds), LONGEST_WAIT) if seconds else None


def _asked_by(headers: Mapping[str, str], prefix: str) -> float | None:
    milliseconds, wait = headers.get(f"{prefix}retry-after-ms"), headers.get(f"{prefix}retry-after")
    for text, unit in ((milliseconds, 0.001), (wait, 1.0)):
        try:
            seconds = float(text or "") * unit
        except ValueError:
            continue
        if not math.isnan(seconds):
            return min(max(seconds, 0.0), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(wait or "") - parsedate_to_datetime(headers.get(f"{prefix}date") or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(until.total_seconds(), 0.0), LONGEST_WAIT)


def quoted(said: str, provider: Provider) -> Text:
    """What a provider said, as a sentence that follows ours: on one line, cut, without keys and tokens; or nothing."""
    text = said.replace(provider.key, _HIDDEN) if len(provider.key) >= _SHORTEST_KEY else said
    for secret in sorted(provider.secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _KEY_LIKE.sub(_HIDDEN, whole_text(text))
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if not text or text.startswith("<"):
        return NO_TEXT  # Nothing, or the page of a gateway.
    cut = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
    return Text(" It said: “{words}”", words=cut)


def said_in(body: object) -> str:
    """The words for people in a failure, whichever way a provider lays it out; empty where there are none."""
    if isinstance(body, str):
        return body
    if isinstance(body, Mapping):
        told = cast("Mapping[str, object]", body)
        return next((said for key in _SAYING if (said := said_in(told.get(key)))), "")
    if isinstance(body, list):
        several = [said for each in cast("list[object]", body)[:3] if (said := said_in(each))]
        return "; ".join(several)
    return ""


def whole_text(text: str) -> str:
    """The text with surrogate halves joined, and lone ones replaced, so that it has a UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _sentence(fault: ModelFault, option: str, provider: Provider, said: Text = NO_TEXT) -> Text:
    key = Text("the key {key_name}", key_name=provider.key_name) if provider.key_name else Text("the key")
    sentence = Text(_SENTENCES[fault], who=provider.title, key=key, option=option or Text("the options of this model"))
    return Text.joined("", (sentence, said)) if said else sentence


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
