"""Databases as earlier releases left them, dying with work in hand: `NAME.sqlite.sql` and `NAME.postgresql.sql`.

`python -m tests.crash.earlier_releases FOLDER NAME`, run in a checkout of that release with this package in it, writes
both. Keep this package to what every release has.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from bot.application import Overrides
from tests.e2e.line_chat import LinePlatform
from tests.fakes import FakeHub, FakeReader, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coordination.domain.caller import Caller
    from coordination.domain.canonical_json import JsonObject
    from coordination.domain.plan import PlannedCall
    from coordination.ports import ReadTools, ServerSpec, ToolOutput

FOLDER = Path(__file__).parent
DRAWN = "-- drawn: "
"""What the last drawing of each card begins with in a dump: people go on with the buttons that they see."""

CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: board.look, arguments: {title: all}}]
            - calls:
                - {tool: board.post, arguments: {title: "{prompt}"}}
                - {tool: board.post, arguments: {title: "again: {prompt}"}}
              answer: Two posts.
        report: [{say: That is what happened.}]
mcp_servers:
  board: {type: stdio, command: python3}
tools: [{match: board.look, effect: read}]
approval: {approvers: {roles: [ops]}, expires_after: 24h}
"""


@dataclass
class Hall(LinePlatform):
    """The chat of one line a message, whose lines are kept: `drawn` is the newest of each message."""

    drawn: dict[str, str] = field(default_factory=dict[str, str])

    @override
    async def _tell_all(self, line: str) -> None:
        self.drawn[line.split(maxsplit=1)[0]] = line

    def has(self, message: str, words: str) -> bool:
        """Whether a message says that now."""
        return words in self.drawn.get(message, "")


class Board(World):
    """A world whose answers never come, once it hangs."""

    hangs = False

    @override
    async def call(self, call: PlannedCall, key: str, seconds: float | None = None) -> ToolOutput:
        if self.hangs:
            self.keys.append(key)
            await asyncio.Event().wait()
        return await super().call(call, key)


class _Reader(FakeReader):
    def __init__(self, world: Board, allowed: frozenset[tuple[str, str]]) -> None:
        super().__init__(world, allowed)
        self._board = world

    @override
    async def read(self, server: str, tool: str, arguments: JsonObject) -> ToolOutput:
        if self._board.hangs:
            self._board.reads.append((server, tool, ""))
            await asyncio.Event().wait()
        return await super().read(server, tool, arguments)


class _Hub(FakeHub):
    def __init__(self, world: Board) -> None:
        super().__init__(world)
        self._board = world

    @override
    def reader(
        self, servers: Sequence[ServerSpec], allowed: frozenset[tuple[str, str]], caller: Caller | None = None
    ) -> ReadTools:
        return _Reader(self._board, allowed)


def over(board: Board) -> Overrides:
    """The real program over this board."""
    hub = _Hub(board)
    return Overrides(hub=lambda _: hub)
