"""A run as people follow it: a pure fold over its log, and where each argument of its plan comes from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, assert_never

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.ballot import Ballot
from coordination.domain.events import ToolRead
from coordination.domain.grants import GrantUse
from coordination.domain.plan import Plan
from coordination.domain.policy import Person, Policy
from coordination.domain.provenance import Origin, ReadIndex, read_through
from coordination.domain.transitions import Recorded, evolve
from coordination.errors import IllegalTransition


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a tool gave an agent to read: the beginning of it, as the log has it."""

    tool: str
    text: str


def with_source(sources: tuple[Source, ...], read: ToolRead) -> tuple[Source, ...]:
    """The sources, and one more unless it is known."""
    source = Source(tool=f"{read.server}.{read.tool}", text=read.excerpt)
    return sources if source in sources else (*sources, source)


def origins_of(plan: Plan, sources: Sequence[Source], prompt: str) -> list[tuple[Origin, ...]]:
    """What of each call was read; of calls that an earlier version recorded, by the beginnings that its log has."""
    index = ReadIndex(asked=lambda: prompt)
    if any(call.origins is None for call in plan.calls):
        for source in sources:
            index.add(source.tool, read_through(source.text))
    return [index.origins(call.arguments) if call.origins is None else call.origins for call in plan.calls]


@dataclass(frozen=True)
class Idle:
    """Has nothing to do yet."""


@dataclass(frozen=True)
class Thinking:
    """In a turn. `why` says what made it think again, as a key of the words; empty on a plain turn."""

    why: str = ""


@dataclass(frozen=True)
class Using:
    """Used a tool: read something, or recorded an action."""

    server: str
    tool: str
    is_action: bool


@dataclass(frozen=True)
class Retrying:
    """Waits for its model's provider."""

    reason: str
    wait: float


@dataclass(frozen=True)
class AnsweredNow:
    """Has just answered."""


@dataclass(frozen=True)
class VotedFor:
    """Holds a vote, or held one."""

    choice: int
    is_void: bool


@dataclass(frozen=True)
class DroppedOut:
    """Failed; takes no further part."""

    reason: str


Doing: TypeAlias = Idle | Thinking | Using | Retrying | AnsweredNow | VotedFor | DroppedOut


@dataclass(frozen=True, kw_only=True)
class AgentView:
    """One agent: the newest that is known of it, and its newest answer's label."""

    number: int
    name: str
    doing: Doing = field(default_factory=Idle)
    answered: str | None = None
    turn: int = 0


@dataclass(frozen=True, kw_only=True)
class RunUsage:
    """What the models took. `cost` is in US dollars; None: of some model the price is not known."""

    tokens: int = 0
    cost: float | None = 0.0

    def plus(self, used: e.ModelUsed) -> "RunUsage":
        """With one more model call."""
        known = self.cost is not None and used.cost is not None
        return RunUsage(
            tokens=self.tokens + used.input_tokens + used.output_tokens,
            cost=(self.cost or 0.0) + (used.cost or 0.0) if known else None,
        )


