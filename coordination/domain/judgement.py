"""What people and agents are on record for, judged again on every replay, from the log alone.

The service judged it before it wrote it down; whoever writes to a database behind the service's back did not. What the
logs of earlier programs can't satisfy is asked only of runs that began under these rules (`rules_version`).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.break_glass import is_reason
from coordination.domain.canonical_json import Json, canonical, is_canonical_object, parse
from coordination.domain.conditions import at_path, steps_of, unread
from coordination.domain.plan import Plan, PlannedCall, only, over_cap, paths_wanted, without_dependents
from coordination.domain.policy import Person, RunAction, judge, judge_stop
from coordination.domain.preset_plan import PresetPlan
from coordination.domain.references import values_of
from coordination.errors import IllegalTransition

_DRIFT = timedelta(minutes=1)
"""How far a clock may be set back between the moment that a deadline is counted from and the one on record."""

_EVERY_WORD_COUNTS = 3
"""The first version of the rules by which going on with a plan takes as many people as the plan took."""

_WithPlan: TypeAlias = s.AwaitingDecision | s.NeedsHuman


def check_decision(state: _WithPlan, action: RunAction, by: Person, at: datetime) -> None:
    """Make sure that a person may decide so at this moment.

    Raises:
        IllegalTransition: the rules of the plan refuse it.
    """
    refusal = judge(
        state.plan.policy,
        action,
        by=by,
        authors=s.authors_of(state),
        approvals=state.approvals,
        at=at,
        expires_at=state.plan.expires_at,
        version=state.request.rules_version,
    )
    if refusal is not None:
        raise IllegalTransition(f"{by.name} may not {action} this plan: {refusal}")


def check_break_glass(state: s.AwaitingDecision, event: e.ApprovalGiven, at: datetime) -> None:
    """Make sure that a person may approve alone in an emergency, and said why.

    Raises:
        IllegalTransition: the rules of the plan refuse it, there is no reason, or it stands on grants.
    """
    check_decision(state, RunAction.BREAK_GLASS, event.by, at)
    if event.break_glass is None or not is_reason(event.break_glass):
        raise IllegalTransition(f"{event.by.name} approves alone, and the log does not say why")
    if event.grants or state.granted:
        raise IllegalTransition("a person approves alone on standing grants")


def check_stop(state: s.RunState, by: Person) -> None:
    """Make sure that a person may stop the run.

    Raises:
        IllegalTransition: they may not.
    """
    approvals = state.approvals if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman) else ()
    requester = state.request.requester
    refusal = judge_stop(s.newest_policy(state), by=by, requester=requester, approvals=approvals)
    if refusal is not None:
        raise IllegalTransition(f"{by.name} may not stop this run: {refusal}")


def check_recorded(state: s.Deliberating, agent: int, calls: tuple[PlannedCall, ...]) -> None:
    """Make sure that an agent recorded every call that is said to be its own.

    Raises:
        IllegalTransition: it did not.
    """
    if is_strict(state) and any((agent, call) not in state.recorded for call in calls):
        raise IllegalTransition(f"agent {agent} recorded no such call")


def check_record(state: s.Deliberating, agent: int, call: PlannedCall) -> None:
    """Make sure that an agent had read what the call's rule wants read before.

    Raises:
        IllegalTransition: it had not.
    """
    read = [parse(arguments) for reader, server, arguments in state.read if (reader, server) == (agent, call.server)]
    if call.needs.read_first and unread(call.needs.read_first, parse(call.arguments), read) is not None:
        raise IllegalTransition(f"agent {agent} has not read what this call changes")


def check_proposal(state: s.Deliberating, event: e.PlanProposed, at: datetime) -> None:
    """Make sure that the plan is the answer of the agent that is said to have won.

    Raises:
        IllegalTransition: it is not.
    """
    if event.chosen_by is not None:
        raise IllegalTransition("a plan can be chosen only in place of another")
    if not is_strict(state):
        return
    plan, winner, preset = event.plan, event.election.winner, state.request.preset
    if preset is not None and state.revision == 1:
        _check_preset(state, event, preset)
        _check_frame(state, plan, at)
        return
    if plan.author != f"agent{winner.agent}.final":
        raise IllegalTransition("the plan is not the winner's")
    if event.written_after_vote:
        check_recorded(state, winner.agent, plan.calls)
    elif (answer := state.ballot.newest().get(winner.agent)) is None or answer.calls != plan.calls:
        raise IllegalTransition("the plan is not the winner's answer")
    _check_frame(state, plan, at)


def _check_preset(state: s.Deliberating, event: e.PlanProposed, preset: PresetPlan) -> None:
    if not preset.is_made_of(event.plan.calls) or event.written_after_vote or state.ballot.answers:
        raise IllegalTransition("the plan is not the one that the run begins with")
    if event.plan.author != f"agent{preset.agent}.final":
        raise IllegalTransition("the plan that the run begins with is another agent's")
    check_recorded(state, preset.agent, event.plan.calls)


def check_choice(state: s.AwaitingDecision, event: e.PlanProposed, by: Person, at: datetime) -> None:
    """Make sure that a person may choose another agent's plan, and that this is one.

    Raises:
        IllegalTransition: they may not, or it is none.
    """
    check_decision(state, RunAction.CHANGE, by, at)
    plan, before = event.plan, state.plan
    answers = {answer.label: answer for answer in state.ballot.newest().values()}
    answer = answers.get(plan.author)
    if answer is None or (answer.text, answer.calls) != (plan.text, plan.calls):
        raise IllegalTransition("the chosen plan is no agent's answer")
    if (plan.tenant, plan.run) != (before.tenant, before.run):
        raise IllegalTransition("the chosen plan is another run's")
    rule = replace(before.policy, quorums=()).with_needs(plan.needs)
    if rule.stricter(plan.policy) != plan.policy:
        raise IllegalTransition("the chosen plan has a laxer rule than the one that it replaces")
    _check_frame(state, plan, at)


def check_revised(state: s.AwaitingDecision, event: e.PlanProposed, by: Person, at: datetime) -> None:
    """Make sure that a person may make this of the plan that waits: some of its calls, or one with other arguments.

    Raises:
        IllegalTransition: they may not, or more than that is different.
    """
    check_decision(state, RunAction.CHANGE, by, at)
    plan, before = event.plan, state.plan
    same = replace(before, revision=plan.revision, calls=plan.calls, policy=plan.policy, expires_at=plan.expires_at)
    if plan != same or event.because:
        raise IllegalTransition("more of the plan is different than its calls")
    is_selection = event.revised == "selected"
    if not (_is_selection(before.calls, event) if is_selection else _is_edit(before.calls, plan.calls)):
        raise IllegalTransition(f"the calls are not those of the plan before, {event.revised}")
    rule = (replace(before.policy, quorums=()) if is_selection else before.policy).with_needs(plan.needs)
    if rule.stricter(plan.policy) != plan.policy:
        raise IllegalTransition("the revised plan has a laxer rule than its calls need")
    _check_frame(state, plan, at)


def _is_selection(before: tuple[PlannedCall, ...], event: e.PlanProposed) -> bool:
    """Whether these are some of the calls, to the letter and in their order, and not all.

    Where calls refer to others, the event says which are left: the same reference may mean another call among fewer.
    """
    after, left = event.plan.calls, iter(before)
    if any(call.references for call in before):
        is_alone = 0 < len(event.kept) < len(before) and without_dependents(before, event.kept) == event.kept
        return is_alone and only(before, event.kept) == after
    return 0 < len(after) < len(before) and all(any(call == each for each in left) for call in after)


def _is_edit(before: tuple[PlannedCall, ...], after: tuple[PlannedCall, ...]) -> bool:
    """Whether one call has other arguments, and needs people now: those that it needed, and whom its rules add."""
    if len(before) != len(after):
        return False
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    return len(changed) == 1 and all(
        new
        == replace(
            old,
            arguments=new.arguments,
            is_automatic=False,
            says=new.says,
            needs=new.needs,
            references=new.references,
        )
        and (new.arguments, new.references) != (old.arguments, old.references)
        and set(new.references) <= set(old.references)
        and is_canonical_object(new.arguments)
        and new.needs == old.needs.and_also(new.needs)
        and keeps_what_was_read(old, new)
        for old, new in changed
    )


def keeps_what_was_read(old: PlannedCall, new: PlannedCall) -> bool:
    """Whether an edited call has, where its rules want something read first, what the planned one had there."""
    before, after = parse(old.arguments), parse(new.arguments)
    is_known = set(new.needs.read_first) <= set(old.needs.read_first)
    return is_known and all(_at(path, before) == _at(path, after) for path in new.needs.read_first)


def _at(path: str, arguments: Json) -> list[str | None]:
    found = at_path(arguments, steps_of(path) or ())
    return [None if each is None else canonical(each.value) for each in found]


def check_again(state: s.AwaitingDecision | s.Executing, event: e.PlanProposed, at: datetime) -> None:
    """Make sure that a plan that is asked again is the same, under a rule that is nowhere laxer.

    Raises:
        IllegalTransition: it is not.
    """
    plan, before = event.plan, state.plan
    same = replace(before, revision=plan.revision, policy=plan.policy, expires_at=plan.expires_at)
    if plan != same or event.chosen_by is not None:
        raise IllegalTransition("the plan that is asked again is another one")
    if before.policy.stricter(plan.policy) != plan.policy:
        raise IllegalTransition("the plan that is asked again has a laxer rule")
    _check_frame(state, plan, at)


def check_returned(plan: Plan, event: e.CallSucceeded) -> None:
    """Make sure that a call is said to have returned only what later calls refer to, and what may be sent for it.

    Raises:
        IllegalTransition: it is not.
    """
    values = values_of(event.returned)
    if values is None or not values.keys() <= {*paths_wanted(plan.calls, event.index)}:
        raise IllegalTransition("a call returned what no later call may take")


def check_validity(state: s.NeedsHuman, valid_until: datetime, at: datetime) -> None:
    """Make sure that what is left may not run for longer than the rule of the plan gives.

    Raises:
        IllegalTransition: it may.
    """
    _check_end(state.plan, valid_until, at)


def check_resolution(state: s.NeedsHuman, event: e.ResolutionApproved, at: datetime) -> None:
    """Make sure that a word is its person's first to this effect, and that more people must still say the same.

    Raises:
        IllegalTransition: it is not, or this one would do.
    """
    _check_attempt(state, event.verdict, at)
    before = state.resolvers(event.verdict)
    people = s.with_person(before, event.by)
    if people == before:
        raise IllegalTransition(f"{event.by.name} has said so already")
    if not state.adds(event.verdict, event.by, at):
        raise IllegalTransition(f"the word of {event.by.name} is not one that the plan needs")
    if len(people) >= state.resolutions_needed(event.verdict, at):
        raise IllegalTransition("with this word the call is settled")


def check_final_resolution(state: s.NeedsHuman, event: e.CallResolved, at: datetime) -> None:
    """Make sure that as many people said it as it takes, and that fewer than approved the plan give it no more time.

    Raises:
        IllegalTransition: they did not.
    """
    _check_attempt(state, event.verdict, at)
    if state.request.rules_version < _EVERY_WORD_COUNTS:
        return
    people = s.with_person(state.resolvers(event.verdict), event.by)
    if len(people) < state.resolutions_needed(event.verdict, at) or not state.adds(event.verdict, event.by, at):
        raise IllegalTransition("more people must say so before this call is settled")
    if len(people) < state.approvers_needed and event.valid_until > state.valid_until:
        raise IllegalTransition("fewer people than approved the plan give it more time")


def _check_attempt(state: s.NeedsHuman, verdict: e.Verdict, at: datetime) -> None:
    if verdict == "run_it" and state.may_still_happen(at):
        raise IllegalTransition("a call is made again while its first attempt may still happen")


def is_strict(state: s.RunState) -> bool:
    """Whether the run began under rules that ask for all of this."""
    return state.request.rules_version > 1


def _check_frame(state: s.RunState, plan: Plan, at: datetime) -> None:
    if plan.tenant != state.request.tenant:
        raise IllegalTransition("the plan is of another tenant")
    if plan.policy.with_needs(plan.needs) != plan.policy:
        raise IllegalTransition("the plan's rule leaves out whom one of its calls needs")
    if over_cap(plan.calls) is not None:
        raise IllegalTransition("the plan has more calls of a kind than its rule lets it have")
    _check_end(plan, plan.expires_at, at)


def _check_end(plan: Plan, end: datetime, at: datetime) -> None:
    if end > at + timedelta(seconds=plan.policy.expires_after) + _DRIFT:
        raise IllegalTransition("a deadline beyond the one that the plan's rule gives")
