"""Threat: rules get stricter, or an approver loses the role, between the approval and a call, and the call runs anyway."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from coordination.current_rules import FRESH
from coordination.domain import states as s
from coordination.domain.events import ApproversAsked, ApproversRead, CallStarted, RunRequested
from coordination.domain.plan import PlannedCall
from coordination.domain.policy import Person, Policy
from coordination.domain.tool_rules import Effect, Rule
from coordination.domain.transitions import evolve
from coordination.errors import ConfigError, IllegalTransition, PersonUnreadableError, RefusedError
from coordination.ports import ToolOutput
from coordination.run_options import RunProfile
from coordination.service import Coordinator
from coordination.text import Text
from coordination.worker import Worker
from tests.builders import ALICE, BOB
from tests.fakes import PlayedModel, answers, says, votes, well
from tests.service.deliberation_harness import LOOKS_READ
from tests.service.service_harness import Office
from tests.service.test_whole_run import post

NO_POSTS = Rule(match="*.post", effect=Effect.DENY, source="tools[0]")
AUTO_POSTS = Rule(match="board.post", effect=Effect.AUTO, source="tools[0]")
ASK_POSTS = Rule(match="board.post", effect=Effect.ASK, source="tools[0]")


@dataclass
class Present:
    """The rules and the people of now, as a test changes them."""

    office: Office
    profile: RunProfile | None = None
    is_unreadable: bool = False
    is_silent: bool = False
    is_frozen: bool = False
    gone: set[str] = field(default_factory=set[str])

    async def rules(self, run: str, request: RunRequested) -> RunProfile | None:
        if self.is_unreadable:
            raise ConfigError([Text("agents: this is not a list")])
        return self.profile

    async def current(self, person: Person) -> Person | None:
        if self.is_silent:
            raise PersonUnreadableError(Text("nobody can tell"))
        return replace(person, roles=()) if person.id in self.gone else person

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        return None

    async def frozen_by(self, tenant: str) -> Person | None:
        return BOB if self.is_frozen else None

    def denies_posts(self) -> None:
        """The operator adds a rule."""
        before = self.office.prepared.profile
        agents = tuple(replace(each, rules=(NO_POSTS, *each.rules)) for each in before.agents)
        self.profile = replace(before, agents=agents)

    def asks(self) -> None:
        """The operator has people asked before a post."""
        before = self.office.prepared.profile
        agents = tuple(replace(each, rules=(ASK_POSTS, *each.rules)) for each in before.agents)
        self.profile = replace(before, agents=agents)

    def asks_for_two(self) -> None:
        """The operator has two people approve from now on."""
        self.profile = replace(self.office.prepared.profile, policy=Policy(roles=("ops",), required=2))


def an_office(
    second: PlayedModel | None = None, *, first: PlayedModel | None = None, rules: tuple[Rule, ...] = ()
) -> tuple[Office, Present]:
    """Agent 1's plan has two calls; people and worker look at the same present."""
    first = first or PlayedModel(answers("one", post("a"), post("b")), votes(1), says("Posted."))
    office = Office(first, second or PlayedModel(answers("two"), votes(1)), rules=(LOOKS_READ, *rules))
    present, names = Present(office), iter(f"P{number}" for number in range(1000))

    def name() -> str:
        return next(names)

    office.people = Coordinator(
        office.log, office.engine, clock=office.clock, new_id=name, configure=office.configure,
        current=present.rules, directory=present, freezes=present,
    )  # fmt: skip
    office.worker = Worker(
        office.log, office.hub, clock=office.clock, new_id=name, configure=office.configure,
        current=present.rules, directory=present, freezes=present,
    )  # fmt: skip
    return office, present


async def approved() -> tuple[Office, Present, str]:
    """A plan that Alice approved, and that no worker has taken up."""
    office, present = an_office()
    run, state = await office.planned()
    await office.people.approve(run, state.plan.digest, ALICE)
    return office, present, run


