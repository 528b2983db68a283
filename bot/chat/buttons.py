"""Clicks: what an opaque id stands for, whether it still counts, and what it does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import assert_never

from bot.cards.error_messages import refusal_line
from bot.chat.card_sync.snapshot import unknown_outcome_of
from bot.chat.platform import ButtonAction, ChannelRef, ChatReply
from bot.chat.private_cards import ChatRefusal, not_done_card, refused
from bot.chat.run_queries import RunQueries
from bot.chat.start_run import RunStarter
from bot.chat.store import AuditEntry, ButtonRecord, CardRecord, CardState, ChatStore
from bot.i18n import Catalog
from bot.message import Action, Card, StyledText
from coordination.domain import states as s
from coordination.domain.events import Verdict
from coordination.domain.policy import Person
from coordination.domain.states import RunState
from coordination.errors import RefusedError
from coordination.ports import Clock
from coordination.service import Coordinator

_VERDICTS: dict[Action, Verdict] = {Action.HAPPENED: "happened", Action.RUN_IT: "run_it", Action.ABANDON: "abandon"}
_ID_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class ButtonHandler:
    """Takes clicks to the coordinator."""

    store: ChatStore
    coordinator: Coordinator
    run_starter: RunStarter
    run_queries: RunQueries
    clock: Clock
    wake: Callable[[], None]
    catalog: Catalog

    async def look_up(self, button: str, *, place: ChannelRef, message: str) -> ButtonAction | None:
        """What a button stands for, as long as its card is the one that counts. It changes nothing."""
        found = await self.store.find_button(button, place.tenant)
        if found is None:
            return None
        known, card = found
        if not _is_here(card, place) or known.attempt != card.attempt or card.message not in ("", message):
            return None
        at = replace(place, platform=card.platform, thread=card.thread)
        return ButtonAction(
            run=card.run, action=Action(known.action), digest=known.digest, index=known.index, place=at, message=message
        )

    async def handle(
        self, by: Person, button: str, *, place: ChannelRef, message: str, text: str = "", once: str = ""
    ) -> ChatReply:
        """Act on a button, unless the same event was seen before."""
        if once and not await self.store.is_new(f"press:{once}", by.tenant, self.clock.now()):
            return ChatReply()
        try:
            known, card = await self._known(by, button, place, message)
        except ChatRefusal as error:
            await self._keep_for_audit(by, place, error.refusal, f"{button[:_ID_SHOWN]} on {message[:_ID_SHOWN]}")
            raise
        return await self._apply(by, known, card, place=place, text=text, once=once)

    async def _known(self, by: Person, button: str, place: ChannelRef, message: str) -> tuple[ButtonRecord, CardRecord]:
        """The button and its card, if the click came from the message that the card stands on.

        Raises:
            RefusedError: it did not.
        """
        found = await self.store.find_button(button, by.tenant)
        if found is None or not message or by.tenant != place.tenant or not _is_here(found[1], place):
            raise refused("no_button")
        known, card = found
        if known.attempt == card.attempt and not card.message:
            # The post reached the product, and its answer has not reached us, or never will: now we know where it is.
            await self.store.posted(card, message, self.clock.now())
            card = await self.store.card(card.run, by.tenant) or card
        if known.attempt != card.attempt or card.message != message:
            await self._mark_superseded(card, message)
            raise refused("superseded_card", run=card.run)
        return known, card

    async def _mark_superseded(self, card: CardRecord, unexpected: str) -> None:
        """Have card sync look at once, though nothing happened to the run: even at a card that it is done with."""
        await self.store.mark_unexpected(card, unexpected)
        state: CardState = "live" if card.state == "done" else card.state
        await self.store.save(card, replace(card, state=state, wake_at=self.clock.now()))
        self.wake()

    async def _apply(
        self, by: Person, known: ButtonRecord, card: CardRecord, *, place: ChannelRef, text: str, once: str
    ) -> ChatReply:
        action = Action(known.action)
        if action is Action.DETAILS:
            pages = await self.run_queries.details(card)
            return ChatReply(private=pages[0], run=card.run)
        if action is Action.ASK_AGAIN:
            return await self.run_starter.start_again(by, place, card, once=once)
        try:
            await self._decide(by, known, action, text)
        except RefusedError as error:
            if isinstance(error, ChatRefusal):
                await self._keep_for_audit(by, place, error.refusal, f"{action} of run {card.run}")
            state = await self.coordinator.state(card.run, by.tenant)
            self.wake()
            return ChatReply(private=self._refusal(error, state))
        self.wake()
        return ChatReply(run=card.run)

    def _refusal(self, error: RefusedError, state: RunState) -> Card:
        if isinstance(error, ChatRefusal):
            return not_done_card(self.catalog, (StyledText(error.sentence(self.catalog)),))
        return not_done_card(self.catalog, refusal_line(error, self.catalog, state))

    def _decide(self, by: Person, known: ButtonRecord, action: Action, text: str) -> Awaitable[RunState]:
        people, run, digest = self.coordinator, known.run, known.digest
        match action:
            case Action.APPROVE:
                return people.approve(run, digest, by)
            case Action.REJECT:
                return people.reject(run, digest, by, text)
            case Action.CHANGE:
                return people.request_changes(run, digest, by, text)
            case Action.CHOOSE:
                return people.choose(run, digest, by, _agent(text))
            case Action.CANCEL:
                return people.cancel(run, by)
            case Action.HAPPENED | Action.RUN_IT | Action.ABANDON:
                return self._settle(by, known, _VERDICTS[action])
            case Action.DETAILS | Action.ASK_AGAIN:
                raise refused("no_button")
            case _:
                assert_never(action)

    async def _settle(self, by: Person, known: ButtonRecord, verdict: Verdict) -> RunState:
        """A word about one doubt says nothing about the next one, though it be of the same call."""
        state = await self.coordinator.state(known.run, by.tenant)
        if isinstance(state, s.NeedsHuman) and unknown_outcome_of(state) != known.value:
            raise refused("older_doubt")
        index, attempt = -1 if known.index is None else known.index, int(known.value or 0)
        return await self.coordinator.resolve(known.run, index, by, verdict, attempt=attempt)

    async def _keep_for_audit(self, by: Person, place: ChannelRef, what: str, detail: str) -> None:
        await self.store.add_audit_entry(
            AuditEntry(
                tenant=by.tenant,
                channel=place.channel,
                by=by.id,
                by_name=by.name,
                at=self.clock.now(),
                what=f"refused {what}",
                detail=detail,
            )
        )


def _is_here(card: CardRecord, place: ChannelRef) -> bool:
    return (card.tenant, card.channel) == (place.tenant, place.channel)


def _agent(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
