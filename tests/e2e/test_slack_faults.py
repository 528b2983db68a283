"""Whatever Slack does, twice or not at all, one thing comes of it, and people hear what they can do."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from coordination.domain import events as e
from tests.e2e.slack_harness import Harness, a_harness, run_in
from tests.servers.slack_people import SocketLine
from tests.servers.slack_server import Fault


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness, harness.bot():
        yield harness


async def test_a_card_whose_post_was_lost_is_found_and_stands_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack_app.errors.LOST_SECONDS", 0.2)
    harness.server.faults.append(Fault(method="chat.postMessage", status=500, is_done_first=True))
    card = await harness.planned()
    assert len(harness.server.called("conversations.history")) == 1
    await harness.clicks("alice", card, "approve")
    await harness.ends(card, "Done")
    assert harness.cards() == [card]
    assert len(harness.writes()) == 2


async def test_a_card_whose_post_was_lost_where_the_bot_may_not_read_stands_twice_and_only_the_newer_one_counts(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack_app.errors.LOST_SECONDS", 0.2)
    harness.server.teams[0].lacks.add("channels:history")
    harness.server.faults.append(Fault(method="chat.postMessage", status=500, is_done_first=True))
    await harness.somebody("rita").command("Tell everyone")
    await harness.server.until(lambda: len(harness.cards()) == 2)
    lost, card = harness.cards()
    await harness.shows(card, "Waiting for approval")
    assert "out of date" in await harness.refused("rita", lost, lost.element("cancel"))
    await harness.shows(lost, "Out of date")
    assert not lost.has_any()
    await harness.clicks("alice", card, "approve")
    await harness.ends(card, "Done")
    assert len(harness.writes()) == 2


async def test_a_card_that_is_deleted_while_its_plan_waits_is_back_within_a_minute(harness: Harness) -> None:
    server = harness.server
    card = await harness.planned()
    del server.messages[card.channel, card.ts]
    await _skipping(harness, harness.cards)
    (second,) = harness.cards()
    await harness.shows(second, "Waiting for approval")
    await harness.clicks("alice", second, "approve")
    await harness.ends(second, "Done")
    assert len(harness.writes()) == 2


@pytest.mark.parametrize("error", ["is_archived", "not_in_channel", "channel_not_found"])
async def test_a_last_edit_that_was_refused_is_made_when_it_is_allowed(harness: Harness, error: str) -> None:
    server = harness.server
    card = await harness.planned()
    server.faults += [Fault(method=each, error=error, times=3) for each in ("chat.update", "chat.postMessage")]
    await harness.clicks("alice", card, "approve")
    await _skipping(harness, lambda: any("Done ·" in each.text for each in harness.cards()))
    for each in harness.cards()[:-1]:
        await _skipping(harness, lambda each=each: "Out of date" in each.text)


async def _skipping(harness: Harness, is_so: Callable[[], object]) -> None:
    """Let time pass until something is so."""
    async with asyncio.timeout(45):
        while not is_so():
            harness.clock.skip(31)
            await asyncio.sleep(0.05)


async def test_what_is_delivered_again_is_done_once(harness: Harness) -> None:
    line, rita, alice = harness.line, harness.somebody("rita"), harness.somebody("alice")
    assert isinstance(line, SocketLine)
    await rita.command("Tell everyone")
    await line.again()
    event = await rita.mention("Tell nobody")
    for retry in (1, 2):
        await line.send("event", event, retry=retry)
    await harness.server.until(lambda: len(harness.cards()) == 2)
    for card in harness.cards():
        await harness.shows(card, "Waiting for approval")
    card, other = sorted(harness.cards(), key=lambda each: "nobody" in each.text)
    await alice.click(card, "approve")
    await line.again()
    await harness.ends(card, "Done")
    await alice.click(other, "change")
    view = await alice.opened()
    await alice.submit(view, "shorter")
    await line.again()
    await harness.shows(other, "Approve 1 call")
    wanted = [each for each in await harness.events(other) if isinstance(each, e.ChangesRequested)]
    assert len(wanted) == 1
    await harness.server.until(lambda: harness.direct("rita"))
    assert len(harness.cards()) == 2
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]


async def test_connections_come_and_go_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.slack_app.client.PING_SECONDS", 0.5)
    async with a_harness(tmp_path) as harness, harness.bot():
        server, card = harness.server, await harness.planned()
        for lose in (server.disconnect, server.drop):
            old = set(server.sockets)
            await lose()
            await server.until(lambda old=old: server.sockets and old.isdisjoint(server.sockets))
        await harness.clicks("alice", card, "approve")
        await harness.ends(card, "Done")


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
async def test_a_bot_that_starts_while_slack_is_away_listens_once_it_is_there(tmp_path: Path, method: str) -> None:
    async with a_harness(tmp_path) as harness:
        faults = [
            Fault(method=method, status=503, page="<html>upstream</html>"),
            Fault(method=method, error="internal_error"),
        ]
        harness.server.faults += faults
        async with harness.process():
            assert not any(each.times for each in faults)


async def test_slack_may_ask_for_patience_and_stumble_and_the_card_arrives(harness: Harness) -> None:
    faults = [
        Fault(method="chat.postMessage", retry_after=1),
        Fault(method="chat.update", retry_after=1),
        Fault(method="chat.update", status=500, is_done_first=True),
    ]
    harness.server.faults += faults
    card = await harness.planned()
    await harness.answers("alice", card, "reject", "no")
    await harness.ends(card, "Rejected")
    await harness.server.until(lambda: not any(each.times for each in faults))
    assert harness.cards() == [card]


async def test_a_card_that_somebody_deleted_is_posted_again_when_there_is_news(harness: Harness) -> None:
    card = await harness.planned()
    del harness.server.messages[card.channel, card.ts]
    await harness.answers("alice", card, "reject", "no")
    again = await harness.card(after=[card])
    assert "Rejected ·" in again.text
    assert run_in(again.text) == run_in(card.text)


async def test_a_message_that_may_not_be_changed_any_more_is_posted_again(harness: Harness) -> None:
    card = await harness.planned()
    harness.clock.skip(120)
    harness.server.faults.append(Fault(method="chat.update", error="cant_update_message", times=99))
    await harness.answers("alice", card, "reject", "no")
    again = await harness.card(after=[card])
    assert "Rejected ·" in again.text


async def test_a_channel_without_the_bot_is_said_to_the_one_who_asks_and_nothing_begins(harness: Harness) -> None:
    harness.server.teams[0].absent.add("C7")
    assert "/invite" in await harness.told("rita", "Tell everyone", channel="C7")
    assert harness.server.messages == {}
    assert "There are no" in await harness.told("rita", "status")


async def test_a_bot_that_is_sent_away_says_so_to_the_one_who_asked_and_comes_back(harness: Harness) -> None:
    card = await harness.planned()
    harness.server.teams[0].absent.add("C1")
    harness.server.faults.append(Fault(method="chat.update", error="not_in_channel", times=99))
    harness.clock.skip(120)
    await harness.answers("alice", card, "change", "shorter")
    await harness.server.until(lambda: any("/invite" in harness.plain(each) for each in harness.direct("rita")))
    harness.server.teams[0].absent.clear()
    harness.server.faults.clear()
    harness.clock.skip(300)
    await harness.server.until(lambda: "Approve 1 call" in harness.cards()[-1].text)
    await harness.clicks("bob", harness.cards()[-1], "approve")
    await harness.ends(harness.cards()[-1], "Done")


async def test_a_missing_permission_is_named_to_the_one_who_asked(harness: Harness) -> None:
    harness.server.faults.append(Fault(method="chat.postMessage", error="missing_scope", needed="chat:write"))
    await harness.somebody("rita").command("Tell everyone")
    await harness.server.until(lambda: any("chat:write" in harness.plain(each) for each in harness.direct("rita")))
    harness.clock.skip(300)
    await harness.shows(await harness.card(), "Waiting for approval")


async def test_without_the_permission_to_see_groups_their_members_hear_why_they_can_not_approve_and_who_must_act(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack_app.identity.FRESH_SECONDS", 0.0)
    (team,), card = harness.server.teams, await harness.planned()
    team.lacks.add("usergroups:read")
    said = await harness.refused("alice", card, card.element("approve"))
    assert "can decide on this plan" in said
    assert "I lack the permission usergroups:read: a workspace admin must reinstall the app" in said
    await harness.somebody("rita").mention("Tell everyone else")
    await harness.server.until(lambda: "usergroups:read: a wo" in str(harness.server.private_messages[-1]))
    await harness.server.until(lambda: len(harness.cards()) == 2)
    team.has_groups = False
    team.lacks.clear()
    assert "plan has no user groups" in await harness.refused("alice", card, card.element("approve"))
    team.has_groups = True
    await harness.clicks("alice", card, "approve")
    await harness.ends(card, "Done")


async def test_a_plan_that_no_message_holds_is_approvable_with_its_files_below_it_and_not_without(
    harness: Harness,
) -> None:
    card = await harness.planned(config="long")
    names = {each["name"]: each for each in harness.server.files.values()}
    assert set(names) == {"plan.md", "plan.json"}
    assert {each["thread"] for each in names.values()} == {card.ts}
    assert card.has("approve")
    harness.server.faults.append(
        Fault(method="files.getUploadURLExternal", error="missing_scope", needed="files:write", times=9)
    )
    other = await harness.planned(config="long")
    assert "files:write" in harness.plain(other)
    assert not other.has("approve")
    assert other.has("reject")
    await harness.clicks("alice", card, "approve")
    await harness.ends(card, "Done")
    assert len(harness.writes()) == 1


async def test_a_plan_that_slack_takes_in_no_form_is_not_approvable(harness: Harness) -> None:
    harness.server.faults += [
        Fault(method="chat.postMessage", retry_after=1),
        Fault(method="chat.postMessage", error="msg_blocks_too_long"),
    ]
    card = await harness.planned()
    assert "nobody can approve it here" in harness.plain(card)
    assert not card.has("approve")
    assert not card.has("choose")
    await harness.answers("alice", card, "change", "shorter")
    await harness.shows(card, "Approve 1 call")
