"""The chat service: every request of every chat, and the part that answers it."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from bot.chat.admin import AdminService
from bot.chat.buttons import ButtonHandler
from bot.chat.platform import ChannelRef
from bot.chat.private_cards import refused
from bot.chat.run_queries import HelpCards, RunQueries
from bot.chat.service_port import (
    AdminCommand,
    CancelRun,
    CancelThread,
    FollowUp,
    ListGrants,
    ListRuns,
    PressButton,
    Reply,
    Request,
    RetryRun,
    ShowHelp,
    ShowHome,
    ShowPlan,
    ShowRun,
    StartRun,
    SubmitText,
)
from bot.chat.start_run import RunStarter
from bot.chat.suggested_prompts import SuggestedPrompts
from bot.chat.thread_question import question_of
from coordination.domain.policy import Person
from coordination.log_context import log_from_here

_COMPLETED = 25


@dataclass(frozen=True, kw_only=True)
class RequestRouter:
    """Fits `bot.chat.service_port.ChatService`."""

    run_starter: RunStarter
    button_handler: ButtonHandler
    run_queries: RunQueries
    admin_service: AdminService
    help_cards: HelpCards

    def handle(self, request: Request, actor: Person, place: ChannelRef) -> Coroutine[Any, Any, Reply]:
        """Hand a request on; `actor` gets the rights that the operator gave them besides the product's own."""
        log_from_here(tenant=actor.tenant, person=actor.id)  # A chat has each request answered in a task of its own.
        by = replace(actor, is_admin=self.admin_service.is_admin(actor))
        match request:
            case StartRun() | FollowUp():
                return self._said(request, by, place)
            case RetryRun():
                return self.run_starter.start(request, by, place)
            case PressButton() | SubmitText():
                return self.button_handler.press(request, by, place)
            case CancelRun() | CancelThread():
                return self.button_handler.cancel(request, by, place)
            case ListRuns() | ShowRun() | ShowPlan() | ShowHome():
                return self.run_queries.answer(request, by, place)
            case ListGrants():
                return self.admin_service.grants.answer(request, by, place)
            case ShowHelp():
                return self.help_cards.help(place)
            case AdminCommand():
                return self.admin_service.run(request, by, place)
            case _:
                assert_never(request)

    async def _said(self, request: StartRun | FollowUp, by: Person, place: ChannelRef) -> Reply:
        """Start a run, or ask first whether the words are meant to change the plan that waits there."""
        question = await question_of(self.run_starter, request, by, place)
        return question or await self.run_starter.start(request, by, place)

    async def suggested_prompts(self, place: ChannelRef) -> Sequence[str]:
        """What was set for this channel, else for its server."""
        return await SuggestedPrompts(store=self.run_starter.store).at(place)

    async def tenant_of_button(self, button: str, platform: str) -> str:
        """The tenant that a button belongs to."""
        tenant = await self.run_starter.store.tenant_of_button(button, platform)
        if tenant is None:
            raise refused("no_button")
        return tenant

    async def messages_deleted(self, place: ChannelRef, messages: Sequence[str]) -> None:
        """Have card sync look at the cards, and the copies of cards, that stood there."""
        store = self.run_starter.store
        cards = await store.cards_on(place.tenant, place.channel, messages)
        await self.button_handler.look_again(cards, await store.copies_on(place.platform, place.channel, messages))

    async def question_shown(self, question: str, place: ChannelRef) -> None:
        """Nobody needs to ask it again."""
        await self.run_starter.store.question_shown(question, place.tenant)

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        """The configurations that this person, or else any member, may name here, and that begin so."""
        config_catalog = self.run_starter.config_catalog
        if by is not None and self.admin_service.is_admin(by):
            names = config_catalog.names(place.tenant)
        else:
            channel_settings = await self.run_starter.store.settings(place.tenant, place.settings_channel)
            names = config_catalog.open_to_members(place.tenant, place.settings_channel, channel_settings)
        return [name for name in names if name.startswith(beginning.strip().lower())][:_COMPLETED]
