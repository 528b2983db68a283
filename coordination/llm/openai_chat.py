"""Models that speak Chat Completions: OpenAI's own, and every compatible server by its base_url."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar, cast

import httpx2
from typing_extensions import override

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.http import BROKEN_CONNECTION, extra_body, offered_schema
from coordination.llm.http_model import HttpModel, HttpOptions, Item, Refusal, ReplyParts, result_text
from coordination.llm.model_errors import Raw, broken, too_large, whole_text
from coordination.llm.openai_chat_stream import REASONING_KEYS, ChatReplyParts
from coordination.llm.openai_clients import OPENAI_BASE_URL, AzureClients, OpenAIClients
from coordination.llm.provider import Shared, results_in, server_of, told_in
from coordination.ports import InputMessage, Model, Reply, ToolSpec

LONGEST_DESCRIPTION = 1024
"""Characters of a tool's description that OpenAI takes; longer ones fail the whole request."""

_GIVEN_BY_US = frozenset({"model", "messages", "stream", "tools"})


@dataclass(frozen=True, kw_only=True)
class ChatOptions(HttpOptions):
    """What is asked of the server in each call, beside the conversation."""

    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None

    @override
    def own(self) -> dict[str, Raw]:
        return {"max_completion_tokens": self.max_completion_tokens, "reasoning_effort": self.reasoning_effort}


class ChatCompletionsModel(HttpModel[ChatOptions]):
    """A model behind a Chat Completions server."""

    path: ClassVar[str] = "/chat/completions"
    default_base_url: ClassVar[str] = OPENAI_BASE_URL
    default_options = ChatOptions()
    _reports_usage = True
    _returns_reasoning = True

    @override
    async def reply(
        self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]
    ) -> tuple[Reply, Sequence[Item]]:
        parts = ChatReplyParts(self._provider, limit=self._limit, length_option="max_completion_tokens")
        await self.call(self._body(system, history, tools), parts)
        reply = parts.complete()
        return reply, [parts.message(reply)]

    @override
    def items_of(self, inputs: Sequence[InputMessage]) -> list[Item]:
        messages: list[Item] = [
            {"role": "tool", "tool_call_id": each.call_id, "content": result_text(each)} for each in results_in(inputs)
        ]
        told = told_in(inputs)
        if told is not None:
            messages.append({"role": "user", "content": whole_text(told)})
        return messages

    @override
    def asks_for_less(self, refusal: Refusal, body: Item) -> bool:
        words = refusal.words
        if refusal.status not in {400, 422}:
            return False
        if "stream_options" in words and "stream_options" in body:
            # An older server: it reports no usage, or reports it unasked.
            self._reports_usage = False
            del body["stream_options"]
            return True
        if any(f"{key}'" in words or f'{key}"' in words for key in REASONING_KEYS) and "unsupported" in words.lower():
            # It sends its reasoning, and refuses to get it back.
            self._returns_reasoning = False
            body["messages"] = self._sendable(cast("list[Item]", body["messages"]))
            return True
        return False

    @override
    def option_in(self, refusal: Refusal, body: Item) -> str:
        named = refusal.place.split(".")[0].split("[")[0]
        mentioned = (option for option in body if option not in _GIVEN_BY_US and option in refusal.words)
        return named if named in body else next(mentioned, "")

    @override
    async def read(self, response: httpx2.Response, parts: ReplyParts) -> None:
        if "json" not in response.headers.get("content-type", ""):
            await super().read(response, parts)
            return
        try:
            async with aclosing(response.aiter_bytes()) as stream:
                parts.take(await _joined(stream, self._limit))
        except OverflowError:
            raise too_large(self._provider, self._limit) from None
        except BROKEN_CONNECTION as error:
            raise broken(error, self._provider) from None

    def _sendable(self, messages: Sequence[Item]) -> list[Raw]:
        if self._returns_reasoning:
            return list(messages)
        return [{key: value for key, value in each.items() if key not in REASONING_KEYS} for each in messages]

    def _body(self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]) -> Item:
        messages = self._sendable([{"role": "system", "content": system}, *history])
        body: Item = {"model": self.name, "messages": messages, "stream": True}
        if self._reports_usage:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        return body | self._options.body()


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


_AS_THEY_ARE = ("top_p", "top_k", "seed", "repetition_penalty", "separate_reasoning", "chat_template_kwargs")


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent."""
    del agent
    server = server_of(backend)
    server["base_url"] = _address(backend)
    return ChatCompletionsModel(clients=_clients(backend, shared), **server, options=_options(backend.options))


def _clients(backend: BackendSettings, shared: Shared) -> OpenAIClients:
    if backend.type == "azure_openai" and backend.api_version is not None:
        return shared.pool(AzureClients, backend.api_version)
    return shared.pool(OpenAIClients)


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
