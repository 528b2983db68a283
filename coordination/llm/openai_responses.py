"""Models that speak OpenAI's Responses API, without anything being stored there.

An item counts only as its `done` event brings it: what comes before may be incomplete, the encrypted reasoning too.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from typing_extensions import Unpack, override

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError
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
    replayable,
    reported_problem,
    text_of,
    whole,
)
from coordination.llm.http_model import (
    SEARCHES_PER_REPLY,
    HttpModel,
    HttpOptions,
    Item,
    Refusal,
    ReplyParts,
    result_text,
    those_set,
    with_idle_timeout,
)
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    broken_off,
    cut_off,
    declined,
    refused,
    too_large,
    unfinished,
    unreadable,
    whole_text,
)
from coordination.llm.openai_clients import OPENAI_BASE_URL, OpenAIClients
from coordination.llm.provider import Server, Shared, results_in, server_of, told_in
from coordination.ports import InputMessage, Model, Reply, ToolCall, ToolSpec, Usage

LENGTH_OPTION = "max_tokens"

_ENCRYPTED = "encrypted_content"


class ResponsesReplyParts(ReplyParts):
    """What has come of one reply so far.

    Attributes:
        items: the reply as the history needs it; there once it is complete.
    """

    def __init__(self, provider: Provider, *, limit: int) -> None:
        super().__init__(provider, limit=limit)
        self.items: list[Item] = []
        self._kept = 0
        self._done: dict[int, Item] = {}
        self._pieces = _Pieces()
        self._response: Item | None = None

    @override
    def take(self, payload: bytes) -> None:
        if self.is_finished or payload == b"[DONE]":
            return
        event = read_object(payload, self._provider)
        self._has_begun = True
        response = event.get("response")
        match event.get("type"):
            case "response.output_item.done":
                self._keep(event, len(payload))
            case "response.completed" | "response.incomplete" | "response.failed" as kind:
                self._end(kind, response if isinstance(response, dict) else {})
            case "error":
                raise refused(reported_problem(event), self._provider)
            case None if event.get("object") == "response":
                # Asked for a stream, a gateway that does not stream sends the response itself.
                self._end(f"response.{text_of(event.get('status'))}", event)
            case None if is_failure(event):
                raise refused(reported_problem(event), self._provider)
            case kind:
                self._grow(max(1, len(text_of(event.get("delta")))))
                self._pieces.take(text_of(kind), event)

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
        self.items = _closed(self._with_lost([item for item in items if isinstance(item, dict)]))
        calls = self._calls()
        contents = [_contents(item) for item in self.items if item.get("type") == "message"]
        if not calls and any(part.get("type") == "refusal" for parts in contents for part in parts):
            raise declined(self._provider)
        texts = ("".join(text_of(part.get("text")) for part in parts) for parts in contents)
        return Reply(
            text="\n\n".join(text for text in texts if text), calls=calls, usage=_usage(self._response.get("usage"))
        )

    def _with_lost(self, items: list[Item]) -> list[Item]:
        """The items, and what was streamed in pieces and is in none of them."""
        lost = self._pieces.calls_beside([item for item in items if item.get("type") == "function_call"])
        if any("not_json" in as_object(text_of(each["arguments"])) for each in lost):
            raise unfinished(self._provider)
        contents = [part for item in items if item.get("type") == "message" for part in _contents(item)]
        if self._pieces.text and not any(part.get("text") or part.get("refusal") for part in contents):
            content: list[Raw] = [{"type": "output_text", "text": whole_text(self._pieces.text), "annotations": []}]
            message: Item = {"type": "message", "role": "assistant", "content": content, "status": "completed"}
            items = [*(item for item in items if item.get("type") != "message"), message]
        return [*items, *(fit for item in lost if isinstance(fit := whole(item), dict))]

    def _end(self, kind: str, response: Item) -> None:
        """Take the last event.

        Gateways that replay a whole answer call every one completed, so its own status counts.
        """
        match text_of(response.get("status")) or kind.removeprefix("response."):
            case "failed":
                raise refused(_stream_problem(response), self._provider)
            case "incomplete":
                raise self._incomplete(response)
            case "cancelled":
                raise cut_off(self._provider)
            case _ if kind == "response.completed":
                self._response = response
                self.is_finished = True
            case _:
                raise cut_off(self._provider)

    def _output(self, response: Item) -> list[Item]:
        """The items in the order of the last event, each as it was streamed; then those that only were streamed."""
        output = response.get("output")
        streamed = dict(self._done)
        items: list[Item] = []
        for place, given in enumerate(output if isinstance(output, list) else []):
            if isinstance(given, dict):
                item = self._pieces.filled(given, place)
                twin = _twin(item, place, streamed)
                items.append(item if twin is None else _both(streamed.pop(twin), item))
        return [*items, *(streamed[place] for place in sorted(streamed))]

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
            item |= {"call_id": identity, "name": as_name(name), "arguments": replayable(calls[-1].arguments)}
        return tuple(calls)

    def _keep(self, event: Item, size: int) -> None:
        item, place = event.get("item"), event.get("output_index")
        if not isinstance(item, dict):
            raise unreadable(self._provider)
        # An item comes twice: in small pieces, counted in characters, then whole, counted in bytes.
        self._kept += size
        if self._kept > 4 * self._limit:
            raise too_large(self._provider, self._limit)
        at = place if isinstance(place, int) else len(self._done)
        self._done[at] = self._pieces.filled(item, at)

    def _incomplete(self, response: Item) -> ModelError:
        details = response.get("incomplete_details")
        reason = text_of(details.get("reason")) if isinstance(details, dict) else ""
        unknown = broken_off(self._provider, reason) if reason else cut_off(self._provider)
        return failure_of(reason, self._provider, LENGTH_OPTION) or unknown


class _Pieces:
    """What was streamed in pieces, for servers whose items do not repeat it.

    LM Studio has the arguments of a call in the event that ends them, and an empty object in the item; SGLang's router
    sends no item for a call at all. A call whose arguments are lost is another call, so its pieces are kept.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._begun: dict[str, Item] = {}
        self._arguments: dict[str, list[str]] = {}
        self._ended: set[str] = set()

    @property
    def text(self) -> str:
        """All text that came in pieces."""
        return "".join(self._texts)

    def take(self, kind: str, event: Item) -> None:
        """Keep what is in this event, if it is one of a piece."""
        item, key = event.get("item"), _key(event.get("item_id"), event.get("output_index"))
        match kind:
            case "response.output_text.delta":
                self._texts.append(text_of(event.get("delta")))
            case "response.output_item.added" if isinstance(item, dict) and item.get("type") == "function_call":
                self._begun[_key(item.get("id"), event.get("output_index"))] = item
            case "response.function_call_arguments.delta":
                self._arguments.setdefault(key, []).append(text_of(event.get("delta")))
            case "response.function_call_arguments.done":
                self._ended.add(key)
                if text_of(event.get("arguments")).strip():
                    self._arguments[key] = [text_of(event["arguments"])]
            case _:
                pass

    def filled(self, item: Item, place: int) -> Item:
        """A call with the arguments that were streamed, where it has none of its own."""
        if item.get("type") != "function_call" or arguments_of(text_of(item.get("arguments"))).strip() != "{}":
            return item
        written = self._written(_key(item.get("id"), place), _key(None, place))
        return item | {"arguments": written} if written else item

    def calls_beside(self, calls: Sequence[Item]) -> list[Item]:
        """The calls that began and are none of these, if there are fewer of these than began.

        One whose arguments never ended has no JSON in their place.
        """
        if len(calls) >= len(self._begun):
            return []
        known = set[tuple[str, str]]().union(*map(_names, calls))
        lost = {key: item for key, item in self._begun.items() if not known & _names(item)}
        return [
            item | {"arguments": arguments_of(self._written(key)) if key in self._ended else "?", "status": "completed"}
            for key, item in lost.items()
        ]

    def _written(self, *keys: str) -> str:
        return next((text for key in keys if (text := "".join(self._arguments.get(key, ())))), "")


