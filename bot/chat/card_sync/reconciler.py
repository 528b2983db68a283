"""Reconciles one card's message with its run: posts it, edits it, posts it again where the old one won't do."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.cards.run_view import RunView, next_view
from bot.chat.card_sync.context import Tools, place_of, posted
from bot.chat.card_sync.notify import Telling
from bot.chat.card_sync.snapshot import ENDED, WORKING, Frame, IssuedIds, frame_of, superseded_frame, without_plan
from bot.chat.platform import CardTooLarge, MessageGone, PlaceForbidden, Posted, SlowDown
from bot.chat.store import CardRecord
from coordination.domain.states import NeedsHuman
from coordination.errors import OwnershipLostError, StorageError

_SAME = timedelta(seconds=60)
_REPOST = timedelta(seconds=60)


class NowhereToShow(Exception):
    """The channel of a card is not there any more."""


@dataclass
class Showing:
    """One card. What can't be shown whole is remembered, and not tried again."""

    tools: Tools
    _too_large: set[str] = field(default_factory=set[str])

    async def show(self, card: CardRecord, view: RunView) -> CardRecord:
        """Do what can be done now; whether that was enough is told by the fingerprint of `frame`.

        Raises:
            SlowDown: the product asks for patience.
            PlaceForbidden: the bot may not write there.
            NowhereToShow: there is no such place any more.
        """
        frame = self.frame(view)
        if not card.message:
            return await self._begin(card, view)
        if card.shown == frame.fingerprint or self.patience(card) > 0:
            return card
        if self._is_old(card):
            return await self._post(await self._next(card), view)
        try:
            return await self._edit(card, view)
        except MessageGone:
            return await self._post(await self._next(card), view)
        except PlaceForbidden:
            # Some messages can be posted but not edited; what can't be posted either is forbidden indeed.
            if self._age(card) < _REPOST:
                raise
            return await self._post(await self._next(card), view)

    def frame(self, view: RunView) -> Frame:
        """What the card should show now."""
        tools = self.tools
        whole = frame_of(view, tools.clock.now(), tools.words, beat=tools.pace.beat)
        return without_plan(whole, tools.words) if whole.fingerprint in self._too_large else whole

    def patience(self, card: CardRecord) -> float:
        """Seconds until the next edit is fine."""
        return self.tools.turns.seconds(card.run, self.tools.clock.now())

    async def straighten(self, card: CardRecord) -> CardRecord:
        """Have every older message say that it is out of date.

        Raises:
            SlowDown: the product asks for patience.
        """
        last_words = superseded_frame(card.run, self.tools.words).card
        for message in card.stale:
            with contextlib.suppress(MessageGone, PlaceForbidden, CardTooLarge):  # It will never say anything else.
                await self.tools.surface.edit(posted(card, message), last_words, IssuedIds({}))
            await self.tools.store.straightened(card, message)
        return await self._again(card) if card.stale else card

    async def _edit(self, card: CardRecord, view: RunView) -> CardRecord:
        frame = self.frame(view)
        ids = await self.tools.ids(card, frame, view)
        try:
            await self.tools.surface.edit(posted(card), frame.card, ids)
        except CardTooLarge:
            frame = self._shortened(frame)
            await self.tools.surface.edit(posted(card), frame.card, ids)
        finally:
            self._sent(card)
        return await self.tools.saved(card, replace(card, shown=frame.fingerprint))

    async def _begin(self, card: CardRecord, view: RunView) -> CardRecord:
        """The first post of this attempt, unless ids were issued for it: then there may be one already.

        Where the product can tell which message that is, it may show an older frame. Where it can't, the buttons of the
        message must not count, if it stands.
        """
        issued = await self.tools.store.issued(card)
        if not issued:
            return await self._post(card, view)
        at = max(each.issued_at for each in issued)
        if self.tools.surface.posts_once and self.tools.clock.now() - at < _SAME:
            card = await self._post(card, view)
            return await self.tools.saved(card, replace(card, shown=""))
        stands = await self._found(card, at)
        if stands is None:
            return await self._post(await self._next(card), view)
        return await self._stand(card, stands, shown="")

    async def _found(self, card: CardRecord, at: datetime) -> Posted | None:
        """The message of this attempt; whoever may not look for it, or not now, does not find it."""
        try:
            return await self.tools.surface.find(place_of(card), once=_name(card), at=at)
        except (MessageGone, PlaceForbidden, SlowDown, CardTooLarge):
            return None

    async def _post(self, card: CardRecord, view: RunView) -> CardRecord:
        """Post this attempt, and remember where it stands."""
        frame = self.frame(view)
        ids = await self.tools.ids(card, frame, view)
        try:
            stands = await self._placed(card, frame, ids)
        except CardTooLarge:
            frame = self._shortened(frame)
            stands = await self._placed(card, frame, ids)
        finally:
            self._sent(card)
        return await self._stand(card, stands, shown=frame.fingerprint)

    async def _stand(self, card: CardRecord, stands: Posted, *, shown: str) -> CardRecord:
        """Remember where this attempt stands, and what is known to be shown there."""
        card = await self._again(card)
        if not await self.tools.store.posted(card, stands.message, self.tools.clock.now()):
            # Somebody else's word on where it stands came first: this message is one too many.
            await self.tools.store.mark_stray(card, stands.message)
            return await self._again(card)
        card = await self._again(card)
        return await self.tools.saved(card, replace(card, shown=shown))

    async def _placed(self, card: CardRecord, frame: Frame, ids: IssuedIds) -> Posted:
        """Post in the thread, or in its channel if the thread is gone."""
        try:
            return await self.tools.surface.post(place_of(card), frame.card, ids, once=_name(card))
        except MessageGone:
            if not card.thread:
                raise NowhereToShow from None
        card = await self.tools.saved(card, replace(card, thread=""))
        try:
            return await self.tools.surface.post(place_of(card), frame.card, ids, once=_name(card))
        except MessageGone:
            raise NowhereToShow from None

    def _shortened(self, frame: Frame) -> Frame:
        self._too_large.add(frame.fingerprint)
        return without_plan(frame, self.tools.words)

    async def _next(self, card: CardRecord) -> CardRecord:
        return await self.tools.store.superseded(card, self.tools.clock.now())

    async def _again(self, card: CardRecord) -> CardRecord:
        return await self.tools.store.card(card.run, card.tenant) or card

    def _sent(self, card: CardRecord) -> None:
        """The pause begins when the product has it, however long that took."""
        self.tools.turns.took(card.run, self.tools.clock.now())

    def _age(self, card: CardRecord) -> timedelta:
        return self.tools.clock.now() - (card.posted_at or card.asked_at)

    def _is_old(self, card: CardRecord) -> bool:
        renew = self.tools.pace.renew
        return renew is not None and self._age(card) >= renew


