"""One card per run, in step with the log, whatever the product does."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from bot.chat.platform import CardTooLarge, EditRefused, MessageNotFound, MissingPermission, RateLimited
from bot.chat.store import Done, Gone, Live
from bot.i18n import ENGLISH, GERMAN, Catalog, speaking
from bot.message import Action
from coordination.domain import events as e
from coordination.domain.events import RunEvent
from tests.builders import ALICE, REQUESTER
from tests.sample_logs import (
    POST,
    REMOVE,
    RUN,
    approved,
    argued,
    plan_in,
    proposed,
    recorded,
    started,
    succeeded,
    waiting,
)
from tests.service.card_sync_harness import FakePlatform, Stage, alerts, eventually, texts


def _ending() -> list[RunEvent]:
    plan = plan_in(waiting())
    return [
        e.ApprovalGiven(by=ALICE, digest=plan.digest),
        started(plan, 0),
        succeeded(plan, 0),
        started(plan, 1),
        succeeded(plan, 1),
        e.RunFinished(report="Both done."),
    ]


async def test_a_run_gets_one_message_that_follows_it_to_its_end() -> None:
    stage = Stage()
    await stage.ask(recorded(argued(POST)[:3]))
    async with stage.keeping():
        await stage.until_told(RUN)
        assert stage.platform.newest.card.status == "Planning"
        await stage.add(RUN, *argued(POST, REMOVE)[3:], proposed(POST, REMOVE))
        await stage.until_told(RUN)
        assert stage.platform.newest.card.status == "Decide"
        await stage.add(RUN, *_ending())
        await stage.until_state(RUN, Done)
    assert stage.platform.newest.card.status == "Done"
    assert stage.platform.calls.count("post") == 1


@pytest.mark.parametrize(
    ("chosen", "place", "status"),
    [(None, "de", "Entscheiden"), (None, "en-US", "Decide"), (None, "fr", "Decide"), (ENGLISH, "de", "Decide")],
    ids=["place", "english place", "unknown place", "operator"],
)
async def test_a_card_is_in_the_language_of_its_place_unless_the_operator_chose_one_whoever_moves_it(
    chosen: Catalog | None, place: str, status: str
) -> None:
    stage = Stage(chosen=chosen)
    other = ENGLISH if status == "Entscheiden" else GERMAN
    await stage.ask(recorded(argued(POST)[:3]), language=place)
    async with stage.keeping() as card_sync:
        await stage.until_told(RUN)
        with speaking(other):
            await stage.add(RUN, *argued(POST, REMOVE)[3:], proposed(POST, REMOVE))
            card_sync.wake()
            await stage.until_told(RUN)
    assert stage.platform.newest.card.status == status
    post = stage.store.cards[RUN].post
    assert post is not None
    assert post.shown
    async with stage.keeping():
        await asyncio.sleep(0.05)
    assert stage.store.cards[RUN].post == post


async def test_whoever_keeps_the_cards_asks_the_chat_about_approvers_for_a_worker_that_can_not() -> None:
    stage = Stage()

    async def read_approvers(run: str) -> None:
        await stage.add(run, e.ApproversRead())

    stage.read_approvers = read_approvers
    await stage.ask(approved())
    async with stage.keeping():
        await stage.until_told(RUN)
        await stage.add(RUN, e.ApproversAsked())
        await eventually(lambda: stage.store.cards[RUN].told == len(approved()) + 2)
    assert alerts(stage.platform.newest.card) == []
    assert [each.event.kind for each in await stage.log.read(RUN)][-2:] == ["approvers_asked", "approvers_read"]


async def test_a_card_says_that_nothing_runs_before_the_chat_was_asked_about_approvers() -> None:
    stage = Stage()
    await stage.ask(approved())
    async with stage.keeping():
        await stage.add(RUN, e.ApproversAsked())
        await stage.until_told(RUN)
        (alert,) = alerts(stage.platform.newest.card)
        assert "Nothing runs yet" in alert
        assert "name='alice'" in alert
        await stage.add(RUN, e.RunCancelled(by=ALICE))
        await stage.until_told(RUN)
    assert alerts(stage.platform.newest.card) == []


async def test_ids_of_buttons_are_kept_before_they_are_shown_and_say_nothing() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
    ids = stage.platform.newest.ids
    assert Action.APPROVE in ids
    for action, id_ in ids.items():
        assert len(id_) == 22
        assert RUN not in id_
        assert stage.store.buttons[id_].action == action
    assert stage.store.buttons[ids[Action.APPROVE]].digest == plan_in(waiting()).digest


async def test_edits_come_no_faster_than_the_pace_and_the_newest_frame_wins() -> None:
    stage = Stage()
    await stage.ask(recorded(argued(POST)[:2]))
    async with stage.keeping():
        await stage.until_told(RUN)
        for turn in range(1, 60):
            await stage.add(RUN, e.TurnStarted(agent=1, turn=turn, epoch=0))
            await asyncio.sleep(0.005)
        await stage.until_told(RUN)
    edits = stage.platform.newest.edits
    assert 2 <= len(edits) < 20
    assert all(after - before >= 0.045 for before, after in pairwise(edits))
    assert "59" in texts(stage.platform.newest.card)


async def test_a_restarted_card_sync_edits_the_same_message_and_leaves_those_that_are_in_step_alone() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
    calls = list(stage.platform.calls)
    async with stage.keeping() as card_sync:
        card_sync.wake()
        await asyncio.sleep(0.05)
    assert stage.platform.calls == calls
    await stage.add(RUN, *_ending())
    async with stage.keeping():
        await stage.until_state(RUN, Done)
    assert stage.platform.newest.card.status == "Done"
    assert stage.platform.calls.count("post") == 1


async def test_a_post_whose_answer_was_lost_leaves_a_message_whose_buttons_are_out_of_date() -> None:
    stage = Stage(platform=FakePlatform(faults={"post": ["lost"]}))
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
    ghost, card = stage.platform.messages.values()
    kept = stage.store.cards[RUN]
    assert kept.message == "m2"
    assert stage.store.buttons[ghost.ids[Action.APPROVE]].attempt < kept.attempt
    assert stage.store.buttons[card.ids[Action.APPROVE]].attempt == kept.attempt
    assert not set(ghost.ids.values()) & set(card.ids.values())


async def test_where_the_product_knows_a_post_again_a_lost_answer_makes_no_second_message() -> None:
    stage = Stage(platform=FakePlatform(posts_once=True, faults={"post": ["lost"]}))
    await stage.ask(recorded(argued(POST)[:2]))
    async with stage.keeping():
        await stage.platform.until(lambda: stage.platform.calls == ["post"])
        await stage.add(RUN, *argued(POST, REMOVE)[2:], proposed(POST, REMOVE))
        await stage.until_told(RUN)
    assert list(stage.platform.messages) == ["m1"]
    shown = stage.platform.newest
    assert shown.card.status == "Decide"
    assert stage.store.buttons[shown.ids[Action.APPROVE]].attempt == stage.store.cards[RUN].attempt


async def test_where_the_product_finds_a_post_a_lost_answer_makes_no_second_message() -> None:
    stage = Stage(platform=FakePlatform(finds=True, faults={"post": ["lost"]}))
    await stage.ask(recorded(argued(POST)[:2]))
    async with stage.keeping():
        await stage.platform.until(lambda: stage.platform.calls == ["post"])
        await stage.add(RUN, *argued(POST, REMOVE)[2:], proposed(POST, REMOVE))
        await stage.until_told(RUN)
    assert list(stage.platform.messages) == ["m1"]
    assert stage.platform.calls[:3] == ["post", "find", "edit"]
    shown = stage.platform.newest
    assert shown.card.status == "Decide"
    assert stage.store.buttons[shown.ids[Action.APPROVE]].attempt == stage.store.cards[RUN].attempt == 1


async def test_what_a_process_posted_and_died_before_it_knew_where_is_found_however_late() -> None:
    stage = Stage(platform=FakePlatform(finds=True, faults={"post": ["lost"]}))
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.platform.until(lambda: stage.platform.calls == ["post"])
    assert stage.store.cards[RUN].message == ""
    issued = {each.issued_at for each in stage.store.buttons.values()}
    stage.clock.ahead += timedelta(hours=5)
    async with stage.keeping():
        await stage.until_told(RUN)
    assert stage.store.cards[RUN].message == "m1"
    assert stage.platform.calls.count("post") == 1
    assert set(stage.platform.sought) == issued


@pytest.mark.parametrize(
    "refusal", [RateLimited(60), MissingPermission("Permission to read is missing."), MessageNotFound()]
)
async def test_where_a_post_may_not_be_looked_for_it_is_made_anew_at_once(refusal: Exception) -> None:
    stage = Stage(platform=FakePlatform(finds=True, faults={"post": ["lost"], "find": [refusal]}))
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
    assert stage.store.cards[RUN].message == "m2"
    ghost, card = stage.platform.messages.values()
    assert not set(ghost.ids.values()) & set(card.ids.values())
    assert stage.platform.private_messages == []


async def test_nothing_is_looked_for_where_no_post_may_stand() -> None:
    stage = Stage(platform=FakePlatform(finds=True))
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        del stage.platform.messages["m1"]
        await stage.add(RUN, *_ending())
        await stage.until_state(RUN, Done)
    assert stage.platform.sought == []


async def test_a_deleted_message_is_posted_again() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        del stage.platform.messages["m1"]
        await stage.add(RUN, *_ending())
        await stage.until_state(RUN, Done)
    assert stage.platform.newest.card.status == "Done"
    assert stage.store.cards[RUN].attempt == 2


async def test_a_card_that_is_deleted_while_its_plan_waits_comes_back_though_nothing_happens() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        del stage.platform.messages["m1"]
        stage.clock.ahead += timedelta(seconds=31)
        await stage.platform.until(lambda: "m2" in stage.platform.messages)
        await stage.until_told(RUN)
    assert stage.platform.newest.card.status == "Decide"
    assert stage.store.cards[RUN].message == "m2"


async def test_thousands_of_cards_are_looked_for_one_after_the_other_however_many_wait() -> None:
    stage = Stage()
    for number in range(30):
        name = f"R{number}"
        await stage.ask(recorded([*argued(POST), proposed(POST, run=name)], run=name), run=name)
    async with stage.keeping():
        await eventually(lambda: all(each.message for each in stage.store.cards.values()))
        for _ in range(10):
            stage.clock.ahead += timedelta(seconds=31)
            await asyncio.sleep(0.03)
    assert 3 <= stage.platform.calls.count("verify") <= 12


@pytest.mark.parametrize("kind", ["verify", "edit"])
async def test_whether_a_card_stands_is_not_guessed_from_a_refusal_that_passes(kind: str) -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        stage.platform.faults[kind] = [MissingPermission("closed for a moment"), RateLimited(0.01)]
        if kind == "edit":
            await stage.add(RUN, *_ending())
        for _ in range(4):
            stage.clock.ahead += timedelta(seconds=61)
            await asyncio.sleep(0.05)
        if kind == "edit":
            await stage.until_state(RUN, Done)
    assert list(stage.platform.messages) == ["m1"]
    assert stage.platform.newest.card.status == ("Done" if kind == "edit" else "Decide")


@pytest.mark.parametrize("refusal", [MissingPermission("no permission"), MessageNotFound("kicked")])
async def test_a_last_edit_that_is_refused_for_days_is_made_when_it_may_be(refusal: Exception) -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        stage.platform.always = lambda kind, card: refusal if kind in ("edit", "post") else None
        await stage.add(RUN, *_ending())
        for _ in range(40):
            stage.clock.ahead += timedelta(hours=2)
            await asyncio.sleep(0.02)
        tries = stage.platform.calls.count("edit") + stage.platform.calls.count("post")
        assert tries <= 2 * 40
        stage.platform.always = lambda kind, card: None
        stage.clock.ahead += timedelta(hours=2)
        await stage.until_state(RUN, Done)
    assert stage.platform.newest.card.status == "Done"
    assert [card.status for _, card in stage.platform.private_messages].count("Done") == 1


async def test_an_old_message_is_replaced_and_says_so() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        stage.clock.ahead += timedelta(minutes=61)
        await stage.add(RUN, *_ending())
        await stage.until_state(RUN, Done)
    old, new = stage.platform.messages.values()
    assert old.card.status == "Out of date"
    assert not old.ids
    assert new.card.status == "Done"


async def test_nobody_can_approve_a_plan_that_can_not_be_shown_whole() -> None:
    def too_large(kind: str, card: object) -> Exception | None:
        return CardTooLarge() if getattr(card, "attachments", ()) else None

    stage = Stage(platform=FakePlatform(always=too_large))
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        shown = stage.platform.newest
        assert Action.APPROVE not in shown.ids
        assert Action.REJECT in shown.ids
        assert "nobody can approve it here" in alerts(shown.card)[0]
        await stage.add(RUN, e.PlanRejected(by=ALICE, digest=plan_in(waiting()).digest, reason="unreadable"))
        await stage.until_state(RUN, Done)
    assert stage.platform.newest.card.status == "Rejected"


async def test_where_the_bot_may_not_write_the_one_who_asked_hears_it_once_and_the_card_comes_later() -> None:
    stage = Stage(platform=FakePlatform(faults={"post": [MissingPermission("Send Messages is missing.")] * 2}))
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.platform.until(lambda: len(stage.platform.private_messages) == 1)
        person, notice = stage.platform.private_messages[0]
        assert person.is_same_as(REQUESTER)
        assert "Send Messages is missing." in texts(notice)
        for seconds in (61, 121):
            stage.clock.ahead += timedelta(seconds=seconds)
            await asyncio.sleep(0.05)
        await stage.until_told(RUN)
    assert len(stage.platform.private_messages) == 1
    assert stage.platform.newest.card.status == "Decide"


async def test_when_the_channel_is_gone_the_one_who_asked_still_hears_how_it_ended() -> None:
    stage = Stage(
        platform=FakePlatform(always=lambda kind, card: MessageNotFound() if kind in ("post", "edit") else None)
    )
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.platform.until(lambda: "post" in stage.platform.calls)
        await stage.add(RUN, *_ending())
        await stage.platform.until(lambda: bool(stage.platform.private_messages))
        stage.clock.ahead += timedelta(days=6)
        await asyncio.sleep(0.05)
        assert not isinstance(stage.store.cards[RUN].state, Gone)
        stage.clock.ahead += timedelta(days=2)
        await stage.until_state(RUN, Gone)
    assert [card.status for _, card in stage.platform.private_messages] == ["Done"]


async def test_a_card_whose_thread_is_gone_moves_to_the_channel() -> None:
    stage = Stage(platform=FakePlatform(faults={"post": [MessageNotFound()]}))
    await stage.ask(waiting(), thread="t1")
    async with stage.keeping():
        await stage.until_told(RUN)
    assert stage.platform.newest.place.thread == ""


async def test_a_message_that_can_be_posted_but_not_edited_is_posted_again_but_not_in_a_hurry() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping():
        await stage.until_told(RUN)
        stage.platform.always = lambda kind, card: EditRefused("cant_update_message") if kind == "edit" else None
        await stage.add(RUN, *_ending())
        stage.clock.ahead += timedelta(minutes=5)
        await stage.platform.until(lambda: stage.platform.newest.card.status == "Done")
        stage.platform.always = lambda kind, card: None
        await eventually(lambda: stage.store.cards[RUN].wake_at is not None)
        assert isinstance(stage.store.cards[RUN].state, Live)
        stage.clock.ahead += timedelta(minutes=2)
        await stage.until_state(RUN, Done)
    old, new = stage.platform.messages.values()
    assert (old.card.status, new.card.status) == ("Out of date", "Done")


async def test_what_the_product_asks_for_in_patience_is_given() -> None:
    stage = Stage(platform=FakePlatform(faults={"post": [RateLimited(0.3)]}))
    await stage.ask(waiting())
    loop = asyncio.get_running_loop()
    async with stage.keeping() as card_sync:
        await stage.platform.until(lambda: stage.platform.calls == ["post"])
        refused_at = loop.time()
        card_sync.wake()
        await stage.platform.until(lambda: len(stage.platform.messages) == 1)
        assert loop.time() - refused_at >= 0.29


async def test_a_card_that_can_not_be_kept_takes_no_other_with_it() -> None:
    def broken(kind: str, card: object) -> Exception | None:
        return ValueError("a fault of ours") if RUN in repr(card) else None

    stage = Stage(platform=FakePlatform(always=broken))
    await stage.ask(waiting())
    other = recorded([*argued(POST), proposed(POST, run="OTHER")], run="OTHER")
    await stage.ask(other, run="OTHER")
    async with stage.keeping():
        await stage.until_told("OTHER")
    assert [message.card.status for message in stage.platform.messages.values()] == ["Decide"]


async def test_a_card_sync_that_closes_lets_a_post_arrive() -> None:
    stage = Stage(platform=FakePlatform(hold=asyncio.Event()))
    await stage.ask(waiting())
    async with asyncio.timeout(10):
        async with stage.keeping():
            await eventually(lambda: bool(stage.store.buttons))
            assert stage.platform.hold is not None
            asyncio.get_running_loop().call_later(0.1, stage.platform.hold.set)
    assert stage.store.cards[RUN].message == "m1"


async def test_a_run_that_never_began_leaves_no_card_for_ever() -> None:
    stage = Stage()
    await stage.ask([])
    stage.clock.ahead += timedelta(minutes=6)
    async with stage.keeping():
        await stage.until_state(RUN, Gone)
    assert stage.platform.calls == []


async def test_of_two_processes_one_keeps() -> None:
    stage = Stage()
    await stage.ask(waiting())
    async with stage.keeping(), stage.keeping():
        await stage.until_told(RUN)
        await stage.add(RUN, *_ending())
        await stage.until_state(RUN, Done)
    assert stage.platform.calls.count("post") == 1
    assert [card.status for _, card in stage.platform.private_messages] == ["Done"]


async def test_what_was_approved_while_nobody_kept_is_shown_at_the_start() -> None:
    stage = Stage()
    await stage.ask(approved())
    async with stage.keeping():
        await stage.until_told(RUN)
    assert "alice" in texts(stage.platform.newest.card)
