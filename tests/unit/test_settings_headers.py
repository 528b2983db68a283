"""Headers in a configuration: which may be set, what is said of the others, and that no value is ever repeated."""

import pytest

from coordination.config import parse
from coordination.errors import ConfigError
from tests.german import english_in

ENVIRON = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GOOGLE_API_KEY": "k", "AZURE_OPENAI_API_KEY": "k"}
SECRET = "canary-0123456789"


def complaints_of(backend: str, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(f"agent: {{backend: {{model: m, {backend}}}}}\n", origin="x.yaml", environ=ENVIRON | more)
    found = [complaint.removeprefix("x.yaml:1: agent.backend.") for complaint in caught.value.diagnostics]
    assert [english_in(complaint) for complaint in caught.value.diagnostics] == [[] for _ in found]
    assert SECRET not in str(found)
    return found


@pytest.mark.parametrize(
    ("backend", "complaint"),
    [
        ("type: openai, headers: [a]", "headers: found a list; expected a mapping"),
        ("type: openai, headers: {X: [a]}", "headers.X: found a list; expected a text"),
        ("type: openai, headers: {'X Y': a}", "headers.'X Y': found the header name 'X Y'; expected letters, digits"),
        ("type: openai, headers: {'X:': a}", "headers.'X:': found the header name 'X:'; expected letters, digits"),
        ("type: openai, headers: {'': a}", "headers.'': found the header name ''; expected letters, digits"),
        ("type: openai, headers: {X: ''}", "headers.X: found an empty header; expected a value"),
        ("type: openai, headers: {X-A: a, x-a: b}", "headers.x-a: found the header 'X-A' again; expected each header once"),
        (f'type: openai, headers: {{X: "{SECRET}\\nY: b"}}', "headers.X: found a line break or a non-ASCII character in"),
        (f"type: openai, headers: {{X: '{SECRET} ü'}}", "headers.X: found a line break or a non-ASCII character in a head"),
        (f"type: openai, headers: {{X: '{'a' * 8001}'}}", "headers.X: found a header of 8,001 characters; expected at mos"),
        ("type: openai, headers: {authorization: a}",
         "headers.authorization: found the header 'authorization', which holds the key; expected the key in api_key"),
        ("type: grok, api_key: k, headers: {Authorization: a}", "headers.Authorization: found the header 'Authorization', w"),
        ("type: claude, headers: {Authorization: a}", "headers.Authorization: found the header 'Authorization', which ho"),
        ("type: claude, headers: {Anthropic-Version: a}",
         "headers.Anthropic-Version: found the header 'Anthropic-Version', which the program sets itself; expected other"),
        ("type: gemini, headers: {X-Goog-Api-Key: a}", "headers.X-Goog-Api-Key: found the header 'X-Goog-Api-Key', which "),
        ("type: claude_code, headers: {x-api-key: a}", "headers.x-api-key: found the header 'x-api-key', which holds the"),
        ("type: azure_openai, base_url: 'https://a.example', headers: {api-key: a}",
         "headers.api-key: found the header 'api-key', which holds the key; expected the key in api_key"),
        ("type: openai, headers: {Content-Type: a}", "headers.Content-Type: found the header 'Content-Type', which the pr"),
        ("type: openai, idle_timeout: 0.5", "idle_timeout: found 0.5; expected a number of at least 1"),
        ("type: openai, idle_timeout: 3601", "idle_timeout: found 3601; expected a number of at most 3600"),
    ],
)  # fmt: skip
def test_a_header_that_can_not_be_sent_is_complained_of(backend: str, complaint: str) -> None:
    (found,) = complaints_of(backend)
    assert found.startswith(complaint)


def test_a_value_that_a_variable_brings_is_checked_and_not_shown() -> None:
    (found,) = complaints_of('type: openai, headers: {X: "${BROKEN}"}', BROKEN=f"{SECRET}\r\nY: b")
    assert found.startswith("headers.X: found a line break or a non-ASCII character in a header")
    (found,) = complaints_of('type: openai, headers: {X: "${MISSING}"}')
    assert found.startswith("headers.X: found ${MISSING}, which is not set")


def test_the_headers_of_a_fallback_are_checked_like_those_of_the_first_model() -> None:
    (found,) = complaints_of("type: openai, fallback: {model: n, type: claude, headers: {Authorization: a}}")
    assert found.startswith("fallback.headers.Authorization: found the header 'Authorization', which holds the key")


def test_the_headers_of_a_tool_server_have_names_and_values_that_http_allows() -> None:
    for header, complaint in (("'X Y': a", "the header name 'X Y'"), ("X: ü", "a line break or a non-ASCII character")):
        server = f"mcp_servers: {{a: {{url: 'https://a.example', headers: {{{header}}}}}}}"
        with pytest.raises(ConfigError) as caught:
            parse(f"agent: {{backend: {{type: ollama, model: m}}}}\n{server}\n", origin="x.yaml", environ={})
        assert complaint in str(caught.value)


def test_no_value_is_in_what_a_program_could_print_of_a_configuration() -> None:
    written = f"type: openai, model: m, headers: {{X-Token: '{SECRET}', X-Team: \"${{TEAM}}\"}}"
    settings = parse(f"agent: {{backend: {{{written}}}}}\n", origin="x.yaml", environ=ENVIRON | {"TEAM": SECRET + "1"})
    backend = settings.agents[0].backend
    assert [(each.name, each.is_from_variable) for each in backend.headers] == [("X-Token", False), ("X-Team", True)]
    assert SECRET not in f"{settings!r} {backend!r} {backend.headers!r}"
    (warning,) = settings.warnings
    assert warning.startswith("x.yaml:1: agent.backend.headers.X-Token: looks like a secret, and anyone who can read")


def test_the_name_of_a_tenant_is_no_secret_although_a_variable_brings_it() -> None:
    text = 'agent: {backend: {type: ollama, model: m, headers: {X: "${MASSGEN_BOT_TENANT}", Y: "${OTHER}"}}}\n'
    environ = {"MASSGEN_BOT_TENANT": "discord:1417773298837880906", "OTHER": "something"}
    backend = parse(text, origin="x.yaml", environ=environ).agents[0].backend
    assert [(each.name, each.is_from_variable) for each in backend.headers] == [("X", False), ("Y", True)]


def test_without_an_environment_headers_wait_for_their_variables() -> None:
    text = 'agent: {backend: {type: openai, model: m, headers: {X: "${LATER}", Y: now}}}\n'
    backend = parse(text, origin="x.yaml", environ=None).agents[0].backend
    assert [(each.name, each.value.get_secret_value()) for each in backend.headers] == [("Y", "now")]


def test_a_script_has_no_server_to_send_headers_to() -> None:
    text = "agent: {backend: {script: {turns: []}, headers: {X: a}, idle_timeout: 5}}\n"
    warnings = parse(text, origin="x.yaml", environ={}).warnings
    assert [each.split(": ")[1] for each in warnings] == ["agent.backend.headers", "agent.backend.idle_timeout"]
