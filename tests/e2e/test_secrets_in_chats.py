"""A plan with a token in a real chat: people see what stands for it, and the tool server gets the token."""

import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from coordination.domain import events as e
from coordination.secret_marks import MARK_BEGINS, MARKS
from tests.e2e import slack_harness
from tests.e2e.chat_configs import one_call
from tests.e2e.discord_harness import Harness, a_harness
from tests.unit.test_secret_marks import TOKEN

PROMPT = f"Sign in with {TOKEN}"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[slack_harness.Harness]:
    async with slack_harness.a_harness(tmp_path) as harness:
        yield harness


def shown(harness: Harness) -> str:
    """Every message there is, in whatever channel, with its files."""
    messages = harness.server.messages.values()
    return "\n".join(f"{each.payload} {[str(file) for file in each.files.values()]}" for each in messages)


def shown_in_slack(harness: slack_harness.Harness) -> str:
    """All that Slack was ever told to show: messages in each of their versions, windows, Homes, private answers and files."""
    server = harness.server
    seen = [each.versions for each in server.messages.values()]
    return str([*seen, server.private_messages, server.views, server.homes, server.files])


def check_sent(writes: Sequence[str], events: Sequence[e.RunEvent]) -> None:
    """The tool server and the log have the value that was approved."""
    (started,) = [event for event in events if isinstance(event, e.CallStarted)]
    assert list(writes) == [PROMPT]
    assert json.loads(started.arguments)["text"] == PROMPT


async def test_a_token_is_hidden_from_everybody_and_sent_as_it_is(harness: Harness) -> None:
    one_call(harness.folder / "configs" / "one.yaml", harness.writer)
    async with harness.bot():
        card = await harness.planned(PROMPT, "one")
        assert MARKS.of(TOKEN) in card.text
        assert "Secrets are hidden" in card.text
        waiting = shown(harness)
        await harness.alice.clicks(card, "Approve 1 call")
        await harness.ends(card, "Done")
        check_sent(harness.writes(), await harness.events(card))
        told = waiting + shown(harness)
    assert MARK_BEGINS in told
    assert TOKEN[:14] not in told


async def test_a_token_is_hidden_from_everybody_in_slack_and_sent_as_it_is(slack: slack_harness.Harness) -> None:
    one_call(slack.folder / "configs" / "one.yaml", slack.writer)
    async with slack.bot():
        card = await slack.planned(PROMPT, "one")
        assert MARKS.of(TOKEN) in slack.plain(card)
        assert "Secrets are hidden" in slack.plain(card)
        await slack.clicks("alice", card, "details")
        window = await slack.somebody("alice").opened()
        assert MARKS.of(TOKEN) in str(window)
        await slack.somebody("alice").opens_home()
        await slack.server.until(lambda: "UALICE" in slack.server.homes)
        await slack.clicks("alice", card, "approve")
        await slack.ends(card, "Done")
        check_sent(slack.writes(), await slack.events(card))
        told = shown_in_slack(slack)
    assert MARK_BEGINS in told
    assert TOKEN[:14] not in told
