"""A whole provider, as small as one can be: Tiny takes the lines of a talk at /talk, and streams what comes of it.

It has no SDK, so a plain HTTP client stands in for one. docs/how-to/add-a-model.md goes through it.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import httpx2
from typing_extensions import override

from coordination.config import BackendSettings
from coordination.llm.http import as_name, as_object, distinct_id, mentioned, offered_schema, read_object, text_of
from coordination.llm.http_model import (
    CONNECTION_LIMITS,
    ConnectionFailedError,
    HttpClients,
    HttpModel,
    HttpOptions,
    Item,
    Refusal,
    ReplyParts,
    result_text,
)
from coordination.llm.model_errors import Provider, Raw, cut_off, whole_text
from coordination.llm.provider import Shared, results_in, server_of, told_in
from coordination.ports import InputMessage, Model, Reply, ToolCall, ToolSpec


class _Client:
    def __init__(self, base_url: str, api_key: str, headers: Mapping[str, str]) -> None:
        own = {**headers, "authorization": f"Bearer {api_key}"}
        self._http = httpx2.AsyncClient(base_url=base_url, headers=own, limits=CONNECTION_LIMITS)

    async def post(
        self,
        path: str,
        *,
        cast_to: type[httpx2.Response],
        body: Mapping[str, Raw],
        options: Mapping[str, object],
        stream: bool,
    ) -> httpx2.Response:
        response = await self._http.send(self._http.build_request("POST", path, json=body), stream=stream)
        if response.is_error:
            await response.aread()
            response.raise_for_status()
        return response

    def is_closed(self) -> bool:
        return self._http.is_closed

    async def close(self) -> None:
        await self._http.aclose()


class TinyClients(HttpClients):
    @override
    def new_client(self, base_url: str, api_key: str, headers: Mapping[str, str]) -> _Client:
        return _Client(base_url, api_key, headers)

    @override
    @contextmanager
    def translated(self) -> Generator[None]:
        try:
            yield
        except httpx2.HTTPStatusError as error:
            raise Refusal(error.response, body=error.response.json(), message=error.response.text) from None
        except httpx2.HTTPError as error:
            raise ConnectionFailedError from error


class TinyReplyParts(ReplyParts):
    def __init__(self, provider: Provider, *, limit: int) -> None:
        super().__init__(provider, limit=limit)
        self.lines: list[Item] = []

    @override
    def take(self, payload: bytes) -> None:
        self._grow(len(payload))
        event = read_object(payload, self._provider)
        self.is_finished = "end" in event
        if not self.is_finished:
            self.lines.append(event)

    def complete(self) -> Reply:
        if not self.is_finished:
            raise cut_off(self._provider)
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for line in (line for line in self.lines if "tool" in line):
            line["id"] = distinct_id(line.get("id"), seen)
            calls.append(ToolCall(id=line["id"], name=text_of(line["tool"]), arguments=text_of(line.get("arguments"))))
            line |= {"tool": as_name(calls[-1].name), "arguments": as_object(calls[-1].arguments)}
        return Reply(text="".join(whole_text(text_of(line.get("text"))) for line in self.lines), calls=tuple(calls))


@dataclass(frozen=True, kw_only=True)
class TinyOptions(HttpOptions):
    length: int | None = None

    @override
    def own(self) -> dict[str, Raw]:
        return {"length": self.length}


class TinyModel(HttpModel[TinyOptions]):
    path: ClassVar[str] = "/talk"
    default_base_url: ClassVar[str] = "https://tiny.example"
    default_options = TinyOptions()

    @override
    async def reply(
        self, system: str, history: Sequence[Item], tools: Sequence[ToolSpec]
    ) -> tuple[Reply, Sequence[Item]]:
        offered: list[Raw] = [{"name": tool.name, "schema": offered_schema(tool)} for tool in tools]
        body: Item = {"model": self.name, "rules": system, "tools": offered, "lines": list(history)}
        parts = TinyReplyParts(self._provider, limit=self._limit)
        await self.call(body | self._options.body(), parts)
        return parts.complete(), parts.lines

    @override
    def items_of(self, inputs: Sequence[InputMessage]) -> list[Item]:
        lines: list[Item] = [{"result": each.call_id, "text": result_text(each)} for each in results_in(inputs)]
        told = told_in(inputs)
        return lines if told is None else [*lines, {"text": whole_text(told)}]

    @override
    def option_in(self, refusal: Refusal, body: Item) -> str:
        return mentioned(self._options.body(), refusal.words)


def build(agent: str, backend: BackendSettings, shared: Shared) -> Model:
    """The model of one agent."""
    options = TinyOptions(temperature=backend.options.temperature, length=backend.options.output_tokens)
    return TinyModel(clients=shared.pool(TinyClients), **server_of(backend), options=options)
