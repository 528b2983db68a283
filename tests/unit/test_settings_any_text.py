"""No text whatever makes reading a configuration fail in another way than by its complaints, or tell a secret."""

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coordination.config import Settings, parse, yaml_tree
from coordination.config.diagnostics import Diagnostics
from coordination.config.sections import ALL
from coordination.config.yaml_tree import Listing
from coordination.domain.canonical_json import parse as parse_json
from coordination.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"

CANARY = "canary-4f1d9c7a"
ENVIRON = {
    name: f"{CANARY}-{name}"
    for name in ("TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MASSGEN_BOT_PYTHON", "MASSGEN_BOT_STATE")
} | {"MODEL": "claude-opus"}
WHOLE = """
agents:
  - id: scout
    system_message: "Look first, ${NAME:-friend}."
    backend:
      type: openai
      model: gpt-5-mini
      api_key: ${TOKEN}
      temperature: 0.3
      reasoning: {effort: medium, summary: auto}
      exclude_tools: [mcp__board__burn, board.drop]
      mcp_servers:
        - {name: own, type: streamable-http, url: "https://x.example/${TOKEN}", headers: {Authorization: "Bearer ${TOKEN}"}}
  - id: editor
    backend: &base {type: claude, model: "${MODEL}", permission_mode: plan, allowed_tools: [board.post]}
mcp_servers:
  board: {command: npx, args: ["-y", "x", "${TOKEN}"], env: {T: "${TOKEN}", U: canary-4f1d9c7a}, trust_hints: true}
orchestrator:
  voting_sensitivity: strict
  timeout: {orchestrator_timeout_seconds: 100}
  coordination: {enable_planning_mode: true, planning_mode_instruction: Think.}
tools:
  - {match: "board.read_*", effect: read}
  - {match: "*", effect: ask}
approval: {approvers: {roles: [ops], users: [1]}, required: 1, allow_requester: false, expires_after: 24h}
limits: {tokens_per_run: 1000, max_calls: 3}
ui: {display_type: simple}
"""
TEXTS = [WHOLE, (CONFIGS / "openai-compatible.yaml").read_text(encoding="utf-8")]
SIGNS = [
    "${",
    "}",
    "{",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "  ",
    "*base",
    "&x ",
    "<<: ",
    "!!int ",
    "'",
    '"',
    "|",
    ">",
    "#",
    "\t",
]

known_keys = st.sampled_from(
    sorted(
        {key for section in ALL for key in (*section.honoured(), *section.without_effect())}
        | {"nonsense", "name", "scout"}
    )
)
# Also those that look like a known one: with a line break, a space or a sign that cannot be seen before or after it.
keys = known_keys | st.tuples(known_keys, st.sampled_from("\n\r\t \0\x85\u2028\u200b\udc80")).flatmap(
    lambda parts: st.sampled_from([f"{parts[0]}{parts[1]}", f"{parts[1]}{parts[0]}"])
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["${TOKEN}", "${NONE}", "${A:-b}", "openai", "gpt-5", "read", "board.*", "24h", "high", CANARY]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=6),
    max_leaves=30,
)
edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 12),
        st.sampled_from(SIGNS) | st.text(string.printable, max_size=6) | keys | st.text(max_size=3),
    ),
    min_size=1,
    max_size=6,
)


def read(text: str, environ: Mapping[str, str] | None = ENVIRON) -> Settings | Sequence[str]:
    """The settings, used in every way that might fail, or the complaints."""
    try:
        settings = parse(text, origin="ops.yaml", environ=environ)
    except ConfigError as error:
        return error.diagnostics
    written = yaml_tree.read(text, Diagnostics("ops.yaml"))
    assert written is not None
    many = written.entries.get("agents")
    assert len(settings.agents) == (len(many.items) if isinstance(many, Listing) else 1)
    profile = settings.profile(allow_requester_default=True)
    assert [agent.number for agent in profile.agents] == list(range(1, len(profile.agents) + 1))
    assert len({server.name for server in profile.servers}) == len(profile.servers)
    for server in profile.servers:
        parse_json(server.identity)
    return settings


def told(found: Settings | Sequence[str]) -> Sequence[str]:
    return [*found.warnings] if isinstance(found, Settings) else found


def check(text: str, environ: Mapping[str, str] | None = ENVIRON) -> None:
    found = read(text, environ)
    lines = told(found)
    if not isinstance(found, Settings):
        assert lines
        assert all(line.startswith("ops.yaml:") and line.isprintable() for line in lines)
    assert not any(f"{CANARY}-" in line for line in lines)


def test_the_whole_text_that_is_changed_below_is_good_as_it_is() -> None:
    assert isinstance(read(WHOLE), Settings)


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)
    check(text, None)


@given(values)
def test_any_structure(value: object) -> None:
    check(yaml.safe_dump(value, allow_unicode=True))


