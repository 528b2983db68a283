"""The connection to Discord, from the login on: what arrives is handed on."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import aiohttp
import discord
from discord import app_commands
from typing_extensions import override

from bot.chat.platform import ChannelRef, ChatAwayError, ChatPlatform
from bot.chat.service_port import ChatService
from bot.discord_app.commands import CommandHandlers, Languages, add_commands
from bot.discord_app.components import MODAL_TEMPLATE, parse_custom_id
from bot.discord_app.errors import read_answers
from bot.discord_app.identity import PLATFORM, tenant_of
from bot.discord_app.interactions import ASK, Clicks, Mentions, custom_id_of, filled_in, items_for, typed
from bot.discord_app.platform import DiscordPlatform
from bot.discord_app.replies import AnyInteraction, reply_privately, report_errors, sentence
from bot.discord_app.settings import aim, discord_settings, pin, pinned_gateway
from bot.i18n import catalog
from bot.telemetry.health import Health
from bot.variables import Environment
from coordination.errors import ConfigError, CoordinationError

_log = logging.getLogger(__name__)

INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
"""Nothing privileged: a message that mentions the bot comes with its text, and no other message is looked at.

Of direct messages only that one is gone is looked at: it may be the copy of a card.
"""

LONGEST_WAIT = 30.0
"""Seconds that discord.py may wait by itself for a rate limit; the least that it takes."""


class DiscordClient(discord.AutoShardedClient):
    """One bot on as many servers as it was added to."""

    def __init__(self, *, lists_members: bool = False) -> None:
        """Cards are posted by `platform`, from the login on; people are answered once there is a chat service."""
        # The library warns of what only a bot that speaks in voice channels misses.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        read_answers()
        super().__init__(
            intents=INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            max_ratelimit_timeout=LONGEST_WAIT,
            enable_debug_events=False,
        )
        self.platform = DiscordPlatform(self, lists_members=lists_members)
        self.tree = Tree(self)
        self.chat_service: ChatService | None = None
        self._clicks = Clicks(self._get_chat_service, self.platform)
        self._requests = CommandHandlers(self._get_chat_service)
        self._mentions = Mentions(self, self._get_chat_service, self.platform)
        add_commands(self.tree, self._requests, self._get_chat_service)

    def _get_chat_service(self) -> ChatService:
        if self.chat_service is None:
            raise CoordinationError(catalog.text("discord.not_open"))
        return self.chat_service

    @override
    async def setup_hook(self) -> None:
        await self.tree.set_translator(Languages())
        self.add_dynamic_items(*items_for(self._clicks))

    async def on_interaction(self, interaction: AnyInteraction) -> None:
        """Submitted windows are routed here, and only here: discord.py forgets its own in a restart."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        name = custom_id_of(interaction.data)
        if name == ASK:
            await self._requests.ask(interaction, typed(interaction.data))
        elif found := MODAL_TEMPLATE.fullmatch(name):
            what, fields = parse_custom_id(found), filled_in(interaction.data)
            await self._clicks.clicked(interaction, what, typed(interaction.data), fields)

    async def on_message(self, message: discord.Message) -> None:
        """A mention in a run's thread, or an answer that notifies us, goes on with the conversation."""
        if self.user is not None and not message.author.bot and self.user in message.mentions:
            await self._mentions.mentioned(message, self.user.id)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A card may be gone."""
        await self._deleted(payload.guild_id, payload.channel_id, [payload.message_id])

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Some cards may be gone."""
        await self._deleted(payload.guild_id, payload.channel_id, payload.message_ids)

    async def _deleted(self, guild: int | None, channel: int, messages: Iterable[int]) -> None:
        if self.chat_service is not None:
            tenant = "" if guild is None else tenant_of(guild)
            place = ChannelRef(platform=PLATFORM, tenant=tenant, channel=str(channel))
            await self.chat_service.messages_deleted(place, [str(each) for each in messages])

    @override
    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        _log.exception("the handler of %s failed", event_method)


