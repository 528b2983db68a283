"""Every way in which OpenAI Responses and Anthropic Messages can fail alike, and what people are told of it."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.llm.anthropic_messages import AnthropicClients, AnthropicModel, MessagesOptions
from coordination.llm.openai_clients import OpenAIClients
from coordination.llm.openai_responses import ResponsesModel, ResponsesOptions
from coordination.ports import Model, ToolResult
from tests.contract.test_models import TOOLS
from tests.contract.vendor_harnesses import (
    GO,
    KEY,
    PROMPT,
    TURN_CONTEXT,
    ModelHarness,
    messages_harness,
    responses_harness,
)
from tests.servers import messages_server, responses_server
from tests.servers.vendor_server import Fails, Json, Sends, event

Clients: TypeAlias = OpenAIClients | AnthropicClients


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What tests need to speak of both vendors in the same words. Limits are `read_timeout` and `max_reply_characters`."""

    name: str
    harness: Callable[..., AbstractAsyncContextManager[ModelHarness[Any]]]
    options: Callable[..., Any]
    says: Callable[..., Any]
    twice: Callable[[], Any]
    """A reply with two calls of the id `same`."""

    dialect: Callable[[], Any]
    clients: Callable[[], Clients]
    model: Callable[..., Model]
    flood: Json
    """An event that may come again and again, with a text of a thousand characters."""

    small: Callable[[int], Json]
    """An event that begins something which is empty."""

    def begun(self) -> bytes:
        """The first part of a reply that is not whole."""
        writes = self.dialect().writes(self.says("half of an answer"), {"input": [], "messages": []})
        return b"".join(writes[:4])


def _responses_says(text: str = "", arguments: str | None = None, piece: int = 5) -> responses_server.Says:
    calls = [responses_server.Call(name="new_answer", arguments=arguments)] if arguments is not None else []
    return responses_server.Says(texts=[text] if text else [], calls=calls, piece=piece)


def _messages_says(text: str = "", arguments: str | None = None, piece: int = 5) -> messages_server.Says:
    calls = [messages_server.Call(name="new_answer", arguments=arguments)] if arguments is not None else []
    return messages_server.Says(text=text, calls=calls, piece=piece)


OPENAI = Vendor(
    name="gpt-x",
    harness=responses_harness,
    options=ResponsesOptions,
    says=_responses_says,
    twice=lambda: responses_server.Says(calls=[responses_server.Call(name="a", arguments="{}", call_id="same")] * 2),
    dialect=responses_server.ResponsesDialect,
    clients=OpenAIClients,
    model=ResponsesModel,
    flood={"type": "response.output_text.delta", "delta": "x" * 1000},
    small=lambda n: {
        "type": "response.output_item.done",
        "output_index": n,
        "item": {"type": "message", "id": "x" * 200},
    },
)
ANTHROPIC = Vendor(
    name="claude-x",
    harness=messages_harness,
    options=MessagesOptions,
    says=_messages_says,
    twice=lambda: messages_server.Says(calls=[messages_server.Call(name="a", arguments="{}", id="same")] * 2),
    dialect=messages_server.MessagesDialect,
    clients=AnthropicClients,
    model=AnthropicModel,
    flood={"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x" * 1000}},
    small=lambda n: {"type": "content_block_start", "index": n, "content_block": {"type": "text", "text": ""}},
)


