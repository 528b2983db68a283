"""Models that speak Anthropic's Messages API: Anthropic's own, and every compatible server by its base_url."""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from anthropic import APIConnectionError, APIStatusError, AsyncAnthropic, DefaultAioHttpClient
from typing_extensions import override

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError, ModelFault
from coordination.llm.anthropic_stream import LENGTH_OPTION, PartialReply, PartialReplyParts
from coordination.llm.http import extra_body, mentioned, named_tool, offered_schema
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
    SdkClient,
)
from coordination.llm.model_errors import Provider, Raw, whole_text
from coordination.llm.provider import Shared, results_in, server_of, told_in
from coordination.ports import Conversation, InputMessage, Model, Reply, ToolResult, ToolSpec, TurnContext


class AnthropicClients(HttpClients):
    """One SDK client per server and key."""

    @override
    def new_client(self, base_url: str, api_key: str) -> SdkClient:
        client = AsyncAnthropic(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            open_telemetry=False,
            http_client=DefaultAioHttpClient(limits=CONNECTION_LIMITS),
        )
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
    def diagnostics(self, model: str) -> list[str]:
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


class AnthropicModel(HttpModel[MessagesOptions]):
    """A model behind a Messages server."""

    path: ClassVar[str] = "/v1/messages"
    default_base_url: ClassVar[str] = ANTHROPIC_BASE_URL
    default_options = MessagesOptions()
    _is_strict = True

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
        if not is_about_strict or not _loosen(body):
            return False
        # An older model: our own tools' schemas are checked here in any case.
        self._is_strict = False
        return True

    @override
    def option_in(self, refusal: Refusal, body: Item) -> str:
        option = mentioned(self._options.body(), refusal.words)
        if "web_search" in refusal.words and self._options.enable_web_search:
            option = "enable_web_search"
        return named_tool(refusal.words, body.get("tools")) or _CONFIG_NAMES.get(option, option)

    def _body(self, system: str, tools: Sequence[ToolSpec]) -> Item:
        """All but the messages. The beginning that stays the same is marked for the cache, piece by piece."""
        body: Item = {"model": self.name, "stream": True, "cache_control": _EPHEMERAL}
        if system:
            body["system"] = [{"type": "text", "text": system, "cache_control": _EPHEMERAL}]
        # What changes from call to call comes last, so that the beginning stays the same for the cache.
        offered = [dict(_WEB_SEARCH)] if self._options.enable_web_search else []
        offered += [_tool(tool, is_strict=tool.is_strict and self._is_strict) for tool in tools]
        if offered:
            offered[-1]["cache_control"] = _EPHEMERAL
            body["tools"] = list[Raw](offered)
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


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent."""
    del agent
    return AnthropicModel(
        clients=shared.pool(AnthropicClients), **server_of(backend), options=_options(backend.options)
    )


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
