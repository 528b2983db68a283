"""Whether a person may do something to a run in its current state, and one sentence that says why not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import Plan
from coordination.domain.policy import Authors, Person, Policy, Refusal, RunAction, judge, judge_stop, leaves_nobody
from coordination.domain.quorums import NOTHING, Quorum
from coordination.domain.states import RunState
from coordination.text import Text

_SHORTEST_DIGEST = 8


def judge_plan(state: RunState, digest: str, by: Person, action: RunAction, now: datetime) -> Refusal | None:
    """Why a person may not decide on the plan of this digest, or on the one that it begins; None: they may."""
    if isinstance(state, s.Expired):
        return Refusal.EXPIRED
    if not isinstance(state, s.AwaitingDecision):
        is_decided = isinstance(state, s.Executing | s.NeedsHuman | s.Reporting | s.Finished | s.Rejected)
        return Refusal.ALREADY_DECIDED if is_decided else Refusal.NOTHING_TO_DECIDE
    if not is_of(state.plan, digest):
        return Refusal.STALE_PLAN
    return _judge(state, by=by, action=action, now=now)


def is_of(plan: Plan, digest: str) -> bool:
    """Whether a digest, or the beginning of one, is this plan's."""
    return len(digest) >= _SHORTEST_DIGEST and plan.digest.startswith(digest.lower())


def judge_withdrawal(state: RunState, digest: str, by: Person) -> Refusal | None:
    """Why a person may not take back their approval; None: they may.

    Once there were enough, they can stop the run instead.
    """
    if by.tenant != state.request.tenant:
        return Refusal.OTHER_TENANT
    if not isinstance(state, s.AwaitingDecision):
        return Refusal.ALREADY_DECIDED
    if not is_of(state.plan, digest):
        return Refusal.STALE_PLAN
    return None if any(by.is_same_as(person) for person in state.approvals) else Refusal.NOT_APPROVED


def judge_cancel(state: RunState, by: Person) -> Refusal | None:
    """Why a person may not cancel; None: they may.

    The time is no reason: as long as something can start, it can stop.
    """
    if isinstance(state, s.Ended | s.Reporting):
        return Refusal.NOTHING_TO_CANCEL
    if isinstance(state, s.Executing | s.NeedsHuman) and state.stopped_by is not None:
        return Refusal.NOTHING_TO_CANCEL
    approvals = state.approvals if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman) else ()
    return judge_stop(s.newest_policy(state), by=by, requester=state.request.requester, approvals=approvals)


def judge_answer(state: RunState, number: int, by: Person, now: datetime) -> Refusal | None:
    """Why a person may not answer an agent's question; None: they may.

    It is asked of the requester alone: an answer is more of the request, and nobody becomes its author unawares.
    """
    questions = state.questions if isinstance(state, s.Deliberating) else ()
    if not any(each.number == number and each.is_open(now) for each in questions):
        return Refusal.NOTHING_TO_ANSWER
    return None if by.is_same_as(state.request.requester) else Refusal.NOT_ASKED


def authors_with(state: s.AwaitingDecision, by: Person) -> Authors:
    """Whose words the next plan would be made of, if a person shaped it."""
    authors = s.authors_of(state)
    return replace(authors, shapers=s.with_person(authors.shapers, by))


def judge_shaping(state: s.AwaitingDecision, by: Person) -> Refusal | None:
    """Why a person's words must not shape this run's next plan, though they may say them: nobody could approve it."""
    return Refusal.NOBODY_LEFT if leaves_nobody(state.plan.policy, authors_with(state, by)) else None


def judge_resolution(state: RunState, index: int, attempt: int | None, by: Person, now: datetime) -> Refusal | None:
    """Why a person may not say what became of a call; None: they may.

    A word about an earlier attempt settles nothing.
    """
    if not isinstance(state, s.NeedsHuman) or state.unknown.index != index or attempt not in (None, state.attempt):
        return Refusal.NOTHING_TO_RESOLVE
    return _judge(state, by=by, action=RunAction.RESOLVE, now=now)


