"""Reconciles one card's message with its run: posts it, edits it, posts it again where the old one won't do."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.cards.run_view import RunView, next_view
from bot.chat.card_sync.context import SyncContext, place_of, posted
from bot.chat.card_sync.copies import Copies
from bot.chat.card_sync.notify import Notifier
from bot.chat.card_sync.snapshot import (
    ENDED,
    WORKING,
    IssuedIds,
    Snapshot,
    snapshot_of,
    superseded_snapshot,
    without_plan,
)
from bot.chat.card_sync.timeline_message import TimelineMessage
from bot.chat.card_sync.turns import GIVE_UP, SAME
from bot.chat.platform import (
    CardBlocked,
    CardTooLarge,
    ChannelNotFound,
    EditRefused,
    MessageNotFound,
    MessageRef,
    MissingPermission,
    RateLimited,
)
from bot.chat.store import CardRecord, Done, Gone, Post
from bot.i18n import catalog, catalog_in, speaking
from bot.message import Alert
from coordination.domain.states import Executing, NeedsHuman, Queued
from coordination.errors import OwnershipLostError, StorageError

_REPOST = timedelta(seconds=60)
_FEW_REFUSALS = 2


class NoChannelForCard(Exception):
    """The channel of a card is not there any more."""


@dataclass
class CardPublisher:
    """One card. What can't be shown whole is remembered, and not tried again. `alerts` are what it says besides."""

    context: SyncContext
    alerts: tuple[Alert, ...] = ()
    _shortened: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])

    async def publish(self, card: CardRecord, view: RunView, *, is_check_due: bool = False) -> CardRecord:
        """Do what can be done now; whether that was enough is told by `is_in_step`.

        With `is_check_due` a message that should show the run already is looked for.

        Raises:
            RateLimited: the product asks for patience.
            MissingPermission: the bot may not write there.
            NoChannelForCard: there is no such place any more.
        """
        post = card.post
        if post is None:
            return await self._begin(card, view)
        if self.is_in_step(card, view):
            return await self._checked(card, view) if is_check_due else card
        if self.patience(card) > 0:
            return card
        if self._is_old(post):
            return await self._post(await self._next(card), view)
        try:
            return await self._edit(card, view)
        except MessageNotFound as error:
            if isinstance(error, ChannelNotFound) and not card.thread:
                raise NoChannelForCard from error  # It may be back, with the message on it.
            self._check_deletions(card, post)
            return await self._post(await self._next(card), view)
        except MissingPermission as error:
            # Where others can be posted but this one can't be edited there is a new one, but not for every change. A
            # refusal that says nothing of the message is first waited for: that permission comes back.
            is_lasting = isinstance(error, EditRefused) or self.context.refusals.count(card.run) >= _FEW_REFUSALS
            if self._age(post) < _REPOST or not is_lasting:
                raise
            return await self._post(await self._next(card), view)

    def is_in_step(self, card: CardRecord, view: RunView) -> bool:
        """Whether the message shows the run as it stands, or as much of it as it can hold."""
        post, snapshot = card.post, self.snapshot(view)
        if post is None:
            return False
        if post.shown == snapshot.fingerprint:
            return True
        # An old card that was too large for its place is not posted there again and again to find that out.
        shorter = (without_plan(snapshot, is_blocked=each).fingerprint for each in (False, True))
        return self._is_old(post) and post.shown in shorter

    def snapshot(self, view: RunView) -> Snapshot:
        """What the card should show now."""
        context = self.context
        whole = snapshot_of(view, context.clock.now(), refresh=context.intervals.refresh, alerts=self.alerts)
        return self._shortened.get(whole.fingerprint, whole)

    def patience(self, card: CardRecord) -> float:
        """Seconds until the next edit is fine."""
        return self.context.throttle.seconds(card.run, self.context.clock.monotonic())

    async def mark_superseded(self, card: CardRecord) -> CardRecord:
        """Have every older message say that it is out of date. What may not be changed now is left in the list.

        Whatever patience the product asks for here, the newest card, and what people are told, wait for none of it.
        """
        last_words = superseded_snapshot(card.run).card
        for message in card.stale:
            try:
                await self.context.platform.edit(posted(card, message), last_words, IssuedIds({}))
            except RateLimited:
                break
            except (MissingPermission, ChannelNotFound):
                if card.post is None or self._age(card.post) < GIVE_UP:
                    continue
            except (MessageNotFound, CardTooLarge):  # It will never say anything else.
                pass
            await self.context.store.superseded_marked(card, message)
        return await self._again(card) if card.stale else card

    async def _checked(self, card: CardRecord, view: RunView) -> CardRecord:
        """Post a card again that was deleted. Where that can't be found out now, there will be another check."""
        snapshot = self.snapshot(view)
        ids = await self.context.ids(card, snapshot, view)
        try:
            await self.context.platform.verify(posted(card), snapshot.card, ids)
        except MessageNotFound as error:
            if isinstance(error, ChannelNotFound) and not card.thread:
                return self._without_channel(card)
            if card.post is not None:
                self._check_deletions(card, card.post)
            return await self._post(await self._next(card), view)
        except (MissingPermission, CardTooLarge, RateLimited) as error:
            _log.info("run %s: whether its card stands can't be seen now: %s", card.run, error)
        self.context.refusals.over(_channel_of(card))
        return card

    def _without_channel(self, card: CardRecord) -> CardRecord:
        """A channel may be hidden for a moment; one that is not there at the next check either is gone for now.

        Raises:
            NoChannelForCard: it is not there.
        """
        self.context.refusals.refused(_channel_of(card), self.context.clock.now())
        if self.context.refusals.count(_channel_of(card)) >= _FEW_REFUSALS:
            raise NoChannelForCard
        return card

    def _check_deletions(self, card: CardRecord, post: Post) -> None:
        """A card that is gone is back at once; one that is soon gone, time after time, comes back ever more seldom.

        Raises:
            MissingPermission: it is too early to post it again.
        """
        if not self.context.deletions.may_return(card.run, self._age(post)):
            raise MissingPermission(catalog.text("card_sync.deleted"))

    async def _edit(self, card: CardRecord, view: RunView) -> CardRecord:
        snapshot = self.snapshot(view)
        ids = await self.context.ids(card, snapshot, view)
        try:
            await self.context.platform.edit(posted(card), snapshot.card, ids)
        except CardTooLarge as error:
            snapshot = self._shorten(snapshot, error)
            with _refusal_told():
                await self.context.platform.edit(posted(card), snapshot.card, ids)
        finally:
            self._sent(card)
        return await self.context.saved(card, card.with_fingerprint(snapshot.fingerprint))

    async def redraw(self, card: CardRecord, view: RunView) -> None:
        """Edit the message, and write nothing down.

        Buttons that nobody was given yet are for whoever keeps the card.
        """
        snapshot = self.snapshot(view)
        ids = await self.context.ids(card, snapshot, view)
        await self.context.platform.edit(posted(card), snapshot.card, ids)

    async def _begin(self, card: CardRecord, view: RunView) -> CardRecord:
        """The first post of this attempt, unless ids were issued for it: then there may be one already.

        Where the product can tell which message that is, it may show an older frame. Where it can't, the buttons of the
        message must not count, if it stands.
        """
        issued = await self.context.store.issued(card)
        if not issued:
            return await self._post(card, view)
        at = max(each.issued_at for each in issued)
        if self.context.platform.has_idempotent_posts and self.context.clock.now() - at < SAME:
            card = await self._post(card, view)
            return await self.context.saved(card, card.with_fingerprint(""))
        stands = await self._found(card, at)
        if stands is None:
            return await self._post(await self._next(card), view)
        return await self._stand(card, stands, shown="")

    async def _found(self, card: CardRecord, at: datetime) -> MessageRef | None:
        """The message of this attempt; whoever may not look for it, or not now, does not find it."""
        try:
            return await self.context.platform.find(place_of(card), idempotency_key=_name(card), at=at)
        except (MessageNotFound, MissingPermission, RateLimited, CardTooLarge):
            return None

    async def _post(self, card: CardRecord, view: RunView) -> CardRecord:
        """Post this attempt, and remember where it stands."""
        snapshot = self.snapshot(view)
        ids = await self.context.ids(card, snapshot, view)
        try:
            stands = await self._placed(card, snapshot, ids)
        except CardTooLarge as error:
            snapshot = self._shorten(snapshot, error)
            with _refusal_told():
                stands = await self._placed(card, snapshot, ids)
        finally:
            self._sent(card)
        return await self._stand(card, stands, shown=snapshot.fingerprint)

    async def _stand(self, card: CardRecord, stands: MessageRef, *, shown: str) -> CardRecord:
        """Remember where this attempt stands, and what is known to be shown there."""
        card = await self._again(card)
        if not await self.context.store.posted(card, stands.message, self.context.clock.now()):
            # Somebody else's word on where it stands came first: this message is one too many.
            await self.context.store.mark_unexpected(card, stands.message)
            return await self._again(card)
        card = await self._again(card)
        return await self.context.saved(card, card.with_fingerprint(shown))

    async def _placed(self, card: CardRecord, snapshot: Snapshot, ids: IssuedIds) -> MessageRef:
        """Post in the thread, or in its channel if the thread is gone."""
        try:
            return await self.context.platform.post(place_of(card), snapshot.card, ids, idempotency_key=_name(card))
        except (MessageNotFound, EditRefused) as error:
            if not card.thread:
                raise NoChannelForCard from error
        moved = replace(card, thread="")
        try:
            stands = await self.context.platform.post(place_of(moved), snapshot.card, ids, idempotency_key=_name(card))
        except MessageNotFound:
            raise NoChannelForCard from None
        await self.context.saved(card, moved)  # Only now: a place that is closed for a moment has its threads still.
        return stands

    def _shorten(self, snapshot: Snapshot, error: CardTooLarge) -> Snapshot:
        shorter = without_plan(snapshot, is_blocked=isinstance(error, CardBlocked))
        self._shortened[snapshot.fingerprint] = shorter
        return shorter

    async def _next(self, card: CardRecord) -> CardRecord:
        return await self.context.store.superseded(card)

    async def _again(self, card: CardRecord) -> CardRecord:
        return await self.context.store.card(card.run, card.tenant) or card

    def _sent(self, card: CardRecord) -> None:
        """The pause begins when the product has it, however long that took."""
        self.context.throttle.edited(card.run, self.context.clock.monotonic())

    def _age(self, post: Post) -> timedelta:
        return self.context.clock.now() - post.at

    def _is_old(self, post: Post) -> bool:
        renew = self.context.intervals.renew
        return renew is not None and self._age(post) >= renew


