"""What card sync of one product works with, and how often it may speak to that product."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cached_property

from bot.cards.run_view import RunView
from bot.chat.card_sync.snapshot import IssuedIds, Snapshot, issue_ids
from bot.chat.card_sync.turns import Deletions, Refusals
from bot.chat.platform import ChannelRef, ChatPlatform, LinksMessages, MessageRef, SyncIntervals
from bot.chat.store import CardRecord, ChatStore
from bot.i18n import Catalog, catalog, joined
from bot.message import Card, Link
from coordination.domain.policy import Person
from coordination.ports import Clock, RunLog


class EditThrottle:
    """When each card may be edited next. Whoever kept it before us may have done so just now."""

    def __init__(self, intervals: SyncIntervals, now: float) -> None:
        """Nothing was edited by us yet. `now` is of the monotonic clock, here and below."""
        self._pause = intervals.edit
        self._first = now + self._pause
        self._next: dict[str, float] = {}

    def seconds(self, run: str, now: float) -> float:
        """Until the next edit of a run's card is fine."""
        return max(0.0, self._next.get(run, self._first) - now)

    def edited(self, run: str, now: float) -> None:
        """Its card was posted or edited. Turns that have come are forgotten."""
        self._next = {each: at for each, at in self._next.items() if at > now}
        self._next[run] = now + self._pause


@dataclass(frozen=True, kw_only=True)
class SyncContext:
    """Shared by all cards of a product.

    Attributes:
        has_timelines: whether each run's story is told in a thread.
        chosen: what the operator chose to speak everywhere; None: cards are in the language of their places.
        read_approvers: asks the chat about those who approved a run, for a worker that can't.
        tell_administrators: tells them what they have not been told yet.
    """

    platform: ChatPlatform
    store: ChatStore
    log: RunLog
    clock: Clock
    intervals: SyncIntervals
    chosen: Catalog | None = None
    has_timelines: bool = True
    read_approvers: Callable[[str], Awaitable[None]] | None = None
    tell_administrators: Callable[[], Awaitable[None]] | None = None

    @cached_property
    def throttle(self) -> EditThrottle:
        """When each card may be edited: kept here, because nobody looks after a card whose run waits for people."""
        return EditThrottle(self.intervals, self.clock.monotonic())

    @cached_property
    def refusals(self) -> Refusals:
        """What the product refuses, and when it is asked again."""
        return Refusals(self.intervals)

    @cached_property
    def deletions(self) -> Deletions:
        """Which cards are deleted again and again."""
        return Deletions()

    @cached_property
    def invited(self) -> dict[str, str]:
        """The digest of the plan for which a run's approvers were looked up.

        A chat is not asked for them at every look.
        """
        return {}

    async def ids(self, card: CardRecord, snapshot: Snapshot, view: RunView) -> IssuedIds:
        """The ids of a frame's buttons, on disk before anybody sees them."""
        return await issue_ids(self.store, card, snapshot.card, view.state, self.clock.now())

    async def saved(self, before: CardRecord, after: CardRecord) -> CardRecord:
        """The card with its changes, on disk; none cost nothing."""
        await self.store.save(before, after)
        return after

    async def linked(self, notice: Card, card: CardRecord) -> Card:
        """A notice with a link to the card that it is about, where that has an address."""
        if not card.message or not isinstance(self.platform, LinksMessages):
            return notice
        return with_link(notice, await self.platform.link_to(posted(card)))


def with_link(notice: Card, url: str) -> Card:
    """A card that says where another one stands, beside who asked; the same without an address."""
    if not url:
        return notice
    link = Link(catalog.text("card_sync.open"), url)
    return replace(notice, reference=joined([notice.reference, (link,)], " · "))


def place_of(card: CardRecord) -> ChannelRef:
    """Where the card of a run is posted."""
    return ChannelRef(platform=card.platform, tenant=card.tenant, channel=card.channel, thread=card.thread)


def timeline_place(card: CardRecord) -> ChannelRef:
    """Where its story is told."""
    return ChannelRef(platform=card.platform, tenant=card.tenant, channel=card.channel, thread=card.story)


def posted(card: CardRecord, message: str = "") -> MessageRef:
    """A message of this card: the one that it stands on, or another."""
    return MessageRef(place=place_of(card), message=message or card.message)


def requester_of(card: CardRecord) -> Person:
    """The one who asked, as far as is needed to tell them something."""
    return Person(tenant=card.tenant, id=card.requester, name=card.requester_name)
