"""Chats served by one process, all work done by another: neither has what only the other needs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.variables import Environment
from coordination.storage.overview import DatabaseWatch
from tests.e2e.discord_harness import Harness, a_harness
from tests.e2e.program import HOME, Program

SECRETS = {"OPENAI_API_KEY": "sk-of-the-worker", "WORLD_ADDRESS": "of the world"}
"""What agents and tool servers need; scripted agents use none of it, and a run without it is refused all the same."""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        config = harness.folder / "configs" / "ops.yaml"
        text = config.read_text(encoding="utf-8")
        text = text.replace("type: scripted\n", "type: scripted\n      fallback: {type: openai, model: gpt-4.1}\n")
        text = text.replace("    type: stdio\n", "    type: stdio\n    env: {ADDRESS: '${WORLD_ADDRESS}'}\n")
        config.write_text(text, encoding="utf-8")
        yield harness


@asynccontextmanager
async def running(harness: Harness, *command: str, lacks: str, **environ: str) -> AsyncGenerator[None]:
    """A command as a process of its own, whose environment has nothing that begins with `lacks`."""
    given = {name: value for name, value in harness.environ(**environ).items() if not name.startswith(lacks)}
    with await asyncio.to_thread(Program(harness.folder, {**given, **HOME}).start, *command) as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()


async def test_a_front_end_without_keys_and_a_worker_without_tokens_carry_a_run_to_its_end(harness: Harness) -> None:
    watch = DatabaseWatch(Environment(harness.environ()).database_url())
    async with running(harness, "discord", "--no-work", lacks="OPENAI_"):
        await harness.server.until(lambda: bool(harness.server.identified), 60)
        card = await harness.asks("Tell everyone")
        assert await asyncio.to_thread(watch.workers) == []
        async with running(harness, "worker", lacks="DISCORD_", **SECRETS):
            await harness.shows(card, "Waiting for approval", seconds=60)
            assert not harness.writer.exists()
            await harness.alice.clicks(card, "Approve 2 calls")
            await harness.ends(card, "Done")
            assert len(await asyncio.to_thread(watch.workers)) == 1
    watch.close()
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]
