"""What a card shows at a moment: a fingerprint of it, and the random ids of its buttons."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.chat.store import ButtonRecord, CardRecord, CardStore
from bot.i18n import Words
from bot.message import Alert, Card, Paragraph, Target, Tone, Verb
from coordination.domain import states as s
from coordination.domain.states import RunState

WORKING = s.Queued | s.Deliberating | s.ChangesWanted | s.Executing | s.Reporting
"""The states in which time goes by on the card."""

ENDED = s.Finished | s.Answered | s.Rejected | s.Expired | s.Cancelled | s.RunBroken


@dataclass(frozen=True)
class Frame:
    """One picture of a run."""

    card: Card

    @property
    def fingerprint(self) -> str:
        """Equal for equal pictures, in every process."""
        return hashlib.sha256(repr(self.card).encode("utf-8", "surrogatepass")).hexdigest()


def frame_of(view: RunView, now: datetime, words: Words, *, beat: float) -> Frame:
    """The picture of a run. Its clock moves with every event, and every `beat` seconds while it is at work."""
    return Frame(card_for(view, _moment(view, now, beat), words))


def without_plan(frame: Frame, words: Words) -> Frame:
    """The same for a place that can't hold the whole plan: it says so, and nobody can approve what they can't read."""
    return Frame(
        replace(
            frame.card,
            sections=(Alert(line=words.line("keeper.too_large")),),
            buttons=tuple(button for button in frame.card.buttons if not button.needs_whole_plan),
            menu=None,
            attachments=(),
        )
    )


def superseded_frame(run: str, words: Words) -> Frame:
    """What an older card of a run says for ever."""
    line = words.line("keeper.superseded_line", run=run)
    return Frame(
        Card(
            tone=Tone.STOPPED,
            status=words.say("keeper.superseded"),
            title=(),
            reference=(),
            sections=(Paragraph(lines=(line,)),),
        )
    )


def _moment(view: RunView, now: datetime, beat: float) -> datetime:
    if isinstance(view.state, s.NeedsHuman) and view.state.answer_until is not None:
        return max(view.updated_at, min(now, view.state.answer_until))
    if not isinstance(view.state, WORKING):
        return view.updated_at
    beats = int((now - view.asked_at).total_seconds() // beat)
    return max(view.updated_at, view.asked_at + timedelta(seconds=beats * beat))


_BYTES = 16


@dataclass(frozen=True)
class IssuedIds:
    """Fits `bot.chat.platform.ButtonIds`: the ids of one frame."""

    ids: Mapping[Verb, str]

    def id_for(self, verb: Verb, value: str = "") -> str:
        """The id of a verb on this card; a menu has one for all its values."""
        del value
        return self.ids[verb]


async def issue_ids(store: CardStore, kept: CardRecord, card: Card, state: RunState, at: datetime) -> IssuedIds:
    """The ids of a frame's buttons and menu. New ones are on disk before anybody can see them."""
    wanted: dict[Verb, Target] = {button.verb: button.target for button in card.buttons}
    if card.menu is not None:
        wanted[card.menu.verb] = card.menu.target
    if not wanted:
        return IssuedIds({})
    value = doubt_of(state) if isinstance(state, s.NeedsHuman) else ""
    known = {(each.verb, each.digest, each.index, each.value): each.id for each in await store.issued(kept)}
    ids: dict[Verb, str] = {}
    fresh: list[ButtonRecord] = []
    for verb, target in wanted.items():
        key = (verb.value, target.digest, target.index, value)
        ids[verb] = known.get(key) or secrets.token_urlsafe(_BYTES)
        if key not in known:
            fresh.append(_record(ids[verb], kept, verb, target=target, value=value, at=at))
    await store.issue(fresh)
    return IssuedIds(ids)


def doubt_of(state: s.NeedsHuman) -> str:
    """What tells one doubt about a call from the next one of the same call."""
    return str(state.attempt)


def _record(id_: str, kept: CardRecord, verb: Verb, *, target: Target, value: str, at: datetime) -> ButtonRecord:
    return ButtonRecord(
        id=id_,
        run=kept.run,
        tenant=kept.tenant,
        attempt=kept.attempt,
        verb=verb.value,
        digest=target.digest,
        index=target.index,
        value=value,
        issued_at=at,
    )
