"""What the keeper of one product's cards works with."""

from dataclasses import dataclass
from functools import cached_property

from bot.cards.run_view import RunView
from bot.chat.card_sync.ids import IssuedIds, issue_ids
from bot.chat.card_sync.pace import Pace, Turns
from bot.chat.card_sync.snapshot import Frame
from bot.chat.platform import Place, Posted, Surface
from bot.chat.store import CardRecord, DeskStore
from bot.i18n import Words
from coordination.domain.person import Person
from coordination.ports import Clock, RunLog


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Shared by all cards of a product.

    Attributes:
        has_stories: whether each run's story is told in a thread.
    """

    surface: Surface
    store: DeskStore
    log: RunLog
    clock: Clock
    words: Words
    pace: Pace
    has_stories: bool = True

    @cached_property
    def turns(self) -> Turns:
        """When each card may be edited: kept here, because nobody looks after a card whose run waits for people."""
        return Turns(self.pace, self.clock.now())

    async def ids(self, card: CardRecord, frame: Frame, view: RunView) -> IssuedIds:
        """The ids of a frame's buttons, on disk before anybody sees them."""
        return await issue_ids(self.store, card, frame.card, view.state, self.clock.now())

    async def saved(self, before: CardRecord, after: CardRecord) -> CardRecord:
        """The card with its changes, on disk; none cost nothing."""
        await self.store.save(before, after)
        return after


def place_of(card: CardRecord) -> Place:
    """Where the card of a run is posted."""
    return Place(surface=card.surface, tenant=card.tenant, channel=card.channel, thread=card.thread)


def posted(card: CardRecord, message: str = "") -> Posted:
    """A message of this card: the one that it stands on, or another."""
    return Posted(place=place_of(card), message=message or card.message)


def requester_of(card: CardRecord) -> Person:
    """The one who asked, as far as is needed to tell them something."""
    return Person(tenant=card.tenant, id=card.requester, name=card.requester_name)
