"""Who acts, and where: read from what Discord signed or sent itself, never from what a person typed."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Final, TypeAlias

import discord

from bot.chat.platform import ChannelRef
from bot.chat.service_port import ChatService
from coordination.domain.policy import UNKNOWN_TEAM, Person

PLATFORM: Final = "discord"


def person_of(interaction: discord.Interaction[discord.Client], guild: int) -> Person:
    """Whoever used a command or clicked, with their roles and rights of this moment."""
    return _person(interaction.user, guild, interaction.permissions)


def author_of(message: discord.Message, guild: int) -> Person:
    """Whoever wrote a message."""
    author = message.author
    rights = author.guild_permissions if isinstance(author, discord.Member) else discord.Permissions.none()
    return _person(author, guild, rights)


def member_of(member: discord.Member, guild: int) -> Person:
    """A member as Discord lists them at this moment."""
    return _person(member, guild, member.guild_permissions)


def _person(user: discord.User | discord.Member, guild: int, rights: discord.Permissions) -> Person:
    """The name is the account's own, which is unique; a nickname could be anybody's. Roles are told by their ids alone.

    Who has not passed the membership screening, was invited to a voice channel alone, or is timed out, is no
    full member; who has left is none at all.
    """
    roles = user.roles if isinstance(user, discord.Member) else []
    return Person(
        tenant=tenant_of(guild),
        id=str(user.id),
        name=f"@{user.name}" if user.name.isdecimal() else user.name,
        roles=tuple(str(role.id) for role in roles),
        is_admin=rights.manage_guild or rights.administrator,
        home_team="" if isinstance(user, discord.Member) else UNKNOWN_TEAM,
        is_guest=isinstance(user, discord.Member) and (user.pending or user.flags.guest or user.is_timed_out()),
        is_bot=user.bot or user.system,
        shown_as=user.display_name,
    )


def place_of(interaction: discord.Interaction[discord.Client], guild: int) -> ChannelRef:
    """The channel, or the thread and the channel that it is in. A private thread is a place of its own."""
    locale = interaction.guild_locale
    place = _place(interaction.channel, interaction.channel_id or 0, guild)
    return replace(place, language="" if locale is None else locale.value)


async def place_of_message(client: discord.Client, message: discord.Message, guild: int) -> ChannelRef:
    """Likewise for a message. The gateway may not have told of an old thread yet, so that Discord is asked."""
    channel: object = message.channel
    if isinstance(channel, discord.PartialMessageable):
        channel = await client.fetch_channel(message.channel.id)
    place = _place(channel, message.channel.id, guild)
    return place if message.guild is None else replace(place, language=message.guild.preferred_locale.value)


class Members:
    """Asks who somebody is now. However often they click, Discord is asked once at a time."""

    def __init__(self, ask: Callable[[Person], Coroutine[None, None, Person | None]]) -> None:
        """`ask` asks Discord."""
        self._ask = ask
        self._under_way: dict[tuple[str, str], asyncio.Future[Person | None]] = {}

    async def person_now(self, person: Person) -> Person | None:
        """What `ask` answers; while the same is asked already, its answer is waited for."""
        key = (person.tenant, person.id)
        if (answer := self._under_way.get(key)) is None:
            answer = self._under_way[key] = asyncio.ensure_future(self._ask(person))
            answer.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(answer)  # Whoever gives up waiting takes nobody else their answer.


def tenant_of(guild: int) -> str:
    """The tenant of a server."""
    return f"{PLATFORM}:{guild}"


def _place(channel: object, number: int, guild: int) -> ChannelRef:
    if isinstance(channel, discord.Thread) and channel.is_private():
        own = str(channel.id)
        return ChannelRef(
            platform=PLATFORM, tenant=tenant_of(guild), channel=own, thread=own, within=str(channel.parent_id)
        )
    if isinstance(channel, discord.Thread):
        return ChannelRef(
            platform=PLATFORM, tenant=tenant_of(guild), channel=str(channel.parent_id), thread=str(channel.id)
        )
    return ChannelRef(platform=PLATFORM, tenant=tenant_of(guild), channel=str(number))


GetChatService: TypeAlias = Callable[[], ChatService]
"""Gives the chat service.

Raises:
    StorageError: it is not open; the text asks for patience.
"""
