"""The story of a run in the thread of its card: one message that is edited as the run goes on.

An edit notifies nobody, which keeps the thread quiet; the end, which people wait for, is a message of its own.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.cards.error_messages import plain_text
from bot.cards.parts import quoted
from bot.cards.run_view import RunView
from bot.cards.text import visible
from bot.cards.timeline import timeline_entry
from bot.chat.card_sync.context import SyncContext, posted, timeline_place
from bot.chat.card_sync.snapshot import ENDED, WORKING
from bot.chat.platform import (
    CardTooLarge,
    ChannelNotFound,
    EditRefused,
    MessageNotFound,
    MessageRef,
    MissingPermission,
)
from bot.chat.store import CardRecord
from bot.i18n import catalog, joined
from bot.message import Card, Paragraph, RichText, Section, Severity, StyledText
from coordination.domain import events as e
from coordination.domain.transitions import Recorded

_log = logging.getLogger(__name__)

_LINES = 40
_CHARACTERS = 3_000


@dataclass(frozen=True, kw_only=True)
class TimelineItem:
    """One thing that the story tells; without sections there is nothing to say.

    Attributes:
        seq: the number of its event.
        at: when that happened.
        is_end: whether the run is over with it.
    """

    seq: int
    at: datetime
    sections: tuple[Section, ...] = ()
    is_end: bool = False

    @property
    def size(self) -> int:
        """Characters, about."""
        lines = [line for section in self.sections if isinstance(section, Paragraph) for line in section.lines]
        return sum(len(plain_text(line)) + 1 for line in lines)


def item_of(recorded: Recorded, view: RunView) -> TimelineItem:
    """What one event adds to the story; `view` is the run after it.

    An answer is told in full, a vote with its reason.
    """
    event = recorded.event
    entry = timeline_entry(event, view)
    if entry is None or isinstance(
        event, e.ActionRefused
    ):  # Who clicked in vain was told alone; the rest is for the audit.
        return TimelineItem(seq=recorded.seq, at=recorded.at)
    about: RichText = (StyledText(entry.about, "bold"),) if entry.about else ()
    if not isinstance(event, e.AnswerAccepted) or not event.text.strip():
        lines = [joined([about, entry.line], " ")]
        if isinstance(event, e.RunFinished | e.RunAnswered):
            lines.append(catalog.rich("card_sync.follow_up"))
        is_end = isinstance(view.state, ENDED) and not isinstance(event, e.LateResult)
        return TimelineItem(seq=recorded.seq, at=recorded.at, sections=(Paragraph(lines=tuple(lines)),), is_end=is_end)
    heading = Paragraph(lines=(joined([about, _answered(event)], " "),))
    return TimelineItem(seq=recorded.seq, at=recorded.at, sections=(heading, quoted(event.text)))


def _answered(event: e.AnswerAccepted) -> RichText:
    """That there is an answer, without the beginning of its text, which follows whole."""
    label: RichText = (StyledText(f"agent{event.agent}.{event.number}", "bold"),)
    if event.calls:
        label = catalog.rich(
            "table.answered_with_plan", label=label, calls=catalog.text("calls", count=len(event.calls))
        )
    return catalog.rich("agent.answered", label=label)


def batches(items: Sequence[TimelineItem], told: int) -> Iterator[tuple[TimelineItem, ...]]:
    """The items by the message that tells them: one, and another only where it is full.

    The end has a message of its own where one stands that tells what was `told` until now.
    """
    batch: list[TimelineItem] = []
    for item in items:
        lines, size = sum(bool(each.sections) for each in batch), sum(each.size for each in batch)
        is_full = lines and (lines >= _LINES or size + item.size > _CHARACTERS)
        if is_full or (item.is_end and batch and batch[0].seq <= told):
            yield tuple(batch)
            batch = []
        batch.append(item)
    if batch:
        yield tuple(batch)


def batch_card(batch: Sequence[TimelineItem], *, goes_on: bool = False) -> Card | None:
    """The message for some items, which `goes_on` where another one left off; None if there is nothing to tell."""
    told = [item for item in batch if item.sections]
    if not told:
        return None
    key = "story_end" if goes_on and told[0].is_end else "story_goes_on" if goes_on else "story"
    return Card(
        severity=Severity.STOPPED,
        status=catalog.text(f"card_sync.{key}"),
        title=(),
        reference=(),
        sections=tuple(section for item in told for section in item.sections),
    )


def thread_title(view: RunView) -> str:
    """What a run's thread is called."""
    return catalog.text("card_sync.thread", prompt=visible(" ".join(view.request.prompt.split())))


