"""What card sync may rely on: cards stand where they were put, once, and every trouble has one of four names."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest
from discord.utils import snowflake_time, utcnow

from bot.anchors import card_of
from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.platform import (
    CardBlocked,
    CardTooLarge,
    ChannelNotFound,
    ChatAwayError,
    ChatPlatform,
    EditRefused,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
)
from bot.discord_app.client import DiscordClient, log_in
from bot.discord_app.platform import DiscordPlatform
from bot.discord_app.settings import aim
from bot.message import Card, Mention, Severity, Status, StatusList, StatusRow, StyledText
from bot.variables import Environment
from coordination.domain.policy import Person
from coordination.storage.anchor import AnchorHead
from tests.builders import a_call
from tests.contract.discord_harness import Ids, here, note
from tests.sample_logs import waiting
from tests.servers.discord_limits import complaints_of
from tests.servers.discord_people import Someone
from tests.servers.discord_server import TOKEN, DiscordServer, Fault

LONG = a_call("post", body="x" * 20_000)


@pytest.fixture
async def server() -> AsyncGenerator[DiscordServer]:
    server = DiscordServer()
    async with server.serving():
        yield server
    assert server.diagnostics == []


@pytest.fixture
async def client(server: DiscordServer) -> AsyncGenerator[DiscordClient]:
    """Logged in, and not connected: posting needs no gateway."""
    aim(Environment({"DISCORD_API_URL": server.api}))
    async with DiscordClient() as client:
        await client.login(TOKEN)
        yield client


@pytest.fixture
def platform(client: DiscordClient) -> DiscordPlatform:
    return client.platform


def plan_card(*calls: object) -> Card:
    view = view_of(waiting(*(calls or (a_call("post", title="hello"),))))  # type: ignore[arg-type]  # planned calls
    assert view is not None
    return card_for(view, view.updated_at)


def working(text: str) -> Card:
    row = StatusRow(label="agent1", status=Status.WORKING, line=(StyledText(text),))
    return Card(
        severity=Severity.WORKING,
        status="Planning",
        title=(StyledText("x"),),
        reference=(),
        sections=(StatusList(rows=(row,)),),
    )


async def test_a_card_is_posted_quietly_with_its_buttons(server: DiscordServer, platform: DiscordPlatform) -> None:
    fits: ChatPlatform = platform
    message_ref = await fits.post(here(server), plan_card(), Ids())
    message = server.messages[message_ref.message]
    assert message.labels == ["Approve 1 call", "Reject", "Request changes", "Details"]
    assert message.payload["allowed_mentions"]["parse"] == []
    assert complaints_of(message.payload) == []


async def test_an_edit_replaces_everything_the_card_had(server: DiscordServer, platform: DiscordPlatform) -> None:
    message_ref = await platform.post(here(server), plan_card(LONG), Ids())
    message = server.messages[message_ref.message]
    assert sorted(message.files) == ["plan.json", "plan.md"]
    assert "x" * 20_000 in message.files["plan.md"]
    await platform.edit(message_ref, working("reading"), Ids())
    assert (message.files, message.labels) == ({}, [])
    assert "reading" in message.text
    assert message.payload["allowed_mentions"]["parse"] == []


async def test_an_edit_needs_nothing_but_the_ids(server: DiscordServer, platform: DiscordPlatform) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    server.requests.clear()
    await platform.edit(MessageRef(place=here(server), message=message_ref.message), working("two"), Ids())
    assert server.requests == [("PATCH", f"/api/v10/channels/{server.channel}/messages/{message_ref.message}")]


async def test_a_post_whose_answer_was_lost_stands_once(server: DiscordServer, platform: DiscordPlatform) -> None:
    server.faults.append(Fault("POST", "/messages$"))
    message_ref = await platform.post(here(server), working("one"), Ids())
    assert [each.id for each in server.in_channel()] == [message_ref.message]
    assert sum(method == "POST" for method, _ in server.requests) == 2


async def test_a_server_error_is_waited_out(server: DiscordServer, platform: DiscordPlatform) -> None:
    server.faults.append(Fault("POST", "/messages$", 502))
    await platform.post(here(server), working("one"), Ids())
    assert len(server.in_channel()) == 1


async def test_a_thread_is_opened_once_and_named(server: DiscordServer, platform: DiscordPlatform) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    first = await platform.open_thread(message_ref, "a title " * 30)
    again = await platform.open_thread(message_ref, "another")
    assert first == again == here(server, thread=message_ref.message)
    said = await platform.post_text(first, note("voted"), idempotency_key="7Q4K:story:0")
    assert await platform.post_text(first, note("voted"), idempotency_key="7Q4K:story:0") == said
    assert server.messages[said.message].channel == message_ref.message
    await platform.edit_text(said, note("approved"))
    assert "approved" in server.messages[said.message].text
    assert await platform.open_thread(said, "deeper") == first


async def test_a_call_notifies_the_roles_that_it_names_and_nobody_else_and_stands_once(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    guild = server.guild.id
    line = (
        Mention("77", "ops", "role", is_linked=True),
        Mention("9", "@everyone"),
        StyledText(" @here: a plan is waiting"),
    )
    server.faults.append(Fault("POST", "/messages$"))
    await platform.notify_roles(here(server), line, idempotency_key="7Q4K:9f3a")
    (message,) = server.in_channel()
    assert message.payload["content"].startswith("<@&77>")
    assert message.payload["allowed_mentions"] == {"parse": [], "roles": [77]}
    for nobody in (Mention(guild, "everyone", "role", is_linked=True), Mention("ops", "ops", "role", is_linked=True)):
        await platform.notify_roles(here(server), (nobody, StyledText(": a plan is waiting")), idempotency_key="8")
    assert server.in_channel() == [message]


async def test_a_person_is_told_in_private_and_whoever_takes_no_messages_is_not(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    person = Person(tenant=here(server).tenant, id="77", name="rita")
    assert await platform.notify_user(person, here(server), note("Your plan was approved."))
    (told,) = server.in_channel(server.private_channels["77"])
    assert "Your plan was approved." in told.payload["content"], "a notification shows nothing of embeds"
    assert "Your plan was approved." in told.payload["embeds"][0]["description"]
    server.closed_doors.add("77")
    assert not await platform.notify_user(person, here(server), note("again"))
    assert len(server.in_channel(server.private_channels["77"])) == 1


async def test_a_server_has_one_owner(server: DiscordServer, platform: DiscordPlatform) -> None:
    assert await platform.owners_of(here(server).tenant) == ("1",)
    with pytest.raises(MessageNotFound):
        await platform.owners_of("discord:404")


async def test_a_message_a_thread_or_a_channel_that_is_gone(server: DiscordServer, platform: DiscordPlatform) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    del server.messages[message_ref.message]
    with pytest.raises(MessageNotFound):
        await platform.edit(message_ref, working("two"), Ids())
    for place in (here(server, "404"), here(server, "not a number"), replace(here(server), thread="405")):
        with pytest.raises(MessageNotFound):
            await platform.post(place, working("one"), Ids())


async def test_an_old_message_that_was_edited_too_often_stands_and_can_not_be_changed(
    server: DiscordServer, client: DiscordClient, platform: DiscordPlatform
) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    server.skip(4000)
    later = utcnow() + timedelta(seconds=4000)
    platform = DiscordPlatform(client, now=lambda: later)
    server.old_edits_left = 1
    await platform.edit(message_ref, working("two"), Ids())
    with pytest.raises(EditRefused):
        await platform.edit(message_ref, working("three"), Ids())
    await platform.verify(message_ref, working("two"), Ids())
    del server.messages[message_ref.message]
    with pytest.raises(MessageNotFound):
        await platform.verify(message_ref, working("two"), Ids())


@pytest.mark.parametrize("missing", [1 << 10, 1 << 11], ids=["view", "send"])
async def test_a_place_where_the_bot_may_not_write_says_what_it_needs(
    server: DiscordServer, platform: DiscordPlatform, missing: int
) -> None:
    server.guild.denied[server.channel] = missing
    with pytest.raises(MissingPermission, match="Send Messages"):
        await platform.post(here(server), working("one"), Ids())


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, 10008, MessageNotFound),
        (404, 10003, ChannelNotFound),
        (400, 50008, ChannelNotFound),
        (403, 50001, MissingPermission),
        (403, 50013, MissingPermission),
        (403, 20026, MissingPermission),
        (400, 60003, MissingPermission),
        (400, 50024, MissingPermission),
        (400, 160006, MissingPermission),
        (400, 160005, EditRefused),
        (400, 50083, EditRefused),
        (403, 40003, RateLimited),
        (400, 20028, RateLimited),
        (400, 130000, RateLimited),
        (400, 240000, CardBlocked),
        (400, 200000, CardBlocked),
        (400, 200001, CardBlocked),
        (400, 50035, CardTooLarge),
        (413, 40005, CardTooLarge),
    ],
)
async def test_a_refusal_is_told_as_what_it_is(
    server: DiscordServer, platform: DiscordPlatform, status: int, code: int, expected: type[Exception]
) -> None:
    server.faults.append(Fault("POST", "/messages$", status, {"message": "words of Discord", "code": code}))
    with pytest.raises(expected) as caught:
        await platform.post(here(server), working("one"), Ids())
    assert type(caught.value) is expected
    is_about_permissions = "Send Messages" in str(caught.value)
    assert is_about_permissions == (code in {50001, 50013})
    if expected is MissingPermission and not is_about_permissions:
        assert f"words of Discord ({code})" in str(caught.value)


@pytest.mark.parametrize("status", [403, 404, 429, 503, 520])
@pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
async def test_a_page_of_a_gateway_says_nothing_of_the_message(
    server: DiscordServer, platform: DiscordPlatform, method: str, status: int
) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    server.faults.append(Fault(method, "/messages", status, "<html>error code: 1015</html>", times=9))
    asked = {
        "POST": lambda: platform.post(here(server), working("two"), Ids()),
        "PATCH": lambda: platform.edit(message_ref, working("two"), Ids()),
        "GET": lambda: platform.verify(message_ref, working("two"), Ids()),
    }
    with pytest.raises(RateLimited):
        await asked[method]()


BLOCKED = {"message": "You are being blocked from accessing our API temporarily.", "code": 0}
"""What Discord says to a bot that goes on too fast, without a time: https://github.com/Rapptz/discord.py/issues/5221"""

