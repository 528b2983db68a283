"""What a worker does before a run can begin."""

import asyncio
from collections.abc import Sequence

from typing_extensions import override

from coordination.ports import ServerSpec, ToolDefinition
from coordination.preparation import prepare
from tests.builders import a_profile
from tests.fakes import FakeHub, FakePrepared, PlayedModel, World


async def test_servers_start_while_vendors_libraries_are_loaded() -> None:
    both_have_begun = asyncio.Barrier(2)

    class Hub(FakeHub):
        @override
        async def definitions(self, servers: Sequence[ServerSpec]) -> Sequence[ToolDefinition]:
            await both_have_begun.wait()
            return await super().definitions(servers)

    class Prepared(FakePrepared):
        @override
        async def load(self) -> None:
            await both_have_begun.wait()
            await super().load()

    async with asyncio.timeout(60):
        room = await prepare(Prepared(a_profile(1), [PlayedModel()]), Hub(World()))
    assert len(room.participants) == 1
