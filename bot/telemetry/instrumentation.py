"""Models, tools and the log as they are, counted as they are used. Nothing that passes through is changed, or kept."""

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from bot.telemetry.metrics import BREAK_GLASS, EVENTS, MODEL_SECONDS, PROCESS, TOKENS, TOOL_SECONDS
from bot.telemetry.spans import begin_turn, model_span, tool_span, traced_events
from coordination.config import BackendSettings
from coordination.config.providers import provider_at
from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject
from coordination.domain.events import ApprovalGiven
from coordination.domain.plan import PlannedCall
from coordination.domain.transitions import Recorded
from coordination.errors import ModelError
from coordination.ports import (
    Conversation,
    Executor,
    InputMessage,
    Model,
    ReadTools,
    Reply,
    ServerSpec,
    ToolDefinition,
    ToolHub,
    ToolOutput,
    ToolSpec,
    TurnContext,
)

_log = logging.getLogger(__name__)


def count_events(run: str, records: Sequence[Recorded]) -> None:
    """Count what was just written to a run's log, and tell the program's log and the run's trace of it."""
    traced_events(run, records)
    for recorded in records:
        PROCESS.add(EVENTS, recorded.event.kind)
        if isinstance(recorded.event, ApprovalGiven) and recorded.event.break_glass is not None:
            PROCESS.add(BREAK_GLASS)
        _log.info("event", extra={"run": run, "seq": recorded.seq, "kind": recorded.event.kind})


_PROVIDERS = {
    "claude": "anthropic",
    "claude_code": "anthropic",
    "gemini": "gcp.gemini",
    "azure_openai": "azure.ai.openai",
    "grok": "x_ai",
}
"""By backend type, where the conventions have another name; a name that they don't have is our own."""


def provider_name(backend: BackendSettings) -> str:
    """What `gen_ai.provider.name` says of a backend: whose address it is, or else its type."""
    known = provider_at(backend.base_url) if backend.base_url else None
    type_ = (known or backend.provider).type
    return _PROVIDERS.get(type_, type_)


class ObservedModel:
    """Fits `coordination.ports.Model`, around another."""

    def __init__(self, model: Model, provider: str) -> None:
        """Calls of `model` are counted; `provider` is what the conventions of traces call whoever serves it."""
        self._model = model
        self._provider = provider

    @property
    def name(self) -> str:
        """The name of the model inside."""
        return self._model.name

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        """Begin a fresh conversation."""
        turn = begin_turn(turn_context.agent, turn_context.purpose)
        conversation = self._model.converse(system, turn_context)
        return _ObservedConversation(conversation, self.name, self._provider, turn)


class _ObservedConversation:
    def __init__(
        self,
        conversation: Conversation,
        model: str,
        provider: str,
        turn: Any,  # noqa: ANN401 - a span of an extra
    ) -> None:
        self._conversation = conversation
        self._model = model
        self._provider = provider
        self._turn = turn

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        begun, outcome = time.monotonic(), "cancelled"
        try:
            with model_span(self._model, self._provider, self._turn) as tell:
                reply = await self._conversation.send(inputs, tools)
                tell(reply)
            outcome = "ok"
        except ModelError as error:
            outcome = error.fault.value
            raise
        finally:
            PROCESS.add(MODEL_SECONDS, self._model, outcome, by=time.monotonic() - begun)
        PROCESS.add(TOKENS, self._model, "input", by=reply.usage.input_tokens)
        PROCESS.add(TOKENS, self._model, "output", by=reply.usage.output_tokens)
        return reply

    async def close(self) -> None:
        if self._turn is not None:
            self._turn.end()
        await self._conversation.close()


class ObservedHub:
    """Fits `coordination.ports.ToolHub`, around another."""

    def __init__(self, hub: ToolHub) -> None:
        """What `hub` is asked to call is counted."""
        self._hub = hub

    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        """As the hub has them."""
        return await self._hub.definitions(servers)

    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        """The hub's reader, counted."""
        return _ObservedReader(self._hub.reader(servers, allowed, caller))

    def executor(self, servers: Sequence[ServerSpec], caller: Caller | None = None) -> Executor:
        """The hub's executor, counted."""
        return _ObservedExecutor(self._hub.executor(servers, caller))


class _ObservedReader:
    def __init__(self, reader: ReadTools) -> None:
        self._reader = reader

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        with _counted(server, "read"), tool_span(server, tool, "read"):
            return await self._reader.read(server, tool, arguments)


class _ObservedExecutor:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        return await self._executor.definition_digest(server, tool, expected)

    async def input_schema(self, server: str, tool: str) -> JsonObject | None:
        return await self._executor.input_schema(server, tool)

    async def settings_digest(self, server: str) -> str:
        return await self._executor.settings_digest(server)

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        with _counted(call.server, "call"), tool_span(call.server, call.tool, "call"):
            return await self._executor.call(call, key, seconds)


@contextmanager
def _counted(server: str, use: str) -> Generator[None]:
    begun, outcome = time.monotonic(), "ok"
    try:
        yield
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        PROCESS.add(TOOL_SECONDS, server, use, outcome, by=time.monotonic() - begun)
