"""Everything that a command does with Discord, from the login on."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import discord

from bot.chat.platform import Desk, Surface
from bot.discord_app.client import DiscordClient, log_in, serve
from bot.discord_app.health import health, hears
from bot.discord_app.permissions import NEEDED
from bot.discord_app.settings import aim, pin, pinned_gateway
from bot.discord_app.settings_settings import discord_settings
from bot.i18n import words_for

OpenDesk: TypeAlias = Callable[[Surface], AbstractAsyncContextManager[Desk]]


@asynccontextmanager
async def logged_in(environ: Mapping[str, str]) -> AsyncGenerator[DiscordClient]:
    """A client that may send, and does not listen.

    Raises:
        ConfigError: what the operator set is wrong, or Discord does not take it.
    """
    settings = discord_settings(environ)
    aim(environ)
    async with DiscordClient(words_for(environ)) as client:
        await log_in(client, settings.token)
        if gateway := pinned_gateway(environ):
            pin(client, gateway)
        yield client


async def run_bot(
    environ: Mapping[str, str], open_desk: OpenDesk, *, ending: asyncio.Event, tell: Callable[[str, int], None]
) -> None:
    """Serve until `ending`: first nobody is heard any more, then the desk closes, then the connection.

    `tell` gets the bot's name and the port of the health address (0: none) once it is logged in.
    """
    port = discord_settings(environ).health_port
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(logged_in(environ))
        listening = 0
        if port is not None:
            watched = health(port, lambda: hears(client), words_for(environ))
            listening = await stack.enter_async_context(watched)
        desk = await stack.enter_async_context(open_desk(client.surface))
        tell(str(client.user), listening)
        await serve(client, desk, ending)


def invitation(client: discord.Client) -> str:
    """The link that adds the bot to a server with the least that it needs."""
    return discord.utils.oauth_url(
        client.application_id or 0, permissions=NEEDED, scopes=("bot", "applications.commands")
    )
