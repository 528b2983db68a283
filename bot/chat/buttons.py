"""Clicks: what an opaque id stands for, whether it still counts, and what it does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import assert_never

from bot.cards.error_messages import refusal_line
from bot.chat.card_sync.snapshot import doubt_of
from bot.chat.platform import Place, Press, Said
from bot.chat.private_cards import DeskRefusal, not_done, refused
from bot.chat.run_queries import Looking
from bot.chat.start_run import Asking
from bot.chat.store import ButtonRecord, CardRecord, CardState, Deed, DeskStore
from bot.i18n import Words
from bot.message import Card, Span, Verb
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.domain.policy import Person
from coordination.domain.states import RunState
from coordination.errors import RefusedError
from coordination.ports import Clock
from coordination.service import Coordinator

_VERDICTS: dict[Verb, Verdict] = {Verb.HAPPENED: "happened", Verb.RUN_IT: "run_it", Verb.ABANDON: "abandon"}
_ID_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Pressing:
    """Takes clicks to the coordinator."""

    store: DeskStore
    coordinator: Coordinator
    asking: Asking
    looking: Looking
    clock: Clock
    nudge: Callable[[], None]
    words: Words

    async def peek(self, button: str, *, place: Place, message: str) -> Press | None:
        """What a button stands for, as long as its card is the one that counts. It changes nothing."""
        found = await self.store.pressed(button, place.tenant)
        if found is None:
            return None
        known, card = found
        if not _is_here(card, place) or known.attempt != card.attempt or card.message not in ("", message):
            return None
        at = replace(place, surface=card.surface, thread=card.thread)
        return Press(
            run=card.run, verb=Verb(known.verb), digest=known.digest, index=known.index, place=at, message=message
        )

    async def press(
        self, by: Person, button: str, *, place: Place, message: str, text: str = "", once: str = ""
    ) -> Said:
        """Act on a button, unless the same event was seen before."""
        if once and not await self.store.is_new(f"press:{once}", by.tenant, self.clock.now()):
            return Said()
        try:
            known, card = await self._known(by, button, place, message)
        except DeskRefusal as error:
            await self._keep_for_audit(by, place, error.refusal, f"{button[:_ID_SHOWN]} on {message[:_ID_SHOWN]}")
            raise
        return await self._act(by, known, card, place=place, text=text, once=once)

    async def _known(self, by: Person, button: str, place: Place, message: str) -> tuple[ButtonRecord, CardRecord]:
        """The button and its card, if the click came from the message that the card stands on.

        Raises:
            RefusedError: it did not.
        """
        found = await self.store.pressed(button, by.tenant)
        if found is None or not message or by.tenant != place.tenant or not _is_here(found[1], place):
            raise refused("no_button")
        known, card = found
        if known.attempt == card.attempt and not card.message:
            # The post reached the product, and its answer has not reached us, or never will: now we know where it is.
            await self.store.posted(card, message, self.clock.now())
            card = await self.store.card(card.run, by.tenant) or card
        if known.attempt != card.attempt or card.message != message:
            await self._straighten(card, message)
            raise refused("superseded_card", run=card.run)
        return known, card

    async def _straighten(self, card: CardRecord, stray: str) -> None:
        """Have the keeper look at once, though nothing happened to the run: even at a card that it is done with."""
        await self.store.mark_stray(card, stray)
        state: CardState = "live" if card.state == "done" else card.state
        await self.store.save(card, replace(card, state=state, wake_at=self.clock.now()))
        self.nudge()

    async def _act(
        self, by: Person, known: ButtonRecord, card: CardRecord, *, place: Place, text: str, once: str
    ) -> Said:
        verb = Verb(known.verb)
        if verb is Verb.DETAILS:
            pages = await self.looking.details(card)
            return Said(private=pages[0], run=card.run)
        if verb is Verb.ASK_AGAIN:
            return await self.asking.again(by, place, card, once=once)
        try:
            await self._decide(by, known, verb, text)
        except RefusedError as error:
            if isinstance(error, DeskRefusal):
                await self._keep_for_audit(by, place, error.refusal, f"{verb} of run {card.run}")
            state = await self.coordinator.state(card.run, by.tenant)
            self.nudge()
            return Said(private=self._refusal(error, state))
        self.nudge()
        return Said(run=card.run)

    def _refusal(self, error: RefusedError, state: RunState) -> Card:
        if isinstance(error, DeskRefusal):
            return not_done(self.words, (Span(error.sentence(self.words)),))
        return not_done(self.words, refusal_line(error, self.words, state))

    def _decide(self, by: Person, known: ButtonRecord, verb: Verb, text: str) -> Awaitable[RunState]:
        people, run, digest = self.coordinator, known.run, known.digest
        match verb:
            case Verb.APPROVE:
                return people.approve(run, digest, by)
            case Verb.REJECT:
                return people.reject(run, digest, by, text)
            case Verb.CHANGE:
                return people.request_changes(run, digest, by, text)
            case Verb.CHOOSE:
                return people.choose(run, digest, by, _agent(text))
            case Verb.CANCEL:
                return people.cancel(run, by)
            case Verb.HAPPENED | Verb.RUN_IT | Verb.ABANDON:
                return self._settle(by, known, _VERDICTS[verb])
            case Verb.DETAILS | Verb.ASK_AGAIN:
                raise refused("no_button")
            case _:
                assert_never(verb)

    async def _settle(self, by: Person, known: ButtonRecord, verdict: Verdict) -> RunState:
        """A word about one doubt says nothing about the next one, though it be of the same call."""
        state = await self.coordinator.state(known.run, by.tenant)
        if isinstance(state, s.NeedsHuman) and doubt_of(state) != known.value:
            raise refused("older_doubt")
        index, attempt = -1 if known.index is None else known.index, int(known.value or 0)
        return await self.coordinator.resolve(known.run, index, by, verdict, attempt=attempt)

    async def _keep_for_audit(self, by: Person, place: Place, what: str, detail: str) -> None:
        await self.store.note(
            Deed(
                tenant=by.tenant,
                channel=place.channel,
                by=by.id,
                by_name=by.name,
                at=self.clock.now(),
                what=f"refused {what}",
                detail=detail,
            )
        )


def _is_here(card: CardRecord, place: Place) -> bool:
    return (card.tenant, card.channel) == (place.tenant, place.channel)


def _agent(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
