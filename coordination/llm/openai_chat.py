"""Models that speak Chat Completions: OpenAI's own, and every compatible server by its base_url.

Servers that call themselves compatible differ: some leave out ids, indexes or usage, send whole messages instead of
deltas, objects instead of argument texts, or fields of their own that must come back with the history. All of that is
taken here; what breaks off is an error, never half a reply.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from typing_extensions import override

from coordination.config import BackendSettings, ModelOptions
from coordination.errors import ModelError
from coordination.llm.finish_reasons import ending_of, failure_of
from coordination.llm.http import (
    arguments_of,
    as_name,
    as_object,
    count,
    extra_body,
    is_failure,
    offered_schema,
    read_object,
    replayable,
    reported_problem,
    text_of,
    whole,
)
from coordination.llm.http_model import (
    HttpModel,
    HttpOptions,
    Item,
    Refusal,
    ReplyParts,
    loosen,
    result_text,
    with_idle_timeout,
)
from coordination.llm.model_errors import (
    Provider,
    Raw,
    broken_off,
    cut_off,
    declined,
    refused,
    unfinished,
    unreadable,
    whole_text,
)
from coordination.llm.openai_clients import OPENAI_BASE_URL, AzureClients, OpenAIClients
from coordination.llm.provider import Shared, results_in, server_of, told_in
from coordination.ports import InputMessage, Model, Reply, ToolCall, ToolSpec, Usage

_CALL_WEIGHT = 64
"""Characters that a tool call counts for beside its arguments, so that endless empty calls are bounded too."""

REASONING_KEYS = ("reasoning_content", "reasoning")
"""Where servers put what a model thought: DeepSeek and SGLang; OpenRouter, vLLM and Ollama."""

_OWN_CALL_KEYS = frozenset({"index", "id", "type", "function"})


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    extra: dict[str, Raw] = field(default_factory=dict[str, Raw])

    @property
    def is_complete_object(self) -> bool:
        """Whether its arguments are a JSON object from end to end; their last sign is looked at before all are read."""
        last = next((piece.rstrip() for piece in reversed(self.arguments) if piece.strip()), "")
        return last.endswith("}") and "not_json" not in as_object("".join(self.arguments))

    def has_said(self, written: str) -> bool:
        """Whether this repeats all its arguments, as parsers of vLLM and gateways do at the end."""
        may_be = _begins_arguments(written) and self.is_complete_object
        return may_be and _meaning(written) == _meaning("".join(self.arguments))

    @property
    def mark(self) -> tuple[str, str, str] | None:
        """What two tellings of one call have in common; None: it has no id, so two that are alike are two."""
        return (self.id, self.name, _meaning("".join(self.arguments))) if self.id else None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing, as far as its arguments tell."""
        return arguments_of("".join(self.arguments)) == "{}" or self.is_complete_object


def _begins_arguments(written: str) -> bool:
    """Whether a piece may be the first one of its call, or all of them, which may have been put into a text twice."""
    return written.lstrip()[:1] in {"{", '"'}


def _meaning(arguments: str) -> str:
    """The arguments in one form, also where they were put into a text twice."""
    value: Raw = arguments_of(arguments)
    try:
        for _ in range(2):
            value = cast("Raw", json.loads(value)) if isinstance(value, str) else value
        return json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


