"""Guests, partners of other companies, bots and closed accounts neither ask nor decide, unless a configuration says so.

Where nobody is named, "anyone here" means full members.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.domain.policy import UNKNOWN_TEAM, Person, Policy
from tests.e2e.discord_harness import Harness as DiscordStage
from tests.e2e.discord_harness import a_harness as a_discord_stage
from tests.e2e.slack_harness import Harness as SlackStage
from tests.e2e.slack_harness import a_harness as a_slack_stage
from tests.e2e.slack_harness import run_in
from tests.servers.discord_people import Someone, told
from tests.servers.discord_world import Message

STRANGERS: dict[str, dict[str, Any]] = {
    "partner of another company": {"team_id": "T9", "is_stranger": False},
    "stranger": {"is_stranger": True},
    "guest": {"is_restricted": True},
    "guest of one channel": {"is_restricted": True, "is_ultra_restricted": True},
    "bot": {"is_bot": True},
    "closed account": {"deleted": True},
    "owner of another company": {"team_id": "T9", "is_owner": True, "is_admin": True},
}
GUEST_FLAG = 1 << 4
"""https://discord.com/developers/docs/resources/guild#guild-member-object-guild-member-flags"""


def lax(text: str) -> str:
    """A configuration that names nobody: anyone here approves."""
    return re.sub(r"(?m)^approval:.*$", "approval: {required: 1}", text)


def with_lax(folder: Path, more: str = "") -> None:
    """`lax.yaml`, beside the others."""
    written = lax((folder / "ops.yaml").read_text(encoding="utf-8"))
    (folder / "lax.yaml").write_text(written + more, encoding="utf-8")


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncGenerator[SlackStage]:
    async with a_slack_stage(tmp_path) as harness:
        with_lax(tmp_path / "configs")
        yield harness


@pytest.fixture
async def discord(tmp_path: Path) -> AsyncGenerator[DiscordStage]:
    async with a_discord_stage(tmp_path) as harness:
        with_lax(tmp_path / "configs")
        yield harness


async def private_message(harness: SlackStage, text: str) -> None:
    """Somebody is told so in private."""
    await harness.server.until(lambda: any(text in str(each) for each in harness.server.private_messages))


def moved_in(harness: SlackStage, fields: dict[str, Any]) -> None:
    """Mallory is a stranger."""
    harness.server.teams[0].users["UMALLORY"].update(fields)


@pytest.mark.parametrize("kind", STRANGERS)
async def test_no_stranger_of_slack_asks_or_approves(slack: SlackStage, kind: str) -> None:
    moved_in(slack, STRANGERS[kind])
    async with slack.bot():
        await slack.somebody("mallory").command("--config lax Tell everyone")
        await private_message(slack, "Only full members can start")
        card = await slack.planned(config="lax")
        assert "Only full members can decide" in await slack.refused("mallory", card, card.element("approve"))
        assert slack.writes() == []
        await slack.clicks("alice", card, "approve")
        await slack.ends(card, "Done")


async def test_a_stranger_whom_the_operator_calls_nothing_special_stops_nobodys_run(slack: SlackStage) -> None:
    moved_in(slack, STRANGERS["partner of another company"])
    async with slack.bot():
        card = await slack.planned(config="lax")
        await slack.somebody("mallory").command(f"cancel {run_in(card.text)}")
        await private_message(slack, "can cancel this run")


async def test_somebody_of_whom_slack_tells_nothing_is_a_stranger(slack: SlackStage) -> None:
    del slack.server.teams[0].users["UMALLORY"]
    async with slack.bot():
        await slack.somebody("mallory").command("--config lax Tell everyone")
        await private_message(slack, "Only full members can start")


async def test_a_configuration_may_let_strangers_ask_and_decide(slack: SlackStage) -> None:
    open_to_all = "\nask: {external: true}\n"
    with_lax(slack.folder / "configs", open_to_all)
    path = slack.folder / "configs" / "lax.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("{required: 1}", "{required: 1, external: true}"))
    moved_in(slack, STRANGERS["partner of another company"])
    async with slack.bot():
        card = await slack.shows(await slack.asks(config="lax", who="mallory"), "Waiting for approval")
        await slack.clicks("rita", card, "approve")
        await slack.ends(card, "Done")
        card = await slack.planned(config="lax")
        await slack.clicks("mallory", card, "approve")
        await slack.ends(card, "Done")


async def test_a_colleague_of_the_same_enterprise_is_no_stranger(tmp_path: Path) -> None:
    async with a_slack_stage(tmp_path) as harness:
        with_lax(tmp_path / "configs")
        harness.server.teams[0].enterprise = "E1"
        for grid_user in harness.server.teams[0].users.values():
            grid_user["team_id"] = "T7"
            grid_user["enterprise_user"] = {"id": grid_user["id"], "enterprise_id": "E1", "teams": ["T7", "T1"]}
        async with harness.bot():
            card = await harness.planned(config="lax")
            await harness.clicks("alice", card, "approve")
            await harness.ends(card, "Done")


@pytest.mark.parametrize(
    "fields",
    [{"is_pending": True}, {"flags": GUEST_FLAG}, {"timed_out_until": "2999-01-01T00:00:00+00:00"}, {"is_bot": True}],
    ids=["pending", "guest", "timed out", "bot"],
)
async def test_no_stranger_of_discord_asks_or_approves(discord: DiscordStage, fields: dict[str, Any]) -> None:
    stranger = replace(discord.mallory, **fields)
    async with discord.bot():
        answer = await told(discord.server, await stranger.types("massgen", prompt="Tell everyone", config="lax"))
        assert "Only full members can start" in answer
        card = await discord.planned(config="lax")
        refused = await told(discord.server, await stranger.clicks(card, "Approve"))
        assert "Only full members can decide" in refused
        assert discord.writes() == []
        await approves(discord, discord.alice, card)
        await discord.ends(card, "Done")


async def approves(harness: DiscordStage, who: Someone, card: Message) -> None:
    """Click, and the click counts."""
    await who.clicks(card, "Approve")
    await harness.shows(card, "Done", seconds=20)


PEOPLE = st.builds(
    Person,
    tenant=st.just("here"),
    id=st.sampled_from(["U1", "U2", "U3"]),
    name=st.just("somebody"),
    roles=st.lists(st.sampled_from(["ops", "leads"]), unique=True).map(tuple),
    is_admin=st.booleans(),
    home_team=st.sampled_from(["", "T9", UNKNOWN_TEAM]),
    is_guest=st.booleans(),
    is_bot=st.booleans(),
    is_deleted=st.booleans(),
)
POLICIES = st.builds(
    Policy,
    roles=st.lists(st.sampled_from(["ops", "leads"]), unique=True).map(tuple),
    users=st.lists(st.sampled_from(["U1", "U2"]), unique=True).map(tuple),
    allow_requester=st.booleans(),
    allow_external=st.booleans(),
)


@given(POLICIES, PEOPLE)
def test_nobody_decides_who_is_a_stranger_to_the_rule(policy: Policy, person: Person) -> None:
    """Whatever roles they have, and however they are called."""
    if person.is_deleted or (person.is_external and not policy.allow_external):
        assert not policy.names(person)
    elif not policy.roles and not policy.users:
        assert policy.names(person)


def test_a_rule_without_strangers_has_the_digest_that_it_always_had() -> None:
    assert "allow_external" not in str(Policy().as_json())
    assert "allow_external" in str(Policy(allow_external=True).as_json())
