"""Everything that `make bench` measures, in one run, as ratios where ratios are what counts.

python -m tests.bench [--runs 30] [--waiting 10000]
python -m tests.bench --database postgresql [--workers 1 --workers 2 …] [--runs 100] [--deaths 3]

The second form measures worker processes on one database instead of all the rest.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path

from tests.bench.deployed import KINDS, deployed
from tests.bench.floor import CONTENDERS, Timings, measure
from tests.bench.mock_model import mock_model
from tests.bench.ours import deciding, decisions, whole_run
from tests.bench.previews import CALLS, read_for_a_plan
from tests.bench.processes import first_request, help_text, waiting

ROOT = Path(__file__).parents[2]
PEERS = {"LangGraph": "langgraph_peer", "OpenAI Agents": "agents_peer"}
AT_ONCE = 100


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="What a run costs with us, beside a bare HTTP client and our peers.")
    parser.add_argument(
        "--runs", type=int, help="runs of each contender, one after another (30); of workers, at once (100)"
    )
    parser.add_argument("--waiting", type=int, default=10_000, help="runs that wait for a decision")
    parser.add_argument("--database", choices=KINDS, help="measure worker processes on this database instead")
    parser.add_argument("--workers", type=int, action="append", help="how many there are; default: 1, 2 and 4")
    parser.add_argument("--deaths", type=int, default=3, help="how many workers are killed to see others take over")
    options = parser.parse_args()
    with mock_model() as base_url:
        if options.database is not None:
            workers = options.workers or [1, 2, 4]
            deployed(base_url, options.database, workers, runs=options.runs or 100, deaths=options.deaths)
            return
        contenders(base_url, options.runs or 30)
        crowds(base_url)
        latency(base_url, options.runs or 30)
    rules()
    shown_before()
    starts()
    patience(options.waiting)


def contenders(base_url: str, runs: int) -> None:
    """One 2-agent run of 6 streamed requests: the floor, ours, the SDK, and the peers that are installed."""
    print(f"A 2-agent run: 6 requests, 200 streamed tokens each; medians of {runs}, and {AT_ONCE} at once\n")
    timings = {name: Timings() for name in (*CONTENDERS, "massgen-bot, whole")}
    rounds = 3
    for _ in range(rounds):
        for name, contender in {**CONTENDERS, "massgen-bot, whole": whole_run}.items():
            asyncio.run(measure(contender, base_url, timings[name], runs=-(-runs // rounds), at_once=AT_ONCE))
    for name, module in PEERS.items():
        if (peer := _peer(module, base_url, runs)) is not None:
            timings[name] = peer
    least = timings["aiohttp floor"]
    print(f"{'':20}{'wall ms':>9}{'cpu ms':>9}{'x floor':>9}{'x cpu':>8}{'runs/s':>9}{'of floor':>10}")
    for name, each in sorted(timings.items(), key=lambda item: statistics.median(item[1].wall)):
        wall, cpu = statistics.median(each.wall), statistics.median(each.cpu)
        print(
            f"{name:20}{wall * 1e3:9.1f}{cpu * 1e3:9.1f}{wall / statistics.median(least.wall):9.2f}"
            f"{cpu / statistics.median(least.cpu):8.2f}{each.runs_a_second:9.1f}"
            f"{each.runs_a_second / least.runs_a_second:10.2f}"
        )
    for name in PEERS.keys() - timings.keys():
        print(f"{name:20}  not measured: make bench-peers installs it")


def rules() -> None:
    """Deciding a plan of 20 calls under 200 rules over arguments, by the rules of now."""
    print(f"\nDeciding a plan of 20 calls under 200 rules: {deciding() * 1e3:.1f} ms of processor time")


def shown_before() -> None:
    """What is read before people decide on a plan of 20 calls."""
    print(f"\nPreviews of a plan of {CALLS} calls on one tool server")
    delays = (0.0, 0.25)
    for delay, cost in zip(delays, asyncio.run(read_for_a_plan(delays)), strict=True):
        print(
            f"  a server {delay * 1e3:3.0f} ms away: {cost.reads / CALLS:.2f} reads per call, {cost.whole * 1e3:4.0f} ms,"
            f" {(cost.whole - cost.slowest) * 1e3:3.0f} ms over the slowest read"
        )


def crowds(base_url: str) -> None:
    """Many runs at once in one fresh process, and many agents in one run."""
    print(f"\n{AT_ONCE} runs at once in one process")
    row = _measured("crowd", base_url, str(AT_ONCE))
    print(
        f"  {AT_ONCE / row['seconds']:.1f} runs/s · p95 {row['p95'] / row['seconds']:.2f} of the batch's time", end=""
    )
    print(f" · peak memory {row['peak_mb']:.0f} MB")
    print("\nOne run of more and more agents, one answer each")
    for agents in (2, 5, 10, 20):
        _reset(base_url)
        _measured("agents", base_url, str(agents))
        counters = _counters(base_url)
        print(
            f"  {agents:2} agents: {counters['requests']:3} requests, {counters['bytes_in'] / 1e3:7.0f} kB sent,"
            f" {counters['bytes_in'] / 1e3 / agents:5.1f} kB per agent"
        )


def latency(base_url: str, runs: int) -> None:
    """From the click to the wire."""
    waits = asyncio.run(decisions(base_url, count=runs + 1))
    print(
        f"\nDecision to the first byte of the first call: median {_ms(statistics.median)(waits)}, worst {_ms(max)(waits)}"
    )


def starts() -> None:
    """Fresh processes."""
    print("\nFresh processes, byte code allowed, medians of 5")
    print(f"  massgen-bot --help: {_ms(statistics.median)([help_text() for _ in range(5)])}")
    first = [first_request() for _ in range(5)]
    print(f"  massgen-bot run … to its first model request: {_ms(statistics.median)(first)}")


def patience(count: int) -> None:
    """Runs that wait for people."""
    print(f"\n{count} runs waiting for approval")
    none, many = waiting(0), waiting(count)
    print(f"  memory: {many.peak_mb - none.peak_mb:+.1f} MB (from {none.peak_mb:.0f} MB with none)")
    print(f"  start-up: {none.start * 1e3:.0f} ms with none, {many.start * 1e3:.0f} ms with all")
    print(f"  CPU of the idle worker: {none.idle_cpu:.1%} with none, {many.idle_cpu:.1%} with all")


def _ms(middle: Callable[[Sequence[float]], float]) -> Callable[[Sequence[float]], str]:
    return lambda values: f"{middle(values) * 1e3:.0f} ms"


def _measured(what: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.processes", what, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    row: dict[str, float] = json.loads(done.stdout)
    return row


def _peer(module: str, base_url: str, runs: int) -> Timings | None:
    python = ROOT / ".venv-peers" / "bin" / "python"
    if not python.exists():
        return None
    command = [str(python), "-m", f"tests.bench.peers.{module}", base_url, str(runs), str(AT_ONCE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        print(f"{module} did not run: {done.stderr.strip().splitlines()[-1:]}")
        return None
    row = json.loads(done.stdout.splitlines()[-1])
    return Timings(wall=row["wall"], cpu=row["cpu"], runs_a_second=row["runs_a_second"])


def _reset(base_url: str) -> None:
    _asked(base_url, "POST", "/v1/reset")


def _counters(base_url: str) -> dict[str, int]:
    counters: dict[str, int] = json.loads(_asked(base_url, "GET", "/v1/counters"))
    return counters


def _asked(base_url: str, method: str, path: str) -> bytes:
    connection = HTTPConnection(base_url.split("/")[2], timeout=10)
    connection.request(method, path)
    return connection.getresponse().read()


if __name__ == "__main__":
    main()
