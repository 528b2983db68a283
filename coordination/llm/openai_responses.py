"""Models that speak OpenAI's Responses API, without anything being stored there.

The SDK sends the request. Its streamed answer is read raw, because the objects that the SDK builds for every event
cost several times more than all the rest of a call.

An item counts only as its `done` event brings it: what comes before may be incomplete, the encrypted reasoning too.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx2
from openai import APIConnectionError, APIStatusError

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError
from coordination.llm.http import (
    BROKEN_CONNECTION,
    arguments_of,
    as_name,
    as_object,
    check_address,
    count,
    distinct_id,
    extra_body,
    is_failure,
    key_of,
    mentioned,
    named_tool,
    offered_schema,
    read_events,
    read_object,
    reported_problem,
    text_of,
    whole,
)
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    broken,
    cut_off,
    declined,
    refused,
    retry_after,
    said_in,
    silent,
    too_large,
    too_short,
    unreadable,
    whole_text,
)
from coordination.llm.openai_clients import CONNECT_SECONDS, OpenAIClients, post_raw
from coordination.ports import (
    Clock,
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    TurnContext,
    Usage,
    UserMessage,
)

Item: TypeAlias = dict[str, Raw]
"""One item of the history, as the provider gave it and wants it back."""

LENGTH_OPTION = "max_tokens"


class ReplyParts:
    """What has come of one reply so far.

    Attributes:
        items: the reply as the history needs it; there once it is complete.
    """

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the reply."""
        self.items: list[Item] = []
        self._provider = provider
        self._limit = limit
        self._streamed = 0
        self._kept = 0
        self._has_begun = False
        self._done: dict[int, Item] = {}
        self._response: Item | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the provider has said that the reply is whole."""
        return self._response is not None

    def take(self, payload: bytes) -> None:
        """Add one event.

        Raises:
            ModelError: it is not readable, reports a failure, or the reply is too large.
        """
        if self.is_finished or payload == b"[DONE]":
            return
        event = read_object(payload, self._provider)
        self._has_begun = True
        response = event.get("response")
        match event.get("type"):
            case "response.output_item.done":
                self._keep(event, len(payload))
            case "response.completed":
                self._response = response if isinstance(response, dict) else {}
            case "response.incomplete":
                raise self._incomplete(response)
            case "response.failed":
                raise refused(_stream_problem(response), self._provider)
            case "error":
                raise refused(reported_problem(event), self._provider)
            case None if is_failure(event):
                raise refused(reported_problem(event), self._provider)
            case _:
                self._grow(streamed=max(1, len(text_of(event.get("delta")))))

    def complete(self) -> Reply:
        """The whole reply.

        Raises:
            ModelError: it did not end, is not readable, or was declined.
        """
        if self._response is None:
            raise cut_off(self._provider) if self._has_begun else unreadable(self._provider)
        try:
            items = [whole(item) for item in self._output(self._response)]
        except RecursionError:
            raise unreadable(self._provider) from None
        self.items = _closed([item for item in items if isinstance(item, dict)])
        calls = self._calls()
        contents = [_contents(item) for item in self.items if item.get("type") == "message"]
        if not calls and any(part.get("type") == "refusal" for parts in contents for part in parts):
            raise declined(self._provider)
        texts = ("".join(text_of(part.get("text")) for part in parts) for parts in contents)
        return Reply(
            text="\n\n".join(text for text in texts if text), calls=calls, usage=_usage(self._response.get("usage"))
        )

    def _output(self, response: Item) -> list[Item]:
        """The items that were streamed; those that only the last event has, where it has more."""
        output = response.get("output")
        last = (
            {place: item for place, item in enumerate(output) if isinstance(item, dict)}
            if isinstance(output, list)
            else {}
        )
        merged = last | self._done
        return [merged[place] for place in sorted(merged)]

    def _calls(self) -> tuple[ToolCall, ...]:
        """The calls; each is made replayable in its item, and told as the model wrote it."""
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for item in self.items:
            if item.get("type") != "function_call":
                continue
            name, arguments = text_of(item.get("name")), text_of(item.get("arguments"))
            if not name:
                raise unreadable(self._provider)
            identity = distinct_id(item.get("call_id"), seen)
            calls.append(ToolCall(id=identity, name=name, arguments=arguments_of(arguments)))
            item |= {"call_id": identity, "name": as_name(name), "arguments": _replayable(calls[-1].arguments)}
        return tuple(calls)

    def _keep(self, event: Item, size: int) -> None:
        item, place = event.get("item"), event.get("output_index")
        if not isinstance(item, dict):
            raise unreadable(self._provider)
        self._grow(kept=size)
        self._done[place if isinstance(place, int) else len(self._done)] = item

    def _grow(self, *, streamed: int = 0, kept: int = 0) -> None:
        """An item comes twice: in small pieces, counted in characters, then whole, counted in bytes."""
        self._streamed += streamed
        self._kept += kept
        if self._streamed > self._limit or self._kept > 4 * self._limit:
            raise too_large(self._provider, self._limit)

    def _incomplete(self, response: Raw) -> ModelError:
        details = response.get("incomplete_details") if isinstance(response, dict) else None
        match details.get("reason") if isinstance(details, dict) else None:
            case "max_output_tokens":
                return too_short(self._provider, LENGTH_OPTION)
            case "content_filter":
                return declined(self._provider)
            case _:
                return cut_off(self._provider)


def _closed(items: list[Item]) -> list[Item]:
    """The items without reasoning at their end: a history in which nothing follows it is refused."""
    end = len(items)
    while end and items[end - 1].get("type") == "reasoning":
        end -= 1
    return items[:end]


def _contents(message: Item) -> list[Item]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _stream_problem(response: Raw) -> Problem:
    """Why a response failed; a failure that is not explained is the server's."""
    error = response.get("error") if isinstance(response, dict) else None
    return reported_problem({"error": error}) if isinstance(error, dict) else Problem(status=500)


