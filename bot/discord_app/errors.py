"""What Discord answers when something is wrong, in the platform's terms, and the permissions that are missing."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import aiohttp
import discord

from bot.chat.platform import (
    CardTooLarge,
    ChannelNotFound,
    ChannelRef,
    EditRefused,
    MessageNotFound,
    MissingPermission,
    RateLimited,
)
from bot.i18n import catalog

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


def missing(granted: discord.Permissions, *, is_thread: bool = False) -> list[str]:
    """What a card needs and the bot has not, as people find it in the settings."""
    wanted = [
        name if not (is_thread and name == "send_messages") else "send_messages_in_threads" for name in _FOR_A_CARD
    ]
    return [_named(name) for name in wanted if not getattr(granted, name)]


def for_a_card() -> str:
    """All that a card needs."""
    return ", ".join(_named(name) for name in _FOR_A_CARD)


def all_missing(granted: discord.Permissions) -> list[str]:
    """What of everything the bot has not."""
    return sorted(_named(name) for name in _EVERYTHING if not getattr(granted, name))


def missing_in(client: discord.Client, place: ChannelRef) -> str:
    """What the bot lacks in a place, as far as the gateway has told; empty if that is not known."""
    channel = client.get_channel(int(place.channel)) if place.channel.isdecimal() else None
    if not isinstance(channel, discord.abc.GuildChannel):
        return ""
    return ", ".join(missing(channel.permissions_for(channel.guild.me), is_thread=bool(place.thread)))


def _named(name: str) -> str:
    return catalog.text(f"discord.permission.{name}")


_log = logging.getLogger(__name__)

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_PLACES = frozenset({10003, 10004})
_GONE = frozenset({10008})
_UNCHANGEABLE = frozenset({30046, 50005, 50083})
"""Too many edits of messages that are older than an hour; another one's message; a thread that is archived."""
_TOO_LARGE = 40005
_THREAD_EXISTS = 160004
_CAN_NOT_TELL = 50007

LATER = 5.0
"""Seconds to wait when Discord itself has a bad moment, and does not say how long."""


class ConnectionLost(Exception):
    """The request may or may not have arrived."""


@contextmanager
def translated(permissions: str = "") -> Generator[None]:
    """Turn the vendor's errors into the platform's. `permissions` names what the bot seems to lack in that place."""
    try:
        yield
    except discord.NotFound as error:
        gone = ChannelNotFound if error.code in _PLACES else MessageNotFound
        raise gone(str(error.code)) from error
    except discord.RateLimited as error:
        raise RateLimited(error.retry_after) from error
    except discord.HTTPException as error:
        _raise(error, permissions)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ConnectionLost from error


def is_there_already(error: discord.HTTPException) -> bool:
    """Whether the thread was opened before."""
    return error.code == _THREAD_EXISTS


def can_not_be_told(error: discord.HTTPException) -> bool:
    """Whether the person takes no private messages from this bot."""
    return error.code == _CAN_NOT_TELL or isinstance(error, discord.Forbidden | discord.NotFound)


def _raise(error: discord.HTTPException, permissions: str) -> None:
    if error.code in _PLACES:
        raise ChannelNotFound(str(error.code)) from error
    if error.code in _GONE:
        raise MessageNotFound(str(error.code)) from error
    if error.code in _UNCHANGEABLE:
        raise EditRefused(str(error.code)) from error
    if error.status == 401:
        raise MissingPermission(catalog.text("discord.token_refused")) from error
    if error.status == 403:
        named = permissions or for_a_card()
        raise MissingPermission(catalog.text("discord.forbidden", permissions=named)) from error
    if error.status == 429:
        raise RateLimited(_patience(error)) from error
    if error.status >= 500:
        raise RateLimited(LATER) from error
    if error.status != 413 and error.code != _TOO_LARGE:
        _log.error("Discord refused a message of ours: %s %s", error.status, error.code, exc_info=error)
    raise CardTooLarge from error


def _patience(error: discord.HTTPException) -> float:
    """A 429 that discord.py did not wait for comes from Cloudflare, which wants to be left alone for longer."""
    try:
        return float(error.response.headers.get("Retry-After", ""))
    except ValueError:
        return 60.0
