"""Models that speak Google's Gemini API.

Every part is kept whole for the history: a thought signature is worthless away from the part that it came on, and
Gemini refuses a history that lacks one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Protocol, cast

import httpx2
from google.genai import errors, types
from typing_extensions import Unpack, override

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError
from coordination.llm.gemini_client import Asked, GeminiClients, freeing_connections, garbled, refusal, unfinished
from coordination.llm.http import extra_body
from coordination.llm.http_model import HttpOptions, ServedModel, those_set, with_idle_timeout
from coordination.llm.model_errors import (
    Provider,
    Raw,
    broken,
    cut_off,
    declined,
    silent,
    too_large,
    unreadable,
    whole_text,
)
from coordination.llm.provider import Server, Shared, results_in, server_of, told_in
from coordination.ports import (
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    TurnContext,
    Usage,
)
from coordination.text import Text

_PART_WEIGHT = 64
"""Characters that a part counts for beside its content, so that endless empty parts are bounded too."""

_PLAIN = frozenset({"text", "thought"})


class GeminiReplyParts:
    """What has come of one reply so far."""

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the reply."""
        self._provider = provider
        self._limit = limit
        self._size = 0
        self._has_begun = False
        self._parts: list[types.Part] = []
        self._finish: str | None = None
        self._goes_on_without_reason = False
        self._is_blocked = False
        self._usage = Usage()

    @property
    def is_finished(self) -> bool:
        """Whether the model has said that it is done."""
        return self._finish is not None

    @property
    def is_surely_finished(self) -> bool:
        """Whether nothing more can come: gateways have given a reason with every chunk, or with empty ones at first."""
        return self.is_finished and self._goes_on_without_reason and bool(self._parts)

    def take(self, chunk: types.GenerateContentResponse) -> None:
        """Add one chunk.

        Raises:
            ModelError: the reply is too large.
        """
        self._has_begun = True
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            self._is_blocked = True
        if chunk.usage_metadata is not None:
            self._usage = _usage(chunk.usage_metadata)
        for candidate in (chunk.candidates or [])[:1]:
            for part in (candidate.content and candidate.content.parts) or []:
                self._add(part)
            if candidate.finish_reason is not None:
                self._finish = str(candidate.finish_reason.value)
            else:
                self._goes_on_without_reason = True

    def complete(self) -> Reply:
        """The whole reply.

        Raises:
            ModelError: it did not end, was cut at its length limit, was garbled, or was declined.
        """
        if self._is_blocked:
            raise declined(self._provider)
        if self._finish is None:
            raise cut_off(self._provider) if self._has_begun else unreadable(self._provider)
        if self._finish != "STOP":
            raise unfinished(self._finish, self._provider)
        calls = self.calls()
        if not all(call.name for call in calls.values()):
            raise garbled(self._provider)
        text = "".join(part.text for part in self._parts if part.text and not part.thought)
        return Reply(
            text=whole_text(text),
            calls=tuple(
                ToolCall(id=identity, name=call.name or "", arguments=_arguments(call))
                for identity, call in calls.items()
            ),
            usage=self._usage,
        )

    def calls(self) -> Mapping[str, types.FunctionCall]:
        """The calls, each by an id that no other has: Gemini's own ids may be missing."""
        calls: dict[str, types.FunctionCall] = {}
        for part in self._parts:
            if part.function_call is not None:
                identity = part.function_call.id or f"call_{len(calls)}"
                while identity in calls:
                    identity += "_"
                calls[identity] = part.function_call
        return calls

    def content(self) -> types.Content | None:
        """The reply as the history needs it; None if it has no part, as Gemini refuses an empty content."""
        parts: list[types.Part] = []
        for (is_plain, is_thought), group in groupby(self._parts, lambda part: (_is_plain(part), part.thought)):
            if is_plain:
                text = "".join(part.text or "" for part in group)
                parts.append(types.Part(text=whole_text(text), thought=is_thought))
            else:
                parts += group
        return types.Content(role="model", parts=parts) if parts else None

    def _add(self, part: types.Part) -> None:
        if _is_plain(part):
            # An empty part is one that this SDK does not know: Gemini would not take it back.
            if not part.text:
                return
            size = len(part.text)
        else:
            size = len(part.model_dump_json(exclude_none=True))
        self._size += _PART_WEIGHT + size
        if self._size > self._limit:
            raise too_large(self._provider, self._limit)
        self._parts.append(part)


def _is_plain(part: types.Part) -> bool:
    """Whether it is text and nothing else, which came in pieces only because it was streamed."""
    return part.model_fields_set <= _PLAIN


def _arguments(call: types.FunctionCall) -> str:
    return whole_text(json.dumps(call.args or {}, ensure_ascii=False))


