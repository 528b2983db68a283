"""What is missing on Discord's side, in the order in which a person would mend it."""

from collections.abc import Mapping

import discord

from bot.chat.platform import Checkup
from bot.discord_app.client import DiscordClient
from bot.discord_app.permissions import all_missing
from bot.discord_app.program import invitation, logged_in
from bot.discord_app.setup import is_in_step
from bot.i18n import words_for

_MOST_GUILDS = 20


async def examine(environ: Mapping[str, str]) -> list[Checkup]:
    """Look at the token, the commands, and the permissions per server and channel.

    Raises:
        ConfigError: there is nothing to look at without a good token.
    """
    say = words_for(environ).say
    async with logged_in(environ) as client:
        found = [Checkup(is_well=True, text=say("doctor.token", name=str(client.user)))]
        in_step = await is_in_step(client)
        found.append(Checkup(is_well=in_step, text=say("doctor.commands" if in_step else "doctor.commands_missing")))
        guilds = [guild async for guild in client.fetch_guilds(limit=_MOST_GUILDS)]
        if not guilds:
            found.append(Checkup(is_well=False, text=f"{say('doctor.no_guilds')} {invitation(client)}"))
        for guild in guilds:
            found += await _guild(client, guild.id)
        return found


async def _guild(client: DiscordClient, number: int) -> list[Checkup]:
    """One line for a server, or one for each channel where something is missing."""
    guild = await client.fetch_guild(number)
    me = await guild.fetch_member(client.user.id if client.user else 0)
    lacking: list[Checkup] = []
    for channel in await guild.fetch_channels():
        if isinstance(channel, discord.TextChannel) and (
            missing := all_missing(channel.permissions_for(me), client.words)
        ):
            text = client.words.say("doctor.channel", name=channel.name, permissions=", ".join(missing))
            lacking.append(Checkup(is_well=False, text=client.words.say("doctor.guild", name=guild.name, text=text)))
    whole = client.words.say("doctor.guild", name=guild.name, text=client.words.say("doctor.guild_whole"))
    return lacking or [Checkup(is_well=True, text=whole)]
