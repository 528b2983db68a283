"""What a card shows at a moment: a fingerprint of it, and the random ids of its buttons."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.cards.linked_runs import without_links
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.chat.store import ButtonRecord, CardCopy, CardRecord, CardStore
from bot.i18n import catalog
from bot.message import Action, Alert, Card, Paragraph, Severity, Target
from coordination.domain import states as s
from coordination.domain.states import RunState

WORKING = s.Queued | s.Deliberating | s.ChangesWanted | s.Executing | s.Reporting
"""The states in which time goes by on the card."""

ENDED = s.Finished | s.Answered | s.Rejected | s.Expired | s.Cancelled | s.RunBroken


@dataclass(frozen=True)
class Snapshot:
    """One picture of a run."""

    card: Card

    @property
    def fingerprint(self) -> str:
        """Equal for equal pictures, in every process."""
        return hashlib.sha256(repr(self.card).encode("utf-8", "surrogatepass")).hexdigest()


def snapshot_of(view: RunView, now: datetime, *, refresh: float, alerts: tuple[Alert, ...] = ()) -> Snapshot:
    """The picture of a run, with what is to be said besides.

    Its clock moves with every event, and every `refresh` seconds while it is at work.
    """
    card = card_for(view, _moment(view, now, refresh))
    return Snapshot(replace(card, sections=(*card.sections, *alerts)))


def copy_of(view: RunView) -> Card:
    """The picture of a run that goes to somebody by themselves: no clock moves on it, and it begins no other run."""
    card = card_for(view, view.updated_at)
    return replace(card, buttons=without_links(card.buttons))


def without_plan(snapshot: Snapshot, *, is_blocked: bool = False) -> Snapshot:
    """The same for a place that can't hold the whole plan, or whose filter doesn't let it be posted.

    It says so, and nobody can approve what they can't read.
    """
    return Snapshot(
        replace(
            snapshot.card,
            sections=(Alert(line=catalog.rich("card_sync.blocked" if is_blocked else "card_sync.too_large")),),
            buttons=tuple(button for button in snapshot.card.buttons if not button.needs_whole_plan),
            menus=(),
            attachments=(),
        )
    )


def superseded_snapshot(run: str) -> Snapshot:
    """What an older card of a run says for ever."""
    line = catalog.rich("card_sync.superseded_line", run=run)
    return Snapshot(
        Card(
            severity=Severity.STOPPED,
            status=catalog.text("card_sync.superseded"),
            title=(),
            reference=(),
            sections=(Paragraph(lines=(line,)),),
        )
    )


def _moment(view: RunView, now: datetime, refresh: float) -> datetime:
    if isinstance(view.state, s.NeedsHuman) and view.state.answer_until is not None:
        return max(view.updated_at, min(now, view.state.answer_until))
    if not isinstance(view.state, WORKING):
        return view.updated_at
    beats = int((now - view.asked_at).total_seconds() // refresh)
    return max(view.updated_at, view.asked_at + timedelta(seconds=beats * refresh))


_BYTES = 16


@dataclass(frozen=True)
class IssuedIds:
    """Fits `bot.chat.platform.ButtonIds`: the ids of one frame."""

    ids: Mapping[Action, str]

    def id_for(self, action: Action, value: str = "") -> str:
        """The id of a verb on this card; a menu has one for all its values."""
        del value
        return self.ids[action]


async def issue_ids(
    store: CardStore, kept: CardRecord | CardCopy, card: Card, state: RunState, at: datetime
) -> IssuedIds:
    """The ids of a frame's buttons and menu. New ones are on disk before anybody can see them."""
    wanted: dict[Action, Target] = {button.action: button.target for button in card.buttons}
    wanted |= {menu.action: menu.target for menu in card.menus}
    if not wanted:
        return IssuedIds({})
    value = unknown_outcome_of(state) if isinstance(state, s.NeedsHuman) else ""
    known = {(each.action, each.digest, each.index, each.value): each.id for each in await store.issued(kept)}
    ids: dict[Action, str] = {}
    fresh: list[ButtonRecord] = []
    for action, target in wanted.items():
        key = (action.value, target.digest, target.index, value)
        ids[action] = known.get(key) or secrets.token_urlsafe(_BYTES)
        if key not in known:
            fresh.append(_record(ids[action], kept, action, target=target, value=value, at=at))
    await store.issue(fresh)
    return IssuedIds(ids)


def unknown_outcome_of(state: s.NeedsHuman) -> str:
    """What tells one doubt about a call from the next one of the same call."""
    return str(state.attempt)


def _record(
    id_: str, kept: CardRecord | CardCopy, action: Action, *, target: Target, value: str, at: datetime
) -> ButtonRecord:
    return ButtonRecord(
        id=id_,
        run=kept.run,
        tenant=kept.tenant,
        attempt=kept.attempt,
        action=action.value,
        digest=target.digest,
        index=target.index,
        value=value,
        issued_at=at,
        copy=kept.copy,
    )
