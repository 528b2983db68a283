"""Models that speak Anthropic's Messages API: Anthropic's own, and every compatible server by its base_url.

Every block is kept whole for the history: a thinking block is refused if a letter of it or its signature changed.
"""

import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import ClassVar, Literal, cast

from anthropic import APIConnectionError, APIStatusError, AsyncAnthropic, DefaultAioHttpClient
from typing_extensions import override

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError, ModelFault
from coordination.llm.finish_reasons import failure_of
from coordination.llm.http import (
    arguments_of,
    as_name,
    as_object,
    count,
    distinct_id,
    extra_body,
    is_failure,
    mentioned,
    named_tool,
    offered_schema,
    read_object,
    reported_problem,
    text_of,
    trusted_authorities,
    whole,
)
from coordination.llm.http_model import (
    CONNECTION_LIMITS,
    SEARCHES_PER_REPLY,
    ConnectionFailedError,
    HttpClients,
    HttpConversation,
    HttpModel,
    HttpOptions,
    Item,
    Refusal,
    ReplyParts,
    SdkClient,
    loosen,
    with_idle_timeout,
)
from coordination.llm.model_errors import (
    Provider,
    Raw,
    cut_off,
    refused,
    unreadable,
    whole_text,
)
from coordination.llm.provider import Shared, results_in, server_of, told_in
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

LENGTH_OPTION = "max_tokens"

_BLOCK_WEIGHT = 64
"""Characters that a block counts for beside its content, so that endless empty blocks are bounded too."""

_GROWING = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""What each kind of delta brings, and under which name."""


@dataclass(frozen=True, kw_only=True)
class PartialReply:
    """What one stream brought: a whole reply, or the part up to a pause.

    Attributes:
        blocks: as the history needs them.
        is_paused: the provider waits to be sent this back, and then goes on.
    """

    blocks: tuple[Item, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    is_paused: bool = False

    def followed_by(self, other: "PartialReply") -> "PartialReply":
        """Both as one; each stream is paid for."""
        return PartialReply(
            blocks=self.blocks + other.blocks,
            calls=self.calls + other.calls,
            usage=Usage(
                input_tokens=self.usage.input_tokens + other.usage.input_tokens,
                cached_tokens=self.usage.cached_tokens + other.usage.cached_tokens,
                stored_tokens=self.usage.stored_tokens + other.usage.stored_tokens,
                output_tokens=self.usage.output_tokens + other.usage.output_tokens,
            ),
            is_paused=other.is_paused,
        )

    @property
    def items(self) -> list[Item]:
        """What a history gains by it."""
        return [{"role": "assistant", "content": list(self.blocks)}] if self.blocks else []

    def reply(self) -> Reply:
        """The text and the calls.

        Blocks of text that follow each other are one text, as citations split it anywhere.
        """
        runs = groupby(self.blocks, key=lambda block: block.get("type") == "text")
        texts = ["".join(text_of(block.get("text")) for block in run) for is_text, run in runs if is_text]
        return Reply(text="\n\n".join(text for text in texts if text), calls=self.calls, usage=self.usage)


@dataclass(slots=True)
class _Growing:
    """A block while it comes in: how it began, and what was added since."""

    start: Item
    added: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    citations: list[Raw] = field(default_factory=list[Raw])

    def text(self, name: str) -> str:
        return text_of(self.start.get(name)) + "".join(self.added.get(name, ()))

    @property
    def arguments(self) -> str:
        """A call's arguments as the model wrote them."""
        written = "".join(self.added.get("partial_json", ()))
        begun = self.start.get("input") or {}
        if written.strip():
            return arguments_of(written)
        return arguments_of(begun) if isinstance(begun, str) else json.dumps(begun)

    def whole(self) -> Item:
        """The block as it is after its last delta."""
        block = dict(self.start)
        match block.get("type"):
            case "text":
                block["text"] = self.text("text")
                citations = block.get("citations")
                if self.citations:
                    block["citations"] = [*(citations if isinstance(citations, list) else []), *self.citations]
            case "thinking":
                block |= {"thinking": self.text("thinking"), "signature": self.text("signature")}
            case "tool_use" | "server_tool_use":
                block["input"] = as_object(self.arguments)
            case _:
                pass
        fit = whole(block)
        return fit if isinstance(fit, dict) else block


