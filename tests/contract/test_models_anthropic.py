"""Anthropic Messages keeps the contract of all models; and what goes over the wire to it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from coordination.config.providers import EFFORTS
from coordination.domain.ballot import Ballot
from coordination.errors import ConfigError, ModelFault
from coordination.llm.anthropic_messages import EFFORTS as TAKEN
from coordination.llm.anthropic_messages import AnthropicClients, AnthropicModel, MessagesOptions
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
from tests.contract.vendor_harnesses import GO, PROMPT, TURN_CONTEXT
from tests.contract.vendor_harnesses import messages_harness as harness
from tests.servers.messages_server import Call, Fails, Says, Scripted, Sends
from tests.servers.vendor_server import Json, event

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
CACHED = {"cache_control": {"type": "ephemeral"}}
SEARCHING = MessagesOptions(enable_web_search=True)


def test_the_efforts_of_a_configuration_are_those_that_the_adapter_takes() -> None:
    assert EFFORTS["anthropic"] == TAKEN


def search(number: int) -> list[dict[str, Any]]:
    """What a web search leaves in a reply."""
    call = {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {"query": "weather"}}
    page = {"type": "web_search_result", "url": "https://a.example", "title": "Ä", "encrypted_content": "RXN0+/=="}
    return [call, {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{number}", "content": [page]}]


@asynccontextmanager
async def messages(*acts: Act) -> AsyncGenerator[Model]:
    statuses = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: 529, ModelFault.AUTH: 401}
    queue: list[Scripted] = []
    for action in acts:
        calls = [Call(name=name, arguments=text) for name, text in action.calls]
        says = Says(thinking=["Hm …"], text=action.text, calls=calls)
        replies = Fails(status=statuses[action.fails]) if action.fails else says
        queue.append(Sends(writes=[], ending="hang") if action.waits else replies)
    async with harness(*queue) as opened:
        yield opened.model


@pytest.fixture
def opens_model() -> OpensModel:
    return messages


async def test_a_first_request_marks_its_beginning_for_the_cache_and_only_strict_tools_as_strict() -> None:
    async with harness(Says(text="hi")) as opened:
        (answer,) = workflow_tools(Ballot(size=2), may_answer=True)
        await opened.send(tools=(READ, answer))
        assert opened.model.name == "claude-x"
    assert opened.server.requests == [
        {
            "model": "claude-x",
            "max_tokens": 32_000,
            "stream": True,
            "system": [{"type": "text", "text": PROMPT, **CACHED}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "go"}]}],
            "tools": [
                {"name": READ.name, "description": READ.description, "input_schema": {"type": "object"}},
                {"name": "new_answer", "description": answer.description, "input_schema": answer.input_schema,
                 "strict": True, **CACHED},
            ],
            **CACHED,
        }
    ]  # fmt: skip
    assert opened.server.headers[0]["anthropic-version"] == "2026-10-21"


async def test_the_options_are_sent_as_they_are_set_and_extra_ones_win() -> None:
    options = MessagesOptions(
        temperature=1, max_tokens=9000, thinking="adaptive", effort="low", extra_body={"top_k": 5, "temperature": None}
    )
    async with harness(Says(text="hi"), options=MessagesOptions(effort="max", thinking_budget=40_000)) as opened:
        await opened.send()
    sent = opened.server.requests[0]
    assert (sent["max_tokens"], sent["thinking"]) == (44_096, {"type": "enabled", "budget_tokens": 40_000})
    assert options.body() == {
        "temperature": None,
        "max_tokens": 9000,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
        "top_k": 5,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (MessagesOptions(effort="minimal"), "reasoning effort of m must be one of low, medium, high, xhigh, max"),
        (MessagesOptions(thinking="enabled"), "thinking of m needs budget_tokens"),
        (MessagesOptions(thinking="adaptive", thinking_budget=2000), "must have no budget_tokens unless"),
        (MessagesOptions(thinking_budget=1000), "must be 1024 at least"),
        (MessagesOptions(thinking_budget=2000, max_tokens=2000), "less than max_tokens"),
    ],
)
def test_options_that_the_provider_would_refuse_are_the_operators_to_fix(options: MessagesOptions, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AnthropicModel(clients=AnthropicClients(), model="m", options=options)


async def test_thinking_goes_back_word_for_word_and_all_results_in_one_message_before_what_is_told() -> None:
    calls = [Call(name=READ.name, arguments='{"name": "a"}'), Call(name=POST.name, arguments="")]
    says = Says(thinking=["First, ☃\n", "then"], text="Let me see.", calls=calls)
    async with harness(says, Says(text="done")) as opened:
        reply = await opened.send(tools=TOOLS)
        first, second = (call.id for call in reply.calls)
        told: list[InputMessage] = [UserMessage(text="news"), UserMessage(text="more")]
        results: list[InputMessage] = [
            ToolResult(call_id=first, text="A"),
            ToolResult(call_id=second, text="", is_error=True),
        ]
        await opened.send([*told, *results], TOOLS)
    assistant, user = opened.server.requests[1]["messages"][1:]
    assert [block["type"] for block in assistant["content"]] == ["thinking", "thinking", "text", "tool_use", "tool_use"]
    assert assistant["content"][0] == {"type": "thinking", "thinking": "First, ☃\n", "signature": "c2ln+/1=="}
    assert user == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": first, "content": "A"},
            {"type": "tool_result", "tool_use_id": second, "content": "Error", "is_error": True},
            {"type": "text", "text": "news\n\nmore"},
        ],
    }


async def test_a_web_search_is_the_providers_and_goes_back_word_for_word() -> None:
    citation = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "encrypted_index": "Eo8B",
        "cited_text": "S",
    }
    says = Says(blocks=search(1), text="Sunny.", citations=[citation])
    async with harness(says, Says(text="ok"), options=SEARCHING) as opened:
        reply = await opened.send(tools=(READ,))
        await opened.send(tools=(READ,))
    assert (reply.text, reply.calls) == ("Sunny.", ())
    sent = opened.server.requests[1]
    assert sent["tools"][0] == {"type": "web_search_20250305", "name": "web_search", "max_uses": 10}
    assert sent["messages"][1]["content"] == [
        *search(1),
        {"type": "text", "text": "Sunny.", "citations": [citation]},
    ]


async def test_a_paused_reply_is_sent_on_until_it_is_whole_and_all_of_it_is_paid_for() -> None:
    usage = ({"input_tokens": 10, "cache_read_input_tokens": 5}, {"output_tokens": 7})
    call = Call(name=READ.name, arguments="{}")
    queue = [
        Says(thinking=["Hm."], text="I look.", blocks=search(1), stop="pause_turn", usage=usage),
        Says(blocks=search(2), stop="pause_turn", usage=usage),
        Says(text="Sunny.", calls=[call], usage=usage),
    ]
    async with harness(*queue, Says(text="ok"), options=SEARCHING) as opened:
        reply = await opened.send(tools=(READ,))
        await opened.send([ToolResult(call_id=reply.calls[0].id, text="fine")], (READ,))
    assert (reply.text, reply.usage) == (
        "I look.\n\nSunny.",
        Usage(input_tokens=45, cached_tokens=15, output_tokens=21),
    )
    assert [len(request["messages"]) for request in opened.server.requests] == [1, 2, 2, 3]
    whole = opened.server.requests[3]["messages"][1]["content"]
    assert [block["type"] for block in whole] == [
        "thinking", "server_tool_use", "web_search_tool_result", "text", "server_tool_use", "web_search_tool_result", "text",
        "tool_use",
    ]  # fmt: skip


async def test_a_reply_that_pauses_for_ever_is_given_up() -> None:
    async with harness(*[Says(blocks=search(1), stop="pause_turn")] * 9, options=SEARCHING) as opened:
        error = await opened.failure()
        assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, False)
        assert "paused 9 times" in str(error)


async def test_input_tokens_include_those_written_to_and_read_from_the_cache_and_later_counts_win() -> None:
    first = {"input_tokens": 20, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 50, "output_tokens": 1}
    last = {"input_tokens": 25, "cache_read_input_tokens": None, "output_tokens": 30}
    async with harness(
        Says(text="hi", usage=(first, last)), Says(text="hi", usage=({}, {"output_tokens": "many"}))
    ) as opened:
        assert (await opened.send()).usage == Usage(
            input_tokens=105, cached_tokens=50, stored_tokens=30, output_tokens=30
        )
        assert (await opened.send()).usage == Usage()


async def test_texts_that_follow_each_other_are_one_and_others_are_paragraphs() -> None:
    blocks = [{"type": "text", "text": "It is "}, {"type": "text", "text": "sunny"}, *search(1)]
    async with harness(Says(blocks=blocks, text="And warm."), options=SEARCHING) as opened:
        assert (await opened.send()).text == "It is sunny\n\nAnd warm."


async def test_an_empty_reply_and_empty_texts_leave_nothing_in_the_history_that_would_be_refused() -> None:
    async with harness(Says(), Says(blocks=[{"type": "text", "text": " \n"}]), Says(text="ok")) as opened:
        replies = [await opened.send() for _ in range(3)]
    assert [reply.text for reply in replies] == ["", "", "ok"]
    assert [message["role"] for message in opened.server.requests[2]["messages"]] == ["user"] * 3


async def test_a_history_with_calls_is_never_sent_without_tools_even_if_none_are_on_offer() -> None:
    async with harness(Says(calls=[Call(name=READ.name, arguments="{}")]), Says(text="ok")) as opened:
        reply = await opened.send(tools=(READ,))
        await opened.send([ToolResult(call_id=reply.calls[0].id, text="fine")])
    first, second = opened.server.requests
    assert (second["tools"], second["tool_choice"]) == (first["tools"], {"type": "none"})


async def test_without_tools_none_are_sent_and_no_system_prompt_means_no_system() -> None:
    async with harness(Says(text="hi")) as opened:
        await opened.model.converse("", TURN_CONTEXT).send(GO, ())
    assert opened.server.requests[0].keys() & {"tools", "tool_choice", "system"} == set()


@pytest.mark.parametrize("split", [1, 2, 3, 7, 1000])
async def test_a_stream_may_be_torn_anywhere(split: int) -> None:
    call = Call(name="new_answer", arguments='{"content": "日本語 ☃ 🎉"}')
    async with harness(Says(thinking=["日本"], text="naïve 🎉", calls=[call], split=split)) as opened:
        reply = await opened.send()
    assert (reply.text, reply.calls[0].arguments) == ("naïve 🎉", '{"content": "日本語 ☃ 🎉"}')


async def test_surrogate_halves_in_separate_events_become_one_character_and_lone_ones_are_replaced() -> None:
    says = Says(text="\ud83c\udf89\ud800", blocks=[{"type": "web_search_tool_result", "content": ["\ud83c"]}], piece=1)
    async with harness(says, Says(text="ok"), options=SEARCHING) as opened:
        conversation = opened.model.converse("lone \udc00", TURN_CONTEXT)
        reply = await conversation.send([UserMessage(text="also \ud800 here")], ())
        await conversation.send(GO, ())
    assert reply.text == "🎉\ufffd"
    sent = opened.server.requests[1]
    assert sent["system"][0]["text"] == "lone \ufffd"
    assert sent["messages"][0]["content"][0]["text"] == "also \ufffd here"


async def test_what_the_provider_would_refuse_in_a_history_is_made_acceptable() -> None:
    calls = [
        Call(name="functions.post notice", arguments='{"title": "ha', id="functions.post:0"),
        Call(name="post", arguments='{"n": NaN}'),
        Call(name="post", arguments="[1]", id=""),
        Call(name="post", arguments="{}", id=""),
    ]
    async with harness(Says(calls=calls, thinking=["Hm."]), Says(text="ok")) as opened:
        reply = await opened.send(tools=TOOLS)
        assert [(call.name, call.arguments) for call in reply.calls] == [(call.name, call.arguments) for call in calls]
        results = [ToolResult(call_id=call.id, text="no such tool", is_error=True) for call in reply.calls]
        await opened.send(results, TOOLS)
    sent = [block for block in opened.server.requests[1]["messages"][1]["content"] if block["type"] == "tool_use"]
    assert (sent[0]["name"], sent[0]["input"]) == ("functions_post_notice", {"not_json": '{"title": "ha'})
    assert [block["input"] for block in sent[1:]] == [{"not_json": '{"n": NaN}'}, {"not_json": "[1]"}, {}]
    assert len({block["id"] for block in sent}) == 4


async def test_a_server_that_refuses_marks_for_a_cache_is_asked_without_from_then_on() -> None:
    refusal = Fails(status=400, error={"message": "cache_control: Extra inputs are not permitted"})
    async with harness(refusal, Says(text="one"), Says(text="two")) as opened:
        assert [(await opened.send(tools=TOOLS)).text for _ in range(2)] == ["one", "two"]
    assert ["cache_control" in json.dumps(each) for each in opened.server.requests] == [True, False, False]


async def test_marks_for_a_cache_that_were_configured_are_the_operators_to_take_out() -> None:
    refusal = Fails(status=400, error={"message": "cache_control: Extra inputs are not permitted"})
    async with harness(refusal, options=MessagesOptions(extra_body={"cache_control": {"type": "ephemeral"}})) as opened:
        assert "must check cache_control" in str(await opened.failure())


async def test_an_older_model_is_asked_without_strictness_from_then_on() -> None:
    strict = workflow_tools(Ballot(size=2), may_answer=True)
    refusal = Fails(status=400, error={"message": "tools.0.custom.strict: Extra inputs are not permitted"})
    async with harness(refusal, Says(text="one"), Says(text="two")) as opened:
        assert [(await opened.send(tools=strict)).text for _ in range(2)] == ["one", "two"]
    assert ["strict" in request["tools"][0] for request in opened.server.requests] == [True, False, False]


async def test_a_schema_that_unites_others_at_its_top_is_offered_without_that() -> None:
    united = ToolSpec(
        name="a",
        description="x" * 3000,
        input_schema={"properties": {"b": {"anyOf": [{"type": "string"}]}}, "anyOf": [{"required": ["b"]}]},
    )
    async with harness(Says(text="ok")) as opened:
        await opened.send(tools=(united,))
    sent = opened.server.requests[0]["tools"][0]
    assert sent["input_schema"] == {"type": "object", "properties": {"b": {"anyOf": [{"type": "string"}]}}}


async def test_calls_that_come_whole_at_once_are_understood() -> None:
    block = {"type": "tool_use", "id": "toolu_9", "name": READ.name, "input": {"a": [1]}}
    events = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    writes = [b"data:" + json.dumps(each).encode() + b"\r\n\r\n" for each in events]
    async with harness(Sends(writes=[b": comment\r\n\r\n", *writes])) as opened:
        call = ToolCall(id="toolu_9", name=READ.name, arguments='{"a": [1]}')
        assert await opened.send() == Reply(text="", calls=(call,), usage=Usage(input_tokens=3, output_tokens=4))


async def test_conversations_of_one_model_run_at_once_and_know_nothing_of_each_other() -> None:
    async with harness(*[Says(text="hi")] * 6) as opened:
        talks = [opened.model.converse(PROMPT, TURN_CONTEXT) for _ in range(6)]
        await asyncio.gather(*[talk.send([UserMessage(text=f"I am {n}")], ()) for n, talk in enumerate(talks)])
    heard = [request["messages"] for request in opened.server.requests]
    assert sorted(message[0]["content"][0]["text"] for message in heard) == [f"I am {n}" for n in range(6)]
    assert all(len(each) == 1 for each in heard)


async def test_one_connection_serves_call_after_call() -> None:
    async with harness(*[Says(text="hi")] * 5) as opened:
        for _ in range(5):
            await opened.send()
    assert len(opened.server.connections) == 1


@pytest.mark.parametrize(("api_key", "sent"), [("secret", "Bearer secret"), ("", "Bearer none")])
async def test_the_key_comes_from_the_configuration_alone(
    api_key: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-somebody-else")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-somebody-else")
    async with harness(Says(text="hi"), api_key=api_key) as opened:
        await opened.send()
    headers = opened.server.headers[0]
    assert headers["Authorization"] == sent
    assert "of-somebody-else" not in str(headers)


async def test_models_of_one_server_and_key_share_a_client_and_others_do_not() -> None:
    clients = AnthropicClients()
    try:
        first = clients.client(base_url="http://a", api_key="k")
        assert clients.client(base_url="http://a", api_key="k") is first
        assert clients.client(base_url="http://a", api_key="other") is not first
        assert clients.client(base_url="http://b", api_key="k") is not first
    finally:
        await clients.aclose()


async def test_three_rounds_of_a_long_conversation_are_mostly_read_from_the_cache() -> None:
    rules = ToolSpec(name="a", description="Long rules. " * 500, input_schema={"type": "object"})
    calls = [Call(name="a", arguments="{}")]
    async with harness(*[Says(thinking=["Hm."], calls=calls)] * 2, Says(text="ok")) as opened:
        replies = [await opened.send(tools=(rules,))]
        for _ in range(2):
            answer = ToolResult(call_id=replies[-1].calls[0].id, text="fine")
            replies.append(await opened.send([answer], (rules,)))
    assert replies[0].usage.cached_tokens == 0
    later = [reply.usage.cached_tokens / reply.usage.input_tokens for reply in replies[1:]]
    assert min(later) > 0.9


REFUSALS: list[tuple[int, Json, ModelFault, str]] = [
    (400, {"message": "prompt is too long: 210000 tokens > 200000 maximum"}, ModelFault.CONTEXT_TOO_LONG, "that much text"),
    (400, {"message": "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000"},
     ModelFault.CONTEXT_TOO_LONG, "that much text"),
    (400, {"message": "Your credit balance is too low to access the Anthropic API."},
     ModelFault.OUT_OF_BUDGET, "is out of credit"),
    (429, {"type": "rate_limit_error", "message": "no", "details": {"error_code": "contract_spend_limit_reached"}},
     ModelFault.OUT_OF_BUDGET, "is out of credit"),
    (400, {"message": "temperature: range: 0..1"}, ModelFault.BAD_REQUEST, "must check temperature."),
    (400, {"message": "max_tokens: 32000 > 8192, which is the maximum allowed"}, ModelFault.BAD_REQUEST, "check max_tokens."),
    (400, {"message": "thinking.type: adaptive is not supported"}, ModelFault.BAD_REQUEST, "must check thinking."),
    (400, {"message": "output_config.effort: xhigh is not supported"}, ModelFault.BAD_REQUEST, "check reasoning_effort."),
    (400, {"message": "web_search is not enabled for your organization"},
     ModelFault.BAD_REQUEST, "must check enable_web_search."),
    (400, {"message": "tools.2.custom.input_schema: JSON schema is invalid"},
     ModelFault.BAD_REQUEST, f"must check the tool {POST.name}."),
    (400, {"message": "This is restricted."}, ModelFault.BAD_REQUEST, "the options of this model"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "fault", "words"), REFUSALS)
async def test_a_refusal_names_what_the_operator_must_change(
    status: int, error: Json, fault: ModelFault, words: str
) -> None:
    options = MessagesOptions(temperature=1, thinking="adaptive", effort="high", enable_web_search=True)
    refusal = Fails(status=status, error={"type": "invalid_request_error", **error})
    async with harness(refusal, options=options) as opened:
        failure = await opened.failure((*TOOLS, *workflow_tools(Ballot(size=2), may_answer=True)))
    assert (failure.fault, failure.is_retryable) == (fault, False)
    assert words in str(failure)


@pytest.mark.parametrize(
    ("stop", "fault", "words"),
    [
        ("max_tokens", ModelFault.CUT_OFF, "the operator must raise max_tokens"),
        ("model_context_window_exceeded", ModelFault.CONTEXT_TOO_LONG, "can't process that much text"),
        ("refusal", ModelFault.REFUSED, "change the request"),
    ],
)
async def test_a_reply_that_stopped_before_its_end_is_an_error(stop: str, fault: ModelFault, words: str) -> None:
    half = Says(text="Hm.", calls=[Call(name="new_answer", arguments='{"content": "and th')], stop=stop)
    async with harness(half) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (fault, False)
    assert words in str(error)


@pytest.mark.parametrize("stop", ["end_turn", "stop_sequence", "never heard of"])
async def test_any_other_reason_to_stop_is_an_end(stop: str) -> None:
    async with harness(Says(text="whole", stop=stop)) as opened:
        assert (await opened.send()).text == "whole"


@pytest.mark.parametrize("without", ["start", "reason", "stop"])
async def test_a_reply_without_its_first_or_last_events_is_cut_off_however_much_came(
    without: Literal["start", "reason", "stop"],
) -> None:
    async with harness(Says(text="whole, as it seems", without=frozenset({without})), Says(text="whole")) as opened:
        error = await opened.failure()
        assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)
        assert (await opened.send()).text == "whole"


async def test_a_failure_while_a_paused_reply_goes_on_leaves_the_history_as_it_was() -> None:
    queue = [Says(blocks=search(1), stop="pause_turn"), Fails(status=529), Says(text="whole")]
    async with harness(*queue, options=SEARCHING) as opened:
        assert (await opened.failure()).is_retryable
        assert (await opened.send()).text == "whole"
    first, _, third = opened.server.requests
    assert first == third


@pytest.mark.parametrize(
    "unexpected",
    [
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_delta", "index": 0, "delta": "x"},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_start", "index": 0, "content_block": 7},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "input": {}}},
        {},
    ],
)
async def test_events_that_make_no_sense_are_no_readable_reply(unexpected: Json) -> None:
    events: list[Json] = [
        {"type": "message_start", "message": {}},
        unexpected,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    async with harness(Sends(writes=[event(each) for each in events])) as opened:
        error = await opened.failure()
    assert (error.fault, error.is_retryable) == (ModelFault.CUT_OFF, True)
    assert "can't be read" in str(error)


async def test_events_and_deltas_of_kinds_to_come_are_passed_over() -> None:
    events: list[Json] = [
        {"type": "message_start", "message": "?"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "whole"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "colour_delta", "colour": "red"}},
        {"type": "message_aside", "aside": {}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": 7},
        {"type": "message_stop"},
        {"type": "message_stop"},
    ]
    async with harness(Sends(writes=[event(each) for each in events])) as opened:
        assert await opened.send() == Reply(text="whole")
