"""Threat: something of a server's settings differs when the plan runs, and nobody compares just that."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coordination.config import parse
from coordination.errors import ConfigError
from coordination.mcp_tools.fingerprints import Fingerprints
from coordination.ports import AUTH_ENTRY, ClientCredentials, ServerSpec
from tests.servers.mcp_programs import http

KEY = b"k" * 32
AUTH = ClientCredentials(client_id="planner", secret="s", issuer="https://login.example.com", scopes=("write",))
REMOTE = replace(
    http(8080, headers={"Authorization": "Bearer one", "X-Account": "staging"}), auth=AUTH, rotates=("Authorization",)
)


def digest(spec: ServerSpec, key: bytes = KEY) -> str:
    return Fingerprints(key).of(spec).digest


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def local(tmp_path: Path) -> ServerSpec:
    """A script of Python in a package, started by a name that PATH leads to the interpreter of."""
    executable(tmp_path / "bin" / "python3", "#!/usr/bin/env interpreter\n")
    executable(tmp_path / "bin" / "interpreter")
    served = tmp_path / "app" / "src"
    served.mkdir(parents=True)
    (served / "served").write_text("print(1)\n", encoding="utf-8")
    (served / "rules.toml").write_text("limit = 1\n", encoding="utf-8")
    (tmp_path / "app" / "uv.lock").write_text("one\n", encoding="utf-8")
    return ServerSpec(
        name="world",
        transport="stdio",
        identity="{}",
        command="python3",
        args=("served", "--rules=rules.toml", "secret-argument"),
        env=(("PATH", str(tmp_path / "bin")), ("TOKEN", "one"), ("ACCOUNT", "staging")),
        cwd=str(served),
        rotates=("TOKEN",),
    )


@pytest.mark.parametrize(
    "changed",
    [
        lambda spec: replace(spec, url="http://127.0.0.1:8081/mcp"),
        lambda spec: replace(spec, headers=(("Authorization", "Bearer one"), ("X-Account", "production"))),
        lambda spec: replace(spec, headers=(("X-Account", "staging"),)),
        lambda spec: replace(spec, auth=replace(AUTH, client_id="somebody")),
        lambda spec: replace(spec, auth=replace(AUTH, secret="another")),
        lambda spec: replace(spec, auth=replace(AUTH, issuer="https://login.example.org")),
        lambda spec: replace(spec, auth=replace(AUTH, issuer="", token_url="https://login.example.com/token")),
        lambda spec: replace(spec, auth=replace(AUTH, scopes=("write", "admin"))),
        lambda spec: replace(spec, auth=None),
    ],
    ids=["address", "header", "no header", "client", "secret", "issuer", "token address", "scopes", "no auth"],
)
def test_whatever_a_remote_server_is_told_is_under_the_fingerprint(changed: Callable[[ServerSpec], ServerSpec]) -> None:
    assert digest(changed(REMOTE)) != digest(REMOTE)


def test_only_what_was_named_may_rotate() -> None:
    renewed = replace(REMOTE, headers=(("Authorization", "Bearer two"), ("X-Account", "staging")))
    assert digest(renewed) == digest(REMOTE)
    secret = replace(REMOTE, rotates=(AUTH_ENTRY,))
    assert digest(replace(secret, auth=replace(AUTH, secret="another"))) == digest(secret)
    assert digest(replace(secret, headers=renewed.headers)) != digest(secret)


def test_patience_is_no_setting_that_changes_where_a_call_goes() -> None:
    assert digest(replace(REMOTE, call_timeout=1, start_timeout=1)) == digest(REMOTE)


def test_whether_agents_may_plan_without_a_server_says_nothing_of_where_a_call_goes() -> None:
    """Nor is it another server, with a process of its own."""
    optional = replace(REMOTE, is_optional=True)
    assert digest(optional) == digest(REMOTE)
    assert optional == REMOTE


def test_a_proxy_that_could_read_a_request_counts_and_one_that_could_not_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, encrypted = replace(REMOTE, url="http://crm.example.com/"), replace(REMOTE, url="https://crm.example.com/")
    before = digest(plain), digest(encrypted)
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    assert digest(plain) != before[0]
    assert digest(encrypted) == before[1]


def test_nobody_without_the_key_can_try_values_against_a_fingerprint() -> None:
    assert digest(REMOTE, b"x" * 32) != digest(REMOTE)


@pytest.mark.parametrize(
    "changed",
    [
        lambda spec: replace(spec, env=(*spec.env[:2], ("ACCOUNT", "production"))),
        lambda spec: replace(spec, env=(*spec.env, ("LD_PRELOAD", "evil.so"))),
        lambda spec: replace(spec, args=("served", "--rules=rules.toml", "another-argument")),
        lambda spec: replace(spec, command="interpreter"),
        lambda spec: replace(spec, cwd=str(Path(spec.cwd or "").parent)),
        lambda spec: replace(spec, env=(("PATH", "/nowhere"), *spec.env[1:])),
    ],
    ids=["value", "another variable", "argument", "command", "folder", "path"],
)
def test_whatever_a_process_is_started_with_is_under_the_fingerprint(
    local: ServerSpec, changed: Callable[[ServerSpec], ServerSpec]
) -> None:
    assert digest(local) == digest(local)
    assert digest(changed(local)) != digest(local)
    assert digest(replace(local, env=(local.env[0], ("TOKEN", "two"), local.env[2]))) == digest(local)


@pytest.mark.parametrize(
    "file", ["bin/python3", "bin/interpreter", "app/src/served", "app/src/rules.toml", "app/uv.lock"]
)
def test_each_file_that_a_command_leads_to_is_under_the_fingerprint(
    local: ServerSpec, tmp_path: Path, file: str
) -> None:
    """In one process that has seen the old one: its memory of a file's content must not outlive the content."""
    fingerprints = Fingerprints(KEY)
    before = fingerprints.of(local)
    path = tmp_path / file
    text = path.read_text(encoding="utf-8")
    path.write_text(text[:-1] + "#", encoding="utf-8")
    assert len(text) == path.stat().st_size
    assert fingerprints.of(local) != before
    path.write_text(text, encoding="utf-8")
    assert fingerprints.of(local) == before


