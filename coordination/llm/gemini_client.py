"""Gemini's clients, shared by all models of a process, and what their failures mean."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol, cast

import httpx2
from google import genai
from google.genai import errors, types
from typing_extensions import override

from coordination.errors import ModelError, ModelFault
from coordination.llm.http import trusted_authorities
from coordination.llm.model_errors import (
    LONGEST_WAIT,
    Headers,
    Problem,
    Provider,
    Raw,
    declined,
    refused,
    retry_after,
    too_short,
)
from coordination.text import Text

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
            Text(
                "{who:A} can't search the web and call tools in one request; the operator must "
                "turn off enable_web_search for this agent, or choose a newer model.",
                who=provider.title,
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
        retry_after=retry_after(headers, words) if delay is None else delay,
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
        Text(
            "{who:A} wrote a tool call that can't be parsed; if this continues, the operator must "
            "choose another model.",
            who=provider.title,
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
        tool = asked.tools[int(declaration[1])]
        return Text("the tool {tool}, whose input schema it does not accept", tool=tool)
    plain = words.lower().replace("_", "")
    return next((option for option in asked.options if option.replace("_", "") in plain), "")


CONNECT_SECONDS = 10.0
LONGEST_LINE = 64_000_000
"""Bytes of one streamed event. The SDK gathers a line without a limit of its own."""

LONGEST_REFUSAL = 1_000_000
"""Bytes of an answer that is a failure; the SDK reads it whole."""

DEFAULT_VERSION = "v1"
_VERSIONED = re.compile(r"(?P<address>.+)/(?P<version>v\d\w*)/?")


_answers: ContextVar[list[httpx2.Response]] = ContextVar("answers")


@asynccontextmanager
async def freeing_connections() -> AsyncGenerator[None]:
    """Close at the end what the SDK has opened within: it leaves a stream that was not read whole to the collector."""
    opened: list[httpx2.Response] = []
    token = _answers.set(opened)
    try:
        yield
    finally:
        _answers.reset(token)
        for answer in opened:
            await answer.aclose()


class GeminiClients:
    """One SDK client, and so one pool of connections, per server, key and headers."""

    def __init__(self, *, longest_line: int = LONGEST_LINE) -> None:
        self._longest_line = longest_line
        self._clients: dict[tuple[str, str, Headers], tuple[genai.Client, httpx2.AsyncClient]] = {}

    def client(self, *, base_url: str, api_key: str, headers: Headers = ()) -> genai.Client:
        """The client of this server, key and headers; made on first use.

        The address may end in a version, such as /v1beta.
        """
        found = self._clients.get((base_url, api_key, headers))
        if found is None:
            found = self._new(base_url, api_key, headers)
            self._clients[base_url, api_key, headers] = found
        return found[0]

    async def aclose(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client, connections in clients:
            client.close()
            await connections.aclose()

    def _new(self, base_url: str, api_key: str, headers: Headers) -> tuple[genai.Client, httpx2.AsyncClient]:
        connections = _Connections(
            longest_line=self._longest_line,
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30),
        )
        versioned = _VERSIONED.fullmatch(base_url)
        client = genai.Client(
            # The environment could choose another server and another key; what is configured must count.
            vertexai=False,
            api_key=api_key or "none",
            http_options=types.HttpOptions(
                base_url=versioned["address"] if versioned else base_url,
                api_version=versioned["version"] if versioned else DEFAULT_VERSION,
                headers=dict(headers),
                httpx_async_client=connections,
                # Those of connections that the SDK opens beside ours and never uses here.
                client_args={"verify": trusted_authorities()},
                async_client_args={"verify": trusted_authorities(), "ssl": trusted_authorities()},
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )
        return client, connections


class _Connections(httpx2.AsyncClient):
    """Bounds what the SDK would gather without end, and the time to connect; silence is timed by who reads."""

    def __init__(self, *, longest_line: int, limits: httpx2.Limits) -> None:
        super().__init__(limits=limits, follow_redirects=False, verify=trusted_authorities())
        self._longest_line = longest_line

    @override
    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: object) -> httpx2.Response:
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        response = await super().send(request, stream=stream)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            limit = self._longest_line if response.status_code == 200 else LONGEST_REFUSAL
            response.stream = _Bounded(response.stream, limit, counts_lines=response.status_code == 200)
        _answers.get().append(response)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A body that is given up once it, or a line of it, passes a limit."""

    def __init__(self, inner: httpx2.AsyncByteStream, limit: int, *, counts_lines: bool) -> None:
        self._inner = inner
        self._limit = limit
        self._counts_lines = counts_lines

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._inner:
            end = data.rfind(b"\n") if self._counts_lines else -1
            size = size + len(data) if end < 0 else len(data) - end
            if size > self._limit:
                raise OverflowError
            yield data

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