class ChatReplyParts(ReplyParts):
    """What has come of one reply so far."""

    def __init__(self, provider: Provider, *, limit: int, length_option: str) -> None:
        """`limit` bounds the characters of the reply; `length_option` is what the operator raises if it is cut."""
        super().__init__(provider, limit=limit)
        self._length_option = length_option
        self._text: list[str] = []
        self._reasoning: dict[str, list[str]] = {}
        self._details: list[dict[str, Raw]] = []
        self._has_deltas = False
        self._has_refusal = False
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._finish: str | None = None
        self._usage = Usage()

    @override
    def take(self, payload: bytes) -> None:
        if payload == b"[DONE]":
            self.is_finished = True
        if self.is_finished:
            return
        chunk = read_object(payload, self._provider)
        self._has_begun = True
        choices = chunk.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) and not choice.get("index"):
                    self._take_choice(choice)
        if is_failure(chunk):
            raise refused(reported_problem(chunk), self._provider)
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self._usage = _usage(usage)

    def complete(self) -> Reply:
        """The whole reply.

        Raises:
            ModelError: it did not end, was cut at its length limit, or was declined.
        """
        try:
            return self._completed()
        except ModelError as error:
            written = self._usage.output_tokens or len("".join(self._text)) // 4
            error.spent = (self._usage.input_tokens, written, None)
            raise

    def _completed(self) -> Reply:
        match self._finish:
            case None if not self._has_begun:
                raise unreadable(self._provider)
            case None if not self.is_finished:
                raise cut_off(self._provider)
            case None if not self._is_whole():
                raise unfinished(self._provider)
            case "tool_calls" | "function_call" if not self._calls and not "".join(self._text).strip():
                raise unfinished(self._provider)
            case None:
                pass
            case reason:
                self._check(reason)
        if self._has_refusal and not self._calls:
            raise declined(self._provider)
        self._calls = _told_once(self._calls)
        if not all(call.name for call in self._calls):
            raise unreadable(self._provider)
        return Reply(text=whole_text("".join(self._text)), calls=self._tool_calls(), usage=self._usage)

    def _check(self, reason: str) -> None:
        """Raise an error for a reply that ended for a reason that makes it none."""
        failure = failure_of(reason, self._provider, self._length_option)
        if failure is None and ending_of(reason) is None and not self._is_whole():
            failure = broken_off(self._provider, reason)
        if failure is not None:
            raise failure

    def _is_whole(self) -> bool:
        """Whether a reply that ended without saying why has all that it began."""
        has_something = bool(self._calls or "".join(self._text).strip())
        return has_something and all(call.name and call.is_whole for call in self._calls)

    def message(self, reply: Reply) -> Item:
        """The reply as the history needs it."""
        # OpenAI takes null beside calls alone, and there some gateways take nothing else.
        message: Item = {"role": "assistant", "content": reply.text or (None if reply.calls else "")}
        if reply.calls:
            message["tool_calls"] = [
                {
                    **part.extra,
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": as_name(call.name),
                        "arguments": replayable(call.arguments),
                    },
                }
                for call, part in zip(reply.calls, self._calls, strict=True)
            ]
            # Servers that send their reasoning beside the text want it back within a tool loop, and only there.
            for name, parts in self._reasoning.items():
                message[name] = whole_text("".join(parts))
        if self._details:
            # OpenRouter hands on what its models signed, and they refuse a history without it.
            message["reasoning_details"] = [whole(each) for each in self._details]
        return message

    def _take_choice(self, choice: dict[str, Raw]) -> None:
        delta = choice.get("delta") or self._unsaid(choice.get("message"))
        if isinstance(delta, dict):
            self._has_deltas = self._has_deltas or "delta" in choice
            content = delta.get("content")
            if content:
                self._add(self._text, _plain(content))
            calls = delta.get("tool_calls")
            if not isinstance(calls, list):
                # Before there were several calls in a reply there was one, and some servers still answer so.
                only = delta.get("function_call")
                calls = [{"index": 0, "function": only}] if only else []
            for call in calls:
                if isinstance(call, dict):
                    self._take_call(call)
            self._take_reasoning(delta)
            if delta.get("refusal"):
                self._has_refusal = True
        if choice.get("error"):
            # OpenRouter has the failure of the provider behind it in the choice, and a finish reason that says no more.
            raise refused(reported_problem(choice), self._provider)
        self._take_reason(choice)

    def _unsaid(self, message: Raw) -> Raw:
        """A whole message as a delta: some servers end what came in deltas with all of it once more."""
        if not isinstance(message, dict) or not self._has_deltas:
            return message
        said = {"content": self._text, "tool_calls": self._calls, "function_call": self._calls} | self._reasoning
        return {key: value for key, value in message.items() if not said.get(key)}

    def _take_reason(self, choice: dict[str, Raw]) -> None:
        """An empty reason is none: Ollama and proxies give one with every piece, as others give null."""
        told = choice.get("finish_reason") or choice.get("finishReason")
        finish = told.strip() if isinstance(told, str) else ""
        if not finish or finish == "null":
            return
        own = choice.get("provider_specific_fields")
        native = choice.get("native_finish_reason") or (
            own.get("native_finish_reason") if isinstance(own, dict) else None
        )
        # LiteLLM calls what it does not know a stop, and keeps the word of the provider beside.
        is_hidden = finish == "stop" and ending_of(text_of(native)) == "broken"
        self._finish = text_of(native) if is_hidden else finish

    def _take_reasoning(self, delta: dict[str, Raw]) -> None:
        for name in REASONING_KEYS:
            reasoning = delta.get(name)
            if reasoning and isinstance(reasoning, str):
                self._add(self._reasoning.setdefault(name, []), reasoning)
        details = delta.get("reasoning_details")
        for detail in details if isinstance(details, list) else []:
            if isinstance(detail, dict):
                self._grow(len(json.dumps(detail)))
                self._keep_detail(detail)

    def _keep_detail(self, detail: dict[str, Raw]) -> None:
        """Text comes in pieces, the rest whole; the pieces of one block have its type and its index."""
        last = self._details[-1] if self._details else None
        if last is None or any(last.get(key) != detail.get(key) for key in ("type", "index")):
            self._details.append(dict(detail))
            return
        grows = next((key for key in ("text", "summary") if isinstance(detail.get(key), str)), None)
        if grows is None and "data" in detail:
            self._details.append(dict(detail))
            return
        known = {key: value for key, value in detail.items() if value is not None and key != grows}
        if grows is not None:
            known[grows] = text_of(last.get(grows)) + text_of(detail[grows])
        last.update(known)

    def _take_call(self, delta: dict[str, Raw]) -> None:
        function = delta.get("function")
        if not isinstance(function, dict):
            function = {}
        identity, name, arguments = delta.get("id"), function.get("name"), function.get("arguments")
        written = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
        call = self._call_for(delta.get("index"), identity, name=text_of(name), written=written)
        if identity and isinstance(identity, str):
            call.id = identity
        if name and isinstance(name, str) and not call.name:
            call.name = name
        if written and not call.has_said(written):
            self._add(call.arguments, written)
        for key in delta.keys() - _OWN_CALL_KEYS:
            if delta[key] is not None:
                call.extra.setdefault(key, delta[key])

    def _call_for(self, index: Raw, identity: Raw, *, name: str, written: str) -> _Call:
        """The call that a delta continues. Some servers give no index, or the same index to all calls.

        Some repeat the name in every delta, so a name begins another call only where the last one has all it needs.
        """
        begins = bool(name)
        last = self._calls[-1] if self._calls else None
        known = self._by_index.get(index) if isinstance(index, int) else last
        is_another = (
            begins
            and known is not None
            and (
                bool(known.id and identity and known.id != identity)
                or (known.name != name and known.is_whole)
                or (_begins_arguments(written) and known.is_complete_object)
            )
        )
        if known is not None and not is_another and not (begins and index is None):
            return known
        call = _Call()
        self._grow(_CALL_WEIGHT)
        self._calls.append(call)
        if isinstance(index, int):
            self._by_index[index] = call
        return call

    def _tool_calls(self) -> tuple[ToolCall, ...]:
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for position, call in enumerate(self._calls):
            identity = call.id if call.id and call.id not in seen else f"call_{position}_{len(seen)}"
            seen.add(identity)
            calls.append(ToolCall(id=identity, name=call.name, arguments=arguments_of("".join(call.arguments))))
        return tuple(calls)

    def _add(self, parts: list[str], text: str) -> None:
        self._grow(len(text))
        parts.append(text)


