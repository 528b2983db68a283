"""The chat service: every request of every platform, answered by a private card or by what everybody will see."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from bot.cards.error_messages import refusal_line
from bot.chat.admin import AdminService
from bot.chat.buttons import ButtonHandler
from bot.chat.platform import ButtonAction, ChannelRef, ChatReply
from bot.chat.private_cards import done_card, error_card, not_done_card, reply_or_error_card
from bot.chat.run_queries import HelpCards, RunQueries, Visibility
from bot.chat.start_run import RunStarter
from bot.i18n import Catalog
from bot.message import Card
from coordination.domain.policy import Person
from coordination.errors import RefusedError, StorageError
from coordination.service import Coordinator

_COMPLETED = 25


@dataclass(frozen=True, kw_only=True)
class DefaultChatService:
    """Fits `bot.chat.platform.ChatService`."""

    run_starter: RunStarter
    button_handler: ButtonHandler
    run_queries: RunQueries
    admin_service: AdminService
    help_cards: HelpCards
    visibility: Visibility
    coordinator: Coordinator
    catalog: Catalog

    async def start_run(
        self, by: Person, place: ChannelRef, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> ChatReply:
        """Start a run whose card will be kept at the place."""
        work = self.run_starter.start(self._known(by), place, prompt, config=config, thread_of=thread_of, once=once)
        return await self._answered(work, by)

    async def handle_button(
        self, by: Person, button: str, *, place: ChannelRef, message: str, text: str = "", once: str = ""
    ) -> ChatReply:
        """Act on a button, menu or modal."""
        person = self._known(by)
        work = self.button_handler.handle(person, button, place=place, message=message, text=text, once=once)
        return await self._answered(work, by)

    async def look_up_button(self, button: str, *, place: ChannelRef, message: str) -> ButtonAction | None:
        """What a button stands for, by one read."""
        return await self.button_handler.look_up(button, place=place, message=message)

    async def runs(self, by: Person, place: ChannelRef, *, mine: bool = False, waiting: bool = False) -> ChatReply:
        """The newest runs here."""
        return await self._answered(self.run_queries.runs(by, place, mine=mine, waiting=waiting), by)

    async def show(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        """One run with its coordination table."""

        async def work() -> ChatReply:
            return await self.run_queries.show(await self.visibility.found(self._known(by), place, run))

        return await self._answered(work(), by)

    async def details(self, by: Person, place: ChannelRef, run: str) -> Sequence[Card]:
        """Everything about a run's plan, in pages."""
        try:
            return await self.run_queries.details(await self.visibility.found(self._known(by), place, run))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # whoever asked gets a sentence, whatever it was
            return (error_card(error, self._known(by), self.catalog),)

    async def cancel(self, by: Person, place: ChannelRef, run: str) -> ChatReply:
        """Stop a run."""

        async def work() -> ChatReply:
            card = await self.visibility.found(self._known(by), place, run)
            try:
                await self.coordinator.cancel(card.run, self._known(by))
            except RefusedError as error:
                state = await self.coordinator.state(card.run, by.tenant)
                return ChatReply(
                    private=not_done_card(self.catalog, refusal_line(error, self.catalog, state)), run=card.run
                )
            finally:
                self.run_starter.wake()
            return ChatReply(
                private=done_card(self.catalog, self.catalog.rich("chat.stopped", run=card.run)), run=card.run
            )

        return await self._answered(work(), by)

    async def retry(self, by: Person, place: ChannelRef, run: str, *, once: str = "") -> ChatReply:
        """Ask the same again, as a new run."""

        async def work() -> ChatReply:
            card = await self.visibility.found(self._known(by), place, run)
            return await self.run_starter.start_again(self._known(by), place, card, once=once)

        return await self._answered(work(), by)

    async def config_names(self, place: ChannelRef, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        """The configurations that this person, or else any member, may name here, and that begin so."""
        config_catalog = self.run_starter.config_catalog
        if by is not None and self._known(by).is_admin:
            names = config_catalog.names(place.tenant)
        else:
            channel_settings = await self.visibility.store.settings(place.tenant, place.settings_channel)
            names = config_catalog.open_to_members(place.tenant, place.settings_channel, channel_settings)
        return [name for name in names if name.startswith(beginning.strip().lower())][:_COMPLETED]

    async def admin(
        self, by: Person, place: ChannelRef, action: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> ChatReply:
        """An administrator's order."""
        work = self.admin_service.admin(by, place, action, name=name, scope=scope, value=value)
        return await self._answered(work, by)

    async def help(self, by: Person, place: ChannelRef) -> ChatReply:
        """What this is in two sentences, one example, and who may approve here."""
        return await self._answered(self.help_cards.help(place), by)

    async def home(self, by: Person) -> Card:
        """A person's own page."""
        try:
            return await self.run_queries.home(by)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # whoever asked gets a sentence, whatever it was
            return error_card(error, by, self.catalog)

    async def run_of_thread(self, place: ChannelRef) -> str | None:
        """The run whose thread this is."""
        return await self.visibility.store.run_of_thread(place.tenant, place.channel, place.thread)

    def _known(self, by: Person) -> Person:
        """The person, with the rights that the operator gave them besides the product's own."""
        return replace(by, is_admin=self.admin_service.is_admin(by))

    async def _answered(self, work: Awaitable[ChatReply], by: Person) -> ChatReply:
        return await reply_or_error_card(work, self._known(by), self.catalog)
