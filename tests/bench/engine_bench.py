"""What the log and the engine cost: `python -m tests.bench.engine_bench [--waiting 10000]`. Takes about half a minute."""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from coordination.domain import events as e
from coordination.domain.transitions import evolve
from coordination.engine.dbos_engine import DbosEngine
from coordination.ports import Job, Perform
from coordination.storage.sql_run_log import SqlLog
from tests.builders import START, a_request
from tests.databases import sqlite_url
from tests.sample_logs import waiting

ROOT = Path(__file__).parents[2]
TURN = e.TurnStarted(agent=1, turn=1, epoch=0)
QUEUED = evolve(None, a_request(), START)

FRESH = """
import time; began = time.perf_counter()
import asyncio, resource, sys
from coordination.engine.dbos_engine import DbosEngine
from coordination.storage.sql_run_log import SqlLog
from tests.sample_logs import LATER
imported = time.perf_counter()

def memory():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

async def perform(job):
    pass

async def main(url):
    before = memory()
    async with DbosEngine.open(url) as engine, SqlLog.open(url, submit=engine.submit) as log, engine.running(perform):
        ready = time.perf_counter()
        due = len(await log.due(LATER)); asked = time.perf_counter()
        await log.runs(); listed = time.perf_counter()
        await asyncio.sleep(3)
        used, rested = time.process_time(), time.perf_counter()
        await asyncio.sleep(5)
        share = (time.process_time() - used) / (time.perf_counter() - rested)
        print(f"{due:>8}{(imported - began) * 1e3:>10.0f}{(ready - imported) * 1e3:>9.0f}{memory():>9.0f}"
              f"{memory() - before:>9.1f}{(asked - ready) * 1e3:>9.1f}{(listed - asked) * 1e3:>9.1f}{share:>9.1%}")

asyncio.run(main(sys.argv[1]))
"""


class Place:
    """A log and a working engine; `started` has the time when each run's job came to its hands."""

    def __init__(self, log: SqlLog, engine: DbosEngine) -> None:
        self.log = log
        self.engine = engine
        self.started: dict[str, float] = {}

    async def begin(self, run: str) -> None:
        """Log a request, and submit and wake its job."""
        job = Job(task="deliberate", run=run, tenant="here", revision=1)
        await self.log.append(run, 0, [a_request()], START, QUEUED, job)
        self.engine.wake()

    async def until_started(self, run: str) -> None:
        """Wait for the hands without waking them."""
        while run not in self.started:  # noqa: ASYNC110 - what is measured must not be told to anybody
            await asyncio.sleep(0.0005)


@asynccontextmanager
async def place(url: str, perform: Callable[[Place], Perform]) -> AsyncGenerator[Place]:
    """Open everything on a database."""
    async with DbosEngine.open(url) as engine, SqlLog.open(url, submit=engine.submit) as log:
        opened = Place(log, engine)
        async with engine.running(perform(opened)):
            yield opened


def note(opened: Place) -> Perform:
    """Jobs that only say when they came."""

    async def perform(job: Job) -> None:
        opened.started[job.run] = time.perf_counter()

    return perform


def live(opened: Place) -> Perform:
    """Jobs that write as much as a short deliberation does: twenty appends."""

    async def perform(job: Job) -> None:
        opened.started[job.run] = time.perf_counter()
        for seq in range(1, 21):
            await opened.log.append(job.run, seq, [TURN], START, QUEUED)
        opened.started[f"{job.run} done"] = time.perf_counter()

    return perform


async def timed(work: Coroutine[object, object, object]) -> float:
    """Milliseconds that it takes."""
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000


def show(what: str, times: Sequence[float], more: str = "") -> None:
    """Print one line of the first table."""
    ordered = sorted(times)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(f"{what:<52}{statistics.median(ordered):>9.2f}{p95:>9.2f}{ordered[-1]:>9.2f}  {more}")


async def measure_appends(opened: Place) -> None:
    """One after the other, and a hundred runs at once."""
    await opened.log.append("ONE", 0, [a_request()], START, QUEUED)
    show("append", [await timed(opened.log.append("ONE", seq, [TURN], START, QUEUED)) for seq in range(1, 501)])

    async def write(run: str) -> list[float]:
        await opened.log.append(run, 0, [a_request()], START, QUEUED)
        return [await timed(opened.log.append(run, seq, [TURN], START, QUEUED)) for seq in range(1, 21)]

    began, used = time.perf_counter(), time.process_time()
    times = [each for run in await asyncio.gather(*(write(f"M{n}") for n in range(100))) for each in run]
    rate = len(times) / (time.perf_counter() - began)
    cpu = (time.process_time() - used) / len(times) * 1e6
    show("append, 100 runs at once", times, f"{rate:,.0f} a second, {cpu:.0f} µs CPU each")


async def measure_jobs(opened: Place) -> None:
    """From the request to the hands."""
    appends: list[float] = []
    starts: list[float] = []
    for number in range(100):
        appends.append(await timed(opened.begin(f"J{number}")))
        began = time.perf_counter()
        await opened.until_started(f"J{number}")
        starts.append((opened.started[f"J{number}"] - began) * 1000)
        await asyncio.sleep(0.01)
    show("append with a job", appends)
    show("nudge to perform", starts)
    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(opened.begin(f"K{number}") for number in range(100)))
    for number in range(100):
        await opened.until_started(f"K{number}")
    cpu = (time.process_time() - used) * 10
    show(
        "100 submitted at once, until performed",
        [(opened.started[f"K{number}"] - began) * 1000 for number in range(100)],
        f"{cpu:.1f} ms CPU a job, all else included",
    )


async def measure_lives(opened: Place) -> None:
    """A hundred runs that also write."""
    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(opened.begin(f"L{number}") for number in range(100)))
    for number in range(100):
        await opened.until_started(f"L{number} done")
    cpu = (time.process_time() - used) * 10
    times = [(opened.started[f"L{number} done"] - began) * 1000 for number in range(100)]
    show("100 runs of 20 appends at once, until done", times, f"{cpu:.1f} ms CPU a run")


async def fill(url: str, count: int) -> None:
    """Runs whose plans wait for a decision."""
    story = waiting()
    state = None
    for each in story:
        state = evolve(state, each.event, each.at)
    if state is None:
        return
    done = state
    async with DbosEngine.open(url) as engine, SqlLog.open(url, submit=engine.submit) as log:
        for start in range(0, count, 100):
            await asyncio.gather(
                *(
                    log.append(f"W{number:05}", 0, [each.event for each in story], START, done)
                    for number in range(start, start + 100)
                )
            )


async def main(count: int) -> None:
    """Both tables."""
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'milliseconds':<52}{'median':>9}{'p95':>9}{'max':>9}")
        async with place(sqlite_url(Path(folder), "a"), note) as opened:
            await measure_appends(opened)
            await measure_jobs(opened)
        async with place(sqlite_url(Path(folder), "b"), live) as opened:
            await measure_lives(opened)
        print(
            f"\n{'waiting':>8}{'import':>10}{'start':>9}{'RSS MB':>9}{'of it':>9}{'due ms':>9}{'runs ms':>9}{'idle CPU':>9}"
        )
        for waiting_runs in (0, count):
            url = sqlite_url(Path(folder), f"w{waiting_runs}")
            await fill(url, waiting_runs)
            for _ in range(2):
                subprocess.run([sys.executable, "-c", FRESH, url], cwd=ROOT, check=True)  # noqa: ASYNC221 - alone on purpose


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000)
    asyncio.run(main(parser.parse_args().waiting))
