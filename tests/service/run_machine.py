"""A state machine that does to a run whatever people, clocks, workers and crashes can do, in any order.

It keeps its own account of what was approved, by whom and until when, and holds every call that reaches the world
against that account. It is imported by the test that runs it, and by the tests that run it against seeded mutants.
"""

import asyncio
import itertools
import json
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from coordination.current_rules import Guards
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.break_glass import BreakGlass
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Authors, Person, Policy
from coordination.domain.quorums import Needs, Quorum
from coordination.domain.references import Reference
from coordination.domain.tool_rules import Effect, Rule
from coordination.domain.transitions import check_place, evolve, replay
from coordination.errors import IllegalTransition, RefusedError, RunNotFoundError
from coordination.execution import execute
from coordination.ports import CallNotSentError, CallOutcomeUnknownError, ToolOutput
from coordination.run_options import RunProfile
from coordination.run_request import RunRequest
from coordination.run_writer import RunWriter
from coordination.service import Coordinator
from coordination.text import Text
from tests.builders import ALICE, BOB, MALLORY, REQUESTER, STRANGER, a_call, a_plan, a_profile, an_election_of
from tests.fakes import Crash, FakeClock, FakePrepared, IdleEngine, MemoryLog, World

T = TypeVar("T")

CAROL, DAVE = (Person(tenant="here", id=f"u-{name}", name=name, roles=("ops",)) for name in ("carol", "dave"))
FIN, FOX = (Person(tenant="here", id=f"u-{name}", name=name, roles=("finance",)) for name in ("fin", "fox"))
EVE = Person(tenant="here", id="u-eve", name="eve", roles=("on-call",))
HANS = Person(tenant="here", id="u-hans", name="hans", roles=("ops", "finance"))
IMPOSTOR = Person(tenant="here", id="u-impostor", name="ops", roles=("op", "alice"))
OPS_REQUESTER = Person(tenant="here", id=REQUESTER.id, name="rita", roles=("ops",))
ADMIN = Person(tenant="here", id="u-admin", name="ada")
OPS = [ALICE, BOB, CAROL, DAVE, OPS_REQUESTER]
SAYERS = [*OPS, HANS, FIN, FOX]
PEOPLE = [*SAYERS, EVE, MALLORY, REQUESTER, STRANGER, IMPOSTOR]
lineage = st.lists(st.sampled_from([ALICE, BOB, MALLORY]), max_size=2, unique=True)
ENDINGS = [
    "well",
    "well",
    "well",
    "mute",
    "error",
    "not sent",
    "lost before",
    "lost after",
    "crash before",
    "crash after",
    "late",
]
SCHEMA = canonical(
    {"type": "object", "properties": {name: {"type": "string"} for name in ("in", "kind", "title")}},
)
moves = st.sampled_from([False, False, False, True])
settled = st.sampled_from(["run_it", "run_it", "happened", "abandon"])


