"""Whoever takes a name gets nothing with it: a name in a rule is looked up once, pinned to one id, and refused if it is several's."""

import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.domain.policy import Person, Policy
from tests.e2e.discord_harness import Harness as DiscordStage
from tests.e2e.discord_harness import a_harness as a_discord_stage
from tests.e2e.slack_harness import Harness as SlackStage
from tests.e2e.slack_harness import a_harness as a_slack_stage
from tests.servers.discord_people import told


def named(folder: Path, rule: str) -> None:
    """`ops.yaml`, the configuration that holds, with another rule."""
    path = folder / "configs" / "ops.yaml"
    text = re.sub(r"(?m)^approval:.*$", f"approval: {{approvers: {rule}}}", path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[SlackStage]:
    async with a_slack_stage(tmp_path) as harness:
        yield harness


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncGenerator[DiscordStage]:
    async with a_discord_stage(tmp_path) as harness:
        yield harness


async def test_an_account_that_is_renamed_to_an_approver_approves_nothing(slack: SlackStage) -> None:
    named(slack.folder, "{users: [alice]}")
    mallory = slack.server.teams[0].users["UMALLORY"]
    async with slack.bot():
        card = await slack.planned()
        mallory.update({"name": "alice", "profile": {"display_name": "alice", "real_name": "alice"}})
        assert "can decide on this plan" in await slack.refused("mallory", card, card.element("approve"))
        # The name was looked up before; who takes it now changes nothing for later plans either.
        again = await slack.planned("Once more")
        assert "can decide on this plan" in await slack.refused("mallory", again, again.element("approve"))
        await slack.clicks("alice", again, "approve")
        await slack.ends(again, "Done")


async def test_a_name_of_two_people_is_refused_until_somebody_says_who(slack: SlackStage) -> None:
    named(slack.folder, "{users: [alice]}")
    slack.server.teams[0].users["UMALLORY"]["profile"] = {"display_name": "alice"}
    async with slack.bot():
        await slack.somebody("rita").command("Tell everyone")
        await slack.server.until(lambda: any("are called alice" in str(each) for each in slack.server.private_messages))
        assert "nobody here has that name" in await slack.admin("approvers @alice")
        assert "UBOB" in await slack.admin("approvers <@UBOB|bob>")
        card = await slack.planned()
        await slack.clicks("bob", card, "approve")
        await slack.ends(card, "Done")


async def test_a_second_role_of_the_same_name_approves_nothing(discord: DiscordStage) -> None:
    async with discord.bot():
        card = await discord.planned()
        twin = discord.server.number()
        discord.server.guild.roles[twin] = "ops"
        impostor = replace(discord.mallory, role_ids=(twin,))
        for _ in range(2):
            refused = await told(discord.server, await impostor.clicks(card, "Approve"))
            assert "can decide on this plan" in refused
            card = await discord.planned("Once more")
        assert discord.writes() == []


async def test_a_role_name_that_two_roles_have_is_refused(discord: DiscordStage) -> None:
    discord.server.guild.roles[discord.server.number()] = "ops"
    async with discord.bot():
        answer = await told(discord.server, await discord.rita.types("massgen", prompt="Tell everyone"))
        assert "are called ops" in answer
        assert "are called ops" in await discord.admin("config use", name="ops")


async def test_a_rule_that_names_nobody_here_is_refused_before_the_agents_begin(discord: DiscordStage) -> None:
    named(discord.folder, "{roles: [captains], users: [nemo]}")
    async with discord.bot():
        answer = await told(discord.server, await discord.rita.types("massgen", prompt="Tell everyone"))
        assert "nobody here has that name" in answer


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_a_name_makes_nobody_an_approver(name: str, number: str, role: str) -> None:
    person = Person(tenant="here", id=f"id:{number}", name=name, roles=(f"id:{role}",))
    assert not Policy(users=(name, role), roles=(name, number)).names(person)
    assert Policy(users=(person.id,)).names(person)
