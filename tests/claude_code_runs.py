"""Whether Claude Code's own program works on this machine, with nothing of ours around it.

python -m tests.claude_code_runs    -> exit status 1, and a sentence, if it does not
"""

import asyncio
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.servers.claude_code_backend import Says, claude_code_backend

ANSWER = "at your service"
SECONDS = 120.0


async def says() -> str:
    """What the program prints when it is asked something, and its provider answers."""
    library = find_spec("claude_agent_sdk")
    if library is None or library.origin is None:
        raise FileNotFoundError("claude_agent_sdk")
    program = Path(library.origin).parent / "_bundled" / "claude"
    with tempfile.TemporaryDirectory() as home:
        async with claude_code_backend(*[Says(text=ANSWER)] * 5, is_strict=False) as backend:
            process = await asyncio.create_subprocess_exec(
                program, "--print", "--bare", "hello",
                cwd=home,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": home,
                    "ANTHROPIC_API_KEY": "k",
                    "ANTHROPIC_BASE_URL": backend.base_url,
                    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            try:
                async with asyncio.timeout(SECONDS):
                    printed, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    return printed.decode("utf-8", "replace")


def main() -> None:
    """Ask it once."""
    try:
        printed = asyncio.run(says())
    except (OSError, TimeoutError) as error:
        printed = type(error).__name__
    if ANSWER not in printed:
        sys.exit(f"Claude Code's program does not work on this machine: {printed.strip()[-300:]}")


if __name__ == "__main__":
    main()
