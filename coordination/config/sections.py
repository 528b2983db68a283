"""The keys of a configuration, section by section, as pydantic models: types, ranges and defaults."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from coordination.run_options import Knobs, Strictness

_DEFAULTS = Knobs()
_WEEK = 7 * 86_400
_MONTH = 31 * 86_400
_DURATION = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")
_SERVER_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,48}[A-Za-z0-9])?$")


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("one line of text")
    return text


def _server_name(text: str) -> str:
    if not _SERVER_NAME.match(text):
        raise ValueError("1 to 50 letters, digits, - and _, beginning and ending with a letter or digit")
    return text


def _web_address(text: str) -> str:
    if not is_web_address(text):
        raise ValueError("an address that begins with http:// or https://")
    return text


def is_web_address(text: str) -> bool:
    """Whether something can be asked for at this address; one that begins with an open variable might be."""
    if text.startswith("${"):
        return True
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _key(secret: SecretStr) -> SecretStr:
    """A key as it goes into a header: a line break at its end comes from the file that it was read from."""
    key = secret.get_secret_value().strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("a key without blanks, line breaks and letters beyond ASCII")
    return SecretStr(key)


def _seconds(text: str) -> str:
    if not 1 <= seconds(text) <= _MONTH:
        raise ValueError("a time from 1s to 31d, such as 24h, 30m or 90 (seconds)")
    return text


def seconds(text: str) -> int:
    """A time in seconds: `24h`, `1h30m`, `90`. 0 for a text that is no time."""
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    match = _DURATION.match(text) if 0 < len(text) <= 20 else None
    if match is None:
        return 0
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + rest


OneLine = Annotated[StrictStr, Field(max_length=200), AfterValidator(_one_line)]
WebAddress = Annotated[StrictStr, Field(max_length=2000), AfterValidator(_web_address)]
Timeout = Annotated[StrictFloat, Field(gt=0, le=_WEEK)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Thinking = Literal["adaptive", "enabled", "disabled"]
Presentation = Literal["adopt", "present"]


class Keys(BaseModel):
    """One section. What a person typed is never repeated in an error of these models."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )


class NoKeys(Keys):
    """A section whose keys are all sections of their own."""


class AgentKeys(Keys):
    """One agent."""

    id: OneLine | None = None
    system_message: StrictStr = ""


class ReasoningKeys(Keys):
    """How much a model thinks, in OpenAI's words and in Anthropic's."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    type: Thinking | None = None
    budget_tokens: Annotated[StrictInt, Field(ge=1024, le=1_000_000)] | None = None


class ThinkingKeys(Keys):
    """Anthropic's `thinking`."""

    type: Thinking
    budget_tokens: Annotated[StrictInt, Field(ge=1024, le=1_000_000)] | None = None


class TextKeys(Keys):
    """OpenAI's `text`."""

    verbosity: Literal["low", "medium", "high"] | None = None


class PriceKeys(Keys):
    """US dollars for a million tokens."""

    input: Annotated[StrictFloat, Field(ge=0, le=1_000_000)]
    output: Annotated[StrictFloat, Field(ge=0, le=1_000_000)]
    cached_input: Annotated[StrictFloat, Field(ge=0, le=1_000_000)] | None = None


