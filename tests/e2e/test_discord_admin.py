"""What administrators set on Discord, and what everybody else is told: over the real chat service and database."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from coordination.errors import ConfigError
from tests.e2e.discord_harness import Harness, a_harness, run_in
from tests.servers.discord_people import Role, Someone, told
from tests.servers.discord_server import Fault
from tests.servers.discord_world import Message


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness:
        yield harness


async def test_a_configuration_holds_for_a_channel_else_for_the_server_else_by_default(harness: Harness) -> None:
    server = harness.server
    other = server.number()
    server.guild.channels[other] = "leads"
    async with harness.bot():
        assert "ops" in (names := await harness.admin("config list"))
        assert "two" in names
        assert "**ops** applies here: nothing else was set" in await harness.admin("config show")
        assert "all channels" in await harness.admin("config use", name="two", scope="server")
        assert "this channel" in await harness.admin("config use", name="slow")
        shown = await harness.admin("config show")
        assert "**slow** applies here: it was set for this channel. · set by ada" in shown
        elsewhere = await told(server, await harness.ada.types("massgen-admin config show", where=other))
        assert "**two** applies here: it was set for all channels" in elsewhere
        assert "configuration slow" in (await harness.asks("x")).text
        assert "**two** applies here" in await harness.admin("config reset")
        assert "**ops** applies here" in await harness.admin("config reset", scope="server")
        assert "nothing to reset" in await harness.admin("config reset", scope="server")
        assert "no configuration nowhere" in await harness.admin("config use", name="nowhere")
        assert "no configuration ../ops" in await harness.admin("config use", name="../ops")
        audit = await harness.admin("audit")
        assert audit.count("· set config") == 2
        assert audit.count("reset config") == 2
        assert "ada" in audit


@pytest.mark.parametrize(
    ("said", "told_operator"),
    [
        ({"MASSGEN_BOT_CONFIG": "nosuch"}, "MASSGEN_BOT_CONFIG names 'nosuch', but"),
        ({"MASSGEN_BOT_CONFIGS": "nowhere"}, "nowhere contains no configuration"),
        ({"MASSGEN_BOT_RUNS_AT_ONCE": "many"}, "must be a number"),
        ({"MASSGEN_BOT_THREADS": "maybe"}, "must be yes or no"),
        ({"MASSGEN_BOT_ALLOWED_CONFIGS": "ops"}, "must look like"),
        ({"MASSGEN_BOT_LANGUAGE": "tlh"}, "MASSGEN_BOT_LANGUAGE"),
    ],
)
async def test_what_the_operator_set_wrong_is_said_before_anybody_is_heard(
    harness: Harness, said: dict[str, str], told_operator: str
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with harness.bot(**said):
            raise AssertionError("it began")
    (error,) = caught.value.exceptions
    assert isinstance(error, ConfigError)
    assert told_operator in str(error)
    assert harness.server.identified == []


async def test_a_check_finds_the_mistake_before_users_do(harness: Harness) -> None:
    async with harness.bot():
        assert "ops is valid" in (good := await harness.admin("config check", name="ops"))
        assert "Needs 1 of ops · not by the requester" in good
        bad = await harness.admin("config check", name="broken")
        assert "agents: found a number; expected a list of agents" in bad
        assert str(harness.folder) not in bad
        asked = await told(harness.server, await harness.rita.types("massgen", prompt="x", config="broken"))
        assert "can't be used as it is" in asked
        assert harness.cards() == []


async def test_what_nobody_could_ever_meet_is_not_set(harness: Harness) -> None:
    server = harness.server
    empty = server.number()
    server.guild.roles[empty] = "nobody-has-it"
    async with harness.bot():
        assert "agents: found a number" in await harness.admin("config use", name="broken")
        assert "nobody here has that name" in await harness.admin("approvers", value="@notarole")
        assert "nobody here has that name" in await harness.admin("approvers", value="<@&999999999999999999>")
        assert "nobody here has that name" in await harness.admin("approvers", value="<@999999999999999999>")
        assert "only 0 people may" in await harness.admin("approvers", value=f"<@&{empty}>")
        assert "only 3 people may" in await harness.admin("approvers", value="@ops required=4")
        assert "From now on" in await harness.admin("approvers", value="@ops required=3")
        server.faults.append(Fault("GET", "/roles$", 403, {"code": 50001, "message": "Missing Access"}, times=9))
        assert "can't look up" in await harness.admin("approvers", value="@ops")


async def test_approvers_are_picked_from_discords_own_lists(harness: Harness) -> None:
    server = harness.server
    (ops,) = (Role(number) for number, name in server.guild.roles.items() if name == "ops")
    robot = Someone(server, "robot", server.guild, roles=("ops",), is_bot=True)
    async with harness.bot():
        said = await harness.admin("approvers", who=ops, who_2=harness.bob, required=2, requester=False)
        assert f"approval by <@&{ops.id}>, <@{harness.bob.id}> · at least 2 approvals · not by the requester" in said
        assert "only 1 person may" in await harness.admin("approvers", who=harness.bob, required=2)
        assert "robot is a bot, and bots can't approve" in await harness.admin("approvers", who=robot)
        assert f"Needs 2 of <@&{ops.id}>, <@{harness.bob.id}>" in await harness.admin("approvers")


async def test_an_administrator_who_would_be_alone_with_their_plans_is_told_what_allows_it(harness: Harness) -> None:
    async with harness.bot():
        said = await harness.admin("approvers", who=harness.ada)
        assert "That leaves nobody to approve your own requests" in said
        assert "allow\\_requester" in said
        assert "leaves nobody" in await harness.admin("config check", name="ops")
        assert "leaves nobody" not in await harness.admin("approvers", who=harness.ada, who_2=harness.bob)


async def test_who_may_approve_is_narrowed_for_the_next_plan_and_for_the_one_that_waits(harness: Harness) -> None:
    server = harness.server
    (leads,) = (number for number, name in server.guild.roles.items() if name == "leads")
    lead = Someone(server, "lena", server.guild, roles=("leads",))
    async with harness.bot():
        before = await harness.planned("before")
        assert "From now on plans in this channel need" in await harness.admin("approvers", value=f"<@&{leads}>")
        assert f"Needs 1 of <@&{leads}>" in await harness.admin("approvers")
        card = await harness.planned("after")
        assert f"Needs 1 of <@&{leads}> · not by the requester" in card.text
        refused = await harness.alice.clicks(card, "Approve")
        assert f"Only <@&{leads}> can decide" in await told(server, refused)
        await lead.clicks(card, "Approve")
        await harness.ends(card, "Done")
        await harness.alice.clicks(before, "Approve")
        await harness.shows(before, "The rules got stricter", f"Needs 1 of <@&{leads}>")
        await lead.clicks(before, "Approve")
        await harness.ends(before, "Done")
        assert "is not valid here" in await harness.admin("approvers", value="required=0")
        assert "what their configuration says" in await harness.admin("approvers", value="reset")
        helped = await told(server, await harness.mallory.types("massgen"))
        assert "For example: /massgen" in helped
        assert "Needs 1 of ops" in helped


async def test_limits_are_told_before_anything_begins(harness: Harness) -> None:
    async with harness.bot(MASSGEN_BOT_RUNS_AT_ONCE="2", MASSGEN_BOT_RUNS_PER_HOUR="3"):
        assert "2 runs at once" in await harness.admin("limits")
        assert "1 run at once" in await harness.admin("limits", value="at_once=1")
        first = await harness.asks("x", "slow")
        assert "You have 1 run in progress, which is the limit per person" in await _answer(harness, "y")
        others = await told(harness.server, await harness.bob.types("massgen", prompt="y", config="slow"))
        assert "1 run is in progress here" in others
        await harness.rita.clicks(first, "Cancel")
        await harness.ends(first, "Cancelled")
        assert "2 runs at once" in await harness.admin("limits", value="reset")
        for prompt in ("y", "z"):
            await harness.ends(await _cancelled(harness, prompt), "Cancelled")
        assert "3 runs within an hour" in await _answer(harness, "w")
        assert len(harness.cards()) == 3


async def _answer(harness: Harness, prompt: str) -> str:
    return await told(harness.server, await harness.rita.types("massgen", prompt=prompt, config="slow"))


async def _cancelled(harness: Harness, prompt: str) -> Message:
    card = await harness.asks(prompt, "slow")
    await harness.rita.clicks(card, "Cancel")
    return card


async def test_orders_of_those_who_may_not_give_them_are_refused_and_audited(harness: Harness) -> None:
    named = f"discord:{harness.server.guild.id}/{harness.bob.id}"
    async with harness.bot(MASSGEN_BOT_ADMINS=named):
        used = await harness.mallory.types("massgen-admin config use", name="slow")
        assert "Only administrators" in await told(harness.server, used)
        assert used.private[0].is_private
        assert "nothing else was set" in await harness.admin("config show")
        bobs = await told(harness.server, await harness.bob.types("massgen-admin config use", name="slow"))
        assert "applies in this channel from now on" in bobs
        assert "mallory · refused config-use · `slow channel`" in (await harness.admin("audit")).replace("\\", "")


async def test_a_server_sees_only_what_the_operator_allows_it(harness: Harness) -> None:
    elsewhere = harness.server.add_guild("elsewhere")
    ella = Someone(harness.server, "ella", elsewhere, manages=True)
    allowed = f"discord:{harness.server.guild.id}=ops,slow; *=slow"
    async with harness.bot(MASSGEN_BOT_ALLOWED_CONFIGS=allowed):
        assert await harness.rita.completes("massgen", "config", "") == ["ops", "slow"]
        assert await harness.rita.completes("massgen", "config", "S") == ["slow"]
        assert await ella.completes("massgen", "config", "") == ["slow"]
        assert await ella.completes("massgen-admin config use", "name", "s") == ["slow"]
        assert await harness.ada.completes("massgen-admin config allow", "names", "slow o") == ["slow ops"]
        refused = await told(harness.server, await ella.types("massgen", prompt="x", config="ops"))
        assert "no configuration ops" in refused
        own = await harness.asks("x", "slow")
        run = run_in(own.text)
        for action in ("show", "cancel", "retry"):
            assert "no run" in await told(harness.server, await ella.types(f"massgen-runs {action}", run=run))
        assert "no run" in await told(harness.server, await ella.types("massgen-admin audit", run=run))
        await harness.shows(own, "Planning")


async def test_stories_are_told_only_where_the_operator_wants_them(harness: Harness) -> None:
    async with harness.bot(MASSGEN_BOT_THREADS="no"):
        card = await harness.planned()
        await harness.alice.clicks(card, "Approve")
        await harness.ends(card, "Done")
        await harness.server.until(lambda: harness.private_messages(harness.rita))
    assert harness.server.threads == {}


async def test_a_message_becomes_a_run(harness: Harness) -> None:
    async with harness.bot():
        message = await harness.mallory.writes("the water is off on Tuesday")
        window = await harness.rita.uses_on(message, "Plan from this message")
        await harness.server.until(lambda: window.kind == 9)
        answer = await told(harness.server, await harness.rita.submits(window, "Tell everyone: the water is off"))
        card = await harness.shows(await harness.card(run_in(answer)), "Waiting for approval")
        assert "the water is off" in card.text
        pages = await harness.mallory.clicks(card, "Details")
        await harness.server.until(lambda: len(pages.private) == 2)
        assert "Written by agent1" in pages.private[0].text
        assert "again: Tell everyone: the water is off" in pages.private[1].text
