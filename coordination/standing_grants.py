"""What people do with standing grants: give one for calls like one that they see, list them, revoke one.

The log has them: each in that of the run on whose card it was given.
"""

from collections.abc import Sequence
from datetime import timedelta

from coordination.authorization import is_of, message
from coordination.current_rules import CurrentRules, PersonDirectory, denied, rules_now, tightened
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.canonical_json import parse
from coordination.domain.grant_checks import approvals_on, judge_grantor, judge_revoker
from coordination.domain.grants import LONGEST, MOST_CALLS, Grant, Standing, fixed, read_for
from coordination.domain.plan import Plan
from coordination.domain.policy import Person, Refusal, RunAction
from coordination.domain.transitions import authors_in, evolve, replay
from coordination.errors import ConflictError, IllegalTransition, PersonUnreadableError, RefusedError, RunNotFoundError
from coordination.ports import Clock, NewId, RunLog
from coordination.run_writer import MAX_RACES
from coordination.text import Text

_HAS_PLAN = (s.AwaitingDecision, s.Finished)


class StandingGrants:
    """Gives, lists and revokes standing grants."""

    def __init__(self, log: RunLog, *, clock: Clock, new_id: NewId, current: CurrentRules) -> None:
        """`current` knows the rules of now, which a grant must fit as a plan must."""
        self._log = log
        self._clock = clock
        self._new_id = new_id
        self._current = current

    async def give(
        self,
        run: str,
        digest: str,
        by: Person,
        index: int,
        *,
        lasts: timedelta,
        most: int,
        free: Sequence[str] = (),
    ) -> Grant:
        """Allow calls like this one of a plan, counted from 0, of which the `free` arguments may be anything.

        Raises:
            RefusedError: they may not, or no such grant can be given.
        """
        if not timedelta(0) < lasts <= LONGEST:
            raise RefusedError("grant_period", _TOO_LONG)
        if not 1 <= most <= MOST_CALLS:
            raise RefusedError("grant_number", _TOO_MANY)
        for _ in range(MAX_RACES):
            state, seq = await self._checked(run, digest, by)
            grant = self._made(state, by, index, lasts=lasts, most=most, free=free)
            now = self._clock.now()
            try:
                event = e.GrantGiven(index=index, grant=grant)
                await self._log.append(run, seq, [event], now, evolve(state, event, now))
            except ConflictError:
                continue
            except IllegalTransition:
                raise RefusedError("no_grant", _NO_GRANT) from None
            return grant
        raise ConflictError(run, 0)

    async def check(self, run: str, digest: str, by: Person) -> Plan:
        """Refuse whom the log or the rules of now let give no grant on this plan, before they write anything.

        Raises:
            RefusedError: they may not.
        """
        return (await self._checked(run, digest, by))[0].plan

    async def listed(self, tenant: str | None = None) -> Sequence[Standing]:
        """The grants on which calls may start now, oldest first."""
        now = self._clock.now()
        return [each for each in await self._log.grants(now, tenant) if each.is_live(now)]

    async def revoke(self, id_: str, by: Person) -> Standing:
        """Take a grant back that a person has given, or that they administer: no call starts on it after this.

        Raises:
            RefusedError: there is no such grant of their tenant that holds, or it is not for them to revoke.
        """
        return await self._revoke(id_, by, by.tenant)

    async def revoke_any(self, id_: str, by: Person) -> Standing:
        """Take back a grant of any tenant, as whoever operates the program may.

        Raises:
            RefusedError: there is no such grant that holds.
        """
        return await self._revoke(id_, by, None)

    async def _revoke(self, id_: str, by: Person, tenant: str | None) -> Standing:
        for _ in range(MAX_RACES):
            found = next((each for each in await self.listed(tenant) if each.grant.id == id_), None)
            if found is None:
                raise RefusedError("no_such_grant", Text("There is no standing grant {grant} here.", grant=id_))
            if tenant is not None and (refusal := judge_revoker(found.grant, by)) is not None:
                grantor = found.grant.by.name
                raise RefusedError(refusal, Text("Only {who} and administrators can revoke this grant.", who=grantor))
            records = await self._log.read(found.run)
            event, now = e.GrantRevoked(grant=id_, by=by), self._clock.now()
            try:
                await self._log.append(found.run, records[-1].seq, [event], now, evolve(replay(records), event, now))
            except ConflictError:
                continue
            return found
        raise ConflictError(id_, 0)

    async def _checked(self, run: str, digest: str, by: Person) -> tuple[s.AwaitingDecision | s.Finished, int]:
        records = await self._log.read(run)
        state = replay(records) if records else None
        if state is None or state.request.tenant != by.tenant:
            raise RunNotFoundError(run)
        if not isinstance(state, _HAS_PLAN):
            raise RefusedError(Refusal.NOTHING_TO_DECIDE, message(Refusal.NOTHING_TO_DECIDE, state))
        refusal = judge_grantor(state, by, authors_in(records), self._clock.now())
        if not is_of(state.plan, digest):
            refusal = Refusal.STALE_PLAN
        if refusal is None:
            now = await rules_now(self._current, run, state.request)
            if now is not None and denied(state.plan, state.request, now) is not None:
                refusal = Refusal.DENIED_NOW
            elif now is not None and not tightened(state.plan, state.request, now).names(by):
                refusal = Refusal.NOT_AN_APPROVER
            elif now is not None and not tightened(state.plan, state.request, now).allow_grants:
                refusal = Refusal.NO_GRANTS
        if refusal is not None:
            event = e.ActionRefused(by=by, act=RunAction.GRANT, refusal=refusal)
            try:
                await self._log.append(run, records[-1].seq, [event], self._clock.now(), state)
            except ConflictError:
                return await self._checked(run, digest, by)
            raise RefusedError(refusal, message(refusal, state))
        return state, records[-1].seq

    def _made(
        self,
        state: s.AwaitingDecision | s.Finished,
        by: Person,
        index: int,
        *,
        lasts: timedelta,
        most: int,
        free: Sequence[str],
    ) -> Grant:
        plan = state.plan
        if not 0 <= index < len(plan.calls):
            raise RefusedError("no_call", Text("This plan has no call {number}.", number=index + 1))
        call = plan.calls[index]
        arguments = parse(call.arguments)
        names = tuple(sorted(set(free)))
        if not isinstance(arguments, dict) or not set(names) <= arguments.keys():
            raise RefusedError("no_argument", Text("The call has no such argument: {names}.", names=", ".join(names)))
        grant = Grant(
            id=self._new_id(),
            tenant=plan.tenant,
            config=state.request.config,
            server=call.server,
            tool=call.tool,
            definition=call.definition,
            settings=call.settings,
            arguments=fixed(call.arguments, names),
            read=read_for(plan, call),
            by=by,
            until=self._clock.now() + lasts,
            most=most,
            free=names,
        )
        if not grant.covers(plan, call, state.request.config):
            raise RefusedError("no_grant", _NO_GRANT)
        return grant


