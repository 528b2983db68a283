"""Models of OpenAI Responses and of Anthropic Messages, each before a local server that plays what a test queued."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

from coordination.errors import ModelError
from coordination.llm.anthropic_messages import AnthropicClients, AnthropicModel, MessagesOptions
from coordination.llm.openai_clients import OpenAIClients
from coordination.llm.openai_responses import ResponsesModel, ResponsesOptions
from coordination.ports import Conversation, InputMessage, Model, Reply, ToolSpec, TurnContext, UserMessage
from tests.servers import messages_server, responses_server
from tests.servers.vendor_server import VendorServer

TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)
KEY = "sk-secret-canary-0123456789"
GO = (UserMessage(text="go"),)
PROMPT = "be good"

SaysT = TypeVar("SaysT")


@dataclass(frozen=True, kw_only=True)
class ModelHarness(Generic[SaysT]):
    """A model, a conversation with it, and the server behind it."""

    server: VendorServer[SaysT]
    model: Model
    conversation: Conversation

    async def send(self, inputs: Sequence[InputMessage] = GO, tools: Sequence[ToolSpec] = ()) -> Reply:
        """Say it in the one conversation of the harness."""
        async with asyncio.timeout(60):
            return await self.conversation.send(inputs, tools)

    async def failure(self, tools: Sequence[ToolSpec] = ()) -> ModelError:
        """The error that a send comes to, which holds no key whatever the server wrote."""
        with pytest.raises(ModelError) as caught:
            await self.send(tools=tools)
        seen = caught.value
        assert KEY not in f"{seen!s} {seen!r} {seen.__cause__!r} {seen.args!r}"
        return seen


@asynccontextmanager
async def responses_harness(
    *queue: responses_server.Scripted,
    options: ResponsesOptions | None = None,
    prompt_cache_key: str = "",
    api_key: str = KEY,
) -> AsyncGenerator[ModelHarness[responses_server.Says]]:
    clients = OpenAIClients()
    async with responses_server.responses_server(*queue) as server:
        model = ResponsesModel(
            clients=clients,
            model="gpt-x",
            base_url=f"{server.address}/v1",
            api_key=api_key,
            key_name="OPENAI_API_KEY",
            prompt_cache_key=prompt_cache_key,
            options=options,
        )
        try:
            yield ModelHarness(server=server, model=model, conversation=model.converse(PROMPT, TURN_CONTEXT))
        finally:
            await clients.aclose()
        assert server.diagnostics == []


@asynccontextmanager
async def messages_harness(
    *queue: messages_server.Scripted, options: MessagesOptions | None = None, api_key: str = KEY
) -> AsyncGenerator[ModelHarness[messages_server.Says]]:
    clients = AnthropicClients()
    async with messages_server.messages_server(*queue) as server:
        model = AnthropicModel(
            clients=clients,
            model="claude-x",
            base_url=server.address,
            api_key=api_key,
            key_name="ANTHROPIC_API_KEY",
            options=options,
        )
        try:
            yield ModelHarness(server=server, model=model, conversation=model.converse(PROMPT, TURN_CONTEXT))
        finally:
            await clients.aclose()
        assert server.diagnostics == []
