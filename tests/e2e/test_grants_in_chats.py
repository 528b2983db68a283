"""Standing grants in whole chats: given in a window, used by later runs, held by a freeze, listed, and taken back."""

from pathlib import Path

from bot.message import Action
from tests.e2e import discord_harness, slack_harness
from tests.e2e.chat_configs import one_call
from tests.servers.discord_people import told

TEXT = "1"
"""The place of the argument `text`, after `channel`."""


async def test_on_discord_a_grant_runs_later_plans_until_it_is_revoked(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        one_call(tmp_path / "configs" / "routine.yaml", discord.writer, grants=True)
        first = await discord.planned("One", "routine")
        await discord.bob.clicks(first, "Approve")
        await discord.ends(first, "Done")
        window = await discord.alice.chooses(first, "1")
        await discord.server.until(lambda: window.kind == 9)
        given = await told(discord.server, await discord.alice.fills_in(window, lasts="1h", most="4", free=[TEXT]))
        assert "4 calls of `world.write`" in given

        second = await discord.ends(await discord.asks("Two", "routine"), "Done")
        assert "alice's standing grant" in second.text
        assert "(0 of 4 used before)" in second.text

        await discord.admin("freeze")
        third = await discord.shows(
            await discord.asks("Three", "routine"), "alice's standing grant", "froze everything"
        )
        assert discord.writes() == ["One", "Two"]
        await discord.admin("thaw")
        await discord.ends(third, "Done")

        await discord.admin("freeze")
        fourth = await discord.shows(
            await discord.asks("Four", "routine"), "alice's standing grant", "froze everything"
        )
        listed = await discord.admin("grants")
        assert "2 of 4 calls used" in listed
        name = listed.partition("**")[2].partition("**")[0]
        assert "Revoked" in await discord.admin("grants", revoke=name)
        assert "no standing grants" in await discord.admin("grants")
        await discord.admin("thaw")
        await discord.shows(fourth, "Decide", "was revoked")
        assert discord.writes() == ["One", "Two", "Three"]
        await discord.bob.clicks(fourth, "Approve")
        await discord.ends(fourth, "Done")
    assert discord.writes() == ["One", "Two", "Three", "Four"]


async def test_on_slack_a_grant_runs_later_plans_until_it_is_revoked(tmp_path: Path) -> None:
    async with slack_harness.a_harness(tmp_path) as slack, slack.bot():
        one_call(tmp_path / "configs" / "routine.yaml", slack.writer, grants=True)
        first = await slack.planned("One", "routine")
        await slack.clicks("bob", first, "approve")
        await slack.ends(first, "Done")
        windows, answers = len(slack.server.views), len(slack.server.private_messages)
        await slack.clicks("alice", first, Action.GRANT, option="1")
        alice = slack.somebody("alice")
        await alice.fills_in_fields(await alice.opened(windows), lasts="1h", most="4", free=[TEXT])
        assert "4 calls of world.write" in await slack.private_message(answers)

        second = await slack.ends(await slack.asks("Two", "routine"), "Done")
        assert "standing grant" in slack.plain(second)
        assert "(0 of 4 used before)" in slack.plain(second)

        await slack.admin("freeze")
        third = await slack.shows(await slack.asks("Three", "routine"), "standing grant", "froze everything")
        assert slack.writes() == ["One", "Two"]
        await slack.admin("thaw")
        await slack.ends(third, "Done")

        await slack.admin("freeze")
        fourth = await slack.shows(await slack.asks("Four", "routine"), "standing grant", "froze everything")
        listed = await slack.admin("grants")
        assert "2 of 4 calls used" in listed
        name = listed.partition(": ")[0].split("Standing grants")[-1]
        assert "Revoked" in await slack.admin(f"grants revoke {name}")
        assert "no standing grants" in await slack.admin("grants")
        await slack.admin("thaw")
        await slack.shows(fourth, "Decide", "was revoked")
        assert slack.writes() == ["One", "Two", "Three"]
        await slack.clicks("bob", fourth, "approve")
        await slack.ends(fourth, "Done")
    assert slack.writes() == ["One", "Two", "Three", "Four"]