def _told_once(calls: Sequence[_Call]) -> list[_Call]:
    """The calls without those that came twice: gateways that translate repeat one with its id, under another index."""
    seen = set[tuple[str, str, str]]()
    kept: list[_Call] = []
    for call in calls:
        mark = call.mark
        if mark is None or mark not in seen:
            kept.append(call)
        if mark is not None:
            seen.add(mark)
    return kept


def _plain(content: Raw) -> str:
    """The text of a content; some servers send a list of typed parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _usage(usage: dict[str, Raw]) -> Usage:
    details = usage.get("prompt_tokens_details")
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        output_tokens=count(usage.get("completion_tokens")),
    )


LONGEST_DESCRIPTION = 1024
"""Characters of a tool's description that OpenAI takes; longer ones fail the whole request."""

_LENGTH, _EARLIER_LENGTH = "max_completion_tokens", "max_tokens"
"""What bounds a reply, and by which name servers knew it before OpenAI's newer one."""

_NO_NULL = re.compile(r"\bcontent\b.*\b(?:null|none|string|str)\b", re.IGNORECASE | re.DOTALL)
_TOOLS = re.compile(r"\b(?:parameter|field|value)s?\b.*\btools\b", re.IGNORECASE)

_GIVEN_BY_US = frozenset({"model", "messages", "stream", "tools"})


