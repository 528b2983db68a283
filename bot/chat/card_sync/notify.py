"""What is said beside the card: the timeline in its thread, reminders, and a word to the requester."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from bot.cards.parts import approvers, quoted
from bot.cards.run_card import card_for
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.cards.timeline import story_of
from bot.chat.card_sync.context import Tools, place_of, posted, requester_of
from bot.chat.card_sync.snapshot import ENDED, WORKING
from bot.chat.platform import CardTooLarge, MessageGone, Place, PlaceForbidden, SlowDown
from bot.chat.store import CardRecord
from bot.i18n import Words, joined
from bot.message import Alert, Card, Line, Moment, Paragraph, Section, Span, Tone
from coordination.domain import events as e
from coordination.domain import states as s
from coordination.domain.plan import Plan, short
from coordination.domain.policy import Person, judge_own
from coordination.domain.transitions import Recorded

Reminder: TypeAlias = Literal["new", "half", "last"]
_ORDER: tuple[Reminder, ...] = ("new", "half", "last")
LAST = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is to be done about a plan now, and when to look again.

    Attributes:
        due: the reminder to send now; one that came too late is left out.
        next: the next moment at which one is due.
    """

    due: Reminder | None
    next: datetime | None


def schedule(plan: Plan, now: datetime, reminded: str) -> Schedule:
    """What is due. `reminded` is what was sent, as `mark` writes it; what it says of other plans counts for nothing."""
    sent = set(reminded.split())
    lifetime = timedelta(seconds=plan.policy.expires_after)
    half = plan.expires_at - lifetime / 2
    times: list[tuple[Reminder, datetime]] = [("new", plan.expires_at - lifetime), ("half", half)]
    if (last := plan.expires_at - LAST) > half:
        times.append(("last", last))
    open_: list[tuple[Reminder, datetime]] = [(which, at) for which, at in times if mark(plan, which) not in sent]
    due: Reminder | None = None
    for which, at in open_:
        if at <= now < plan.expires_at:
            due = which
    return Schedule(due=due, next=min((at for _, at in open_ if at > now), default=None))


def marked(plan: Plan, sent: Reminder) -> str:
    """What to remember after a reminder: it, and the ones before it, which would come too late now."""
    return " ".join(mark(plan, which) for which in _ORDER[: _ORDER.index(sent) + 1])


def mark(plan: Plan, which: Reminder) -> str:
    """One reminder of one plan."""
    return f"{short(plan.digest)}:{which}"


def doubt_mark(plan: Plan, attempt: int) -> str:
    """The word about one doubt about a call."""
    return f"{short(plan.digest)}:doubt{attempt}"


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


_log = logging.getLogger(__name__)

_ACCOUNT = re.compile(r"\d{5,25}|[UW][A-Z0-9]{2,24}")
_MOST_REMINDED = 20


