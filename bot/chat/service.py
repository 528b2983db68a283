"""The chat service: every request of every platform, answered by a private card or by what everybody will see."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from bot.cards.error_messages import refusal_line
from bot.chat.admin import Administering
from bot.chat.buttons import Pressing
from bot.chat.platform import Place, Press, Said
from bot.chat.private_cards import answered, error_card, not_done, noted
from bot.chat.run_queries import Helping, Looking, Visibility
from bot.chat.start_run import Asking
from bot.i18n import Words
from bot.message import Card
from coordination.domain.policy import Person
from coordination.errors import RefusedError, StorageError
from coordination.service import Coordinator

_COMPLETED = 25


@dataclass(frozen=True, kw_only=True)
class FrontDesk:
    """Fits `bot.chat.platform.Desk`."""

    asking: Asking
    pressing: Pressing
    looking: Looking
    administering: Administering
    helping: Helping
    visibility: Visibility
    coordinator: Coordinator
    words: Words

    async def ask(
        self, by: Person, place: Place, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> Said:
        """Start a run whose card will be kept at the place."""
        work = self.asking.ask(self._known(by), place, prompt, config=config, thread_of=thread_of, once=once)
        return await self._answered(work, by)

    async def press(
        self, by: Person, button: str, *, place: Place, message: str, text: str = "", once: str = ""
    ) -> Said:
        """Act on a button, menu or modal."""
        person = self._known(by)
        work = self.pressing.press(person, button, place=place, message=message, text=text, once=once)
        return await self._answered(work, by)

    async def peek(self, button: str, *, place: Place, message: str) -> Press | None:
        """What a button stands for, by one read."""
        return await self.pressing.peek(button, place=place, message=message)

    async def runs(self, by: Person, place: Place, *, mine: bool = False, waiting: bool = False) -> Said:
        """The newest runs here."""
        return await self._answered(self.looking.runs(by, place, mine=mine, waiting=waiting), by)

    async def show(self, by: Person, place: Place, run: str) -> Said:
        """One run with its coordination table."""

        async def work() -> Said:
            return await self.looking.show(await self.visibility.found(self._known(by), place, run))

        return await self._answered(work(), by)

    async def details(self, by: Person, place: Place, run: str) -> Sequence[Card]:
        """Everything about a run's plan, in pages."""
        try:
            return await self.looking.details(await self.visibility.found(self._known(by), place, run))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # whoever asked gets a sentence, whatever it was
            return (error_card(error, self._known(by), self.words),)

    async def cancel(self, by: Person, place: Place, run: str) -> Said:
        """Stop a run."""

        async def work() -> Said:
            card = await self.visibility.found(self._known(by), place, run)
            try:
                await self.coordinator.cancel(card.run, self._known(by))
            except RefusedError as error:
                state = await self.coordinator.state(card.run, by.tenant)
                return Said(private=not_done(self.words, refusal_line(error, self.words, state)), run=card.run)
            finally:
                self.asking.nudge()
            return Said(private=noted(self.words, self.words.line("desk.stopped", run=card.run)), run=card.run)

        return await self._answered(work(), by)

    async def retry(self, by: Person, place: Place, run: str, *, once: str = "") -> Said:
        """Ask the same again, as a new run."""

        async def work() -> Said:
            card = await self.visibility.found(self._known(by), place, run)
            return await self.asking.again(self._known(by), place, card, once=once)

        return await self._answered(work(), by)

    async def config_names(self, place: Place, beginning: str, *, by: Person | None = None) -> Sequence[str]:
        """The configurations that this person, or else any member, may name here, and that begin so."""
        shelf = self.asking.shelf
        if by is not None and self._known(by).is_admin:
            names = shelf.names(place.tenant)
        else:
            set_here = await self.visibility.store.settings(place.tenant, place.settings_channel)
            names = shelf.open_to_members(place.tenant, place.settings_channel, set_here)
        return [name for name in names if name.startswith(beginning.strip().lower())][:_COMPLETED]

    async def admin(
        self, by: Person, place: Place, verb: str, *, name: str = "", scope: str = "", value: str = ""
    ) -> Said:
        """An administrator's order."""
        work = self.administering.admin(by, place, verb, name=name, scope=scope, value=value)
        return await self._answered(work, by)

    async def help(self, by: Person, place: Place) -> Said:
        """What this is in two sentences, one example, and who may approve here."""
        return await self._answered(self.helping.help(place), by)

    async def home(self, by: Person) -> Card:
        """A person's own page."""
        try:
            return await self.looking.home(by)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  # whoever asked gets a sentence, whatever it was
            return error_card(error, by, self.words)

    async def run_of_thread(self, place: Place) -> str | None:
        """The run whose thread this is."""
        return await self.visibility.store.run_of_thread(place.tenant, place.channel, place.thread)

    def _known(self, by: Person) -> Person:
        """The person, with the rights that the operator gave them besides the product's own."""
        return replace(by, is_admin=self.administering.is_admin(by))

    async def _answered(self, work: Awaitable[Said], by: Person) -> Said:
        return await answered(work, self._known(by), self.words)
