"""Why a person's action changed nothing, in one sentence that says who may do what."""

from coordination.domain import states as s
from coordination.domain.policy import Policy, Refusal
from coordination.domain.states import RunState


def approvers(policy: Policy) -> str:
    """The people who may approve, for reading."""
    names = [*policy.roles, *policy.users]
    return ", ".join(names) if names else "anyone here"


_NOW = {
    Refusal.DENIED_NOW: (
        "The rules that hold here now forbid a call of this plan, so it can't run. Request changes, or reject it."
    ),
    Refusal.STRICTER_NOW: (
        "The rules that hold here now are stricter than when this plan was approved, or forbid a call of it, so nothing more "
        "of it runs. Say that it happened, or stop here."
    ),
    Refusal.RULES_UNREADABLE: (
        "The rules that hold here now can't be read, so nothing can be approved. The operator must repair the "
        "configuration."
    ),
    Refusal.STILL_UNDER_WAY: (
        "The first attempt of this call may still be under way, so it can't be run again yet. Wait for its time limit, or say "
        "that it happened."
    ),
    Refusal.STORED_CONFIG_CHANGED: (
        "The stored configuration of this run was changed after the run began, so nothing of it runs. The operator must find "
        "out who wrote to the database: massgen-bot audit verify."
    ),
    Refusal.APPROVERS_UNREADABLE: (
        "It can't be told at the moment whether those who approved before still may. Try again in a minute."
    ),
}


def message(refusal: Refusal, state: RunState) -> str:
    """The sentence for a refusal, in English."""
    policy = state.plan.policy if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman) else Policy()
    requester = state.request.requester.name
    sentences = {
        Refusal.EXPIRED: "This plan has expired, so nothing of it will run. Ask again for a new one.",
        Refusal.STALE_PLAN: "This is not the plan that waits now. Look at the newest one and decide on that.",
        Refusal.ALREADY_DECIDED: f"Somebody has decided already: the run is {state.kind.replace('_', ' ')}.",
        Refusal.ALREADY_APPROVED: f"You have approved already; {policy.required} different people must.",
        Refusal.NOT_AN_APPROVER: f"Only {approvers(policy)} can decide on this plan.",
        Refusal.OWN_REQUEST: f"You asked for this run, so somebody else must decide: {approvers(policy)}.",
        Refusal.OWN_WORDS: (
            f"Your words are in this plan, so somebody else must decide: {approvers(policy)}. "
            "The operator can allow it with approval.allow_author."
        ),
        Refusal.NOBODY_LEFT: (
            f"With your words in it, nobody could approve the next plan: only {approvers(policy)} may, and nobody "
            "approves what they asked for or changed themselves. Have somebody else say it, or have the operator set "
            "approval.allow_author."
        ),
        Refusal.OTHER_TENANT: "There is no such run here.",
        Refusal.NOTHING_TO_DECIDE: f"There is nothing to decide: the run is {state.kind.replace('_', ' ')}.",
        Refusal.NOTHING_TO_CANCEL: _nothing_to_cancel(state),
        Refusal.NOTHING_TO_RESOLVE: "No call of this run waits for such a word.",
        **_NOW,
        Refusal.ALREADY_SAID: f"You have said so already; {policy.required} different people must.",
        Refusal.NOT_YOURS: f"Only {requester}, an approver or an administrator can cancel this run.",
        Refusal.EXTERNAL: (
            "Only full members can decide here. For guests, bots and people from other organizations, an operator must "
            "set approval.external in the configuration."
        ),
    }
    return sentences[refusal]


def _nothing_to_cancel(state: RunState) -> str:
    if isinstance(state, s.NeedsHuman):
        return "A call of this run has an unknown outcome. Say what happened to it, or stop there, instead."
    return f"There is nothing to cancel: the run is {state.kind.replace('_', ' ')}."
