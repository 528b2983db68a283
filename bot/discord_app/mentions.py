"""Follow-ups: a message that mentions the bot in a run's thread asks for a new run that knows what came before."""

import logging
import re

import discord

from bot.discord_app.desk_line import DeskLine
from bot.discord_app.people import author_of, place_of_message
from bot.discord_app.surface import DiscordSurface
from bot.surface import CardTooLarge, MessageGone, PlaceForbidden, SlowDown
from coordination.errors import StorageError

_log = logging.getLogger(__name__)


class Mentions:
    """Takes messages to the desk."""

    def __init__(self, client: discord.Client, desk: DeskLine, surface: DiscordSurface) -> None:
        """The surface tells the writer what the desk tells them alone."""
        self._client = client
        self._desk = desk
        self._surface = surface

    async def mentioned(self, message: discord.Message, own: int) -> None:
        """A message by a person that mentions us. Outside of a run's thread it is nobody's business."""
        if message.guild is None or message.webhook_id is not None:
            return
        try:
            place = await place_of_message(self._client, message, message.guild.id)
            run = await self._desk().run_of_thread(place)
            if run is None:
                return
            prompt = re.sub(rf"<@!?{own}>", "", message.content).strip()
            by = author_of(message, message.guild.id)
            said = await self._desk().ask(by, place, prompt, thread_of=run, once=str(message.id))
            if said.private is not None:
                await self._surface.whisper(by, place, said.private)
        except (StorageError, CardTooLarge, MessageGone, PlaceForbidden, SlowDown, discord.HTTPException) as error:
            _log.warning("a follow-up was lost", exc_info=error)
