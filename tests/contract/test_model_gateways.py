"""What stands between us and a model: gateways and local servers with habits of their own, over a real socket."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from coordination.errors import ModelError, ModelFault
from coordination.llm.http import EventLines
from coordination.llm.openai_chat import ChatCompletionsModel
from coordination.llm.openai_clients import OpenAIClients
from coordination.ports import Conversation, Reply, ToolResult, TurnContext, UserMessage
from tests.contract.vendor_harnesses import messages_harness, responses_harness
from tests.servers import messages_server, responses_server
from tests.servers.chat_server import ChatServer, Fails, Says, Scripted, Sends, chat_server

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
GO = (UserMessage(text="go"),)
KEY = "sk-secret-0123456789"
KEPT_ALIVE = (
    b": OPENROUTER PROCESSING\n\ndata:\n\ndata: \n\nevent: ping\ndata: still here\n\nid: 7\nretry: 10\n\ndata: ping\n\n"
)
"""What gateways send while a model thinks; none of it is part of a reply."""


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": choices}).encode() + b"\n\n"


def calls(*deltas: Mapping[str, Any], finish: str | None = "tool_calls") -> Sends:
    """A reply of tool calls, one delta after the other."""
    end = [chunk({}, finish)] if finish else []
    return Sends(writes=[*(chunk({"tool_calls": [each]}) for each in deltas), *end, b"data: [DONE]\n\n"])


def call(name: str, arguments: str, **more: object) -> dict[str, object]:
    return {"index": 0, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


class Talk:
    """One conversation with the server."""

    def __init__(self, server: ChatServer, conversation: Conversation) -> None:
        self.server = server
        self._conversation = conversation

    async def send(self, *results: ToolResult) -> Reply:
        async with asyncio.timeout(60):
            return await self._conversation.send(results or GO, ())

    async def failure(self) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await self.send()
        return caught.value


@asynccontextmanager
async def talk(*queue: Scripted) -> AsyncGenerator[Talk]:
    clients = OpenAIClients()
    async with chat_server(*queue) as server:
        model = ChatCompletionsModel(clients=clients, model="gpt-x", base_url=server.base_url, api_key=KEY)
        try:
            yield Talk(server, model.converse("be good", TURN_CONTEXT))
        finally:
            await clients.aclose()


# --- server-sent events -----------------------------------------------------------------------------------------------

_texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
_events = st.lists(st.lists(_texts, min_size=1, max_size=3), min_size=1, max_size=5)


@given(_events, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 7))
def test_events_are_read_as_the_sdk_reads_them_wherever_the_network_cuts(
    events: list[list[str]], newline: str, size: int
) -> None:
    payloads = [json.dumps({"parts": parts}, indent=1, ensure_ascii=False).split("\n") for parts in events]
    text = f": hello{newline}" + "".join(
        "".join(f"data: {line}{newline}" for line in lines) + newline for lines in payloads
    )
    data = text.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    ours = EventLines(limit=1_000_000)
    got = [payload for piece in pieces for payload in ours.feed(piece)] + ours.finish()
    theirs = [event.data for event in SSEDecoder().iter_bytes(iter([data]))]
    assert [json.loads(payload) for payload in got] == [json.loads(payload) for payload in theirs]
    assert [json.loads(payload)["parts"] for payload in got] == events


def test_an_event_of_several_lines_is_one_payload() -> None:
    assert EventLines(limit=100).feed(b'data: {"a":\ndata: 1}\n\n') == [b'{"a":\n1}']


def test_events_without_a_blank_line_between_them_are_told_apart() -> None:
    lines = EventLines(limit=100)
    assert lines.feed(b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n') == [b'{"a": 1}', b'{"b": 2}', b"[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_byte_order_mark_before_the_first_event_is_no_part_of_it(size: int) -> None:
    data = b'\xef\xbb\xbfdata: {"a": 1}\n\ndata: {"b": 2}\n\n'
    lines = EventLines(limit=100)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [each for piece in pieces for each in lines.feed(piece)] == [b'{"a": 1}', b'{"b": 2}']


def test_an_event_that_never_ends_is_bounded() -> None:
    lines = EventLines(limit=1000)
    with pytest.raises(OverflowError):
        lines.feed(b"data: some more of it\n" * 1000)


async def test_a_gateway_may_keep_the_connection_alive_with_every_vendors_reply() -> None:
    chat = Sends(writes=[KEPT_ALIVE, chunk({"content": "hi"}), KEPT_ALIVE, chunk({}, "stop"), b"data: [DONE]\n\n"])
    async with talk(chat) as open_talk:
        assert (await open_talk.send()).text == "hi"
    body = {"model": "m", "input": [], "messages": [], "stream": True}
    responses = responses_server.ResponsesDialect().writes(responses_server.Says(texts=["hi"]), body)
    async with responses_harness(_kept_alive(responses)) as harness:
        assert (await harness.send()).text == "hi"
    messages = messages_server.MessagesDialect().writes(messages_server.Says(text="hi"), body)
    async with messages_harness(_kept_alive(messages)) as messages_opened:
        assert (await messages_opened.send()).text == "hi"


def _kept_alive(events: Sequence[bytes]) -> Sends:
    return Sends(writes=[part for event in events for part in (KEPT_ALIVE, event)])


# --- failures in the provider's own words -----------------------------------------------------------------------------

OWN_WORDS = [
    (400, {"error": {"message": "gemma does not support tools", "type": "api_error"}}, "gemma does not support tools"),
    (400, {"object": "error", "message": "\"auto\" tool choice requires --enable-auto-tool-choice", "code": 400},
     "requires --enable-auto-tool-choice"),
    (404, {"error": "No model loaded. Use `lms load`."}, "No model loaded"),
    (422, {"detail": [{"loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}]}, "Extra inputs"),
    (400, {"detail": "tools need --jinja"}, "tools need --jinja"),
    (500, {"message": "out of memory", "code": 500}, "out of memory"),
    (503, {"title": "Busy", "status": 503}, "Busy"),
    (400, {"error": {"message": "Provider returned error", "metadata": {"raw": "x"}}}, "Provider returned error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "words"), OWN_WORDS)
async def test_a_refusal_keeps_the_providers_own_words(status: int, body: dict[str, Any], words: str) -> None:
    async with talk(Fails(status=status, error=json.dumps(body))) as open_talk:
        error = await open_talk.failure()
    assert "It said: “" in str(error)
    assert words in str(error)
    assert error.is_retryable is (status >= 500)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (b"event: error\ndata: upstream went away\n\n", "upstream went away"),
        (b'event: error\ndata: {"message": "no GPU", "code": 503}\n\n', "no GPU"),
        (b'data: {"detail": "tool parser crashed"}\n\n', "tool parser crashed"),
        (b'data: {"message": "engine died", "code": 500}\n\n', "engine died"),
        (b'data: {"error": "model runner stopped"}\n\n', "model runner stopped"),
        (b"Internal Server Error", ""),
        (b"data: Internal Server Error\n\n", "Internal Server Error"),
    ],
)
async def test_a_failure_inside_a_stream_keeps_its_words_whatever_its_shape(event: bytes, words: str) -> None:
    async with talk(Sends(writes=[event])) as chat, responses_harness(Sends(writes=[event])) as responses:
        assert words in str(await chat.failure())
        assert words in str(await responses.failure())
    async with messages_harness(Sends(writes=[event])) as messages:
        assert words in str(await messages.failure())


LITELLM: list[tuple[int, str, str, ModelFault]] = [
    (400, "invalid_request_error", "litellm.BadRequestError: AzureException - The response was filtered due to the prompt "
     "triggering Azure OpenAI's content management policy.", ModelFault.REFUSED),
    (400, "invalid_request_error", "litellm.ContentPolicyViolationError: no", ModelFault.REFUSED),
    (400, "invalid_request_error", "litellm.ContextWindowExceededError: This model's maximum context length is 128000 tokens.",
     ModelFault.CONTEXT_TOO_LONG),
    (400, "invalid_request_error", "litellm.BadRequestError: You passed in model=gpt-9. There are no healthy deployments for "
     "this model", ModelFault.MISCONFIGURED),
    (400, "invalid_request_error", "/chat/completions: Invalid model name passed in model=gpt-9.", ModelFault.MISCONFIGURED),
    (400, "invalid_request_error", "litellm.BadRequestError: Invalid schema for function 'look'", ModelFault.BAD_REQUEST),
    (400, "no_db_connection", "No connected db.", ModelFault.AUTH),
    (400, "expired_key", "Authentication Error - Expired Key.", ModelFault.AUTH),
    (401, "auth_error", "Authentication Error, LiteLLM Virtual Key expected.", ModelFault.AUTH),
    (401, "api_error", "litellm.AuthenticationError: no", ModelFault.AUTH),
    (402, "api_error", "litellm.PaymentRequiredError: Insufficient Balance", ModelFault.OUT_OF_BUDGET),
    (403, "api_error", "litellm.PermissionDeniedError: not yours", ModelFault.AUTH),
    (422, "budget_exceeded", "Budget has been exceeded! Current cost: 2.0, Max budget: 1.0", ModelFault.OUT_OF_BUDGET),
    (429, "throttling_error", "litellm.RateLimitError: Rate limit reached", ModelFault.RATE_LIMITED),
    (500, "internal_server_error", "litellm.InternalServerError: The server had an error", ModelFault.OVERLOADED),
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind", "words", "fault"), LITELLM)
async def test_a_failure_is_the_same_whether_a_gateway_gives_it_as_a_status_or_inside_a_stream(
    status: int, kind: str, words: str, fault: ModelFault
) -> None:
    """As LiteLLM 1.108 gives them: the provider's own code is lost, and the status is a text in `code`."""
    error = {"message": words, "type": kind, "param": None, "code": str(status)}
    within = Sends(writes=[chunk({"content": "half"}), b"data: " + json.dumps({"error": error}).encode() + b"\n\n"])
    async with talk(Fails(status=status, error=error), within) as opened:
        for failure in (await opened.failure(), await opened.failure()):
            assert (failure.fault, failure.is_retryable) == (
                fault,
                fault in {ModelFault.RATE_LIMITED, ModelFault.OVERLOADED},
            )


