"""docs/how-to/add-a-tool-server.md, step by step: each command as it is written, with the server that it names."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.e2e.program import Ended, Program
from tests.npm import UnavailableError, node
from tests.published.servers import PACKAGES, SCOPE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/add-a-tool-server.md").read_text(encoding="utf-8")
WRITES = "Call the plumber\nBuy milk\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """What the page has people type, without the name of the program."""
    inline = re.findall(r"`massgen-bot ([^`]+)`", PAGE)
    typed = [line.removeprefix("massgen-bot ") for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(each) for each in (*typed, *inline)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page; the server is the one that `npx` would fetch, and the agent plays what a model would do."""
    try:
        program = [str(node()), str(PACKAGES.program(f"{SCOPE}filesystem", "dist/index.js"))]
    except UnavailableError as error:
        pytest.skip(str(error))
    if not PACKAGES.is_installed:
        pytest.skip("the servers from npm are not installed: make servers does that")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/todo.md").write_text("Call the plumber\n", encoding="utf-8")
    config = yaml.safe_load(blocks("yaml")[0] + blocks("yaml")[1])
    (server,) = config["mcp_servers"].values()
    server |= {"command": program[0], "args": [program[1], server["args"][-1]], "pinned": True}
    todo, today = "${NOTES}/todo.md", "${NOTES}/today.md"
    calls = [
        {"tool": "files.write_file", "arguments": {"path": todo, "content": WRITES}},
        {"tool": "files.move_file", "arguments": {"source": todo, "destination": today}},
    ]
    reads = [{"tool": "files.read_text_file", "arguments": {"path": todo}}]
    script = {"turns": [[{"calls": reads}, {"calls": calls, "answer": "Both."}]], "report": [{"say": "Done."}]}
    config["agents"] = [{"id": "writer", "backend": {"type": "scripted", "script": script}}]
    (tmp_path / "files.yaml").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "files-cases.yaml").write_text(blocks("yaml")[2], encoding="utf-8")
    return tmp_path


def test_each_step_of_the_guide_does_what_it_says(folder: Path) -> None:
    program, notes = Program(folder), folder / "notes"

    def typed(*words: str, run: str = "RUN", **values: str) -> Ended:
        """A command of the page, which must be on it."""
        (command,) = {tuple(each) for each in commands() if tuple(each[: len(words)]) == words} or {()}
        assert command, words
        return program.run(
            *(run if word == "RUN" else word for word in command), cwd=folder, NOTES=str(notes), **values
        )

    config = json.loads((folder / "files.yaml").read_text(encoding="utf-8"))
    (folder / "bare.yaml").write_text(json.dumps(config | {"tools": []}), encoding="utf-8")
    bare = program.run("check", "bare.yaml", cwd=folder, NOTES=str(notes))
    for line in blocks("text")[0].splitlines():
        assert line == "  …" or line in [each.rstrip() for each in bare.out.splitlines()], bare.out
    checked = typed("check", "files.yaml")
    assert checked.status == 0, checked.err
    assert re.search(r"files\.edit_file +deny", checked.out)
    assert "files.move_file for writer: ask" in typed("policy", "explain").out
    assert typed("policy", "test").status == 0

    planned = typed("run")
    assert planned.status == 3, planned.err
    for line in blocks("text")[1].strip().splitlines():
        assert line.strip() in planned.out, planned.out
    (run,) = re.findall(r"massgen-bot approve (\w+)", planned.err)
    approved = typed("approve", run=run)
    assert approved.status == 0, approved.err
    assert ((notes / "today.md").read_text(encoding="utf-8"), (notes / "todo.md").exists()) == (WRITES, False)

    undone = typed("undo", run=run)
    assert undone.status == 3, undone.err
    assert "can't be undone" in undone.out
    (back,) = re.findall(r"massgen-bot approve (\w+)", undone.err)
    assert typed("approve", run=back).status == 0
    assert (notes / "todo.md").read_text(encoding="utf-8") == WRITES
    assert typed("check", "--accept").status == 0
