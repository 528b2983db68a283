"""The protocol's own suite for clients: where it is installed, and how one scenario is run."""

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from tests.npm import NpmFolder, ended, node

ROOT = Path(__file__).parents[2]
PYTHON = {"CONFORMANCE_PYTHON": sys.executable}
PACKAGES = NpmFolder(Path(__file__).parent, ROOT / ".conformance")
PROGRAM = PACKAGES.program("@modelcontextprotocol/conformance", "dist/index.js")

TIMING = "client-sse-retry-timing"
ATTEMPTS = 3

Check: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class Outcome:
    """How one scenario went. `checks` are all that the suite judged, `log` is what it printed."""

    scenario: str
    checks: Sequence[Check]
    is_accepted: bool
    attempts: int
    log: str

    def count(self, status: str) -> int:
        """How many checks have this status."""
        return sum(each["status"] == status for each in self.checks)

    @property
    def is_passed(self) -> bool:
        """The suite is content, and did look at something."""
        return self.is_accepted and self.count("SUCCESS") > 0 and not self.faults

    @property
    def faults(self) -> Sequence[Check]:
        """Failures and warnings."""
        return [each for each in self.checks if each["status"] in ("FAILURE", "WARNING")]

    @property
    def is_merely_late(self) -> bool:
        """Whether all that is wrong is that this machine was too busy to be on time."""
        return bool(self.faults) and all(
            each["id"] == TIMING and not cast("Check", each.get("details", {})).get("tooEarly") for each in self.faults
        )


def listed() -> Sequence[str]:
    """The names of all client scenarios that the suite has."""
    done = ended([str(node()), str(PROGRAM), "list", "--client"], cwd=ROOT, seconds=60)
    return re.findall(r"^\s+- (\S+)", done.stdout, re.MULTILINE)


def run(scenario: str) -> Outcome:
    """One scenario; again where it was only too slow to reconnect in time, which a busy machine is now and then."""
    outcome = _attempt(scenario, 1)
    while outcome.is_merely_late and outcome.attempts < ATTEMPTS:
        outcome = _attempt(scenario, outcome.attempts + 1)
    return outcome


def _attempt(scenario: str, number: int) -> Outcome:
    # A shell takes the command apart, so that the path of Python may have blanks in it.
    command = '"$CONFORMANCE_PYTHON" -m tests.conformance.client'
    with tempfile.TemporaryDirectory() as results:
        options = ["--command", command, "--scenario", scenario, "--timeout", "60000", "--output-dir", results]
        done = ended([str(node()), str(PROGRAM), "client", *options], cwd=ROOT, seconds=120, environ=PYTHON)
        files = [json.loads(file.read_text(encoding="utf-8")) for file in Path(results).rglob("checks.json")]
    checks = [check for file in files for check in cast("list[Check]", file)]
    return Outcome(scenario, checks, done.returncode == 0, number, done.stdout + done.stderr)
