"""The rules of the house that no linter knows."""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.syntax_trees import nodes_of, text_of

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(
    path
    for package in ("bot", "coordination")
    for path in (ROOT / package).rglob("*.py")
    if "migrations" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

MODULE_LINES = 600
LEAST_LINES = 60
FUNCTION_LINES = 40

PUT_OFF = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")

# A switched-off check names its code, and says in words why.
SUPPRESSION = re.compile(r"#\s*(?:type: ?ignore|mypy:|(?:ruff: ?)?noqa|pragma|pyright: ?(?:ignore|basic|standard|off))")
REASONED = re.compile(
    r"""\#\s*(?:
        type:\ ?ignore\[[\w,\ -]+\]
      | pyright:\ ?ignore\[\w[\w,\ ]*\]
      | (?:ruff:\ )?noqa:\ (?:[A-Z]+\d+(?:,\s*)?)+
      | pragma:\ no\ (?:cover|branch)
    )\s*\W+\s*[\w'"`(].{3,}""",
    re.VERBOSE,
)

VENDORS = ("alembic", "anthropic", "dbos", "genai_prices", "mcp", "openai", "sqlalchemy")
SLOW_TO_LOAD = ("anthropic", "dbos", "discord", "mcp", "openai", "rich", "slack_bolt", "sqlalchemy")

# Shorter than a module should be, and why.
SHORT = {
    "bot/application.py": "names the parts, for commands that must not load what joins them (ADR 0018)",
    "bot/discord_app/message_content.py": "where its twin of Slack is looked for",
    "bot/run_lookup.py": "the terminal and every chat find a run by it, and neither may import the other",
    "coordination/clock.py": "the one implementation of a port, which tests replace",
    "coordination/log_context.py": "the worker and the chats set it, and the log reads it: none may import another",
    "coordination/mcp_tools/elicitation.py": "a chapter of the protocol by its own name",
}

RETIRED = frozenset(
    {
        "accost",
        "answering",
        "attendance",
        "attending",
        "bell",
        "chapter",
        "chapters",
        "deeds",
        "desk",
        "doubted",
        "errand",
        "furnish",
        "fuse",
        "fused",
        "helping",
        "house",
        "hush",
        "journal",
        "judging",
        "keeper",
        "keepership",
        "knob",
        "knobs",
        "lane",
        "lanes",
        "looking",
        "lookout",
        "nudge",
        "nudged",
        "occasion",
        "passage",
        "peek",
        "pressing",
        "purse",
        "reign",
        "scene",
        "scenes",
        "shelf",
        "shelves",
        "shop",
        "showing",
        "stirred",
        "straighten",
        "straightened",
        "surface",
        "surfaces",
        "tended",
        "tending",
        "whisper",
        "whispered",
    }
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def comments_of(path: Path, having: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """The comments that have such words. Most files have them nowhere, and are not taken apart."""
    if not having.search(text_of(path)):
        return
    for token in tokenize.generate_tokens(io.StringIO(text_of(path)).readline):
        if token.type == tokenize.COMMENT and having.search(token.string):
            yield token.start[0], token.string


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """The dotted names that a module imports, at its top or within."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def identifiers_of(path: Path) -> set[str]:
    """The names that a module gives: to classes, functions, parameters, variables and what it imports under another name."""
    names: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node, ast.alias) and node.asname:
            names.add(node.asname)
    return names


def words_in(name: str) -> set[str]:
    """The words of an identifier, however they are joined."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def test_no_module_is_longer_than_a_person_reads_in_one_go() -> None:
    lengths = {
        name_of(path): len(text_of(path).splitlines())
        for path in PRODUCT
        if path.parent.name != "locales"  # a catalogue is looked up, not read
    }
    assert lengths, "no module was looked at"
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_every_function_fits_a_screen() -> None:
    too_long = {
        f"{name_of(path)}:{node.lineno} {node.name}": lines
        for path in PRODUCT
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert too_long == {}


def ends_before_a_line_break(pattern: ast.expr) -> bool:
    """Whether a regular expression has a `$` that is neither escaped nor one of a set's characters."""
    parts = pattern.values if isinstance(pattern, ast.JoinedStr) else [pattern]
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    return any("$" in re.sub(r"\\.|\[[^\]]*\]", "", text) for text in texts)


def test_no_regular_expression_takes_a_line_break_for_the_end() -> None:
    """`$` fits before a last line break too: `\\Z` or `fullmatch` mean the end."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in PRODUCT
        for node in nodes_of(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.args
        and ends_before_a_line_break(node.args[0])
        and not any("MULTILINE" in ast.unparse(each) for each in [*node.args, *(word.value for word in node.keywords)])
        and "(?m)" not in ast.unparse(node.args[0])
    ]
    assert found == []


def test_nothing_is_left_unimplemented() -> None:
    left = [
        f"{name_of(path)}:{node.lineno}"
        for path in PRODUCT
        for node in nodes_of(path)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert left == []


def test_no_comment_puts_work_off() -> None:
    put_off = [
        f"{name_of(path)}:{line} {comment}"
        for path in [*PRODUCT, *TESTS]
        for line, comment in comments_of(path, PUT_OFF)
    ]
    assert put_off == []


def test_fakes_are_classes_and_never_mocks() -> None:
    mocked = [
        f"{name_of(path)}:{line} {name}"
        for path in [*PRODUCT, *TESTS]
        if "mock" in text_of(path)
        for line, name in imports_of(path)
        if name.startswith(("unittest.mock", "mock.", "pytest_mock"))
    ]
    assert mocked == []


def test_a_check_is_switched_off_by_its_code_and_with_a_reason() -> None:
    unreasoned = [
        f"{name_of(path)}:{line} {comment}"
        for path in [*PRODUCT, *TESTS]
        for line, comment in comments_of(path, SUPPRESSION)
        if not REASONED.search(comment)
    ]
    assert unreasoned == []


@pytest.mark.parametrize(
    ("comment", "is_reasoned"),
    [
        ("# noqa: BLE001 - whatever it was, the waiting tasks hear of it", True),
        ("# noqa: S603, S607 (our own program)", True),
        ("# type: ignore[arg-type]  # a step by shape", True),
        ("# pragma: no cover - the process is gone by then", True),
        ("# noqa", False),
        ("# noqa: BLE001", False),
        ("# type: ignore", False),
        ("# type: ignore  # because", False),
        ("# type: ignore[arg-type]", False),
        ("# pyright: basic", False),
        ("# pragma: no cover", False),
    ],
)
def test_what_counts_as_a_reason(comment: str, *, is_reasoned: bool) -> None:
    assert SUPPRESSION.search(comment)
    assert bool(REASONED.search(comment)) is is_reasoned


def test_no_module_takes_the_name_of_a_library() -> None:
    """Running a file puts its folder on the path, where such a module would stand before the library."""
    libraries = {*VENDORS, *SLOW_TO_LOAD, "aiohttp", "jsonschema", "pydantic", "slack_sdk", "typer", "yaml"}
    assert [name_of(path) for path in PRODUCT if {path.stem, path.parent.name} & libraries] == []


@pytest.mark.parametrize("package", ["bot", "coordination"])
def test_every_module_has_its_place_in_the_layers(package: str) -> None:
    """A module that no layer names would be checked by no contract."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    placed = set(re.findall(rf"\b{package}\.(\w+)", " ".join(contracts[f"{package}-layers"]["layers"])))
    parts = (path.relative_to(ROOT / package).parts for path in PRODUCT if path.is_relative_to(ROOT / package))
    assert {first.removesuffix(".py") for first, *_ in parts} - placed == {"__init__"}


def test_no_module_is_a_fragment() -> None:
    """Below this, two modules of one subject read better as one."""
    lengths = {name_of(path): len(text_of(path).splitlines()) for path in PRODUCT}
    short = {
        name
        for name, lines in lengths.items()
        if lines < LEAST_LINES and not name.endswith(("__init__.py", "__main__.py")) and "/ports/" not in name
    }
    assert short - SHORT.keys() == set()
    assert SHORT.keys() - short == set(), "these have grown, and need no exception"


@pytest.mark.parametrize("package", ["bot", "coordination"])
def test_no_two_modules_of_a_package_have_one_name(package: str) -> None:
    """The chats' modules have the same names on purpose: who knows one folder knows the others."""
    homes: dict[str, list[str]] = {}
    for path in (path for path in PRODUCT if path.is_relative_to(ROOT / package) and path.stem != "__init__"):
        homes.setdefault(path.stem, []).append(path.parent.relative_to(ROOT).as_posix())
    twice = {
        stem: found
        for stem, found in homes.items()
        if len(found) > 1 and not all(re.fullmatch(r"bot/\w+_app", folder) for folder in found)
    }
    twice.pop("platform", None)  # the protocol, and what fits it in each chat
    assert twice == {}


def test_discord_and_slack_have_the_same_modules() -> None:
    discord, slack = ({path.stem for path in (ROOT / f"bot/{chat}_app").glob("*.py")} for chat in ("discord", "slack"))
    assert discord - slack == set()
    # Slack alone sends events by name, nests what it sends, and may be installed by many workspaces.
    assert slack - discord == {"listeners", "payloads", "installations"}


def test_a_module_is_named_after_a_thing_not_after_an_activity() -> None:
    assert [name_of(path) for path in PRODUCT if path.stem.endswith("ing")] == []


def test_no_retired_word_comes_back() -> None:
    """Each has a standard name now: docs/glossary.md."""
    found = {
        f"{name_of(path)}: {name}"
        for path in PRODUCT
        for name in (path.stem, *identifiers_of(path))
        if words_in(name) & RETIRED
    }
    assert found == set()


def test_no_class_of_the_tests_has_a_retired_word() -> None:
    found = {
        f"{name_of(path)}: {node.name}"
        for path in TESTS
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef) and words_in(node.name) & RETIRED
    }
    assert found == set()


@pytest.mark.parametrize("kind", [DeprecationWarning, PendingDeprecationWarning])
@pytest.mark.parametrize(("module", "fails"), [
    ("bot", True), ("bot.cards.text", True), ("coordination.worker", True), ("tests.fakes", True),
    ("discord.ext.commands.core", False), ("asyncio.coroutines", False), ("bottle", False),
])  # fmt: skip
def test_what_a_newer_python_says_of_a_library_fails_no_test(kind: type[Warning], module: str, *, fails: bool) -> None:
    """Pythons deprecate what released libraries use, and the tests must pass on one that is newer than all of them."""
    with pytest.raises(kind) if fails else nullcontext():
        warnings.warn_explicit("'asyncio.something' is deprecated", kind, "file.py", 1, module, {})


def test_no_import_runs_in_a_circle() -> None:
    """Not even one that waits until a function is called."""
    modules = {name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in PRODUCT}
    left = {
        name: {
            known
            for _, imported in imports_of(path)
            for known in (imported, imported.rpartition(".")[0])
            if known in modules and known != name
        }
        for name, path in modules.items()
    }
    while ready := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in ready}
    assert sorted(left) == []


QUESTIONS = re.findall(
    r"^\| ([^|]+\?) \| `([^`|]+)`(?:, `([^`|]+)`)? \|$",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_a_stranger_has_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("question", "place", "name"), QUESTIONS)
def test_the_map_answers_a_strangers_question(question: str, place: str, name: str) -> None:
    """What a question is answered by is there, under the name that the map says."""
    assert (ROOT / place).exists(), question
    if name:
        assert name in (ROOT / place).read_text(encoding="utf-8"), question


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S+|^\s*--(?!hash)\S+", text, re.MULTILINE) == []
    pins = re.split(r"\n(?=\S)", text.strip())
    assert [pin.splitlines()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_the_locks_agree_with_each_other() -> None:
    """Only extras may bring more than the lock for development; what they share has one version."""
    names = {"dev", "runtime", "claude-code", "otel"}
    versions: dict[str, set[str]] = {}
    for lock in (lock for lock in LOCKS if lock.stem in names):
        for name, version in re.findall(r"^([\w.\[\]-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


if (ROOT / "bot/__main__.py").exists():

    def test_the_command_line_starts_without_loading_a_vendors_library() -> None:
        program = "import bot.__main__, json, sys; print(json.dumps(sorted(sys.modules)))"
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        loaded = {name.partition(".")[0] for name in json.loads(result.stdout)}
        assert "bot" in loaded
        assert loaded & set(SLOW_TO_LOAD) == set()