def _usage(usage: Raw) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("input_tokens_details")
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        cached_tokens=count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        output_tokens=count(usage.get("output_tokens")),
    )


def _replayable(arguments: str) -> str:
    acceptable = as_object(arguments)
    return json.dumps(acceptable) if "not_json" in acceptable else arguments


OPENAI_BASE_URL = "https://api.openai.com/v1"

LONGEST_CACHE_KEY = 64
SEARCHES_PER_REPLY = 10
"""Web searches that one reply may make; each costs money beside its tokens."""

_REASONING_CONTENT = "reasoning.encrypted_content"
_CONFIG_NAMES = {"max_output_tokens": LENGTH_OPTION, "max_tool_calls": "enable_web_search"}


@dataclass(frozen=True, kw_only=True)
class ResponsesOptions:
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        enable_web_search: lets the model read the web, at OpenAI's.
        extra_body: sent as it is; wins over everything else that is sent.
        read_timeout: seconds without a byte after which a call is given up; models may think as long without a word.
        max_reply_characters: a longer reply is stopped.
    """

    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    reasoning_summary: str | None = None
    verbosity: str | None = None
    enable_web_search: bool = False
    extra_body: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    read_timeout: float = 300.0
    max_reply_characters: int = 12_000_000

    def body(self) -> dict[str, Raw]:
        """The options that are set, as the request has them."""
        options: dict[str, Raw] = {
            "temperature": self.temperature,
            "max_output_tokens": self.max_output_tokens,
            "reasoning": _set({"effort": self.reasoning_effort, "summary": self.reasoning_summary}) or None,
            "text": _set({"verbosity": self.verbosity}) or None,
            "max_tool_calls": SEARCHES_PER_REPLY if self.enable_web_search else None,
        }
        return _set(options) | dict(self.extra_body)


class ResponsesModel:
    """A model behind a Responses server.

    `key_name` is what people know the key by, such as OPENAI_API_KEY. Calls of one `prompt_cache_key` find each other's
    cached beginnings, so it should name the agent.
    """

    def __init__(
        self,
        *,
        clients: OpenAIClients,
        model: str,
        base_url: str = OPENAI_BASE_URL,
        api_key: str = "",
        key_name: str = "",
        prompt_cache_key: str = "",
        options: ResponsesOptions | None = None,
    ) -> None:
        check_address(base_url, model)
        self._provider = Provider(model=model, base_url=base_url, key_name=key_name, key=api_key)
        self._clients = clients
        self._api_key = api_key
        self._cache_key = _shortened(prompt_cache_key)
        self._options = options or ResponsesOptions()
        self._has_reasoning = True

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._provider.model

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation; the occasion makes no difference to a real model."""
        del turn_context
        return _ResponsesConversation(self, system)

    async def complete(self, system: str, items: Sequence[Item], tools: Sequence[ToolSpec]) -> ReplyParts:
        """One call of the server, to the end of its reply."""
        body = self._body(system, items, tools)
        try:
            async with asyncio.timeout(CONNECT_SECONDS + self._options.read_timeout):
                response = await self._open(body)
        except TimeoutError:
            raise silent(self._provider) from None
        except APIStatusError as error:
            raise refused(_problem(error, self._options, body), self._provider) from None
        except (APIConnectionError, *BROKEN_CONNECTION) as error:
            raise broken(error, self._provider) from None
        limit = self._options.max_reply_characters
        parts = ReplyParts(self._provider, limit=limit)
        await read_events(response, parts, self._provider, limit=limit)
        return parts

    async def _open(self, body: dict[str, Raw]) -> httpx2.Response:
        try:
            return await self._post(body)
        except APIStatusError as error:
            if error.status_code != 400 or not _is_about_reasoning(error) or "include" not in body:
                raise
        # A model that does not reason has no reasoning to give back, and refuses to be asked for it.
        self._has_reasoning = False
        del body["include"]
        return await self._post(body)

    async def _post(self, body: dict[str, Raw]) -> httpx2.Response:
        client = self._clients.client(base_url=self._provider.base_url, api_key=self._api_key)
        return await post_raw(client, "/responses", body, read_timeout=self._options.read_timeout)

    def _body(self, system: str, items: Sequence[Item], tools: Sequence[ToolSpec]) -> dict[str, Raw]:
        body: dict[str, Raw] = {"model": self._provider.model, "input": list(items), "stream": True, "store": False}
        if system:
            body["instructions"] = system
        if self._has_reasoning:
            body["include"] = [_REASONING_CONTENT]
        if self._cache_key:
            body["prompt_cache_key"] = self._cache_key
        # What changes from call to call comes last, so that the beginning stays the same for the cache.
        offered: list[Raw] = [{"type": "web_search"}] if self._options.enable_web_search else []
        offered += [_tool(tool) for tool in tools]
        if offered:
            body |= {"tools": offered, "parallel_tool_calls": True}
        return body | self._options.body()


