"""What a click leads to: one verb of the desk, a window for words, or a private question first."""

import asyncio
from collections.abc import Sequence
from typing import assert_never

from bot.chat.platform import Place, Said
from bot.discord_app.components import Control, Pressed, yes_view
from bot.discord_app.desk_line import DeskLine
from bot.discord_app.identity import person_of, place_of
from bot.discord_app.modals import typed, words_modal
from bot.discord_app.replies import AnyInteraction, answered, fill_in, sentence, take_silently, tell, tell_pages
from bot.discord_app.replies import wait_in_private as wait
from bot.i18n import ENGLISH, Words
from bot.message import CallItem, CallList, Card, Line, Paragraph, Tone, Verb
from coordination.domain.person import Person

_PATIENCE = 2.0
"""Seconds for a look at the database while Discord waits for a window, which must be the first answer within three."""


class Clicks:
    """Takes clicks and submitted windows to the desk. Every one of them is answered."""

    def __init__(self, desk: DeskLine, words: Words = ENGLISH) -> None:
        """The desk decides; this only carries."""
        self._desk = desk
        self._words = words

    async def clicked(self, interaction: AnyInteraction, what: Pressed, value: str = "") -> None:
        """A button or a menu."""
        async with answered(interaction, self._words):
            guild = interaction.guild_id
            if guild is None:
                await tell(interaction, sentence(self._words.say("discord.no_server"), self._words), self._words)
                return
            by, place = person_of(interaction, guild), place_of(interaction, guild)
            match what.control:
                case Control.WORDS:
                    await self._ask_for_words(interaction, what, by, place)
                case Control.CONFIRM:
                    await self._ask_again(interaction, what, by, place)
                case Control.YES:
                    await self._confirmed(interaction, what, by, place)
                case Control.PRESS | Control.MENU | Control.MODAL:
                    await self._press(interaction, what, by, place, text=value)
                case _:
                    assert_never(what.control)

    async def submitted(self, interaction: AnyInteraction, what: Pressed) -> None:
        """A window with words; it is about the message that its button was on."""
        async with answered(interaction, self._words):
            guild = interaction.guild_id
            if guild is None:
                return
            by, place = person_of(interaction, guild), place_of(interaction, guild)
            await take_silently(interaction)
            said = await self._desk().press(
                by, what.id, place=place, message=what.message, text=typed(interaction.data), once=str(interaction.id)
            )
            await _tell_what(interaction, said, self._words)

    async def _press(
        self, interaction: AnyInteraction, what: Pressed, by: Person, place: Place, *, text: str = ""
    ) -> None:
        await take_silently(interaction)
        message = _message_of(interaction)
        found = await self._desk().peek(what.id, place=place, message=message)
        if found is not None and found.verb is Verb.DETAILS:
            await tell_pages(interaction, await self._desk().details(by, place, found.run), self._words)
            return
        said = await self._desk().press(by, what.id, place=place, message=message, text=text, once=str(interaction.id))
        await _tell_what(interaction, said, self._words)

    async def _ask_for_words(self, interaction: AnyInteraction, what: Pressed, by: Person, place: Place) -> None:
        """A window can only be the first answer, so that what is not known is refused in its stead."""
        message = _message_of(interaction)
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._desk().peek(what.id, place=place, message=message)
        except TimeoutError:
            await tell(interaction, sentence(self._words.say("discord.too_slow"), self._words), self._words)
            return
        if found is None:
            await self._press(interaction, what, by, place)
            return
        is_change = found.verb is Verb.CHANGE
        await interaction.response.send_modal(words_modal(what.id, message, is_change=is_change, words=self._words))

    async def _ask_again(self, interaction: AnyInteraction, what: Pressed, by: Person, place: Place) -> None:
        """Name what is about to run, to the one who clicked, before the click counts."""
        await wait(interaction)
        message = _message_of(interaction)
        found = await self._desk().peek(what.id, place=place, message=message)
        if found is None:
            said = await self._desk().press(by, what.id, place=place, message=message, once=str(interaction.id))
            await _replace(interaction, said, self._words)
            return
        calls = _calls_in(await self._desk().details(by, place, found.run))
        await fill_in(
            interaction,
            self._question(calls),
            self._words,
            yes_view(what.id, message, self._words.say("discord.confirm_yes")),
        )

    def _question(self, calls: list[CallItem]) -> Card:
        lines: list[Line] = [
            self._words.line("confirm.call", number=call.number, server=call.server, tool=call.tool)
            + ((*self._words.line("discord.confirm_note", notes=", ".join(call.notes)),) if call.notes else ())
            for call in calls
        ]
        risky = [call for call in calls if call.is_destructive]
        key = "confirm.destroys" if risky else "confirm.many"
        return Card(
            tone=Tone.ATTENTION,
            status=self._words.say("discord.confirm_status"),
            title=self._words.line("discord.confirm_title"),
            reference=self._words.line(key, count=len(risky) or len(calls)) if calls else (),
            sections=(Paragraph(lines=tuple(lines)),) if lines else (),
        )

    async def _confirmed(self, interaction: AnyInteraction, what: Pressed, by: Person, place: Place) -> None:
        """The yes to the private question, which then goes."""
        await take_silently(interaction)
        said = await self._desk().press(by, what.id, place=place, message=what.message, once=str(interaction.id))
        await _replace(interaction, said, self._words)


async def _tell_what(interaction: AnyInteraction, said: Said, words: Words) -> None:
    if said.private is not None:
        await tell(interaction, said.private, words)


async def _replace(interaction: AnyInteraction, said: Said, words: Words) -> None:
    """What was said in the place of the private message; nothing where the public card says it all."""
    if said.private is None:
        await interaction.delete_original_response()
    else:
        await fill_in(interaction, said.private, words)


def _message_of(interaction: AnyInteraction) -> str:
    return str(interaction.message.id) if interaction.message is not None else ""


def _calls_in(pages: Sequence[Card]) -> list[CallItem]:
    """The calls with their arguments in what the desk has to say of a plan, each once."""
    found: dict[int, CallItem] = {}
    for card in pages:
        for section in card.sections:
            if isinstance(section, CallList):
                for call in section.calls:
                    found.setdefault(call.number, call)
    return [found[number] for number in sorted(found)]
