"""What an operator sets up: Discord's list of commands, and what is missing on Discord's side."""

import json
from typing import Any

import aiohttp
import discord
from discord.http import Route

from bot.cards.text import visible
from bot.chat.name_report import NameReport
from bot.chat.platform import Checkup
from bot.discord_app.client import DiscordClient, invitation, logged_in
from bot.discord_app.commands import Languages
from bot.discord_app.errors import all_missing
from bot.discord_app.identity import tenant_of
from bot.i18n import catalog
from bot.variables import Environment
from coordination.errors import ConfigError

_COMPARED = (
    "name", "type", "description", "options", "choices", "value", "required", "autocomplete", "min_length", "max_length",
    "default_member_permissions", "name_localizations", "description_localizations",
)  # fmt: skip
_SLASH = 1


async def sync_commands(client: DiscordClient, guild: int | None) -> int | None:
    """Tell Discord the commands, for all servers or for one. Returns how many; None if it knows them already.

    Raises:
        ConfigError: Discord has no such server for this bot, or does not answer.
    """
    try:
        return await _sync(client, guild)
    except (discord.Forbidden, discord.NotFound):
        raise ConfigError([catalog.text("discord.not_there")]) from None
    except discord.DiscordServerError:
        raise ConfigError([catalog.text("discord.unreachable")]) from None
    except discord.HTTPException as error:
        raise ConfigError([catalog.text("discord.refused", answer=visible(error.text or str(error)))]) from None
    except (aiohttp.ClientError, OSError, TimeoutError):
        raise ConfigError([catalog.text("discord.unreachable")]) from None


async def _sync(client: DiscordClient, guild: int | None) -> int | None:
    if await is_in_step(client, guild):
        return None
    if guild is None:
        return len(await client.tree.sync())
    client.tree.copy_global_to(guild=discord.Object(guild))
    return len(await client.tree.sync(guild=discord.Object(guild)))


async def is_in_step(client: DiscordClient, guild: int | None = None) -> bool:
    """Whether Discord has the commands as they are now."""
    application = client.application_id or 0
    path = f"/applications/{application}" + (f"/guilds/{guild}" if guild else "") + "/commands"
    # Without being asked, Discord leaves the languages out, and discord.py does not ask.
    known: object = await client.http.request(Route("GET", path), params={"with_localizations": "true"})
    languages = Languages()
    ours = [await command.get_translated_payload(client.tree, languages) for command in client.tree.get_commands()]
    return _normal(known) == _normal(ours)


def _normal(commands: object) -> list[str]:
    """Commands without what Discord adds, and without what it leaves out."""
    listed = commands if isinstance(commands, list) else []
    return sorted(json.dumps(_compared(each), sort_keys=True) for each in listed)


def _compared(part: Any) -> Any:  # noqa: ANN401 - JSON of any shape, compared and thrown away
    if isinstance(part, list):
        return [_compared(each) for each in part]
    if not isinstance(part, dict):
        return str(part)
    # Discord leaves the type of a slash command out in some answers.
    kept = {"type": _SLASH, **part}
    there = {name: kept[name] for name in _COMPARED if kept.get(name) not in (None, False, "", [], {})}
    return {name: value if name.endswith("_localizations") else _compared(value) for name, value in there.items()}


_MOST_GUILDS = 20


async def examine(environment: Environment, names: NameReport) -> list[Checkup]:
    """Look at the token, the commands, and, per server, the permissions in channels and whom rules of approval name.

    Raises:
        ConfigError: there is nothing to look at without a good token.
    """
    say = catalog.text
    async with logged_in(environment) as client:
        found = [Checkup(is_well=True, text=say("doctor.token", name=str(client.user)))]
        in_step = await is_in_step(client)
        found.append(Checkup(is_well=in_step, text=say("doctor.commands" if in_step else "doctor.commands_missing")))
        guilds = [guild async for guild in client.fetch_guilds(limit=_MOST_GUILDS)]
        if not guilds:
            found.append(Checkup(is_well=False, text=f"{say('doctor.no_guilds')} {invitation(client)}"))
        for guild in guilds:
            found += await _guild(client, guild.id)
            for line in await names.of(client.platform, tenant_of(guild.id)):
                text = catalog.text("doctor.guild", name=guild.name, text=line.text)
                found.append(Checkup(is_well=line.is_well, text=text))
        return found


async def _guild(client: DiscordClient, number: int) -> list[Checkup]:
    """One line for a server, or one for each channel where something is missing."""
    guild = await client.fetch_guild(number)
    me = await guild.fetch_member(client.user.id if client.user else 0)
    lacking: list[Checkup] = []
    for channel in await guild.fetch_channels():
        if isinstance(channel, discord.TextChannel) and (missing := all_missing(channel.permissions_for(me))):
            text = catalog.text("doctor.channel", name=channel.name, permissions=", ".join(missing))
            lacking.append(Checkup(is_well=False, text=catalog.text("doctor.guild", name=guild.name, text=text)))
    whole = catalog.text("doctor.guild", name=guild.name, text=catalog.text("doctor.guild_whole"))
    return lacking or [Checkup(is_well=True, text=whole)]
