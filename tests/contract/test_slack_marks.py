"""A card whose post got no answer is found by its mark, where Slack lets the bot read; the mark says nothing else."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.chat.platform import ChannelRef, MessageNotFound, MessageRef, MissingPermission, RateLimited
from bot.message import Card
from bot.slack_app.installations import Clients, KnownWorkspaces, Workspace
from bot.slack_app.platform import SlackPlatform
from coordination.clock import SystemClock
from tests.contract.slack_harness import a_team, app_for
from tests.contract.small_chat_service import IssuedIds, SmallChatService, note
from tests.servers.slack_server import Fault, Message, SlackServer, slack_serving

PLACE = ChannelRef(platform="slack", tenant="slack:-:T1", channel="C1")
IN_THREAD = replace(PLACE, thread="1700000000.000100")
ONCE = "7Q4K:1"


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    server = SlackServer([a_team()])
    async with slack_serving(server):
        yield server
    assert server.diagnostics == []


@pytest.fixture
def platform(server: SlackServer) -> SlackPlatform:
    return app_for(server, "socket").platform


def a_card() -> Card:
    return note("A plan.")


async def lost(
    server: SlackServer, platform: SlackPlatform, place: ChannelRef = PLACE, idempotency_key: str = ONCE
) -> Message:
    """A card that was posted and whose answer was not heard."""
    server.faults.append(Fault(method="chat.postMessage", status=500, is_done_first=True))
    with pytest.raises(RateLimited):
        await platform.post(place, a_card(), IssuedIds(SmallChatService(), "7Q4K"), idempotency_key=idempotency_key)
    return list(server.messages.values())[-1]


def others(server: SlackServer, count: int) -> None:
    """Messages of other people."""
    for _ in range(count):
        said = Message("T1", "C1", server.new_ts(), "", [{"text": "hello"}], "UBOB")
        server.messages["C1", said.ts] = said


async def find(
    platform: SlackPlatform, place: ChannelRef = PLACE, idempotency_key: str = ONCE, minutes: float = 0
) -> MessageRef | None:
    return await platform.find(
        place, idempotency_key=idempotency_key, at=SystemClock().now() + timedelta(minutes=minutes)
    )


@pytest.mark.parametrize("place", [PLACE, IN_THREAD, replace(PLACE, channel="D1"), replace(IN_THREAD, channel="D1")])
async def test_a_lost_card_is_found_and_can_be_changed(
    server: SlackServer, platform: SlackPlatform, place: ChannelRef
) -> None:
    message = await lost(server, platform, place)
    others(server, 3)
    message_ref = MessageRef(place=place, message=message.ts)
    assert await find(platform, place) == message_ref
    await platform.edit(message_ref, a_card(), IssuedIds(SmallChatService(), "7Q4K"))
    assert len(message.versions) == 2
    assert await find(platform, place) == message_ref


async def test_what_was_posted_as_something_else_or_long_before_or_after_is_not_it(
    server: SlackServer, platform: SlackPlatform
) -> None:
    message = await lost(server, platform)
    await platform.post_text(PLACE, a_card())
    told = await platform.post_text(PLACE, a_card(), idempotency_key="7Q4K:story:0")
    assert await find(platform, idempotency_key="7Q4K:story:0") == told
    await lost(server, platform, IN_THREAD, "7Q4K:2")
    assert await find(platform, idempotency_key="7Q4K:2") is None
    assert await find(platform, IN_THREAD) is None
    assert await find(platform, minutes=10) is None
    assert await find(platform, minutes=-10) is None
    assert await find(platform, minutes=-3) == MessageRef(place=PLACE, message=message.ts)


@pytest.mark.parametrize(
    ("user", "bot"), [("UBOB", ""), ("UBOB", "BEVIL"), ("UBOTT1", "BEVIL"), ("UBOTT1", ""), ("", "")]
)
async def test_a_mark_that_somebody_else_made_counts_for_nothing(
    server: SlackServer, platform: SlackPlatform, user: str, bot: str
) -> None:
    message = await lost(server, platform)
    forged = replace(message, ts=server.new_ts(), user=user, bot=bot)
    server.messages["C1", forged.ts] = forged
    assert await find(platform) == MessageRef(place=PLACE, message=message.ts)
    del server.messages["C1", message.ts]
    assert await find(platform) is None


async def test_an_installation_that_knows_only_its_user_goes_by_that_and_one_that_knows_neither_finds_nothing(
    server: SlackServer, platform: SlackPlatform
) -> None:
    message = await lost(server, platform)
    clients = Clients(f"{server.address}/api/")
    for user, is_found in (("UBOTT1", True), ("UBOTT2", False), ("", False)):
        workspace = Workspace(enterprise="", team="T1", bot_user=user, token="xoxb-T1")
        found = await find(SlackPlatform(KnownWorkspaces((workspace,)), clients))
        assert found == (MessageRef(place=PLACE, message=message.ts) if is_found else None)


async def test_a_mark_tells_nothing_of_the_run(server: SlackServer, platform: SlackPlatform) -> None:
    message = await lost(server, platform)
    other = await lost(server, platform, idempotency_key="7Q4K:2")
    assert message.metadata["event_type"] == "massgen_card"
    assert "7Q4K" not in json.dumps(message.metadata)
    assert message.metadata != other.metadata


async def test_what_is_no_card_of_a_run_has_no_mark_and_a_post_that_is_answered_is_not_looked_for(
    server: SlackServer, platform: SlackPlatform
) -> None:
    await platform.post_text(PLACE, a_card())
    assert [each.metadata for each in server.messages.values()] == [{}]
    await platform.post(PLACE, a_card(), IssuedIds(SmallChatService(), "7Q4K"), idempotency_key=ONCE)
    assert [name for name, _ in server.calls] == ["chat.postMessage"] * 2


async def test_a_card_is_found_behind_many_messages_and_not_behind_any_number(
    server: SlackServer, platform: SlackPlatform
) -> None:
    message = await lost(server, platform)
    others(server, 320)
    assert await find(platform) == MessageRef(place=PLACE, message=message.ts)
    assert len(server.called("conversations.history")) == 4
    others(server, 1_000)
    assert await find(platform) is None
    assert len(server.called("conversations.history")) == 9


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(method="conversations.history", error="missing_scope", needed="channels:history"), MissingPermission),
        (Fault(method="conversations.history", error="not_in_channel"), MissingPermission),
        (Fault(method="conversations.history", error="channel_not_found"), MessageNotFound),
        (Fault(method="conversations.history", retry_after=60), RateLimited),
    ],
)
async def test_what_keeps_a_card_from_being_looked_for_is_told(
    server: SlackServer, platform: SlackPlatform, fault: Fault, error: type[Exception]
) -> None:
    await lost(server, platform)
    server.faults.append(fault)
    with pytest.raises(error):
        await find(platform)


async def test_without_the_scope_of_its_kind_of_channel_nothing_is_read(
    server: SlackServer, platform: SlackPlatform
) -> None:
    server.teams[0].lacks.add("channels:history")
    await lost(server, platform)
    for place in (PLACE, IN_THREAD):
        with pytest.raises(MissingPermission, match="channels:history"):
            await find(platform, place)