@dataclass
class Telling:
    """One run's story and notices. `story_at` is when the next part of the story may be told."""

    tools: Tools
    story_at: datetime | None = None
    _items: list[Item] = field(default_factory=list[Item])

    def heard(self, recorded: Recorded, view: RunView) -> None:
        """One more event, and the run after it."""
        if self.tools.has_stories:
            self._items.append(item_of(recorded, view, self.tools.words))

    def patience(self, view: RunView) -> float:
        """Seconds until the story can go on. What people wait for is told at once."""
        if self.story_at is None or not isinstance(view.state, WORKING):
            return 0.0
        return max(0.0, (self.story_at - self.tools.clock.now()).total_seconds())

    async def tell(self, card: CardRecord, view: RunView) -> CardRecord:
        """Go on with the story, as far as the run has come.

        A message that stands although its answer was lost is told again: rather twice than never.

        Raises:
            SlowDown: the product asks for patience.
        """
        if card.told >= view.seq or self.patience(view) > 0:
            return card
        items = [item for item in self._items if item.seq > card.told]
        for chapter in chapters(items):
            card = await self._tell(card, view, chapter)
            self.story_at = self.tools.clock.now() + timedelta(seconds=self.tools.pace.story)
        self._items = []
        return await self.tools.saved(card, replace(card, told=view.seq))

    async def _tell(self, card: CardRecord, view: RunView, chapter: tuple[Item, ...]) -> CardRecord:
        told = chapter_card(chapter, self.tools.words)
        if told is None:
            return card
        try:
            card = await self._opened(card, view)
            await self.tools.surface.say(self._thread(card), told)
        except MessageGone:
            # The thread is gone. There will be another with what comes next.
            return await self.tools.saved(card, replace(card, story="", told=chapter[-1].seq))
        except (PlaceForbidden, CardTooLarge) as error:
            _log.warning("run %s: a part of the story can't be told: %s", card.run, error)
        return await self.tools.saved(card, replace(card, told=chapter[-1].seq))

    async def _opened(self, card: CardRecord, view: RunView) -> CardRecord:
        if card.story:
            return card
        thread = await self.tools.surface.open_thread(posted(card), thread_title(view, self.tools.words))
        return await self.tools.saved(card, replace(card, story=thread.thread))

    def _thread(self, card: CardRecord) -> Place:
        return Place(surface=card.surface, tenant=card.tenant, channel=card.channel, thread=card.story)

    async def remind(self, card: CardRecord, view: RunView) -> CardRecord:
        """Tell people what waits for them, when it is time, and remember when to look again.

        Raises:
            SlowDown: the product asks for patience.
        """
        words = self.tools.words
        match view.state:
            case s.AwaitingDecision(plan=plan):
                found = schedule(plan, self.tools.clock.now(), card.reminded)
                if found.due is not None:
                    notice = reminder_card(view, plan, found.due, words)
                    audience = _Audience(is_public=found.due != "new", people=_named(card, plan, view))
                    card = await self._remind(card, notice, audience, marked(plan, found.due))
                return await self.tools.saved(card, replace(card, wake_at=found.next))
            case s.NeedsHuman(plan=plan, attempt=attempt) if card.reminded != doubt_mark(plan, attempt):
                audience = _Audience(is_public=True, people=[*_named(card, plan, view), requester_of(card)])
                card = await self._remind(card, doubt_card(view, words), audience, doubt_mark(plan, attempt))
                return await self.tools.saved(card, replace(card, wake_at=None))
            case _:
                return await self.tools.saved(card, replace(card, wake_at=None))

    async def _remind(self, card: CardRecord, notice: Card, audience: "_Audience", mark: str) -> CardRecord:
        """Remembered before it is sent: once each is what people want, and with a lost reminder nothing else is lost."""
        before = card.reminded
        card = await self.tools.saved(card, replace(card, reminded=mark))
        try:
            if audience.is_public:
                await self.tools.surface.say(place_of(card), notice)
            for person in audience.people:
                await self.tools.surface.whisper(person, place_of(card), notice)
        except SlowDown:
            await self.tools.saved(card, replace(card, reminded=before))
            raise
        except (MessageGone, PlaceForbidden, CardTooLarge) as error:
            _log.warning("run %s: not everybody could be told what waits: %s", card.run, error)
        return card

    async def conclude(self, card: CardRecord, view: RunView) -> CardRecord:
        """Tell the one who asked how it ended, unless they ended it themselves.

        Raises:
            SlowDown: the product asks for patience.
        """
        if not isinstance(view.state, ENDED) or card.is_outcome_told:
            return card
        if not _ended_it(view, card.requester):
            await self._whisper(card, outcome_card(view, self.tools.words))
        return await self.tools.saved(card, replace(card, is_outcome_told=True))

    async def trouble(self, card: CardRecord, reason: str) -> CardRecord:
        """Tell the one who asked, once, that their card can't be shown.

        Raises:
            SlowDown: the product asks for patience.
        """
        _log.warning("run %s: its card can't be shown: %s", card.run, reason)
        if card.is_trouble_told:
            return card
        await self._whisper(card, trouble_card(card.run, reason, self.tools.words))
        return await self.tools.saved(card, replace(card, is_trouble_told=True))

    async def _whisper(self, card: CardRecord, notice: Card) -> None:
        """Tell the one who asked, where that can be done at all."""
        try:
            await self.tools.surface.whisper(requester_of(card), place_of(card), notice)
        except (MessageGone, PlaceForbidden, CardTooLarge) as error:
            _log.info("run %s: the one who asked can't be told: %s", card.run, error)


@dataclass(frozen=True, kw_only=True)
class _Audience:
    """Who is told: the place of the card, if it `is_public`, and some people by themselves."""

    is_public: bool
    people: list[Person]


def _named(card: CardRecord, plan: Plan, view: RunView) -> list[Person]:
    """The approvers who are named by their accounts and may decide; roles are not told one by one.

    Of a plan in a private thread nobody is told who may not be in it.
    """
    if place_of(card).is_private_thread:
        return []
    accounts = [user for user in plan.policy.users if _ACCOUNT.fullmatch(user)]
    asker = view.request.requester
    named = [Person(tenant=asker.tenant, id=account, name=account) for account in accounts]
    state = view.state
    if isinstance(state, s.AwaitingDecision | s.NeedsHuman):
        authors = s.authors_of(state)
        named = [person for person in named if judge_own(plan.policy, person, authors) is None]
    return named[:_MOST_REMINDED]


def _ended_it(view: RunView, requester: str) -> bool:
    state = view.state
    return isinstance(state, s.Rejected | s.Cancelled) and state.by.id == requester
