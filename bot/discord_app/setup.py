"""What an operator sets up: Discord's list of commands, and what is missing on Discord's side."""

import json
import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import discord
from discord.http import Route

from bot.cards.text import visible
from bot.chat.name_report import NameReport
from bot.chat.platform import Checkup
from bot.discord_app.client import DiscordClient, logged_in
from bot.discord_app.commands import Languages
from bot.discord_app.errors import all_missing, invitation, is_page
from bot.discord_app.identity import PLATFORM, tenant_of
from bot.i18n import catalog
from bot.variables import Environment
from coordination.errors import ConfigError

_COMPARED = (
    "name", "type", "description", "options", "choices", "value", "required", "autocomplete",
    "min_length", "max_length", "min_value", "max_value",
    "default_member_permissions", "name_localizations", "description_localizations", "contexts", "integration_types",
    "nsfw",
)  # fmt: skip
_GLOBAL_ONLY = ("contexts", "integration_types")
"""Discord keeps these of commands of all servers alone: https://discord.com/developers/docs/interactions/application-commands"""

_SLASH = 1
_TOO_MANY_CREATED = 30034
"""https://discord.com/developers/docs/interactions/application-commands: 200 a day, for one server or for all"""


@contextmanager
def refusals_told(guild: int | None = None) -> Generator[None]:
    """Have whatever Discord refuses said in one sentence. With a `guild`, it is that server which may not be there.

    Raises:
        ConfigError: Discord has no such server for this bot, refuses, or does not answer.
    """
    say = catalog.text
    try:
        yield
    except (discord.Forbidden, discord.NotFound) as error:
        if is_page(error):
            raise ConfigError([say("discord.unreachable")]) from None
        answer = visible(error.text or str(error))
        sentence = say("discord.not_there") if guild is not None else say("discord.refused", answer=answer)
        raise ConfigError([sentence]) from None
    except discord.RateLimited as error:
        raise ConfigError([say("discord.rate_limited", seconds=math.ceil(error.retry_after))]) from None
    except (discord.DiscordServerError, aiohttp.ClientError, OSError, TimeoutError):
        raise ConfigError([say("discord.unreachable")]) from None
    except discord.HTTPException as error:
        if error.code == _TOO_MANY_CREATED:
            raise ConfigError([say("discord.commands_tomorrow")]) from None
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise ConfigError([say("discord.blocked")]) from None
        raise ConfigError([say("discord.refused", answer=visible(error.text or str(error)))]) from None


@dataclass(frozen=True)
class Synced:
    """What came of a sync. `count` is None where Discord knew the commands already.

    Attributes:
        is_double: whether people of the server see each command twice, since Discord has a set for all servers as well.
    """

    count: int | None
    is_double: bool = False


async def sync_commands(client: DiscordClient, guild: int | None) -> Synced:
    """Tell Discord the commands, for all servers or for one.

    Raises:
        ConfigError: Discord has no such server for this bot, refuses, or does not answer.
    """
    with refusals_told(guild):
        count = await _sync(client, guild)
        return Synced(count, is_double=guild is not None and bool(await _known(client, None)))


async def remove_commands(client: DiscordClient, guild: int | None) -> int:
    """Have Discord forget the set of commands of one server, or the set of all. Returns how many commands it had.

    Raises:
        ConfigError: Discord has no such server for this bot, refuses, or does not answer.
    """
    with refusals_told(guild):
        known = await _known(client, guild)
        if known:
            await client.http.request(Route("PUT", _path(client, guild)), json=[])
        return len(known)


async def _sync(client: DiscordClient, guild: int | None) -> int | None:
    if await _is_ours(client, await _known(client, guild), guild):
        return None
    if guild is None:
        return len(await client.tree.sync())
    client.tree.copy_global_to(guild=discord.Object(guild))
    return len(await client.tree.sync(guild=discord.Object(guild)))


def _path(client: DiscordClient, guild: int | None) -> str:
    return f"/applications/{client.application_id or 0}" + (f"/guilds/{guild}" if guild else "") + "/commands"


async def _known(client: DiscordClient, guild: int | None) -> list[object]:
    """The commands that Discord has for one server, or for all."""
    # Without being asked, Discord leaves the languages out, and discord.py does not ask.
    known: object = await client.http.request(Route("GET", _path(client, guild)), params={"with_localizations": "true"})
    return known if isinstance(known, list) else []


async def _is_ours(client: DiscordClient, known: Sequence[object], guild: int | None) -> bool:
    """Whether these are the commands as they are now."""
    languages = Languages()
    ours = [await command.get_translated_payload(client.tree, languages) for command in client.tree.get_commands()]
    compared = [name for name in _COMPARED if guild is None or name not in _GLOBAL_ONLY]
    return _normal(known, compared) == _normal(ours, compared)