def _key(identity: Raw, place: Raw) -> str:
    """By what the pieces of one item are known: its id, or else its place."""
    return text_of(identity) or f"#{place}"


def _twin(item: Item, place: int, streamed: Mapping[int, Item]) -> int | None:
    """Under which place an item of the last event was streamed.

    Its ids tell, and its place only where they don't: gateways count places in two ways, and one call must not be two.
    """
    names = _names(item)
    known = next((each for each, other in streamed.items() if names & _names(other)), None)
    other = streamed.get(place)
    if known is not None or other is None or other.get("type") != item.get("type"):
        return known
    return None if item.get("call_id") and other.get("call_id") else place


def _names(item: Item) -> set[tuple[str, str]]:
    return {(key, name) for key in ("id", "call_id") if (name := text_of(item.get(key)))}


def _both(streamed: Item, last: Item) -> Item:
    """An item as it was streamed; some gateways have what was encrypted for them only in the last event."""
    hidden = streamed.get(_ENCRYPTED) or last.get(_ENCRYPTED)
    return streamed | {_ENCRYPTED: hidden} if hidden else streamed


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


LONGEST_CACHE_KEY = 64

_REASONING_CONTENT = f"reasoning.{_ENCRYPTED}"
_NOT_NEEDED = ("include", "prompt_cache_key", "parallel_tool_calls")
"""What is asked for though nobody configured it; other servers, and models behind a gateway, don't know it."""

