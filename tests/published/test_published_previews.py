"""Published servers show what calls would change, though no rule says how; and what somebody changed meanwhile stays."""

import json
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.message import Action
from coordination.domain import states as s
from coordination.domain.canonical_json import Json
from coordination.domain.plan import Skipped, Succeeded
from coordination.mcp_tools.hub import McpHub
from tests.fakes import PlayedModel, answers, says
from tests.npm import UnavailableError, node
from tests.published.servers import PACKAGES, PYTHON, SCOPE, SQLITE
from tests.service.service_harness import ServiceHarness
from tests.service.test_preview_story import approve, with_config, words_on

CONFIG = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {%s: {command: %s, args: %s}}
tools: %s
"""


def config(server: str, reads: Sequence[str], *command: str) -> str:
    rules = [{"match": f"{server}.{each}", "effect": "read"} for each in reads]
    return CONFIG % (server, json.dumps(command[0]), json.dumps(command[1:]), json.dumps(rules))


def files(folder: Path) -> str:
    try:
        program = str(node())
    except UnavailableError as error:
        pytest.skip(str(error))
    if not PACKAGES.is_installed:
        pytest.skip("the servers from npm are not installed: make servers does that")
    path = str(PACKAGES.program(f"{SCOPE}filesystem", "dist/index.js"))
    return config("files", ["read_*"], program, path, str(folder))


def git(folder: Path) -> str:
    if not (PYTHON.parents[1] / ".installed").exists():
        pytest.skip("the servers from PyPI are not installed: make servers does that")
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["config", "user.name", "a"],
        ["config", "user.email", "a@b.example"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)  # noqa: S607  # the one of this machine
    return config(
        "git", ["git_status", "git_diff_staged"], str(PYTHON), "-m", "mcp_server_git", "--repository", str(folder)
    )


BALANCES = "SELECT name, balance FROM accounts ORDER BY name"
BANK = """
agents: [{id: scout, backend: {type: ollama, model: m}}]
mcp_servers: {sqlite: {command: %s, args: [--db-path, %s]}}
tools:
  - {match: sqlite.list_tables, effect: read}
  - {match: sqlite.read_query, when: {$.query: {equals: %s}}, effect: read}
  - {match: sqlite.write_query, effect: ask, preview: {tool: read_query, arguments: {query: %s}, required: true}}
"""
"""As docs/policy.md has it: what no program can tell of a statement, whoever writes the rules can read of the table."""


def sqlite(file: Path) -> str:
    if not (SQLITE.parents[1] / ".installed").exists():
        pytest.skip("the SQLite server from PyPI is not installed: make servers does that")
    change(file, "CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER)")
    change(file, "INSERT INTO accounts VALUES ('ann', 10), ('bob', 20)")
    return BANK % tuple(map(json.dumps, (str(SQLITE), str(file), BALANCES, BALANCES)))


def change(file: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(file)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


def service(hub: McpHub, text: str, *calls: tuple[str, dict[str, Json]]) -> ServiceHarness:
    """Agents who plan the same twice, under a configuration that says nothing of previews."""
    return with_config(ServiceHarness(PlayedModel(*(answers("Done.", *calls), says("Report.")) * 2)), hub, text)


async def planned(harness: ServiceHarness) -> tuple[str, s.AwaitingDecision, str]:
    run, state = await harness.planned()
    return run, state, (await words_on(harness, run))[0]


async def test_a_file_that_changed_meanwhile_is_neither_written_nor_edited_until_agents_plan_anew(
    tmp_path: Path,
) -> None:
    """The difference on the card is the file's own, for a whole text and for edits alike."""
    text = files(tmp_path)
    whole, part, new = (tmp_path / name for name in ("whole.txt", "part.txt", "new"))
    whole.write_text("one\ntwo\n", encoding="utf-8")
    part.write_text("a\nb\nc\n", encoding="utf-8")
    calls: list[tuple[str, dict[str, Json]]] = [
        ("mcp__files__write_file", {"path": str(whole), "content": "one\nthree\n"}),
        ("mcp__files__edit_file", {"path": str(part), "edits": [{"oldText": "b", "newText": "B"}]}),
        ("mcp__files__move_file", {"source": str(part), "destination": str(new)}),
    ]
    async with McpHub() as hub:
        harness = service(hub, text, *calls)
        run, state, words = await planned(harness)
        assert "Call 1 would change what files.read_text_file shows now" in words
        assert "· one\n- two\n+ three" in words
        assert "· a\n- b\n+ B\n· c" in words
        assert f"Before call 3, files.read_text_file (path {new}) finds nothing" in words
        whole.write_text("one\nfour\n", encoding="utf-8")
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Skipped] * 3
        words, buttons = await words_on(harness, run)
        assert "- two; + four" in words
        assert Action.ASK_AGAIN in buttons
        assert part.read_text(encoding="utf-8") == "a\nb\nc\n"
        run, state, words = await planned(harness)
        assert "· one\n- four\n+ three" in words
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Succeeded] * 3
    assert (whole.read_text(encoding="utf-8"), new.read_text(encoding="utf-8")) == ("one\nthree\n", "a\nB\nc\n")


