"""Threat: an administrator has everything stop, and approved calls start all the same, are lost, or are told of to nobody."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.cards.run_card import card_for
from bot.cards.run_view import view_of
from bot.chat.store import EVERYWHERE, freeze_setting
from bot.message import Action, Card
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Person
from coordination.domain.transitions import evolve
from coordination.errors import IllegalTransition, RefusedError, StorageError
from coordination.ports import ToolOutput
from coordination.service import Coordinator
from coordination.text import Text
from coordination.worker import Worker
from tests.builders import ALICE, BOB, REQUESTER
from tests.fakes import FakeClock, PlayedModel, answers, says, votes, well
from tests.service.chat_service_harness import ADMIN, ChatServiceHarness, texts
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post
from tests.threats.test_stricter_rules_after_the_approval import Present

ADA = Person(tenant="here", id="u-ada", name="ada")


@dataclass
class Switch:
    """Who had everything stop, as a test says; after so many looks that say so, it is taken back."""

    by: Person | None = None
    looks: int | None = None
    is_away: bool = False

    async def frozen_by(self, tenant: str) -> Person | None:
        assert tenant == "here"
        if self.is_away:
            raise StorageError(Text("the database is away"))
        if self.by is not None and self.looks is not None:
            self.looks -= 1
            self.by = self.by if self.looks >= 0 else None
        return self.by


def a_service() -> tuple[ServiceHarness, Switch, Present]:
    """A plan of two calls; people and worker look at the same switch."""
    first = PlayedModel(answers("one", post("a"), post("b")), votes(1), says("Posted."))
    harness, switch = ServiceHarness(first, PlayedModel(answers("two"), votes(1))), Switch()
    present, names = Present(harness), iter(f"F{number}" for number in range(1000))

    def name() -> str:
        return next(names)

    harness.people = Coordinator(
        harness.log, harness.engine, clock=harness.clock, new_id=name, configure=harness.configure,
        current=present.rules, freezes=switch,
    )  # fmt: skip
    harness.worker = Worker(
        harness.log, harness.hub, clock=harness.clock, new_id=name, configure=harness.configure,
        current=present.rules, freezes=switch,
    )  # fmt: skip
    return harness, switch, present


async def approved() -> tuple[ServiceHarness, Switch, str]:
    """A plan that Alice approved, and that no worker has taken up."""
    harness, switch, _ = a_service()
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    return harness, switch, run


def card(harness: ServiceHarness, run: str) -> str:
    view = view_of(harness.log.events[run])
    assert view is not None
    return texts(card_for(view, harness.clock.now()))


async def test_no_call_starts_while_all_is_frozen_and_all_run_once_it_is_not() -> None:
    harness, switch, run = await approved()
    switch.by, switch.looks = ADA, 3
    await harness.work()
    assert [call.arguments for call in harness.world.done] == ['{"title":"a"}', '{"title":"b"}']
    kinds = harness.log.kinds(run)
    assert kinds.index("execution_frozen") < kinds.index("execution_thawed") < kinds.index("call_started")
    assert kinds.count("execution_frozen") == kinds.count("execution_thawed") == 1


async def test_what_is_frozen_between_two_calls_ends_the_first_and_holds_the_second() -> None:
    harness, switch, run = await approved()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        switch.by, switch.looks = ADA, 2
        return well(call)

    harness.world.behaviours = [meanwhile]
    await harness.work()
    kinds = [each for each in harness.log.kinds(run) if each.startswith(("call_", "execution_"))]
    assert kinds == [
        "call_started", "call_succeeded", "execution_frozen", "execution_thawed", "call_started", "call_succeeded",
    ]  # fmt: skip


async def test_a_freeze_that_comes_between_the_last_look_and_the_call_holds_it() -> None:
    """It is in the log before the call's own event, so that one can't be written."""
    harness, switch, run = await approved()
    listing = harness.world.definition_digest

    async def slowly(server: str, tool: str, expected: str = "") -> str | None:
        if switch.by is None and switch.looks is None:
            switch.by, switch.looks = ADA, 4
            await harness.people.review_all("here")
        return await listing(server, tool)

    harness.world.definition_digest = slowly
    await harness.work()
    kinds = harness.log.kinds(run)
    assert kinds.index("execution_frozen") < kinds.index("execution_thawed") < kinds.index("call_started")


async def test_decisions_count_and_the_card_says_that_nothing_starts() -> None:
    harness, switch, _ = a_service()
    run, state = await harness.planned()
    switch.by = ADA
    await harness.people.review_all()
    assert "ada froze everything here: no approved call starts until that is undone" in card(harness, run)
    after = await harness.people.approve(run, state.plan.digest, ALICE)
    assert isinstance(after, s.Executing)
    assert after.frozen_by == ADA
    assert "ada froze everything here" in card(harness, run)
    switch.by = None
    await harness.people.review_all("here")
    assert "froze" not in card(harness, run)
    await harness.work()
    assert len(harness.world.done) == 2


async def test_whoever_may_stop_a_frozen_run_may_and_it_ends() -> None:
    harness, switch, run = await approved()
    switch.by = ADA
    await harness.people.review_all()
    await harness.people.cancel(run, REQUESTER)
    await harness.work()
    assert harness.world.done == []
    assert isinstance(await harness.state(run), s.Finished)


async def test_an_approval_expires_while_all_is_frozen() -> None:
    harness, switch, run = await approved()
    switch.by = ADA

    async def a_day(seconds: float) -> None:
        harness.clock.tick(days=1)

    harness.clock.sleep = a_day
    await harness.work()
    final = await harness.state(run)
    assert isinstance(final, s.Finished)
    assert {getattr(each, "reason", "") for each in final.receipts} == {
        "the approval had expired before this call could start"
    }


async def test_no_call_starts_while_it_can_not_be_told_whether_all_is_frozen() -> None:
    harness, switch, _ = await approved()
    switch.is_away = True
    with pytest.raises(StorageError):
        await harness.work()
    assert harness.world.done == []


async def test_no_log_has_a_call_start_while_all_is_frozen() -> None:
    harness, _, run = await approved()
    state = await harness.state(run)
    assert isinstance(state, s.Executing)
    frozen = evolve(state, e.ExecutionFrozen(by=ADA), harness.clock.now())
    call = state.plan.calls[0]
    started = e.CallStarted(
        index=0, server=call.server, tool=call.tool, arguments=call.arguments, digest=state.plan.digest, hand="h"
    )
    assert isinstance(evolve(state, started, harness.clock.now()), s.Executing)
    with pytest.raises(IllegalTransition, match="everything is frozen"):
        evolve(frozen, started, harness.clock.now())
    assert evolve(frozen, e.ExecutionThawed(), harness.clock.now()) == state


async def test_a_card_tells_of_other_rules_that_are_not_stricter() -> None:
    """Nothing about the plan changes, and it can be approved as it is shown."""
    harness, _, present = a_service()
    run, state = await harness.planned()
    present.profile = replace(harness.prepared.profile)
    await harness.people.review_all()
    assert "have changed since this run was requested. The plan stays as shown" in card(harness, run)
    present.profile = None
    await harness.people.review_all()
    assert "has changed" not in card(harness, run)
    kinds = harness.log.kinds(run)
    await harness.people.review_all()
    assert harness.log.kinds(run) == kinds
    assert isinstance(await harness.people.approve(run, state.plan.digest, BOB), s.Executing)


async def test_a_card_tells_of_rules_that_forbid_the_plan_or_can_not_be_read() -> None:
    harness, _, present = a_service()
    run, state = await harness.planned()
    present.denies_posts()
    await harness.people.review_all()
    assert "forbid a call in this plan, so it can't be approved" in card(harness, run)
    present.is_unreadable = True
    await harness.people.review_all()
    assert "can't be read, so this plan can't be approved" in card(harness, run)
    with pytest.raises(RefusedError):
        await harness.people.approve(run, state.plan.digest, ALICE)


async def test_a_plan_is_asked_again_under_stricter_rules_before_anybody_presses() -> None:
    harness, _, present = a_service()
    run, _ = await harness.planned()
    present.asks_for_two()
    await harness.people.review_all()
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.plan.policy.required == 2
    assert "The rules got stricter, so this plan needs approval again" in card(harness, run)
    assert "have changed since" not in card(harness, run)


async def test_an_administrator_freezes_and_thaws_their_own_tenant_on_record(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path)
    run = await harness.ask()
    ids = await harness.shown(run)
    said = texts(await harness.admin("freeze"))
    assert "Frozen: no approved call starts here until an administrator uses thaw" in said
    assert "ada froze everything here" in texts(card_of(harness, run))
    await harness.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await harness.people.state(run), s.Executing)
    assert "Approved calls can start here again" in texts(await harness.admin("thaw"))
    await harness.work()
    assert len(harness.world.done) == 1
    assert harness.audit == [(ADMIN.id, "set freeze"), (ADMIN.id, "reset freeze")]
    assert "Nothing is frozen here" in texts(await harness.admin("thaw"))


async def test_nobody_thaws_what_the_operator_froze_everywhere_but_the_operator(tmp_path: Path) -> None:
    harness = ChatServiceHarness(tmp_path)
    run = await harness.ask()
    await harness.store.set(
        freeze_setting(EVERYWHERE, Person(tenant="console", id="uid:0", name="root"), FakeClock().now())
    )
    assert "only massgen-bot thaw undoes that" in texts(await harness.admin("thaw"))
    assert "root froze everything here" in texts(card_of(harness, run))


def card_of(harness: ChatServiceHarness, run: str) -> Card:
    view = view_of(harness.log.events[run])
    assert view is not None
    return card_for(view, harness.clock.now())
