"""Two addresses for whoever watches the process: `/live`, it turns; `/ready`, Discord hears it."""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import discord
from aiohttp import web

from bot.i18n import Words
from coordination.errors import ConfigError


@asynccontextmanager
async def health(port: int, is_ready: Callable[[], bool], words: Words) -> AsyncGenerator[int]:
    """Serve on all addresses, as a container's platform asks from outside. Yields the port; 0 takes a free one.

    Raises:
        ConfigError: the port is taken.
    """

    async def live(request: web.Request) -> web.Response:
        del request
        return web.Response(text="live\n")

    async def ready(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ready\n") if is_ready() else web.Response(text="not ready\n", status=503)

    application = web.Application()
    application.add_routes([web.get("/live", live), web.get("/ready", ready)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        try:
            await site.start()
        except OSError:
            raise ConfigError([words.say("discord.port_taken", port=port)]) from None
        # A free port is another one for each family of addresses.
        yield next(address[1] for address in runner.addresses if len(address) == 2)
    finally:
        await runner.cleanup()


def hears(client: discord.AutoShardedClient) -> bool:
    """Whether every shard is connected, and its heartbeats come back."""
    return client.is_ready() and not client.is_closed() and all(math.isfinite(each) for _, each in client.latencies)
