"""Which runs a person may look at from where: those of the channel they are in, their own, and for administrators all."""

from dataclasses import dataclass

from bot.commands import named_run
from bot.surface import Place
from coordination.domain.person import Person
from coordination.errors import RunNotFoundError
from coordination.ports import RunLog
from coordination.ports.desk import CardRecord, DeskStore


@dataclass(frozen=True, kw_only=True)
class Visibility:
    """Finds runs for people. What they may not see is not there."""

    log: RunLog
    store: DeskStore

    async def found(self, by: Person, place: Place, prefix: str) -> CardRecord:
        """The card of the one run that is named so, or begins so.

        Raises:
            RunNotFoundError: there is none that this person may see here.
            RefusedError: there are several.
        """
        run = await named_run(self.log, prefix, by.tenant)
        card = await self.store.card(run, by.tenant)
        if card is None or not may_see(by, place, card):
            raise RunNotFoundError(prefix)
        return card


def may_see(by: Person, place: Place, card: CardRecord) -> bool:
    """Whether a run is a person's business in this place."""
    if by.tenant != card.tenant or place.tenant != card.tenant:
        return False
    return by.is_admin or card.channel == place.channel or card.requester == by.id