UNREADABLE = [
    Fault("", "", 429, BLOCKED, {"Via": "1.1 google"}),
    Fault("", "", 429, "<html>error code: 1015</html>", {"Via": "1.1 google"}),
    Fault("", "", 200, "<html>Just a moment...</html>"),
    Fault("", "", 200, '{"id": "1', content_type="application/json"),
]


@pytest.mark.parametrize("fault", UNREADABLE, ids=["no time", "a page for 429", "a page for 200", "cut short"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
async def test_an_answer_that_can_not_be_read_is_no_answer(
    server: DiscordServer, platform: DiscordPlatform, method: str, fault: Fault
) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    server.faults.append(replace(fault, method=method, path="/messages", times=9))
    asked = {
        "POST": lambda: platform.post(here(server), working("two"), Ids()),
        "PATCH": lambda: platform.edit(message_ref, working("two"), Ids()),
        "GET": lambda: platform.verify(message_ref, working("two"), Ids()),
    }
    with pytest.raises(RateLimited) as caught:
        await asked[method]()
    assert caught.value.seconds == (60 if fault.status == 429 else 5)


@pytest.mark.parametrize("fault", UNREADABLE, ids=["no time", "a page for 429", "a page for 200", "cut short"])
async def test_a_login_whose_answer_can_not_be_read_may_be_tried_again(server: DiscordServer, fault: Fault) -> None:
    aim(Environment({"DISCORD_API_URL": server.api}))
    server.faults.append(replace(fault, method="GET", path="/users/@me$"))
    async with DiscordClient() as client:
        with pytest.raises(ChatAwayError):
            await log_in(client, TOKEN)
    async with DiscordClient() as client:
        await log_in(client, TOKEN)


async def test_of_a_role_that_is_gone_there_is_nobody_and_of_everybodys_nobody_knows(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    guild = server.guild
    ops, leads, tenant = guild.role("ops"), guild.role("leads"), here(server).tenant
    ann = Someone(server, "ann", guild, roles=("ops",))
    assert await platform.others_in(tenant, [ops], []) == 1
    assert await platform.others_in(tenant, [ops], [ann.id]) == 0
    del guild.roles[leads]
    assert await platform.others_in(tenant, [leads], []) == 0
    assert await platform.others_in(tenant, [ops, leads], []) == 1
    assert await platform.others_in(tenant, [guild.id], []) is None


async def test_a_card_whose_post_in_a_forum_was_deleted_has_no_other_place_there(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    guild = server.guild
    guild.channels["77004"], guild.kinds["77004"] = "forum", 15
    for thread in ("77005", ""):
        with pytest.raises(ChannelNotFound):
            await platform.post(replace(here(server), channel="77004", thread=thread), working("one"), Ids())


async def test_whoever_left_is_nobody_and_a_page_of_a_gateway_says_of_nobody_that_they_left(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    """Else an approval would be lost to a proxy that has a bad moment."""
    ann = Someone(server, "ann", server.guild, roles=("ops",))
    person = Person(tenant=here(server).tenant, id=ann.id, name="ann")
    found = await platform.person_now(person)
    assert found is not None
    assert found.roles
    assert await platform.person_now(replace(person, id="4040404")) is None
    for path in ("/members/", "/guilds/[0-9]+$"):
        for status in (403, 404):
            server.faults.append(Fault("GET", path, status, "<html>no such site</html>"))
            with pytest.raises(RateLimited):
                await platform.person_now(person)


async def test_whoever_can_not_be_told_for_a_moment_is_told_later(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    person = Person(tenant=here(server).tenant, id="77", name="rita")
    too_fast = {"message": "You are opening direct messages too fast.", "code": 40003}
    server.faults.append(Fault("POST", "/users/@me/channels$", 403, too_fast))
    with pytest.raises(RateLimited):
        await platform.notify_user(person, here(server), note("Your plan was approved."))
    no_server_in_common = {"message": "Cannot send messages to this user", "code": 50278}
    server.faults.append(Fault("POST", "/messages$", 403, no_server_in_common))
    await platform.notify_user(person, here(server), note("Your plan was approved."))


async def test_a_long_wait_is_the_card_syncs_to_plan(server: DiscordServer, platform: DiscordPlatform) -> None:
    message_ref = await platform.post(here(server), working("one"), Ids())
    body = {"message": "slow", "retry_after": 90.5, "global": False}
    server.faults.append(Fault("PATCH", "/messages/", 429, body, {"Via": "1.1 test", "Retry-After": "91"}))
    with pytest.raises(RateLimited) as caught:
        await platform.edit(message_ref, working("two"), Ids())
    assert caught.value.seconds == 90.5


async def test_a_ban_by_the_gatekeeper_is_a_wait_too(server: DiscordServer, platform: DiscordPlatform) -> None:
    server.faults.append(Fault("POST", "/messages$", 429, {"message": "banned"}, {"Retry-After": "600"}))
    with pytest.raises(RateLimited) as caught:
        await platform.post(here(server), working("one"), Ids())
    assert caught.value.seconds == 600


async def test_an_upload_that_is_refused_leaves_nothing_to_approve(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    server.faults.append(Fault("POST", "/messages$", 413, {"message": "too large", "code": 40005}))
    with pytest.raises(CardTooLarge):
        await platform.post(here(server), plan_card(LONG), Ids())
    assert server.in_channel() == []


async def test_a_discord_that_can_not_be_reached_is_tried_again_later(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    server.faults.append(Fault("POST", "/messages$", times=9))
    with pytest.raises(RateLimited):
        await platform.post(here(server), working("one"), Ids())
    assert len(server.in_channel()) == 1


async def test_a_channel_is_public_only_where_everybody_may_read_and_nobody_is_kept_out(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    guild = server.guild_of(server.channel)
    tenant = f"discord:{guild.id}"
    guild.channels |= {"77001": "hidden", "77002": "muted", "77003": "category", "77004": "forum"}
    guild.kinds |= {"77003": 4, "77004": 15}
    guild.hide("77001")
    guild.overwrites["77002"] = [{"id": "4242", "type": 0, "allow": "0", "deny": str(1 << 10)}]
    found = {each: await platform.is_public(tenant, each) for each in (server.channel, *list(guild.channels)[-4:])}
    assert list(found.values()) == [True, False, False, False, True]
    assert not await platform.is_public(tenant, "no-number")


async def test_a_channel_of_approvals_is_a_text_channel_of_this_server_where_the_bot_may_post(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    guild = server.guild_of(server.channel)
    tenant = f"discord:{guild.id}"
    await platform.check_channel(tenant, server.channel)
    other = server.add_guild("elsewhere")
    for elsewhere in (next(iter(other.channels)), "no-number"):
        with pytest.raises(MessageNotFound):
            await platform.check_channel(tenant, elsewhere)
    guild.channels |= {"77003": "category"}
    guild.kinds |= {"77003": 4}
    with pytest.raises(MissingPermission, match="text channel"):
        await platform.check_channel(tenant, "77003")
    guild.denied[server.channel] = 1 << 11
    with pytest.raises(MissingPermission, match="Send Messages"):
        await platform.check_channel(tenant, server.channel)


async def test_what_the_bot_posted_is_found_by_words_in_it_and_nobody_elses_is(
    server: DiscordServer, platform: DiscordPlatform
) -> None:
    """The digest of an anchor, after its process died before it remembered the post."""
    place, digest = here(server), "ab" * 32
    card = card_of("2026-11-28", AnchorHead(file="a.jsonl", digest=digest, lines=3))
    stranger = server.guild.members[Someone(server, "ann", server.guild).id]["user"]
    first = server.add_message(server.channel, {"embeds": [{"description": f"`{digest}`"}]}, stranger, {})
    since = snowflake_time(int(first.id))
    assert await platform.find_text(place, [digest], at=since) is None
    posted = await platform.post_text(place, card)
    await platform.post_text(place, card)
    assert await platform.find_text(place, [digest], at=since) == posted
    assert await platform.find_text(place, [digest], at=since + timedelta(days=1)) is None
    server.guild.denied[server.channel] = 1 << 10
    with pytest.raises(MissingPermission):
        await platform.find_text(place, [digest], at=since)


async def test_members_of_a_small_role_are_listed_only_where_the_operator_says_that_discord_tells_them(
    server: DiscordServer, platform: DiscordPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    guild = server.guild_of(server.channel)
    tenant, ops, leads = f"discord:{guild.id}", guild.role("ops"), guild.role("leads")
    ann, ben = Someone(server, "ann", guild, roles=("ops",)), Someone(server, "ben", guild, roles=("ops", "leads"))
    Someone(server, "robot", guild, roles=("leads",), is_bot=True)
    server.application_flags = 1 << 15
    assert await platform.members_of(tenant, ops, 10) == ()
    platform.lists_members = True
    assert await platform.members_of(tenant, ops, 10) == [ann.id, ben.id]
    assert await platform.members_of(tenant, leads, 10) == [ben.id]
    server.requests.clear()
    assert await platform.members_of(tenant, ops, 1) == ()
    assert await platform.members_of(tenant, guild.id, 10) == ()
    assert not any(path.endswith("/members") for _, path in server.requests), "no page of a role of many"
    server.application_flags = 0
    assert await platform.members_of(tenant, ops, 10) == ()
    assert "Server Members Intent" in caplog.text


async def test_nobody_is_listed_of_a_role_that_is_not_found_whole(
    server: DiscordServer, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    guild = server.guild_of(server.channel)
    people = [Someone(server, f"p{number}", guild, roles=("ops",) if number > 1 else ()) for number in range(4)]
    server.application_flags, platform.lists_members = 1 << 14, True
    monkeypatch.setattr("bot.discord_app.platform._MOST_FOUND", 2)
    tenant, ops = f"discord:{guild.id}", guild.role("ops")
    assert await platform.members_of(tenant, ops, 10) == [each.id for each in people[2:]]
    monkeypatch.setattr("bot.discord_app.platform._MOST_PAGES", 1)
    assert await platform.members_of(tenant, ops, 10) == ()
