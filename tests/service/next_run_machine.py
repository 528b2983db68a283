"""The state machine of a run, gone on with: runs follow each other, on standing grants or with a plan of what is left.

It keeps its own account of every grant and of what became of each call: what starts on a grant, what *try the rest* and
*undo* plan, and what they must not, is held against that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from typing_extensions import override

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Answer, Election, Ending
from coordination.domain.canonical_json import Json, canonical
from coordination.domain.plan import Plan, PlannedCall
from coordination.domain.policy import Person, Policy
from coordination.domain.preset_plan import Purpose
from coordination.domain.undo import Undo
from coordination.errors import IllegalTransition, RefusedError, RunNotFoundError
from coordination.ports import ToolOutput
from coordination.run_request import RunRequest
from coordination.run_writer import RunWriter
from coordination.standing_grants import approvals_on_grants
from tests.builders import ALICE, MALLORY, REQUESTER, STRANGER, a_call, a_plan
from tests.fakes import World
from tests.service.run_machine import ADMIN, FIN, PEOPLE, SAYERS, SCHEMA, RunMachine, moves

UNDO = Undo(server="", tool="delete", arguments='{"message":"$result.id"}')
WELL = ["well"] * 3
PARTLY = [WELL, ["well", "not sent", "well"], ["well", "error", "well"], ["mute", "not sent", "well"]]
BOTH: list[tuple[Purpose, Purpose]] = [("rest", "undo"), ("undo", "rest")]
ADA = replace(ADMIN, is_admin=True)
Next: TypeAlias = Literal["anew", "rest", "undo"]


@dataclass
class Given:
    """A grant by our own account; `any_title`: all but the title must be the same."""

    by: str
    call: PlannedCall
    until: datetime
    left: int
    any_title: bool
    is_revoked: bool = False

    def holds(self, at: datetime) -> bool:
        return not self.is_revoked and at < self.until and self.left > 0

    def covers(self, call: PlannedCall) -> bool:
        if call.references or (call.tool, call.settings) != (self.call.tool, self.call.settings):
            return False
        mine, other = (_arguments(each) for each in (self.call, call))
        if self.any_title:
            mine, other = ({name: value for name, value in each.items() if name != "title"} for each in (mine, other))
        return mine == other


def _arguments(call: PlannedCall) -> Mapping[str, Json]:
    found: Mapping[str, Json] = json.loads(call.arguments)
    return found


class NextRunMachine(RunMachine):
    """One run after the other, and what people allowed on an earlier one."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = "s1"
        self.world = World(settings={"board": self.settings})
        self.are_grants_barred = False
        self.given: dict[str, Given] = {}
        self.on_grants: dict[str, set[str]] = {}
        self.fates: dict[int, str] = {}
        self.returned: dict[int, str] = {}
        self.left: dict[Purpose, list[PlannedCall]] = {}
        self.agent = 1
        self.began_with: tuple[Purpose, list[PlannedCall]] | None = None

    @override
    def policy_of(self, policy: Policy) -> Policy:
        return replace(policy, allow_grants=True)

    @override
    def stricter(self, policy: Policy) -> Policy:
        stricter = super().stricter(policy)
        return replace(stricter, allow_grants=stricter.allow_grants and not self.are_grants_barred)

    @override
    def as_planned(self, call: PlannedCall) -> PlannedCall:
        return replace(call, settings=self.settings, target="here", origins=(), undo=UNDO)

    # --- what changes ---------------------------------------------------------------------------------------------

    @rule(is_barred=moves, is_moved=moves)
    def the_configuration_changes(self, is_barred: bool, is_moved: bool) -> None:
        """It has no grants any more, or again; or the server of that name is another one."""
        self.are_grants_barred = is_barred
        if is_moved:
            self.settings = "s2" if self.settings == "s1" else "s1"
            self.world.settings["board"] = self.settings

    # --- grants ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision | s.Finished))
    @rule(
        by=st.sampled_from([ALICE, FIN, *PEOPLE]),
        index=st.integers(0, 2),
        newest=st.booleans(),
        minutes=st.sampled_from([1, 30]),
        any_title=st.booleans(),
        data=st.data(),
    )
    def somebody_gives_a_grant(
        self, by: Person, index: int, newest: bool, minutes: int, any_title: bool, data: st.DataObject
    ) -> None:
        plan = self.plans[-1] if newest else data.draw(st.sampled_from(self.plans))
        self.give(plan, by, index, minutes=minutes, any_title=any_title)

    def give(self, plan: Plan, by: Person, index: int, *, minutes: int, any_title: bool) -> None:
        is_right = isinstance(self.state(), s.AwaitingDecision | s.Finished) and plan is self.plans[-1]
        is_right = is_right and self.may_say_yes(by, plan) and index < len(plan.calls) and not self.is_denied
        is_right = is_right and self.stricter(plan.policy).allow_grants
        call = plan.calls[min(index, len(plan.calls) - 1)]
        is_right = is_right and not call.references and (not any_title or call.origins == ())
        lasts, free = timedelta(minutes=minutes), ["title"] if any_title else []
        work = self.people.grants.give(
            self.run, plan.digest, self.as_now(by), index, lasts=lasts, most=1 + minutes // 30, free=free
        )
        try:
            grant = self.do(work)
        except (RefusedError, RunNotFoundError):
            assert not is_right, "a right grant was refused"
            return
        assert is_right, f"{by.name} of {by.tenant} must not grant this"
        until = self.clock.now() + lasts
        self.given[grant.id] = Given(by.id, call, until, left=1 + minutes // 30, any_title=any_title)

    @precondition(lambda self: self.given)
    @rule(by=st.sampled_from([ALICE, ADA, MALLORY, STRANGER, *SAYERS]), data=st.data())
    def somebody_revokes_a_grant(self, by: Person, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.given)))
        grant = self.given[name]
        is_right = grant.holds(self.clock.now()) and by.tenant == "here" and (by is ADA or by.id == grant.by)
        try:
            self.do(self.people.grants.revoke(name, self.as_now(by)))
        except RefusedError:
            assert not is_right, "a grant could not be revoked"
            return
        assert is_right, f"{by.name} of {by.tenant} must not revoke this"
        grant.is_revoked = True

    def may_run(self, plan: Plan, person: Person) -> bool:
        """Whether a person's grants cover a whole plan, each for one call after the other."""
        left = {name: each.left for name, each in self.given.items() if each.by == person.id}
        for call in plan.calls:
            fits = [name for name in left if left[name] > 0 and self.given[name].covers(call)]
            name = next((name for name in fits if self.given[name].holds(self.clock.now())), None)
            if name is None:
                return False
            left[name] -= 1
        return True

    @override
    async def propose(self, writer: RunWriter, proposed: e.PlanProposed) -> None:
        """As a worker does: on grants, where they fill every place."""
        plan = proposed.plan
        approvals = await approvals_on_grants(proposed, writer.state, self.log, self, self.clock)
        could = {each.id for each in SAYERS if self.may_say_yes(each, plan) and self.may_run(plan, each)}
        people = {each.by.id for each in approvals}
        assert bool(approvals) == (self.wants(plan, could) == 0), "grants count where they do not fill all, or not"
        assert people <= could, "a plan is approved by one whose grants do not cover it"
        await writer.commit(proposed, *approvals)
        if approvals:
            assert len(people) == len(approvals), "one person counts twice"
            assert self.wants(plan, people) == 0, "grants approve a plan that takes more people"
            self.yes[plan.digest] = people
            self.carriers = set(people)
            self.approved, self.valid_until = plan, plan.expires_at
            self.on_grants[plan.digest] = {use.grant.id for each in approvals for use in each.grants}

    @override
    def is_outdated(self, plan: Plan) -> bool:
        used = [self.given[name] for name in self.on_grants.get(plan.digest, ())]
        is_void = any(not each.holds(self.clock.now()) or each.left < len(plan.calls) for each in used)
        return is_void or super().is_outdated(plan)

    @override
    def check(self, call: PlannedCall) -> None:
        super().check(call)
        assert call.settings == self.settings, "a call to another server than the one it was planned for"
        plan = self.approved
        assert plan is not None
        event = [each.event for each in self.log.events[self.run] if isinstance(each.event, e.CallStarted)][-1]
        used = [self.given[name] for name in event.grants]
        assert not used or plan.policy.allow_grants
        assert {each.by for each in used} == (self.yes[plan.digest] if plan.digest in self.on_grants else set())
        for each in used:
            assert each.covers(plan.calls[event.index]), "a call starts on a grant for another one"
            assert each.holds(self.clock.now()), "a call starts on a grant that is revoked, over or used up"
            each.left -= 1

    # --- what became of each call ---------------------------------------------------------------------------------

    @override
    def happen(self, call: PlannedCall, ending: str) -> ToolOutput:
        starts = [each.event for each in self.log.events[self.run] if isinstance(each.event, e.CallStarted)]
        index = starts[-1].index
        self.fates[index] = ending
        output = super().happen(call, ending)
        if ending in ("well", "mute"):
            answer: Mapping[str, Json] = json.loads(output.text)
            self.returned[index] = str(answer["id"])
        return output

    def left_over(self, purpose: Purpose) -> list[PlannedCall]:
        """What is to be planned to this end, by our own account of what was sent and came back."""
        plan = self.approved
        if plan is None:
            return []
        numbers = range(len(plan.calls))
        if purpose == "undo":
            done = [at for at in reversed(numbers) if at in self.returned and plan.calls[at].undo]
            return [self.deletion(self.returned[at]) for at in done]
        resolved = [r.event for r in self.log.events[self.run] if isinstance(r.event, e.CallResolved)]
        settled = {each.index for each in resolved if each.verdict == "happened"}
        rest = [at for at in numbers if at not in self.returned and at not in settled]
        is_certain = all(self.fates.get(at, "not sent") == "not sent" for at in rest)
        calls = [plan.calls[at] for at in rest]
        is_plain = not any(call.references for call in calls)
        return calls if is_certain and is_plain and not self.is_stopped else []

    def deletion(self, identity: str) -> PlannedCall:
        call = a_call("delete", message=identity)
        return replace(call, settings=self.settings, target="here")

    # --- the next run ---------------------------------------------------------------------------------------------

    @precondition(lambda self: isinstance(self.state(), s.Reporting))
    @rule()
    def the_report_is_written(self) -> None:
        async def report() -> None:
            writer = await RunWriter.open(self.log, self.clock, self.run)
            await writer.commit(e.RunFinished(report="Done."))

        self.do(report())
        self.left = {"rest": self.left_over("rest"), "undo": self.left_over("undo")}
        self.agent = int(self.plans[-1].author[len("agent")])
        self.approved = None

    @precondition(lambda self: isinstance(self.state(), s.Ended))
    @rule(by=st.sampled_from([REQUESTER, ALICE, STRANGER, *PEOPLE]), how=st.sampled_from(["anew", "rest", "undo"]))
    def another_run_begins(self, by: Person, how: Next) -> None:
        if how != "anew":
            self.plan_what_is_left(how, by)
        elif by.tenant == "here":
            request = RunRequest(prompt="Post.", requester=by, config_name="t", config_text="t", origin="t")
            self.go_on_in(self.do(self.people.start(request)), by, askers=set(), shapers=set())
            self.the_agents_propose(2)

    def goes_to_its_end(self, endings: list[str]) -> bool:
        """Whether the right people have approved, and the run is over."""
        self.the_right_people_approve()
        self.a_worker_executes(endings, hand="well", moved=False)
        if isinstance(self.state(), s.Reporting):
            self.the_report_is_written()
        return isinstance(self.state(), s.Finished)

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(by=st.sampled_from([MALLORY, ALICE]), endings=st.sampled_from(PARTLY), both=st.sampled_from(BOTH))
    def what_is_left_of_a_run_is_planned(self, by: Person, endings: list[str], both: tuple[Purpose, Purpose]) -> None:
        """So that the search reaches runs that begin with a plan: without the last call, which takes what another returns."""
        plan = self.plans[-1]
        if len(plan.calls) == 3:
            work = self.people.select(self.run, plan.digest, REQUESTER, [0, 1])
            self.revise(plan, REQUESTER, work, is_possible=True)
        if self.goes_to_its_end(endings):
            run = self.run
            for how in both:
                if self.run == run:
                    self.plan_what_is_left(how, by)

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(count=st.integers(1, 2), minutes=st.sampled_from([1, 30]), any_title=moves, is_moved=moves)
    def what_went_well_is_allowed_from_then_on(self, count: int, minutes: int, any_title: bool, is_moved: bool) -> None:
        """So that the search reaches runs on grants: the right people grant every call, and the same is asked for again."""
        if not self.goes_to_its_end(WELL):
            return
        plan = self.plans[-1]
        for by in [each for each in SAYERS if self.may_say_yes(each, plan)][: plan.policy.required + self.finance]:
            for index in range(min(count, len(plan.calls))):
                self.give(plan, by, index, minutes=minutes, any_title=any_title)
        self.the_configuration_changes(self.are_grants_barred, is_moved)
        request = RunRequest(prompt="Post.", requester=REQUESTER, config_name="t", config_text="t", origin="t")
        self.go_on_in(self.do(self.people.start(request)), REQUESTER, askers=set(), shapers=set())
        self.the_agents_propose(count)
        self.a_worker_executes(WELL, hand="well", moved=False)

    @precondition(lambda self: isinstance(self.state(), s.AwaitingDecision))
    @rule(end=st.sampled_from(["crash before", "crash after", "lost after", "error"]), at=st.integers(0, 1))
    def one_call_ends_badly_and_another_worker_goes_on(self, end: str, at: int) -> None:
        """So that the search reaches what must not follow a call in doubt, or one that failed."""
        self.the_right_people_approve()
        self.a_worker_executes([*WELL[:at], end, *WELL], hand="first", moved=False)
        self.a_worker_executes(WELL, hand="second", moved=False)

    def plan_what_is_left(self, purpose: Purpose, by: Person) -> None:
        calls = self.left.get(purpose, [])
        if isinstance(self.state(), s.Rejected | s.Expired | s.Cancelled) and self.began_with is not None:
            calls = self.began_with[1] if self.began_with[0] == purpose else []
        is_right = bool(calls) and by.tenant == "here"
        try:
            run = self.do(self.people.link(self.run, purpose, self.as_now(by)))
        except (RefusedError, RunNotFoundError):
            assert not is_right, f"nothing is planned for: {purpose}"
            return
        assert is_right, f"{purpose} is planned, and there must be none"
        assert self.do(self.people.link(self.run, purpose, by)) == run, "there are two runs to the same end"
        self.go_on_in(run, by, askers=self.askers, shapers=self.shapers)
        self.began_with = (purpose, calls)
        self.propose_preset(calls)

    def go_on_in(self, run: str, by: Person, *, askers: set[str], shapers: set[str]) -> None:
        self.run, self.requester = run, by.id
        self.askers, self.shapers = {*askers, by.id}, {*shapers}
        self.world = World(settings={"board": self.settings})
        self.plans, self.approved, self.doubt, self.began_with = [], None, None, None
        self.is_stopped = self.has_failed = self.is_over = False
        self.said.clear()
        self.carriers = set()
        for each in (self.extra_orders, self.fates, self.returned, self.left):
            each.clear()

    def propose_preset(self, calls: list[PlannedCall]) -> None:
        """As a worker does, after one that gets it wrong: nothing but these calls may be proposed."""

        async def propose() -> Plan:
            writer = await RunWriter.open(self.log, self.clock, self.run)
            await writer.commit(e.DeliberationStarted(revision=1))
            wrong = replace(calls[0], arguments=canonical({"message": "another"}))
            for each in (wrong, *calls):
                await writer.commit(e.ActionRecorded(agent=self.agent, call=each, input_schema=SCHEMA))
            for others in ([wrong, *calls[1:]], [*calls, wrong], calls[1:]):
                try:
                    await writer.commit(self.proposal(others))
                except IllegalTransition:
                    continue
                raise AssertionError("a run begins with another plan than what is left")
            proposed = self.proposal(calls)
            await writer.commit(proposed)
            return proposed.plan

        self.has_rival = False
        self.plans.append(self.do(propose()))

    def proposal(self, calls: list[PlannedCall]) -> e.PlanProposed:
        needs = [quorum for call in calls for quorum in call.needs.quorums]
        plan = a_plan(
            *calls,
            run=self.run,
            policy=replace(self.policy, quorums=tuple(needs)),
            expires_at=self.clock.now() + timedelta(seconds=self.policy.expires_after),
            text="",
        )
        plan = replace(plan, author=f"agent{self.agent}.final")
        winner = Answer(agent=self.agent, number=1, epoch=1, text="", calls=plan.calls)
        election = Election(winner=winner, votes=0, voters=0, ending=Ending.UNVOTED)
        return e.PlanProposed(plan=plan, digest=plan.digest, election=election)

    @override
    def an_approval_is_never_lost(self) -> None:
        if self.approved is not None:
            super().an_approval_is_never_lost()
