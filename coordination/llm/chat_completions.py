"""Models behind Chat Completions servers, built from what a configuration says of them."""

from collections.abc import Mapping

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.azure_clients import AzureClients
from coordination.llm.backend_values import extra_body, key_of
from coordination.llm.model_errors import Raw
from coordination.llm.openai_chat import ChatCompletionsModel, ChatOptions
from coordination.llm.openai_clients import OpenAIClients
from coordination.ports import Clock, Model

_AS_THEY_ARE = ("top_p", "top_k", "seed", "repetition_penalty", "separate_reasoning", "chat_template_kwargs")


class ChatCompletionsBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = OpenAIClients()
        self._azure: dict[str, AzureClients] = {}

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        del agent
        return ChatCompletionsModel(
            clients=self._clients_of(backend),
            model=backend.model,
            base_url=_address(backend),
            api_key=key_of(backend),
            key_name=backend.key_name,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        for clients in (self._clients, *self._azure.values()):
            await clients.aclose()

    def _clients_of(self, backend: BackendSettings) -> OpenAIClients:
        version = backend.api_version
        if backend.type != "azure_openai" or version is None:
            return self._clients
        return self._azure.setdefault(version, AzureClients(version))


def open_builder(environ: Mapping[str, str], clock: Clock) -> ChatCompletionsBuilder:
    """One builder for the process."""
    del environ, clock
    return ChatCompletionsBuilder()


def _address(backend: BackendSettings) -> str:
    """Azure's resource as it is written, with the path of its versionless API where no version is given."""
    if backend.type != "azure_openai" or backend.api_version is not None or not backend.base_url:
        return backend.base_url
    root = backend.base_url.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    return f"{root}/openai/v1"


def _options(options: ModelOptions) -> ChatOptions:
    verbosity = options.text.verbosity if options.text is not None else None
    own: dict[str, Raw] = {} if verbosity is None else {"verbosity": verbosity}
    return ChatOptions(
        temperature=options.temperature,
        max_completion_tokens=options.output_tokens,
        reasoning_effort=options.effort,
        extra_body=own | dict(extra_body(options, *_AS_THEY_ARE)),
    )
