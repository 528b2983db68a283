"""A product is never hurried: not by a card that comes back to life, not by a slow request, not by a new process."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from bot.chat.card_sync.context import EditThrottle
from bot.message import StyledText
from coordination.domain import events as e
from tests.builders import ALICE
from tests.sample_logs import POST, RUN, argued, plan_in, proposed, recorded, started, waiting
from tests.service.card_sync_harness import QUICK, Harness, eventually

SECONDS = 0.3


async def test_a_click_right_after_the_plan_came_waits_for_its_turn() -> None:
    harness = Harness(intervals=replace(QUICK, edit=SECONDS))
    await harness.ask(recorded(argued(POST)[:3]))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, *argued(POST)[3:], proposed(POST))
        await harness.until_told(RUN)
        plan = plan_in(waiting(POST))
        await harness.add(RUN, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0))
        await harness.until_told(RUN)
    edits = harness.platform.newest.edits
    assert len(edits) == 2
    assert all(later - earlier >= SECONDS for earlier, later in pairwise(edits))


async def test_a_new_process_lets_the_last_edit_of_the_one_before_it_settle() -> None:
    harness = Harness(intervals=replace(QUICK, edit=SECONDS))
    await harness.ask(recorded(argued(POST)[:3]))
    async with harness.running():
        await harness.until_told(RUN)
        await harness.add(RUN, *argued(POST)[3:], proposed(POST))
        await harness.until_told(RUN)
    plan = plan_in(waiting(POST))
    await harness.add(RUN, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0))
    async with harness.running():
        await harness.until_told(RUN)
    (earlier, later) = harness.platform.newest.edits
    assert later - earlier >= SECONDS


async def test_the_pause_begins_when_the_product_has_the_edit() -> None:
    harness = Harness(intervals=replace(QUICK, edit=SECONDS))
    await harness.ask(recorded(argued(POST)[:3]))
    async with harness.running():
        await harness.until_told(RUN)
        harness.platform.hold = asyncio.Event()
        await harness.add(RUN, e.TurnStarted(agent=1, turn=7, epoch=0))
        await asyncio.sleep(3 * SECONDS)
        harness.platform.hold.set()
        await eventually(lambda: len(harness.platform.newest.edits) == 1)
        await harness.add(RUN, e.TurnStarted(agent=1, turn=8, epoch=0))
        await harness.until_told(RUN)
    (earlier, later) = harness.platform.newest.edits
    assert later - earlier >= SECONDS


def test_each_card_has_its_own_turns() -> None:
    turns, later = EditThrottle(replace(QUICK, edit=2.0), 100.0), 103.0
    assert turns.seconds("a", 100.0) == turns.seconds("b", 100.0) == 2.0
    turns.edited("a", later)
    assert turns.seconds("a", later) == 2.0
    assert turns.seconds("b", later) == 0.0


async def test_a_run_that_waits_says_its_place_among_those_of_its_tenant_and_moves_up() -> None:
    harness = Harness(intervals=replace(QUICK, refresh=0.1))
    for run in ("FIRST", "SECOND", "THIRD"):
        await harness.ask(recorded(argued(POST)[:1]), run=run)

    def line(run: str) -> str:
        footers = [each.card.footer for each in harness.platform.messages.values()]
        shown = ["".join(part.text for part in footer if isinstance(part, StyledText)) for footer in footers]
        return next((footer for footer in shown if run in footer), "")

    async with harness.running():
        await eventually(
            lambda: "position 2 in the queue" in line("SECOND") and "position 3 in the queue" in line("THIRD")
        )
        assert line("FIRST")
        assert "in line" not in line("FIRST")
        await harness.add("FIRST", *argued(POST)[1:3])
        await eventually(lambda: "position 2 in the queue" in line("THIRD"))
        await eventually(lambda: "in line" not in line("SECOND"))
        await harness.add("SECOND", *argued(POST)[1:3])
        await harness.add("THIRD", *argued(POST)[1:3])
        await eventually(lambda: "in line" not in line("THIRD"))