@dataclass(frozen=True, kw_only=True)
class CallTimes:
    """When one call was started and when its end was known."""

    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class BreakGlassUse:
    """Somebody approved a plan alone in an emergency.

    `seq` is the number of that event, `others` had approved before.
    """

    seq: int
    at: datetime
    by: Person
    digest: str
    reason: str
    policy: Policy
    others: tuple[Person, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run, ready to be shown.

    Attributes:
        sources: what tools gave to read, each beginning once.
        doubtful_reads: the tools that ran as reads though their server says that they write, and the rules that let
            them.
        absent: the optional servers that the newest coordination goes on without.
        unusable: what agents wanted in it and nobody can use, each tool once.
        ballot: the answers and votes of the newest coordination; it outlives the states that have none.
        chosen_by: who preferred this plan to the one that won the vote, or `revised` it.
        because: why this plan is asked again, if it is.
        plan: the newest plan.
        plan_before: the one that it took the place of.
        wished: the changes that were asked for since the newest plan.
        change: those that the newest plan was made for.
        decided_by: the last person whose word moved the run on or ended it.
        restarts: how often a worker took the coordination up again after a crash.
        on_grants: the standing grants that the newest plan was approved by.
        break_glass: everybody's use of break-glass, of whichever plan.
        place: in the line of its tenant's runs that wait to be planned, from 1; 0: nobody looked. No log says that.
    """

    run: str
    seq: int
    state: s.RunState
    asked_at: datetime
    updated_at: datetime
    agents: tuple[AgentView, ...]
    ballot: Ballot
    revision: int = 1
    restarts: int = 0
    reads: int = 0
    sources: tuple[Source, ...] = ()
    doubtful_reads: tuple[tuple[str, str], ...] = ()
    absent: tuple[e.ServerUnavailable, ...] = ()
    unusable: tuple[e.ToolUnavailable, ...] = ()
    corrections: int = 0
    spent: RunUsage = field(default_factory=RunUsage)
    calls: tuple[CallTimes, ...] = ()
    chosen_by: Person | None = None
    because: e.Because = ""
    revised: e.Revised = ""
    plan: Plan | None = None
    plan_before: Plan | None = None
    wished: e.ChangesRequested | None = None
    change: e.ChangesRequested | None = None
    decided_by: Person | None = None
    decided_at: datetime | None = None
    ended_at: datetime | None = None
    place: int = 0
    on_grants: tuple[GrantUse, ...] = ()
    break_glass: tuple[BreakGlassUse, ...] = ()

    def broken_glass(self, plan: Plan) -> "BreakGlassUse | None":
        """The use of break-glass that approved a plan; None: it waits, or as many people as it needs approved it."""
        return next((each for each in self.break_glass if each.digest == plan.digest), None)

    @property
    def request(self) -> e.RunRequested:
        """What was asked, by whom, under which configuration."""
        return self.state.request

    @property
    def round(self) -> int:
        """The highest turn that any agent is in."""
        return max((agent.turn for agent in self.agents), default=0)

    def elapsed(self, now: datetime) -> float:
        """Seconds from the request to its end, or to now."""
        return max(0.0, ((self.ended_at or now) - self.asked_at).total_seconds())


def first_view(recorded: Recorded) -> RunView:
    """The view of a run of which only the request is known.

    Raises:
        IllegalTransition: the log begins with something else.
    """
    event = recorded.event
    state = evolve(None, event, recorded.at)
    if not isinstance(event, e.RunRequested):
        raise IllegalTransition("a run begins with run_requested")
    agents = tuple(AgentView(number=number, name=name) for number, name in enumerate(event.agents, 1))
    return RunView(
        run=recorded.run,
        seq=recorded.seq,
        state=state,
        asked_at=recorded.at,
        updated_at=recorded.at,
        agents=agents,
        ballot=Ballot(size=len(agents)),
    )


def view_of(log: Iterable[Recorded]) -> RunView | None:
    """The view after a whole log; None if it is empty."""
    view: RunView | None = None
    for recorded in log:
        view = next_view(view, recorded)
    return view


def next_view(view: RunView | None, recorded: Recorded) -> RunView:
    """The view after one more event."""
    if view is None:
        return first_view(recorded)
    event = recorded.event
    state = evolve(view.state, event, recorded.at)
    seen = replace(
        _with_missing(_with_questions(_with_agents(view, event), event), event),
        seq=recorded.seq,
        state=state,
        updated_at=recorded.at,
        ballot=_ballot(state) or view.ballot,
    )
    return _with_facts(seen, event, recorded.at)


def _ballot(state: s.RunState) -> Ballot | None:
    match state:
        case s.Deliberating(ballot=ballot) | s.AwaitingDecision(ballot=ballot):
            return ballot
        case _:
            return None


def _with_agents(view: RunView, event: e.RunEvent) -> RunView:
    match event:
        case e.DeliberationStarted():
            return _restarted(view, event)
        case e.TurnStarted(agent=agent, turn=turn):
            return _agent(view, agent, doing=Thinking(), turn=turn)
        case e.AnswerAccepted(agent=agent, number=number):
            return _agent(view, agent, doing=AnsweredNow(), answered=f"agent{agent}.{number}")
        case e.VoteCast(agent=agent, choice=choice, epoch=epoch):
            return _agent(view, agent, doing=VotedFor(choice, is_void=epoch < view.ballot.epoch))
        case e.VoteVoided(agent=agent, choice=choice):
            return _agent(view, agent, doing=VotedFor(choice, is_void=True))
        case (
            e.ToolRead()
            | e.ActionRecorded()
            | e.ActionWithdrawn()
            | e.AgentTold()
            | e.AgentCorrected()
            | e.ModelRetried()
            | e.AgentFailed()
        ):
            seen = _agent(view, event.agent, doing=_doing(event))
            if isinstance(event, e.ToolRead):
                doubtful = _with_doubtful(view.doubtful_reads, event)
                return replace(
                    seen, reads=view.reads + 1, sources=with_source(view.sources, event), doubtful_reads=doubtful
                )
            return replace(seen, corrections=view.corrections + isinstance(event, e.AgentCorrected))
        case _:
            return view


def _with_questions(view: RunView, event: e.RunEvent) -> RunView:
    """Who waits for people, and who does no more."""
    match event:
        case e.QuestionAsked(agent=agent):
            return _agent(view, agent, doing=Thinking("asking"))
        case e.QuestionAnswered(number=number) | e.QuestionExpired(number=number):
            questions = view.state.questions if isinstance(view.state, s.Deliberating) else ()
            return _agent(view, questions[number - 1].agent, doing=Thinking()) if questions else view
        case _:
            return view


def _with_missing(view: RunView, event: e.RunEvent) -> RunView:
    """What agents can't use, each once."""
    match event:
        case e.ServerUnavailable():
            return replace(view, absent=(*view.absent, event))
        case e.ToolUnavailable(server=server, tool=tool):
            is_known = any((each.server, each.tool) == (server, tool) for each in view.unusable)
            return view if is_known else replace(view, unusable=(*view.unusable, event))
        case _:
            return view


def _with_doubtful(before: tuple[tuple[str, str], ...], event: e.ToolRead) -> tuple[tuple[str, str], ...]:
    found = (f"{event.server}.{event.tool}", event.doubtful_rule)
    return before if not event.doubtful_rule or found in before else (*before, found)


def _doing(
    event: e.ToolRead
    | e.ActionRecorded
    | e.ActionWithdrawn
    | e.AgentTold
    | e.AgentCorrected
    | e.ModelRetried
    | e.AgentFailed,
) -> Doing:
    match event:
        case e.ToolRead(server=server, tool=tool):
            return Using(server, tool, is_action=False)
        case e.ActionRecorded(call=call):
            return Using(call.server, call.tool, is_action=True)
        case e.ActionWithdrawn():
            return Thinking()
        case e.AgentTold():
            return Thinking("told")
        case e.AgentCorrected():
            return Thinking("corrected")
        case e.ModelRetried(reason=reason, wait=wait):
            return Retrying(reason, wait)
        case e.AgentFailed(reason=reason):
            return DroppedOut(reason)
        case _:
            assert_never(event)


def _with_facts(view: RunView, event: e.RunEvent, at: datetime) -> RunView:
    match event:
        case e.ModelUsed():
            return replace(view, spent=view.spent.plus(event))
        case e.PlanProposed(plan=plan, chosen_by=chosen_by, because=because, revised=revised):
            times = tuple(CallTimes() for _ in plan.calls)
            view = replace(view, on_grants=())
            proposed = replace(view, calls=times, revision=plan.revision, chosen_by=chosen_by, because=because)
            return replace(proposed, revised=revised, plan=plan, plan_before=view.plan, change=view.wished, wished=None)
        case e.ApprovalGiven(by=by) | e.ChangesRequested(by=by):
            wished = event if isinstance(event, e.ChangesRequested) else view.wished
            uses = event.grants if isinstance(event, e.ApprovalGiven) else ()
            if isinstance(event, e.ApprovalGiven):
                view = _with_break_glass(view, event, at)
            return replace(view, decided_by=by, decided_at=at, wished=wished, on_grants=(*view.on_grants, *uses))
        case e.PlanRejected(by=by):
            return _ended(replace(view, decided_by=by, decided_at=at), at)
        case e.CallStarted(index=index):
            return _timed(view, index, CallTimes(started=at))
        case e.CallSucceeded(index=i) | e.CallFailed(index=i) | e.CallOutcomeUnknown(index=i):
            return _timed(view, i, replace(view.calls[i], ended=at))
        case e.RunAnswered() | e.PlanExpired() | e.RunCancelled() | e.RunFinished() | e.RunFailed():
            return _ended(view, at)
        case _:
            return view


def _with_break_glass(view: RunView, event: e.ApprovalGiven, at: datetime) -> RunView:
    if event.break_glass is None or view.plan is None or not isinstance(view.state, s.Executing):
        return view
    others = tuple(each for each in view.state.approvals if not each.is_same_as(event.by))
    use = BreakGlassUse(
        seq=view.seq,
        at=at,
        by=event.by,
        digest=event.digest,
        reason=event.break_glass,
        policy=view.plan.policy,
        others=others,
    )
    return replace(view, break_glass=(*view.break_glass, use))


def _ended(view: RunView, at: datetime) -> RunView:
    is_ended = isinstance(view.state, s.Finished | s.Answered | s.Rejected | s.Expired | s.Cancelled | s.RunBroken)
    return replace(view, ended_at=at) if is_ended else view


def _restarted(view: RunView, event: e.DeliberationStarted) -> RunView:
    is_restart = event.revision == view.revision and isinstance(view.state, s.Deliberating)
    agents = tuple(
        agent
        if isinstance(agent.doing, DroppedOut) and is_restart
        else replace(agent, doing=Idle(), turn=agent.turn if is_restart else 0)
        for agent in view.agents
    )
    return replace(
        view,
        agents=agents,
        revision=event.revision,
        restarts=view.restarts + is_restart,
        absent=(),
        unusable=view.unusable if is_restart else (),
    )


def _agent(
    view: RunView, number: int, *, doing: Doing, answered: str | None = None, turn: int | None = None
) -> RunView:
    before = view.agents[number - 1]
    after = replace(
        before,
        doing=doing,
        answered=answered or before.answered,
        turn=before.turn if turn is None else turn,
    )
    return replace(view, agents=(*view.agents[: number - 1], after, *view.agents[number:]))


def _timed(view: RunView, index: int, times: CallTimes) -> RunView:
    return replace(view, calls=(*view.calls[:index], times, *view.calls[index + 1 :]))
