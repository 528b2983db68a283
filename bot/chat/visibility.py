"""Which runs a person may look at from where: those of the channel they are in, their own, and for administrators all.

But what was asked for in a private thread is seen there only: administrators need not be in it.
"""

from dataclasses import dataclass

from bot.cards.text import one_line
from bot.chat.card_sync.context import place_of
from bot.chat.platform import Place
from bot.chat.refusing import refused
from bot.chat.store import CardRecord, DeskStore
from coordination.domain.person import Person
from coordination.errors import RunNotFoundError
from coordination.ports import RunLog


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """Finds runs for people. What they may not see is not there."""

    log: RunLog
    store: DeskStore

    async def found(self, by: Person, place: Place, prefix: str) -> CardRecord:
        """The card of the one run that is named so, or whose name begins so, among those that this person may see here.

        Raises:
            RunNotFoundError: there is none.
            RefusedError: there are several.
        """
        typed = prefix.strip()
        is_name = typed.isascii() and typed.isprintable() and typed
        runs = await self.log.find(typed, by.tenant) if is_name else ()
        cards = [await self.store.card(run, by.tenant) for run in runs]
        seen = [card for card in cards if card is not None and may_see(by, place, card)]
        whole = [card for card in seen if card.run.lower() == typed.lower()]
        if not seen:
            raise RunNotFoundError(prefix)
        if len(seen) > 1 and not whole:
            names = ", ".join(card.run for card in seen)
            raise refused("ambiguous_run", prefix=one_line(typed, 40), names=names)
        return (whole or seen)[0]


def may_see(by: Person, place: Place, card: CardRecord) -> bool:
    """Whether a run is a person's business in this place."""
    if by.tenant != card.tenant or place.tenant != card.tenant:
        return False
    if card.channel == place.channel or card.requester == by.id:
        return True
    return by.is_admin and not place_of(card).is_private_thread
