"""A short soak: what `make soak` has 300 runs for."""

from pathlib import Path

from tests.soak.soak import faults_of, growth, soak


async def test_runs_over_moody_servers_end_as_they_should_and_leave_nothing_behind(tmp_path: Path) -> None:
    soaked = await soak(tmp_path, runs=20, seed=1, warm=15)
    assert len(soaked.receipts) + soaked.failed.total() == 35
    assert len(soaked.receipts) > 20
    assert faults_of(soaked, tmp_path) == []
    assert growth(soaked) == []
