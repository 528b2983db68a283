"""A database, workers on it that are real processes, people who decide, and a world that counts what really happened."""

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import IO

import sqlalchemy as sa
from sqlalchemy import exc

from bot.application import Application, Overrides
from bot.composition import open_application
from bot.database_admin import migrate_all, verify_log
from bot.machine import console_person
from bot.variables import PYTHON_VARIABLE, Environment
from coordination.domain import states as s
from coordination.domain.transitions import Recorded
from coordination.errors import StorageError
from coordination.run_request import RunRequest
from coordination.storage.database import open_engine, parse_url
from tests.chaos.world import effects_in, gate
from tests.databases import OwnPostgres, sqlite_url
from tests.e2e.program import HOME, Process, Program

LOOK = 0.1
"""Seconds between two looks at something that another process does."""

CONFIG = """
agents:
  - id: one
    backend:
      type: scripted
      script:
        turns:
          - - calls: [{calls}]
              answer: What was asked for.
        report: [{{say: That is what happened.}}]
mcp_servers:
  world:
    type: stdio
    command: ${{MASSGEN_BOT_PYTHON}}
    args: [-m, tests.chaos.world, {journal}]
    call_timeout: {limit}
"""


def _keep(log: IO[str], file: Path) -> None:
    """Read what a worker logs, which would else have to wait once the pipe is full."""
    with (
        suppress(OSError, ValueError),
        file.open("w", buffering=1, encoding="utf-8") as to,
    ):  # its end, in the middle of a line
        for line in log:
            to.write(line)


@dataclass
class Deployment:
    """One installation. `server` is there if its database can be stopped.

    Attributes:
        wanted: runs whose plan is approved.
        rejected: runs whose plan is not.
        lookers: runs whose people look at the world before they say what became of a call.
        questions: how often people answered one.
        planned: the names of each run's calls.
        environ: what its programs are told besides.
    """

    folder: Path
    url: str
    server: OwnPostgres | None = None
    limit: float = 20.0
    workers: list[Process] = field(default_factory=list[Process])
    started: list[Process] = field(default_factory=list[Process])
    wanted: set[str] = field(default_factory=set[str])
    rejected: set[str] = field(default_factory=set[str])
    lookers: set[str] = field(default_factory=set[str])
    questions: int = 0
    planned: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    environ: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def on(cls, folder: Path, server: OwnPostgres | None = None, *, limit: float) -> "Deployment":
        """A new one, with its tables. `limit` is how many seconds its calls may take."""
        url = sqlite_url(folder) if server is None else server.new_database()
        deployment = cls(folder=folder, url=url, server=server, limit=limit)
        migrate_all(Environment(deployment.program.surroundings()).database_url())
        return deployment

    @property
    def writer(self) -> Path:
        """Where the world writes down what really happened."""
        return self.folder / "world"

    @property
    def program(self) -> Program:
        """The command line on this installation."""
        given = {"DATABASE_URL": self.url, PYTHON_VARIABLE: sys.executable, **HOME, **self.environ}
        return Program(self.folder, given)

    def start_worker(self) -> Process:
        """One more worker."""
        worker = self.start("worker")
        self.workers.append(worker)
        return worker

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Process:
        """A command that serves, until `close` at the latest. What it logs is a file in the folder."""
        program = replace(self.program, environ={**self.program.environ, **(environ or {})})
        process = program.start(*arguments)
        if process.stderr is not None:
            file = self.folder / f"{arguments[0]}-{len(self.started)}.log"
            Thread(target=_keep, args=(process.stderr, file), daemon=True).start()
        self.started.append(process)
        return process

    def end(self, worker: Process, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a worker of ours, which is not among those that should live any more."""
        self.workers.remove(worker)
        worker.send_signal(number)

    def close(self) -> None:
        """End what is left, each by its own number."""
        for process in self.started:
            with process:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()

    def open_gate(self, call: str) -> None:
        """Let a call end that waits for that."""
        gate(self.writer, call).touch()

    async def begin(self, front: Application, name: str, *seconds: float, is_gated: bool = False) -> str:
        """Ask for a run of a call for each of these numbers of seconds, which are what each takes at least."""
        calls = [f"{name}-{number}" for number, _ in enumerate(seconds)]
        plan = ", ".join(
            f"{{tool: world.write, arguments: {{name: {call}, seconds: {takes}, gate: {str(is_gated).lower()}}}}}"
            for call, takes in zip(calls, seconds, strict=True)
        )
        text = CONFIG.format(calls=plan, journal=self.writer, limit=self.limit)
        request = RunRequest(
            prompt=name,
            requester=console_person(),
            config_name="chaos",
            config_text=text,
            origin=str(self.folder / "chaos.yaml"),
        )
        run = await front.coordinator.start(request)
        self.planned[run] = calls
        return run

    @asynccontextmanager
    async def front(self) -> AsyncGenerator[Application]:
        """What people decide through; it does no work."""
        async with open_application(Environment(self.program.surroundings()), Overrides()) as application:
            yield application

    def effects(self) -> Counter[str]:
        """How often each call really happened."""
        return Counter(effect["name"] for effect in effects_in(self.writer))

    def slots(self) -> int:
        """How many slots are held: somebody is their holder, and on PostgreSQL has their lock too."""
        engine = open_engine(parse_url(self.url), "read", connections=1)
        query = "SELECT count(*) FROM worker_slots WHERE holder <> '' AND name LIKE 'slot-%'"
        if self.server is not None:
            query += (
                " AND name IN (SELECT 'slot-' || objid FROM pg_locks WHERE classid = 7701 AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
            )
        try:
            with engine.connect() as connection:
                count: int = connection.execute(sa.text(query)).scalar_one()
                return count
        finally:
            engine.dispose()

    def broken(self) -> Sequence[str]:
        """What `audit verify` says of the whole database."""
        return [
            f"{each.run} {each.seq}: {each.problem}"
            for each in verify_log(Environment(self.program.surroundings()).database_url(), None)
        ]


async def until(condition: Callable[[], bool], *, seconds: float = 30.0, what: str = "") -> None:
    """Wait for something that another process does; a database that is away is no answer yet."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(exc.SQLAlchemyError):
            if await asyncio.to_thread(condition):
                return
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(LOOK)


async def state_when(
    front: Application, run: str, accept: Callable[[s.RunState], bool], *, seconds: float = 60.0
) -> s.RunState:
    """A run's state once it is one of those; a database that is away is waited for."""
    state: s.RunState | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                with suppress(StorageError):
                    state = await front.coordinator.state(run)
                    if accept(state):
                        return state
                await asyncio.sleep(LOOK)
    except TimeoutError:
        raise AssertionError(f"{run} is {state and state.kind} after {seconds} s") from None


async def approve(front: Application, run: str) -> None:
    """Approve the plan of a run as soon as there is one."""
    state = await state_when(front, run, lambda state: isinstance(state, s.AwaitingDecision))
    assert isinstance(state, s.AwaitingDecision)
    await front.coordinator.approve(run, state.plan.digest, console_person())


def is_settled(state: s.RunState) -> bool:
    """Whether nothing more happens without a person."""
    return isinstance(state, s.Ended | s.NeedsHuman)


def is_in_flight(state: s.RunState) -> bool:
    """Whether a call has begun, and has no end on record."""
    return isinstance(state, s.Executing) and state.in_flight is not None


async def history(front: Application, run: str) -> Sequence[Recorded]:
    """A run's whole log, read once the database is there."""
    while True:
        with suppress(StorageError):
            return await front.log.read(run)
        await asyncio.sleep(LOOK)
