"""Models that speak OpenAI's Responses API, without anything being stored there.

The SDK sends the request. Its streamed answer is read raw, because the objects that the SDK builds for every event
cost several times more than all the rest of a call.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
from openai import APIConnectionError, APIStatusError

from coordination.llm.http import BROKEN_CONNECTION, read_events
from coordination.llm.model_address import check_address
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    broken,
    refused,
    retry_after,
    said_in,
    silent,
    whole_text,
)
from coordination.llm.model_json import mentioned, named_tool, offered_schema
from coordination.llm.openai_clients import CONNECT_SECONDS, OpenAIClients, post_raw
from coordination.llm.responses_stream import LENGTH_OPTION, Item, ReplyParts
from coordination.ports import Conversation, Occasion, Reply, Said, Told, ToolResult, ToolSpec

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

    def converse(self, system: str, occasion: Occasion) -> Conversation:
        """Begin a fresh conversation; the occasion makes no difference to a real model."""
        del occasion
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

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        items = [*self._history, *_items(said)]
        parts = await self._model.complete(self._system, items, tools)
        reply = parts.complete()
        self._history = [*items, *parts.items]
        return reply

    async def close(self) -> None:
        self._history = []


def _items(said: Sequence[Said]) -> list[Item]:
    """Tool results first, as they must follow their calls; then all that was told, as one message."""
    items: list[Item] = [
        {"type": "function_call_output", "call_id": each.call_id, "output": whole_text(_result(each))}
        for each in said
        if isinstance(each, ToolResult)
    ]
    told = [each.text for each in said if isinstance(each, Told)]
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


def _words(error: APIStatusError) -> str:
    return error.message if isinstance(error.body, dict) else str(error.body)


def _is_about_reasoning(error: APIStatusError) -> bool:
    words = _words(error).lower()
    return str(error.param or "").startswith("include") or "encrypted content is not supported" in words


def _problem(error: APIStatusError, options: ResponsesOptions, body: Mapping[str, Raw]) -> Problem:
    words, place = _words(error), str(error.param or "")
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
