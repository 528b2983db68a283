"""kill -9 at every point between the request and the report: nothing happens twice, nothing is lost, doubts are told."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from coordination.storage.audit import export, verify
from tests import forked
from tests.crash.forked_lives import End, Life

ROOT = Path(__file__).parents[2]
STORY = Path(__file__).with_name("story.yaml")
WRITES = 2


class ForkedLives:
    """The real program, one life after the other on the files of one folder each."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def live(self, folder: Path, *, dies_at: int = 0) -> End:
        """One life of the program on a folder's database and world."""
        folder.mkdir(exist_ok=True)
        life = Life(database=url(folder), state=str(folder), config=str(STORY), dies_at=dies_at)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(life) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks is gone"
        return cast("End", json.loads(line))


@contextmanager
def forked_lives() -> Generator[ForkedLives]:
    """A process that has imported everything."""
    command = [sys.executable, "-m", "tests.crash.forked_lives"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**unmeasured, "MASSGEN_BOT_PYTHON": forked.python()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield ForkedLives(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/runs.sqlite"


def performed(folder: Path) -> list[str]:
    """The titles of the writes that the world really saw, in order."""
    writer = folder / "notices.json.journal"
    if not writer.exists():
        return []
    return [str(json.loads(line)["arguments"]["title"]) for line in writer.read_text(encoding="utf-8").splitlines()]


def kinds(folder: Path, run: str) -> list[str]:
    """The kinds of a run's events."""
    return [str(json.loads(line)["kind"]) for line in export(url(folder), run)]


def test_kill_nine_at_every_point_never_doubles_a_call_and_never_loses_a_run(tmp_path: Path) -> None:
    """Count the points in a life that ends well; then die at each of them once, and live again on the same files."""
    with forked_lives() as program:
        whole = program.live(tmp_path / "whole")
        assert whole["state"] == "finished"
        assert len(performed(tmp_path / "whole")) == WRITES
        assert len(whole["points"]) > 30
        unknown = 0
        for number, point in enumerate(whole["points"], start=1):
            folder = tmp_path / f"dies-{number}"
            program.live(folder, dies_at=number)
            after = program.live(folder)
            unknown += check(folder, after, f"dead at point {number}, {point}")
        assert unknown >= WRITES, "a death in the middle of a call leaves a question"


def check(folder: Path, after: End, where: str) -> int:
    """What must hold after the second life, wherever the first one died. Returns how many outcomes are unknown."""
    titles = performed(folder)
    assert len(set(titles)) == len(titles) <= WRITES, f"{where}: a call was made twice: {titles}"
    assert not after["died"], where
    assert verify(url(folder)) == [], f"{where}: the log does not verify"
    events = kinds(folder, after["run"])
    assert events.count("call_started") <= WRITES, where
    if after["state"] == "needs_human":
        assert events[-1] == "call_outcome_unknown", where
        return 1
    assert after["state"] == "finished", f"{where}: {after['state']}"
    assert len(titles) == WRITES, f"{where}: {titles}"
    assert events.count("call_succeeded") == WRITES, where
    assert events.count("approval_given") == 1, where
    return 0
