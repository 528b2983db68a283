"""A whole run on Discord: the real coordinator and worker behind a desk of a few lines, which keeps one card per run."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from typing_extensions import override

from bot.cards import Card, Verb
from bot.discord_app.surface import DiscordSurface
from bot.presenter.card import card_for
from bot.presenter.notices import notice_for
from bot.presenter.view import RunView, view_of
from bot.surface import Place, Posted, Press, Said
from coordination.domain.person import Person
from coordination.errors import RefusedError
from coordination.service import Ask
from tests.contract.discord_office import NoteDesk, note
from tests.service.office import Office


class FreshIds:
    """Real random ids for one frame of a card."""

    def __init__(self) -> None:
        self.given: dict[Verb, str] = {}

    def id_for(self, verb: Verb, value: str = "") -> str:
        del value
        return self.given.setdefault(verb, secrets.token_urlsafe(16))


@dataclass
class StoryDesk(NoteDesk):
    """What would be in the database outlives the bot; the surface is the bot's of the moment."""

    office: Office = field(default_factory=Office)
    surface: DiscordSurface | None = None
    cards: dict[str, Posted] = field(default_factory=dict[str, Posted])
    refused: list[str] = field(default_factory=list[str])
    seen: set[str] = field(default_factory=set[str])

    async def view(self, run: str) -> RunView:
        """The run as its log tells it."""
        view = view_of(await self.office.log.read(run))
        assert view is not None
        return view

    async def keep(self, run: str, place: Place | None = None) -> None:
        """Post the card, or make it show how the run stands."""
        assert self.surface is not None
        view, ids = await self.view(run), FreshIds()
        card = card_for(view, self.office.clock.now())
        posted = self.cards.get(run)
        if posted is None:
            assert place is not None
            posted = self.cards[run] = await self.surface.post(place, card, ids)
        else:
            await self.surface.edit(posted, card, ids)
        digests = [button.target for button in card.buttons]
        for verb, id_ in ids.given.items():
            digest = digests[0].digest if digests else ""
            self.known[id_] = Press(
                run=run, verb=verb, digest=digest, index=None, place=posted.place, message=posted.message
            )

    async def work(self, run: str) -> None:
        """A worker comes by."""
        await self.office.work()
        await self.keep(run)

    @override
    async def ask(
        self, by: Person, place: Place, prompt: str, *, config: str = "", thread_of: str = "", once: str = ""
    ) -> Said:
        if once in self.seen:
            return Said()
        self.seen.add(once)
        ask = Ask(prompt=prompt, requester=by, config_name=config or "test", config_text="text", origin="test.yaml")
        run = await self.office.people.start(ask)
        await self.keep(run, place)
        return Said(run=run)

    @override
    async def press(
        self, by: Person, button: str, *, place: Place, message: str, text: str = "", once: str = ""
    ) -> Said:
        found = await self.peek(button, place=place, message=message)
        if found is None:
            self.refused.append(by.name)
            return Said(private=note("There is no such button."))
        try:
            await self._act(found, by, text)
        except RefusedError as error:
            self.refused.append(by.name)
            return Said(private=note(notice_for(error)))
        await self.keep(found.run)
        return Said()

    @override
    async def details(self, by: Person, place: Place, run: str) -> Sequence[Card]:
        return [replace(card_for(await self.view(run), self.office.clock.now()), buttons=(), menu=None)]

    async def _act(self, press: Press, by: Person, text: str) -> None:
        people = self.office.people
        match press.verb:
            case Verb.APPROVE:
                await people.approve(press.run, press.digest, by)
            case Verb.REJECT:
                await people.reject(press.run, press.digest, by, text)
            case Verb.CHANGE:
                await people.request_changes(press.run, press.digest, by, text)
            case Verb.CHOOSE:
                await people.choose(press.run, press.digest, by, int(text))
            case Verb.CANCEL:
                await people.cancel(press.run, by)
            case _:
                raise AssertionError(press.verb)