class _ResponsesConversation:
    """The history as the server wants it; it grows only when a call succeeds."""

    def __init__(self, model: ResponsesModel, system: str) -> None:
        self._model = model
        self._system = whole_text(system)
        self._history: list[Item] = []

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        items = [*self._history, *_items(inputs)]
        parts = await self._model.complete(self._system, items, tools)
        reply = parts.complete()
        self._history = [*items, *parts.items]
        return reply

    async def close(self) -> None:
        self._history = []


def _items(inputs: Sequence[InputMessage]) -> list[Item]:
    """Tool results first, as they must follow their calls; then all that was told, as one message."""
    items: list[Item] = [
        {"type": "function_call_output", "call_id": each.call_id, "output": whole_text(_result(each))}
        for each in inputs
        if isinstance(each, ToolResult)
    ]
    told = [each.text for each in inputs if isinstance(each, UserMessage)]
    if told:
        items.append({"role": "user", "content": whole_text("\n\n".join(told))})
    return items


def _result(result: ToolResult) -> str:
    return f"Error: {result.text}" if result.is_error else result.text


def _tool(tool: ToolSpec) -> Raw:
    return {
        "type": "function",
        "name": tool.name,
        "description": whole_text(tool.description),
        "parameters": offered_schema(tool),
        # Left out, it would mean true.
        "strict": tool.is_strict,
    }


def _set(options: Mapping[str, Raw]) -> dict[str, Raw]:
    return {name: value for name, value in options.items() if value is not None}


def _shortened(key: str) -> str:
    return key if len(key) <= LONGEST_CACHE_KEY else hashlib.sha256(key.encode()).hexdigest()


def _error_text(error: APIStatusError) -> str:
    return error.message if isinstance(error.body, dict) else str(error.body)


def _is_about_reasoning(error: APIStatusError) -> bool:
    words = _error_text(error).lower()
    return str(error.param or "").startswith("include") or "encrypted content is not supported" in words


def _problem(error: APIStatusError, options: ResponsesOptions, body: Mapping[str, Raw]) -> Problem:
    words, place = _error_text(error), str(error.param or "")
    option = mentioned(options.body(), place) or mentioned(options.body(), words)
    if "web_search" in words and options.enable_web_search:
        option = "enable_web_search"
    return Problem(
        status=error.status_code,
        codes=tuple(str(code).lower() for code in (error.code, error.type) if code),
        words=words,
        said=said_in(error.body),
        option=named_tool(place, body.get("tools")) or _CONFIG_NAMES.get(option, option),
        retry_after=retry_after(error.response.headers),
    )


class ResponsesBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = OpenAIClients()

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        return ResponsesModel(
            clients=self._clients,
            model=backend.model,
            base_url=backend.base_url or OPENAI_BASE_URL,
            api_key=key_of(backend),
            key_name=backend.key_name,
            prompt_cache_key=agent,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()


def open_builder(environ: Mapping[str, str], clock: Clock) -> ResponsesBuilder:
    """One builder for the process."""
    del environ, clock
    return ResponsesBuilder()


def _options(options: ModelOptions) -> ResponsesOptions:
    summary = options.reasoning.summary if options.reasoning is not None else None
    return ResponsesOptions(
        temperature=options.temperature,
        max_output_tokens=options.output_tokens,
        reasoning_effort=options.effort,
        reasoning_summary=None if summary == "none" else summary,
        verbosity=options.text.verbosity if options.text is not None else None,
        enable_web_search=options.enable_web_search,
        extra_body=extra_body(options, "top_p"),
    )
