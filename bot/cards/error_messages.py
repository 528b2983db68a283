"""Why something did not go as a person wished, in one line that says who may act."""

from dataclasses import dataclass
from typing import TypeAlias

from bot.cards.parts import mention, missing, names_of
from bot.cards.text import concealed, head_of, one_line, visible, visible_lines, visible_part
from bot.i18n import catalog, joined
from bot.message import RichText, StyledText
from coordination.domain import states as s
from coordination.domain.policy import Policy, Refusal
from coordination.domain.quorums import Quorum
from coordination.domain.states import RunState
from coordination.errors import (
    ConfigError,
    ConflictError,
    CoordinationError,
    DatabaseAwayError,
    DatabaseBlockedError,
    RefusedError,
    RunNotFoundError,
    StorageError,
)
from coordination.run_options import MAX_PROMPT

_NAME = 60
_LONGEST = 600
_LONGEST_RUN = 40
_OF_A_STATE = frozenset(str(each) for each in Refusal)
_OF_A_PLAN = frozenset(
    {
        Refusal.NOT_AN_APPROVER,
        Refusal.OWN_REQUEST,
        Refusal.OWN_WORDS,
        Refusal.NOBODY_LEFT,
        Refusal.ALREADY_APPROVED,
        Refusal.NOT_NEEDED,
        Refusal.ALREADY_SAID,
    }
)
_WithPlan: TypeAlias = (
    s.AwaitingDecision | s.Executing | s.NeedsHuman | s.Reporting | s.Finished | s.Rejected | s.Expired
)


def refusal_line(error: RefusedError, state: RunState | None = None) -> RichText:
    """The line for a refusal.

    Where no language has words for it, or they need a state that is not known, its own text.
    """
    name = _name(error.refusal, state)
    policy = state.plan.policy if isinstance(state, _WithPlan) else None
    if not catalog.has(f"refusal.{name}") or _is_lost(error.refusal, state, policy):
        return tuple(StyledText(line) for line in head_of(visible_lines(error.text), _LONGEST).split("\n"))
    if state is None:
        return catalog.rich(f"refusal.{name}", most=catalog.number(MAX_PROMPT))
    rule = policy or Policy()
    return catalog.rich(
        f"refusal.{name}",
        approvers=_named(rule),
        required=rule.needed,
        missing=missing(rule, state.approvals if isinstance(state, s.AwaitingDecision) else ()),
        requester=mention(state.request.requester),
        state=catalog.text(f"state.{state.kind}"),
    )


def refusal_text(error: RefusedError, state: RunState | None = None) -> str:
    """The same for a place that only knows text."""
    return plain_text(refusal_line(error, state))


def plain_text(line: RichText) -> str:
    """A line without its styles."""
    return "".join(getattr(inline, "text", "") or getattr(inline, "name", "") for inline in line)


def _name(refusal: str, state: RunState | None) -> str:
    is_doubt = refusal == Refusal.NOTHING_TO_CANCEL and isinstance(state, s.NeedsHuman)
    return "doubt_first" if is_doubt else refusal


def _is_lost(refusal: str, state: RunState | None, policy: Policy | None) -> bool:
    """Whether what the sentence would name is not known, or not any more: somebody may have been first in between."""
    return refusal in _OF_A_STATE if state is None else policy is None and refusal in _OF_A_PLAN


def _named(policy: Policy) -> RichText:
    """Everybody whose approval may count; the role or account that stands for anybody of them comes once."""
    named = policy.places if policy.quorums else (Quorum(roles=policy.roles, users=policy.users),)
    return joined([names_of(each) for each in named], ", ")


@dataclass(frozen=True, kw_only=True)
class ErrorKeys:
    """The keys of the sentences that a place has for errors; an empty one stands for the error's own text."""

    no_run: str = "error.no_run"
    conflict: str = "error.conflict"
    storage: str = ""
    storage_away: str = ""


AT_A_TERMINAL = ErrorKeys()


def error_line(error: Exception, keys: ErrorKeys = AT_A_TERMINAL, state: RunState | None = None) -> RichText:
    """The line for an error. Of one that was not written for people, only that it happened is told."""
    match error:
        case RunNotFoundError(run=run):
            return catalog.rich(keys.no_run, run=StyledText(one_line(run, _LONGEST_RUN), "bold"))
        case ConflictError():
            return catalog.rich(keys.conflict)
        case RefusedError():
            return refusal_line(error, state)
        case DatabaseAwayError() if keys.storage_away and not isinstance(error, DatabaseBlockedError):
            return catalog.rich(keys.storage_away)
        case StorageError() if keys.storage:
            return catalog.rich(keys.storage)
        case ConfigError():
            return (StyledText("\n".join(visible(complaint) for complaint in error.diagnostics)),)
        case CoordinationError():
            return (StyledText("\n".join(map(visible_part, concealed(error.text).split("\n")))),)
        case _:
            return catalog.rich("error.unexpected")


def notice_for(error: Exception, reference: str = "") -> str:
    """The same for a place that only knows text."""
    text = plain_text(error_line(error))
    return f"{text} {catalog.text('error.reference', reference=reference)}" if reference else text
