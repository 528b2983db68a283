"""Standing grants in a chat: whoever gave some sees them and takes them back; administrators do so with all of them."""

from dataclasses import dataclass

from bot.cards.grants import grant_line
from bot.cards.text import visible
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import done_card, list_card, refused
from bot.chat.service_port import ListGrants, Private, Reply
from bot.chat.store import AuditEntry, ChatStore
from bot.i18n import catalog
from bot.message import Card
from coordination.domain.policy import Person, Refusal
from coordination.errors import RefusedError
from coordination.ports import Clock
from coordination.secret_marks import beginning
from coordination.service import Coordinator

_LISTED = 20
_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class GrantLists:
    """Lists grants and revokes them. Who may revoke one is judged where that is done."""

    store: ChatStore
    coordinator: Coordinator
    clock: Clock

    async def answer(self, request: ListGrants, by: Person, place: ChannelRef) -> Reply:
        """The grants that a person has given here, or that one of them is revoked.

        Raises:
            RefusedError: there is no such grant here, or it is neither theirs nor do they administer.
        """
        if not request.revoke:
            return Private(await self.listed(by.tenant, of=by))
        try:
            return Private(await self.revoked(request.revoke, by))
        except RefusedError as error:
            if error.refusal == Refusal.NOT_YOURS:
                await self._keep_for_audit(request.revoke, by, place)
            raise

    async def listed(self, tenant: str, *, of: Person | None = None) -> Card:
        """The grants on which calls may start, of everybody or of one person."""
        standing = await self.coordinator.grants.listed(tenant)
        lines = [grant_line(each) for each in standing if of is None or each.grant.by.is_same_as(of)]
        heading = catalog.rich("grant.title" if of is None else "grant.own_title")
        empty = catalog.text("grant.none" if of is None else "grant.own_none")
        return list_card(heading, lines[:_LISTED], empty=empty)

    async def revoked(self, name: str, by: Person) -> Card:
        """Have no call start on a grant any more.

        Raises:
            RefusedError: there is no such grant here, or it is not for them to revoke.
        """
        try:
            await self.coordinator.grants.revoke(name, by)
        except RefusedError as error:
            if error.refusal == Refusal.NOT_YOURS:
                raise
            raise refused("no_grant", grant=beginning(name, _SHOWN)) from None
        return done_card(catalog.rich("grant.revoked", grant=visible(name)))

    async def _keep_for_audit(self, name: str, by: Person, place: ChannelRef) -> None:
        await self.store.add_audit_entry(
            AuditEntry(
                tenant=by.tenant,
                channel=place.channel,
                by=by.id,
                by_name=by.name,
                at=self.clock.now(),
                what="refused grants revoke",
                detail=beginning(name, _SHOWN),
            )
        )
