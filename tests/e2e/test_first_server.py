"""The first tool server that somebody tries, by the real command line: it dies, and its own words say why."""

import json
from pathlib import Path

import pytest

from tests.e2e.program import ROOT, Program

CONFIG = """
agents:
  - id: one
    backend: {type: scripted, script: {turns: [[{answer: Here it is.}]]}}
mcp_servers:
  board:
    command: ${MASSGEN_BOT_PYTHON}
    args: [-m, tests.servers.mcp_startup, exits]
    cwd: %s
    env: {SECRET_URL: "postgres://bot:hunter2@db/board"}
"""

LISTS = """
agents:
  - id: one
    backend: {type: scripted, script: {turns: [[{answer: Here it is.}]]}}
mcp_servers:
  board: {command: "${MASSGEN_BOT_PYTHON}", args: [-m, tests.servers.mcp_listing, %s], cwd: %s}
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "ops.yaml"
    path.write_text(CONFIG % json.dumps(str(ROOT)), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("command", [("check",), ("run", "Look.", "-c")])
def test_the_last_words_of_a_server_that_dies_are_told_without_secrets(
    program: Program, config: str, command: tuple[str, ...]
) -> None:
    ended = program.run(*command, config)
    assert ended.status == 1
    assert "The last lines of board on standard error:\n    no database at [secret]\n" in ended.err
    assert "hunter2" not in ended.out + ended.err


def test_the_log_that_the_complaint_refers_to_has_them_too(program: Program, config: str) -> None:
    program.run("check", config)
    log = (program.state / "massgen-bot.log").read_text(encoding="utf-8")
    assert "no database at [secret]" in log


def test_a_server_that_is_optional_has_a_last_word_as_well(program: Program, config: str) -> None:
    Path(config).write_text(Path(config).read_text().replace("  board:\n", "  board:\n    optional: true\n"))
    ended = program.run("check", config)
    assert ended.status == 0
    assert "no database at [secret]" in ended.err


def test_a_check_warns_of_what_asks_about_everything_and_of_tools_that_change_by_themselves(
    program: Program, tmp_path: Path
) -> None:
    path = tmp_path / "ops.yaml"
    path.write_text(LISTS % ("changes", json.dumps(str(ROOT))), encoding="utf-8")
    ended = program.run("check", str(path))
    assert ended.status == 0, ended.err
    assert "No rule names a tool of board, so people are asked about every call" in ended.err
    assert "for example {match: board.read_board, effect: read}." in ended.err
    assert "board lists different tools when it is asked twice in a row (post)" in ended.err


def test_a_check_finds_nothing_to_warn_of_where_rules_name_tools_that_stay(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "ops.yaml"
    text = LISTS % ("duplicates", json.dumps(str(ROOT))) + "tools: [{match: board.post, effect: ask}]\n"
    path.write_text(text, encoding="utf-8")
    assert "Warning" not in program.run("check", str(path)).err
