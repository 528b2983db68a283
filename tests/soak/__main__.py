"""`make soak`, or `make soak ARGS="--runs 50 --seed 7"`: says what the process held before and after, and fails if it grew."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.soak.soak import faults_of, growth, soak


def main(arguments: Sequence[str]) -> int:
    """So many runs, and what did not hold."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        soaked = asyncio.run(soak(Path(name), runs=chosen.runs, seed=chosen.seed, warm=30))
        found = [*faults_of(soaked, Path(name)), *growth(soaked)]
    for line in (
        f"seed {chosen.seed}, {len(soaked.receipts)} plans carried out, {soaked.restarts} restarts of the HTTP server",
        f"runs without a plan: {dict(soaked.failed)}",
        f"before: {soaked.begun}",
        f"after:  {soaked.ended}",
        *found,
    ):
        print(line)  # noqa: T201 - a report
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
