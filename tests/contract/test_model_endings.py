"""How replies of real servers end, fail and are put: each in the form that the issues of their projects show."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Sequence

import pytest
from httpx2._decoders import SUPPORTED_DECODERS

from coordination.errors import ModelFault
from coordination.llm.http import EventLines
from coordination.llm.model_errors import Provider
from coordination.llm.openai_responses import ResponsesReplyParts
from coordination.ports import ToolResult
from tests.contract.test_model_gateways import call, calls, chunk, talk
from tests.contract.vendor_harnesses import messages_harness, responses_harness
from tests.servers import messages_server, responses_server
from tests.servers.vendor_server import Fails, Json, Sends, event

DONE = b"data: [DONE]\n\n"
WORDS = "half of an answer"


def ending_in(choice: Json) -> Sends:
    """A text whose last chunk has this choice, and which ends in good order all the same."""
    return Sends(
        writes=[chunk({"content": WORDS}), b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n", DONE]
    )


# --- reasons to end ---------------------------------------------------------------------------------------------------

BROKEN = [
    "abort",  # vLLM 57082, SGLang: the engine was paused, or shut down
    "repetition",  # vLLM: the model went in circles
    "insufficient_system_resource",  # DeepSeek
    "network_error",  # Z.AI
    "malformed_function_call",  # Envoy AI Gateway, in front of Gemini
    "unexpected_tool_call",
    "FINISH_REASON_UNSPECIFIED",
    "OTHER",
    "cancelled",
    "timeout",
    "ERROR",  # Cohere
]


@pytest.mark.parametrize("reason", BROKEN)
async def test_a_reply_that_its_server_gave_up_is_half_a_reply_however_orderly_its_stream_ends(reason: str) -> None:
    half = ending_in({"index": 0, "delta": {}, "finish_reason": reason})
    async with talk(half, half) as opened:
        error = await opened.failure()
        assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)
        assert f"ended its reply in the middle (reason: {reason})" in str(error)
    async with messages_harness(messages_server.Says(text=WORDS, stop=reason)) as messages:
        assert f"(reason: {reason})" in str(await messages.failure())


@pytest.mark.parametrize(
    ("reason", "fault", "words"),
    [
        ("max_tokens", ModelFault.CUT_OFF, "must raise max_"),
        ("MAX_TOKENS", ModelFault.CUT_OFF, "must raise max_"),
        ("model_length", ModelFault.CUT_OFF, "must raise max_"),  # Mistral
        ("max_output_tokens", ModelFault.CUT_OFF, "must raise max_"),
        ("model_context_window_exceeded", ModelFault.CONTEXT_TOO_LONG, "can't process that much text"),  # Z.AI
        ("sensitive", ModelFault.REFUSED, "change the request"),  # Z.AI
        ("content_filter: RECITATION", ModelFault.REFUSED, "change the request"),
        ("SAFETY", ModelFault.REFUSED, "change the request"),
        ("recitation", ModelFault.REFUSED, "change the request"),  # Envoy AI Gateway
        ("guardrail_intervened", ModelFault.REFUSED, "change the request"),  # Bedrock
        ("refusal", ModelFault.REFUSED, "change the request"),  # Anthropic
    ],
)
async def test_a_limit_and_a_refusal_are_known_by_any_vendors_word(reason: str, fault: ModelFault, words: str) -> None:
    async with talk(ending_in({"index": 0, "delta": {}, "finish_reason": reason})) as opened:
        error = await opened.failure()
    async with messages_harness(messages_server.Says(text=WORDS, stop=reason)) as messages:
        other = await messages.failure()
    last = ("response.incomplete", {"status": "incomplete", "incomplete_details": {"reason": reason}})
    incomplete = responses_server.Says(texts=[WORDS], last=last)
    async with responses_harness(incomplete) as responses:
        third = await responses.failure()
    for each in (error, other, third):
        assert (each.fault, each.is_retryable) == (fault, False)
        assert words in str(each)


@pytest.mark.parametrize("reason", ["stop", "eos", "end_turn", "COMPLETE", "eosFound", "never heard of"])
async def test_any_other_reason_is_an_end_for_what_is_whole(reason: str) -> None:
    async with talk(ending_in({"index": 0, "delta": {}, "finish_reason": reason})) as opened:
        assert (await opened.send()).text == WORDS


async def test_a_reason_that_nobody_knows_is_no_end_for_half_a_call() -> None:
    async with talk(calls(call("look", '{"at": '), finish="never heard of")) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)


@pytest.mark.parametrize("reason", ["", "null"])
async def test_an_empty_reason_in_every_piece_is_none_so_a_stream_that_breaks_off_is_noticed(reason: str) -> None:
    """Ollama 4357; others write the word for nothing as a text."""
    pieces = [chunk({"content": word}, reason) for word in ("half ", "of an ", "answer")]
    async with talk(Sends(writes=pieces), Sends(writes=[*pieces, chunk({}, "stop"), DONE])) as opened:
        assert (await opened.failure()).fault is ModelFault.CUT_OFF
        assert (await opened.send()).text == WORDS


@pytest.mark.parametrize(
    "beside",
    [
        {"provider_specific_fields": {"native_finish_reason": "insufficient_system_resource"}},  # LiteLLM 1.93
        {"native_finish_reason": "MALFORMED_FUNCTION_CALL"},  # OpenRouter
    ],
)
async def test_a_gateway_that_calls_what_it_does_not_know_a_stop_is_not_believed(beside: Json) -> None:
    async with talk(ending_in({"index": 0, "delta": {}, "finish_reason": "stop", **beside})) as opened:
        assert "ended its reply in the middle" in str(await opened.failure())
    fine = {"index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": "completed"}
    async with talk(ending_in(fine)) as opened:
        assert (await opened.send()).text == WORDS


async def test_a_reason_in_googles_spelling_is_one() -> None:
    """Gemini's compatible API has had null under one name, and the reason under the other."""
    for reason, is_whole in (("stop", True), ("content_filter", False)):
        last = {"index": 0, "delta": {}, "finish_reason": None, "finishReason": reason}
        writes = [chunk({"content": WORDS}), b"data: " + json.dumps({"choices": [last]}).encode() + b"\n\n"]
        async with talk(Sends(writes=writes)) as opened:
            if is_whole:
                assert (await opened.send()).text == WORDS
            else:
                assert (await opened.failure()).fault is ModelFault.REFUSED


