"""What Discord answers when something is wrong, in the platform's terms, and the permissions that are missing."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import aiohttp
import discord
from discord import http as discord_http

from bot.cards.text import visible
from bot.chat.platform import (
    CardBlocked,
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


def invitation(client: discord.Client) -> str:
    """The link that adds the bot to a server with the least that it needs."""
    return discord.utils.oauth_url(
        client.application_id or 0, permissions=NEEDED, scopes=("bot", "applications.commands")
    )


_FOR_A_CARD = ("view_channel", "send_messages", "embed_links", "attach_files")


def missing(granted: discord.Permissions, channel: object = None, *, is_thread: bool = False) -> list[str]:
    """What a card needs and the bot has not, as people find it in the settings.

    In the chat of a voice channel nothing is seen without the right to connect:
    https://github.com/discord/discord-api-docs/pull/5111.
    """
    is_thread |= isinstance(channel, discord.Thread)
    wanted = [
        name if not (is_thread and name == "send_messages") else "send_messages_in_threads" for name in _FOR_A_CARD
    ]
    wanted += ["connect"] if isinstance(channel, discord.VoiceChannel | discord.StageChannel) else []
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
    return ", ".join(missing(channel.permissions_for(channel.guild.me), channel, is_thread=bool(place.thread)))


def _named(name: str) -> str:
    return catalog.text(f"discord.permission.{name}")


_log = logging.getLogger(__name__)

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_PLACES = frozenset({10003, 10004, 50008})
"""A channel or a server that is not there, or a forum, in which nothing stands outside of a post."""
_GONE = frozenset({10008})
_UNCHANGEABLE = frozenset({30046, 50005, 50083, 160005})
"""Too many edits of messages older than an hour; another one's message; a thread that is archived, or locked."""
_BUSY = frozenset({20016, 20022, 20028, 20029, 31001, 40003, 40062, 130000})
"""Slow mode, the write limits of a channel or a server, direct messages opened too fast, a resource with too much to
do."""
_PERMISSIONS = frozenset({50001, 50013})
_BLOCKED = frozenset({200000, 200001, 240000})
"""A server's rules for words, and Discord's own against harmful links."""
_TOO_LARGE = frozenset({40005, 50035, 50045})
_THREAD_EXISTS = 160004
_CAN_NOT_TELL = 50007
_NO_CODE = 0
"""Of an answer that is none of Discord's own, such as the page of a gateway before it: it says nothing of what was
asked for."""

LATER = 5.0
"""Seconds to wait when Discord itself has a bad moment, and does not say how long."""

MUCH_LATER = 60.0
"""Seconds to wait where hurry makes it worse."""


async def read_answer(response: aiohttp.ClientResponse) -> object:
    """What Discord answered.

    It stands in the place of discord.py's own reader, which takes an answer to be as documented.

    Raises:
        aiohttp.ClientPayloadError: it is cut short, or the page of somebody before Discord. The request may have been
            done.
        discord.HTTPException: it asks for patience and does not say how long, as Discord does to bots that it has
            blocked: https://github.com/Rapptz/discord.py/issues/5221.
    """
    text = await response.text(encoding="utf-8")
    answer: dict[str, object] | str = text
    if response.content_type == "application/json" and text:
        try:
            answer = json.loads(text)
        except ValueError:
            _log.warning("an answer of Discord is no JSON: status %s", response.status)
    if response.status < 300 and isinstance(answer, str) and answer:
        raise aiohttp.ClientPayloadError(f"no answer of Discord's: {response.content_type}")
    has_time = isinstance(answer, dict) and isinstance(answer.get("retry_after"), int | float)
    if response.status == 429 and not has_time:
        raise discord.HTTPException(response, answer)
    return answer


def read_answers() -> None:
    """Have discord.py read answers by `read_answer`: it has no setting for this."""
    for module in (discord_http, discord.webhook.async_):
        setattr(module, "json_or_text", read_answer)  # noqa: B010 - a function of another type


class ConnectionLost(Exception):
    """The request may or may not have arrived."""


@contextmanager
def translated(permissions: str = "") -> Generator[None]:
    """Turn the vendor's errors into the platform's. `permissions` names what the bot seems to lack in that place."""
    try:
        yield
    except discord.RateLimited as error:
        raise RateLimited(error.retry_after) from error
    except discord.HTTPException as error:
        raise _platform_error(error, permissions) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ConnectionLost from error


def is_there_already(error: discord.HTTPException) -> bool:
    """Whether the thread was opened before."""
    return error.code == _THREAD_EXISTS


def is_page(error: discord.HTTPException) -> bool:
    """Whether the answer is none of Discord's own: then nobody is gone, and nothing is forbidden."""
    return error.code == _NO_CODE


def can_not_be_told(error: discord.HTTPException) -> bool:
    """Whether the person takes no private messages from this bot."""
    is_refusal = isinstance(error, discord.Forbidden | discord.NotFound)
    is_about_them = is_refusal and not is_page(error) and error.code not in _BUSY
    return error.code == _CAN_NOT_TELL or is_about_them


def _platform_error(error: discord.HTTPException, permissions: str) -> Exception:
    """What a refusal means.

    One of which nothing is known is told as it is, and never as a matter of size or permissions.
    """
    told: Exception | None = _gone(error) or _wait(error)
    if told is None and error.code in _UNCHANGEABLE:
        told = EditRefused(catalog.text("discord.refused", answer=_answer(error)))
    elif told is None and error.status == 401:
        told = MissingPermission(catalog.text("discord.token_refused"))
    elif told is None and error.code in _PERMISSIONS:
        told = MissingPermission(catalog.text("discord.forbidden", permissions=permissions or for_a_card()))
    if told is not None:
        return told
    _log.error("Discord refused a message of ours: %s %s", error.status, error.code, exc_info=error)
    if error.code in _BLOCKED:
        return CardBlocked(str(error.code))
    if error.status == 413 or error.code in _TOO_LARGE:
        return CardTooLarge(str(error.code))
    return MissingPermission(catalog.text("discord.refused", answer=_answer(error)))


def _wait(error: discord.HTTPException) -> RateLimited | None:
    """For how long Discord, or a gateway before it, is to be left alone; None: it has answered."""
    if error.code in _UNCHANGEABLE or error.status == 401:
        return None
    if error.status == 429:
        return RateLimited(_patience(error))
    if error.status >= 500:
        return RateLimited(LATER)
    is_no_answer = is_page(error) and error.status in {403, 404}
    return RateLimited(MUCH_LATER) if error.code in _BUSY or is_no_answer else None


def _gone(error: discord.HTTPException) -> MessageNotFound | None:
    if error.code in _PLACES:
        return ChannelNotFound(str(error.code))
    if error.code in _GONE or (error.status == 404 and not is_page(error)):
        return MessageNotFound(str(error.code))
    return None


def _answer(error: discord.HTTPException) -> str:
    """What Discord says, and its number for it."""
    return visible(f"{error.text} ({error.code})")


def _patience(error: discord.HTTPException) -> float:
    """A 429 that discord.py did not wait for comes from Cloudflare, which wants to be left alone for longer."""
    try:
        return float(error.response.headers.get("Retry-After", ""))
    except ValueError:
        return MUCH_LATER
