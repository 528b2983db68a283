"""What holds now, beside what held when a plan was shown: the rules of its place, and what its approvers still may.

A plan is judged by the stricter of then and now: at each decision, at the claim, and before each call.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Protocol

from coordination.budget import NothingSpent, started_today
from coordination.domain.ballot import Election
from coordination.domain.canonical_json import Json, JsonObject, parse
from coordination.domain.conditions import CallContext
from coordination.domain.day_caps import Caps, DayCap, lowest, over_day_cap
from coordination.domain.events import (
    ApproversAsked,
    ApproversRead,
    Because,
    CallsSkipped,
    ExecutionFrozen,
    ExecutionThawed,
    PlanProposed,
    RulesNow,
    RunEvent,
    RunRequested,
)
from coordination.domain.grant_checks import are_void
from coordination.domain.grants import Standing
from coordination.domain.plan import Plan, PlannedCall, over_cap
from coordination.domain.policy import Person, Policy, Refusal
from coordination.domain.quorums import Seats, all_of
from coordination.domain.states import AwaitingDecision, Executing, NeedsHuman
from coordination.domain.tool_rules import Effect, Ruling, both, possible_effects, rule
from coordination.errors import ConfigError, DayCapError, PersonUnreadableError, StoredConfigError
from coordination.ports import Clock, Spending
from coordination.run_options import AgentProfile, RunProfile
from coordination.text import Text

FRESH = timedelta(seconds=15)
"""How long it counts what a process that serves the chat found out about approvers for one that does not."""

PATIENCE = timedelta(minutes=1)
"""How long a claim waits for what a chat tells about approvers, looking once a second; then the plan is asked again."""


_NOT_AGAIN: Mapping[Because, Text] = {
    "rules": Text("the rules got stricter after the approval"),
    "approvers": Text("someone whose confirmation let the run continue may no longer approve"),
    "unreadable": Text("it can't be checked whether those whose confirmation let the run continue may still approve"),
    "grants": Text("a standing grant that approved the plan was revoked, has expired or is used up"),
}
"""Why the rest is skipped of what can't be asked again, since some of it has begun."""


class CurrentRules(Protocol):
    """Reads the configuration and the settings that hold where a run was asked for."""

    async def __call__(self, run: str, request: RunRequested) -> RunProfile | None:
        """What a run that began now would get; None: the same as this run got, or this process can't tell.

        Raises:
            ConfigError: what holds now is not there, or can't be used.
        """
        ...


class PersonDirectory(Protocol):
    """Knows people as their chat, or their terminal, knows them at this moment."""

    async def current(self, person: Person) -> Person | None:
        """The person with the roles that they have now; None: there is no such person any more.

        Raises:
            PersonUnreadableError: it can't be told, here or now.
        """
        ...

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """How many people have one of these roles at most, besides these accounts; None: it can't be told."""
        ...


class GrantBook(Protocol):
    """Knows what people have granted."""

    async def grants(self, at: datetime, tenant: str | None = None) -> Sequence[Standing]:
        """The grants that may hold at a moment in a tenant, or anywhere, oldest first.

        Revoked ones and used up ones too.
        """
        ...


class NoGrants:
    """For a program in which nobody grants anything: what stands on a grant is void."""

    async def grants(self, at: datetime, tenant: str | None = None) -> Sequence[Standing]:
        """None."""
        del at, tenant
        return ()


class Freezes(Protocol):
    """Knows who had everything stop."""

    async def frozen_by(self, tenant: str) -> Person | None:
        """Who froze this tenant, or all of them; None: calls may start.

        Raises:
            StorageError: it can't be told, so nothing may start.
        """
        ...


class NeverFrozen:
    """For a program that nobody can freeze."""

    async def frozen_by(self, tenant: str) -> Person | None:
        """Nobody."""
        del tenant
        return None


