"""Break-glass in whole chats: a window for the reason, a message to everyone, and a card that says so for good."""

from pathlib import Path

from bot.message import Action
from coordination.domain import events as e
from tests.e2e import discord_harness, slack_harness
from tests.e2e.chat_configs import one_call
from tests.servers.discord_people import told

WHY = "The site is down & nobody answers."


async def test_on_discord_one_person_with_a_reason_runs_what_takes_two(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        one_call(tmp_path / "configs" / "night.yaml", discord.writer, alone="alice")
        card = await discord.planned("One", "night")
        await discord.shows(card, "In an emergency", "can approve alone")
        refused = await discord.bob.clicks(card, "Break glass…")
        assert "can use break-glass on this plan" in await told(discord.server, refused)
        window = await discord.alice.clicks(card, "Break glass…")
        await discord.server.until(lambda: window.kind == 9)
        assert "tick the box" in await told(
            discord.server, await discord.alice.fills_in(window, reason=WHY, confirm=[])
        )
        assert discord.writes() == []
        again = await discord.alice.clicks(card, "Break glass…")
        await discord.server.until(lambda: again.kind == 9)
        await discord.alice.fills_in(again, reason=WHY, confirm=["alone"])
        done = await discord.ends(card, "Done")
        assert "approved this plan alone" in done.text
        assert "Reason: The site is down" in done.text
        notices = [each for each in discord.server.messages.values() if "used break-glass on plan" in each.text]
        assert [each.channel for each in notices] == [card.channel]
        assert "Nobody else approved it" in notices[0].text
        assert "used break-glass: approved plan" in await discord.admin("audit", run=discord_harness.run_in(card.text))
        (given,) = [each for each in await discord.events(card) if isinstance(each, e.ApprovalGiven)]
        assert given.break_glass == WHY
    assert discord.writes() == ["One"]


async def test_on_slack_one_person_with_a_reason_runs_what_takes_two(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        one_call(tmp_path / "configs" / "night.yaml", slack.writer, alone="alice")
        card = await slack.planned("One", "night")
        await slack.shows(card, "In an emergency", "can approve alone")
        windows, alice = len(slack.server.views), slack.somebody("alice")
        await slack.clicks("alice", card, Action.BREAK_GLASS)
        window = await alice.opened(windows)
        await alice.fills_in_fields(window, reason=WHY, confirm=["alone"])
        done = await slack.ends(card, "Done")
        assert "approved this plan alone" in slack.plain(done)
        notices = [each for each in slack.cards() if "used break-glass on plan" in slack.plain(each)]
        assert len(notices) == 1
        assert "Nobody else approved it" in slack.plain(notices[0])
        assert "The site is down" in slack.plain(notices[0])
        (given,) = [each for each in await slack.events(card) if isinstance(each, e.ApprovalGiven)]
        assert given.break_glass == WHY
    assert slack.writes() == ["One"]