async def reasons(office: Office, run: str) -> list[str]:
    """What became of each call: its kind, and why it was skipped."""
    final = await office.state(run)
    assert isinstance(final, s.Finished), final
    return [f"{each.kind} {getattr(each, 'reason', '')}".strip() for each in final.receipts]


async def test_under_unchanged_rules_both_calls_run() -> None:
    office, _, run = await approved()
    await office.work()
    assert await reasons(office, run) == ["succeeded", "succeeded"]


async def test_a_call_that_is_denied_since_the_approval_does_not_start() -> None:
    office, present, run = await approved()
    present.denies_posts()
    await office.work()
    assert office.world.done == []
    assert await reasons(office, run) == ["skipped the rules that hold here now forbid board.post"] * 2


async def test_a_call_that_is_denied_while_the_one_before_it_runs_does_not_start() -> None:
    office, present, run = await approved()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        present.denies_posts()
        return well(call)

    office.world.behaviours.append(meanwhile)
    await office.work()
    assert len(office.world.done) == 1
    assert await reasons(office, run) == ["succeeded", "skipped the rules that hold here now forbid board.post"]


async def test_a_rule_that_got_stricter_before_the_first_call_has_the_plan_asked_again() -> None:
    office, present, run = await approved()
    present.asks_for_two()
    await office.work()
    state = await office.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert (state.plan.revision, state.plan.policy.required, state.approvals) == (2, 2, ())
    await office.people.approve(run, state.plan.digest, ALICE)
    await office.people.approve(run, state.plan.digest, BOB)
    await office.work()
    assert await reasons(office, run) == ["succeeded", "succeeded"]


async def test_a_rule_that_got_stricter_between_two_calls_skips_the_rest() -> None:
    office, present, run = await approved()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        present.asks_for_two()
        return well(call)

    office.world.behaviours.append(meanwhile)
    await office.work()
    assert len(office.world.done) == 1
    assert await reasons(office, run) == ["succeeded", "skipped the rules got stricter after the approval"]


async def test_no_call_starts_while_the_configuration_can_not_be_read() -> None:
    office, present, run = await approved()
    present.is_unreadable = True
    await office.work()
    assert office.world.done == []
    assert all("can't be read" in each for each in await reasons(office, run))


async def test_nothing_is_approved_until_the_configuration_can_be_read_again() -> None:
    office, present = an_office()
    run, state = await office.planned()
    present.is_unreadable = True
    with pytest.raises(RefusedError, match="can't be read, so nothing can be approved"):
        await office.people.approve(run, state.plan.digest, ALICE)
    present.is_unreadable = False
    assert isinstance(await office.people.approve(run, state.plan.digest, ALICE), s.Executing)


async def test_an_approver_who_lost_the_role_before_the_claim_does_not_count() -> None:
    office, present, run = await approved()
    present.gone.add(ALICE.id)
    await office.work()
    assert isinstance(await office.state(run), s.AwaitingDecision)
    assert office.world.done == []


def at_each_look(office: Office, look: Callable[[], Awaitable[None]]) -> None:
    """Have something done in another process whenever the worker sleeps."""
    sleep = office.clock.sleep

    async def slept(seconds: float) -> None:
        await sleep(seconds)
        await look()

    office.clock.sleep = slept


async def test_a_worker_without_the_chat_waits_until_a_process_with_it_has_read_the_approvers() -> None:
    office, present, run = await approved()
    present.is_silent = True

    async def elsewhere() -> None:
        state = await office.state(run)
        assert isinstance(state, s.Executing)
        assert state.waits_for_approvers
        assert office.world.done == []
        present.is_silent = False
        await office.people.read_approvers(run)
        present.is_silent = True

    at_each_look(office, elsewhere)
    await office.work()
    assert await reasons(office, run) == ["succeeded", "succeeded"]
    kinds = [each.event.kind for each in await office.log.read(run)]
    assert kinds.count("approvers_asked") == kinds.count("approvers_read") == 1