async def as_it_was(run: str, request: RunRequested) -> None:
    """Current rules for a program that has none but those that runs began with."""
    del run, request


class ByTheClock:
    """Rules as they are at this moment, also where nothing but the hour has changed. Fits `CurrentRules`."""

    def __init__(
        self, current: CurrentRules, clock: Clock, began_with: Callable[[RunRequested], Awaitable[RunProfile]]
    ) -> None:
        """`began_with` reads what a run began with."""
        self._current = current
        self._clock = clock
        self._began_with = began_with
        self._looks: dict[str, bool] = {}

    async def __call__(self, run: str, request: RunRequested) -> RunProfile | None:
        """What a run that began now would get; None: the same as this run got, at any hour.

        Raises:
            ConfigError: what holds now, or held then, is not there, or can't be used.
        """
        now = await self._current(run, request)
        if now is None and self._looks.get(request.config_digest, True):
            then = await self._began_with(request)
            self._looks[request.config_digest] = then.looks_at_the_clock
            now = replace(then, is_same=True) if then.looks_at_the_clock else None
        return None if now is None else replace(now, at=self._clock.now())


class ReadOnce:
    """Rules that are read when they are first asked for, and held for one decision. Fits `CurrentRules`."""

    def __init__(self, current: CurrentRules) -> None:
        """For one run."""
        self._current = current
        self._found: RunProfile | ConfigError | None = None
        self._is_read = False

    async def __call__(self, run: str, request: RunRequested) -> RunProfile | None:
        """What was read.

        Raises:
            ConfigError: what holds now is not there, or can't be used.
        """
        if not self._is_read:
            try:
                self._found = await self._current(run, request)
            except ConfigError as error:
                self._found = error
            self._is_read = True
        if isinstance(self._found, ConfigError):
            raise self._found
        return self._found


class Unchanging:
    """A directory for a program whose people never change."""

    async def current(self, person: Person) -> Person | None:
        """The person as they were."""
        return person

    async def others_in(self, tenant: str, roles: Sequence[str], besides: Sequence[str]) -> int | None:
        """Nobody knows."""
        del tenant, roles, besides
        return None


def compared(plan: Plan, request: RunRequested, now: RunProfile | None) -> RulesNow:
    """How the rules of now differ from those that the run began with, as people are told; None: they do not."""
    if now is None:
        return ""
    if denied(plan, request, now) is None:
        return "" if now.is_same else "changed"
    return "hours" if now.is_same else "denied"


def freeze_event(before: Person | None, now: Person | None) -> ExecutionFrozen | ExecutionThawed | None:
    """What is to be told of a run where who froze it is not what its log says; None: it is."""
    if (before is None) == (now is None):
        return None
    return ExecutionThawed() if now is None else ExecutionFrozen(by=now)


def tightened(plan: Plan, request: RunRequested, now: RunProfile) -> Policy:
    """The plan's rule of approval, made as strict as the one that holds now."""
    rulings = _rulings(plan, request, now)
    policy = plan.policy.stricter(now.policy).with_needs(all_of(each.needs for each in rulings))
    asks_now = plan.is_automatic and any(each.effect is Effect.ASK for each in rulings)
    return replace(policy, binds_automatic=True) if asks_now else policy


def differs(state: Executing | NeedsHuman, now: Policy) -> bool:
    """Whether a plan that was approved would need more by now. Who may use break-glass matters where somebody did."""
    then = state.plan.policy
    return then != (now if state.break_glass_by is not None else replace(now, break_glass=then.break_glass))


def denied(plan: Plan, request: RunRequested, now: RunProfile) -> PlannedCall | None:
    """The first call that the rules of now forbid, whose server they do not know, or that is one of too many by now."""
    rulings = _rulings(plan, request, now)
    forbidden = (call for call, each in zip(plan.calls, rulings, strict=True) if each.effect is Effect.DENY)
    capped = [replace(call, needs=each.needs) for call, each in zip(plan.calls, rulings, strict=True)]
    return next(forbidden, None) or over_cap(capped)


