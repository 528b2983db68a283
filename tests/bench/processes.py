"""Measurements that need a process of their own: start-up, memory, and patience.

python -m tests.bench.processes crowd BASE_URL COUNT     -> {"seconds", "p95", "peak_mb"}
python -m tests.bench.processes agents BASE_URL COUNT    -> {"seconds"}
python -m tests.bench.processes waiting COUNT FOLDER     -> {"start", "peak_mb", "idle_cpu"}
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from typing_extensions import override

from tests.bench.ours import ask, at_once, opened, run_through
from tests.bench.plans import fill

ROOT = Path(__file__).parents[2]
IDLE_SECONDS = 5.0


@dataclass(frozen=True)
class Waiting:
    """A worker beside runs that wait: seconds to start, its memory, and the share of a core that it idles away."""

    start: float
    peak_mb: float
    idle_cpu: float


def peak_mb() -> float:
    """The most memory that this process has had. What rusage says also counts the process that it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def help_text() -> float:
    """Seconds for `massgen-bot --help` in a fresh process."""
    begun = time.perf_counter()
    subprocess.run([*_program(), "--help"], cwd=ROOT, env=_environ(), check=True, capture_output=True, timeout=60)
    return time.perf_counter() - begun


def first_request() -> float:
    """Seconds from the start of `massgen-bot run` to its first model request, with an MCP server to start on the way."""
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.set()
            self.send_error(400)

        @override
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with tempfile.TemporaryDirectory() as name, HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = Path(name)
        config = folder / "bench.yaml"
        config.write_text(ask(f"http://127.0.0.1:{server.server_port}/v1", folder).config_text, encoding="utf-8")
        environ = {**_environ(), "XDG_STATE_HOME": name, "DATABASE_URL": f"sqlite:///{folder}/runs.sqlite"}
        command = [*_program(), "run", "Say something.", "--config", str(config), "--events"]
        begun = time.perf_counter()
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            arrived.wait(60)
            seconds = time.perf_counter() - begun
            process.terminate()
        server.shutdown()
    return seconds


def waiting(count: int) -> Waiting:
    """A fresh worker on a database with so many runs that wait for a decision."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.processes", "waiting", str(count), folder]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)  # fills the database
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=600)
        return Waiting(**json.loads(done.stdout))


def _program() -> list[str]:
    return [sys.executable, "-m", "bot"]


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


async def _crowd(base_url: str, count: int) -> dict[str, float]:
    async with opened() as (application, folder):
        request = ask(base_url, folder)
        await run_through(application, request)

        async def run() -> None:
            await run_through(application, request)

        seconds, each = await at_once(run, count)
    return {"seconds": seconds, "p95": statistics.quantiles(each, n=20)[-1], "peak_mb": peak_mb()}


async def _agents(base_url: str, count: int) -> dict[str, float]:
    async with opened() as (application, folder):
        begun = time.perf_counter()
        await run_through(application, ask(base_url, folder, agents=count))
        return {"seconds": time.perf_counter() - begun}


async def _wait(count: int, folder: Path) -> dict[str, float]:
    path = folder / "runs.sqlite"
    if not path.exists():
        await fill(f"sqlite:///{path}", count)
    begun = time.perf_counter()
    async with opened(folder=folder) as (application, _):
        found = await application.log.runs(limit=1)
        start = time.perf_counter() - begun
        used = time.process_time()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (time.process_time() - used) / IDLE_SECONDS
    if bool(found) != bool(count):
        raise RuntimeError("the runs that should wait are not there")
    return asdict(Waiting(start=start, peak_mb=peak_mb(), idle_cpu=idle))


def main() -> None:
    """Measure one thing in this process."""
    what, *arguments = sys.argv[1:]
    match what:
        case "crowd":
            row = asyncio.run(_crowd(arguments[0], int(arguments[1])))
        case "agents":
            row = asyncio.run(_agents(arguments[0], int(arguments[1])))
        case "waiting":
            row = asyncio.run(_wait(int(arguments[0]), Path(arguments[1])))
        case _:
            sys.exit(f"there is no measurement {what}")
    sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