@pytest.fixture(params=[OPENAI, ANTHROPIC], ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.param
    return found


def failing(status: int, **error: object) -> Fails:
    return Fails(status=status, error={"message": f"Incorrect API key provided: {KEY}", **error})


REFUSALS: list[tuple[Fails, ModelFault, bool, str]] = [
    (failing(401, type="authentication_error"), ModelFault.AUTH, False, "rejected the key "),
    (failing(403, type="permission_error"), ModelFault.AUTH, False, "the operator must set a valid one"),
    (failing(402, type="billing_error"), ModelFault.OUT_OF_BUDGET, False, "is out of credit"),
    (failing(404, type="not_found_error"), ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    (Fails(status=404, error="<html>nothing</html>"), ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    (Fails(status=307, headers={"Location": "/elsewhere"}), ModelFault.MISCONFIGURED, False, "base_url"),
    (failing(413, type="request_too_large"), ModelFault.CONTEXT_TOO_LONG, False, "can't process that much text"),
    (failing(422), ModelFault.BAD_REQUEST, False, "the options of this model"),
    (failing(429), ModelFault.RATE_LIMITED, True, "too many requests"),
    (failing(500, type="api_error"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (Fails(status=502, error="<html>Bad gateway</html>"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(503), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(504), ModelFault.TIMED_OUT, True, "took too long"),
    (failing(529, type="overloaded_error"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(400, type=7, code=["x"], param={"a": 1}), ModelFault.BAD_REQUEST, False, "the options of this model"),
]


@pytest.mark.parametrize(("fails", "fault", "is_retryable", "words"), REFUSALS)
async def test_a_refusal_says_who_must_do_what(
    vendor: Vendor, fails: Fails, fault: ModelFault, is_retryable: bool, words: str
) -> None:
    async with vendor.harness(fails) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (fault, is_retryable)
    assert words in str(error)
    assert str(error).startswith(f"The provider of {vendor.name} (127.0.0.1:")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, None), ({"Retry-After": "7"}, 7.0), ({"Retry-After-Ms": "250"}, 0.25), ({"Retry-After": "soon"}, None)],
)
async def test_the_wait_that_the_provider_asks_for_is_passed_on(
    vendor: Vendor, headers: dict[str, str], seconds: float | None
) -> None:
    async with vendor.harness(Fails(status=429, headers=headers)) as opened:
        error = await opened.failure()
    assert error.retry_after == seconds


async def test_the_key_reaches_no_log_even_if_everything_is_logged(
    vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = event({"type": "error", "error": {"type": "api_error", "message": f"no {KEY}"}})
    async with vendor.harness(failing(401), Sends(writes=[told]), vendor.says("hi")) as opened:
        await opened.failure()
        await opened.failure()
        await opened.send()
    assert len(caplog.records) > 3
    assert KEY not in caplog.text


async def test_a_failing_request_is_sent_once(vendor: Vendor) -> None:
    """Trying again is for the caller, who knows the budget."""
    async with vendor.harness(failing(500), failing(500)) as opened:
        await opened.failure()
    assert len(opened.server.requests) == 1


def broken_streams(vendor: Vendor) -> Iterable[Sends]:
    begun = vendor.begun()
    yield Sends(writes=[begun], ending="cut")
    yield Sends(writes=[begun[:-40]], ending="cut")
    yield Sends(writes=[], ending="cut")
    yield Sends(writes=[])
    yield Sends(writes=[begun])
    yield Sends(writes=[b"data: [DONE]\n\n"])
    yield Sends(writes=[begun, b'data: {"type": "conten\n\n'])
    yield Sends(writes=[begun, b"data: \xff\xfe\n\n"])
    yield Sends(writes=[b"data: 7\n\n"])
    yield Sends(writes=[b"data: " + b"[" * 100_000 + b"\n\n"])
    yield Sends(writes=[b"<html>Sign in to the network</html>"], content_type="text/html")
    yield Sends(writes=[b'{"id": "x", "output": [], "content": []}'], content_type="application/json")


@pytest.mark.parametrize("number", range(12))
async def test_half_a_reply_is_an_error_that_may_be_tried_again(vendor: Vendor, number: int) -> None:
    reply = list(broken_streams(vendor))[number]
    async with vendor.harness(reply, vendor.says("whole")) as opened:
        error = await opened.failure()
        assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)
        assert (await opened.send()).text == "whole"
        assert opened.server.requests[0] == opened.server.requests[1]


@pytest.mark.parametrize(
    ("told", "fault", "is_retryable"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ModelFault.OVERLOADED, True),
        ({"type": "error", "error": {"type": "api_error", "message": KEY}}, ModelFault.OVERLOADED, True),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}, ModelFault.RATE_LIMITED, True),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, ModelFault.RATE_LIMITED, True),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 3 tokens > 2"}},
         ModelFault.CONTEXT_TOO_LONG, False),
        ({"error": {"code": "insufficient_quota"}}, ModelFault.OUT_OF_BUDGET, False),
        ({"type": "error"}, ModelFault.OVERLOADED, True),
    ],
)  # fmt: skip
async def test_a_failure_inside_a_stream_counts_as_what_it_says(
    vendor: Vendor, told: Json, fault: ModelFault, is_retryable: bool
) -> None:
    async with vendor.harness(Sends(writes=[vendor.begun(), event(told)])) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (fault, is_retryable)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_silence_before_or_within_a_reply_is_given_up_after_the_read_timeout(
    vendor: Vendor, has_begun: bool
) -> None:
    writes = [vendor.begun()] if has_begun else []
    hangs = Sends(writes=writes, ending="hang")
    async with vendor.harness(hangs, options=vendor.options(read_timeout=0.3)) as opened:
        error = await opened.failure()
        await opened.server.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (ModelFault.TIMED_OUT, True)


async def test_a_cancelled_call_frees_its_connection_at_once(vendor: Vendor) -> None:
    hangs = Sends(writes=[vendor.begun()], ending="hang")
    async with vendor.harness(hangs) as opened, asyncio.TaskGroup() as group:
        sending = group.create_task(opened.send())
        await opened.server.until(open_replies=1)
        sending.cancel()
        await opened.server.until(open_replies=0)
    assert sending.cancelled()


