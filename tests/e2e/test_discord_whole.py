"""`massgen-bot discord` as it is: a process of its own, killed and started again, at its own pace."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e.discord_harness import Harness, a_harness, run_in
from tests.e2e.program import ROOT
from tests.servers.discord_people import told


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


async def test_from_the_command_over_kill_nine_to_the_receipts(harness: Harness) -> None:
    server = harness.server
    async with harness.process():
        used = await harness.rita.types("massgen", prompt="Tell everyone", config="calm")
        answer = await told(server, used)
        assert used.kind == 5, "it was not acknowledged first"
        card = await harness.card(run_in(answer))
        await harness.shows(card, "Waiting for approval")
        approve = card.button("Approve 2 calls")
        assert run_in(answer) not in approve
    assert harness.writes() == []
    async with harness.process():
        await harness.alice.clicks(card, "", custom_id=approve)
        await harness.ends(card, "Done")
        await server.until(lambda: harness.private_messages(harness.rita) and "alice approved" in harness.story(card))
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]
    assert "Approved by alice" in card.text
    assert card.text.count("✅") == 2
    assert card.labels == ["Details"]
    assert harness.cards() == [card]
    story = harness.story(card)
    assert story.index("rita asked") < story.index("agent1.1") < story.index("voted") < story.index("alice approved")
    assert [run_in(each.text) for each in harness.private_messages(harness.rita)] == [run_in(card.text)]
    assert len(harness.gaps()) >= 2
    assert min(harness.gaps()) > 1.9


async def test_sigterm_ends_it_in_order_and_the_demos_card_goes_on_after_the_next_start(harness: Harness) -> None:
    demo = {"MASSGEN_BOT_CONFIGS": str(ROOT / "configs"), "MASSGEN_BOT_CONFIG": "demo", "MASSGEN_BOT_DEMO_PACE": "0.3"}
    async with harness.process(**demo) as process:
        card = await harness.asks("Announce the street party on 12 June")
        process.terminate()
        async with asyncio.timeout(60):
            assert await process.wait() == 0
        assert process.stderr is not None
        said = (await process.stderr.read()).decode()
        lines = [json.loads(line) for line in said.splitlines()]
        assert [line["message"] for line in lines if line["logger"] == "massgen-bot"] == [
            "Logged in as massgen. Press Ctrl-C or send SIGTERM to stop."
        ]
    async with harness.process(**demo):
        await harness.shows(card, "Waiting for approval")
        await harness.rita.clicks(card, "Approve 2 calls")
        await harness.ends(card, "Done")
    assert harness.cards() == [card]
    board = (harness.folder / "notices.json").read_text(encoding="utf-8")
    assert '"Announce the street party on 12 June":' in board
    assert '"Reminder: Announce the street party on 12 June":' in board
