"""Every section of a configuration, with every key that it may have: ours, MassGen's, and MassGen's that do nothing here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from coordination.config import auth_keys, sections
from coordination.config.sections import Keys

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
    keys=sections.NoKeys,
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

AGENT = Section(name="agents[]", keys=sections.AgentKeys, children=frozenset({"backend"}))

BACKEND = Section(
    name="agents[].backend",
    keys=sections.BackendKeys,
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
    keys=sections.BackendKeys,
    ignored={
        **BACKEND.ignored,
        "system_prompt": "a fallback is told what the first model was told",
        "append_system_prompt": "a fallback is told what the first model was told",
    },
)

PRICE = Section(name="agents[].backend.price", keys=sections.PriceKeys)
REASONING = Section(name="agents[].backend.reasoning", keys=sections.ReasoningKeys)
THINKING = Section(name="agents[].backend.thinking", keys=sections.ThinkingKeys)
TEXT = Section(name="agents[].backend.text", keys=sections.TextKeys)

SERVER = Section(
    name="mcp_servers[]",
    keys=sections.ServerKeys,
    children=frozenset({"allowed_tools", "exclude_tools", "auth"}),
    ignored={
        "security": "the rules under tools decide what runs, and people approve the rest",
        "trust_hints": "a server's word about itself lets nothing run while agents plan; list what only reads under tools",
        "http_read_timeout": "call_timeout bounds a call, however it is carried",
        "circuit_breaker": _FIXED_POOL,
    },
)

SERVER_AUTH = Section(name="mcp_servers[].auth", keys=auth_keys.ServerAuthKeys)

ORCHESTRATOR = Section(
    name="orchestrator",
    keys=sections.OrchestratorKeys,
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
    keys=sections.CoordinationKeys,
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

TIMEOUT = Section(name="orchestrator.timeout", keys=sections.TimeoutKeys)
TIMEOUT_SETTINGS = Section(name="timeout_settings", keys=sections.TimeoutKeys)
RULE = Section(name="tools[]", keys=sections.RuleKeys)
ASK = Section(name="ask", keys=sections.AskKeys)
APPROVAL = Section(name="approval", keys=sections.ApprovalKeys, children=frozenset({"approvers"}))
APPROVERS = Section(name="approval.approvers", keys=sections.ApproverKeys)
LIMITS = Section(name="limits", keys=sections.LimitKeys)

UI = Section(
    name="ui",
    keys=sections.NoKeys,
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
