"""Threat: the last of a role who could approve shapes the plan, and nobody tells them that it waits for nobody then.

What a chat does not tell is no reason to refuse anything.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.domain.policy import Authors, Person, Policy, apart_from, leaves_nobody
from tests.builders import ALICE, BOB, REQUESTER
from tests.e2e.discord_harness import Harness as DiscordStage
from tests.e2e.discord_harness import a_harness as a_discord_stage
from tests.e2e.slack_harness import Harness as SlackStage
from tests.e2e.slack_harness import a_harness as a_slack_stage
from tests.servers.discord_people import told
from tests.servers.discord_server import Fault as DiscordFault
from tests.servers.slack_server import Fault as SlackFault

NOBODY = "Nobody could approve a plan that follows your words"
UNDER_WAY = "nobody can approve the result"


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[SlackStage]:
    async with a_slack_stage(tmp_path) as harness:
        harness.server.teams[0].groups[0]["users"] = ["URITA", "UALICE"]
        yield harness


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncGenerator[DiscordStage]:
    async with a_discord_stage(tmp_path) as harness:
        harness.bob.leaves()
        yield harness


async def test_discord_the_last_approver_of_a_role_is_told_before_their_words_are_taken(discord: DiscordStage) -> None:
    async with discord.bot():
        card = await discord.planned()
        assert NOBODY in await told(
            discord.server, await discord.rejects(discord.alice, card, "Shorter.", "Request changes")
        )
        await discord.alice.clicks(card, "Approve")
        await discord.ends(card, "Done")


async def test_discord_whose_role_nobody_else_has_hears_so_when_they_ask(discord: DiscordStage) -> None:
    discord.alice.loses("ops")
    async with discord.bot():
        assert UNDER_WAY in await told(discord.server, await discord.rita.types("massgen", prompt="Tell everyone"))


async def test_discord_words_are_taken_where_it_does_not_tell_who_has_a_role(discord: DiscordStage) -> None:
    discord.server.faults.append(DiscordFault("GET", "/roles/member-counts$", status=403, times=99))
    async with discord.bot():
        card = await discord.planned()
        await discord.rejects(discord.alice, card, "Shorter.", "Request changes")
        await discord.shows(card, "short: Tell everyone")


async def test_slack_the_last_approver_of_a_group_is_told_before_their_words_are_taken(slack: SlackStage) -> None:
    async with slack.bot():
        card = await slack.planned()
        before = len(slack.server.private_messages)
        await slack.answers("alice", card, "change", "Shorter.")
        assert NOBODY in await slack.private_message(before)
        await slack.clicks("alice", card, "approve")
        await slack.ends(card, "Done")


async def test_slack_whose_approvers_group_was_disabled_hears_so_when_they_ask(
    slack: SlackStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.composition.COUNTED_SECONDS", 0.0)
    async with slack.bot():
        await slack.planned()
        slack.server.teams[0].groups.clear()
        before = len(slack.server.private_messages)
        await slack.somebody("rita").mention("Tell everyone else")
        assert UNDER_WAY in await slack.private_message(before)


async def test_slack_words_are_taken_where_it_does_not_tell_who_is_in_a_group(slack: SlackStage) -> None:
    async with slack.bot():
        card = await slack.planned()
        slack.server.faults.append(SlackFault(method="usergroups.list", error="missing_scope", times=99))
        await slack.answers("alice", card, "change", "Shorter.")
        await slack.shows(card, "short: Tell everyone")


def test_only_people_who_could_count_are_counted() -> None:
    authors = Authors(requester=REQUESTER, shapers=(ALICE,))
    policy = Policy(roles=("ops",), users=(BOB.id,))
    assert apart_from(policy, authors) == (BOB.id, REQUESTER.id, ALICE.id)
    assert apart_from(Policy(roles=("ops",), allow_author=True, allow_requester=True), authors) == ()
    for required, others, is_nobody in ((1, 0, False), (2, 0, True), (2, 1, False), (3, 1, True), (9, None, False)):
        rule = Policy(roles=("ops",), users=(BOB.id,), required=required)
        assert leaves_nobody(rule, authors, others=others) is is_nobody, (required, others)
    assert leaves_nobody(Policy(roles=("ops",)), authors, others=0)
    assert not leaves_nobody(Policy(), authors, others=0)
    assert not leaves_nobody(Policy(roles=("ops",)), Authors(requester=Person(tenant="here", id="x", name="x")))