def resolution_on(state: s.NeedsHuman, by: Person, verdict: e.Verdict, now: datetime) -> e.RunEvent | Refusal:
    """What a person's word does to a call in doubt: it counts, settles the call, or says what they said before.

    As many people as the plan took may let the rest run for as long as the plan's rule gives, from now on; fewer leave
    the approval's end where it was.
    """
    if verdict == "run_it" and state.may_still_happen(now):
        return Refusal.STILL_UNDER_WAY
    index, before = state.unknown.index, state.resolvers(verdict)
    people = s.with_person(before, by)
    if people != before and not state.adds(verdict, by, now):
        return Refusal.NOT_NEEDED
    if len(people) < state.resolutions_needed(verdict, now):
        again = people == before
        return Refusal.ALREADY_SAID if again else e.ResolutionApproved(index=index, by=by, verdict=verdict)
    anew = now + timedelta(seconds=state.plan.policy.expires_after)
    valid_until = anew if len(people) >= state.approvers_needed else state.valid_until
    return e.CallResolved(index=index, by=by, verdict=verdict, valid_until=valid_until)


def _judge(state: s.AwaitingDecision | s.NeedsHuman, *, by: Person, action: RunAction, now: datetime) -> Refusal | None:
    """By the rules of today, whatever the run began under: they only ask for more."""
    return judge(
        state.plan.policy,
        action,
        by=by,
        authors=s.authors_of(state),
        approvals=state.approvals,
        at=now,
        expires_at=state.plan.expires_at,
    )


def approvers(policy: Policy) -> Text:
    """The people who may approve, for reading."""
    quorums = (Quorum(roles=policy.roles, users=policy.users), *policy.quorums)
    names = dict.fromkeys(name for each in quorums for name in (*each.roles, *each.users))
    return Text.verbatim(", ".join(names)) if names else Text("anyone here")


_FIXED: Mapping[Refusal, Text] = {
    Refusal.EXPIRED: Text("This plan has expired, so nothing in it will run. Make the request again for a new one."),
    Refusal.STALE_PLAN: Text("This plan was replaced by a newer one. Look at the latest plan and decide on that."),
    Refusal.OTHER_TENANT: Text("There is no such run here."),
    Refusal.NOTHING_TO_RESOLVE: Text("This run has no call with an unknown outcome."),
    Refusal.NOTHING_TO_ANSWER: Text("No agent is waiting for this answer any longer."),
    Refusal.EXTERNAL: Text(
        "Only full members can decide here. For guests, bots and people from other organizations, the operator must "
        "set approval.external in the configuration."
    ),
    Refusal.NO_GRANTS: Text(
        "No standing grants may be given for this plan: the operator must set approval.grants in the configuration, "
        "and no "
        "rule of its calls may say grants: false."
    ),
    Refusal.NOT_APPROVED: Text("You have not approved this plan, so there is nothing to withdraw."),
    Refusal.DENIED_NOW: Text(
        "The current rules forbid a call in this plan, so it can't run. Request changes, or reject it."
    ),
    Refusal.NOT_AT_THIS_HOUR: Text(
        "The rules forbid a call in this plan at this hour. Approve it when they allow it, or request changes."
    ),
    Refusal.NONE_LEFT_TODAY: Text(
        "The rules leave fewer calls for today than this plan has. Approve it after midnight (UTC), or select fewer "
        "calls."
    ),
    Refusal.STRICTER_NOW: Text(
        "The current rules are stricter than when this plan was approved, or forbid one of its "
        "calls, so nothing more of it runs. Say that it happened, or stop here."
    ),
    Refusal.RULES_UNREADABLE: Text(
        "The current rules can't be read, so nothing can be approved. The operator must fix the configuration."
    ),
    Refusal.STILL_UNDER_WAY: Text(
        "The first attempt of this call may still be running, so it can't be run again yet. Wait "
        "for its time limit, or say that it happened."
    ),
    Refusal.STORED_CONFIG_CHANGED: Text(
        "The stored configuration of this run was changed after it began, so nothing in it runs. "
        "The operator must find out who wrote to the database: massgen-bot audit verify."
    ),
    Refusal.APPROVERS_UNREADABLE: Text(
        "It can't be checked right now whether everyone who approved before still may. Try again in a minute."
    ),
}


