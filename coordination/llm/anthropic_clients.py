"""The Anthropic SDK's clients, shared by all models of a process."""

import httpx2
from anthropic import AsyncAnthropic, DefaultAioHttpClient


class AnthropicClients:
    """One SDK client, and so one pool of connections, per server and key.

    It runs over aiohttp, which costs about half of the SDK's own transport for a streamed reply.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], AsyncAnthropic] = {}

    def client(self, *, base_url: str, api_key: str) -> AsyncAnthropic:
        """The client of this server and key; made on first use."""
        client = self._clients.get((base_url, api_key))
        if client is None:
            client = AsyncAnthropic(
                base_url=base_url,
                # Without a key the SDK would look for one in the environment and in profiles on the disk.
                api_key=api_key or "none",
                max_retries=0,
                open_telemetry=False,
                http_client=DefaultAioHttpClient(
                    limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30)
                ),
            )
            self._clients[base_url, api_key] = client
        return client

    async def aclose(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()
