"""The OpenAI SDK's clients, Azure's too, shared by all models of a process."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

from openai import APIConnectionError, APIStatusError, AsyncAzureOpenAI, AsyncOpenAI, DefaultAioHttpClient
from typing_extensions import override

from coordination.config.providers import provider_at
from coordination.llm.http import trusted_authorities
from coordination.llm.http_model import CONNECTION_LIMITS, ConnectionFailedError, HttpClients, Refusal, SdkClient

OPENAI_BASE_URL = "https://api.openai.com/v1"


class OpenAIClients(HttpClients):
    """One SDK client per server, key and headers."""

    @override
    def new_client(self, base_url: str, api_key: str, headers: Mapping[str, str]) -> SdkClient:
        client = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            http_client=DefaultAioHttpClient(limits=CONNECTION_LIMITS, verify=trusted_authorities()),
        )
        return _with_headers(client, base_url, headers)

    @override
    @contextmanager
    def translated(self) -> Generator[None]:
        try:
            yield
        except APIStatusError as error:
            raise Refusal(
                error.response,
                body=error.body,
                message=error.message,
                codes=(error.code, error.type),
                place=error.param,
            ) from None
        except APIConnectionError as error:
            raise ConnectionFailedError from error


class AzureClients(OpenAIClients):
    """One SDK client per resource and key, all for one version of the API."""

    def __init__(self, api_version: str) -> None:
        super().__init__()
        self._api_version = api_version

    @override
    def new_client(self, base_url: str, api_key: str, headers: Mapping[str, str]) -> SdkClient:
        client = AsyncAzureOpenAI(
            base_url=f"{base_url.rstrip('/').removesuffix('/openai')}/openai",
            api_version=self._api_version,
            api_key=api_key,
            max_retries=0,
            http_client=DefaultAioHttpClient(limits=CONNECTION_LIMITS, verify=trusted_authorities()),
        )
        return _with_headers(client, base_url, headers)


def _with_headers(client: AsyncOpenAI, base_url: str, headers: Mapping[str, str]) -> SdkClient:
    """The client with these headers of its own. Those in OPENAI_CUSTOM_HEADERS could replace the key at any server."""
    setattr(client, "_custom_headers", dict(headers))  # noqa: B010 - an option would be added to what the environment has
    known = provider_at(base_url)
    if known is None or known.type != "openai":
        # The environment names an account's organization and project at OpenAI, which is no other server's business.
        client.organization = client.project = None
    return cast("SdkClient", client)
