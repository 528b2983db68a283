"""That somebody approved alone is told in the channel by a message of its own: once, whatever happens in between."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from bot.cards.error_messages import plain_text
from bot.chat.card_sync.context import place_of
from bot.chat.platform import CardTooLarge, ChannelRef, MessageRef, MissingPermission
from bot.chat.store import Done
from bot.message import Alert, Card, Paragraph, Severity, StyledText
from coordination.domain import events as e
from coordination.domain.break_glass import BreakGlass
from coordination.domain.plan import short
from coordination.domain.policy import Person, Policy
from tests.builders import ALICE, START
from tests.sample_logs import POST, RUN, argued, proposed, recorded, started, succeeded
from tests.service.card_sync_harness import FakePlatform, Fault, Harness, eventually

EVE = Person(tenant="here", id="u-eve", name="eve", roles=("on-call",))
RULE = Policy(roles=("ops",), required=2, break_glass=BreakGlass(roles=("on-call",)))
PLAN = proposed(POST, policy=RULE)
BROKEN = e.ApprovalGiven(by=EVE, digest=PLAN.digest, break_glass="The site is down.")
FIRST = e.ApprovalGiven(by=ALICE, digest=PLAN.digest)


def notices(harness: Harness) -> list[tuple[ChannelRef, str]]:
    told = [(place, words_of(card)) for place, card in harness.platform.said]
    return [(place, words) for place, words in told if "used break-glass on plan" in words]


def words_of(card: Card) -> str:
    """What the lines and alerts of a card say."""
    lines = [line for each in card.sections if isinstance(each, Paragraph) for line in each.lines]
    return " ".join(plain_text(line) for line in [*lines, *(a.line for a in card.sections if isinstance(a, Alert))])


async def waiting(harness: Harness, *more: e.RunEvent) -> None:
    await harness.ask(recorded([*argued(POST), PLAN, *more]))
    async with harness.running():
        await harness.until_told(RUN)


async def test_everybody_in_the_channel_reads_who_which_plan_why_and_that_nobody_else_approved() -> None:
    harness = Harness()
    await waiting(harness)
    async with harness.running():
        await harness.add(RUN, BROKEN)
        await harness.until_told(RUN)
        assert "eve approved this plan alone" in words_of(harness.platform.newest.card)
    ((place, words),) = notices(harness)
    assert (place.channel, place.thread) == ("c1", "")
    for told in ("eve", short(PLAN.digest), RUN, "The site is down.", "Nobody else approved it. It needs: 2 of ops"):
        assert told in words, told


async def test_who_had_approved_before_is_named() -> None:
    harness = Harness()
    await waiting(harness, FIRST)
    async with harness.running():
        await harness.add(RUN, BROKEN)
        await harness.until_told(RUN)
    assert "Approved before that: alice. It needs: 2 of ops" in notices(harness)[0][1]


async def test_it_is_told_of_a_run_that_was_over_before_anybody_looked_and_stays_on_its_card() -> None:
    harness = Harness()
    plan = PLAN.plan
    await harness.ask(
        recorded([*argued(POST), PLAN, BROKEN, started(plan, 0), succeeded(plan, 0), e.RunFinished(report="Done.")])
    )
    async with harness.running():
        await harness.until_state(RUN, Done)
    assert len(notices(harness)) == 1
    assert "eve approved this plan alone" in words_of(harness.platform.newest.card)
    async with harness.running():
        await harness.until_state(RUN, Done)
    assert len(notices(harness)) == 1


@pytest.mark.parametrize("fault", ["lost", None], ids=["its answer was lost", "the product was busy"])
async def test_it_is_told_once_although_the_first_attempt_failed(fault: Fault | None) -> None:
    harness = Harness(platform=FakePlatform(finds=True), has_timelines=False)
    await waiting(harness)
    harness.platform.faults["say"] = [fault or MissingPermission("not now")]
    async with harness.running():
        await harness.add(RUN, BROKEN)
        await eventually(lambda: not harness.platform.faults["say"])
        harness.clock.ahead += timedelta(minutes=10)
        await eventually(lambda: bool(harness.platform.said))
        await eventually(lambda: harness.store.cards[RUN].announced > 0)
    assert len(notices(harness)) == 1


@dataclass
class TextPlatform(FakePlatform):
    """A product in which only words are found."""

    async def find_text(self, place: ChannelRef, words: Sequence[str], *, at: datetime) -> MessageRef | None:
        assert at >= START
        told = [
            (number, f"{card.status} {words_of(card)}")
            for number, (where, card) in enumerate(self.said, 1)
            if where == place
        ]
        there = [number for number, text in told if all(each in text for each in words)]
        return MessageRef(place=place, message=f"s{there[0]}") if there else None


async def test_where_only_words_are_found_the_message_of_a_killed_process_is() -> None:
    harness = Harness(platform=TextPlatform(), has_timelines=False)
    await waiting(harness)
    harness.platform.faults["say"] = ["lost"]
    async with harness.running():
        await harness.add(RUN, BROKEN)
        await eventually(lambda: harness.store.cards[RUN].announced > 0)
    assert len(notices(harness)) == 1


async def test_another_message_about_the_plan_is_not_taken_for_the_notice() -> None:
    """The story stands in the channel where it can't have a thread, and names the plan and how it was approved."""
    harness = Harness(platform=TextPlatform(), has_timelines=False)
    await waiting(harness)
    async with harness.running():
        await eventually(lambda: bool(harness.store.cards[RUN].message))
        line = (StyledText(f"eve used break-glass: approved plan {short(BROKEN.digest)} alone"),)
        story = Card(severity=Severity.WORKING, status="", title=(), reference=(), sections=(Paragraph(lines=(line,)),))
        harness.platform.said.append((place_of(harness.store.cards[RUN]), story))
        await harness.add(RUN, BROKEN)
        await eventually(lambda: harness.store.cards[RUN].announced > 0)
    assert len(notices(harness)) == 1


async def test_a_message_that_the_product_does_not_take_holds_nothing_up() -> None:
    harness = Harness(has_timelines=False)
    await waiting(harness)
    harness.platform.always = lambda kind, card: CardTooLarge() if kind == "say" else None
    async with harness.running():
        await harness.add(RUN, BROKEN)
        await eventually(lambda: harness.store.cards[RUN].announced > 0)


async def test_an_approval_like_any_other_is_told_by_no_message_of_its_own() -> None:
    harness = Harness()
    await waiting(harness)
    async with harness.running():
        await harness.add(RUN, FIRST, replace(FIRST, by=replace(ALICE, id="u-bob", name="bob")))
        await harness.until_told(RUN)
    assert notices(harness) == []