@pytest.mark.parametrize(
    ("words", "headers", "seconds"),
    [
        ("No deployments available for selected model, Try again in 5 seconds. Passed model=x", {}, 5.0),
        ("Rate limit reached. Please try again in 7m12.5s. Visit", {}, 432.5),
        ("Rate limit reached. Please try again in 20ms.", {}, 0.02),
        ("Please retry in 34.07s.", {}, 34.07),
        ("Please try again in 6m0s.", {}, 360.0),
        ("Try again in 90 hours", {}, 3600.0),
        ("try again in a moment", {}, None),
        ("try again in 3 weeks", {}, None),
        ("try again in 20s", {"Retry-After": "7"}, 7.0),
        ("slow down", {"llm_provider-retry-after": "7"}, 7.0),
        ("slow down", {"llm_provider-retry-after-ms": "1500", "llm_provider-retry-after": "2"}, 1.5),
        ("slow down", {"llm_provider-retry-after": "7", "Retry-After": "9"}, 9.0),
        (
            "slow down",
            {
                "llm_provider-retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
                "llm_provider-date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
    ],
)
async def test_the_wait_is_known_that_only_words_or_a_gateways_headers_tell(
    words: str, headers: dict[str, str], seconds: float | None
) -> None:
    async with talk(Fails(status=429, headers=headers, error={"message": words, "code": "429"})) as opened:
        assert (await opened.failure()).retry_after == seconds
    if not headers:
        event = {"error": {"message": words, "code": "429"}}
        async with talk(Sends(writes=[b"data: " + json.dumps(event).encode() + b"\n\n"])) as opened:
            assert (await opened.failure()).retry_after == seconds


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        "Your key sk-proj-abcdefgh12345678 is revoked",
        "Bad header Authorization: Bearer eyJhbGciOi.abc.def",
        "token 0123456789abcdef0123456789abcdef0123456789",
    ],
)
async def test_no_key_is_passed_on_with_the_words(said: str) -> None:
    async with talk(Fails(status=401, error={"message": said})) as open_talk:
        text = str(await open_talk.failure())
    assert "[hidden]" in text
    assert not any(secret in text for secret in (KEY, "abcdefgh12345678", "eyJhbGciOi", "0123456789abcdef"))


