"""The rules of the house that no linter knows."""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

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
FUNCTION_LINES = 40

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

# Which of our modules may use a vendor's library: adapters, by the beginning of the module's name, and tool servers.
VENDORS = {
    "alembic": ("sql_",),
    "anthropic": ("anthropic_",),
    "dbos": ("dbos_",),
    "genai_prices": ("prices",),
    "mcp": ("claude_code_tools", "mcp_"),
    "openai": ("azure_", "openai_"),
    "sqlalchemy": ("dbos_", "sql_", "worker_slots"),
}
SLOW_TO_LOAD = ("anthropic", "dbos", "discord", "mcp", "openai", "rich", "slack_bolt", "sqlalchemy")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def comments_of(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """The dotted names that a module imports, at its top or within."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_no_module_is_longer_than_a_person_reads_in_one_go() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PRODUCT}
    assert lengths, "no module was looked at"
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_every_function_fits_a_screen() -> None:
    too_long = {
        f"{name_of(path)}:{node.lineno} {node.name}": lines
        for path in PRODUCT
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert too_long == {}


def test_nothing_is_left_unimplemented() -> None:
    left = [
        f"{name_of(path)}:{node.lineno}"
        for path in PRODUCT
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert left == []


def test_no_comment_puts_work_off() -> None:
    put_off = [
        f"{name_of(path)}:{line} {comment}"
        for path in [*PRODUCT, *TESTS]
        for line, comment in comments_of(path)
        if re.search(r"\b(?:TODO|FIXME|XXX|HACK)\b", comment)
    ]
    assert put_off == []


def test_fakes_are_classes_and_never_mocks() -> None:
    mocked = [
        f"{name_of(path)}:{line} {name}"
        for path in [*PRODUCT, *TESTS]
        for line, name in imports_of(path)
        if name.startswith(("unittest.mock", "mock.", "pytest_mock"))
    ]
    assert mocked == []


def test_a_check_is_switched_off_by_its_code_and_with_a_reason() -> None:
    unreasoned = [
        f"{name_of(path)}:{line} {comment}"
        for path in [*PRODUCT, *TESTS]
        for line, comment in comments_of(path)
        if SUPPRESSION.search(comment) and not REASONED.search(comment)
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


def test_each_vendors_library_stays_in_its_own_adapter() -> None:
    strays = [
        f"{name_of(path)}:{line} {name}"
        for path in PRODUCT
        for line, name in imports_of(path)
        if (homes := VENDORS.get(name.partition(".")[0]))
        and not (path.is_relative_to(ROOT / "coordination/adapters") and path.name.startswith(homes))
        and not (path.is_relative_to(ROOT / "bot/tool_servers") and name.startswith("mcp"))
        and not (path == ROOT / "bot/slack_app/installations.py" and name.startswith("sqlalchemy"))
    ]
    assert strays == []


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


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S+|^\s*--(?!hash)\S+", text, re.MULTILINE) == []
    pins = re.split(r"\n(?=\S)", text.strip())
    assert [pin.splitlines()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_the_locks_agree_with_each_other() -> None:
    """Only extras may bring more than the lock for development; what they share has one version."""
    names = {"dev", "runtime", "claude-code"}
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
