"""What HTTP providers share: server-sent events, addresses, JSON as it is sent and accepted, values of a backend."""

import asyncio
import codecs
import json
import re
import ssl
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import cache
from typing import NoReturn, Protocol, cast

import aiohttp
import httpx2

from coordination.config import ModelOptions
from coordination.errors import ConfigError, ModelError
from coordination.llm.model_errors import (
    Problem,
    Provider,
    Raw,
    broken,
    pause_in,
    said_in,
    too_large,
    unreadable,
    whole_text,
)
from coordination.ports import ToolSpec
from coordination.text import Text

DRAIN_SECONDS = 0.5
"""How long a server may take to end a stream that it has declared done; then its connection is not used again."""

BROKEN_CONNECTION = (httpx2.HTTPError, aiohttp.ClientError, OSError)
"""What a connection fails with, whichever layer notices first."""


_DONE = b"[DONE]"
_FIELDS = frozenset({b"", b"data", b"event", b"id", b"retry"})
_MOST_FOREIGN_LINES, _LONGEST_FOREIGN_LINE = 200, 10_000
"""What is kept of lines that belong to no event: a failure that a server prints over several lines is no longer."""


@cache
def trusted_authorities() -> ssl.SSLContext:
    """What all clients check certificates with: to load it takes most of the time and memory that a client costs."""
    return httpx2.create_ssl_context()


class Sink(Protocol):
    """Takes the payload of one event after the other, until the reply is whole."""

    @property
    def is_finished(self) -> bool:
        """Whether the event that ends a reply has come."""
        ...

    def take(self, payload: bytes) -> None:
        """Add one event."""
        ...