async def test_long_words_and_control_characters_are_cut_and_made_harmless() -> None:
    async with talk(Fails(status=400, error={"message": "a\x1b[2Jb\u202e " + "word " * 500})) as open_talk:
        text = str(await open_talk.failure())
    assert len(text) < 600
    assert text.isprintable()
    assert text.endswith("…”")


# --- replies of servers that are merely compatible --------------------------------------------------------------------


@pytest.mark.parametrize("written", ["null", "", " ", "{}"])
async def test_a_tool_that_needs_nothing_may_be_called_with_null(written: str) -> None:
    async with talk(calls(call("look", written, id="c1"))) as open_talk:
        (called,) = (await open_talk.send()).calls
    assert (called.name, called.arguments) == ("look", "{}")
    item = responses_server.Call(name="look", arguments=written)
    async with responses_harness(responses_server.Says(calls=[item])) as responses:
        assert [each.arguments for each in (await responses.send()).calls] == ["{}"]


@pytest.mark.parametrize(
    "second",
    [call("write", '{"text": "B"}'), call("look", '{"at": 2}'), call("write", "")],
    ids=["write", "same", "none"],
)
async def test_two_calls_with_one_index_and_no_id_are_two_calls(second: dict[str, object]) -> None:
    async with talk(calls(call("look", '{"at": '), {"index": 0, "function": {"arguments": "1}"}}, second)) as open_talk:
        reply = await open_talk.send()
    assert [each.name for each in reply.calls] == ["look", dict(second["function"])["name"]]  # type: ignore[call-overload]  # JSON
    assert reply.calls[0].arguments == '{"at": 1}'
    assert len({each.id for each in reply.calls}) == 2