@given(st.dictionaries(keys, values, max_size=8))
def test_any_structure_of_known_keys(value: dict[str, object]) -> None:
    check(yaml.safe_dump(value))
    check(yaml.safe_dump({"agents": [value], "mcp_servers": [value], **value}), None)


@given(st.dictionaries(keys, values, max_size=8), st.dictionaries(keys, values, max_size=8))
def test_any_backend_and_server_of_known_keys(backend: dict[str, object], server: dict[str, object]) -> None:
    agent = {
        "id": "a",
        "backend": {"type": "openai", "model": "m", **backend, "mcp_servers": [{"name": "s", **server}]},
    }
    check(yaml.safe_dump({"agents": [agent]}))


@given(text=st.sampled_from(TEXTS), changes=edits, has_environment=st.booleans())
def test_any_slip_of_the_pen(text: str, changes: list[tuple[float, int, str]], *, has_environment: bool) -> None:
    for place, length, new in changes:
        start = int(place * len(text))
        text = text[:start] + new + text[start + length :]
    check(text, ENVIRON if has_environment else None)


@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_lines_left_out_repeated_or_moved(text: str, chance: Random, times: int) -> None:
    lines = text.splitlines()
    for _ in range(times):
        line = lines.pop(chance.randrange(len(lines)))
        for _ in range(chance.choice([0, 1, 2])):
            lines.insert(chance.randrange(len(lines) + 1), " " * chance.choice([0, 0, 1, 2]) + line)
    check("\n".join(lines))


@pytest.mark.parametrize(
    "careless",
    [
        'agents: [{id: "${T}", backend: {type: ollama, model: m}}, {id: "${T}", backend: {type: ollama, model: m}}]',
        'agent: {backend: {type: ollama, model: m, exclude_tools: ["${T}.x"]}}',
        'agent: {backend: {type: ollama, model: m, allowed_tools: ["mcp__${T}__x"]}}',
        'agent: {backend: {type: ollama, model: m}}\ntools: [{match: "${T}", effect: read}]',
        'agent: {backend: {type: "${T}", model: m}}',
        'agent: {backend: {model: "${T}"}}',
        'agent: {backend: {type: ollama, model: m}}\nmcp_servers: [{name: "${T}"}]',
        'agent: {backend: {type: ollama, model: m}}\nmcp_servers: [{name: "${T}", command: a}, {name: "${T}", command: a}]',
    ],
)
def test_a_variable_is_named_in_a_complaint_and_its_value_is_not(careless: str) -> None:
    found = read(careless, {"T": "canary"})
    assert not isinstance(found, Settings)
    assert "canary" not in "".join(found)


def test_no_secret_is_in_any_representation_of_good_settings() -> None:
    settings = read(WHOLE)
    assert isinstance(settings, Settings)
    shown = [repr(settings), *settings.warnings]
    for agent in settings.agents:
        backend = agent.backend
        shown += [repr(agent), repr(backend), str(backend.api_key), backend.options.model_dump_json()]
    shown += [server.identity for server in settings.servers]
    assert f"{CANARY}-TOKEN" in settings.servers[0].args
    assert not any(CANARY in text for text in shown)


@pytest.mark.parametrize(
    "wrong",
    [
        "api_key: [%s]",
        "api_key: {x: %s}",
        "mcp_servers: %s",
        "mcp_servers: {b: %s}",
        "mcp_servers: {b: {command: x, env: %s}}",
        "mcp_servers: {b: {command: x, env: {A: [%s]}}}",
        "mcp_servers: {b: {command: x, args: %s}}",
        "mcp_servers: {b: {command: x, url: %s}}",
        "mcp_servers: {b: {url: %s}}",
        'mcp_servers: {b: {url: http://x, headers: {A: "%s\\n"}}}',
        "mcp_servers: {b: {url: http://x, args: [%s]}}",
        "mcp_servers: {b: {command: x, type: %s}}",
        "temperature: %s",
        "script: %s",
        "base_url: %s",
        "reasoning: {effort: %s}",
    ],
)
@pytest.mark.parametrize("secret", ["sk-" + CANARY * 4, '"${TOKEN}"'])
def test_a_secret_in_the_wrong_place_is_not_repeated(wrong: str, secret: str) -> None:
    if '"%s' in wrong and secret.startswith('"'):
        secret = secret.strip('"')
    text = f"agent: {{backend: {{type: openai, model: m, {wrong % secret}}}}}\n"
    found = read(text)
    assert not isinstance(found, Settings)
    assert CANARY not in "".join(found)


@pytest.mark.parametrize("broken", ["[{}", "{}: {}: x", "'{}", '"{}', "*{}", "!{} x", "{{{}", "- {}\n- x: ["])
def test_a_secret_beside_a_syntax_error_is_not_repeated(broken: str) -> None:
    found = read(f"agent: {{backend: {{api_key: {broken.replace('{}', 'sk-' + CANARY * 4)}")
    assert not isinstance(found, Settings)
    assert CANARY not in "".join(found)
