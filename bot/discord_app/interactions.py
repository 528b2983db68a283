"""Clicks, windows for text, and mentions in a run's thread: each leads to one request of the chat service.

discord.py only logs what goes wrong in these, so that whoever clicked would never hear of it: `Clicks` answers itself.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Self, TypeAlias, assert_never

import discord
from typing_extensions import override

from bot.attached_files import with_files
from bot.cards.text import head_of
from bot.chat.platform import CardTooLarge, ChannelRef, MessageNotFound, MissingPermission, RateLimited
from bot.chat.private_cards import error_card, refused
from bot.chat.service_port import AskForText, AskToConfirm, FollowUp, PressButton, Private, Reply, SubmitText
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
from bot.discord_app.identity import PLATFORM, GetChatService, Members, author_of, person_of, place_of, place_of_message
from bot.discord_app.message_content import files_of_message, text_of_message
from bot.discord_app.platform import DiscordPlatform
from bot.discord_app.replies import (
    AnyInteraction,
    cards_of,
    fill_in,
    reply_privately,
    reply_with_pages,
    report_errors,
    sentence,
    take_away,
    take_silently,
    wait_in_private,
)
from bot.i18n import catalog
from bot.message import Card, Confirmation, FormField, Option, Paragraph, Severity, StyledText, TextForm
from coordination.domain.policy import Person

_log = logging.getLogger(__name__)


class Mentions:
    """Takes messages to the chat service."""

    def __init__(self, client: discord.Client, chat_service: GetChatService, platform: DiscordPlatform) -> None:
        """The platform tells the writer what the chat service tells them alone."""
        self._client = client
        self._chat_service = chat_service
        self._platform = platform

    async def mentioned(self, message: discord.Message, own: int) -> None:
        """A message by a person that mentions us. Outside of a run's thread it is nobody's business."""
        if message.guild is None or message.webhook_id is not None:
            return
        try:
            place = await place_of_message(self._client, message, message.guild.id)
            by = author_of(message, message.guild.id)
            for card in await self._told(message, by, place, own):
                await self._platform.notify_user(by, place, card)
        except (CardTooLarge, MessageNotFound, MissingPermission, RateLimited, discord.HTTPException) as error:
            _log.warning("the writer of a follow-up can't be told", exc_info=error)

    async def _told(self, message: discord.Message, by: Person, place: ChannelRef, own: int) -> Sequence[Card]:
        """What the chat service says to the writer alone."""
        if not place.thread:
            return ()
        try:
            words = text_of_message(message, re.sub(rf"<@!?{own}>", "", message.content))
            prompt, refused = await with_files(words, files_of_message(message))
            if refused:
                return (sentence(" ".join([*refused, catalog.text("files.again")])),)
            request = FollowUp(prompt=prompt, event_id=str(message.id))
            reply = await self._chat_service().handle(request, by, place)
            if isinstance(reply, Private) and reply.ids is not None and reply.question:
                # Only an answer to a click can be private: the question is asked where the words were said.
                await self._platform.post(place, reply.card, reply.ids, idempotency_key=reply.question)
                await self._chat_service().question_shown(reply.question, place)
                return ()
            return cards_of(reply)
        except Exception as error:  # noqa: BLE001 - the outermost handler: whoever wrote gets a sentence, whatever it was
            return (error_card(error),)


_Ticks: TypeAlias = "discord.ui.CheckboxGroup[discord.ui.Modal] | discord.ui.Select[discord.ui.Modal]"

ASK = "mg:ask"
"""The custom id of the window that asks for a request."""


def text_input_modal(button: str, message: str, form: TextForm, run: str = "", choice: str = "") -> discord.ui.Modal:
    """Asks why, what should be different, or which calls, and says of which run; `choice` opened it, of a menu."""
    name = custom_id(Control.MODAL, button, message, choice)
    title = catalog.text(f"discord.window_{form.asks}_title")
    label = form.label or catalog.text(f"discord.window_{form.asks}_label")
    named = catalog.text("window.of_run", title=title, run=run) if run else title
    if form.fields:
        return _fields_modal(name, catalog.text("window.of_run", title=label, run=run) if run else label, form)
    if form.options:
        return _selection_modal(name, named, label, form)
    return _modal(name, named, label, is_required=form.is_required, default=form.text)


def _selection_modal(name: str, title: str, label: str, form: TextForm) -> discord.ui.Modal:
    """Asks for some of several; all are ticked at first."""
    modal = discord.ui.Modal(title=head_of(title, markup.MODAL_TITLE), custom_id=name, timeout=None)
    field = _ticks("words", form.options, least=1, is_ticked=True)
    modal.add_item(discord.ui.Label(text=head_of(label, markup.MODAL_LABEL), component=field))
    modal.stop()
    return modal


def _ticks(name: str, given: Sequence[Option], *, least: int, is_ticked: bool) -> _Ticks:
    """Boxes show every entry at once, but a group holds ten.

    Of a menu with more people see those that they scroll to.
    """
    options = given[: markup.OPTIONS]
    kind = discord.ui.CheckboxGroup if len(options) <= markup.BOXES else discord.ui.Select
    field: _Ticks = kind(custom_id=name, min_values=least, max_values=len(options), required=least > 0)
    for option in options:
        field.add_option(
            label=head_of(option.label, markup.OPTION_TEXT),
            value=option.value,
            description=head_of(option.description, markup.OPTION_TEXT) or None,
            default=is_ticked,
        )
    return field


def _fields_modal(name: str, title: str, form: TextForm) -> discord.ui.Modal:
    """Asks for several things at once, each in a field of its own."""
    modal = discord.ui.Modal(title=head_of(title, markup.MODAL_TITLE), custom_id=name, timeout=None)
    for each in form.fields:
        modal.add_item(discord.ui.Label(text=head_of(each.label, markup.MODAL_LABEL), component=_field(each)))
    modal.stop()
    return modal


def _field(field: FormField) -> "_Ticks | discord.ui.TextInput[discord.ui.Modal]":
    match field.sort:
        case "ticks":
            return _ticks(field.name, field.options, least=0, is_ticked=False)
        case "confirm":
            return _ticks(field.name, field.options, least=1, is_ticked=False)
        case "number":
            return discord.ui.TextInput(
                custom_id=field.name, style=discord.TextStyle.short, default=field.text, max_length=len(str(field.most))
            )
        case "text":
            return discord.ui.TextInput(
                custom_id=field.name, style=discord.TextStyle.paragraph, min_length=1, max_length=field.most
            )
        case "choice":
            select: discord.ui.Select[discord.ui.Modal] = discord.ui.Select(custom_id=field.name, required=True)
            for option in field.options[: markup.OPTIONS]:
                label = head_of(option.label, markup.OPTION_TEXT)
                select.add_option(label=label, value=option.value, default=option.value == field.text)
            return select
        case _:
            assert_never(field.sort)


def ask_modal(text: str) -> discord.ui.Modal:
    """Asks what the agents should do, beginning with the words of a message."""
    return _modal(
        ASK, catalog.text("discord.ask_title"), catalog.text("discord.ask_label"), is_required=True, default=text
    )


def typed(data: object) -> str:
    """The words of a submitted window that has one field, or what was ticked in it, with commas."""
    if isinstance(data, Mapping):
        if isinstance(ticked := data.get("values"), Sequence) and not isinstance(ticked, str):
            return ",".join(map(str, ticked))
        value = data.get("value")
        inner: list[object] = [data.get("component"), data.get("components")]
        return value if isinstance(value, str) else next(filter(None, map(typed, inner)), "")
    if isinstance(data, Sequence) and not isinstance(data, str):
        return next(filter(None, map(typed, data)), "")
    return ""


def filled_in(data: object) -> Mapping[str, str]:
    """What stands in each field of a submitted window, by the field's name; what was ticked with commas."""
    if isinstance(data, Mapping):
        if {"value", "values"} & data.keys():
            return {custom_id_of(data): typed(data)}
        data = [data.get("component"), *(data.get("components") or ())]
    if not isinstance(data, Sequence) or isinstance(data, str):
        return {}
    return {name: text for each in data for name, text in filled_in(each).items()}


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