# --- failures with a status of 200 ------------------------------------------------------------------------------------

IN_THE_STREAM: list[tuple[bytes, ModelFault, str]] = [
    (b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "no GPU"}}]}',
     ModelFault.OVERLOADED, "no GPU"),  # OpenRouter
    (b'data: {"choices": [], "code": 500, "msg": "engine died", "success": false}', ModelFault.OVERLOADED, "engine died"),
    (b'data: {"choices": null, "base_resp": {"status_code": 1008, "status_msg": "no money"}}',
     ModelFault.OUT_OF_BUDGET, "no money"),  # MiniMax
    (b'data: {"base_resp": {"status_code": 1002, "status_msg": "slow down"}}', ModelFault.RATE_LIMITED, "slow down"),
    (b'data: {"error": {"type": "bad_request_error", "message": "no system", "http_code": "400"}}',
     ModelFault.BAD_REQUEST, "no system"),  # MiniMax
    (b'{"error": {"message": "runner stopped", "code": 503}}', ModelFault.OVERLOADED, "runner stopped"),
    (b'{"error": "runner stopped"}', ModelFault.OVERLOADED, "runner stopped"),
    (b'data: {"error": {"message": "Please retry after 6 seconds.", "code": "429"}}', ModelFault.RATE_LIMITED, "6 sec"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fault", "words"), IN_THE_STREAM)
@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_failure_in_a_stream_is_told_in_its_own_words(
    line: bytes, fault: ModelFault, words: str, has_begun: bool
) -> None:
    begun = [chunk({"content": WORDS})] if has_begun else []
    async with talk(Sends(writes=[*begun, line + b"\n\n", DONE])) as opened:
        error = await opened.failure()
    assert error.fault is fault
    assert words in str(error)


@pytest.mark.parametrize(
    "body", [{"error": {"code": 503, "message": "overloaded"}}, [{"error": {"message": "overloaded"}}]]
)
async def test_a_failure_that_is_printed_over_several_lines_into_a_stream_is_told(body: object) -> None:
    """Google's APIs do so, behind gateways too."""
    printed = json.dumps(body, indent=2).encode() + b"\n"
    for writes in ([printed], [chunk({"content": WORDS}), b"\n", printed]):
        async with talk(Sends(writes=writes)) as chat, responses_harness(Sends(writes=writes)) as responses:
            for error in (await chat.failure(), await responses.failure()):
                assert (error.fault, error.is_retryable) == (ModelFault.OVERLOADED, True)
                assert "overloaded" in str(error).split("It said")[1]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/event-stream"])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "bad gateway", "code": 502}},
        {"error": "bad gateway"},
        {"message": "bad gateway", "code": 502},
    ],
)
async def test_a_failure_that_comes_with_a_status_of_200_is_one_whatever_it_is_called(kind: str, body: Json) -> None:
    sends = Sends(writes=[json.dumps(body).encode()], content_type=kind)
    async with talk(sends) as chat, responses_harness(sends) as responses:
        failures = [await chat.failure(), await responses.failure()]
    async with messages_harness(sends) as messages:
        failures.append(await messages.failure())
    for error in failures:
        assert (error.fault, error.is_retryable) == (ModelFault.OVERLOADED, True)
        assert "bad gateway" in str(error)


