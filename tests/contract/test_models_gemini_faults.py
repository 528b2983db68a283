"""Every way in which a reply of Gemini can fail, over a real socket, and what people are told of it."""

import asyncio
import json
import socket
from typing import Any

import pytest

from coordination.errors import ConfigError, ModelError, ModelFault

pytest.importorskip("google.genai", reason="the extra `gemini` is not installed")

from coordination.llm.gemini import GeminiModel, GeminiOptions
from coordination.llm.gemini_client import GeminiClients
from tests.contract.gemini_harness import GO, KEY, TURN_CONTEXT
from tests.contract.gemini_harness import gemini_harness as harness
from tests.servers.gemini_server import Call, Says, Scripted, event
from tests.servers.vendor_server import Ending, Fails, Sends

TOKENS = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."

BEGUN = b"".join(Says(text="half of an answer").events()[:3])
BROKEN: list[tuple[Sends | Says, ModelFault]] = [
    (Sends(writes=[BEGUN], ending="cut"), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN[:-40]], ending="cut"), ModelFault.CUT_OFF),
    (Sends(writes=[], ending="cut"), ModelFault.CUT_OFF),
    (Sends(writes=[]), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN]), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN[:-40]]), ModelFault.CUT_OFF),
    (Says(text="no finish", finish=None), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN, b'data: {"candidates": [{"content\r\n\r\n']), ModelFault.CUT_OFF),
    (Sends(writes=[BEGUN, b"data: \xff\xfe\r\n\r\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b"data: 7\r\n\r\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b"data: [1]\r\n\r\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b'data: {"candidates": 7}\r\n\r\n']), ModelFault.CUT_OFF),
    (Sends(writes=[b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"args": "{"}}]}}]}\r\n\r\n']),
     ModelFault.CUT_OFF),
    (Sends(writes=[b"data: " + b"[" * 100_000 + b"\r\n\r\n"]), ModelFault.CUT_OFF),
    (Sends(writes=[b"<html>Sign in to the network</html>"], content_type="text/html"), ModelFault.CUT_OFF),
    (Sends(writes=[b"OK"], content_type="text/plain"), ModelFault.CUT_OFF),
    (Says(finish="MALFORMED_FUNCTION_CALL"), ModelFault.CUT_OFF),
    (Says(finish="UNEXPECTED_TOOL_CALL"), ModelFault.CUT_OFF),
    (Says(calls=[Call(name="")]), ModelFault.CUT_OFF),
    (Says(text="a", finish="OTHER"), ModelFault.OVERLOADED),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "fault"), BROKEN)
async def test_half_a_reply_is_an_error_that_may_be_tried_again(reply: Scripted, fault: ModelFault) -> None:
    async with harness(reply, Says(text="whole")) as opened:
        error = await opened.failure()
        assert (error.fault, error.is_retryable) == (fault, True)
        assert (await opened.send()).text == "whole"
        assert opened.server.requests[0] == opened.server.requests[1]


async def test_a_server_of_another_kind_is_named_as_such() -> None:
    async with harness(Sends(writes=[])) as opened:
        assert "must check that base_url names a server of this kind" in str(await opened.failure())


async def test_a_call_that_gemini_itself_could_not_read_says_so() -> None:
    async with harness(Says(finish="MALFORMED_FUNCTION_CALL")) as opened:
        assert "wrote a tool call that can't be parsed" in str(await opened.failure())


@pytest.mark.parametrize(
    ("error", "fault", "is_retryable"),
    [
        ({"error": {"code": 503, "status": "UNAVAILABLE", "message": f"busy {KEY}"}}, ModelFault.OVERLOADED, True),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, ModelFault.RATE_LIMITED, True),
        ({"error": {"code": 400, "message": TOKENS}}, ModelFault.CONTEXT_TOO_LONG, False),
        ({"error": {"message": "no code"}}, ModelFault.CUT_OFF, True),
        ({"error": "something"}, ModelFault.CUT_OFF, True),
    ],
)
async def test_a_failure_inside_a_stream_counts_as_what_it_says(
    error: dict[str, Any], fault: ModelFault, is_retryable: bool
) -> None:
    async with harness(Sends(writes=[BEGUN, event(error)])) as opened:
        failure = await opened.failure()
    assert (failure.fault, failure.is_retryable) == (fault, is_retryable)


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "CONTINUATION"])
async def test_a_reply_cut_at_its_length_limit_is_an_error_that_names_the_option_to_raise(reason: str) -> None:
    async with harness(Says(text="and th", finish=reason)) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, False)
    assert "must raise max_output_tokens" in str(error)


DECLINES = [event({"promptFeedback": {"blockReason": reason}}) for reason in ("SAFETY", "PROHIBITED_CONTENT")]


@pytest.mark.parametrize(
    "reply",
    [
        *[Says(text="I", finish=reason) for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "SPII", "LANGUAGE")],
        *[Sends(writes=[decline]) for decline in DECLINES],
    ],
)
async def test_a_reply_or_a_request_that_the_provider_declines_is_refused(reply: Scripted) -> None:
    async with harness(reply) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.REFUSED, False)


