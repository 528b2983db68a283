"""A Claude Code model, and the local server that its program talks to."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coordination.errors import ModelError
from coordination.llm.claude_code.model import ClaudeCodeModel, ClaudeCodeOptions
from coordination.ports import Conversation, InputMessage, Reply, ToolResult, ToolSpec, TurnContext, UserMessage
from tests.servers.claude_code_backend import Backend, Scripted, claude_code_backend

KEY = "sk-ant-canary-0123456789"
GO = (UserMessage(text="go"),)
TURN_CONTEXT = TurnContext(purpose="turn", revision=1, turn=1, agent=1)

LONGEST = 120.0
"""Seconds for whatever a test waits for: Claude Code may take half a minute to start on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class ModelHarness:
    """A conversation over a program that talks to a server that plays what the test queued."""

    backend: Backend
    model: ClaudeCodeModel
    conversation: Conversation

    async def send(self, inputs: Sequence[InputMessage] = GO, tools: Sequence[ToolSpec] = ()) -> Reply:
        async with asyncio.timeout(LONGEST):
            return await self.conversation.send(inputs, tools)

    async def failure(self, inputs: Sequence[InputMessage] = GO) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await self.send(inputs)
        assert KEY not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"
        return caught.value

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The program, as it runs now."""
        conversation: Any = self.conversation
        process: asyncio.subprocess.Process = conversation._session._process._process
        return process


@asynccontextmanager
async def claude_code_harness(
    *queue: Scripted,
    model: str = "claude-sonnet-5-5",
    options: ClaudeCodeOptions | None = None,
    api_key: str = KEY,
    is_strict: bool = True,
) -> AsyncGenerator[ModelHarness]:
    """A harness, while the context is open; at its end, nothing is left of the program."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        async with claude_code_backend(*queue, is_strict=is_strict) as backend:
            claude = ClaudeCodeModel(
                model=model,
                base_url=backend.base_url,
                api_key=api_key,
                key_name="ANTHROPIC_API_KEY",
                options=options,
            )
            conversation = claude.converse("be good", TURN_CONTEXT)
            try:
                yield ModelHarness(backend=backend, model=claude, conversation=conversation)
            finally:
                async with asyncio.timeout(LONGEST):
                    await conversation.close()
            assert backend.diagnostics == []
            assert backend.elsewhere == []
        assert left_in(folder) == []


def left_in(folder: str) -> list[Path]:
    return list(Path(folder).iterdir())


def results(reply: Reply, text: str = "recorded") -> list[ToolResult]:
    return [ToolResult(call_id=call.id, text=text) for call in reply.calls]