# --- answers of gateways that do not stream, compress, or call their stream something else ---------------------------


def whole_responses() -> Json:
    message = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "hi"}]}
    called = {"type": "function_call", "call_id": "c", "name": "look", "arguments": '{"at": 1}'}
    return {"object": "response", "status": "completed", "output": [message, called], "usage": {"input_tokens": 3}}


def whole_message() -> Json:
    blocks = [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "c", "name": "look", "input": {"at": 1}}]
    return {
        "type": "message",
        "role": "assistant",
        "content": blocks,
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3},
    }


@pytest.mark.parametrize("indent", [None, 2])
async def test_an_answer_that_comes_whole_though_a_stream_was_asked_for_is_taken(indent: int | None) -> None:
    def sends(answer: Json) -> Sends:
        return Sends(
            writes=[json.dumps(answer, indent=indent).encode()], content_type="application/json; charset=utf-8"
        )

    async with responses_harness(sends(whole_responses())) as responses:
        first = await responses.send()
    async with messages_harness(sends(whole_message())) as messages:
        second = await messages.send()
    for reply in (first, second):
        assert (reply.text, [(each.name, json.loads(each.arguments)) for each in reply.calls]) == (
            "hi",
            [("look", {"at": 1})],
        )
        assert reply.usage.input_tokens == 3
    async with messages_harness(sends(whole_message() | {"stop_reason": "max_tokens"})) as messages:
        assert "must raise max_tokens" in str(await messages.failure())
    async with responses_harness(sends(whole_responses() | {"status": "incomplete"})) as responses:
        assert (await responses.failure()).fault is ModelFault.CUT_OFF


def compressed(data: bytes, kind: str) -> bytes:
    return gzip.compress(data) if kind == "gzip" else zlib.compress(data)


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [7, 100_000])
async def test_a_compressed_stream_is_read_wherever_the_network_cuts_it(kind: str, size: int) -> None:
    data = compressed(b"".join([chunk({"content": "hi"}), chunk({}, "stop"), DONE]), kind)
    writes = [data[at : at + size] for at in range(0, len(data), size)]
    spoiled = Sends(writes=[b"no " + data], headers={"Content-Encoding": kind})
    async with talk(Sends(writes=writes, headers={"Content-Encoding": kind}), spoiled) as opened:
        assert (await opened.send()).text == "hi"
        assert (await opened.failure()).fault is ModelFault.CUT_OFF


@pytest.mark.parametrize("kind", ["br", "zstd", "of-ours"])
async def test_a_stream_that_is_compressed_in_a_way_nobody_asked_for_is_no_readable_reply(kind: str) -> None:
    spoiled = Sends(writes=[b"\x0b\x05\x80hi there\x03"], headers={"Content-Encoding": kind})
    async with talk(spoiled) as opened:
        error = await opened.failure()
        accepted = {each.lower(): value for each, value in opened.server.headers[0].items()}["accept-encoding"]
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)
    assert {each.strip() for each in accepted.split(",")} <= set(SUPPORTED_DECODERS)


async def test_a_stream_that_is_called_json_is_a_stream() -> None:
    writes = [chunk({"content": "hi"}), chunk({}, "stop"), DONE]
    async with talk(Sends(writes=writes, content_type="application/json")) as opened:
        assert (await opened.send()).text == "hi"
    events = responses_server.ResponsesDialect().writes(responses_server.Says(texts=["hi"]), {"input": []})
    async with responses_harness(Sends(writes=events, content_type="application/json")) as responses:
        assert (await responses.send()).text == "hi"


# --- calls ------------------------------------------------------------------------------------------------------------