class PartialReplyParts(ReplyParts):
    """What has come of one stream so far."""

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the stream."""
        super().__init__(provider, limit=limit)
        self._blocks: dict[int, _Growing] = {}
        self._stop_reason = ""
        self._usage: dict[str, int] = {}

    @override
    def take(self, payload: bytes) -> None:
        if self.is_finished:
            return
        event = read_object(payload, self._provider)
        match event.get("type"):
            case "message_start":
                self._has_begun = True
                message = event.get("message")
                self._count(message.get("usage") if isinstance(message, dict) else None)
            case "content_block_start":
                self._start(event, len(payload))
            case "content_block_delta":
                self._extend(event, len(payload))
            case "message_delta":
                self._stop(event)
            case "message_stop":
                self.is_finished = True
            case "message":
                self._take_whole(event, len(payload))
            case "error":
                raise refused(reported_problem(event), self._provider)
            case None:
                raise (
                    refused(reported_problem(event), self._provider)
                    if is_failure(event)
                    else unreadable(self._provider)
                )
            case _:
                self._grow(1)

    def complete(self) -> PartialReply:
        """The reply, or its part up to a pause.

        Raises:
            ModelError: it did not end, was cut at a length limit, is not readable, or was declined.
        """
        if not self._has_begun:
            raise unreadable(self._provider)
        if not self.is_finished or not self._stop_reason:
            raise cut_off(self._provider)
        failure = failure_of(self._stop_reason, self._provider, LENGTH_OPTION)
        if failure is not None:
            raise failure
        growing = [self._blocks[place] for place in sorted(self._blocks)]
        try:
            blocks = [each.whole() for each in growing]
        except RecursionError:
            raise unreadable(self._provider) from None
        calls = self._calls(growing, blocks)
        return PartialReply(
            # An empty text is given, and is refused in a history.
            blocks=tuple(block for block in blocks if block.get("type") != "text" or text_of(block["text"]).strip()),
            calls=calls,
            usage=self._whole_usage(),
            is_paused=self._stop_reason == "pause_turn" and not calls,
        )

    def _calls(self, growing: Sequence[_Growing], blocks: Sequence[Item]) -> tuple[ToolCall, ...]:
        """The calls; each is made replayable in its block, and told as the model wrote it."""
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for each, block in zip(growing, blocks, strict=True):
            if block.get("type") != "tool_use":
                continue
            name = text_of(block.get("name"))
            if not name:
                raise unreadable(self._provider)
            identity = distinct_id(block.get("id"), seen)
            calls.append(ToolCall(id=identity, name=name, arguments=each.arguments))
            block |= {"id": identity, "name": as_name(name)}
        return tuple(calls)

    def _take_whole(self, message: Item, size: int) -> None:
        """Take the message of a gateway that does not stream, though it was asked to."""
        content = message.get("content")
        if not isinstance(content, list):
            raise unreadable(self._provider)
        self._has_begun = self.is_finished = True
        self._grow(size)
        self._blocks = {at: _Growing(start=block) for at, block in enumerate(content) if isinstance(block, dict)}
        self._stop_reason = text_of(message.get("stop_reason"))
        self._count(message.get("usage"))

    def _start(self, event: Item, size: int) -> None:
        block, index = event.get("content_block"), event.get("index")
        if not isinstance(block, dict) or not isinstance(index, int):
            raise unreadable(self._provider)
        self._grow(size + _BLOCK_WEIGHT)
        self._blocks[index] = _Growing(start=block)

    def _extend(self, event: Item, size: int) -> None:
        delta, index = event.get("delta"), event.get("index")
        growing = self._blocks.get(index) if isinstance(index, int) else None
        if growing is None or not isinstance(delta, dict):
            raise unreadable(self._provider)
        name = _GROWING.get(text_of(delta.get("type")))
        if name is not None:
            added = text_of(delta.get(name))
            self._grow(max(1, len(added)))
            growing.added.setdefault(name, []).append(added)
            return
        self._grow(size)
        if delta.get("type") == "citations_delta":
            growing.citations.append(delta.get("citation"))

    def _stop(self, event: Item) -> None:
        delta = event.get("delta")
        if isinstance(delta, dict):
            self._stop_reason = text_of(delta.get("stop_reason")) or self._stop_reason
        self._count(event.get("usage"))

    def _count(self, usage: Raw) -> None:
        """Counts are of the whole stream so far; one that is not given again still holds."""
        if isinstance(usage, dict):
            self._usage |= {name: count(value) for name, value in usage.items() if isinstance(value, int)}

    def _whole_usage(self) -> Usage:
        cached = self._usage.get("cache_read_input_tokens", 0)
        stored = self._usage.get("cache_creation_input_tokens", 0)
        return Usage(
            input_tokens=self._usage.get("input_tokens", 0) + stored + cached,
            cached_tokens=cached,
            stored_tokens=stored,
            output_tokens=self._usage.get("output_tokens", 0),
        )


class AnthropicClients(HttpClients):
    """One SDK client per server, key and headers."""

    @override
    def new_client(self, base_url: str, api_key: str, headers: Mapping[str, str]) -> SdkClient:
        client = AsyncAnthropic(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            open_telemetry=False,
            http_client=DefaultAioHttpClient(limits=CONNECTION_LIMITS, verify=trusted_authorities()),
        )
        # An option would be added to ANTHROPIC_CUSTOM_HEADERS, which could replace the key at any server.
        setattr(client, "_custom_headers", dict(headers))  # noqa: B010 - see above; it is private
        return cast("SdkClient", client)

    @override
    @contextmanager
    def translated(self) -> Generator[None]:
        try:
            yield
        except APIStatusError as error:
            raise Refusal(
                error.response, body=error.body, message=error.message, codes=(error.error_code, error.type)
            ) from None
        except APIConnectionError as error:
            raise ConnectionFailedError from error


ANTHROPIC_BASE_URL = "https://api.anthropic.com"

DEFAULT_MAX_TOKENS = 32_000
"""What one reply may have unless the configuration says otherwise: no current model allows less."""

ROOM_AFTER_THINKING = 4_096
LEAST_THINKING = 1_024
LONGEST_PAUSES = 8
"""How often one reply may be paused and sent on; each time all of it is paid for again."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")
_CACHE = "cache_control"
_EPHEMERAL: dict[str, Raw] = {"type": "ephemeral"}
# The version that searches by itself; newer ones search from within code that the provider runs.
_WEB_SEARCH: dict[str, Raw] = {"type": "web_search_20250305", "name": "web_search", "max_uses": SEARCHES_PER_REPLY}
_CONFIG_NAMES = {"output_config": "reasoning_effort"}


