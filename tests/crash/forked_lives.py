"""Starts the real program many times, cheaply: this process imports everything once and forks for each life.

    python -m tests.crash.forked_lives
    one JSON object per line on standard input:  {"database": …, "state": …, "config": …, "dies_at": …}
    one per line on standard output:             {"died": …, "points": […], "state": …, "run": …}

A life begins a run if the database has none, approves what waits, and goes on until nothing more happens by itself.
"""

import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from bot.application import Overrides
from bot.composition import open_application
from bot.machine import console_person
from bot.variables import Environment
from coordination.domain import states as s
from coordination.run_request import RunRequest
from tests.crash.failpoints import FailpointHub, FailpointLog, FailpointModel, Failpoints

PATIENCE = 60.0
"""Seconds that one life may take."""


class Life(TypedDict):
    """One life of the program: its files, and the point at which it dies (0: it lives)."""

    database: str
    state: str
    config: str
    dies_at: int


class End(TypedDict):
    """How a life ended."""

    died: bool
    points: list[str]
    run: str
    state: str


def overrides(failpoints: Failpoints) -> Overrides:
    """The real parts, each with the failpoints around it."""
    return Overrides(
        log=lambda log: FailpointLog(log, failpoints),
        hub=lambda hub: FailpointHub(hub, failpoints),
        models=lambda models: [FailpointModel(model, failpoints) for model in models],
    )


async def live(request: RunRequest, environ: Mapping[str, str], failpoints: Failpoints) -> tuple[str, str]:
    """Begin or go on, approve, and wait for the end. Returns the run and its last state."""
    async with (
        asyncio.timeout(PATIENCE),
        open_application(Environment(environ), overrides(failpoints)) as application,
        application.working(),
    ):
        known = await application.log.runs(limit=1)
        run = known[0].run if known else await application.coordinator.start(request)
        async for _ in application.log.follow(run):
            state = await application.coordinator.state(run)
            if isinstance(state, s.AwaitingDecision):
                await application.coordinator.approve(run, state.plan.digest, state.request.requester)
            elif isinstance(state, s.Ended | s.NeedsHuman):
                return run, state.kind
    raise AssertionError("a log is followed for ever")


def request(life: Life) -> RunRequest:
    """What every first life asks for."""
    path = Path(life["config"])
    return RunRequest(
        prompt="Announce the street party",
        requester=console_person(),
        config_name=path.stem,
        config_text=path.read_text(encoding="utf-8"),
        origin=str(path),
    )


def run_child(life: Life, answer: int) -> None:
    """In the child: live, and tell how it went."""
    environ = {
        "MASSGEN_BOT_PYTHON": sys.executable,
        **os.environ,
        "DATABASE_URL": life["database"],
        "XDG_STATE_HOME": life["state"],
        "MASSGEN_BOT_STATE": life["state"],
        "MASSGEN_BOT_DEMO_PACE": "0",
    }
    failpoints = Failpoints(dies_at=life["dies_at"])
    run, state = asyncio.run(live(request(life), environ, failpoints))
    end = End(died=False, points=failpoints.reached, run=run, state=state)
    os.write(answer, json.dumps(end).encode())


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Fork for each life, one after the other."""
    logging.disable(logging.CRITICAL)
    gc.freeze()  # The program itself collects no garbage while it starts; a life lasts no longer.
    for line in sys.stdin:
        life: Life = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reading)
                run_child(life, writing)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            told = answer.read()
        _, status = os.waitpid(child, 0)
        if told:
            _tell(told.decode())
        elif os.WIFSIGNALED(status):
            _tell(json.dumps(End(died=True, points=[], run="", state="")))
        else:
            sys.exit(f"a life of the program ended badly: {life}")


if __name__ == "__main__":
    main()
