"""Looks after one card, as long as its run moves; a run that waits for people needs nobody here."""

import asyncio
import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.cards.run_view import RunView, next_view
from bot.chat.card_sync.context import Tools
from bot.chat.card_sync.notify import Telling
from bot.chat.card_sync.reconciler import NowhereToShow, Showing
from bot.chat.card_sync.snapshot import ENDED, WORKING
from bot.chat.platform import PlaceForbidden, SlowDown
from bot.chat.store import CardRecord
from coordination.domain.states import NeedsHuman
from coordination.errors import OwnershipLostError, StorageError

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