class Tree(app_commands.CommandTree[discord.Client]):
    """The commands, whose errors are told to whoever typed them."""

    def __init__(self, client: discord.Client) -> None:
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True),
        )

    @override
    async def on_error(self, interaction: AnyInteraction, error: app_commands.AppCommandError, /) -> None:
        if interaction.type is discord.InteractionType.autocomplete:
            _log.warning("a completion failed", exc_info=error)
            return
        async with report_errors(interaction):
            if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
                await reply_privately(interaction, sentence(catalog.text("discord.out_of_step")))
                return
            raise getattr(error, "original", error)


async def log_in(client: DiscordClient, token: str) -> None:
    """Find out whether the token is good; from here on cards can be posted.

    Raises:
        ConfigError: it is not.
        ChatAwayError: Discord can't be asked.
    """
    try:
        await client.login(token)
    except discord.LoginFailure:
        raise ConfigError([catalog.text("discord.bad_token")]) from None
    except (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError) as error:
        _log.warning("the login failed: %s", error)
        raise ChatAwayError([catalog.text("discord.unreachable")]) from None


async def serve(client: DiscordClient, chat_service: ChatService, ending: asyncio.Event) -> None:
    """Listen until `ending`. What is clicked after that is answered with a request for patience.

    Raises:
        ConfigError: Discord does not want this bot to listen.
        ChatAwayError: Discord is not there.
    """
    client.chat_service = chat_service
    try:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_listen(client))
            await ending.wait()
            listening.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        client.chat_service = None


async def _listen(client: DiscordClient) -> None:
    """Comes back with an error only: a lost connection is made again, a refused one is not.

    Where to connect Discord is asked once, without a second try.
    """
    try:
        await client.connect()
    except (discord.GatewayNotFound, discord.RateLimited, aiohttp.ClientError, OSError) as error:
        _log.warning("Discord does not say where to connect: %s", type(error.__cause__ or error).__name__)
        raise ChatAwayError([catalog.text("discord.unreachable")]) from None
    except discord.DiscordException as error:
        _log.exception("the gateway refused us")
        code = str(error.code) if isinstance(error, discord.ConnectionClosed) else type(error).__name__
        raise ConfigError([catalog.text("discord.gateway_refused", code=code)]) from None
    raise ChatAwayError([catalog.text("discord.unreachable")])


async def hears(client: discord.AutoShardedClient) -> str:
    """Fits `bot.telemetry.health.Check`: it is well while every shard is connected, and its heartbeats come back."""
    hears_all = all(math.isfinite(each) for _, each in client.latencies)
    return "" if client.is_ready() and not client.is_closed() and hears_all else "Discord does not hear us"


OpenChatService: TypeAlias = Callable[[ChatPlatform], AbstractAsyncContextManager[ChatService]]


@asynccontextmanager
async def logged_in(environment: Environment) -> AsyncGenerator[DiscordClient]:
    """A client that may send, and does not listen.

    Raises:
        ConfigError: what the operator set is wrong, or Discord does not take it.
    """
    settings = discord_settings(environment)
    aim(environment)
    async with DiscordClient(lists_members=settings.lists_members) as client:
        await log_in(client, settings.token)
        if gateway := pinned_gateway(environment):
            pin(client, gateway)
        yield client


async def run_bot(
    environment: Environment,
    open_chat_service: OpenChatService,
    *,
    ending: asyncio.Event,
    tell: Callable[[str], None],
    health: Health | None = None,
) -> None:
    """Serve until `ending`: first nobody is heard any more, then the chat service closes, then the connection.

    `tell` gets the bot's name once it is logged in.
    """
    health = health or Health()
    async with logged_in(environment) as client, open_chat_service(client.platform) as chat_service:
        tell(str(client.user))
        with health.watched("discord", lambda: hears(client)), health.serving():
            await serve(client, chat_service, ending)