async def test_who_lost_the_role_a_moment_after_the_approval_lets_nothing_run_in_a_worker_without_the_chat() -> None:
    office, present, run = await approved()
    present.is_silent, present.gone = True, {ALICE.id}

    async def elsewhere() -> None:
        present.is_silent = False
        await office.people.read_approvers(run)
        present.is_silent = True

    at_each_look(office, elsewhere)
    await office.work()
    assert office.world.done == []
    again = await office.state(run)
    assert isinstance(again, s.AwaitingDecision)
    assert again.approvals == ()


async def test_what_was_read_counts_for_a_moment_alone() -> None:
    """A freeze may come in between; after it, they are read anew."""
    office, present, run = await approved()
    present.is_silent = True
    reads: list[int] = []

    async def elsewhere() -> None:
        present.is_silent = False
        await office.people.read_approvers(run)
        present.is_silent = True
        reads.append(len(reads))
        if len(reads) == 1:
            present.is_frozen = True
        elif len(reads) == 2:
            present.is_frozen, present.gone = False, {ALICE.id}
            office.clock.tick(seconds=FRESH.total_seconds() + 1)

    at_each_look(office, elsewhere)
    await office.work()
    assert office.world.done == []
    assert isinstance(await office.state(run), s.AwaitingDecision)


async def test_no_log_has_a_call_start_before_the_approvers_were_read_or_after_one_was_lost() -> None:
    office, _, run = await approved()
    state, now = await office.state(run), office.clock.now()
    assert isinstance(state, s.Executing)
    call = state.plan.calls[0]
    start = CallStarted(
        index=0, server=call.server, tool=call.tool, arguments=call.arguments, digest=state.plan.digest, hand="h"
    )
    with pytest.raises(IllegalTransition, match="nobody had asked"):
        evolve(state, ApproversRead(), now)
    asked = evolve(state, ApproversAsked(), now)
    for waits in (asked, evolve(asked, ApproversRead(lost=(ALICE,)), now)):
        with pytest.raises(IllegalTransition, match="may not any more, or nobody knows"):
            evolve(waits, start, now)
    assert isinstance(evolve(evolve(asked, ApproversRead(), now), start, now), s.Executing)


async def test_a_chat_that_does_not_answer_about_people_has_the_plan_asked_again() -> None:
    office, present, run = await approved()
    present.is_silent = True
    await office.work()
    assert isinstance(await office.state(run), s.AwaitingDecision)
    assert office.world.done == []


async def test_no_plan_is_chosen_under_rules_that_got_stricter_or_deny_it() -> None:
    office, present = an_office(PlayedModel(answers("two", post("c")), votes(1)))
    run, state = await office.planned()
    present.denies_posts()
    with pytest.raises(RefusedError, match="forbid a call of this plan"):
        await office.people.choose(run, state.plan.digest, ALICE, 2)
    present.asks_for_two()
    with pytest.raises(RefusedError, match="not the plan that waits now"):
        await office.people.choose(run, state.plan.digest, ALICE, 2)
    again = await office.state(run)
    assert isinstance(again, s.AwaitingDecision)
    chosen = await office.people.choose(run, again.plan.digest, ALICE, 2)
    assert isinstance(chosen, s.AwaitingDecision)
    assert chosen.plan.policy.required == 2


async def test_a_plan_that_ran_by_a_rule_is_asked_of_people_once_the_rule_says_ask() -> None:
    """The rules let it run; before a worker takes it up, the operator has people asked."""
    first = PlayedModel(answers("one", post("a")), votes(1), says("Posted."))
    office, present = an_office(PlayedModel(answers("two"), votes(1)), first=first, rules=(AUTO_POSTS,))
    run = await office.ask()
    await office.worker.perform(office.log.jobs.pop(0))
    assert isinstance(await office.state(run), s.Executing)
    present.asks()
    await office.work()
    state = await office.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert office.world.done == []
    await office.people.approve(run, state.plan.digest, ALICE)
    await office.work()
    assert await reasons(office, run) == ["succeeded"]
