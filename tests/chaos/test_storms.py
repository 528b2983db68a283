"""Short storms: approved calls happen once, nothing is lost or stuck, and the log verifies. `make chaos` has long ones."""

from pathlib import Path

import pytest

from tests.chaos.deployment import Deployment
from tests.chaos.storm import LIMIT, OUTAGES, Weather, storm
from tests.databases import own_server, postgres_programs

SECONDS = 6.0
QUICK = ("kill", "terminate", "freeze")
"""No freeze beyond the lease of 15 s: `tests/crash/test_engine_processes.py` has one, of a shorter lease."""


async def test_on_sqlite_workers_that_die_freeze_and_leave_double_nothing_and_lose_nothing(tmp_path: Path) -> None:
    weather = Weather(seed=1, seconds=SECONDS, workers=3, faults=QUICK)
    await storm(Deployment.on(tmp_path, limit=LIMIT), weather, print)


@pytest.mark.parametrize("faults", [(*QUICK, *OUTAGES), OUTAGES])
async def test_on_postgres_outages_and_cuts_add_nothing_to_that_and_alone_ask_nobody(
    faults: tuple[str, ...], tmp_path: Path
) -> None:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    with own_server(programs) as server:
        weather = Weather(seed=2, seconds=SECONDS, workers=3, faults=faults)
        await storm(Deployment.on(tmp_path, server, limit=LIMIT), weather, print)
