"""Gemini keeps the contract of all models; and what goes over the wire to it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from coordination.config.providers import EFFORTS
from coordination.errors import ConfigError, ModelFault
from coordination.llm.gemini import GeminiModel, GeminiOptions
from coordination.llm.gemini_client import GeminiClients
from coordination.ports import InputMessage, Model, Reply, ToolCall, ToolResult, ToolSpec, Usage, UserMessage
from tests.contract.gemini_harness import GO, TURN_CONTEXT
from tests.contract.gemini_harness import gemini_harness as harness
from tests.contract.test_models import (
    TOOLS,
    Act,
    OpensModel,
    test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind,
    test_a_lasting_failure_says_so,
    test_a_reply_has_all_its_text_and_all_its_calls_in_order,
    test_after_a_passing_failure_the_same_words_can_be_sent_again,
    test_results_go_back_and_the_conversation_goes_on,
    test_the_tools_on_offer_may_differ_from_call_to_call,
)
from tests.servers.gemini_server import (
    SIGNATURE,
    Call,
    Fails,
    Says,
    Scripted,
    Sends,
)

__all__ = [
    "test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind",
    "test_a_lasting_failure_says_so",
    "test_a_reply_has_all_its_text_and_all_its_calls_in_order",
    "test_after_a_passing_failure_the_same_words_can_be_sent_again",
    "test_results_go_back_and_the_conversation_goes_on",
    "test_the_tools_on_offer_may_differ_from_call_to_call",
]

READ, POST = TOOLS


@asynccontextmanager
async def gemini(*acts: Act) -> AsyncGenerator[Model]:
    statuses = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: 503, ModelFault.AUTH: 401}
    queue: list[Scripted] = []
    for action in acts:
        calls = [Call(name=name, args=json.loads(text), signature=SIGNATURE) for name, text in action.calls]
        replies = Fails(status=statuses[action.fails]) if action.fails else Says(text=action.text, calls=calls)
        queue.append(Sends(writes=[], ending="hang") if action.waits else replies)
    async with harness(*queue) as opened:
        yield opened.model


@pytest.fixture
def opens_model() -> OpensModel:
    return gemini


async def test_a_first_request_has_the_system_prompt_the_words_and_the_tools() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}, "v": {"const": 1}},
        "additionalProperties": False,
    }
    tool = ToolSpec(name="mcp__a__b", description="Does b.", input_schema=schema)
    async with harness(Says(text="hi")) as opened:
        reply = await opened.send(tools=(tool,))
        assert opened.model.name == "gemini-x"
    assert opened.server.models == ["gemini-x"]
    sent = opened.server.requests[0]
    assert sent.keys() == {"contents", "systemInstruction", "tools", "generationConfig"}
    assert sent["contents"] == [{"role": "user", "parts": [{"text": "go"}]}]
    assert sent["systemInstruction"]["parts"] == [{"text": "be good"}]
    declared = {"name": "mcp__a__b", "description": "Does b.", "parameters_json_schema": schema}
    assert sent["tools"] == [{"functionDeclarations": [declared]}]
    assert sent["generationConfig"] == {}
    assert reply == Reply(text="hi", usage=Usage(input_tokens=127, cached_tokens=100, output_tokens=42))


@pytest.mark.parametrize("effort", EFFORTS["gemini"])
async def test_every_effort_that_a_configuration_may_ask_for_is_sent(effort: str) -> None:
    async with harness(Says(text="hi"), options=GeminiOptions(thinking_level=effort)) as opened:
        await opened.send()
    assert opened.server.requests[0]["generationConfig"] == {"thinkingConfig": {"thinking_level": effort.upper()}}


async def test_the_options_are_sent_as_they_are_set_and_extra_ones_win() -> None:
    options = GeminiOptions(
        temperature=0.2,
        max_output_tokens=900,
        thinking_level="low",
        extra_body={"generationConfig": {"seed": 7, "temperature": 1}},
    )
    async with harness(Says(text="hi"), options=options) as opened:
        await opened.send()
    assert opened.server.requests[0]["generationConfig"] == {
        "temperature": 1,
        "maxOutputTokens": 900,
        "seed": 7,
        "thinkingConfig": {"thinking_level": "LOW"},
    }


async def test_web_search_is_asked_for_beside_the_tools_in_the_way_that_gemini_demands() -> None:
    async with harness(Says(text="hi"), Says(text="ho"), options=GeminiOptions(enable_web_search=True)) as opened:
        await opened.send(tools=(READ,))
        await opened.send()
    beside, alone = opened.server.requests
    assert {"googleSearch": {}} in beside["tools"]
    assert beside["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert alone["tools"] == [{"googleSearch": {}}]


async def test_every_part_comes_back_as_it_was_with_its_signature() -> None:
    search = [
        {"toolCall": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["x"]}}, "thoughtSignature": SIGNATURE},
        {"toolResponse": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB", "response": {"found": "y"}}},
    ]  # fmt: skip
    calls = [
        Call(name=READ.name, args={"name": "a", "n": 1, "x": 2.5}, id="c1", signature=SIGNATURE),
        Call(name=READ.name, args=None, id="c2"),
    ]
    says = Says(text="Let me see.", thought="Hm, let me think.", parts=search, calls=calls)
    async with harness(says, Says(text="done", parts=[{"text": "", "thoughtSignature": SIGNATURE}]), Says()) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send(GO, (READ,))
        told: list[InputMessage] = [UserMessage(text="news"), UserMessage(text="more")]
        results: list[InputMessage] = [
            ToolResult(call_id="c1", text="A"),
            ToolResult(call_id="c2", text="no", is_error=True),
        ]
        await conversation.send([*told, *results], (READ,))
        await conversation.send(GO, (READ,))
    assert reply.text == "Let me see."
    assert [call.arguments for call in reply.calls] == ['{"name": "a", "n": 1, "x": 2.5}', "{}"]
    assert opened.server.requests[1]["contents"][2:] == [
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": READ.name, "response": {"output": "A"}}},
                {"functionResponse": {"id": "c2", "name": READ.name, "response": {"error": "no"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "news\n\nmore"}]},
    ]
    # The server has compared everything that it had said, too.
    assert len(opened.server.requests[2]["contents"]) == 6


async def test_calls_without_ids_or_with_the_same_are_told_apart_and_answered_in_order() -> None:
    nameless = Says(calls=[Call(name=READ.name), Call(name=POST.name), Call(name=READ.name)])
    twins = Says(calls=[Call(name=READ.name, id="same"), Call(name=POST.name, id="same")])
    async with harness(nameless, twins, Says(text="done")) as opened:
        conversation = opened.model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send(GO, TOOLS)
        assert len({call.id for call in reply.calls}) == 3
        reply = await conversation.send(results(reply), TOOLS)
        assert len({call.id for call in reply.calls}) == 2
        await conversation.send(results(reply), TOOLS)


def results(reply: Reply) -> list[ToolResult]:
    return [ToolResult(call_id=call.id, text=f"of {call.name}") for call in reply.calls]


async def test_a_reply_without_any_part_leaves_nothing_in_the_history() -> None:
    async with harness(Says(), Says(parts=[{"text": ""}]), Says(text="ok")) as opened:
        conversation = opened.model.converse("", TURN_CONTEXT)
        assert await conversation.send(GO, ()) == Reply(
            text="", usage=Usage(input_tokens=127, cached_tokens=100, output_tokens=42)
        )
        await conversation.send(GO, ())
        await conversation.send(GO, ())
    assert [content["role"] for content in opened.server.requests[2]["contents"]] == ["user"] * 3
    assert "systemInstruction" not in opened.server.requests[0]


async def test_conversations_of_one_model_run_at_once_over_few_connections_and_know_nothing_of_each_other() -> None:
    async with harness(*[Says(text="hi")] * 12) as opened:
        new = [opened.model.converse("be good", TURN_CONTEXT) for _ in range(12)]
        await asyncio.gather(*[each.send((UserMessage(text=f"I am {n}"),), ()) for n, each in enumerate(new[:6])])
        for each in new[6:]:
            await each.send(GO, ())
    heard = sorted(request["contents"][0]["parts"][0]["text"] for request in opened.server.requests[:6])
    assert heard == [f"I am {number}" for number in range(6)]
    assert all(len(request["contents"]) == 1 for request in opened.server.requests)
    assert len(opened.server.connections) <= 6


@pytest.mark.parametrize("split", [1, 7, 64])
async def test_characters_torn_by_the_network_are_whole_again(split: int) -> None:
    call = Call(name="post", args={"content": "日本語 ☃ 🎉"}, signature=SIGNATURE)
    async with harness(Says(text="naïve 🎉\u2028x", calls=[call], split=split)) as opened:
        reply = await opened.send()
    assert reply.text == "naïve 🎉\u2028x"
    assert reply.calls == (ToolCall(id="call_0", name="post", arguments='{"content": "日本語 ☃ 🎉"}'),)


async def test_lone_surrogate_halves_are_replaced_both_ways() -> None:
    half = rb'data: {"candidates": [{"content": {"parts": [{"text": "\ud83c"}, {"text": "\udf89\ud800"}]}, "finishReason": "STOP"}]}'
    async with harness(Sends(writes=[half + b"\r\n\r\n"])) as opened:
        conversation = opened.model.converse("lone \udc00", TURN_CONTEXT)
        assert (await conversation.send([UserMessage(text="also \ud800 here")], ())).text == "🎉\ufffd"
    assert opened.server.requests[0]["systemInstruction"]["parts"] == [{"text": "lone \ufffd"}]
    assert opened.server.requests[0]["contents"][0]["parts"] == [{"text": "also \ufffd here"}]


async def test_a_tool_without_a_description_goes_by_its_name() -> None:
    nameless = ToolSpec(name="mcp__a__b", description="", input_schema={"type": "object"})
    async with harness(Says(text="hi")) as opened:
        await opened.send(tools=(nameless,))
    assert opened.server.requests[0]["tools"][0]["functionDeclarations"][0]["description"] == "mcp__a__b"


async def test_missing_usage_counts_as_none() -> None:
    async with harness(Says(text="", has_usage=False)) as opened:
        assert (await opened.send()).usage == Usage()


async def test_the_environment_changes_neither_the_server_nor_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GEMINI_API_KEY": "theirs",
        "GOOGLE_API_KEY": "theirs",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_GENAI_API_VERSION": "beta",
        "GOOGLE_GEMINI_BASE_URL": "http://192.0.2.1",
    }.items():
        monkeypatch.setenv(name, value)
    for key, sent in (("ours", "ours"), ("", "none")):
        async with harness(Says(text="hi"), api_key=key) as opened:
            await opened.send()
        assert opened.server.headers[0]["x-goog-api-key"] == sent


async def test_an_address_may_end_in_a_version_of_the_api() -> None:
    for version in ("/v1", "/v1beta", "/v1beta/"):
        async with harness(Says(text="hi"), version=version) as opened:
            assert (await opened.send()).text == "hi"


def test_an_unknown_level_of_thinking_is_the_operators_to_fix() -> None:
    with pytest.raises(ConfigError, match="thinking_level of m must be one of minimal, low"):
        GeminiModel(clients=GeminiClients(), model="m", options=GeminiOptions(thinking_level="much"))
