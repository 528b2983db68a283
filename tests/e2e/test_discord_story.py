"""A run on Discord from the command to the receipts, by the real client library over real sockets."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from coordination.domain import events as e
from coordination.domain import states as s
from tests.contract.discord_office import a_bot, here, note
from tests.e2e.discord_stage import StoryDesk
from tests.fakes import PlayedModel, answers, says, votes
from tests.servers.discord_people import Someone, acknowledged, told
from tests.servers.discord_server import DiscordServer
from tests.servers.discord_world import Interaction, Message
from tests.service.office import Office


def post(title: str) -> tuple[str, dict[str, object]]:
    return ("mcp__board__post", {"title": title})


def an_office() -> Office:
    """Agent 1's plan of two calls wins; asked for changes, it plans one; agent 2 has a plan of its own."""
    first = PlayedModel(
        answers("both", post("a"), post("b")), votes(1), answers("one", post("c")), votes(1), says("Posted.")
    )
    return Office(first, PlayedModel(answers("mine", post("z")), votes(1), answers("none"), votes(1)))


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.complaints == []


@pytest.fixture
def desk() -> StoryDesk:
    return StoryDesk(office=an_office())


def people(server: DiscordServer) -> tuple[Someone, Someone, Someone]:
    """Rita asks, alice of ops may approve, mallory may not."""
    guild = server.guild
    return (
        Someone(server, "rita", guild, roles=("ops",)),
        Someone(server, "alice", guild, roles=("ops",)),
        Someone(server, "mallory", guild),
    )


async def planned(server: DiscordServer, desk: StoryDesk, rita: Someone) -> tuple[str, Message]:
    """A plan that waits on its card."""
    used = await rita.types("massgen", prompt="Tell everyone")
    await told(server, used)
    (run,) = desk.cards
    await desk.work(run)
    return run, server.messages[desk.cards[run].message]


async def all_acknowledged(server: DiscordServer, used: list[Interaction]) -> None:
    """Every interaction has its first answer."""
    await server.until(lambda: all(each.kind for each in used))


async def state(desk: StoryDesk, run: str) -> s.RunState:
    return await desk.office.state(run)


async def test_from_the_command_over_a_restart_to_the_receipts(server: DiscordServer, desk: StoryDesk) -> None:
    rita, alice, _ = people(server)
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        used = await rita.types("massgen", prompt="Tell everyone about the power cut")
        assert "has begun" in await told(server, used)
        (card,) = server.in_channel()
        assert "Waiting to start" in card.text
        assert card.labels == ["Cancel"]
        (run,) = desk.cards
        await desk.work(run)
        assert "Decide" in card.text
        assert card.labels[0] == "Approve 2 calls"
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        server.skip(20 * 60)
        await alice.clicks(card, "Approve")
        await server.until(lambda: "Running" in card.text)
        await desk.work(run)
        place = await bot.surface.open_thread(desk.cards[run], "Tell everyone")
        await bot.surface.say(place, note("agent1 voted agent1"))
    assert [call.arguments for call in desk.office.world.done] == ['{"title":"a"}', '{"title":"b"}']
    assert "Done" in card.text
    assert card.text.count("✅") == 2
    assert "alice" in card.text
    assert card.labels == []
    assert len(server.in_channel(card.id)) == 1
    assert [each.id for each in server.in_channel()] == [card.id]


async def test_fifty_clicks_at_once_are_one_decision(server: DiscordServer, desk: StoryDesk) -> None:
    rita, *_ = people(server)
    guild = server.guild
    crowd = [Someone(server, f"ops{number}", guild, roles=("ops",)) for number in range(25)]
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        run, card = await planned(server, desk, rita)
        approve, reject = card.button("Approve"), card.button("Reject")
        windows = [await each.clicks(card, "", custom_id=reject) for each in crowd]
        await all_acknowledged(server, windows)
        async with asyncio.TaskGroup() as group:
            for each, window in zip(crowd, windows, strict=True):
                group.create_task(each.clicks(card, "", custom_id=approve))
                group.create_task(each.submits(window, "no"))
        decisions = 0
        await server.until(lambda: len(desk.refused) == 49, 20)
        for recorded in await desk.office.log.read(run):
            decisions += isinstance(recorded.event, e.ApprovalGiven | e.PlanRejected)
        assert decisions == 1
        await desk.work(run)
    assert len(desk.office.world.done) in (0, 2)
    assert all(each.kind for someone in crowd for each in someone.used), "somebody got no answer"


