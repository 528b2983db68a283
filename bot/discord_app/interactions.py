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
from bot.chat.platform import CardTooLarge, ChannelRef, ChatReply, MessageNotFound, MissingPermission, RateLimited
from bot.discord_app import markup
from bot.discord_app.components import (
    BUTTON_TEMPLATE,
    MENU_TEMPLATE,
    ComponentId,
    Control,
    custom_id,
    parse_custom_id,
    yes_view,
)
from bot.discord_app.identity import GetChatService, author_of, person_of, place_of, place_of_message
from bot.discord_app.markup import head_of
from bot.discord_app.platform import DiscordPlatform
from bot.discord_app.replies import (
    AnyInteraction,
    fill_in,
    reply_privately,
    reply_with_pages,
    report_errors,
    sentence,
    take_silently,
)
from bot.discord_app.replies import wait_in_private as wait
from bot.i18n import ENGLISH, Catalog
from bot.message import Action, CallItem, CallList, Card, Paragraph, RichText, Severity, TextForm
from coordination.domain.policy import Person
from coordination.errors import StorageError

_log = logging.getLogger(__name__)


class Mentions:
    """Takes messages to the chat service."""

    def __init__(
        self,
        client: discord.Client,
        chat_service: GetChatService,
        platform: DiscordPlatform,
        catalog: Catalog = ENGLISH,
    ) -> None:
        """The platform tells the writer what the chat service tells them alone."""
        self._client = client
        self._chat_service = chat_service
        self._platform = platform
        self._catalog = catalog

    async def mentioned(self, message: discord.Message, own: int) -> None:
        """A message by a person that mentions us. Outside of a run's thread it is nobody's business."""
        if message.guild is None or message.webhook_id is not None:
            return
        try:
            place = await place_of_message(self._client, message, message.guild.id)
            by = author_of(message, message.guild.id)
            reply = await self._asked(message, by, place, own)
            if reply.private is not None:
                await self._platform.notify_user(by, place, reply.private)
        except (CardTooLarge, MessageNotFound, MissingPermission, RateLimited, discord.HTTPException) as error:
            _log.warning("the writer of a follow-up can't be told", exc_info=error)

    async def _asked(self, message: discord.Message, by: Person, place: ChannelRef, own: int) -> ChatReply:
        """What the chat service says; where it can't work now, that."""
        try:
            run = await self._chat_service().run_of_thread(place)
            if run is None:
                return ChatReply()
            prompt = re.sub(rf"<@!?{own}>", "", message.content).strip()
            return await self._chat_service().start_run(by, place, prompt, thread_of=run, once=str(message.id))
        except StorageError as error:
            _log.warning("a follow-up could not be taken", exc_info=error)
            in_thread = bool(place.thread)  # Elsewhere a mention is nobody's business.
            return (
                ChatReply(private=sentence(notice_for(error, catalog=self._catalog), self._catalog))
                if in_thread
                else ChatReply()
            )


ASK = "mg:ask"
"""The custom id of the window that asks for a request."""


def text_input_modal(button: str, message: str, form: TextForm, catalog: Catalog) -> discord.ui.Modal:
    """Asks why, or what should be different."""
    title, label = (catalog.text(f"discord.window_{form.asks}_{part}") for part in ("title", "label"))
    return _modal(custom_id(Control.MODAL, button, message), title, label, is_required=form.is_required)