async def test_a_name_that_is_repeated_in_every_delta_is_one_call() -> None:
    deltas = [call("look", part) for part in ('{"at"', ": ", "1}", "")]
    async with talk(calls(*deltas)) as open_talk:
        (only,) = (await open_talk.send()).calls
    assert only.arguments == '{"at": 1}'


async def test_a_stream_that_is_done_without_a_reason_is_complete_if_what_came_is() -> None:
    text = Sends(writes=[chunk({"content": "hi"}), b"data: [DONE]\n\n"])
    async with talk(text, calls(call("look", '{"at": 1}', id="c1"), finish=None)) as open_talk:
        assert (await open_talk.send()).text == "hi"
        assert [each.arguments for each in (await open_talk.send()).calls] == ['{"at": 1}']
    async with talk(calls(call("look", '{"at": '), finish=None)) as open_talk:
        error = await open_talk.failure()
    assert error.fault is ModelFault.CUT_OFF
    assert "gave no reason" in str(error)


@pytest.mark.parametrize("names", [["look", None], ["look", ""], ["look", "look"]])
async def test_a_call_in_the_form_before_there_were_several_is_a_call(names: Sequence[str | None]) -> None:
    """As LiteLLM 1.108 passes it on from a server that answers so."""
    pieces = [
        chunk({"function_call": {"name": n, "arguments": part}})
        for n, part in zip(names, ('{"at"', ": 1}"), strict=True)
    ]
    async with talk(Sends(writes=[*pieces, chunk({}, "function_call"), b"data: [DONE]\n\n"])) as open_talk:
        (only,) = (await open_talk.send()).calls
    assert (only.name, only.arguments) == ("look", '{"at": 1}')


@pytest.mark.parametrize("reason", ["tool_calls", "function_call"])
async def test_a_reply_that_ends_with_calls_and_has_none_is_half_a_reply(reason: str) -> None:
    async with talk(Sends(writes=[chunk({"content": ""}), chunk({}, reason), b"data: [DONE]\n\n"])) as open_talk:
        error = await open_talk.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)


async def test_a_whole_answer_may_begin_with_a_byte_order_mark() -> None:
    whole = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    body = b"\xef\xbb\xbf" + json.dumps(whole).encode()
    async with talk(Sends(writes=[body], content_type="application/json")) as open_talk:
        assert (await open_talk.send()).text == "hi"


async def test_reasoning_goes_back_with_the_next_request_as_it_came() -> None:
    pieces = [
        {
            "reasoning": "Let me ",
            "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Let me ", "format": "x"}],
        },
        {
            "reasoning": "see.",
            "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "see.", "signature": "s"}],
        },
        {"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "id": "r", "data": "c2ln"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "id": "q", "data": "bW9yZQ"}]},
    ]
    first = Sends(
        writes=[
            *map(chunk, pieces),
            chunk({"tool_calls": [call("look", "{}", id="c1")]}, "tool_calls"),
            b"data: [DONE]\n\n",
        ]
    )
    async with talk(first, Says(text="done")) as open_talk:
        await open_talk.send()
        await open_talk.send(ToolResult(call_id="c1", text="seen"))
    sent = next(each for each in open_talk.server.requests[1]["messages"] if each["role"] == "assistant")
    assert sent["reasoning"] == "Let me see."
    assert sent["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "Let me see.", "format": "x", "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "id": "r", "data": "c2ln"},
        {"type": "reasoning.encrypted", "index": 1, "id": "q", "data": "bW9yZQ"},
    ]


async def test_a_server_that_refuses_its_reasoning_back_is_asked_without_it() -> None:
    first = Sends(
        writes=[
            chunk({"reasoning": "Hm."}),
            chunk({"tool_calls": [call("look", "{}", id="c1")]}, "tool_calls"),
            b"data: [DONE]\n\n",
        ]
    )
    refusal = Fails(
        status=400, error={"message": "'messages.2' : for 'role:assistant' property 'reasoning' is unsupported"}
    )
    async with talk(first, refusal, Says(text="done"), Says(text="again")) as open_talk:
        await open_talk.send()
        assert (await open_talk.send(ToolResult(call_id="c1", text="seen"))).text == "done"
        assert (await open_talk.send()).text == "again"
    assert ["reasoning" in json.dumps(each["messages"]) for each in open_talk.server.requests] == [
        False,
        True,
        False,
        False,
    ]
