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
from tests.service.chat_service_harness import ADMIN, ChatServiceStage, texts
from tests.service.service_harness import Office
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


def an_office() -> tuple[Office, Switch, Present]:
    """A plan of two calls; people and worker look at the same switch."""
    first = PlayedModel(answers("one", post("a"), post("b")), votes(1), says("Posted."))
    office, switch = Office(first, PlayedModel(answers("two"), votes(1))), Switch()
    present, names = Present(office), iter(f"F{number}" for number in range(1000))

    def name() -> str:
        return next(names)

    office.people = Coordinator(
        office.log, office.engine, clock=office.clock, new_id=name, configure=office.configure,
        current=present.rules, freezes=switch,
    )  # fmt: skip
    office.worker = Worker(
        office.log, office.hub, clock=office.clock, new_id=name, configure=office.configure,
        current=present.rules, freezes=switch,
    )  # fmt: skip
    return office, switch, present


async def approved() -> tuple[Office, Switch, str]:
    """A plan that Alice approved, and that no worker has taken up."""
    office, switch, _ = an_office()
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    return office, switch, run


def card(office: Office, run: str) -> str:
    view = view_of(office.log.events[run])
    assert view is not None
    return texts(card_for(view, office.clock.now()))


async def test_no_call_starts_while_all_is_frozen_and_all_run_once_it_is_not() -> None:
    office, switch, run = await approved()
    switch.by, switch.looks = ADA, 3
    await office.work()
    assert [call.arguments for call in office.world.done] == ['{"title":"a"}', '{"title":"b"}']
    kinds = office.log.kinds(run)
    assert kinds.index("execution_frozen") < kinds.index("execution_thawed") < kinds.index("call_started")
    assert kinds.count("execution_frozen") == kinds.count("execution_thawed") == 1


async def test_what_is_frozen_between_two_calls_ends_the_first_and_holds_the_second() -> None:
    office, switch, run = await approved()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        switch.by, switch.looks = ADA, 2
        return well(call)

    office.world.behaviours = [meanwhile]
    await office.work()
    kinds = [each for each in office.log.kinds(run) if each.startswith(("call_", "execution_"))]
    assert kinds == [
        "call_started", "call_succeeded", "execution_frozen", "execution_thawed", "call_started", "call_succeeded",
    ]  # fmt: skip


async def test_a_freeze_that_comes_between_the_last_look_and_the_call_holds_it() -> None:
    """It is in the log before the call's own event, so that one can't be written."""
    office, switch, run = await approved()
    listing = office.world.definition_digest

    async def slowly(server: str, tool: str) -> str | None:
        if switch.by is None and switch.looks is None:
            switch.by, switch.looks = ADA, 4
            await office.people.review_all("here")
        return await listing(server, tool)

    office.world.definition_digest = slowly
    await office.work()
    kinds = office.log.kinds(run)
    assert kinds.index("execution_frozen") < kinds.index("execution_thawed") < kinds.index("call_started")


async def test_decisions_count_and_the_card_says_that_nothing_starts() -> None:
    office, switch, _ = an_office()
    run, state = await office.planned()
    switch.by = ADA
    await office.people.review_all()
    assert "ada froze everything here: no approved call starts until that is taken back" in card(office, run)
    after = await office.people.approve(run, state.plan.digest, ALICE)
    assert isinstance(after, s.Executing)
    assert after.frozen_by == ADA
    assert "ada froze everything here" in card(office, run)
    switch.by = None
    await office.people.review_all("here")
    assert "froze" not in card(office, run)
    await office.work()
    assert len(office.world.done) == 2


async def test_whoever_may_stop_a_frozen_run_may_and_it_ends() -> None:
    office, switch, run = await approved()
    switch.by = ADA
    await office.people.review_all()
    await office.people.cancel(run, REQUESTER)
    await office.work()
    assert office.world.done == []
    assert isinstance(await office.state(run), s.Finished)


async def test_an_approval_expires_while_all_is_frozen() -> None:
    office, switch, run = await approved()
    switch.by = ADA

    async def a_day(seconds: float) -> None:
        office.clock.tick(days=1)

    office.clock.sleep = a_day
    await office.work()
    final = await office.state(run)
    assert isinstance(final, s.Finished)
    assert {getattr(each, "reason", "") for each in final.receipts} == {
        "the approval had expired before this call could start"
    }


