"""Threat: rules get stricter, or an approver loses the role, and a plan that waits, or was approved, runs by the old ones.

Over a terminal and both chats' real adapters, with real configurations, databases and tool servers.
"""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.e2e import discord_harness, slack_harness
from tests.e2e.program import SHAKY, Program
from tests.servers.discord_people import told

GUARDED = SHAKY.replace("answer: Two writes.", "answer: Two writes.") + "approval: {{allow_requester: true}}\n"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncGenerator[discord_harness.Harness]:
    async with discord_harness.a_harness(tmp_path) as harness:
        yield harness


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[slack_harness.Harness]:
    async with slack_harness.a_harness(tmp_path) as harness:
        yield harness


def planned(program: Program) -> tuple[Path, str]:
    path = program.folder / "world.yaml"
    path.write_text(GUARDED.format(journal=program.folder / "journal", behaviour="lies"), encoding="utf-8")
    ended = program.run("run", "Write.", "-c", str(path), "--events")
    assert ended.status == 3, ended.err
    return path, ended.run


def done(program: Program) -> int:
    writer = program.folder / "journal"
    return len(writer.read_text(encoding="utf-8").splitlines()) if writer.exists() else 0


def test_a_plan_under_unchanged_rules_runs(program: Program) -> None:
    _, run = planned(program)
    assert program.run("approve", run).status == 0
    assert done(program) == 2


def test_what_is_denied_since_the_plan_was_made_does_not_run(program: Program) -> None:
    path, run = planned(program)
    path.write_text(
        path.read_text(encoding="utf-8") + "tools: [{match: world.write, effect: deny}]\n", encoding="utf-8"
    )
    ended = program.run("approve", run)
    assert ended.status == 3, ended.err
    assert "forbid a call in this plan" in ended.err
    assert done(program) == 0


@pytest.mark.parametrize(
    "tighter",
    [
        "{allow_requester: true, required: 2}",
        "{allow_requester: false}",
        "{allow_requester: true, expires_after: 1h}",
        "{allow_requester: true, approvers: {users: [somebody-else]}}",
    ],
)
def test_a_rule_that_got_stricter_has_the_plan_asked_again(program: Program, tighter: str) -> None:
    path, run = planned(program)
    text = path.read_text(encoding="utf-8").replace("{allow_requester: true}", tighter)
    path.write_text(text, encoding="utf-8")
    ended = program.run("approve", run)
    assert ended.status == 3, ended.out
    assert "replaced by a newer one" in ended.err
    assert "The rules got stricter, so this plan needs approval again" in program.run("status", run).out
    assert done(program) == 0


def test_a_rule_that_got_laxer_leaves_the_plan_as_it_was_shown(program: Program) -> None:
    path, run = planned(program)
    text = path.read_text(encoding="utf-8").replace(
        "{allow_requester: true}", "{allow_requester: true, expires_after: 2d}"
    )
    path.write_text(text, encoding="utf-8")
    assert program.run("approve", run).status == 0
    assert done(program) == 2


def test_a_configuration_that_can_not_be_read_any_more_approves_nothing(program: Program) -> None:
    path, run = planned(program)
    path.write_text("agents: 5", encoding="utf-8")
    ended = program.run("approve", run)
    assert ended.status == 3
    assert "can't be read, so nothing can be approved" in ended.err
    assert done(program) == 0


async def test_on_discord_approvers_set_while_a_plan_waits_decide_on_it(discord: discord_harness.Harness) -> None:
    async with discord.bot():
        card = await discord.planned()
        await discord.admin("approvers", value=f"<@{discord.bob.id}>")
        assert "replaced by a newer one" in await told(discord.server, await discord.alice.clicks(card, "Approve"))
        await discord.shows(card, "needs approval again")
        assert "Only" in await told(discord.server, await discord.alice.clicks(card, "Approve"))
        assert discord.writes() == []
        await discord.bob.clicks(card, "Approve")
        await discord.ends(card, "Done")


async def test_on_discord_an_approver_who_lost_the_role_does_not_count(discord: discord_harness.Harness) -> None:
    async with discord.bot():
        card = await discord.planned(config="two")
        await discord.alice.clicks(card, "Approve")
        await discord.shows(card, "1 of 2")
        discord.alice.loses("ops")
        assert "replaced by a newer one" in await told(discord.server, await discord.bob.clicks(card, "Approve"))
        await discord.shows(card, "may no longer do so")
    assert discord.writes() == []


async def test_on_slack_an_approver_who_left_the_group_does_not_count(slack: slack_harness.Harness) -> None:
    async with slack.bot():
        card = await slack.planned(config="two")
        await slack.clicks("alice", card, "approve")
        await slack.shows(card, "1 of 2")
        for group in slack.server.teams[0].groups:
            group["users"] = [user for user in group["users"] if user != "UALICE"]
        assert "replaced by a newer one" in await slack.refused("bob", card, card.element("approve"))
        await slack.shows(card, "may no longer do so")
    assert slack.writes() == []
