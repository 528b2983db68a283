"""Who decided what about a run, and as whom: the account, and what its platform vouched for when they acted."""

from collections.abc import Iterable, Iterator

from bot.cards.run_view import RunView, next_view
from bot.cards.text import one_line, visible
from bot.cards.timeline import timeline_entry
from bot.i18n import catalog, joined
from bot.message import RichText, StyledText
from coordination.domain import events as e
from coordination.domain.policy import Person
from coordination.domain.transitions import Recorded

_NAME = 80
_EMAIL = 254
"""Characters of the longest address that mail servers take (RFC 5321)."""

_AUDITED_EVENTS = (
    e.RunRequested,
    e.PlanProposed,
    e.ApprovalGiven,
    e.ApprovalWithdrawn,
    e.PlanRejected,
    e.ChangesRequested,
    e.PlanExpired,
    e.ActionRefused,
    e.ExecutionFrozen,
    e.ExecutionThawed,
    e.GrantGiven,
    e.GrantRevoked,
    e.RunCancelled,
    e.ResolutionApproved,
    e.WordsVoided,
    e.CallResolved,
    e.RunLinked,
)


def decisions_of(log: Iterable[Recorded], *, names_accounts: bool = False) -> Iterator[tuple[Recorded, RichText]]:
    """Each event in which somebody had a say, with a line about it.

    `names_accounts`: for who can't follow a mention.
    """
    view: RunView | None = None
    for recorded in log:
        view = next_view(view, recorded)
        entry = timeline_entry(recorded.event, view) if isinstance(recorded.event, _AUDITED_EVENTS) else None
        if entry is not None:
            by = _by(recorded.event)
            told = [] if by is None else identity_of(by, names_account=names_accounts)
            yield recorded, joined([entry.line, *told], " · ")


def identity_of(person: Person, *, names_account: bool = False) -> list[RichText]:
    """As whom somebody acted, as far as their name in a line does not say it."""
    told: list[RichText] = []
    if names_account:
        account, tenant = StyledText(visible(person.id), "code"), StyledText(visible(person.tenant), "code")
        told.append(catalog.rich("identity.account", account=account, tenant=tenant))
    if person.shown_as and person.name not in (person.shown_as, f"{person.shown_as} ({person.id})"):
        told.append(catalog.rich("identity.shown_as", name=one_line(person.shown_as, _NAME)))
    if person.global_id:
        told.append(catalog.rich("identity.global_id", account=StyledText(visible(person.global_id), "code")))
    if person.email:
        told.append((StyledText(one_line(person.email, _EMAIL)),))
    if person.host:
        told.append(catalog.rich("identity.host", host=one_line(person.host, _NAME)))
    return told


def _by(event: e.RunEvent) -> Person | None:
    match event:
        case e.RunRequested(requester=by) | e.PlanProposed(chosen_by=by):
            return by
        case (
            e.ApprovalGiven(by=by)
            | e.ApprovalWithdrawn(by=by)
            | e.PlanRejected(by=by)
            | e.ChangesRequested(by=by)
            | e.ActionRefused(by=by)
            | e.ExecutionFrozen(by=by)
            | e.RunCancelled(by=by)
            | e.ResolutionApproved(by=by)
            | e.CallResolved(by=by)
            | e.RunLinked(by=by)
        ):
            return by
        case _:
            return None
