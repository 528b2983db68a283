"""Keys that MassGen's files, or earlier ones of ours, have and that have no meaning here: where they stand, and why."""

from collections.abc import Mapping

_NO_FILES = "agents have no files of their own here; give them an MCP server for files, whose writes people approve"
_NO_SHELL = "agents run no commands here; give them an MCP server for that, whose calls people approve"
_ONLY_TEXT = "agents read and write text here; give them an MCP server for other media"
_ONLY_MCP = "tools come from MCP servers here, so that people can approve their calls"
_FIXED_POOL = "connections to MCP servers are shared and watched over by the program"
_OWN_DISPLAY = "where a run is started decides how it is shown"
_NO_RESTART = "nothing is coordinated again after calls have run; people ask for changes before"
_NO_SKILLS = "agents bring no skills from files; say what they need in system_message"
_ONE_PLAN = "the plan that people approve is the only plan"
_ONE_PROMPT = "a fallback is told what the first model was told"

_BACKEND = {
    "an agent's powers are the tools that it is given, whatever a mode says": "permission_mode",
    _NO_FILES: (
        "agent_temporary_workspace context_paths context_write_access_enabled enforce_read_before_delete "
        "exclude_file_operation_mcps"
    ),
    _NO_SHELL: (
        "enable_mcp_command_line command_line_allowed_commands command_line_blocked_commands "
        "command_line_execution_mode command_line_docker_image command_line_docker_memory_limit "
        "command_line_docker_cpu_limit command_line_docker_network_mode command_line_docker_enable_sudo "
        "command_line_docker_credentials command_line_docker_packages"
    ),
    _ONLY_TEXT: (
        "enable_image_generation enable_audio_generation enable_video_generation enable_file_generation upload_files "
        "media_max_file_size_mb"
    ),
    _ONLY_MCP: "custom_tools auto_discover_custom_tools enable_code_based_tools",
    "it belongs to AG2, whose agents can't coordinate here": "agent_config group_config",
    "a turn is bounded by max_tool_rounds instead": "max_mcp_message_history",
    _FIXED_POOL: "circuit_breaker_enabled",
    "a provider's own limits are honoured as it states them": "enable_rate_limit",
    "the program asks for what it uses": "betas",
    "the type says who the provider is": "provider provider_name",
    "the agent's own id counts": "agent_id",
    "each turn is a fresh conversation": "session_id",
}

_REASONS: Mapping[str, Mapping[str, str]] = {
    "": {_OWN_DISPLAY: "display", "agents remember nothing beyond a run and its thread": "memory"},
    "agents[].backend": _BACKEND,
    "agents[].backend.fallback": {**_BACKEND, _ONE_PROMPT: "system_prompt append_system_prompt"},
    "mcp_servers[]": {
        "the rules under tools decide what runs, and people approve the rest": "security",
        "a server's word about itself lets nothing run while agents plan; list what only reads under tools": "trust_hints",
        "call_timeout bounds a call, however it is carried": "http_read_timeout",
        _FIXED_POOL: "circuit_breaker",
    },
    "orchestrator": {
        _NO_FILES: "snapshot_storage agent_temporary_workspace context_paths",
        "the database holds every run": "session_storage",
        "agents always coordinate; one agent alone does not vote": "skip_coordination_rounds",
        _NO_RESTART: "debug_final_answer",
        "agents get the request as it was asked": "dspy",
    },
    "orchestrator.coordination": {
        _NO_RESTART: "max_orchestration_restarts",
        _ONE_PLAN: "enable_agent_task_planning max_tasks_per_plan",
        _NO_FILES: "task_planning_filesystem_mode enable_memory_filesystem_mode",
        _NO_SKILLS: "use_skills massgen_skills skills_directory",
    },
    "ui": {
        _OWN_DISPLAY: "display_type type skip_agent_selector",
        "the event log always has the whole run": "logging_enabled",
        "agents always coordinate in planning mode here": "use_orchestrator_for_single_agent",
    },
}

WITHOUT_EFFECT: Mapping[str, Mapping[str, str]] = {
    section: {key: reason for reason, keys in reasons.items() for key in keys.split()}
    for section, reasons in _REASONS.items()
}
"""The keys of each section by its place in the file, each with the reason."""