async def test_an_account_that_was_shut_is_the_operators_matter() -> None:
    async with harness(Says(finish="PUP_LIMITED_DISABLED")) as opened:
        assert (await opened.failure()).fault is ModelFault.AUTH


@pytest.mark.filterwarnings("ignore:BRAND_NEW is not a valid FinishReason")
async def test_a_finish_that_this_version_does_not_know_is_no_whole_reply() -> None:
    async with harness(Says(text="a", finish="BRAND_NEW")) as opened:
        assert (await opened.failure()).is_retryable


@pytest.mark.parametrize("writes", [[], [BEGUN]])
async def test_silence_before_or_within_a_reply_is_given_up_after_the_read_timeout(writes: list[bytes]) -> None:
    async with harness(Sends(writes=writes, ending="hang"), options=GeminiOptions(read_timeout=0.3)) as opened:
        error = await opened.failure()
        await opened.server.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (ModelFault.TIMED_OUT, True)


@pytest.mark.parametrize("ending", ["cut", "hang"])
async def test_a_reply_that_is_whole_counts_however_its_stream_ends(ending: Ending) -> None:
    async with harness(Sends(writes=Says(text="whole").events(), ending=ending)) as opened:
        assert (await opened.send()).text == "whole"
        await opened.server.until(open_replies=0)


def _stopped(*parts: dict[str, Any]) -> bytes:
    """A chunk that gives the reason to end, whatever follows."""
    return event({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]})


EARLY = [
    [_stopped(), _stopped(), event({"candidates": [{"content": {"parts": [{"text": "whole"}]}}]}), _stopped()],
    [_stopped({"text": "who"}), _stopped({"text": "le"})],
]
"""A gateway that translates has given empty chunks before the text a reason to end, and Gemini itself every chunk."""


@pytest.mark.parametrize("writes", EARLY, ids=["before the text", "with every chunk"])
async def test_a_reason_to_end_that_comes_too_early_ends_nothing(writes: list[bytes]) -> None:
    async with harness(Sends(writes=writes, pause=0.6)) as opened:
        assert (await opened.send()).text == "whole"
    async with harness(Sends(writes=writes[:1], ending="cut")) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)


async def test_a_failure_after_the_reason_to_end_is_a_failure() -> None:
    """Gemini has ended an answer in its first words, and then said that it is overloaded."""
    told = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    whole = b"".join(Says(text="Okay").events())
    for last in (event(told), json.dumps(told, indent=2).encode()):
        async with harness(Sends(writes=[whole, last])) as opened:
            error = await opened.failure()
        assert (error.fault, error.is_retryable) == (ModelFault.OVERLOADED, True)


async def test_a_cancelled_call_frees_its_connection_at_once() -> None:
    async with harness(Sends(writes=[BEGUN], ending="hang")) as opened, asyncio.TaskGroup() as group:
        sending = group.create_task(opened.send())
        await opened.server.until(open_replies=1)
        sending.cancel()
        await opened.server.until(open_replies=0)
    assert sending.cancelled()


def chunk(**part: object) -> bytes:
    return event({"candidates": [{"content": {"parts": [part], "role": "model"}}]})


FLOODS = [
    [chunk(text="x" * 1000)] * 300,
    [chunk(text="x")] * 4000,
    [chunk(functionCall={"name": "f"})] * 4000,
    [b"data: "] + [b"x" * 10_000] * 300,
]


@pytest.mark.parametrize("flood", FLOODS, ids=["long text", "many pieces", "many calls", "one line"])
async def test_an_endless_reply_is_stopped_at_the_limit(flood: list[bytes]) -> None:
    options = GeminiOptions(max_reply_characters=200_000)
    async with harness(Sends(writes=flood, ending="hang"), options=options, longest_line=1_000_000) as opened:
        error = await opened.failure()
        await opened.server.until(open_replies=0)
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, False)
    assert "exceeded 200,000 characters" in str(error)


async def test_an_endless_refusal_is_not_read_to_its_end() -> None:
    async with harness(Fails(status=500, error="x\n" * 2_000_000)) as opened:
        assert "was stopped" in str(await opened.failure())


async def test_a_ten_megabyte_answer_arrives_whole() -> None:
    content = "é" * 10_000_000
    async with harness(Says(calls=[Call(name="new_answer", args={"content": content})])) as opened:
        reply = await opened.send()
    assert reply.calls[0].arguments == json.dumps({"content": content}, ensure_ascii=False)


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        clients = GeminiClients()
        model = GeminiModel(clients=clients, model="m", base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(ModelError) as caught:
            await model.converse("", TURN_CONTEXT).send(GO, ())
        await clients.aclose()
    assert (caught.value.fault, caught.value.is_retryable) == (ModelFault.OVERLOADED, True)
    assert str(caught.value).startswith(f"Can't reach the provider of m (127.0.0.1:{port})")


@pytest.mark.parametrize("base_url", ["", "localhost:8000", "ftp://example.org", "http://", f"http://u:{KEY}@host"])
def test_an_address_that_is_none_is_the_operators_to_fix(base_url: str) -> None:
    with pytest.raises(ConfigError, match="base_url of m must") as caught:
        GeminiModel(clients=GeminiClients(), model="m", base_url=base_url)
    assert KEY not in str(caught.value)