class EventLines:
    """Cuts a byte stream into the payloads of its events, wherever the network cut it.

    As the HTML standard has it (https://html.spec.whatwg.org/multipage/server-sent-events.html): a blank line ends an
    event, its `data` lines are one payload, comments and events without data are nothing. And as servers are: some
    leave the blank line out, some keep a connection alive with text that is no JSON, and some report a failure in plain
    words under `event: error`. Why not a library's reader: httpx-sse is made for another HTTP client and decodes text
    line by line, and the SDKs' own readers are private; a test holds this one to theirs.
    """

    def __init__(self, *, limit: int) -> None:
        """`limit` bounds the bytes of one event."""
        self.unread = b""
        """The last payload that was no JSON object."""
        self._limit = limit
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._ended_in_cr = False
        self._is_first = True
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = b""
        self._foreign: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes.

        Raises:
            OverflowError: an event passes the limit.
        """
        if b"\r" in data or self._ended_in_cr:
            data = self._with_newlines(data)
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._wait(rest)
            return []
        lines = b"".join((*self._waiting, head)).split(b"\n")
        self._waiting.clear()
        self._waiting_size = 0
        self._wait(rest)
        payloads: list[bytes] = []
        for line in lines:
            self._take(line, payloads)
        return payloads

    def finish(self) -> list[bytes]:
        """The payload of a last event that nothing ends, and an object of several lines that is in no event."""
        payloads = self.feed(b"\n\n")
        told = _read(b"\n".join(self._foreign)) if self._foreign else None
        if isinstance(told, list) and told:
            told = told[0]
        return [*payloads, json.dumps(told).encode()] if isinstance(told, dict) else payloads

    def _with_newlines(self, data: bytes) -> bytes:
        """The data with the one line end that the rest knows; a pair may be cut in two by the network."""
        whole = data[1:] if self._ended_in_cr and data.startswith(b"\n") else data
        self._ended_in_cr = data.endswith(b"\r") if data else self._ended_in_cr
        return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, line: bytes, payloads: list[bytes]) -> None:
        if self._is_first:
            line, self._is_first = line.removeprefix(codecs.BOM_UTF8), False
        if not line:
            self._end_event(payloads)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_size += len(value)
            if value.strip() == _DONE:
                self._end_event(payloads)
            elif self._data_size > self._limit:
                raise OverflowError
        elif name == b"event":
            self._event = value.strip()
        elif line.startswith(b"{") and _is_object(line):
            # Some servers report that they failed in the middle of a stream without the form of an event.
            payloads.append(line)
        elif name not in _FIELDS and len(self._foreign) < _MOST_FOREIGN_LINES:
            self._foreign.append(line[:_LONGEST_FOREIGN_LINE])

    def _end_event(self, payloads: list[bytes]) -> None:
        data, event = self._data, self._event
        self._data, self._data_size, self._event = [], 0, b""
        payload = b"\n".join(data).strip()
        if event == b"error" and payload:
            payloads.append(_as_failure(payload))
        elif len(data) > 1 and not _is_object(payload):
            for each in data:
                self._hand_out(each.strip(), payloads)
        else:
            self._hand_out(payload, payloads)

    def _hand_out(self, payload: bytes, payloads: list[bytes]) -> None:
        if payload.startswith(b"{") or payload == _DONE:
            payloads.append(payload)
        elif payload:
            self.unread = payload

    def _wait(self, rest: bytes) -> None:
        if rest:
            self._waiting.append(rest)
            self._waiting_size += len(rest)
        if self._waiting_size > self._limit:
            raise OverflowError


async def read_events(response: httpx2.Response, sink: Sink, provider: Provider, *, limit: int) -> None:
    """Hand on the events to the end of the reply, or to the end of what came of it.

    `limit` is in characters of the reply; a character takes up to four bytes.

    Raises:
        ModelError: the connection broke, an event passes the limit, nothing that came is an event of a reply, or the
            sink refuses one.
    """
    taken = _Counted(sink)
    try:
        await _hand_on_all(response, taken, provider, limit=limit)
    except ModelError as error:
        error.spent = (0, taken.count, None)
        raise


async def read_whole(response: httpx2.Response, sink: Sink, provider: Provider, *, limit: int) -> None:
    """Hand on the one object of a server that does not stream, or the events that are called JSON all the same.

    Raises:
        ModelError: the connection broke, the body passes the limit or is nothing of that kind, or the sink refuses it.
    """
    body = await _joined(response, provider, limit=limit)
    lines = EventLines(limit=4 * limit)
    payloads = [] if _is_object(body) else [*lines.feed(body), *lines.finish()]
    for payload in payloads or [body]:
        sink.take(payload)


async def _joined(response: httpx2.Response, provider: Provider, *, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        async with aclosing(response.aiter_bytes()) as stream:
            async for data in stream:
                pieces.append(data)
                size += len(data)
                if size > 4 * limit:
                    raise too_large(provider, limit)
    except BROKEN_CONNECTION as error:
        raise broken(error, provider) from None
    return b"".join(pieces)


class _Counted:
    """Counts the events on their way to a sink: of a reply that breaks off, each was about a token."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.count = 0

    @property
    def is_finished(self) -> bool:
        """Whether the event that ends a reply has come."""
        return self._sink.is_finished

    def take(self, payload: bytes) -> None:
        """Add one event."""
        self.count += 1
        self._sink.take(payload)


async def _hand_on_all(response: httpx2.Response, sink: Sink, provider: Provider, *, limit: int) -> None:
    try:
        # Closing the iterator closes the response, however this ends.
        async with aclosing(response.aiter_bytes()) as stream:
            await _hand_on(stream, sink, EventLines(limit=4 * limit), provider)
    except OverflowError:
        raise too_large(provider, limit) from None
    except BROKEN_CONNECTION as error:
        raise broken(error, provider) from None


async def drain(stream: AsyncGenerator[bytes]) -> None:
    """Read to the end, because only then the connection can serve the next call."""
    with suppress(TimeoutError, *BROKEN_CONNECTION):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in stream:
                pass


