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
from tests.service.service_harness import ServiceHarness
from tests.service.test_whole_run import post

NO_POSTS = Rule(match="*.post", effect=Effect.DENY, source="tools[0]")
AUTO_POSTS = Rule(match="board.post", effect=Effect.AUTO, source="tools[0]")
ASK_POSTS = Rule(match="board.post", effect=Effect.ASK, source="tools[0]")


@dataclass
class Present:
    """The rules and the people of now, as a test changes them."""

    harness: ServiceHarness
    profile: RunProfile | None = None
    is_unreadable: bool = False
    is_silent: bool = False
    is_frozen: bool = False
    gone: set[str] = field(default_factory=set[str])
    now: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    async def rules(self, run: str, request: RunRequested) -> RunProfile | None:
        if self.is_unreadable:
            raise ConfigError([Text("agents: this is not a list")])
        return self.profile

    async def current(self, person: Person) -> Person | None:
        if self.is_silent:
            raise PersonUnreadableError(Text("nobody can tell"))
        return replace(person, roles=() if person.id in self.gone else self.now.get(person.id, person.roles))

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        return None

    async def frozen_by(self, tenant: str) -> Person | None:
        return BOB if self.is_frozen else None

    def denies_posts(self) -> None:
        """The operator adds a rule."""
        before = self.harness.prepared.profile
        agents = tuple(replace(each, rules=(NO_POSTS, *each.rules)) for each in before.agents)
        self.profile = replace(before, agents=agents)

    def asks(self) -> None:
        """The operator has people asked before a post."""
        before = self.harness.prepared.profile
        agents = tuple(replace(each, rules=(ASK_POSTS, *each.rules)) for each in before.agents)
        self.profile = replace(before, agents=agents)

    def asks_for_two(self) -> None:
        """The operator has two people approve from now on."""
        self.profile = replace(self.harness.prepared.profile, policy=Policy(roles=("ops",), required=2))


def a_service(
    second: PlayedModel | None = None, *, first: PlayedModel | None = None, rules: tuple[Rule, ...] = ()
) -> tuple[ServiceHarness, Present]:
    """Agent 1's plan has two calls; people and worker look at the same present."""
    first = first or PlayedModel(answers("one", post("a"), post("b")), votes(1), says("Posted."))
    harness = ServiceHarness(first, second or PlayedModel(answers("two"), votes(1)), rules=(LOOKS_READ, *rules))
    present, names = Present(harness), iter(f"P{number}" for number in range(1000))

    def name() -> str:
        return next(names)

    harness.people = Coordinator(
        harness.log, harness.engine, clock=harness.clock, new_id=name, configure=harness.configure,
        current=present.rules, directory=present, freezes=present,
    )  # fmt: skip
    harness.worker = Worker(
        harness.log, harness.hub, clock=harness.clock, new_id=name, configure=harness.configure,
        current=present.rules, directory=present, freezes=present,
    )  # fmt: skip
    return harness, present


async def approved() -> tuple[ServiceHarness, Present, str]:
    """A plan that Alice approved, and that no worker has taken up."""
    harness, present = a_service()
    run, state = await harness.planned()
    await harness.people.approve(run, state.plan.digest, ALICE)
    return harness, present, run


async def reasons(harness: ServiceHarness, run: str) -> list[str]:
    """What became of each call: its kind, and why it was skipped."""
    final = await harness.state(run)
    assert isinstance(final, s.Finished), final
    return [f"{each.kind} {getattr(each, 'reason', '')}".strip() for each in final.receipts]


async def test_under_unchanged_rules_both_calls_run() -> None:
    harness, _, run = await approved()
    await harness.work()
    assert await reasons(harness, run) == ["succeeded", "succeeded"]


async def test_a_call_that_is_denied_since_the_approval_does_not_start() -> None:
    harness, present, run = await approved()
    present.denies_posts()
    await harness.work()
    assert harness.world.done == []
    assert await reasons(harness, run) == ["skipped the current rules forbid board.post"] * 2


async def test_a_call_that_is_denied_while_the_one_before_it_runs_does_not_start() -> None:
    harness, present, run = await approved()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        present.denies_posts()
        return well(call)

    harness.world.behaviours.append(meanwhile)
    await harness.work()
    assert len(harness.world.done) == 1
    assert await reasons(harness, run) == ["succeeded", "skipped the current rules forbid board.post"]


async def test_a_rule_that_got_stricter_before_the_first_call_has_the_plan_asked_again() -> None:
    harness, present, run = await approved()
    present.asks_for_two()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert (state.plan.revision, state.plan.policy.required, state.approvals) == (2, 2, ())
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.people.approve(run, state.plan.digest, BOB)
    await harness.work()
    assert await reasons(harness, run) == ["succeeded", "succeeded"]


async def test_a_rule_that_got_stricter_between_two_calls_skips_the_rest() -> None:
    harness, present, run = await approved()

    def meanwhile(call: PlannedCall) -> ToolOutput:
        present.asks_for_two()
        return well(call)

    harness.world.behaviours.append(meanwhile)
    await harness.work()
    assert len(harness.world.done) == 1
    assert await reasons(harness, run) == ["succeeded", "skipped the rules got stricter after the approval"]


