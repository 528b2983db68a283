"""A configuration's channel of approvals has the card, too: not of what is private, called once, or the card says why not."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from typing_extensions import override

from bot.chat.approvals_channel import routed, trouble_in
from bot.chat.platform import ButtonIds, ChannelRef, MessageNotFound, MessageRef, MissingPermission, RateLimited
from bot.chat.store import Done
from bot.message import Action, Card, Mention
from coordination.domain import events as e
from coordination.domain.break_glass import BreakGlass
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Person, Policy
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.states import AwaitingDecision
from coordination.domain.transitions import replay
from tests.builders import REQUESTER
from tests.sample_logs import POST, RUN, argued, proposed, recorded
from tests.service.card_sync_harness import QUICK, FakePlatform, Harness, Message, alerts, eventually

APPROVALS = "555"
ROUTED = Policy(roles=("77",), approvals_channel=APPROVALS)


@dataclass
class ChannelPlatform(FakePlatform):
    """A product with channels: those that everybody can read, and what asking for the others comes to."""

    public: set[str] = field(default_factory=lambda: {"c1"})
    shut: Exception | None = None
    asked: list[Exception] = field(default_factory=list[Exception])
    crowded: list[Exception] = field(default_factory=list[Exception])

    async def check_channel(self, tenant: str, channel: str) -> None:
        if self.shut is not None:
            raise self.shut

    async def is_public(self, tenant: str, channel: str) -> bool:
        if self.asked:
            raise self.asked.pop(0)
        return channel in self.public

    @override
    async def post(self, place: ChannelRef, card: Card, ids: ButtonIds, *, idempotency_key: str = "") -> MessageRef:
        if place.channel == APPROVALS and self.crowded:
            raise self.crowded.pop(0)
        return await super().post(place, card, ids, idempotency_key=idempotency_key)

    @property
    def own_alerts(self) -> list[str]:
        """What the run's own card warns of."""
        return [
            each for message in self.messages.values() if message.place.channel == "c1" for each in alerts(message.card)
        ]

    @property
    def routed(self) -> list[Message]:
        return [each for each in self.messages.values() if each.place.channel == APPROVALS]


async def ask(
    platform: ChannelPlatform, policy: Policy = ROUTED, *, thread: str = "", call: PlannedCall = POST
) -> tuple[Harness, str]:
    """Rita asks, and a plan under this rule waits; its digest."""
    harness = Harness(platform=platform, intervals=replace(QUICK, patience=0.02), has_timelines=False)
    event = proposed(call, policy=policy)
    plan = replace(event.plan, expires_at=harness.clock.now() + timedelta(days=1))
    log = recorded([*argued(call), e.PlanProposed(plan=plan, digest=plan.digest, election=event.election)])
    await harness.ask(log, thread=thread)
    return harness, plan.digest


async def revised(harness: Harness, digest: str) -> None:
    """The requester wants it shorter, and the agents plan anew, with a call that needs nobody of its own."""
    again = proposed(replace(POST, arguments='{"title":"shorter"}'), policy=ROUTED)
    plan = replace(again.plan, revision=2, expires_at=harness.clock.now() + timedelta(days=1))
    await harness.add(
        RUN,
        e.ChangesRequested(by=REQUESTER, digest=digest, text="shorter"),
        e.DeliberationStarted(revision=2),
        e.AnswerAccepted(agent=1, number=2, epoch=1, text=plan.text, calls=plan.calls),
        e.PlanProposed(plan=plan, digest=plan.digest, election=again.election),
    )


async def plan_of(harness: Harness) -> Plan:
    """The plan that waits now."""
    state = replay(await harness.log.read(RUN))
    assert isinstance(state, AwaitingDecision)
    return state.plan


async def test_the_channel_gets_the_same_card_the_roles_are_called_there_once_and_both_cards_settle() -> None:
    platform = ChannelPlatform()
    harness, digest = await ask(platform)
    for _ in range(2):
        async with harness.running():
            await eventually(lambda: bool(platform.routed and platform.called))
            await harness.until_told(RUN)
    origin, copy = platform.messages.values()
    assert copy.card == origin.card
    assert {button.target.digest for button in copy.card.buttons} == {digest}
    assert not set(copy.ids.values()) & set(origin.ids.values())
    assert [(place.channel, place.thread) for place, _ in platform.called] == [(APPROVALS, "")]
    assert [each.id for each in platform.called[0][1] if isinstance(each, Mention)] == ["77"]
    async with harness.running():
        await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
        await harness.until_state(RUN, Done)
    assert {each.card.status for each in platform.messages.values()} == {"Rejected"}


