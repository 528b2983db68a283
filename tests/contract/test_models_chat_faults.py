"""Every way in which a Chat Completions server can fail, over a real socket, and what people are told of it."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from coordination.errors import ConfigError, ModelError, ModelFault
from coordination.llm.openai_chat import ChatCompletionsModel, ChatOptions
from coordination.llm.openai_clients import OpenAIClients
from coordination.ports import Conversation, Reply, TurnContext, UserMessage
from tests.servers.chat_server import Call, ChatServer, Fails, Says, Scripted, Sends, chat_server, event

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
KEY = "sk-secret-0123456789"
GO = (UserMessage(text="go"),)


@dataclass(frozen=True, kw_only=True)
class ModelHarness:
    """A conversation with a server that plays what the test queued."""

    server: ChatServer
    conversation: Conversation

    async def send(self) -> Reply:
        async with asyncio.timeout(60):
            return await self.conversation.send(GO, ())

    async def failure(self) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await self.send()
        assert KEY not in f"{caught.value!s} {caught.value!r}"
        return caught.value


@asynccontextmanager
async def harness(*queue: Scripted, options: ChatOptions | None = None) -> AsyncGenerator[ModelHarness]:
    async with chat_server(*queue) as server, clients() as pool:
        model = ChatCompletionsModel(
            clients=pool,
            model="gpt-x",
            base_url=server.base_url,
            api_key=KEY,
            key_name="OPENAI_API_KEY",
            options=options,
        )
        yield ModelHarness(server=server, conversation=model.converse("be good", TURN_CONTEXT))


@asynccontextmanager
async def clients() -> AsyncGenerator[OpenAIClients]:
    pool = OpenAIClients()
    try:
        yield pool
    finally:
        await pool.aclose()


def failing(status: int, **error: str) -> Fails:
    return Fails(status=status, error={"message": f"Incorrect API key provided: {KEY}", **error})


REFUSALS: list[tuple[Fails, ModelFault, bool, str]] = [
    (failing(401, code="invalid_api_key"), ModelFault.AUTH, False, "rejected the key OPENAI_API_KEY; the operator must"),
    (failing(403), ModelFault.AUTH, False, "rejected the key OPENAI_API_KEY"),
    (failing(429, type="requests", code="rate_limit_exceeded"), ModelFault.RATE_LIMITED, True, "too many requests"),
    (failing(429, code="insufficient_quota"), ModelFault.OUT_OF_BUDGET, False, "is out of credit"),
    (failing(500, type="server_error"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (Fails(status=502, error="<html>Bad gateway</html>"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(503), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(529, type="overloaded_error"), ModelFault.OVERLOADED, True, "overloaded or failing"),
    (failing(400, type="invalid_request_error", code="context_length_exceeded"), ModelFault.CONTEXT_TOO_LONG, False, ""),
    (Fails(status=400, error={"message": "This model's maximum context length is 8192", "type": "BadRequestError"}),
     ModelFault.CONTEXT_TOO_LONG, False, "can't process that much text"),
    (failing(404, code="model_not_found"), ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    (Fails(status=404, error="<html>nothing</html>"), ModelFault.MISCONFIGURED, False, "must check model and base_url"),
    (Fails(status=307, headers={"Location": "/elsewhere"}), ModelFault.MISCONFIGURED, False, "base_url"),
    (failing(400, type="invalid_request_error", param="temperature"), ModelFault.BAD_REQUEST, False, "check temperature"),
    (Fails(status=400, error={"message": "reasoning_effort is not supported"}), ModelFault.BAD_REQUEST, False,
     "check reasoning_effort"),
    (failing(422), ModelFault.BAD_REQUEST, False, "the options of this model"),
    (failing(400, code="content_filter"), ModelFault.REFUSED, False, "change the request"),
]  # fmt: skip


@pytest.mark.parametrize(("fails", "fault", "is_retryable", "words"), REFUSALS)
async def test_a_refusal_says_who_must_do_what(fails: Fails, fault: ModelFault, is_retryable: bool, words: str) -> None:
    async with harness(fails, options=ChatOptions(temperature=0.5, reasoning_effort="low")) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (fault, is_retryable)
    assert words in str(error)
    assert str(error).startswith("The provider of gpt-x (127.0.0.1:")


async def test_a_redirect_is_not_followed_because_the_request_is_meant_for_one_server() -> None:
    redirect = Fails(status=307, headers={"Location": "/v1/chat/completions"})
    async with harness(redirect, Says(text="followed")) as opened:
        error = await opened.failure()
    assert error.fault is ModelFault.MISCONFIGURED
    assert len(opened.server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5", "Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "inf"}, 3600.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
    ],
)
async def test_the_wait_that_the_provider_asks_for_is_passed_on(headers: dict[str, str], seconds: float | None) -> None:
    async with harness(Fails(status=429, headers=headers)) as opened:
        error = await opened.failure()
    assert error.retry_after == seconds


BEGUN = b"".join(Says(text="half of an answer").events()[:3])
TORN = BEGUN[:-40]
BROKEN: list[tuple[Sends | Says, ModelFault]] = [
    (Sends(writes=[BEGUN], ending="cut"), ModelFault.CUT_OFF),
    (Sends(writes=[TORN], ending="cut"), ModelFault.CUT_OFF),
    (Sends(writes=[], ending="cut"), ModelFault.CUT_OFF),
    (Sends(writes=[]), ModelFault.CUT_OFF),
    (Sends(writes=[b"data: [DONE]\n\n"]), ModelFault.CUT_OFF),
    (Says(text="no finish, no end", without=frozenset({"finish", "done"})), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN, b'data: {"choices": [{"delta\n\n']), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN, b"data: \xff\xfe\n\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b"data: 7\n\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b"data: " + b"[" * 100_000 + b"\n\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b"<html>Sign in to the network</html>"], content_type="text/html"), ModelFault.CUT_OFF),
    (Says(text="a", finish="error"), ModelFault.OVERLOADED),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "fault"), BROKEN)
async def test_half_a_reply_is_an_error_that_may_be_tried_again(reply: Scripted, fault: ModelFault) -> None:
    async with harness(reply, Says(text="whole")) as opened:
        error = await opened.failure()
        assert (error.fault, error.is_retryable) == (fault, True)
        assert (await opened.send()).text == "whole"
        assert opened.server.requests[0] == opened.server.requests[1]


@pytest.mark.parametrize(
    ("error", "fault", "is_retryable"),
    [
        ({"error": {"message": "Overloaded", "type": "overloaded_error"}}, ModelFault.OVERLOADED, True),
        ({"error": {"message": f"slow down {KEY}", "code": 429}}, ModelFault.RATE_LIMITED, True),
        ({"error": "something"}, ModelFault.OVERLOADED, True),
        ({"object": "error", "message": "maximum context length is 4096", "code": 400}, ModelFault.CONTEXT_TOO_LONG, False),
        ({"error": {"code": "insufficient_quota"}}, ModelFault.OUT_OF_BUDGET, False),
        ({"error": {"code": 502}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
         ModelFault.OVERLOADED, True),
    ],
)  # fmt: skip
async def test_a_failure_inside_a_stream_counts_as_what_it_says(
    error: dict[str, Any], fault: ModelFault, is_retryable: bool
) -> None:
    async with harness(Sends(writes=[BEGUN, event(error)])) as opened:
        failure = await opened.failure()
    assert (failure.fault, failure.is_retryable) == (fault, is_retryable)


async def test_a_reply_cut_at_its_length_limit_is_an_error_that_names_the_option_to_raise() -> None:
    half = Says(calls=[Call(name="new_answer", arguments='{"content": "and th')], finish="length")
    async with harness(half) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, False)
    assert "must raise max_completion_tokens" in str(error)


@pytest.mark.parametrize("reply", [Says(text="I", finish="content_filter"), Says(delta={"refusal": "I won't."})])
async def test_a_reply_that_the_provider_declines_is_refused(reply: Says) -> None:
    async with harness(reply) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.REFUSED, False)


@pytest.mark.parametrize("writes", [[], [BEGUN]])
async def test_silence_before_or_within_a_reply_is_given_up_after_the_read_timeout(writes: list[bytes]) -> None:
    async with harness(Sends(writes=writes, ending="hang"), options=ChatOptions(read_timeout=0.3)) as opened:
        error = await opened.failure()
        await opened.server.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (ModelFault.TIMED_OUT, True)


async def test_a_cancelled_call_frees_its_connection_at_once() -> None:
    async with harness(Sends(writes=[BEGUN], ending="hang")) as opened, asyncio.TaskGroup() as group:
        sending = group.create_task(opened.send())
        await opened.server.until(open_replies=1)
        sending.cancel()
        await opened.server.until(open_replies=0)
    assert sending.cancelled()


async def test_an_endless_reply_is_stopped_at_the_limit() -> None:
    flood = [event({"choices": [{"index": 0, "delta": {"content": "x" * 1000}}]})] * 300
    async with harness(Sends(writes=flood, ending="hang"), options=ChatOptions(max_reply_characters=200_000)) as opened:
        error = await opened.failure()
        await opened.server.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, False)
    assert "exceeded 200,000 characters" in str(error)


async def test_an_endless_line_is_stopped_too() -> None:
    flood = [b"data: "] + [b"x" * 10_000] * 100
    async with harness(Sends(writes=flood, ending="hang"), options=ChatOptions(max_reply_characters=100_000)) as opened:
        assert "exceeded 100,000 characters" in str(await opened.failure())


async def test_endless_empty_calls_are_stopped_too() -> None:
    calls = [event({"choices": [{"delta": {"tool_calls": [{"index": n, "id": f"c{n}"}]}}]}) for n in range(200)]
    async with harness(Sends(writes=calls, ending="hang"), options=ChatOptions(max_reply_characters=10_000)) as opened:
        assert "exceeded 10,000 characters" in str(await opened.failure())


async def test_a_ten_megabyte_answer_arrives_whole() -> None:
    arguments = json.dumps({"content": "é" * 10_000_000}, ensure_ascii=False)
    async with harness(Says(calls=[Call(name="new_answer", arguments=arguments)], piece=100_000)) as opened:
        reply = await opened.send()
    assert reply.calls[0].arguments == arguments


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with clients() as pool:
            model = ChatCompletionsModel(clients=pool, model="m", base_url=f"http://127.0.0.1:{port}/v1")
            with pytest.raises(ModelError) as caught:
                await model.converse("", TURN_CONTEXT).send(GO, ())
    assert (caught.value.fault, caught.value.is_retryable) == (ModelFault.OVERLOADED, True)
    assert str(caught.value).startswith(f"Can't reach the provider of m (127.0.0.1:{port})")


async def test_a_server_that_speaks_no_http_is_an_error_like_any_other() -> None:
    async def junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(junk, "127.0.0.1", 0) as server, clients() as pool:
        port = server.sockets[0].getsockname()[1]
        model = ChatCompletionsModel(clients=pool, model="m", base_url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(ModelError) as caught:
            await model.converse("", TURN_CONTEXT).send(GO, ())
    assert caught.value.fault is ModelFault.CUT_OFF


@pytest.mark.parametrize(
    "base_url",
    ["", "localhost:8000/v1", "ftp://example.org", "http://", "http://host:port", f"http://u:{KEY}@host"],
)
async def test_an_address_that_is_none_is_the_operators_to_fix(base_url: str) -> None:
    with pytest.raises(ConfigError, match="base_url of m must") as caught:
        ChatCompletionsModel(clients=OpenAIClients(), model="m", base_url=base_url)
    assert KEY not in str(caught.value)
