"""Whatever Slack does, twice or not at all, one thing comes of it, and people hear what they can do."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from coordination.domain import events as e
from tests.e2e.slack_harness import Stage, a_stage, run_in
from tests.servers.slack_people import SocketLine
from tests.servers.slack_server import Fault


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with a_stage(tmp_path) as stage, stage.bot():
        yield stage


async def test_a_card_whose_post_was_lost_is_found_and_stands_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack_app.errors.LOST_SECONDS", 0.2)
    stage.server.faults.append(Fault(method="chat.postMessage", status=500, is_done_first=True))
    card = await stage.planned()
    assert len(stage.server.called("conversations.history")) == 1
    await stage.clicks("alice", card, "approve")
    await stage.ends(card, "Done")
    assert stage.cards() == [card]
    assert len(stage.writes()) == 2


async def test_a_card_whose_post_was_lost_where_the_bot_may_not_read_stands_twice_and_only_the_newer_one_counts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack_app.errors.LOST_SECONDS", 0.2)
    stage.server.teams[0].lacks.add("channels:history")
    stage.server.faults.append(Fault(method="chat.postMessage", status=500, is_done_first=True))
    await stage.somebody("rita").command("Tell everyone")
    await stage.server.until(lambda: len(stage.cards()) == 2, 20)
    lost, card = stage.cards()
    await stage.shows(card, "Decide")
    assert "out of date" in await stage.refused("rita", lost, lost.element("cancel"))
    await stage.shows(lost, "Out of date")
    assert not lost.has_any()
    await stage.clicks("alice", card, "approve")
    await stage.ends(card, "Done")
    assert len(stage.writes()) == 2


async def test_a_card_that_is_deleted_while_its_plan_waits_is_back_within_a_minute(stage: Stage) -> None:
    server = stage.server
    card = await stage.planned()
    del server.messages[card.channel, card.ts]
    await _skipping(stage, stage.cards)
    (second,) = stage.cards()
    await stage.shows(second, "Decide")
    await stage.clicks("alice", second, "approve")
    await stage.ends(second, "Done")
    assert len(stage.writes()) == 2


@pytest.mark.parametrize("error", ["is_archived", "not_in_channel", "channel_not_found"])
async def test_a_last_edit_that_was_refused_is_made_when_it_is_allowed(stage: Stage, error: str) -> None:
    server = stage.server
    card = await stage.planned()
    server.faults += [Fault(method=each, error=error, times=3) for each in ("chat.update", "chat.postMessage")]
    await stage.clicks("alice", card, "approve")
    await _skipping(stage, lambda: any("Done ·" in each.text for each in stage.cards()))
    for each in stage.cards()[:-1]:
        await _skipping(stage, lambda each=each: "Out of date" in each.text)


async def _skipping(stage: Stage, is_so: Callable[[], object]) -> None:
    """Let time pass until something is so."""
    async with asyncio.timeout(15):
        while not is_so():
            stage.clock.skip(31)
            await asyncio.sleep(0.05)


async def test_what_is_delivered_again_is_done_once(stage: Stage) -> None:
    line, rita, alice = stage.line, stage.somebody("rita"), stage.somebody("alice")
    assert isinstance(line, SocketLine)
    await rita.command("Tell everyone")
    await line.again()
    event = await rita.mention("Tell nobody")
    for retry in (1, 2):
        await line.send("event", event, retry=retry)
    await stage.server.until(lambda: len(stage.cards()) == 2)
    for card in stage.cards():
        await stage.shows(card, "Decide")
    card, other = sorted(stage.cards(), key=lambda each: "nobody" in each.text)
    await alice.click(card, "approve")
    await line.again()
    await stage.ends(card, "Done")
    await alice.click(other, "change")
    view = await alice.opened()
    await alice.submit(view, "shorter")
    await line.again()
    await stage.shows(other, "Approve 1 call")
    wanted = [each for each in await stage.events(other) if isinstance(each, e.ChangesRequested)]
    assert len(wanted) == 1
    await stage.server.until(lambda: stage.direct("rita"))
    assert len(stage.cards()) == 2
    assert stage.writes() == ["Tell everyone", "again: Tell everyone"]


async def test_connections_come_and_go_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.slack_app.client.PING_SECONDS", 0.5)
    async with a_stage(tmp_path) as stage, stage.bot():
        server, card = stage.server, await stage.planned()
        for lose in (server.disconnect, server.drop):
            old = set(server.sockets)
            await lose()
            await server.until(lambda old=old: server.sockets and old.isdisjoint(server.sockets))
        await stage.clicks("alice", card, "approve")
        await stage.ends(card, "Done")


async def test_slack_may_ask_for_patience_and_stumble_and_the_card_arrives(stage: Stage) -> None:
    faults = [
        Fault(method="chat.postMessage", retry_after=1),
        Fault(method="chat.update", retry_after=1),
        Fault(method="chat.update", status=500, is_done_first=True),
    ]
    stage.server.faults += faults
    card = await stage.planned()
    await stage.answers("alice", card, "reject", "no")
    await stage.ends(card, "Rejected")
    await stage.server.until(lambda: not any(each.times for each in faults))
    assert stage.cards() == [card]


async def test_a_card_that_somebody_deleted_is_posted_again_when_there_is_news(stage: Stage) -> None:
    card = await stage.planned()
    del stage.server.messages[card.channel, card.ts]
    await stage.answers("alice", card, "reject", "no")
    again = await stage.card(after=[card])
    assert "Rejected ·" in again.text
    assert run_in(again.text) == run_in(card.text)


async def test_a_message_that_may_not_be_changed_any_more_is_posted_again(stage: Stage) -> None:
    card = await stage.planned()
    stage.clock.skip(120)
    stage.server.faults.append(Fault(method="chat.update", error="cant_update_message", times=99))
    await stage.answers("alice", card, "reject", "no")
    again = await stage.card(after=[card])
    assert "Rejected ·" in again.text


async def test_a_channel_without_the_bot_is_said_to_the_one_who_asks_and_nothing_begins(stage: Stage) -> None:
    stage.server.teams[0].absent.add("C7")
    assert "/invite" in await stage.told("rita", "Tell everyone", channel="C7")
    assert stage.server.messages == {}
    assert "There are none" in await stage.told("rita", "status")


async def test_a_bot_that_is_sent_away_says_so_to_the_one_who_asked_and_comes_back(stage: Stage) -> None:
    card = await stage.planned()
    stage.server.teams[0].absent.add("C1")
    stage.server.faults.append(Fault(method="chat.update", error="not_in_channel", times=99))
    stage.clock.skip(120)
    await stage.answers("alice", card, "change", "shorter")
    await stage.server.until(lambda: any("/invite" in stage.plain(each) for each in stage.direct("rita")))
    stage.server.teams[0].absent.clear()
    stage.server.faults.clear()
    stage.clock.skip(300)
    await stage.server.until(lambda: "Approve 1 call" in stage.cards()[-1].text)
    await stage.clicks("bob", stage.cards()[-1], "approve")
    await stage.ends(stage.cards()[-1], "Done")


async def test_a_missing_permission_is_named_to_the_one_who_asked(stage: Stage) -> None:
    stage.server.faults.append(Fault(method="chat.postMessage", error="missing_scope", needed="chat:write"))
    await stage.somebody("rita").command("Tell everyone")
    await stage.server.until(lambda: any("chat:write" in stage.plain(each) for each in stage.direct("rita")))
    stage.clock.skip(300)
    await stage.shows(await stage.card(), "Decide")


async def test_a_plan_that_no_message_holds_is_approvable_with_its_files_below_it_and_not_without(stage: Stage) -> None:
    card = await stage.planned(config="long")
    names = {each["name"]: each for each in stage.server.files.values()}
    assert set(names) == {"plan.md", "plan.json"}
    assert {each["thread"] for each in names.values()} == {card.ts}
    assert card.has("approve")
    stage.server.faults.append(
        Fault(method="files.getUploadURLExternal", error="missing_scope", needed="files:write", times=9)
    )
    other = await stage.planned(config="long")
    assert "files:write" in stage.plain(other)
    assert not other.has("approve")
    assert other.has("reject")
    await stage.clicks("alice", card, "approve")
    await stage.ends(card, "Done")
    assert len(stage.writes()) == 1


async def test_a_plan_that_slack_takes_in_no_form_is_not_approvable(stage: Stage) -> None:
    stage.server.faults += [
        Fault(method="chat.postMessage", retry_after=1),
        Fault(method="chat.postMessage", error="msg_blocks_too_long"),
    ]
    card = await stage.planned()
    assert "nobody can approve it here" in stage.plain(card)
    assert not card.has("approve")
    assert not card.has("choose")
    await stage.answers("alice", card, "change", "shorter")
    await stage.shows(card, "Approve 1 call")
