"""Clicks, windows for text, and mentions in a run's thread: each leads to one request of the chat service.

discord.py only logs what goes wrong in these, so that whoever clicked would never hear of it: `Clicks` answers itself.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Self, TypeAlias, assert_never

import discord
from typing_extensions import override

from bot.cards.error_messages import notice_for
from bot.chat.platform import CardTooLarge, MessageGone, Place, PlaceForbidden, Said, SlowDown
from bot.discord_app import markup
from bot.discord_app.components import BUTTON_TEMPLATE, MENU_TEMPLATE, Control, Pressed, custom_id, pressed, yes_view
from bot.discord_app.identity import DeskLine, author_of, person_of, place_of, place_of_message
from bot.discord_app.markup import head_of
from bot.discord_app.platform import DiscordSurface
from bot.discord_app.replies import AnyInteraction, answered, fill_in, sentence, take_silently, tell, tell_pages
from bot.discord_app.replies import wait_in_private as wait
from bot.i18n import ENGLISH, Words
from bot.message import CallItem, CallList, Card, Line, Paragraph, Tone, Verb
from coordination.domain.policy import Person
from coordination.errors import StorageError

_log = logging.getLogger(__name__)


class Mentions:
    """Takes messages to the desk."""

    def __init__(self, client: discord.Client, desk: DeskLine, surface: DiscordSurface, words: Words = ENGLISH) -> None:
        """The surface tells the writer what the desk tells them alone."""
        self._client = client
        self._desk = desk
        self._surface = surface
        self._words = words

    async def mentioned(self, message: discord.Message, own: int) -> None:
        """A message by a person that mentions us. Outside of a run's thread it is nobody's business."""
        if message.guild is None or message.webhook_id is not None:
            return
        try:
            place = await place_of_message(self._client, message, message.guild.id)
            by = author_of(message, message.guild.id)
            said = await self._asked(message, by, place, own)
            if said.private is not None:
                await self._surface.whisper(by, place, said.private)
        except (CardTooLarge, MessageGone, PlaceForbidden, SlowDown, discord.HTTPException) as error:
            _log.warning("the writer of a follow-up can't be told", exc_info=error)

    async def _asked(self, message: discord.Message, by: Person, place: Place, own: int) -> Said:
        """What the desk says; where it can't work now, that."""
        try:
            run = await self._desk().run_of_thread(place)
            if run is None:
                return Said()
            prompt = re.sub(rf"<@!?{own}>", "", message.content).strip()
            return await self._desk().ask(by, place, prompt, thread_of=run, once=str(message.id))
        except StorageError as error:
            _log.warning("a follow-up could not be taken", exc_info=error)
            in_thread = bool(place.thread)  # Elsewhere a mention is nobody's business.
            return Said(private=sentence(notice_for(error, words=self._words), self._words)) if in_thread else Said()


ASK = "mg:ask"
"""The custom id of the window that asks for a request."""


def words_modal(button: str, message: str, *, is_change: bool, words: Words) -> discord.ui.Modal:
    """Asks why, or what should be different."""
    name = custom_id(Control.MODAL, button, message)
    if is_change:
        title, label = words.say("discord.window_change_title"), words.say("discord.window_change_label")
    else:
        title, label = words.say("discord.window_reject_title"), words.say("discord.window_reject_label")
    return _modal(name, title, label, is_required=is_change)


def ask_modal(text: str, words: Words) -> discord.ui.Modal:
    """Asks what the agents should do, beginning with the words of a message."""
    return _modal(ASK, words.say("discord.ask_title"), words.say("discord.ask_label"), is_required=True, default=text)


def typed(data: object) -> str:
    """The words of a submitted window that has one field."""
    if isinstance(data, Mapping):
        value = data.get("value")
        inner: list[object] = [data.get("component"), data.get("components")]
        return value if isinstance(value, str) else next(filter(None, map(typed, inner)), "")
    if isinstance(data, Sequence) and not isinstance(data, str):
        return next(filter(None, map(typed, data)), "")
    return ""


def custom_id_of(data: object) -> str:
    """The custom id of what was submitted."""
    return str(data.get("custom_id", "")) if isinstance(data, Mapping) else ""


def _modal(name: str, title: str, label: str, *, is_required: bool, default: str = "") -> discord.ui.Modal:
    modal = discord.ui.Modal(title=head_of(title, markup.MODAL_TITLE), custom_id=name, timeout=None)
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
        style=discord.TextStyle.paragraph,
        required=is_required,
        default=head_of(default, markup.MODAL_TEXT // 2) or None,
        max_length=markup.MODAL_TEXT,
        custom_id="words",
    )
    modal.add_item(discord.ui.Label(text=head_of(label, markup.MODAL_LABEL), component=field))
    modal.stop()
    return modal


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


_Item: TypeAlias = discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]]


def items_for(clicks: Clicks) -> tuple[type[_Item], ...]:
    """The two kinds of item, buttons and menus, bound to whom their clicks go to."""
    return _kind_of_item(clicks, BUTTON_TEMPLATE), _kind_of_item(clicks, MENU_TEMPLATE)


def _kind_of_item(clicks: Clicks, of: re.Pattern[str]) -> type[_Item]:
    class AnyItem(discord.ui.DynamicItem[discord.ui.Item[discord.ui.View]], template=of):
        """An item of any card that was ever posted."""

        def __init__(self, item: discord.ui.Item[discord.ui.View], what: Pressed) -> None:
            super().__init__(item)
            self._what = what

        @classmethod
        @override
        async def from_custom_id(
            cls, interaction: AnyInteraction, item: discord.ui.Item[discord.ui.View], match: re.Match[str], /
        ) -> Self:
            return cls(item, pressed(match))

        @override
        async def callback(self, interaction: AnyInteraction) -> None:
            values = self.item.values if isinstance(self.item, discord.ui.Select) else []
            await clicks.clicked(interaction, self._what, str(values[0]) if values else "")

    return AnyItem
