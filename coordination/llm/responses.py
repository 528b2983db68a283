"""Models behind OpenAI's Responses API, built from what a configuration says of them."""

from collections.abc import Mapping

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.backend_values import extra_body, key_of
from coordination.llm.openai_clients import OpenAIClients
from coordination.llm.openai_responses import OPENAI_BASE_URL, ResponsesModel, ResponsesOptions
from coordination.ports import Clock, Model


class ResponsesBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = OpenAIClients()

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        return ResponsesModel(
            clients=self._clients,
            model=backend.model,
            base_url=backend.base_url or OPENAI_BASE_URL,
            api_key=key_of(backend),
            key_name=backend.key_name,
            prompt_cache_key=agent,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()


def open_builder(environ: Mapping[str, str], clock: Clock) -> ResponsesBuilder:
    """One builder for the process."""
    del environ, clock
    return ResponsesBuilder()


def _options(options: ModelOptions) -> ResponsesOptions:
    summary = options.reasoning.summary if options.reasoning is not None else None
    return ResponsesOptions(
        temperature=options.temperature,
        max_output_tokens=options.output_tokens,
        reasoning_effort=options.effort,
        reasoning_summary=None if summary == "none" else summary,
        verbosity=options.text.verbosity if options.text is not None else None,
        enable_web_search=options.enable_web_search,
        extra_body=extra_body(options, "top_p"),
    )