def day_caps(plan: Plan, request: RunRequested, now: RunProfile | None) -> list[Caps]:
    """The caps of the day that hold for each call: those of its own rule, and those of the rules of now."""
    own = [call.needs.per_day for call in plan.calls]
    if now is None:
        return own
    return [lowest(caps, each.needs.per_day) for caps, each in zip(own, _rulings(plan, request, now), strict=True)]


async def none_left(
    plan: Plan, request: RunRequested, now: RunProfile | None, spending: Spending, clock: Clock
) -> DayCap | None:
    """The cap of the day that leaves too few calls for a whole plan; None: there is none.

    Without caps nothing is counted.
    """
    caps = day_caps(plan, request, now)
    return over_day_cap(caps, await started_today(spending, clock, request.tenant)) if any(caps) else None


def _rulings(plan: Plan, request: RunRequested, now: RunProfile) -> list[Ruling]:
    """What the rules of now say of each call."""
    author = _author(plan, request.agents)
    return [
        ruling_now(
            call.server, call.tool, author, now, context_of(request, parse(call.arguments), call.unknown)
        ).with_origins(call.read_for_rules)
        for call in plan.calls
    ]


def may_read_now(plan: Plan, request: RunRequested, now: RunProfile | None) -> Callable[[str, str, JsonObject], bool]:
    """Whether the rules of now let the plan's author read with a server's tool and arguments."""

    def may_read(server: str, tool: str, arguments: JsonObject) -> bool:
        if now is None:
            return True
        author = _author(plan, request.agents)
        return ruling_now(server, tool, author, now, context_of(request, arguments)).effect is Effect.READ

    return may_read


def context_of(request: RunRequested, arguments: Json = None, unknown: frozenset[str] = frozenset()) -> CallContext:
    """A call as the conditions of rules see it; of the `unknown` arguments nobody knows yet what they will be."""
    return CallContext(arguments=arguments, requester=request.requester, place=request.asked_in, unknown=unknown)


def _author(plan: Plan, agents: Sequence[str]) -> str:
    number = int(plan.author.removeprefix("agent").partition(".")[0])
    return agents[number - 1] if 0 < number <= len(agents) else ""


def ruling_now(server: str, tool: str, author: str, now: RunProfile, context: CallContext) -> Ruling:
    """What the rules of now say of a call of the agent with this id; where there is none of its name, everybody's."""
    context = context if context.at is not None else replace(context, at=now.at)
    rulings = [rule(agent.rules, server, tool, context) for agent in _heirs(server, author, now)]
    return reduce(both, rulings) if rulings else _NO_SERVER


_NO_SERVER = Ruling(effect=Effect.DENY, reason=Text("no agent has its server"))


def effects_now(server: str, tool: str, author: str, now: RunProfile) -> frozenset[Effect]:
    """What may become of calls of a tool by the rules of now, whatever their arguments."""
    heirs = _heirs(server, author, now)
    effects = {each for agent in heirs for each in possible_effects(agent.rules, server, tool)}
    return frozenset(effects or {Effect.DENY})


def _heirs(server: str, author: str, now: RunProfile) -> list[AgentProfile]:
    """The agents of now that stand for one of then, as far as they have a server."""
    heirs = [agent for agent in now.agents if agent.id == author] or list(now.agents)
    return [agent for agent in heirs if any(each.name == server for each in agent.servers)]


async def rules_now(current: CurrentRules, run: str, request: RunRequested) -> RunProfile | None:
    """What a run that began now would get, None where that is what this one got: for who does nothing without it.

    Raises:
        ConfigError: it can't be read, and the text says that it is about the rules of now.
    """
    try:
        return await current(run, request)
    except ConfigError as error:
        raise ConfigError([Text("the current rules can't be read: {why}", why=error.text)]) from error


