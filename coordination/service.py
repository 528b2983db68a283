"""The Coordinator: what people can do with a run. Every method checks permissions, and appends one event or refuses.

What workers do with a run is in `coordination.worker`.
"""

import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

from coordination.authorization import (
    authors_with,
    judge_answer,
    judge_cancel,
    judge_plan,
    judge_resolution,
    judge_shaping,
    judge_withdrawal,
    message,
    resolution_on,
)
from coordination.budget import NothingSpent
from coordination.current_rules import (
    ByTheClock,
    CurrentRules,
    Freezes,
    NeverFrozen,
    PersonDirectory,
    ReadOnce,
    Unchanging,
    all_still_may,
    as_it_was,
    asked_again,
    compared,
    denied,
    differs,
    freeze_event,
    objection_to_approval,
    tightened,
    who_may_not,
)
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.break_glass import LONGEST_REASON, is_reason
from coordination.domain.events import RunEvent, Verdict
from coordination.domain.policy import (
    Authors,
    Person,
    Policy,
    Refusal,
    RunAction,
    apart_from,
    leaves_nobody,
)
from coordination.domain.preset_plan import Purpose
from coordination.domain.states import RunState
from coordination.domain.transitions import evolve, replay
from coordination.errors import (
    ConfigError,
    ConflictError,
    IllegalTransition,
    PersonUnreadableError,
    RefusedError,
    RunNotFoundError,
    StoredConfigError,
)
from coordination.plan_edits import edited_call, plan_chosen, plan_edited, plan_selected
from coordination.ports import Clock, Engine, Job, NewId, RunLog, Spending
from coordination.preparation import Configure, stored_rules
from coordination.run_admission import check_may_ask, requested
from coordination.run_links import link
from coordination.run_options import RunProfile
from coordination.run_request import RunRequest, checked_prompt
from coordination.run_writer import MAX_RACES, PATIENCE, PendingAppend, RunTurns, append_surely, job_for
from coordination.standing_grants import StandingGrants
from coordination.text import Text

MAX_TEXT_CHARACTERS = 4_000
"""Characters of a reason or a wanted change."""

_NO_REASON = Text(
    "Break-glass needs a reason of 1 to {most} characters. It is posted in the channel and stays in the log.",
    most=LONGEST_REASON,
)

_OPEN = ("awaiting_decision", "executing", "needs_human")
"""The kinds of state in which a call may still start."""

_MakePlan: TypeAlias = Callable[[s.AwaitingDecision, RunProfile | None, datetime], RunEvent | Refusal]
"""Makes a plan in the place of the one that waits, under the rules of now, where they differ."""