async def _hand_on(stream: AsyncGenerator[bytes], sink: Sink, lines: EventLines, provider: Provider) -> None:
    is_reply = False
    async for data in stream:
        for payload in lines.feed(data):
            is_reply = True
            sink.take(payload)
        if sink.is_finished:
            await drain(stream)
            return
    for payload in lines.finish():
        is_reply = True
        sink.take(payload)
    if lines.unread and not is_reply:
        raise unreadable(provider, lines.unread.decode(errors="replace"))


def _is_object(payload: bytes) -> bool:
    return isinstance(_read(payload), dict)


def _as_failure(payload: bytes) -> bytes:
    """A failure as all readers know it: an object with an `error`."""
    told = _read(payload)
    if isinstance(told, dict) and (told.get("error") or told.get("type") == "error"):
        return payload
    error: Raw = told if isinstance(told, dict) else {"message": payload.decode(errors="replace")}
    return json.dumps({"type": "error", "error": error}).encode()


def _read(payload: bytes) -> Raw:
    try:
        return cast("Raw", json.loads(payload.decode("utf-8-sig")))
    except (ValueError, RecursionError):
        return None


def check_address(base_url: str, model: str) -> None:
    """Complain of an address that names no server, or that holds a secret.

    Raises:
        ConfigError: the operator must correct base_url.
    """
    try:
        address = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        address = httpx2.URL("")
    if address.scheme not in {"http", "https"} or not address.host:
        raise ConfigError(
            [Text("The base_url of {model} must begin with http:// or https:// and name a server.", model=model)]
        )
    if address.userinfo:
        raise ConfigError(
            [
                Text(
                    "The base_url of {model} must not contain a name or password; a key belongs in api_key.",
                    model=model,
                )
            ]
        )


NAME_LIMIT = 64
"""Characters of a tool's name that every provider takes."""

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_TOOL_INDEX = re.compile(r"\btools[.\[](\d{1,4})\b")
_STATUSES = ("code", "status_code", "http_code", "status")
"""Where a failure inside a stream has the HTTP status that it would have had."""

_MINIMAX: Mapping[int, int] = {1002: 429, 1004: 401, 1008: 402, 1039: 429, 2013: 400, 2049: 401}
"""What other vendors' HTTP status would be for MiniMax's codes."""

_UNITED = frozenset({"oneOf", "anyOf", "allOf", "enum", "not"})


def read_object(payload: bytes, provider: Provider) -> dict[str, Raw]:
    """The JSON object of one event.

    Raises:
        ModelError: it is none.
    """
    try:
        value: Raw = json.loads(payload.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise unreadable(provider) from None
    if not isinstance(value, dict):
        raise unreadable(provider)
    return value


def count(value: Raw) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def text_of(value: Raw) -> str:
    """A text; empty for what is none."""
    return value if isinstance(value, str) else ""


def whole(value: Raw) -> Raw:
    """The value with every text in it made fit for UTF-8, as `whole_text` does."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {whole_text(key): whole(each) for key, each in value.items()}
    return value


def arguments_of(written: str) -> str:
    """A call's arguments as the model wrote them; a tool that needs none may get an empty text or `null`."""
    text = whole_text(written)
    return "{}" if text.strip() in {"", "null"} else text


def as_object(arguments: str) -> dict[str, Raw]:
    """A call's arguments as a history may have them: providers refuse one whose arguments are not a JSON object."""
    try:
        value = whole(cast("Raw", json.loads(arguments, parse_constant=_refuse_constant)))
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"not_json": whole_text(arguments[:2_000])}


def replayable(arguments: str) -> str:
    """A call's arguments as a history may have them, in the words of the model where they are an object."""
    acceptable = as_object(arguments)
    return json.dumps(acceptable) if "not_json" in acceptable else arguments


def as_name(name: str) -> str:
    """A called tool's name as a history may have it: models also call names that no provider accepts back."""
    return _FOREIGN.sub("_", name)[:NAME_LIMIT]