_NO_FIELDS: Mapping[str, str] = MappingProxyType({})

_PATIENCE = 2.0
"""Seconds for a look at the database while Discord waits for a window, which must be the first answer within three."""


class Clicks:
    """Takes clicks and submitted modals to the chat service. Every one of them is answered."""

    def __init__(self, chat_service: GetChatService, platform: DiscordPlatform) -> None:
        """The chat service decides; this only carries. The platform tells who clicked in direct messages."""
        self._chat_service = chat_service
        self._platform = platform
        self._members = Members(platform.person_now)

    async def clicked(
        self, interaction: AnyInteraction, what: ComponentId, text: str = "", fields: Mapping[str, str] = _NO_FIELDS
    ) -> None:
        """A button, a menu or a modal.

        `text` is what was chosen or written, `fields` each field of a modal by its name.
        """
        async with report_errors(interaction):
            request = _request(interaction, what, text, fields)
            opens_window = what.control in {Control.TEXT, Control.FORM_MENU}
            if what.control is Control.CONFIRM:
                await wait_in_private(interaction)
            elif not opens_window:  # A window can only be the first answer.
                await take_silently(interaction)
            limit = asyncio.timeout(_PATIENCE if opens_window else None)
            try:
                async with limit:
                    by, place = await self._clicked_by(interaction, what)
                    reply = await self._chat_service().handle(request, by, place)
            except TimeoutError:
                if not limit.expired():
                    raise
                await self._tell(interaction, "chat.too_slow")
                return
            await self._show(interaction, what, request, reply)

    async def _clicked_by(self, interaction: AnyInteraction, what: ComponentId) -> tuple[Person, ChannelRef]:
        """Who clicked, and where.

        In direct messages Discord names no server: that of the button counts, and who they are there.

        Raises:
            RefusedError: the button is of no server, or they are not of it.
        """
        if interaction.guild_id is not None:
            return person_of(interaction, interaction.guild_id), place_of(interaction, interaction.guild_id)
        tenant = await self._chat_service().tenant_of_button(what.id, PLATFORM)
        user = interaction.user
        by = await self._person_now(tenant, user)
        if by is None:
            raise refused("no_button")
        return by, ChannelRef(platform=PLATFORM, tenant=tenant, channel=str(interaction.channel_id or 0))

    async def _person_now(self, tenant: str, user: discord.User | discord.Member) -> Person | None:
        """Who somebody is on a server at this moment.

        Raises:
            RefusedError: Discord does not tell.
        """
        try:
            return await self._members.person_now(Person(tenant=tenant, id=str(user.id), name=user.name))
        except (MessageNotFound, MissingPermission, RateLimited) as error:
            _log.warning("Discord does not tell who clicked: %s", error)
            raise refused("not_told") from error

    async def _show(
        self, interaction: AnyInteraction, what: ComponentId, request: PressButton | SubmitText, reply: Reply
    ) -> None:
        message = request.message
        if isinstance(reply, AskForText):
            modal = text_input_modal(what.id, message, reply.form, reply.run, request.choice)
            await interaction.response.send_modal(modal)
            return
        if isinstance(reply, AskToConfirm):
            yes = yes_view(what.id, message, catalog.text("discord.confirm_yes"))
            await fill_in(interaction, _question(reply.question), yes)
            return
        cards = cards_of(reply)
        if what.control is Control.ANSWER and not isinstance(reply, Private):
            await take_away(interaction)
        if what.control in {Control.CONFIRM, Control.YES}:
            # The answer stands in the place of the question; where the public card says it all, nothing does.
            if cards:
                await fill_in(interaction, cards[0])
            else:
                await take_away(interaction)
            return
        if not cards and not interaction.response.is_done():
            await take_silently(interaction)
        await reply_with_pages(interaction, cards)

    async def _tell(self, interaction: AnyInteraction, key: str) -> None:
        await reply_privately(interaction, sentence(catalog.text(key)))


def _request(
    interaction: AnyInteraction, what: ComponentId, text: str, fields: Mapping[str, str]
) -> PressButton | SubmitText:
    """What a click means. A modal, and the yes to a question, are about the message that the button was on."""
    message = what.message or (str(interaction.message.id) if interaction.message is not None else "")
    event_id = str(interaction.id)
    if what.control is Control.MODAL:
        return SubmitText(
            button=what.id, message=message, text=text, choice=what.choice, fields=fields, event_id=event_id
        )
    is_confirmed = what.control is not Control.CONFIRM
    return PressButton(button=what.id, message=message, choice=text, is_confirmed=is_confirmed, event_id=event_id)


def _question(question: Confirmation) -> Card:
    """Names what is about to run, to the one who clicked."""
    lines = tuple(
        line + (catalog.rich("discord.confirm_note", notes=note) if note else ())
        for line, note in zip(question.lines, question.notes, strict=True)
    )
    return Card(
        severity=Severity.ATTENTION,
        status=catalog.text("discord.confirm_status"),
        title=catalog.rich("discord.confirm_title"),
        reference=(StyledText(question.title),),
        sections=(Paragraph(lines=lines),),
    )


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