def test_a_link_that_leads_elsewhere_is_a_difference(local: ServerSpec, tmp_path: Path) -> None:
    """Also where both programs have the same bytes: they may look around them."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "served.py").write_text("print(1)\n", encoding="utf-8")
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "one")
    spec = replace(local, args=(str(link / "served.py"),))
    before = digest(spec)
    link.unlink()
    link.symlink_to(tmp_path / "two")
    assert digest(spec) != before


def test_another_program_that_comes_first_in_path_is_a_difference(local: ServerSpec, tmp_path: Path) -> None:
    path = os.pathsep.join([str(tmp_path / "early"), str(tmp_path / "bin")])
    spec = replace(local, env=(("PATH", path), *local.env[1:]))
    before = digest(spec)
    executable(tmp_path / "early" / "python3", "#!/usr/bin/env interpreter\n")
    assert digest(spec) != before


def test_a_module_is_found_where_python_finds_it(tmp_path: Path) -> None:
    module = tmp_path / "town" / "board.py"
    module.parent.mkdir()
    module.write_text("print(1)\n", encoding="utf-8")
    spec = ServerSpec(
        name="world",
        transport="stdio",
        identity="{}",
        command=sys.executable,
        args=("-m", "town.board"),
        cwd=str(tmp_path),
    )
    before = digest(spec)
    module.write_text("print(2)\n", encoding="utf-8")
    assert digest(spec) != before


def test_all_of_a_package_that_is_run_as_a_program_counts(tmp_path: Path) -> None:
    """So our own tool servers are other ones after an upgrade."""
    for name in ("__init__", "__main__", "tools/slack"):
        module = tmp_path / "town" / f"{name}.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text("print(1)\n", encoding="utf-8")
    spec = ServerSpec(
        name="world",
        transport="stdio",
        identity="{}",
        command=sys.executable,
        args=("-m", "town", "chat-tools"),
        cwd=str(tmp_path),
    )
    before = digest(spec)
    (tmp_path / "town" / "tools" / "slack.py").write_text("print(2)\n", encoding="utf-8")
    assert digest(spec) != before


def test_data_that_a_server_writes_is_no_difference(local: ServerSpec) -> None:
    """A server whose own work stopped its next plan would be of no use."""
    notes = Path(local.cwd or "") / "notes.json"
    notes.write_text("1", encoding="utf-8")
    spec = replace(local, args=("served", "notes.json"))
    before = digest(spec)
    notes.write_text("2", encoding="utf-8")
    assert digest(spec) == before


@pytest.mark.parametrize("argument", ["\0", "x" * 5_000, "a\nb", "--=", "-", "~", "\udcff", "*", "/" * 300])
def test_any_argument_has_a_fingerprint(local: ServerSpec, argument: str) -> None:
    assert digest(replace(local, args=(argument,))) == digest(replace(local, args=(argument,)))


def test_people_see_where_calls_go_and_no_secret(local: ServerSpec, tmp_path: Path) -> None:
    target = Fingerprints(KEY).of
    assert target(replace(REMOTE, url="https://user:pass@crm.example.com:8443/secret?key=hidden")).target == (
        "crm.example.com:8443"
    )
    assert target(local).target == f"python3 {tmp_path}/app/src/served"
    assert target(replace(local, args=("secret-argument",))).target == "python3"
    assert target(replace(local, args=("@town/board",), identity='{"args":["@town/board"]}')).target == (
        "python3 @town/board"
    )


CONFIG = """
agents: [{id: one, backend: {type: scripted, script: {turns: [[{answer: Done.}]]}}}]
mcp_servers:
  world:
    url: https://example.com/mcp
    headers: {Authorization: "Bearer ${TOKEN}", X-Account: "${WHO}:${TOKEN}"}
    rotates: [NAMES]
"""


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("TOKEN", ("Authorization",)),
        ("Authorization", ("Authorization",)),
        ("TOKEN, WHO", ("Authorization", "X-Account")),
    ],
)
def test_a_value_rotates_only_if_all_of_it_may(names: str, wanted: tuple[str, ...]) -> None:
    environ = {"TOKEN": "one", "WHO": "staging"}
    settings = parse(CONFIG.replace("NAMES", names), origin="team.yaml", environ=environ)
    assert settings.servers[0].rotates == wanted


@pytest.mark.parametrize("name", ["TOKN", "WHO", "staging"])
def test_a_name_that_takes_nothing_out_is_an_error(name: str) -> None:
    environ = {"TOKEN": "one", "WHO": "staging"}
    with pytest.raises(ConfigError, match="rotates"):
        parse(CONFIG.replace("NAMES", name), origin="team.yaml", environ=environ)