def call_of(name: str, arguments: object) -> dict[str, object]:
    return {"index": 0, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("arguments", ["", None, {}, "{}"])
async def test_calls_of_tools_without_arguments_are_all_kept_although_they_share_an_index(arguments: object) -> None:
    async with talk(
        calls(call_of("first", arguments), call_of("second", arguments), call("third", '{"at": 1}'))
    ) as opened:
        reply = await opened.send()
    assert [(each.name, each.arguments) for each in reply.calls] == [
        ("first", "{}"),
        ("second", "{}"),
        ("third", '{"at": 1}'),
    ]
    assert len({each.id for each in reply.calls}) == 3


@pytest.mark.parametrize(
    "ids",
    [["a", "b"], ["", ""], [None, None], ["a", None], ["a", "a"], ["0", "1"]],
    ids=str,
)
@pytest.mark.parametrize("indexes", [[0, 1], [0, 0], [None, None], ["0", "1"]], ids=str)
@pytest.mark.parametrize("is_object", [False, True])
async def test_two_calls_are_two_calls_whatever_ids_and_indexes_they_have(
    ids: Sequence[str | None], indexes: Sequence[object], is_object: bool
) -> None:
    """VLLM 18412, SGLang 5661 and 7048, llama.cpp 20198, Gemini's compatible API, LMDeploy 3412."""
    deltas = [
        {"index": index, "id": identity, "type": "function",
         "function": {"name": "look", "arguments": {"at": n} if is_object else json.dumps({"at": n})}}
        for n, (index, identity) in enumerate(zip(indexes, ids, strict=True))
    ]  # fmt: skip
    whole = {"choices": [{"index": 0, "message": {"tool_calls": deltas}, "finish_reason": "tool_calls"}]}
    at_once = Sends(writes=[json.dumps(whole).encode()], content_type="application/json")
    for sends in (calls(*deltas), at_once):
        async with talk(sends) as opened:
            reply = await opened.send()
        assert [json.loads(each.arguments) for each in reply.calls] == [{"at": 0}, {"at": 1}]
        assert len({each.id for each in reply.calls}) == 2


async def test_arguments_that_come_as_a_text_where_an_object_belongs_are_the_object() -> None:
    blocks = [{"type": "tool_use", "id": "c", "name": "look", "input": '{"at": 1}'}]
    message = {"type": "message", "role": "assistant", "content": blocks, "stop_reason": "tool_use"}
    async with messages_harness(
        Sends(writes=[json.dumps(message).encode()], content_type="application/json")
    ) as opened:
        (only,) = (await opened.send()).calls
    assert only.arguments == '{"at": 1}'


LOOK = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
REPEATED = [
    {"index": 0, "function": {"arguments": '{"at": 1}'}},  # vLLM 51697
    {"index": 0, "id": "c1", "function": {"arguments": '{ "at": 1 }'}},
    {"index": 0, "id": "c1", "function": {"name": "look", "arguments": json.dumps('{"at": 1}')}},  # LiteLLM 20480
    {
        "index": 1,
        "id": "c1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"at": 1}'},
    },  # new-api 6278
    {"index": None, "id": "c1", "type": "function", "function": {"name": "look", "arguments": {"at": 1}}},
    {"index": 0, "function": {"arguments": ""}},
]


@pytest.mark.parametrize("again", REPEATED)
@pytest.mark.parametrize("piece", [3, 100])
async def test_a_call_that_is_told_twice_is_one_call(again: Json, piece: int) -> None:
    text = '{"at": 1}'
    pieces = [{"index": 0, "function": {"arguments": text[at : at + piece]}} for at in range(piece, len(text), piece)]
    first = LOOK | {"function": {"name": "look", "arguments": text[:piece]}}
    async with talk(calls(first, *pieces, again)) as opened:
        (only,) = (await opened.send()).calls
    assert (only.id, only.name, json.loads(only.arguments)) == ("c1", "look", {"at": 1})


@pytest.mark.parametrize(
    "other",
    [
        {"index": 1, "id": "c2", "function": {"name": "look", "arguments": '{"at": 1}'}},
        {"index": 1, "id": "c1", "function": {"name": "look", "arguments": '{"at": 2}'}},
        {"index": 1, "id": "c1", "function": {"name": "write", "arguments": '{"at": 1}'}},
        {"index": 1, "function": {"name": "look", "arguments": '{"at": 1}'}},
    ],
)
async def test_two_calls_that_are_alike_are_two_unless_their_id_arguments_and_tool_are_the_same(other: Json) -> None:
    async with talk(calls(LOOK, other)) as opened:
        first, second = (await opened.send()).calls
    assert first.id != second.id


async def test_a_last_piece_with_the_whole_message_says_nothing_twice_and_leaves_nothing_out() -> None:
    """What came in deltas is left as it is; what the message alone has is taken."""
    message = {"role": "assistant", "content": WORDS, "tool_calls": [LOOK], "reasoning_content": "Hm."}
    last = [{"index": 0, "delta": {}, "message": message, "finish_reason": "stop"}, {"index": 0, "message": message}]
    for choice in last:
        ending = [b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n", DONE]
        pieces = [chunk({"role": "assistant", "content": ""}), chunk({"content": WORDS})]
        async with talk(
            Sends(writes=[*pieces, *ending]), Sends(writes=[*pieces, chunk({"tool_calls": [LOOK]}), *ending])
        ) as opened:
            for reply in (await opened.send(), await opened.send(ToolResult(call_id="c1", text="fine"))):
                assert (reply.text, [each.id for each in reply.calls]) == (WORDS, ["c1"])


async def test_a_server_that_sends_messages_for_deltas_is_understood() -> None:
    pieces = [{"choices": [{"index": 0, "message": {"content": part}}]} for part in ("half ", "of an ", "answer")]
    writes = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in pieces]
    async with talk(Sends(writes=[*writes, DONE])) as opened:
        assert (await opened.send()).text == WORDS


async def test_a_long_call_whose_name_and_id_come_with_every_piece_costs_no_more_than_its_length() -> None:
    """Fireworks repeats both; to read all arguments again for each piece would take minutes."""
    text = json.dumps({"content": [{"at": number} for number in range(30_000)]})
    pieces = [
        {"index": 0, "id": "c1", "function": {"name": "look", "arguments": text[at : at + 5]}, "name": None}
        for at in range(0, len(text), 5)
    ]
    writes = [b"".join(chunk({"tool_calls": [each]}) for each in pieces), chunk({}, "tool_calls"), DONE]
    async with talk(Sends(writes=writes)) as opened, asyncio.timeout(30):
        (only,) = (await opened.send()).calls
    assert only.arguments == text


def pieced(*events: Json, output: Sequence[Json]) -> Sends:
    """A response in pieces whose last event has this output."""
    last: Json = {"type": "response.completed", "response": {"status": "completed", "output": list(output)}}
    return Sends(writes=[event(each) for each in (*events, last)])


def added(identity: str, call_id: str, at: int) -> Json:
    item: Json = {"type": "function_call", "id": identity, "call_id": call_id, "name": "look", "arguments": ""}
    return {"type": "response.output_item.added", "output_index": at, "item": item}


def written(identity: str, at: int, arguments: str) -> list[Json]:
    place: Json = {"item_id": identity, "output_index": at}
    pieces = [
        {"type": "response.function_call_arguments.delta", "delta": arguments[n : n + 3], **place}
        for n in range(0, len(arguments), 3)
    ]
    return [*pieces, {"type": "response.function_call_arguments.done", "arguments": arguments, **place}]


@pytest.mark.parametrize("form", ["done", "delta"])
async def test_arguments_that_are_only_in_the_pieces_of_a_call_are_its_arguments(form: str) -> None:
    """LM Studio: the item that ends has an empty object for arguments, as has the last event."""
    items = [added(f"fc_{n}", f"call_{n}", n)["item"] | {"arguments": "{}"} for n in range(2)]
    events = [
        each for n in range(2) for each in (added(f"fc_{n}", f"call_{n}", n), *written(f"fc_{n}", n, f'{{"at": {n}}}'))
    ]
    events = [each for each in events if not each["type"].endswith(f"arguments.{form}")]
    done = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]
    for last in ([], items):
        async with responses_harness(pieced(*events, *done, output=last)) as opened:
            reply = await opened.send()
        assert [each.arguments for each in reply.calls] == ['{"at": 0}', '{"at": 1}']
    async with responses_harness(pieced(*events, output=items)) as opened:
        assert [each.arguments for each in (await opened.send()).calls] == ['{"at": 0}', '{"at": 1}']


