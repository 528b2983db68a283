"""Replies to one person, in private: whatever happens, they get one."""

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import aiohttp
import discord

from bot.cards.error_messages import notice_for
from bot.chat.platform import CardTooLarge, ChannelRef, ChatReply
from bot.discord_app.identity import person_of, place_of
from bot.discord_app.platform import files_of
from bot.discord_app.render import Rendered, render
from bot.i18n import ENGLISH, Catalog
from bot.message import Card, Severity, StyledText
from coordination.domain.policy import Person
from coordination.errors import CoordinationError

_log = logging.getLogger(__name__)
_NOBODY = discord.AllowedMentions.none()
_MOST_PAGES = 10

# Too late, answered elsewhere, or past its quarter of an hour: nothing more can be said over this interaction.
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_ACKNOWLEDGED = 40060
_DEAD = frozenset({10062, 10015, _ACKNOWLEDGED, 50027})
_LOST = (aiohttp.ClientError, OSError, TimeoutError)

AnyInteraction = discord.Interaction[discord.Client]


@asynccontextmanager
async def report_errors(interaction: AnyInteraction, catalog: Catalog = ENGLISH) -> AsyncGenerator[None]:
    """The outermost handler of one interaction: an error becomes a private sentence, with a reference into the log."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the outermost handler: whoever clicked gets a sentence, whatever it was
        if isinstance(error, discord.HTTPException) and error.code in _DEAD:
            _log.warning("an interaction came to its end unanswered: %s %s", error.status, error.code)
            return
        reference = "" if isinstance(error, CoordinationError) else secrets.token_hex(2)
        _log.error("an interaction failed, ref %s", reference or "none", exc_info=error)
        try:
            await reply_privately(interaction, sentence(notice_for(error, reference, catalog), catalog), catalog)
        except discord.HTTPException as unsaid:
            _log.warning("and nobody could be told: %s %s", unsaid.status, unsaid.code)


def sentence(text: str, catalog: Catalog = ENGLISH) -> Card:
    """A card of one sentence."""
    return Card(
        severity=Severity.ATTENTION, status=catalog.text("discord.trouble"), title=(), reference=(StyledText(text),)
    )


async def wait_in_private(interaction: AnyInteraction) -> None:
    """Tell Discord that an answer for this person alone will come: it waits three seconds for that, then a quarter of an hour."""
    await _acknowledge(interaction, lambda: interaction.response.defer(ephemeral=True, thinking=True))


async def take_silently(interaction: AnyInteraction) -> None:
    """Tell Discord that a click has arrived, which nobody sees."""
    await _acknowledge(interaction, interaction.response.defer)


async def _acknowledge(interaction: AnyInteraction, defer: Callable[[], Awaitable[object]]) -> None:
    """Say it once more if no answer came: where the first word had arrived, the second one is refused, and all is well."""
    try:
        await defer()
    except _LOST:
        try:
            await defer()
        except discord.HTTPException as error:
            if error.code != _ACKNOWLEDGED:
                raise
            interaction.extras[_ACKNOWLEDGED] = True


async def _send(send: Callable[[], Awaitable[object]]) -> None:
    """Once more if no answer came: a private sentence may rather be there twice than not at all."""
    try:
        await send()
    except _LOST:
        await send()


async def fill_in(
    interaction: AnyInteraction, card: Card, catalog: Catalog, view: discord.ui.View | None = None
) -> None:
    """Put a card in the place of what was announced by `wait_in_private`, or of the private message that was clicked."""
    rendered = _rendered(card, catalog)
    await _send(
        lambda: interaction.edit_original_response(
            content=None,
            embeds=rendered.embeds,
            attachments=files_of(rendered.files),
            view=view,
            allowed_mentions=_NOBODY,
        )
    )


async def reply_privately(interaction: AnyInteraction, card: Card, catalog: Catalog) -> None:
    """Tell one person something, whatever was answered before."""
    rendered = _rendered(card, catalog)
    if interaction.response.is_done() or _ACKNOWLEDGED in interaction.extras:
        await _send(
            lambda: interaction.followup.send(
                embeds=rendered.embeds, files=files_of(rendered.files), ephemeral=True, allowed_mentions=_NOBODY
            )
        )
    else:
        await interaction.response.send_message(
            embeds=rendered.embeds, files=files_of(rendered.files), ephemeral=True, allowed_mentions=_NOBODY
        )


async def reply_with_pages(interaction: AnyInteraction, cards: Sequence[Card], catalog: Catalog) -> None:
    """Tell one person something long."""
    for card in cards[:_MOST_PAGES]:
        await reply_privately(interaction, card, catalog)


def _rendered(card: Card, catalog: Catalog) -> Rendered:
    """A private card has no buttons, so it is never too large to be shown as far as it goes."""
    try:
        return render(card, None, catalog)
    except CardTooLarge:
        return render(
            Card(severity=card.severity, status=card.status, title=card.title, reference=card.reference), None, catalog
        )


Work: TypeAlias = Callable[[Person, ChannelRef], Awaitable[ChatReply]]


async def reply(interaction: AnyInteraction, ask: Work, catalog: Catalog = ENGLISH) -> None:
    """Acknowledge, ask the chat service, and tell the person alone."""
    async with report_errors(interaction, catalog):
        guild = interaction.guild_id
        if guild is None:
            await reply_privately(interaction, sentence(catalog.text("discord.no_server"), catalog), catalog)
            return
        await wait_in_private(interaction)
        said = await ask(person_of(interaction, guild), place_of(interaction, guild))
        await fill_in(interaction, said.private or _begun(said, catalog), catalog)


def _begun(reply: ChatReply, catalog: Catalog) -> Card:
    """The private word for what everybody will see."""
    key = "discord.asked" if reply.run else "discord.asked_nameless"
    line = catalog.rich(key, run=StyledText(reply.run, "bold")) if reply.run else catalog.rich(key)
    return Card(severity=Severity.WORKING, status=catalog.text("discord.begun"), title=(), reference=line)
