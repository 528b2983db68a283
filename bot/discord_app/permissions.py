"""What the bot must be allowed to do, by the names that people find in Discord's settings."""

from typing import Final

import discord

from bot.chat.platform import Place
from bot.i18n import Words

_EVERYTHING = (
    "view_channel",
    "send_messages",
    "embed_links",
    "attach_files",
    "read_message_history",
    "create_public_threads",
    "send_messages_in_threads",
)
NEEDED: Final = discord.Permissions(**dict.fromkeys(_EVERYTHING, True))
"""The least that makes everything work; `discord invite` asks for exactly this."""

_FOR_A_CARD = ("view_channel", "send_messages", "embed_links", "attach_files")


def missing(granted: discord.Permissions, words: Words, *, is_thread: bool = False) -> list[str]:
    """What a card needs and the bot has not, as people find it in the settings."""
    wanted = [
        name if not (is_thread and name == "send_messages") else "send_messages_in_threads" for name in _FOR_A_CARD
    ]
    return [_named(name, words) for name in wanted if not getattr(granted, name)]


def for_a_card(words: Words) -> str:
    """All that a card needs."""
    return ", ".join(_named(name, words) for name in _FOR_A_CARD)


def all_missing(granted: discord.Permissions, words: Words) -> list[str]:
    """What of everything the bot has not."""
    return sorted(_named(name, words) for name in _EVERYTHING if not getattr(granted, name))


def missing_in(client: discord.Client, place: Place, words: Words) -> str:
    """What the bot lacks in a place, as far as the gateway has told; empty if that is not known."""
    channel = client.get_channel(int(place.channel)) if place.channel.isdecimal() else None
    if not isinstance(channel, discord.abc.GuildChannel):
        return ""
    return ", ".join(missing(channel.permissions_for(channel.guild.me), words, is_thread=bool(place.thread)))


def _named(name: str, words: Words) -> str:
    return words.say(f"discord.permission.{name}")
