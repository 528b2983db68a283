"""What a card shows at a moment, and a fingerprint that tells whether that is what it shows already."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.cards.card import card_for
from bot.cards.run_view import RunView
from bot.i18n import Words
from bot.message import Alert, Card, Paragraph, Tone
from coordination.domain import states as s

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