async def test_a_whole_reply_counts_even_if_its_stream_is_never_ended(vendor: Vendor) -> None:
    whole = b"".join(vendor.dialect().writes(vendor.says("whole"), {"input": [], "messages": []}))
    async with vendor.harness(Sends(writes=[whole], ending="hang")) as opened:
        assert (await opened.send()).text == "whole"
        await opened.server.until(open_replies=0)


async def test_a_connection_serves_again_even_if_the_end_of_its_stream_comes_a_little_late(vendor: Vendor) -> None:
    whole = b"".join(vendor.dialect().writes(vendor.says("whole"), {"input": [], "messages": []}))
    async with vendor.harness(Sends(writes=[whole], ending="late"), vendor.says("again")) as opened:
        assert (await opened.send()).text == "whole"
        assert (await opened.model.converse(PROMPT, TURN_CONTEXT).send(GO, ())).text == "again"
    assert len(opened.server.connections) == 1


async def test_two_calls_of_one_id_get_ids_of_their_own(vendor: Vendor) -> None:
    async with vendor.harness(vendor.twice(), vendor.says("ok")) as opened:
        reply = await opened.send(tools=TOOLS)
        await opened.send([ToolResult(call_id=call.id, text="fine") for call in reply.calls], TOOLS)
    first, second = (call.id for call in reply.calls)
    assert first == "same"
    assert second != "same"


async def test_a_redirect_is_never_followed_as_the_key_would_go_with_it(vendor: Vendor) -> None:
    elsewhere = Fails(status=307, headers={"Location": vendor.dialect().path})
    async with vendor.harness(elsewhere, vendor.says("not asked for")) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.MISCONFIGURED, False)
    assert len(opened.server.requests) == 1


async def test_an_endless_reply_is_stopped_at_the_limit(vendor: Vendor) -> None:
    flood = Sends(writes=[vendor.begun(), *[event(vendor.flood)] * 300], ending="hang")
    async with vendor.harness(flood, options=vendor.options(max_reply_characters=200_000)) as opened:
        error = await opened.failure()
        await opened.server.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, False)
    assert "exceeded 200,000 characters" in str(error)


async def test_an_endless_line_is_stopped_too(vendor: Vendor) -> None:
    flood = Sends(writes=[b"data: ", *[b"x" * 10_000] * 100], ending="hang")
    async with vendor.harness(flood, options=vendor.options(max_reply_characters=100_000)) as opened:
        assert "exceeded 100,000 characters" in str(await opened.failure())


async def test_endless_empty_parts_are_stopped_too(vendor: Vendor) -> None:
    flood = Sends(writes=[vendor.begun(), *[event(vendor.small(n)) for n in range(300)]], ending="hang")
    async with vendor.harness(flood, options=vendor.options(max_reply_characters=10_000)) as opened:
        assert "exceeded 10,000 characters" in str(await opened.failure())


async def test_a_ten_megabyte_answer_arrives_whole(vendor: Vendor) -> None:
    arguments = json.dumps({"content": "é" * 10_000_000}, ensure_ascii=False)
    async with vendor.harness(vendor.says(arguments=arguments, piece=100_000)) as opened:
        reply = await opened.send(tools=TOOLS)
    assert reply.calls[0].arguments == arguments


async def test_a_server_that_is_not_there_is_named(vendor: Vendor) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = await failure_at(vendor, port)
    assert (error.fault, error.is_retryable) == (ModelFault.OVERLOADED, True)
    assert str(error).startswith(f"Can't reach the provider of m (127.0.0.1:{port})")


async def test_a_server_that_speaks_no_http_is_an_error_like_any_other(vendor: Vendor) -> None:
    async def junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(junk, "127.0.0.1", 0) as server:
        error = await failure_at(vendor, server.sockets[0].getsockname()[1])
    assert error.fault is ModelFault.CUT_OFF


async def failure_at(vendor: Vendor, port: int) -> ModelError:
    clients = vendor.clients()
    try:
        model = vendor.model(clients=clients, model="m", base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(ModelError) as caught:
            await model.converse(PROMPT, TURN_CONTEXT).send(GO, ())
    finally:
        await clients.aclose()
    return caught.value


@pytest.mark.parametrize(
    "base_url", ["", "localhost:8000/v1", "ftp://example.org", "http://", "http://host:port", f"http://u:{KEY}@host"]
)
def test_an_address_that_is_none_is_the_operators_to_fix(vendor: Vendor, base_url: str) -> None:
    with pytest.raises(ConfigError, match="base_url of m must") as caught:
        vendor.model(clients=vendor.clients(), model="m", base_url=base_url)
    assert KEY not in str(caught.value)
