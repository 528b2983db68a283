"""Every section and key of a configuration, ours and MassGen's, as pydantic models: types, ranges, defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar
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

from coordination.run_options import RunOptions, Strictness

_DEFAULTS = RunOptions()
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


def _secret(secret: SecretStr) -> SecretStr:
    """A line break at its end comes from the file that it was read from."""
    return SecretStr(secret.get_secret_value().strip())


def _pem(secret: SecretStr) -> SecretStr:
    """A key of many lines, which many a place that holds variables can write only as one."""
    text = secret.get_secret_value().strip()
    return SecretStr(text if "\n" in text else text.replace("\\n", "\n").strip())


class ServerAuthKeys(Keys):
    """How the program gets tokens for one MCP server: by OAuth's grant for programs that act for themselves."""

    type: Literal["client_credentials"]
    issuer: WebAddress | None = None
    token_url: WebAddress | None = None
    client_id: OneLine
    client_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    private_key: Annotated[SecretStr, AfterValidator(_pem)] | None = None
    signing_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"] | None = None
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post"] | None = None
    scopes: Annotated[tuple[OneLine, ...], Field(max_length=100)] = ()


KeysT = TypeVar("KeysT", bound=Keys)
KeysT_co = TypeVar("KeysT_co", bound=Keys, covariant=True)

_NO_FILES = "agents have no files of their own here; give them an MCP server for files, whose writes people approve"
_NO_SHELL = "agents run no commands here; give them an MCP server for that, whose calls people approve"
_ONLY_TEXT = "agents read and write text here; give them an MCP server for other media"
_ONLY_MCP = "tools come from MCP servers here, so that people can approve their calls"
_FIXED_POOL = "connections to MCP servers are shared and watched over by the program"
_OWN_DISPLAY = "where a run is started decides how it is shown"
_LOG = "the event log always has the whole run"
_PLANS_ALWAYS = "agents always coordinate in planning mode here"
_NO_RESTART = "nothing is coordinated again after calls have run; people ask for changes before"
_NO_SKILLS = "agents bring no skills from files; say what they need in system_message"


@dataclass(frozen=True, kw_only=True)
class Section(Generic[KeysT_co]):
    """One section.

    Attributes:
        name: the section's place, for people: `agents[].backend`.
        keys: the model of its keys.
        children: keys that are sections, or lists of them, read on their own.
        ignored: MassGen's documented keys that have no meaning here, and why.
    """

    name: str
    keys: type[KeysT_co]
    children: frozenset[str] = frozenset()
    ignored: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def known(self) -> frozenset[str]:
        """Every key that is accepted here."""
        return self.honoured | self.ignored.keys()

    @property
    def honoured(self) -> frozenset[str]:
        """Every key that has a meaning here."""
        return frozenset(self.keys.model_fields) | self.children


TOP = Section(
    name="",
    keys=NoKeys,
    children=frozenset(
        {
            "agents",
            "agent",
            "mcp_servers",
            "orchestrator",
            "tools",
            "ask",
            "approval",
            "limits",
            "timeout_settings",
            "ui",
        }
    ),
    ignored={
        "display": _OWN_DISPLAY,
        "memory": "agents remember nothing beyond a run and its thread",
    },
)

AGENT = Section(name="agents[]", keys=AgentKeys, children=frozenset({"backend"}))

BACKEND = Section(
    name="agents[].backend",
    keys=BackendKeys,
    children=frozenset({"mcp_servers", "allowed_tools", "exclude_tools", "disallowed_tools", "fallback"}),
    ignored={
        "permission_mode": "an agent's powers are the tools that it is given, whatever a mode says",
        "agent_temporary_workspace": _NO_FILES,
        "context_paths": _NO_FILES,
        "context_write_access_enabled": _NO_FILES,
        "enforce_read_before_delete": _NO_FILES,
        "exclude_file_operation_mcps": _NO_FILES,
        "enable_mcp_command_line": _NO_SHELL,
        "command_line_allowed_commands": _NO_SHELL,
        "command_line_blocked_commands": _NO_SHELL,
        "command_line_execution_mode": _NO_SHELL,
        "command_line_docker_image": _NO_SHELL,
        "command_line_docker_memory_limit": _NO_SHELL,
        "command_line_docker_cpu_limit": _NO_SHELL,
        "command_line_docker_network_mode": _NO_SHELL,
        "command_line_docker_enable_sudo": _NO_SHELL,
        "command_line_docker_credentials": _NO_SHELL,
        "command_line_docker_packages": _NO_SHELL,
        "enable_image_generation": _ONLY_TEXT,
        "enable_audio_generation": _ONLY_TEXT,
        "enable_video_generation": _ONLY_TEXT,
        "enable_file_generation": _ONLY_TEXT,
        "upload_files": _ONLY_TEXT,
        "media_max_file_size_mb": _ONLY_TEXT,
        "custom_tools": _ONLY_MCP,
        "auto_discover_custom_tools": _ONLY_MCP,
        "enable_code_based_tools": _ONLY_MCP,
        "agent_config": "it belongs to AG2, whose agents can't coordinate here",
        "group_config": "it belongs to AG2, whose agents can't coordinate here",
        "max_mcp_message_history": "a turn is bounded by max_tool_rounds instead",
        "circuit_breaker_enabled": _FIXED_POOL,
        "enable_rate_limit": "a provider's own limits are honoured as it states them",
        "betas": "the program asks for what it uses",
        "provider": "the type says who the provider is",
        "provider_name": "the type says who the provider is",
        "agent_id": "the agent's own id counts",
        "session_id": "each turn is a fresh conversation",
    },
)

