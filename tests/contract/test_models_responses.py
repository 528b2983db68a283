"""OpenAI Responses keeps the contract of all models; and what goes over the wire to it."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from aiohttp import web
from typing_extensions import override

from coordination.domain.ballot import Ballot
from coordination.errors import ModelFault
from coordination.llm.openai_clients import OpenAIClients
from coordination.llm.openai_responses import ResponsesModel, ResponsesOptions
from coordination.ports import InputMessage, Model, Reply, ToolCall, ToolResult, ToolSpec, Usage, UserMessage
from coordination.prompts import workflow_tools
from tests.contract.test_models import (
    TOOLS,
    Act,
    OpensModel,
    test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind,
    test_a_lasting_failure_says_so,
    test_a_reply_has_all_its_text_and_all_its_calls_in_order,
    test_after_a_passing_failure_the_same_words_can_be_sent_again,
    test_arguments_that_are_no_json_come_as_they_were_written_and_can_be_answered,
    test_results_go_back_and_the_conversation_goes_on,
    test_the_tools_on_offer_may_differ_from_call_to_call,
)
from tests.contract.vendor_harnesses import GO, KEY, PROMPT, TURN_CONTEXT
from tests.contract.vendor_harnesses import responses_harness as harness
from tests.servers.responses_server import Call, Fails, ResponsesDialect, Says, Scripted, Sends
from tests.servers.vendor_server import Json, VendorServer, event, serving

__all__ = [
    "test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind",
    "test_a_lasting_failure_says_so",
    "test_a_reply_has_all_its_text_and_all_its_calls_in_order",
    "test_after_a_passing_failure_the_same_words_can_be_sent_again",
    "test_arguments_that_are_no_json_come_as_they_were_written_and_can_be_answered",
    "test_results_go_back_and_the_conversation_goes_on",
    "test_the_tools_on_offer_may_differ_from_call_to_call",
]

READ, POST = TOOLS
SEARCH: dict[str, Any] = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "weather", "queries": ["weather"]},
}


@asynccontextmanager
async def responses(*acts: Act) -> AsyncGenerator[Model]:
    statuses = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: 503, ModelFault.AUTH: 401}
    queue: list[Scripted] = []
    for action in acts:
        calls = [Call(name=name, arguments=text, call_id=f"call_{n}") for n, (name, text) in enumerate(action.calls)]
        says = Says(reasoning=["gAAAA"], texts=[action.text] if action.text else [], calls=calls)
        replies = Fails(status=statuses[action.fails]) if action.fails else says
        queue.append(Sends(writes=[], ending="hang") if action.waits else replies)
    async with harness(*queue) as opened:
        yield opened.model


@pytest.fixture
def opens_model() -> OpensModel:
    return responses


async def test_a_first_request_stores_nothing_asks_for_its_reasoning_and_has_strict_tools_only_where_they_are() -> None:
    async with harness(Says(texts=["hi"])) as opened:
        (answer,) = workflow_tools(Ballot(size=2), may_answer=True)
        await opened.send(tools=(READ, answer))
        assert opened.model.name == "gpt-x"
    assert opened.server.requests == [
        {
            "model": "gpt-x",
            "input": [{"role": "user", "content": "go"}],
            "instructions": PROMPT,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "parallel_tool_calls": True,
            "tools": [
                {"type": "function", "name": READ.name, "description": READ.description,
                 "parameters": {"type": "object"}, "strict": False},
                {"type": "function", "name": "new_answer", "description": answer.description,
                 "parameters": answer.input_schema, "strict": True},
            ],
        }
    ]  # fmt: skip


async def test_the_options_are_sent_as_they_are_set_and_extra_ones_win() -> None:
    options = ResponsesOptions(
        temperature=0.2,
        max_output_tokens=900,
        reasoning_effort="low",
        reasoning_summary="auto",
        verbosity="high",
        extra_body={"top_p": 0.5, "temperature": 1},
    )
    async with harness(Says(texts=["hi"]), options=options, prompt_cache_key="agent one") as opened:
        await opened.send()
    sent = opened.server.requests[0]
    always = {"model", "input", "instructions", "stream", "store", "include"}
    assert {key: sent[key] for key in sent.keys() - always} == {
        "temperature": 1,
        "max_output_tokens": 900,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "high"},
        "top_p": 0.5,
        "prompt_cache_key": "agent one",
    }


async def test_a_cache_key_that_is_too_long_stays_the_same_for_the_same_agent_and_no_other() -> None:
    async with harness(Says(texts=["hi"]), prompt_cache_key="a" * 100) as first:
        await first.send()
    async with harness(Says(texts=["hi"]), prompt_cache_key="a" * 101) as second:
        await second.send()
    keys = [each.server.requests[0]["prompt_cache_key"] for each in (first, second)]
    assert len(keys[0]) == 64
    assert keys[0] != keys[1]


async def test_the_whole_reply_goes_back_word_for_word_reasoning_and_searches_too() -> None:
    calls = [
        Call(name=READ.name, arguments='{ "name":"a" }', call_id="c1"),
        Call(name=POST.name, arguments="", call_id="c2"),
    ]
    says = Says(reasoning=["gAAAA=", "gBBBB="], items=[SEARCH], texts=["Let me see."], calls=calls)
    async with harness(says, Says(texts=["done"]), options=ResponsesOptions(enable_web_search=True)) as opened:
        await opened.send(tools=TOOLS)
        told: list[InputMessage] = [UserMessage(text="news"), UserMessage(text="more")]
        results: list[InputMessage] = [
            ToolResult(call_id="c1", text="A"),
            ToolResult(call_id="c2", text="no", is_error=True),
        ]
        await opened.send([*told, *results], TOOLS)
    sent = opened.server.requests[1]["input"]
    assert [item.get("type", item.get("role")) for item in sent] == [
        "user", "reasoning", "reasoning", "web_search_call", "message", "function_call", "function_call",
        "function_call_output", "function_call_output", "user",
    ]  # fmt: skip
    assert sent[1] == {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA="}
    assert sent[3] == SEARCH
    assert sent[4]["phase"] == "commentary"
    assert sent[5]["arguments"] == '{ "name":"a" }'
    assert sent[7:] == [
        {"type": "function_call_output", "call_id": "c1", "output": "A"},
        {"type": "function_call_output", "call_id": "c2", "output": "Error: no"},
        {"role": "user", "content": "news\n\nmore"},
    ]


async def test_a_web_search_is_the_providers_and_no_call_of_ours() -> None:
    options = ResponsesOptions(enable_web_search=True)
    async with harness(Says(items=[SEARCH], texts=["Sunny."]), options=options) as opened:
        reply = await opened.send(tools=(READ,))
    assert (reply.text, reply.calls) == ("Sunny.", ())
    sent = opened.server.requests[0]
    assert sent["tools"][0] == {"type": "web_search"}
    assert sent["max_tool_calls"] == 10


async def test_without_tools_none_are_sent_and_no_system_prompt_means_no_instructions() -> None:
    async with harness(Says(texts=["hi"])) as opened:
        await opened.model.converse("", TURN_CONTEXT).send(GO, ())
    assert opened.server.requests[0].keys() & {"tools", "parallel_tool_calls", "instructions"} == set()


async def test_input_tokens_include_the_cached_ones() -> None:
    usage = {"input_tokens": 120, "input_tokens_details": {"cached_tokens": 100}, "output_tokens": 30}
    async with harness(Says(texts=["hi"], usage=usage), Says(texts=["hi"], usage={"input_tokens": "many"})) as opened:
        assert (await opened.send()).usage == Usage(input_tokens=120, cached_tokens=100, output_tokens=30)
        assert (await opened.send()).usage == Usage()


async def test_several_messages_of_a_reply_are_paragraphs_of_its_text() -> None:
    async with harness(Says(texts=["First I look.", "Then I answer."])) as opened:
        assert (await opened.send()).text == "First I look.\n\nThen I answer."


async def test_parallel_calls_of_one_tool_are_told_apart() -> None:
    calls = [Call(name=POST.name, arguments=f'{{"n": {n}}}', call_id=f"c{n}") for n in range(3)]
    async with harness(Says(calls=calls)) as opened:
        reply = await opened.send(tools=TOOLS)
    assert reply.calls == tuple(ToolCall(id=f"c{n}", name=POST.name, arguments=f'{{"n": {n}}}') for n in range(3))


@pytest.mark.parametrize("split", [1, 2, 3, 7, 1000])
async def test_a_stream_may_be_torn_anywhere(split: int) -> None:
    call = Call(name="new_answer", arguments='{"content": "日本語 ☃ 🎉"}')
    async with harness(Says(texts=["naïve 🎉"], calls=[call], split=split)) as opened:
        reply = await opened.send()
    assert (reply.text, reply.calls[0].arguments) == ("naïve 🎉", '{"content": "日本語 ☃ 🎉"}')


async def test_lone_surrogate_halves_are_replaced_wherever_they_stand() -> None:
    says = Says(items=[SEARCH | {"query": "\ud83c"}], texts=["half \ud800"])
    async with harness(says, Says(texts=["ok"])) as opened:
        conversation = opened.model.converse("lone \udc00", TURN_CONTEXT)
        reply = await conversation.send([UserMessage(text="also \ud800 here")], ())
        await conversation.send(GO, ())
    assert reply.text == "half \ufffd"
    sent = opened.server.requests[1]
    assert sent["instructions"] == "lone \ufffd"
    assert (sent["input"][0]["content"], sent["input"][1]["query"]) == ("also \ufffd here", "\ufffd")


@pytest.mark.parametrize("without", ["output", "done"])
async def test_items_count_whether_they_come_one_by_one_or_with_the_last_event(
    without: Literal["output", "done"],
) -> None:
    call = Call(name=READ.name, arguments="{}")
    says = Says(reasoning=["gAAAA"], texts=["Hm."], calls=[call], without=frozenset({without}))
    async with harness(says, Says(texts=["ok"])) as opened:
        reply = await opened.send(tools=TOOLS)
        await opened.send([ToolResult(call_id="call_1", text="fine")], TOOLS)
    assert (reply.text, [each.name for each in reply.calls]) == ("Hm.", [READ.name])


async def test_what_the_provider_would_refuse_in_a_history_is_made_acceptable() -> None:
    calls = [
        Call(name="functions.post notice", arguments='{"title": "ha', call_id="c1"),
        Call(name="post", arguments='{"n": NaN}', call_id="c2"),
        Call(name="post", arguments="{}", call_id=None),
        Call(name="post", arguments="{}", call_id=""),
    ]
    async with harness(Says(calls=calls, reasoning=["gAAAA"]), Says(texts=["ok"])) as opened:
        reply = await opened.send()
        assert [(call.name, call.arguments) for call in reply.calls] == [(call.name, call.arguments) for call in calls]
        await opened.send([ToolResult(call_id=call.id, text="no such tool", is_error=True) for call in reply.calls])
    sent = [item for item in opened.server.requests[1]["input"] if item.get("type") == "function_call"]
    assert (sent[0]["name"], sent[0]["arguments"]) == ("functions_post_notice", '{"not_json": "{\\"title\\": \\"ha"}')
    assert json.loads(sent[1]["arguments"]) == {"not_json": '{"n": NaN}'}
    assert len({item["call_id"] for item in sent}) == 4


async def test_reasoning_that_nothing_followed_is_left_out_of_the_history() -> None:
    async with harness(Says(reasoning=["gAAAA"]), Says(texts=["ok"])) as opened:
        reply = await opened.send()
        assert reply == Reply(text="", usage=reply.usage)
        await opened.send()
    assert opened.server.requests[1]["input"] == [{"role": "user", "content": "go"}] * 2


async def test_a_model_that_does_not_reason_is_asked_without_from_then_on() -> None:
    refusal = Fails(
        status=400, error={"message": "Encrypted content is not supported with this model.", "param": "include"}
    )
    async with harness(refusal, Says(texts=["one"]), Says(texts=["two"])) as opened:
        assert [(await opened.send()).text for _ in range(2)] == ["one", "two"]
    assert ["include" in request for request in opened.server.requests] == [True, False, False]


async def test_a_schema_that_unites_others_at_its_top_is_offered_without_that() -> None:
    united = ToolSpec(
        name="a",
        description="x" * 3000,
        input_schema={"properties": {"b": {"anyOf": [{"type": "string"}]}}, "anyOf": [{"required": ["b"]}]},
    )
    async with harness(Says(texts=["ok"])) as opened:
        await opened.send(tools=(united,))
    sent = opened.server.requests[0]["tools"][0]
    assert sent["parameters"] == {"type": "object", "properties": {"b": {"anyOf": [{"type": "string"}]}}}
    assert sent["description"] == "x" * 3000


async def test_conversations_of_one_model_run_at_once_and_know_nothing_of_each_other() -> None:
    async with harness(*[Says(texts=["hi"])] * 6) as opened:
        talks = [opened.model.converse(PROMPT, TURN_CONTEXT) for _ in range(6)]
        await asyncio.gather(*[talk.send([UserMessage(text=f"I am {n}")], ()) for n, talk in enumerate(talks)])
    assert sorted(request["input"][0]["content"] for request in opened.server.requests) == [
        f"I am {n}" for n in range(6)
    ]
    assert all(len(request["input"]) == 1 for request in opened.server.requests)


async def test_one_connection_serves_call_after_call() -> None:
    async with harness(*[Says(texts=["hi"])] * 5) as opened:
        for _ in range(5):
            await opened.send()
    assert len(opened.server.connections) == 1


@pytest.mark.parametrize(("api_key", "sent"), [("secret", "Bearer secret"), ("", "Bearer none")])
async def test_the_key_comes_from_the_configuration_alone(
    api_key: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-somebody-else")
    async with harness(Says(texts=["hi"]), api_key=api_key) as opened:
        await opened.send()
    assert opened.server.headers[0]["Authorization"] == sent


async def test_three_rounds_of_a_long_conversation_are_mostly_read_from_the_cache() -> None:
    rules = ToolSpec(name="a", description="Long rules. " * 500, input_schema={"type": "object"})
    calls = [Call(name="a", arguments="{}")]
    async with harness(*[Says(reasoning=["gAAAA"], calls=calls)] * 2, Says(texts=["ok"])) as opened:
        replies = [await opened.send(tools=(rules,))]
        answer = ToolResult(call_id="call_1", text="fine")
        replies += [await opened.send([answer], (rules,)) for _ in range(2)]
    assert replies[0].usage.cached_tokens == 0
    later = [reply.usage.cached_tokens / reply.usage.input_tokens for reply in replies[1:]]
    assert min(later) > 0.9


REFUSALS: list[tuple[Json, ModelFault, str]] = [
    ({"code": "context_length_exceeded", "message": "Your input exceeds the context window of this model."},
     ModelFault.CONTEXT_TOO_LONG, "can't process that much text"),
    ({"code": "model_not_found"}, ModelFault.MISCONFIGURED, "must check model and base_url"),
    ({"code": "insufficient_quota"}, ModelFault.OUT_OF_BUDGET, "is out of credit"),
    ({"code": "invalid_prompt", "message": "flagged"}, ModelFault.REFUSED, "change the request"),
    ({"param": "reasoning.effort", "code": "unsupported_value"}, ModelFault.BAD_REQUEST, "must check reasoning."),
    ({"param": "text.verbosity", "code": "unsupported_value"}, ModelFault.BAD_REQUEST, "must check text."),
    ({"param": "max_output_tokens", "code": "integer_above_max_value"}, ModelFault.BAD_REQUEST, "must check max_tokens."),
    ({"message": "Unsupported parameter: 'temperature' is not supported with this model."},
     ModelFault.BAD_REQUEST, "must check temperature."),
    ({"param": "tools", "message": "Hosted tool 'web_search' is not supported with gpt-x."},
     ModelFault.BAD_REQUEST, "must check enable_web_search."),
    ({"param": "tools[2].parameters", "message": "Invalid schema"},
     ModelFault.BAD_REQUEST, f"must check the tool {POST.name}."),
    ({"param": "tools[0].type", "message": "Invalid"}, ModelFault.BAD_REQUEST, "the options of this model"),
    ({"param": "tools[99].parameters", "message": "Invalid"}, ModelFault.BAD_REQUEST, "the options of this model"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "fault", "words"), REFUSALS)
async def test_a_refusal_names_what_the_operator_must_change(error: Json, fault: ModelFault, words: str) -> None:
    options = ResponsesOptions(
        temperature=1, max_output_tokens=90, reasoning_effort="low", verbosity="low", enable_web_search=True
    )
    refusal = Fails(status=400, error={"type": "invalid_request_error", "message": KEY, **error})
    async with harness(refusal, options=options) as opened:
        failure = await opened.failure(TOOLS)
    assert (failure.fault, failure.is_retryable) == (fault, False)
    assert words in str(failure)


@pytest.mark.parametrize(
    ("error", "fault", "is_retryable", "wait"),
    [
        ({"code": "server_error", "message": f"oops {KEY}"}, ModelFault.OVERLOADED, True, None),
        ({"code": "rate_limit_exceeded", "message": "Please try again in 1.5s."}, ModelFault.RATE_LIMITED, True, 1.5),
        ({"code": "rate_limit_exceeded", "message": "Please try again in 20ms."}, ModelFault.RATE_LIMITED, True, 0.02),
        ({"code": "invalid_prompt", "message": "no"}, ModelFault.REFUSED, False, None),
        ({"code": "bio_policy", "message": "no"}, ModelFault.REFUSED, False, None),
        ({"code": "never heard of", "message": "?"}, ModelFault.OVERLOADED, True, None),
        (None, ModelFault.OVERLOADED, True, None),
    ],
)
async def test_a_response_that_failed_is_an_error_although_its_stream_is_fine(
    error: Json | None, fault: ModelFault, is_retryable: bool, wait: float | None
) -> None:
    says = Says(texts=["half"], last=("response.failed", {"status": "failed", "error": error}))
    async with harness(says, Says(texts=["whole"])) as opened:
        failure = await opened.failure()
        assert (await opened.send()).text == "whole"
    assert (failure.fault, failure.is_retryable, failure.retry_after) == (fault, is_retryable, wait)
    assert opened.server.requests[0] == opened.server.requests[1]


@pytest.mark.parametrize(
    ("reason", "fault", "is_retryable", "words"),
    [
        ("max_output_tokens", ModelFault.CUT_OFF, False, "the operator must raise max_tokens"),
        ("content_filter", ModelFault.REFUSED, False, "change the request"),
        ("steered", ModelFault.CUT_OFF, True, "ended its reply in the middle (reason: steered)"),
    ],
)
async def test_an_incomplete_response_is_an_error(
    reason: str, fault: ModelFault, is_retryable: bool, words: str
) -> None:
    last = ("response.incomplete", {"status": "incomplete", "incomplete_details": {"reason": reason}})
    async with harness(Says(calls=[Call(name="new_answer", arguments='{"content": "and th')], last=last)) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (fault, is_retryable)
    assert words in str(error)


@pytest.mark.parametrize(
    ("status", "fault", "is_retryable"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, ModelFault.CUT_OFF, False),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, ModelFault.REFUSED, False),
        ({"status": "failed", "error": {"code": "rate_limit_exceeded"}}, ModelFault.RATE_LIMITED, True),
        ({"status": "cancelled"}, ModelFault.CUT_OFF, True),
    ],
)
async def test_a_response_that_is_called_completed_is_what_its_status_says(
    status: Json, fault: ModelFault, is_retryable: bool
) -> None:
    """LiteLLM 1.108 replays an answer that it got whole as a stream whose last event is `response.completed`."""
    says = Says(calls=[Call(name="new_answer", arguments='{"content": "half"}')], last=("response.completed", status))
    async with harness(says) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (fault, is_retryable)


ONE_CALL: Json = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"}
A_THOUGHT: Json = {"type": "reasoning", "id": "rs_1", "summary": []}


@pytest.mark.parametrize(
    ("streamed", "last"),
    [
        ({2: ONE_CALL}, [ONE_CALL]),
        ({1: ONE_CALL}, [A_THOUGHT, ONE_CALL]),
        ({0: ONE_CALL}, [A_THOUGHT, ONE_CALL]),
        ({3: ONE_CALL}, [A_THOUGHT, ONE_CALL | {"id": "fc_another"}]),
        ({0: ONE_CALL}, [ONE_CALL | {"call_id": None, "id": None}]),
        ({0: ONE_CALL | {"call_id": "", "id": ""}}, [ONE_CALL]),
        ({1: ONE_CALL}, []),
        ({}, [ONE_CALL]),
    ],
)
async def test_a_call_is_one_call_whatever_places_a_gateway_gives_its_items(
    streamed: dict[int, Json], last: list[Json]
) -> None:
    done = [
        event({"type": "response.output_item.done", "output_index": n, "item": item}) for n, item in streamed.items()
    ]
    end = event({"type": "response.completed", "response": {"status": "completed", "output": last}})
    async with harness(Sends(writes=[*done, end])) as opened:
        assert [call.name for call in (await opened.send()).calls] == ["look"]


async def test_reasoning_that_is_encrypted_only_in_the_last_event_goes_back_with_it() -> None:
    says = Says(reasoning=["c2ln"], calls=[Call(name="read", arguments="{}")], without=frozenset({"encrypted"}))
    async with harness(says, Says(texts=["seen"])) as opened:
        await opened.send()
        await opened.send([ToolResult(call_id="call_1", text="fine")])
    replayed = opened.server.requests[1]["input"]
    assert [item["encrypted_content"] for item in replayed if item.get("type") == "reasoning"] == ["c2ln"]


async def test_what_nobody_configured_is_left_out_from_then_on_where_a_gateway_refuses_it() -> None:
    """In the words of LiteLLM 1.108, with a model of Anthropic behind it and without `drop_params`."""
    words = "litellm.UnsupportedParamsError: anthropic does not support parameters: [{}], for model=m."
    refusals = [
        Fails(status=400, error={"message": words.format(names), "code": "400"})
        for names in ("'prompt_cache_key'", "'include', 'parallel_tool_calls'")
    ]
    queue = [*refusals, Says(texts=["one"]), Says(texts=["two"])]
    async with harness(*queue, prompt_cache_key="agent") as opened:
        assert [(await opened.send(tools=TOOLS)).text for _ in range(2)] == ["one", "two"]
    unneeded = {"include", "prompt_cache_key", "parallel_tool_calls"}
    assert [unneeded & each.keys() for each in opened.server.requests] == [
        unneeded,
        {"include", "parallel_tool_calls"},
        set(),
        set(),
    ]


class Forgetful(ResponsesDialect):
    """Takes any history."""

    @override
    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        return []


@pytest.mark.parametrize(
    "error",
    [
        {
            "message": "Conflicting authenticated continuation identities",
            "param": "input",
            "code": "invalid_value",
        },  # Azure
        {"message": "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."},
        {"message": "The encrypted content gAAA... could not be verified.", "code": "invalid_encrypted_content"},
        {"message": "Invalid value: 'reasoning'. Supported values are: 'message' and 'function_call'."},
    ],
)
async def test_a_server_that_refuses_its_reasoning_back_is_asked_without_from_then_on(error: Json) -> None:
    thinking = Says(reasoning=["gAAAA"], calls=[Call(name="look", arguments="{}")])
    queue = [thinking, Fails(status=400, error=error), Says(texts=["one"]), thinking, Says(texts=["two"])]
    clients, server = OpenAIClients(), VendorServer[Says](dialect=Forgetful(), queue=list(queue))
    async with serving(server):
        model = ResponsesModel(clients=clients, model="gpt-x", base_url=f"{server.address}/v1", api_key="k")
        for text in ("one", "two"):
            conversation = model.converse("", TURN_CONTEXT)
            (called,) = (await conversation.send(GO, ())).calls
            assert (await conversation.send([ToolResult(call_id=called.id, text="fine")], ())).text == text
        await clients.aclose()
    kinds = [[(item.get("type"), "id" in item) for item in each["input"]] for each in server.requests]
    kept = [(None, False), ("function_call", False), ("function_call_output", False)]
    assert ("reasoning", True) in kinds[1]
    assert [kinds[2], kinds[4]] == [kept, kept]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_part_of_a_request_that_can_not_be_left_out_is_the_operators_to_set(is_known: bool) -> None:
    words = "prompt_cache_key is too long" if is_known else "prompt_cache_key is not supported"
    options = None if is_known else ResponsesOptions(extra_body={"prompt_cache_key": "mine"})
    async with harness(Fails(status=400, error={"message": words}), options=options, prompt_cache_key="a") as opened:
        error = await opened.failure()
    assert error.fault is ModelFault.BAD_REQUEST
    assert len(opened.server.requests) == 1


async def test_a_response_without_its_last_event_is_cut_off_however_much_came() -> None:
    async with harness(Says(texts=["whole, as it seems"], last=None)) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)


async def test_a_reply_that_the_model_declines_is_refused() -> None:
    content = [{"type": "refusal", "refusal": "I won't."}]
    async with harness(Says(items=[{"type": "message", "role": "assistant", "content": content}])) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.REFUSED, False)


async def test_a_call_of_nothing_is_no_readable_reply() -> None:
    async with harness(Says(calls=[Call(name="", arguments="{}")])) as opened:
        assert (await opened.failure()).fault is ModelFault.CUT_OFF


SENT_BACK_DEEP = pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python can send back what is so deep")


@pytest.mark.parametrize("depth", [pytest.param(900, marks=SENT_BACK_DEEP), 90_000])
async def test_an_item_nested_too_deep_to_send_back_is_no_readable_reply(depth: int) -> None:
    nested = b'{"type": "x", "deep": ' + b"[" * depth + b"]" * depth + b"}"
    done = b'data: {"type": "response.output_item.done", "output_index": 0, "item": ' + nested + b"}\n\n"
    async with harness(Sends(writes=[done, b'data: {"type": "response.completed", "response": {}}\n\n'])) as opened:
        assert (await opened.failure()).fault is ModelFault.CUT_OFF
