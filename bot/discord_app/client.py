"""The connection to Discord: what arrives is handed to the desk, through clicks, commands and mentions."""

import asyncio
import logging

import aiohttp
import discord
from discord import app_commands
from typing_extensions import override

from bot.chat.platform import Desk
from bot.discord_app.command_words import Languages
from bot.discord_app.commands import Requests, add_commands
from bot.discord_app.components import MODAL_TEMPLATE, pressed
from bot.discord_app.interactions import Clicks
from bot.discord_app.items import items_for
from bot.discord_app.mentions import Mentions
from bot.discord_app.modals import ASK, custom_id_of
from bot.discord_app.platform import DiscordSurface
from bot.discord_app.replies import AnyInteraction, answered, sentence, tell
from bot.i18n import ENGLISH, Words
from coordination.errors import ConfigError, StorageError

_log = logging.getLogger(__name__)

INTENTS = discord.Intents(guilds=True, guild_messages=True)
"""Nothing privileged: a message that mentions the bot comes with its text, and no other message is looked at."""

LONGEST_WAIT = 30.0
"""Seconds that discord.py may wait by itself for a rate limit; the least that it takes."""


class DiscordClient(discord.AutoShardedClient):
    """One bot on as many servers as it was added to."""

    def __init__(self, words: Words = ENGLISH) -> None:
        """Cards are posted by `surface`, from the login on; people are answered once there is a desk."""
        super().__init__(
            intents=INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            max_ratelimit_timeout=LONGEST_WAIT,
            enable_debug_events=False,
        )
        self.surface = DiscordSurface(self, words)
        self.tree = Tree(self, words)
        self.desk: Desk | None = None
        self.words = words
        self._clicks = Clicks(self._open_desk, words)
        self._requests = Requests(self._open_desk, words)
        self._mentions = Mentions(self, self._open_desk, self.surface, words)
        add_commands(self.tree, self._requests, self._open_desk, words)

    def _open_desk(self) -> Desk:
        if self.desk is None:
            raise StorageError(self.words.say("discord.not_open"))
        return self.desk

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
            await self._requests.submitted(interaction)
        elif found := MODAL_TEMPLATE.fullmatch(name):
            await self._clicks.submitted(interaction, pressed(found))

    async def on_message(self, message: discord.Message) -> None:
        """A mention in a run's thread, or an answer that notifies us, goes on with the conversation."""
        if self.user is not None and not message.author.bot and self.user in message.mentions:
            await self._mentions.mentioned(message, self.user.id)

    @override
    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        _log.exception("the handler of %s failed", event_method)


class Tree(app_commands.CommandTree[discord.Client]):
    """The commands, whose errors are told to whoever typed them."""

    def __init__(self, client: discord.Client, words: Words) -> None:
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True),
        )
        self._words = words

    @override
    async def on_error(self, interaction: AnyInteraction, error: app_commands.AppCommandError, /) -> None:
        if interaction.type is discord.InteractionType.autocomplete:
            _log.warning("a completion failed", exc_info=error)
            return
        async with answered(interaction, self._words):
            if isinstance(error, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
                await tell(interaction, sentence(self._words.say("discord.out_of_step"), self._words), self._words)
                return
            raise getattr(error, "original", error)


async def log_in(client: DiscordClient, token: str) -> None:
    """Find out whether the token is good; from here on cards can be posted.

    Raises:
        ConfigError: it is not, or Discord can't be asked.
    """
    try:
        await client.login(token)
    except discord.LoginFailure:
        raise ConfigError([client.words.say("discord.bad_token")]) from None
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        _log.warning("the login failed", exc_info=error)
        raise ConfigError([client.words.say("discord.unreachable")]) from None


async def serve(client: DiscordClient, desk: Desk, ending: asyncio.Event) -> None:
    """Listen until `ending`. What is clicked after that is answered with a request for patience.

    Raises:
        ConfigError: Discord does not want this bot to listen.
    """
    client.desk = desk
    try:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_listen(client))
            await ending.wait()
            listening.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        client.desk = None


async def _listen(client: DiscordClient) -> None:
    """Comes back with an error only: a lost connection is made again, a refused one is not."""
    try:
        await client.connect()
    except discord.DiscordException as error:
        _log.exception("the gateway refused us")
        code = str(error.code) if isinstance(error, discord.ConnectionClosed) else type(error).__name__
        raise ConfigError([client.words.say("discord.gateway_refused", code=code)]) from None
    raise ConfigError([client.words.say("discord.unreachable")])