def _name(card: CardRecord) -> str:
    """What the product knows the post of this attempt by."""
    return f"{card.run}:{card.attempt}"


_log = logging.getLogger(__name__)

_LONGEST = 300.0
_ORPHAN = timedelta(minutes=5)
_STORAGE_SECONDS = 5.0
_SOON = 0.01


@dataclass
class Tending:
    """One card in one process. `bell` says that its run may have moved."""

    run: str
    tools: Tools
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    _view: RunView | None = None
    _failures: int = 0

    def __post_init__(self) -> None:
        self._showing = Showing(self.tools)
        self._telling = Telling(self.tools)

    async def tend(self, ending: asyncio.Event) -> None:
        """Return when nothing is left to do for now, or at `ending`."""
        while not ending.is_set():
            self.bell.clear()
            pause = await self._carefully()
            if pause is None and not self.bell.is_set():
                return
            if pause:
                await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        """Until the bell or the time; never so short that the product would be hurried."""
        try:
            async with asyncio.timeout(seconds):
                await self.bell.wait()
        except TimeoutError:
            return

    async def _carefully(self) -> float | None:
        """One step. Returns seconds until the next, or None: not before something happens."""
        try:
            pause = await self._step()
        except SlowDown as error:
            # A bell changes nothing about what the product asked for.
            await asyncio.sleep(min(max(error.seconds, self.tools.pace.edit), _LONGEST))
            return 0.0
        except OwnershipLostError:
            return None  # Another process keeps the cards.
        except StorageError as error:
            _log.warning("run %s: %s", self.run, error)
            await asyncio.sleep(_STORAGE_SECONDS)
            return 0.0
        except Exception:  # noqa: BLE001  # one card that can't be kept must not take the others with it
            self._failures += 1
            _log.exception("run %s: its card could not be kept", self.run)
            await asyncio.sleep(min(2.0**self._failures, _LONGEST))
            return 0.0
        self._failures = 0
        return pause

    async def _step(self) -> float | None:
        card = await self.tools.store.card(self.run)
        if card is None or card.state == "gone" or (card.state == "done" and not card.stale):
            return None
        view = await self._read(card)
        if view is None:
            return await self._without_run(card)
        try:
            card = await self._showing.show(card, view)
        except PlaceForbidden as error:
            return await self._shut_out(card, view, str(error))
        except NowhereToShow:
            await self._homeless(card, view)
            return None
        if card.shown != self._showing.frame(view).fingerprint:
            return max(self._showing.patience(card), _SOON)
        card = await self._telling.tell(card, view)
        card = await self._showing.straighten(card)
        card = await self._telling.remind(card, view)
        return await self._rest(card, view)

    async def _read(self, card: CardRecord) -> RunView | None:
        """The run as it stands; what was read before is not read again."""
        after = 0 if self._view is None else self._view.seq
        for recorded in await self.tools.log.read(self.run, after):
            self._view = next_view(self._view, recorded)
            if recorded.seq > card.told:
                self._telling.heard(recorded, self._view)
        return self._view

    async def _rest(self, card: CardRecord, view: RunView) -> float | None:
        """When to go on. What the story has told of, the card shows already: so that tells which cards are in step."""
        if card.told < view.seq:
            return max(self._telling.patience(view), _SOON)
        if isinstance(view.state, WORKING):
            return self.tools.pace.beat
        if isinstance(view.state, NeedsHuman) and view.state.answer_until is not None:
            left = (view.state.answer_until - self.tools.clock.now()).total_seconds()
            return max(left, _SOON) if left > 0 else None
        if isinstance(view.state, ENDED) and not card.stale:
            card = await self._telling.conclude(card, view)
            await self.tools.saved(card, replace(card, state="done"))
        return None

    async def _without_run(self, card: CardRecord) -> float | None:
        """The run is about to begin; or never did, because the process that was asked died first."""
        if self.tools.clock.now() - card.asked_at < _ORPHAN:
            return self.tools.pace.look
        await self._give_up(card)
        return None

    async def _shut_out(self, card: CardRecord, view: RunView, reason: str) -> float | None:
        """The bot may not write there: whoever asked is told, and it is tried again when that may have changed."""
        card = await self._telling.trouble(card, reason)
        if isinstance(view.state, ENDED):
            await self._give_up(await self._telling.conclude(card, view))
            return None
        wake = self.tools.clock.now() + timedelta(seconds=self.tools.pace.patience)
        await self.tools.saved(card, replace(card, wake_at=wake))
        return None

    async def _homeless(self, card: CardRecord, view: RunView) -> None:
        """The channel was deleted. The run stays in lists, and goes on; the one who asked hears how it ends."""
        if not isinstance(view.state, ENDED):
            wake = self.tools.clock.now() + timedelta(seconds=self.tools.pace.patience)
            await self.tools.saved(card, replace(card, wake_at=wake))
            return
        await self._give_up(await self._telling.conclude(card, view))

    async def _give_up(self, card: CardRecord) -> None:
        await self.tools.saved(card, replace(card, state="gone"))