EMPTY: Json = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "text", "text": ""}]}


@pytest.mark.parametrize("output", [[], [EMPTY]], ids=["none", "empty message"])
async def test_calls_and_text_that_no_item_repeats_are_not_lost(output: Sequence[Json]) -> None:
    """SGLang's router, issue 12652."""
    text = [{"type": "response.output_text.delta", "item_id": "m", "delta": part} for part in ("h", "i")]
    calls_in_pieces = [added("a", "c1", 1), *written("a", 1, '{"at": 1}'), added("b", "c2", 2), *written("b", 2, "")]
    sends = pieced(*text, *calls_in_pieces, output=output)
    async with responses_harness(sends) as opened:
        reply = await opened.send()
    assert (reply.text, [(each.name, each.arguments) for each in reply.calls]) == (
        "hi",
        [("look", '{"at": 1}'), ("look", "{}")],
    )
    parts = ResponsesReplyParts(Provider(model="m", base_url="http://a"), limit=1000)
    for payload in EventLines(limit=10_000).feed(b"".join(sends.writes)):
        parts.take(payload)
    assert parts.complete().text == "hi"
    history = [(item["type"], item.get("call_id")) for item in parts.items]
    assert history == [("message", None), ("function_call", "c1"), ("function_call", "c2")]


async def test_a_call_in_pieces_that_never_ended_is_half_a_reply_however_the_response_is_called() -> None:
    half = [each for each in written("a", 1, '{"at": 1}') if not each["type"].endswith("done")]
    async with responses_harness(pieced(added("a", "c1", 1), *half, output=[EMPTY])) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)


