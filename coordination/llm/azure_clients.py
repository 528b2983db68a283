"""The OpenAI SDK's clients for Azure's dated API, where the deployment is in the path and the version in the query."""

import httpx2
from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAioHttpClient
from typing_extensions import override

from coordination.llm.openai_clients import OpenAIClients


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