@dataclass(frozen=True, kw_only=True)
class MessagesOptions(HttpOptions):
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        max_tokens: of one reply, its thinking included; None: a default.
        thinking: None leaves it to the model; `enabled` needs a budget.
        thinking_budget: tokens; the older models' way.
        enable_web_search: lets the model read the web, at Anthropic's.
    """

    max_tokens: int | None = None
    thinking: Literal["adaptive", "enabled", "disabled"] | None = None
    thinking_budget: int | None = None
    effort: str | None = None
    enable_web_search: bool = False

    @override
    def own(self) -> dict[str, Raw]:
        default = max(DEFAULT_MAX_TOKENS, (self.thinking_budget or 0) + ROOM_AFTER_THINKING)
        return {
            "max_tokens": self.max_tokens or default,
            "thinking": self._thinking(),
            "output_config": {"effort": self.effort} if self.effort is not None else None,
        }

    @override
    def diagnostics(self, model: str) -> list[Text]:
        found: list[Text] = []
        budget = self.thinking_budget
        if self.effort is not None and self.effort not in EFFORTS:
            found.append(
                Text(
                    "The reasoning effort of {model} must be one of {efforts}.", model=model, efforts=", ".join(EFFORTS)
                )
            )
        if self.thinking == "enabled" and budget is None:
            found.append(Text("The thinking of {model} needs budget_tokens; or set its type to adaptive.", model=model))
        if budget is not None and self.thinking in {"adaptive", "disabled"}:
            found.append(
                Text("The thinking of {model} must have no budget_tokens unless its type is enabled.", model=model)
            )
        if budget is not None and not LEAST_THINKING <= budget < (self.max_tokens or budget + 1):
            found.append(
                Text(
                    "The budget_tokens of {model} must be {least} at least, and less than {option}.",
                    model=model,
                    least=LEAST_THINKING,
                    option=LENGTH_OPTION,
                )
            )
        return found

    def _thinking(self) -> dict[str, Raw] | None:
        if self.thinking_budget is not None:
            return {"type": "enabled", "budget_tokens": self.thinking_budget}
        return {"type": self.thinking} if self.thinking is not None else None


class AnthropicModel(HttpModel[MessagesOptions]):
    """A model behind a Messages server."""

    path: ClassVar[str] = "/v1/messages"
    default_base_url: ClassVar[str] = ANTHROPIC_BASE_URL
    default_options = MessagesOptions()
    _is_strict = True
    _marks_cache = True

    @override
    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        return _MessagesConversation(self, system)

    @override
    async def reply(
        self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec], *, may_call: bool = True
    ) -> tuple[Reply, Sequence[Item]]:
        """The reply, whole, which a pause can put off."""
        body = self._body(system, tools)
        if not may_call:
            body["tool_choice"] = {"type": "none"}
        whole = PartialReply()
        for _ in range(1 + LONGEST_PAUSES):
            parts = PartialReplyParts(self._provider, limit=self._limit)
            await self.call({**body, "messages": [*history, *whole.items]}, parts)
            whole = whole.followed_by(parts.complete())
            if not whole.is_paused:
                return whole.reply(), whole.items
        raise _paused(self._provider)

    @override
    def items_of(self, inputs: Sequence[InputMessage]) -> list[Item]:
        """One message, as no result may come apart from the others."""
        content: list[Raw] = [_result(each) for each in results_in(inputs)]
        told = told_in(inputs) or ""
        if told.strip():
            content.append({"type": "text", "text": whole_text(told)})
        return [{"role": "user", "content": content}] if content else []

    @override
    def asks_for_less(self, refusal: Refusal, body: Item) -> bool:
        is_about_strict = refusal.status == 400 and re.search(r"\bstrict\b", refusal.words) is not None
        if is_about_strict and loosen(body, "strict"):
            # An older model: our own tools' schemas are checked here in any case.
            self._is_strict = False
            return True
        if not refusal.is_unknown(_CACHE) or _CACHE in self._options.body() or not _unmark(body):
            return False
        # Others that serve this API keep no cache, or know fewer places for a mark.
        self._marks_cache = False
        return True

    @override
    def option_in(self, refusal: Refusal, body: Item) -> str:
        option = mentioned(self._options.body(), refusal.words)
        if "web_search" in refusal.words and self._options.enable_web_search:
            option = "enable_web_search"
        return named_tool(refusal.words, body.get("tools")) or _CONFIG_NAMES.get(option, option)

    def _body(self, system: str, tools: Sequence[ToolSpec]) -> Item:
        """All but the messages. The beginning that stays the same is marked for the cache, piece by piece."""
        body: Item = {"model": self.name, "stream": True, _CACHE: _EPHEMERAL}
        if system:
            body["system"] = [{"type": "text", "text": system, _CACHE: _EPHEMERAL}]
        # What changes from call to call comes last, so that the beginning stays the same for the cache.
        offered = [dict(_WEB_SEARCH)] if self._options.enable_web_search else []
        offered += [_tool(tool, is_strict=tool.is_strict and self._is_strict) for tool in tools]
        if offered:
            offered[-1][_CACHE] = _EPHEMERAL
            body["tools"] = list[Raw](offered)
        if not self._marks_cache:
            _unmark(body)
        return body | self._options.body()


class _MessagesConversation(HttpConversation[MessagesOptions]):
    """A history with calls is refused without tools: those of before, offered again, also keep its cached beginning."""

    def __init__(self, model: AnthropicModel, system: str) -> None:
        super().__init__(model, system)
        self._anthropic = model
        self._offered: Sequence[ToolSpec] = ()

    @override
    async def _reply(self, history: Sequence[Item], tools: Sequence[ToolSpec]) -> tuple[Reply, Sequence[Item]]:
        offered = tools or self._offered
        may_call = bool(tools) or not offered
        reply = await self._anthropic.reply(self._system, history, offered, may_call=may_call)
        self._offered = offered
        return reply


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


def _unmark(body: Item) -> bool:
    """Leave out what marks the beginning for the cache; false where nothing did."""
    system = cast("list[Item]", body.get("system", []))
    found = [body.pop(_CACHE, None), *(part.pop(_CACHE, None) for part in system)]
    return loosen(body, _CACHE) or any(found)


def _paused(provider: Provider) -> ModelError:
    return ModelError(
        ModelFault.CUT_OFF,
        Text(
            "The reply from {provider} was paused {times} times and never ended; request less, or ask the operator to "
            "turn off enable_web_search.",
            provider=provider.title,
            times=LONGEST_PAUSES + 1,
        ),
    )


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent."""
    del agent
    return AnthropicModel(
        clients=shared.pool(AnthropicClients), **server_of(backend), options=_options(backend.options)
    )


def _options(options: ModelOptions) -> MessagesOptions:
    thinking, budget = options.thinking_ahead
    return with_idle_timeout(
        MessagesOptions(
            temperature=options.temperature,
            max_tokens=options.output_tokens,
            thinking=thinking,
            thinking_budget=budget,
            effort=options.effort,
            enable_web_search=options.enable_web_search,
            extra_body=extra_body(options, "top_p", "top_k"),
        ),
        options,
    )