async def test_no_call_starts_while_it_can_not_be_told_whether_all_is_frozen() -> None:
    office, switch, _ = await approved()
    switch.is_away = True
    with pytest.raises(StorageError):
        await office.work()
    assert office.world.done == []


async def test_no_log_has_a_call_start_while_all_is_frozen() -> None:
    office, _, run = await approved()
    state = await office.state(run)
    assert isinstance(state, s.Executing)
    frozen = evolve(state, e.ExecutionFrozen(by=ADA), office.clock.now())
    call = state.plan.calls[0]
    started = e.CallStarted(
        index=0, server=call.server, tool=call.tool, arguments=call.arguments, digest=state.plan.digest, hand="h"
    )
    assert isinstance(evolve(state, started, office.clock.now()), s.Executing)
    with pytest.raises(IllegalTransition, match="everything is frozen"):
        evolve(frozen, started, office.clock.now())
    assert evolve(frozen, e.ExecutionThawed(), office.clock.now()) == state


async def test_a_card_tells_of_other_rules_that_are_not_stricter() -> None:
    """Nothing about the plan changes, and it can be approved as it is shown."""
    office, _, present = an_office()
    run, state = await office.planned()
    present.profile = replace(office.prepared.profile)
    await office.people.review_all()
    assert "has changed since this run was asked for. The plan stays as it is shown" in card(office, run)
    present.profile = None
    await office.people.review_all()
    assert "has changed" not in card(office, run)
    kinds = office.log.kinds(run)
    await office.people.review_all()
    assert office.log.kinds(run) == kinds
    assert isinstance(await office.people.approve(run, state.plan.digest, BOB), s.Executing)


async def test_a_card_tells_of_rules_that_forbid_the_plan_or_can_not_be_read() -> None:
    office, _, present = an_office()
    run, state = await office.planned()
    present.denies_posts()
    await office.people.review_all()
    assert "now forbid a call of this plan, so it can't be approved" in card(office, run)
    present.is_unreadable = True
    await office.people.review_all()
    assert "now can't be read, so this plan can't be approved" in card(office, run)
    with pytest.raises(RefusedError):
        await office.people.approve(run, state.plan.digest, ALICE)


async def test_a_plan_is_asked_again_under_stricter_rules_before_anybody_presses() -> None:
    office, _, present = an_office()
    run, _ = await office.planned()
    present.asks_for_two()
    await office.people.review_all()
    state = await office.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert state.plan.policy.required == 2
    assert "The rules got stricter, so this plan is asked again" in card(office, run)
    assert "has changed since" not in card(office, run)


async def test_an_administrator_freezes_and_thaws_their_own_tenant_on_record(tmp_path: Path) -> None:
    office = ChatServiceStage(tmp_path)
    run = await office.ask()
    ids = await office.shown(run)
    said = texts(await office.admin("freeze"))
    assert "Frozen: no approved call starts here until an administrator says thaw" in said
    assert "ada froze everything here" in texts(card_of(office, run))
    await office.press(ALICE, ids[Action.APPROVE])
    assert isinstance(await office.people.state(run), s.Executing)
    assert "Approved calls start here again" in texts(await office.admin("thaw"))
    await office.work()
    assert len(office.world.done) == 1
    assert office.audit == [(ADMIN.id, "set freeze"), (ADMIN.id, "reset freeze")]
    assert "Nothing is frozen here" in texts(await office.admin("thaw"))


async def test_nobody_thaws_what_the_operator_froze_everywhere_but_the_operator(tmp_path: Path) -> None:
    office = ChatServiceStage(tmp_path)
    run = await office.ask()
    await office.store.set(
        freeze_setting(EVERYWHERE, Person(tenant="console", id="uid:0", name="root"), FakeClock().now())
    )
    assert "only massgen-bot thaw takes that back" in texts(await office.admin("thaw"))
    assert "root froze everything here" in texts(card_of(office, run))


def card_of(office: ChatServiceStage, run: str) -> Card:
    view = view_of(office.log.events[run])
    assert view is not None
    return card_for(view, office.clock.now())
