"""A Chat Completions server without a model: it answers at once, streams 200-token replies and counts.

It plays one agent of a coordination by looking only at the tools on offer and at the conversation, so any client
that speaks Chat Completions can be measured against it: it reads once where a tool reads, records one write where a
tool posts, gives `new_answer`, and votes for agent1 as soon as `vote` is offered; the model `mock-refines` answers as
often as it may before that. Every streamed chunk is a write of its own, as with a real provider; `--batch` joins a reply
into one write.

    python -m tests.bench.mock_model --port 8123
    GET /counters     {"requests": …, "bytes_in": …, "bytes_out": …}
    POST /reset       sets them to zero
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Literal, cast

from typing_extensions import override

TOKENS = 200
Play = Literal["read", "write", "answer", "vote", "text"]

_WORDS = ("The ", "plan ", "is ", "to ", "read ", "the ", "notice ", "and ", "post ", "one ", "clear ", "line. ")
_AGENT = re.compile(r"agent\d+")
_REPLY_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Counters:
    """What came in and went out since the start or the last reset."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True)
class _Request:
    agent: str
    tools: Sequence[str]
    called: Sequence[str]
    streams: bool
    refines: bool


@dataclass
class _Mock:
    batch: bool
    counters: Counters = field(default_factory=Counters)
    rendered: dict[tuple[Play, str, str], list[bytes]] = field(default_factory=dict[tuple[Play, str, str], list[bytes]])

    def chunks(self, play: Play, tool: str, agent: str) -> list[bytes]:
        """The reply as pieces of a chunked body; rendered once, so that the server costs next to nothing."""
        pieces = self.rendered.get((play, tool, agent))
        if pieces is None:
            pieces = [_chunked(event) for event in _events(play, tool, agent)] + [b"0\r\n\r\n"]
            if self.batch:
                pieces = [b"".join(pieces)]
            self.rendered[play, tool, agent] = pieces
        return pieces


class _Http(asyncio.Protocol):
    def __init__(self, mock: _Mock) -> None:
        self._mock = mock
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            total = end + 4 + _content_length(head)
            if len(self._buffer) < total:
                return
            body = bytes(self._buffer[end + 4 : total])
            del self._buffer[:total]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        mock = self._mock
        target = head.split(b" ", 2)[1]
        if target.endswith(b"/counters"):
            self._write([_plain(asdict(mock.counters))])
        elif target.endswith(b"/reset"):
            mock.counters = Counters()
            self._write([_plain({})])
        else:
            mock.counters.requests += 1
            mock.counters.bytes_in += len(head) + 4 + len(body)
            pieces = self._reply(_parse(body))
            mock.counters.bytes_out += sum(map(len, pieces))
            self._write(pieces)

    def _reply(self, request: _Request) -> list[bytes]:
        play, tool = _choose(request)
        # An answer like the one before would be refused.
        agent = f"{request.agent} {self._mock.counters.requests}" if request.refines else request.agent
        if request.streams:
            return [_REPLY_HEADERS, *self._mock.chunks(play, tool, agent)]
        return [_plain(_whole(play, tool, agent))]

    def _write(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.write(piece)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _parse(body: bytes) -> _Request:
    sent = json.loads(body)
    named = _AGENT.search(str(sent["messages"][0].get("content", "")))
    return _Request(
        agent=named[0] if named else "agent",
        tools=[tool["function"]["name"] for tool in sent.get("tools") or ()],
        called=[
            call["function"]["name"]
            for message in sent["messages"]
            for call in message.get("tool_calls") or ()
            if message["role"] == "assistant"
        ],
        streams=bool(sent.get("stream")),
        refines=sent["model"] == "mock-refines",
    )


def _choose(request: _Request) -> tuple[Play, str]:
    plays: tuple[tuple[Play, str], ...] = (
        ("vote", "vote"),
        ("read", "read"),
        ("write", "post"),
        ("answer", "new_answer"),
    )
    for play, part in plays[1:] + plays[:1] if request.refines else plays:
        for tool in request.tools:
            if part in tool and tool not in request.called:
                return play, tool
    return "text", ""


def _arguments(play: Play, agent: str) -> str:
    text = "".join(_WORDS[index % len(_WORDS)] for index in range(TOKENS - 8)).strip()
    match play:
        case "read":
            return json.dumps({"title": "Welcome"})
        case "write":
            return json.dumps({"title": "Notice", "body": text})
        case "answer":
            return json.dumps({"content": f"{agent}: {text}"})
        case "vote":
            return json.dumps({"agent_id": "agent1", "reason": text})
        case "text":
            return text


def _pieces(text: str) -> list[str]:
    """The text in as many pieces as the reply has tokens; short arguments are led by pieces of text instead."""
    size = max(1, -(-len(text) // TOKENS))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _events(play: Play, tool: str, agent: str) -> Iterator[bytes]:
    pieces = _pieces(_arguments(play, agent))
    yield _event({"role": "assistant", "content": ""})
    lead = [_WORDS[index % len(_WORDS)] for index in range(TOKENS - len(pieces))]
    for word in lead if tool else pieces:
        yield _event({"content": word})
    if tool:
        opening = {"index": 0, "id": f"call_{play}", "type": "function", "function": {"name": tool, "arguments": ""}}
        yield _event({"tool_calls": [opening]})
        for piece in pieces:
            yield _event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    yield _event({}, finish="tool_calls" if tool else "stop")
    yield _event(None)
    yield b"data: [DONE]\n\n"


def _event(delta: dict[str, object] | None, finish: str | None = None) -> bytes:
    """One server-sent event in the provider's own shape, with all the fields that it repeats in each."""
    chunk: dict[str, object] = {
        "id": "chatcmpl-mock",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "mock",
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
        "choices": [],
        "usage": None,
    }
    if delta is None:
        chunk["usage"] = _usage()
    else:
        chunk["choices"] = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _usage() -> dict[str, object]:
    return {
        "prompt_tokens": 500,
        "completion_tokens": TOKENS,
        "total_tokens": 500 + TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _whole(play: Play, tool: str, agent: str) -> dict[str, object]:
    message: dict[str, object] = {
        "role": "assistant",
        "content": None if tool else _arguments(play, agent),
        "refusal": None,
    }
    if tool:
        function = {"name": tool, "arguments": _arguments(play, agent)}
        message["tool_calls"] = [{"id": f"call_{play}", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if tool else "stop"}
    return {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "mock",
        "choices": [choice],
        "usage": _usage(),
    }


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _plain(value: dict[str, object]) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(*, port: int, batch: bool) -> None:
    """Serve until cancelled; the first line on stdout is the base URL."""
    mock = _Mock(batch=batch)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Http(mock), "127.0.0.1", port, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


@contextmanager
def mock_model(*, batch: bool = False) -> Generator[str]:
    """The server in a process of its own while the context is open; gives the base URL."""
    command = [sys.executable, "-m", "tests.bench.mock_model", *(["--batch"] if batch else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the mock model has no stdout")
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    """Serve in this process."""
    parser = argparse.ArgumentParser(description="A zero-latency Chat Completions server for measurements.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--batch", action="store_true", help="one write per reply instead of one per token")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(port=options.port, batch=options.batch))


if __name__ == "__main__":
    main()
