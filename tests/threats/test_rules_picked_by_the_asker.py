"""Threat: somebody without a role asks under a lenient configuration, whose `auto` calls need nobody.

Over both chats' real adapters, with the real chat service, database and tool servers behind them.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.builders import MALLORY
from tests.e2e import discord_harness, slack_harness
from tests.servers.discord_people import told
from tests.service.chat_service_harness import ADMIN, GENERAL, TEAM, ChatServiceHarness, texts

CLOSED = {"MASSGEN_BOT_MEMBER_CONFIGS": ""}


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncGenerator[discord_harness.Harness]:
    async with discord_harness.a_harness(tmp_path) as harness:
        lenient(tmp_path)
        yield harness


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[slack_harness.Harness]:
    async with slack_harness.a_harness(tmp_path) as harness:
        lenient(tmp_path)
        yield harness


def lenient(folder: Path) -> None:
    """`ops`, but for its rules: what it writes needs nobody."""
    ops = (folder / "configs" / "ops.yaml").read_text(encoding="utf-8")
    text = ops.replace("effect: read}]", 'effect: read}, {match: "world.write", effect: auto}]')
    assert "auto" in text
    (folder / "configs" / "lenient.yaml").write_text(text, encoding="utf-8")


async def test_on_discord_a_member_can_not_name_a_lenient_configuration(discord: discord_harness.Harness) -> None:
    async with discord.bot(**CLOSED):
        assert await discord.mallory.completes("massgen", "config", "") == ["ops"]
        used = await discord.mallory.types("massgen", prompt="Write.", config="lenient")
        assert "can't choose lenient here, only: ops" in await told(discord.server, used)
        assert "lenient" in await discord.ada.completes("massgen", "config", "l")
    assert discord.writes() == []


async def test_on_discord_approvers_that_an_administrator_set_are_asked_about_automatic_calls(
    discord: discord_harness.Harness,
) -> None:
    async with discord.bot(MASSGEN_BOT_CONFIG="lenient"):
        assert "approval by" in await discord.admin("approvers", value=f"<@{discord.bob.id}>")
        card = await discord.planned()
        assert discord.writes() == []
        await discord.bob.clicks(card, "Approve")
        await discord.ends(card, "Done")
    assert len(discord.writes()) == 2


async def test_on_slack_a_member_can_not_name_a_lenient_configuration_until_it_is_opened(
    slack: slack_harness.Harness,
) -> None:
    async with slack.bot(**CLOSED):
        before = len(slack.server.private_messages)
        await slack.somebody("mallory").command("--config lenient Write.")
        said = await slack.private_message(before + 1)
        assert "can't choose lenient here, only: ops" in said
        assert "administrators" in await slack.admin("config allow lenient", who="mallory")
        assert "lenient" in await slack.admin("config allow lenient, two workspace")
        await slack.ends(await slack.asks("Write.", "lenient", who="mallory"), "Done")
    assert len(slack.writes()) == 2


async def test_on_slack_approvers_that_an_administrator_set_are_asked_about_automatic_calls(
    slack: slack_harness.Harness,
) -> None:
    async with slack.bot(MASSGEN_BOT_CONFIG="lenient"):
        assert "2" in await slack.admin("approvers required=2")
        await slack.planned()
    assert slack.writes() == []


async def test_a_follow_up_and_ask_again_are_no_way_back_to_a_configuration_that_is_closed(tmp_path: Path) -> None:
    """What an administrator asked for under another configuration is not there for whoever presses *Ask again*."""
    harness = ChatServiceHarness(tmp_path, members={})
    harness.write("lenient", TEAM)
    asked = await harness.start_run(ADMIN, GENERAL, "Post.", config="lenient")
    await harness.work()
    for reply in (
        await harness.retry(MALLORY, GENERAL, asked.run),
        await harness.start_run(MALLORY, GENERAL, "And now?", thread_of=asked.run),
    ):
        assert (await harness.people.state(reply.run)).request.config == "team"
    refused = await harness.start_run(MALLORY, GENERAL, "Post.", config="lenient", thread_of=asked.run)
    assert "can't choose lenient" in texts(refused)


async def test_an_administrator_says_what_members_may_name_and_takes_it_back(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path, members={})
    harness.write("lenient")
    assert "team\nlenient" not in texts(await harness.admin("config-allow"))
    assert "lenient" in texts(await harness.admin("config-allow", name="lenient"))
    assert list(await harness.chat_service.config_names(GENERAL, "")) == ["lenient", "team"]
    assert "no configuration nope" in texts(await harness.admin("config-allow", name="nope"))
    assert "lenient" in texts(await harness.admin("config-allow", name="*"))
    assert "lenient" not in texts(await harness.admin("config-allow", name="none"))
    assert "lenient" not in texts(await harness.admin("config-allow", name="reset"))
    assert "nothing to reset" in texts(await harness.admin("config-allow", name="reset"))
