"""The wheel is enough: built from a checkout that is deleted then, and installed beside packages of other people."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from bot.i18n import LANGUAGES
from bot.terminal.cli import app
from bot.terminal.error_handler import Exit
from coordination.llm.extras import is_installed
from tests.texts import texts_of

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
GERMAN = {"MASSGEN_BOT_LANGUAGE": "de"}
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
    writer = tmp_path / "home/.local/state/massgen-bot/notices.json.journal"
    assert writer.read_text(encoding="utf-8").count("post_notice") == 2


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
import os, sys
from massgen_bot import main
given = dict(os.environ)
for name in sys.argv[1:]:
    os.environ.update(given)  # the program takes what is secret out of it
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
    assert pages == [*sorted(path.stem for path in (ROOT / "docs").glob("*.md")), "add-a-tool-server"]
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


# --- every command that is printed or written somewhere ---------------------------------------------------------------

HELP = """
import json, sys
from massgen_bot import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["massgen-bot", *words, "--help"]
    try:
        main()
    except SystemExit as end:
        print("ENDED", end.code, *words)
"""
REAL = (
    "history",
    "models",
    "migrate",
    "audit verify",
    "worker --until-idle",
    "slack manifest",
    "check demo",
    "check openai-compatible --no-connect",
    "docs",
)
"""Commands that need nothing of their users, so they are not only asked for their help."""


def printed() -> dict[str, list[str]]:
    """All that the program may say, by where it stands: both catalogues, and every text in the code but docstrings."""
    texts = {f"words {language}": list(texts_of(language).values()) for language in LANGUAGES}
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "coordination").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts[path.relative_to(ROOT).as_posix()] = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
        ]
    return texts


def written() -> list[str]:
    """The pages and configurations, whose readers may stand in a checkout or have the wheel."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *CONFIGS, ROOT / "Procfile"]
    return [path.read_text(encoding="utf-8") for path in pages]


def named(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """The commands behind each `massgen-bot`, without their arguments."""
    commands: set[tuple[str, ...]] = set()
    for text in texts:
        for found in re.finditer(r"massgen-bot((?: +[a-z][a-z-]*)+)", text):
            words = found[1].split()
            command = typer.main.get_command(app)
            known = 0
            while known < len(words) and isinstance(command, TyperGroup) and words[known] in command.commands:
                command = command.commands[words[known]]
                known += 1
            if known:
                commands.add(tuple(words[:known]))
    return commands


def test_every_command_that_is_named_anywhere_answers_in_the_wheel_and_in_the_checkout(
    installed: Installed, tmp_path: Path
) -> None:
    said = [text for texts in printed().values() for text in texts]
    commands = sorted(named([*said, *written()]))
    assert len(commands) > 20
    for python in (str(installed.folder / "bin/python"), sys.executable):
        ended = installed.run(python, "-c", HELP, json.dumps(commands), cwd=tmp_path)
        answers = re.findall(r"^ENDED (.*)$", ended.stdout, re.MULTILINE)
        assert answers == [" ".join(("0", *words)) for words in commands], ended.stderr


def test_what_needs_nothing_works_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    for command in REAL:
        ended = installed.run("massgen-bot", *command.split(), cwd=tmp_path)
        assert (command, ended.returncode) == (command, 0), ended.stderr
        assert "Traceback" not in ended.stderr


def test_every_page_that_a_sentence_sends_people_to_is_printed_by_that_command() -> None:
    said = " ".join(text for texts in printed().values() for text in texts)
    pages = set(re.findall(r"massgen-bot docs ([a-z]+)", said))
    assert pages
    assert pages <= {path.stem for path in (ROOT / "docs").glob("*.md")}


def test_no_sentence_sends_people_to_a_file_or_a_target_that_only_a_checkout_has() -> None:
    """`make claude-code` is put together where it is known that there is one."""
    only_there = re.compile(
        r"(?<!developers/)\b(?:docs|configs|requirements|scripts|tests)/\w+[\w./-]*\.\w+|`make [a-z]|pip install ['\"]?massgen"
    )
    found = {where: hits for where, texts in printed().items() if (hits := only_there.findall("\n".join(texts)))}
    assert found == {}


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_every_target_of_make_that_is_written_can_be_made() -> None:
    targets = {each for text in written() for each in re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)", text, re.MULTILINE)}
    assert {"demo", "test", "claude-code"} <= targets
    for target in sorted(targets):
        command = ["make", "-n", target]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert (target, made.returncode) == (target, 0), made.stderr