async def all_still_may(policy: Policy, approvals: Sequence[Person], directory: PersonDirectory) -> bool:
    """Whether everybody who approved would still be let approve, as far as their roles go.

    Raises:
        PersonUnreadableError: it can't be told of somebody.
    """
    return not await who_may_not(policy, approvals, directory)


async def who_may_not(policy: Policy, people: Sequence[Person], directory: PersonDirectory) -> tuple[Person, ...]:
    """Those of these people who would not be let approve any more, as far as their roles go.

    All of them have said the same thing. Who is not needed any more beside the others is lost, too.

    Raises:
        PersonUnreadableError: it can't be told of somebody.
    """
    lost: list[Person] = []
    seats = Seats[Person](policy.places)
    for person in people:
        current = await directory.current(person)
        may_say = current is not None and current.is_same_as(person) and policy.names(current)
        if current is None or not may_say or (policy.quorums and not seats.seat(current)):
            lost.append(person)
    return tuple(lost)


def asked_again(plan: Plan, election: Election, policy: Policy, because: Because, now: datetime) -> PlanProposed:
    """The same plan as its next revision, under this rule; what was approved of the earlier one is void."""
    again = Plan(
        tenant=plan.tenant,
        run=plan.run,
        revision=plan.revision + 1,
        author=plan.author,
        text=plan.text,
        calls=plan.calls,
        policy=policy,
        expires_at=now + timedelta(seconds=policy.expires_after),
    )
    return PlanProposed(plan=again, digest=again.digest, election=election, because=because)


@dataclass
class _Claim:
    """When this worker had others ask about approvers, how often it looked for their answer, and when it saw it."""

    asked_at: datetime | None = None
    seen_at: datetime | None = None
    looks: int = 0


