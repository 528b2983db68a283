"""The reply of an OpenAI Responses stream, put together from its events; knows no SDK and no socket.

An item counts only as its `done` event brings it: what comes before may be incomplete, the encrypted reasoning too.
"""

import json
from typing import TypeAlias

from coordination.errors import ModelError
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    cut_off,
    declined,
    refused,
    too_large,
    too_short,
    unreadable,
)
from coordination.llm.model_json import (
    arguments_of,
    as_name,
    as_object,
    count,
    distinct_id,
    is_failure,
    read_object,
    text_of,
    told_problem,
    whole,
)
from coordination.ports import Reply, ToolCall, Usage

Item: TypeAlias = dict[str, Raw]
"""One item of the history, as the provider gave it and wants it back."""

LENGTH_OPTION = "max_tokens"


class ReplyParts:
    """What has come of one reply so far.

    Attributes:
        items: the reply as the history needs it; there once it is complete.
    """

    def __init__(self, provider: Provider, *, limit: int) -> None:
        """`limit` bounds the characters of the reply."""
        self.items: list[Item] = []
        self._provider = provider
        self._limit = limit
        self._streamed = 0
        self._kept = 0
        self._has_begun = False
        self._done: dict[int, Item] = {}
        self._response: Item | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the provider has said that the reply is whole."""
        return self._response is not None

    def take(self, payload: bytes) -> None:
        """Add one event.

        Raises:
            ModelError: it is not readable, reports a failure, or the reply is too large.
        """
        if self.is_finished or payload == b"[DONE]":
            return
        event = read_object(payload, self._provider)
        self._has_begun = True
        response = event.get("response")
        match event.get("type"):
            case "response.output_item.done":
                self._keep(event, len(payload))
            case "response.completed":
                self._response = response if isinstance(response, dict) else {}
            case "response.incomplete":
                raise self._incomplete(response)
            case "response.failed":
                raise refused(_stream_problem(response), self._provider)
            case "error":
                raise refused(told_problem(event), self._provider)
            case None if is_failure(event):
                raise refused(told_problem(event), self._provider)
            case _:
                self._grow(streamed=max(1, len(text_of(event.get("delta")))))

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
        self.items = _closed([item for item in items if isinstance(item, dict)])
        calls = self._calls()
        contents = [_contents(item) for item in self.items if item.get("type") == "message"]
        if not calls and any(part.get("type") == "refusal" for parts in contents for part in parts):
            raise declined(self._provider)
        texts = ("".join(text_of(part.get("text")) for part in parts) for parts in contents)
        return Reply(
            text="\n\n".join(text for text in texts if text), calls=calls, usage=_usage(self._response.get("usage"))
        )

    def _output(self, response: Item) -> list[Item]:
        """The items that were streamed; those that only the last event has, where it has more."""
        output = response.get("output")
        last = (
            {place: item for place, item in enumerate(output) if isinstance(item, dict)}
            if isinstance(output, list)
            else {}
        )
        merged = last | self._done
        return [merged[place] for place in sorted(merged)]

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
            item |= {"call_id": identity, "name": as_name(name), "arguments": _replayable(calls[-1].arguments)}
        return tuple(calls)

    def _keep(self, event: Item, size: int) -> None:
        item, place = event.get("item"), event.get("output_index")
        if not isinstance(item, dict):
            raise unreadable(self._provider)
        self._grow(kept=size)
        self._done[place if isinstance(place, int) else len(self._done)] = item

    def _grow(self, *, streamed: int = 0, kept: int = 0) -> None:
        """An item comes twice: in small pieces, counted in characters, then whole, counted in bytes."""
        self._streamed += streamed
        self._kept += kept
        if self._streamed > self._limit or self._kept > 4 * self._limit:
            raise too_large(self._provider, self._limit)

    def _incomplete(self, response: Raw) -> ModelError:
        details = response.get("incomplete_details") if isinstance(response, dict) else None
        match details.get("reason") if isinstance(details, dict) else None:
            case "max_output_tokens":
                return too_short(self._provider, LENGTH_OPTION)
            case "content_filter":
                return declined(self._provider)
            case _:
                return cut_off(self._provider)


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
    return told_problem({"error": error}) if isinstance(error, dict) else Problem(status=500)


def _usage(usage: Raw) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("input_tokens_details")
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        cached_tokens=count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        output_tokens=count(usage.get("output_tokens")),
    )


def _replayable(arguments: str) -> str:
    acceptable = as_object(arguments)
    return json.dumps(acceptable) if "not_json" in acceptable else arguments
