"""Where the processor's time of warm runs goes, by library: `python -m tests.bench.profile [RUNS]`.

A profiler slows small functions down more than large ones: read the shares as orders of magnitude.
"""

import asyncio
import cProfile
import pstats
import sys
from collections import defaultdict
from pathlib import Path

from tests.bench.mock_model import mock_model
from tests.bench.ours import whole_run

ROOT = str(Path(__file__).parents[2])


async def _profiled(base_url: str, runs: int) -> pstats.Stats:
    async with whole_run(base_url) as run:
        await run()
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(runs):
            await run()
        profiler.disable()
    return pstats.Stats(profiler)


def _library(path: str, function: str) -> str:
    if "site-packages" in path:
        return path.split("site-packages/")[1].split("/", maxsplit=1)[0]
    if path.startswith(ROOT):
        return "/".join(path.removeprefix(f"{ROOT}/").split("/")[:3])
    if path == "~":
        return "waiting" if "poll" in function else f"built-in {function}"
    return "python: " + "/".join(Path(path).parts[-2:])


def main() -> None:
    """Print the shares."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with mock_model() as base_url:
        stats = asyncio.run(_profiled(base_url, runs))
    shares: defaultdict[str, float] = defaultdict(float)
    rows: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = vars(stats)["stats"]
    for (path, _, function), (_, _, own, _, _) in rows.items():
        shares[_library(path, function)] += own
    total = sum(seconds for name, seconds in shares.items() if name != "waiting")
    for name, seconds in sorted(shares.items(), key=lambda item: -item[1])[:30]:
        if name != "waiting":
            print(f"{seconds / total:6.1%}  {name}")


if __name__ == "__main__":
    main()
