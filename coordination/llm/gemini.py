"""Models that speak Google's Gemini API."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

import httpx2
from google.genai import errors, types

from coordination.errors import ConfigError, ModelError
from coordination.llm.gemini_client import Asked, refusal
from coordination.llm.gemini_clients import GeminiClients, freeing_connections
from coordination.llm.gemini_stream import ReplyParts
from coordination.llm.model_address import check_address
from coordination.llm.model_errors import Provider, Raw, broken, silent, too_large, unreadable, whole_text
from coordination.ports import Conversation, Occasion, Reply, Said, Told, ToolResult, ToolSpec

GEMINI_BASE_URL = "https://generativelanguage.googleapis.com"

DRAIN_SECONDS = 0.5
"""How long a server may take to end a stream whose reply is whole; then its connection is not used again."""

_BROKEN_CONNECTION = (httpx2.HTTPError, OSError)
# The SDK takes what comes for what it expects, and fails somewhere within if it is something else.
_UNEXPECTED = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
_FAILURES = (errors.APIError, OverflowError, *_BROKEN_CONNECTION, *_UNEXPECTED)

_LEVELS = tuple(level.value.lower() for level in types.ThinkingLevel if not level.value.endswith("UNSPECIFIED"))


class _Models(Protocol):
    """What is used of the SDK: its own types name libraries that need not be here."""

    async def generate_content_stream(
        self, *, model: str, contents: list[types.Content], config: types.GenerateContentConfig
    ) -> AsyncIterator[types.GenerateContentResponse]: ...


@dataclass(frozen=True, kw_only=True)
class GeminiOptions:
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        thinking_level: one of Gemini's levels, such as `low`; `thinking_budget` is the older models' way, in tokens.
        enable_web_search: lets the model read the web at Google's. Models before Gemini 3 refuse it beside tools.
        extra_body: sent as it is; wins over everything else that is sent.
        read_timeout: seconds without an event after which a call is given up.
        max_reply_characters: a longer reply is stopped.
    """

    temperature: float | None = None
    max_output_tokens: int | None = None
    thinking_level: str | None = None
    thinking_budget: int | None = None
    enable_web_search: bool = False
    extra_body: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    read_timeout: float = 120.0
    max_reply_characters: int = 12_000_000

    def names(self) -> list[str]:
        """The options that are set, by name."""
        options = {
            "temperature": self.temperature,
            "max_output_tokens": self.max_output_tokens,
            "thinking_level": self.thinking_level,
            "thinking_budget": self.thinking_budget,
        }
        return [name for name, value in options.items() if value is not None] + list(self.extra_body)