_NO_REASONING = re.compile(
    r"encrypted[ _]content|continuation identities|\brs_\w+.{0,20}not found|\breasoning\b.{0,60}"
    r"(?:not found|not supported|unsupported|invalid|unknown|without)|invalid value: '?reasoning",
    re.IGNORECASE | re.DOTALL,
)
"""How servers say that they can't use the reasoning that comes back to them."""

_CONFIG_NAMES = {"max_output_tokens": LENGTH_OPTION, "max_tool_calls": "enable_web_search"}


@dataclass(frozen=True, kw_only=True)
class ResponsesOptions(HttpOptions):
    """What is asked of the server in each call, beside the conversation.

    Attributes:
        enable_web_search: lets the model read the web, at OpenAI's.
        read_timeout: as for all servers; models may think as long without a word.
    """

    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    reasoning_summary: str | None = None
    verbosity: str | None = None
    enable_web_search: bool = False
    read_timeout: float = 300.0

    @override
    def own(self) -> dict[str, Raw]:
        return {
            "max_output_tokens": self.max_output_tokens,
            "reasoning": those_set({"effort": self.reasoning_effort, "summary": self.reasoning_summary}) or None,
            "text": those_set({"verbosity": self.verbosity}) or None,
            "max_tool_calls": SEARCHES_PER_REPLY if self.enable_web_search else None,
        }


