"""What the bot must be allowed to do, by Discord's own names for it."""

from typing import Final

import discord

from bot.surface import Place

NEEDED: Final = discord.Permissions(
    view_channel=True,
    send_messages=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
    create_public_threads=True,
    send_messages_in_threads=True,
)
"""The least that makes everything work; `discord invite` asks for exactly this."""

_NAMES = {
    "read_messages": "View Channel",
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
    "create_public_threads": "Create Public Threads",
    "send_messages_in_threads": "Send Messages in Threads",
}
_FOR_A_CARD = ("read_messages", "send_messages", "embed_links", "attach_files")


def missing(granted: discord.Permissions, *, is_thread: bool = False) -> list[str]:
    """What a card needs and the bot has not, as people find it in the settings."""
    wanted = [
        name if not (is_thread and name == "send_messages") else "send_messages_in_threads" for name in _FOR_A_CARD
    ]
    allowed = {name for name, value in granted if value}
    return [_NAMES[name] for name in wanted if name not in allowed]


def all_missing(granted: discord.Permissions) -> list[str]:
    """What of everything the bot has not."""
    allowed = {name for name, value in granted if value}
    return sorted({_NAMES[name] for name, value in NEEDED if value and name not in allowed})


def missing_in(client: discord.Client, place: Place) -> str:
    """What the bot lacks in a place, as far as the gateway has told; empty if that is not known."""
    channel = client.get_channel(int(place.channel)) if place.channel.isdecimal() else None
    if not isinstance(channel, discord.abc.GuildChannel):
        return ""
    return ", ".join(missing(channel.permissions_for(channel.guild.me), is_thread=bool(place.thread)))
