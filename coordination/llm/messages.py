"""Models behind Anthropic's Messages API, built from what a configuration says of them."""

from collections.abc import Mapping

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.anthropic_clients import AnthropicClients
from coordination.llm.anthropic_messages import ANTHROPIC_BASE_URL, AnthropicModel, MessagesOptions
from coordination.llm.backend_values import extra_body, key_of
from coordination.ports import Clock, Model


class MessagesBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = AnthropicClients()

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        del agent
        return AnthropicModel(
            clients=self._clients,
            model=backend.model,
            base_url=backend.base_url or ANTHROPIC_BASE_URL,
            api_key=key_of(backend),
            key_name=backend.key_name,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()


def open_builder(environ: Mapping[str, str], clock: Clock) -> MessagesBuilder:
    """One builder for the process."""
    del environ, clock
    return MessagesBuilder()


def _options(options: ModelOptions) -> MessagesOptions:
    thinking, budget = options.thinking_ahead
    return MessagesOptions(
        temperature=options.temperature,
        max_tokens=options.output_tokens,
        thinking=thinking,
        thinking_budget=budget,
        effort=options.effort,
        enable_web_search=options.enable_web_search,
        extra_body=extra_body(options, "top_p", "top_k"),
    )
