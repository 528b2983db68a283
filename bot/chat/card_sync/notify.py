"""Says what is not on the card: the story in its thread, reminders, and a word to the one who asked."""

import logging
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.cards.run_view import RunView
from bot.chat.card_sync.context import Tools, place_of, posted, requester_of
from bot.chat.card_sync.notices import (
    Item,
    chapter_card,
    chapters,
    doubt_card,
    item_of,
    outcome_card,
    reminder_card,
    thread_title,
    trouble_card,
)
from bot.chat.card_sync.reminders import doubt_mark, marked, schedule
from bot.chat.card_sync.snapshot import ENDED, WORKING
from bot.chat.platform import CardTooLarge, MessageGone, Place, PlaceForbidden, SlowDown
from bot.chat.store import CardRecord
from bot.message import Card
from coordination.domain import states as s
from coordination.domain.person import Person
from coordination.domain.plan import Plan
from coordination.domain.policy import judge_own
from coordination.domain.transitions import Recorded

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
