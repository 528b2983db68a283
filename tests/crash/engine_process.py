"""A worker as a process: `python -m tests.crash.engine_process URL DIARY hang|work|hang-TENANT [LEASE]`.

It notes each job in the diary when it begins it and when it is done; told to hang, it never gets done. Told to hang with
one tenant, as by a dead tool server of theirs, it has room for 8 jobs of a task. It says `ready` when it takes part, and
leaves in good order at SIGTERM.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from coordination.ports import Job
from tests.contract.engines import open_quick


async def main(url: str, diary: Path, manner: str, lease: float = 15.0) -> None:
    """Work until told to leave."""
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)

    def note(word: str, job: Job) -> None:
        with diary.open("a", encoding="utf-8") as file:
            file.write(f"{word} {job.name} {os.getpid()}\n")

    async def perform(job: Job) -> None:
        note("begin", job)
        if manner in ("hang", f"hang-{job.tenant}"):
            await asyncio.Event().wait()
        note("done", job)

    is_shared = manner.startswith("hang-")
    opened = open_quick(url, lease=lease, is_shared=is_shared, limit=8 if is_shared else 128)
    async with opened as engine, engine.running(perform):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await leave.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], *map(float, sys.argv[4:])))