async def test_a_card_that_was_deleted_there_unseen_is_missed_within_a_minute_though_nothing_happens() -> None:
    platform = ChannelPlatform()
    harness, digest = await ask(platform)
    async with harness.running():
        await eventually(lambda: bool(platform.routed))
        await harness.until_told(RUN)
        platform.messages = {name: each for name, each in platform.messages.items() if each.place.channel == "c1"}
        harness.clock.ahead += timedelta(seconds=31)
        await eventually(lambda: bool(platform.routed))
        await harness.until_told(RUN)
    (copy,) = platform.routed
    assert {button.target.digest for button in copy.card.buttons} == {digest}
    assert len(platform.called) == 1


async def test_reminders_come_to_the_channel_as_well() -> None:
    platform = ChannelPlatform()
    harness, _ = await ask(platform)
    async with harness.running():
        await eventually(lambda: bool(platform.called))
        harness.clock.ahead += timedelta(hours=13)
        await eventually(lambda: len(platform.said) == 2)
    assert {place.channel for place, _ in platform.said} == {"c1", APPROVALS}


@pytest.mark.parametrize(
    ("policy", "thread", "is_shown"),
    [
        (ROUTED, "", False),
        (replace(ROUTED, shows_private=True), "", True),
        (replace(ROUTED, shows_private=True), "c1", False),
    ],
    ids=["private", "private, and the configuration says so", "private thread"],
)
async def test_what_was_asked_for_in_private_is_shown_only_where_the_configuration_says_so(
    policy: Policy, thread: str, is_shown: bool
) -> None:
    platform = ChannelPlatform(public=set())
    harness, _ = await ask(platform, policy, thread=thread)
    async with harness.running():
        await eventually(lambda: bool(platform.routed) or bool(platform.own_alerts))
        await harness.until_told(RUN)
        await eventually(lambda: bool(platform.called) or bool(thread))
    assert bool(platform.routed) is is_shown
    said = [each for each in platform.own_alerts if "not everyone can read" in each]
    assert bool(said) is not is_shown
    assert [place.channel for place, _ in platform.called] == ([] if thread else [APPROVALS if is_shown else "c1"])


async def test_what_is_missing_stands_on_the_card_until_it_is_given_and_the_roles_are_called_once() -> None:
    platform = ChannelPlatform(shut=MissingPermission("I lack Send Messages there"))
    harness, _ = await ask(platform)
    async with harness.running():
        await eventually(lambda: any("I lack Send Messages there" in each for each in platform.own_alerts))
        await eventually(lambda: bool(platform.called))
        platform.shut = None
        await eventually(lambda: bool(platform.routed))
        await eventually(lambda: not platform.own_alerts)
    assert platform.messages["m1"].card.buttons
    assert [place.channel for place, _ in platform.called] == ["c1"]


async def test_a_channel_that_is_not_there_or_can_not_hold_the_plan_is_told_in_words() -> None:
    for error, words in ((MessageNotFound("10003"), "no such channel"), (MissingPermission("kept out"), "kept out")):
        assert words in await trouble_in(ChannelPlatform(shut=error), "here", APPROVALS)
    assert not await trouble_in(ChannelPlatform(), "here", APPROVALS)
    assert not await trouble_in(FakePlatform(), "here", APPROVALS)


async def test_nobody_is_called_before_it_is_known_whether_the_card_stands_in_the_channel() -> None:
    platform = ChannelPlatform(asked=[RateLimited(0.02)], crowded=[RateLimited(0.02)])
    harness, _ = await ask(platform)
    async with harness.running():
        await eventually(lambda: bool(platform.called))
    assert [place.channel for place, _ in platform.called] == [APPROVALS]
    assert not platform.own_alerts


async def test_a_card_that_is_in_the_channel_anyway_is_not_posted_there_twice() -> None:
    platform = ChannelPlatform()
    harness, _ = await ask(platform, replace(ROUTED, approvals_channel="c1"))
    async with harness.running():
        await harness.until_told(RUN)
        await eventually(lambda: bool(platform.called))
        await asyncio.sleep(0)
    assert len(platform.messages) == 1


async def test_a_revision_is_asked_about_anew_and_stays_out_of_the_channel_once_its_place_is_private() -> None:
    platform = ChannelPlatform()
    harness, digest = await ask(platform, replace(ROUTED, is_quiet=True))
    async with harness.running():
        await eventually(lambda: bool(platform.routed))
        await harness.until_told(RUN)
        platform.public.clear()
        await revised(harness, digest)
        await eventually(lambda: any("not everyone can read" in each for each in platform.own_alerts))
    (old,) = platform.routed
    assert old.card.status == "Out of date"
    assert Action.APPROVE not in old.ids
    assert [place.channel for place, _ in platform.called] == ["c1"]


# --- the channel of those whom a single call needs --------------------------------------------------------------------