def _usage(usage: types.GenerateContentResponseUsageMetadata) -> Usage:
    """What a provider-side tool brought is input too; thoughts are output that Gemini counts apart."""
    return Usage(
        input_tokens=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        cached_tokens=usage.cached_content_token_count or 0,
        output_tokens=(usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
    )


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
class GeminiOptions(HttpOptions):
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        thinking_level: one of Gemini's levels, such as `low`; `thinking_budget` is the older models' way, in tokens.
        enable_web_search: lets the model read the web at Google's. Models before Gemini 3 refuse it beside tools.
    """

    max_output_tokens: int | None = None
    thinking_level: str | None = None
    thinking_budget: int | None = None
    enable_web_search: bool = False

    @override
    def own(self) -> dict[str, Raw]:
        return {
            "max_output_tokens": self.max_output_tokens,
            "thinking_level": self.thinking_level,
            "thinking_budget": self.thinking_budget,
        }

    @override
    def diagnostics(self, model: str) -> list[Text]:
        level = self.thinking_level
        if level is None or level.lower() in _LEVELS:
            return []
        return [Text("The thinking_level of {model} must be one of {levels}.", model=model, levels=", ".join(_LEVELS))]


class GeminiModel(ServedModel[GeminiOptions]):
    """A model behind Gemini's API."""

    default_base_url: ClassVar[str] = GEMINI_BASE_URL
    default_options = GeminiOptions()

    def __init__(
        self, *, clients: GeminiClients, options: GeminiOptions | None = None, **server: Unpack[Server]
    ) -> None:
        super().__init__(options=options, **server)
        self._clients = clients

    @override
    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        return _GeminiConversation(self, system)

    async def complete(
        self, system: str, contents: Sequence[types.Content], tools: Sequence[ToolSpec]
    ) -> GeminiReplyParts:
        """One call of the server, to the end of its reply."""
        parts = GeminiReplyParts(self._provider, limit=self._options.max_reply_characters)
        asked = Asked(
            options=list(self._options.body()),
            tools=[tool.name for tool in tools],
            searches=self._options.enable_web_search,
        )
        clock = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._options.read_timeout) as silence, freeing_connections():
                stream = await self._stream(system, contents, tools)
                while (chunk := await self._next(stream, parts, asked)) is not None:
                    parts.take(chunk)
                    patience = DRAIN_SECONDS if parts.is_surely_finished else self._options.read_timeout
                    silence.reschedule(clock.time() + patience)
        except TimeoutError:
            if not parts.is_finished:
                raise silent(self._provider) from None
        return parts

    async def _stream(
        self, system: str, contents: Sequence[types.Content], tools: Sequence[ToolSpec]
    ) -> AsyncIterator[types.GenerateContentResponse]:
        provider = self._provider
        client = self._clients.client(base_url=provider.base_url, api_key=provider.key, headers=provider.headers)
        models = cast("_Models", client.aio.models)
        return await models.generate_content_stream(
            model=self._provider.model, contents=list(contents), config=self._config(system, tools)
        )

    async def _next(
        self, stream: AsyncIterator[types.GenerateContentResponse], parts: GeminiReplyParts, asked: Asked
    ) -> types.GenerateContentResponse | None:
        """The next chunk; None at the end, however a stream ends whose reply is whole, unless a failure is told."""
        try:
            return await anext(stream, None)
        except _FAILURES as error:
            if parts.is_surely_finished and not isinstance(error, errors.APIError):
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
            # Gemini's condition for searching the web beside function calls; the search comes as parts of the reply.
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

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        contents = [*self._history, *_contents(inputs, self._open)]
        parts = await self._model.complete(self._system, contents, tools)
        reply = parts.complete()
        content = parts.content()
        self._history = contents if content is None else [*contents, content]
        self._open = parts.calls()
        return reply

    async def close(self) -> None:
        self._history = []
        self._open = {}


def _contents(inputs: Sequence[InputMessage], calls: Mapping[str, types.FunctionCall]) -> list[types.Content]:
    """Tool results first, all in one content, as they must follow their calls; then all that was told."""
    answers = [_answer(each, calls[each.call_id]) for each in results_in(inputs)]
    told = told_in(inputs)
    contents = [types.Content(role="user", parts=answers)] if answers else []
    if told is not None:
        contents.append(types.Content(role="user", parts=[types.Part(text=whole_text(told))]))
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


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent."""
    del agent
    return GeminiModel(clients=shared.pool(GeminiClients), **server_of(backend), options=_options(backend.options))


def _options(options: ModelOptions) -> GeminiOptions:
    _, budget = options.thinking_ahead
    return with_idle_timeout(
        GeminiOptions(
            temperature=options.temperature,
            max_output_tokens=options.output_tokens,
            thinking_level=options.effort,
            thinking_budget=budget,
            enable_web_search=options.enable_web_search,
            extra_body=_extra(options),
        ),
        options,
    )


def _extra(options: ModelOptions) -> Mapping[str, Raw]:
    """Gemini has these in its `generationConfig`, where what is written there by name wins."""
    extra = dict(extra_body(options))
    sampling: dict[str, Raw] = {"topP": options.top_p, "topK": options.top_k, "seed": options.seed}
    own = those_set(sampling)
    written = extra.get("generationConfig")
    kept: dict[str, Raw] = written if isinstance(written, dict) else {}
    if own:
        extra["generationConfig"] = {**own, **kept}
    return extra
