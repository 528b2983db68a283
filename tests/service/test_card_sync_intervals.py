"""A product is never hurried: not by a card that comes back to life, not by a slow request, not by a new process."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from bot.chat.card_sync.context import EditThrottle
from coordination.domain import events as e
from tests.builders import ALICE
from tests.sample_logs import POST, RUN, argued, plan_in, proposed, recorded, started, waiting
from tests.service.card_sync_harness import QUICK, Stage, eventually

SECONDS = 0.3


async def test_a_click_right_after_the_plan_came_waits_for_its_turn() -> None:
    stage = Stage(intervals=replace(QUICK, edit=SECONDS))
    await stage.ask(recorded(argued(POST)[:3]))
    async with stage.keeping():
        await stage.until_told(RUN)
        await stage.add(RUN, *argued(POST)[3:], proposed(POST))
        await stage.until_told(RUN)
        plan = plan_in(waiting(POST))
        await stage.add(RUN, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0))
        await stage.until_told(RUN)
    edits = stage.platform.newest.edits
    assert len(edits) == 2
    assert all(later - earlier >= SECONDS for earlier, later in pairwise(edits))


async def test_a_new_process_lets_the_last_edit_of_the_one_before_it_settle() -> None:
    stage = Stage(intervals=replace(QUICK, edit=SECONDS))
    await stage.ask(recorded(argued(POST)[:3]))
    async with stage.keeping():
        await stage.until_told(RUN)
        await stage.add(RUN, *argued(POST)[3:], proposed(POST))
        await stage.until_told(RUN)
    plan = plan_in(waiting(POST))
    await stage.add(RUN, e.ApprovalGiven(by=ALICE, digest=plan.digest), started(plan, 0))
    async with stage.keeping():
        await stage.until_told(RUN)
    (earlier, later) = stage.platform.newest.edits
    assert later - earlier >= SECONDS


async def test_the_pause_begins_when_the_product_has_the_edit() -> None:
    stage = Stage(intervals=replace(QUICK, edit=SECONDS))
    await stage.ask(recorded(argued(POST)[:3]))
    async with stage.keeping():
        await stage.until_told(RUN)
        stage.platform.hold = asyncio.Event()
        await stage.add(RUN, e.TurnStarted(agent=1, turn=7, epoch=0))
        await asyncio.sleep(3 * SECONDS)
        stage.platform.hold.set()
        await eventually(lambda: len(stage.platform.newest.edits) == 1)
        await stage.add(RUN, e.TurnStarted(agent=1, turn=8, epoch=0))
        await stage.until_told(RUN)
    (earlier, later) = stage.platform.newest.edits
    assert later - earlier >= SECONDS


def test_each_card_has_its_own_turns() -> None:
    turns, later = EditThrottle(replace(QUICK, edit=2.0), 100.0), 103.0
    assert turns.seconds("a", 100.0) == turns.seconds("b", 100.0) == 2.0
    turns.edited("a", later)
    assert turns.seconds("a", later) == 2.0
    assert turns.seconds("b", later) == 0.0
