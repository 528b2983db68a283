"""What becomes of a run in Slack, by the real bot over real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bot.i18n import ENGLISH, GERMAN
from coordination.domain import events as e
from tests.e2e.slack_harness import Stage, a_stage, run_in


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with a_stage(tmp_path) as stage, stage.bot():
        yield stage


async def test_a_mention_and_its_follow_up_are_one_conversation_in_one_thread(stage: Stage) -> None:
    rita = stage.somebody("rita")
    await rita.mention("Tell everyone")
    card = await stage.shows(await stage.card(), "Decide")
    await stage.clicks("alice", card, "approve")
    await stage.ends(card, "Done")
    await rita.mention("and the neighbours", thread=card.ts)
    later = await stage.shows(await stage.card(thread=card.ts), "Decide")
    (begun,) = [each for each in await stage.events(later) if isinstance(each, e.RunRequested)]
    assert [each.prompt for each in begun.history] == ["Tell everyone"]
    await stage.clicks("alice", later, "approve")
    await stage.ends(later, "Done")
    assert stage.writes() == [
        "Tell everyone",
        "again: Tell everyone",
        "and the neighbours",
        "again: and the neighbours",
    ]
    await rita.mention("and the mayor", thread=card.ts)
    third = await stage.card(after=[later], thread=card.ts)
    (begun,) = [each for each in await stage.events(third) if isinstance(each, e.RunRequested)]
    assert [each.prompt for each in begun.history] == ["Tell everyone", "and the neighbours"]


async def test_a_message_is_planned_from_in_its_thread_and_a_direct_message_where_it_was_said(stage: Stage) -> None:
    rita = stage.somebody("rita")
    await rita.shortcut("The power is &lt;off&gt;, <@UALICE|alice>", ts="1690000000.000001")
    card = await stage.shows(await stage.card(thread="1690000000.000001"), "Decide")
    assert "The power is <off>, @alice (UALICE)" in stage.plain(card)
    await stage.clicks("alice", card, "approve")
    await stage.ends(card, "Done")
    await stage.server.until(lambda: "alice (UALICE) approved" in stage.all_said("1690000000.000001"))
    assert len(stage.writes()) == 2
    await rita.direct("Tell nobody")
    card = await stage.shows(await stage.card(channel="DURITA", after=stage.direct("rita")), "Decide")
    assert "not by the one who asked" in stage.plain(card) or "somebody else" in await stage.refused(
        "rita", card, card.element("approve")
    )


async def test_an_agents_question_is_answered_in_a_window_by_whoever_asked_and_by_nobody_else(stage: Stage) -> None:
    card = await stage.shows(await stage.asks(config="asks"), "Which channel?")
    assert "only they can answer" in await stage.refused("alice", card, card.element("answer"))
    await stage.answers("rita", card, "answer", "The second.")
    await stage.shows(card, "Decide", "The second.")
    assert stage.writes() == []


async def test_a_no_has_its_reason_and_the_same_can_be_asked_again(stage: Stage) -> None:
    card = await stage.planned()
    await stage.answers("alice", card, "reject", "Not on a <!channel> *Friday*.")
    await stage.ends(card, "Rejected")
    assert "Not on a <!channel> *Friday*." in stage.plain(card)
    await stage.clicks("rita", card, "ask_again")
    again = await stage.shows(await stage.card(after=[card]), "Decide")
    assert run_in(again.text) != run_in(card.text)
    await stage.somebody("rita").command(f"retry {run_in(card.text)}")
    third = await stage.shows(await stage.card(after=[card, again]), "Decide")
    assert run_in(third.text) not in {run_in(card.text), run_in(again.text)}
    assert stage.writes() == []


async def test_wanted_changes_bring_another_plan_and_the_old_yes_counts_no_more(stage: Stage) -> None:
    card = await stage.planned()
    old = card.element("approve")
    await stage.answers("alice", card, "change", "shorter")
    await stage.shows(card, "Approve 1 call")
    assert "not the plan that waits now" in await stage.refused("alice", card, old)
    assert "This plan follows what you said" in await stage.refused("alice", card, card.element("approve"))
    await stage.clicks("bob", card, "approve")
    await stage.ends(card, "Done")
    assert stage.writes() == ["short: Tell everyone"]
    assert "has decided already" in await stage.refused("bob", card, old)


async def test_another_agents_plan_is_what_runs_when_it_was_chosen(stage: Stage) -> None:
    card = await stage.planned()
    await stage.clicks("alice", card, "choose", option="2")
    await stage.shows(card, "Approve 1 call")
    assert "This plan follows what you said" in await stage.refused("alice", card, card.element("approve"))
    await stage.clicks("bob", card, "approve")
    await stage.ends(card, "Done")
    assert stage.writes() == ["mine: Tell everyone"]


async def test_a_plan_that_nobody_decided_on_expires_after_a_reminder(stage: Stage) -> None:
    card = await stage.planned()
    old = card.element("approve")
    stage.clock.skip(31 * 60)
    await stage.server.until(lambda: any("Still waiting" in stage.plain(each) for each in stage.cards()))
    stage.clock.skip(3600)
    await stage.ends(card, "Expired")
    assert "expired" in await stage.refused("alice", card, old)
    await stage.server.until(lambda: stage.direct("rita"))
    assert "Expired" in stage.direct("rita")[0].text
    assert stage.writes() == []


async def test_a_run_is_stopped_by_its_button_by_slacks_own_stop_and_by_word(stage: Stage) -> None:
    rita = stage.somebody("rita")
    first = await stage.shows(await stage.asks(config="slow"), "Planning")
    assert "rita (URITA), an approver or an administrator" in await stage.refused(
        "mallory", first, first.element("cancel")
    )
    await stage.clicks("rita", first, "cancel")
    await stage.ends(first, "Cancelled")
    second = await stage.shows(await stage.asks(config="slow"), "Planning")
    await stage.server.until(lambda: stage.story(second))
    event = {"type": "agent_session_stopped", "user": rita.id, "channel": "C1", "thread_ts": second.ts}
    await stage.line.send("event", rita.event(event))
    await stage.ends(second, "Cancelled")
    third = await stage.shows(await stage.asks(config="slow"), "Planning")
    assert "is stopped" in await stage.told("rita", f"cancel {run_in(third.text)}")
    await stage.ends(third, "Cancelled")
    assert "nothing to cancel" in await stage.told("rita", f"cancel {run_in(third.text)}")
    assert stage.direct("rita") == [], "she knows what she did"


async def test_a_call_of_which_nobody_knows_is_asked_about_and_not_done_again(stage: Stage) -> None:
    card = await stage.planned(config="doubt")
    assert card.element("approve")["confirm"]["text"]["text"]
    await stage.clicks("alice", card, "approve")
    await stage.shows(card, "may or may not have happened")
    assert len(stage.writes()) == 1
    await stage.clicks("bob", card, "happened")
    await stage.ends(card, "Done")
    assert len(stage.writes()) == 2


async def test_two_people_must_agree(stage: Stage) -> None:
    card = await stage.planned(config="two")
    await stage.clicks("alice", card, "approve")
    await stage.shows(card, "1 of 2")
    assert "2 different people" in await stage.refused("alice", card, card.element("approve"))
    assert stage.writes() == []
    await stage.clicks("bob", card, "approve")
    await stage.ends(card, "Done")
    assert len(stage.writes()) == 2


async def test_whoever_may_not_decide_is_told_why_and_changes_nothing(stage: Stage) -> None:
    card = await stage.planned()
    approve, shown = card.element("approve"), card.now
    assert "You asked for this run" in await stage.refused("rita", card, approve)
    assert "Only" in await stage.refused("mallory", card, approve)
    for value in ("x" * 22, f"approve:{run_in(card.text)}:1", "", "\u202e" * 22):
        assert "no such button" in await stage.refused("alice", card, {**approve, "value": value})
    (part,) = [each for each in stage.server.messages.values() if each.thread == card.ts][:1]
    assert "out of date" in await stage.refused("alice", part, approve)
    assert card.now == shown
    refused = [each.by.id for each in await stage.events(card) if isinstance(each, e.ActionRefused)]
    assert refused == ["URITA", "UMALLORY"]
    assert stage.writes() == []


async def test_fifty_clicks_at_once_are_one_decision_and_forty_nine_private_answers(stage: Stage) -> None:
    card = await stage.planned()
    approve, reject = card.element("approve"), card.element("reject")
    crowd = [stage.somebody(f"ops{number}") for number in range(25)]
    views = []
    for each in crowd:
        before = len(stage.server.views)
        await stage.line.send("interaction", each.click_on(card, reject))
        views.append(await each.opened(before))
    private_messages = len(stage.server.private_messages)
    async with asyncio.TaskGroup() as group:
        for each, view in zip(crowd, views, strict=True):
            group.create_task(stage.line.send("interaction", each.click_on(card, approve)))
            group.create_task(each.submit(view, "no"))
    await stage.server.until(lambda: len(stage.server.private_messages) == private_messages + 49)
    await stage.server.until(lambda: "Done ·" in card.text or "Rejected ·" in card.text)
    decisions = [each for each in await stage.events(card) if isinstance(each, e.ApprovalGiven | e.PlanRejected)]
    assert len(decisions) == 1
    assert len(stage.writes()) == (2 if isinstance(decisions[0], e.ApprovalGiven) else 0)


async def test_people_of_two_languages_are_told_in_their_own_and_the_card_keeps_its_places(stage: Stage) -> None:
    stage.server.teams[0].users["URITA"]["locale"] = "de-DE"
    card = await stage.planned()
    assert GERMAN.text("refuse.not_admin") in await stage.admin("limits", "rita")
    assert ENGLISH.text("refuse.not_admin") in await stage.admin("limits", "alice")
    assert "jemand anderes" in await stage.refused("rita", card, card.element("approve"))
    await stage.clicks("alice", card, "approve")
    await stage.clicks("bob", card, "approve")
    await stage.ends(card, ENGLISH.text("status.done"))
