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
_FAIR_ENOUGH = "max_new_answers_per_agent bounds how far one agent can get ahead of the others"
_PLAIN_VOTE = "agents see all answers and vote; nothing else is weighed"
_ONE_TEAM = "the agents of the file are all that there are"
_NO_LEARNING = "agents remember nothing beyond a run and its thread"
_NO_ASIDES = "agents read each other's answers, and do not ask each other while they plan"
_ONE_REQUEST = "agents get the request as it was asked"
_HARD_END = "a turn ends when its own time is over; give it more time instead"
_ONLY_DEBUG = "it serves MassGen's own tests"

_MEDIA = (
    "enable_multimodal_tools multimodal_config image_generation_backend image_generation_model "
    "video_generation_backend video_generation_model audio_generation_backend audio_generation_model"
)
_WORKSPACE = "use_two_tier_workspace write_mode drift_conflict_policy"

_BACKEND = {
    "an agent's powers are the tools that it is given, whatever a mode says": "permission_mode",
    _NO_FILES: (
        "agent_temporary_workspace context_paths context_write_access_enabled enforce_read_before_delete "
        "exclude_file_operation_mcps agent_temporary_workspace_parent filesystem_session_id session_storage_base "
        f"use_mcpwrapped_for_tool_filtering use_no_roots_wrapper {_WORKSPACE}"
    ),
    _NO_SHELL: (
        "enable_mcp_command_line command_line_allowed_commands command_line_blocked_commands "
        "command_line_execution_mode command_line_docker_image command_line_docker_memory_limit "
        "command_line_docker_cpu_limit command_line_docker_network_mode command_line_docker_enable_sudo "
        "command_line_docker_credentials command_line_docker_packages"
    ),
    _ONLY_TEXT: (
        "enable_image_generation enable_audio_generation enable_video_generation enable_file_generation upload_files "
        f"media_max_file_size_mb {_MEDIA}"
    ),
    _ONLY_MCP: (
        "custom_tools auto_discover_custom_tools enable_code_based_tools custom_tools_path exclude_custom_tools "
        "shared_tools_directory"
    ),
    "every agent works to the whole configuration's orchestrator": "voting_sensitivity voting_threshold",
    _FAIR_ENOUGH: "fairness_enabled fairness_lead_cap_answers",
    _ONLY_DEBUG: "debug_delay_seconds debug_delay_after_n_tools instance_id",
    "the program decides which calls to servers run at once": "concurrent_tool_execution max_concurrent_tools",
    "the program chooses how it speaks to a provider": "websocket_mode",
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
    "": {_OWN_DISPLAY: "display", _NO_LEARNING: "memory"},
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
        _ONE_REQUEST: "dspy",
        _FAIR_ENOUGH: "fairness_enabled fairness_lead_cap_answers",
        _PLAIN_VOTE: (
            "voting_threshold checklist_require_gap_report gap_report_mode max_checklist_calls_per_round "
            "checklist_first_answer"
        ),
        "max_midstream_updates: 0 keeps a turn from hearing of new answers": (
            "disable_injection defer_peer_updates_until_restart allow_midstream_peer_updates_before_checklist_submit"
        ),
        "final_presentation: adopt, which is the default, does that": "skip_final_presentation",
        _ONLY_TEXT: _MEDIA,
    },
    "orchestrator.coordination": {
        _NO_RESTART: "max_orchestration_restarts",
        _ONE_PLAN: (
            "enable_agent_task_planning max_tasks_per_plan plan_depth plan_thoroughness plan_target_steps "
            "plan_target_chunks"
        ),
        _NO_FILES: (f"task_planning_filesystem_mode enable_memory_filesystem_mode enable_changedoc {_WORKSPACE}"),
        _NO_SKILLS: "use_skills massgen_skills skills_directory load_previous_session_skills",
        _NO_LEARNING: ("learning_capture_mode disable_final_only_round_capture_fallback compression_target_ratio"),
        _NO_ASIDES: "response_depth",
        "an agent that asks people always waits for the answer": "broadcast_wait_by_default",
        _ONE_TEAM: (
            "enable_subagents subagent_default_timeout subagent_min_timeout subagent_max_timeout "
            "subagent_max_concurrent subagent_round_timeouts subagent_runtime_mode subagent_runtime_fallback_mode "
            "subagent_host_launch_prefix subagent_orchestrator subagent_types background_subagents"
        ),
        "what an agent is like stands in its system_message": "persona_generator",
        _PLAIN_VOTE: "evaluation_criteria_generator pre_collab_voting_threshold",
        _ONE_REQUEST: "prompt_improver task_decomposer",
    },
    "orchestrator.timeout": {_HARD_END: "round_timeout_grace_seconds"},
    "timeout_settings": {_HARD_END: "round_timeout_grace_seconds"},
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
