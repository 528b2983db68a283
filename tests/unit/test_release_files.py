"""What users install from is whole: the image's files, compose's, the workflows and the release notes."""

import os
import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from typing_extensions import override

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
RECIPES = [
    ROOT / "Makefile", ROOT / "Dockerfile", ROOT / ".ci/run", ROOT / "scripts/lock", ROOT / "scripts/venv",
    *(ROOT / ".github/workflows").glob("*.yaml"),
]  # fmt: skip


class Answers(BaseHTTPRequestHandler):
    """A bot's health address, well or not."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/live" else 404)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Failing(Answers):
    status = 503


def healthcheck(command_line: Path, port: str) -> int:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/healthcheck", command_line],
        env=os.environ | {"MASSGEN_BOT_HEALTH_PORT": port}, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode


def lines_of(recipe: Path) -> list[str]:
    """The recipe's commands, each on one line."""
    joined = recipe.read_text(encoding="utf-8").replace("\\\n", " ")
    return [part for line in joined.splitlines() for part in re.split(r"&&|\|\|", line) if not line.startswith("#")]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_no_installation_resolves_anything(recipe: Path) -> None:
    installs = [line for line in lines_of(recipe) if re.search(r"pip install\b", line)]
    assert [line for line in installs if "--no-deps" not in line] == []
    locked = [line for line in installs if "--require-hashes" not in line]
    assert [line for line in locked if not re.search(r"--editable \.|/dist/\*\.whl", line)] == []


def test_the_image_copies_only_what_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    }
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+)$", DOCKERFILE, re.MULTILINE)]
    named = {name for names in copied for name in names}
    assert named
    assert named == allowed
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_image_holds_all_that_the_wheel_is_built_from() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert [name for name in built["wheel"]["only-include"] if f"\nCOPY {name} " not in DOCKERFILE] == []


def test_no_stage_that_runs_is_of_root_or_without_a_health_check() -> None:
    last = DOCKERFILE[DOCKERFILE.index(" AS base\n") :]
    users = re.findall(r"^USER (\S+)$", last, re.MULTILINE)
    assert users[0] == users[-1] == "10001:10001"
    assert "\nHEALTHCHECK " in last
    assert re.findall(r"gcc|build-essential|apt-get", last) == []


def test_compose_lets_the_bot_write_nowhere_but_its_state() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for name in ("bot", "migrate"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["volumes"] == ["state:/var/lib/massgen-bot"]


def test_a_health_check_asks_every_command_that_serves(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Answers) as well, HTTPServer(("127.0.0.1", 0), Failing) as ill:
        for server in (well, ill):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        good, bad = str(well.server_port), str(ill.server_port)
        worker = tmp_path / "worker"
        worker.write_text("python\0/opt/massgen-bot/bin/massgen-bot\0worker\0", encoding="utf-8")
        demo = tmp_path / "demo"
        demo.write_text("massgen-bot\0demo\0", encoding="utf-8")
        assert healthcheck(worker, good) == 0
        assert healthcheck(worker, bad) == 1
        assert healthcheck(demo, bad) == 0
        for server in (well, ill):
            server.shutdown()
    assert healthcheck(worker, good) == 1
    assert healthcheck(worker, "") == 0


def test_a_release_is_refused_under_another_version() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/release-notes", "9.9.9"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "not 9.9.9" in done.stderr


def test_every_action_is_pinned_and_gets_no_right_that_it_does_not_need() -> None:
    for file in (ROOT / ".github/workflows").glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
        assert [used for used in re.findall(r"uses: (\S+)", text) if not re.search(r"@v\d+\.\d+\.\d+$", used)] == []