class Coordinator:
    """What a platform may ask. Every verb returns the new state."""

    def __init__(
        self,
        log: RunLog,
        engine: Engine,
        *,
        clock: Clock,
        new_id: NewId,
        configure: Configure,
        spending: Spending | None = None,
        current: CurrentRules = as_it_was,
        directory: PersonDirectory | None = None,
        freezes: Freezes | None = None,
    ) -> None:
        """`current`, `directory` and `freezes` know what holds now, who people are now, and who had all stop.

        `configure` reads a configuration's text before anything is written; `spending` knows what a day has used.
        """
        self._log = log
        self._engine = engine
        self._clock = clock
        self._new_id = new_id
        self._configure = configure
        self._spending = spending or NothingSpent()
        self._current = ByTheClock(current, clock, stored_rules(log, configure))
        self._directory = directory or Unchanging()
        self._freezes = freezes or NeverFrozen()
        self._turns = RunTurns()
        self.grants = StandingGrants(log, clock=clock, new_id=new_id, current=self._current)

    async def start(self, request: RunRequest) -> str:
        """Log the request and submit its deliberation. Returns the run's name.

        Raises:
            ConfigError: the configuration can't be used; nothing was written.
            RefusedError: there is nothing to do, or too much of it, or the day's limits are used up.
            ConflictError: there is a run of the name that was kept free.
        """
        prompt = checked_prompt(request.prompt)
        event = await requested(prompt, request, self._log, self._configure, self._spending, self._clock)
        run = request.run or self._new_id()
        for _ in range(MAX_RACES):
            now = self._clock.now()
            job = Job(task="deliberate", run=run, tenant=event.tenant, revision=1)
            state = evolve(None, event, now)
            pending = PendingAppend(run=run, expected=0, events=[event], at=now, state=state, job=job)
            try:
                await append_surely(self._log, self._clock, pending, patience=PATIENCE)
            except ConflictError:
                if request.run:
                    raise
                run = self._new_id()  # The name is taken.
                continue
            self._engine.wake()
            return run
        raise ConflictError(run, 0)

    async def link(self, run: str, purpose: Purpose, by: Person, *, name: str = "") -> str:
        """Begin a run with a plan that follows from this one, under the name kept free; return the run's name.

        Raises:
            RefusedError: nothing is left to plan to this end; or they may not ask for a run, or the day's limits are
                used up.
        """
        request = (await self._read(run, by.tenant))[0].request
        profile = self._configure(*await self._log.load_config(request.config_digest), by.tenant).profile
        await check_may_ask(profile, by, self._spending, self._clock, request.asked_in)
        made = await link(self._log, self._clock, self._new_id, run, purpose, by, name=name)
        self._engine.wake()
        return made

    async def state(self, run: str, tenant: str | None = None) -> RunState:
        """The state now; a plan that is past its time is logged as expired first, whoever looks."""
        state, seq = await self._read(run, tenant)
        if isinstance(state, s.AwaitingDecision) and self._clock.now() >= state.plan.expires_at:
            return await self._expire(run, state, seq)
        return state

    def approve(self, run: str, digest: str, by: Person) -> Coroutine[Any, Any, RunState]:
        """One person's yes to the plan of this digest (a prefix of 8 or more digits will do).

        Raises:
            RefusedError: they may not, or there is no such plan to approve now; or it is asked again under rules that
                got stricter.
        """
        return self._decide(run, digest, by, RunAction.APPROVE, lambda d: e.ApprovalGiven(by=by, digest=d))

    async def break_glass(self, run: str, digest: str, by: Person, reason: str) -> RunState:
        """One person's yes in an emergency, in the place of all that the plan needs, and why.

        Its rule names who may give it.

        Raises:
            RefusedError: they may not, they gave no reason or a very long one, or nobody may approve the plan now.
        """
        words = reason.strip()
        if not is_reason(words):
            raise RefusedError("no_reason", _NO_REASON)
        return await self._decide(
            run, digest, by, RunAction.BREAK_GLASS, lambda d: e.ApprovalGiven(by=by, digest=d, break_glass=words)
        )

    def withdraw(self, run: str, digest: str, by: Person) -> Coroutine[Any, Any, RunState]:
        """Take back one's yes to the plan of this digest, as long as there are not enough of them."""

        def propose(state: RunState) -> RunEvent | Refusal:
            refusal = judge_withdrawal(state, digest, by)
            if refusal is not None or not isinstance(state, s.AwaitingDecision):
                return refusal or Refusal.NOTHING_TO_DECIDE
            return e.ApprovalWithdrawn(by=by, digest=state.plan.digest)

        return self._act(run, by, RunAction.WITHDRAW, propose)

    def reject(self, run: str, digest: str, by: Person, reason: str = "") -> Coroutine[Any, Any, RunState]:
        """A no to the plan of this digest."""
        words = reason.strip()[:MAX_TEXT_CHARACTERS]
        return self._decide(run, digest, by, RunAction.REJECT, lambda d: e.PlanRejected(by=by, digest=d, reason=words))

    def request_changes(self, run: str, digest: str, by: Person, text: str) -> Coroutine[Any, Any, RunState]:
        """Send the agents back with a person's words."""
        words = text.strip()[:MAX_TEXT_CHARACTERS]
        if not words:
            raise RefusedError("empty_change", Text("Say what should be different: the requested change is empty."))
        return self._decide(
            run, digest, by, RunAction.CHANGE, lambda d: e.ChangesRequested(by=by, digest=d, text=words)
        )

    async def choose(self, run: str, digest: str, by: Person, agent: int) -> RunState:
        """Propose another agent's newest plan instead, as the next revision; it still needs its approvals."""
        return await self._revise(run, digest, by, lambda state, rules, now: plan_chosen(state, agent, by, rules, now))

    async def select(self, run: str, digest: str, by: Person, indexes: Sequence[int]) -> RunState:
        """Propose only these of the plan's calls, counted from 0, as the next revision, which needs approval."""
        return await self._revise(
            run, digest, by, lambda state, rules, now: plan_selected(state, indexes, by, rules, now)
        )

    async def edit(self, run: str, digest: str, by: Person, index: int, arguments: str) -> RunState:
        """Propose the plan with other arguments of one call, a JSON object, as the next revision.

        Raises:
            RefusedError: they may not, or its tool or the rules do not take these arguments.
        """
        await self.check(run, digest, by, RunAction.CHANGE)
        log = await self._log.read(run)
        state = replay(log)
        if not isinstance(state, s.AwaitingDecision):
            raise RefusedError(Refusal.NOTHING_TO_DECIDE, message(Refusal.NOTHING_TO_DECIDE, state))
        profile = replace(await stored_rules(self._log, self._configure)(state.request), at=self._clock.now())
        call = await edited_call(state.plan, index, arguments, log, profile)
        shown = state.plan.digest
        return await self._revise(
            run, shown, by, lambda state, rules, now: plan_edited(state, index, call, by, rules, now)
        )

    async def _revise(self, run: str, digest: str, by: Person, make: _MakePlan) -> RunState:
        """Another plan in place of the one of this digest, if no rule of now forbids a call of it."""
        current = ReadOnce(self._current)
        await self._heed_the_present(run, digest, by, RunAction.CHANGE, current)
        now: RunProfile | None = None
        with contextlib.suppress(ConfigError):  # Whoever approves is told of that.
            now = await current(run, (await self._read(run, by.tenant))[0].request)

        def propose(state: RunState) -> RunEvent | Refusal:
            refusal = judge_plan(state, digest, by, RunAction.CHANGE, self._clock.now())
            if refusal is not None or not isinstance(state, s.AwaitingDecision):
                return refusal or Refusal.NOTHING_TO_DECIDE
            event = judge_shaping(state, by) or make(state, now, self._clock.now())
            if now is None or not isinstance(event, e.PlanProposed):
                return event
            return event if denied(event.plan, state.request, now) is None else Refusal.DENIED_NOW

        return await self._act(run, by, RunAction.CHANGE, propose)

    def cancel(self, run: str, by: Person, reason: str = "") -> Coroutine[Any, Any, RunState]:
        """Stop the run; during execution the call under way ends and the rest is skipped."""

        def propose(state: RunState) -> RunEvent | Refusal:
            refusal = judge_cancel(state, by)
            return refusal or e.RunCancelled(by=by, reason=reason.strip()[:MAX_TEXT_CHARACTERS])

        return self._act(run, by, RunAction.CANCEL, propose)

    def answer(self, run: str, number: int, by: Person, text: str) -> Coroutine[Any, Any, RunState]:
        """Answer the question of this number that an agent asked the requester while it plans."""
        words = text.strip()[:MAX_TEXT_CHARACTERS]
        if not words:
            raise RefusedError("empty_answer", Text("The answer is empty. Write something."))

        def propose(state: RunState) -> RunEvent | Refusal:
            refusal = judge_answer(state, number, by, self._clock.now())
            return refusal or e.QuestionAnswered(number=number, by=by, text=words)

        return self._act(run, by, RunAction.ANSWER, propose)

    async def check(self, run: str, digest: str, by: Person, action: RunAction, *, number: int = 0) -> None:
        """Refuse whom the log lets not do this, before they write down their words. The action itself judges again.

        Raises:
            RefusedError: they may not, or there is nothing to say it about.
        """
        state, seq = await self._read(run, by.tenant)
        now = self._clock.now()
        if action is RunAction.ANSWER:
            refusal = judge_answer(state, number, by, now)
        else:
            refusal = judge_plan(state, digest, by, action, now)
        if refusal is None and action is RunAction.CHANGE and isinstance(state, s.AwaitingDecision):
            refusal = judge_shaping(state, by)
        if refusal is not None:
            await self._refuse(run, state, seq, by, action, refusal)

    async def resolve(
        self, run: str, index: int, by: Person, verdict: Verdict, *, attempt: int | None = None
    ) -> RunState:
        """One person's word about a call of unknown outcome: it happened, it did not so run it, or abandon the rest.

        To run it takes as many different people as the plan took, each judged like an approval; the last of them moves
        the run. To say that it happened, or to abandon, takes one; going on with the rest after the approval has
        expired takes as many as the plan, too.

        `attempt` is the execution that the person saw end in doubt: a word about it settles no later one.
        """
        before, seq = await self._read(run, by.tenant)
        objection = await self._objection_to_resolution(run, before, by, verdict) if verdict != "abandon" else None
        objection = objection or (await self._void_words(run, by) if verdict != "abandon" else None)
        if objection is not None:
            before, seq = await self._read(run, by.tenant)
            await self._refuse(run, before, seq, by, RunAction.RESOLVE, objection)

        def propose(state: RunState) -> RunEvent | Refusal:
            refusal = judge_resolution(state, index, attempt, by, self._clock.now())
            if refusal is not None or not isinstance(state, s.NeedsHuman):
                return refusal or Refusal.NOTHING_TO_RESOLVE
            return resolution_on(state, by, verdict, self._clock.now())

        return await self._act(run, by, RunAction.RESOLVE, propose)

    async def review_all(self, tenant: str | None = None) -> None:
        """Compare every plan that waits or runs with the current rules and freezes; people are not looked up."""
        for run in await self._log.in_state(_OPEN, tenant):
            with contextlib.suppress(RunNotFoundError, ConflictError):
                await self.review(run, tenant, asks_about_people=False)

    async def tell_frozen(self, tenant: str | None = None) -> int:
        """Put on record, in each run of which a call may still start, who froze everything, or that it may go on.

        No call starts after this that was not under way before. Returns how many runs that concerned.
        """
        count = 0
        for run in await self._log.in_state(_OPEN, tenant):
            for _ in range(MAX_RACES):
                state, seq = await self._read(run, tenant)
                event = await self._frozen_or_not(state)
                if event is None:
                    break
                now = self._clock.now()
                with contextlib.suppress(ConflictError, IllegalTransition):
                    await self._log.append(run, seq, [event], now, evolve(state, event, now))
                    count += 1
                    break
        return count

    async def read_approvers(self, run: str) -> None:
        """Ask the chat about those who had a run go on, where a worker that can't waits for that."""
        for _ in range(MAX_RACES):
            state, seq = await self._read(run, None)
            if not isinstance(state, s.Executing) or not state.waits_for_approvers:
                return
            try:
                lost = await who_may_not(state.vouching_rule, state.vouching, self._directory)
            except PersonUnreadableError:
                return  # The worker waits for a while, and somebody may try again.
            event, now = e.ApproversRead(lost=lost), self._clock.now()
            with contextlib.suppress(ConflictError, IllegalTransition):
                await self._log.append(run, seq, [event], now, evolve(state, event, now))
                return

    async def _frozen_or_not(self, state: RunState) -> RunEvent | None:
        if not isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman):
            return None
        return freeze_event(state.frozen_by, await self._freezes.frozen_by(state.request.tenant))

    async def review(
        self,
        run: str,
        tenant: str | None = None,
        *,
        asks_about_people: bool = True,
        current: CurrentRules | None = None,
    ) -> RunState:
        """Hold a plan against what holds now, and put on record what is new.

        One that waits, and whose rules or people got stricter, is asked again; of other changes its card tells.
        `current` are the rules of now, if they are known already.
        """
        current = current or ReadOnce(self._current)
        for _ in range(MAX_RACES):
            state, seq = await self._read(run, tenant)
            event = await self._again(run, state, current, asks_about_people=asks_about_people)
            event = event or await self._news(run, state, current)
            if event is None:
                return state
            now = self._clock.now()
            try:
                await self._log.append(run, seq, [event], now, after := evolve(state, event, now))
            except (ConflictError, IllegalTransition):
                continue
            return after
        raise ConflictError(run, 0)

    async def _news(self, run: str, state: RunState, current: CurrentRules) -> RunEvent | None:
        """What people are to be told of a plan, and its log does not say yet."""
        event = await self._frozen_or_not(state)
        if event is not None or not isinstance(state, s.AwaitingDecision):
            return event
        try:
            now = compared(state.plan, state.request, await current(run, state.request))
        except ConfigError:
            now = "unreadable"
        return None if now == state.rules_now else e.RulesChanged(now=now)

    async def _again(
        self, run: str, state: RunState, current: CurrentRules, *, asks_about_people: bool
    ) -> RunEvent | None:
        if not isinstance(state, s.AwaitingDecision) or self._clock.now() >= state.plan.expires_at:
            return None
        plan = state.plan
        with contextlib.suppress(ConfigError):  # Whoever decides is told of that.
            now = await current(run, state.request)
            policy = plan.policy if now is None else tightened(plan, state.request, now)
            if policy != plan.policy:
                return asked_again(plan, state.election, policy, "rules", self._clock.now())
        if not asks_about_people:
            return None
        with contextlib.suppress(PersonUnreadableError):
            if not await all_still_may(plan.policy, state.approvals, self._directory):
                return asked_again(plan, state.election, plan.policy, "approvers", self._clock.now())
        return None

    async def _objection_to_resolution(self, run: str, state: RunState, by: Person, verdict: Verdict) -> Refusal | None:
        """Why the rules of now let this person not say this of a call; None: they do.

        Whoever knows that it happened may say so under any rules: what is left is held against them before it starts.
        """
        if not isinstance(state, s.NeedsHuman):
            return None
        try:
            now = await self._current(run, state.request)
        except StoredConfigError:
            return Refusal.STORED_CONFIG_CHANGED
        except ConfigError:
            return Refusal.RULES_UNREADABLE
        if now is None:
            return None
        policy = tightened(state.plan, state.request, now)
        is_denied = denied(state.plan, state.request, now) is not None
        if verdict == "run_it" and (is_denied or differs(state, policy)):
            return Refusal.STRICTER_NOW
        tight = replace(state, plan=replace(state.plan, policy=policy))
        return judge_resolution(tight, state.unknown.index, None, by, self._clock.now())

    async def _void_words(self, run: str, by: Person) -> Refusal | None:
        """Take back the words about a call of those who may not approve any more; or why that can't be told."""
        for _ in range(MAX_RACES):
            state, seq = await self._read(run, by.tenant)
            if not isinstance(state, s.NeedsHuman) or not state.said:
                return None
            others = [each for each in state.said if not each[0].is_same_as(by)]
            said = {verdict: [person for person, word in others if word == verdict] for _, verdict in others}
            try:
                lost = tuple(
                    [
                        each
                        for same in said.values()
                        for each in await who_may_not(state.plan.policy, same, self._directory)
                    ]
                )
            except PersonUnreadableError:
                return Refusal.APPROVERS_UNREADABLE
            if not lost:
                return None
            event, now = e.WordsVoided(index=state.unknown.index, people=lost), self._clock.now()
            with contextlib.suppress(ConflictError, IllegalTransition):
                await self._log.append(run, seq, [event], now, evolve(state, event, now))
        raise ConflictError(run, 0)

    async def expire_due(self) -> Sequence[str]:
        """Log the expiry of every plan whose time has passed; returns those runs."""
        due = await self._log.due(self._clock.now())
        return [run for run in due if isinstance(await self.state(run), s.Expired)]

    async def leaves_nobody(self, policy: Policy, authors: Authors) -> bool:
        """Whether no plan of these authors could be approved, as far as the rule and the chat tell."""
        for place in (policy, *(policy.only(each) for each in policy.quorums)):
            others = None
            if place.roles:
                besides = apart_from(place, authors)
                others = await self._directory.others_in(authors.requester.tenant, place.roles, besides)
            if leaves_nobody(place, authors, others=others):
                return True
        return False

    async def _heed_the_present(
        self, run: str, digest: str, by: Person, action: RunAction, current: CurrentRules
    ) -> None:
        """Compare a plan that somebody may decide on with what holds now, and refuse what must not be approved or said.

        Raises:
            RefusedError: nobody may approve it now, or the plan that would follow.
        """
        state, seq = await self._read(run, by.tenant)
        if judge_plan(state, digest, by, action, self._clock.now()) is not None:
            return
        await self.review(run, by.tenant, current=current)
        state, seq = await self._read(run, by.tenant)
        objection = None
        if not isinstance(state, s.AwaitingDecision):
            return
        if action in (RunAction.APPROVE, RunAction.BREAK_GLASS):
            objection = await objection_to_approval(
                run, state, current, self._directory, spending=self._spending, clock=self._clock
            )
        elif await self.leaves_nobody(state.plan.policy, authors_with(state, by)):
            objection = Refusal.NOBODY_LEFT
        if objection is not None:
            await self._refuse(run, state, seq, by, action, objection)

    async def _decide(
        self, run: str, digest: str, by: Person, action: RunAction, make: Callable[[str], RunEvent]
    ) -> RunState:
        if action is not RunAction.REJECT:  # A no needs no rule that holds now: it only ever stops.
            await self._heed_the_present(run, digest, by, action, ReadOnce(self._current))

        def propose(state: RunState) -> RunEvent | Refusal:
            refusal = judge_plan(state, digest, by, action, self._clock.now())
            if refusal is not None or not isinstance(state, s.AwaitingDecision):
                return refusal or Refusal.NOTHING_TO_DECIDE
            refusal = judge_shaping(state, by) if action is RunAction.CHANGE else None
            return refusal or make(state.plan.digest)

        return await self._act(run, by, action, propose)

    async def _act(
        self, run: str, by: Person, action: RunAction, propose: Callable[[RunState], RunEvent | Refusal]
    ) -> RunState:
        """Read, judge, append; and all again if somebody else was first. The append is what decides a race."""
        for _ in range(MAX_RACES):
            async with self._turns.of(run):
                before, seq = await self._read(run, by.tenant)
                event = propose(before)
                if isinstance(event, Refusal):
                    await self._keep_refusal(run, before, seq, by, action, event)
                now = self._clock.now()
                try:
                    after = evolve(before, event, now)
                    job = job_for(run, before, after)
                    pending = PendingAppend(run=run, expected=seq, events=[event], at=now, state=after, job=job)
                    await append_surely(self._log, self._clock, pending, patience=PATIENCE)
                except (ConflictError, IllegalTransition):
                    continue  # Somebody was first, or the plan expired between the two looks at the clock.
            self._engine.wake()
            return after
        raise ConflictError(run, 0)

    async def _refuse(
        self, run: str, state: RunState, seq: int, by: Person, action: RunAction, refusal: Refusal
    ) -> NoReturn:
        async with self._turns.of(run):
            await self._keep_refusal(run, state, seq, by, action, refusal)

    async def _keep_refusal(
        self, run: str, state: RunState, seq: int, by: Person, action: RunAction, refusal: Refusal
    ) -> NoReturn:
        """Keep the attempt for the audit, then tell the person."""
        if refusal is Refusal.EXPIRED and isinstance(state, s.AwaitingDecision):
            state, seq = await self._expire(run, state, seq), seq + 1
        event, latest = e.ActionRefused(by=by, act=action, refusal=refusal), state
        for _ in range(MAX_RACES):  # The refusal stands whatever comes in between.
            try:
                await self._log.append(run, seq, [event], self._clock.now(), latest)
                break
            except ConflictError:
                latest, seq = await self._read(run, by.tenant)
        raise RefusedError(refusal, message(refusal, state))

    async def _expire(self, run: str, state: s.AwaitingDecision, seq: int) -> RunState:
        event, now = e.PlanExpired(digest=state.plan.digest), self._clock.now()
        try:
            await self._log.append(run, seq, [event], now, after := evolve(state, event, now))
        except ConflictError:
            return (await self._read(run, None))[0]
        return after

    async def _read(self, run: str, tenant: str | None) -> tuple[RunState, int]:
        records = await self._log.read(run)
        state = replay(records) if records else None
        if state is None or (tenant is not None and state.request.tenant != tenant):
            raise RunNotFoundError(run)
        return state, records[-1].seq
