"""A quiet thread: one message tells the story and is edited as the run goes on; the end is one new line."""

from dataclasses import replace

import pytest

from bot.chat.card_sync.timeline_message import TimelineItem, batch_card, batches
from bot.chat.platform import ChannelNotFound, EditRefused, MissingPermission, RateLimited
from bot.message import Paragraph, StyledText
from coordination.domain import events as e
from tests.builders import ALICE, START
from tests.sample_logs import POST, RUN, argued, plan_in, proposed, recorded, started, succeeded, waiting
from tests.service.card_sync_harness import FakePlatform, Fault, Harness, texts

_PLAN = plan_in(waiting(POST))
_DECIDED = [e.ApprovalGiven(by=ALICE, digest=_PLAN.digest), started(_PLAN, 0), succeeded(_PLAN, 0)]
_END = e.RunFinished(report="Done.")


def statuses(harness: Harness) -> list[str]:
    return [card.status for _, card in harness.platform.said]


def told(harness: Harness) -> str:
    return " ".join(texts(card) for _, card in harness.platform.said)


async def test_one_message_is_edited_as_the_run_goes_on_and_the_end_is_a_new_one() -> None:
    harness = Harness()
    await harness.ask(recorded(argued(POST)))
    async with harness.running():
        await harness.until_told(RUN)
        for event in (proposed(POST), *_DECIDED):
            await harness.add(RUN, event)
            await harness.until_told(RUN)
        assert statuses(harness) == ["What happened"]
        await harness.add(RUN, _END)
        await harness.until_told(RUN)
    assert statuses(harness) == ["What happened", "How it ended"]
    story, end = (texts(card) for _, card in harness.platform.said)
    assert "agent2.final" in story
    assert "approved" in story
    assert "mention me in this thread" in end
    assert "approved" not in end
    assert len(harness.platform.threads) == 1


async def test_another_process_goes_on_with_the_same_message() -> None:
    harness = Harness()
    await harness.ask(recorded(argued(POST)))
    for event in (proposed(POST), *_DECIDED):
        async with harness.running():
            await harness.until_told(RUN)
        await harness.add(RUN, event)
    async with harness.running():
        await harness.until_told(RUN)
    assert statuses(harness) == ["What happened"]
    assert told(harness).count("approved") == 1


@pytest.mark.parametrize("knows", ["has_idempotent_posts", "finds", ""])
async def test_a_story_whose_answer_was_lost_is_told_once_wherever_the_product_knows_it(knows: str) -> None:
    platform = FakePlatform(
        faults={"say": ["lost"]}, has_idempotent_posts=knows == "has_idempotent_posts", finds=knows == "finds"
    )
    harness = Harness(platform=platform)
    await harness.ask(recorded(argued(POST)))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, proposed(POST))
        await harness.until_told(RUN)
    assert statuses(harness) == ["What happened"] * (1 if knows else 2)
    assert "agent2.final" in texts(platform.said[-1][1])


async def test_a_message_that_was_posted_before_a_crash_is_found_and_brought_up_to_date() -> None:
    harness = Harness(platform=FakePlatform(finds=True))
    await harness.ask(recorded(argued(POST)))
    async with harness.running():
        await harness.until_told(RUN)
    card = harness.store.cards[RUN]
    harness.store.cards[RUN] = replace(card, story_message="", told=0)  # It stands, and nobody has written that down.
    await harness.add(RUN, proposed(POST))
    async with harness.running():
        await harness.until_told(RUN)
    assert statuses(harness) == ["What happened"]
    assert "agent2.final" in told(harness)
    assert harness.store.cards[RUN].story_message == card.story_message


@pytest.mark.parametrize("refused", [None, EditRefused("too old")])
async def test_where_the_message_is_gone_or_too_old_another_one_goes_on(refused: Exception | None) -> None:
    harness = Harness()
    await harness.ask(waiting(POST))
    async with harness.running():
        await harness.until_told(RUN)
        if refused is None:
            harness.platform.unsaid.add("s1")
        else:
            harness.platform.faults["edit_text"] = [refused]
        await harness.add(RUN, *_DECIDED)
        await harness.until_told(RUN)
    assert statuses(harness) == ["What happened", "What happened next"]
    assert "agent2.final" not in texts(harness.platform.said[1][1])
    assert "approved" in texts(harness.platform.said[1][1])


@pytest.mark.parametrize(
    ("fault", "threads"), [(ChannelNotFound("gone"), 2), (MissingPermission("no"), 1), (RateLimited(0.01), 1)]
)
async def test_what_the_product_refuses_of_the_story_holds_up_nothing(fault: Fault, threads: int) -> None:
    harness = Harness(platform=FakePlatform(faults={"edit_text": [fault]}))
    await harness.ask(waiting(POST))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, _DECIDED[0])
        await harness.until_told(RUN)
        await harness.add(RUN, *_DECIDED[1:], _END)
        await harness.until_told(RUN)
    assert len(harness.platform.threads) == threads
    assert "mention me in this thread" in told(harness)


async def test_a_story_that_was_told_in_many_messages_before_is_not_told_again() -> None:
    """As a release that knew of no message to edit has left it."""
    harness = Harness()
    card = await harness.ask(waiting(POST))
    seq = len(await harness.log.read(RUN))
    harness.store.cards[RUN] = replace(card, story="m1", told=seq)
    async with harness.running():
        await harness.until_told(RUN)
        assert harness.platform.said == []
        await harness.add(RUN, *_DECIDED)
        await harness.until_told(RUN)
    assert statuses(harness) == ["What happened next"]
    assert "agent2.final" not in told(harness)


def an_item(seq: int, text: str = "x", *, is_end: bool = False) -> TimelineItem:
    sections = (Paragraph(lines=((StyledText(text),),)),) if text else ()
    return TimelineItem(seq=seq, at=START, sections=sections, is_end=is_end)


def test_only_a_full_message_is_followed_by_another_and_it_says_so() -> None:
    items = [an_item(seq, "y" * 1_400) for seq in range(1, 5)]
    first, second = batches(items, 0)
    assert [item.seq for item in (*first, *second)] == [1, 2, 3, 4]
    assert [len(first), len(second)] == [2, 2]
    many = [an_item(seq) for seq in range(1, 42)]
    assert [len(batch) for batch in batches(many, 0)] == [40, 1]
    silent = [an_item(seq, "") for seq in range(1, 100)]
    assert len(list(batches([*silent, an_item(100)], 0))) == 1
    cards = [batch_card(first), batch_card(second, goes_on=True), batch_card(silent)]
    assert [card and card.status for card in cards] == ["What happened", "What happened next", None]


def test_an_end_that_comes_with_all_the_rest_is_no_message_of_its_own() -> None:
    items = [an_item(1), an_item(2), an_item(3, is_end=True)]
    assert [len(batch) for batch in batches(items, 0)] == [3]
    assert [len(batch) for batch in batches(items, 2)] == [2, 1]
    end = batch_card(items[2:], goes_on=True)
    assert end is not None
    assert end.status == "How it ended"
