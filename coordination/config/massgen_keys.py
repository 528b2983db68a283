"""Keys that MassGen's files, or earlier ones of ours, have and that have no meaning here: where they stand, and why."""

from collections.abc import Mapping

from coordination.text import Text

_NO_FILES = Text(
    "agents have no files of their own here; give them an MCP server for files, so that people can approve its writes"
)
_NO_SHELL = Text("agents run no commands here; give them an MCP server for that, so that people can approve its calls")
_ONLY_TEXT = Text("agents read and write text here; give them an MCP server for other media")
_ONLY_MCP = Text("tools come only from MCP servers, so that people can approve their calls")
_FIXED_POOL = Text("this program shares and monitors the connections to MCP servers")
OWN_DISPLAY = Text("how a run is shown depends on where it was started")
_NO_RESTART = Text("nothing is coordinated again once calls have run; request changes before approving")
_NO_SKILLS = Text("agents load no skills from files; put what they need in system_message")
_ONE_PLAN = Text("the plan that people approve is the only plan")
_ONE_PROMPT = Text("a fallback gets the same prompts as the model it stands in for")
_FAIR_ENOUGH = Text("max_new_answers_per_agent limits how far one agent can get ahead of the others")
_PLAIN_VOTE = Text("agents see all answers and vote; nothing else counts")
_ONE_TEAM = Text("only the agents in this file take part")
_NO_LEARNING = Text("agents remember nothing beyond a run and its thread")
NO_ASIDES = Text("agents read each other's answers, but can't ask each other questions while they plan")
_ONE_REQUEST = Text("agents get the request exactly as it was made")
_HARD_END = Text("a turn ends when its time is up; give it more time instead")
_ONLY_DEBUG = Text("it's only for MassGen's own tests")

_MEDIA = (
    "enable_multimodal_tools multimodal_config image_generation_backend image_generation_model "
    "video_generation_backend video_generation_model audio_generation_backend audio_generation_model"
)
_WORKSPACE = "use_two_tier_workspace write_mode drift_conflict_policy"

_BACKEND = {
    Text("an agent can do what its tools allow, whatever the mode"): "permission_mode",
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
    Text("it's set once for all agents, under orchestrator"): "voting_sensitivity voting_threshold",
    _FAIR_ENOUGH: "fairness_enabled fairness_lead_cap_answers",
    _ONLY_DEBUG: "debug_delay_seconds debug_delay_after_n_tools instance_id",
    Text(
        "this program decides which server calls run at the same time"
    ): "concurrent_tool_execution max_concurrent_tools",
    Text("this program chooses how to connect to a provider"): "websocket_mode",
    Text("it's for AG2, whose agents can't coordinate here"): "agent_config group_config",
    Text("max_tool_rounds limits a turn instead"): "max_mcp_message_history",
    _FIXED_POOL: "circuit_breaker_enabled",
    Text("the provider's own rate limits are respected"): "enable_rate_limit",
    Text("this program requests the beta features it uses"): "betas",
    Text("the provider follows from type"): "provider provider_name",
    Text("the agent's id is used instead"): "agent_id",
    Text("every turn starts a new conversation"): "session_id",
}

_REASONS: Mapping[str, Mapping[Text, str]] = {
    "": {OWN_DISPLAY: "display", _NO_LEARNING: "memory"},
    "agents[].backend": _BACKEND,
    "agents[].backend.fallback": {**_BACKEND, _ONE_PROMPT: "system_prompt append_system_prompt"},
    "mcp_servers[]": {
        Text("the rules under tools decide what runs, and people approve the rest"): "security",
        Text(
            "a server's own hints don't let a tool run while agents plan; list read-only tools under tools"
        ): "trust_hints",
        Text("call_timeout limits every call, whatever the transport"): "http_read_timeout",
        _FIXED_POOL: "circuit_breaker",
    },
    "orchestrator": {
        _NO_FILES: "snapshot_storage agent_temporary_workspace context_paths",
        Text("every run is kept in the database"): "session_storage",
        Text("agents always coordinate; a single agent doesn't vote"): "skip_coordination_rounds",
        _NO_RESTART: "debug_final_answer",
        _ONE_REQUEST: "dspy",
        _FAIR_ENOUGH: "fairness_enabled fairness_lead_cap_answers",
        _PLAIN_VOTE: (
            "voting_threshold checklist_require_gap_report gap_report_mode max_checklist_calls_per_round "
            "checklist_first_answer"
        ),
        Text("set max_midstream_updates: 0 to keep new answers out of a turn"): (
            "disable_injection defer_peer_updates_until_restart allow_midstream_peer_updates_before_checklist_submit"
        ),
        Text("that's what final_presentation: adopt, the default, does"): "skip_final_presentation",
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
        NO_ASIDES: "response_depth",
        Text("an agent that asks people always waits for the answer"): "broadcast_wait_by_default",
        _ONE_TEAM: (
            "enable_subagents subagent_default_timeout subagent_min_timeout subagent_max_timeout "
            "subagent_max_concurrent subagent_round_timeouts subagent_runtime_mode subagent_runtime_fallback_mode "
            "subagent_host_launch_prefix subagent_orchestrator subagent_types background_subagents"
        ),
        Text("describe an agent in its system_message"): "persona_generator",
        _PLAIN_VOTE: "evaluation_criteria_generator pre_collab_voting_threshold",
        _ONE_REQUEST: "prompt_improver task_decomposer",
    },
    "orchestrator.timeout": {_HARD_END: "round_timeout_grace_seconds"},
    "timeout_settings": {_HARD_END: "round_timeout_grace_seconds"},
    "ui": {
        OWN_DISPLAY: "display_type type skip_agent_selector",
        Text("the event log always records the whole run"): "logging_enabled",
        Text("agents always coordinate in planning mode here"): "use_orchestrator_for_single_agent",
    },
}

WITHOUT_EFFECT: Mapping[str, Mapping[str, Text]] = {
    section: {key: reason for reason, keys in reasons.items() for key in keys.split()}
    for section, reasons in _REASONS.items()
}
"""The keys of each section by its place in the file, each with the reason."""