def _normal(commands: Sequence[object], names: Sequence[str]) -> list[str]:
    """Commands without what Discord adds, and without what it leaves out."""
    return sorted(json.dumps(_compared(each, names), sort_keys=True) for each in commands)


def _compared(part: Any, names: Sequence[str]) -> Any:  # noqa: ANN401 - JSON of any shape, compared and thrown away
    if isinstance(part, list):
        return [_compared(each, names) for each in part]
    if not isinstance(part, dict):
        return str(part)
    # Discord leaves the type of a slash command out in some answers.
    kept = {"type": _SLASH, **part}
    there: dict[str, Any] = {name: kept[name] for name in names if kept.get(name) not in (None, False, "", [], {})}
    for name in there.keys() & set(_GLOBAL_ONLY):
        there[name] = sorted(there[name])
    return {
        name: value if name.endswith("_localizations") else _compared(value, names) for name, value in there.items()
    }


async def examine(environment: Environment, names: NameReport) -> list[Checkup]:
    """Look at the token, the commands, and, per server, the permissions in channels and whom rules of approval name.

    Raises:
        ConfigError: there is nothing to look at without a good token, or Discord does not answer.
    """
    async with logged_in(environment) as client:
        with refusals_told():
            return await _examine(client, names)


async def _examine(client: DiscordClient, names: NameReport) -> list[Checkup]:
    found = [Checkup(is_well=True, text=catalog.text("doctor.token", name=str(client.user)))]
    if client.platform.lists_members:
        flags = client.application_flags
        has_it = flags.gateway_guild_members or flags.gateway_guild_members_limited
        found.append(_checkup("doctor.members_intent" if has_it else "doctor.no_members_intent", is_well=has_it))
    of_all = await _known(client, None)
    guilds = [guild async for guild in client.fetch_guilds(limit=None)]
    own = {guild.id: await _known_there(client, guild.id) for guild in guilds}
    if of_all or not guilds or not all(own.values()):
        in_step = await _is_ours(client, of_all, None)
        found.append(_checkup("doctor.commands" if in_step else "doctor.commands_missing", is_well=in_step))
    if not guilds:
        found.append(Checkup(is_well=False, text=f"{catalog.text('doctor.no_guilds')} {invitation(client)}"))
    for guild in guilds:
        lines = [*await _guild(client, guild.id), *await names.of(client.platform, tenant_of(guild.id))]
        if commands := own[guild.id]:
            lines.append(await _own_commands(client, commands, guild.id, is_double=bool(of_all)))
        for line in lines:
            text = catalog.text("doctor.guild", name=guild.name, text=line.text)
            found.append(Checkup(is_well=line.is_well, text=text))
    return found + await names.of_anchors(client.platform, PLATFORM)


def _checkup(key: str, *, is_well: bool, **values: str | int) -> Checkup:
    return Checkup(is_well=is_well, text=catalog.text(key, **values))


async def _known_there(client: DiscordClient, guild: int) -> list[object]:
    """The commands of one server; none where the bot was added without the right to have any there."""
    try:
        return await _known(client, guild)
    except (discord.Forbidden, discord.NotFound) as error:
        if is_page(error):
            raise
        return []


async def _own_commands(client: DiscordClient, known: Sequence[object], guild: int, *, is_double: bool) -> Checkup:
    """What is to be said of a set of commands that one server has for itself."""
    if is_double:
        return _checkup("doctor.commands_twice", is_well=False, guild=guild)
    in_step = await _is_ours(client, known, guild)
    return _checkup("doctor.own_commands" if in_step else "doctor.own_commands_old", is_well=in_step, guild=guild)


async def _guild(client: DiscordClient, number: int) -> list[Checkup]:
    """One line for a server, or one for each channel where something is missing.

    A channel that the bot is kept out of is somebody's will, as long as the bot may see channels there as a rule.
    """
    try:
        guild = await client.fetch_guild(number)
        me = await guild.fetch_member(client.user.id if client.user else 0)
        channels = [each for each in await guild.fetch_channels() if isinstance(each, discord.TextChannel)]
    except (discord.Forbidden, discord.NotFound) as error:
        if is_page(error):
            raise
        return [_checkup("doctor.guild_unseen", is_well=False)]
    is_kept_out = me.guild_permissions.view_channel
    seen = [each for each in channels if not is_kept_out or each.permissions_for(me).view_channel]
    lacking = [
        _checkup("doctor.channel", is_well=False, name=channel.name, permissions=", ".join(missing))
        for channel in seen
        if (missing := all_missing(channel.permissions_for(me)))
    ]
    if not seen:
        return [_checkup("doctor.guild_no_channel", is_well=False)]
    if len(seen) < len(channels):
        lacking.append(_checkup("doctor.guild_private", is_well=True, count=len(channels) - len(seen)))
    return (
        lacking
        if any(not each.is_well for each in lacking)
        else [_checkup("doctor.guild_whole", is_well=True), *lacking]
    )
