"""What goes over the wire to a Chat Completions server, and what is made of servers that are merely compatible."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from coordination.domain.ballot import Ballot
from coordination.errors import ModelError
from coordination.llm.openai_chat import ChatCompletionsModel, ChatOptions
from coordination.llm.openai_clients import OpenAIClients
from coordination.ports import InputMessage, Reply, ToolCall, ToolResult, ToolSpec, TurnContext, Usage, UserMessage
from coordination.prompts import workflow_tools
from tests.servers.chat_server import Call, ChatServer, Fails, Says, Scripted, Sends, chat_server, event

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
GO = (UserMessage(text="go"),)
READ = ToolSpec(name="mcp__notices__read", description="Reads a notice.", input_schema={"type": "object"})


@dataclass(frozen=True, kw_only=True)
class ModelHarness:
    server: ChatServer
    model: ChatCompletionsModel

    async def send(self, inputs: Sequence[InputMessage] = GO, tools: Sequence[ToolSpec] = ()) -> Reply:
        async with asyncio.timeout(60):
            return await self.model.converse("be good", TURN_CONTEXT).send(inputs, tools)


@asynccontextmanager
async def harness(
    *queue: Scripted, options: ChatOptions | None = None, api_key: str = "k"
) -> AsyncGenerator[ModelHarness]:
    clients = OpenAIClients()
    async with chat_server(*queue) as server:
        model = ChatCompletionsModel(
            clients=clients, model="gpt-x", base_url=server.base_url, api_key=api_key, options=options
        )
        try:
            yield ModelHarness(server=server, model=model)
        finally:
            await clients.aclose()
        assert server.diagnostics == []


async def test_a_first_request_has_the_system_prompt_the_words_and_the_tools_and_asks_for_usage() -> None:
    async with harness(Says(text="hi")) as opened:
        (answer,) = workflow_tools(Ballot(size=2), may_answer=True)
        reply = await opened.send(tools=(READ, answer))
        assert opened.model.name == "gpt-x"
    assert opened.server.requests == [
        {
            "model": "gpt-x",
            "messages": [{"role": "system", "content": "be good"}, {"role": "user", "content": "go"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [
                {"type": "function", "function": {"name": READ.name, "description": READ.description,
                                                  "parameters": {"type": "object"}}},
                {"type": "function", "function": {"name": "new_answer", "description": answer.description,
                                                  "parameters": answer.input_schema, "strict": True}},
            ],
        }
    ]  # fmt: skip
    assert reply.usage == Usage(input_tokens=120, cached_tokens=100, output_tokens=30)


async def test_the_options_are_sent_as_they_are_set_and_extra_ones_win() -> None:
    options = ChatOptions(
        temperature=0.2, max_completion_tokens=900, reasoning_effort="low", extra_body={"seed": 7, "temperature": 1}
    )
    async with harness(Says(text="hi"), options=options) as opened:
        await opened.send()
    sent = opened.server.requests[0]
    assert {key: sent[key] for key in sent.keys() - {"model", "messages", "stream", "stream_options"}} == {
        "temperature": 1,
        "max_completion_tokens": 900,
        "reasoning_effort": "low",
        "seed": 7,
    }


async def test_the_history_grows_by_what_was_said_and_what_was_replied() -> None:
    calls = [Call(name=READ.name, arguments='{"name": "a"}', id="c1"), Call(name=READ.name, arguments="{}", id="c2")]
    async with harness(Says(text="Let me see.", calls=calls), Says(text="done")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        await conversation.send(GO, (READ,))
        told: list[InputMessage] = [UserMessage(text="news"), UserMessage(text="more")]
        results: list[InputMessage] = [
            ToolResult(call_id="c1", text="A"),
            ToolResult(call_id="c2", text="no", is_error=True),
        ]
        await conversation.send([*told, *results], (READ,))
    assert opened.server.requests[1]["messages"][2:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": READ.name, "arguments": '{"name": "a"}'}},
                {"id": "c2", "type": "function", "function": {"name": READ.name, "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "A"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no"},
        {"role": "user", "content": "news\n\nmore"},
    ]


async def test_conversations_of_one_model_run_at_once_and_know_nothing_of_each_other() -> None:
    async with harness(*[Says(text="hi")] * 6) as opened:
        await asyncio.gather(*[opened.send((UserMessage(text=f"I am {number}"),)) for number in range(6)])
    heard = sorted(request["messages"][1]["content"] for request in opened.server.requests)
    assert heard == [f"I am {number}" for number in range(6)]
    assert all(len(request["messages"]) == 2 for request in opened.server.requests)


async def test_one_connection_serves_call_after_call_even_if_streams_end_late() -> None:
    late = Sends(writes=Says(text="hi").events(), ending="late")
    async with harness(late, Says(text="hi"), late, late) as opened:
        for _ in range(4):
            await opened.send()
    assert len(opened.server.connections) == 1


async def test_a_server_that_never_ends_a_finished_stream_holds_nobody_up() -> None:
    async with harness(Sends(writes=Says(text="hi").events(), ending="hang")) as opened:
        async with asyncio.timeout(60):
            assert (await opened.send()).text == "hi"
        await opened.server.until(open_replies=0)


async def test_models_of_one_server_and_key_share_a_client_and_others_do_not() -> None:
    clients = OpenAIClients()
    try:
        first = clients.client(base_url="http://a/v1", api_key="k")
        assert clients.client(base_url="http://a/v1", api_key="k") is first
        assert clients.client(base_url="http://a/v1", api_key="other") is not first
        assert clients.client(base_url="http://b/v1", api_key="k") is not first
    finally:
        await clients.aclose()
    assert first.is_closed()


@pytest.mark.parametrize(("api_key", "sent"), [("secret", "Bearer secret"), ("", "Bearer none")])
async def test_the_key_comes_from_the_configuration_alone(
    api_key: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-somebody-else")
    async with harness(Says(text="hi"), api_key=api_key) as opened:
        await opened.send()
    assert opened.server.headers[0]["Authorization"] == sent


@pytest.mark.parametrize("split", [1, 2, 3, 7, 1000])
async def test_a_stream_may_be_torn_anywhere(split: int) -> None:
    call = Call(name="new_answer", arguments='{"content": "日本語 ☃ 🎉"}')
    async with harness(Says(text="naïve 🎉", calls=[call], split=split)) as opened:
        reply = await opened.send()
    assert (reply.text, reply.calls[0].arguments) == ("naïve 🎉", '{"content": "日本語 ☃ 🎉"}')


async def test_surrogate_halves_in_separate_chunks_become_one_character_and_lone_ones_are_replaced() -> None:
    halves = [
        rb'data: {"choices": [{"delta": {"content": "%s"}}]}' % half for half in (rb"\ud83c", rb"\udf89", rb"\ud800")
    ]
    finish = event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    async with harness(Sends(writes=[b"\n\n".join([*halves, b""]), finish]), Says(text="ok")) as opened:
        conversation = opened.model.converse("lone \udc00", TURN_CONTEXT)
        reply = await conversation.send([UserMessage(text="also \ud800 here")], ())
        await conversation.send(GO, ())
    assert reply.text == "🎉\ufffd"
    assert opened.server.requests[1]["messages"][0]["content"] == "lone \ufffd"


async def test_missing_usage_ids_and_end_mark_are_no_fault() -> None:
    calls = [Call(name="a", arguments="{}", id=None), Call(name="b", arguments="", id=None)]
    says = Says(calls=calls, without=frozenset({"usage", "done"}))
    async with harness(says, Says(text="ok")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send(GO, ())
        await conversation.send([ToolResult(call_id=call.id, text="fine") for call in reply.calls], ())
    assert [(call.name, call.arguments) for call in reply.calls] == [("a", "{}"), ("b", "{}")]
    assert len({call.id for call in reply.calls}) == 2
    assert reply.usage == Usage()


async def test_calls_without_an_index_or_all_with_the_same_are_told_apart() -> None:
    calls = [Call(name="a", arguments='{"x": 1}', id="c1"), Call(name="b", arguments='{"y": 2}', id="c2")]
    same = [
        event({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": call.id, "function": {"name": call.name}}]}}]})
        + event({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": call.arguments}}]}}]})
        for call in calls
    ]
    finish = event({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    async with harness(Says(calls=calls, without=frozenset({"index"})), Sends(writes=[*same, finish])) as opened:
        for _ in range(2):
            reply = await opened.send()
            assert reply.calls == tuple(
                ToolCall(id=call.id or "", name=call.name, arguments=call.arguments) for call in calls
            )


async def test_two_calls_of_one_id_get_ids_of_their_own() -> None:
    calls = [Call(name="a", arguments="{}", id="same"), Call(name="b", arguments="{}", id="same")]
    async with harness(Says(calls=calls), Says(text="ok")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send(GO, ())
        await conversation.send([ToolResult(call_id=call.id, text="fine") for call in reply.calls], ())
    assert reply.calls[0].id == "same"
    assert reply.calls[1].id != "same"


async def test_a_server_that_does_not_stream_is_understood() -> None:
    function = {"name": "a", "arguments": {"x": 1}}
    message = {"role": "assistant", "content": "Hm.", "tool_calls": [{"id": "c1", "function": function}]}
    whole = b'{"choices": [{"index": 0, "message": %s, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 3}}'
    body = whole % event(message)[6:].strip()
    async with harness(Sends(writes=[body[:50], body[50:]], content_type="application/json; charset=utf-8")) as opened:
        reply = await opened.send()
    expected = ToolCall(id="c1", name="a", arguments='{"x": 1}')
    assert reply == Reply(text="Hm.", calls=(expected,), usage=Usage(input_tokens=3))


async def test_comments_empty_lines_and_carriage_returns_are_no_part_of_a_reply() -> None:
    noisy = [b": keep-alive\r\n\r\n", b"event: message\r\n", b'data:{"choices":[{"delta":{"content":"hi"}}]}\r\n\r\n']
    last = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": "many"}}'
    async with harness(Sends(writes=[*noisy, last])) as opened:
        assert await opened.send() == Reply(text="hi")


EXTRA = "Extra inputs are not permitted"


async def test_an_older_server_that_refuses_the_newer_name_of_the_length_gets_the_earlier_one_from_then_on() -> None:
    refusal = Fails(status=422, error={"message": f"body.max_completion_tokens: {EXTRA}"})
    async with harness(
        refusal, Says(text="one"), Says(text="two"), options=ChatOptions(max_completion_tokens=9)
    ) as opened:
        assert [(await opened.send()).text for _ in range(2)] == ["one", "two"]
    lengths = [(each.get("max_completion_tokens"), each.get("max_tokens")) for each in opened.server.requests]
    assert lengths == [(9, None), (None, 9), (None, 9)]


async def test_stream_options_that_were_configured_are_the_operators_to_take_out() -> None:
    refusal = Fails(status=400, error={"message": "Unrecognized request argument supplied: stream_options"})
    options = ChatOptions(extra_body={"stream_options": {"include_usage": False}})
    async with harness(refusal, options=options) as opened:
        with pytest.raises(ModelError, match="must check stream_options"):
            await opened.send()


async def test_a_length_that_is_refused_for_its_value_is_the_operators_to_set() -> None:
    refusal = Fails(status=400, error={"message": "max_completion_tokens is too large: 9000000"})
    async with harness(refusal, options=ChatOptions(max_completion_tokens=9_000_000)) as opened:
        with pytest.raises(ModelError, match="must check max_completion_tokens"):
            await opened.send()


async def test_a_server_that_refuses_strictness_is_asked_without_from_then_on() -> None:
    strict = workflow_tools(Ballot(size=2), may_answer=True)
    refusal = Fails(status=422, error={"message": f"body.tools[0].function.strict: {EXTRA}"})
    async with harness(refusal, Says(text="one"), Says(text="two")) as opened:
        assert [(await opened.send(tools=strict)).text for _ in range(2)] == ["one", "two"]
    assert ["strict" in each["tools"][0]["function"] for each in opened.server.requests] == [True, False, False]


@pytest.mark.parametrize(
    "words",
    [
        "Invalid 'content': 'content' field must be a string or an array of objects.",  # LM Studio 261
        "openai-chat: messages[1].content must be a string or an object (was null)",
        "1 validation error: messages.1.content: Input should be a valid string",  # mistral-common 324
    ],
)
async def test_a_server_that_refuses_null_beside_calls_gets_an_empty_text_from_then_on(words: str) -> None:
    """Others take nothing but null there, so null is what they get at first."""
    calling, refusal = Says(calls=[Call(name="a", arguments="{}")]), Fails(status=400, error={"message": words})
    async with harness(calling, refusal, Says(text="one"), calling, Says(text="two")) as opened:
        for text in ("one", "two"):
            conversation = opened.model.converse("be good", TURN_CONTEXT)
            reply = await conversation.send(GO, ())
            results = [ToolResult(call_id=call.id, text="fine") for call in reply.calls]
            assert (await conversation.send(results, ())).text == text
    sent = [each["messages"][2]["content"] for each in opened.server.requests if len(each["messages"]) > 2]
    assert sent == [None, "", ""]


async def test_after_an_empty_reply_the_conversation_goes_on() -> None:
    """OpenAI refuses a message that has neither calls nor a text."""
    async with harness(Says(text=""), Says(text="here I am")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        assert (await conversation.send(GO, ())).text == ""
        assert (await conversation.send(GO, ())).text == "here I am"


async def test_strictness_that_is_refused_without_a_name_is_left_out_once() -> None:
    """Some gateways say no more than that something is wrong with the tools."""
    strict = workflow_tools(Ballot(size=2), may_answer=True)
    refusal = Fails(status=400, error={"message": "invalid value for parameter 'tools'"})
    async with harness(refusal, Says(text="one"), refusal, refusal) as opened:
        assert (await opened.send(tools=strict)).text == "one"
        with pytest.raises(ModelError, match="invalid value for parameter"):
            await opened.send(tools=strict)
    assert ["strict" in each["tools"][0]["function"] for each in opened.server.requests] == [True, False, False]


async def test_an_older_server_that_refuses_stream_options_is_asked_without_from_then_on() -> None:
    refusal = Fails(status=400, error={"message": "Unrecognized request argument supplied: stream_options"})
    async with harness(refusal, Says(text="one"), Says(text="two")) as opened:
        assert [(await opened.send()).text for _ in range(2)] == ["one", "two"]
    assert ["stream_options" in request for request in opened.server.requests] == [True, False, False]


async def test_fields_of_the_servers_own_go_back_with_the_history() -> None:
    call = Call(name="a", arguments="{}", extra={"extra_content": {"signature": "s"}})
    async with harness(Says(calls=[call], delta={"reasoning_content": "hmm"}), Says(text="ok")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send(GO, ())
        await conversation.send([ToolResult(call_id=reply.calls[0].id, text="fine")], ())
    message = opened.server.requests[1]["messages"][2]
    assert message["reasoning_content"] == "hmm"
    assert message["tool_calls"][0]["extra_content"] == {"signature": "s"}


async def test_what_a_server_would_refuse_in_a_history_is_made_acceptable() -> None:
    call = Call(name="functions.post notice", arguments='{"title": "ha')
    async with harness(Says(calls=[call]), Says(text="ok")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send(GO, ())
        await conversation.send([ToolResult(call_id=reply.calls[0].id, text="no such tool", is_error=True)], ())
    assert (reply.calls[0].name, reply.calls[0].arguments) == (call.name, call.arguments)
    sent: dict[str, Any] = opened.server.requests[1]["messages"][2]["tool_calls"][0]["function"]
    assert sent == {"name": "functions_post_notice", "arguments": '{"not_json": "{\\"title\\": \\"ha"}'}


async def test_a_long_description_is_cut_to_what_the_provider_takes() -> None:
    wordy = ToolSpec(name="a", description="x" * 2000, input_schema={"type": "object"})
    async with harness(Says(text="ok")) as opened:
        await opened.send(tools=(wordy,))
    sent: str = opened.server.requests[0]["tools"][0]["function"]["description"]
    assert sent == "x" * 1023 + "…"
