"""The OpenAI SDK's clients, Azure's too, shared by all models of a process."""

from collections.abc import Mapping
from typing import cast

import httpx2
from openai import AsyncAzureOpenAI, AsyncOpenAI, AsyncStream, DefaultAioHttpClient
from typing_extensions import override

from coordination.llm.model_errors import Raw

CONNECT_SECONDS = 10.0


class OpenAIClients:
    """One SDK client, and so one pool of connections, per server and key.

    It runs over aiohttp, which costs about half of the SDK's own transport for a streamed reply.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}

    def client(self, *, base_url: str, api_key: str) -> AsyncOpenAI:
        """The client of this server and key; made on first use."""
        client = self._clients.get((base_url, api_key))
        if client is None:
            client = AsyncOpenAI(
                base_url=base_url,
                # Servers without keys exist; the SDK refuses to be without one, and would take one from the environment.
                api_key=api_key or "none",
                max_retries=0,
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


async def post_raw(client: AsyncOpenAI, path: str, body: Mapping[str, Raw], *, read_timeout: float) -> httpx2.Response:
    """Send a request, and give back its streamed answer unread; seconds of silence end it. The SDK's errors are raised."""
    timeout = httpx2.Timeout(read_timeout, connect=CONNECT_SECONDS, pool=None)
    response: object = await client.post(
        path,
        cast_to=httpx2.Response,
        body=body,
        options={"timeout": timeout, "follow_redirects": False},
        stream=True,
        stream_cls=AsyncStream[object],
    )
    # The SDK's overloads promise a stream; at run time `cast_to` wins, as its guide to raw responses says.
    return cast("httpx2.Response", response)


class AzureClients(OpenAIClients):
    """One SDK client per resource and key, all for one version of the API."""

    def __init__(self, api_version: str) -> None:
        super().__init__()
        self._api_version = api_version

    @override
    def client(self, *, base_url: str, api_key: str) -> AsyncOpenAI:
        """The client of this resource and key; made on first use."""
        client = self._clients.get((base_url, api_key))
        if client is None:
            client = AsyncAzureOpenAI(
                base_url=f"{base_url.rstrip('/').removesuffix('/openai')}/openai",
                api_version=self._api_version,
                api_key=api_key or "none",
                max_retries=0,
                http_client=DefaultAioHttpClient(
                    limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=30)
                ),
            )
            self._clients[base_url, api_key] = client
        return client
