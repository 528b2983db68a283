"""Server-sent events, read raw from a response and handed on one by one. Knows no provider."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Protocol

import aiohttp
import httpx2

from coordination.adapters.model_faults import Provider, broken, too_large
from coordination.errors import ModelError

DRAIN_SECONDS = 0.5
"""How long a server may take to end a stream that it has declared done; then its connection is not used again."""

BROKEN_CONNECTION = (httpx2.HTTPError, aiohttp.ClientError, OSError)
"""What a connection fails with, whichever layer notices first."""


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
    """Cuts a byte stream into the payloads of its `data:` lines, wherever the network cut it."""

    def __init__(self, *, limit: int) -> None:
        """`limit` bounds one line."""
        self._limit = limit
        self._waiting: list[bytes] = []
        self._waiting_size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes.

        Raises:
            OverflowError: a line passes the limit.
        """
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._wait(rest)
            return []
        lines = b"".join((*self._waiting, head)).split(b"\n")
        self._waiting.clear()
        self._waiting_size = 0
        self._wait(rest)
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

    def finish(self) -> list[bytes]:
        """The payload of a last line that has no line end."""
        return self.feed(b"\n")

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
        ModelError: the connection broke, a line passes the limit, or the sink refuses an event.
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
            await _hand_on(stream, sink, EventLines(limit=4 * limit))
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


async def _hand_on(stream: AsyncGenerator[bytes], sink: Sink, lines: EventLines) -> None:
    async for data in stream:
        for payload in lines.feed(data):
            sink.take(payload)
        if sink.is_finished:
            await drain(stream)
            return
    for payload in lines.finish():
        sink.take(payload)
