"""Server-sent events, read raw from a response and handed on one by one. Knows no provider."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Protocol, cast

import aiohttp
import httpx2

from coordination.errors import ModelError
from coordination.llm.model_errors import Provider, Raw, broken, too_large, unreadable

DRAIN_SECONDS = 0.5
"""How long a server may take to end a stream that it has declared done; then its connection is not used again."""

BROKEN_CONNECTION = (httpx2.HTTPError, aiohttp.ClientError, OSError)
"""What a connection fails with, whichever layer notices first."""


_DONE = b"[DONE]"


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
    event, its `data` lines are one payload, comments and events without data are nothing. And as servers are: some leave
    the blank line out, some keep a connection alive with text that is no JSON, and some report a failure in plain words
    under `event: error`. Why not a library's reader: httpx-sse is made for another HTTP client and decodes text line by
    line, and the SDKs' own readers are private; a test holds this one to theirs.
    """

    def __init__(self, *, limit: int) -> None:
        """`limit` bounds the bytes of one event."""
        self.unread = b""
        """The last payload that was no JSON object."""
        self._limit = limit
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._ended_in_cr = False
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = b""

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
        """The payload of a last event that nothing ends."""
        return self.feed(b"\n\n")

    def _with_newlines(self, data: bytes) -> bytes:
        """The data with the one line end that the rest knows; a pair may be cut in two by the network."""
        whole = data[1:] if self._ended_in_cr and data.startswith(b"\n") else data
        self._ended_in_cr = data.endswith(b"\r") if data else self._ended_in_cr
        return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, line: bytes, payloads: list[bytes]) -> None:
        if not line:
            self._end_event(payloads)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value.strip()
        elif name == b"data":
            self._data.append(value)
            self._data_size += len(value)
            if value.strip() == _DONE:
                self._end_event(payloads)
            elif self._data_size > self._limit:
                raise OverflowError

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
        ModelError: the connection broke, an event passes the limit, nothing that came is an event of a reply, or the sink
            refuses one.
    """
    taken = _Counted(sink)
    try:
        await _hand_on_all(response, taken, provider, limit=limit)
    except ModelError as error:
        error.spent = (0, taken.count, None)
        raise


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
        return cast("Raw", json.loads(payload))
    except (ValueError, RecursionError):
        return None
