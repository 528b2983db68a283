"""What a worker does with a run: deliberate until there is a plan, execute what was approved, report.

The log is the checkpoint. Whatever was on disk when a worker died is where the next one goes on.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import assert_never, cast

from coordination import prompts
from coordination.agent_turn import record_wasted, used
from coordination.budget import Budget, BudgetCheck, NothingSpent, daily, started_today, total
from coordination.current_rules import (
    ByTheClock,
    CurrentRules,
    Freezes,
    Guards,
    NeverFrozen,
    PersonDirectory,
    Unchanging,
    as_it_was,
    context_of,
    may_read_now,
    rules_now,
    tightened,
)
from coordination.deliberation import Deliberation, DeliberationFailed, DeliberationInput, Participant, abandon
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Answer, Election
from coordination.domain.caller import Caller
from coordination.domain.day_caps import Caps
from coordination.domain.events import ModelRetried, RunEvent
from coordination.domain.plan import Plan, Receipt
from coordination.domain.policy import Person, policy_actor
from coordination.domain.preset_plan import PresetPlan
from coordination.domain.provenance import ReadIndex, read_through
from coordination.domain.quorums import all_of
from coordination.errors import ConfigError, GrantVoidError, IllegalTransition, ModelError, ToolServerError
from coordination.execution import GRACE, AwayAfter, Guard, execute, never_away, unknown
from coordination.log_context import logged_for
from coordination.ports import (
    Clock,
    Executor,
    Job,
    NewId,
    ReadLists,
    RunLog,
    ServerSpec,
    Spending,
    ToolHub,
    TurnContext,
    UserMessage,
)
from coordination.preparation import (
    AgentTools,
    Configure,
    Prepared,
    PreparedRun,
    prepare,
    prepare_tools,
    stored_rules,
)
from coordination.preset_plans import election_of, planned
from coordination.previews import changed_since, check_required, read_all
from coordination.questions import PeopleAsked
from coordination.retry import RetryBudget, send_with_retry
from coordination.run_links import begin_all
from coordination.run_options import RunProfile
from coordination.run_writer import ATTEMPTS, RunMoved, RunWriter, is_foreseen, no_stray_cancellation, told
from coordination.standing_grants import approvals_on_grants
from coordination.text import Text

TIMEOUT = 120.0
"""Seconds that people wait for a report at most; the receipts are there long before."""


async def write_report(
    participant: Participant,
    prompt: str,
    *,
    plan: Plan,
    receipts: Sequence[Receipt],
    clock: Clock,
    record: Callable[[RunEvent], None],
) -> str | None:
    """The report, or None where the model can't give one: then the receipts speak for themselves."""
    agent = participant.profile.number
    turn_context = TurnContext(purpose="report", revision=plan.revision, turn=1, agent=agent)

    async def on_retry(error: ModelError, wait: float) -> None:
        record_wasted(agent, participant.model, error, record)
        record(ModelRetried(agent=agent, reason=error.text, wait=wait))

    conversation = participant.model.converse(prompts.report_system(participant.profile), turn_context)
    try:
        async with asyncio.timeout(TIMEOUT):
            reply = await send_with_retry(
                conversation,
                [UserMessage(text=prompts.report(prompt, plan, receipts))],
                (),
                clock=clock,
                budget=RetryBudget(),
                on_retry=on_retry,
            )
    except ModelError as error:
        record_wasted(agent, participant.model, error, record)
        return None
    except TimeoutError:
        return None
    finally:
        await abandon(conversation)
    record(used(agent, participant.model, reply))
    return reply.text.strip() or None