class GeminiModel:
    """A model behind Gemini's API. `key_name` is what people know the key by, such as GEMINI_API_KEY."""

    def __init__(
        self,
        *,
        clients: GeminiClients,
        model: str,
        base_url: str = GEMINI_BASE_URL,
        api_key: str = "",
        key_name: str = "",
        options: GeminiOptions | None = None,
    ) -> None:
        check_address(base_url, model)
        self._provider = Provider(model=model, base_url=base_url, key_name=key_name, key=api_key)
        self._clients = clients
        self._api_key = api_key
        self._options = options or GeminiOptions()
        level = self._options.thinking_level
        if level is not None and level.lower() not in _LEVELS:
            raise ConfigError([f"The thinking_level of {model} must be one of {', '.join(_LEVELS)}."])

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._provider.model

    def converse(self, system: str, occasion: Occasion) -> Conversation:
        """Begin a fresh conversation; the occasion makes no difference to a real model."""
        del occasion
        return _GeminiConversation(self, system)

    async def complete(self, system: str, contents: Sequence[types.Content], tools: Sequence[ToolSpec]) -> ReplyParts:
        """One call of the server, to the end of its reply."""
        parts = ReplyParts(self._provider, limit=self._options.max_reply_characters)
        asked = Asked(
            options=self._options.names(),
            tools=[tool.name for tool in tools],
            searches=self._options.enable_web_search,
        )
        clock = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._options.read_timeout) as silence, freeing_connections():
                stream = await self._stream(system, contents, tools)
                while (chunk := await self._next(stream, parts, asked)) is not None:
                    parts.take(chunk)
                    patience = DRAIN_SECONDS if parts.is_finished else self._options.read_timeout
                    silence.reschedule(clock.time() + patience)
        except TimeoutError:
            if not parts.is_finished:
                raise silent(self._provider) from None
        return parts

    async def _stream(
        self, system: str, contents: Sequence[types.Content], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[types.GenerateContentResponse]:
        client = self._clients.client(base_url=self._provider.base_url, api_key=self._api_key)
        models = cast("_Models", client.aio.models)
        return await models.generate_content_stream(
            model=self._provider.model, contents=list(contents), config=self._config(system, tools)
        )

    async def _next(
        self, stream: AsyncIterator[types.GenerateContentResponse], parts: ReplyParts, asked: Asked
    ) -> types.GenerateContentResponse | None:
        """The next chunk; None at the end, however a stream ends whose reply is whole."""
        try:
            return await anext(stream, None)
        except _FAILURES as error:
            if parts.is_finished:
                return None
            raise self._failure(error, asked) from None

    def _failure(self, error: Exception, asked: Asked) -> ModelError:
        if isinstance(error, errors.APIError):
            return refusal(error, self._provider, asked)
        if isinstance(error, OverflowError):
            return too_large(self._provider, self._options.max_reply_characters)
        if isinstance(error, _BROKEN_CONNECTION):
            return broken(error, self._provider)
        return unreadable(self._provider)

    def _config(self, system: str, tools: Sequence[ToolSpec]) -> types.GenerateContentConfig:
        options = self._options
        offered = [types.Tool(function_declarations=[_declaration(tool) for tool in tools])] if tools else []
        if options.enable_web_search:
            offered.append(types.Tool(google_search=types.GoogleSearch()))
        return types.GenerateContentConfig(
            system_instruction=whole_text(system) or None,
            temperature=options.temperature,
            max_output_tokens=options.max_output_tokens,
            thinking_config=_thinking(options),
            tools=list(offered) or None,
            # Gemini's condition for searching the web beside function calls; the search then comes as parts of the reply.
            tool_config=types.ToolConfig(include_server_side_tool_invocations=True) if len(offered) > 1 else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            http_options=types.HttpOptions(extra_body=dict(options.extra_body)) if options.extra_body else None,
        )


class _GeminiConversation:
    """The history as the server wants it; it grows only when a call succeeds."""

    def __init__(self, model: GeminiModel, system: str) -> None:
        self._model = model
        self._system = system
        self._history: list[types.Content] = []
        self._open: Mapping[str, types.FunctionCall] = {}

    async def send(self, said: Sequence[Said], tools: Sequence[ToolSpec]) -> Reply:
        contents = [*self._history, *_contents(said, self._open)]
        parts = await self._model.complete(self._system, contents, tools)
        reply = parts.complete()
        content = parts.content()
        self._history = contents if content is None else [*contents, content]
        self._open = parts.calls()
        return reply

    async def close(self) -> None:
        self._history = []
        self._open = {}


def _contents(said: Sequence[Said], calls: Mapping[str, types.FunctionCall]) -> list[types.Content]:
    """Tool results first, all in one content, as they must follow their calls; then all that was told."""
    answers = [_answer(each, calls[each.call_id]) for each in said if isinstance(each, ToolResult)]
    told = [each.text for each in said if isinstance(each, Told)]
    contents = [types.Content(role="user", parts=answers)] if answers else []
    if told:
        contents.append(types.Content(role="user", parts=[types.Part(text=whole_text("\n\n".join(told)))]))
    return contents


def _answer(result: ToolResult, call: types.FunctionCall) -> types.Part:
    """A result names its function, and its call where Gemini gave that an id; else their order tells them apart."""
    response: dict[str, object] = {"error" if result.is_error else "output": whole_text(result.text)}
    return types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response=response))


def _declaration(tool: ToolSpec) -> types.FunctionDeclaration:
    """The schema goes as JSON Schema: Gemini's own form of a schema refuses most of its keywords."""
    return types.FunctionDeclaration(
        name=tool.name,
        # Gemini demands one, and MCP servers need not have one.
        description=whole_text(tool.description) or tool.name,
        parameters_json_schema=tool.input_schema,
    )


def _thinking(options: GeminiOptions) -> types.ThinkingConfig | None:
    if options.thinking_level is None and options.thinking_budget is None:
        return None
    level = types.ThinkingLevel(options.thinking_level.upper()) if options.thinking_level is not None else None
    return types.ThinkingConfig(thinking_level=level, thinking_budget=options.thinking_budget)
