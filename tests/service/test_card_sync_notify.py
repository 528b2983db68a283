"""What is said besides the card: the story, reminders, and a word to the one who asked."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.card_sync.notify import LAST, schedule
from bot.chat.platform import MessageNotFound, MissingPermission, RateLimited
from bot.chat.store import Done, Live, PlanReminder
from bot.message import Mention
from coordination.domain import events as e
from coordination.domain.plan import short
from coordination.domain.policy import Policy
from tests.builders import ALICE, MALLORY, REQUESTER, START, a_plan
from tests.sample_logs import POST, REMOVE, RUN, argued, proposed, recorded, started, unknown, waiting
from tests.service.card_sync_harness import FakePlatform, Harness, texts


def _told(harness: Harness) -> str:
    return " ".join(texts(card) for _, card in harness.platform.said)


async def test_the_story_is_told_once_in_one_thread_with_answers_in_full_and_votes_with_reasons() -> None:
    harness = Harness()
    long = "Post it with the times. " + "Because people plan their day. " * 20 + "That is all."
    events = argued(POST)
    events[7] = e.AnswerAccepted(agent=1, number=1, epoch=1, text=long, calls=(POST,))
    await harness.ask(recorded(events[:9]))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, *events[9:], proposed(POST))
        await harness.until_told(RUN)
    async with harness.running():
        await harness.add(RUN, e.ApprovalGiven(by=ALICE, digest=proposed(POST).digest))
        await harness.until_told(RUN)
    assert len(harness.platform.threads) == 1
    assert {place.thread for place, _ in harness.platform.said} == {"m1"}
    for idempotency_key in ("That is all.", "it has the times", "it takes the old one down", "approved"):
        assert _told(harness).count(idempotency_key) == 1, idempotency_key


@pytest.mark.parametrize(
    ("ending", "can_go_on"),
    [
        ([proposed(POST), e.PlanRejected(by=ALICE, digest=proposed(POST).digest, reason="No.")], False),
        ([e.RunAnswered(text="There is none.", author="agent1.final", election=proposed(POST).election)], True),
    ],
)
async def test_the_story_of_a_run_that_is_done_ends_with_how_to_go_on(
    ending: list[e.RunEvent], can_go_on: bool
) -> None:
    harness = Harness()
    await harness.ask(recorded(argued(POST)))
    async with harness.running():
        await harness.add(RUN, *ending)
        await harness.until_told(RUN)
    assert _told(harness).count("mention me in this thread") == can_go_on


async def test_who_clicked_in_vain_is_no_part_of_the_story() -> None:
    harness = Harness()
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
        before = len(harness.platform.said)
        await harness.add(RUN, e.ActionRefused(by=MALLORY, act="approve", refusal="not_an_approver"))
        await harness.until_told(RUN)
    assert harness.platform.said[before:] == []
    assert "mallory" not in _told(harness)


async def test_without_stories_there_is_no_thread() -> None:
    harness = Harness(has_timelines=False)
    await harness.ask(waiting())
    async with harness.running():
        await harness.until_told(RUN)
    assert harness.platform.threads == []
    assert harness.platform.said == []


async def test_where_no_thread_may_be_opened_the_card_goes_on_without_one() -> None:
    harness = Harness(platform=FakePlatform(faults={"thread": [MissingPermission("Create Threads is missing.")]}))
    await harness.ask(recorded(argued(POST)))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, proposed(POST))
        await harness.until_told(RUN)
    assert harness.platform.newest.card.status == "Waiting for approval"
    assert "agent2.final" in _told(harness)


async def test_a_deleted_thread_is_opened_again_for_what_comes_next() -> None:
    harness = Harness(platform=FakePlatform(faults={"say": [MessageNotFound()]}))
    await harness.ask(recorded(argued(POST)))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, proposed(POST))
        await harness.until_told(RUN)
    assert len(harness.platform.threads) == 2
    assert "agent2.final" in _told(harness)


async def test_approvers_are_reminded_at_half_time_and_before_the_end_once_each() -> None:
    harness = Harness()
    policy = Policy(users=("123456789", "by-name"), expires_after=3600)
    event = proposed(POST)
    plan = replace(event.plan, policy=policy, expires_at=harness.clock.now() + timedelta(hours=1))
    await harness.ask(recorded([*argued(POST), e.PlanProposed(plan=plan, digest=plan.digest, election=event.election)]))
    async with harness.running():
        await harness.platform.until(lambda: len(harness.platform.private_messages) == 1)
        harness.clock.ahead += timedelta(minutes=31)
        await harness.platform.until(lambda: len(harness.platform.private_messages) == 2)
    async with harness.running():
        harness.clock.ahead += timedelta(minutes=20)
        await harness.platform.until(lambda: len(harness.platform.private_messages) == 3)
        harness.clock.ahead += timedelta(minutes=5)
    assert [person.id for person, _ in harness.platform.private_messages] == ["123456789"] * 3
    assert "waiting for your decision" in texts(harness.platform.private_messages[0][1])
    reminders = [card for _, card in harness.platform.said if card.status == "Still waiting"]
    assert ["nobody has decided yet" in texts(card) for card in reminders] == [False, True]


@pytest.mark.parametrize(
    ("policy", "place", "is_called"),
    [
        (Policy(roles=("77", "88")), "", True),
        (Policy(roles=("77",), is_quiet=True), "", False),
        (Policy(users=("123456789",)), "", False),
        (Policy(), "", False),
        (Policy(roles=("77",)), "c1", False),
    ],
    ids=["roles", "quiet", "people", "anyone", "private thread"],
)
async def test_the_roles_that_may_decide_are_called_once_by_a_line_in_the_thread(
    policy: Policy, place: str, is_called: bool
) -> None:
    harness = Harness(platform=FakePlatform(faults={"notify_roles": ["lost"]}))
    await harness.ask(recorded([*argued(POST), proposed(POST, policy=policy)]), thread=place)
    for _ in range(2):
        async with harness.running():
            await harness.until_told(RUN)
            await asyncio.sleep(0.05)
    assert len(harness.platform.called) == is_called
    for where, line in harness.platform.called:
        assert where.thread == "m1"
        assert [each.id for each in line if isinstance(each, Mention)] == ["77", "88"]
    assert [card.status for _, card in harness.platform.private_messages] == ["Your decision is needed"] * len(
        policy.users
    )


async def test_a_call_in_doubt_is_told_once_to_those_who_can_settle_it() -> None:
    harness = Harness(has_timelines=False)
    policy = Policy(users=("123456789",))
    plan = proposed(POST, REMOVE, policy=policy)
    doubt = [e.ApprovalGiven(by=replace(ALICE, id="123456789"), digest=plan.digest), started(plan.plan, 0)]
    await harness.ask(recorded([*argued(POST, REMOVE), plan]))
    await harness.add(RUN, *doubt, unknown(plan.plan, 0))
    for _ in range(2):
        async with harness.running():
            await harness.until_told(RUN)
    assert [person.id for person, _ in harness.platform.private_messages] == ["123456789", REQUESTER.id]
    assert len(harness.platform.said) == 1
    assert "may or may not have happened" in texts(harness.platform.said[0][1])


async def test_a_reminder_that_had_to_wait_is_sent_later() -> None:
    harness = Harness(has_timelines=False, platform=FakePlatform(faults={"say": [RateLimited(0.01)]}))
    await harness.ask(waiting())
    harness.clock.ahead += timedelta(hours=13)
    async with harness.running():
        await harness.platform.until(lambda: len(harness.platform.said) == 1)


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (e.PlanRejected(by=ALICE, digest=proposed(POST).digest, reason="no"), ["Rejected"]),
        (e.PlanRejected(by=REQUESTER, digest=proposed(POST).digest, reason="no"), []),
        (e.RunCancelled(by=REQUESTER, reason=""), []),
        (e.RunCancelled(by=ALICE, reason="not now"), ["Cancelled"]),
        (e.PlanExpired(digest=proposed(POST).digest), ["Expired"]),
    ],
    ids=["rejected", "rejected by themselves", "cancelled by themselves", "cancelled", "expired"],
)
async def test_the_one_who_asked_hears_how_it_ended_unless_they_ended_it(ending: e.RunEvent, told: list[str]) -> None:
    harness = Harness()
    await harness.ask(waiting(POST))
    async with harness.running():
        if isinstance(ending, e.PlanExpired):
            harness.clock.ahead += timedelta(hours=25)
        await harness.add(RUN, ending)
        await harness.until_state(RUN, Done)
    async with harness.running():
        pass
    assert [card.status for _, card in harness.platform.private_messages] == told


async def test_a_process_that_died_before_its_last_word_leaves_it_to_the_next() -> None:
    harness = Harness()
    await harness.ask(waiting(POST))
    async with harness.running():
        await harness.until_told(RUN)
        harness.clock.ahead += timedelta(hours=25)
        await harness.add(RUN, e.PlanExpired(digest=proposed(POST).digest))
        await harness.until_state(RUN, Done)
    kept = harness.store.cards[RUN]
    assert isinstance(kept.state, Done)
    harness.store.cards[RUN] = replace(kept, state=Live(post=kept.state.post), is_outcome_told=False)
    harness.platform.private_messages.clear()
    async with harness.running():
        await harness.until_state(RUN, Done)
    assert [card.status for _, card in harness.platform.private_messages] == ["Expired"]


async def test_someone_who_takes_no_private_words_stops_nothing() -> None:
    harness = Harness(platform=FakePlatform(faults={"notify_user": [RateLimited(0.01), MissingPermission("closed")]}))
    await harness.ask(waiting(POST))
    async with harness.running():
        harness.clock.ahead += timedelta(hours=25)
        await harness.add(RUN, e.PlanExpired(digest=proposed(POST).digest))
        await harness.until_state(RUN, Done)
    assert harness.platform.calls.count("notify_user") == 2


@given(
    lifetime=st.integers(min_value=60, max_value=7 * 86_400),
    looks=st.lists(st.floats(min_value=0, max_value=1), max_size=8),
)
def test_reminders_come_in_order_once_each_and_never_after_the_end(lifetime: int, looks: list[float]) -> None:
    plan = a_plan(policy=Policy(expires_after=lifetime), expires_at=START + timedelta(seconds=lifetime))
    reminded: PlanReminder | None = None
    sent = list[str]()
    for share in sorted(looks):
        now = START + timedelta(seconds=lifetime * share)
        found = schedule(plan, now, reminded)
        assert found.next is None or now < found.next < plan.expires_at
        if found.due is not None:
            assert now < plan.expires_at
            assert found.due != "last" or plan.expires_at - now <= LAST
            sent.append(found.due)
            reminded = PlanReminder(plan=short(plan.digest), last=found.due)
    assert sent == [which for which in ("new", "half", "last") if which in sent]


def test_a_reminder_of_an_earlier_plan_says_nothing_of_the_next() -> None:
    first, second = a_plan(revision=1), a_plan(revision=2)
    late = first.expires_at - timedelta(hours=1)
    assert schedule(second, late, PlanReminder(plan=short(first.digest), last="half")).due == "half"
