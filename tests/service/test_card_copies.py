"""Those who may decide get the card in their direct messages; every copy follows the log, whatever happens to the others."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from bot.chat.platform import ButtonIds, ChannelNotFound, ChannelRef, MessageRef, MissingPermission, RateLimited
from bot.chat.service import RequestRouter
from bot.chat.store import CardCopy, Done
from bot.message import Card
from coordination.domain import events as e
from coordination.domain.policy import Person, Policy
from tests.builders import REQUESTER, START
from tests.sample_logs import POST, RUN, argued, proposed, recorded
from tests.service.card_sync_harness import QUICK, FakePlatform, Harness, Message, eventually, texts
from tests.service.chat_service_harness import ChatServiceHarness

ANN, BEN, CAT = "111111", "222222", "333333"
OPS = "77"


@dataclass
class PeoplePlatform(FakePlatform):
    """A product that knows people: the roles of each account, whose direct messages are closed, and what each post there comes to."""

    people: dict[str, tuple[str, ...]] = field(default_factory=lambda: {ANN: (), BEN: (OPS,), CAT: (OPS,)})
    closed: set[str] = field(default_factory=set[str])
    lookups: int = 0
    direct_faults: dict[str, list[Exception]] = field(default_factory=dict[str, list[Exception]])
    secretive: bool = False

    async def direct_channel(self, person: Person) -> ChannelRef:
        return ChannelRef(platform=self.name, tenant=person.tenant, channel=f"dm-{person.id}")

    async def person_now(self, person: Person) -> Person | None:
        roles = self.people.get(person.id)
        return None if roles is None else replace(person, roles=roles)

    async def members_of(self, tenant: str, role: str, most: int) -> Sequence[str]:
        self.lookups += 1
        if self.secretive:
            raise MissingPermission("nobody is told who is in a role")
        found = [account for account, roles in self.people.items() if role in roles]
        return found if len(found) <= most else ()

    @override
    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        self._refuse(place)
        return await super().post(place, card, ids, idempotency_key=idempotency_key)

    @override
    async def edit(self, message_ref: MessageRef, card: Card, ids: ButtonIds) -> None:
        self._refuse(message_ref.place)
        await super().edit(message_ref, card, ids)

    def _refuse(self, place: ChannelRef) -> None:
        person = place.channel.removeprefix("dm-")
        if person in self.closed:
            raise MissingPermission("they take no messages")
        if faults := self.direct_faults.get(person):
            raise faults.pop(0)

    def copies_of(self, person: str) -> list[Message]:
        return [each for each in self.messages.values() if each.place.channel == f"dm-{person}"]


def a_harness(platform: PeoplePlatform | None = None) -> tuple[Harness, PeoplePlatform]:
    people = platform or PeoplePlatform()
    return Harness(platform=people, intervals=replace(QUICK, patience=0.02), has_timelines=False), people


async def ask(harness: Harness, policy: Policy, *, thread: str = "") -> str:
    """Rita asks, and a plan under this rule waits; its digest."""
    event = proposed(POST, policy=policy)
    plan = replace(event.plan, expires_at=harness.clock.now() + timedelta(days=1))
    await harness.ask(
        recorded([*argued(POST), e.PlanProposed(plan=plan, digest=plan.digest, election=event.election)]), thread=thread
    )
    return plan.digest


async def test_everybody_who_may_decide_gets_the_card_with_ids_of_its_own_and_every_copy_settles() -> None:
    harness, platform = a_harness()
    platform.people |= {REQUESTER.id: (OPS,)}
    digest = await ask(harness, Policy(users=(ANN, "999999"), roles=(OPS,)))
    async with harness.running():
        await eventually(lambda: all(platform.copies_of(each) for each in (ANN, BEN, CAT)))
        await harness.until_told(RUN)
        origin, *copies = platform.messages.values()
        assert {each.place.channel for each in copies} == {f"dm-{each}" for each in (ANN, BEN, CAT)}
        for copy in copies:
            assert copy.card == origin.card
            assert {button.target.digest for button in copy.card.buttons} == {digest}
        ids = [id_ for message in platform.messages.values() for id_ in message.ids.values()]
        assert len(ids) == len(set(ids))
        assert platform.private_messages == []
        await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
        await harness.until_state(RUN, Done)
    assert {each.card.status for each in platform.messages.values()} == {"Rejected"}
    assert [each.card.buttons for each in copies_now(platform)] == [()] * 3
    assert {each.state for each in harness.store.card_copies.values()} == {"done"}


def copies_now(platform: PeoplePlatform) -> list[Message]:
    return [each for each in platform.messages.values() if each.place.channel.startswith("dm-")]


@pytest.mark.parametrize(
    ("policy", "thread"),
    [
        (Policy(users=(ANN,), is_quiet=True), ""),
        (Policy(users=(ANN,)), "c1"),
        (Policy(), ""),
        (Policy(roles=("88",)), ""),
        (Policy(users=("999999",)), ""),
    ],
    ids=["quiet", "private thread", "anyone", "a role of nobody", "somebody who left"],
)
async def test_nobody_gets_a_copy_where_the_configuration_or_the_place_says_so(policy: Policy, thread: str) -> None:
    harness, platform = a_harness()
    await ask(harness, policy, thread=thread)
    async with harness.running():
        await harness.until_told(RUN)
        await asyncio.sleep(0.05)
    assert copies_now(platform) == []


async def test_a_role_of_many_is_told_by_its_mention_alone() -> None:
    harness, platform = a_harness()
    platform.people = {str(400000 + each): (OPS,) for each in range(11)}
    await ask(harness, Policy(roles=(OPS,)))
    async with harness.running():
        await harness.until_told(RUN)
        await eventually(lambda: bool(platform.called))
    assert copies_now(platform) == []


async def test_a_chat_is_asked_for_the_approvers_of_a_plan_once_however_often_its_card_is_looked_at() -> None:
    harness, platform = a_harness()
    harness.intervals = replace(harness.intervals, recheck=0.01, between_checks=0.01)
    await ask(harness, Policy(roles=(OPS,)))
    async with harness.running():
        await eventually(lambda: platform.calls.count("verify") >= 3)
        await eventually(lambda: len(copies_now(platform)) == 2)
    assert platform.lookups == 1


async def test_who_is_named_gets_the_card_though_the_chat_does_not_tell_who_has_a_role() -> None:
    harness, platform = a_harness(PeoplePlatform(secretive=True))
    await ask(harness, Policy(users=(ANN,), roles=(OPS,)))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN)))
    assert [each.place.channel for each in copies_now(platform)] == [f"dm-{ANN}"]


async def test_closed_direct_messages_hold_up_nobody_and_are_soon_given_up() -> None:
    harness, platform = a_harness(PeoplePlatform(closed={BEN}))
    digest = await ask(harness, Policy(users=(ANN, BEN, CAT)))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN) and platform.copies_of(CAT)))
        await eventually(lambda: harness.store.card_copies[RUN, f"dm:{BEN}"].state == "gone")
        await eventually(lambda: [person.id for person, _ in platform.private_messages] == [BEN])
        await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
        await harness.until_state(RUN, Done)
    assert {each.card.status for each in platform.messages.values()} == {"Rejected"}


async def test_a_copy_that_can_not_be_edited_now_is_tried_again_until_it_tells_the_truth() -> None:
    harness, platform = a_harness()
    digest = await ask(harness, Policy(users=(ANN, BEN)))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN) and platform.copies_of(BEN)))
        await harness.until_told(RUN)
        platform.direct_faults[ANN] = [RateLimited(0.01), MissingPermission("for a moment"), RateLimited(0.01)]
        await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
        await harness.until_state(RUN, Done)
    assert {each.card.status for each in copies_now(platform)} == {"Rejected"}
    assert platform.direct_faults[ANN] == []


async def test_what_was_decided_while_no_process_ran_is_on_every_copy_after_the_next_start() -> None:
    harness, platform = a_harness()
    digest = await ask(harness, Policy(users=(ANN,)))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN)))
        await harness.until_told(RUN)
    await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
    async with harness.running():
        await harness.until_state(RUN, Done)
    assert [each.card.status for each in copies_now(platform)] == ["Rejected"]


@pytest.mark.parametrize("has_idempotent_posts", [True, False])
async def test_of_a_copy_whose_answer_was_lost_one_message_has_buttons_that_count(has_idempotent_posts: bool) -> None:
    harness, platform = a_harness()
    platform.has_idempotent_posts = has_idempotent_posts
    platform.faults["post"] = [None, "lost"]
    await ask(harness, Policy(users=(ANN,)))
    async with harness.running():
        await eventually(lambda: any(each.shown for each in harness.store.card_copies.values()))
    copy = harness.store.card_copies[RUN, f"dm:{ANN}"]
    assert len(platform.copies_of(ANN)) == (1 if has_idempotent_posts else 2)
    counted = {each.id for each in await harness.store.issued(copy)}
    assert set(platform.messages[copy.message].ids.values()) == counted


async def test_a_new_plan_comes_as_a_new_message_and_the_old_one_says_that_it_is_out_of_date() -> None:
    harness, platform = a_harness()
    digest = await ask(harness, Policy(users=(ANN,)))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN)))
        await harness.until_told(RUN)
        again = proposed(replace(POST, arguments='{"title":"shorter"}'), policy=Policy(users=(ANN,)))
        plan = replace(again.plan, revision=2, expires_at=harness.clock.now() + timedelta(days=1))
        await harness.add(
            RUN,
            e.ChangesRequested(by=REQUESTER, digest=digest, text="shorter"),
            e.DeliberationStarted(revision=2),
            e.AnswerAccepted(agent=1, number=2, epoch=1, text=plan.text, calls=plan.calls),
            e.PlanProposed(plan=plan, digest=plan.digest, election=again.election),
        )
        await eventually(lambda: len(platform.copies_of(ANN)) == 2)
        await harness.until_told(RUN)
    old, new = platform.copies_of(ANN)
    assert old.card.status == "Out of date"
    assert {button.target.digest for button in new.card.buttons} == {plan.digest}


async def test_a_copy_that_was_deleted_comes_back_when_it_would_be_changed() -> None:
    harness, platform = a_harness()
    digest = await ask(harness, Policy(users=(ANN, BEN), required=2))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN)))
        await harness.until_told(RUN)
        del platform.messages[harness.store.card_copies[RUN, f"dm:{ANN}"].message]
        ben = Person(tenant="here", id=BEN, name="ben")
        await harness.add(RUN, e.ApprovalGiven(by=ben, digest=digest))
        await eventually(lambda: bool(platform.copies_of(ANN)))
        await harness.until_told(RUN)
    assert "ben" in texts(platform.copies_of(ANN)[0].card)


def a_chat_service(harness: Harness, wake: Callable[[], None], folder: Path) -> RequestRouter:
    """The chat service of another process over the same cards."""
    whole = ChatServiceHarness(folder).chat_service
    starter = replace(whole.run_starter, store=harness.store)
    handler = replace(whole.button_handler, store=harness.store, clock=harness.clock, wake=wake)
    return replace(whole, run_starter=starter, button_handler=handler)


async def test_a_copy_of_which_is_told_that_it_was_deleted_is_back_at_once(tmp_path: Path) -> None:
    harness, platform = a_harness()
    digest = await ask(harness, Policy(users=(ANN,)))
    async with harness.running() as card_sync:
        await harness.until_told(RUN)
        await eventually(lambda: bool(harness.store.card_copies[RUN, f"dm:{ANN}"].shown))
        copy = harness.store.card_copies[RUN, f"dm:{ANN}"]
        del platform.messages[copy.message]
        place = ChannelRef(platform="discord", tenant="", channel=copy.channel)
        await a_chat_service(harness, card_sync.wake, tmp_path).messages_deleted(place, [copy.message])
        await eventually(lambda: bool(platform.copies_of(ANN)))
    assert {button.target.digest for button in platform.copies_of(ANN)[0].card.buttons} == {digest}
    assert harness.store.card_copies[RUN, f"dm:{ANN}"].attempt == 2


async def test_a_copy_that_was_deleted_unseen_is_missed_within_a_minute_though_nothing_happens() -> None:
    harness, platform = a_harness()
    await ask(harness, Policy(users=(ANN,)))
    async with harness.running():
        await harness.until_told(RUN)
        await eventually(lambda: bool(harness.store.card_copies[RUN, f"dm:{ANN}"].shown))
        del platform.messages[harness.store.card_copies[RUN, f"dm:{ANN}"].message]
        harness.clock.ahead += timedelta(seconds=31)
        await eventually(lambda: bool(platform.copies_of(ANN)))
        await eventually(lambda: bool(harness.store.card_copies[RUN, f"dm:{ANN}"].shown))
    copy = harness.store.card_copies[RUN, f"dm:{ANN}"]
    assert copy.attempt == 2
    counted = {each.id for each in await harness.store.issued(copy)}
    assert set(platform.messages[copy.message].ids.values()) == counted


@pytest.mark.parametrize("refusal", [MissingPermission("for a moment"), RateLimited(0.01), ChannelNotFound("hidden")])
async def test_whether_a_copy_stands_is_not_guessed_from_a_refusal_that_passes(refusal: Exception) -> None:
    harness, platform = a_harness()
    await ask(harness, Policy(users=(ANN,)))
    async with harness.running():
        await harness.until_told(RUN)
        await eventually(lambda: bool(harness.store.card_copies[RUN, f"dm:{ANN}"].shown))
        before = harness.store.card_copies[RUN, f"dm:{ANN}"]
        platform.faults["verify"] = [None, refusal]
        harness.clock.ahead += timedelta(seconds=31)
        await eventually(lambda: platform.calls.count("verify") == 2)
        await harness.until_told(RUN)
    assert harness.store.card_copies[RUN, f"dm:{ANN}"] == before


async def test_where_the_card_itself_can_not_be_shown_the_copies_come_all_the_same() -> None:
    harness, platform = a_harness()
    platform.closed = {"c1"}
    await ask(harness, Policy(users=(ANN,)))
    async with harness.running():
        await eventually(lambda: bool(platform.copies_of(ANN)))
    assert [each.place.channel for each in platform.messages.values()] == [f"dm-{ANN}"]


async def test_a_copy_of_a_run_that_ended_before_it_was_posted_is_not_posted() -> None:
    harness, platform = a_harness()
    digest = await ask(harness, Policy(users=(ANN,)))
    await harness.store.add_copy(
        CardCopy(run=RUN, copy=f"dm:{ANN}", platform="discord", tenant="here", person=ANN, plan="x", made_at=START)
    )
    await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
    async with harness.running():
        await harness.until_state(RUN, Done)
    assert copies_now(platform) == []
    assert harness.store.card_copies[RUN, f"dm:{ANN}"].state == "gone"