@dataclass(frozen=True, kw_only=True)
class ChatOptions(HttpOptions):
    """What is asked of the server in each call, beside the conversation."""

    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None

    @override
    def own(self) -> dict[str, Raw]:
        return {_LENGTH: self.max_completion_tokens, "reasoning_effort": self.reasoning_effort}


class ChatCompletionsModel(HttpModel[ChatOptions]):
    """A model behind a Chat Completions server."""

    path: ClassVar[str] = "/chat/completions"
    default_base_url: ClassVar[str] = OPENAI_BASE_URL
    default_options = ChatOptions()
    _reports_usage = True
    _returns_reasoning = True
    _knows_length = True
    _is_strict = True
    _takes_null = True

    @override
    async def reply(
        self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]
    ) -> tuple[Reply, Sequence[Item]]:
        parts = ChatReplyParts(self._provider, limit=self._limit, length_option=_LENGTH)
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
        if "stream_options" in words and "stream_options" in body.keys() - self._options.body().keys():
            # An older server: it reports no usage, or reports it unasked.
            self._reports_usage = False
        elif any(f"{key}'" in words or f'{key}"' in words for key in REASONING_KEYS) and "unsupported" in words.lower():
            # It sends its reasoning, and refuses to get it back.
            self._returns_reasoning = False
        elif refusal.is_unknown(_LENGTH) and _LENGTH in body and _EARLIER_LENGTH not in body:
            self._knows_length = False
        elif _NO_NULL.search(words) and _has_null(body):
            self._takes_null = False
        elif (refusal.is_unknown("strict") or _TOOLS.search(words)) and loosen(body, "strict"):
            # Not all that refuse it name it: what they then refuse once more is told as it is.
            self._is_strict = False
        else:
            return False
        self._simplify(body)
        return True

    @override
    def option_in(self, refusal: Refusal, body: Item) -> str:
        named = refusal.place.split(".")[0].split("[")[0]
        mentioned = (option for option in body if option not in _GIVEN_BY_US and option in refusal.words)
        return named if named in body else next(mentioned, "")

    def _body(self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]) -> Item:
        messages: list[Raw] = [{"role": "system", "content": system}, *history]
        body: Item = {"model": self.name, "messages": messages, "stream": True}
        if self._reports_usage:
            body["stream_options"] = {"include_usage": True}
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        body |= self._options.body()
        self._simplify(body)
        return body

    def _simplify(self, body: Item) -> None:
        """Leave out, or write otherwise, what this server has refused before."""
        if not self._reports_usage:
            body.pop("stream_options", None)
        if not self._returns_reasoning:
            messages = cast("list[Item]", body["messages"])
            body["messages"] = [
                {key: value for key, value in each.items() if key not in REASONING_KEYS} for each in messages
            ]
        if not self._takes_null:
            messages = cast("list[Item]", body["messages"])
            body["messages"] = [{**each, "content": each.get("content") or ""} for each in messages]
        if not self._knows_length and _LENGTH in body:
            body[_EARLIER_LENGTH] = body.pop(_LENGTH)
        if not self._is_strict:
            loosen(body, "strict")


def _has_null(body: Item) -> bool:
    """Whether a message of a request has no content, which beside calls stands for an empty one."""
    return any(each.get("content") is None for each in cast("list[Item]", body["messages"]))


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
    return with_idle_timeout(
        ChatOptions(
            temperature=options.temperature,
            max_completion_tokens=options.output_tokens,
            reasoning_effort=options.effort,
            extra_body=own | dict(extra_body(options, *_AS_THEY_ARE)),
        ),
        options,
    )
