"""A disk without room, tried on real ones of a few pages: it is waited for and said, wherever SQLite notices it."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.database_admin import migrate_all
from coordination.errors import DatabaseBlockedError
from coordination.storage.sql_run_log import SqlLog
from tests.contract.test_known_commits import begun, submit_nothing
from tests.databases import sqlite_url

FEW_FILES = 12


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A disk of 3 MB and a dozen files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root mounts a disk")
    options = f"size=3m,nr_inodes={FEW_FILES}"
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)
    if done.returncode != 0:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        yield folder
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=True)


def no_room(disk: Path) -> None:
    with suppress(OSError), (disk / "others").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def no_file(disk: Path) -> None:
    with suppress(OSError):
        for number in range(FEW_FILES):
            (disk / f"other{number}").touch()


def make_room(disk: Path) -> None:
    for other in disk.glob("other*"):
        other.unlink()


@pytest.mark.parametrize("fill", [no_room, no_file])
async def test_a_program_that_starts_on_a_full_disk_is_told_so_and_starts_once_there_is_room(
    fill: Callable[[Path], None], disk: Path
) -> None:
    url = sqlite_url(disk)
    await asyncio.to_thread(migrate_all, url)
    fill(disk)
    with pytest.raises(DatabaseBlockedError, match="is full; free some space"):
        async with SqlLog.open(url, submit=submit_nothing):
            pass
    make_room(disk)
    async with SqlLog.open(url, submit=submit_nothing) as log:
        await begun(log, "A")


async def begin_until_it_fails(log: SqlLog, begun_so_far: list[str]) -> None:
    """Runs, one after the other."""
    for number in range(1000):
        await begun(log, f"B{number}")
        begun_so_far.append(f"B{number}")


async def test_a_disk_that_fills_up_under_a_program_takes_nothing_from_it(disk: Path) -> None:
    async with SqlLog.open(sqlite_url(disk), submit=submit_nothing) as log:
        no_room(disk)
        there: list[str] = []
        with pytest.raises(DatabaseBlockedError, match="is full; free some space"):
            await begin_until_it_fails(log, there)
        make_room(disk)
        await begun(log, "A")
        assert {each.run for each in await log.runs(limit=1000)} == {"A", *there}
