"""`make fuzz`: each subject for some seconds, on inputs that coverage leads to; what fails is kept and shown.

Exit status: 0 nothing was found, or the fuzzer can't be had here; 1 something was found.
"""

import argparse
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.targets import ROOT, TARGETS, Target

LIBRARY = ROOT / ".fuzz"
FOUND = LIBRARY / "found"
_LONGEST_INPUT = 4096
_SHOWN = 4_000
_PATIENCE = 300
"""Seconds more, for a machine that does much else at once: what is fuzzed is instrumented first."""


def main(arguments: Sequence[str]) -> int:
    """Read the options, and fuzz."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each subject (20)")
    parser.add_argument("--inputs", type=int, help="so many for each subject, however long that takes")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="the same inputs again")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this subject")
    parser.add_argument("--replay", type=Path, help="a file that was found, for the one --target")
    given = parser.parse_args(arguments)
    if given.replay is not None:
        if not given.target:
            parser.error("--replay needs the --target")
        TARGETS[given.target[0]].check()(given.replay.read_bytes())
        return 0
    if not (LIBRARY / ".installed").exists():
        say("There is no atheris for this system and Python: nothing was fuzzed.")
        return 0
    bound = f"{given.seconds} s" if given.inputs is None else f"{given.inputs:,} inputs"
    say(f"Fuzzing with --seed {given.seed}, {bound} each.")
    names: Sequence[str] = given.target or sorted(TARGETS)
    limits = [f"-max_total_time={given.seconds}"] if given.inputs is None else [f"-runs={given.inputs}"]
    failed = [name for name in names if not fuzz(name, limits, given.seed, patience=given.seconds + _PATIENCE)]
    return int(bool(failed))


def fuzz(name: str, limits: Sequence[str], seed: int, *, patience: float) -> bool:
    """Whether nothing of a subject failed. `patience` is in seconds."""
    FOUND.mkdir(exist_ok=True)
    begun = time.time()
    with tempfile.TemporaryDirectory() as folder:
        _sow(TARGETS[name], Path(folder))
        options = [*limits, f"-seed={seed}", f"-max_len={_LONGEST_INPUT}", "-reload=0", "-timeout=30"]
        command = [sys.executable, "-m", "tests.fuzz.one", name, folder, *options, f"-artifact_prefix={FOUND}/{name}-"]
        try:
            ended = _run(command, seconds=patience)
        except subprocess.TimeoutExpired:
            say(f"  {name:<10} did not end: look at it with --seed {seed} --target {name}")
            return False
    told = ended.stdout + ended.stderr
    runs, covered = re.search(r"Done (\d+) runs", told), re.findall(r"cov: (\d+)", told)
    if ended.returncode == 0 and runs is not None:
        say(f"  {name:<10} {int(runs[1]):>8,} inputs, {covered[-1] if covered else 0} branches")
        return True
    say(f"  {name:<10} FAILED")
    new = [each for each in sorted(FOUND.glob(f"{name}-*")) if each.stat().st_mtime >= begun]
    for each in new:
        again = ["--target", name, "--replay", str(each.relative_to(ROOT))]
        say(_run([sys.executable, "-m", "tests.fuzz", *again], seconds=_PATIENCE).stderr[-_SHOWN:])
        say(f"Once more: make fuzz ARGS='{' '.join(again)}'")
    if not new:
        say(told[-_SHOWN:])
    return False


def _run(command: Sequence[str], *, seconds: float) -> "subprocess.CompletedProcess[str]":
    # The order of sets is part of what leads from one input to the next.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(LIBRARY), str(ROOT)]), "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command,
        env=environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
    )


def _sow(target: Target, folder: Path) -> None:
    """Inputs to begin with, each for the first property: that of texts, where there is one."""
    for number, seed in enumerate(target.seeds):
        (folder / str(number)).write_bytes(b"\0" + seed.read_bytes()[: _LONGEST_INPUT - 1])


def say(line: str) -> None:
    """Tell whoever typed it."""
    print(line, flush=True)  # noqa: T201  # it is its output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