def message(refusal: Refusal, state: RunState) -> Text:
    """The sentence for a refusal."""
    policy = (
        state.plan.policy
        if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman | s.Finished)
        else Policy()
    )
    requester, names = state.request.requester.name, approvers(policy)
    sentences: dict[Refusal, Text] = {
        Refusal.ALREADY_DECIDED: Text("Someone has already decided: the run is {state}.", state=_state(state)),
        Refusal.NOT_AN_APPROVER: Text("Only {approvers} can decide on this plan.", approvers=names),
        Refusal.OWN_REQUEST: Text("You made this request, so someone else must decide: {approvers}.", approvers=names),
        Refusal.NOT_FOR_BREAK_GLASS: Text(
            "Only {people} can use break-glass on this plan.", people=approvers(policy.alone)
        ),
        Refusal.OWN_WORDS: Text(
            "This plan follows what you said, so someone else must decide: {approvers}. The "
            "operator can allow it with approval.allow_author.",
            approvers=names,
        ),
        Refusal.NOBODY_LEFT: Text(
            "Nobody could approve a plan that follows your words: only {approvers} may, and nobody "
            "may approve what they requested or changed themselves. Let someone else request it, "
            "or ask the operator to set approval.allow_author.",
            approvers=names,
        ),
        Refusal.NOTHING_TO_DECIDE: Text("There is nothing to decide: the run is {state}.", state=_state(state)),
        Refusal.NOTHING_TO_CANCEL: _nothing_to_cancel(state),
        **_FIXED,
        **_counted(policy, names),
        **_alone(state),
        Refusal.NOT_ASKED: Text(
            "The agents are asking {requester}, who made the request: only they can answer.", requester=requester
        ),
        Refusal.NOT_YOURS: Text(
            "Only {requester}, an approver or an administrator can cancel this run.", requester=requester
        ),
    }
    return sentences[refusal]


def _alone(state: RunState) -> Mapping[Refusal, Text]:
    """The sentences about break-glass: what bars it, and who could change that."""
    needs = state.plan.needs if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman) else NOTHING
    nobody = Text(
        "Nobody can use break-glass on this plan: the operator must name people under approval.break_glass in the "
        "configuration."
    )
    barred = Text(
        "Nobody can use break-glass on this plan, because the rules for its calls say break_glass: false. The people "
        "whom it needs must approve it."
    )
    own = Text(
        "You requested this plan, or it follows what you said, so someone else must use break-glass. The operator can "
        "allow it with requester: true under approval.break_glass."
    )
    own_by_rule = Text(
        "You requested this plan, or it follows what you said, so someone else must use break-glass: a rule for its "
        "calls says requester: false or author: false."
    )
    return {
        Refusal.NO_BREAK_GLASS: barred if needs.bars_break_glass else nobody,
        Refusal.OWN_BREAK_GLASS: own_by_rule if needs.bars_requester or needs.bars_author else own,
    }


def _counted(policy: Policy, names: Text) -> Mapping[Refusal, Text]:
    """The sentences that say how many it takes."""
    return {
        Refusal.ALREADY_APPROVED: Text(
            "You have already approved; {required} different people must.", required=policy.needed
        ),
        Refusal.NOT_NEEDED: Text(
            "Your approval is not needed: {required} different people of {approvers} must approve, "
            "each for one of them, and the approvals that you could give are already there.",
            required=policy.needed,
            approvers=names,
        ),
        Refusal.ALREADY_SAID: Text(
            "You have already confirmed this; {required} different people must.", required=policy.needed
        ),
    }


def _nothing_to_cancel(state: RunState) -> Text:
    if isinstance(state, s.NeedsHuman):
        return Text("A call in this run has an unknown outcome. Say what happened to it, or stop there, instead.")
    return Text("There is nothing to cancel: the run is {state}.", state=_state(state))


_STATES: Mapping[str, Text] = {
    "queued": Text("waiting to start"),
    "deliberating": Text("planning"),
    "changes_wanted": Text("waiting to start again"),
    "awaiting_decision": Text("waiting for approval"),
    "executing": Text("running"),
    "needs_human": Text("waiting for someone to check a call"),
    "reporting": Text("writing its report"),
    "finished": Text("finished"),
    "answered": Text("answered"),
    "rejected": Text("rejected"),
    "expired": Text("expired"),
    "cancelled": Text("cancelled"),
    "failed": Text("failed"),
}


def _state(state: RunState) -> Text:
    return _STATES[state.kind]
