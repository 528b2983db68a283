"""Administrators of a chat are told of budgets that are nearly used: each one once, by one process.

They are the people whom the operator named, and those who have set something as administrators and still are. A chat
does not list all of its administrators to a bot that lacks far more rights than this one should have. Where none of
them can be told, the owners of the tenant are, as far as the chat says who they are; and else whoever the budget is
for.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.cards.budget_card import budget_card
from bot.chat.platform import (
    CardTooLarge,
    ChannelRef,
    ChatPlatform,
    KnowsOwners,
    MessageNotFound,
    MissingPermission,
    RateLimited,
    ReachesPeople,
)
from bot.i18n import Catalog, speaking
from bot.message import Card
from coordination.domain.policy import Person
from coordination.ports import BudgetWarning, Clock

_log = logging.getLogger(__name__)

_LOOKED_AT = 100
_MOST_TOLD = 10
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class BudgetNotices:
    """One chat's notices.

    Attributes:
        take: gives what nobody has told yet in the tenants of a chat, and nobody else gets it then.
        changed_by: the accounts that have changed a tenant's settings as administrators, the latest first.
        named: the people whom the operator named, by tenant and account.
        candidates: the accounts that they may have meant in a tenant, however they wrote them.
        language: what the operator speaks.
    """

    platform: ChatPlatform
    clock: Clock
    take: Callable[[str], Awaitable[Sequence[BudgetWarning]]]
    changed_by: Callable[[str, int], Awaitable[Sequence[str]]]
    named: frozenset[tuple[str, str]]
    candidates: Callable[[str], Sequence[str]]
    language: Catalog

    async def tell(self) -> None:
        """Tell what there is to tell.

        Raises:
            StorageError: the database can't be used.
        """
        for warning in await self.take(self.platform.name):
            with speaking(self.language):
                card = budget_card(warning)
            told, who = await self._send_all(await self._administrators(warning.tenant), card), "administrators"
            if not told:
                told, who = await self._send_all(await self._owners(warning.tenant), card), "owners"
            if not told:
                told, who = await self._send_to_whose(warning, card), "whoever it is for"
            _log.warning(
                "%s: limits.%s %s: %s of %s used on %s; told: %d (%s)",
                warning.tenant,
                warning.limit,
                warning.whose,
                warning.spent,
                warning.most,
                warning.day,
                told,
                who if told else "nobody could be: set MASSGEN_BOT_ADMINS",
            )

    async def _administrators(self, tenant: str) -> list[Person]:
        others = await self.changed_by(tenant, _LOOKED_AT)
        people = _people(tenant, (*self.candidates(tenant), *others))
        return [each for each in people if await self._administers(each)][:_MOST_TOLD]

    async def _owners(self, tenant: str) -> list[Person]:
        """Those whose the tenant is; nobody where the chat does not tell."""
        if not isinstance(self.platform, KnowsOwners):
            return []
        try:
            return _people(tenant, await self.platform.owners_of(tenant))[:_MOST_TOLD]
        except (MessageNotFound, MissingPermission, RateLimited) as error:
            _log.info("the chat does not say who owns %s: %s", tenant, error)
            return []

    async def _send_to_whose(self, warning: BudgetWarning, card: Card) -> int:
        """Tell the one person whose budget it is, or post in the channel whose it is; whether that could be done."""
        if warning.name:
            return await self._send_all(_people(warning.tenant, (warning.whose,)), card)
        if not warning.whose:
            return 0
        place = ChannelRef(platform=self.platform.name, tenant=warning.tenant, channel=warning.whose)
        try:
            await self.platform.post_text(place, card)
        except (MessageNotFound, MissingPermission, CardTooLarge, RateLimited) as error:
            _log.info("a channel can't be told of its budget: %s", error)
            return 0
        return 1

    async def _administers(self, person: Person) -> bool:
        """Whether somebody is an administrator now.

        Of those whom the operator named by their tenant, the chat need not say so.
        """
        is_named = (person.tenant, person.id) in self.named
        if not isinstance(self.platform, ReachesPeople):
            return is_named
        try:
            now = await self.platform.person_now(person)
        except (MessageNotFound, MissingPermission, RateLimited):
            return is_named
        return now is not None and not now.is_deleted and (is_named or now.is_admin)

    async def _send_all(self, people: Sequence[Person], card: Card) -> int:
        """How many of these people could be told."""
        return sum([await self._send(person, card) for person in people])

    async def _send(self, person: Person, card: Card) -> bool:
        """Send one message; where the chat asks for patience, have some."""
        place = ChannelRef(platform=self.platform.name, tenant=person.tenant, channel="")
        for _ in range(_TRIES):
            try:
                return await self.platform.notify_user(person, place, card)
            except RateLimited as error:
                await self.clock.sleep(error.seconds)
            except (MessageNotFound, MissingPermission, CardTooLarge) as error:
                _log.info("a person can't be told of a budget: %s", error)
                return False
        return False


def _people(tenant: str, accounts: Sequence[str]) -> list[Person]:
    """Each account once, without a name of its own."""
    return [Person(tenant=tenant, id=account, name=account) for account in dict.fromkeys(accounts)]