@dataclass(frozen=True)
class Guards:
    """Holds approved plans against what holds now, at the claim and before each call."""

    current: CurrentRules
    directory: PersonDirectory
    clock: Clock
    freezes: Freezes = field(default_factory=NeverFrozen)
    spending: Spending = field(default_factory=NothingSpent)
    grants: GrantBook = field(default_factory=NoGrants)

    def of(self, run: str) -> Callable[[Executing], Awaitable[RunEvent | Caps | None]]:
        """The guard of one run, for one worker: what happens in place of the next call, or else the caps it counts for.

        While the state waits for approvers no call may begin, whatever the guard gives.
        """
        claim = _Claim()

        async def guard(state: Executing) -> RunEvent | Caps | None:
            instead: RunEvent | None = None
            caps: Caps = ()
            if state.frozen_by is None:  # Else nothing starts now, and all of it is looked at when something may.
                found = await self._by_rules(run, state)
                if isinstance(found, tuple):
                    caps = found
                else:
                    instead = found
                instead = instead or await self._by_grants(state) or await self._by_people(state, claim)
            frozen_by = await self.freezes.frozen_by(state.request.tenant)
            return instead or freeze_event(state.frozen_by, frozen_by) or caps

        return guard

    async def _by_rules(self, run: str, state: Executing) -> RunEvent | Caps:
        """What the rules want in place of the next call, else the caps of the day that it counts for."""
        try:
            now = await self.current(run, state.request)
        except ConfigError as error:
            return _skipped(state, Text("the current rules can't be read: {why}", why=error.text))
        if now is None:
            return await self._by_caps(state, None)
        forbidden = denied(state.plan, state.request, now)
        if forbidden is not None and now.is_same:
            return _skipped(
                state,
                Text("the rules forbid {server}.{tool} at this hour", server=forbidden.server, tool=forbidden.tool),
            )
        if forbidden is not None:
            return _skipped(
                state,
                Text("the current rules forbid {server}.{tool}", server=forbidden.server, tool=forbidden.tool),
            )
        policy = tightened(state.plan, state.request, now)
        return self._instead(state, policy, "rules") if differs(state, policy) else await self._by_caps(state, now)

    async def _by_caps(self, state: Executing, now: RunProfile | None) -> RunEvent | Caps:
        """At the claim the whole plan must fit into the day; later calls are counted one by one as they start."""
        cap = None
        if state.is_untouched:
            cap = await none_left(state.plan, state.request, now, self.spending, self.clock)
        if cap is not None:
            return _skipped(state, DayCapError(cap.match, cap.most, left=cap.left).text)
        return day_caps(state.plan, state.request, now)[state.next_index]

    async def _by_grants(self, state: Executing) -> RunEvent | None:
        """Before each call, where grants approved the plan: they must still hold, for all that is left of it."""
        if not state.granted:
            return None
        now = self.clock.now()
        standing = await self.grants.grants(now, state.request.tenant)
        return self._instead(state, state.plan.policy, "grants") if are_void(state, standing, now) else None

    async def _by_people(self, state: Executing, claim: "_Claim") -> RunEvent | None:
        """At the claim alone: what has begun goes on under the approval, or the words, that it began with.

        Where this process can't ask, it has those ask who can, and says so in the log; nothing is taken on trust.
        """
        if not state.vouching:
            return None
        try:
            lost = await who_may_not(state.vouching_rule, state.vouching, self.directory)
        except PersonUnreadableError:
            return self._by_others(state, claim)
        if lost or (state.check is not None and state.check.lost):
            return self._instead(state, state.plan.policy, "approvers")
        return ApproversRead() if state.waits_for_approvers else None

    def _by_others(self, state: Executing, claim: "_Claim") -> RunEvent | None:
        """By this worker's own clock: that of the process which answers may be another one."""
        now, check = self.clock.now(), state.check
        if check is None or claim.asked_at is None:
            claim.asked_at, claim.seen_at, claim.looks = now, None, 0
            return ApproversAsked()
        if not check.is_read:
            claim.looks += 1
            is_over = now - claim.asked_at > PATIENCE or claim.looks > PATIENCE.total_seconds()
            return self._instead(state, state.plan.policy, "unreadable") if is_over else None
        if check.lost:
            return self._instead(state, state.plan.policy, "approvers")
        claim.seen_at = claim.seen_at or now
        if now - claim.seen_at <= FRESH:
            return None
        claim.asked_at, claim.seen_at, claim.looks = now, None, 0
        return ApproversAsked()

    def _instead(self, state: Executing, policy: Policy, because: Because) -> RunEvent:
        if state.is_untouched and state.decided is not None:
            return asked_again(state.plan, state.decided.election, policy, because, self.clock.now())
        return _skipped(state, _NOT_AGAIN[because])


def _skipped(state: Executing, reason: Text) -> CallsSkipped:
    return CallsSkipped(indexes=tuple(range(state.next_index, len(state.plan.calls))), reason=reason)


async def objection_to_approval(
    run: str,
    state: AwaitingDecision,
    current: CurrentRules,
    directory: PersonDirectory,
    *,
    spending: Spending,
    clock: Clock,
) -> Refusal | None:
    """Why nobody may approve this plan now, whoever they are; None: nothing is in the way."""
    if clock.now() >= state.plan.expires_at:
        return None
    try:
        now = await current(run, state.request)
        await all_still_may(state.plan.policy, state.approvals, directory)
    except StoredConfigError:
        return Refusal.STORED_CONFIG_CHANGED
    except ConfigError:
        return Refusal.RULES_UNREADABLE
    except PersonUnreadableError:
        return Refusal.APPROVERS_UNREADABLE
    if now is not None and denied(state.plan, state.request, now) is not None:
        return Refusal.NOT_AT_THIS_HOUR if now.is_same else Refusal.DENIED_NOW
    cap = await none_left(state.plan, state.request, now, spending, clock)
    return None if cap is None else Refusal.NONE_LEFT_TODAY