async def approvals_on_grants(
    proposed: e.PlanProposed, state: s.RunState, log: RunLog, directory: PersonDirectory, clock: Clock
) -> Sequence[e.ApprovalGiven]:
    """The approvals that grants give a plan which is about to be proposed.

    None where they do not fill all of its places.

    Of whom nothing can be told here counts what was known when they gave theirs: the chat is asked before anything
    starts.
    """
    now = clock.now()
    awaiting = evolve(state, proposed, now)
    if not isinstance(awaiting, s.AwaitingDecision):
        return ()
    standing = await log.grants(now, proposed.plan.tenant)
    grantors: tuple[Person, ...] = ()
    for each in standing:
        grantors = s.with_person(grantors, each.grant.by)
    people: list[Person] = []
    for person in grantors:
        try:
            found = await directory.current(person)
        except PersonUnreadableError:
            found = person
        if found is not None and found.is_same_as(person):
            people.append(found)
    return approvals_on(awaiting, standing, people, now)


_TOO_LONG = Text("A standing grant can last at most {days} days.", days=LONGEST.days)
_TOO_MANY = Text("A standing grant can be for 1 to {most} calls.", most=MOST_CALLS)
_NO_GRANT = Text(
    "No standing grant like this can be given for this call. A call that takes a value from an earlier call can't have "
    "one. If a call may destroy something or repeats what agents read, none of its arguments may differ."
)