class ModelOptions(Keys):
    """What is asked of a model beside the conversation. None: the provider's default."""

    temperature: Annotated[StrictFloat, Field(ge=0, le=2)] | None = None
    top_p: Annotated[StrictFloat, Field(gt=0, le=1)] | None = None
    top_k: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1, le=10_000_000)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1, le=10_000_000)] | None = None
    seed: StrictInt | None = None
    reasoning: ReasoningKeys | None = None
    reasoning_effort: Effort | None = None
    thinking: ThinkingKeys | None = None
    max_thinking_tokens: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    text: TextKeys | None = None
    enable_web_search: StrictBool = False
    repetition_penalty: Annotated[StrictFloat, Field(gt=0, le=10)] | None = None
    separate_reasoning: StrictBool | None = None
    chat_template_kwargs: dict[StrictStr, Any] | None = Field(default=None, repr=False)
    extra_body: dict[StrictStr, Any] | None = Field(default=None, repr=False)

    @property
    def output_tokens(self) -> int | None:
        """The most tokens that one reply may have, under either of its two names."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def effort(self) -> Effort | None:
        """How hard the model is to think, under either of its two names."""
        return self.reasoning_effort or (self.reasoning.effort if self.reasoning else None)

    @property
    def thinking_ahead(self) -> tuple[Thinking | None, int | None]:
        """Whether and for how many tokens it is to think ahead, under whichever of the three names it was written."""
        for written in (self.thinking, self.reasoning):
            if written is not None and (written.type is not None or written.budget_tokens is not None):
                return written.type, written.budget_tokens
        return ("enabled", self.max_thinking_tokens) if self.max_thinking_tokens is not None else (None, None)


class BackendKeys(ModelOptions):
    """The model of one agent, and how to reach it."""

    type: OneLine | None = None
    model: OneLine | None = None
    base_url: WebAddress | None = Field(default=None, repr=False)
    api_key: Annotated[SecretStr, AfterValidator(_key)] | None = None
    api_version: OneLine | None = None
    price: PriceKeys | None = None
    cwd: OneLine | None = None
    system_prompt: StrictStr = ""
    append_system_prompt: StrictStr = ""
    script: dict[StrictStr, Any] | None = Field(default=None, repr=False)
    script_file: OneLine | None = None
    enable_code_interpreter: StrictBool = False
    enable_code_execution: StrictBool = False


class ServerKeys(Keys):
    """One MCP server. Whatever may hold a secret is one."""

    name: Annotated[StrictStr, AfterValidator(_server_name)]
    type: Literal["stdio", "streamable-http", "http"] | None = None
    command: SecretStr | None = None
    args: tuple[SecretStr, ...] = ()
    env: dict[StrictStr, SecretStr] = {}
    cwd: OneLine | None = None
    wrap: tuple[SecretStr, ...] = ()
    url: SecretStr | None = None
    headers: dict[StrictStr, SecretStr] = {}
    start_timeout: Annotated[StrictFloat, Field(gt=0, le=600)] = 30.0
    call_timeout: Annotated[StrictFloat, Field(gt=0, le=3600)] | None = None
    timeout: Annotated[StrictFloat, Field(gt=0, le=3600)] | None = None
    elicitation: Literal["decline", "defaults"] = "decline"
    rotates: tuple[OneLine, ...] = ()


class OrchestratorKeys(Keys):
    """How agents coordinate."""

    voting_sensitivity: Strictness = _DEFAULTS.voting_sensitivity
    answer_novelty_requirement: Strictness = _DEFAULTS.answer_novelty_requirement
    max_new_answers_per_agent: Annotated[StrictInt, Field(ge=1, le=100)] | None = _DEFAULTS.max_new_answers_per_agent
    max_new_answers_global: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None
    defer_voting_until_all_answered: StrictBool = _DEFAULTS.defer_voting
    consensus: Literal["all", "majority"] = _DEFAULTS.consensus
    final_presentation: Presentation | None = None
    max_tool_rounds: Annotated[StrictInt, Field(ge=1, le=1000)] = _DEFAULTS.max_tool_rounds
    max_midstream_updates: Annotated[StrictInt, Field(ge=0, le=100)] = _DEFAULTS.max_midstream_updates


class CoordinationKeys(Keys):
    """MassGen's section of that name, as far as it means something here."""

    enable_planning_mode: StrictBool = True
    planning_mode_instruction: StrictStr = ""
    final_presentation: Presentation | None = None


class TimeoutKeys(Keys):
    """Times in seconds."""

    orchestrator_timeout_seconds: Timeout | None = None
    initial_round_timeout_seconds: Timeout | None = None
    subsequent_round_timeout_seconds: Timeout | None = None


class RuleKeys(Keys):
    """What may be done with the tools that a pattern matches."""

    match: OneLine
    effect: Literal["read", "ask", "auto", "deny"]
    sure: StrictBool = False


class ApproverKeys(Keys):
    """Who may decide. With neither, anyone of the tenant."""

    roles: tuple[OneLine, ...] = ()
    users: tuple[OneLine, ...] = ()


class ApprovalKeys(Keys):
    """How a plan gets approved."""

    required: Annotated[StrictInt, Field(ge=1, le=20)] = 1
    allow_requester: StrictBool | None = None
    allow_author: StrictBool | None = None
    external: StrictBool = False
    expires_after: Annotated[StrictStr, AfterValidator(_seconds)] = "24h"


class AskKeys(Keys):
    """Who may ask."""

    external: StrictBool = False


_Tokens = Annotated[StrictInt, Field(ge=1, le=10_000_000_000)]
_Money = Annotated[StrictFloat, Field(gt=0, le=1_000_000)]


class LimitKeys(Keys):
    """What one run, one person, one tenant and one key may use at most."""

    tokens_per_run: _Tokens | None = None
    money_per_run: _Money | None = None
    tokens_per_user_per_day: _Tokens | None = None
    money_per_user_per_day: _Money | None = None
    tokens_per_tenant_per_day: _Tokens | None = None
    money_per_tenant_per_day: _Money | None = None
    requests_at_once: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None
    requests_per_minute: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    max_calls: Annotated[StrictInt, Field(ge=1, le=1000)] = _DEFAULTS.max_calls
    max_answer_characters: Annotated[StrictInt, Field(ge=100, le=10_000_000)] = _DEFAULTS.max_answer_characters