class RunMachine(RuleBasedStateMachine):
    """One run, everybody at once."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.log = MemoryLog()
        self.world = World()
        self.run, self.requester = "", REQUESTER.id
        self.known: dict[str, tuple[int, s.RunState]] = {}
        self.plans: list[Plan] = []
        self.yes: dict[str, set[str]] = {}
        self.approved: Plan | None = None
        self.valid_until = self.clock.now()
        self.is_stopped = False
        self.has_failed = False
        self.extra_orders: dict[int, int] = {}
        self.is_over = False
        self.doubt: int | None = None
        self.said: dict[str, str] = {}
        self.askers: set[str] = set()
        self.shapers: set[str] = set()
        self.lost: set[str] = set()
        self.required_now = 0
        self.is_denied = False
        self.is_frozen = False
        self.looks = 0
        self.carriers: set[str] = set()
        self.ids: dict[tuple[str, str], str] = {}
        self.is_barred = False
        self.broken: dict[str, str] = {}
        self.has_rival = True

    @override
    def teardown(self) -> None:
        self.runner.close()

    def do(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    # --- the beginning --------------------------------------------------------------------------------------------

    @initialize(
        takes=st.tuples(st.integers(1, 2), st.sampled_from([0, 0, 1, 2])),
        minutes=st.integers(1, 60),
        lets=st.tuples(st.booleans(), st.booleans()),
        earlier=lineage,
        shapers=lineage,
        alone=st.sampled_from([None, False, True]),
    )
    def ask(
        self,
        takes: tuple[int, int],
        minutes: int,
        lets: tuple[bool, bool],
        earlier: list[Person],
        shapers: list[Person],
        alone: bool | None,
    ) -> None:
        """Somebody asks anew, or goes on from what others asked for and shaped. Some calls need people of finance besides.

        `alone`: whether break-glass is for their own words, too; None: there is none.
        """
        self.alone = alone
        self.lets_requester, self.lets_author = lets
        required, self.finance = takes
        self.policy = Policy(
            roles=("ops",),
            required=required,
            allow_requester=self.lets_requester,
            allow_author=self.lets_author,
            expires_after=minutes * 60,
            break_glass=None
            if alone is None
            else BreakGlass(roles=("on-call",), users=(ALICE.id,), allow_requester=alone),
        )
        self.askers = {REQUESTER.id}
        before = None
        if earlier:
            before = Authors(requester=earlier[0], earlier=tuple(earlier[1:]), shapers=tuple(shapers))
            self.askers |= {person.id for person in earlier}
            self.shapers |= {person.id for person in shapers}
        self.policy = self.policy_of(self.policy)
        profile = a_profile(policy=self.policy)
        names = (f"RUN{number}" for number in itertools.count(1))
        self.people = Coordinator(
            self.log,
            IdleEngine(),
            clock=self.clock,
            new_id=lambda: next(names),
            configure=lambda text, origin, tenant: FakePrepared(profile, []),
            current=self.rules_now,
            directory=self,
            freezes=self,
        )
        self.profile = profile
        request = RunRequest(
            prompt="Post.", requester=REQUESTER, config_name="t", config_text="t", origin="t", goes_on_from=before
        )
        self.run = self.do(self.people.start(request))
        self.the_agents_propose(3)

    def policy_of(self, policy: Policy) -> Policy:
        """What the configuration says besides."""
        return policy

    # --- the present, as the service and its workers read it -----------------------------------------------------

    async def rules_now(self, run: str, request: e.RunRequested) -> RunProfile | None:
        """What administrators and the operator want by now; None: nothing else than at the beginning."""
        policy = self.stricter(self.policy)
        if self.is_barred:
            policy = replace(policy, break_glass=None)
        if not self.required_now and not self.is_denied and policy == self.policy:
            return None
        deny = (Rule(match="board.*", effect=Effect.DENY, source="tools[0]"),) if self.is_denied else ()
        return replace(
            self.profile, policy=policy, agents=tuple(replace(each, rules=deny) for each in self.profile.agents)
        )

    async def current(self, person: Person) -> Person | None:
        """Somebody as the chat knows them now."""
        return self.as_now(person)

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """Nobody knows."""
        return None

    async def frozen_by(self, tenant: str) -> Person | None:
        """Who had everything stop; a worker that has looked often enough is killed, so that the search goes on."""
        if not self.is_frozen:
            return None
        self.looks -= 1
        if self.looks < 0:
            raise Crash
        return ADMIN

    def as_now(self, person: Person) -> Person:
        return replace(person, roles=()) if person.id in self.lost else person

    def stricter(self, policy: Policy) -> Policy:
        """A plan's rule, as strict as what holds now."""
        return replace(policy, required=max(policy.required, self.required_now))

    def is_outdated(self, plan: Plan) -> bool:
        """Whether its rule, or who approved it, is not what has to be asked for now."""
        said = {*self.yes.get(plan.digest, set()), *self.broken.get(plan.digest, "").split()}
        has_glass = self.is_barred and plan.policy.break_glass is not None
        return self.stricter(plan.policy) != plan.policy or bool(said & self.lost) or has_glass

    def find_what_is_asked_again(self) -> None:
        """A plan that the service proposed again: the same calls under the stricter rule, and nobody's yes counts."""
        state = self.state()
        if not isinstance(state, s.AwaitingDecision) or state.plan.digest == self.plans[-1].digest:
            return
        before = self.plans[-1]
        assert self.is_outdated(before), "a plan is asked again, and nothing got stricter"
        assert state.plan.calls == before.calls
        alone = state.plan.policy.break_glass
        assert alone == before.policy.break_glass or (alone is None and self.is_barred), "another use of break-glass"
        assert state.plan.policy == replace(self.stricter(before.policy), break_glass=alone)
        assert state.approvals == ()
        assert not self.world.done, "a plan is asked again after some of it ran"
        self.plans.append(state.plan)
        self.approved = None

    @rule(by=st.sampled_from([*SAYERS, EVE]))
    def an_approver_loses_the_role_or_gets_it_back(self, by: Person) -> None:
        self.lost.symmetric_difference_update({by.id})

    @rule(required=st.integers(0, 3))
    def the_administrator_wants_so_many_approvals(self, required: int) -> None:
        self.required_now = required

    @rule(is_denied=moves)
    def the_operator_denies_the_calls_or_not(self, is_denied: bool) -> None:
        self.is_denied = is_denied

    @rule(is_barred=moves)
    def the_operator_bars_break_glass_or_not(self, is_barred: bool) -> None:
        self.is_barred = is_barred

    @rule(is_frozen=moves, tells=st.booleans())
    def the_administrator_freezes_or_thaws(self, is_frozen: bool, tells: bool) -> None:
        """With a word to every run, or in another process that died before it."""
        self.is_frozen, self.looks = is_frozen, 1_000
        if tells:
            self.do(self.people.tell_frozen("here"))

    @rule()
    def the_chore_holds_plans_against_the_present(self) -> None:
        self.looks = 1_000
        self.do(self.people.review_all())
        self.find_what_is_asked_again()

    def may_say_yes(self, by: Person, plan: Plan | None = None) -> bool:
        """By our own account: of ops, or of finance where a call needs that, and not to their own words, unless allowed."""
        by = self.as_now(by)
        if by.tenant != "here" or not self.wanted(plan) & {*by.roles}:
            return False
        if by.id in self.askers:
            return self.lets_requester
        return self.lets_author or by.id not in self.shapers

    def may_be_alone(self, by: Person, plan: Plan) -> bool:
        """By our own account: whoever is on call now, or alice; to their own words only if that was allowed."""
        by = self.as_now(by)
        if self.alone is None or plan.policy.break_glass is None or by.tenant != "here":
            return False
        is_own = by.id in self.askers | self.shapers
        return ("on-call" in by.roles or by.id == ALICE.id) and (self.alone or not is_own)

    def may_say_no(self, by: Person) -> bool:
        by = self.as_now(by)
        return by.tenant == "here" and (bool(self.wanted(self.plans[-1]) & {*by.roles}) or by.id == self.requester)

    def of_finance(self, plan: Plan) -> int:
        """How many of finance a plan takes, which we know by its calls."""
        return self.finance if any('"needy"' in call.arguments for call in plan.calls) else 0

    def wanted(self, plan: Plan | None) -> set[str]:
        return {"ops", "finance"} if self.of_finance(plan or self.plans[-1]) else {"ops"}

    def wants(self, plan: Plan, people: set[str]) -> int:
        """How many more people a plan takes after these: counted by kinds, whoever of both kinds standing wherever."""
        roles = {each.id: {*each.roles} for each in SAYERS}
        kinds = [roles.get(each, set()) & {"ops", "finance"} for each in people]
        ops, finance = plan.policy.required, self.of_finance(plan)
        only_ops = min(ops, sum(each == {"ops"} for each in kinds))
        only_finance = min(finance, sum(each == {"finance"} for each in kinds))
        of_both = sum(each == {"ops", "finance"} for each in kinds)
        return max(0, ops + finance - only_ops - only_finance - of_both)

    def adds(self, plan: Plan, by: Person, people: set[str]) -> bool:
        """Whether one more word brings the plan further."""
        return by.id not in people and self.wants(plan, people | {by.id}) < self.wants(plan, people)

    def state(self) -> s.RunState:
        """As the log tells it: events are only added to it, so what it told before stands."""
        log = self.log.events[self.run]
        known, state = self.known.get(self.run, (0, None))
        for recorded in log[known:]:
            check_place(recorded.run, recorded.event)
            state = evolve(state, recorded.event, recorded.at)
        assert state is not None
        self.known[self.run] = len(log), state
        return state

    @precondition(lambda self: isinstance(self.state(), s.Queued | s.ChangesWanted | s.Deliberating))
    @rule(count=st.integers(1, 3))
    def the_agents_propose_again(self, count: int) -> None:
        self.the_agents_propose(count)

    def the_agents_propose(self, count: int) -> None:
        async def propose() -> Plan:
            writer = await RunWriter.open(self.log, self.clock, self.run)
            if not isinstance(writer.state, s.Deliberating):
                revision = writer.state.revision if isinstance(writer.state, s.ChangesWanted) else 1
                await writer.commit(e.DeliberationStarted(revision=revision))
            assert isinstance(writer.state, s.Deliberating)
            calls = [self.as_planned(a_call(title=f"{writer.state.revision}/{number}")) for number in range(count)]
            policy = self.policy
            if self.finance and count > 1:
                needs = Needs(quorums=(Quorum(roles=("finance",), required=self.finance),))
                calls[1] = replace(
                    self.as_planned(a_call(title=f"{writer.state.revision}/1", kind="needy")), needs=needs
                )
                policy = replace(policy, quorums=needs.quorums)
            if count == 3:  # The last call takes what the first one returns.
                calls[2] = replace(calls[2], references=(Reference(argument="in", call=0, path="/id"),))
            plan = a_plan(
                *calls,
                run=self.run,
                revision=writer.state.revision,
                policy=policy,
                expires_at=self.clock.now() + timedelta(seconds=self.policy.expires_after),
            )
            recorded = [e.ActionRecorded(agent=1, call=call, input_schema=SCHEMA) for call in plan.calls]
            answer = writer.state.ballot.next_answer(1, plan.text, plan.calls)
            accepted = e.AnswerAccepted(
                agent=1, number=answer.number, epoch=answer.epoch, text=answer.text, calls=answer.calls
            )
            other = self.as_planned(a_call(title=f"{writer.state.revision}/other"))
            rival = (
                e.ActionRecorded(agent=2, call=other, input_schema=SCHEMA),
                e.AnswerAccepted(agent=2, number=answer.number, epoch=answer.epoch + 1, text="Else.", calls=(other,)),
            )
            proposed = e.PlanProposed(plan=plan, digest=plan.digest, election=an_election_of(plan))
            await writer.commit(*recorded, accepted, *rival)
            await self.propose(writer, proposed)
            return plan

        self.has_rival = True
        self.plans.append(self.do(propose()))

    def as_planned(self, call: PlannedCall) -> PlannedCall:
        """A call as the agents plan it."""
        return call

    async def propose(self, writer: RunWriter, proposed: e.PlanProposed) -> None:
        """Have people decide on a plan."""
        await writer.commit(proposed)

    # --- people ---------------------------------------------------------------------------------------------------

    @rule()
    def the_right_people_approve(self) -> None:
        """So that the search reaches what comes after an approval; those whose own words it is made of try it first."""
        self.the_chore_holds_plans_against_the_present()
        if isinstance(self.state(), s.AwaitingDecision):
            for by in [each for each in SAYERS if each.id in self.askers | self.shapers and not self.may_say_yes(each)]:
                self.approve(self.plans[-1], by)
            for by in [each for each in (ALICE, REQUESTER) if not self.may_be_alone(each, self.plans[-1])]:
                self.break_glass(self.plans[-1], by, "Down.")
        for by in SAYERS:
            state = self.state()
            fresh = isinstance(state, s.AwaitingDecision) and self.clock.now() < state.plan.expires_at
            given = self.yes.get(self.plans[-1].digest, set())
            if fresh and self.may_say_yes(by) and self.adds(self.plans[-1], by, given):
                self.approve(self.plans[-1], by)

    @precondition(lambda self: self.plans)
    @rule(by=st.sampled_from(PEOPLE), newest=st.booleans(), data=st.data())
    def somebody_approves(self, by: Person, newest: bool, data: st.DataObject) -> None:
        self.approve(self.plans[-1] if newest else data.draw(st.sampled_from(self.plans)), by)

    def approve(self, plan: Plan, by: Person) -> None:
        self.looks = 1_000
        before = self.state()
        is_right = (
            isinstance(before, s.AwaitingDecision)
            and plan is self.plans[-1]
            and self.may_say_yes(by)
            and self.adds(plan, by, self.yes.get(plan.digest, set()))
            and self.clock.now() < plan.expires_at
            and not self.is_denied
            and not self.is_outdated(plan)
        )
        try:
            after = self.do(self.people.approve(self.run, plan.digest, self.as_now(by)))
        except (RefusedError, RunNotFoundError):
            assert not is_right, "a right approval was refused"
            self.find_what_is_asked_again()
            return
        assert is_right, f"{by.name} of {by.tenant} must not approve {plan.revision} while {before.kind}"
        self.yes.setdefault(plan.digest, set()).add(by.id)
        if self.wants(plan, self.yes[plan.digest]) == 0:
            assert isinstance(after, s.Executing), "the last approval was lost"
            self.approved, self.valid_until = plan, plan.expires_at
            self.carriers = set(self.yes[plan.digest])
        else:
            assert isinstance(after, s.AwaitingDecision), "not enough people have approved"

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(by=st.sampled_from([EVE, ALICE, *PEOPLE]), why=st.sampled_from(["Down.", "Down.", " "]), newest=st.booleans())
    def somebody_breaks_the_glass(self, by: Person, why: str, newest: bool) -> None:
        self.break_glass(self.plans[-1 if newest else 0], by, why)

    def break_glass(self, plan: Plan, by: Person, why: str) -> None:
        self.looks = 1_000
        is_right = plan is self.plans[-1] and self.may_be_alone(by, plan) and bool(why.strip())
        is_right = is_right and self.clock.now() < plan.expires_at and not self.is_denied and not self.is_outdated(plan)
        try:
            after = self.do(self.people.break_glass(self.run, plan.digest, self.as_now(by), why))
        except (RefusedError, RunNotFoundError):
            assert not is_right, "a right use of break-glass was refused"
            self.find_what_is_asked_again()
            return
        assert is_right, f"{by.name} of {by.tenant} must not approve alone"
        assert isinstance(after, s.Executing)
        self.approved, self.valid_until = plan, plan.expires_at
        self.broken[plan.digest] = f"alone {'' if by.id == ALICE.id else by.id}"
        self.carriers = {*self.broken[plan.digest].split()[1:]}

    @precondition(lambda self: not self.is_over)
    @rule(
        by=st.sampled_from([MALLORY, STRANGER, *PEOPLE]),
        wants=st.sampled_from(["reject", "change"]),
        data=st.data(),
    )
    def somebody_turns_it_down(self, by: Person, wants: str, data: st.DataObject) -> None:
        plan = data.draw(st.sampled_from(self.plans))
        before = self.state()
        verb = self.people.reject if wants == "reject" else self.people.request_changes
        try:
            after = self.do(verb(self.run, plan.digest, self.as_now(by), "no"))
        except (RefusedError, RunNotFoundError):
            self.find_what_is_asked_again()
            return
        assert isinstance(before, s.AwaitingDecision)
        assert plan is self.plans[-1]
        assert self.may_say_no(by)
        assert self.clock.now() < plan.expires_at
        self.is_over = wants == "reject"
        if wants == "change":
            self.shapers.add(by.id)
        assert isinstance(after, s.Rejected if self.is_over else s.ChangesWanted)

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(by=st.sampled_from(PEOPLE), newest=st.booleans(), data=st.data())
    def somebody_chooses_the_other_plan(self, by: Person, newest: bool, data: st.DataObject) -> None:
        """It begins without any approval, and whoever chose it has shaped it."""
        plan = self.plans[-1] if newest else data.draw(st.sampled_from(self.plans))
        is_right = self.may_say_no(by) and plan is self.plans[-1] and self.clock.now() < plan.expires_at
        is_right = is_right and not self.is_outdated(plan) and not self.is_denied and self.has_rival
        try:
            after = self.do(self.people.choose(self.run, plan.digest, self.as_now(by), 2))
        except (RefusedError, RunNotFoundError):
            assert not is_right, "a right choice was refused"
            self.find_what_is_asked_again()
            return
        assert is_right, f"{by.name} of {by.tenant} must not choose"
        assert isinstance(after, s.AwaitingDecision)
        assert after.approvals == (), "a yes to one plan counts for another"
        assert after.plan.expires_at == self.clock.now() + timedelta(seconds=self.policy.expires_after)
        self.shapers.add(by.id)
        self.plans.append(after.plan)

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(by=st.sampled_from(PEOPLE), newest=st.booleans(), kept=st.sets(st.integers(0, 3)), data=st.data())
    def somebody_leaves_only_some_calls(self, by: Person, newest: bool, kept: set[int], data: st.DataObject) -> None:
        plan = self.plans[-1] if newest else data.draw(st.sampled_from(self.plans))
        select = self.people.select(self.run, plan.digest, self.as_now(by), sorted(kept))
        is_known = kept <= set(range(len(plan.calls)))
        left = [call for at, call in enumerate(plan.calls) if at in kept and (not call.references or 0 in kept)]
        if self.revise(plan, by, select, is_possible=is_known and 0 < len(left) < len(plan.calls)):
            assert self.plans[-1].calls == tuple(left)

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(by=st.sampled_from(PEOPLE), newest=st.booleans(), index=st.integers(0, 2), fits=st.booleans(), data=st.data())
    def somebody_edits_a_call(self, by: Person, newest: bool, index: int, fits: bool, data: st.DataObject) -> None:
        plan = self.plans[-1] if newest else data.draw(st.sampled_from(self.plans))
        kind = {"kind": "needy"} if index < len(plan.calls) and '"needy"' in plan.calls[index].arguments else {}
        arguments = canonical({"title": f"edited {len(self.plans)}" if fits else 7, **kind})
        edit = self.people.edit(self.run, plan.digest, self.as_now(by), index, arguments)
        is_made = self.revise(plan, by, edit, is_possible=fits and index < len(plan.calls))
        if is_made:
            calls = [call.arguments for call in self.plans[-1].calls]
            assert calls[index] == arguments
            assert not self.plans[-1].calls[index].references, "an edited call takes what nobody wrote"
            assert [*calls[:index], *calls[index + 1 :]] == [
                call.arguments for at, call in enumerate(plan.calls) if at != index
            ]

    def revise(self, plan: Plan, by: Person, verb: Coroutine[object, object, s.RunState], *, is_possible: bool) -> bool:
        """Somebody makes another plan of the one that waits; whether that came to be."""
        is_right = self.may_say_no(by) and plan is self.plans[-1] and self.clock.now() < plan.expires_at
        is_right = is_right and is_possible and not self.is_outdated(plan) and not self.is_denied
        try:
            after = self.do(verb)
        except (RefusedError, RunNotFoundError):
            assert not is_right, "a right revision was refused"
            self.find_what_is_asked_again()
            return False
        assert is_right, f"{by.name} of {by.tenant} must not revise this"
        assert isinstance(after, s.AwaitingDecision)
        assert after.approvals == (), "a yes to one plan counts for another"
        assert after.plan.digest != plan.digest
        self.shapers.add(by.id)
        self.plans.append(after.plan)
        return True

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(by=st.sampled_from(PEOPLE), newest=st.booleans(), data=st.data())
    def somebody_takes_their_approval_back(self, by: Person, newest: bool, data: st.DataObject) -> None:
        plan = self.plans[-1] if newest else data.draw(st.sampled_from(self.plans))
        given = self.yes.get(plan.digest, set())
        is_right = plan is self.plans[-1] and by.tenant == "here" and by.id in given
        try:
            after = self.do(self.people.withdraw(self.run, plan.digest, self.as_now(by)))
        except (RefusedError, RunNotFoundError):
            assert not is_right, "an approval could not be taken back"
            return
        assert is_right, f"{by.name} takes back what they did not give"
        given.remove(by.id)
        assert isinstance(after, s.AwaitingDecision)
        assert {each.id for each in after.approvals} == given

    @precondition(lambda self: not self.is_over)
    @rule(by=st.sampled_from([MALLORY, STRANGER, IMPOSTOR, *PEOPLE]))
    def somebody_cancels(self, by: Person) -> None:
        before = self.state()
        can_start = not isinstance(before, s.Ended | s.Reporting) and not self.is_stopped
        has_plan = isinstance(before, s.AwaitingDecision | s.Executing | s.NeedsHuman) or len(self.plans) > 0
        is_right = self.may_say_no(by) if has_plan else by.tenant == "here" and by.id == self.requester
        approvals = before.approvals if isinstance(before, s.AwaitingDecision | s.Executing | s.NeedsHuman) else ()
        is_right = is_right or any(by.is_same_as(each) for each in approvals)
        try:
            after = self.do(self.people.cancel(self.run, self.as_now(by)))
        except (RefusedError, RunNotFoundError):
            assert not (is_right and can_start), "a stop was refused while something could start"
            return
        assert is_right, f"{by.name} of {by.tenant} must not stop this"
        self.is_stopped = True
        self.is_over = isinstance(after, s.Cancelled)

    @precondition(lambda self: isinstance(self.state(), s.NeedsHuman))
    @rule(by=st.sampled_from([ALICE, BOB, *PEOPLE]), verdict=settled)
    def somebody_settles_the_doubt(self, by: Person, verdict: e.Verdict) -> None:
        state = self.state()
        assert isinstance(state, s.NeedsHuman)
        index, plan = state.unknown.index, state.plan
        is_stricter = self.is_denied or self.stricter(plan.policy) != plan.policy
        is_stricter = is_stricter or (self.is_barred and plan.digest in self.broken)
        same = {each for each, word in self.said.items() if word == verdict and each not in self.lost}
        is_late = self.clock.now() >= self.valid_until and index + 1 < len(plan.calls)
        extends = not self.is_stopped and (verdict == "run_it" or (verdict == "happened" and is_late))
        try:
            after = self.do(self.people.resolve(self.run, index, self.as_now(by), verdict))
        except (RefusedError, RunNotFoundError):
            is_refused = verdict == "run_it" and is_stricter
            is_needless = extends and not self.adds(plan, by, same)
            assert is_refused or is_needless or not self.may_say_yes(by, plan) or self.said.get(by.id) == verdict
            self.forget_the_words_of_the_lost(by)
            return
        assert self.may_say_yes(by, plan), "neither strangers nor those whose words it follows settle anything"
        assert not extends or self.adds(plan, by, same - {by.id}), "a word of nobody whom the plan takes extends it"
        assert verdict != "run_it" or not is_stricter, "what is stricter by now has nothing run again"
        if verdict != "abandon":
            self.forget_the_words_of_the_lost(by)
        self.said[by.id] = verdict
        same = {each for each, word in self.said.items() if word == verdict}
        is_enough = self.wants(plan, same) == 0
        if isinstance(after, s.NeedsHuman):
            assert not is_enough, "the last word was lost"
            assert verdict != "abandon", "a stop takes one word"
            return
        assert is_enough or not extends, "one word extends what more people approved"
        self.carriers = same if is_enough else set()
        self.doubt = None
        self.said.clear()
        if is_enough:
            self.valid_until = self.clock.now() + timedelta(seconds=self.policy.expires_after)
        if verdict == "run_it":
            self.extra_orders[index] = self.extra_orders.get(index, 0) + 1
        self.is_stopped = self.is_stopped or verdict == "abandon"

    def forget_the_words_of_the_lost(self, by: Person) -> None:
        """As the log has it: who may not approve by now has said nothing, once anybody says more."""
        state = self.state()
        counted = {each.id for each, _ in state.said} if isinstance(state, s.NeedsHuman) else set[str]()
        for each in [each for each in self.said if each != by.id and each in self.lost]:
            assert each not in counted, "a word of one who lost the role counts"
            del self.said[each]

    # --- time and workers -----------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0, 0, 1, 1, 10, 60]))
    def time_passes(self, minutes: int) -> None:
        self.clock.tick(minutes=minutes)

    @rule()
    def the_clock_is_watched(self) -> None:
        self.do(self.people.expire_due())

    @rule(endings=st.lists(st.sampled_from(ENDINGS), min_size=3, max_size=3), hand=st.uuids(), moved=moves)
    def a_worker_executes(self, endings: list[str], hand: object, moved: bool) -> None:
        """It does so whenever it likes, also when it has no business to: the log must hold it back."""
        self.world.behaviours = [lambda call, ending=ending: self.happen(call, ending) for ending in endings]
        self.world.definitions = {("board", each): "another" for each in ("post", "delete")} if moved else {}

        self.looks = 5

        async def work() -> None:
            writer = await RunWriter.open(self.log, self.clock, self.run)
            guard = Guards(self.rules_now, self, self.clock, self, grants=self.log).of(self.run)
            await execute(writer, self.world, self.clock, str(hand), guard=guard)

        started = isinstance(state := self.state(), s.Executing) and state.in_flight is not None
        count = len(self.world.done)
        try:
            self.do(work())
        except Crash:
            return
        finally:
            self.find_what_is_asked_again()
        assert not (started and len(self.world.done) > count), "a call followed one whose outcome is in doubt"

    def happen(self, call: PlannedCall, ending: str) -> ToolOutput:
        """The world's side of one call: is it one that people want, now?"""
        self.check(call)
        if ending == "not sent":
            raise CallNotSentError(Text("nobody there"))
        self.doubt = 0 if ending in ("lost before", "lost after", "crash before", "crash after", "late") else None
        if ending.endswith("after"):
            self.world.done.append(call)
        if ending.startswith("lost"):
            raise CallOutcomeUnknownError(Text("the line went dead"))
        if ending.startswith("crash"):
            raise Crash
        if ending == "late":
            self.declare_dead()
        self.has_failed = self.has_failed or ending == "error"
        if ending == "error" or (plan := self.approved) is None:
            return ToolOutput(text="x", is_error=True)
        at = len(self.ids)
        self.ids[plan.digest, call.arguments] = "" if ending == "mute" else f"id-{at}"
        structured: dict[str, Json] = {"id": "two words" if ending == "mute" else f"id-{at}", "more": at}
        return ToolOutput(text=canonical(structured), structured=structured)

    def declare_dead(self) -> None:
        """Another worker takes this one for dead in the middle of its call."""
        log = self.log.events[self.run]
        state = replay(log)
        assert isinstance(state, s.Executing)
        call = state.plan.calls[state.next_index]
        event = e.CallOutcomeUnknown(
            index=state.next_index, server=call.server, tool=call.tool, arguments=call.arguments, reason="dead?"
        )
        log.append(type(log[0])(run=self.run, seq=len(log) + 1, at=self.clock.now(), event=event))

    def expected(self, plan: Plan, index: int) -> PlannedCall:
        """The approved call, with the id that we know the first one to have returned where it refers to that."""
        call = plan.calls[index]
        if not call.references:
            return call
        identity = self.ids.get((plan.digest, plan.calls[0].arguments), "")
        assert identity, "a call takes what no call has returned"
        title = json.loads(call.arguments)["title"]
        return replace(call, arguments=canonical({"in": identity, "title": title}), references=())

    def check(self, call: PlannedCall) -> None:
        plan = self.approved
        assert plan is not None, "a call before any approval"
        assert self.clock.now() < self.valid_until, "a call after expiry"
        assert not self.is_stopped, "a call after a cancellation"
        assert not self.has_failed, "a call after one that failed"
        assert not self.world.definitions, "a call of a tool that changed after the approval"
        assert not self.is_denied, "a call that the rules of now forbid"
        assert not self.is_frozen, "a call while everything is frozen"
        assert self.stricter(plan.policy) == plan.policy, "a call under a rule that is stricter by now"
        is_alone, said = plan.digest in self.broken, self.yes.get(plan.digest, set())
        assert is_alone or self.wants(plan, said) == 0, "a call that lacks somebody whom its plan takes"
        assert not is_alone or not self.is_barred, "a call that one person approved, who may not by now"
        assert not self.carriers & self.lost, "a call that was carried by one who lost the role"
        assert all(each not in self.shapers or self.lets_author or each in self.askers for each in said)
        self.carriers = set()
        state = self.state()
        assert isinstance(state, s.Executing)
        index = state.next_index
        assert state.in_flight is not None, "a call without its event"
        assert call == self.expected(plan, index), "another call than the approved one"
        assert self.doubt is None, "a call after a doubt that nobody settled"
        starts = [r.event for r in self.log.events[self.run] if isinstance(r.event, e.CallStarted)]
        mine = [event for event in starts if event.index == index]
        assert len(mine) <= 1 + self.extra_orders.get(index, 0), "a call started more often than people said"
        assert [event.index for event in starts] == sorted(event.index for event in starts), "out of order"

    # --- always ---------------------------------------------------------------------------------------------------

    @invariant()
    def the_log_tells_a_possible_story(self) -> None:
        if self.log.events.get(self.run):
            try:
                self.state()
            except IllegalTransition as error:
                raise AssertionError("the log holds an impossible event") from error

    @invariant()
    def nobodys_own_words_carry(self) -> None:
        if self.plans:
            state = self.state()
            if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman | s.Reporting | s.Finished):
                own = [by for by in state.approvals if not self.may_say_yes(by, state.plan) and by.id not in self.lost]
                assert not own or state.plan.digest in self.broken, "own words"
                assert all(self.may_be_alone(by, state.plan) for by in own), "own words"
                assert len({by.id for by in state.approvals}) == len(state.approvals)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        if self.is_over:
            assert isinstance(self.state(), s.Rejected | s.Cancelled)
            assert not self.world.done

    @invariant()
    def an_approval_is_never_lost(self) -> None:
        if self.approved is not None:
            state = self.state()
            assert isinstance(state, s.Executing | s.NeedsHuman | s.Reporting)
            assert state.plan == self.approved
