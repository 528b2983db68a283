"""What the pages tell people to type, open or set is there."""

import html
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from bot.i18n import ENGLISH, LANGUAGES
from bot.telemetry import metrics
from bot.terminal.cli import app
from coordination.config import load
from tests.texts import texts_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [*PAGES, *sorted((ROOT / "configs").glob("*.yaml")), ROOT / "Procfile", ROOT / "Makefile"]
FOLDERS = ("bot", "configs", "coordination", "docs", "requirements", "scripts", "tests")
WRITTEN = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
COMMAND = re.compile(r"massgen-bot((?: +[a-z][a-z-]*| +--?[a-z-]+)+)")


LINE = 62
"""Characters of a command's first sentence that fit behind its name in 80 columns."""


def test_each_decision_has_a_number_of_its_own_and_is_listed() -> None:
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [record.name[:5] for record in records] == [f"{number:04}-" for number in range(1, len(records) + 1)]
    titles = [record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for record in records]
    assert [title.partition(". ")[0] for title in titles] == [str(number) for number in range(1, len(records) + 1)]
    listed = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8").splitlines()[2:]
    assert listed == [f"- [{title}]({record.name})" for title, record in zip(titles, records, strict=True)]


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands_in(text: str) -> Iterator[list[str]]:
    """The words behind each `massgen-bot`, as far as they are commands and options."""
    for found in COMMAND.finditer(text):
        yield found[1].split()


def unknown_in(words: list[str]) -> list[str]:
    """What the command line does not know of these words; arguments end the search for commands."""
    command = typer.main.get_command(app)
    unknown: list[str] = []
    for word in words:
        if word.startswith("-"):
            options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            unknown += [word] if word not in {*options, "--help", "-h"} else []
        elif isinstance(command, TyperGroup):
            found = command.commands.get(word)
            if found is None:
                return [*unknown, word]
            command = found
    return unknown


def options_of(group: TyperGroup) -> Iterator[str]:
    """The options of a group, and of every command below it."""
    for each in (group, *group.commands.values()):
        for parameter in each.params:
            yield from (*parameter.opts, *parameter.secondary_opts)
        if isinstance(each, TyperGroup) and each is not group:
            yield from options_of(each)


def helps_of(group: TyperGroup) -> Iterator[str]:
    """The help of every command below this one."""
    for each in group.commands.values():
        yield each.help or ""
        if isinstance(each, TyperGroup):
            yield from helps_of(each)


@pytest.mark.parametrize("page", TEXTS, ids=ids)
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    unknown = {" ".join(words): unknown_in(words) for words in commands_in(text) if unknown_in(words)}
    assert unknown == {}


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    (words,) = commands_in("Type `massgen-bot audit prove --all`.")
    assert unknown_in(words) == ["prove"]
    assert unknown_in(["discord", "sync", "--server"]) == ["--server"]


def headings_in(page: Path) -> set[str]:
    """What can follow the `#` in a link to this page: as GitHub makes it from a heading."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def lost_links_in(page: Path) -> list[str]:
    """The links to a heading that is not there, of this page or of another one."""
    targets = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    return [
        f"{name}#{anchor}"
        for name, anchor in targets
        if anchor not in headings_in(page.parent / name if name else page)
    ]


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    assert lost_links_in(page) == []


def test_a_link_to_no_heading_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n```\n# no heading\n```\n[a](#one) [b](#no-heading) [c](page.md#two)\n", encoding="utf-8")
    assert lost_links_in(page) == ["#no-heading", "page.md#two"]


@pytest.mark.parametrize("page", WRITTEN[:-1], ids=ids)  # the changelog also names what was taken out
def test_every_option_that_is_named_by_itself_is_one_of_some_command(page: Path) -> None:
    named = set(re.findall(r"`(--[a-z][a-z-]*)[^`]*`", page.read_text(encoding="utf-8")))
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    assert named - {"--help"} - set(options_of(command)) == set()


def test_operations_lists_every_metric_and_no_other() -> None:
    table = re.findall(
        r"^\| `(massgen_bot_\w+)` \|", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(table) == sorted(each.name for each in vars(metrics).values() if isinstance(each, metrics.Metric))


def test_the_picture_of_a_terminal_has_the_words_of_today() -> None:
    rows = re.findall(r">([^<>]+)</text>", (ROOT / "docs/demo.svg").read_text(encoding="utf-8"))
    shown = html.unescape("".join(rows)).replace("\xa0", " ")
    parts = ENGLISH.text("card.asked_by", who="rita"), ENGLISH.text("card.config", config="demo")
    assert [text for text in (ENGLISH.text("status.decide"), *parts) if text not in shown] == []


@pytest.mark.parametrize("page", WRITTEN, ids=ids)
def test_every_file_that_is_named_or_linked_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = [page.parent / target for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)]
    named = [ROOT / name for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", text)]
    assert [str(path) for path in (*linked, *named) if not path.exists()] == []


@pytest.mark.parametrize("page", TEXTS, ids=ids)
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(
        re.findall(r"^([a-z0-9-]+)(?: [a-z0-9-]+)*:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for named in re.findall(r"(?:^|`)make((?: [a-z0-9-]+)+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert set(named.split()) <= targets


def test_every_command_is_told_of() -> None:
    told = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    assert [name for name in command.commands if not re.search(rf"`(?:massgen-bot )?{name}[` ]", told)] == []


def test_what_the_readme_exports_makes_its_next_commands_ask_that_provider() -> None:
    (line,) = re.findall(r"^export (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    exported = dict(item.split("=", 1) for item in line.split())
    kept = {"MASSGEN_BOT_PYTHON": "python3", "MASSGEN_BOT_STATE": "state", "OPENAI_API_KEY": "key"}
    for agent in load(ROOT / "configs/openai-compatible.yaml", exported | kept).agents:
        assert agent.backend.api_key is not None
        assert agent.backend.api_key.get_secret_value() == "key"
        assert (agent.backend.base_url, agent.backend.model) == ("https://api.openai.com/v1", "gpt-5-mini")


def test_every_command_is_told_of_in_a_line_that_is_not_cut() -> None:
    key_of = {text: key for key, text in texts_of("en").items()}
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    for text in helps_of(command):
        for language in LANGUAGES:
            first = texts_of(language)[key_of[text]].split(". ")[0].rstrip(".")
            assert len(f"{first}.") <= LINE, first


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_hands_on_a_request_as_it_was_typed_and_takes_a_no_for_an_answer(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/massgen-bot"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for made in ("bin/python", ".runtime"):
        (tmp_path / made).touch()
    asked = """Sell it at $5, "now": `date` isn't $(HOME) # 100%"""
    for arguments, wanted in (
        ([f"PROMPT={asked}"], f"demo|{asked}|"),
        ([], "demo|"),
        (["ARGS=--reject"], "demo|--reject|"),
    ):
        command = ["make", "--silent", "demo", f"VENV={tmp_path}", *arguments]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == wanted
    for status, of_make in ((1, 2), (2, 2), (3, 0), (4, 0), (5, 2)):
        program.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == of_make


def test_the_table_of_threats_is_that_of_the_tests_there_are() -> None:
    threats = runpy.run_path(str(ROOT / "scripts/threats"))
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    assert threats["with_table"](text) == text, "run `make pages`"
    assert len(threats["THREATS"]) >= 43
