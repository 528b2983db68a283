"""What is said besides the card: the story in its thread, reminders, and a word to the one who asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.cards.card import card_for
from bot.cards.parts import quoted
from bot.cards.people import approvers
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.cards.timeline import story_of
from bot.chat.card_sync.reminders import Reminder
from bot.i18n import Words, joined
from bot.message import Alert, Card, Line, Moment, Paragraph, Section, Span, Tone
from coordination.domain import events as e
from coordination.domain.plan import Plan
from coordination.domain.transitions import Recorded

_LINES = 12
_CHARACTERS = 2_500


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that the story tells. `seq` is the number of its event; without sections there is nothing to say."""

    seq: int
    sections: tuple[Section, ...] = ()

    @property
    def size(self) -> int:
        """Characters, about."""
        return sum(len(repr(section)) for section in self.sections)


def item_of(recorded: Recorded, view: RunView, words: Words) -> Item:
    """What one event adds to the story; `view` is the run after it. An answer is told in full, a vote with its reason."""
    event = recorded.event
    told = story_of(event, view, words)
    if told is None:
        return Item(seq=recorded.seq)
    about: Line = (Span(told.about, "bold"),) if told.about else ()
    if not isinstance(event, e.AnswerAccepted) or not event.text.strip():
        lines = [joined([about, told.line], " ")]
        if isinstance(event, e.RunFinished | e.RunAnswered):
            lines.append(words.line("keeper.follow_up"))
        return Item(seq=recorded.seq, sections=(Paragraph(lines=tuple(lines)),))
    heading = Paragraph(lines=(joined([about, _answered(event, words)], " "),))
    return Item(seq=recorded.seq, sections=(heading, quoted(event.text)))


def _answered(event: e.AnswerAccepted, words: Words) -> Line:
    """That there is an answer, without the beginning of its text, which follows whole."""
    label: Line = (Span(f"agent{event.agent}.{event.number}", "bold"),)
    if event.calls:
        label = words.line("table.answered_with_plan", label=label, calls=words.say("calls", count=len(event.calls)))
    return words.line("agent.answered", label=label)


def chapters(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    """The items by the message that tells them."""
    chapter: list[Item] = []
    for item in items:
        is_full = len(chapter) >= _LINES or sum(each.size for each in chapter) + item.size > _CHARACTERS
        if chapter and is_full:
            yield tuple(chapter)
            chapter = []
        chapter.append(item)
    if chapter:
        yield tuple(chapter)


def chapter_card(chapter: Sequence[Item], words: Words) -> Card | None:
    """The message for some items; None if there is nothing to tell."""
    sections = tuple(section for item in chapter for section in item.sections)
    if not sections:
        return None
    return Card(tone=Tone.STOPPED, status=words.say("keeper.story"), title=(), reference=(), sections=sections)


def thread_title(view: RunView, words: Words) -> str:
    """What a run's thread is called."""
    return words.say("keeper.thread", prompt=visible(" ".join(view.request.prompt.split())))


def reminder_card(view: RunView, plan: Plan, which: Reminder, words: Words) -> Card:
    """A word to those who may decide."""
    line = words.line(
        f"keeper.reminder_{which}", run=Span(view.run, "bold"), until=Moment(plan.expires_at, is_countdown=True)
    )
    shown = card_for(view, view.updated_at, words)
    return Card(
        tone=Tone.DECIDE,
        status=words.say("keeper.reminder"),
        title=shown.title,
        reference=shown.reference,
        sections=(Paragraph(lines=(line, approvers(plan.policy, words))),),
    )


def doubt_card(view: RunView, words: Words) -> Card:
    """A word to those who may settle it that a call is in doubt: what is known, and where to look."""
    shown = card_for(view, view.updated_at, words)
    alerts = tuple(section for section in shown.sections if isinstance(section, Alert))
    line = words.line("keeper.doubt_line", run=Span(view.run, "bold"))
    return Card(
        tone=shown.tone,
        status=shown.status,
        title=shown.title,
        reference=shown.reference,
        sections=(*alerts, Paragraph(lines=(line,))),
    )


def outcome_card(view: RunView, words: Words) -> Card:
    """What the one who asked is told at the end: how it ended, in the card's own words."""
    shown = card_for(view, view.updated_at, words)
    heading = Paragraph(lines=(words.line("keeper.outcome", run=Span(view.run, "bold")),))
    return Card(
        tone=shown.tone,
        status=shown.status,
        title=shown.title,
        reference=shown.reference,
        sections=(heading, *shown.sections),
        footer=shown.footer,
    )


def trouble_card(run: str, reason: str, words: Words) -> Card:
    """What the one who asked is told where the card can't be shown."""
    line = words.line("keeper.forbidden", run=Span(run, "bold"), reason=visible(reason))
    return Card(
        tone=Tone.ATTENTION, status=words.say("desk.not_done"), title=(), reference=(), sections=(Alert(line=line),)
    )