@dataclass
class TimelineMessage:
    """One run's story, in one process. `timeline_at` is when the next part of it may be told.

    What is remembered is enough to go on after a crash: that the thread is open, or that a message was left, is on disk
    before the next one is posted, so that only then one may stand of which nobody knows.
    """

    context: SyncContext
    timeline_at: float | None = None
    _items: list[TimelineItem] = field(default_factory=list[TimelineItem])
    _begins: bool = False
    _edited: CardRecord | None = None

    def add_event(self, recorded: Recorded, view: RunView) -> None:
        """One more event, and the run after it."""
        if self.context.has_timelines:
            self._items.append(item_of(recorded, view))

    def patience(self, view: RunView) -> float:
        """Seconds until the story can go on. What people wait for is told at once."""
        if self.timeline_at is None or not isinstance(view.state, WORKING):
            return 0.0
        return max(0.0, self.timeline_at - self.context.clock.monotonic())

    async def tell(self, card: CardRecord, view: RunView) -> CardRecord:
        """Go on with the story, as far as the run has come.

        A message that stands although its answer was lost is found, or else told again: rather twice than never.

        Raises:
            RateLimited: the product asks for patience.
        """
        if card.told >= view.seq or self.patience(view) > 0:
            return card
        self._items = [item for item in self._items if item.seq > card.story_start]
        for number, batch in enumerate(batches(self._items, card.told)):
            if number:
                card = await self._left(card)
            if batch[-1].seq > card.told:
                card = await self._tell(card, view, batch)
        return await self.context.saved(card, replace(card, told=view.seq))

    def needed_after(self, card: CardRecord) -> int:
        """The number of the event after which a message's story may have to be told once more."""
        return card.story_start if self._edited is None else self._edited.story_start

    async def redraw(self, card: CardRecord) -> None:
        """Have the message that was edited from here last tell all that it should, and write nothing down.

        Raises:
            RateLimited: the product asks for patience.
        """
        edited = self._edited
        if edited is None:
            return
        last = self._items[-1].seq if edited.story_message == card.story_message else card.story_start
        items = [item for item in self._items if edited.story_start < item.seq <= last]
        told = batch_card(next(batches(items, 0), ()), goes_on=edited.story_start > 0)
        if told is not None:
            with suppress(MessageNotFound, EditRefused, MissingPermission, CardTooLarge):
                await self.context.platform.edit_text(_message(edited, edited.story_message), told)

    async def _tell(self, card: CardRecord, view: RunView, batch: tuple[TimelineItem, ...]) -> CardRecord:
        if batch_card(_new(batch, card)) is None:
            return card
        self.timeline_at = self.context.clock.monotonic() + self.context.intervals.timeline
        try:
            card = await self._opened(card, view)
            card = await self._shown(card, batch)
        except (MessageNotFound, EditRefused):
            # The thread is gone, or closed for good. There will be another with what comes next.
            return await self.context.saved(card, replace(card, story="", story_message="", told=batch[-1].seq))
        except (MissingPermission, CardTooLarge) as error:
            _log.warning("run %s: a part of the story can't be told: %s", card.run, error)
        return await self.context.saved(card, replace(card, told=batch[-1].seq))

    async def _opened(self, card: CardRecord, view: RunView) -> CardRecord:
        if card.story:
            return card
        thread = await self.context.platform.open_thread(posted(card), thread_title(view))
        self._begins = True
        return await self.context.saved(card, replace(card, story=thread.thread, story_message=""))

    async def _left(self, card: CardRecord) -> CardRecord:
        """What comes next is told by another message."""
        if not card.story_message:
            return card
        self._begins = True
        return await self.context.saved(card, replace(card, story_message=""))

    async def _shown(self, card: CardRecord, batch: tuple[TimelineItem, ...]) -> CardRecord:
        """Have the story's message tell these, or a new one where that is gone or can't be changed any more."""
        told = batch_card(batch, goes_on=card.story_start > 0)
        if told is None:
            return card
        if not card.story_message:
            return await self._posted(card, told, at=batch[0].at)
        self._edited = card
        try:
            await self.context.platform.edit_text(_message(card, card.story_message), told)
        except (MessageNotFound, EditRefused) as error:
            if isinstance(error, ChannelNotFound):
                raise
            return await self._shown(await self._left(card), _new(batch, card))
        return card

    async def _posted(self, card: CardRecord, told: Card, *, at: datetime) -> CardRecord:
        """Post the next message, unless that was done before this process began, or its answer was lost."""
        platform, idempotency_key = self.context.platform, f"{card.run}:story:{card.told}"
        may_stand, self._begins = not self._begins, False
        stands = (
            await self._found(card, idempotency_key, at) if may_stand and not platform.has_idempotent_posts else None
        )
        if stands is None:
            stands = await platform.post_text(timeline_place(card), told, idempotency_key=idempotency_key)
        card = await self.context.saved(card, replace(card, story_message=stands.message, story_from=card.told))
        if may_stand:
            await platform.edit_text(stands, told)  # What stood there already may tell less.
        return card

    async def _found(self, card: CardRecord, idempotency_key: str, at: datetime) -> MessageRef | None:
        """The message of an earlier attempt; whoever may not look for it does not find it."""
        try:
            return await self.context.platform.find(timeline_place(card), idempotency_key=idempotency_key, at=at)
        except (MissingPermission, CardTooLarge):
            return None


def _new(batch: tuple[TimelineItem, ...], card: CardRecord) -> tuple[TimelineItem, ...]:
    return tuple(item for item in batch if item.seq > card.told)


def _message(card: CardRecord, message: str) -> MessageRef:
    return MessageRef(place=timeline_place(card), message=message)
