"""A plan with a token in a real chat: people see what stands for it, and the tool server gets the token."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.secret_marks import MARK_BEGINS, MARKS
from tests.e2e.chat_configs import one_call
from tests.e2e.discord_harness import Harness, a_harness
from tests.unit.test_secret_marks import TOKEN


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


def shown(harness: Harness) -> str:
    """Every message there is, in whatever channel, with its files."""
    messages = harness.server.messages.values()
    return "\n".join(f"{each.payload} {[str(file) for file in each.files.values()]}" for each in messages)


async def test_a_token_is_hidden_from_everybody_and_sent_as_it_is(harness: Harness) -> None:
    one_call(harness.folder / "configs" / "one.yaml", harness.writer)
    async with harness.bot():
        card = await harness.planned(f"Sign in with {TOKEN}", "one")
        assert MARKS.of(TOKEN) in card.text
        assert "Secrets are hidden" in card.text
        waiting = shown(harness)
        await harness.alice.clicks(card, "Approve 1 call")
        await harness.ends(card, "Done")
        started = [event for event in await harness.events(card) if isinstance(event, e.CallStarted)]
        told = waiting + shown(harness)
    assert harness.writes() == [f"Sign in with {TOKEN}"]
    assert json.loads(started[0].arguments)["text"] == f"Sign in with {TOKEN}"
    assert MARK_BEGINS in told
    assert TOKEN[:14] not in told
