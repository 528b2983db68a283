"""The tests of a process keep what was measured, and end what they share, before the process says that it is done.

A worker that lives for ten seconds more is killed, with which a third of the coverage was lost on a busy machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.databases import postgres_programs

ROOT = Path(__file__).parents[2]

IMPATIENT = """
from xdist.workermanage import NodeManager

NodeManager.EXIT_TIMEOUT = 0.001
"""

SHARING = (
    "tests/contract/test_usage.py::test_what_was_used_since_a_moment_is_summed_by_tenant_and_by_person",
    "tests/threats/test_unruly_tool_server.py::test_terminal_escapes_of_a_server_are_written_out",
)
"""Tests that use the servers of their process: PostgreSQL, and the one that starts programs."""


@pytest.fixture
def folder() -> Generator[Path]:
    """A short name, for sockets; PostgreSQL's account may pass through."""
    made = Path(tempfile.mkdtemp(prefix="end-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL is not installed here")
def test_a_worker_that_is_killed_at_its_end_has_saved_and_ended_all(folder: Path) -> None:
    measured, kept = folder / "measured", folder / "kept"
    (folder / "impatient.py").write_text(IMPATIENT)
    kept.mkdir(mode=0o711)
    measure = ["coverage", "run", f"--data-file={measured}", "-m", "pytest", "-p", "impatient", "-q", "-n1", *SHARING]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
    environ = {**outside, "PYTHONPATH": str(folder), "TMPDIR": str(kept)}

    ended = subprocess.run(
        [sys.executable, "-m", *measure], check=False, cwd=ROOT, env=environ, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    executed = set[str]()
    for part in folder.glob("measured.*"):
        data = CoverageData(str(part))
        data.read()
        executed |= {Path(name).name for name in data.measured_files() if data.lines(name)}
    assert "usage.py" in executed
    assert [each.name for each in kept.iterdir() if not each.name.startswith("pytest-of-")] == []