# It is not in the list of all sections: its keys are those of a backend, and documented there.
FALLBACK = Section(
    name="agents[].backend.fallback",
    keys=BackendKeys,
    ignored={
        **BACKEND.ignored,
        "system_prompt": "a fallback is told what the first model was told",
        "append_system_prompt": "a fallback is told what the first model was told",
    },
)

PRICE = Section(name="agents[].backend.price", keys=PriceKeys)
REASONING = Section(name="agents[].backend.reasoning", keys=ReasoningKeys)
THINKING = Section(name="agents[].backend.thinking", keys=ThinkingKeys)
TEXT = Section(name="agents[].backend.text", keys=TextKeys)

SERVER = Section(
    name="mcp_servers[]",
    keys=ServerKeys,
    children=frozenset({"allowed_tools", "exclude_tools", "auth"}),
    ignored={
        "security": "the rules under tools decide what runs, and people approve the rest",
        "trust_hints": "a server's word about itself lets nothing run while agents plan; list what only reads under tools",
        "http_read_timeout": "call_timeout bounds a call, however it is carried",
        "circuit_breaker": _FIXED_POOL,
    },
)

SERVER_AUTH = Section(name="mcp_servers[].auth", keys=ServerAuthKeys)

ORCHESTRATOR = Section(
    name="orchestrator",
    keys=OrchestratorKeys,
    children=frozenset({"coordination", "timeout"}),
    ignored={
        "snapshot_storage": _NO_FILES,
        "agent_temporary_workspace": _NO_FILES,
        "context_paths": _NO_FILES,
        "session_storage": "the database holds every run",
        "skip_coordination_rounds": "agents always coordinate; one agent alone does not vote",
        "debug_final_answer": _NO_RESTART,
        "dspy": "agents get the request as it was asked",
    },
)

COORDINATION = Section(
    name="orchestrator.coordination",
    keys=CoordinationKeys,
    ignored={
        "max_orchestration_restarts": _NO_RESTART,
        "enable_agent_task_planning": "the plan that people approve is the only plan",
        "max_tasks_per_plan": "the plan that people approve is the only plan",
        "task_planning_filesystem_mode": _NO_FILES,
        "enable_memory_filesystem_mode": _NO_FILES,
        "use_skills": _NO_SKILLS,
        "massgen_skills": _NO_SKILLS,
        "skills_directory": _NO_SKILLS,
    },
)

TIMEOUT = Section(name="orchestrator.timeout", keys=TimeoutKeys)
TIMEOUT_SETTINGS = Section(name="timeout_settings", keys=TimeoutKeys)
RULE = Section(name="tools[]", keys=RuleKeys)
ASK = Section(name="ask", keys=AskKeys)
APPROVAL = Section(name="approval", keys=ApprovalKeys, children=frozenset({"approvers"}))
APPROVERS = Section(name="approval.approvers", keys=ApproverKeys)
LIMITS = Section(name="limits", keys=LimitKeys)

UI = Section(
    name="ui",
    keys=NoKeys,
    ignored={
        "display_type": _OWN_DISPLAY,
        "type": _OWN_DISPLAY,
        "logging_enabled": _LOG,
        "use_orchestrator_for_single_agent": _PLANS_ALWAYS,
        "skip_agent_selector": _OWN_DISPLAY,
    },
)

ALL: tuple[Section[Keys], ...] = (
    TOP,
    AGENT,
    BACKEND,
    PRICE,
    REASONING,
    THINKING,
    TEXT,
    SERVER,
    SERVER_AUTH,
    ORCHESTRATOR,
    COORDINATION,
    TIMEOUT,
    TIMEOUT_SETTINGS,
    RULE,
    ASK,
    APPROVAL,
    APPROVERS,
    LIMITS,
    UI,
)


# Keys of these are too common to tell from a misplaced one what was meant, or are in two sections by design.
_NO_HOMES = (SERVER, RULE, TIMEOUT_SETTINGS)


def home_of(key: str) -> str | None:
    """The section that a key belongs to, for one that stands in the wrong place; None: it belongs to none, or many."""
    homes = [section.name for section in ALL if section not in _NO_HOMES and key in section.honoured]
    return (homes[0] or "the top level") if len(homes) == 1 else None
