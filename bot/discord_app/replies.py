"""Replies to one person, in private: whatever happens, they get one."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import discord

from bot.chat.platform import CardTooLarge
from bot.chat.private_cards import error_card
from bot.chat.service_port import Pages, Private, Reply, Request, RetryRun, Started, StartRun
from bot.discord_app.errors import invitation, missing
from bot.discord_app.identity import GetChatService, person_of, place_of
from bot.discord_app.platform import files_of
from bot.discord_app.render import Rendered, render
from bot.i18n import catalog, catalog_in, speaking
from bot.message import Card, RichText, Severity, StyledText

_log = logging.getLogger(__name__)
_NOBODY = discord.AllowedMentions.none()
_MOST_PAGES = 10

# Too late, answered elsewhere, or past its quarter of an hour: nothing more can be said over this interaction.
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_ACKNOWLEDGED = 40060
_DEAD = frozenset({10062, 10015, _ACKNOWLEDGED, 50027})
_DISMISSED = 10008
"""Whoever was told something in private has dismissed it."""
_WORTH_SAYING = 5.0
"""Seconds for the word that something arrived; discord.py itself would wait out every pause that Discord asks for."""

_LOST = (aiohttp.ClientError, OSError, TimeoutError)

AnyInteraction = discord.Interaction[discord.Client]


@asynccontextmanager
async def report_errors(interaction: AnyInteraction) -> AsyncGenerator[None]:
    """The outermost handler of one interaction: an error becomes a private sentence, with a reference into the log.

    All that is said inside is for one person alone, in the language that they use Discord in.
    """
    with speaking(catalog_in(interaction.locale.value)):
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the outermost handler: whoever clicked gets a sentence, whatever it was
            await _report(interaction, error)


async def _report(interaction: AnyInteraction, error: Exception) -> None:
    if isinstance(error, discord.HTTPException) and error.code in _DEAD:
        _log.warning("an interaction came to its end unanswered: %s %s", error.status, error.code)
        return
    try:
        await reply_privately(interaction, error_card(error))
    except discord.HTTPException as unsaid:
        _log.warning("and nobody could be told: %s %s", unsaid.status, unsaid.code)


def sentence(text: str | RichText) -> Card:
    """A card of one sentence."""
    line = (StyledText(text),) if isinstance(text, str) else text
    return Card(severity=Severity.ATTENTION, status=catalog.text("discord.trouble"), title=(), reference=line)


async def wait_in_private(interaction: AnyInteraction) -> bool:
    """Tell Discord that an answer for this person alone will come.

    Discord waits three seconds for that, and then a quarter of an hour for the answer.

    False: Discord does not take that word. What the person wants is known all the same.
    """
    return await _is_acknowledged(interaction, lambda: interaction.response.defer(ephemeral=True, thinking=True))


async def take_silently(interaction: AnyInteraction) -> bool:
    """Tell Discord that a click has arrived, which nobody sees. False: Discord does not take that word."""
    return await _is_acknowledged(interaction, interaction.response.defer)


async def _is_acknowledged(interaction: AnyInteraction, defer: Callable[[], Awaitable[object]]) -> bool:
    """Say it once more if no answer came: where the first word had arrived, the second one is refused, and all is well.

    What a person wants does not wait for Discord to take that word: after three seconds it is of no more use.
    """
    try:
        async with asyncio.timeout(_WORTH_SAYING):
            try:
                await defer()
            except _LOST:
                await defer()
    except discord.HTTPException as error:
        if error.code != _ACKNOWLEDGED:
            _log.warning("Discord does not take the word that something arrived: %s %s", error.status, error.code)
            return False
        interaction.extras[_ACKNOWLEDGED] = True
    except _LOST as error:
        _log.warning("Discord does not hear that something arrived: %s", type(error).__name__)
        return False
    return True


async def _send(send: Callable[[], Awaitable[object]]) -> None:
    """Once more if no answer came: a private sentence may rather be there twice than not at all."""
    try:
        await send()
    except _LOST:
        await send()


async def fill_in(interaction: AnyInteraction, card: Card, view: discord.ui.View | None = None) -> None:
    """Put a card in the place of what was announced by `wait_in_private`, or of the private message that was clicked.

    Where its person has dismissed that, a card is told anew, and a question is not asked again.
    """
    rendered = _rendered(card)
    try:
        await _send(
            lambda: interaction.edit_original_response(
                content=None,
                embeds=rendered.embeds,
                attachments=files_of(rendered.files),
                view=view,
                allowed_mentions=_NOBODY,
            )
        )
    except discord.NotFound as error:
        if error.code != _DISMISSED:
            raise
        if view is None:
            await reply_privately(interaction, card)


async def take_away(interaction: AnyInteraction) -> None:
    """Delete the private question that was answered. What was done is done: that it stays there is no error to tell."""
    try:
        await interaction.delete_original_response()
    except (discord.HTTPException, *_LOST) as error:
        _log.info("a question that was answered stays where it is: %s", type(error).__name__)


async def reply_privately(interaction: AnyInteraction, card: Card) -> None:
    """Tell one person something, whatever was answered before."""
    rendered = _rendered(card)
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


async def reply_with_pages(interaction: AnyInteraction, cards: Sequence[Card]) -> None:
    """Tell one person something long."""
    for card in cards:
        await reply_privately(interaction, card)


def _rendered(card: Card) -> Rendered:
    """A private card has no buttons, so it is never too large to be shown as far as it goes."""
    try:
        return render(card, None)
    except CardTooLarge:
        return render(
            Card(severity=card.severity, status=card.status, title=card.title, reference=card.reference), None
        )


async def answer(interaction: AnyInteraction, request: Request, chat_service: GetChatService) -> None:
    """Acknowledge a command, ask the chat service, and tell the person alone."""
    async with report_errors(interaction):
        guild = interaction.guild_id
        lacking = _lacking(interaction) if isinstance(request, StartRun | RetryRun) else ()
        if guild is None or lacking:
            text = lacking or catalog.text("discord.no_server")
            await reply_privately(interaction, sentence(text))
            return
        is_heard = await wait_in_private(interaction)
        if not is_heard and isinstance(request, StartRun | RetryRun):
            return  # They see that nothing came of it, and ask again: that would be two runs. All else is done.
        reply = await chat_service().handle(request, person_of(interaction, guild), place_of(interaction, guild))
        first, *more = cards_of(reply) or (_begun(reply),)
        await fill_in(interaction, first)
        await reply_with_pages(interaction, more)


def cards_of(reply: Reply) -> Sequence[Card]:
    """What a reply says to the person alone."""
    match reply:
        case Private(card=card) | Started(note=Card() as card):
            return (card,)
        case Pages(cards=cards):
            return cards[:_MOST_PAGES]
        case _:
            return ()


def _lacking(interaction: AnyInteraction) -> RichText:
    """That the card of a run could not be posted here; empty if it could.

    A server may have the application's commands without the bot: https://discord.com/developers/docs/topics/oauth2#bots
    """
    client = interaction.client
    if interaction.guild_id is not None and client.get_guild(interaction.guild_id) is None:
        return catalog.rich("discord.no_bot", link=StyledText(invitation(client), "code"))
    lacking = missing(interaction.app_permissions, interaction.channel)
    return (StyledText(catalog.text("discord.forbidden", permissions=", ".join(lacking))),) if lacking else ()


def _begun(reply: Reply) -> Card:
    """The private word for what everybody will see."""
    if isinstance(reply, Started):
        line = catalog.rich("discord.asked", run=StyledText(reply.run, "bold"))
    else:
        line = catalog.rich("discord.asked_nameless")
    return Card(severity=Severity.WORKING, status=catalog.text("discord.begun"), title=(), reference=line)
