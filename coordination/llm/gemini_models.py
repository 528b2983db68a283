"""Models behind the Gemini API, built from what a configuration says of them; the extra `gemini` is loaded here."""

from collections.abc import Mapping

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.backend_values import extra_body, key_of
from coordination.llm.gemini import GEMINI_BASE_URL, GeminiModel, GeminiOptions
from coordination.llm.gemini_clients import GeminiClients
from coordination.llm.model_errors import Raw
from coordination.ports import Clock, Model


class GeminiBuilder:
    """Builds models that share one pool of connections per server and key."""

    def __init__(self) -> None:
        self._clients = GeminiClients()

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        del agent
        return GeminiModel(
            clients=self._clients,
            model=backend.model,
            base_url=backend.base_url or GEMINI_BASE_URL,
            api_key=key_of(backend),
            key_name=backend.key_name,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()


def open_builder(environ: Mapping[str, str], clock: Clock) -> GeminiBuilder:
    """One builder for the process."""
    del environ, clock
    return GeminiBuilder()


def _options(options: ModelOptions) -> GeminiOptions:
    _, budget = options.thinking_ahead
    return GeminiOptions(
        temperature=options.temperature,
        max_output_tokens=options.output_tokens,
        thinking_level=options.effort,
        thinking_budget=budget,
        enable_web_search=options.enable_web_search,
        extra_body=_extra(options),
    )


def _extra(options: ModelOptions) -> Mapping[str, Raw]:
    """Gemini has these in its `generationConfig`, where what is written there by name wins."""
    extra = dict(extra_body(options))
    sampling: dict[str, Raw] = {"topP": options.top_p, "topK": options.top_k, "seed": options.seed}
    own = {name: value for name, value in sampling.items() if value is not None}
    written = extra.get("generationConfig")
    kept: dict[str, Raw] = written if isinstance(written, dict) else {}
    if own:
        extra["generationConfig"] = {**own, **kept}
    return extra
