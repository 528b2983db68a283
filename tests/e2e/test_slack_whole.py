"""`massgen-bot slack` as it is: a process of its own, killed and started again, at its own pace."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e.slack_stage import Stage, a_stage, run_in


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with a_stage(tmp_path) as stage:
        yield stage


async def test_from_the_command_over_kill_nine_to_the_receipts_by_socket(stage: Stage) -> None:
    server = stage.server
    server.watches_rate = True
    async with stage.process():
        card = await stage.asks("Tell everyone", "calm")
        assert "Got it" in server.whispers[0]["text"]
        await stage.shows(card, "Decide")
        approve = card.element("approve")
        assert run_in(card.text) not in approve["value"]
    assert stage.writes() == []
    async with stage.process():
        await stage.clicks("alice", card, "approve")
        await stage.ends(card, "Done")
        await server.until(lambda: stage.direct("rita"))
    assert stage.writes() == ["Tell everyone", "again: Tell everyone"]
    assert "Approved by alice" in stage.plain(card)
    assert card.text.count("✓") == 2
    assert not card.has_any()
    assert stage.cards() == [card]
    story = stage.story(card)
    assert story.index("rita asked") < story.index("agent1.1") < story.index("voted") < story.index("alice approved")
    assert [run_in(stage.plain(each)) for each in stage.direct("rita")] == [run_in(card.text)]
    assert len(card.versions) >= 3