async def test_a_call_that_is_in_pieces_and_in_an_item_is_one_call_whatever_the_ids() -> None:
    item = added("other", "another", 1)["item"] | {"arguments": '{"at": 1}'}
    async with responses_harness(pieced(added("a", "c1", 1), *written("a", 1, '{"at": 1}'), output=[item])) as opened:
        assert [each.arguments for each in (await opened.send()).calls] == ['{"at": 1}']


# --- refusals ---------------------------------------------------------------------------------------------------------

REFUSALS: list[tuple[int, Json, ModelFault]] = [
    (400, {"message": "The decoder prompt (length 40000) is longer than the maximum model length of 8192."},
     ModelFault.CONTEXT_TOO_LONG),  # vLLM
    (400, {"message": "the request exceeds the available context size, try increasing it"}, ModelFault.CONTEXT_TOO_LONG),
    (400, {"message": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."},
     ModelFault.CONTEXT_TOO_LONG),  # xAI
    (400, {"message": "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)."},
     ModelFault.CONTEXT_TOO_LONG),  # Gemini
    (400, {"message": "Input is too long for requested model."}, ModelFault.CONTEXT_TOO_LONG),  # Bedrock
    (400, {"code": "1261", "message": "Prompt exceeds max length"}, ModelFault.CONTEXT_TOO_LONG),  # Z.AI
    (400, {"message": "Range of input length should be [1, 30720]"}, ModelFault.CONTEXT_TOO_LONG),  # Alibaba
    (400, {"message": "Please reduce the length of the messages or completion."}, ModelFault.CONTEXT_TOO_LONG),  # Groq
    (400, {"type": "invalid_request_error", "message": "Invalid request: Your request exceeded model token limit: 8192"},
     ModelFault.CONTEXT_TOO_LONG),  # Moonshot
    (413, {"code": "rate_limit_exceeded", "message": "Request too large for model `m` on tokens per minute (TPM): Limit 6000"},
     ModelFault.CONTEXT_TOO_LONG),  # Groq
    (429, {"code": "rate_limit_exceeded", "message": "Request too large for gpt-x on tokens per min (TPM): Limit 30000"},
     ModelFault.CONTEXT_TOO_LONG),  # OpenAI
    (429, {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."},
     ModelFault.OUT_OF_BUDGET),  # Z.AI
    (429, {"type": "exceeded_current_quota_error", "message": "Your account is suspended"}, ModelFault.OUT_OF_BUDGET),
    (402, {"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits"}, ModelFault.OUT_OF_BUDGET),
    (429, {"message": "Provider returned error", "metadata": {"raw": "m is temporarily rate-limited upstream"}},
     ModelFault.RATE_LIMITED),  # OpenRouter
    (429, {"message": "Too many tokens, please wait before trying again."}, ModelFault.RATE_LIMITED),  # Bedrock
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "fault"), REFUSALS)
async def test_a_refusal_means_what_its_vendor_means_by_it(status: int, error: Json, fault: ModelFault) -> None:
    async with talk(Fails(status=status, error=error)) as opened:
        failure = await opened.failure()
    assert (failure.fault, failure.is_retryable) == (fault, fault is ModelFault.RATE_LIMITED)