async def test_no_call_starts_while_the_configuration_can_not_be_read() -> None:
    harness, present, run = await approved()
    present.is_unreadable = True
    await harness.work()
    assert harness.world.done == []
    assert all("can't be read" in each for each in await reasons(harness, run))


async def test_nothing_is_approved_until_the_configuration_can_be_read_again() -> None:
    harness, present = a_service()
    run, state = await harness.planned()
    present.is_unreadable = True
    with pytest.raises(RefusedError, match="can't be read, so nothing can be approved"):
        await harness.people.approve(run, state.plan.digest, ALICE)
    present.is_unreadable = False
    assert isinstance(await harness.people.approve(run, state.plan.digest, ALICE), s.Executing)


async def test_an_approver_who_lost_the_role_before_the_claim_does_not_count() -> None:
    harness, present, run = await approved()
    present.gone.add(ALICE.id)
    await harness.work()
    assert isinstance(await harness.state(run), s.AwaitingDecision)
    assert harness.world.done == []


def at_each_look(harness: ServiceHarness, look: Callable[[], Awaitable[None]]) -> None:
    """Have something done in another process whenever the worker sleeps."""
    sleep = harness.clock.sleep

    async def slept(seconds: float) -> None:
        await sleep(seconds)
        await look()

    harness.clock.sleep = slept


async def test_a_worker_without_the_chat_waits_until_a_process_with_it_has_read_the_approvers() -> None:
    harness, present, run = await approved()
    present.is_silent = True

    async def elsewhere() -> None:
        state = await harness.state(run)
        assert isinstance(state, s.Executing)
        assert state.waits_for_approvers
        assert harness.world.done == []
        present.is_silent = False
        await harness.people.read_approvers(run)
        present.is_silent = True

    at_each_look(harness, elsewhere)
    await harness.work()
    assert await reasons(harness, run) == ["succeeded", "succeeded"]
    kinds = [each.event.kind for each in await harness.log.read(run)]
    assert kinds.count("approvers_asked") == kinds.count("approvers_read") == 1


async def test_who_lost_the_role_a_moment_after_the_approval_lets_nothing_run_in_a_worker_without_the_chat() -> None:
    harness, present, run = await approved()
    present.is_silent, present.gone = True, {ALICE.id}

    async def elsewhere() -> None:
        present.is_silent = False
        await harness.people.read_approvers(run)
        present.is_silent = True

    at_each_look(harness, elsewhere)
    await harness.work()
    assert harness.world.done == []
    again = await harness.state(run)
    assert isinstance(again, s.AwaitingDecision)
    assert again.approvals == ()


async def test_what_was_read_counts_for_a_moment_alone() -> None:
    """A freeze may come in between; after it, they are read anew."""
    harness, present, run = await approved()
    present.is_silent = True
    reads: list[int] = []

    async def elsewhere() -> None:
        present.is_silent = False
        await harness.people.read_approvers(run)
        present.is_silent = True
        reads.append(len(reads))
        if len(reads) == 1:
            present.is_frozen = True
        elif len(reads) == 2:
            present.is_frozen, present.gone = False, {ALICE.id}
            harness.clock.tick(seconds=FRESH.total_seconds() + 1)

    at_each_look(harness, elsewhere)
    await harness.work()
    assert harness.world.done == []
    assert isinstance(await harness.state(run), s.AwaitingDecision)


async def test_no_log_has_a_call_start_before_the_approvers_were_read_or_after_one_was_lost() -> None:
    harness, _, run = await approved()
    state, now = await harness.state(run), harness.clock.now()
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
    harness, present, run = await approved()
    present.is_silent = True
    await harness.work()
    assert isinstance(await harness.state(run), s.AwaitingDecision)
    assert harness.world.done == []


async def test_no_plan_is_chosen_under_rules_that_got_stricter_or_deny_it() -> None:
    harness, present = a_service(PlayedModel(answers("two", post("c")), votes(1)))
    run, state = await harness.planned()
    present.denies_posts()
    with pytest.raises(RefusedError, match="forbid a call in this plan"):
        await harness.people.choose(run, state.plan.digest, ALICE, 2)
    present.asks_for_two()
    with pytest.raises(RefusedError, match="replaced by a newer one"):
        await harness.people.choose(run, state.plan.digest, ALICE, 2)
    again = await harness.state(run)
    assert isinstance(again, s.AwaitingDecision)
    chosen = await harness.people.choose(run, again.plan.digest, ALICE, 2)
    assert isinstance(chosen, s.AwaitingDecision)
    assert chosen.plan.policy.required == 2


async def test_a_plan_that_ran_by_a_rule_is_asked_of_people_once_the_rule_says_ask() -> None:
    """The rules let it run; before a worker takes it up, the operator has people asked."""
    first = PlayedModel(answers("one", post("a")), votes(1), says("Posted."))
    harness, present = a_service(PlayedModel(answers("two"), votes(1)), first=first, rules=(AUTO_POSTS,))
    run = await harness.ask()
    await harness.worker.perform(harness.log.jobs.pop(0))
    assert isinstance(await harness.state(run), s.Executing)
    present.asks()
    await harness.work()
    state = await harness.state(run)
    assert isinstance(state, s.AwaitingDecision)
    assert harness.world.done == []
    await harness.people.approve(run, state.plan.digest, ALICE)
    await harness.work()
    assert await reasons(harness, run) == ["succeeded"]