@contextmanager
def _refusal_told() -> Generator[None]:
    """Have it told that not even a card without its plan can be shown.

    That is tried again, but not for ever in silence.
    """
    try:
        yield
    except CardTooLarge as error:
        raise MissingPermission(catalog.text("card_sync.not_taken")) from error


def _channel_of(card: CardRecord) -> str:
    """What a channel that can't be seen is counted by."""
    return f"{card.run} channel"


def _name(card: CardRecord) -> str:
    """What the product knows the post of this attempt by."""
    return f"{card.run}:{card.attempt}"


_log = logging.getLogger(__name__)

_LONGEST = 300.0
_ORPHAN = timedelta(minutes=5)
_STORAGE_SECONDS = 5.0
_SOON = 0.01
_PICTURES = 5
"""Of one card at most from a process that keeps it no more."""


@dataclass
class Reconciler:
    """One card in one process. `wake_event` says that its run may have moved."""

    run: str
    context: SyncContext
    wake_event: asyncio.Event = field(default_factory=asyncio.Event)
    is_check_due: bool = False
    _view: RunView | None = None
    _failures: int = 0

    def __post_init__(self) -> None:
        self._publisher = CardPublisher(self.context)
        self._notifier = Notifier(self.context)
        self._timeline = TimelineMessage(self.context)
        self._copies = Copies(self.run, self.context)

    async def reconcile(self, ending: asyncio.Event) -> None:
        """Return when nothing is left to do for now, or at `ending`."""
        while not ending.is_set():
            self.wake_event.clear()
            pause = await self._carefully()
            if pause is None and not self.wake_event.is_set():
                return
            if pause:
                await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        """Until the wake event or the time; never so short that the product would be hurried."""
        try:
            async with asyncio.timeout(seconds):
                await self.wake_event.wait()
        except TimeoutError:
            return

    async def _carefully(self) -> float | None:
        """One step. Returns seconds until the next, or None: not before something happens."""
        try:
            pause = await self._step()
        except RateLimited as error:
            # A wake event changes nothing about what the product asked for.
            await asyncio.sleep(min(max(error.seconds, self.context.intervals.edit), _LONGEST))
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

    async def _leave_the_newest(self) -> None:
        """What was sent from here last may lie over what the process that keeps the cards now has shown since.

        That one looks no more at the card of a run that has ended. So whoever sent an older picture puts the newest in
        its place, which takes no right to write anything down.
        """
        for _ in range(_PICTURES):
            sent, card = self._view, await self.context.store.card(self.run)
            if sent is None or card is None or not card.message:
                return
            view = await self._read(card, self._timeline.needed_after(card))
            if view is None or view.seq == sent.seq:
                return
            try:
                await self._publisher.redraw(card, view)
                await self._copies.redraw(card, view)
                await self._timeline.redraw(card)
            except RateLimited as error:
                self._view = sent
                await asyncio.sleep(min(max(error.seconds, self.context.intervals.edit), _LONGEST))
            except (MessageNotFound, MissingPermission, CardTooLarge):
                return

    async def _step(self) -> float | None:
        card = await self.context.store.card(self.run)
        if card is None or isinstance(card.state, Gone) or (isinstance(card.state, Done) and not card.stale):
            return None
        with speaking(self.context.chosen or catalog_in(card.language)):
            try:
                return await self._follow(card)
            except OwnershipLostError:
                await self._leave_the_newest()
                raise

    async def _follow(self, card: CardRecord) -> float | None:
        """One step of a card that is shown, all of it in one language."""
        view = await self._read_for_others(card)
        if view is None:
            return await self._without_run(card)
        self._publisher.alerts = await self._copies.alerts(card, view)
        try:
            card = await self._publisher.publish(card, view, is_check_due=self.is_check_due)
            card = await self._notifier.announce(card, view)
        except RateLimited:
            await self._copies.sync(card, view)
            raise
        except (MissingPermission, NoChannelForCard) as error:
            await self._copies.sync(card, view)
            await self._shut_out(card, view, error)
            return None
        self.context.refusals.over(card.run)
        if not self._publisher.is_in_step(card, view):
            return max(self._publisher.patience(card), _SOON)
        is_check_due, self.is_check_due = self.is_check_due, False
        pause = await self._copies.sync(card, view, is_check_due=is_check_due)
        card = await self._timeline.tell(card, view)
        card = await self._publisher.mark_superseded(card)
        card = await self._notifier.remind(card, view)
        return await self._rest(card, view, pause)

    async def _read(self, card: CardRecord, told: int | None = None) -> RunView | None:
        """The run as it stands; what was read before is not read again. Its story is kept from after event `told`."""
        told = card.story_start if told is None else told
        after = 0 if self._view is None else self._view.seq
        for recorded in await self.context.log.read(self.run, after):
            self._view = next_view(self._view, recorded)
            if recorded.seq > told:
                self._timeline.add_event(recorded, self._view)
        return self._view

    async def _read_for_others(self, card: CardRecord) -> RunView | None:
        """The run, after a worker that can't ask this chat about approvers has got its answer."""
        view = await self._read(card)
        if view is not None and isinstance(view.state, Queued):
            return replace(view, place=await self._place(view))
        if view is None or not isinstance(view.state, Executing) or not view.state.waits_for_approvers:
            return view
        if self.context.read_approvers is not None:
            await self.context.read_approvers(self.run)
        return await self._read(card)

    async def _place(self, view: RunView) -> int:
        """In its tenant's own line, for tenants take turns and none waits for another's; 0: it waits no more."""
        waiting = await self.context.log.in_state([view.state.kind], view.request.tenant)
        return list(waiting).index(self.run) + 1 if self.run in waiting else 0

    async def _rest(self, card: CardRecord, view: RunView, copies: float | None) -> float | None:
        """When to go on. What the story has told of, the card shows already: so that tells which cards are in step.

        `copies`: seconds until the copies are to be looked at again; None: they are in step.
        """
        if card.told < view.seq:
            return max(self._timeline.patience(view), _SOON)
        refresh = self.context.intervals.refresh
        if isinstance(view.state, WORKING):
            return refresh if copies is None else min(refresh, copies)
        now = self.context.clock.now()
        if copies is not None:
            again = now + timedelta(seconds=copies)
            card = await self.context.saved(card, card.waking(min(again, card.wake_at or again)))
        if card.stale:
            again = self.context.refusals.refused(f"{card.run} stale", now)
            card = await self.context.saved(card, card.waking(min(again, card.wake_at or again)))
        else:
            self.context.refusals.over(f"{card.run} stale")
        if isinstance(view.state, NeedsHuman) and view.state.answer_until is not None:
            left = (view.state.answer_until - now).total_seconds()
            return max(left, _SOON) if left > 0 else None
        if isinstance(view.state, ENDED):
            card = await self._notifier.post_outcome(card, view)
            if not card.stale and card.post is not None and copies is None:
                await self.context.saved(card, replace(card, state=Done(post=card.post)))
        return None

    async def _without_run(self, card: CardRecord) -> float | None:
        """The run is about to begin; or never did, because the process that was asked died first."""
        if self.context.clock.now() - card.asked_at < _ORPHAN:
            return self.context.intervals.look
        await self._give_up(card)
        return None

    async def _shut_out(self, card: CardRecord, view: RunView, error: MissingPermission | NoChannelForCard) -> None:
        """The bot may not write there: whoever asked is told, and it is tried again when that may have changed.

        That a channel is gone is told while the run goes on, once it is more than a moment.
        """
        refusals = self.context.refusals
        is_lasting = max(refusals.count(card.run), refusals.count(_channel_of(card))) >= _FEW_REFUSALS
        if isinstance(error, MissingPermission):
            card = await self._notifier.post_trouble(card, str(error))
        elif is_lasting and not isinstance(view.state, ENDED):
            card = await self._notifier.post_trouble(card, catalog.text("card_sync.no_channel"))
        await self._try_later(card, view)

    async def _try_later(self, card: CardRecord, view: RunView) -> None:
        """The place is closed, or gone: the two look alike. The one who asked hears how the run ends all the same."""
        now = self.context.clock.now()
        if isinstance(view.state, ENDED):
            card = await self._notifier.post_outcome(card, view)
            if now - view.updated_at >= GIVE_UP:
                await self._give_up(card)
                return
        await self.context.saved(card, card.waking(self.context.refusals.refused(card.run, now)))

    async def _give_up(self, card: CardRecord) -> None:
        await self.context.saved(card, replace(card, state=Gone(post=card.post)))
