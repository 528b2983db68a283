"""Who asks in one workspace does not wait for all that was asked for, and approved, in another one before."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from typing_extensions import override

from bot.application import Overrides
from bot.chat.service_port import ChatService, PressButton, StartRun
from bot.chat_app import open_chat_service
from bot.variables import Environment
from coordination.domain.caller import Caller
from coordination.domain.canonical_json import JsonObject
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Person
from coordination.ports import ReadTools, ServerSpec, ToolOutput
from tests.databases import chosen
from tests.e2e.line_chat import CHANNEL, TENANT, LinePlatform
from tests.e2e.program import Program
from tests.fakes import FakeHub, FakeReader, World

OTHER = "line:other"
ROOM_FOR_ONE = {"MASSGEN_BOT_WORKER_DELIBERATIONS": "1", "MASSGEN_BOT_WORKER_EXECUTIONS": "1"}
CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: board.look, arguments: {title: "{prompt}"}}]
            - {calls: [{tool: board.post, arguments: {title: "{prompt}"}}], answer: One post.}
        report: [{say: That is what happened.}]
mcp_servers:
  board: {type: stdio, command: python3}
tools: [{match: board.look, effect: read}]
approval: {approvers: {roles: [ops]}, expires_after: 24h}
"""


class TwoWorkspaces(LinePlatform):
    """The line chat, as if it were two: everybody is in both. `cards` has the newest drawing of each message."""

    def __init__(self) -> None:
        super().__init__({"rita": (), "alice": ("ops",)})
        self.cards: dict[str, str] = {}

    @override
    async def _tell_all(self, line: str) -> None:
        self.cards[line.split(maxsplit=1)[0]] = line

    @override
    async def person_now(self, person: Person) -> Person | None:
        return replace(self.person(person.id), tenant=person.tenant)


@dataclass
class SlowBoard(World):
    """A world that answers when its gate is open, and notes in which order it was turned to."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    looked: list[str] = field(default_factory=list[str])
    posted: list[str] = field(default_factory=list[str])

    @override
    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        self.posted.append(json.loads(call.arguments)["title"])
        await self.gate.wait()
        return await super().call(call, key, seconds)


class SlowHub(FakeHub):
    """Reads wait at the same gate."""

    def __init__(self, board: SlowBoard) -> None:
        super().__init__(board)
        self._board = board

    @override
    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        return _SlowReader(self._board, allowed)


class _SlowReader(FakeReader):
    def __init__(self, board: SlowBoard, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(board, allowed)
        self._board = board

    @override
    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        self._board.looked.append(str(arguments["title"]))
        await self._board.gate.wait()
        return await super().read(server, tool, arguments)


@dataclass
class Harness:
    """One worker that has room for one job of each kind, behind the chat service."""

    chat_service: ChatService
    platform: TwoWorkspaces
    board: SlowBoard

    async def asks(self, prompt: str, tenant: str) -> None:
        request = StartRun(prompt=prompt, event_id=prompt)
        rita = replace(self.platform.person("rita"), tenant=tenant)
        await self.chat_service.handle(request, rita, replace(CHANNEL, tenant=tenant))

    async def approves(self, prompt: str, tenant: str) -> None:
        found = re.search(r"<Approve 1 call=([\w-]{22})>", self.card(prompt))
        assert found is not None
        press = PressButton(
            button=found[1], message=self.card(prompt).split(maxsplit=1)[0], event_id=f"yes to {prompt}"
        )
        alice = replace(self.platform.person("alice"), tenant=tenant)
        await self.chat_service.handle(press, alice, replace(CHANNEL, tenant=tenant))

    def card(self, prompt: str) -> str:
        return next((card for card in self.platform.cards.values() if f"“{prompt}”" in card), "")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - what is looked at can't tell
                await asyncio.sleep(0.01)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


@asynccontextmanager
async def a_harness(folder: Path) -> AsyncGenerator[Harness]:
    (folder / "configs").mkdir()
    (folder / "configs/ops.yaml").write_text(CONFIG, encoding="utf-8")
    environ = Program(folder, ROOM_FOR_ONE).surroundings(
        MASSGEN_BOT_CONFIGS=str(folder / "configs"),
        MASSGEN_BOT_CONFIG="ops",
        MASSGEN_BOT_STATE=str(folder),
        DATABASE_URL=chosen.address(folder),
        MASSGEN_BOT_RUNS_AT_ONCE_EACH="10",
    )
    platform, board = TwoWorkspaces(), SlowBoard()
    hub = SlowHub(board)
    async with open_chat_service(Environment(environ), Overrides(hub=lambda _: hub), [platform]) as chat_service:
        yield Harness(chat_service, platform, board)


async def test_one_workspace_waits_for_one_run_of_another_and_not_for_its_backlog(harness: Harness) -> None:
    board, backlog = harness.board, [f"A{number}" for number in range(5)]
    await harness.asks("A0", TENANT)
    await harness.until(lambda: board.looked == ["A0"])
    for prompt in backlog[1:]:
        await harness.asks(prompt, TENANT)
    await harness.asks("B", OTHER)
    board.gate.set()
    prompts = [*backlog, "B"]
    await harness.until(lambda: all("<Approve 1 call=" in harness.card(prompt) for prompt in prompts))
    assert board.looked[:2] == ["A0", "B"]
    assert sorted(board.looked) == prompts
    assert board.posted == []

    board.gate.clear()
    await harness.approves("A0", TENANT)
    await harness.until(lambda: board.posted == ["A0"])
    for prompt in backlog[1:]:
        await harness.approves(prompt, TENANT)
    await harness.approves("B", OTHER)
    board.gate.set()
    await harness.until(lambda: all(harness.card(prompt).split()[1] == "Done" for prompt in prompts))
    assert board.posted[:2] == ["A0", "B"]
    assert sorted(board.posted) == prompts
