"""A Gemini model, and the local server that it talks to."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from coordination.errors import ModelError
from coordination.llm.gemini import GeminiModel, GeminiOptions
from coordination.llm.gemini_client import LONGEST_LINE, GeminiClients
from coordination.ports import Conversation, InputMessage, Reply, ToolSpec, TurnContext, UserMessage
from tests.servers.gemini_server import GeminiServer, Scripted, gemini_server

KEY = "AIza-canary-0123456789"
GO = (UserMessage(text="go"),)
TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)


@dataclass(frozen=True, kw_only=True)
class ModelHarness:
    """A conversation with a server that plays what the test queued."""

    server: GeminiServer
    model: GeminiModel
    conversation: Conversation

    async def send(self, inputs: Sequence[InputMessage] = GO, tools: Sequence[ToolSpec] = ()) -> Reply:
        async with asyncio.timeout(60):
            return await self.conversation.send(inputs, tools)

    async def failure(self, tools: Sequence[ToolSpec] = ()) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await self.send(tools=tools)
        assert KEY not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"
        return caught.value


@asynccontextmanager
async def gemini_harness(
    *queue: Scripted,
    options: GeminiOptions | None = None,
    api_key: str = KEY,
    version: str = "",
    system: str = "be good",
    longest_line: int = LONGEST_LINE,
) -> AsyncGenerator[ModelHarness]:
    """A harness, while the context is open; at its end, the server has found nothing to complain of."""
    clients = GeminiClients(longest_line=longest_line)
    async with gemini_server(*queue) as server:
        model = GeminiModel(
            clients=clients,
            model="gemini-x",
            base_url=server.base_url + version,
            api_key=api_key,
            key_name="GEMINI_API_KEY",
            options=options,
        )
        try:
            yield ModelHarness(server=server, model=model, conversation=model.converse(system, TURN_CONTEXT))
        finally:
            await clients.aclose()
        assert server.diagnostics == []
