"""Threat: an administrator of a server has everything stop, and a click there starts approved calls all the same."""

from pathlib import Path

from tests.e2e import discord_harness, slack_harness


async def test_on_discord_what_is_approved_under_a_freeze_waits_for_the_thaw(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        card = await discord.planned()
        await discord.admin("freeze")
        await discord.shows(card, "froze everything here")
        await discord.bob.clicks(card, "Approve")
        await discord.shows(card, "Approved by bob", "froze everything here")
        assert discord.writes() == []
        await discord.admin("thaw")
        await discord.ends(card, "Done")
    assert len(discord.writes()) > 0


async def test_on_slack_what_is_approved_under_a_freeze_waits_for_the_thaw(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        card = await slack.planned()
        assert "Frozen: no approved call starts" in await slack.admin("freeze")
        await slack.shows(card, "froze everything here")
        await slack.clicks("bob", card, "approve")
        await slack.shows(card, "Approved by", "froze everything here")
        assert slack.writes() == []
        await slack.admin("thaw")
        await slack.ends(card, "Done")
    assert len(slack.writes()) > 0