def ask_modal(text: str, catalog: Catalog) -> discord.ui.Modal:
    """Asks what the agents should do, beginning with the words of a message."""
    return _modal(
        ASK, catalog.text("discord.ask_title"), catalog.text("discord.ask_label"), is_required=True, default=text
    )


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
    """Takes clicks and submitted modals to the chat service. Every one of them is answered."""

    def __init__(self, chat_service: GetChatService, catalog: Catalog = ENGLISH) -> None:
        """The chat service decides; this only carries."""
        self._chat_service = chat_service
        self._catalog = catalog

    async def clicked(self, interaction: AnyInteraction, what: ComponentId, value: str = "") -> None:
        """A button or a menu."""
        async with report_errors(interaction, self._catalog):
            guild = interaction.guild_id
            if guild is None:
                await reply_privately(
                    interaction, sentence(self._catalog.text("discord.no_server"), self._catalog), self._catalog
                )
                return
            by, place = person_of(interaction, guild), place_of(interaction, guild)
            match what.control:
                case Control.TEXT:
                    await self._ask_for_text(interaction, what, by, place)
                case Control.CONFIRM:
                    await self._ask_again(interaction, what, by, place)
                case Control.YES:
                    await self._confirmed(interaction, what, by, place)
                case Control.PRESS | Control.MENU | Control.MODAL:
                    await self._press(interaction, what, by, place, text=value)
                case _:
                    assert_never(what.control)

    async def submitted(self, interaction: AnyInteraction, what: ComponentId) -> None:
        """A window with words; it is about the message that its button was on."""
        async with report_errors(interaction, self._catalog):
            guild = interaction.guild_id
            if guild is None:
                return
            by, place = person_of(interaction, guild), place_of(interaction, guild)
            await take_silently(interaction)
            reply = await self._chat_service().handle_button(
                by, what.id, place=place, message=what.message, text=typed(interaction.data), once=str(interaction.id)
            )
            await _reply_with(interaction, reply, self._catalog)

    async def _press(
        self, interaction: AnyInteraction, what: ComponentId, by: Person, place: ChannelRef, *, text: str = ""
    ) -> None:
        await take_silently(interaction)
        message = _message_of(interaction)
        found = await self._chat_service().look_up_button(what.id, place=place, message=message)
        if found is not None and found.action is Action.DETAILS:
            await reply_with_pages(interaction, await self._chat_service().details(by, place, found.run), self._catalog)
            return
        reply = await self._chat_service().handle_button(
            by, what.id, place=place, message=message, text=text, once=str(interaction.id)
        )
        await _reply_with(interaction, reply, self._catalog)

    async def _ask_for_text(
        self, interaction: AnyInteraction, what: ComponentId, by: Person, place: ChannelRef
    ) -> None:
        """A window can only be the first answer, so that what is not known is refused in its stead."""
        message = _message_of(interaction)
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._chat_service().look_up_button(what.id, place=place, message=message)
        except TimeoutError:
            await reply_privately(
                interaction, sentence(self._catalog.text("discord.too_slow"), self._catalog), self._catalog
            )
            return
        if found is None or found.form is None:
            await self._press(interaction, what, by, place)
            return
        await interaction.response.send_modal(text_input_modal(what.id, message, found.form, self._catalog))

    async def _ask_again(self, interaction: AnyInteraction, what: ComponentId, by: Person, place: ChannelRef) -> None:
        """Name what is about to run, to the one who clicked, before the click counts."""
        await wait(interaction)
        message = _message_of(interaction)
        found = await self._chat_service().look_up_button(what.id, place=place, message=message)
        if found is None:
            reply = await self._chat_service().handle_button(
                by, what.id, place=place, message=message, once=str(interaction.id)
            )
            await _replace(interaction, reply, self._catalog)
            return
        calls = _calls_in(await self._chat_service().details(by, place, found.run))
        await fill_in(
            interaction,
            self._question(calls),
            self._catalog,
            yes_view(what.id, message, self._catalog.text("discord.confirm_yes")),
        )

    def _question(self, calls: list[CallItem]) -> Card:
        lines: list[RichText] = [
            self._catalog.rich("confirm.call", number=call.number, server=call.server, tool=call.tool)
            + ((*self._catalog.rich("discord.confirm_note", notes=", ".join(call.notes)),) if call.notes else ())
            for call in calls
        ]
        risky = [call for call in calls if call.is_destructive]
        key = "confirm.destroys" if risky else "confirm.many"
        return Card(
            severity=Severity.ATTENTION,
            status=self._catalog.text("discord.confirm_status"),
            title=self._catalog.rich("discord.confirm_title"),
            reference=self._catalog.rich(key, count=len(risky) or len(calls)) if calls else (),
            sections=(Paragraph(lines=tuple(lines)),) if lines else (),
        )

    async def _confirmed(self, interaction: AnyInteraction, what: ComponentId, by: Person, place: ChannelRef) -> None:
        """The yes to the private question, which then goes."""
        await take_silently(interaction)
        reply = await self._chat_service().handle_button(
            by, what.id, place=place, message=what.message, once=str(interaction.id)
        )
        await _replace(interaction, reply, self._catalog)


async def _reply_with(interaction: AnyInteraction, reply: ChatReply, catalog: Catalog) -> None:
    if reply.private is not None:
        await reply_privately(interaction, reply.private, catalog)


async def _replace(interaction: AnyInteraction, reply: ChatReply, catalog: Catalog) -> None:
    """What was said in the place of the private message; nothing where the public card says it all."""
    if reply.private is None:
        await interaction.delete_original_response()
    else:
        await fill_in(interaction, reply.private, catalog)


def _message_of(interaction: AnyInteraction) -> str:
    return str(interaction.message.id) if interaction.message is not None else ""


def _calls_in(pages: Sequence[Card]) -> list[CallItem]:
    """The calls with their arguments in what the chat service has to say of a plan, each once."""
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

        def __init__(self, item: discord.ui.Item[discord.ui.View], what: ComponentId) -> None:
            super().__init__(item)
            self._what = what

        @classmethod
        @override
        async def from_custom_id(
            cls, interaction: AnyInteraction, item: discord.ui.Item[discord.ui.View], match: re.Match[str], /
        ) -> Self:
            return cls(item, parse_custom_id(match))

        @override
        async def callback(self, interaction: AnyInteraction) -> None:
            values = self.item.values if isinstance(self.item, discord.ui.Select) else []
            await clicks.clicked(interaction, self._what, str(values[0]) if values else "")

    return AnyItem
