"""What every model must do, whoever is behind it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from coordination.errors import ModelError, ModelFault
from coordination.llm.openai_chat import ChatCompletionsModel
from coordination.llm.openai_clients import OpenAIClients
from coordination.llm.script_file import parse_script
from coordination.llm.scripted import ScriptedModel
from coordination.ports import Model, Reply, ToolCall, ToolResult, ToolSpec, TurnContext, UserMessage
from tests.servers.chat_server import Call, Fails, Says, Sends, chat_server

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
TOOLS = (
    ToolSpec(name="mcp__notices__read", description="Reads.", input_schema={"type": "object"}),
    ToolSpec(name="mcp__notices__post", description="Posts.", input_schema={"type": "object"}),
)


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that the model does, in no vendor's words."""

    text: str = ""
    calls: Sequence[tuple[str, str]] = ()
    fails: ModelFault | None = None
    waits: bool = False


class OpensModel(Protocol):
    """Makes a model that does these things, one per call."""

    def __call__(self, *acts: Act) -> AbstractAsyncContextManager[Model]: ...


class StallingClock:
    """Sleeps for ever where a script waits, and not at all where it does not."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        if seconds:
            await asyncio.Event().wait()


@asynccontextmanager
async def scripted(*acts: Act) -> AsyncGenerator[Model]:
    turn: list[dict[str, Any]] = []
    for action in acts:
        calls = [
            {"tool": name.removeprefix("mcp__").replace("__", "."), "raw_arguments": _braced(arguments)}
            for name, arguments in action.calls
        ]
        step: dict[str, Any] = {"say": _braced(action.text), "calls": calls, "after": 60 if action.waits else 0}
        turn.append(step | ({"fault": action.fails.value} if action.fails else {}))
    yield ScriptedModel(parse_script({"turns": [turn]}, where="script"), clock=StallingClock())


@asynccontextmanager
async def chat_completions(*acts: Act) -> AsyncGenerator[Model]:
    statuses = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: 503, ModelFault.AUTH: 401}
    async with chat_server() as server:
        for action in acts:
            calls = [
                Call(name=name, arguments=text, id=f"call_{index}") for index, (name, text) in enumerate(action.calls)
            ]
            replies = Fails(status=statuses[action.fails]) if action.fails else Says(text=action.text, calls=calls)
            server.queue.append(Sends(writes=[], ending="hang") if action.waits else replies)
        clients = OpenAIClients()
        try:
            yield ChatCompletionsModel(clients=clients, model="m", base_url=server.base_url, api_key="k")
        finally:
            await clients.aclose()
        assert server.diagnostics == []


@pytest.fixture(params=[scripted, chat_completions])
def opens_model(request: pytest.FixtureRequest) -> OpensModel:
    made: OpensModel = request.param
    return made


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def results(reply: Reply, *texts: str) -> list[ToolResult]:
    return [ToolResult(call_id=call.id, text=text) for call, text in zip(reply.calls, texts, strict=True)]


async def test_a_reply_has_all_its_text_and_all_its_calls_in_order(opens_model: OpensModel) -> None:
    calls = (("mcp__notices__read", '{"name": "wélcome ☃"}'), ("mcp__notices__post", '{"a": [1, 2.5]}'))
    async with opens_model(Act(text="Let me see … ☃", calls=calls)) as model:
        reply = await model.converse("be good", TURN_CONTEXT).send([UserMessage(text="go")], TOOLS)
    assert reply.text == "Let me see … ☃"
    assert [(call.name, call.arguments) for call in reply.calls] == list(calls)
    assert len({call.id for call in reply.calls}) == 2


async def test_results_go_back_and_the_conversation_goes_on(opens_model: OpensModel) -> None:
    first = Act(calls=(("mcp__notices__read", "{}"), ("mcp__notices__post", "{}")))
    async with opens_model(first, Act(text="I see.")) as model:
        conversation = model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send([UserMessage(text="go")], TOOLS)
        reply = await conversation.send([*results(reply, "Welcome!", "recorded"), UserMessage(text="news")], TOOLS)
        await conversation.close()
    assert reply == Reply(text="I see.", usage=reply.usage)


async def test_arguments_that_are_no_json_come_as_they_were_written_and_can_be_answered(
    opens_model: OpensModel,
) -> None:
    async with opens_model(Act(calls=(("mcp__notices__post", '{"title": "half'),)), Act(text="Sorry.")) as model:
        conversation = model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send([UserMessage(text="go")], TOOLS)
        assert reply.calls == (ToolCall(id=reply.calls[0].id, name="mcp__notices__post", arguments='{"title": "half'),)
        await conversation.send([ToolResult(call_id=reply.calls[0].id, text="not JSON", is_error=True)], TOOLS)


@pytest.mark.parametrize("fault", [ModelFault.RATE_LIMITED, ModelFault.OVERLOADED])
async def test_after_a_passing_failure_the_same_words_can_be_sent_again(
    opens_model: OpensModel, fault: ModelFault
) -> None:
    async with opens_model(Act(text="one"), Act(fails=fault), Act(text="two")) as model:
        conversation = model.converse("be good", TURN_CONTEXT)
        await conversation.send([UserMessage(text="go")], TOOLS)
        with pytest.raises(ModelError) as caught:
            await conversation.send([UserMessage(text="on")], TOOLS)
        assert (caught.value.fault, caught.value.is_retryable) == (fault, True)
        assert (await conversation.send([UserMessage(text="on")], TOOLS)).text == "two"


async def test_a_lasting_failure_says_so(opens_model: OpensModel) -> None:
    async with opens_model(Act(fails=ModelFault.AUTH)) as model:
        with pytest.raises(ModelError) as caught:
            await model.converse("be good", TURN_CONTEXT).send([UserMessage(text="go")], TOOLS)
    assert (caught.value.fault, caught.value.is_retryable) == (ModelFault.AUTH, False)


async def test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind(opens_model: OpensModel) -> None:
    async with opens_model(Act(waits=True)) as model:
        conversation = model.converse("be good", TURN_CONTEXT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await conversation.send([UserMessage(text="go")], TOOLS)
        async with asyncio.timeout(5):
            await conversation.close()


async def test_the_tools_on_offer_may_differ_from_call_to_call(opens_model: OpensModel) -> None:
    async with opens_model(Act(calls=(("mcp__notices__read", "{}"),)), Act(text="done")) as model:
        conversation = model.converse("be good", TURN_CONTEXT)
        reply = await conversation.send([UserMessage(text="go")], TOOLS[:1])
        assert (await conversation.send(results(reply, "fine"), ())).text == "done"
