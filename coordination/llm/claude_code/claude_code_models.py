"""Claude Code agents, built from what a configuration says of them; the extra `claude-code` is loaded here."""

from collections.abc import Mapping

from coordination.config import BackendSettings, ModelOptions
from coordination.llm.backend_values import key_of
from coordination.llm.claude_code.claude_code import ANTHROPIC_BASE_URL, ClaudeCodeModel, ClaudeCodeOptions
from coordination.ports import Clock, Model

DEFAULT_MODEL = "sonnet"
"""What Claude Code calls the newest Sonnet; a configuration need not name a model for it."""


class ClaudeCodeBuilder:
    """Builds models that each start a program of their own for every conversation."""

    def build(self, agent: str, backend: BackendSettings) -> Model:
        """The model of one agent."""
        del agent
        return ClaudeCodeModel(
            model=backend.model or DEFAULT_MODEL,
            base_url=backend.base_url or ANTHROPIC_BASE_URL,
            api_key=key_of(backend),
            key_name=backend.key_name,
            options=_options(backend.options),
        )

    async def aclose(self) -> None:
        """Nothing is shared."""


def open_builder(environ: Mapping[str, str], clock: Clock) -> ClaudeCodeBuilder:
    """One builder for the process."""
    del environ, clock
    return ClaudeCodeBuilder()


def _options(options: ModelOptions) -> ClaudeCodeOptions:
    _, budget = options.thinking_ahead
    return ClaudeCodeOptions(
        effort=options.effort,
        max_output_tokens=options.output_tokens,
        max_thinking_tokens=budget,
        enable_web_search=options.enable_web_search,
    )