class ResponsesModel(HttpModel[ResponsesOptions]):
    """A model behind a Responses server."""

    path: ClassVar[str] = "/responses"
    default_base_url: ClassVar[str] = OPENAI_BASE_URL
    default_options = ResponsesOptions()

    def __init__(
        self,
        *,
        clients: OpenAIClients,
        prompt_cache_key: str = "",
        options: ResponsesOptions | None = None,
        **server: Unpack[Server],
    ) -> None:
        """Calls of one `prompt_cache_key` find each other's cached beginnings, so it should name the agent."""
        super().__init__(clients=clients, options=options, **server)
        self._cache_key = _shortened(prompt_cache_key)
        self._left_out: set[str] = set()
        self._returns_reasoning = True

    @override
    async def reply(
        self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]
    ) -> tuple[Reply, Sequence[Item]]:
        parts = ResponsesReplyParts(self._provider, limit=self._limit)
        await self.call(self._body(system, history, tools), parts)
        reply = parts.complete()
        return reply, parts.items

    @override
    def items_of(self, inputs: Sequence[InputMessage]) -> list[Item]:
        items: list[Item] = [
            {"type": "function_call_output", "call_id": each.call_id, "output": result_text(each)}
            for each in results_in(inputs)
        ]
        told = told_in(inputs)
        if told is not None:
            items.append({"role": "user", "content": whole_text(told)})
        return items

    @override
    def asks_for_less(self, refusal: Refusal, body: Item) -> bool:
        is_about_reasoning = (
            refusal.place.startswith("include") or "encrypted content is not supported" in refusal.words.lower()
        )
        # A model that does not reason has no reasoning to give back, and refuses to be asked for it.
        unknown = {"include"} if refusal.status == 400 and is_about_reasoning else set[str]()
        unknown.update(name for name in _NOT_NEEDED if refusal.is_unknown(name))
        unknown &= body.keys() - self._options.body().keys()
        if unknown:
            self._left_out |= unknown
            for name in unknown:
                del body[name]
            return True
        items = cast("list[Item]", body["input"])
        if not _NO_REASONING.search(refusal.words) or not any(each.get("type") == "reasoning" for each in items):
            return False
        # Azure refuses what two replies had encrypted, and gateways what another backend had: it goes on without.
        self._returns_reasoning = False
        body["input"] = list[Raw](_without_reasoning(items))
        return True

    @override
    def option_in(self, refusal: Refusal, body: Item) -> str:
        options = self._options.body()
        option = mentioned(options, refusal.place) or mentioned(options, refusal.words)
        if "web_search" in refusal.words and self._options.enable_web_search:
            option = "enable_web_search"
        return named_tool(refusal.place, body.get("tools")) or _CONFIG_NAMES.get(option, option)

    def _body(self, system: str, items: Sequence[Item], tools: Sequence[ToolSpec]) -> Item:
        given = items if self._returns_reasoning else _without_reasoning(items)
        body: Item = {"model": self.name, "input": list(given), "stream": True, "store": False}
        if system:
            body["instructions"] = system
        body["include"] = [_REASONING_CONTENT]
        if self._cache_key:
            body["prompt_cache_key"] = self._cache_key
        # What changes from call to call comes last, so that the beginning stays the same for the cache.
        offered: list[Raw] = [{"type": "web_search"}] if self._options.enable_web_search else []
        offered += [_tool(tool) for tool in tools]
        if offered:
            body |= {"tools": offered, "parallel_tool_calls": True}
        return {name: value for name, value in body.items() if name not in self._left_out} | self._options.body()


def _without_reasoning(items: Sequence[Item]) -> list[Item]:
    """A history without reasoning, and without the ids by which the other items would be missed beside it."""
    return [
        {key: value for key, value in item.items() if key != "id"} for item in items if item.get("type") != "reasoning"
    ]


def _tool(tool: ToolSpec) -> Raw:
    return {
        "type": "function",
        "name": tool.name,
        "description": whole_text(tool.description),
        "parameters": offered_schema(tool),
        # Left out, it would mean true.
        "strict": tool.is_strict,
    }


def _shortened(key: str) -> str:
    return key if len(key) <= LONGEST_CACHE_KEY else hashlib.sha256(key.encode()).hexdigest()


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent."""
    return ResponsesModel(
        clients=shared.pool(OpenAIClients),
        **server_of(backend),
        prompt_cache_key=agent,
        options=_options(backend.options),
    )


def _options(options: ModelOptions) -> ResponsesOptions:
    summary = options.reasoning.summary if options.reasoning is not None else None
    return with_idle_timeout(
        ResponsesOptions(
            temperature=options.temperature,
            max_output_tokens=options.output_tokens,
            reasoning_effort=options.effort,
            reasoning_summary=None if summary == "none" else summary,
            verbosity=options.text.verbosity if options.text is not None else None,
            enable_web_search=options.enable_web_search,
            extra_body=extra_body(options, "top_p"),
        ),
        options,
    )