async def test_a_plan_that_adds_and_commits_is_held_to_what_was_there_and_not_to_its_own_changes(
    tmp_path: Path,
) -> None:
    text, repo = git(tmp_path), str(tmp_path)
    (tmp_path / "note.txt").write_text("hello\n", encoding="utf-8")
    calls: list[tuple[str, dict[str, Json]]] = [
        ("mcp__git__git_add", {"repo_path": repo, "files": ["note.txt"]}),
        ("mcp__git__git_commit", {"repo_path": repo, "message": "Add a note"}),
    ]
    async with McpHub() as hub:
        harness = service(hub, text, *calls)
        run, state, words = await planned(harness)
        assert "Before call 1, git.git_status shows this" in words
        assert "Before call 2, git.git_diff_staged shows this" in words
        (tmp_path / "other.txt").write_text("meddled\n", encoding="utf-8")
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Skipped] * 2
        assert "other.txt" in (await words_on(harness, run))[0]
        run, state, _ = await planned(harness)
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Succeeded] * 2


async def test_a_row_that_changed_meanwhile_is_not_written_to_until_agents_plan_anew(tmp_path: Path) -> None:
    file = tmp_path / "bank.db"
    text = sqlite(file)
    statement = "UPDATE accounts SET balance = balance - 10 WHERE name = 'ann'"
    pays: tuple[str, dict[str, Json]] = ("mcp__sqlite__write_query", {"query": statement})
    async with McpHub() as hub:
        harness = service(hub, text, pays)
        run, state, words = await planned(harness)
        assert "Before call 1, sqlite.read_query shows this" in words
        assert "'ann', 'balance': 10" in words
        change(file, "UPDATE accounts SET balance = 5 WHERE name = 'ann'")
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Skipped]
        words, buttons = await words_on(harness, run)
        assert "'ann', 'balance': 5" in words
        assert Action.ASK_AGAIN in buttons
        assert change(file, BALANCES) == [("ann", 5), ("bob", 20)]
        run, state, words = await planned(harness)
        assert "'ann', 'balance': 5" in words
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Succeeded]
    assert change(file, BALANCES) == [("ann", -5), ("bob", 20)]


async def test_without_a_rule_the_sqlite_server_shows_which_tables_there_are(tmp_path: Path) -> None:
    file = tmp_path / "bank.db"
    text = sqlite(file).partition("  - {match: sqlite.write")[0]
    drops: tuple[str, dict[str, Json]] = ("mcp__sqlite__write_query", {"query": "DELETE FROM accounts"})
    async with McpHub() as hub:
        harness = service(hub, text, drops)
        run, state, words = await planned(harness)
        assert "Before call 1, sqlite.list_tables shows this" in words
        change(file, "CREATE TABLE others (name TEXT)")
        ended = await approve(harness, run, state)
        assert [type(each) for each in ended.receipts] == [Skipped]
    assert change(file, BALANCES) == [("ann", 10), ("bob", 20)]
