"""What becomes of a run in Slack, by the real bot over real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.i18n import ENGLISH, GERMAN
from coordination.domain import events as e
from tests.e2e.slack_harness import Harness, a_harness, run_in


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncGenerator[Harness]:
    async with a_harness(tmp_path) as harness, harness.bot():
        yield harness


async def test_a_mention_and_its_follow_up_are_one_conversation_in_one_thread(harness: Harness) -> None:
    rita = harness.somebody("rita")
    await rita.mention("Tell everyone")
    card = await harness.shows(await harness.card(), "Waiting for approval")
    await harness.clicks("alice", card, "approve")
    await harness.ends(card, "Done")
    await rita.mention("and the neighbours", thread=card.ts)
    later = await harness.shows(await harness.card(thread=card.ts), "Waiting for approval")
    (begun,) = [each for each in await harness.events(later) if isinstance(each, e.RunRequested)]
    assert [each.prompt for each in begun.history] == ["Tell everyone"]
    await harness.clicks("alice", later, "approve")
    await harness.ends(later, "Done")
    assert harness.writes() == [
        "Tell everyone",
        "again: Tell everyone",
        "and the neighbours",
        "again: and the neighbours",
    ]
    await rita.mention("and the mayor", thread=card.ts)
    third = await harness.card(after=[later], thread=card.ts)
    (begun,) = [each for each in await harness.events(third) if isinstance(each, e.RunRequested)]
    assert [each.prompt for each in begun.history] == ["Tell everyone", "and the neighbours"]


async def test_a_message_is_planned_from_in_its_thread_and_a_direct_message_where_it_was_said(harness: Harness) -> None:
    rita = harness.somebody("rita")
    await rita.shortcut("The power is &lt;off&gt;, <@UALICE|alice>", ts="1690000000.000001")
    card = await harness.shows(await harness.card(thread="1690000000.000001"), "Waiting for approval")
    assert "The power is <off>, @alice (UALICE)" in harness.plain(card)
    await harness.clicks("alice", card, "approve")
    await harness.ends(card, "Done")
    await harness.server.until(lambda: "alice (UALICE) approved" in harness.all_said("1690000000.000001"))
    assert len(harness.writes()) == 2
    await rita.direct("Tell nobody")
    card = await harness.shows(
        await harness.card(channel="DURITA", after=harness.direct("rita")), "Waiting for approval"
    )
    assert "not by the requester" in harness.plain(card) or "someone else" in await harness.refused(
        "rita", card, card.element("approve")
    )


async def test_what_is_asked_for_in_direct_messages_is_decided_by_named_approvers_in_theirs(harness: Harness) -> None:
    folder = harness.folder / "configs"
    ops = (folder / "ops.yaml").read_text(encoding="utf-8")
    named = ops.replace("roles: [ops]", "users: [UALICE, UBOB]").replace("Two lines.", "x" * 9_000)
    (folder / "named.yaml").write_text(named, encoding="utf-8")
    await harness.admin("config use named workspace")
    await harness.somebody("rita").direct("Tell everyone")
    card = await harness.shows(await harness.card(channel="DURITA"), "Waiting for approval")
    await harness.server.until(lambda: harness.direct("alice") and harness.direct("bob"))
    (mine,), (other,) = harness.direct("alice"), harness.direct("bob")
    assert "no such button" in await harness.refused("bob", mine, mine.element("approve"))
    await harness.somebody("alice").click(mine, "details")
    await harness.clicks("alice", mine, "approve")
    for each in (card, mine, other):
        await harness.ends(each, "Done")
    assert harness.writes() == ["Tell everyone", "again: Tell everyone"]


async def test_every_notice_list_and_copy_links_to_the_card(harness: Harness) -> None:
    folder = harness.folder / "configs"
    ops = (folder / "ops.yaml").read_text(encoding="utf-8")
    (folder / "named.yaml").write_text(ops.replace("roles: [ops]", "users: [UALICE]"), encoding="utf-8")
    card = await harness.planned(config="named")
    await harness.server.until(lambda: harness.direct("alice"))
    link = {
        "type": "link",
        "url": f"https://t1.slack.test/archives/C1/p{card.ts.replace('.', '')}",
        "text": "Open the card",
    }
    (copy,) = harness.direct("alice")
    assert str(link) in str(copy.now["blocks"])
    assert str(link) not in str(card.now["blocks"])
    await harness.told("rita", "history")
    assert str(link) in str(harness.server.private_messages[-1])
    await harness.clicks("alice", copy, "approve")
    await harness.ends(card, "Done")
    await harness.server.until(lambda: harness.direct("rita"))
    assert str(link) in str(harness.direct("rita")[0].now["blocks"])


async def test_an_agents_question_is_answered_in_a_window_by_whoever_asked_and_by_nobody_else(harness: Harness) -> None:
    card = await harness.shows(await harness.asks(config="asks"), "Which channel?")
    assert "only they can answer" in await harness.refused("alice", card, card.element("answer"))
    await harness.answers("rita", card, "answer", "The second.")
    await harness.shows(card, "Waiting for approval", "The second.")
    assert harness.writes() == []


async def test_a_no_has_its_reason_and_the_same_can_be_asked_again(harness: Harness) -> None:
    card = await harness.planned()
    await harness.answers("alice", card, "reject", "Not on a <!channel> *Friday*.")
    await harness.ends(card, "Rejected")
    assert "Not on a <!channel> *Friday*." in harness.plain(card)
    await harness.clicks("rita", card, "ask_again")
    again = await harness.shows(await harness.card(after=[card]), "Waiting for approval")
    assert run_in(again.text) != run_in(card.text)
    await harness.somebody("rita").command(f"retry {run_in(card.text)}")
    third = await harness.shows(await harness.card(after=[card, again]), "Waiting for approval")
    assert run_in(third.text) not in {run_in(card.text), run_in(again.text)}
    assert harness.writes() == []


async def test_wanted_changes_bring_another_plan_and_the_old_yes_counts_no_more(harness: Harness) -> None:
    card = await harness.planned()
    old = card.element("approve")
    await harness.answers("alice", card, "change", "shorter")
    await harness.shows(card, "Approve 1 call")
    assert "replaced by a newer one" in await harness.refused("alice", card, old)
    assert "This plan follows what you said" in await harness.refused("alice", card, card.element("approve"))
    await harness.clicks("bob", card, "approve")
    await harness.ends(card, "Done")
    assert harness.writes() == ["short: Tell everyone"]
    assert "has already decided" in await harness.refused("bob", card, old)


async def test_another_agents_plan_is_what_runs_when_it_was_chosen(harness: Harness) -> None:
    card = await harness.planned()
    await harness.clicks("alice", card, "choose", option="2")
    await harness.shows(card, "Approve 1 call")
    assert "This plan follows what you said" in await harness.refused("alice", card, card.element("approve"))
    await harness.clicks("bob", card, "approve")
    await harness.ends(card, "Done")
    assert harness.writes() == ["mine: Tell everyone"]


async def test_a_plan_that_nobody_decided_on_expires_after_a_reminder(harness: Harness) -> None:
    card = await harness.planned()
    old = card.element("approve")
    harness.clock.skip(31 * 60)
    await harness.server.until(lambda: any("Still waiting" in harness.plain(each) for each in harness.cards()))
    harness.clock.skip(3600)
    await harness.ends(card, "Expired")
    assert "expired" in await harness.refused("alice", card, old)
    await harness.server.until(lambda: harness.direct("rita"))
    assert "Expired" in harness.direct("rita")[0].text
    assert harness.writes() == []


async def test_a_run_is_stopped_by_its_button_by_slacks_own_stop_and_by_word(harness: Harness) -> None:
    rita = harness.somebody("rita")
    first = await harness.shows(await harness.asks(config="slow"), "Planning")
    assert "rita (URITA), an approver or an administrator" in await harness.refused(
        "mallory", first, first.element("cancel")
    )
    await harness.clicks("rita", first, "cancel")
    await harness.ends(first, "Cancelled")
    second = await harness.shows(await harness.asks(config="slow"), "Planning")
    await harness.server.until(lambda: harness.story(second))
    event = {"type": "agent_session_stopped", "user": rita.id, "channel": "C1", "thread_ts": second.ts}
    await harness.line.send("event", rita.event(event))
    await harness.ends(second, "Cancelled")
    third = await harness.shows(await harness.asks(config="slow"), "Planning")
    assert "was cancelled" in await harness.told("rita", f"cancel {run_in(third.text)}")
    await harness.ends(third, "Cancelled")
    assert "nothing to cancel" in await harness.told("rita", f"cancel {run_in(third.text)}")
    assert harness.direct("rita") == [], "she knows what she did"


async def test_a_call_of_which_nobody_knows_is_asked_about_and_not_done_again(harness: Harness) -> None:
    card = await harness.planned(config="doubt")
    assert card.element("approve")["confirm"]["text"]["text"]
    await harness.clicks("alice", card, "approve")
    await harness.shows(card, "may or may not have happened")
    assert len(harness.writes()) == 1
    await harness.clicks("bob", card, "happened")
    await harness.ends(card, "Done")
    assert len(harness.writes()) == 2


async def test_two_people_must_agree(harness: Harness) -> None:
    card = await harness.planned(config="two")
    await harness.clicks("alice", card, "approve")
    await harness.shows(card, "1 of 2")
    assert "2 different people" in await harness.refused("alice", card, card.element("approve"))
    assert harness.writes() == []
    await harness.clicks("bob", card, "approve")
    await harness.ends(card, "Done")
    assert len(harness.writes()) == 2


async def test_whoever_may_not_decide_is_told_why_and_changes_nothing(harness: Harness) -> None:
    card = await harness.planned()
    approve, shown = card.element("approve"), card.now
    assert "You made this request" in await harness.refused("rita", card, approve)
    assert "Only" in await harness.refused("mallory", card, approve)
    for value in ("x" * 22, f"approve:{run_in(card.text)}:1", "", "\u202e" * 22):
        assert "no such button" in await harness.refused("alice", card, {**approve, "value": value})
    (part,) = [each for each in harness.server.messages.values() if each.thread == card.ts][:1]
    assert "out of date" in await harness.refused("alice", part, approve)
    assert card.now == shown
    refused = [each.by.id for each in await harness.events(card) if isinstance(each, e.ActionRefused)]
    assert refused == ["URITA", "UMALLORY"]
    assert harness.writes() == []


async def test_fifty_clicks_at_once_are_one_decision_and_forty_nine_private_answers(harness: Harness) -> None:
    card = await harness.planned()
    approve, reject = card.element("approve"), card.element("reject")
    crowd = [harness.somebody(f"ops{number}") for number in range(25)]
    views = []
    for each in crowd:
        before = len(harness.server.views)
        await harness.line.send("interaction", each.click_on(card, reject))
        views.append(await each.opened(before))
    private_messages = len(harness.server.private_messages)
    async with asyncio.TaskGroup() as group:
        for each, view in zip(crowd, views, strict=True):
            group.create_task(harness.line.send("interaction", each.click_on(card, approve)))
            group.create_task(each.submit(view, "no"))
    await harness.server.until(lambda: len(harness.server.private_messages) == private_messages + 49)
    await harness.server.until(lambda: "Done ·" in card.text or "Rejected ·" in card.text)
    decisions = [each for each in await harness.events(card) if isinstance(each, e.ApprovalGiven | e.PlanRejected)]
    assert len(decisions) == 1
    assert len(harness.writes()) == (2 if isinstance(decisions[0], e.ApprovalGiven) else 0)


async def test_people_of_two_languages_are_told_in_their_own_and_the_card_keeps_its_places(harness: Harness) -> None:
    harness.server.teams[0].users["URITA"]["locale"] = "de-DE"
    card = await harness.planned()
    assert GERMAN.text("refuse.not_admin") in await harness.admin("limits", "rita")
    assert ENGLISH.text("refuse.not_admin") in await harness.admin("limits", "alice")
    assert "jemand anderes" in await harness.refused("rita", card, card.element("approve"))
    await harness.clicks("alice", card, "approve")
    await harness.clicks("bob", card, "approve")
    await harness.ends(card, ENGLISH.text("status.done"))
