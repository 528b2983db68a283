"""Standing grants in whole chats: given in a window, used by later runs, held by a freeze, listed, and taken back."""

from pathlib import Path

from bot.message import Action
from tests.e2e import discord_harness, slack_harness
from tests.e2e.chat_configs import one_call
from tests.servers.discord_people import told

TEXT = "1"
"""The place of the argument `text`, after `channel`."""


async def test_on_discord_a_plan_on_a_grant_waits_for_the_thaw_and_on_a_revoked_one_for_people(tmp_path: Path) -> None:
    async with discord_harness.a_harness(tmp_path) as discord, discord.bot():
        one_call(tmp_path / "configs" / "routine.yaml", discord.writer, grants=True)
        first = await discord.planned("One", "routine")
        await discord.bob.clicks(first, "Approve")
        await discord.ends(first, "Done")
        window = await discord.alice.chooses(first, "1")
        await discord.server.until(lambda: window.kind == 9)
        given = await told(discord.server, await discord.alice.fills_in(window, lasts="1h", most="4", free=[TEXT]))
        assert "4 calls of `world.write`" in given

        await discord.admin("freeze")
        second = await discord.asks("Two", "routine")
        await discord.shows(second, "alice's standing grant", "(0 of 4 used before)", "froze everything")
        assert discord.writes() == ["One"]
        await discord.admin("thaw")
        await discord.ends(second, "Done")

        listed = await discord.admin("grants")
        assert "1 of 4 calls used" in listed
        name = listed.partition("**")[2].partition("**")[0]
        refused = await told(discord.server, await discord.bob.types("massgen-grants", revoke=name))
        assert "Only alice and administrators" in refused
        assert "Revoked" in await discord.admin("grants", revoke=name)
        await discord.planned("Three", "routine")
    assert discord.writes() == ["One", "Two"]


async def test_on_slack_a_grant_that_is_revoked_under_a_freeze_starts_nothing_after_it(tmp_path: Path) -> None:
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
        listed = await slack.told("alice", "grants")
        assert "1 of 4 calls used" in listed
        assert "1 of 4 calls used" in await slack.admin("grants")
        name = listed.partition(": ")[0].split("that you gave")[-1]
        assert "Revoked" in await slack.told("alice", f"grants revoke {name}")
        await slack.admin("thaw")
        await slack.shows(third, "Waiting for approval", "was revoked")
        assert slack.writes() == ["One", "Two"]
        await slack.clicks("bob", third, "approve")
        await slack.ends(third, "Done")
    assert slack.writes() == ["One", "Two", "Three"]
