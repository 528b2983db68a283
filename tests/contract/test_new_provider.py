"""What it takes to add a provider: one module, and one case in the registry. Here it is a made-up one."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
from aiohttp import web

from bot.composition import Configurations
from coordination.clock import SystemClock
from coordination.errors import ModelError, ModelFault
from coordination.llm.provider import Build
from coordination.llm.registry import Models, load_build
from coordination.ports import Model, UserMessage
from tests.contract import tiny_provider
from tests.contract.test_models import (
    TOOLS,
    TURN_CONTEXT,
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
from tests.servers.vendor_server import Fails, Json, Sends, VendorServer, event, serving

__all__ = [
    "test_a_cancelled_call_ends_at_once_and_leaves_nothing_behind",
    "test_a_lasting_failure_says_so",
    "test_a_reply_has_all_its_text_and_all_its_calls_in_order",
    "test_after_a_passing_failure_the_same_words_can_be_sent_again",
    "test_arguments_that_are_no_json_come_as_they_were_written_and_can_be_answered",
    "test_results_go_back_and_the_conversation_goes_on",
    "test_the_tools_on_offer_may_differ_from_call_to_call",
]

KEY = "tiny-canary-0123456789"
STATUSES = {ModelFault.RATE_LIMITED: 429, ModelFault.OVERLOADED: 503, ModelFault.AUTH: 401}


@dataclass(frozen=True, kw_only=True)
class Says:
    """The lines of one reply."""

    lines: Sequence[Json]


@dataclass(frozen=True)
class TinyDialect:
    """What Tiny demands: its key, and calls that come back as objects."""

    path: str = "/talk"
    known: frozenset[str] = field(default=frozenset({"model", "rules", "tools", "lines", "length", "temperature"}))

    def diagnostics(self, body: Json, request: web.Request) -> list[str]:
        found = [f"unknown: {key}" for key in body.keys() - self.known]
        if request.headers.get("authorization") != f"Bearer {KEY}":
            found.append("no key")
        return found + [
            f"no object: {each}" for each in body["lines"] if not isinstance(each.get("arguments", {}), dict)
        ]

    def writes(self, reply: Says, body: Json) -> Sequence[bytes]:
        return [event(line) for line in (*reply.lines, {"end": True})]

    def failure(self, error: Json, status: int) -> Json:
        return {"message": error.get("message", "no")}


TinyServer: TypeAlias = VendorServer[Says]


def load(family: str) -> Build:
    """As the registry does with one case more. Tiny takes the place of a family that configurations may name."""
    return tiny_provider.build if family == "chat" else load_build("scripted")


@asynccontextmanager
async def tiny(*queue: Says | Fails | Sends, more: str = "") -> AsyncGenerator[tuple[Model, TinyServer]]:
    """Tiny's model as a configuration makes it, with all that is put around every provider's."""
    build = Models(SystemClock(), load=load)
    configure = Configurations(environ={}, build=build, adapt=lambda models: models)
    async with serving(VendorServer[Says](dialect=TinyDialect(), queue=list(queue))) as server:
        backend = f"{{type: chatcompletion, model: tiny-1, api_key: {KEY}, base_url: '{server.address}'{more}}}"
        try:
            (model,) = configure(f"agent: {{backend: {backend}}}\n", "x.yaml", "console").models()
            yield model, server
        finally:
            await build.aclose()
    assert server.diagnostics == []


@asynccontextmanager
async def played(*acts: Act) -> AsyncGenerator[Model]:
    queue: list[Says | Fails | Sends] = []
    for act in acts:
        calls = [{"tool": name, "arguments": text} for name, text in act.calls]
        replies = Fails(status=STATUSES[act.fails]) if act.fails else Says(lines=[{"text": act.text}, *calls])
        queue.append(Sends(writes=[], ending="hang") if act.waits else replies)
    async with tiny(*queue) as (model, _):
        yield model


@pytest.fixture
def opens_model() -> OpensModel:
    return played


async def test_what_a_configuration_says_of_a_model_is_what_its_server_is_asked() -> None:
    async with tiny(Says(lines=[{"text": "hi"}]), more=", temperature: 0.5, max_tokens: 7") as (model, server):
        reply = await model.converse("be good", TURN_CONTEXT).send([UserMessage(text="go")], TOOLS[:1])
    assert (model.name, reply.text, reply.usage.is_estimated) == ("tiny-1", "hi", True)
    (asked,) = server.requests
    assert asked == {
        "model": "tiny-1",
        "rules": "be good",
        "tools": [{"name": TOOLS[0].name, "schema": {"type": "object"}}],
        "lines": [{"text": "go"}],
        "temperature": 0.5,
        "length": 7,
    }


async def test_its_refusals_are_told_in_our_words_with_its_own_behind_and_without_the_key() -> None:
    words = f"length must be below 5, says {KEY}"
    async with tiny(Fails(status=400, error={"message": words}), more=", max_tokens: 7") as (model, _):
        with pytest.raises(ModelError) as refused:
            await model.converse("be good", TURN_CONTEXT).send([UserMessage(text="go")], ())
    assert refused.value.fault is ModelFault.BAD_REQUEST
    assert "length" in str(refused.value)
    assert KEY not in json.dumps([str(refused.value), repr(refused.value.__cause__)])


async def test_a_reply_that_breaks_off_or_a_server_that_is_away_may_be_asked_again() -> None:
    async with tiny(Sends(writes=[event({"text": "half"})], ending="cut")) as (model, _):
        with pytest.raises(ModelError) as cut:
            await model.converse("be good", TURN_CONTEXT).send([UserMessage(text="go")], ())
        away = model.converse("be good", TURN_CONTEXT)
    assert (cut.value.fault, cut.value.is_retryable) == (ModelFault.CUT_OFF, True)
    with pytest.raises(ModelError) as unreachable:
        await away.send([UserMessage(text="go")], ())
    assert (unreachable.value.fault, unreachable.value.is_retryable) == (ModelFault.OVERLOADED, True)
