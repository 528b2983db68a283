"""Wrappers around the real parts that count the points at which a process can die, and die at one of them.

The program knows nothing of this: the parts are put around its own by the composition root's overrides.
"""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject
from coordination.domain.events import RunEvent
from coordination.domain.grants import Standing
from coordination.domain.plan import PlannedCall
from coordination.domain.states import RunState
from coordination.domain.transitions import Recorded
from coordination.ports import (
    Conversation,
    Executor,
    InputMessage,
    Job,
    Model,
    ReadTools,
    Reply,
    RunLog,
    RunSummary,
    ServerSpec,
    ToolDefinition,
    ToolHub,
    ToolOutput,
    ToolSpec,
    TurnContext,
)


@dataclass
class Failpoints:
    """Counts the points that are reached; at number `dies_at` the process is gone, as with `kill -9`."""

    dies_at: int = 0
    reached: list[str] = field(default_factory=list[str])

    def at(self, point: str) -> None:
        """Pass a point, or die there."""
        self.reached.append(point)
        if len(self.reached) == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class FailpointLog:
    """A run log before and after each of whose writes the process can die."""

    def __init__(self, log: RunLog, failpoints: Failpoints) -> None:
        self._log = log
        self._failpoints = failpoints

    async def append(
        self,
        run: str,
        expected: int,
        events: Sequence[RunEvent],
        at: datetime,
        state: RunState,
        job: Job | None = None,
    ) -> Sequence[Recorded]:
        kinds = "+".join(event.kind for event in events)
        self._failpoints.at(f"before {kinds}")
        records = await self._log.append(run, expected, events, at, state, job)
        self._failpoints.at(f"after {kinds}")
        return records

    async def read(self, run: str, after: int = 0) -> Sequence[Recorded]:
        return await self._log.read(run, after)

    def follow(self, run: str, after: int = 0) -> AsyncIterator[Recorded]:
        return self._log.follow(run, after)

    async def runs(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RunSummary]:
        return await self._log.runs(tenant=tenant, limit=limit)

    async def find(self, prefix: str, tenant: str | None = None) -> Sequence[str]:
        return await self._log.find(prefix, tenant)

    async def in_state(self, kinds: Sequence[str], tenant: str | None = None) -> Sequence[str]:
        return await self._log.in_state(kinds, tenant)

    async def due(self, at: datetime) -> Sequence[str]:
        return await self._log.due(at)

    async def grants(self, at: datetime, tenant: str | None = None) -> Sequence[Standing]:
        return await self._log.grants(at, tenant)

    async def stop_calls(self) -> None:
        await self._log.stop_calls()

    async def save_config(self, digest: str, text: str, origin: str) -> None:
        self._failpoints.at("before the config is saved")
        await self._log.save_config(digest, text, origin)

    async def load_config(self, digest: str) -> tuple[str, str]:
        return await self._log.load_config(digest)


class FailpointHub:
    """A hub around each of whose calls the process can die."""

    def __init__(self, hub: ToolHub, failpoints: Failpoints) -> None:
        self._hub = hub
        self._failpoints = failpoints

    async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
        self._failpoints.at("before the tools are listed")
        return await self._hub.definitions(servers)

    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        return _FailpointReader(self._hub.reader(servers, allowed, caller), self._failpoints)

    def executor(self, servers: Sequence[ServerSpec], caller: Caller | None = None) -> Executor:
        return _FailpointExecutor(self._hub.executor(servers, caller), self._failpoints)


class _FailpointReader:
    def __init__(self, reader: ReadTools, failpoints: Failpoints) -> None:
        self._reader = reader
        self._failpoints = failpoints

    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        self._failpoints.at("before a read")
        return await self._reader.read(server, tool, arguments)


class _FailpointExecutor:
    def __init__(self, executor: Executor, failpoints: Failpoints) -> None:
        self._executor = executor
        self._failpoints = failpoints

    async def definition_digest(self, server: str, tool: str, expected: str = "") -> str | None:
        self._failpoints.at("before a definition is read again")
        return await self._executor.definition_digest(server, tool, expected)

    async def input_schema(self, server: str, tool: str) -> JsonObject | None:
        return await self._executor.input_schema(server, tool)

    async def settings_digest(self, server: str) -> str:
        self._failpoints.at("before a server's settings are compared")
        return await self._executor.settings_digest(server)

    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        self._failpoints.at("before a call is sent")
        output = await self._executor.call(call, key, seconds)
        self._failpoints.at("after a call was answered")
        return output


class FailpointModel:
    """A model around each of whose replies the process can die."""

    def __init__(self, model: Model, failpoints: Failpoints) -> None:
        self._model = model
        self._failpoints = failpoints

    @property
    def name(self) -> str:
        return self._model.name

    def converse(self, system: str, turn_context: TurnContext) -> Conversation:
        return _FailpointConversation(self._model.converse(system, turn_context), self._failpoints, turn_context)


class _FailpointConversation:
    def __init__(self, conversation: Conversation, failpoints: Failpoints, turn_context: TurnContext) -> None:
        self._conversation = conversation
        self._failpoints = failpoints
        self._turn_context = turn_context

    async def send(self, inputs: Sequence[InputMessage], tools: Sequence[ToolSpec]) -> Reply:
        self._failpoints.at(f"before a {self._turn_context.purpose}'s reply")
        return await self._conversation.send(inputs, tools)

    async def close(self) -> None:
        await self._conversation.close()