def distinct_id(given: Raw, seen: set[str]) -> str:
    """The id of a call, which is then in `seen`; another where it is missing, foreign or taken."""
    identity = _FOREIGN.sub("_", given)[:NAME_LIMIT] if isinstance(given, str) else ""
    if not identity or identity in seen:
        identity = f"call_{len(seen)}_{identity}"[:NAME_LIMIT]
    seen.add(identity)
    return identity


def offered_schema(tool: ToolSpec) -> dict[str, Raw]:
    """A tool's schema without what providers refuse at its top level; the real one still judges every call."""
    schema = cast("Mapping[str, Raw]", tool.input_schema)
    return {key: value for key, value in schema.items() if key not in _UNITED} | {"type": "object"}


def named_tool(words: str, tools: Raw) -> str:
    """`the tool x`, where a provider's words point at one of a request's tools by its place; else nothing."""
    found = _TOOL_INDEX.search(words)
    if found is None or not isinstance(tools, list) or int(found[1]) >= len(tools):
        return ""
    tool = tools[int(found[1])]
    name = tool.get("name") if isinstance(tool, dict) and "description" in tool else None
    return f"the tool {name}" if isinstance(name, str) else ""


def mentioned(options: Iterable[str], words: str) -> str:
    """The option that a provider's words name first; else nothing."""
    found = {match.start(): option for option in options if (match := re.search(rf"\b{re.escape(option)}\b", words))}
    return found[min(found)] if found else ""


def is_failure(event: Mapping[str, Raw]) -> bool:
    """Whether an event without a type reports a failure, in any of the shapes that servers and gateways give it."""
    if event.get("error") or event.get("object") == "error":
        return True
    if event.get("choices"):
        return False  # As in nearly all of a reply: the rest is not looked for there.
    is_coded = any(key in event for key in ("code", "status_code", "http_code"))
    has_words = any(isinstance(event.get(key), str) for key in ("message", "msg"))
    return "detail" in event or (has_words and is_coded) or _minimax(event) is not None


def reported_problem(event: Mapping[str, Raw]) -> Problem:
    """What a failure inside a stream says; the status is that of the failure, as the stream's own is 200."""
    error = event.get("error")
    told = error if isinstance(error, dict) else _minimax(event) or event
    details = told.get("details")
    coded = (details.get("error_code") if isinstance(details, dict) else None, told.get("code"), told.get("type"))
    words = text_of(told.get("message")) or text_of(told.get("msg")) or text_of(error)
    return Problem(
        status=next((status for key in _STATUSES if (status := _status(told.get(key))) is not None), None),
        codes=tuple(each.lower() for each in coded if isinstance(each, str)),
        said=said_in(event.get("error")) or said_in(told) or said_in(event),
        words=words,
        retry_after=pause_in(words),
    )


def _minimax(event: Mapping[str, Raw]) -> Mapping[str, Raw] | None:
    """The failure in MiniMax's own form, which comes with an HTTP status of 200."""
    told = event.get("base_resp")
    if not isinstance(told, dict) or not told.get("status_code"):
        return None
    code = told["status_code"]
    status = _MINIMAX.get(code) if isinstance(code, int) else None
    return {"code": status, "message": told.get("status_msg")}


def _status(code: Raw) -> int | None:
    """The HTTP status that a code is, if it is one; LiteLLM writes it as a text."""
    status = int(code) if isinstance(code, str) and re.fullmatch("[0-9]{3}", code) else code
    return status if isinstance(status, int) and 400 <= status < 600 else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def extra_body(options: ModelOptions, *as_they_are: str) -> Mapping[str, Raw]:
    """What goes into the request as it is written: the named options that are set, and `extra_body`, which wins."""
    extra: dict[str, Raw] = {name: value for name in as_they_are if (value := getattr(options, name)) is not None}
    return extra | cast("dict[str, Raw]", options.extra_body or {})
