"""Why a person's word changed nothing, in one line that says who may: with people and roles as the product shows them."""

from bot.cards import Line, Span, Who
from bot.presenter.people import who
from bot.presenter.visible import one_line, visible_lines
from bot.words import ENGLISH, Words, joined
from coordination.domain import states as s
from coordination.domain.approval import Policy
from coordination.domain.states import RunState
from coordination.errors import RefusedError

_NAME = 60
_LONGEST = 600


def refusal_line(error: RefusedError, words: Words = ENGLISH, state: RunState | None = None) -> Line:
    """The line for a refusal; without the run's state, or where no language has words for it, its own text."""
    if state is None or f"refusal.{error.refusal}" not in words.texts:
        return tuple(Span(line) for line in visible_lines(str(error)[:_LONGEST]).split("\n"))
    policy = _policy(state)
    return words.line(
        f"refusal.{error.refusal}",
        approvers=_named(policy, words),
        required=policy.required,
        requester=who(state.request.requester),
        state=words.say(f"state.{state.kind}"),
    )


def _policy(state: RunState) -> Policy:
    return state.plan.policy if isinstance(state, s.AwaitingDecision | s.Executing | s.NeedsHuman) else Policy()


def _named(policy: Policy, words: Words) -> Line:
    pieces = [(Who(role, one_line(role, _NAME), "role"),) for role in policy.roles]
    pieces += [(Who(user, one_line(user, _NAME)),) for user in policy.users]
    return joined(pieces, ", ") if pieces else words.line("refusal.anyone")
