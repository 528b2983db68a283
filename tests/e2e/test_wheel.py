"""The wheel is enough: built from a checkout that is deleted then, and installed beside packages of other people."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.console_app.exits import Exit
from coordination.adapters.extras import is_installed

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
STRANGER = 'raise ImportError("this is the package of somebody else")\n'
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "XAI_API_KEY")


@dataclass(frozen=True)
class Installed:
    """A virtual environment that has the wheel, and nothing else that is ours."""

    wheel: Path
    folder: Path

    @property
    def site(self) -> Path:
        """Where its packages are."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(self, *command: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, at home and at work in a folder of the test's."""
        return subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(cwd / "home"), "MASSGEN_BOT_DEMO_PACE": "0", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )


def quietly(command: Sequence[str | Path], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    checkout, dist, environment = folder / "checkout", folder / "dist", folder / "environment"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "tests", "requirements")
    shutil.copytree(ROOT, checkout, ignore=skipped)
    quietly([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist], cwd=checkout)
    (wheel,) = dist.glob("*.whl")
    quietly([sys.executable, "-m", "venv", "--without-pip", environment], cwd=folder)
    here = Installed(wheel, environment)
    # The libraries are those that are here: what a .pth names is searched, but its own .pth files are not read.
    (here.site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    for name in ("bot", "coordination", "configs"):
        (here.site / name).mkdir()
        (here.site / name / "__init__.py").write_text(STRANGER, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python"), "install", "--quiet", "--no-index"]
    quietly([*pip, "--no-deps", "--disable-pip-version-check", wheel], cwd=folder)
    shutil.rmtree(checkout)
    return here


def test_the_demo_runs_to_its_end_in_an_empty_folder_without_the_checkout(installed: Installed, tmp_path: Path) -> None:
    ended = installed.run("massgen-bot", "demo", "--approve", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "What comes next:" in ended.stdout
    journal = tmp_path / "home/.local/state/massgen-bot/notices.json.journal"
    assert journal.read_text(encoding="utf-8").count("post_notice") == 2


def test_the_wheel_takes_one_name_and_leaves_those_of_others_alone(installed: Installed, tmp_path: Path) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"massgen_bot"}
    for name in ("bot", "coordination"):
        assert (installed.site / name / "__init__.py").read_text(encoding="utf-8") == STRANGER
        theirs = installed.run("python", "-c", f"import {name}", cwd=tmp_path)
        assert "somebody else" in theirs.stderr


def test_a_package_of_our_names_in_the_working_folder_is_not_ours_either(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot/__init__.py").write_text(STRANGER, encoding="utf-8")
    for command in (("massgen-bot",), ("python", "-m", "massgen_bot")):
        ended = installed.run(*command, "check", "demo", cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert "board.post_notice" in ended.stdout


EACH = """
import sys
from massgen_bot import main
for name in sys.argv[1:]:
    sys.argv = ["massgen-bot", "check", name, "--no-connect"]
    try:
        main()
    except SystemExit as end:
        print(name, end.code)
"""


def test_every_configuration_that_comes_along_is_found_by_its_name(installed: Installed, tmp_path: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in CONFIGS]
    variables = dict.fromkeys([*KEYS, *re.findall(r"\$\{(?!MASSGEN_BOT)(\w+)\}", "".join(texts))], "x")
    names = [path.stem for path in CONFIGS]
    ended = installed.run("python", "-c", EACH, *names, cwd=tmp_path, **variables)
    needs = {path.stem for path, text in zip(CONFIGS, texts, strict=True) if re.search(r"type: claude_code\b", text)}
    lacks = needs if not is_installed("claude-code") else set[str]()
    wanted = [f"{name} {int(Exit.LACKS_LIBRARY if name in lacks else Exit.DONE)}" for name in names]
    assert re.findall(r"^\S+ \d$", ended.stdout, re.MULTILINE) == wanted, ended.stderr


def test_the_tables_are_made_and_used(installed: Installed, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/runs.sqlite"
    assert installed.run("massgen-bot", "migrate", cwd=tmp_path, DATABASE_URL=database).returncode == 0
    assert installed.run("massgen-bot", "history", cwd=tmp_path, DATABASE_URL=database).returncode == 0
    assert installed.run("massgen-bot", "audit", "verify", cwd=tmp_path, DATABASE_URL=database).returncode == 0


def test_it_speaks_german_and_has_the_pages(installed: Installed, tmp_path: Path) -> None:
    ended = installed.run("massgen-bot", "--help", cwd=tmp_path, MASSGEN_BOT_LANGUAGE="de")
    assert "Die neuesten Läufe" in ended.stdout
    pages = installed.run("massgen-bot", "docs", cwd=tmp_path).stdout.split()
    assert pages == sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
    text = (ROOT / "docs/slack.md").read_text(encoding="utf-8")
    assert installed.run("massgen-bot", "docs", "slack", cwd=tmp_path).stdout == text.rstrip() + "\n"
    missing = installed.run("massgen-bot", "docs", "cooking", cwd=tmp_path)
    assert (missing.returncode, "cooking" in missing.stderr) == (2, True)


@pytest.mark.parametrize("chat", ["discord", "slack"])
def test_the_chats_tool_servers_start_and_say_what_they_lack(installed: Installed, tmp_path: Path, chat: str) -> None:
    """The command is the one that `configs/discord.yaml` and `configs/slack.yaml` start them with."""
    text = (installed.site / f"massgen_bot/configs/{chat}.yaml").read_text(encoding="utf-8")
    assert f'args: ["-m", massgen_bot, chat-tools, {chat}]' in text
    ended = installed.run("python", "-m", "massgen_bot", "chat-tools", chat, cwd=tmp_path)
    assert ended.returncode == 2
    assert f"{chat.upper()}_BOT_TOKEN" in ended.stderr
    assert ended.stdout == ""