async def test_a_rejection_has_its_reason(server: DiscordServer, desk: StoryDesk) -> None:
    rita, alice, _ = people(server)
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        run, card = await planned(server, desk, rita)
        window = await alice.clicks(card, "Reject")
        assert await acknowledged(server, window) == 9
        await alice.submits(window, "not on a *Friday*")
        await server.until(lambda: "Rejected" in card.text)
    final = await state(desk, run)
    assert isinstance(final, s.Rejected)
    assert final.reason == "not on a *Friday*"
    assert "not on a \\*Friday\\*" in card.text
    assert card.labels == ["Ask again"]
    assert desk.office.world.done == []


async def test_wanted_changes_lead_to_another_plan_and_old_buttons_say_so(
    server: DiscordServer, desk: StoryDesk
) -> None:
    rita, alice, _ = people(server)
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        run, card = await planned(server, desk, rita)
        old = card.button("Approve")
        before = (await desk.view(run)).state
        window = await alice.clicks(card, "Request changes")
        await acknowledged(server, window)
        await alice.submits(window, "one notice is enough")
        await server.until(lambda: "one notice is enough" in card.text)
        await desk.work(run)
        after = (await desk.view(run)).state
        assert isinstance(before, s.AwaitingDecision)
        assert isinstance(after, s.AwaitingDecision)
        assert before.plan.digest != after.plan.digest
        assert card.labels[0] == "Approve 1 call"
        stale = await alice.clicks(card, "", custom_id=old)
        assert await told(server, stale)
        assert (await desk.view(run)).state == after
        await alice.clicks(card, "Approve")
        await server.until(lambda: "Running" in card.text)
        await desk.work(run)
    assert [call.arguments for call in desk.office.world.done] == ['{"title":"c"}']


async def test_another_agents_plan_can_be_chosen(server: DiscordServer, desk: StoryDesk) -> None:
    rita, alice, _ = people(server)
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        run, card = await planned(server, desk, rita)
        await alice.chooses(card, "2")
        await server.until(lambda: "Approve 1 call" in card.labels)
        chosen = (await desk.view(run)).state
    assert isinstance(chosen, s.AwaitingDecision)
    assert [call.arguments for call in chosen.plan.calls] == ['{"title":"z"}']


async def test_whoever_may_not_decide_is_told_why_in_private_and_changes_nothing(
    server: DiscordServer, desk: StoryDesk
) -> None:
    rita, alice, mallory = people(server)
    elsewhere = server.add_guild("elsewhere")
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        run, card = await planned(server, desk, rita)
        other = await bot.surface.say(here(server), note("another message"))
        twin = Someone(server, "alice", elsewhere, roles=("ops",), id=alice.id)
        before, shown = (await desk.view(run)).state, dict(card.payload)
        copy = server.add_message(twin.home, card.payload, card.author, {})
        approve = card.button("Approve")
        attempts = {
            "the requester": await rita.clicks(card, "Approve"),
            "a stranger": await mallory.clicks(card, "Approve"),
            "forged": await alice.clicks(card, "", custom_id=f"mg:b:{'A' * 22}"),
            "replayed elsewhere": await alice.clicks(server.messages[other.message], "", custom_id=approve),
            "another server": await twin.clicks(copy, "", custom_id=approve),
        }
        for name, used in attempts.items():
            assert await told(server, used), name
            assert all(each.is_private for each in used.private), name
        assert (await desk.view(run)).state == before
        assert card.payload == shown
        audited = [each.event for each in await desk.office.log.read(run) if isinstance(each.event, e.ActionRefused)]
    assert {each.by.name for each in audited} == {"rita", "mallory"}
    assert len(desk.refused) == 5
    assert desk.office.world.done == []


async def test_a_run_is_cancelled_by_its_button(server: DiscordServer, desk: StoryDesk) -> None:
    rita, *_ = people(server)
    async with a_bot(server, desk) as bot:
        desk.surface = bot.surface
        await told(server, await rita.types("massgen", prompt="x"))
        (card,) = server.in_channel()
        await rita.clicks(card, "Cancel")
        await server.until(lambda: "Cancelled" in card.text)
    (run,) = desk.cards
    assert isinstance(await state(desk, run), s.Cancelled)
