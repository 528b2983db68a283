"""Times a peer as our own contenders are timed, with the standard library alone; prints one JSON object.

python -m tests.bench.peers.<peer> BASE_URL RUNS AT_ONCE
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable


async def _time(run: Callable[[], Awaitable[object]], runs: int, at_once: int) -> dict[str, object]:
    await run()
    await run()
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(runs):
        begun, used = time.perf_counter(), time.process_time()
        await run()
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    begun = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(at_once)))
    return {"wall": wall, "cpu": cpu, "runs_a_second": at_once / (time.perf_counter() - begun)}


def report(make: Callable[[str], Callable[[], Awaitable[object]]]) -> None:
    """Time what `make` makes of the base URL."""
    base_url, runs, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.stdout.write(json.dumps(asyncio.run(_time(make(base_url), runs, at_once))) + "\n")
