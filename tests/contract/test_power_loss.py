"""After a power failure an SQLite file has everything that was acknowledged, however its newest bytes were torn."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coordination.storage.audit import verify
from coordination.storage.database import Purpose, open_engine, parse_url
from coordination.storage.sql_run_log import SqlLog
from tests.contract.test_known_commits import begun, submit_nothing
from tests.databases import sqlite_url

MANY = 12


@pytest.mark.parametrize(("purpose", "mode"), [("write", 2), ("engine", 1)])
def test_the_log_waits_for_the_disk_at_each_commit_and_the_engine_at_each_checkpoint(
    purpose: Purpose, mode: int, tmp_path: Path
) -> None:
    """https://www.sqlite.org/pragma.html#pragma_synchronous: in WAL mode FULL (2) is durable, NORMAL (1) consistent."""
    engine = open_engine(parse_url(sqlite_url(tmp_path)), purpose, connections=1)
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "fullfsync")
        ]
    engine.dispose()
    assert found == ["wal", mode, 1]


async def written(folder: Path) -> list[int]:
    """Runs, one after the other; how long the newest bytes' file was when each was acknowledged. Files as they were then."""
    wal, sizes = folder / "log.sqlite-wal", list[int]()
    async with SqlLog.open(sqlite_url(folder), submit=submit_nothing) as log:
        for number in range(MANY):
            await begun(log, f"A{number}")
            sizes.append(wal.stat().st_size)
        for end in ("", "-wal", "-shm"):
            shutil.copy(folder / f"log.sqlite{end}", folder / f"then.sqlite{end}")
    return sizes


@pytest.mark.parametrize("seed", range(12))
async def test_what_was_acknowledged_before_a_torn_write_is_there_and_whole(seed: int, tmp_path: Path) -> None:
    sizes, dice = await written(tmp_path), random.Random(seed)  # noqa: S311 - a test's dice
    wal = tmp_path / "then.sqlite-wal"
    acknowledged = dice.randrange(1, MANY)
    on_disk, after = sizes[acknowledged - 1], sizes[acknowledged]
    torn = dice.randrange(on_disk, after)
    data = wal.read_bytes()[:torn]
    junk = dice.choice([b"", dice.randbytes(dice.randrange(1, 9000)), bytes(4096)])
    wal.write_bytes(data + junk)
    url = sqlite_url(tmp_path, "then.sqlite")
    async with SqlLog.open(url, submit=submit_nothing) as log:
        assert {each.run for each in await log.runs()} == {f"A{number}" for number in range(acknowledged)}
        await begun(log, "B")
    assert [each for each in verify(url) if not each.problem.startswith("the configuration ")] == []
    with closing(sqlite3.connect(tmp_path / "then.sqlite")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
