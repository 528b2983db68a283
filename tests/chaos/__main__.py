"""Storms and long outages over real workers: `make chaos`, or `make chaos ARGS="--seed 7 --seconds 300"`.

Each storm ends in seconds or in a failure; the seed in its heading repeats its choices, though not its timing.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.chat_fronts import chat_fronts
from tests.chaos.deployment import Deployment
from tests.chaos.fronts import fronts
from tests.chaos.outage import outage
from tests.chaos.storm import KILLS, LIMIT, OUTAGES, Weather, storm
from tests.databases import own_server, postgres_programs

STORMS = {
    "sqlite": ("sqlite", KILLS),
    "postgres": ("postgres", (*KILLS, *OUTAGES)),
    "outages": ("postgres", OUTAGES),
}
LONG_OUTAGES = (10.0, 40.0, 200.0)


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a report


@contextmanager
def _folder() -> Generator[Path]:
    """A folder that stays, with the workers' logs in it, if something does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        yield folder
    except BaseException:
        _tell(f"  look into {folder}")
        raise
    shutil.rmtree(folder)


async def _storm(database: str, weather: Weather) -> None:
    _tell(f"{database}, {weather}")
    begun = time.monotonic()
    with _folder() as folder, ExitStack() as stack:
        server = None
        if database == "postgres":
            programs = postgres_programs()
            assert programs is not None, "PostgreSQL is not installed here"
            server = stack.enter_context(own_server(programs))
        raged = await storm(Deployment.on(folder, server, limit=LIMIT), weather, lambda text: _tell(f"  {text}"))
    _tell(f"  held after {time.monotonic() - begun:.0f} s: {raged.summary}")


async def _outage(seconds: float, workers: int) -> None:
    _tell(f"postgres, {workers} workers, away for {seconds:.0f} s under calls")
    with _folder() as folder:
        await outage(folder, seconds=seconds, workers=workers)
    _tell("  held")


async def _fronts(seed: int, runs: int) -> None:
    _tell(f"postgres, 2 front ends, {runs} runs, every event four times: seed {seed}")
    programs = postgres_programs()
    assert programs is not None, "PostgreSQL is not installed here"
    with _folder() as folder, own_server(programs) as server:
        told = await fronts(Deployment.on(folder, server, limit=LIMIT), seed, runs=runs)
    _tell(f"  held: {told.kills} front ends were killed")


async def _chats(seed: int, runs: int) -> None:
    _tell(f"postgres, 2 front ends of Discord and Slack, {runs} runs in each: seed {seed}")
    programs = postgres_programs()
    assert programs is not None, "PostgreSQL is not installed here"
    with _folder() as folder, own_server(programs) as server:
        told = await chat_fronts(Deployment.on(folder, server, limit=LIMIT), seed, runs=runs)
    _tell(f"  held: {dict(told.struck)}")


def main(arguments: Sequence[str]) -> None:
    """Storms on both databases with one worker and three, one of outages alone, two front ends of three chats, and the long outages."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of each storm; it then takes until all runs have ended"
    )
    parser.add_argument(
        "--workers", type=int, action="append", help="how many there are; default: storms of 1, and of 3"
    )
    parser.add_argument(
        "--only", choices=[*STORMS, "fronts", "chats", "away"], help="only these storms, or the long outages"
    )
    chosen = parser.parse_args(arguments)
    for workers in chosen.workers or (1, 3):
        for name, (database, faults) in STORMS.items():
            if chosen.only in (None, name):
                weather = Weather(seed=chosen.seed, seconds=chosen.seconds, workers=workers, faults=faults)
                asyncio.run(_storm(database, weather))
    if chosen.only in (None, "fronts"):
        asyncio.run(_fronts(chosen.seed, max(4, int(chosen.seconds / 3))))
    if chosen.only in (None, "chats"):
        asyncio.run(_chats(chosen.seed, max(2, int(chosen.seconds / 10))))
    if chosen.only in (None, "away"):
        for seconds in LONG_OUTAGES:
            asyncio.run(_outage(seconds, 1 if seconds == LONG_OUTAGES[0] else 3))


if __name__ == "__main__":
    main(sys.argv[1:])
