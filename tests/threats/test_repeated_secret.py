"""Threat: a tool server or a provider repeats a secret that we gave it, and it goes to cards, logs and other models."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from coordination.mcp_tools.connection import Patience
from coordination.mcp_tools.hub import McpHub
from coordination.ports import ClientCredentials, ServerSpec
from coordination.redaction import Redactor, redactor_of, without_addresses_secrets
from tests.e2e.program import Program
from tests.servers.mcp_programs import stdio

TOKEN = 'tok/EN+ 49"\\x\N{LATIN SMALL LETTER SHARP S}-hunter2'
ARGUMENT = "arg-S3cret-value"
LOOK = frozenset({("world", "look")})


@pytest.fixture
async def hub() -> AsyncGenerator[McpHub]:
    async with asyncio.timeout(60), McpHub(Patience(first=0.01)) as hub:
        yield hub


def spec() -> ServerSpec:
    env = {"API_TOKEN": TOKEN, "HOME_FOLDER": "/srv/notes", "ACCOUNT": "production-account"}
    return stdio("mcp_repeating", "--key", ARGUMENT, env=env)


def leaks(text: str) -> list[str]:
    """The forms of our secrets in a text."""
    forms = [
        form
        for each in (TOKEN, ARGUMENT)
        for form in (
            each,
            quote(each, safe=""),
            base64.b64encode(each.encode()).decode().rstrip("=")[:-1],
            json.dumps(each)[1:-1],
            each.encode().hex(),
        )
    ]
    return [form for form in (*forms, "hunter2", "S3cret") if form in text]


@pytest.mark.parametrize("how", ["result", "error", "failed", "structured", "long"])
async def test_what_a_server_repeats_of_its_secrets_goes_no_further(hub: McpHub, how: str) -> None:
    answer = await hub.reader([spec()], LOOK).read("world", "look", {"how": how})
    assert leaks(answer.text) == []
    assert "[secret]" in answer.text or how == "long"
    if how in ("result", "failed"):
        assert answer.text.startswith("I live in /srv/notes as production-account: "), "that is no secret"


async def test_descriptions_of_tools_repeat_no_secret_and_are_pinned_as_the_server_has_them(hub: McpHub) -> None:
    look, _ = await hub.definitions([spec()])
    assert leaks(json.dumps([look.description, look.input_schema], ensure_ascii=False)) == []
    other, _ = await hub.definitions([replace(spec(), env=(("API_TOKEN", "another-one-77"),))])
    assert look.digest != other.digest


async def test_the_log_of_a_server_repeats_no_secret(hub: McpHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "coordination")
    await hub.reader([spec()], LOOK).read("world", "look", {})
    async with asyncio.timeout(60):
        while "I live in" not in caplog.text:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
    assert leaks(caplog.text) == []


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        ({"headers": (("Authorization", "Bearer abc123def456"),)}, "abc123def456"),
        ({"headers": (("X-Api-Key", "wholly"),)}, "wholly"),
        ({"headers": (("Authorization", "Basic " + base64.b64encode(b"me:pass-word").decode()),)}, "pass-word"),
        ({"url": "https://me:pa%40ss@mcp.example.com/mcp"}, "pa@ss"),
        ({"url": "https://mcp.example.com/mcp?api_key=q-value"}, "q-value"),
        ({"url": "https://mcp.example.com/s/9f8e7d6c5b4a39281706/mcp"}, "9f8e7d6c5b4a39281706"),
        ({"auth": ClientCredentials(client_id="me", secret="oauth-secret")}, "oauth-secret"),
        ({"env": (("DATABASE_URL", "postgres://bot:dbpass1@db/board"),)}, "dbpass1"),
        ({"env": (("ODDLY_NAMED", "a1b2c3d4e5"),)}, "a1b2c3d4e5"),
    ],
)
def test_what_a_server_is_given_is_a_secret_wherever_it_stands(given: dict[str, object], secret: str) -> None:
    base = ServerSpec(name="world", transport="http", identity="")
    redact = redactor_of(replace(base, **given))
    assert redact.text(f"it is {secret}.") == "it is [secret]."
    assert secret not in redact.text(json.dumps({"said": quote(secret)}))


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "8080",
        "production",
        "/home/me/notes",
        "en_US.UTF-8",
        "https://api.example.com/v1",
        "db.example.com:5432",
        "1",
    ],
)
def test_trivial_values_are_left_alone(value: str) -> None:
    spec = ServerSpec(
        name="w", transport="stdio", identity="${A}", env=(("MODE", value),), args=(value,) * (value != "1")
    )
    text = f"it is {value}, and true 1 8080"
    if value in ("true", "8080", "production"):
        spec = replace(spec, args=())
    assert redactor_of(spec).text(text) == text


def test_a_token_that_was_just_given_out_is_known_at_once() -> None:
    redact = Redactor(["first-token"])
    redact.learn("second-token")
    assert redact.text("first-token second-token third") == "[secret] [secret] third"


def test_addresses_lose_who_logs_in_and_what_is_asked() -> None:
    text = "POST https://me:hunter2@mcp.example.com:8443/mcp?key=hunter2&x=1 and postgresql://u:hunter2@db/name"
    assert without_addresses_secrets(text) == (
        "POST https://[secret]@mcp.example.com:8443/mcp?[secret] and postgresql://[secret]@db/name"
    )


CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{tool: world.look, arguments: {}}]
            - calls: [{tool: world.write, arguments: {}}]
              answer: A write.
        report: [{say: Done.}]
mcp_servers:
  world: {type: stdio, command: "${MASSGEN_BOT_PYTHON}", args: [-m, tests.servers.mcp_repeating, "${GIVEN}"], env: {API_TOKEN: "${GIVEN}"}}
  far: {url: "http://me:hunter2@127.0.0.1:9/mcp?key=${GIVEN}"}
tools: [{match: world.look, effect: read}]
approval: {allow_requester: true}
"""


@pytest.mark.parametrize("verbose", [True, False])
def test_a_whole_run_leaves_no_secret_on_the_screen_in_the_log_or_in_the_database(
    tmp_path: Path, *, verbose: bool
) -> None:
    program = Program(tmp_path, {"GIVEN": "s3cret-hunter2-value"})
    (tmp_path / "c.yaml").write_text(
        CONFIG.replace('  far: {url: "http://me:hunter2@127.0.0.1:9/mcp?key=${GIVEN}"}\n', "")
    )
    flags = ("--verbose",) if verbose else ()
    ended = program.run(*flags, "run", "Do it", "--config", str(tmp_path / "c.yaml"), "--approve", "--events")
    assert ended.status == 0, ended.err
    assert "I live in" in ended.out
    kept = b"".join(path.read_bytes() for path in program.state.iterdir() if path.is_file())
    for place in (ended.out, ended.err, kept.decode(errors="replace")):
        assert "hunter2" not in place
    assert ended.first("call_succeeded")


def test_an_address_that_can_not_be_reached_is_logged_without_its_secrets(tmp_path: Path) -> None:
    program = Program(tmp_path, {"GIVEN": "s3cret-hunter2-value"})
    (tmp_path / "c.yaml").write_text(CONFIG)
    ended = program.run("--verbose", "check", str(tmp_path / "c.yaml"))
    assert "127.0.0.1:9" in ended.err + ended.out
    assert "hunter2" not in ended.err + ended.out
