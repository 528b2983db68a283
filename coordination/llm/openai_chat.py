"""Models that speak Chat Completions: OpenAI's own, and every compatible server by its base_url.

The SDK sends the request. Its streamed answer is read raw, because the objects that the SDK builds for every chunk
cost several times more than all the rest of a call.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

import httpx2
from openai import APIConnectionError, APIStatusError

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.http import BROKEN_CONNECTION, check_address, extra_body, key_of, offered_schema, read_events
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    broken,
    refused,
    retry_after,
    said_in,
    silent,
    too_large,
    whole_text,
)
from coordination.llm.openai_chat_stream import REASONING_KEYS, Message, ReplyParts
from coordination.llm.openai_clients import CONNECT_SECONDS, AzureClients, OpenAIClients, post_raw
from coordination.ports import (
    Clock,
    Conversation,
    InputMessage,
    Model,
    Reply,
    ToolResult,
    ToolSpec,
    TurnContext,
    UserMessage,
)

OPENAI_BASE_URL = "https://api.openai.com/v1"


LONGEST_DESCRIPTION = 1024
"""Characters of a tool's description that OpenAI takes; longer ones fail the whole request."""

_GIVEN_BY_US = frozenset({"model", "messages", "stream", "tools"})


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        extra_body: sent as it is; wins over everything else that is sent.
        read_timeout: seconds without a byte after which a call is given up.
        max_reply_characters: a longer reply is stopped.
    """

    temperature: float | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    extra_body: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    read_timeout: float = 120.0
    max_reply_characters: int = 12_000_000

    def body(self) -> dict[str, Raw]:
        """The options that are set, as the request has them."""
        options: dict[str, Raw] = {
            "temperature": self.temperature,
            "max_completion_tokens": self.max_completion_tokens,
            "reasoning_effort": self.reasoning_effort,
        }
        return {name: value for name, value in options.items() if value is not None} | dict(self.extra_body)


class ChatCompletionsModel:
    """A model behind a Chat Completions server. `key_name` is what people know the key by, such as OPENAI_API_KEY."""

    def __init__(
        self,
        *,
        clients: OpenAIClients,
        model: str,
        base_url: str = OPENAI_BASE_URL,
        api_key: str = "",
        key_name: str = "",
        options: ChatOptions | None = None,
    ) -> None:
        check_address(base_url, model)
        self._provider = Provider(model=model, base_url=base_url, key_name=key_name, key=api_key)
        self._clients = clients
        self._api_key = api_key
        self._options = options or ChatOptions()
        self._reports_usage = True
        self._returns_reasoning = True

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._provider.model

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation; the occasion makes no difference to a real model."""
        del turn_context
        return _ChatConversation(self, system)

    async def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> ReplyParts:
        """One call of the server, to the end of its reply."""
        body = self._body(messages, tools)
        try:
            async with asyncio.timeout(CONNECT_SECONDS + self._options.read_timeout):
                response = await self._open(body)
        except TimeoutError:
            raise silent(self._provider) from None
        except APIStatusError as error:
            raise refused(_problem(error, body), self._provider) from None
        except (APIConnectionError, *BROKEN_CONNECTION) as error:
            raise broken(error, self._provider) from None
        return await self._read(response)

    async def _open(self, body: dict[str, Raw]) -> httpx2.Response:
        try:
            return await self._post(body)
        except APIStatusError as error:
            if error.status_code not in {400, 422} or not self._asks_for_less(body, _error_text(error)):
                raise
        return await self._post(body)

    def _asks_for_less(self, body: dict[str, Raw], words: str) -> bool:
        """Take out of the request what this server does not know; whether there was such a thing."""
        if "stream_options" in words and "stream_options" in body:
            # An older server: it reports no usage, or reports it unasked.
            self._reports_usage = False
            del body["stream_options"]
            return True
        if any(f"{key}'" in words or f'{key}"' in words for key in REASONING_KEYS) and "unsupported" in words.lower():
            # It sends its reasoning, and refuses to get it back.
            self._returns_reasoning = False
            body["messages"] = self._sendable(cast("list[Message]", body["messages"]))
            return True
        return False

    def _sendable(self, messages: Sequence[Message]) -> list[Raw]:
        if self._returns_reasoning:
            return list(messages)
        return [{key: value for key, value in each.items() if key not in REASONING_KEYS} for each in messages]

    async def _post(self, body: dict[str, Raw]) -> httpx2.Response:
        client = self._clients.client(base_url=self._provider.base_url, api_key=self._api_key)
        return await post_raw(client, "/chat/completions", body, read_timeout=self._options.read_timeout)

    async def _read(self, response: httpx2.Response) -> ReplyParts:
        limit = self._options.max_reply_characters
        parts = ReplyParts(self._provider, limit=limit, length_option="max_completion_tokens")
        if "json" not in response.headers.get("content-type", ""):
            await read_events(response, parts, self._provider, limit=limit)
            return parts
        try:
            async with aclosing(response.aiter_bytes()) as stream:
                parts.take(await _joined(stream, limit))
        except OverflowError:
            raise too_large(self._provider, limit) from None
        except BROKEN_CONNECTION as error:
            raise broken(error, self._provider) from None
        return parts

    def _body(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> dict[str, Raw]:
        body: dict[str, Raw] = {"model": self._provider.model, "messages": self._sendable(messages), "stream": True}
        if self._reports_usage:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        return body | self._options.body()


class _ChatConversation:
    """The history as the server wants it; it grows only when a call succeeds."""

    def __init__(self, model: ChatCompletionsModel, system: str) -> None:
        self._model = model
        self._history: list[Message] = [{"role": "system", "content": whole_text(system)}]

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        messages = [*self._history, *_messages(inputs)]
        parts = await self._model.complete(messages, tools)
        reply = parts.complete()
        self._history = [*messages, parts.message(reply)]
        return reply

    async def close(self) -> None:
        self._history = []


async def _joined(stream: AsyncGenerator[bytes], limit: int) -> bytes:
    """The whole body of a server that does not stream."""
    pieces: list[bytes] = []
    size = 0
    async for data in stream:
        pieces.append(data)
        size += len(data)
        if size > 4 * limit:
            raise OverflowError
    return b"".join(pieces)


def _messages(inputs: Sequence[InputMessage]) -> list[Message]:
    """Tool results first, as they must follow their calls; then all that was told, as one message."""
    messages: list[Message] = [
        {"role": "tool", "tool_call_id": each.call_id, "content": whole_text(_result(each))}
        for each in inputs
        if isinstance(each, ToolResult)
    ]
    told = [each.text for each in inputs if isinstance(each, UserMessage)]
    if told:
        messages.append({"role": "user", "content": whole_text("\n\n".join(told))})
    return messages


def _result(result: ToolResult) -> str:
    return f"Error: {result.text}" if result.is_error else result.text


def _tool(tool: ToolSpec) -> Raw:
    description = whole_text(tool.description)
    if len(description) > LONGEST_DESCRIPTION:
        description = description[: LONGEST_DESCRIPTION - 1] + "…"
    function: dict[str, Raw] = {
        "name": tool.name,
        "description": description,
        "parameters": offered_schema(tool),
    }
    if tool.is_strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _error_text(error: APIStatusError) -> str:
    return error.message if isinstance(error.body, dict) else str(error.body)


def _problem(error: APIStatusError, body: Mapping[str, Raw]) -> Problem:
    words = _error_text(error)
    named = (error.param or "").split(".")[0].split("[")[0]
    mentioned = next((option for option in body if option not in _GIVEN_BY_US and option in words), "")
    return Problem(
        status=error.status_code,
        codes=tuple(code.lower() for code in (error.code, error.type) if code),
        words=words,
        said=said_in(error.body),
        option=named if named in body else mentioned,
        retry_after=retry_after(error.response.headers),
    )


_AS_THEY_ARE = ("top_p", "top_k", "seed", "repetition_penalty", "separate_reasoning", "chat_template_kwargs")


class ChatCompletionsBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = OpenAIClients()
        self._azure: dict[str, AzureClients] = {}

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        del agent
        return ChatCompletionsModel(
            clients=self._clients_of(backend),
            model=backend.model,
            base_url=_address(backend),
            api_key=key_of(backend),
            key_name=backend.key_name,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        for clients in (self._clients, *self._azure.values()):
            await clients.aclose()

    def _clients_of(self, backend: BackendSettings) -> OpenAIClients:
        version = backend.api_version
        if backend.type != "azure_openai" or version is None:
            return self._clients
        return self._azure.setdefault(version, AzureClients(version))


def open_builder(environ: Mapping[str, str], clock: Clock) -> ChatCompletionsBuilder:
    """One builder for the process."""
    del environ, clock
    return ChatCompletionsBuilder()


def _address(backend: BackendSettings) -> str:
    """Azure's resource as it is written, with the path of its versionless API where no version is given."""
    if backend.type != "azure_openai" or backend.api_version is not None or not backend.base_url:
        return backend.base_url
    root = backend.base_url.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    return f"{root}/openai/v1"


def _options(options: ModelOptions) -> ChatOptions:
    verbosity = options.text.verbosity if options.text is not None else None
    own: dict[str, Raw] = {} if verbosity is None else {"verbosity": verbosity}
    return ChatOptions(
        temperature=options.temperature,
        max_completion_tokens=options.output_tokens,
        reasoning_effort=options.effort,
        extra_body=own | dict(extra_body(options, *_AS_THEY_ARE)),
    )
