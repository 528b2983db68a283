"""Models that speak Anthropic's Messages API: Anthropic's own, and every compatible server by its base_url.

The SDK sends the request. Its streamed answer is read raw, because the objects that the SDK builds for every event
cost several times more than all the rest of a call.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

import httpx2
from anthropic import APIConnectionError, APIStatusError, AsyncAnthropic, AsyncStream, DefaultAioHttpClient

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.llm.anthropic_stream import LENGTH_OPTION, PartialReply, PartialReplyParts
from coordination.llm.http import (
    BROKEN_CONNECTION,
    check_address,
    extra_body,
    key_of,
    mentioned,
    named_tool,
    offered_schema,
    read_events,
)
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


class AnthropicClients:
    """One SDK client, and so one pool of connections, per server and key.

    It runs over aiohttp, which costs about half of the SDK's own transport for a streamed reply.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], AsyncAnthropic] = {}

    def client(self, *, base_url: str, api_key: str) -> AsyncAnthropic:
        """The client of this server and key; made on first use."""
        client = self._clients.get((base_url, api_key))
        if client is None:
            client = AsyncAnthropic(
                base_url=base_url,
                # Without a key the SDK would look for one in the environment and in profiles on the disk.
                api_key=api_key or "none",
                max_retries=0,
                open_telemetry=False,
                http_client=DefaultAioHttpClient(
                    limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30)
                ),
            )
            self._clients[base_url, api_key] = client
        return client

    async def aclose(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()


ANTHROPIC_BASE_URL = "https://api.anthropic.com"

CONNECT_SECONDS = 10.0
DEFAULT_MAX_TOKENS = 32_000
"""What one reply may have unless the configuration says otherwise: no current model allows less."""

ROOM_AFTER_THINKING = 4_096
LEAST_THINKING = 1_024
LONGEST_PAUSES = 8
"""How often one reply may be paused and sent on; each time all of it is paid for again."""

SEARCHES_PER_REPLY = 10
"""Web searches that one request may make; each costs money beside its tokens."""

Message: TypeAlias = dict[str, Raw]
"""One message of the history, as the provider wants it."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")
_EPHEMERAL: dict[str, Raw] = {"type": "ephemeral"}
# The version that searches by itself; newer ones search from within code that the provider runs.
_WEB_SEARCH: dict[str, Raw] = {"type": "web_search_20250305", "name": "web_search", "max_uses": SEARCHES_PER_REPLY}
_CONFIG_NAMES = {"output_config": "reasoning_effort"}


@dataclass(frozen=True, kw_only=True)
class MessagesOptions:
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        max_tokens: of one reply, its thinking included; None: a default.
        thinking: None leaves it to the model; `enabled` needs a budget.
        thinking_budget: tokens; the older models' way.
        enable_web_search: lets the model read the web, at Anthropic's.
        extra_body: sent as it is; wins over everything else that is sent.
        read_timeout: seconds without a byte after which a call is given up.
        max_reply_characters: a longer reply is stopped.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    thinking: Literal["adaptive", "enabled", "disabled"] | None = None
    thinking_budget: int | None = None
    effort: str | None = None
    enable_web_search: bool = False
    extra_body: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    read_timeout: float = 120.0
    max_reply_characters: int = 12_000_000

    def body(self) -> dict[str, Raw]:
        """The options that are set, as the request has them."""
        default = max(DEFAULT_MAX_TOKENS, (self.thinking_budget or 0) + ROOM_AFTER_THINKING)
        options: dict[str, Raw] = {
            "max_tokens": self.max_tokens or default,
            "temperature": self.temperature,
            "thinking": self._thinking(),
            "output_config": {"effort": self.effort} if self.effort is not None else None,
        }
        return {name: value for name, value in options.items() if value is not None} | dict(self.extra_body)

    def diagnostics(self, model: str) -> list[str]:
        """What the API would refuse in every call."""
        found: list[str] = []
        budget = self.thinking_budget
        if self.effort is not None and self.effort not in EFFORTS:
            found.append(f"The reasoning effort of {model} must be one of {', '.join(EFFORTS)}.")
        if self.thinking == "enabled" and budget is None:
            found.append(f"The thinking of {model} needs budget_tokens; or set its type to adaptive.")
        if budget is not None and self.thinking in {"adaptive", "disabled"}:
            found.append(f"The thinking of {model} must have no budget_tokens unless its type is enabled.")
        if budget is not None and not LEAST_THINKING <= budget < (self.max_tokens or budget + 1):
            found.append(
                f"The budget_tokens of {model} must be {LEAST_THINKING} at least, and less than {LENGTH_OPTION}."
            )
        return found

    def _thinking(self) -> dict[str, Raw] | None:
        if self.thinking_budget is not None:
            return {"type": "enabled", "budget_tokens": self.thinking_budget}
        return {"type": self.thinking} if self.thinking is not None else None


class AnthropicModel:
    """A model behind a Messages server. `key_name` is what people know the key by, such as ANTHROPIC_API_KEY."""

    def __init__(
        self,
        *,
        clients: AnthropicClients,
        model: str,
        base_url: str = ANTHROPIC_BASE_URL,
        api_key: str = "",
        key_name: str = "",
        options: MessagesOptions | None = None,
    ) -> None:
        check_address(base_url, model)
        self._provider = Provider(model=model, base_url=base_url, key_name=key_name, key=api_key)
        self._clients = clients
        self._api_key = api_key
        self._options = options or MessagesOptions()
        self._is_strict = True
        diagnostics = self._options.diagnostics(model)
        if diagnostics:
            raise ConfigError(diagnostics)

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._provider.model

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation; the occasion makes no difference to a real model."""
        del turn_context
        return _MessagesConversation(self, system)

    async def complete(
        self, system: str, messages: Sequence[Message], tools: Sequence[ToolSpec], *, may_call: bool = True
    ) -> PartialReply:
        """Call the server until its reply is whole, which a pause can put off."""
        body = self._body(system, tools)
        if not may_call:
            body["tool_choice"] = {"type": "none"}
        whole = PartialReply()
        for _ in range(1 + LONGEST_PAUSES):
            begun: list[Message] = [{"role": "assistant", "content": list(whole.blocks)}] if whole.blocks else []
            whole = whole.followed_by(await self._partial_reply({**body, "messages": [*messages, *begun]}))
            if not whole.is_paused:
                return whole
        raise _paused(self._provider)

    async def _partial_reply(self, body: dict[str, Raw]) -> PartialReply:
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
        parts = PartialReplyParts(self._provider, limit=limit)
        await read_events(response, parts, self._provider, limit=limit)
        return parts.complete()

    async def _open(self, body: dict[str, Raw]) -> httpx2.Response:
        try:
            return await self._post(body)
        except APIStatusError as error:
            is_about_strict = error.status_code == 400 and re.search(r"\bstrict\b", _error_text(error)) is not None
            if not is_about_strict or not _loosen(body):
                raise
        # An older model: our own tools' schemas are checked here in any case.
        self._is_strict = False
        return await self._post(body)

    async def _post(self, body: dict[str, Raw]) -> httpx2.Response:
        client = self._clients.client(base_url=self._provider.base_url, api_key=self._api_key)
        timeout = httpx2.Timeout(self._options.read_timeout, connect=CONNECT_SECONDS, pool=None)
        response: object = await client.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            body=body,
            options={"timeout": timeout, "follow_redirects": False},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        # The SDK's overloads promise a stream; at run time `cast_to` wins, as its guide to raw responses says.
        return cast("httpx2.Response", response)

    def _body(self, system: str, tools: Sequence[ToolSpec]) -> dict[str, Raw]:
        """All but the messages. The beginning that stays the same is marked for the cache, piece by piece."""
        body: dict[str, Raw] = {"model": self._provider.model, "stream": True, "cache_control": _EPHEMERAL}
        if system:
            body["system"] = [{"type": "text", "text": system, "cache_control": _EPHEMERAL}]
        # What changes from call to call comes last, so that the beginning stays the same for the cache.
        offered = [dict(_WEB_SEARCH)] if self._options.enable_web_search else []
        offered += [_tool(tool, is_strict=tool.is_strict and self._is_strict) for tool in tools]
        if offered:
            offered[-1]["cache_control"] = _EPHEMERAL
            body["tools"] = list[Raw](offered)
        return body | self._options.body()


class _MessagesConversation:
    """The history as the server wants it; it grows only when a call succeeds."""

    def __init__(self, model: AnthropicModel, system: str) -> None:
        self._model = model
        self._system = whole_text(system)
        self._history: list[Message] = []
        self._offered: Sequence[ToolSpec] = ()

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        messages = [*self._history, *_messages(inputs)]
        # A history with calls is refused without tools; those of before also keep its cached beginning.
        offered = tools or self._offered
        inline = await self._model.complete(self._system, messages, offered, may_call=bool(tools) or not offered)
        if inline.blocks:
            messages.append({"role": "assistant", "content": list(inline.blocks)})
        self._history, self._offered = messages, offered
        return inline.reply()

    async def close(self) -> None:
        self._history = []


def _messages(inputs: Sequence[InputMessage]) -> list[Message]:
    """One message: first every tool result, as none may come apart from the others; then all that was told."""
    content: list[Raw] = [_result(each) for each in inputs if isinstance(each, ToolResult)]
    told = "\n\n".join(each.text for each in inputs if isinstance(each, UserMessage))
    if told.strip():
        content.append({"type": "text", "text": whole_text(told)})
    return [{"role": "user", "content": content}] if content else []


def _result(result: ToolResult) -> Raw:
    block: dict[str, Raw] = {"type": "tool_result", "tool_use_id": result.call_id, "content": whole_text(result.text)}
    if result.is_error:
        # An error without a word is refused.
        block |= {"is_error": True, "content": block["content"] or "Error"}
    return block


def _tool(tool: ToolSpec, *, is_strict: bool) -> dict[str, Raw]:
    offered: dict[str, Raw] = {
        "name": tool.name,
        "description": whole_text(tool.description),
        "input_schema": offered_schema(tool),
    }
    if is_strict:
        offered["strict"] = True
    return offered


def _loosen(body: Mapping[str, Raw]) -> bool:
    """Leave out what asks for strictness; false where nothing did."""
    tools = body.get("tools")
    asking = [tool for tool in tools if isinstance(tool, dict) and "strict" in tool] if isinstance(tools, list) else []
    for tool in asking:
        del tool["strict"]
    return bool(asking)


def _paused(provider: Provider) -> ModelError:
    return ModelError(
        ModelFault.CUT_OFF,
        f"The reply of {provider.title} was paused {LONGEST_PAUSES + 1} times and never ended; ask for less, or the operator "
        "must switch off enable_web_search.",
    )


def _error_text(error: APIStatusError) -> str:
    return error.message if isinstance(error.body, dict) else str(error.body)


def _problem(error: APIStatusError, options: MessagesOptions, body: Mapping[str, Raw]) -> Problem:
    words = _error_text(error)
    option = mentioned(options.body(), words)
    if "web_search" in words and options.enable_web_search:
        option = "enable_web_search"
    return Problem(
        status=error.status_code,
        codes=tuple(str(code).lower() for code in (error.error_code, error.type) if code),
        words=words,
        said=said_in(error.body),
        option=named_tool(words, body.get("tools")) or _CONFIG_NAMES.get(option, option),
        retry_after=retry_after(error.response.headers),
    )


class MessagesBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = AnthropicClients()

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        del agent
        return AnthropicModel(
            clients=self._clients,
            model=backend.model,
            base_url=backend.base_url or ANTHROPIC_BASE_URL,
            api_key=key_of(backend),
            key_name=backend.key_name,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()


def open_builder(environ: Mapping[str, str], clock: Clock) -> MessagesBuilder:
    """One builder for the process."""
    del environ, clock
    return MessagesBuilder()


def _options(options: ModelOptions) -> MessagesOptions:
    thinking, budget = options.thinking_ahead
    return MessagesOptions(
        temperature=options.temperature,
        max_tokens=options.output_tokens,
        thinking=thinking,
        thinking_budget=budget,
        effort=options.effort,
        enable_web_search=options.enable_web_search,
        extra_body=extra_body(options, "top_p", "top_k"),
    )