PAY = "666"
FINANCE = Needs(quorums=(Quorum(roles=("88",), channels=(PAY,)),))
PAYING = Policy(roles=("77",), approvals_channel=APPROVALS).with_needs(FINANCE)
FIN = Person(tenant="here", id="fin", name="fin", roles=("88",))


def standing(platform: ChannelPlatform, channel: str) -> list[Message]:
    return [each for each in platform.messages.values() if each.place.channel == channel]


async def test_the_channel_of_a_place_has_the_card_calls_its_roles_and_settles_with_the_others() -> None:
    platform = ChannelPlatform()
    harness, digest = await ask(platform, PAYING, call=replace(POST, needs=FINANCE))
    async with harness.running():
        await eventually(lambda: len(platform.called) == 2)
        await harness.until_told(RUN)
        (paid,), (routed_to,) = standing(platform, PAY), platform.routed
        assert paid.card == routed_to.card
        assert {button.target.digest for button in paid.card.buttons} == {digest}
        called = {
            place.channel: [each.id for each in line if isinstance(each, Mention)] for place, line in platform.called
        }
        assert called == {APPROVALS: ["77"], PAY: ["88"]}
        await harness.add(RUN, e.ApprovalGiven(by=FIN, digest=digest))
        await eventually(lambda: all("fin" in str(standing(platform, each)[0].card) for each in (PAY, APPROVALS)))
        harness.clock.ahead += timedelta(hours=13)
        await eventually(lambda: len(platform.said) == 2)
        assert {place.channel for place, _ in platform.said} == {"c1", APPROVALS}, "nobody is waited for in the other"
        await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=digest, reason="no"))
        await harness.until_state(RUN, Done)
    ended = [each.card.status for channel in (PAY, APPROVALS) for each in standing(platform, channel)]
    assert ended == ["Rejected", "Rejected"]


async def test_a_place_that_was_filled_while_nobody_looked_gets_no_card_and_a_shut_one_is_told_of() -> None:
    platform = ChannelPlatform(shut=MissingPermission("I lack Send Messages there"))
    harness, digest = await ask(platform, PAYING, call=replace(POST, needs=FINANCE))
    async with harness.running():
        await eventually(lambda: len(platform.own_alerts) == 2)
        await harness.add(RUN, e.ApprovalGiven(by=FIN, digest=digest))
        await eventually(lambda: len(platform.own_alerts) == 1)
        platform.shut = None
        await eventually(lambda: bool(platform.routed))
        await harness.until_told(RUN)
    assert standing(platform, PAY) == []


async def test_a_revision_without_such_a_call_leaves_a_word_there_that_the_card_is_out_of_date() -> None:
    platform = ChannelPlatform()
    harness, digest = await ask(platform, replace(PAYING, is_quiet=True), call=replace(POST, needs=FINANCE))
    async with harness.running():
        await eventually(lambda: bool(standing(platform, PAY)))
        await harness.until_told(RUN)
        await revised(harness, digest)
        await eventually(lambda: standing(platform, PAY)[0].card.status == "Out of date")
        await eventually(lambda: len(platform.routed) == 2)
        await harness.until_told(RUN)
        await harness.add(RUN, e.PlanRejected(by=REQUESTER, digest=(await plan_of(harness)).digest, reason="no"))
        await harness.until_state(RUN, Done)
    assert len(standing(platform, PAY)) == 1


def test_a_rule_says_where_its_plans_are_shown() -> None:
    assert routed(Policy()) == []
    assert "unless" in repr(routed(ROUTED))
    assert "Plans that need " in repr(routed(PAYING)[1])
    assert "even those" in repr(routed(replace(ROUTED, shows_private=True)))


@dataclass
class ClosedPlatform(ChannelPlatform):
    """A product in which nothing new can be said in the channel of approvals."""

    @override
    async def post_text(self, place: ChannelRef, card: Card, *, idempotency_key: str = "") -> MessageRef:
        if place.channel == APPROVALS:
            raise MissingPermission("not there")
        return await super().post_text(place, card, idempotency_key=idempotency_key)


@pytest.mark.parametrize("is_closed", [False, True])
async def test_that_somebody_approved_alone_is_told_in_the_channel_of_approvals_too(is_closed: bool) -> None:
    platform = ClosedPlatform() if is_closed else ChannelPlatform()
    harness, digest = await ask(platform, replace(ROUTED, break_glass=BreakGlass(roles=("on-call",))))
    eve = Person(tenant="here", id="u-eve", name="eve", roles=("on-call",))
    async with harness.running():
        await eventually(lambda: len(platform.routed) == 1)
        await harness.add(RUN, e.ApprovalGiven(by=eve, digest=digest, break_glass="The site is down."))
        await eventually(lambda: harness.store.cards[RUN].announced > 0)
    assert [place.channel for place, _ in platform.said] == ["c1", *([] if is_closed else [APPROVALS])]
