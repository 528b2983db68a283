"""A process that connects through DISCORD_GATEWAY_URL alone, drops out once, and says whether it came back."""

import asyncio
import os

from bot.discord_app.client import logged_in, serve
from bot.variables import Environment
from tests.contract.discord_harness import RecordingChatService


async def main() -> None:
    """Connect, wait for a resumption, end."""
    ending = asyncio.Event()
    async with logged_in(Environment(os.environ)) as client:

        async def on_shard_resumed(shard: int) -> None:
            print(f"resumed {shard}", flush=True)  # noqa: T201 - what the test reads
            ending.set()

        client.event(on_shard_resumed)
        async with asyncio.timeout(60):
            await serve(client, RecordingChatService(), ending)


if __name__ == "__main__":
    asyncio.run(main())
