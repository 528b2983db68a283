"""Which model is meant: type, address, key and options."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from coordination.config import PROVIDERS, BackendSettings, Settings, parse
from coordination.config.agents import OPTIONS
from coordination.config.sections import ModelOptions
from coordination.errors import ConfigError
from tests.german import english_in

KEYS = {name: f"value-of-{name}" for provider in PROVIDERS.values() for name in provider.key_variables}


def settings_of(backend: str, environ: Mapping[str, str] = KEYS) -> Settings:
    return parse(f"agent: {{backend: {{{backend}}}}}\n", origin="ops.yaml", environ=environ)


def backend_of(backend: str, environ: Mapping[str, str] = KEYS) -> BackendSettings:
    return settings_of(backend, environ).agents[0].backend


def complaint_of(backend: str, environ: Mapping[str, str] = KEYS) -> str:
    with pytest.raises(ConfigError) as caught:
        settings_of(backend, environ)
    (complaint,) = caught.value.diagnostics
    assert english_in(complaint) == []
    return complaint.removeprefix("ops.yaml:1: agent.backend.")


def key_of(backend: BackendSettings) -> str | None:
    return backend.api_key.get_secret_value() if backend.api_key else None


@pytest.mark.parametrize("type_", [name for name in PROVIDERS if name not in ("scripted", "azure_openai")])
def test_every_type_has_its_address_and_its_key(type_: str) -> None:
    backend = backend_of(f"type: {type_}, model: m")
    provider = PROVIDERS[type_]
    assert (backend.type, backend.model, backend.base_url) == (type_, "m", provider.base_url)
    first = provider.key_variables[0] if provider.key_variables else None
    assert key_of(backend) == (first and KEYS[first])
    assert backend.key_name == (first or "api_key")


@pytest.mark.parametrize(
    ("model", "type_"),
    [
        ("gpt-5-mini", "openai"),
        ("o4-mini", "openai"),
        ("claude-sonnet-4-20250514", "claude"),
        ("gemini-2.5-flash", "gemini"),
        ("grok-3-mini", "grok"),
        ("glm-4.5", "zai"),
        ("kimi-k2", "moonshot"),
        ("GPT-5", "openai"),
    ],
)
def test_a_models_name_tells_its_type(model: str, type_: str) -> None:
    assert backend_of(f"model: {model}").type == type_


def test_an_address_tells_the_type_before_the_models_name_does() -> None:
    assert backend_of("model: gpt-oss-120b, base_url: 'https://api.cerebras.ai/v1'").type == "cerebras"
    assert backend_of("model: claude-like, base_url: 'http://127.0.0.1:8080/v1'").type == "chatcompletion"


def test_a_script_tells_the_type_and_needs_no_model(tmp_path: Path) -> None:
    backend = backend_of("script: {turns: []}", {})
    assert (backend.type, backend.model, key_of(backend)) == ("scripted", "", None)


def test_a_model_that_several_serve_needs_a_type() -> None:
    complaint = complaint_of("model: llama-3.3-70b")
    assert complaint.startswith(
        "type: found no type, and the model 'llama-3.3-70b' doesn't imply one; expected type: openai, "
    )


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        ("temperature: 1", "type: found neither type nor model; expected type: openai, claude"),
        ("type: , model: ", "type: found neither type nor model; expected type: openai, claude"),
        ("type: ollama, model: ", "model: found nothing; expected a model name for Ollama"),
        ("type: scripted, script: , script_file: ", "script: found neither script nor script_file; expected one of"),
        ("type: openai", "model: found nothing; expected a model name for OpenAI"),
        ("type: grock, model: m", "type: found the backend type 'grock'; expected openai, claude"),
        ("type: ag2, agent_config: {}", "type: found the backend type 'ag2'; expected the model's own type"),
        ("type: codex, model: m", "type: found the backend type 'codex'; expected openai with the same model, because"),
        ("type: Copilot, model: m", "type: found the backend type 'Copilot'; expected the model's own type,"),
        ("type: gemini_cli, model: m", "type: found the backend type 'gemini_cli'; expected gemini with the same mod"),
        ("type: antigravity_cli", "type: found the backend type 'antigravity_cli'; expected gemini with the same mod"),
        ("type: scripted", "script: found neither script nor script_file; expected one of them"),
        ("script: {}, script_file: x", "script: found both script and script_file; expected one of them"),
        ("type: azure_openai, model: m", "base_url: found nothing; expected the address of the Azure resource"),
        ("type: openai, model: m, base_url: openai.com", "base_url: found 'openai.com'; expected an address that"),
        ("type: ollama, model: m, max_tokens: 1, max_completion_tokens: 2", "max_tokens: found max_tokens and max_com"),
        (
            "type: claude, model: m, reasoning_effort: minimal",
            "reasoning_effort: found 'minimal'; expected low, medium",
        ),
        ("type: claude_code, reasoning: {effort: none}", "reasoning.effort: found 'none'; expected low, medium, high"),
        ("type: gemini, model: m, reasoning_effort: max", "reasoning_effort: found 'max'; expected minimal, low, med"),
        ("type: claude, model: m, thinking: {type: enabled}", "thinking.budget_tokens: found nothing; expected a numb"),
        (
            "type: claude, model: m, reasoning: {type: disabled, budget_tokens: 2000}",
            "reasoning.budget_tokens: found a number of tokens beside disabled; expected none",
        ),
        ("type: claude, model: m, max_thinking_tokens: 9", "max_thinking_tokens: found 9; expected a number of at le"),
        ("type: claude, model: m, max_thinking_tokens: 2000, max_tokens: 2000", "max_thinking_tokens: found 2000 of 2"),
    ],
)
def test_a_backend_that_can_not_be_meant_is_complained_of(backend: str, complaint: str) -> None:
    assert complaint_of(backend).startswith(complaint)


def test_a_missing_key_is_named_by_its_variable() -> None:
    assert complaint_of("type: gemini, model: m", {}) == (
        "api_key: found no key for Google Gemini; "
        "expected the variable GOOGLE_API_KEY or GEMINI_API_KEY to be set (or api_key)"
    )


def test_without_an_environment_no_key_is_missed() -> None:
    settings = parse("agent: {backend: {type: azure_openai, model: m}}\n", origin="ops.yaml", environ=None)
    assert settings.agents[0].backend.api_key is None


def test_the_second_variable_is_read_where_the_first_is_not_set() -> None:
    backend = backend_of("type: gemini, model: m", {"GOOGLE_API_KEY": "", "GEMINI_API_KEY": "g"})
    assert (key_of(backend), backend.key_name) == ("g", "GEMINI_API_KEY")


def test_the_configs_own_key_comes_first_and_is_named_by_its_variable() -> None:
    backend = backend_of('type: openai, model: m, api_key: "${MY_KEY}"', KEYS | {"MY_KEY": "mine"})
    assert (key_of(backend), backend.key_name) == ("mine", "MY_KEY")
    assert backend_of("type: openai, model: m, api_key: literal").key_name == "api_key"


def test_a_key_is_freed_of_the_line_break_that_its_file_ended_with() -> None:
    assert key_of(backend_of('type: openai, model: m, api_key: "${MY_KEY}"', {"MY_KEY": "mine\n"})) == "mine"


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("'my secret'", "a text"),
        ("'schlüssel'", "a text"),
        ('"${BROKEN}"', "the value of BROKEN (9 characters)"),
        (
            '"${A_NAME_OF_MORE_THAN_THIRTY_CHARACTERS:-a b}"',
            "the value of A_NAME_OF_MORE_THAN_THIRTY_CHARACTERS (3 cha",
        ),
        ('"sk-${BROKEN}"', "a text with BROKEN (12 characters)"),
    ],
)
def test_what_can_not_be_a_key_is_complained_of_and_not_shown(key: str, found: str) -> None:
    complaint = complaint_of(f"type: openai, model: m, api_key: {key}", {"BROKEN": "my\nsecret"})
    assert complaint.startswith(f"api_key: found {found}")
    assert complaint.endswith("; expected a key without spaces, line breaks or non-ASCII characters")


def test_a_key_does_not_go_to_an_unknown_server() -> None:
    backend = backend_of("type: chatcompletion, model: m, base_url: 'https://models.example/v1'")
    assert (key_of(backend), backend.base_url) == (None, "https://models.example/v1")


def test_a_bare_chatcompletion_gets_the_key_of_the_provider_at_its_address() -> None:
    backend = backend_of("type: chatcompletion, model: m, base_url: 'https://api.groq.com/openai/v1'")
    assert backend.key_name == "GROQ_API_KEY"
    not_groq = backend_of("type: chatcompletion, model: m, base_url: 'https://evil-groq.com/v1'")
    assert key_of(not_groq) is None


def test_azure_reads_its_address_from_its_variable() -> None:
    environ = KEYS | {"AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com"}
    backend = backend_of("type: azure_openai, model: deployed, api_version: 2024-12-01", environ)
    assert (backend.base_url, backend.api_version) == ("https://mine.openai.azure.com", "2024-12-01")


def test_options_are_read_under_both_of_their_names() -> None:
    both = backend_of(
        "type: openai, model: m, max_completion_tokens: 7, reasoning: {effort: low, summary: auto}"
    ).options
    assert (both.output_tokens, both.effort) == (7, "low")
    other = backend_of("type: ollama, model: m, max_tokens: 7, reasoning_effort: high").options
    assert (other.output_tokens, other.effort) == (7, "high")


def test_every_option_is_read() -> None:
    written = (
        "temperature: 0.1, top_p: 0.5, top_k: 5, max_tokens: 7, max_completion_tokens: 7, seed: 1, "
        "reasoning: {effort: low}, reasoning_effort: low, thinking: {type: enabled, budget_tokens: 2000}, "
        "max_thinking_tokens: 9, text: {verbosity: low}, enable_web_search: true, repetition_penalty: 1.1, "
        "separate_reasoning: true, chat_template_kwargs: {a: true}, extra_body: {b: [1]}, idle_timeout: 9"
    )
    options = backend_of(f"type: openai, model: m, {written}").options
    assert all(getattr(options, name) not in (None, False) for name in ModelOptions.model_fields)
    assert options.extra_body == {"b": [1]}


def test_every_option_belongs_to_some_api() -> None:
    assert frozenset().union(*OPTIONS.values()) == ModelOptions.model_fields.keys()


@pytest.mark.parametrize(
    ("backend", "key", "warning"),
    [
        ("type: claude, model: m, text: {verbosity: low}", "text", "the API of Anthropic has no such option"),
        ("type: grok, model: m, enable_web_search: true", "enable_web_search", "an MCP server that searches"),
        ("type: openai, model: m, enable_code_interpreter: true", "enable_code_interpreter", "not offered in planning"),
        (
            "type: claude, model: m, enable_code_execution: true",
            "enable_code_execution",
            "not offered in planning mode",
        ),
        ("type: openai, model: m, cwd: workspace1", "cwd", "agents have no files of their own"),
        ("type: openai, model: m, upload_files: [x]", "upload_files", "agents read and write text here"),
        (
            "type: claude_code, permission_mode: bypassPermissions",
            "permission_mode",
            "an agent can do what its tools allow",
        ),
        (
            "type: claude_code, allowed_tools: [Read, 'Bash(rm*)']",
            "allowed_tools",
            "Claude Code's built-in tools have no",
        ),
    ],
)
def test_what_has_no_effect_is_warned_of_once_with_its_place(backend: str, key: str, warning: str) -> None:
    (told,) = settings_of(backend).warnings
    assert told.startswith(f"ops.yaml:1: agent.backend.{key}: ")
    assert warning in told


@pytest.mark.parametrize(
    "backend",
    [
        "type: openai, model: m, enable_code_interpreter: false, enable_mcp_command_line: false, upload_files: []",
        "type: openai, model: m, enable_web_search: true, reasoning: {effort: high}, text: {verbosity: low}",
        "type: grok, model: m, enable_web_search: false",
    ],
)
def test_what_is_honoured_or_switched_off_gets_no_warning(backend: str) -> None:
    assert settings_of(backend).warnings == ()


def test_the_same_warning_for_several_agents_is_told_once_with_the_other_lines() -> None:
    agent = "  - backend: {type: claude_code, permission_mode: plan}\n"
    settings = parse("agents:\n" + agent * 3, origin="ops.yaml", environ={"ANTHROPIC_API_KEY": "k"})
    (told,) = settings.warnings
    assert told.startswith("ops.yaml:2: agents[0].backend.permission_mode: has no effect here: ")
    assert told.endswith(" (also in lines 3, 4)")
