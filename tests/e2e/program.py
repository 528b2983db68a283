"""The real command line as a process of its own, with a folder of its own for everything that it keeps."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeAlias, cast

from tests import forked

SHAKY = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{{tool: world.write, arguments: {{}}}}, {{tool: world.write, arguments: {{}}}}]
              answer: Two writes.
        report: [{{say: That is what happened.}}]
mcp_servers:
  world:
    type: stdio
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.servers.mcp_counting, {journal}, {behaviour}]
    call_timeout: 4
"""

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that one command may take."""

HOME = {"HOME": os.environ.get("HOME", "")}
"""Where tool servers look for accounts: a plan of one process runs in another only if both have the same."""

KEPT = ("PATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")


Process: TypeAlias = "subprocess.Popen[str] | forked.Forked"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        """Standard output as events: each line is one JSON object."""
        return [json.loads(line) for line in self.out.splitlines()]

    def first(self, kind: str) -> dict[str, object]:
        """The first event of a kind."""
        return next(event for event in self.events if event["kind"] == kind)

    @property
    def run(self) -> str:
        """The run that the events are about."""
        return str(self.events[0]["run"])


@dataclass(frozen=True)
class Program:
    """One person's installation. `environ` is added to the little that a process needs.

    Its processes are forks of one that has imported everything, unless it is told to start each of them from nothing.
    """

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    starts_from_nothing: bool = False

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "massgen-bot"

    def surroundings(self, **more: str) -> dict[str, str]:
        """The environment of a process."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        # What is said must not depend on whether whoever runs the tests has activated the virtual environment.
        folders = kept.get("PATH", os.defpath).split(os.pathsep)
        kept["PATH"] = os.pathsep.join(folder for folder in folders if not (Path(folder) / "massgen-bot").exists())
        given = {"XDG_STATE_HOME": str(self.folder), "HOME": str(self.folder), "MASSGEN_BOT_DEMO_PACE": "0"}
        if not self.starts_from_nothing:
            given["MASSGEN_BOT_PYTHON"] = forked.python()
        return {**kept, **given, **self.environ, **more}

    def forks(self, environ: Mapping[str, str]) -> bool:
        """Whether a process in an environment is a fork."""
        return not self.starts_from_nothing and forked.can_fork(environ)

    def start(self, *arguments: str, cwd: Path = ROOT, **environ: str) -> Process:
        """Start a command without a terminal."""
        env = {**self.surroundings(**environ), "PYTHONPATH": str(ROOT)}
        if self.forks(env):
            return forked.start("bot", *arguments, environ=env, folder=cwd)
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, cwd: Path = ROOT, **environ: str) -> Ended:
        """Run a command to its end."""
        with self.start(*arguments, cwd=cwd, **environ) as process:
            try:
                return end_of(process)
            finally:
                process.kill()

    def writes(self) -> list[tuple[str, object]]:
        """What the demo's board really did, in order: tool and arguments."""
        writer = self.state / "notices.json.journal"
        if not writer.exists():
            return []
        lines = [json.loads(line) for line in writer.read_text(encoding="utf-8").splitlines()]
        return [(line["tool"], line["arguments"]) for line in lines]

    def shaky_config(self, behaviour: str) -> tuple[Path, Path]:
        """A configuration whose server misbehaves in a way that `tests.servers.mcp_counting` knows, and its journal."""
        writer = self.folder / "journal"
        path = self.folder / "shaky.yaml"
        path.write_text(SHAKY.format(journal=writer, behaviour=behaviour), encoding="utf-8")
        return path, writer

    def config(self, *changes: tuple[str, str], name: str = "toy.yaml") -> Path:
        """The demo's configuration with some texts replaced."""
        text = (ROOT / "configs/demo.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"the demo's configuration has no {old!r}"
            text = text.replace(old, new)
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


def read_until(stream: IO[str] | None, text: str) -> str:
    """The next line of a process that has a text; one that ends before it has said so fails the test."""
    assert stream is not None
    said = ""
    for line in stream:
        if text in line:
            return line
        said += line
    raise AssertionError(f"no line with {text!r} in {said!r}")


def end_of(process: Process) -> Ended:
    """Wait for a process that was started."""
    out, err = process.communicate(timeout=PATIENCE)
    return Ended(status=process.wait(), out=out, err=err)


def planned(event: Mapping[str, object]) -> list[tuple[str, object]]:
    """The calls of a proposal, as the board's journal would have them."""
    plan = cast("Mapping[str, Sequence[Mapping[str, object]]]", event["plan"])
    return [(str(call["tool"]), call["arguments"]) for call in plan["calls"]]
