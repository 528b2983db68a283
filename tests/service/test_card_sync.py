"""One card per run, in step with the log, whatever the product does."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from bot.chat.platform import (
    CardBlocked,
    CardTooLarge,
    ChannelNotFound,
    EditRefused,
    MessageNotFound,
    MissingPermission,
    RateLimited,
)
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
from tests.service.card_sync_harness import FakePlatform, Harness, alerts, eventually, texts


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
    harness = Harness()
    await harness.ask(recorded(argued(POST)[:3]))
    async with harness.running():
        await harness.until_told(RUN)
        assert harness.platform.newest.card.status == "Planning"
        await harness.add(RUN, *argued(POST, REMOVE)[3:], proposed(POST, REMOVE))
        await harness.until_told(RUN)
        assert harness.platform.newest.card.status == "Waiting for approval"
        await harness.add(RUN, *_ending())
        await harness.until_state(RUN, Done)
    assert harness.platform.newest.card.status == "Done"
    assert harness.platform.calls.count("post") == 1


@pytest.mark.parametrize(
    ("chosen", "place", "status"),
    [
        (None, "de", "Wartet auf Freigabe"),
        (None, "en-US", "Waiting for approval"),
        (None, "fr", "Waiting for approval"),
        (ENGLISH, "de", "Waiting for approval"),
    ],
    ids=["place", "english place", "unknown place", "operator"],
)
async def test_a_card_is_in_the_language_of_its_place_unless_the_operator_chose_one_whoever_moves_it(
    chosen: Catalog | None, place: str, status: str
) -> None:
    harness = Harness(chosen=chosen)
    other = ENGLISH if status == "Wartet auf Freigabe" else GERMAN
    await harness.ask(recorded(argued(POST)[:3]), language=place)
    async with harness.running() as card_sync:
        await harness.until_told(RUN)
        with speaking(other):
            await harness.add(RUN, *argued(POST, REMOVE)[3:], proposed(POST, REMOVE))
            card_sync.wake()
            await harness.until_told(RUN)
    assert harness.platform.newest.card.status == status
    post = harness.store.cards[RUN].post
    assert post is not None
    assert post.shown
    async with harness.running():
        await asyncio.sleep(0.05)
    assert harness.store.cards[RUN].post == post


async def test_whoever_keeps_the_cards_asks_the_chat_about_approvers_for_a_worker_that_can_not() -> None:
    harness = Harness()

    async def read_approvers(run: str) -> None:
        await harness.add(run, e.ApproversRead())

    harness.read_approvers = read_approvers
    await harness.ask(approved())
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, e.ApproversAsked())
        await eventually(lambda: harness.store.cards[RUN].told == len(approved()) + 2)
    assert alerts(harness.platform.newest.card) == []
    assert [each.event.kind for each in await harness.log.read(RUN)][-2:] == ["approvers_asked", "approvers_read"]


async def test_a_card_says_that_nothing_runs_before_the_chat_was_asked_about_approvers() -> None:
    harness = Harness()
    await harness.ask(approved())
    async with harness.running():
        await harness.add(RUN, e.ApproversAsked())
        await harness.until_told(RUN)
        (alert,) = alerts(harness.platform.newest.card)
        assert "Nothing runs yet" in alert
        assert "name='alice'" in alert
        await harness.add(RUN, e.RunCancelled(by=ALICE))
        await harness.until_told(RUN)
    (alert,) = alerts(harness.platform.newest.card)
    assert "cancelled the run. No more calls start." in alert


async def test_ids_of_buttons_are_kept_before_they_are_shown_and_say_nothing() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
    ids = harness.platform.newest.ids
    assert Action.APPROVE in ids
    for action, id_ in ids.items():
        assert len(id_) == 22
        assert RUN not in id_
        assert harness.store.buttons[id_].action == action
    assert harness.store.buttons[ids[Action.APPROVE]].digest == plan_in(waiting()).digest


async def test_edits_come_no_faster_than_the_pace_and_the_newest_frame_wins() -> None:
    harness = Harness()
    await harness.ask(recorded(argued(POST)[:2]))
    async with harness.running():
        await harness.until_told(RUN)
        begun = asyncio.get_running_loop().time()
        for turn in range(1, 60):
            await harness.add(RUN, e.TurnStarted(agent=1, turn=turn, epoch=0))
            await asyncio.sleep(0.005)
        await harness.until_told(RUN)
    edits = harness.platform.newest.edits
    assert 2 <= len(edits) <= 2 + (asyncio.get_running_loop().time() - begun) / 0.05
    assert all(after - before >= 0.045 for before, after in pairwise(edits))
    assert "59" in texts(harness.platform.newest.card)


async def test_a_restarted_card_sync_edits_the_same_message_and_leaves_those_that_are_in_step_alone() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
    calls = list(harness.platform.calls)
    async with harness.running() as card_sync:
        card_sync.wake()
        await asyncio.sleep(0.05)
    assert harness.platform.calls == calls
    await harness.add(RUN, *_ending())
    async with harness.running():
        await harness.until_state(RUN, Done)
    assert harness.platform.newest.card.status == "Done"
    assert harness.platform.calls.count("post") == 1


async def test_a_post_whose_answer_was_lost_leaves_a_message_whose_buttons_are_out_of_date() -> None:
    harness = Harness(platform=FakePlatform(faults={"post": ["lost"]}))
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
    ghost, card = harness.platform.messages.values()
    kept = harness.store.cards[RUN]
    assert kept.message == "m2"
    assert harness.store.buttons[ghost.ids[Action.APPROVE]].attempt < kept.attempt
    assert harness.store.buttons[card.ids[Action.APPROVE]].attempt == kept.attempt
    assert not set(ghost.ids.values()) & set(card.ids.values())


async def test_where_the_product_knows_a_post_again_a_lost_answer_makes_no_second_message() -> None:
    harness = Harness(platform=FakePlatform(has_idempotent_posts=True, faults={"post": ["lost"]}))
    await harness.ask(recorded(argued(POST)[:2]))
    async with harness.running():
        await harness.platform.until(lambda: harness.platform.calls == ["post"])
        await harness.add(RUN, *argued(POST, REMOVE)[2:], proposed(POST, REMOVE))
        await harness.until_told(RUN)
    assert list(harness.platform.messages) == ["m1"]
    shown = harness.platform.newest
    assert shown.card.status == "Waiting for approval"
    assert harness.store.buttons[shown.ids[Action.APPROVE]].attempt == harness.store.cards[RUN].attempt


async def test_where_the_product_finds_a_post_a_lost_answer_makes_no_second_message() -> None:
    harness = Harness(platform=FakePlatform(finds=True, faults={"post": ["lost"]}))
    await harness.ask(recorded(argued(POST)[:2]))
    async with harness.running():
        await harness.platform.until(lambda: harness.platform.calls == ["post"])
        await harness.add(RUN, *argued(POST, REMOVE)[2:], proposed(POST, REMOVE))
        await harness.until_told(RUN)
    assert list(harness.platform.messages) == ["m1"]
    assert harness.platform.calls[:3] == ["post", "find", "edit"]
    shown = harness.platform.newest
    assert shown.card.status == "Waiting for approval"
    assert harness.store.buttons[shown.ids[Action.APPROVE]].attempt == harness.store.cards[RUN].attempt == 1


async def test_what_a_process_posted_and_died_before_it_knew_where_is_found_however_late() -> None:
    harness = Harness(platform=FakePlatform(finds=True, faults={"post": ["lost"]}))
    await harness.ask(waiting())
    async with harness.running():
        await harness.platform.until(lambda: harness.platform.calls == ["post"])
    assert harness.store.cards[RUN].message == ""
    issued = {each.issued_at for each in harness.store.buttons.values()}
    harness.clock.ahead += timedelta(hours=5)
    async with harness.running():
        await harness.until_told(RUN)
    assert harness.store.cards[RUN].message == "m1"
    assert harness.platform.calls.count("post") == 1
    assert set(harness.platform.sought) == issued


@pytest.mark.parametrize(
    "refusal", [RateLimited(60), MissingPermission("Permission to read is missing."), MessageNotFound()]
)
async def test_where_a_post_may_not_be_looked_for_it_is_made_anew_at_once(refusal: Exception) -> None:
    harness = Harness(platform=FakePlatform(finds=True, faults={"post": ["lost"], "find": [refusal]}))
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
    assert harness.store.cards[RUN].message == "m2"
    ghost, card = harness.platform.messages.values()
    assert not set(ghost.ids.values()) & set(card.ids.values())
    assert harness.platform.private_messages == []


async def test_nothing_is_looked_for_where_no_post_may_stand() -> None:
    harness = Harness(platform=FakePlatform(finds=True))
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        del harness.platform.messages["m1"]
        await harness.add(RUN, *_ending())
        await harness.until_state(RUN, Done)
    assert harness.platform.sought == []


async def test_a_deleted_message_is_posted_again() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        del harness.platform.messages["m1"]
        await harness.add(RUN, *_ending())
        await harness.until_state(RUN, Done)
    assert harness.platform.newest.card.status == "Done"
    assert harness.store.cards[RUN].attempt == 2


async def test_a_card_that_is_deleted_while_its_plan_waits_comes_back_though_nothing_happens() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        del harness.platform.messages["m1"]
        harness.clock.ahead += timedelta(seconds=31)
        await harness.platform.until(lambda: "m2" in harness.platform.messages)
        await harness.until_told(RUN)
    assert harness.platform.newest.card.status == "Waiting for approval"
    assert harness.store.cards[RUN].message == "m2"


async def test_a_card_that_another_bot_deletes_each_time_comes_back_ever_more_seldom_and_who_asked_is_told() -> None:
    harness = Harness()
    await harness.ask(waiting())
    platform = harness.platform
    async with harness.running():
        await harness.until_told(RUN)
        for _ in range(5):
            posts = platform.posts
            platform.messages.clear()
            harness.clock.ahead += timedelta(seconds=31)
            await platform.until(lambda posts=posts: platform.posts > posts)
            await harness.until_told(RUN)
        platform.messages.clear()
        harness.clock.ahead += timedelta(seconds=31)
        await platform.until(lambda: bool(platform.private_messages))
        assert platform.posts == 6
        async with asyncio.timeout(30):
            while platform.posts == 6:
                harness.clock.ahead += timedelta(seconds=31)
                await asyncio.sleep(0.02)
    told = platform.private_messages[0][1]
    assert "deleted each time" in texts(told)
    assert told.status == "Card not shown"
    assert "doesn't stop the run" in texts(told)
    assert len(platform.private_messages) == 1


@pytest.mark.parametrize("error", [CardTooLarge("413"), CardBlocked("240000")])
async def test_what_is_refused_even_without_its_plan_is_told_to_who_asked_and_tried_again(error: CardTooLarge) -> None:
    harness = Harness()
    harness.platform.always = lambda kind, card: error if kind == "post" else None
    await harness.ask(waiting())
    async with harness.running():
        await harness.platform.until(lambda: bool(harness.platform.private_messages))
        assert "rejects my message" in texts(harness.platform.private_messages[0][1])
        harness.platform.always = lambda kind, card: None
        harness.clock.ahead += timedelta(seconds=90)
        await harness.until_told(RUN)
    assert harness.platform.newest.card.status == "Waiting for approval"


async def test_a_plan_that_the_chats_filter_blocks_says_so_and_can_not_be_approved() -> None:
    harness = Harness()
    blocked = CardBlocked("240000")
    harness.platform.always = lambda kind, card: (
        blocked if any(each.needs_whole_plan for each in card.buttons) else None
    )
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
    assert "filter blocked this plan" in alerts(harness.platform.newest.card)[0]
    assert Action.APPROVE not in harness.platform.newest.ids


async def test_thousands_of_cards_are_looked_for_one_after_the_other_however_many_wait() -> None:
    harness = Harness()
    for number in range(30):
        name = f"R{number}"
        await harness.ask(recorded([*argued(POST), proposed(POST, run=name)], run=name), run=name)
    async with harness.running():
        await eventually(lambda: all(each.message for each in harness.store.cards.values()))
        rounds = 0
        async with asyncio.timeout(30):
            while harness.platform.calls.count("verify") < 10:
                harness.clock.ahead += timedelta(seconds=31)
                rounds += 1
                await asyncio.sleep(0.03)
    assert harness.platform.calls.count("verify") <= rounds + 2


@pytest.mark.parametrize("kind", ["verify", "edit"])
async def test_whether_a_card_stands_is_not_guessed_from_a_refusal_that_passes(kind: str) -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        harness.platform.faults[kind] = [MissingPermission("closed for a moment"), RateLimited(0.01)]
        if kind == "edit":
            await harness.add(RUN, *_ending())
        for _ in range(4):
            harness.clock.ahead += timedelta(seconds=61)
            await asyncio.sleep(0.05)
        if kind == "edit":
            await harness.until_state(RUN, Done)
    assert list(harness.platform.messages) == ["m1"]
    assert harness.platform.newest.card.status == ("Done" if kind == "edit" else "Waiting for approval")


@pytest.mark.parametrize("refusal", [MissingPermission("no permission"), MessageNotFound("kicked")])
async def test_a_last_edit_that_is_refused_for_days_is_made_when_it_may_be(refusal: Exception) -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        harness.platform.always = lambda kind, card: refusal if kind in ("edit", "post") else None
        await harness.add(RUN, *_ending())
        for _ in range(40):
            harness.clock.ahead += timedelta(hours=2)
            await asyncio.sleep(0.02)
        tries = harness.platform.calls.count("edit") + harness.platform.calls.count("post")
        assert tries <= 2 * 40
        harness.platform.always = lambda kind, card: None
        harness.clock.ahead += timedelta(hours=2)
        await harness.until_state(RUN, Done)
    assert harness.platform.newest.card.status == "Done"
    assert [card.status for _, card in harness.platform.private_messages].count("Done") == 1


async def test_an_old_message_is_replaced_and_says_so() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        harness.clock.ahead += timedelta(minutes=61)
        await harness.add(RUN, *_ending())
        await harness.until_state(RUN, Done)
    old, new = harness.platform.messages.values()
    assert old.card.status == "Out of date"
    assert not old.ids
    assert new.card.status == "Done"


async def test_nobody_can_approve_a_plan_that_can_not_be_shown_whole() -> None:
    def too_large(kind: str, card: object) -> Exception | None:
        return CardTooLarge() if getattr(card, "attachments", ()) else None

    harness = Harness(platform=FakePlatform(always=too_large))
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        shown = harness.platform.newest
        assert Action.APPROVE not in shown.ids
        assert Action.REJECT in shown.ids
        assert "nobody can approve it here" in alerts(shown.card)[0]
        await harness.add(RUN, e.PlanRejected(by=ALICE, digest=plan_in(waiting()).digest, reason="unreadable"))
        await harness.until_state(RUN, Done)
    assert harness.platform.newest.card.status == "Rejected"


async def test_where_the_bot_may_not_write_the_one_who_asked_hears_it_once_and_the_card_comes_later() -> None:
    harness = Harness(platform=FakePlatform(faults={"post": [MissingPermission("Send Messages is missing.")] * 2}))
    await harness.ask(waiting())
    async with harness.running():
        await harness.platform.until(lambda: len(harness.platform.private_messages) == 1)
        person, notice = harness.platform.private_messages[0]
        assert person.is_same_as(REQUESTER)
        assert "Send Messages is missing." in texts(notice)
        for seconds in (61, 121):
            harness.clock.ahead += timedelta(seconds=seconds)
            await asyncio.sleep(0.05)
        await harness.until_told(RUN)
    assert len(harness.platform.private_messages) == 1
    assert harness.platform.newest.card.status == "Waiting for approval"


async def test_when_the_channel_is_gone_the_one_who_asked_still_hears_how_it_ended() -> None:
    harness = Harness(
        platform=FakePlatform(always=lambda kind, card: MessageNotFound() if kind in ("post", "edit") else None)
    )
    await harness.ask(waiting())
    async with harness.running():
        await harness.platform.until(lambda: "post" in harness.platform.calls)
        await harness.add(RUN, *_ending())
        await harness.platform.until(lambda: bool(harness.platform.private_messages))
        harness.clock.ahead += timedelta(days=6)
        await asyncio.sleep(0.05)
        assert not isinstance(harness.store.cards[RUN].state, Gone)
        harness.clock.ahead += timedelta(days=2)
        await harness.until_state(RUN, Gone)
    assert [card.status for _, card in harness.platform.private_messages] == ["Done"]


@pytest.mark.parametrize("kind", ["verify", "edit", "post"])
async def test_that_a_channel_is_gone_is_told_once_while_the_run_goes_on_and_not_for_a_moment(kind: str) -> None:
    """The plan waits where nobody sees it: whoever asked can ask elsewhere, before it expires."""
    harness = Harness()
    platform = harness.platform
    await harness.ask(waiting())
    async with harness.running():
        if kind != "post":
            await harness.until_told(RUN)
        platform.faults[kind] = [ChannelNotFound() for _ in range(9)]
        platform.always = lambda asked, card: ChannelNotFound() if asked in {kind, "post"} else None
        if kind == "edit":
            await harness.add(RUN, e.ApprovalGiven(digest=plan_in(waiting()).digest, by=ALICE))
        tries = 0
        while not platform.private_messages:
            harness.clock.ahead += timedelta(seconds=61)
            await asyncio.sleep(0.05)
            tries += 1
            assert tries < 60
        for _ in range(5):
            harness.clock.ahead += timedelta(minutes=10)
            await asyncio.sleep(0.05)
    ((person, card),) = platform.private_messages
    assert person.id == REQUESTER.id
    assert card.status == "Card not shown"
    assert "The channel was deleted, or I can no longer see it." in str(card)
    assert platform.calls.count(kind) > 1, "not for a moment"


async def test_a_card_whose_thread_is_gone_moves_to_the_channel() -> None:
    harness = Harness(platform=FakePlatform(faults={"post": [MessageNotFound()]}))
    await harness.ask(waiting(), thread="t1")
    async with harness.running():
        await harness.until_told(RUN)
    assert harness.platform.newest.place.thread == ""


async def test_a_message_that_can_be_posted_but_not_edited_is_posted_again_but_not_in_a_hurry() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        harness.platform.always = lambda kind, card: EditRefused("cant_update_message") if kind == "edit" else None
        await harness.add(RUN, *_ending())
        harness.clock.ahead += timedelta(minutes=5)
        await harness.platform.until(lambda: harness.platform.newest.card.status == "Done")
        harness.platform.always = lambda kind, card: None
        await eventually(lambda: harness.store.cards[RUN].wake_at is not None)
        assert isinstance(harness.store.cards[RUN].state, Live)
        harness.clock.ahead += timedelta(minutes=2)
        await harness.until_state(RUN, Done)
    old, new = harness.platform.messages.values()
    assert (old.card.status, new.card.status) == ("Out of date", "Done")


async def test_what_the_product_asks_for_in_patience_is_given() -> None:
    harness = Harness(platform=FakePlatform(faults={"post": [RateLimited(0.3)]}))
    await harness.ask(waiting())
    loop = asyncio.get_running_loop()
    async with harness.running() as card_sync:
        await harness.platform.until(lambda: harness.platform.calls == ["post"])
        refused_at = loop.time()
        card_sync.wake()
        await harness.platform.until(lambda: len(harness.platform.messages) == 1)
        assert loop.time() - refused_at >= 0.29


async def test_a_card_that_can_not_be_kept_takes_no_other_with_it() -> None:
    def broken(kind: str, card: object) -> Exception | None:
        return ValueError("a fault of ours") if RUN in repr(card) else None

    harness = Harness(platform=FakePlatform(always=broken))
    await harness.ask(waiting())
    other = recorded([*argued(POST), proposed(POST, run="OTHER")], run="OTHER")
    await harness.ask(other, run="OTHER")
    async with harness.running():
        await harness.until_told("OTHER")
    assert [message.card.status for message in harness.platform.messages.values()] == ["Waiting for approval"]


async def test_a_card_sync_that_closes_lets_a_post_arrive() -> None:
    harness = Harness(platform=FakePlatform(hold=asyncio.Event()))
    await harness.ask(waiting())
    async with asyncio.timeout(60):
        async with harness.running():
            await eventually(lambda: bool(harness.store.buttons))
            assert harness.platform.hold is not None
            asyncio.get_running_loop().call_later(0.1, harness.platform.hold.set)
    assert harness.store.cards[RUN].message == "m1"


async def test_a_run_that_never_began_leaves_no_card_for_ever() -> None:
    harness = Harness()
    await harness.ask([])
    harness.clock.ahead += timedelta(minutes=6)
    async with harness.running():
        await harness.until_state(RUN, Gone)
    assert harness.platform.calls == []


async def test_of_two_processes_one_keeps() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running(), harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, *_ending())
        await harness.until_state(RUN, Done)
    assert harness.platform.calls.count("post") == 1
    assert [card.status for _, card in harness.platform.private_messages] == ["Done"]


async def test_what_was_approved_while_nobody_kept_is_shown_at_the_start() -> None:
    harness = Harness()
    await harness.ask(approved())
    async with harness.running():
        await harness.until_told(RUN)
    assert "alice" in texts(harness.platform.newest.card)
