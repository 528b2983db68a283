"""`make check-install`: install every lock as if each project had published newer releases since it was written.

What developers install and what users install come by the Makefile's own targets, the latter with the oldest pip that
this Python came with; each extra's lock is fetched, and must need nothing that it does not have. Exit status: 0 all went well; 1 one did not. `--checkout FOLDER` tries another checkout's files.
"""

# ruff: noqa: T201 - the table is its product

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.installation.index import NewerIndex, extras_in, newer_index, normal, pins_in

ROOT = Path(__file__).parents[2]
OLDEST_PIP = {(3, 11): "22.3", (3, 12): "23.2.1", (3, 13): "24.2", (3, 14): "25.2"}
"""What ensurepip of each Python's first release brings."""

_INSTALLED = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""
OURS = {"massgen-bot", "pip", "setuptools"}
"""What is in an environment without being in a lock."""


class FailedError(Exception):
    """An installation did not do what it must; the message is for who reads the table."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One installation into an environment of its own."""

    checkout: Path
    folder: Path
    environ: Mapping[str, str]

    @property
    def python(self) -> str:
        return str(self.folder / "bin/python")

    def call(self, *command: str, timeout: int = 400) -> str:
        """Run a command in the checkout; hands back what it printed.

        Raises:
            FailedError: it failed, or took longer than `timeout` seconds.
        """
        try:
            done = subprocess.run(
                command, cwd=self.checkout, env=self.environ, capture_output=True, text=True, timeout=timeout,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise FailedError(f"{' '.join(command)} took longer than {timeout} s") from None
        if done.returncode:
            raise FailedError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def make(self, target: str) -> None:
        self.call("make", "--silent", f"PYTHON={sys.executable}", f"VENV={self.folder}", f"{self.folder}/{target}")

    def holds(self, lock: str) -> str:
        """How much of a lock is installed, and nothing else; a lock also has what other systems need."""
        pins = pins_in(self.checkout / "requirements" / lock)
        found = {
            normal(name): version for name, version in json.loads(self.call(self.python, "-c", _INSTALLED)).items()
        }
        others = {name: version for name, version in found.items() if name not in OURS and pins.get(name) != version}
        if others:
            raise FailedError(f"{lock} does not have {others}")
        self.call(self.python, "-m", "pip", "check")
        return f"{len(found.keys() & pins.keys())} packages"


def developers(trial: Trial) -> str:
    """`make test` installs the lock for development with the pip of this Python."""
    trial.make(".dev")
    return trial.holds("dev.txt")


def users(trial: Trial) -> str:
    """`make demo` installs the lock for users with the oldest pip, and what it installed runs."""
    trial.call("scripts/venv", sys.executable, str(trial.folder))
    oldest = OLDEST_PIP.get(sys.version_info[:2], "25.2")
    trial.call(trial.python, "-m", "pip", "install", "--quiet", "--no-deps", f"pip=={oldest}")
    trial.make(".runtime")
    held = trial.holds("runtime.txt")
    trial.call(str(trial.folder / "bin/massgen-bot"), "demo", "--approve", timeout=120)
    return f"{held}, pip {oldest}, and the demo ran"


def extra(name: str) -> Callable[[Trial], str]:
    """An extra's lock can be had whole; nothing is unpacked, as nothing but its pins would be."""

    def fetch(trial: Trial) -> str:
        trial.call("scripts/venv", sys.executable, str(trial.folder))
        lock = f"requirements/{name}.txt"
        report = trial.call(
            trial.python, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--require-hashes",
            "--report", "-", "--requirement", lock,
        )  # fmt: skip
        chosen = [each["metadata"] for each in json.loads(report)["install"]]
        if missing := list(missing_of(chosen, extras_in(trial.checkout / lock))):
            raise FailedError(f"{lock} lacks {missing}")
        return f"{len(chosen)} packages, fetched"

    return fetch


def missing_of(chosen: list[dict[str, Any]], extras: Mapping[str, set[str]]) -> Iterator[str]:
    """What these packages need on this system, each with its extras, and do not have among them."""
    versions = {normal(each["name"]): each["version"] for each in chosen}
    for each in chosen:
        wanted = ["", *extras.get(normal(each["name"]), ())]
        for needed in map(Requirement, each.get("requires_dist", ())):
            if needed.marker and not any(needed.marker.evaluate({"extra": name}) for name in wanted):
                continue
            version = versions.get(normal(needed.name))
            asked = needed.extras - extras.get(normal(needed.name), set())
            if version is None or asked or not needed.specifier.contains(version, prereleases=True):
                yield f"{each['name']} -> {needed}"


def tried(name: str, install: Callable[[Trial], str], trial: Trial) -> tuple[str, bool]:
    """A line of the table, and whether it went well."""
    began = time.monotonic()
    try:
        told, is_well = install(trial), True
    except FailedError as error:
        told, is_well = str(error), False
    return f"{name:12} {'passed' if is_well else 'FAILED'} in {time.monotonic() - began:3.0f} s: {told}", is_well


def environment(index: NewerIndex, home: Path) -> dict[str, str]:
    """What a new user has, with the index of tomorrow."""
    local = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1")))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "MAKE", "PYTHON"))}
    return {
        **kept, "HOME": str(home), "PIP_INDEX_URL": f"{index.url}/simple", "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_PROXY": local, "no_proxy": local,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="make check-install")
    parser.add_argument("--checkout", type=Path, default=ROOT)
    checkout = parser.parse_args().checkout.resolve()
    locks = sorted((checkout / "requirements").glob("*.txt"))
    apart = {
        "dev",
        "runtime",
        "peers",
        "release",
        "uv",
    }  # benchmarks, releases and the making of locks are nothing that a user installs
    trials = {"developers": developers, "users": users}
    trials |= {lock.stem: extra(lock.stem) for lock in locks if lock.stem not in apart}
    with tempfile.TemporaryDirectory() as folder, newer_index(locks) as index, ThreadPoolExecutor(2) as pool:
        environ = environment(index, Path(folder))
        results = list(
            pool.map(
                lambda item: tried(item[0], item[1], Trial(checkout, Path(folder) / item[0], environ)), trials.items()
            )
        )
    print(f"Installed while {len(index.made_up)} newer releases were to be had:")
    print(*(line for line, _ in results), sep="\n")
    return 0 if all(is_well for _, is_well in results) else 1


if __name__ == "__main__":
    sys.exit(main())