class Worker:
    """The service's side of the engine: `perform` is called for each job, and again after a crash."""

    def __init__(
        self,
        log: RunLog,
        hub: ToolHub,
        *,
        clock: Clock,
        new_id: NewId,
        configure: Configure,
        spending: Spending | None = None,
        current: CurrentRules = as_it_was,
        directory: PersonDirectory | None = None,
        read_lists: ReadLists | None = None,
        freezes: Freezes | None = None,
        away_after: AwayAfter = never_away,
    ) -> None:
        """`current`, `directory` and `freezes` know what holds now, who people are now, and who had all stop.

        The hub gives deliberation and execution a different power each; `spending` knows what a day has used.

        `read_lists` knows what wildcards of `read` rules may let run, `away_after` when the database was away.
        """
        self._log = log
        self._hub = hub
        self._clock = clock
        self._new_id = new_id
        self._configure = configure
        self._spending = spending or NothingSpent()
        self._read_lists = read_lists
        self._away_after = away_after
        self._current = ByTheClock(current, clock, stored_rules(log, configure))
        self._directory = directory or Unchanging()
        self._guards = Guards(self._current, self._directory, clock, freezes or NeverFrozen(), self._spending, log)
        self.grace = GRACE
        """Seconds that a call under way has left when the work ends."""
        self._errors: dict[str, list[Text]] = {}
        """By job that has no last word yet, what people are told of the errors that nobody foresaw."""

    async def perform(self, job: Job) -> None:
        """Do the job, or find that it is done or overtaken.

        After errors that nobody foresaw it is tried once more, and then the run goes on or ends in words.
        """
        with logged_for(run=job.run, tenant=job.tenant):
            await self._perform(job)

    async def _perform(self, job: Job) -> None:
        errors = self._errors.pop(job.name, [])
        while len(errors) < ATTEMPTS:
            try:
                with no_stray_cancellation():
                    await self._attempt(job)
            except Exception as error:
                if is_foreseen(error):
                    raise
                errors.append(told(Text("the work on this run") if errors else Text("a first attempt"), error))
            else:
                return
        self._errors[job.name] = errors
        await self._last_word(job, errors[-1])
        del self._errors[job.name]

    async def _attempt(self, job: Job) -> None:
        writer = await RunWriter.open(self._log, self._clock, job.run)
        person = writer.state.request.requester.id
        with contextlib.suppress(RunMoved), logged_for(person=person):
            match job.task:
                case "deliberate":
                    await self._deliberate(writer, job)
                case "execute":
                    await self._execute(writer, job)
                case _:
                    assert_never(job.task)

    async def _last_word(self, job: Job, words: Text) -> None:
        """Bring a run that can't go on to its next state, whatever that takes: no run may wait for nothing."""
        writer = await RunWriter.open(self._log, self._clock, job.run)
        with contextlib.suppress(RunMoved):
            match state := writer.state:
                case s.Queued() | s.ChangesWanted() | s.Deliberating() if job.task == "deliberate":
                    await writer.commit(e.RunFailed(reason=Text("{words:A}.", words=words)))
                case s.Executing(in_flight=None) if state.plan.revision == job.revision:
                    rest = tuple(range(state.next_index, len(state.plan.calls)))
                    await writer.commit(e.CallsSkipped(indexes=rest, reason=words), e.RunFinished(report=None))
                case s.Executing() if state.plan.revision == job.revision:
                    await writer.commit(replace(unknown(state, words), answer_until=state.answer_until))
                case s.Reporting() if state.plan.revision == job.revision:
                    await writer.commit(e.RunFinished(report=Text("There is no report: {why}.", why=words)))
                case _:
                    pass  # It waits for people, or is over.

    async def _deliberate(self, writer: RunWriter, job: Job) -> None:
        state = writer.state
        if isinstance(state, s.Ended):
            await begin_all(self._log, self._clock, writer.run)  # The job of a run that is linked to this one.
            return
        if isinstance(state, s.Queued) or (
            isinstance(state, s.ChangesWanted | s.Deliberating) and state.revision == job.revision
        ):
            state = await writer.commit(e.DeliberationStarted(revision=job.revision))
        if not isinstance(state, s.Deliberating):
            return
        try:
            prepared = await self._prepare(state.request)
            people = PeopleAsked(writer, self._clock, prepared.profile.options)
            async with _kept_in_step(writer, self._log, people):
                if state.request.preset is not None and state.revision == 1:
                    await self._propose(writer, state, state.request.preset, prepared)
                else:
                    await self._coordinate(writer, state, prepared, people)
        except (ConfigError, ToolServerError, DeliberationFailed) as error:
            await writer.commit(e.RunFailed(reason=error.text))

    async def _coordinate(
        self, writer: RunWriter, state: s.Deliberating, prepared: Prepared, people: PeopleAsked
    ) -> None:
        now = await rules_now(self._current, writer.run, state.request)
        prepared_run = await prepare(
            prepared,
            self._hub,
            _caller(state.request),
            self._read_lists,
            now,
            context_of(state.request),
            time=self._clock.now,
        )
        for server, reason in prepared_run.absent.items():
            writer.record(e.ServerUnavailable(revision=state.revision, server=server, reason=reason))
        question = DeliberationInput(
            prompt=prompts.request_of(state.request),
            revision=state.revision,
            history=state.request.history,
            feedback=state.feedback,
        )
        deliberation = Deliberation(
            question,
            prepared_run.participants,
            ballot=state.ballot,
            options=prepared_run.profile.options,
            clock=self._clock,
            record=writer.record,
            budget=await self._budget(writer, state.request, prepared_run.profile),
            people=people,
            started_today=await self._started_today(state.request, prepared.profile, now),
            sources=await self._read_before(writer, state),
        )
        election = await deliberation.run()
        presents = prepared_run.profile.options.final_presentation == "present"
        written = await deliberation.present(election) if presents else None
        if written is not None:
            election = replace(election, winner=written)
        await self._conclude(writer, state, election, prepared_run, written_after_vote=written is not None)
        await self._daily(state.request, prepared_run.profile)()  # The last call may have used most of a budget.

    async def _read_before(self, writer: RunWriter, state: s.Deliberating) -> ReadIndex:
        """What agents of this run read in earlier attempts, as far as the log has it: answers may repeat it."""
        sources = ReadIndex()
        if state.revision == 1 and not state.ballot.answers:
            return sources
        for recorded in await self._log.read(writer.run):
            match recorded.event:
                case e.ToolRead(server=server, tool=tool, excerpt=excerpt):
                    sources.add(f"{server}.{tool}", read_through(excerpt))
                case e.ActionRecorded(call=call):
                    for origin in call.origins or ():
                        sources.restore(origin)
                case _:
                    pass
        return sources

    async def _conclude(
        self,
        writer: RunWriter,
        state: s.Deliberating,
        election: Election,
        prepared: PreparedRun,
        *,
        written_after_vote: bool,
    ) -> None:
        winner = election.winner
        author = f"agent{winner.agent}.final"
        if not winner.calls:
            await writer.commit(e.RunAnswered(text=winner.text, author=author, election=election))
            return
        by = prepared.participants[winner.agent - 1]
        plan = await self._plan(writer, state, prepared.profile, by, winner)
        proposed = e.PlanProposed(
            plan=plan, digest=plan.digest, election=election, written_after_vote=written_after_vote
        )
        proposed = replace(proposed, started_today=await self._counted_today(plan))
        if not plan.is_automatic:
            await self._await_people(writer, proposed)
            return
        approved = e.ApprovalGiven(by=policy_actor(plan.tenant), digest=plan.digest)
        await writer.commit(proposed, approved, job=_first_job(plan))

    async def _await_people(self, writer: RunWriter, proposed: e.PlanProposed) -> None:
        """Have people decide on a plan, unless they have allowed all of it before."""
        if proposed.plan.policy.allow_grants:
            with contextlib.suppress(GrantVoidError, IllegalTransition):  # Over, or revoked, at this very moment.
                approvals = await approvals_on_grants(proposed, writer.state, self._log, self._directory, self._clock)
                if approvals:
                    await writer.commit(proposed, *approvals, job=_first_job(proposed.plan))
                    return
        await writer.commit(proposed)

    async def _propose(self, writer: RunWriter, state: s.Deliberating, preset: PresetPlan, prepared: Prepared) -> None:
        """Have people decide on the plan that the run begins with; no model is asked."""
        now = await rules_now(self._current, writer.run, state.request)
        caller, asked = _caller(state.request), context_of(state.request)
        agent = await prepare_tools(
            prepared,
            preset.agent,
            self._hub,
            caller,
            read_lists=self._read_lists,
            now=now,
            asked=asked,
            time=self._clock.now,
        )
        today = await self._started_today(state.request, prepared.profile, now)
        calls = await planned(preset, agent, prepared.profile.options, writer.record, today)
        election = election_of(preset, calls)
        plan = await self._plan(writer, state, prepared.profile, agent, election.winner)
        counted = await self._counted_today(plan)
        await writer.commit(e.PlanProposed(plan=plan, digest=plan.digest, election=election, started_today=counted))

    async def _plan(
        self,
        writer: RunWriter,
        state: s.Deliberating,
        profile: RunProfile,
        by: Participant | AgentTools,
        winner: Answer,
    ) -> Plan:
        """The plan of an answer, with what its previews read, under the rules then and now."""
        readings = await read_all(winner.calls, by.tools, by.reader)
        check_required(winner.calls, readings)
        policy = profile.policy.with_needs(all_of(call.needs for call in winner.calls))
        plan = Plan(
            tenant=state.request.tenant,
            run=writer.run,
            revision=state.revision,
            author=f"agent{winner.agent}.final",
            text=winner.text,
            calls=winner.calls,
            policy=policy,
            expires_at=self._clock.now() + timedelta(seconds=policy.expires_after),
            readings=readings,
        )
        return self._under_rules_of_now(plan, state.request, await rules_now(self._current, writer.run, state.request))

    async def _started_today(self, request: e.RunRequested, *rules: RunProfile | None) -> Mapping[str, int]:
        """The calls that count for caps of the day; they are counted only where one of these rules has such a cap."""
        if not any(each is not None and each.has_day_caps for each in rules):
            return {}
        return await started_today(self._spending, self._clock, request.tenant)

    async def _counted_today(self, plan: Plan) -> Caps:
        """How many calls of the plan's capped rules the day has had so far."""
        if not (caps := plan.needs.per_day):
            return ()
        started = await started_today(self._spending, self._clock, plan.tenant)
        return tuple((name, started.get(name, 0)) for name, _ in caps)

    def _under_rules_of_now(self, plan: Plan, request: e.RunRequested, now: RunProfile | None) -> Plan:
        if now is None:
            return plan
        policy = tightened(plan, request, now)
        return replace(plan, policy=policy, expires_at=self._clock.now() + timedelta(seconds=policy.expires_after))

    async def _execute(self, writer: RunWriter, job: Job) -> None:
        state = writer.state
        if not isinstance(state, s.Executing | s.Reporting) or state.plan.revision != job.revision:
            return
        prepared: Prepared | None
        try:
            prepared = await self._prepare(state.request)
        except ConfigError as error:
            if isinstance(state, s.Executing) and state.in_flight is None:
                rest = tuple(range(state.next_index, len(state.plan.calls)))
                await writer.commit(
                    e.CallsSkipped(indexes=rest, reason=Text("the configuration can't be used: {why}", why=error.text))
                )
            prepared = None
        servers = () if prepared is None else prepared.profile.servers
        approvers = state.approvals if isinstance(state, s.Executing) else ()
        executor = self._hub.executor(servers, _caller(state.request, approvers))
        guard = self._with_readings(writer.run, servers, executor, self._guards.of(writer.run))
        limits = {each.name: each.longest_call for each in servers}
        await execute(
            writer,
            executor,
            self._clock,
            self._new_id(),
            guard=guard,
            limits=limits,
            away_after=self._away_after,
            grace=self.grace,
        )
        if isinstance(writer.state, s.Reporting):
            await self._report(writer, writer.state, prepared)

    def _with_readings(self, run: str, servers: Sequence[ServerSpec], executor: Executor, guard: Guard) -> Guard:
        """The guard, and after it one that looks whether all is as people saw it."""

        async def look(state: s.Executing) -> RunEvent | Caps | None:
            found = await guard(state)
            plan = state.plan
            is_instead = found is not None and not isinstance(found, tuple)
            if is_instead or not any(call.previews for call in plan.calls):
                return found
            if state.frozen_by is not None or state.waits_for_approvers:
                return None  # It is asked again when it may go on.
            rest = tuple(range(state.next_index, len(plan.calls)))
            try:
                now = await rules_now(self._current, run, state.request)
            except ConfigError as error:
                return e.CallsSkipped(indexes=rest, reason=error.text)
            allowed = frozenset((each.question.server, each.question.tool) for each in plan.readings if each.is_known)
            reason = await changed_since(
                plan,
                state.next_index,
                pinned=executor,
                reader=self._hub.reader(servers, allowed, _caller(state.request)),
                may_read=may_read_now(plan, state.request, now),
            )
            # Reading may take long: who may not, or was stopped meanwhile, must not find a call sent.
            return await guard(state) if reason is None else e.CallsSkipped(indexes=rest, reason=reason)

        return look

    async def _report(self, writer: RunWriter, state: s.Reporting, prepared: Prepared | None) -> None:
        report = None
        if prepared is not None and state.stopped_by is None and await self._may_report(writer, state, prepared):
            agent = int(state.plan.author.removeprefix("agent").partition(".")[0])
            with contextlib.suppress(ConfigError):
                await prepared.load()
                participant = Participant(
                    profile=prepared.profile.agents[agent - 1],
                    model=prepared.models()[agent - 1],
                    tools={},
                    reader=self._hub.reader((), frozenset()),
                )
                report = await write_report(
                    participant,
                    prompts.request_of(state.request),
                    plan=state.plan,
                    receipts=state.receipts,
                    clock=self._clock,
                    record=writer.record,
                )
        await writer.commit(e.RunFinished(report=report))
        if report is not None and prepared is not None:
            await self._daily(state.request, prepared.profile)()

    async def _may_report(self, writer: RunWriter, state: s.Reporting, prepared: Prepared) -> bool:
        budget = await self._budget(writer, state.request, prepared.profile)
        return await budget.refusal() is None

    async def _budget(self, writer: RunWriter, request: e.RunRequested, profile: RunProfile) -> Budget:
        """What the run may still use; what it used before is looked up only if it has an end."""
        options = profile.options
        is_limited = options.budget_tokens is not None or options.budget_money is not None
        earlier = await self._log.read(writer.run) if is_limited else ()
        return Budget(
            options,
            spent=total(recorded.event for recorded in earlier),
            daily=self._daily(request, profile),
        )

    def _daily(self, request: e.RunRequested, profile: RunProfile) -> BudgetCheck:
        """The limits of the day for a run; asked, it also tells administrators of a budget of which most is used."""
        return daily(
            profile.daily, self._spending, clock=self._clock, requester=request.requester, place=request.asked_in
        )

    async def _prepare(self, request: e.RunRequested) -> Prepared:
        text, origin = await self._log.load_config(request.config_digest)
        return self._configure(text, origin, request.tenant)


