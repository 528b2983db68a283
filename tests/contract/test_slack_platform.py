"""Card sync's side of Slack: posted once, changed in place, and every refusal told as what it is."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.platform import (
    ChannelRef,
    ChannelUnseen,
    EditRefused,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
    SharedChannel,
)
from bot.message import Alert, Card, Mention, StyledText
from bot.slack_app.errors import NotInChannel
from bot.slack_app.installations import Clients, KnownWorkspaces, Workspace
from bot.slack_app.platform import SlackPlatform
from bot.slack_app.setup import clock_checkups
from coordination.clock import SystemClock
from coordination.domain.policy import Person, Policy
from coordination.domain.transitions import Recorded
from tests.builders import a_call
from tests.contract.slack_harness import a_team, app_for
from tests.contract.small_chat_service import IssuedIds, SmallChatService, note
from tests.sample_logs import argued, proposed, recorded, waiting
from tests.servers.slack_server import Fault, SlackServer, slack_serving

PLACE = ChannelRef(platform="slack", tenant="slack:-:T1", channel="C1")
ALICE = Person(tenant="slack:-:T1", id="UALICE", name="Alice")


@pytest.fixture
async def server() -> AsyncGenerator[SlackServer]:
    server = SlackServer([a_team()])
    async with slack_serving(server):
        yield server
    assert server.diagnostics == []


@pytest.fixture
def platform(server: SlackServer) -> SlackPlatform:
    return app_for(server, "socket").platform


@pytest.fixture
def ids() -> IssuedIds:
    return IssuedIds(SmallChatService(), "7Q4K")


def card_of(log: list[Recorded]) -> Card:
    view = view_of(log)
    assert view is not None
    return card_for(view, log[-1].at)


LONG = card_of(waiting(a_call("post_notice", body="x" * 30_000)))
PLANNING = card_of(recorded(argued(a_call("post_notice"))[:14]))


async def test_a_card_is_changed_in_place(server: SlackServer, platform: SlackPlatform, ids: IssuedIds) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    await platform.edit(message_ref, card_of(waiting()), ids)
    (message,) = server.cards()
    assert len(message.versions) == 2
    assert message.has("approve")
    assert not message.has("cancel")


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_a_card_with_an_approver_whom_slack_does_not_know_is_shown_with_their_id_and_can_be_approved(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds, method: str
) -> None:
    gone = proposed(a_call("post_notice"), policy=Policy(roles=("S0GONE0000",), users=("U0GONE0000",)))
    card = card_of(recorded([*argued(a_call("post_notice")), gone]))
    if method == "chat.postMessage":
        server.faults.append(Fault(method=method, error="invalid_blocks"))
        await platform.post(PLACE, card, ids)
    else:
        message_ref = await platform.post(PLACE, PLANNING, ids)
        server.faults.append(Fault(method=method, error="invalid_blocks"))
        await platform.edit(message_ref, card, ids)
    (message,) = server.cards()
    assert message.has("approve")
    assert "U0GONE0000" in str(message.versions[-1])
    assert "'user_id'" not in str(message.versions[-1])


async def test_a_call_links_the_groups_that_it_names_in_a_new_message(
    server: SlackServer, platform: SlackPlatform
) -> None:
    line = (Mention("S0123456789", "ops", "role", is_linked=True), StyledText(": a plan is waiting"))
    await platform.notify_roles(replace(PLACE, thread="1.1"), line, idempotency_key="7Q4K:9f3a")
    (message,) = server.messages.values()
    assert message.thread == "1.1"
    assert '"usergroup_id": "S0123456789"' in message.text
    assert message.now["text"] == "ops: a plan is waiting"
    await platform.notify_roles(
        PLACE, (Mention("ops", "ops", "role", is_linked=True), StyledText(": a plan is waiting")), idempotency_key="8"
    )
    assert len(server.messages) == 1


async def test_the_thread_of_a_message_is_always_the_same(platform: SlackPlatform) -> None:
    message_ref = MessageRef(place=PLACE, message="1.1")
    thread = await platform.open_thread(message_ref, "title")
    assert thread == ChannelRef(platform="slack", tenant="slack:-:T1", channel="C1", thread="1.1")
    assert await platform.open_thread(MessageRef(place=thread, message="1.2"), "title") == thread


async def test_a_story_is_told_in_the_thread_without_buttons(server: SlackServer, platform: SlackPlatform) -> None:
    message_ref = await platform.post_text(
        ChannelRef(platform="slack", tenant="slack:-:T1", channel="C1", thread="1.1"), PLANNING
    )
    message = server.messages["C1", message_ref.message]
    assert message.thread == "1.1"
    assert not message.has("cancel")
    await platform.edit_text(message_ref, card_of(waiting()))
    assert len(message.versions) == 2
    assert not message.has("approve")


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(method="chat.postMessage", retry_after=7), RateLimited, "7"),
        (Fault(method="chat.postMessage", status=500), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", status=503), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="channel_not_found"), MessageNotFound, "channel_not_found"),
        (Fault(method="chat.postMessage", error="not_in_channel"), MissingPermission, "/invite"),
        (Fault(method="chat.postMessage", error="missing_scope", needed="chat:write"), MissingPermission, "chat:write"),
        (Fault(method="chat.postMessage", error="is_archived"), MissingPermission, "archived"),
        (Fault(method="chat.postMessage", error="token_revoked"), MissingPermission, "install"),
        (Fault(method="chat.postMessage", error="team_access_not_granted"), MissingPermission, "organization must add"),
        (Fault(method="chat.postMessage", error="ratelimited"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="internal_error"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="fatal_error"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="service_unavailable"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="message_limit_exceeded"), RateLimited, "wait 60 s"),
        (
            Fault(method="chat.postMessage", error="ekm_access_denied"),
            MissingPermission,
            "administrators .* don't allow",
        ),
        (Fault(method="chat.postMessage", error="accesslimited"), MissingPermission, "administrators .* don't allow"),
        (Fault(method="chat.postMessage", error="something_new"), MissingPermission, "something_new"),
        (Fault(method="chat.postMessage", page="<html>Sign in to the hotel</html>"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", status=403, page="<html>blocked</html>"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="external_channel_migrating"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="org_login_required"), RateLimited, "wait 5 s"),
        (Fault(method="chat.postMessage", error="restricted_action_read_only_channel"), MissingPermission, "/invite"),
        (Fault(method="chat.postMessage", error="restricted_action_thread_locked"), EditRefused, "in this thread"),
        (Fault(method="chat.postMessage", error="cannot_reply_to_message"), EditRefused, "in this thread"),
    ],
)
async def test_what_keeps_a_card_from_being_posted_is_told_and_never_tried_twice(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds, fault: Fault, error: type[Exception], words: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(error, match=words):
        await platform.post(PLACE, PLANNING, ids)
    assert len(server.called("chat.postMessage")) == 1


@pytest.mark.parametrize("status", [200, 403, 404, 429, 502])
@pytest.mark.parametrize(
    ("page", "content_type"),
    [
        ("<html>Sign in to the hotel</html>", "text/html"),
        ("upstream connect error", "text/plain"),
        ('{"ok": tr', "application/json"),
        ("[1]", "application/json"),
        ("null", "application/json"),
        ("", "application/json"),
    ],
)
async def test_an_answer_that_can_not_be_read_is_no_answer(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds, page: str, content_type: str, status: int
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "chat.postMessage": lambda: platform.post(PLACE, PLANNING, ids),
        "chat.update": lambda: platform.edit(message_ref, PLANNING, ids),
        "users.info": lambda: platform.person_now(ALICE),
        "usergroups.list": lambda: platform.ids_of("slack:-:T1", "role", "ops"),
    }
    for method, ask in asked.items():
        server.faults.append(Fault(method=method, page=page or " ", content_type=content_type, status=status, times=9))
        with pytest.raises(RateLimited):
            await ask()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(method="chat.update", error="message_not_found"), MessageNotFound),
        (Fault(method="chat.update", error="cant_update_message"), EditRefused),
        (Fault(method="chat.update", error="block_mismatch"), EditRefused),
        (Fault(method="chat.update", error="is_inactive"), MissingPermission),
        (Fault(method="chat.update", error="message_limit_exceeded"), RateLimited),
        (Fault(method="chat.update", error="update_failed"), RateLimited),
        (Fault(method="chat.update", retry_after=30), RateLimited),
        (Fault(method="chat.update", status=500, times=9), RateLimited),
    ],
)
async def test_what_keeps_a_card_from_being_changed_is_told(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds, fault: Fault, error: type[Exception]
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    server.faults.append(fault)
    with pytest.raises(error):
        await platform.edit(message_ref, PLANNING, ids)


async def test_of_a_channel_that_was_archived_an_edit_is_refused_in_the_same_words_as_a_post(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    """Slack has a code of its own for each: `is_archived` and `is_inactive`."""
    message_ref = await platform.post(PLACE, PLANNING, ids)
    said: list[str] = []
    server.faults.append(Fault(method="chat.postMessage", error="is_archived"))
    with pytest.raises(MissingPermission) as post:
        await platform.post(PLACE, PLANNING, ids)
    server.faults.append(Fault(method="chat.update", error="is_inactive"))
    with pytest.raises(MissingPermission) as edit:
        await platform.edit(message_ref, PLANNING, ids)
    said = [str(each.value) for each in (post, edit)]
    assert "archived" in said[0]
    assert said[0] == said[1]


async def test_an_account_that_is_not_there_any_more_is_nobody_and_what_slack_does_not_tell_is_no_answer(
    server: SlackServer, platform: SlackPlatform
) -> None:
    """Else the approvals of others would wait for that account for ever."""
    (team,) = server.teams
    found = await platform.person_now(ALICE)
    assert found is not None
    assert found.roles == ("S1",)
    for code in ("user_not_found", "user_not_visible"):
        server.faults.append(Fault(method="users.info", error=code))
        assert await platform.person_now(ALICE) is None
    team.users["UALICE"]["deleted"] = True
    assert await platform.person_now(ALICE) is None
    server.faults.append(Fault(method="users.info", retry_after=7))
    with pytest.raises(RateLimited):
        await platform.person_now(ALICE)
    server.faults.append(Fault(method="users.info", error="missing_scope", needed="users:read"))
    with pytest.raises(MissingPermission, match="users:read"):
        await platform.person_now(ALICE)


async def test_of_a_group_that_is_gone_or_disabled_there_is_nobody(
    server: SlackServer, platform: SlackPlatform
) -> None:
    (team,) = server.teams
    team.groups.append({"id": "S2", "handle": "leads", "users": ["UALICE", "UBOB"]})
    tenant = "slack:-:T1"
    assert await platform.others_in(tenant, ["S1", "S2"], []) == 2
    assert await platform.others_in(tenant, ["S1", "S2"], ["UBOB"]) == 1
    team.groups.pop()
    assert await platform.others_in(tenant, ["S2"], []) == 0
    assert await platform.others_in(tenant, ["S1", "S2"], []) == 1


async def test_why_nobody_can_be_seen_to_be_in_a_group_is_told_with_who_must_act(
    server: SlackServer, platform: SlackPlatform
) -> None:
    (team,) = server.teams
    assert await platform.why_roles_hidden("slack:-:T1", ["S1"]) == ""
    team.has_groups = False
    assert "plan has no user groups" in await platform.why_roles_hidden("slack:-:T1", ["S1"])
    with pytest.raises(MissingPermission, match="plan has no user groups"):
        await platform.ids_of("slack:-:T1", "role", "ops")
    team.lacks.add("usergroups:read")
    assert "permission usergroups:read: a workspace admin must" in await platform.why_roles_hidden("slack:-:T1", ["S1"])
    server.faults.append(Fault(method="usergroups.list", retry_after=7))
    assert await platform.why_roles_hidden("slack:-:T1", ["S1"]) == "", "that passes by itself"
    assert "install" in await platform.why_roles_hidden("slack:-:T9", ["S1"])


async def test_that_a_group_is_disabled_or_gone_is_told(server: SlackServer, platform: SlackPlatform) -> None:
    """Slack leaves it out of the list, as it does with its members."""
    tenant, group = "slack:-:T1", "S0123456789"
    server.teams[0].groups.append({"id": group, "handle": "leads", "users": ["UBOB"]})
    assert await platform.why_roles_hidden(tenant, ["S1", group, "by-a-handle"]) == ""
    server.teams[0].groups.pop()
    told = await platform.why_roles_hidden(tenant, ["S1", group, "by-a-handle"])
    assert told.startswith(f"The user group {group} is disabled or was deleted")


async def test_a_change_is_sent_again_when_slack_stumbles(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    server.faults.append(Fault(method="chat.update", status=500, is_done_first=True))
    await platform.edit(message_ref, card_of(waiting()), ids)
    assert server.cards()[0].has("approve")
    assert len(server.called("chat.update")) == 2


async def test_a_plans_files_are_attached_once_for_each_plan(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    await platform.edit(message_ref, LONG, ids)
    await platform.edit(message_ref, LONG, ids)
    assert len(server.called("files.completeUploadExternal")) == 1
    (message,) = server.cards()
    assert message.has("approve")
    assert [file["thread"] for file in server.files.values()] == [message_ref.message] * 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("missing_scope", "files:write"),
        ("file_uploads_disabled", "organization don't allow this (file_uploads_disabled): one of them must"),
        ("storage_limit_reached", "no room left for files"),
    ],
)
async def test_a_plan_whose_files_may_not_be_attached_says_so_and_has_no_yes(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds, error: str, words: str
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    server.faults.append(Fault(method="files.getUploadURLExternal", error=error, needed="files:write"))
    await platform.edit(message_ref, LONG, ids)
    (message,) = server.cards()
    assert not message.has("approve")
    assert message.has("reject")
    assert words in message.text


async def test_files_that_slack_could_not_take_now_are_tried_again(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    server.faults.append(Fault(method="files.getUploadURLExternal", retry_after=0))
    await platform.edit(message_ref, LONG, ids)
    assert server.cards()[0].has("approve")


async def test_files_that_take_long_are_left_to_the_next_change(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    message_ref = await platform.post(PLACE, PLANNING, ids)
    server.faults.append(Fault(method="files.completeUploadExternal", retry_after=60))
    with pytest.raises(RateLimited):
        await platform.edit(message_ref, LONG, ids)
    assert len(server.cards()[0].versions) == 1
    await platform.edit(message_ref, LONG, ids)
    assert server.cards()[0].has("approve")


async def test_a_card_whose_files_take_long_is_taken_back_until_it_can_be_whole(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    server.faults.append(Fault(method="files.completeUploadExternal", retry_after=60))
    with pytest.raises(RateLimited):
        await platform.post(PLACE, LONG, ids)
    assert server.messages == {}
    await platform.post(PLACE, LONG, ids)
    (message,) = server.cards()
    assert message.has("approve")


async def test_a_word_to_one_person_waits_for_them_in_their_direct_messages(
    server: SlackServer, platform: SlackPlatform
) -> None:
    assert await platform.notify_user(ALICE, PLACE, note("Only for you."))
    assert [each.channel for each in server.messages.values()] == ["DUALICE"]
    assert server.private_messages == []


async def test_a_word_about_a_run_in_their_own_thread_with_the_bot_stays_there(
    server: SlackServer, platform: SlackPlatform
) -> None:
    await platform.notify_user(ALICE, replace(PLACE, channel="DUALICE", thread="1.1"), note("Only for you."))
    assert [(each.channel, each.thread) for each in server.messages.values()] == [("DUALICE", "1.1")]


async def test_a_word_to_a_person_who_takes_no_messages_is_shown_to_them_in_the_channel(
    server: SlackServer, platform: SlackPlatform
) -> None:
    server.faults.append(Fault(method="conversations.open", error="missing_scope", needed="im:write"))
    assert await platform.notify_user(ALICE, PLACE, note("Only for you."))
    assert [each["user"] for each in server.private_messages] == ["UALICE"]
    assert server.messages == {}


async def test_a_word_that_reaches_nobody_is_let_go(server: SlackServer, platform: SlackPlatform) -> None:
    server.teams[0].absent.add("C1")
    server.faults.append(Fault(method="conversations.open", error="cannot_dm_bot"))
    assert not await platform.notify_user(ALICE, PLACE, note("Only for you."))
    assert (server.messages, server.private_messages) == ({}, [])


async def test_the_primary_owner_of_a_workspace_is_told_before_other_owners(
    server: SlackServer, platform: SlackPlatform
) -> None:
    users = server.teams[0].users
    users["UOLD"] = {"id": "UOLD", "is_primary_owner": True, "is_owner": True, "is_admin": True, "deleted": True}
    users["UOWN"] = {"id": "UOWN", "is_owner": True, "is_admin": True}
    users["UFIRST"] = {"id": "UFIRST", "is_primary_owner": True, "is_owner": True, "is_admin": True}
    assert await platform.owners_of(PLACE.tenant) == ["UFIRST", "UOWN", "root"]
    server.faults.append(Fault(method="users.list", error="missing_scope", needed="users:read"))
    with pytest.raises(MissingPermission):
        await platform.owners_of(PLACE.tenant)


async def test_where_slack_tells_no_address_there_is_no_link_and_the_next_time_it_is_asked_again(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    posted = await platform.post(PLACE, LONG, ids)
    server.faults.append(Fault(method="chat.getPermalink", error="channel_not_found"))
    assert await platform.link_to(posted) == ""
    assert await platform.link_to(posted) == f"https://t1.slack.test/archives/C1/p{posted.message.replace('.', '')}"
    assert await platform.link_to(replace(posted, place=replace(PLACE, channel="DUALICE"))) == ""


async def test_a_tenant_without_an_installation_is_written_to_by_nobody(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    for tenant in ("slack:-:T2", "slack:E1:T1", "discord:1", "slack:-:"):
        with pytest.raises(MissingPermission):
            await platform.post(ChannelRef(platform="slack", tenant=tenant, channel="C1"), PLANNING, ids)
    assert server.calls == []


async def test_a_server_that_is_not_there_is_patience(
    platform: SlackPlatform, ids: IssuedIds, server: SlackServer
) -> None:
    lonely = app_for(SlackServer([a_team()], address="http://127.0.0.1:1"), "socket").platform
    with pytest.raises(RateLimited):
        await lonely.post(PLACE, PLANNING, ids)


async def test_an_agent_has_slacks_stop_button_while_it_works(server: SlackServer, ids: IssuedIds) -> None:
    workspace = Workspace(enterprise="", team="T1", token="xoxb-T1", scopes=("chat:write", "assistant:write"))
    platform = SlackPlatform(KnownWorkspaces((workspace,)), Clients(f"{server.address}/api/"))
    message_ref = await platform.post(PLACE, PLANNING, ids)
    server.faults.append(Fault(method="agents.sessions.setStatus", error="not_allowed"))
    await platform.edit(message_ref, PLANNING, ids)
    await platform.edit(message_ref, card_of(waiting()), ids)
    await platform.edit(message_ref, card_of(waiting()), ids)
    said = [(each["thread_ts"], each["status"]) for each in server.called("agents.sessions.setStatus")]
    assert said == [(message_ref.message, "processing"), (message_ref.message, "active")]
    titles = [each["title"] for each in server.called("agents.sessions.setStatus")]
    assert all(0 < len(title) <= 75 for title in titles)


async def test_an_app_that_is_no_agent_asks_for_no_stop_button(
    server: SlackServer, platform: SlackPlatform, ids: IssuedIds
) -> None:
    await platform.post(PLACE, PLANNING, ids)
    assert server.called("agents.sessions.setStatus") == []


async def test_a_channel_is_public_only_where_slack_says_so(server: SlackServer, platform: SlackPlatform) -> None:
    server.teams[0].conversations |= {"C2": {"is_private": True}, "G3": {"is_private": True}}
    found = [await platform.is_public(PLACE.tenant, each) for each in ("C1", "C2", "G3", "D9", "C404")]
    assert found == [True, False, False, False, False]
    server.faults.append(Fault(method="conversations.info", error="missing_scope"))
    with pytest.raises(MissingPermission, match="permission"):
        await platform.is_public(PLACE.tenant, "C1")


@pytest.mark.parametrize(
    ("told", "error", "words"),
    [
        ({}, None, ""),
        ({"is_member": False}, MissingPermission, "invite"),
        ({"is_archived": True}, MissingPermission, "archived"),
        ({"is_shared": True, "is_ext_shared": True}, SharedChannel, "shared"),
        ({"is_shared": True, "is_org_shared": True}, SharedChannel, "shared"),
        ({"is_pending_ext_shared": True}, SharedChannel, "shared"),
        ({"is_shared": True, "is_member": False}, NotInChannel, "invite"),
    ],
    ids=[
        "fine",
        "not in it",
        "archived",
        "Slack Connect",
        "whole organisation",
        "about to be shared",
        "shared, not in it",
    ],
)
async def test_a_channel_of_approvals_is_one_that_the_bot_is_in_and_nobody_from_outside(
    server: SlackServer,
    platform: SlackPlatform,
    told: dict[str, object],
    error: type[Exception] | None,
    words: str,
) -> None:
    server.teams[0].conversations |= {"C2": told}
    if error is None:
        await platform.check_channel(PLACE.tenant, "C2")
        return
    with pytest.raises(error, match=words):
        await platform.check_channel(PLACE.tenant, "C2")


async def test_a_channel_that_the_app_may_not_look_at_may_be_well_all_the_same(
    server: SlackServer, platform: SlackPlatform
) -> None:
    server.faults.append(Fault(method="conversations.info", error="missing_scope", needed="channels:read"))
    with pytest.raises(ChannelUnseen, match="channels:read"):
        await platform.check_channel(PLACE.tenant, "C1")


async def test_a_link_to_a_channel_is_no_ping(server: SlackServer, platform: SlackPlatform, ids: IssuedIds) -> None:
    card = replace(note("routed"), sections=(Alert(line=(Mention("C012345678", "C012345678", "channel"),)),))
    message_ref = await platform.post(PLACE, card, ids)
    message = server.messages[PLACE.channel, message_ref.message]
    assert '{"type": "channel", "channel_id": "C012345678"}' in message.text


@pytest.mark.parametrize(("minutes", "is_told"), [(0, False), (-10, True), (10, True)])
async def test_a_clock_that_makes_slacks_requests_too_old_is_told(
    server: SlackServer, minutes: int, *, is_told: bool
) -> None:
    now = SystemClock().now() + timedelta(minutes=minutes)
    found = await clock_checkups(Clients(f"{server.address}/api/"), server.teams[0].token, now)
    assert [each.is_well for each in found] == ([False] if is_told else [])
    assert all("seconds off Slack's" in each.text for each in found)
    assert await clock_checkups(Clients(f"{server.address}/api/"), "xoxb-nobody", now) == []
