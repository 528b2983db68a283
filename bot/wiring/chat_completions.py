"""Models behind Chat Completions servers, built from what a configuration says of them."""

from collections.abc import Mapping
from typing import cast

from coordination.adapters.model_faults import Raw
from coordination.adapters.openai_chat import ChatCompletionsModel, ChatOptions
from coordination.adapters.openai_clients import OpenAIClients
from coordination.errors import ConfigError
from coordination.ports import Clock, Model
from coordination.settings import BackendSettings, ModelOptions

_AS_THEY_ARE = ("top_p", "top_k", "seed", "repetition_penalty", "separate_reasoning", "chat_template_kwargs")


class ChatCompletionsBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = OpenAIClients()

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        try:
            return ChatCompletionsModel(
                clients=self._clients,
                model=backend.model,
                base_url=backend.base_url,
                api_key=backend.api_key.get_secret_value() if backend.api_key is not None else "",
                key_name=backend.key_name,
                options=_options(backend.options),
            )
        except ConfigError as error:
            raise ConfigError([f"agent {agent}: {complaint}" for complaint in error.complaints]) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()


def open_builder(environ: Mapping[str, str], clock: Clock) -> ChatCompletionsBuilder:
    """One builder for the process."""
    del environ, clock
    return ChatCompletionsBuilder()


def _options(options: ModelOptions) -> ChatOptions:
    extra: dict[str, Raw] = {name: value for name in _AS_THEY_ARE if (value := getattr(options, name)) is not None}
    if options.text is not None and options.text.verbosity is not None:
        extra["verbosity"] = options.text.verbosity
    extra |= cast("dict[str, Raw]", options.extra_body or {})
    return ChatOptions(
        temperature=options.temperature,
        max_completion_tokens=options.output_tokens,
        reasoning_effort=options.effort,
        extra_body=extra,
    )