def _first_job(plan: Plan) -> Job:
    """The work on a plan that is approved as it is proposed."""
    return Job(task="execute", run=plan.run, tenant=plan.tenant, revision=plan.revision)


def _caller(request: e.RunRequested, approvers: Sequence[Person] = ()) -> Caller:
    """On whose behalf a run calls tools."""
    return Caller(
        tenant=request.tenant,
        requester=request.requester.id,
        approvers=tuple(person.id for person in approvers),
        channel=request.asked_in,
    )


@contextlib.asynccontextmanager
async def _kept_in_step(writer: RunWriter, log: RunLog, people: PeopleAsked) -> AsyncGenerator[None]:
    """While open, what is recorded reaches the disk, and the work inside ends if somebody ends the run.

    Raises:
        RunMoved: somebody did; whatever the work itself raised on its way out.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(writer.keep_up()), group.create_task(_watch(writer, log, people))]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        moved: BaseExceptionGroup[BaseException] | None = failures.subgroup(RunMoved)
        raise _leaf(moved or failures) from None


async def _watch(writer: RunWriter, log: RunLog, people: PeopleAsked) -> None:
    """Notice what others write: neither a cancellation nor an answer to an agent must wait for our next event."""
    with no_stray_cancellation():
        async for recorded in log.follow(writer.run, after=writer.seq):
            if isinstance(recorded.event, e.RunCancelled):
                await writer.refresh()
                raise RunMoved(writer.state)
            if isinstance(recorded.event, e.QuestionAnswered):
                await writer.refresh()
                people.look()


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _leaf(cast("BaseExceptionGroup[BaseException]", first)) if isinstance(first, BaseExceptionGroup) else first
