"""Follow-ups: a message that mentions the bot in a run's thread asks for a new run that knows what came before."""

import logging
import re

import discord

from bot.cards.notices import notice_for
from bot.chat.platform import CardTooLarge, MessageGone, Place, PlaceForbidden, Said, SlowDown
from bot.discord_app.desk_line import DeskLine
from bot.discord_app.identity import author_of, place_of_message
from bot.discord_app.platform import DiscordSurface
from bot.discord_app.replies import sentence
from bot.i18n import ENGLISH, Words
from coordination.domain.person import Person
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
